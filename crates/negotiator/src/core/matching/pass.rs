//! One matching pass: [`negotiate`].
//!
//! Users take turns. The next part goes to the user who holds the least for their share, where
//! shares are proportional to the inverse of the effective priority (HTCondor 25.14 cuts a pie by
//! these shares and spins it again for what is left over; one part at a time is the limit of that).
//! A user's classes come by priority, then by their first job; a class that finds no machine does
//! not stand in the way of the user's next.
//!
//! Before all that comes the class for which a place is kept: a moment that was told holds, whoever
//! has used less by then. With its first job its turn is over.
//!
//! A class looks at machines in the order of [`crate::core::machines::index`], or of Rank if
//! machines differ in it. During a pass machines only shrink, so a class that found nothing is
//! done, and one that goes on starts where it stopped. A class that found nothing in an earlier
//! pass looks only at the machines that improved since.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use classad::Env;
use model::planted::{Bug, planted};
use model::{Cause, IdleReason, LimitUse, MachineName, MatchId, Resources, Verdict};
use proto::matchmaking::{GangShare, Match};

use crate::core::conditions::clauses::Level;
use crate::core::machines::index::{FreeIndex, Place};
use crate::core::matching::booked::Booked;
use crate::core::matching::gang::{Given, places};
use crate::core::matching::left::Left;
use crate::core::matching::marks::mark_of;
use crate::core::matching::plan::{MatchPlan, PlannedMatch};
use crate::core::matching::reasons::{Queue, could_run, survey};
use crate::core::matching::reserve::{self, Holder, Kept, Reservation, first_fit, shorter};
use crate::core::matching::search::{Among, ByAmounts, Ranked, Search, Seeker, Taken, Taker};
use crate::core::matching::snapshot::Snapshot;
use crate::core::matching::users::{User, Users};
use crate::core::requests::demand::{Asked, Class, JobClause};
use crate::core::requests::gang::GangClass;
use crate::core::shares::limits::{Room, Uses};
use crate::core::shares::policy::Policy;
use crate::core::values::bits::Bits;
use crate::core::values::ordered::Ordered;
use crate::core::values::ordered::number as number_of;

/// Matches classes to machines, and says of every class that wants more why it waits.
pub fn negotiate(snapshot: &Snapshot<'_>, policy: &Policy) -> MatchPlan {
    let (booked, answers) = Booked::of(snapshot);
    let mut users = Users::of(snapshot, policy, &booked);
    let mut pass = Pass::new(*snapshot, booked);
    if let Some((mut user, position)) = snapshot.kept.and_then(|kept| users.with_place(kept)) {
        let seeker = &mut user.seekers[position];
        let matched = pass.next_match(seeker);
        if matched.is_none() {
            pass.reserve_for(seeker);
        }
        users.put_back(user, matched.unwrap_or(0.0));
    }
    while let Some(mut user) = users.next() {
        let mut matched = None;
        while let Some(seeker) = user.seekers.get_mut(user.position) {
            matched = pass.next_match(seeker);
            if matched.is_some() {
                break;
            }
            pass.reserve_for(seeker);
            user.position += 1;
        }
        match matched {
            Some(weight) => users.put_back(user, weight),
            None => users.finish(user),
        }
    }
    let reservation = pass.kept.as_ref().map(|kept| kept.reservation.clone());
    let matches = std::mem::take(&mut pass.matches);
    let mut plan = MatchPlan { matches, reservation, booked: answers, ..MatchPlan::default() };
    explain_all(snapshot, policy, (users.finished, &pass), &mut plan);
    plan
}

/// Gives each class that wants more its reason.
fn explain_all(
    snapshot: &Snapshot<'_>,
    policy: &Policy,
    (mut users, pass): (Vec<User<'_>>, &Pass<'_>),
    plan: &mut MatchPlan,
) {
    users.sort_by(|a, b| a.key().cmp(&b.key()).then_with(|| a.user.cmp(b.user)));
    let waits = |user: &User<'_>| user.seekers.iter().any(|seeker| seeker.wants > 0);
    let of = u32::try_from(users.iter().filter(|user| waits(user)).count()).unwrap_or(u32::MAX);
    let mut place = 0;
    let mut waiting = Vec::new();
    for user in users {
        place += u32::from(waits(&user));
        for seeker in user.seekers {
            if seeker.wants > 0 {
                waiting.push((seeker, Queue { place, of }));
            } else {
                plan.reasons.push((seeker.schedd.clone(), seeker.id, None));
            }
        }
    }
    let classes: Vec<&Class> = waiting.iter().map(|(seeker, _)| seeker.class).collect();
    let surveys = survey(snapshot, &classes, policy.looks_per_pass);
    plan.stale = surveys.stale;
    for ((seeker, queue), standing) in waiting.into_iter().zip(surveys.standings) {
        let known = standing.as_ref().or(seeker.class.standing.as_ref());
        let known = known.expect("a class without a standing is surveyed");
        let limit = known.limit(snapshot, seeker.class, &pass.room);
        let reason = limit
            .or_else(|| pass.kept_place(&seeker))
            .or_else(|| pass.booked_part(&seeker))
            .unwrap_or_else(|| known.reason(snapshot.pool, seeker.class, queue));
        plan.reasons.push((seeker.schedd.clone(), seeker.id, Some(reason)));
        if let Some(standing) = standing {
            plan.standings.push((seeker.schedd.clone(), seeker.id, standing));
        }
    }
}

/// How many of the machines that were taken from before it began a class looks up at a time, where
/// their order is known. A class usually needs one or two of them, and there may be tens of
/// thousands.
const TAKEN_AT_A_TIME: usize = 64;

/// For how many classes that find nothing a place is looked for, until there is one: where the jobs
/// that run have no walltime there is none for anybody, and thousands of classes may wait.
const RESERVE_TRIES: u32 = 4;

/// How many machines with advance reservations are looked at for the reason of a class.
const BOOKED_LOOKS: usize = 64;

/// The least that a machine must have left for a class to look at it.
fn least(class: &Class) -> (u32, u64) {
    match &class.asked {
        Asked::Fixed(_) if planted(Bug::GangCutToFit) => (1, 0),
        Asked::Fixed(asked) => (asked.cpus, asked.memory_mib),
        Asked::PerMachine(_) => (1, 0),
    }
}

/// The state of a pass: what is left of the machines that it has taken from.
struct Pass<'a> {
    snapshot: Snapshot<'a>,
    env: Env,
    left: Left,
    /// The machines that it has taken from and that have something left.
    touched: FreeIndex,
    /// The same, once for each time.
    record: Vec<u32>,
    improved: FreeIndex,
    /// What is left of the concurrency limits.
    room: Room<'a>,
    /// The place of the first job that found none.
    kept: Option<Kept>,
    /// What is reserved.
    booked: Booked,
    /// For how many more classes one is looked for.
    tries: u32,
    matches: Vec<PlannedMatch>,
}

impl<'a> Pass<'a> {
    fn new(snapshot: Snapshot<'a>, booked: Booked) -> Self {
        let mut improved = FreeIndex::default();
        for number in &snapshot.pool.improved {
            let row = snapshot.pool.row(*number);
            improved.insert(row.place(*number, snapshot.pool.free(*number)));
        }
        Self {
            snapshot,
            env: Env::at(snapshot.now.wall.as_secs()),
            left: Left::default(),
            touched: FreeIndex::default(),
            record: Vec::new(),
            improved,
            room: Room::new(snapshot.limits, snapshot.in_use),
            kept: None,
            booked,
            tries: RESERVE_TRIES,
            matches: Vec::new(),
        }
    }

    /// Keeps a place for the class's first job, which has found none, unless there is one that
    /// comes before it.
    fn reserve_for(&mut self, seeker: &Seeker<'_>) {
        let class = seeker.class;
        let waits =
            self.kept.is_none() && seeker.wants > 0 && class.may_reserve() && seeker.own.is_none();
        let Asked::Fixed(asked) = &class.asked else { return };
        let Uses::Fixed(uses) = &class.uses else { return };
        if !waits || !self.room.has(uses) || self.tries == 0 {
            return;
        }
        let rows = could_run(&self.snapshot, class);
        // It is not the room that is missing where there is enough.
        let short = |row: &u32| {
            let left = self.left_of(*row);
            !left.covers(asked)
                || class.is_exclusive && !self.snapshot.pool.nature(*row).is_whole(left)
        };
        let rows: Vec<u32> = rows.into_iter().filter(short).collect();
        if rows.is_empty() {
            // What can run nowhere takes no try from those that could.
            return;
        }
        self.tries -= 1;
        let pool = self.snapshot.pool;
        let mut given: BTreeMap<&MachineName, Vec<Holder>> = BTreeMap::new();
        for matched in self.matches.iter().map(|planned| &planned.matched) {
            let ends_ms = matched.term.map(|term| reserve::end_of(term, self.snapshot.now));
            let mark = mark_of(&matched.limits).map(str::to_owned);
            let holder = Holder { part: matched.resources.clone(), ends_ms, mark };
            given.entry(&matched.machine).or_default().push(holder);
        }
        let mut first: Option<(u64, u32, Resources, Resources)> = None;
        for row in rows {
            let mut holders = reserve::holders(pool, row, self.snapshot.now);
            holders.extend(given.get(&pool.row(row).state.machine).into_iter().flatten().cloned());
            let (inside, mut holders): (Vec<Holder>, Vec<Holder>) =
                holders.into_iter().partition(|one| self.booked.has(row, one.mark.as_ref()));
            holders.extend(self.booked.holders(row, &inside));
            let total = &pool.nature(row).total;
            let before = first.as_ref().map_or(u64::MAX, |first| first.0);
            let found = first_fit(total, &holders, before, |left| self.suits(class, row, left));
            if let Some((from_ms, part, spare)) = found {
                first = Some((from_ms, row, part, spare));
            }
        }
        self.kept = first.map(|(from_ms, row, part, spare)| {
            let (schedd, machine) = (seeker.schedd.clone(), pool.row(row).state.machine.clone());
            let reservation = Reservation { schedd, class: seeker.id, machine, part, from_ms };
            Kept { row, reservation, spare }
        });
    }

    /// The reason of a class that has the place that is kept, or would have a machine but for that.
    fn kept_place(&self, seeker: &Seeker<'_>) -> Option<IdleReason> {
        let kept = self.kept.as_ref()?;
        let Reservation { schedd, class, machine, .. } = &kept.reservation;
        let (machine, at) = (machine.to_string(), kept.from(self.snapshot.now));
        let cause = if (schedd, *class) == (seeker.schedd, seeker.id) {
            Cause::Reserved { machine, at }
        } else {
            let part = self.suits(seeker.class, kept.row, self.left_of(kept.row))?;
            if kept.leaves_room(seeker.class, &part, self.snapshot.now) {
                return None;
            }
            let walltime_s = seeker.class.walltime_s();
            let walltime_s = walltime_s.map(|walltime| u32::try_from(walltime).unwrap_or(u32::MAX));
            Cause::Kept { machine, at, walltime_s }
        };
        Some(IdleReason { verdict: Verdict::NotYet, cause })
    }

    /// The reason of a class that would have a machine but for an advance reservation.
    fn booked_part(&self, seeker: &Seeker<'_>) -> Option<IdleReason> {
        if seeker.own.is_some() {
            return None;
        }
        let cause = self.booked.rows().take(BOOKED_LOOKS).find_map(|row| {
            let part = self.suits(seeker.class, row, self.left_of(row))?;
            let machine = &self.snapshot.pool.row(row).state.machine;
            self.booked.cause(seeker.class, (row, machine), &part, self.snapshot.now)
        })?;
        Some(IdleReason { verdict: Verdict::NotYet, cause })
    }

    /// Finds the class's next job a place and returns what it counts; `None` if there is nothing
    /// for it or it has all it wants.
    fn next_match(&mut self, seeker: &mut Seeker<'a>) -> Option<f64> {
        if seeker.wants == 0 {
            return None;
        }
        if let Uses::Fixed(uses) = &seeker.class.uses
            && !self.room.has(uses)
        {
            return None;
        }
        // A match is a part of one machine, and a job that needs several is never half started.
        let on_one = seeker.class.hosts <= 1 || planted(Bug::GangOnOneMachine);
        let found = if on_one { self.next_on_one(seeker) } else { None };
        found.or_else(|| self.next_gang(seeker))
    }

    /// The same on several machines, all in this pass.
    fn next_gang(&mut self, seeker: &mut Seeker<'a>) -> Option<f64> {
        let (class, taker) = (seeker.class, seeker.taker());
        let gang = class.gang.as_deref()?;
        let pool = self.snapshot.pool;
        // One that found nothing finds something where something has improved, and nowhere else.
        if !self.looks_at_all(class) && pool.improved.is_empty() {
            return None;
        }
        let rows = self.with_room_for(gang, class);
        if gang.asks_for_more_than(rows.iter().map(|row| self.left_of(*row))) {
            return None;
        }
        let is_whole = |row: &u32| pool.nature(*row).is_whole(self.left_of(*row));
        let may_be_its = |row: &u32| !class.is_exclusive || is_whole(row);
        let rows = rows.into_iter().filter(may_be_its);
        let rows = rows.map(|row| (row, self.left_of(row).clone()));
        let fits = |part: &Class, row, left: &Resources| self.fits_beside(taker, part, row, left);
        let mut given = places(gang, rows.collect(), fits)?;
        if class.is_exclusive {
            for given in &mut given {
                given.part = pool.nature(given.row).whole(&given.part);
            }
        }
        let uses = self.uses_on(class, given[0].row);
        if !self.room.has(&uses) {
            return None;
        }
        self.room.give(&uses);
        seeker.wants -= 1;
        let (of, gang) = (u32::try_from(given.len()).ok()?, self.next_id());
        let weights = given.iter().map(|given| pool.row(given.row).weight(&given.part));
        let weight = weights.sum();
        let first = self.matches.len();
        for (part, Given { row, part: resources, holds }) in (0..).zip(given) {
            let share = GangShare { gang, part, of, holds };
            let uses = if share.is_first() { uses.clone() } else { Vec::new() };
            self.offer(seeker, row, (resources, uses), Some(share));
        }
        // They begin together: by the time that is left where the least is.
        let offered = &mut self.matches[first..];
        let terms = offered.iter().filter_map(|planned| planned.matched.term);
        if let Some(shortest) = terms.min_by_key(|term| term.starts_s) {
            offered.iter_mut().for_each(|planned| planned.matched.term = Some(shortest));
        }
        Some(weight)
    }

    /// The machines on which there is room for the smallest part of a gang, as far as processors
    /// and memory go.
    fn with_room_for(&self, gang: &GangClass, class: &Class) -> Vec<u32> {
        let (pool, now) = (self.snapshot.pool, self.snapshot.now);
        let least = gang.kinds.iter().map(|kind| least(&kind.class));
        let (cpus, memory_mib) = least
            .reduce(|one, other| (one.0.min(other.0), one.1.min(other.1)))
            .map_or((1, 0), |(cpus, memory_mib)| (cpus.max(1), memory_mib));
        let untouched = pool.index.from(cpus, memory_mib).map(|place| place.row);
        let untouched = untouched.filter(|row| self.left.of(*row).is_none());
        let touched = self.touched.from(cpus, memory_mib).map(|place| place.row);
        let is_shunned = |row: &u32| {
            let state = &pool.row(*row).state;
            class.avoids(&state.machine, state.sequence, now)
        };
        untouched.chain(touched).filter(|row| !is_shunned(row)).collect()
    }

    /// What a part of a gang gets of a machine of which the parts before it have left so much: all
    /// of them together leave what is reserved there.
    fn fits_beside(
        &self,
        gang: Taker<'_>,
        part: &Class,
        number: u32,
        left: &Resources,
    ) -> Option<Resources> {
        let given = self.suits(part, number, left)?;
        let before = self.left_of(number).minus(left).unwrap_or_default();
        let all = before.plus(&given);
        let all = match gang.class.is_exclusive {
            true => self.snapshot.pool.nature(number).whole(&all),
            false => all,
        };
        self.leaves_reserved(gang, number, &all).then_some(given)
    }

    /// Whether a part of a machine is in the class's reservation, or leaves others what they have.
    fn leaves_reserved(&self, taker: Taker<'_>, number: u32, part: &Resources) -> bool {
        let now = self.snapshot.now;
        let beyond = taker.own.map(|own| self.booked.beyond(own, number, part));
        let kept = self.kept.as_ref().filter(|kept| kept.row == number);
        kept.is_none_or(|kept| kept.leaves_room(taker.class, beyond.as_ref().unwrap_or(part), now))
            && self.booked.has_room(taker, number, part, now)
    }

    /// The same on one machine.
    fn next_on_one(&mut self, seeker: &mut Seeker<'a>) -> Option<f64> {
        if matches!(seeker.search, Search::Fresh) {
            seeker.search = self.begin(seeker.taker());
        }
        let taker = seeker.taker();
        let number = match &mut seeker.search {
            Search::Fresh => None,
            Search::ByPlace { among, levels, from, more, taken } => loop {
                let level = levels.and_then(|levels| levels.first());
                let found = self.next_by_place(taker, (among, level), from, more, taken);
                // A level that is exhausted stays so: during a pass machines only shrink.
                let rest = levels.filter(|_| found.is_none()).and_then(<[Level]>::split_first);
                match rest {
                    Some((_, rest)) if !rest.is_empty() => *levels = Some(rest),
                    Some(_) | None => break found,
                }
                (*from, *more, *taken) = (None, true, Taken::default());
            },
            Search::ByAmounts(search) => self.next_by_amounts(taker, search),
            Search::ByRank(heap) => self.next_by_rank(taker, heap),
        }?;
        let row = self.snapshot.pool.row(number);
        let part = self.fits(taker, number, self.left_of(number))?;
        let weight = row.weight(&part);
        let uses = self.uses_on(taker.class, number);
        self.room.give(&uses);
        seeker.wants -= 1;
        self.offer(seeker, number, (part, uses), None);
        Some(weight)
    }

    /// Whether it is not enough that a class looks at the machines that have improved. One with
    /// limits may have found nothing because of them, and not because of the machines that it saw.
    fn looks_at_all(&self, class: &Class) -> bool {
        class.fresh
            || !class.uses.is_nothing()
            || self.snapshot.anew
            || class.pause_is_over(self.snapshot.now)
            || class.is_erratic(&self.snapshot.pool.clauses)
    }

    fn begin(&self, taker: Taker<'_>) -> Search<'a> {
        let (pool, class) = (self.snapshot.pool, taker.class);
        let all = self.looks_at_all(class);
        let among = || if all { Among::All(self.admitted(class)) } else { Among::Improved };
        let levels = class.rank.as_ref().map(|(id, _)| pool.clauses.levels(*id));
        // What a class uses of limits on this machine or that one changes while the machines do
        // not.
        let any_order = pool.has_rank() || matches!(class.uses, Uses::PerMachine(_));
        if any_order || (levels == Some(None) && !class.ranks_by_amounts) {
            let rows: Vec<u32> = match among() {
                Among::All(admitted) => admitted.rows().collect(),
                Among::Improved => pool.improved.iter().copied().collect(),
            };
            return Search::ByRank(
                rows.into_iter().filter_map(|row| self.ranked(taker, row)).collect(),
            );
        }
        if levels == Some(None) {
            return Search::ByAmounts(Box::new(self.begin_by_amounts(class, among())));
        }
        let (levels, taken) = (levels.flatten(), Taken::default());
        Search::ByPlace { among: among(), levels, from: None, more: true, taken }
    }

    fn begin_by_amounts(&self, class: &Class, among: Among) -> ByAmounts {
        let (cpus, memory_mib) = least(class);
        let mut ranks = BTreeMap::new();
        let places = self.base(&among).one_of_each(cpus, memory_mib);
        let mut groups: Vec<(Ordered, (u32, u64))> = places
            .into_iter()
            .map(|place| {
                let amounts = (place.cpus, place.memory_mib);
                let free = self.snapshot.pool.free(place.row);
                let rank =
                    *ranks.entry(amounts).or_insert_with(|| self.job_rank(class, place.row, free));
                (rank, amounts)
            })
            .collect();
        groups.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        ByAmounts { among, ranks, groups, group: 0, from: None, taken: Taken::default() }
    }

    fn base(&self, among: &Among) -> &FreeIndex {
        match among {
            Among::All(_) => &self.snapshot.pool.index,
            Among::Improved => &self.improved,
        }
    }

    /// The machines that no clause rules out, however much is left of them.
    fn admitted(&self, class: &Class) -> Bits {
        let clauses = &self.snapshot.pool.clauses;
        let mut admitted = clauses.present().clone();
        class.clauses.iter().for_each(|clause| clause.admit(clauses, &mut admitted));
        admitted
    }

    fn next_by_place(
        &self,
        taker: Taker<'_>,
        (among, level): (&Among, Option<&Level>),
        from: &mut Option<Place>,
        more: &mut bool,
        taken: &mut Taken,
    ) -> Option<u32> {
        let class = taker.class;
        let (cpus, memory_mib) = least(class);
        let suits = |place: Place| {
            among.admits(place.row)
                && level.is_none_or(|(_, rows)| rows.get(place.row))
                && self.fits(taker, place.row, self.left_of(place.row)).is_some()
        };
        let touched = self.best_taken(class, taken, &suits, |_| Ordered(0.0), TAKEN_AT_A_TIME);
        let untouched = if *more {
            let accept = |place: Place| self.left.of(place.row).is_none() && suits(place);
            let found = self.base(among).first(cpus, memory_mib, *from, accept);
            (*from, *more) = (found.or(*from), found.is_some());
            found
        } else {
            None
        };
        touched.map(|(_, place)| place).into_iter().chain(untouched).min().map(|place| place.row)
    }

    fn next_by_amounts(&self, taker: Taker<'_>, search: &mut ByAmounts) -> Option<u32> {
        let class = taker.class;
        let ByAmounts { among, ranks, groups, group, from, taken } = search;
        let suits = |place: Place| {
            among.admits(place.row)
                && self.fits(taker, place.row, self.left_of(place.row)).is_some()
        };
        let rank = |place: Place| {
            let rank = || self.job_rank(class, place.row, self.left_of(place.row));
            *ranks.entry((place.cpus, place.memory_mib)).or_insert_with(rank)
        };
        let touched = self.best_taken(class, taken, &suits, rank, usize::MAX);
        let mut untouched = None;
        while let Some((rank, amounts)) = groups.get(*group) {
            let accept = |place: Place| self.left.of(place.row).is_none() && suits(place);
            *from = self.base(among).first_at(*amounts, *from, accept);
            if let Some(place) = *from {
                untouched = Some((Reverse(*rank), place));
                break;
            }
            *group += 1;
        }
        touched.into_iter().chain(untouched).min().map(|(_, place)| place.row)
    }

    /// The best of the machines that the pass has taken from, for a class that reads the record
    /// where it stopped: what did not suit it does not suit it now, unless it is in the record
    /// again, and then there is even less of it. What suited it may have been kept for another
    /// class since, and is asked again.
    fn best_taken(
        &self,
        class: &Class,
        taken: &mut Taken,
        suits: &impl Fn(Place) -> bool,
        mut rank: impl FnMut(Place) -> Ordered,
        at_a_time: usize,
    ) -> Option<(Reverse<Ordered>, Place)> {
        loop {
            self.read_record(class, taken, suits, &mut rank, at_a_time);
            while let Some(best) = taken.suited.first().copied() {
                if self.place_of(best.1.row) == best.1 && suits(best.1) {
                    return Some(best);
                }
                taken.suited.pop_first();
            }
            if !taken.more {
                return None;
            }
            *taken = Taken::default();
        }
    }

    fn read_record(
        &self,
        class: &Class,
        taken: &mut Taken,
        suits: &impl Fn(Place) -> bool,
        rank: &mut impl FnMut(Place) -> Ordered,
        at_a_time: usize,
    ) {
        if taken.read == 0 {
            let (cpus, memory_mib) = least(class);
            let mut places = self.touched.from(cpus, memory_mib).filter(|place| suits(*place));
            for place in places.by_ref().take(at_a_time) {
                taken.suited.insert((Reverse(rank(place)), place));
            }
            taken.more = taken.suited.len() == at_a_time;
        } else {
            for number in &self.record[taken.read..] {
                let place = self.place_of(*number);
                if suits(place) {
                    taken.suited.insert((Reverse(rank(place)), place));
                }
            }
        }
        taken.read = self.record.len();
    }

    fn place_of(&self, number: u32) -> Place {
        self.snapshot.pool.row(number).place(number, self.left_of(number))
    }

    fn job_rank(&self, class: &Class, number: u32, left: &Resources) -> Ordered {
        let slot = self.snapshot.pool.row(number).ad_with(left);
        let rank = class
            .rank
            .as_ref()
            .map(|(_, rank)| number_of(&class.request.ad.eval_expr(rank, Some(&slot), &self.env)));
        Ordered(rank.unwrap_or(0.0))
    }

    fn next_by_rank(&self, taker: Taker<'_>, heap: &mut BinaryHeap<Ranked>) -> Option<u32> {
        while let Some(best) = heap.pop() {
            let number = best.place.0.row;
            // Somebody may have taken from it since it was ranked, and Rank may look at what is
            // left.
            let Some(now) = self.ranked(taker, number) else { continue };
            heap.push(now);
            if now == best {
                return Some(number);
            }
        }
        None
    }

    fn ranked(&self, taker: Taker<'_>, number: u32) -> Option<Ranked> {
        let class = taker.class;
        let row = self.snapshot.pool.row(number);
        let left = self.left_of(number);
        if left.cpus == 0 {
            return None;
        }
        self.fits(taker, number, left)?;
        if matches!(class.uses, Uses::PerMachine(_)) && !self.room.has(&self.uses_on(class, number))
        {
            return None;
        }
        let machine_rank = if row.has_rank() {
            row.rank(&row.ad_with(left), &class.request.ad, &self.env)
        } else {
            0.0
        };
        Some(Ranked {
            machine_rank: Ordered(machine_rank),
            job_rank: self.job_rank(class, number, left),
            place: Reverse(row.place(number, left)),
        })
    }

    /// What the class gets of a machine with so much left: the two must suit each other, and
    /// nothing is taken from a place that is kept there.
    fn fits(&self, taker: Taker<'_>, number: u32, left: &Resources) -> Option<Resources> {
        let part = self.suits(taker.class, number, left)?;
        self.leaves_reserved(taker, number, &part).then_some(part)
    }

    /// What the class gets of a machine with so much left: there must be enough, and both sides'
    /// Requirements must be true.
    fn suits(&self, class: &Class, number: u32, left: &Resources) -> Option<Resources> {
        if let Asked::Fixed(asked) = &class.asked
            && !left.covers(asked)
        {
            let cut =
                planted(Bug::GangCutToFit) && left.cpus > 0 && left.memory_mib >= asked.memory_mib;
            return cut.then(|| Resources { cpus: left.cpus, ..asked.clone() });
        }
        let clauses = &self.snapshot.pool.clauses;
        let mut live: Vec<&JobClause> = Vec::new();
        for clause in class.clauses.iter().filter(|clause| !clause.implied) {
            match clause.decide(clauses, number, left) {
                Some(true) => {}
                Some(false) => return None,
                None => live.push(clause),
            }
        }
        let pool = self.snapshot.pool;
        if !class.declined.is_empty() {
            let state = &pool.row(number).state;
            if class.avoids(&state.machine, state.sequence, self.snapshot.now) {
                return None;
            }
        }
        let nature = pool.nature(number);
        if let Asked::Fixed(asked) = &class.asked
            && live.is_empty()
            && nature.takes_all_that_fit(class.stated)
        {
            return self.granted(class, number, asked, left);
        }
        let row = pool.row(number);
        let slot = row.ad_with(left);
        let job = &class.request.ad;
        let asked = class.asked.of_machine(job, &slot, &self.env);
        let part = self.granted(class, number, &asked, left)?;
        let holds =
            |clause: &&JobClause| job.eval_expr(&clause.written, Some(&slot), &self.env).is_true();
        (live.iter().all(holds) && row.takes(&slot, job, &self.env)).then_some(part)
    }

    /// What a request for so much gets: all of a machine if the class is to be alone there.
    fn granted(
        &self,
        class: &Class,
        number: u32,
        asked: &Resources,
        left: &Resources,
    ) -> Option<Resources> {
        let nature = self.snapshot.pool.nature(number);
        let part = nature.grant(asked, left)?;
        if !class.is_exclusive || planted(Bug::ExclusiveShared) {
            return Some(part);
        }
        nature.is_whole(left).then(|| nature.whole(&part))
    }

    /// What a job of the class uses of concurrency limits on a machine.
    fn uses_on(&self, class: &Class, number: u32) -> Vec<LimitUse> {
        match &class.uses {
            Uses::Fixed(uses) => uses.clone(),
            Uses::PerMachine(_) => {
                let slot = self.snapshot.pool.row(number).ad_with(self.left_of(number));
                class.uses.on(&class.request.ad, &slot, &self.env)
            }
        }
    }

    fn left_of(&self, number: u32) -> &Resources {
        self.left.of(number).unwrap_or_else(|| self.snapshot.pool.free(number))
    }

    fn next_id(&self) -> MatchId {
        let first = self.snapshot.first;
        MatchId { life: first.life, number: first.number + self.matches.len() as u64 }
    }

    fn offer(
        &mut self,
        seeker: &Seeker<'a>,
        number: u32,
        (part, uses): (Resources, Vec<LimitUse>),
        gang: Option<GangShare>,
    ) {
        let row = self.snapshot.pool.row(number);
        let before = self.left_of(number).clone();
        let after = before.minus(&part).expect("a part that is granted was free");
        if self.left.of(number).is_some() {
            self.touched.remove(row.place(number, &before));
        }
        self.touched.insert(row.place(number, &after));
        self.record.push(number);
        self.left.set(number, after);
        let (Taker { class, own }, now) = (seeker.taker(), self.snapshot.now);
        let beyond = own.map(|own| self.booked.beyond(own, number, &part));
        let term = self.booked.give(seeker.taker(), number, &part, now);
        let term = match (&mut self.kept, beyond) {
            (Some(kept), None) if kept.row == number => {
                kept.give(class, &part, now).map(|kept| shorter(term, kept))
            }
            (Some(kept), Some(beyond)) if kept.row == number => {
                kept.give_beyond(class, &beyond, now).map(|kept| shorter(term, kept)).or(term)
            }
            (Some(_) | None, _) => term,
        };
        let uses = uses.into_iter().chain(own.map(|own| self.booked.mark(own))).collect();
        let id = self.next_id();
        self.matches.push(PlannedMatch {
            schedd: seeker.schedd.clone(),
            owner: seeker.class.request.owner.clone(),
            matched: Match {
                id,
                class: seeker.id,
                machine: row.state.machine.clone(),
                address: row.state.address.clone(),
                resources: part,
                limits: uses,
                term,
                gang,
            },
        });
    }
}
