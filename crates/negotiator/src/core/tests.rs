//! Tables: a pool and requests go in as text, what the schedds are told comes out as text.
//!
//! Each line of a script is one thing that happens, except that an empty line lets everything
//! happen that is due:
//!
//! ```text
//! machine NAME cpus=N memory=MIB [disk=KIB] [gpus=N] [static] [; Attr = expr]...    the machine advertises itself, empty
//! job USER CLASS N [cpus=N] [memory=MIB] [gpus=N] [prio=N[,N...]] [; Attr = expr]...        the schedd has N idle jobs of a class
//! gone CLASS                  the schedd has no more of the class
//! claimed NAME                the machine advertises again: all that was matched on it is claimed
//! freed NAME                  the machine advertises again: nothing is claimed
//! ended NAME NUMBER           the machine advertises again: all is claimed but that match, which is over
//! declined NUMBER [blameless|refused]  the schedd declines a match
//! seen NUMBER                 the schedd has seen matches up to this one
//! leaves NAME                 the machine withdraws
//! drain NAME REASON           somebody drains the machine
//! resume NAME                 and gives it jobs again
//! book QUEUE FROM UNTIL [cpus=N] [memory=MIB] [n=N] [scatter|pack] [excl]       the schedd wants a reservation, in so many seconds from the beginning
//! rebook QUEUE FROM UNTIL     the schedd wants another window for it
//! unbook QUEUE                the schedd has it no more
//! restart                     the negotiator is started again, and the schedd comes back
//! reconnect                   the schedd comes back and lists all again
//! wait SECONDS                time passes, tick by tick
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use classad::{AttrName, ClassAd, Expr};
use expect_test::{Expect, expect};
use model::queues::{ReservedChunk, ReservedParts, ReservedPlace, Spread, Window};
use model::{
    ClassId, JobId, JobPriority, MachineName, MatchId, Now, Resources, ScheddName, Timestamp,
    UserName,
};
use proto::draining::{Drain, DrainHow, Drains};
use proto::matchmaking::{
    Booking, ClaimedPart, ClassRequest, FromMachine, FromSchedd, HeldMatch, MachineState, Match,
    ToSchedd,
};

use super::*;

#[expect(clippy::needless_pass_by_value, reason = "expect! makes a value at the call")]
fn check(script: &str, expected: Expect) {
    expected.assert_eq(&World::new().run(script));
}

/// One schedd, honest machines, and a clock.
struct World {
    core: Core,
    now: Now,
    sequence: u64,
    machines: BTreeMap<String, MachineState>,
    requests: BTreeMap<ClassId, ClassRequest>,
    matches: Vec<(UserName, Match)>,
    /// When each match was made, milliseconds of the steady clock.
    made: BTreeMap<u64, u64>,
    seen: u64,
    /// The numbers of the matches that the schedd holds.
    holds: Vec<u64>,
    /// What was saved of machines that are drained.
    drains: Drains,
    /// The same of reservations.
    saved: Vec<SavedBooking>,
    /// What the schedd has of them.
    bookings: BTreeMap<String, Booking>,
    out: String,
}

impl World {
    fn new() -> Self {
        Self::with(Policy::default())
    }

    fn with(policy: Policy) -> Self {
        let wall = Timestamp::from_secs(1_000_000);
        Self {
            core: Core::new(7, Accounts::default(), policy),
            now: Now { wall, boot_ms: 1_000 },
            sequence: 0,
            machines: BTreeMap::new(),
            requests: BTreeMap::new(),
            matches: Vec::new(),
            made: BTreeMap::new(),
            seen: 0,
            holds: Vec::new(),
            drains: Drains::new(),
            saved: Vec::new(),
            bookings: BTreeMap::new(),
            out: String::new(),
        }
    }

    fn run(mut self, script: &str) -> String {
        self.send(true, Vec::new());
        for line in script.trim().lines().map(str::trim) {
            if line.is_empty() {
                self.settle();
            } else {
                self.act(line);
            }
        }
        self.settle();
        self.out
    }

    fn act(&mut self, line: &str) {
        let (head, ad) = line.split_once(';').unwrap_or((line, ""));
        let mut words = head.split_whitespace();
        let verb = words.next().unwrap();
        let rest: Vec<&str> = words.collect();
        match verb {
            "machine" => self.machine(&rest, ad),
            "job" => self.job(&rest, ad),
            "gone" => {
                let class = ClassId(rest[0].parse().unwrap());
                self.requests.remove(&class);
                self.send(false, vec![class]);
            }
            "claimed" => self.advertise(rest[0], true),
            "freed" => self.advertise(rest[0], false),
            "ended" => {
                let number: u64 = rest[1].parse().unwrap();
                self.matches.retain(|(_, matched)| matched.id.number != number);
                self.advertise(rest[0], true);
            }
            "seen" => self.seen = rest[0].parse().unwrap(),
            "declined" => {
                let matched = MatchId { life: 7, number: rest[0].parse().unwrap() };
                let message = FromSchedd::Declined {
                    matched,
                    reason: "refused".to_owned(),
                    blameless: rest.contains(&"blameless"),
                    refused: rest.contains(&"refused"),
                };
                self.input(&Input::FromSchedd { schedd: schedd(), message });
            }
            "leaves" => {
                let machine = MachineName::new(rest[0]);
                self.input(&Input::FromMachine(FromMachine::Withdraw { machine }));
            }
            "holds" => self.holds = rest.iter().map(|number| number.parse().unwrap()).collect(),
            "retells" => self.send(true, Vec::new()),
            "reconnect" => {
                self.input(&Input::ScheddDown { schedd: schedd() });
                self.send(true, Vec::new());
            }
            "drain" => self.drain(rest[0], Some(rest[1..].join(" "))),
            "resume" => self.drain(rest[0], None),
            // By who manages the schedd's queues.
            "offline" => {
                let (how, since) = (DrainHow::Finish, self.now.wall);
                let drain = Some(Drain { how, reason: rest[1..].join(" "), since });
                let message = FromSchedd::Drain { machine: MachineName::new(rest[0]), drain };
                self.input(&Input::FromSchedd { schedd: schedd(), message });
            }
            "book" => self.book(&rest),
            "rebook" => {
                let booking = self.bookings.get_mut(rest[0]).unwrap();
                booking.window = window(&rest);
                booking.is_settled = false;
                booking.question += 1;
                self.send(true, Vec::new());
            }
            "unbook" => {
                self.bookings.remove(rest[0]);
                self.send(true, Vec::new());
            }
            "restart" => self.restart(),
            "wait" => self.wait(rest[0].parse().unwrap()),
            other => panic!("no such verb: {other}"),
        }
    }

    fn book(&mut self, words: &[&str]) {
        let spread = match (words.contains(&"scatter"), words.contains(&"pack")) {
            (true, _) => Spread::Scatter,
            (_, true) => Spread::Pack,
            _ => Spread::Free,
        };
        let part = Resources {
            cpus: field(words, "cpus").unwrap_or(1),
            memory_mib: field(words, "memory").unwrap_or(0),
            ..Resources::default()
        };
        let count = field(words, "n").unwrap_or(1);
        let chunks = vec![ReservedChunk { count, part, machine: field(words, "on") }];
        let is_exclusive = words.contains(&"excl");
        let booking = Booking {
            queue: words[0].to_owned(),
            window: window(words),
            parts: ReservedParts { chunks, spread, is_exclusive },
            places: Vec::new(),
            is_settled: false,
            question: 0,
        };
        self.bookings.insert(words[0].to_owned(), booking);
        self.send(true, Vec::new());
    }

    /// The schedd hears what came of its reservations.
    fn booked(&mut self, queue: &str, places: Option<Vec<ReservedPlace>>) {
        let told = places.as_ref().map(|places| {
            let one =
                |place: &ReservedPlace| format!(" {} cpus={}", place.machine, place.part.cpus);
            places.iter().map(one).collect::<String>()
        });
        writeln!(self.out, "{queue} booked:{}", told.as_deref().unwrap_or(" no")).unwrap();
        match places {
            Some(places) => {
                let booking = self.bookings.get_mut(queue).unwrap();
                (booking.places, booking.is_settled) = (places, true);
            }
            None => drop(self.bookings.remove(queue)),
        }
    }

    fn drain(&mut self, machine: &str, reason: Option<String>) {
        let (how, since) = (DrainHow::Finish, self.now.wall);
        let drain = reason.map(|reason| Drain { how, reason, since });
        let machine = MachineName::new(machine);
        self.input(&Input::Drain { machine, is_member: false, drain });
    }

    fn restart(&mut self) {
        let core = Core::new(7, Accounts::default(), Policy::default());
        self.core = core.draining(self.drains.clone()).booked(self.saved.clone());
        self.send(true, Vec::new());
    }

    fn machine(&mut self, words: &[&str], attributes: &str) {
        let size = resources(&words[1..], 1 << 20);
        let mut ad = ad(attributes);
        ad.set("Name", format!("slot1@{}", words[0]));
        ad.set("Machine", words[0]);
        ad.set("PartitionableSlot", !words.contains(&"static"));
        for (name, amount) in [("Memory", size.memory_mib), ("Disk", size.disk_kib)] {
            ad.set(name, i64::try_from(amount).unwrap());
        }
        ad.set("Cpus", size.cpus);
        let state = MachineState {
            machine: MachineName::new(words[0]),
            address: format!("{}.sock", words[0]),
            sequence: 0,
            lifetime_s: 900,
            free: size.clone(),
            total: size,
            slots: vec![Arc::new(ad)],
            claims: Vec::new(),
        };
        self.machines.insert(words[0].to_owned(), state);
        self.advertise(words[0], false);
    }

    fn advertise(&mut self, machine: &str, claimed: bool) {
        self.sequence += 1;
        let state = self.machines.get_mut(machine).unwrap();
        state.sequence = self.sequence;
        state.claims.clear();
        state.free = state.total.clone();
        // Of matches that expired and were offered again, the machine takes what fits: it has the
        // last word.
        self.matches.retain(|(owner, matched)| {
            if matched.machine.as_str() != machine {
                return true;
            }
            let rest = state.free.minus(&matched.resources).filter(|_| claimed);
            let fits = rest.is_some();
            if let Some(rest) = rest {
                let (owner, resources) = (owner.clone(), matched.resources.clone());
                state.free = rest;
                let made_ms = self.made[&matched.id.number];
                let passed = u32::try_from((self.now.boot_ms - made_ms) / 1000).unwrap();
                let ends_in_s = matched.term.map(|term| term.ends_s.saturating_sub(passed));
                let (matched, limits) = (matched.id, matched.limits.clone());
                state.claims.push(ClaimedPart { matched, owner, resources, limits, ends_in_s });
            }
            fits
        });
        let state = Box::new(state.clone());
        self.input(&Input::FromMachine(FromMachine::Advertise(state)));
    }

    fn job(&mut self, words: &[&str], attributes: &str) {
        let asked = resources(&words[3..], 0);
        let mut ad = ClassAd::new();
        ad.set("Owner", words[0]);
        ad.set("RequestCpus", asked.cpus);
        ad.set("RequestMemory", i64::try_from(asked.memory_mib).unwrap());
        if let Some(gpus) = asked.custom.get("gpus") {
            ad.set("RequestGPUs", i64::try_from(*gpus).unwrap());
        }
        ad.update(&self::ad(attributes));
        let class = ClassId(words[1].parse().unwrap());
        let request = ClassRequest {
            class,
            owner: UserName::new(words[0]),
            priority: priority(words),
            first: JobId::new(class.0, 0),
            idle: words[2].parse().unwrap(),
            ad: Arc::new(ad),
        };
        self.requests.insert(class, request);
        self.send(false, Vec::new());
    }

    fn send(&mut self, full: bool, gone: Vec<ClassId>) {
        let changed = self.requests.values().cloned().collect();
        let seen = Some(MatchId { life: 7, number: self.seen });
        let held = self.matches.iter().map(|(_, matched)| matched);
        let held = held.filter(|matched| full && self.holds.contains(&matched.id.number));
        let held = held.map(|matched| HeldMatch {
            matched: matched.id,
            machine: matched.machine.clone(),
            limits: matched.limits.clone(),
        });
        let held = held.collect();
        let bookings = self.bookings.values().filter(|_| full).cloned().collect();
        let message = FromSchedd::Requests { full, changed, gone, seen, held, bookings };
        self.input(&Input::FromSchedd { schedd: schedd(), message });
    }

    fn input(&mut self, input: &Input) {
        match self.core.decide(self.now, input) {
            Ok(decision) => {
                for event in decision.events {
                    let change = self.core.apply(&event);
                    self.core
                        .react(&change, &event)
                        .into_iter()
                        .for_each(|effect| self.show(effect));
                }
            }
            Err(rejection) => writeln!(self.out, "rejected: {rejection}").unwrap(),
        }
    }

    fn settle(&mut self) {
        for _ in 0..100 {
            if self.core.next_deadline().is_none_or(|deadline| deadline > self.now.boot_ms) {
                return;
            }
            self.input(&Input::Tick);
        }
        panic!("the core wants one tick after the other");
    }

    fn wait(&mut self, seconds: u64) {
        self.settle();
        let end = self.now.boot_ms + seconds * 1000;
        while let Some(deadline) = self.core.next_deadline().filter(|deadline| *deadline <= end) {
            self.pass_until(deadline);
            self.settle();
        }
        self.pass_until(end);
    }

    fn pass_until(&mut self, boot_ms: u64) {
        let passed = i64::try_from(boot_ms - self.now.boot_ms).unwrap();
        let wall = Timestamp::from_millis(self.now.wall.as_millis() + passed);
        self.now = Now { wall, boot_ms };
    }

    fn show(&mut self, effect: Effect) {
        match effect {
            Effect::ToSchedd { message: ToSchedd::Matches(matches), .. } => {
                for matched in matches {
                    let Resources { cpus, memory_mib, custom, .. } = &matched.resources;
                    let gpus = custom.get("gpus").map(|n| format!(" gpus={n}")).unwrap_or_default();
                    let (number, class, machine) =
                        (matched.id.number, matched.class, &matched.machine);
                    let uses: String =
                        matched.limits.iter().map(|one| format!(" limit {one}")).collect();
                    let gang = matched.gang.as_ref().map(|share| {
                        let holds: Vec<String> =
                            share.holds.iter().map(ToString::to_string).collect();
                        format!(" part {} of {} holds {}", share.part, share.of, holds.join(","))
                    });
                    let gang = gang.unwrap_or_default();
                    writeln!(
                        self.out,
                        "#{number} {class} on {machine}: cpus={cpus} memory={memory_mib}{gpus}{uses}{gang}"
                    )
                    .unwrap();
                    let owner = self.requests[&matched.class].owner.clone();
                    self.made.insert(number, self.now.boot_ms);
                    self.matches.push((owner, matched));
                }
            }
            Effect::ToSchedd { message: ToSchedd::Reasons(reasons), .. } => {
                for (class, reason) in reasons {
                    let reason = reason.map_or_else(|| "-".to_owned(), |reason| reason.to_string());
                    writeln!(self.out, "{class} waits: {reason}").unwrap();
                }
            }
            Effect::ToSchedd { message: ToSchedd::Significant(names), .. } => {
                let names: Vec<&str> = names.iter().map(AttrName::as_str).collect();
                if !names.is_empty() {
                    writeln!(self.out, "significant: {}", names.join(" ")).unwrap();
                }
            }
            Effect::ToSchedd { message: ToSchedd::Drained(machines), .. } => {
                let machines: Vec<&str> = machines.iter().map(MachineName::as_str).collect();
                writeln!(self.out, "drained: {}", machines.join(" ")).unwrap();
            }
            Effect::ToSchedd { message: ToSchedd::Booked(all), .. } => {
                all.into_iter().for_each(|answer| self.booked(&answer.queue, answer.places));
            }
            Effect::SaveDrains(drains) => self.drains = drains,
            Effect::SaveBookings(bookings) => self.saved = bookings,
            Effect::SaveAccounts | Effect::SaveLimits(_) => {}
        }
    }
}

fn schedd() -> ScheddName {
    ScheddName::new("s")
}

/// Seconds from the beginning of the world.
fn window(words: &[&str]) -> Window {
    let moment = |word: &str| Timestamp::from_secs(1_000_000 + word.parse::<i64>().unwrap());
    Window { start: moment(words[1]), end: moment(words[2]) }
}

fn field<T: std::str::FromStr>(words: &[&str], name: &str) -> Option<T> {
    let value = words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    value.and_then(|value| value.parse().ok())
}

/// `prio=N` is `JobPrio`; five numbers are all that orders jobs, the weightiest first.
fn priority(words: &[&str]) -> JobPriority {
    let numbers: String = field(words, "prio").unwrap_or_default();
    let numbers: Vec<i32> =
        numbers.split(',').filter(|n| !n.is_empty()).map(|n| n.parse().unwrap()).collect();
    match numbers[..] {
        [] => JobPriority::default(),
        [job] => JobPriority { job, ..JobPriority::default() },
        [pre1, pre2, job, post1, post2] => JobPriority { pre1, pre2, job, post1, post2 },
        _ => panic!("one priority or five, not {numbers:?}"),
    }
}

fn resources(words: &[&str], disk_kib: u64) -> Resources {
    let gpus = field(words, "gpus").map(|gpus| ("gpus".to_owned(), gpus));
    Resources {
        cpus: field(words, "cpus").unwrap_or(1),
        memory_mib: field(words, "memory").unwrap_or(100),
        disk_kib: field(words, "disk").unwrap_or(disk_kib),
        custom: gpus.into_iter().collect(),
    }
}

fn ad(attributes: &str) -> ClassAd {
    let pairs = attributes.split(';').filter_map(|pair| pair.split_once(" = "));
    pairs.map(|(name, text)| (name.trim(), text.parse::<Expr>().unwrap())).collect()
}

mod alone;
mod booking;
mod complete;
mod draining;
mod fairness;
mod gangs;
mod limits;
mod matching;
mod reserving;
mod waiting;
