//! What an operator writes, and what the server makes of it: command lines, TOML files, profiles, contradictions.

mod args;
mod auth;
mod broken;
mod convert;
mod coturn;
mod coturn_names;
mod environment;
mod log;
mod manual;
mod options;
mod redirect;
mod resolve;
mod toml;

use std::ffi::OsString;
use std::path::Path;

use turnserver::config::args::FileChoice;
use turnserver::config::{
    Command, Config, Loaded, Problem, Problems, Serve, load_searching, load_text, parse_command_line,
};

/// A command line, one option or value per word.
fn parse(line: &str) -> Result<Command, Problem> {
    parse_command_line(line.split_whitespace().map(OsString::from))
}

/// What a command line that must be well-formed asks to serve.
fn serve(line: &str) -> Serve {
    match parse(line) {
        Ok(Command::Serve(serve)) => serve,
        other => panic!("{line}: {other:?}"),
    }
}

/// The configuration of a command line, without the files of this machine.
fn load_line(line: &str) -> Result<Loaded, Problems> {
    load_searching(&serve(line), &[])
}

/// The configuration of a command line that must be good.
fn config(line: &str) -> Config {
    load_line(line).unwrap_or_else(|problems| panic!("{line}: {problems}")).config
}

/// The configuration of a TOML text.
fn load_toml(text: &str) -> Result<Loaded, Problems> {
    load_text(text, Path::new("t.toml"))
}

/// The configuration of a TOML text that must be good.
fn toml_config(text: &str) -> Config {
    load_toml(text).unwrap_or_else(|problems| panic!("{text}: {problems}")).config
}

/// The problems of a configuration that must be refused, one per line.
fn problems(loaded: Result<Loaded, Problems>) -> String {
    loaded.expect_err("a configuration that is refused").to_string()
}

/// The warnings of a configuration that must be good, one per line.
fn warnings(loaded: Result<Loaded, Problems>) -> String {
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
    loaded.warnings.iter().map(|warning| format!("{warning}\n")).collect()
}

/// How often `what` stands in `text`.
fn count(text: &str, what: &str) -> usize {
    text.matches(what).count()
}

/// The choice of a file that a command line makes.
fn file_choice(line: &str) -> FileChoice {
    serve(line).file
}
