//! What the core keeps: the durable [`State`], and beside it what a restart learns again.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    ClaimId, ClaimSecret, Devices, LimitUse, MatchId, Now, Pause, Resources, RunEnd, RunId,
    ScheddName, Timestamp, Universe, Usage, UserName,
    planted::{Bug, planted},
};
use proto::claiming::{ClaimStatus, MIN_LEASE, RunStatus};
use proto::draining::Drain;
use serde::{Deserialize, Serialize};

use crate::core::records::files::{DiskUsed, Freight, Over, StartOrder, StarterLog};
use crate::core::records::keys::{Manner, RunKey, Stop};
use crate::core::state::held_back::HeldBack;
use crate::core::words::{Machine, Measured};

/// One machine's claims and runs, and what follows from what is heard of them.
///
/// The functions are in the files of their concern: `decide` (with `claims`, `launcher`, `tick`),
/// `apply`, `react`, and `ads`.
#[derive(Clone, Debug)]
pub struct Core {
    pub(in crate::core) machine: Machine,
    pub(in crate::core) state: State,
    /// Which claim was made for a match: a repeated request is answered with the same claim.
    pub(in crate::core) by_match: BTreeMap<MatchId, ClaimId>,
    /// What is not carved out.
    pub(in crate::core) free: Resources,
    /// Numbers of dynamic slots in use, and whose they are.
    pub(in crate::core) slots: BTreeMap<u32, BTreeSet<ClaimId>>,
    /// Numbers in use of claims for jobs that run beside their schedd.
    pub(in crate::core) beside: BTreeMap<u32, BTreeSet<ClaimId>>,
    /// The schedds that are connected, and whether they may run jobs beside themselves here.
    pub(in crate::core) connected: BTreeMap<ScheddName, bool>,
    /// Schedds of whose older queues something is left: they hear nothing yet.
    pub(in crate::core) fencing: BTreeSet<ScheddName>,
    /// Whether the launcher listed its runs on the present connection.
    pub(in crate::core) launcher_listed: bool,
    /// Runs of the launcher that are to be gone before a schedd is answered for the first time.
    pub(in crate::core) strays: BTreeSet<RunKey>,
    /// Whether schedds are answered.
    pub(in crate::core) open: bool,
    /// The startd is about to end.
    pub(in crate::core) closing: Option<Closing>,
    pub(in crate::core) measured: Measured,
    /// When beats were sent last, milliseconds of the boot clock.
    pub(in crate::core) beaten_ms: Option<u64>,
    /// Counts what changed the machine's ad.
    pub(in crate::core) ad_changes: u64,
    /// When the ad was due to be sent last, milliseconds of the boot clock.
    pub(in crate::core) advertised_ms: u64,
    /// When it may be measured again what runs use, milliseconds of the boot clock.
    pub(in crate::core) measure_ms: u64,
    /// The same for what their folders take; none while that is being measured.
    pub(in crate::core) disk_ms: Option<u64>,
    /// The most that the scratch folders of runs were seen to take. A restart begins anew.
    pub(in crate::core) disk: BTreeMap<RunKey, DiskUsed>,
    /// Runs whose lease ended while the carrier had their files, and that it was told of.
    pub(in crate::core) cut: BTreeSet<RunKey>,
    /// What is kept for the start of runs that wait for their turn.
    pub(in crate::core) held_back: BTreeMap<RunKey, HeldBack>,
}

/// A startd that is about to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) struct Closing {
    /// Whether the runs get their grace; otherwise they are being killed.
    pub(in crate::core) graceful: bool,
    /// How long they have for that, on the boot clock.
    pub(in crate::core) until_ms: u64,
}

/// What the journal makes: it can be stored whole, in the journal's place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The number of the last claim.
    pub(in crate::core) last_claim: u64,
    /// Stored as a list: the stored form may be JSON, whose maps have strings for keys.
    #[serde(with = "as_list")]
    pub(in crate::core) claims: BTreeMap<ClaimId, Claim>,
    /// When the beat was sent that each schedd echoed last, milliseconds of the boot clock. Its
    /// runs' leases count from there.
    pub(in crate::core) leased_from_ms: BTreeMap<ScheddName, u64>,
    /// Which of the queues that were put in its place each schedd works with.
    #[serde(default)]
    pub(in crate::core) generations: BTreeMap<ScheddName, u64>,
    /// If the machine is to take no new jobs. The negotiator says so again when it is there; until
    /// then this holds.
    #[serde(default)]
    pub(in crate::core) drain: Option<Drain>,
}

impl State {
    /// The same in parts, of which each is short: all but the claims, and each claim. Together
    /// ([`Self::join`]) they are the whole.
    pub fn parts(&self) -> impl Iterator<Item = Self> {
        let rest = Self {
            last_claim: self.last_claim,
            claims: BTreeMap::new(),
            leased_from_ms: self.leased_from_ms.clone(),
            generations: self.generations.clone(),
            drain: self.drain.clone(),
        };
        let claim = |(id, claim): (&ClaimId, &Claim)| Self {
            claims: BTreeMap::from([(*id, claim.clone())]),
            ..Self::default()
        };
        std::iter::once(rest).chain(self.claims.iter().map(claim))
    }

    /// Takes another part of it.
    pub fn join(&mut self, part: Self) {
        let Self { last_claim, claims, leased_from_ms, generations, drain } = part;
        self.last_claim = self.last_claim.max(last_claim);
        self.claims.extend(claims);
        self.leased_from_ms.extend(leased_from_ms);
        self.generations.extend(generations);
        self.drain = drain.or(self.drain.take());
    }
}

mod as_list {
    use std::collections::BTreeMap;

    use model::ClaimId;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Claim;

    pub(in crate::core) fn serialize<S: Serializer>(
        claims: &BTreeMap<ClaimId, Claim>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(claims)
    }

    pub(in crate::core) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<ClaimId, Claim>, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::core) struct Claim {
    pub(in crate::core) secret: ClaimSecret,
    pub(in crate::core) schedd: ScheddName,
    /// Of which of that schedd's queues.
    #[serde(default)]
    pub(in crate::core) generation: u64,
    pub(in crate::core) matched: MatchId,
    pub(in crate::core) owner: UserName,
    /// In whose name its jobs run, if that is not their owner's.
    #[serde(default)]
    pub(in crate::core) submitter: Option<UserName>,
    pub(in crate::core) resources: Resources,
    /// What its runs use of concurrency limits.
    #[serde(default)]
    pub(in crate::core) limits: Vec<LimitUse>,
    /// When it is over at the latest, in milliseconds of the boot clock, if that can be told.
    #[serde(default)]
    pub(in crate::core) ends_ms: Option<u64>,
    /// Which ones of the custom resources.
    #[serde(default)]
    pub(in crate::core) devices: Devices,
    /// The number of its dynamic slot; among themselves for claims beside a schedd, which have
    /// none.
    pub(in crate::core) slot: u32,
    /// Where its jobs run.
    #[serde(default)]
    pub(in crate::core) universe: Universe,
    /// Whether its slot was another claim's before.
    #[serde(default)]
    pub(in crate::core) shares: bool,
    pub(in crate::core) since: Timestamp,
    /// The ordinal of the last run that was accepted or refused, 0 before the first.
    pub(in crate::core) last_ordinal: u32,
    pub(in crate::core) activity: Activity,
    /// Set when the claim ends as soon as its run has: why.
    pub(in crate::core) doomed: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::core) enum Activity {
    /// No run, since then on the boot clock.
    Idle {
        since_ms: u64,
    },
    Run(Box<Run>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::core) struct Run {
    pub(in crate::core) id: RunId,
    pub(in crate::core) lease_s: u32,
    pub(in crate::core) manner: Manner,
    pub(in crate::core) global_job_id: String,
    pub(in crate::core) since: Timestamp,
    pub(in crate::core) phase: Phase,
    pub(in crate::core) stop: Option<Stop>,
    /// The last order to suspend it, or to let it go on.
    #[serde(default)]
    pub(in crate::core) pause: Pause,
    /// What there is to do for its files.
    #[serde(default = "Freight::of_earlier")]
    pub(in crate::core) freight: Freight,
    /// The log of it that its owner wants.
    #[serde(default)]
    pub(in crate::core) log: Option<StarterLog>,
}

/// ```text
/// Queued --> Fetching --> Waiting --> Starting --> Executing --> Storing --> Ended --RunRecorded--> (the claim is idle)
/// ```
/// A run on whose slot no other lives begins behind `Queued`, one without files to bring behind
/// `Fetching`, one whose time has come behind `Waiting`. From each phase it may end: in `Fetching`
/// when the carrier has said what came of it, in `Queued` and `Waiting` at once, in the next two
/// when the launcher has said that nothing of it is left. `Storing` is left out where nothing is to
/// be brought back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::core) enum Phase {
    /// Another run lives on its slot.
    Queued,
    /// The carrier brings its files, or looks whether it need be.
    Fetching(Box<StartOrder>),
    /// Its files are there; its time has not come, or the launcher is away.
    Waiting(Box<StartOrder>),
    /// The launcher has it.
    Starting,
    Executing {
        at: Timestamp,
        scratch_dir: String,
    },
    /// Nothing of its processes is left; the carrier brings back what came of it.
    Storing(Box<Over>),
    /// Nothing of it is left; the schedd has not said yet that it knows.
    Ended {
        end: RunEnd,
        usage: Usage,
    },
}

impl Core {
    /// A machine without claims, or what was stored of it with [`Core::state`]. The journal's
    /// events are applied next.
    pub fn new(machine: Machine, state: State) -> Self {
        let mut core = Self {
            free: machine.total.clone(),
            machine,
            state: State::default(),
            by_match: BTreeMap::new(),
            slots: BTreeMap::new(),
            beside: BTreeMap::new(),
            connected: BTreeMap::new(),
            fencing: BTreeSet::new(),
            launcher_listed: false,
            strays: BTreeSet::new(),
            open: false,
            closing: None,
            measured: Measured::default(),
            beaten_ms: None,
            ad_changes: 0,
            advertised_ms: 0,
            measure_ms: 0,
            disk_ms: Some(0),
            disk: BTreeMap::new(),
            cut: BTreeSet::new(),
            held_back: BTreeMap::new(),
        };
        for (id, claim) in &state.claims {
            core.index_claim(*id, claim);
        }
        core.state = state;
        let schedds = core.state.generations.keys();
        core.fencing = schedds.filter(|schedd| core.has_older(schedd)).cloned().collect();
        core
    }

    /// What is durable: may be written in the place of the journal so far.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The run of a job whose program executes, and whose job it is.
    pub fn run_of(&self, job: model::JobId) -> Option<(RunKey, &UserName)> {
        let mut claims = self.state.claims.iter();
        let (id, claim) = claims.find(|(_, claim)| {
            claim.alive().is_some_and(|run| {
                run.id.job == job && matches!(run.phase, Phase::Executing { .. })
            })
        })?;
        Some((claim.key(*id), &claim.owner))
    }

    /// The log that the owner of a run wants.
    pub fn log_of(&self, key: RunKey) -> Option<&StarterLog> {
        self.claim_with(key)?.run()?.log.as_ref()
    }

    /// Whose a run is, and the right to it.
    pub fn whose(&self, key: RunKey) -> Option<(&ScheddName, ClaimSecret, RunId)> {
        let claim = self.claim_with(key)?;
        Some((&claim.schedd, claim.secret, claim.run()?.id))
    }

    /// Whose job a run is of.
    pub fn owner_of(&self, key: RunKey) -> Option<&UserName> {
        self.claim_with(key).map(|claim| &claim.owner)
    }

    /// Whose the runs are that something is kept of, and their numbers, where they are known.
    pub fn owners(&self) -> Vec<(RunKey, UserName, Option<u32>)> {
        let runs = self.state.claims.iter().filter_map(|(id, claim)| {
            Some((claim.key(*id), claim.owner.clone(), claim.run()?.freight.owner_uid))
        });
        runs.collect()
    }

    /// Whose jobs run on a claim.
    pub fn claimant(&self, claim: ClaimId) -> Option<&UserName> {
        self.state.claims.get(&claim).map(|claim| &claim.owner)
    }

    /// Whose jobs run on any.
    pub fn claimants(&self) -> BTreeSet<UserName> {
        self.state.claims.values().map(|claim| claim.owner.clone()).collect()
    }

    /// Whether the machine holds a claim of this schedd.
    pub fn holds_claims_of(&self, schedd: &ScheddName) -> bool {
        self.state.claims.values().any(|claim| claim.schedd == *schedd)
    }

    /// The runs that are not over, and whose owners want a log.
    pub fn logged(&self) -> Vec<RunKey> {
        let claims = self.state.claims.iter();
        let logged = claims.filter(|(_, claim)| claim.alive().is_some_and(|run| run.log.is_some()));
        logged.map(|(id, claim)| claim.key(*id)).collect()
    }

    /// Whether a startd that was told to end may do so: nothing is left to be waited for, or it has
    /// been waited long enough.
    pub fn may_end(&self, now: Now) -> bool {
        self.closing.is_some_and(|closing| {
            self.is_idle() || !closing.graceful && now.boot_ms >= closing.until_ms
        })
    }

    /// Whether no claim is held: the machine does nothing for anybody.
    pub fn is_idle(&self) -> bool {
        self.state.claims.is_empty()
    }

    /// What the machine may share out from now on if it is found to have `found`; `None` if its
    /// claims hold more than that. While there are claims, the disk is what it was: their jobs have
    /// filled some of it.
    pub fn total_as(&self, found: &Resources) -> Option<Resources> {
        if self.is_idle() {
            return Some(found.clone());
        }
        let total = Resources { disk_kib: self.machine.total.disk_kib, ..found.clone() };
        let claims = self.state.claims.values();
        let left = claims
            .map(|claim| &claim.resources)
            .try_fold(total.clone(), |left, part| left.minus(part));
        left.map(|_| total)
    }

    /// Enters a claim into every index. The counterpart is [`Core::unindex_claim`].
    pub(in crate::core) fn index_claim(&mut self, id: ClaimId, claim: &Claim) {
        let (slot, part) = (claim.slot, &claim.resources);
        self.by_match.insert(claim.matched, id);
        let unnoted = planted(Bug::SlotTwice);
        let holders = self.numbers(claim.universe).entry(slot).or_default();
        let fresh = holders.is_empty() || unnoted;
        assert!(fresh || claim.shares, "slot {slot} is given to claim {id} while it is in use");
        if !unnoted {
            holders.insert(id);
        }
        if !fresh {
            return;
        }
        let left = self.free.minus(part);
        self.free = left.unwrap_or_else(|| {
            panic!("claim {id} takes {part:?}, and only {:?} are free", self.free)
        });
    }

    /// A slot is free when the last of its claims is gone.
    pub(in crate::core) fn unindex_claim(&mut self, id: ClaimId, claim: &Claim) {
        self.by_match.remove(&claim.matched);
        let numbers = self.numbers(claim.universe);
        let holders = numbers.entry(claim.slot).or_default();
        holders.remove(&id);
        if holders.is_empty() {
            numbers.remove(&claim.slot);
            self.free = self.free.plus(&claim.resources);
        }
    }

    /// The claim of a run, if it is the last on it.
    pub(in crate::core) fn claim_with(&self, key: RunKey) -> Option<&Claim> {
        self.state.claims.get(&key.claim).filter(|claim| claim.last_ordinal == key.ordinal)
    }

    /// The most that a run's scratch folder was seen to take.
    pub(in crate::core) fn disk_of(&self, key: RunKey) -> DiskUsed {
        self.disk.get(&key).copied().unwrap_or_default()
    }

    /// The moment at which the run's lease is over, if no echo comes.
    pub(in crate::core) fn lease_end_ms(&self, schedd: &ScheddName, lease_s: u32) -> u64 {
        let from = self.state.leased_from_ms.get(schedd).copied().unwrap_or(0);
        from.saturating_add(lease_ms(lease_s))
    }

    /// The numbers in use of claims of this kind.
    fn numbers(&mut self, universe: Universe) -> &mut BTreeMap<u32, BTreeSet<ClaimId>> {
        if universe.is_beside() { &mut self.beside } else { &mut self.slots }
    }

    /// For each part of the machine that is taken, its claim: that with a run, where two share it.
    /// Claims that take nothing concern nobody but their schedd.
    pub(in crate::core) fn carved(&self) -> impl Iterator<Item = &Claim> {
        self.of_each_slot(|claim| claim.alive().is_none_or(|run| run.phase == Phase::Queued))
    }

    /// The same, with the claim that was matched first, if it is still there.
    pub(in crate::core) fn matched(&self) -> impl Iterator<Item = &Claim> {
        self.of_each_slot(|claim| claim.shares)
    }

    /// Of each slot that was carved out the first claim of which this is not true, if there is one.
    fn of_each_slot(&self, rather_not: fn(&Claim) -> bool) -> impl Iterator<Item = &Claim> {
        self.slots.values().filter_map(move |holders| {
            let claims = || holders.iter().filter_map(|id| self.state.claims.get(id));
            claims().find(|claim| !rather_not(claim)).or_else(|| claims().next())
        })
    }

    pub(in crate::core) fn slot_name(&self, claim: &Claim) -> String {
        format!("{}@{}", claim.slot_word(), self.machine.name)
    }

    pub(in crate::core) fn lowest_free_slot(&self, universe: Universe) -> u32 {
        let used = if universe.is_beside() { &self.beside } else { &self.slots };
        (1..)
            .zip(used.keys())
            .find(|(n, used)| n != *used)
            .map_or_else(|| u32::try_from(used.len()).unwrap_or(u32::MAX - 1) + 1, |(n, _)| n)
    }

    pub(in crate::core) fn beat(&self, now: Now) -> model::Beat {
        model::Beat { life: self.machine.life, sent_ms: now.boot_ms }
    }
}

/// The lease that a run gets, milliseconds.
pub(in crate::core) fn lease_ms(lease_s: u32) -> u64 {
    let least = u64::try_from(MIN_LEASE.as_millis()).unwrap_or(u64::MAX);
    (u64::from(lease_s) * 1000).max(least)
}

impl Claim {
    /// Whom its use is charged to.
    pub(in crate::core) fn charged(&self) -> &UserName {
        self.submitter.as_ref().unwrap_or(&self.owner)
    }

    /// Its slot, without the machine's name.
    pub(in crate::core) fn slot_word(&self) -> String {
        let kind = if self.universe.is_beside() { "beside" } else { "slot1_" };
        format!("{kind}{}", self.slot)
    }

    pub(in crate::core) fn run(&self) -> Option<&Run> {
        match &self.activity {
            Activity::Run(run) => Some(run),
            Activity::Idle { .. } => None,
        }
    }

    /// Whether the carrier has files of its run.
    pub(in crate::core) fn is_carried(&self) -> bool {
        self.alive().is_some_and(Run::is_carried)
    }

    /// Its run, if something of it may be alive.
    pub(in crate::core) fn alive(&self) -> Option<&Run> {
        self.run().filter(|run| !run.is_over())
    }

    pub(in crate::core) fn key(&self, id: ClaimId) -> RunKey {
        RunKey { claim: id, ordinal: self.last_ordinal }
    }

    pub(in crate::core) fn status(&self, id: ClaimId) -> ClaimStatus {
        ClaimStatus {
            claim: id,
            secret: self.secret,
            matched: self.matched,
            last_ordinal: self.last_ordinal,
            run: self.run().map(|run| (run.id, run.status())),
        }
    }
}

impl Run {
    pub(in crate::core) fn is_over(&self) -> bool {
        match self.phase {
            Phase::Ended { .. } => true,
            Phase::Queued
            | Phase::Fetching(_)
            | Phase::Waiting(_)
            | Phase::Starting
            | Phase::Executing { .. }
            | Phase::Storing(_) => false,
        }
    }

    /// Whether the carrier has its files.
    fn is_carried(&self) -> bool {
        match self.phase {
            Phase::Fetching(_) | Phase::Storing(_) => true,
            Phase::Queued
            | Phase::Waiting(_)
            | Phase::Starting
            | Phase::Executing { .. }
            | Phase::Ended { .. } => false,
        }
    }

    /// Whether the launcher has processes of it, or is about to.
    pub(in crate::core) fn is_with_launcher(&self) -> bool {
        match self.phase {
            Phase::Starting | Phase::Executing { .. } => true,
            Phase::Queued
            | Phase::Fetching(_)
            | Phase::Waiting(_)
            | Phase::Storing(_)
            | Phase::Ended { .. } => false,
        }
    }

    /// Since when its program executes, or executed, and where.
    pub(in crate::core) fn started(&self) -> Option<(Timestamp, &String)> {
        match &self.phase {
            Phase::Executing { at, scratch_dir } => Some((*at, scratch_dir)),
            Phase::Storing(over) => over.started.as_ref().map(|(at, folder)| (*at, folder)),
            Phase::Queued
            | Phase::Fetching(_)
            | Phase::Waiting(_)
            | Phase::Starting
            | Phase::Ended { .. } => None,
        }
    }

    fn status(&self) -> RunStatus {
        match (&self.phase, self.stop) {
            (Phase::Ended { end, usage }, _) => RunStatus::Ended(end.clone(), *usage),
            (_, Some(_)) => RunStatus::Stopping,
            (_, None) => {
                self.started().map_or(RunStatus::Starting, |(at, _)| RunStatus::Executing(at))
            }
        }
    }
}
