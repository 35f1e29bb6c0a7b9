//! `unsafe` has few homes, and each use says why it holds.

use super::code::Code;
use super::tree::{Finding, Source};

/// Where `unsafe` may stand.
const HOMES: &[&str] = &["src/udp/sys.rs", "src/kernel/", "src/stream/dtls_sys.rs"];

/// Lines of a statement that may stand between `unsafe` and the comment above it.
const STATEMENT_LINES_MAX: usize = 4;

/// `unsafe` away from its homes, or without a reason.
pub(crate) fn check(file: &Source) -> Vec<Finding> {
    let code = Code::new(&file.text);
    let is_home = HOMES.iter().any(|home| file.path.starts_with(home));
    let mut findings = Vec::new();
    for token in code.tokens().iter().filter(|token| token.text == "unsafe") {
        if !is_home {
            let message =
                format!("unsafe outside its homes; write it in one of {}, behind a safe function", HOMES.join(", "));
            findings.push(file.finding(token.line, message));
        } else if !is_reasoned(&code, token.line) {
            let message =
                "unsafe without a reason; write `// SAFETY: why it holds` above it (`# Safety` for an unsafe fn)";
            findings.push(file.finding(token.line, message));
        }
    }
    findings
}

/// Whether the comment above the statement around `line` gives the reason.
fn is_reasoned(code: &Code, line: usize) -> bool {
    let comments: Vec<&str> = code.comments.lines().collect();
    let codes: Vec<&str> = code.code.lines().collect();
    let is_reason = |at: usize| comments[at].contains("SAFETY:") || comments[at].contains("# Safety");
    let mut at = line - 1;
    if is_reason(at) {
        return true;
    }
    let mut passed = 0;
    let mut in_comment = false;
    while at > 0 {
        at -= 1;
        let has_code = !codes[at].trim().is_empty();
        let has_comment = !comments[at].trim().is_empty();
        if is_reason(at) {
            return true;
        }
        let ends_statement = codes[at].trim_end().ends_with([';', '}', '{']);
        match (has_code, has_comment) {
            (false, true) => in_comment = true,
            // Attributes and the beginning of the statement.
            (true, false) if !in_comment && !ends_statement && passed < STATEMENT_LINES_MAX => passed += 1,
            _ => return false,
        }
    }
    false
}

#[test]
fn unsafe_away_from_home_is_found() {
    let text = "// SAFETY: it holds.\nlet a = unsafe { b() };\n";
    assert_eq!(check(&Source::new("src/udp/batch.rs", text))[0].line, 2);
    assert_eq!(check(&Source::new("tests/a.rs", text)).len(), 1);
    for home in ["src/udp/sys.rs", "src/kernel/maps.rs", "src/stream/dtls_sys.rs"] {
        assert_eq!(check(&Source::new(home, text)), [], "{home}");
    }
}

#[test]
fn unsafe_without_a_reason_is_found() {
    let check = |text: &str| check(&Source::new("src/udp/sys.rs", text));
    for bad in [
        "let a = unsafe { b() };",
        "// SAFETY: of something else.\nlet c = 1;\nlet a = unsafe { b() };",
        "// SAFETY: of something else.\n\nlet a = unsafe { b() };",
        "// it is fine\nunsafe { b() }",
        "unsafe impl Send for A {}",
    ] {
        assert_eq!(check(bad).len(), 1, "{bad}");
    }
    for fine in [
        "// SAFETY: it holds\n// in two lines.\nlet a =\n    unsafe { b() };",
        "/// # Safety\n/// The caller sees to it.\npub unsafe fn a() {}",
        "#![deny(unsafe_code)] // no unsafe here\nconst A: &str = \"unsafe\";",
    ] {
        assert_eq!(check(fine), [], "{fine}");
    }
}
