//! Section 2: Binding.

use crate::draft::Draft;
use crate::probe::Probe;
use crate::row::{Section, rows};
use turnserver::stun::Method;

pub(crate) const SECTION: Section = Section { rows: rows![wire bind_001_mapped_address], later: &[], left_out: &[] };

fn bind_001_mapped_address() {
    for (over, mut probe) in Probe::over_each() {
        let reply = probe.ask(&Draft::request(Method::BINDING));
        assert_eq!(reply.mapped(), probe.local(), "over {over}");
    }
    Probe::udp().allocate();
}
