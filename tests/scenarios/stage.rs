//! Where a script is played: a world, its clients and peers by their names.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};
use turnserver::turn::address::Transport;

use crate::script::{Act, agrees};
use crate::world::{ALICE, BOB, Received, Reply, Request, Setup, TestClient, TestPeer, World, sock};

/// Everybody who has a part.
pub(crate) struct Stage {
    server: Vec<String>,
    options: String,
    world: Option<World>,
    clients: BTreeMap<String, TestClient>,
    peers: BTreeMap<String, TestPeer>,
    tokens: BTreeMap<String, [u8; 8]>,
    /// The last request of each client, as it was sent, and its answer.
    last: BTreeMap<String, (Vec<u8>, Option<Vec<u8>>)>,
}

/// What was seen, in words.
type Seen = Vec<String>;

impl Stage {
    pub(crate) fn new() -> Stage {
        Stage {
            server: vec!["default".to_owned()],
            options: String::new(),
            world: None,
            clients: BTreeMap::new(),
            peers: BTreeMap::new(),
            tokens: BTreeMap::new(),
            last: BTreeMap::new(),
        }
    }

    /// Plays one act; an error says what was expected and what was seen.
    pub(crate) fn play(&mut self, act: &Act) -> Result<(), String> {
        let words: Vec<&str> = act.words.iter().map(String::as_str).collect();
        let seen = match &words[..] {
            ["server", rest @ ..] => {
                self.server = rest.iter().map(ToString::to_string).collect();
                None
            }
            ["option", rest @ ..] => {
                self.options += &(rest.join(" ") + "\n");
                None
            }
            ["client", name, "disconnect"] => {
                self.client(name).disconnect();
                None
            }
            ["client", name, rest @ ..] if act.expected.is_none() => {
                self.cast_client(name, rest);
                None
            }
            ["peer", name, addr] => {
                let peer = self.world().peer(addr);
                self.peers.insert((*name).to_owned(), peer);
                None
            }
            ["advance", span] => {
                let secs = span.strip_suffix('s').and_then(|secs| secs.parse().ok());
                self.world().advance(secs.ok_or_else(|| format!("{span} is no time"))?);
                None
            }
            ["hand-over"] => {
                let world = self.world();
                world.replace(0, world.export(0));
                None
            }
            ["client", name, action, rest @ ..] => Some(self.client_acts(name, action, rest)?),
            ["peer", name, "send", to, data] => Some(self.peer_sends(name, to, data)),
            ["allocations"] => Some(vec![self.world().allocations().to_string()]),
            _ => return Err(format!("nobody understands {:?}", words.join(" "))),
        };
        match (seen, &act.expected) {
            (None, None) => Ok(()),
            (Some(seen), Some(expected)) if agrees(&seen, expected) => Ok(()),
            (Some(seen), Some(expected)) => Err(format!("expected {}, got {}", expected.join(" "), seen.join(" "))),
            (None, Some(_)) => Err("nothing is seen of this; leave the arrow out".to_owned()),
            (Some(seen), None) => Err(format!("say what is seen: {}", seen.join(" "))),
        }
    }

    fn world(&mut self) -> World {
        let (server, options) = (&self.server, &self.options);
        self.world.get_or_insert_with(|| build(server, options)).clone()
    }

    fn client(&mut self, name: &str) -> &TestClient {
        let world = self.world();
        self.clients.entry(name.to_owned()).or_insert_with(|| world.client())
    }

    fn cast_client(&mut self, name: &str, words: &[&str]) {
        let client = words.iter().fold(self.world().client(), |client, word| match word.split_once('=') {
            Some(("from", addr)) => client.at(addr),
            Some(("user", "bob")) => client.named(BOB),
            Some(("user", "alice")) => client.named(ALICE),
            Some(("worker", worker)) => client.on_worker(worker.parse().expect("a number")),
            None if *word == "udp" => client.over(Transport::Udp),
            None if *word == "tcp" => client.over(Transport::Tcp),
            None if *word == "tls" => client.over(Transport::Tls),
            _ => panic!("a client is not {word:?}; an act of its has an arrow"),
        });
        self.clients.insert(name.to_owned(), client);
    }

    /// A peer's address, a client's relayed address, or an address as it is written.
    fn address(&mut self, name: &str) -> SocketAddr {
        if let Some(peer) = self.peers.get(name) {
            return peer.addr();
        }
        if let Some(client) = self.clients.get(name) {
            return client.relayed();
        }
        if name.contains(':') {
            return sock(name);
        }
        let number = self.peers.len() + 4;
        let peer = self.world().peer(&format!("8.8.4.{number}:5000"));
        self.peers.entry(name.to_owned()).or_insert(peer).addr()
    }

    /// What an address is called here.
    fn name_of(&self, addr: SocketAddr) -> String {
        let peer = self.peers.iter().find(|(_, peer)| peer.addr() == addr).map(|(name, _)| name.clone());
        let is_relay = |client: &TestClient| client.has_allocated() && client.relayed_for(addr) == addr;
        let client = || self.clients.iter().find(|(_, client)| is_relay(client)).map(|(name, _)| name.clone());
        peer.or_else(client).unwrap_or_else(|| addr.to_string())
    }

    fn client_acts(&mut self, name: &str, action: &str, words: &[&str]) -> Result<Seen, String> {
        match (action, words) {
            ("allocate", words) => self.asks(name, Method::ALLOCATE, words),
            ("refresh", words) => self.asks(name, Method::REFRESH, words),
            ("permit", words) => self.asks(name, Method::CREATE_PERMISSION, words),
            ("bind", words) => self.asks(name, Method::CHANNEL_BIND, words),
            ("binding", []) => {
                let code = self.client(name).request(Method::BINDING).bare().code();
                Ok(vec![code.to_string()])
            }
            ("repeat", []) => self.repeats(name),
            ("send", [to, data, options @ ..]) => {
                let to = self.address(to);
                let send = self.client(name).indication(Method::SEND).peer(to).data(&bytes_of(data));
                let send = match options {
                    ["dont-fragment"] => send.attribute(AttributeType::DONT_FRAGMENT, &[]),
                    ["fingerprint"] => send.fingerprint(),
                    _ => send,
                };
                send.dispatch();
                Ok(self.arrivals(name))
            }
            ("keep-alive", []) => {
                self.client(name).indication(Method::SEND).data(&[]).dispatch();
                Ok(self.arrivals(name))
            }
            ("channel", [number, data]) => {
                self.client(name).channel_send(number_of(number)?, &bytes_of(data));
                Ok(self.arrivals(name))
            }
            _ => Err(format!("a client cannot {action} {}", words.join(" "))),
        }
    }

    /// Sends a request and reads its answer.
    fn asks(&mut self, name: &str, method: Method, words: &[&str]) -> Result<Seen, String> {
        let mut named: Vec<SocketAddr> = Vec::new();
        for word in words.iter().filter(|word| is_address(method, word)) {
            named.push(self.address(word));
        }
        let tokens = self.tokens.clone();
        let client = self.client(name);
        let start = client.request(method);
        let start = if method == Method::ALLOCATE { start.transport(17) } else { start };
        let rest = words.iter().filter(|word| !is_address(method, word));
        let request = rest.map(Ok).try_fold(start, |request, word: Result<_, String>| fill(request, word?, &tokens))?;
        let request = named.into_iter().fold(request, Request::peer);
        let sent = request.bytes();
        let reply = if words.contains(&"once") { request.once() } else { request.send() };
        if let Some(reply) = reply.as_ref().filter(|_| method == Method::ALLOCATE) {
            client.learn(reply);
        }
        let token = reply.as_ref().and_then(Reply::token);
        self.tokens.extend(token.map(|token| (name.to_owned(), token)));
        self.last.insert(name.to_owned(), (sent, reply.as_ref().map(|reply| reply.bytes().to_vec())));
        Ok(reply.map_or_else(|| vec!["none".to_owned()], |reply| answer_words(&reply)))
    }

    /// Sends its last request again, byte for byte.
    fn repeats(&mut self, name: &str) -> Result<Seen, String> {
        let (sent, answer) = self.last.get(name).cloned().ok_or("it asked nothing before")?;
        let id = turnserver::stun::Message::parse(&sent).expect("a request").id();
        let client = self.client(name);
        client.datagram(&sent);
        let reply = client.replies(id).pop();
        let is_same = reply.as_ref().map(Reply::bytes) == answer.as_deref();
        let mut words = reply.map_or_else(|| vec!["none".to_owned()], |reply| answer_words(&reply));
        words.extend(is_same.then(|| "same".to_owned()));
        Ok(words)
    }

    fn peer_sends(&mut self, name: &str, to: &str, data: &str) -> Seen {
        let addr = self.address(name);
        let peer = self.world().peer(&addr.to_string());
        let to = match self.clients.get(to) {
            Some(client) => client.relayed_for(addr),
            None => self.address(to),
        };
        match peer.send_to(to, &bytes_of(data)) {
            true => self.arrivals(""),
            false => vec!["closed".to_owned()],
        }
    }

    /// Everything that arrived anywhere, in the order of names. What leaves from another address than the relayed one of
    /// `sender` shows it.
    fn arrivals(&self, sender: &str) -> Seen {
        let mut seen = Vec::new();
        for (name, peer) in &self.peers {
            for packet in peer.packets() {
                seen.extend([name.clone(), quoted(&packet.data)]);
                let is_own =
                    self.clients.get(sender).is_some_and(|client| client.relayed_for(peer.addr()) == packet.from);
                if !is_own {
                    seen.push(format!("from={}", packet.from));
                }
                seen.extend(packet.dont_fragment.then(|| "dont-fragment".to_owned()));
            }
        }
        for (name, client) in &self.clients {
            for received in client.received() {
                seen.push(name.clone());
                seen.extend(match received {
                    Received::Data { peer, data } => ["data".to_owned(), self.name_of(peer), quoted(&data)],
                    Received::Channel { number, data } => ["channel".to_owned(), format!("{number:#x}"), quoted(&data)],
                });
            }
        }
        if seen.is_empty() { vec!["none".to_owned()] } else { seen }
    }
}

fn build(server: &[String], options: &str) -> World {
    let profile = server.first().and_then(|name| Profile::from_name(name)).expect("the server's profile");
    let mut setup = Setup::with(profile, options);
    let mut external = None;
    let mut relay = None;
    for word in &server[1..] {
        match word.split_once('=').expect("name=value") {
            ("relay", addr) => relay = Some(addr),
            ("external", addr) => external = Some(addr),
            ("workers", count) => setup = setup.workers(count.parse().expect("a number")),
            ("ports", range) => {
                let (first, last) = range.split_once('-').expect("first-last");
                setup = setup.ports(first.parse().expect("a port")..=last.parse().expect("a port"));
            }
            (name, _) => panic!("a server has no {name}"),
        }
    }
    if let Some(relay) = relay {
        setup = setup.relays(&relay.split(',').collect::<Vec<_>>());
    }
    if let (Some(external), Some(relay)) = (external, relay) {
        setup = setup.external(external, relay);
    }
    setup.build()
}

/// Words of a request that name whom it is about.
fn is_address(method: Method, word: &str) -> bool {
    let takes_peers = method == Method::CREATE_PERMISSION || method == Method::CHANNEL_BIND;
    takes_peers && !word.contains('=') && !word.starts_with("0x") && !matches!(word, "bare" | "fingerprint" | "once")
}

/// Adds what a word of a script asks for.
fn fill<'c>(request: Request<'c>, word: &str, tokens: &BTreeMap<String, [u8; 8]>) -> Result<Request<'c>, String> {
    let family = |text: &str| if text == "v6" { 2 } else { 1 };
    Ok(match word.split_once('=') {
        Some(("lifetime", secs)) => request.lifetime(secs.parse().map_err(|_| format!("{secs} is no number"))?),
        Some(("family", text)) => request.family(family(text)),
        Some(("additional", text)) => request.additional(family(text)),
        Some(("late-family", text)) => {
            request.behind(AttributeType::REQUESTED_ADDRESS_FAMILY, &[family(text), 0, 0, 0])
        }
        Some(("token", holder)) => request.token(tokens.get(holder).ok_or_else(|| format!("{holder} has no token"))?),
        None if word == "even" => request.even(false),
        None if word == "reserve" => request.even(true),
        None if word == "late-even" => request.behind(AttributeType::EVEN_PORT, &[0x80]),
        None if word == "bare" => request.bare(),
        None if word == "fingerprint" => request.fingerprint(),
        None if word == "once" => request,
        None if word.starts_with("0x") => request.channel(number_of(word)?),
        _ => return Err(format!("a request has no {word}")),
    })
}

fn answer_words(reply: &Reply) -> Seen {
    let mut words = vec![reply.code().to_string()];
    words.extend(reply.lifetime().map(|secs| format!("lifetime={secs}")));
    let families = reply.relayed().iter().map(|addr| if addr.is_ipv4() { "v4" } else { "v6" }).collect::<Vec<_>>();
    if let Some(first) = reply.relayed().first() {
        words.push(format!("relayed={}", families.join(",")));
        words.push(format!("relayed-ip={}", first.ip()));
        words.push(if first.port() % 2 == 0 { "even" } else { "odd" }.to_owned());
    }
    words.extend(reply.token().map(|_| "token".to_owned()));
    words.push(if reply.is_signed() { "signed" } else { "unsigned" }.to_owned());
    words.extend(reply.nonce().map(|_| "nonce".to_owned()));
    words
}

fn number_of(text: &str) -> Result<u16, String> {
    let digits = text.strip_prefix("0x").ok_or_else(|| format!("{text} is no channel"))?;
    u16::from_str_radix(digits, 16).map_err(|_| format!("{text} is no channel"))
}

fn bytes_of(text: &str) -> Vec<u8> {
    text.trim_matches('"').as_bytes().to_vec()
}

fn quoted(data: &[u8]) -> String {
    format!("\"{}\"", data.escape_ascii())
}
