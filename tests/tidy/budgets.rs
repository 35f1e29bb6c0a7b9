//! Budgets: a file has one subject, a function fits a screen.

use super::code::Code;
use super::tree::{Finding, Source, Tree};

/// Lines of a file.
const FILE_LINES_MAX: usize = 500;
/// What an exception may allow at most.
const FILE_LINES_LIMIT: usize = 800;
/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 60;

/// A file that is longer, how long it may be, and why it cannot be split.
pub(crate) type Exception = (&'static str, usize, &'static str);

/// None so far.
pub(crate) const EXCEPTIONS: &[Exception] = &[];

/// A file that is too long.
pub(crate) fn check_file(file: &Source, exceptions: &[Exception]) -> Vec<Finding> {
    let lines = file.text.lines().count();
    let max = exceptions.iter().find(|(path, ..)| *path == file.path).map_or(FILE_LINES_MAX, |(_, max, _)| *max);
    let message = || format!("{lines} lines, {max} are the budget; split the file by subject");
    (lines > max).then(|| file.finding(max + 1, message())).into_iter().collect()
}

/// Functions that are too long.
pub(crate) fn check_functions(file: &Source) -> Vec<Finding> {
    let functions = Code::new(&file.text).functions().into_iter().map(|function| (function.lines.len(), function));
    let long = functions.filter(|(lines, _)| *lines > FUNCTION_LINES_MAX);
    long.map(|(lines, function)| {
        let message = format!(
            "fn {} has {lines} lines, {FUNCTION_LINES_MAX} are the budget; give its steps names of their own",
            function.name
        );
        file.finding(function.lines.start, message)
    })
    .collect()
}

/// Exceptions that say no reason, allow too much, or are not needed any more.
pub(crate) fn check_exceptions(exceptions: &[Exception], tree: &Tree) -> Vec<Finding> {
    let here = Source::new("tests/tidy/budgets.rs", "");
    let mut findings = Vec::new();
    for (path, max, reason) in exceptions {
        let lines = tree.all().find(|file| file.path == *path).map(|file| file.text.lines().count());
        if reason.split_whitespace().count() < 3 {
            findings
                .push(here.finding(1, format!("the exception for {path} says no reason; say why it cannot be split")));
        }
        if *max > FILE_LINES_LIMIT {
            findings.push(
                here.finding(1, format!("{path} may have {max} lines, {FILE_LINES_LIMIT} are the limit; split it")),
            );
        }
        if lines.is_none_or(|lines| lines <= FILE_LINES_MAX) {
            findings.push(here.finding(1, format!("{path} needs no exception; remove it")));
        }
    }
    findings
}

#[cfg(test)]
fn file_of(lines: usize) -> Source {
    Source::new("src/a.rs", &"// line\n".repeat(lines))
}

#[test]
fn a_long_file_is_found() {
    assert_eq!(check_file(&file_of(500), &[]), []);
    assert_eq!(check_file(&file_of(501), &[])[0].line, 501);
    let exceptions: &[Exception] = &[("src/a.rs", 600, "one table of one format")];
    assert_eq!(check_file(&file_of(600), exceptions), []);
    assert_eq!(check_file(&file_of(601), exceptions).len(), 1);
}

#[test]
fn an_exception_needs_a_reason_a_limit_and_a_file() {
    let long = "// line\n".repeat(700);
    let tree = Tree::of(&[("src/a.rs", &long), ("src/b.rs", "")]);
    assert_eq!(check_exceptions(&[("src/a.rs", 700, "one table of one format")], &tree), []);
    for bad in [
        ("src/a.rs", 700, ""),
        ("src/a.rs", 801, "one table of one format"),
        ("src/b.rs", 700, "one table of one format"),
        ("src/none.rs", 700, "one table of one format"),
    ] {
        assert_eq!(check_exceptions(&[bad], &tree).len(), 1, "{bad:?}");
    }
}

#[test]
fn a_long_function_is_found() {
    let of = |lines: usize| format!("\nfn long() {{\n{}}}\n", "    step();\n".repeat(lines - 2));
    assert_eq!(check_functions(&Source::new("src/a.rs", &of(60))), []);
    let found = check_functions(&Source::new("src/a.rs", &of(61)));
    assert!(found.len() == 1 && found[0].line == 2 && found[0].message.contains("fn long has 61 lines"), "{found:?}");
}
