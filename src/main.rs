//! The server and its tools in one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    turnserver::cli::run(std::env::args_os().skip(1))
}
