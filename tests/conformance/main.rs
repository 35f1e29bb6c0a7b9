//! The numbered requirements on a STUN/TURN server (`ids.txt`), one test for each, named by its id.
//!
//! `cargo test --test conformance` starts the built server and asks it over real sockets; rows that only a clock can show
//! run in virtual time and are shown as such. Arguments choose rows as with any test: `-- alloc_012`. In the environment
//! `SERVER` (address with port), `REALM`, `USER`, `PASS` and `PEER_IP` (an address of this machine that the server may
//! relay to) aim the wire rows at any other server, and `USER2`, `PASS2`, `SERVER6`, `TLS_SERVER` with `TLS_CERT` add what
//! some rows need; see `target.rs`.
//!
//! `draft.rs` writes messages, `probe.rs` sends them and judges every answer, `row.rs` says what a row is, `report.rs`
//! counts.

mod allocate;
mod alternate;
mod auth;
mod binding;
mod channel;
mod data;
mod draft;
mod ids;
mod interop;
mod ip_header;
mod peer;
mod permission;
mod probe;
mod refresh;
mod relaying;
#[allow(clippy::print_stdout, reason = "a report is printed")]
mod report;
mod rest_consent;
mod row;
mod scene;
mod security;
mod stun;
mod target;
mod transport;
mod turn;
#[path = "../wire/mod.rs"]
mod wire;
#[path = "../stream_clients/worker.rs"]
#[allow(dead_code, reason = "the tests of streams use more of it")]
mod worker;
#[path = "../common/mod.rs"]
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use row::Section;

/// In the order of `ids.txt`.
const SECTIONS: &[Section] = &[
    stun::SECTION,
    binding::SECTION,
    transport::SECTION,
    auth::SECTION,
    alternate::SECTION,
    turn::SECTION,
    allocate::SECTION,
    refresh::SECTION,
    permission::SECTION,
    data::SECTION,
    channel::SECTION,
    ip_header::SECTION,
    rest_consent::SECTION,
    security::SECTION,
    interop::SECTION,
];

fn main() -> ExitCode {
    if std::env::var_os(auth::strangers::ALONE).is_some() {
        auth::strangers::strangers_alone();
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(security::stage::ALONE).is_some() {
        security::stage::pelted_alone();
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::from_args();
    let mut trials = vec![Trial::test("every_id_is_accounted_for", || Ok(report::check_accounts(SECTIONS)?))];
    trials.extend(SECTIONS.iter().flat_map(|section| section.rows).map(row::Row::trial));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if arguments.filter.is_none() && !arguments.list {
        report::print(SECTIONS);
    }
    target::stop();
    conclusion.exit_code()
}
