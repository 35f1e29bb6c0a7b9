//! What must hold behind every step: allocations have owners, places and ports add up, timers and owners find each other,
//! nothing that is over is left.

use crate::stage::{Checked, Stage};

/// At every so manieth step the whole state is written out, read back and compared with the model's: twenty times and more
/// a seed, and at every step of every so manieth seed.
const COMPARED_EVERY: u64 = 40;
const COMPARED_WHOLLY: u64 = 32;

fn equal(what: &str, found: usize, foretold: usize) -> Checked {
    match found == foretold {
        true => Ok(()),
        false => Err(format!("{what}: {found}, foretold were {foretold}")),
    }
}

impl Stage {
    pub(crate) fn check_books(&mut self) -> Checked {
        let (now, clock) = (self.now(), self.clock());
        let is_due = |server: &turnserver::turn::Server| server.poll_timeout().is_some_and(|at| at <= now.mono);
        if !self.servers.iter().any(is_due) {
            self.model.check_ends(clock)?;
            self.model.check_told(clock)?;
            for server in &self.servers {
                server.check(now)?;
            }
            self.steps += 1;
            if self.steps.is_multiple_of(COMPARED_EVERY) || self.plan.seed.is_multiple_of(COMPARED_WHOLLY) {
                self.compare_all()?;
            }
        }
        let mut held = [0; 8];
        self.model.held.keys().for_each(|who| held[self.worker_of(*who)] += 1);
        let mut waiting = 0;
        for (server, held) in self.servers.iter().zip(held) {
            equal("allocations of a worker", server.allocations(), held)?;
            waiting += server.parked();
        }
        equal("waiting requests", waiting, self.model.waiting.len())?;
        self.check_ports()?;
        self.check_quotas()
    }

    fn check_ports(&self) -> Checked {
        let sockets = self.engine.sockets.iter().flatten().flatten().count();
        equal("relay sockets", sockets, self.model.sockets())?;
        equal("reservations", self.engine.reservations(), self.model.reserved.len())?;
        equal("descriptors", self.engine.descriptors, self.model.descriptors())?;
        let mut taken_ports = 0;
        for ports in self.engine.relays.iter() {
            let (taken, resting, free) = ports.census();
            equal("ports taken, resting and free", taken + resting + free, self.plan.ports.len())?;
            taken_ports += taken;
        }
        equal("ports taken", taken_ports, sockets + self.model.reserved.len())
    }

    fn check_quotas(&self) -> Checked {
        let (_, total) = self.model.places(None);
        equal("places in all quotas", self.engine.quotas.total() as usize, total)?;
        let of_held = self.model.held.values().filter_map(|held| held.quota.as_ref());
        let of_reserved = self.model.reserved.values().filter_map(|reserved| reserved.quota.as_ref());
        for user in of_held.chain(of_reserved) {
            let (of_user, _) = self.model.places(Some(user));
            equal("places in the quota of a user", self.engine.quotas.of_user(user) as usize, of_user)?;
        }
        let names = crate::plan::NAMES.iter().map(|name| name.as_bytes());
        for user in names {
            let (of_user, _) = self.model.places(Some(user));
            equal("places in the quota of a user", self.engine.quotas.of_user(user) as usize, of_user)?;
        }
        Ok(())
    }

    /// Everything is over: nothing may be left of it.
    pub(crate) fn check_empty(&self) -> Checked {
        equal("allocations left", self.model.held.len(), 0)?;
        equal("reservations left", self.model.reserved.len(), 0)?;
        equal("waiting requests left", self.model.waiting.len(), 0)?;
        equal("permissions and channels not told to end", self.model.told(), 0)?;
        equal("sockets left", self.model.sockets(), 0)?;
        equal("descriptors left", self.engine.descriptors, 0)?;
        let timers = self.servers.iter().filter(|server| server.poll_timeout().is_some()).count();
        equal("workers with timers left", timers, 0)
    }
}
