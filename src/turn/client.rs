//! Datagrams and stream messages from clients.

use super::address::Family;
use super::answer::{AnswerBuf, Head, Reject, Reply, Success};
use super::bandwidth::Way;
use super::drop_reason::DropReason;
use super::gather::{Prefix, Suffix};
use super::io::{ClientPath, Credit, Destination, Forward, Output, Transmit, Verdict};
use super::server::Server;
use super::time::Now;
use crate::auth::Seal;
use crate::config::{AuthMode, BindingRule};
use crate::stun::channel_data::CHANNEL_HEADER_LEN;
use crate::stun::{ChannelData, Class, ErrorCode, Message, Method, ParseError};

/// A request and the way its answer goes.
pub(super) struct Request<'m, 'a> {
    pub(super) path: ClientPath,
    pub(super) message: &'m Message<'a>,
}

impl Server {
    pub(super) fn handle_client(
        &mut self,
        now: Now,
        path: ClientPath,
        datagram: &[u8],
        answer: &mut AnswerBuf,
    ) -> Verdict {
        // RFC 7983 section 7: the first byte tells what a datagram is.
        match datagram.first() {
            Some(0x40..=0x7F) => self.handle_channel_data(now, path, datagram),
            Some(0x00..=0x03) => match Message::parse(datagram) {
                Ok(message) => self.handle_message(now, path, &message, answer),
                Err(ParseError::NotStun) => Verdict::Drop(DropReason::NotStun),
                Err(ParseError::Length | ParseError::Attribute) => Verdict::Drop(DropReason::Malformed),
            },
            _ => Verdict::Drop(DropReason::NotStun),
        }
    }

    /// RFC 8656 section 12.6. The channel alone decides: a permission that ended does not stop data to the peer.
    fn handle_channel_data(&mut self, now: Now, path: ClientPath, datagram: &[u8]) -> Verdict {
        let Some(ChannelData { number, data }) = ChannelData::parse(datagram) else {
            return Verdict::Drop(DropReason::Malformed);
        };
        let Some(id) = self.allocations.of_tuple(&path.tuple) else {
            return Verdict::Drop(DropReason::NoAllocation);
        };
        let allocation = self.allocations.get_mut(id).expect("the index names live allocations");
        let Some(channel) = allocation.channels.of_number(number, now.mono).copied() else {
            return Verdict::Drop(DropReason::NoChannel);
        };
        let Some(relay) = allocation.relay_of(Family::of(channel.peer.ip()), now.mono) else {
            return Verdict::Drop(DropReason::NoAllocation);
        };
        let to =
            Destination::Peer { relay: relay.grant.relay, to: channel.peer, own: channel.own, dont_fragment: false };
        if !allocation.let_pass(Way::ToPeer, data.len(), now.mono) {
            return Verdict::Drop(DropReason::Bandwidth);
        }
        let range = (CHANNEL_HEADER_LEN..CHANNEL_HEADER_LEN + data.len()).into();
        Verdict::Forward(Forward { to, prefix: Prefix::EMPTY, range, suffix: Suffix::EMPTY })
    }

    fn handle_message(&mut self, now: Now, path: ClientPath, message: &Message<'_>, answer: &mut AnswerBuf) -> Verdict {
        if !message.fingerprint_holds() {
            return Verdict::Drop(DropReason::Fingerprint);
        }
        // Two servers, or one with itself, must not be made to talk to each other.
        if self.settings.listeners.contains(&path.tuple.client) {
            return Verdict::Drop(DropReason::OwnListener);
        }
        let kind = message.kind();
        match (kind.class, kind.method) {
            (Class::Indication, Method::SEND) => self.handle_send(now, path, message),
            (Class::Request, Method::BINDING) => match self.settings.config.protocol.binding {
                BindingRule::Open => self.handle_binding(path, message, answer),
                BindingRule::Authenticated => self.handle_turn_request(now, Request { path, message }, answer),
                BindingRule::Ignored => Verdict::Drop(DropReason::NoStun),
            },
            (Class::Request, Method::ALLOCATE | Method::REFRESH | Method::CREATE_PERMISSION | Method::CHANNEL_BIND) => {
                if !self.settings.config.protocol.turn || self.settings.config.auth.mode == AuthMode::StunOnly {
                    return Verdict::Drop(DropReason::StunOnly);
                }
                self.handle_turn_request(now, Request { path, message }, answer)
            }
            (Class::Request, _) if self.settings.config.protocol.coturn_errors => {
                let (request, code) = (Request { path, message }, ErrorCode::BAD_REQUEST);
                self.tell_refused(&request, code, None, None);
                self.conclude(now, &request, None, Err(code.into()), answer)
            }
            _ => Verdict::Drop(DropReason::Unexpected),
        }
    }

    pub(super) fn reply<'a>(&'a self, head: Head, seal: Option<Seal<'a>>) -> Reply<'a> {
        Reply { settings: &self.settings, head, seal }
    }

    /// Turns a method's outcome into its answer.
    pub(super) fn conclude(
        &mut self,
        now: Now,
        request: &Request<'_, '_>,
        seal: Option<Seal<'_>>,
        outcome: Result<Success, Reject>,
        answer: &mut AnswerBuf,
    ) -> Verdict {
        use rand_chacha::rand_core::RngCore;
        let salt = self.rng.next_u32();
        let is_signed = seal.is_some();
        let reply = self.reply(Head::of(request.message), seal);
        match &outcome {
            Ok(Success::Parked) => return Verdict::Drop(DropReason::Parked),
            Ok(Success::Replayed) => {}
            Ok(success) => reply.success(success, answer),
            Err(Reject::Silent(reason)) => return Verdict::Drop(*reason),
            Err(Reject::Code(code)) => reply.error(*code, answer),
            Err(Reject::UnknownAttributes) => reply.unknown_attributes(request.message, answer),
            Err(Reject::Redirected(alternate)) => reply.try_alternate(alternate, answer),
            Err(Reject::Challenge(code)) => {
                reply.challenge(*code, now.wall, salt, &request.path.tuple, answer);
            }
        }
        let earned = is_signed || matches!(outcome, Ok(Success::Replayed));
        Verdict::Respond(if earned { Credit::Authenticated } else { Credit::Unauthenticated })
    }

    /// Sends what `late_answer` holds.
    pub(super) fn transmit_late(&mut self, to: ClientPath, credit: Credit) {
        let bytes = self.late_answer.bytes().into();
        self.outputs.push_back(Output::Transmit(Transmit { to, bytes, credit }));
    }
}
