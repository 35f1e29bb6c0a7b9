//! The manual page that is shipped, made from the grammar of the command line and what stands here.

use std::path::Path;

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use turnserver::config::{SEARCH, args};

/// A heading and its entries, each a term and what it means; without a term a paragraph.
type Section = (&'static str, &'static [(&'static str, &'static str)]);

const SECTIONS: &[Section] = &[
    (
        "COMMANDS",
        &[
            ("", "Without one of these as its first word turnserver serves."),
            (
                "check [FILE] [--effective] [OPTIONS]",
                "Says everything that is wrong or doubtful about a configuration.",
            ),
            ("convert FILE [-o NEW]", "Writes coturn's turnserver.conf as TOML that means the same."),
            ("probe URI", "Tests a STUN or TURN server as a client."),
            ("", "Each of them has a --help of its own."),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            (
                "TURNSERVER_OPTION",
                "An option in upper case with _ for -, as TURNSERVER_LISTENING_PORT=3478. It stands over the file and \
                 under the command line. Switches take the words yes and no. Of an option that may be given many times \
                 each line of the variable is a value; where no value can hold a space, spaces part values as well. An \
                 empty variable is as good as none, and one that nobody knows is a warning.",
            ),
            ("STATE_DIRECTORY", "The state directory, as systemd sets it, instead of /var/lib/turn."),
        ],
    ),
    (
        "FILES",
        &[
            ("turnserver.toml, /etc/turnserver/turnserver.toml", "The configuration, where no file is named."),
            (
                "turnserver.conf",
                "coturn's configuration, read when there is none of ours: in the current directory, in ./etc, ../etc, \
                 /etc and /usr/local/etc, and in turnserver and coturn below each of them. A file named with -c may be \
                 of either kind; its content tells which.",
            ),
            ("/var/lib/turn, ./.turnserver", "The state directory: secrets that outlive a restart."),
        ],
    ),
    (
        "SIGNALS",
        &[
            ("SIGTERM, SIGINT", "End the server."),
            ("SIGHUP", "Reads the configuration again."),
            ("SIGUSR1", "Drains: no new allocations, and the end when the last one is gone."),
            ("SIGUSR2", "Reads the certificate again."),
        ],
    ),
    (
        "EXIT STATUS",
        &[
            ("0", "The server was asked to end, or the command did what it says."),
            ("1", "check found an error, convert wrote nothing, or probe failed."),
            ("70", "The server was told to end, and something in it hung: it was cut short after four seconds."),
            ("255", "The command line or the configuration cannot be used, or the server could not start."),
        ],
    ),
];

fn page() -> String {
    let man = Man::new(args::grammar().name("turnserver").version(env!("CARGO_PKG_VERSION")))
        .section("8")
        .date("")
        .source("turnserver")
        .manual("System Administration");
    let mut out = Vec::new();
    let written = man
        .render_title(&mut out)
        .and_then(|()| man.render_name_section(&mut out))
        .and_then(|()| man.render_synopsis_section(&mut out))
        .and_then(|()| man.render_description_section(&mut out))
        .and_then(|()| man.render_options_section(&mut out));
    written.expect("a vector can be written");
    for (heading, entries) in SECTIONS {
        let mut roff = Roff::new();
        roff.control("SH", [*heading]);
        for (term, text) in *entries {
            if term.is_empty() {
                roff.control("PP", []);
            } else {
                roff.control("TP", []);
                roff.text([bold(*term)]);
            }
            roff.text([roman(*text)]);
        }
        roff.to_writer(&mut out).expect("a vector can be written");
    }
    String::from_utf8(out).expect("a page is text")
}

/// Refresh with `UPDATE_TURNSERVER_MAN=1 cargo test --test config`.
#[test]
fn the_shipped_page_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/turnserver.8");
    let expected = page();
    if std::env::var_os("UPDATE_TURNSERVER_MAN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &expected).unwrap();
    }
    let shipped = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(shipped == expected, "the page is out of date: UPDATE_TURNSERVER_MAN=1 cargo test --test config");
}

#[test]
fn the_page_holds_every_option_and_section() {
    let page = page().replace("\\-", "-");
    for option in turnserver::config::options::all() {
        assert!(page.contains(&format!("--{}", option.name)), "{}", option.name);
        // Characters that mean something to roff are escaped there.
        let told = option.more.split(['-', '\'', '.', '\\']).max_by_key(|part| part.len()).unwrap_or_default();
        assert!(page.contains(told), "{}: {told}", option.name);
    }
    for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "ENVIRONMENT", "FILES", "SIGNALS", "EXIT STATUS"] {
        let wanted = [format!(".SH {heading}\n"), format!(".SH \"{heading}\"\n")];
        assert!(wanted.iter().any(|line| page.contains(line)), "{heading}");
    }
    assert!(SEARCH.iter().all(|path| page.contains(path)));
}
