//! Files that outlive a restart: whom they may be readable by, what they may hold, who makes them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::wire::{Client, Launch, Server, timed_name};

const SECRET: &str = "a-secret-of-this-test-17";
/// The longest file.
const LEN_MAX: usize = 4096;

fn launch(secret_file: &Path) -> Launch {
    Launch::new(&["--realm=r", &format!("--secret-file={}", secret_file.display())])
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a file of our own");
}

fn lets_in(server: &Server, secret: &str) -> bool {
    Client::udp(server.addr).with_timed_name(&timed_name(':', "bob"), secret).allocate().code() == 0
}

#[test]
fn a_secret_that_others_can_read_is_used_with_one_warning() {
    for (mode, warnings) in [(0o600, 0), (0o640, 0), (0o604, 1), (0o666, 1)] {
        let launch = Launch::new(&["--realm=r", "--secret-file=kept.secret"]);
        set_mode(&launch.write("kept.secret", SECRET), mode);
        let server = launch.start();
        assert!(lets_in(&server, SECRET));
        let mode = format!("mode=\"{mode:03o}\"");
        let told = server.log.count(&["WARN", "a secret can be read by others", "kept.secret", &mode]);
        assert_eq!(told, warnings, "{mode}");
        assert_eq!(server.log.count(&["a secret can be read by others"]), warnings, "{mode}");
    }
}

#[test]
fn a_configuration_with_any_secret_that_others_can_read_is_told_of() {
    let (nonces, users) =
        ("nonce-secret = \"nonces-of-the-fleet-come-from-it\"\n", "user = [\"alice:wonderland-7\"]\n");
    for (mode, secret, warnings) in [(0o644, nonces, 1), (0o640, nonces, 0), (0o644, users, 1), (0o644, "", 0)] {
        let launch = Launch::new(&["--user=bob:wonderland-8"]).with_file(&format!("realm = \"r\"\n{secret}"));
        set_mode(&launch.dir().join("configuration.toml"), mode);
        let server = launch.start();
        let told = server.log.count(&["WARN", "a file with secrets can be read by others", "configuration.toml"]);
        assert_eq!(told, warnings, "{mode:03o} {secret}:\n{}", server.log.text());
    }
}

#[test]
fn a_secret_from_a_documentation_is_refused() {
    for example in ["changeme", "north", "logen\n"] {
        let launch = Launch::new(&["--realm=r", "--secret-file=kept.secret"]);
        set_mode(&launch.write("kept.secret", example), 0o600);
        let ended = launch.run();
        assert!(!ended.status.success());
        assert!(ended.log.contains("kept.secret holds a secret that documentation uses"), "{}", ended.log);
    }
}

#[test]
fn a_secret_file_has_a_longest_length() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("long.secret");
    fs::write(&path, "s".repeat(LEN_MAX)).expect("a file");
    set_mode(&path, 0o600);
    assert!(lets_in(&launch(&path).start(), &"s".repeat(LEN_MAX)), "all of it is the secret");
    fs::write(&path, "s".repeat(LEN_MAX + 1)).expect("a file");
    let ended = launch(&path).run();
    assert!(!ended.status.success());
    assert!(ended.log.contains("long.secret is longer than 4096 bytes"), "{}", ended.log);
    fs::write(&path, "\n").expect("a file");
    let ended = launch(&path).run();
    assert!(!ended.status.success() && ended.log.contains("long.secret is empty"), "{}", ended.log);
}

#[test]
fn first_starts_at_once_end_with_one_secret() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("made.secret");
    let servers: Vec<Server> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..6).map(|_| scope.spawn(|| launch(&path).start())).collect();
        starts.into_iter().map(|start| start.join().expect("it starts")).collect()
    });
    let secret = fs::read_to_string(&path).expect("it was made");
    assert!(servers.iter().all(|server| lets_in(server, secret.trim())));
    let left: Vec<_> = fs::read_dir(dir.path()).expect("a directory").collect();
    assert_eq!(left.len(), 1, "unfinished files are gone: {left:?}");
}
