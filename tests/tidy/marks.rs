//! Work is finished, and an exception from a lint says why.

use super::code::Code;
use super::tree::{Finding, Source};

/// Calls that stand for code that was not written.
const UNWRITTEN: &[&str] = &["todo", "unimplemented", "dbg"];
/// Words of comments that stand for work that was not done.
const UNDONE: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

/// Code and comments that put something off, and tests that do not run.
pub(crate) fn check_unfinished(file: &Source) -> Vec<Finding> {
    let code = Code::new(&file.text);
    let tokens = code.tokens();
    let mut findings = Vec::new();
    for triple in tokens.windows(3) {
        let [first, second, third] = triple else { continue };
        if UNWRITTEN.contains(&first.text) && second.text == "!" {
            findings.push(file.finding(first.line, format!("{}!; write the code, or an error", first.text)));
        }
        if first.text == "#" && second.text == "[" && third.text == "ignore" {
            let message = "#[ignore]; make the test run everywhere, or tell by its outcome what it needs";
            findings.push(file.finding(first.line, message));
        }
    }
    for (index, line) in code.comments.lines().enumerate() {
        let words = line.split(|c: char| !c.is_alphanumeric());
        findings.extend(words.filter(|word| UNDONE.contains(word)).map(|word| {
            file.finding(index + 1, format!("{word} in a comment; do it, or write down what the code does now"))
        }));
    }
    findings
}

/// `allow` and `expect` of lints without a reason.
pub(crate) fn check_allows(file: &Source) -> Vec<Finding> {
    let code = Code::new(&file.text);
    let tokens = code.tokens();
    let mut findings = Vec::new();
    for (at, window) in tokens.windows(2).enumerate() {
        let [name, paren] = window else { continue };
        if !matches!(name.text, "allow" | "expect") || paren.text != "(" || !is_in_attribute(&tokens[..at]) {
            continue;
        }
        let arguments = until_closing(&tokens[at + 1..]);
        let has_reason = arguments.windows(2).any(|pair| pair[0].text == "reason" && pair[1].text == "=");
        if !has_reason {
            let message = format!("{} without a reason; add reason = \"...\"", name.text);
            findings.push(file.finding(name.line, message));
        }
    }
    findings
}

/// Whether the tokens before a name open an attribute that is not closed yet: `#[`, `#![`, or `cfg_attr(.., ` within one.
fn is_in_attribute(before: &[super::code::Token<'_>]) -> bool {
    let mut closed = 0usize;
    for (at, token) in before.iter().enumerate().rev() {
        match token.text {
            "]" => closed += 1,
            "[" if closed > 0 => closed -= 1,
            "[" => return at > 0 && matches!(before[at - 1].text, "#" | "!"),
            ";" | "{" | "}" => return false,
            _ => {}
        }
    }
    false
}

/// The tokens from an opening parenthesis to the one that closes it.
fn until_closing<'a, 't>(tokens: &'a [super::code::Token<'t>]) -> &'a [super::code::Token<'t>] {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &tokens[..at];
        }
    }
    tokens
}

#[test]
fn unfinished_work_is_found() {
    for bad in [
        "fn a() { todo!() }",
        "fn a() { unimplemented!(\"later\") }",
        "fn a() { dbg!(1); }",
        "// FIXME: wrong",
        "/// XXX",
        "/* TODO */ fn a() {}",
        "#[test]\n#[ignore]\nfn a() {}",
        "#[ignore = \"slow\"]\nfn a() {}",
    ] {
        assert_eq!(check_unfinished(&Source::new("src/a.rs", bad)).len(), 1, "{bad}");
    }
    let fine = "fn todo() {} const A: &str = \"todo!() FIXME\"; // CVE-XXXX, todos";
    assert_eq!(check_unfinished(&Source::new("src/a.rs", fine)), []);
}

#[test]
fn an_allow_without_a_reason_is_found() {
    for bad in [
        "#[allow(dead_code)]\nfn a() {}",
        "#![allow(unused)]",
        "#[cfg_attr(test, allow(dead_code))]\nfn a() {}",
        "#[expect(\n    dead_code\n)]\nfn a() {}",
    ] {
        assert_eq!(check_allows(&Source::new("src/a.rs", bad)).len(), 1, "{bad}");
    }
    let fine = "#[allow(dead_code, reason = \"read by the kernel\")]\nfn a() { b.expect(\"c\"); allow(d); e[0].expect(\"f\") }";
    assert_eq!(check_allows(&Source::new("src/a.rs", fine)), []);
}
