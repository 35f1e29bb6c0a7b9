//! `turnserver check`: everything that is wrong or doubtful about a configuration, without serving it.
//!
//! Findings go to standard error, one a line; what is in force goes to standard output. No secret is shown.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use super::serve::privileges;
use crate::config::args::{Check, parse_check};
use crate::config::{Config, Judged, LogTarget, Profile, Sources, effective, judge};
use crate::stream::tls::Certificates;

/// Runs it; `args` are the words behind `check`.
pub(super) fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (serve, shows) = match parse_check(args) {
        Ok(Check::Run { serve, effective }) => (serve, effective),
        Ok(Check::Help(text)) => return said(writeln!(io::stdout(), "{}", text.trim_end()), true),
        Err(problem) => return super::fail(&problem.to_string(), 1),
    };
    let judged = judge(&serve, &Sources::of_this_process());
    let told = tell(&judged, &mut io::stderr().lock());
    let told = match (shows, &judged.config) {
        (true, Some(_)) => told.and_then(|()| write!(io::stdout().lock(), "{}", effective(&judged))),
        _ => told,
    };
    let is_good = judged.config.as_ref().is_some_and(|config| missing(config).is_empty());
    said(told, is_good)
}

fn tell(judged: &Judged, out: &mut impl Write) -> io::Result<()> {
    for problem in &judged.problems {
        writeln!(out, "error: {problem}")?;
    }
    let missing = judged.config.as_ref().map(missing).unwrap_or_default();
    for error in &missing {
        writeln!(out, "error: {error}")?;
    }
    for warning in &judged.warnings {
        writeln!(out, "{}: {warning}", if warning.is_note { "note" } else { "warning" })?;
    }
    let unreadable = judged.config.as_ref().and_then(certificate_problem);
    if let Some(problem) = &unreadable {
        writeln!(out, "warning: TLS would not be served: {problem}")?;
    }
    let name = match &judged.file {
        Some((path, _)) => path.display().to_string(),
        None => "no configuration file".to_owned(),
    };
    let warnings =
        judged.warnings.iter().filter(|warning| !warning.is_note).count() + usize::from(unreadable.is_some());
    let errors = judged.problems.len() + missing.len();
    let verdict = if errors == 0 { "no mistake was found in the configuration" } else { "the server would not start" };
    let findings = format!("{}, {}", count(errors, "error"), count(warnings, "warning"));
    writeln!(out, "{name}: {findings}; {verdict}, with profile {}", judged.profile)
}

/// What the configuration names and this machine has not, without which the server ends.
fn missing(config: &Config) -> Vec<String> {
    let users = privileges::unknown_names(&config.process).into_iter().map(|error| format!("{error:#}"));
    let log = match &config.log.target {
        LogTarget::File { path, required: true, .. } => Some(("log-file", path.clone())),
        _ => None,
    };
    // In the coturn profile the server goes on without, and looks again.
    let database = config.database.as_ref().filter(|_| config.profile != Profile::Coturn);
    let database = database.map(|named| ("userdb", named.path(std::env::var_os("HOME").as_deref())));
    // A relative one is in a directory of the server's own.
    let secret = config.auth.secret_file.clone().filter(|path| path.is_absolute()).map(|path| ("secret-file", path));
    let lost = [log, database, secret].into_iter().flatten().filter_map(|(option, path)| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())?;
        Some(format!("{option}: there is no directory {}", folder.display()))
    });
    users.chain(lost).collect()
}

/// What keeps the certificate from being used. The server starts without it, as coturn does.
fn certificate_problem(config: &Config) -> Option<String> {
    let files = config.tls.as_ref().filter(|_| config.listen.tls)?;
    let read = Certificates::of(files.clone()).map(|certificates| certificates.reload().err());
    match read {
        Ok(None) => None,
        Ok(Some(error)) => Some(error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn said(written: io::Result<()>, good: bool) -> ExitCode {
    if written.is_ok() && good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
