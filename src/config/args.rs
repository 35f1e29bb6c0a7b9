//! The command line, with the habits of coturn's `getopt_long`: bundled letters, attached values, unique prefixes of
//! long names, booleans that take a value behind `=` only. clap does the grammar; values stay text and are judged with
//! those of the file, so that all problems come together.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches};

use super::error::{Place, harmless, nearest};
use super::options::{self, Definition, Kind};
use super::raw::{Setting, Value};
use super::{Problem, Warning};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `--version`: print the version and leave with status 0.
    Version,
    /// `-h` or `--help`: print this text to the standard output and leave with status 0.
    Help(String),
    /// Serve.
    Serve(Serve),
}

/// The settings of a command line and the choice of a configuration file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Serve {
    /// What was set, in the order in which it was written.
    pub settings: Vec<Setting>,
    /// Which file to read.
    pub file: FileChoice,
    /// Words that are no options.
    pub warnings: Vec<Warning>,
}

/// Which configuration file to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FileChoice {
    /// The first one that exists of those that are looked for.
    #[default]
    Search,
    /// `-c FILE`.
    Named(PathBuf),
    /// `-n`.
    Never,
}

const FILE: &str = "-c";
const NO_FILE: &str = "-n";
const HELP: &str = "-h";
const VERSION: &str = "--version";
const STRAY: &str = "stray";
const EFFECTIVE: &str = "effective";
/// coturn's letter for `keep-address-family` demands a value, which the long name does not.
const KEEP_FAMILY: &str = "-K";

/// Reads a command line, without the program's name.
///
/// An option that does not exist, one without its value and an ambiguous prefix are usage errors, for which the caller
/// leaves with [`EXIT_STATUS`](super::error::EXIT_STATUS). Bad values are found later, by [`load`](super::load).
pub fn parse_command_line(args: impl IntoIterator<Item = OsString>) -> Result<Command, Problem> {
    let args: Vec<OsString> = args.into_iter().collect();
    let found = match matches(&args, grammar())? {
        Matched::Other(command) => return Ok(command),
        Matched::Options(found) => *found,
    };
    Ok(Command::Serve(Serve {
        settings: settings(&found)?,
        file: file_choice(&found, &args)?,
        warnings: strays(&found),
    }))
}

/// What `turnserver check` is asked: the command line it would serve with, a file that may stand alone, and its own
/// switch.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// Print this text and leave.
    Help(String),
    /// Check.
    Run {
        /// What would be served.
        serve: Serve,
        /// Print what is in force.
        effective: bool,
    },
}

/// Reads the command line of `turnserver check`, without that word.
///
/// # Errors
///
/// As [`parse_command_line`].
pub fn parse_check(args: impl IntoIterator<Item = OsString>) -> Result<Check, Problem> {
    let args: Vec<OsString> = args.into_iter().collect();
    let found = match matches(&args, check_grammar())? {
        Matched::Other(Command::Help(_)) => return Ok(Check::Help(check_grammar().render_help().to_string())),
        Matched::Other(_) => return Err(usage(VERSION, "check takes no such option")),
        Matched::Options(found) => *found,
    };
    let words: Vec<&OsString> = found.get_many(STRAY).into_iter().flatten().collect();
    let file = match words.as_slice() {
        [] => file_choice(&found, &args)?,
        [file] => FileChoice::Named(PathBuf::from(file)),
        [_, second, ..] => {
            let shown =
                if holds_secret(&found) { "a second word".to_owned() } else { harmless(&second.to_string_lossy()) };
            return Err(usage("", format!("one FILE at most; {shown} is too many")));
        }
    };
    let serve = Serve { settings: settings(&found)?, file, warnings: Vec::new() };
    Ok(Check::Run { serve, effective: found.get_flag(EFFECTIVE) })
}

fn check_grammar() -> clap::Command {
    let effective = Arg::new(EFFECTIVE)
        .long(EFFECTIVE)
        .action(ArgAction::SetTrue)
        .overrides_with(EFFECTIVE)
        .help("Print everything that is in force as TOML, secrets left out, with the place of what was set");
    grammar()
        .arg(effective)
        .override_usage("turnserver check [FILE] [--effective] [OPTIONS]")
        .about("Say everything that is wrong or doubtful about a configuration")
        .after_help(
            "FILE stands for -c FILE; the other options are those of turnserver, whose command line and environment \
             are looked at as well. Exit status: 0 when no mistake was found, 1 when the server \
             would not start.",
        )
}

enum Matched {
    Options(Box<ArgMatches>),
    Other(Command),
}

/// What a grammar makes of the words.
fn matches(args: &[OsString], grammar: clap::Command) -> Result<Matched, Problem> {
    // As coturn does, these are looked for in every word, even in one that is another option's value.
    if args.iter().any(|arg| arg == HELP || arg == "--help") {
        return Ok(Matched::Other(Command::Help(help())));
    }
    if args.iter().any(|arg| arg == VERSION) {
        return Ok(Matched::Other(Command::Version));
    }
    let matches = grammar.try_get_matches_from(args).map_err(|error| usage_problem(&error))?;
    if matches.get_flag(HELP) {
        return Ok(Matched::Other(Command::Help(help())));
    }
    if matches.get_flag(VERSION) {
        return Ok(Matched::Other(Command::Version));
    }
    Ok(Matched::Options(Box::new(matches)))
}

fn file_choice(matches: &ArgMatches, args: &[OsString]) -> Result<FileChoice, Problem> {
    let separate = args.iter().filter(|arg| *arg == FILE).count();
    let files: Vec<&OsString> = matches.get_many(FILE).into_iter().flatten().collect();
    if files.len() > separate {
        return Err(usage(FILE, "the file must be a word of its own").hint("-c FILE"));
    }
    Ok(match files.last() {
        _ if matches.get_flag(NO_FILE) => FileChoice::Never,
        Some(file) => FileChoice::Named(PathBuf::from(file)),
        None => FileChoice::Search,
    })
}

/// The text of `--help`. What has no effect stands in the manual page alone.
pub fn help() -> String {
    let is_served = |arg: &Arg| options::find(arg.get_id().as_str()).is_none_or(|option| option.category.is_served());
    let mut shortened = grammar().mut_args(|arg| if is_served(&arg) { arg } else { arg.hide(true) });
    shortened.render_help().to_string()
}

/// The grammar, from which the manual page is made as well.
pub fn grammar() -> clap::Command {
    let selecting = [
        Arg::new(FILE)
            .short('c')
            .value_name("FILE")
            .action(ArgAction::Append)
            .allow_hyphen_values(true)
            .value_parser(clap::value_parser!(OsString))
            .help(
                "Read this configuration file, TOML or coturn's [default: turnserver.toml here or in /etc/turnserver, \
                 or else coturn's turnserver.conf, as in /etc]",
            ),
        Arg::new(NO_FILE)
            .short('n')
            .action(ArgAction::SetTrue)
            .overrides_with(NO_FILE)
            .help("Read no configuration file"),
        Arg::new(HELP).short('h').long("help").action(ArgAction::SetTrue).overrides_with(HELP).help("Print this help"),
        Arg::new(VERSION).long("version").action(ArgAction::SetTrue).overrides_with(VERSION).help("Print the version"),
        Arg::new(KEEP_FAMILY)
            .short('K')
            .action(ArgAction::Append)
            .value_parser(clap::value_parser!(OsString))
            .hide(true),
        Arg::new(STRAY).num_args(0..).action(ArgAction::Append).value_parser(clap::value_parser!(OsString)).hide(true),
    ];
    clap::Command::new("turnserver")
        .after_help(
            "turnserver check [FILE] says everything that is wrong with a configuration, turnserver convert FILE writes \
             coturn's as TOML,\nturnserver probe URI allocates on a server and measures it; each has its own --help.\n\
             Options stand in the environment as well: TURNSERVER_LISTENING_PORT=3478.\n\
             SIGHUP reads the configuration again, SIGUSR2 the certificate; SIGUSR1 lets the server end when its last \
             allocation\nhas ended, SIGTERM and SIGINT end it at once.\n\
             Options of coturn that have no effect here are in the manual page, turnserver(8).",
        )
        .no_binary_name(true)
        .override_usage("turnserver [OPTIONS]")
        .about("A STUN and TURN server")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .infer_long_args(true)
        .args(selecting)
        .args(options::all().map(argument))
}

fn argument(option: &'static Definition) -> Arg {
    let argument = Arg::new(option.name)
        .long(option.name)
        .aliases(option.aliases.iter().copied())
        .action(ArgAction::Append)
        .value_parser(clap::value_parser!(OsString))
        .value_name(metavar(option.kind))
        .help_heading(option.category.heading())
        .help(format!("{} [default: {}]", option.doc, option.default_text()))
        // The manual page has room for everything.
        .long_help(
            format!("{} [default: {}] {}", option.doc, option.default_text(), option.more).trim_end().to_owned(),
        );
    let argument = match option.short {
        Some(letter) => argument.short(letter),
        None => argument,
    };
    match option.kind {
        Kind::Switch | Kind::Integer { alone: Some(_), .. } => {
            argument.num_args(0..=1).require_equals(true).default_missing_value("")
        }
        Kind::Integer { .. } | Kind::Text(_) | Kind::Word(_) => argument.allow_hyphen_values(true),
    }
}

fn metavar(kind: Kind) -> &'static str {
    match kind {
        Kind::Switch => "BOOL",
        Kind::Integer { .. } => "N",
        Kind::Text(name) => name,
        Kind::Word(_) => "NAME",
    }
}

/// The settings in the order in which they were written, which decides where one option overrides another.
fn settings(matches: &ArgMatches) -> Result<Vec<Setting>, Problem> {
    let mut settings = Vec::new();
    let ids = options::all().map(|option| (option.name, option));
    let ids = ids.chain(options::find("keep-address-family").map(|option| (KEEP_FAMILY, option)));
    for (id, option) in ids {
        let values = matches.get_many::<OsString>(id).into_iter().flatten();
        let indices = matches.indices_of(id).into_iter().flatten();
        for (value, index) in values.zip(indices) {
            let place = Place::CommandLine { option: option.name.to_owned() };
            let Some(text) = value.to_str() else {
                return Err(Problem::new(&place, "the value is not UTF-8"));
            };
            settings.push((index, Setting { option, value: Value::Untyped(text.to_owned()), place }));
        }
    }
    settings.sort_by_key(|(index, _)| *index);
    Ok(settings.into_iter().map(|(_, setting)| setting).collect())
}

fn strays(matches: &ArgMatches) -> Vec<Warning> {
    let place = Place::CommandLine { option: String::new() };
    let words = matches.get_many::<OsString>(STRAY).into_iter().flatten();
    // A secret with a space in it, without quotes, is a secret and a stray word.
    let is_shown = !holds_secret(matches);
    let warning = |word: &OsString| {
        let shown = if is_shown { harmless(&word.to_string_lossy()) } else { "...".to_owned() };
        let warning = Warning::new(&place, format!("CONFIG: Unknown argument: {shown}"));
        match word.to_str() {
            Some("true" | "false" | "on" | "off" | "yes" | "no" | "1" | "0") => {
                warning.hint("it belongs to no option; a switch takes its value behind =, as in --no-udp=false")
            }
            _ => warning,
        }
    };
    words.map(warning).collect()
}

/// Whether an option is given whose value is nobody's business.
fn holds_secret(matches: &ArgMatches) -> bool {
    let names = options::all().filter(|option| option.secret || option.name == "use-auth-secret");
    names.map(|option| option.name).any(|name| matches.indices_of(name).is_some())
}

fn usage(option: &str, message: impl Into<String>) -> Problem {
    Problem::new(&Place::CommandLine { option: option.to_owned() }, message).hint("turnserver -h lists the options")
}

/// clap's error in our words; its own text may hold the value of an option.
fn usage_problem(error: &clap::Error) -> Problem {
    let option = match error.get(ContextKind::InvalidArg) {
        // `--realm <REALM>`, `--no-udp[=<BOOL>]` or what was typed.
        Some(ContextValue::String(shown)) => shown.split([' ', '[', '=']).next().unwrap_or_default(),
        _ => "",
    };
    match error.kind() {
        ErrorKind::UnknownArgument => unknown(option),
        ErrorKind::InvalidValue => usage(option, "a value is missing"),
        ErrorKind::TooManyValues => usage(option, "takes no value"),
        ErrorKind::InvalidUtf8 => usage(option, "an option is not UTF-8"),
        kind => usage(option, format!("the command line cannot be read: {kind}")),
    }
}

fn unknown(option: &str) -> Problem {
    let Some(name) = option.strip_prefix("--") else {
        return usage(option, "unknown option");
    };
    let names = || options::all().map(|option| option.name).chain(["help", "version"]);
    let meant: Vec<String> =
        names().filter(|known| known.starts_with(name)).map(|known| format!("--{known}")).collect();
    if meant.len() > 1 {
        return usage(option, "ambiguous option").hint(format!("it may be {}", meant.join(", ")));
    }
    let problem = usage(option, "unknown option");
    match nearest(name, names()) {
        Some(near) => problem.hint(format!("did you mean --{near}?")),
        None => problem,
    }
}
