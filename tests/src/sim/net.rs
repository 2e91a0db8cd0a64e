//! Connections between daemons: which are open, how long a message is under way, what a break
//! loses. On one connection messages arrive in order, unless the link is chaotic. Decides when and
//! whether something arrives; what it means there is not known here.

use std::collections::BTreeMap;

use super::clock::{MILLISECOND, Micros, SECOND};
use super::event::{ConnId, Link, Side};
use super::rng::Rng;

/// One way between two processes on one machine.
const LOCAL_DELAY: (Micros, Micros) = (20, 300);

/// One way between two machines, usually.
const DELAY: (Micros, Micros) = (80, 3 * MILLISECOND);

/// How late a message may be on a chaotic link.
const CHAOS_DELAY: Micros = 4 * SECOND;

/// Percent of the messages of a chaotic link that are much delayed, and that arrive twice.
const CHAOS_PERCENT: u64 = 15;

/// The waits before the first, second, ... attempt to connect in a row; as the daemons' shells have
/// them.
const BACK_OFF: [Micros; 5] =
    [5 * MILLISECOND, 50 * MILLISECOND, 200 * MILLISECOND, 500 * MILLISECOND, SECOND];

#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) links: BTreeMap<Link, LinkState>,
    pub(crate) conns: BTreeMap<ConnId, Conn>,
    last: u64,
}

/// A link as its two ends see it. Arrays are by [`Side`].
#[derive(Debug, Default)]
pub(crate) struct LinkState {
    /// Whether the dialer wants it.
    pub(crate) wanted: bool,
    /// The connection that each end takes for open.
    pub(crate) current: [Option<ConnId>; 2],
    /// Until when nothing reaches that end.
    pub(crate) blocked_until: [Micros; 2],
    /// Whether messages overtake each other and arrive twice.
    pub(crate) chaotic: bool,
    /// Whether a `Dial` is on the agenda.
    pub(crate) dialing: bool,
    failures: usize,
}

/// A connection. Arrays are by [`Side`].
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) link: Link,
    /// When the last message arrives there; first the news that it is open.
    last_arrival: [Micros; 2],
    /// When that end hears that it is open: nothing is heard before.
    up: [Micros; 2],
    /// Nothing that was said before arrives there after that.
    cut: [Option<Micros>; 2],
    /// The process at that end has closed it, or died.
    pub(crate) gone: [bool; 2],
    /// Whether that end was told, or will be, that it is closed.
    pub(crate) closing: [bool; 2],
}

impl Net {
    pub(crate) fn new(schedds: usize, machines: usize) -> Self {
        let mut links = BTreeMap::new();
        for s in 0..schedds {
            links.insert(Link::ScheddNegotiator(s), LinkState::default());
            for m in 0..machines {
                links.insert(Link::ScheddStartd(s, m), LinkState::default());
            }
        }
        for m in 0..machines {
            for link in [Link::StartdNegotiator(m), Link::StartdLauncher(m)] {
                links.insert(link, LinkState::default());
            }
        }
        Self { links, conns: BTreeMap::new(), last: 0 }
    }

    pub(crate) fn link(&mut self, link: Link) -> &mut LinkState {
        self.links.entry(link).or_default()
    }

    /// A new connection. The dialer knows at once, the listener later: when.
    pub(crate) fn open(&mut self, rng: &mut Rng, now: Micros, link: Link) -> (ConnId, Micros) {
        self.last += 1;
        let id = ConnId(self.last);
        let at = now + delay(rng, link);
        let conn = Conn {
            link,
            last_arrival: [now, at],
            up: [now, at],
            cut: [None; 2],
            gone: [false; 2],
            closing: [false; 2],
        };
        self.conns.insert(id, conn);
        self.link(link).failures = 0;
        (id, at)
    }

    /// How long the dialer waits before it tries again.
    pub(crate) fn back_off(&mut self, link: Link) -> Micros {
        let state = self.link(link);
        let wait = BACK_OFF[state.failures.min(BACK_OFF.len() - 1)];
        state.failures += 1;
        wait
    }

    /// Whether nothing passes now in one direction or the other.
    pub(crate) fn is_blocked(&self, link: Link, now: Micros) -> bool {
        self.links.get(&link).is_some_and(|state| state.blocked_until.iter().any(|t| *t > now))
    }

    /// When a message that is said now arrives at that end: once, or twice, or never.
    pub(crate) fn arrivals(
        &mut self,
        rng: &mut Rng,
        now: Micros,
        id: ConnId,
        to: Side,
    ) -> Vec<Micros> {
        let Some(conn) = self.conns.get_mut(&id) else { return Vec::new() };
        let side = to as usize;
        if conn.cut[side].is_some() || conn.gone[side] {
            return Vec::new();
        }
        let at = (now + delay(rng, conn.link)).max(conn.up[side] + 1);
        let chaotic = self.links.get(&conn.link).is_some_and(|link| link.chaotic);
        if !chaotic {
            let at = at.max(conn.last_arrival[side] + 1);
            conn.last_arrival[side] = at;
            return vec![at];
        }
        let mut late = || if rng.percent(CHAOS_PERCENT) { rng.below(CHAOS_DELAY) } else { 0 };
        let mut arrivals = vec![at + late()];
        if rng.percent(CHAOS_PERCENT) {
            arrivals.push(at + rng.below(CHAOS_DELAY));
        }
        arrivals
    }

    /// The process at that end closes the connection, or dies. When the other end hears of it, if
    /// it does not know already.
    pub(crate) fn close(
        &mut self,
        rng: &mut Rng,
        now: Micros,
        id: ConnId,
        side: Side,
    ) -> Option<Micros> {
        let conn = self.conns.get_mut(&id)?;
        conn.gone[side as usize] = true;
        self.cut(rng, now, id, side.other())
    }

    /// What is under way to that end is lost from some moment on, and the end hears then that the
    /// connection is closed.
    pub(crate) fn cut(
        &mut self,
        rng: &mut Rng,
        now: Micros,
        id: ConnId,
        to: Side,
    ) -> Option<Micros> {
        let conn = self.conns.get_mut(&id)?;
        let side = to as usize;
        if conn.closing[side] || conn.gone[side] {
            return None;
        }
        conn.closing[side] = true;
        let all_arrives = conn.last_arrival[side].max(now) + rng.between(1, 500);
        let at = if rng.percent(50) { all_arrives } else { now + rng.below(3 * MILLISECOND) };
        conn.cut[side] = Some(at);
        Some(at)
    }

    /// A message waits until something passes again; those that are said from now on come after it.
    pub(crate) fn hold_back(&mut self, id: ConnId, to: Side, until: Micros) {
        if let Some(conn) = self.conns.get_mut(&id) {
            let last = &mut conn.last_arrival[to as usize];
            *last = until.max(*last);
        }
    }

    /// Whether a message that reaches that end now is still heard there.
    pub(crate) fn hears(&self, id: ConnId, to: Side, now: Micros) -> bool {
        let side = to as usize;
        self.conns
            .get(&id)
            .is_some_and(|conn| !conn.gone[side] && conn.cut[side].is_none_or(|cut| now <= cut))
    }

    /// Forgets a connection of which both ends are done.
    pub(crate) fn forget_if_done(&mut self, id: ConnId) {
        if self.conns.get(&id).is_some_and(|conn| conn.gone == [true, true]) {
            self.conns.remove(&id);
        }
    }
}

fn delay(rng: &mut Rng, link: Link) -> Micros {
    let (low, high) = if link.is_local() { LOCAL_DELAY } else { DELAY };
    rng.between(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: Link = Link::ScheddStartd(0, 0);

    fn arrivals(chaotic: bool) -> Vec<Micros> {
        let (mut net, mut rng) = (Net::new(1, 1), Rng::new(1));
        net.link(LINK).chaotic = chaotic;
        let (conn, _) = net.open(&mut rng, 0, LINK);
        (0..200).flat_map(|n| net.arrivals(&mut rng, n, conn, Side::Listener)).collect()
    }

    #[test]
    fn messages_of_one_connection_arrive_in_order_and_once() {
        let ordered = arrivals(false);
        assert_eq!(ordered.len(), 200);
        assert!(ordered.is_sorted());
    }

    #[test]
    fn a_chaotic_link_reorders_and_duplicates() {
        let chaotic = arrivals(true);
        assert!(chaotic.len() > 200);
        assert!(!chaotic.is_sorted());
    }

    #[test]
    fn what_is_said_on_a_closed_connection_is_lost() {
        let (mut net, mut rng) = (Net::new(1, 1), Rng::new(1));
        let (conn, _) = net.open(&mut rng, 0, LINK);
        assert!(net.close(&mut rng, 0, conn, Side::Dialer).is_some());
        assert!(net.arrivals(&mut rng, 1, conn, Side::Listener).is_empty());
        assert_eq!(net.close(&mut rng, 1, conn, Side::Dialer), None, "the listener knows already");
    }
}
