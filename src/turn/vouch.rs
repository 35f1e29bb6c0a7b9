//! What the key that an allocation was made with is still worth: its owner is known by it without a look-up for a while,
//! and for as long as nobody can be asked, so that a user database that is slow or gone ends no call.

use std::sync::Arc;

use super::address::RequestId;
use super::allocation::{AllocationId, Owner};
use super::answer::AnswerBuf;
use super::auth_failure::AuthFailure;
use super::claims::Claimed;
use super::client::Request;
use super::drop_reason::DropReason;
use super::fault::Turn;
use super::io::{ClientPath, Verdict};
use super::limits::{KEY_REREAD, KEY_VOUCHES};
use super::nonce::NonceAge;
use super::parked::{Parked, Waiting};
use super::server::Server;
use super::time::Now;
use crate::config::AuthMode;
use crate::stun::{AttributeType, Message};

/// What the key of an allocation says of a request.
pub(super) enum Known {
    /// It is the owner's.
    Is(Owner),
    /// It was the owner's when the user database was asked last, which is a while ago.
    Was(Owner),
    IsNot,
    LookUp,
}

impl Server {
    /// Tries the key of the allocation this client has.
    pub(super) fn owner_by_allocation(
        &mut self,
        request: &Request<'_, '_>,
        existing: Option<AllocationId>,
        claimed: &Claimed<'_>,
        now: Now,
    ) -> Known {
        let owner = self.owner_who_signed(request, existing, claimed, now);
        // Who is let in by a shared secret stays in: nobody can take such a credential back.
        let is_asked_again = self.settings.config.auth.mode == AuthMode::LongTerm;
        let allocation = existing.and_then(|id| self.allocations.get_mut(id));
        let Some(allocation) = allocation.filter(|held| !held.is_expired(now.mono)) else { return Known::LookUp };
        if let Some(owner) = owner {
            let was = is_asked_again && now.mono >= allocation.owner.vouched_until;
            return if was { Known::Was(owner) } else { Known::Is(owner) };
        }
        // The password may have changed; but wrong ones must not become a load on the user database.
        let is_theirs = allocation.owner.key.is_some() && *allocation.owner.user == *claimed.user;
        if is_theirs && now.mono < allocation.key_reread_at {
            // The one that was let ask may be this one, sent once more.
            let waits = self.parked.holds(request.path.tuple, request.message.id());
            return if waits { Known::LookUp } else { Known::IsNot };
        }
        if is_theirs {
            allocation.key_reread_at = now.mono + KEY_REREAD;
        }
        Known::LookUp
    }

    /// The owner of this client's allocation, if the request is signed with the key remembered of it.
    fn owner_who_signed(
        &self,
        request: &Request<'_, '_>,
        existing: Option<AllocationId>,
        claimed: &Claimed<'_>,
        now: Now,
    ) -> Option<Owner> {
        // An allocation that ended must not vouch for a credential that ended as well.
        let allocation = self.allocations.get(existing?).filter(|held| !held.is_expired(now.mono))?;
        let owner = Some(&allocation.owner).filter(|owner| *owner.user == *claimed.user)?;
        let is_theirs = owner.key.as_ref()?.verifies(request.message, claimed.scheme);
        is_theirs.then(|| Owner { scheme: claimed.scheme, ..owner.clone() })
    }

    /// Asks the user database again, or where it has too much to do already, goes on with the owner.
    pub(super) fn look_up_again(
        &mut self,
        now: Now,
        request: &Request<'_, '_>,
        claimed: &Claimed<'_>,
        owner: Owner,
        answer: &mut AnswerBuf,
    ) -> Verdict {
        match self.look_up(now, request, &claimed.user, None) {
            Verdict::Drop(DropReason::Busy) => self.serve_owner(now, request, claimed.age, owner, answer),
            verdict => verdict,
        }
    }

    /// Nobody can say who the user is.
    pub(super) fn resume_without_user(&mut self, now: Now, id: RequestId) {
        let Some(Parked { path, waiting: Waiting::User { datagram, refused }, .. }) = self.parked.take(id) else {
            return;
        };
        let Ok(message) = Message::parse(&datagram) else { return };
        let request = Request { path, message: &message };
        let mut answer = std::mem::take(&mut self.late_answer);
        let verdict = match refused {
            Some(why) => self.refuse_as_known(now, &request, why, &mut answer),
            None => self.serve_unconfirmed(now, &request, &mut answer).unwrap_or_else(|| {
                let user = message.value(AttributeType::USERNAME).map(Arc::from);
                self.refuse(now, &request, user, AuthFailure::LookUpFailed, &mut answer)
            }),
        };
        self.late_answer = answer;
        if let Verdict::Respond(credit) = verdict {
            self.transmit_late(path, credit);
        }
    }

    /// Nobody can say anything newer of the user: what was known stays known, also where an allocation has an older key.
    fn refuse_as_known(
        &mut self,
        now: Now,
        request: &Request<'_, '_>,
        why: AuthFailure,
        answer: &mut AnswerBuf,
    ) -> Verdict {
        match self.claims(request, now) {
            Ok(claimed) => {
                let user = Some((*claimed.user).into());
                self.refuse_credentials(now, request, &claimed.user, user, why, answer)
            }
            Err(why) => self.refuse(now, request, None, why, answer),
        }
    }

    /// Nobody said in time who the user is. Whether the client is served all the same.
    pub(super) fn serves_without_look_up(&mut self, now: Now, path: ClientPath, datagram: &[u8]) -> bool {
        let Ok(message) = Message::parse(datagram) else { return false };
        let former = self.in_turn;
        // Should it panic, then that allocation is concerned.
        self.in_turn = self.allocations.of_tuple(&path.tuple).map(Turn::Allocation).or(former);
        let mut answer = std::mem::take(&mut self.late_answer);
        let verdict = self.serve_unconfirmed(now, &Request { path, message: &message }, &mut answer);
        self.late_answer = answer;
        self.in_turn = former;
        if let Some(Verdict::Respond(credit)) = verdict {
            self.transmit_late(path, credit);
        }
        verdict.is_some()
    }

    /// Serves whoever the key of an allocation vouches for; it goes on doing so for a while before somebody is asked again.
    fn serve_unconfirmed(&mut self, now: Now, request: &Request<'_, '_>, answer: &mut AnswerBuf) -> Option<Verdict> {
        let existing = self.allocations.of_tuple(&request.path.tuple);
        let claimed = self.claims(request, now).ok()?;
        let owner = self.owner_who_signed(request, existing, &claimed, now)?;
        if let Some(allocation) = existing.and_then(|id| self.allocations.get_mut(id)) {
            allocation.owner.vouched_until = now.mono + KEY_VOUCHES;
        }
        Some(self.serve_owner(now, request, claimed.age, owner, answer))
    }

    /// Serves the owner of this client's allocation, unless the nonce is too old.
    pub(super) fn serve_owner(
        &mut self,
        now: Now,
        request: &Request<'_, '_>,
        age: NonceAge,
        owner: Owner,
        answer: &mut AnswerBuf,
    ) -> Verdict {
        let existing = self.allocations.of_tuple(&request.path.tuple);
        match age {
            NonceAge::Fresh => self.serve(now, request, existing, owner, answer),
            _ => self.refuse(now, request, None, AuthFailure::StaleNonce, answer),
        }
    }
}
