//! The language of the scenarios: one act a line, `what happens -> what is seen`.
//!
//! ```text
//! # A comment; the first line of a file cites what the story is about.
//! server default external=130.89.7.7 relay=10.1.2.3      the profile; one line, before everything else
//! option channel-extends-permission = true               a line of the configuration file
//! client a tcp from=203.0.113.5:4000 user=bob worker=1   only where it differs from what clients are otherwise
//! peer p 8.8.4.4:5000                                    the same for a peer
//! client a allocate lifetime=900 -> 200 lifetime=900     a code, and as many of the words behind it as matter
//! client a send p "x" -> p "x"                           everything that arrives anywhere, or none
//! advance 599s
//! ```

/// A line that does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Act {
    pub(crate) line: usize,
    pub(crate) words: Vec<String>,
    /// What stands behind the arrow.
    pub(crate) expected: Option<Vec<String>>,
}

/// The acts of a script.
pub(crate) fn parse(text: &str) -> Vec<Act> {
    let acts = text.lines().enumerate().map(|(index, line)| {
        let mut words = words_of(line);
        let arrow = words.iter().position(|word| word == "->");
        let expected = arrow.map(|arrow| words.split_off(arrow)[1..].to_vec());
        Act { line: index + 1, words, expected }
    });
    acts.filter(|act| !act.words.is_empty()).collect()
}

/// Words between blanks; what stands in quotes is one of them, quotes included. `#` begins a comment.
fn words_of(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for c in line.chars() {
        match c {
            '#' if !is_quoted => break,
            ' ' | '\t' if !is_quoted => words.push(String::new()),
            _ => {
                is_quoted ^= c == '"';
                words.last_mut().expect("never empty").push(c);
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether what was seen is what the script says: of data everything, of an answer the code and the words named.
pub(crate) fn agrees(seen: &[String], expected: &[String]) -> bool {
    let is_code = |words: &[String]| words.first().is_some_and(|word| word.parse::<u16>().is_ok());
    match is_code(seen) {
        true => seen.first() == expected.first() && expected.iter().all(|word| seen.contains(word)),
        false => seen == expected,
    }
}
