//! Lists that change while permissions and channels live: what is denied from now on gets nothing more, on any path.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use turnserver::config::{Config, IpRange, Peers, load_text};
use turnserver::stream::tls::Certificates;
use turnserver::turn::settings::Hooks;
use turnserver::udp::{Engine, Secrets};
use turnserver::userdb::Users;

use crate::canaries::PORT;
use crate::lab::{Lab, Over, RELAY_PORTS, SERVER_V4, client_of, settle};
use crate::netns::can_make_hosts;
use crate::wire::poll_until;
use crate::wire::tls::Certificate;

const LISTENER: u16 = 3478;
const TLS_LISTENER: u16 = 5349;

fn config(dir: &Path, certificate: &Certificate, profile: &str) -> Config {
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).expect("a directory of our own");
        path
    };
    let (cert, key) = (write("cert.pem", &certificate.pem), write("key.pem", &certificate.key_pem));
    let text = format!(
        "profile = {profile:?}\nlistening-ip = [\"{SERVER_V4}\"]\nrelay-ip = [\"{SERVER_V4}\"]\nrelay-threads = 1\n\
         realm = \"r\"\nlt-cred-mech = true\nuser = [\"alice:a-secret-88\"]\nmin-port = {}\nmax-port = {}\n\
         cert = {cert:?}\npkey = {key:?}\n",
        RELAY_PORTS.start(),
        RELAY_PORTS.end()
    );
    load_text(&text, Path::new("test.toml")).unwrap_or_else(|problems| panic!("{problems}")).config
}

/// The server inside this process, which can be told of other lists alone.
fn start(lab: &Lab, config: Config) -> Engine {
    let secrets = Secrets { nonce_key: [7; 32], previous_nonce_key: None };
    let certificates = Certificates::of(config.tls.clone().expect("a certificate")).expect("randomness");
    certificates.reload().expect("a certificate of our own");
    let users = Arc::new(Users::new(&config.auth));
    let start = || Engine::start_with(Arc::new(config), &secrets, certificates, users, Hooks::default());
    lab.server.call(start).expect("the host's ports are free")
}

fn denying(peers: &Peers, ip: IpAddr) -> Peers {
    Peers { denied: vec![IpRange { first: ip, last: ip }], ..peers.clone() }
}

#[test]
fn what_is_denied_at_run_time_is_out_of_reach_on_every_path() {
    if !can_make_hosts("lists that change") {
        return;
    }
    for profile in ["default", "coturn", "hardened"] {
        let mut lab = Lab::new();
        let certificate = Certificate::new();
        let dir = tempfile::tempdir().expect("a directory");
        let config = config(dir.path(), &certificate, profile);
        let before = config.peers.clone();
        let mut engine = start(&lab, config);
        let listeners = [LISTENER, TLS_LISTENER].map(|port| SocketAddr::new(SERVER_V4, port));
        let at = |ip: &str| SocketAddr::new(ip.parse().expect("an address"), PORT);
        let (denied, other) = (at("8.8.8.8"), at("9.9.9.9"));
        for over in [Over::Udp, Over::Tcp, Over::Tls] {
            let (mut client, relayed) = client_of(&lab, listeners, &certificate, over, denied.ip());
            assert_eq!((client.permit(denied.ip()).code(), client.permit(other.ip()).code()), (0, 0));
            assert_eq!(client.bind(0x4000, denied).code(), 0);
            client.send(other, b"to the other one");
            client.send_channel(0x4000, b"before");
            settle(&mut client);
            assert_eq!(lab.relayed(), BTreeSet::from([denied, other]), "in {profile} over {over:?}");

            engine.change_peers(denying(&before, denied.ip()));
            poll_until("the new list holds", || (client.permit(denied.ip()).code() == 403).then_some(()));
            client.send_channel(0x4000, b"after");
            client.send(denied, b"after");
            client.send(other, b"after");
            lab.send_from(SocketAddr::new(denied.ip(), PORT + 1), relayed, b"after");
            settle(&mut client);
            assert_eq!(lab.relayed(), BTreeSet::from([other]), "in {profile} over {over:?}");
            assert_eq!(client.bind(0x4000, denied).code(), 403);
            // What was under way when the client asked has arrived by now.
            settle(&mut client);
            assert_eq!(client.pending(), []);

            engine.change_peers(before.clone());
            poll_until("the old list holds", || (client.permit(denied.ip()).code() == 0).then_some(()));
            client.send(denied, b"again");
            settle(&mut client);
            assert_eq!(lab.relayed(), BTreeSet::from([denied]), "in {profile} over {over:?}");
            assert_eq!(client.refresh(0).code(), 0);
        }
        engine.stop().expect("no worker broke off");
    }
}
