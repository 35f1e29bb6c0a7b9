//! What the binary does, by its first word: serve, or one of the tools.

mod check;
mod convert;
mod first_run;
pub mod probe;
pub mod serve;
mod state_dir;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use crate::config::error::EXIT_STATUS;

/// Runs the command line `args`, without the program's name.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    match args.first().and_then(|word| word.to_str()) {
        Some("check") => check::run(args.into_iter().skip(1)),
        Some("convert") => run_convert(args),
        Some("probe") => run_probe(args),
        Some(word) if !word.starts_with('-') => {
            let message = format!(
                "unknown command {word:?}: there are check, convert and probe; options begin with a dash (--help)"
            );
            fail(&message, EXIT_STATUS)
        }
        _ => serve::run(args),
    }
}

fn run_probe(args: Vec<OsString>) -> ExitCode {
    match probe::command().try_get_matches_from(args) {
        Ok(matches) => probe::run(&matches).unwrap_or_else(|error| fail(&format!("{error:#}"), 1)),
        Err(error) => refuse(&error),
    }
}

fn run_convert(args: Vec<OsString>) -> ExitCode {
    match convert::command().try_get_matches_from(args) {
        Ok(matches) => convert::run(&matches),
        Err(error) => refuse(&error),
    }
}

/// Shows the help of a tool, or what is wrong with its command line.
fn refuse(error: &clap::Error) -> ExitCode {
    let status = u8::try_from(error.exit_code()).unwrap_or(1);
    // Nobody is left to tell when standard output or standard error is closed.
    let _ = error.print();
    ExitCode::from(status)
}

/// Says on standard error why nothing goes on.
fn fail(message: &str, status: u8) -> ExitCode {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "turnserver: {message}");
    ExitCode::from(status)
}
