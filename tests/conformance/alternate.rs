//! Of section 7, ALTERNATE-SERVER: the nonces of servers that send clients to each other.

use turnserver::stun::AttributeType;

use crate::draft::Draft;
use crate::probe::Probe;
use crate::row::{Section, rows};
use crate::scene::launch;
use crate::wire::{Link, Server, tls};

pub(crate) const SECTION: Section =
    Section { rows: rows![configured alt_006_a_nonce_goes_along], partly: &[], later: &[], left_out: &[] };

/// The key of a fleet's nonces is made of this.
const FLEET: &str = "nonce-secret = \"a-secret-of-this-fleet-83\"";

/// A new client of a server over each transport, from another port than any before.
fn over_each(server: &Server, certificate: &tls::Certificate) -> [(&'static str, Probe); 3] {
    let stream = tls::connect(server.tls_addr, certificate);
    [
        ("UDP", Probe::udp_to(server.addr)),
        ("TCP", Probe::over(Link::tcp(server.addr))),
        ("TLS", Probe::over(Link::Tls(Box::new(stream), Vec::new()))),
    ]
}

/// Whoever is sent elsewhere has an allocation there by their first request: neither 401 nor 438 comes in between. A server
/// that is not of the fleet does not know the nonce.
pub(super) fn alt_006_a_nonce_goes_along() {
    let certificate = tls::Certificate::new();
    let start = |profile: &str, lines: &str| certificate.given_to(launch(profile, lines)).start();
    for profile in ["default", "hardened"] {
        let (target, stranger) = (start(profile, FLEET), start(profile, ""));
        let [udp, tls] = [target.addr, target.tls_addr];
        let sends = format!("{FLEET}\nalternate-server = [\"{udp}\"]\ntls-alternate-server = [\"{tls}\"]");
        let first = start(profile, &sends);
        let clients = over_each(&first, &certificate).into_iter().zip(over_each(&target, &certificate));
        for ((over, mut here), (_, mut there)) in clients {
            let sent = here.ask(&Draft::allocate());
            let place = if over == "TLS" { tls } else { udp };
            assert_eq!((sent.code(), sent.alternates()), (300, vec![place]), "{profile} over {over}");
            let known = here.challenged().clone();
            there.credentials = Some(known.clone());
            assert_ne!(there.local().port(), here.local().port());
            assert_eq!(there.code(&Draft::allocate()), 0, "{profile} over {over}");
            let mut elsewhere = Probe::udp_to(stranger.addr);
            elsewhere.credentials = Some(known);
            let refused = elsewhere.ask(&Draft::allocate());
            assert_eq!((refused.code(), refused.has(AttributeType::NONCE)), (438, true), "{profile} over {over}");
        }
    }
}
