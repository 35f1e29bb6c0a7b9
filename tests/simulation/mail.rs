//! What goes back to clients: answers within their budgets, and the end of a stream whose client guesses passwords.

use turnserver::turn::io::{ClientPath, Credit};
use turnserver::turn::time::Mono;

use crate::engine::Engine;
use crate::model::{Fate, Merit, who};
use crate::stage::{Checked, Flight, Stage};

/// Tells the bucket of a source's streams from that of its datagrams.
pub(crate) const ON_STREAMS: u32 = 1;

impl Engine {
    /// As `Budgets::take` in `src/turn`, with guesses that the model can foretell.
    fn is_affordable(&self, now: Mono, path: &ClientPath, credit: Credit) -> bool {
        let source = path.tuple.client.ip();
        let guess = match (credit, &self.guesses) {
            (Credit::Failed { name }, Some(guesses)) => Some((guesses, name)),
            _ => None,
        };
        if guess.is_some_and(|(guesses, name)| !guesses.has_one(source, name, now)) {
            return false;
        }
        let may = self.budget.as_ref().is_none_or(|budget| match path.tuple.transport.is_stream() {
            _ if credit == Credit::Authenticated => true,
            false => budget.take(source, now),
            true => guess.is_none() || budget.take_of(source, ON_STREAMS, now),
        });
        may && guess.is_none_or(|(guesses, name)| guesses.take(source, name, now))
    }
}

impl Stage {
    /// Puts an answer on its way to a client, if its source has not used up what it gets.
    pub(crate) fn answer_client(&mut self, path: &ClientPath, credit: Credit, merit: &Merit, bytes: &[u8]) -> Checked {
        let client = path.tuple.client.ip();
        let is_same = match (credit, merit) {
            (Credit::Authenticated, Merit::Earned) | (Credit::Unauthenticated, Merit::Unearned) => true,
            (Credit::Failed { name }, Merit::Guess(guessed)) => name == crc32fast::hash(guessed),
            _ => false,
        };
        if !is_same {
            return Err(format!("an answer to {client} is worth {credit:?}, foretold was {merit:?}"));
        }
        let bucket = match (credit, &mut self.engine.guesses) {
            (Credit::Failed { name }, Some(guesses)) => guesses.bucket(client, name),
            _ => 0,
        };
        let is_sent = self.engine.is_affordable(Mono(self.mono), path, credit);
        let fate = self.model.fate(who(&path.tuple), merit, bucket, self.clock());
        if is_sent != (fate == Fate::Sent) {
            return Err(format!("an answer to {client} is sent: {is_sent}; foretold was {fate:?}"));
        }
        let link = path.tuple.transport.is_stream().then_some(path.link);
        match fate {
            Fate::Sent => {
                let (tuple, bytes, die) = (path.tuple, bytes.to_vec(), self.dice.next());
                self.cast(link, Flight::ToClient { tuple, bytes, die });
            }
            Fate::OverBudget => self.tally.other("over the budget"),
            Fate::GuessedTooOften if link.is_none() => self.tally.other("guessed too often"),
            Fate::GuessedTooOften => {
                self.tally.other("guesser's stream closed");
                self.guessers.push(path.tuple);
            }
        }
        Ok(())
    }

    /// Streams of those who guess end when all that came is served.
    pub(crate) fn close_guessers(&mut self) -> Checked {
        while let Some(tuple) = self.guessers.pop() {
            let client = self.clients.iter().position(|client| client.path().tuple == tuple);
            let Some(client) = client else { continue };
            let port = 30_000 + self.dice.below(30_000) as u16;
            self.reconnect(client, None, port)?;
        }
        Ok(())
    }
}
