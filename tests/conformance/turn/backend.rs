//! Where users are looked up, when that does not work.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use turnserver::auth::LongTermKey;
use turnserver::config::load_text;
use turnserver::stream::tls::Certificates;
use turnserver::stun::AttributeType;
use turnserver::turn::io::UserRecord;
use turnserver::turn::settings::Hooks;
use turnserver::turn::time::UnixTime;
use turnserver::udp::{Engine, Secrets};
use turnserver::userdb::{Found, Reply, UserStore};

use crate::draft::Draft;
use crate::probe::Probe;
use crate::relaying::FILE;
use crate::target::{Person, Target};
use crate::wire::{Link, free_ports};

/// A user database of one user that is down from time to time.
#[derive(Debug, Default)]
struct Backend {
    is_down: AtomicBool,
}

impl UserStore for Backend {
    fn find(&self, _name: &[u8], _now: UnixTime) -> Option<Found> {
        None
    }

    fn fetch(&self, name: Box<[u8]>, _now: UnixTime, reply: Reply) {
        if self.is_down.load(Ordering::SeqCst) {
            return reply.send(Found::Unavailable);
        }
        let user = &Target::get().user;
        let key = LongTermKey::derive(user.name.as_bytes(), b"example.org", user.password.as_bytes());
        let record =
            UserRecord { keys: vec![Arc::new(key)], quota: name.clone().into(), usable: true, renewable: false };
        reply.send(Found::Known((*name == *user.name.as_bytes()).then_some(record)));
    }
}

pub(super) fn turn_011_a_fault_of_ours_is_no_wrong_password() {
    let port = free_ports(2);
    let lines = format!("listening-ip = \"127.0.0.1\"\nlistening-port = {port}\nrelay-threads = 1\nuser-quota = 0");
    let config = load_text(&format!("{FILE}{lines}"), Path::new("backend.toml")).expect("a good configuration").config;
    let secrets = Secrets { nonce_key: [7; 32], previous_nonce_key: None };
    let certificates = Certificates::none().expect("randomness");
    let backend = Arc::new(Backend::default());
    let engine = Engine::start_with(Arc::new(config), &secrets, certificates, backend.clone(), Hooks::default());
    let engine = engine.expect("a free port");
    let links: [fn(_) -> Link; 2] = [Link::udp, Link::tcp];
    for link in links {
        let probe = || Probe::over(link(([127, 0, 0, 1], port).into()));
        let (mut early, mut late) = (probe(), probe());
        early.allocate();
        backend.is_down.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            let reply = late.ask(&Draft::allocate());
            assert_eq!(reply.code(), 500, "the same credentials will do later, which a 401 would deny");
            assert!(!reply.has(AttributeType::NONCE) && !reply.has(AttributeType::REALM), "it is no challenge");
        }
        assert_eq!(early.refresh(600), 0, "who is in needs no look-up");
        backend.is_down.store(false, Ordering::SeqCst);
        late.allocate();
        let wrong = Person { name: "alice".to_owned(), password: "wrong".to_owned() };
        assert_eq!(probe().of_user(&wrong).code(&Draft::allocate()), 401, "a wrong password still is one");
    }
    engine.stop().expect("no worker broke off");
}
