//! Client tool.
pub fn command() -> clap::Command {
    clap::Command::new("probe")
}
pub fn run(_: &clap::ArgMatches) -> anyhow::Result<std::process::ExitCode> {
    anyhow::bail!("being written")
}
