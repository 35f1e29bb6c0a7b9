//! Rust text taken apart as far as the rules need: what is code, what is comment, which paths and functions there are.

use std::ops::Range;

/// A file's text with comments, strings and characters blanked, and its comments alone. Both have the lines of the file.
pub(crate) struct Code {
    /// The code.
    pub(crate) code: String,
    /// The comments, marks included.
    pub(crate) comments: String,
}

/// A word or a sign of code, and its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// The word, `::`, or one character.
    pub(crate) text: &'a str,
    /// Its line, counted from 1.
    pub(crate) line: usize,
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The lines from `fn` to the closing brace.
    pub(crate) lines: Range<usize>,
}

impl Code {
    /// Takes a file apart.
    pub(crate) fn new(text: &str) -> Code {
        let mut code = String::with_capacity(text.len());
        let mut comments = String::with_capacity(text.len());
        let mut rest = text;
        let mut before = ' ';
        while !rest.is_empty() {
            let (len, kind) = piece(rest, before);
            let (piece, behind) = rest.split_at(len);
            for c in piece.chars() {
                let blank = if c == '\n' { '\n' } else { ' ' };
                code.push(if kind == Piece::Code { c } else { blank });
                comments.push(if kind == Piece::Comment { c } else { blank });
            }
            before = piece.chars().next_back().unwrap_or(' ');
            rest = behind;
        }
        Code { code, comments }
    }

    /// The words and signs of the code.
    pub(crate) fn tokens(&self) -> Vec<Token<'_>> {
        let mut tokens = Vec::new();
        for (index, line) in self.code.lines().enumerate() {
            let mut rest = line.trim_start();
            while let Some(first) = rest.chars().next() {
                let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
                let len = match word {
                    0 if rest.starts_with("::") => 2,
                    0 => first.len_utf8(),
                    word => word,
                };
                tokens.push(Token { text: &rest[..len], line: index + 1 });
                rest = rest[len..].trim_start();
            }
        }
        tokens
    }

    /// Every path of two or more names, groups of `use` spelled out, with its line.
    pub(crate) fn paths(&self) -> Vec<(Vec<String>, usize)> {
        let tokens = self.tokens();
        let mut paths = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            at = match is_name(tokens[at].text) {
                true => read_path(&tokens, at, &[], &mut paths),
                false => at + 1,
            };
        }
        paths
    }

    /// Every function with a body, nested ones included.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let tokens = self.tokens();
        let starts = tokens.windows(2).enumerate().filter(|(_, pair)| pair[0].text == "fn" && is_name(pair[1].text));
        starts.filter_map(|(at, pair)| function(&tokens[at..], pair[1].text)).collect()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Code,
    Comment,
    Text,
}

/// The length and kind of what `rest` begins with; `before` is the character in front of it.
fn piece(rest: &str, before: char) -> (usize, Piece) {
    let first = rest.chars().next().map_or(0, char::len_utf8);
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), Piece::Comment);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), Piece::Comment);
    }
    if !is_word(before) {
        if let Some(len) = raw_string(rest) {
            return (len, Piece::Text);
        }
        if rest.starts_with("b'") || rest.starts_with("b\"") {
            return (1 + quoted(&rest[1..], char::from(rest.as_bytes()[1])), Piece::Text);
        }
    }
    match rest.as_bytes()[0] {
        b'"' => (quoted(rest, '"'), Piece::Text),
        b'\'' => match character(rest) {
            Some(len) => (len, Piece::Text),
            None => (1, Piece::Code),
        },
        _ => (first, Piece::Code),
    }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// `r"..."`, `r#"..."#` and their kin with `b` or `c` in front.
fn raw_string(rest: &str) -> Option<usize> {
    let behind = rest.trim_start_matches(['b', 'c']).strip_prefix('r')?;
    let hashes = behind.len() - behind.trim_start_matches('#').len();
    let body = behind[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let len = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(rest.len() - body.len() + len)
}

fn quoted(rest: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == mark => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character in quotes; none when the quote begins a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut characters = rest.chars().skip(1);
    match (characters.next()?, characters.next()) {
        ('\\', _) => Some(quoted(rest, '\'')),
        (_, Some('\'')) => Some(quoted(rest, '\'')),
        _ => None,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a token is a name or a keyword.
pub(crate) fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads the path that begins at `at` behind `prefix`, and says where it ends.
fn read_path(tokens: &[Token<'_>], mut at: usize, prefix: &[String], paths: &mut Vec<(Vec<String>, usize)>) -> usize {
    let line = tokens[at].line;
    let mut path = prefix.to_vec();
    path.push(tokens[at].text.to_owned());
    at += 1;
    while tokens.get(at).is_some_and(|token| token.text == "::") {
        match tokens.get(at + 1).map(|token| token.text) {
            Some("{") => return read_group(tokens, at + 2, &path, paths),
            Some(name) if is_name(name) => path.push(name.to_owned()),
            _ => break,
        }
        at += 2;
    }
    if path.len() > 1 {
        paths.push((path, line));
    }
    at
}

fn read_group(tokens: &[Token<'_>], mut at: usize, prefix: &[String], paths: &mut Vec<(Vec<String>, usize)>) -> usize {
    while let Some(token) = tokens.get(at) {
        at = match token.text {
            "}" => return at + 1,
            "as" => at + 2,
            name if is_name(name) => read_path(tokens, at, prefix, paths),
            _ => at + 1,
        };
    }
    at
}

/// The function whose `fn` comes first in `tokens`; none when it has no body.
fn function(tokens: &[Token<'_>], name: &str) -> Option<Function> {
    let mut depth = 0usize;
    let mut open = None;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            ";" if depth == 0 => return None,
            "{" if depth == 0 => {
                open = Some(at);
                break;
            }
            _ => {}
        }
    }
    let mut braces = 0usize;
    for token in &tokens[open?..] {
        match token.text {
            "{" => braces += 1,
            "}" => braces -= 1,
            _ => continue,
        }
        if braces == 0 {
            return Some(Function { name: name.to_owned(), lines: tokens[0].line..token.line + 1 });
        }
    }
    None
}

#[test]
fn comments_and_strings_are_no_code() {
    let text =
        "let a = \"fn // x\"; // unsafe \"\nlet b = r#\"a \" unsafe\"#; /* fn /* in */ out */ c('\\'', '\"', b'\"');";
    let code = Code::new(text);
    assert!(!code.code.contains("unsafe") && !code.code.contains("fn"), "{}", code.code);
    assert!(code.code.contains("let b =") && code.code.contains("c(") && code.code.ends_with(");"), "{}", code.code);
    assert_eq!(code.comments.matches("unsafe").count(), 1);
    assert_eq!(code.comments.lines().count(), 2);
}

#[test]
fn lifetimes_are_code_and_characters_are_not() {
    let code = Code::new("fn a<'b>(c: &'b str) -> char { 'd' }").code;
    assert!(code.contains("&'b str") && !code.contains("'d'"), "{code}");
}

#[test]
fn groups_of_use_are_spelled_out() {
    let text =
        "use crate::{clock, turn::{io::Output, Server as Core}};\nfn a() { crate::udp::go::<u8>(std::fs::read) }";
    let paths: Vec<String> =
        Code::new(text).paths().iter().map(|(path, line)| format!("{line} {}", path.join("::"))).collect();
    let expected =
        ["1 crate::clock", "1 crate::turn::io::Output", "1 crate::turn::Server", "2 crate::udp::go", "2 std::fs::read"];
    assert_eq!(paths, expected);
}

#[test]
fn functions_are_measured_from_fn_to_brace() {
    let text = "trait T { fn none(&self) -> [u8; 4]; }\nfn a(\n b: u8,\n) -> u8\nwhere u8: Copy\n{\n if b { 1 } else { 2 }\n}\n";
    assert_eq!(Code::new(text).functions(), [Function { name: "a".to_owned(), lines: 2..9 }]);
}
