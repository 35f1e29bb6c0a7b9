//! Binding (RFC 8489 section 6.3.1).

use crate::stun::Message;
use crate::turn::answer::{AnswerBuf, Head, Success};
use crate::turn::io::{ClientPath, Credit, Verdict};
use crate::turn::server::Server;

impl Server {
    /// Tells a client its address. No credentials are asked for and none are looked at (RFC 8489 section 12); where they
    /// are asked for, this is not called.
    pub(in crate::turn) fn handle_binding(
        &mut self,
        path: ClientPath,
        message: &Message<'_>,
        answer: &mut AnswerBuf,
    ) -> Verdict {
        let reply = self.reply(Head::of(message), None);
        if message.has_unknown_required() {
            reply.unknown_attributes(message, answer);
        } else {
            reply.success(&Success::Mapped(path.tuple.client), answer);
        }
        Verdict::Respond(Credit::Unauthenticated)
    }
}
