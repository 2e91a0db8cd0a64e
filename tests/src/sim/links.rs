//! What the daemons' shells do with connections: open them, open them again, say and hear things
//! over them, and tell the cores when they come and go.

use model::ScheddName;
use startd::core::FromLauncher;

use super::event::{ConnId, Event, Link, Message, Seen, Side};
use super::world::World;

/// What a schedd is called.
pub(crate) fn name_of(s: usize) -> ScheddName {
    ScheddName::new(&format!("schedd{s}"))
}

/// The machine on which a schedd is, and on which its jobs run beside it.
pub(crate) fn home(s: usize, machines: usize) -> usize {
    s % machines
}

impl World {
    /// The schedd of that name.
    pub(crate) fn schedd_named(&mut self, name: &str) -> Option<usize> {
        let found = (0..self.schedds.len()).find(|s| name_of(*s).as_str() == name);
        if found.is_none() {
            self.fail(format!("somebody speaks to {name}, which does not exist"));
        }
        found
    }

    /// The dialer wants the link from now on.
    pub(crate) fn want(&mut self, link: Link) {
        let state = self.net.link(link);
        state.wanted = true;
        if state.current[Side::Dialer as usize].is_none() && !state.dialing {
            state.dialing = true;
            self.agenda.put(self.now, Event::Dial(link));
        }
    }

    /// The dialer wants it no more.
    pub(crate) fn unwant(&mut self, link: Link) {
        self.net.link(link).wanted = false;
        if let Some(conn) = self.net.link(link).current[Side::Dialer as usize] {
            self.close(conn, Side::Dialer, super::life::Death::Process);
        }
    }

    pub(crate) fn dial(&mut self, link: Link) {
        let state = self.net.link(link);
        state.dialing = false;
        let (dialer, listener) = (link.end(Side::Dialer), link.end(Side::Listener));
        let open = state.current[Side::Dialer as usize].is_some();
        if open || !self.net.link(link).wanted || !self.is_alive(dialer) {
            return;
        }
        if !self.is_alive(listener) || self.net.is_blocked(link, self.now) {
            self.dial_later(link);
            return;
        }
        let (conn, at) = self.net.open(&mut self.rng, self.now, link);
        self.agenda.put(at, Event::Arrive { conn, to: Side::Listener, seen: Seen::Up });
        self.came_up(link, conn, Side::Dialer);
    }

    fn dial_later(&mut self, link: Link) {
        let wait = self.net.back_off(link);
        let state = self.net.link(link);
        if !state.dialing {
            state.dialing = true;
            self.agenda.put(self.now + wait, Event::Dial(link));
        }
    }

    /// Says something over a link, if that end has it open. Otherwise it is forgotten.
    pub(crate) fn say(&mut self, link: Link, from: Side, message: Message) {
        let Some(conn) = self.net.link(link).current[from as usize] else { return };
        let to = from.other();
        let mut arrivals = self.net.arrivals(&mut self.rng, self.now, conn, to);
        let last = arrivals.pop();
        for at in arrivals {
            let seen = Seen::Said(message.clone());
            self.agenda.put(at, Event::Arrive { conn, to, seen });
        }
        if let Some(at) = last {
            self.agenda.put(at, Event::Arrive { conn, to, seen: Seen::Said(message) });
        }
    }

    pub(crate) fn arrive(&mut self, conn: ConnId, to: Side, seen: Seen) {
        let Some(link) = self.net.conns.get(&conn).map(|open| open.link) else { return };
        let until = self.net.link(link).blocked_until[to as usize];
        if until > self.now && seen != Seen::Down {
            self.net.hold_back(conn, to, until);
            self.agenda.put(until, Event::Arrive { conn, to, seen });
            return;
        }
        match seen {
            Seen::Up => {
                if self.net.hears(conn, to, self.now) {
                    self.came_up(link, conn, to);
                }
            }
            Seen::Said(message) => {
                let current = self.net.link(link).current[to as usize] == Some(conn);
                if current && self.net.hears(conn, to, self.now) {
                    self.note(|| format!("  {} hears {message:?}", link.end(to)));
                    self.hear(link, message);
                }
            }
            Seen::Down => self.went_down(link, conn, to),
        }
    }

    fn came_up(&mut self, link: Link, conn: ConnId, side: Side) {
        let before = self.net.link(link).current[side as usize].replace(conn);
        if let Some(before) = before {
            // A new connection takes the place of one that this end took for open.
            self.close(before, side, super::life::Death::Process);
            self.tell_down(link, side);
        }
        self.note(|| format!("{} has {link:?} open", link.end(side)));
        match (link, side) {
            (Link::ScheddNegotiator(s), Side::Dialer) => {
                self.schedd_hears(s, schedd::core::Input::NegotiatorUp);
            }
            (Link::ScheddStartd(s, m), Side::Listener) => {
                let schedd = name_of(s);
                let near = m == home(s, self.machines.len());
                let generation = self.schedds[s].generation;
                let up = startd::core::Input::ScheddUp { schedd, near, generation };
                self.startd_hears(m, up);
            }
            (Link::StartdNegotiator(m), Side::Dialer) => self.advertise_if_open(m),
            (Link::StartdLauncher(m), Side::Listener) => {
                let listed = FromLauncher::Listed(self.machines[m].listed());
                self.say(link, side, Message::FromLauncher(listed));
            }
            (Link::StartdNegotiator(m), Side::Listener) => self.tell_whether_drained(m),
            // Their peers speak first.
            (Link::ScheddNegotiator(_), Side::Listener)
            | (Link::ScheddStartd(..) | Link::StartdLauncher(_), Side::Dialer) => {}
        }
    }

    fn went_down(&mut self, link: Link, conn: ConnId, side: Side) {
        if let Some(open) = self.net.conns.get_mut(&conn) {
            open.gone[side as usize] = true;
        }
        self.net.forget_if_done(conn);
        let current = &mut self.net.link(link).current[side as usize];
        if *current != Some(conn) {
            return;
        }
        *current = None;
        if !self.is_alive(link.end(side)) {
            return;
        }
        self.note(|| format!("{} has {link:?} closed", link.end(side)));
        self.tell_down(link, side);
        if side == Side::Dialer {
            self.dial_later(link);
        }
    }

    fn tell_down(&mut self, link: Link, side: Side) {
        match (link, side) {
            (Link::ScheddNegotiator(s), Side::Dialer) => {
                self.schedd_hears(s, schedd::core::Input::NegotiatorDown);
            }
            (Link::ScheddNegotiator(s), Side::Listener) => {
                self.negotiator_hears(negotiator::core::Input::ScheddDown { schedd: name_of(s) });
            }
            (Link::ScheddStartd(s, m), Side::Dialer) => {
                let machine = self.machines[m].name();
                self.schedd_hears(s, schedd::core::Input::StartdDown { machine });
            }
            (Link::ScheddStartd(s, m), Side::Listener) => {
                let schedd = name_of(s);
                self.startd_hears(m, startd::core::Input::ScheddDown { schedd });
            }
            (Link::StartdNegotiator(m), Side::Listener) => {
                let machine = self.machines[m].name();
                self.negotiator_hears(negotiator::core::Input::MachineDown { machine });
            }
            (Link::StartdLauncher(m), Side::Dialer) => {
                self.startd_hears(m, startd::core::Input::LauncherDown);
            }
            (Link::StartdNegotiator(_), Side::Dialer)
            | (Link::StartdLauncher(_), Side::Listener) => {}
        }
    }

    fn hear(&mut self, link: Link, message: Message) {
        match (link, message) {
            (Link::ScheddStartd(s, m), Message::ToStartd(message)) => {
                let fresh = model::ClaimSecret::new(self.rng.bytes());
                let schedd = name_of(s);
                self.startd_hears(m, startd::core::Input::FromSchedd { schedd, message, fresh });
            }
            (Link::ScheddStartd(s, m), Message::FromStartd(message)) => {
                let machine = self.machines[m].name();
                self.schedd_hears(s, schedd::core::Input::FromStartd { machine, message });
            }
            (Link::ScheddNegotiator(s), Message::FromSchedd(message)) => {
                let schedd = name_of(s);
                self.negotiator_hears(negotiator::core::Input::FromSchedd { schedd, message });
            }
            (Link::ScheddNegotiator(s), Message::ToSchedd(message)) => {
                self.schedd_hears(s, schedd::core::Input::FromNegotiator(message));
            }
            (_, Message::FromMachine(message)) => {
                self.negotiator_hears(negotiator::core::Input::FromMachine(message));
            }
            (Link::StartdNegotiator(m), Message::Drain(order)) => {
                self.startd_hears(m, startd::core::Input::Drain(order));
            }
            (Link::StartdLauncher(m), Message::ToLauncher(order)) => self.ordered(m, order),
            (Link::StartdLauncher(m), Message::FromLauncher(message)) => {
                self.startd_hears(m, startd::core::Input::FromLauncher(message));
            }
            (link, message) => self.fail(format!("{message:?} travels over {link:?}")),
        }
    }

    /// The network loses a connection: both ends find out, each in its own time.
    pub(crate) fn break_link(&mut self, link: Link) {
        let ends = self.net.link(link).current;
        let conns: std::collections::BTreeSet<ConnId> = ends.into_iter().flatten().collect();
        for conn in conns {
            for to in Side::BOTH {
                if let Some(at) = self.net.cut(&mut self.rng, self.now, conn, to) {
                    let late = self.faults.half_open(&mut self.rng);
                    self.agenda.put(at + late, Event::Arrive { conn, to, seen: Seen::Down });
                }
            }
        }
    }
}
