//! The server as a process: started on loopback with a directory of its own, ended when the test ends.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use super::log::Log;
use super::memory;
use super::ports::free_ports;
use super::wait::poll_until;

/// How to start a server.
pub(crate) struct Launch {
    dir: TempDir,
    args: Vec<String>,
    ips: Vec<&'static str>,
    file: Option<PathBuf>,
    descriptors: Option<u32>,
    ports: Option<(u16, u16)>,
    file_alone: bool,
    searches: bool,
    is_silent: bool,
    output: Output,
    before: Option<String>,
    environment: Vec<(&'static str, OsString)>,
}

/// What standard output is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    /// A pipe, to which the server prints.
    Printed,
    /// A pipe that gets the log, and standard error what is printed, which is nothing.
    Log,
    /// A terminal.
    Terminal,
}

/// A server that runs, and is killed when this value goes.
pub(crate) struct Server {
    child: Child,
    launch: Launch,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    /// Where it listens for TLS, if it has a certificate.
    pub(crate) tls_addr: SocketAddr,
    /// Its log.
    pub(crate) log: Log,
    /// What it prints for a person.
    pub(crate) out: Log,
}

/// A server that ended by itself.
pub(crate) struct Ended {
    /// How.
    pub(crate) status: ExitStatus,
    /// Its log.
    pub(crate) log: String,
    /// What it printed.
    pub(crate) out: String,
    launch: Launch,
}

impl Launch {
    /// A server with these arguments and no configuration file; by default it has coturn's profile for that.
    pub(crate) fn new(args: &[&str]) -> Launch {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Launch {
            dir: tempfile::tempdir().expect("a directory for the server"),
            args,
            ips: vec!["127.0.0.1"],
            file: None,
            descriptors: None,
            ports: None,
            file_alone: false,
            searches: false,
            is_silent: false,
            output: Output::Printed,
            before: None,
            environment: Vec::new(),
        }
    }

    /// Adds arguments.
    pub(crate) fn and(mut self, args: &[&str]) -> Launch {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// Listens on these addresses instead of 127.0.0.1.
    pub(crate) fn listening_on(mut self, ips: &[&'static str]) -> Launch {
        self.ips = ips.to_vec();
        self
    }

    /// Is told no ports, so that it takes those of RFC 8489 section 8.1.
    pub(crate) fn on_default_ports(mut self) -> Launch {
        self.ports = Some((3478, 5349));
        self
    }

    /// Logs elsewhere than on standard error.
    pub(crate) fn silent(mut self) -> Launch {
        self.is_silent = true;
        self
    }

    /// Was told to log on standard output.
    pub(crate) fn logging_on_output(mut self) -> Launch {
        self.output = Output::Log;
        self
    }

    /// Prints to a terminal.
    pub(crate) fn at_terminal(mut self) -> Launch {
        self.output = Output::Terminal;
        self
    }

    /// Runs behind these words of a shell, which may change what the server finds; in a mount namespace of its own, for
    /// which it takes root.
    pub(crate) fn after_mounts(mut self, shell: &str) -> Launch {
        self.before = Some(shell.to_owned());
        self
    }

    /// Runs under this limit of descriptors.
    pub(crate) fn with_descriptors(mut self, limit: u32) -> Launch {
        self.descriptors = Some(limit);
        self
    }

    /// Finds this in its environment.
    pub(crate) fn with_env(mut self, name: &'static str, value: impl Into<OsString>) -> Launch {
        self.environment.push((name, value.into()));
        self
    }

    /// Reads this text as its configuration file.
    pub(crate) fn with_file(mut self, text: &str) -> Launch {
        self.file = Some(self.write("configuration.toml", text));
        self
    }

    /// Is told everything by this text, which names `port` for plain clients and the next one for TLS.
    pub(crate) fn by_file_alone(mut self, port: u16, text: &str) -> Launch {
        (self.ports, self.file_alone) = (Some((port, port + 1)), true);
        self.with_file(text)
    }

    /// Reads a file of this name in its directory.
    pub(crate) fn reading(mut self, name: &str) -> Launch {
        self.file = Some(self.dir.path().join(name));
        self
    }

    /// Is told of no file, and looks for one.
    pub(crate) fn searching(mut self) -> Launch {
        self.searches = true;
        self
    }

    /// Writes a file into the server's directory.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).expect("a directory of our own can be written");
        path
    }

    /// The directory of the server; its state lies there as well.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(mut self) -> Server {
        for _ in 0..5 {
            match self.try_start() {
                Ok(server) => return server,
                // Somebody else was quicker; there are more ports.
                Err(ended) if ended.log.contains("is in use") => self = ended.launch,
                Err(ended) => panic!("the server ended with {}:\n{}", ended.status, ended.log),
            }
        }
        panic!("every port tried was in use");
    }

    /// Starts it once; it listens, or it ended by itself.
    pub(crate) fn try_run(self) -> Result<Server, Box<Ended>> {
        self.try_start()
    }

    /// Starts it and waits until it ends by itself.
    pub(crate) fn run(self) -> Ended {
        match self.try_start() {
            Ok(server) => panic!("the server goes on:\n{}", server.log.text()),
            Err(ended) => *ended,
        }
    }

    fn try_start(self) -> Result<Server, Box<Ended>> {
        let told = self.ports.is_none().then(|| free_ports(2));
        let (port, tls_port) = told.map(|port| (port, port + 1)).or(self.ports).expect("one of the two");
        let mut command = self.command(told);
        let terminal = (self.output == Output::Terminal).then(|| terminal(&mut command));
        let mut child = command.spawn().expect("the built server can be started");
        // Its end of the terminal goes, so that the other one ends with the server.
        drop(command);
        let log = Log::of(child.stderr.take().expect("stderr is piped"));
        let out = match terminal {
            Some(terminal) => Log::of(terminal),
            None => Log::of(child.stdout.take().expect("stdout is piped")),
        };
        let (log, out) = if self.output == Output::Log { (out, log) } else { (log, out) };
        let ip: IpAddr = self.ips.first().unwrap_or(&"127.0.0.1").parse().expect("an address");
        let (addr, tls_addr) = (SocketAddr::new(ip, port), SocketAddr::new(ip, tls_port));
        let server = Server { child, launch: self, addr, tls_addr, log, out };
        let started = match server.launch.is_silent {
            true => server.out.find(&["turnserver", "listens on"]),
            false => server.log.find(&["listening", "workers"]),
        };
        match started {
            Some(_) => Ok(server),
            None => Err(Box::new(server.ended())),
        }
    }

    fn command(&self, port: Option<u16>) -> Command {
        let program = env!("CARGO_BIN_EXE_turnserver");
        let mut command = match (&self.before, self.descriptors) {
            (Some(shell), _) => {
                let mut command = Command::new("unshare");
                command.args(["--mount", "sh", "-c", &format!("set -e; {shell}; exec \"$0\" \"$@\""), program]);
                command
            }
            (None, None) => Command::new(program),
            (None, Some(limit)) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\""), program]);
                shell
            }
        };
        match &self.file {
            _ if self.searches => &mut command,
            Some(file) => command.arg("-c").arg(file),
            None => command.arg("-n"),
        };
        if !self.file_alone {
            command.args(["--relay-threads=1", "--pidfile="]);
            command.args(self.ips.iter().map(|ip| format!("--listening-ip={ip}")));
        }
        if let Some(port) = port {
            command.args([format!("--listening-port={port}"), format!("--tls-listening-port={}", port + 1)]);
        }
        command.args(&self.args);
        command.current_dir(self.dir.path()).env("STATE_DIRECTORY", self.dir.path());
        for name in ["INVOCATION_ID", "JOURNAL_STREAM", "RUST_LOG", "NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS"] {
            command.env_remove(name);
        }
        let variables = std::env::vars_os().map(|(name, _)| name);
        for name in variables.filter(|name| name.to_string_lossy().starts_with("TURNSERVER_")) {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// Gives a command a terminal for its standard output, and says what is shown there.
fn terminal(command: &mut Command) -> File {
    let shown = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("the kernel has terminals");
    grantpt(&shown).and_then(|()| unlockpt(&shown)).expect("it is ours");
    let name = ptsname(&shown, Vec::new()).expect("it has a name").into_string().expect("a path of ASCII");
    command.stdout(File::options().read(true).write(true).open(name).expect("it is ours"));
    File::from(shown)
}

impl Server {
    /// Starts a server with these arguments and no configuration file.
    pub(crate) fn start(args: &[&str]) -> Server {
        Launch::new(args).start()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory.
    pub(crate) fn resident_kib(&self) -> u64 {
        memory::resident_kib(self.pid())
    }

    /// Its directory.
    pub(crate) fn dir(&self) -> &Path {
        self.launch.dir()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the server runs");
    }

    /// Asks it to end and waits until it did.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.end()
    }

    /// Waits until it ended.
    pub(crate) fn end(&mut self) -> ExitStatus {
        poll_until("the server ends", || self.child.try_wait().expect("our child"))
    }

    /// Ends it and starts it again: the same ports, the same directory, the same configuration.
    pub(crate) fn restart(&mut self) {
        self.terminate();
        let mut child = self.launch.command(Some(self.addr.port())).spawn().expect("the built server can be started");
        self.log = Log::of(child.stderr.take().expect("stderr is piped"));
        self.out = Log::of(child.stdout.take().expect("stdout is piped"));
        self.child = child;
        assert!(self.log.find(&["listening", "workers"]).is_some(), "{}", self.log.whole());
    }

    fn ended(mut self) -> Ended {
        let status = self.end();
        let launch = std::mem::replace(&mut self.launch, Launch::new(&[]));
        Ended { status, log: self.log.whole(), out: self.out.whole(), launch }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
