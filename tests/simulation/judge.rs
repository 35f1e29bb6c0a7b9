//! What came out of the core against what the model said: verdicts, answers, and everything asked or told.

use std::net::SocketAddr;

use turnserver::turn::address::{EvenPort, Families, Family, ReservationToken};
use turnserver::turn::io::{ClientPath, Credit, Direction, Forward, OwnPeer, RelayGrant};
use turnserver::turn::{Answer, Destination, Output, Verdict};

use crate::action::Pace;
use crate::model::{Expect, Merit, Opened, Reach, SECOND, Waiting, Wish, who};
use crate::plan::sock;
use crate::proof::Scheme;
use crate::stage::{Asked, Checked, Flight, Stage};
use crate::wire::{self, View};

impl Stage {
    /// A verdict on something that came in.
    pub(crate) fn judge(
        &mut self,
        worker: usize,
        path: Option<ClientPath>,
        expect: Expect,
        verdict: Verdict,
        bytes: &[u8],
        answer: &[u8],
    ) -> Checked {
        match (expect, verdict) {
            (Expect::Silence(reasons), Verdict::Drop(reason)) if reasons.contains(&reason) => {
                self.mix(&[reason as u8]);
                self.tally.drop(reason);
                Ok(())
            }
            (Expect::Ask(ticket), Verdict::Drop(reason)) => {
                self.tally.drop(reason);
                self.asks.push_back(ticket);
                match reason {
                    turnserver::turn::DropReason::Parked => Ok(()),
                    reason => Err(format!("dropped for {reason:?}, it should have waited")),
                }
            }
            (expect @ (Expect::Reply(_) | Expect::Again(_)), Verdict::Respond(credit)) => {
                let path = path.ok_or("a peer is answered")?;
                self.judge_answer(&path, &expect, answer, credit)
            }
            (expect, Verdict::Forward(forward)) => self.judge_forward(worker, &expect, &forward, bytes),
            (expect, verdict) => {
                let verdict = match verdict {
                    Verdict::Respond(_) => {
                        format!("answered {:?}", View::parse(answer).ok().and_then(|view| code(&view)))
                    }
                    verdict => format!("{verdict:?}"),
                };
                Err(format!("{verdict}; foretold was {expect:?}"))
            }
        }
    }

    fn judge_answer(&mut self, path: &ClientPath, expect: &Expect, answer: &[u8], credit: Credit) -> Checked {
        let merit = match expect {
            Expect::Again(foretold) => {
                if foretold != answer {
                    return Err("a retransmission is answered otherwise than the first time".to_owned());
                }
                self.tally.other("answered again");
                &Merit::Earned
            }
            Expect::Reply(reply) => {
                let thorough = self.dice.percent(10);
                let clock = self.clock();
                self.model.check_answer(reply, answer, clock, thorough)?;
                self.note_answer(reply, answer);
                self.tally.other(match reply.signer.map(|signer| signer.scheme) {
                    None => "an answer unsigned",
                    Some(Scheme::Unnamed) => "an answer to one that names nothing",
                    Some(Scheme::Md5) => "an answer to one that names MD5",
                    Some(Scheme::Sha256) => "an answer to one that names SHA-256",
                });
                if reply.who != who(&path.tuple) {
                    return Err(format!("a {} is addressed otherwise", reply.code));
                }
                if reply.method == wire::ALLOCATE && reply.code == 200 {
                    let held = self.model.held.get_mut(&reply.who).ok_or("an allocation nobody has")?;
                    let replay = held.replay.as_mut().ok_or("an allocation without its answer")?;
                    replay.1 = answer.to_vec();
                }
                &reply.merit
            }
            _ => return Err("no answer was foretold".to_owned()),
        };
        self.answer_client(path, credit, merit, answer)
    }

    fn judge_forward(&mut self, worker: usize, expect: &Expect, forward: &Forward, bytes: &[u8]) -> Checked {
        let range = forward.range.as_range();
        match (expect, forward.to) {
            (
                Expect::ToPeer { from, to, how, start, len, dont_fragment },
                Destination::Peer { relay, to: named, own, dont_fragment: unfragmented },
            ) => {
                let local = self.engine.socket(worker, relay).ok_or("it leaves by a socket that is closed")?.local;
                let own = match own {
                    OwnPeer::No => Reach::Outside,
                    OwnPeer::LiveOnly => Reach::LiveOnly,
                    OwnPeer::LiveFirst => Reach::LiveFirst,
                };
                let found = (local, named, own, range.clone(), unfragmented);
                let foretold = (*from, *to, *how, *start..start + len, *dont_fragment);
                let is_bare = forward.prefix.as_slice().is_empty() && forward.suffix.as_slice().is_empty();
                if found != foretold || !is_bare {
                    return Err(format!("sent {found:?}, foretold was {foretold:?}"));
                }
                self.send_to_peer(worker, relay, local, *to, *how, &bytes[range])
            }
            (Expect::ToClient { who: foretold, channel, peer }, Destination::Client(path)) => {
                if who(&path.tuple) != *foretold || self.ways.get(foretold) != Some(&path.link) {
                    return Err(format!("data of {peer} goes to {path:?}, foretold was {foretold:?}"));
                }
                let sent = [forward.prefix.as_slice(), &bytes[range.clone()], forward.suffix.as_slice()].concat();
                self.model.check_relayed(*foretold, *channel, *peer, bytes, &sent)?;
                self.tally.other(if channel.is_some() { "channel data to a client" } else { "data indication" });
                if self.sending_fails && self.dice.percent(30) {
                    self.servers[worker].handle_unsent(Direction::ToClient(path.tuple), range.len());
                    return Ok(());
                }
                let traffic = &mut self.model.held.get_mut(foretold).expect("foretold").traffic;
                traffic[2] += 1;
                traffic[3] += range.len() as u64;
                Ok(())
            }
            (expect, to) => Err(format!("sent to {to:?}; foretold was {expect:?}")),
        }
    }

    fn send_to_peer(
        &mut self,
        worker: usize,
        relay: turnserver::turn::address::RelayId,
        local: SocketAddr,
        to: SocketAddr,
        how: Reach,
        data: &[u8],
    ) -> Checked {
        let own = match how {
            Reach::Outside => OwnPeer::No,
            Reach::LiveOnly => OwnPeer::LiveOnly,
            Reach::LiveFirst => OwnPeer::LiveFirst,
        };
        let target = self.engine.relays.destination(to, own);
        let foretold = self.model.resolve(to, how);
        if target != foretold {
            return Err(format!("{to} is resolved to {target:?}, foretold was {foretold:?}"));
        }
        let fails = self.sending_fails && self.dice.percent(30);
        let Some(target) = target.filter(|_| !fails) else {
            self.tally.other(if fails { "not sent" } else { "dead end" });
            self.servers[worker].handle_unsent(Direction::ToPeer(relay), data.len());
            return Ok(());
        };
        let (_, held) = self
            .model
            .held
            .iter_mut()
            .find(|(_, held)| held.relays.iter().any(|held| held.local == local && !held.is_closed))
            .expect("foretold");
        held.traffic[0] += 1;
        held.traffic[1] += data.len() as u64;
        self.mix(data);
        if how != Reach::Outside {
            // The kernel's loopback loses nothing, but a busy worker reads its socket late.
            let late = if self.dice.percent(10) { SECOND * 5 / 2 } else { SECOND / 1000 };
            let flight = Flight::ToRelay { to: target, from: local, bytes: data.to_vec() };
            let at = self.mono + late;
            self.tally.other("relay to relay");
            self.fly(at, flight);
        } else if self.dice.percent(30) {
            let external = self.engine.socket(worker, relay).expect("it is open").external;
            self.cast(None, Flight::ToRelay { to: external, from: target, bytes: data.to_vec() });
        } else {
            self.tally.other("to a peer");
        }
        Ok(())
    }

    /// Does what a core asks until it asks nothing more.
    pub(crate) fn drain(&mut self, worker: usize) -> Checked {
        while let Some(output) = self.servers[worker].poll_output() {
            let (ticket, asked) = match output {
                Output::LookUpUser(asked) => (self.asked()?, Asked::User(asked.request, asked.name)),
                Output::OpenRelay(open) => (self.asked()?, Asked::Open(open)),
                Output::Claim(claim) => (self.asked()?, Asked::Claim(claim)),
                told => {
                    self.obey(worker, told)?;
                    continue;
                }
            };
            self.check_asked(ticket, &asked)?;
            let pace = if matches!(asked, Asked::User(..)) { self.look_ups } else { self.openings };
            match pace {
                Pace::AtOnce | Pace::Down => self.answer_core(worker, ticket, asked)?,
                Pace::Slow => {
                    let millis = if matches!(asked, Asked::User(..)) { 8_000 } else { 20_000 };
                    let at = self.mono + SECOND / 1000 * (1 + self.dice.below(millis) as u64);
                    let generation = self.generations[worker];
                    self.fly(at, Flight::Answer { worker, generation, ticket, asked });
                }
                Pace::Lost => self.tally.other("look-up lost"),
            }
        }
        match (self.foretold.pop_front(), self.asks.pop_front()) {
            (Some(missing), _) => Err(format!("nothing came; foretold was {missing:?}")),
            (_, Some(ticket)) => Err(format!("nothing was asked; foretold was {:?}", self.model.waiting.get(&ticket))),
            (None, None) => self.model.check_due(),
        }
    }

    fn asked(&mut self) -> Result<u64, String> {
        self.asks.pop_front().ok_or_else(|| "the core asks what nobody foretold".to_owned())
    }

    /// Whether the core asks for what the request wants.
    fn check_asked(&mut self, ticket: u64, asked: &Asked) -> Checked {
        let is_right = match (self.model.waiting.get(&ticket), asked) {
            (Some(Waiting::User { bytes, .. }), Asked::User(_, name)) => {
                let sent = View::parse(bytes).ok().and_then(|view| view.value(wire::USERNAME));
                sent.map(|sent| self.model.name_of(sent)).as_deref() == Some(&**name)
            }
            (Some(Waiting::Relay { who, caller, wish, .. }), Asked::Open(open)) => {
                let token = match open.even {
                    Some(EvenPort::EvenAndReserve(token)) => Some(token.0),
                    _ => None,
                };
                let families = match open.families {
                    Families::One(Family::V4) => 1,
                    Families::One(Family::V6) => 2,
                    Families::Both => 3,
                };
                let asked = Wish::Open { families, even: open.even.is_some(), reserve: token.is_some() };
                let is_right =
                    *wish == asked && open.server == who.2 && open.user.as_deref() == caller.quota.as_deref();
                self.model.asked_tokens.extend(token.map(|token| (ticket, token)));
                is_right
            }
            (Some(Waiting::Relay { caller, wish, .. }), Asked::Claim(claim)) => {
                *wish == Wish::Claim(claim.token.0) && claim.user.as_deref() == caller.quota.as_deref()
            }
            _ => false,
        };
        if is_right { Ok(()) } else { Err(format!("the core asks {asked:?}, which its request does not want")) }
    }

    /// The world answers.
    pub(crate) fn answer_core(&mut self, worker: usize, ticket: u64, asked: Asked) -> Checked {
        let now = self.now();
        self.model.at_worker = worker;
        let answer = match asked {
            Asked::User(request, name) => {
                let (clock, is_of, is_down) = (self.clock(), self.is_of(worker), self.look_ups == Pace::Down);
                let expect = match is_down {
                    true => self.model.look_up_failed(clock, ticket, is_of),
                    false => self.model.user_found(clock, ticket, is_of),
                };
                match expect {
                    Some(Expect::Ask(ticket)) => self.asks.push_back(ticket),
                    Some(Expect::Silence(_)) | None => {}
                    Some(expect) => self.foretold.push_back(expect),
                }
                match is_down {
                    true => Answer::LookUpFailed { request },
                    false => Answer::User { request, record: self.engine.users.look_up(&name, now.wall) },
                }
            }
            Asked::Open(open) => {
                let foretold = self.foretell(&open);
                let answer = self.engine.open(now.mono, worker, &open);
                self.check_opened(ticket, &answer, foretold, Some(&open))?;
                answer
            }
            Asked::Claim(claim) => {
                let token = claim.token;
                let caller = crate::model::Caller {
                    user: Vec::new(),
                    signer: None,
                    quota: claim.user.as_deref().map(<[u8]>::to_vec),
                };
                let foretold = self.model.foretell(&caller, &Wish::Claim(token.0));
                self.model.note_claimed(self.clock(), token.0, &foretold);
                let answer = self.engine.claim(now.mono, worker, claim);
                self.check_opened(ticket, &answer, foretold, None)?;
                answer
            }
        };
        self.servers[worker].handle_answer(now, answer);
        Ok(())
    }

    fn foretell(&mut self, open: &turnserver::turn::io::OpenRelay) -> Opened {
        let families = match open.families {
            Families::One(Family::V4) => 1,
            Families::One(Family::V6) => 2,
            Families::Both => 3,
        };
        let reserve = matches!(open.even, Some(EvenPort::EvenAndReserve(_)));
        let quota = open.user.as_deref().map(<[u8]>::to_vec);
        let caller = crate::model::Caller { user: Vec::new(), signer: None, quota };
        self.model.foretell(&caller, &Wish::Open { families, even: open.even.is_some(), reserve })
    }

    /// What the engine gave against what it had to give.
    fn check_opened(
        &mut self,
        ticket: u64,
        answer: &Answer,
        foretold: Opened,
        open: Option<&turnserver::turn::io::OpenRelay>,
    ) -> Checked {
        let family = |grant: &RelayGrant| if grant.local.is_ipv4() { 1 } else { 2 };
        let (opened, grants) = match answer {
            Answer::QuotaReached { .. } => (Opened::Quota, Vec::new()),
            Answer::NoCapacity { .. } | Answer::Gone { .. } => (Opened::NoCapacity, Vec::new()),
            Answer::FamilyNotServed { .. } => (Opened::NotServed, Vec::new()),
            Answer::Claimed { relay, .. } => (Opened::Families(vec![family(relay)], None), vec![*relay]),
            Answer::Opened { first, second, .. } => match second {
                Some(Ok(second)) => {
                    (Opened::Families(vec![family(first), family(second)], None), vec![*first, *second])
                }
                Some(Err((missing, code))) => {
                    let missing = (missing.code(), code.code());
                    (Opened::Families(vec![family(first)], Some(missing)), vec![*first])
                }
                None => (Opened::Families(vec![family(first)], None), vec![*first]),
            },
            _ => return Err("the engine answers something else".to_owned()),
        };
        if opened != foretold {
            return Err(format!("the engine gives {opened:?}, foretold was {foretold:?}"));
        }
        self.tally.other(match &opened {
            Opened::Families(families, None) if families.len() == 2 => "two relayed addresses",
            Opened::Families(_, Some(_)) => "one of two relayed addresses",
            Opened::Families(..) if open.is_none() => "a reservation claimed",
            Opened::Families(..) => "one relayed address",
            Opened::Quota => "quota reached",
            Opened::NoCapacity => "no capacity",
            Opened::NotServed => "family not served",
        });
        let clock = self.clock();
        let mut token = None;
        if let Some(open) = open {
            if let Some(EvenPort::EvenAndReserve(ReservationToken(asked))) = open.even
                && let [grant] = grants.as_slice()
            {
                token = Some(asked);
                self.model.check_port(clock, grant.local, true, true)?;
                let local = SocketAddr::new(grant.local.ip(), grant.local.port() + 1);
                if self.engine.reserved_local(ReservationToken(asked)) != Some(local) {
                    return Err("the port above is not reserved".to_owned());
                }
                self.model.note_reserved(asked, local, open.user.as_deref().map(<[u8]>::to_vec));
            } else {
                for grant in &grants {
                    self.model.check_port(clock, grant.local, open.even.is_some(), false)?;
                }
            }
        }
        let grants: Vec<(SocketAddr, SocketAddr)> = grants.iter().map(|grant| (grant.local, grant.external)).collect();
        if let Some(expect) = self.model.opened(clock, ticket, &opened, &grants, token) {
            self.foretold.push_back(expect);
        }
        Ok(())
    }

    /// Outputs that want no answer.
    fn obey(&mut self, worker: usize, output: Output) -> Checked {
        let (now, clock) = (self.now(), self.clock());
        match output {
            Output::Transmit(transmit) => {
                let expect = self.foretold.pop_front().ok_or("a late answer that nobody foretold")?;
                self.judge_answer(&transmit.to, &expect, &transmit.bytes, transmit.credit)
            }
            Output::CloseRelay(relay) => {
                let local = self.engine.close(now.mono, worker, relay).ok_or("a socket is closed that is not open")?;
                self.model.relay_closed(clock, relay, local)
            }
            Output::Release(token) => {
                self.tally.other("a reservation released");
                self.engine.release(now.mono, token);
                self.model.released(clock, token.0)
            }
            Output::Event(event) => self.note_event(worker, &event),
            Output::LookUpUser(_) | Output::OpenRelay(_) | Output::Claim(_) => Ok(()),
        }
    }
}

fn code(view: &View<'_>) -> Option<u16> {
    match view.value(wire::ERROR_CODE) {
        Some([_, _, class, number, ..]) => Some(u16::from(class & 7) * 100 + u16::from(*number)),
        Some(_) => None,
        None => Some(200),
    }
}

/// A peer of the plan.
pub(crate) fn peer(index: usize) -> SocketAddr {
    sock(crate::plan::PEERS[index])
}
