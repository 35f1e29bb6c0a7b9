//! Words that say nothing about a thing are no names.

use super::code::{Code, is_name};
use super::tree::{Finding, Source};

/// Each with what to write instead.
const BANNED: &[(&str, &str)] = &[
    ("manager", "name what it owns"),
    ("helper", "name what it does"),
    ("helpers", "name what they do"),
    ("util", "put it beside its user"),
    ("utils", "put it beside its user"),
    ("common", "name what it shares"),
    ("misc", "name what it is"),
];

/// What a declared name stands behind.
const DECLARES: &[&str] = &["struct", "enum", "union", "trait", "type", "mod", "fn", "const", "static", "macro_rules"];

/// Banned words among the names a file declares, and getters called `get_`.
pub(crate) fn check(file: &Source) -> Vec<Finding> {
    let code = Code::new(&file.text);
    let tokens = code.tokens();
    let mut findings = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if !DECLARES.contains(&token.text) {
            continue;
        }
        let words = ["!", "mut", "ref"];
        let Some(name) = tokens[at + 1..].iter().find(|token| !words.contains(&token.text)) else { continue };
        if !is_name(name.text) {
            continue;
        }
        if let Some((word, instead)) = banned_word(name.text) {
            findings.push(file.finding(name.line, format!("{:?} in the name {}; {instead}", word, name.text)));
        }
        // get_mut is what the standard library calls it.
        if token.text == "fn" && name.text.starts_with("get_") && name.text != "get_mut" {
            let message = format!("fn {}; leave get_ out, a getter is called like what it returns", name.text);
            findings.push(file.finding(name.line, message));
        }
    }
    findings
}

/// Folders whose names are not ours to choose, and why.
const PATH_EXCEPTIONS: &[(&str, &str)] =
    &[("tests/common/", "Cargo's manual names it so: where integration tests keep the module they share")];

/// Banned words in a path.
pub(crate) fn check_path(file: &Source) -> Vec<Finding> {
    if PATH_EXCEPTIONS.iter().any(|(folder, _)| file.path.starts_with(folder)) {
        return Vec::new();
    }
    let parts = file.path.split(['/', '.', '-']);
    let banned = parts.filter_map(banned_word);
    banned.map(|(word, instead)| file.finding(1, format!("{word:?} in the path; {instead}"))).collect()
}

fn banned_word(name: &str) -> Option<(&'static str, &'static str)> {
    let words = words_of(name);
    BANNED.iter().copied().find(|(banned, _)| words.iter().any(|word| word == banned))
}

/// `UserTable` and `user_table` as `user`, `table`.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_is_lower = false;
    for c in name.chars() {
        let begins = c == '_' || (c.is_uppercase() && before_is_lower);
        if begins {
            words.push(String::new());
        }
        if let (Some(word), true) = (words.last_mut(), c != '_') {
            word.extend(c.to_lowercase());
        }
        before_is_lower = c.is_lowercase();
    }
    words
}

#[test]
fn words_that_say_nothing_are_found() {
    for bad in [
        "struct SessionManager;",
        "mod utils;",
        "fn parse_helper() {}",
        "pub(super) const COMMON_PORT: u16 = 1;",
        "static mut MISC: u8 = 0;",
        "macro_rules! util { () => {} }",
        "fn get_realm(&self) {}",
    ] {
        assert_eq!(check(&Source::new("src/a.rs", bad)).len(), 1, "{bad}");
    }
    for path in ["src/udp/utils.rs", "src/common/mod.rs", "tests/interop/helpers.py"] {
        assert_eq!(check_path(&Source::new(path, "")).len(), 1, "{path}");
    }
}

#[test]
fn words_within_words_are_fine() {
    let fine = "struct Commons; fn get_mut() {} fn get() {} fn manage() {} // the common Helper\nfn utility() {}";
    assert_eq!(check(&Source::new("src/a.rs", fine)), []);
    assert_eq!(check_path(&Source::new("src/udp/shared.rs", "")), []);
}
