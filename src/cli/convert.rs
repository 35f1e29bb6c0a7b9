//! `turnserver convert`: writes coturn's `turnserver.conf` as TOML that means the same.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};
use zeroize::Zeroizing;

use crate::config::convert::convert;

/// The arguments.
pub(super) fn command() -> Command {
    Command::new("convert")
        .bin_name("turnserver convert")
        .about("Write coturn's turnserver.conf as TOML that means the same")
        .after_help(
            "What has no effect here stands in the TOML as a comment with the line it comes from. Passwords and secrets \
             are kept as they are. Exit status: 0 when the TOML was written, 1 when the file cannot be served or a file \
             is there already.",
        )
        .arg(
            Arg::new("file")
                .required(true)
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("coturn's configuration file"),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write to this new file, mode 0600, instead of the standard output"),
        )
}

/// Runs it.
pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let Some(path) = matches.get_one::<PathBuf>("file") else { return ExitCode::FAILURE };
    let text = match std::fs::read(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) => return super::fail(&format!("{}: cannot be read: {error}", path.display()), 1),
    };
    let converted = match convert(&text, path) {
        Ok(converted) => converted,
        Err(problems) => return super::fail(&format!("the file cannot be served\n{problems}"), 1),
    };
    let output = matches.get_one::<PathBuf>("output");
    let written = match output {
        Some(output) => write_new(output, &converted.text),
        None => io::stdout().lock().write_all(converted.text.as_bytes()),
    };
    match (written, output) {
        (Ok(()), _) => ExitCode::SUCCESS,
        (Err(error), Some(output)) if error.kind() == io::ErrorKind::AlreadyExists => {
            super::fail(&format!("{} is there already, and stays as it is", output.display()), 1)
        }
        (Err(error), _) => super::fail(&format!("cannot be written: {error}"), 1),
    }
}

/// A file that its owner alone may read from the first byte on.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
