//! Who asks: the long-term credential mechanism (RFC 8489 section 9.2.4), in the order of checks the project decided.

use std::sync::Arc;

use super::address::RequestId;
use super::allocation::{AllocationId, Owner};
use super::answer::{AnswerBuf, Head, Reject, Success};
use super::auth_failure::AuthFailure;
use super::client::Request;
use super::drop_reason::DropReason;
use super::event::Event;
use super::io::{Credit, LookUpUser, Output, UserRecord, Verdict};
use super::limits::{KEY_VOUCHES, PARKED_LEN_MAX};
use super::nonce::NonceAge;
use super::parked::{NoRoom, Parked, Waiting};
use super::redirect::Alternate;
use super::request::dispatch;
use super::server::Server;
use super::settings::Midway;
use super::time::Now;
use super::vouch::Known;
use crate::auth::rest::TimedName;
use crate::auth::{LongTermKey, Scheme};
use crate::config::AuthMode;
use crate::stun::{ErrorCode, Message, Method};

impl Server {
    /// A request that needs a user.
    pub(super) fn handle_turn_request(
        &mut self,
        now: Now,
        request: Request<'_, '_>,
        answer: &mut AnswerBuf,
    ) -> Verdict {
        let existing = self.allocations.of_tuple(&request.path.tuple);
        if let Some(outcome) = self.mismatch_before_authentication(&request, existing, now, answer) {
            return self.conclude(now, &request, None, outcome, answer);
        }
        if let Some(alternate) = self.alternate_before_authentication(&request) {
            self.tell_refused(&request, ErrorCode::TRY_ALTERNATE, None, None);
            return self.conclude(now, &request, None, Err(Reject::Redirected(alternate)), answer);
        }
        if self.settings.config.auth.mode == AuthMode::Anonymous {
            let vouched_until = now.mono;
            let anonymous =
                Owner { user: Arc::from([]), key: None, scheme: Scheme::Unnamed, quota: None, vouched_until };
            return self.serve(now, &request, existing, anonymous, answer);
        }
        let claimed = match self.claims(&request, now) {
            Ok(claimed) => claimed,
            Err(why) => return self.refuse(now, &request, None, why, answer),
        };
        match self.owner_by_allocation(&request, existing, &claimed, now) {
            Known::Is(owner) => self.serve_owner(now, &request, claimed.age, owner, answer),
            Known::Was(owner) => self.look_up_again(now, &request, &claimed, owner, answer),
            Known::IsNot => {
                self.refuse_credentials(now, &request, &claimed.user, None, AuthFailure::WrongPassword, answer)
            }
            Known::LookUp => self.look_up(now, &request, &claimed.user, None),
        }
    }

    /// The user's keys are here: goes on with the request that waited for them.
    pub(super) fn resume_with_user(&mut self, now: Now, id: RequestId, record: Option<UserRecord>) {
        let Some(Parked { path, waiting: Waiting::User { datagram, refused }, .. }) = self.parked.take(id) else {
            return;
        };
        let Ok(message) = Message::parse(&datagram) else { return };
        let request = Request { path, message: &message };
        let mut answer = std::mem::take(&mut self.late_answer);
        let verdict = self.authenticate(now, &request, record, refused, &mut answer);
        self.late_answer = answer;
        if let Verdict::Respond(credit) = verdict {
            self.transmit_late(path, credit);
        }
    }

    /// coturn answers an Allocate on a live 5-tuple before it looks at credentials.
    fn mismatch_before_authentication(
        &self,
        request: &Request<'_, '_>,
        existing: Option<AllocationId>,
        now: Now,
        answer: &mut AnswerBuf,
    ) -> Option<Result<Success, Reject>> {
        let is_allocate = request.message.kind().method == Method::ALLOCATE;
        let allocation = self.allocations.get(existing?)?;
        if !is_allocate || !self.settings.config.protocol.coturn_errors || allocation.is_expired(now.mono) {
            return None;
        }
        match &allocation.replay {
            Some(replay) if replay.id == request.message.id() && now.mono < replay.until => {
                answer.set(&replay.answer);
                Some(Ok(Success::Replayed))
            }
            _ => Some(Err(ErrorCode::ALLOCATION_MISMATCH.into())),
        }
    }

    /// coturn sends clients elsewhere before it asks who they are. Otherwise a 300 is an answer to whoever showed a valid
    /// password, and is signed (RFC 8489 section 14.8), so that nobody else can lead clients away.
    fn alternate_before_authentication(&mut self, request: &Request<'_, '_>) -> Option<Alternate> {
        let is_allocate = request.message.kind().method == Method::ALLOCATE;
        let comes_first = is_allocate && self.settings.config.protocol.coturn_errors;
        comes_first.then(|| self.alternate_for(&request.path.tuple)).flatten()
    }

    /// Has the request wait for what is known of its user; `refused` says what it was turned away for by what was known
    /// before.
    pub(super) fn look_up(
        &mut self,
        now: Now,
        request: &Request<'_, '_>,
        user: &[u8],
        refused: Option<AuthFailure>,
    ) -> Verdict {
        if request.message.bytes().len() > PARKED_LEN_MAX {
            return Verdict::Drop(DropReason::TooLarge);
        }
        let waiting = Waiting::User { datagram: request.message.bytes().into(), refused };
        match self.parked.park(Parked { path: request.path, head: Head::of(request.message), waiting }, now.mono) {
            Ok(id) => {
                let has_allocation = self.allocations.of_tuple(&request.path.tuple).is_some();
                let stranger = (!has_allocation).then_some(request.path);
                let look_up = LookUpUser { request: id, name: user.into(), again: refused.is_some(), stranger };
                self.outputs.push_back(Output::LookUpUser(look_up));
                Verdict::Drop(DropReason::Parked)
            }
            Err(NoRoom::Retransmission) => Verdict::Drop(DropReason::Parked),
            Err(NoRoom::Full) => Verdict::Drop(DropReason::Busy),
        }
    }

    /// Checks a request against what is known of its user. A user of whom the store knows nothing costs one HMAC as
    /// well, so that time does not tell; a store whose users have more keys has to say so of nobody as well.
    fn authenticate(
        &mut self,
        now: Now,
        request: &Request<'_, '_>,
        record: Option<UserRecord>,
        refused: Option<AuthFailure>,
        answer: &mut AnswerBuf,
    ) -> Verdict {
        let claimed = match self.claims(request, now) {
            Ok(claimed) => claimed,
            Err(why) => return self.refuse(now, request, None, why, answer),
        };
        let nobody = || UserRecord {
            keys: vec![Arc::new(LongTermKey::from_raw([0; 16]))],
            quota: Arc::from([]),
            usable: false,
            renewable: false,
        };
        let record = record.unwrap_or_else(nobody);
        let key = record.keys.iter().find(|key| key.verifies(request.message, claimed.scheme)).cloned();
        let user: Arc<[u8]> = (*claimed.user).into();
        let Some(key) = key.filter(|_| record.usable) else {
            let why = if record.usable { AuthFailure::WrongPassword } else { self.why_unusable(now, &user) };
            // The password may be a new one, and the name somebody's by now; but no request asks twice for that.
            if record.renewable
                && refused.is_none()
                && let waits @ Verdict::Drop(DropReason::Parked) = self.look_up(now, request, &user, Some(why))
            {
                return waits;
            }
            return self.refuse_credentials(now, request, &claimed.user, Some(user), why, answer);
        };
        if claimed.age == NonceAge::Stale {
            return self.refuse(now, request, Some(user), AuthFailure::StaleNonce, answer);
        }
        // What the store remembers was true a while ago: it must not hold for as long again.
        let vouched_until = if record.renewable { now.mono } else { now.mono + KEY_VOUCHES };
        let existing = self.allocations.of_tuple(&request.path.tuple);
        if let Some(allocation) = existing.and_then(|id| self.allocations.get_mut(id))
            && allocation.owner.user == user
        {
            allocation.owner.key = Some(Arc::clone(&key));
            allocation.owner.vouched_until = vouched_until;
        }
        let owner = Owner { user, key: Some(key), scheme: claimed.scheme, quota: Some(record.quota), vouched_until };
        self.serve(now, request, existing, owner, answer)
    }

    /// The user is known: the last general checks, then the method.
    pub(super) fn serve(
        &mut self,
        now: Now,
        request: &Request<'_, '_>,
        existing: Option<AllocationId>,
        caller: Owner,
        answer: &mut AnswerBuf,
    ) -> Verdict {
        // Binding is about no allocation.
        let is_binding = request.message.kind().method == Method::BINDING;
        let why = self.why_not_theirs(now, existing, &caller).filter(|_| !is_binding);
        let outcome = if let Some(why) = why {
            self.auth_failures.count(why);
            Err(why.into())
        } else if request.message.has_unknown_required() {
            Err(Reject::UnknownAttributes)
        } else {
            self.settings.hooks.midway(Midway::Serving, &request.path.tuple);
            dispatch(self, now, request, &caller, answer)
        };
        let refusal = match outcome {
            Err(Reject::Code(code)) => Some(code),
            Err(Reject::Redirected(_)) => Some(ErrorCode::TRY_ALTERNATE),
            _ => None,
        };
        if let Some(code) = refusal {
            self.tell_refused(request, code, Some(Arc::clone(&caller.user)), why);
        }
        self.conclude(now, request, caller.seal(), outcome, answer)
    }

    /// RFC 8656 section 5: only the user who made an allocation may change it.
    fn why_not_theirs(&self, now: Now, existing: Option<AllocationId>, caller: &Owner) -> Option<AuthFailure> {
        let allocation = existing.and_then(|id| self.allocations.get(id));
        let owner = &allocation.filter(|held| !held.is_expired(now.mono))?.owner;
        if owner.user != caller.user {
            return Some(AuthFailure::OtherUser);
        }
        caller.scheme.is_downgrade_from(owner.scheme).then_some(AuthFailure::Downgrade)
    }

    /// What is wrong with a name that may not be used, whoever signed with it.
    fn why_unusable(&self, now: Now, name: &[u8]) -> AuthFailure {
        let auth = &self.settings.config.auth;
        if auth.mode != AuthMode::SharedSecret {
            return AuthFailure::UnknownUser;
        }
        match TimedName::parse(name, auth.separator) {
            Some(timed) if timed.expires_unix < now.wall.0 => AuthFailure::Expired,
            Some(timed) if !timed.is_valid(now.wall.0, auth.timestamp_ahead_secs_max) => AuthFailure::TooFarAhead,
            _ => AuthFailure::UnknownUser,
        }
    }

    /// Turns a request away that is not taken as its user's.
    pub(super) fn refuse(
        &mut self,
        now: Now,
        request: &Request<'_, '_>,
        user: Option<Arc<[u8]>>,
        why: AuthFailure,
        answer: &mut AnswerBuf,
    ) -> Verdict {
        self.auth_failures.count(why);
        let reject = Reject::from(why);
        // The first, bare request of every client is refused; only one that tried is worth telling.
        if let Reject::Challenge(code) | Reject::Code(code) = reject
            && (user.is_some() || code == ErrorCode::BAD_REQUEST)
        {
            self.tell_refused(request, code, user, Some(why));
        }
        let verdict = self.conclude(now, request, None, Err(reject), answer);
        debug_assert!(matches!(verdict, Verdict::Respond(Credit::Unauthenticated)));
        verdict
    }

    /// A password that is wrong, whoever it was meant for.
    pub(super) fn refuse_credentials(
        &mut self,
        now: Now,
        request: &Request<'_, '_>,
        name: &[u8],
        told: Option<Arc<[u8]>>,
        why: AuthFailure,
        answer: &mut AnswerBuf,
    ) -> Verdict {
        match self.refuse(now, request, told, why, answer) {
            Verdict::Respond(_) => Verdict::Respond(Credit::Failed { name: crc32fast::hash(name) }),
            silence => silence,
        }
    }

    pub(super) fn tell_refused(
        &mut self,
        request: &Request<'_, '_>,
        code: ErrorCode,
        user: Option<Arc<[u8]>>,
        why: Option<AuthFailure>,
    ) {
        let method = request.message.kind().method;
        self.tell(Event::Refused { tuple: request.path.tuple, method, code, user, why });
    }
}
