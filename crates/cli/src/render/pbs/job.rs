//! A job as PBS sees it, from its ads: HTCondor's jobs too. A cluster of several jobs is an array,
//! its jobs the subjobs.

use std::collections::BTreeMap;

use classad::{ClassAd, Env, Value, words};
use jobspec::pbs::{Chunks, Indices, attribute, unfolded};
use model::queues::{FIRST_QUEUE, HISTORY_DELETED};
use model::{HoldCode, JobId, JobStatus, RunLimit, attr};

use crate::render::time;

/// The states that `qstat` tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Queued,
    Running,
    Held,
    /// Waits for its time.
    Waiting,
    Suspended,
    /// It was deleted, and its run is not over yet: it is asked to end, or its files are brought
    /// out.
    Exiting,
    /// An array of which some subjob has begun.
    Begun,
    /// A subjob that is over while its array is not.
    Expired,
    Finished,
}

impl State {
    /// As the column `S` shows it.
    pub const fn letter(self) -> char {
        match self {
            Self::Queued => 'Q',
            Self::Running => 'R',
            Self::Held => 'H',
            Self::Waiting => 'W',
            Self::Suspended => 'S',
            Self::Exiting => 'E',
            Self::Begun => 'B',
            Self::Expired => 'X',
            Self::Finished => 'F',
        }
    }
}

/// What a line of `qstat` is about.
#[derive(Clone, Debug, PartialEq)]
pub enum RowKind {
    /// A job of its own.
    Single,
    /// An array as one.
    Array {
        /// The indices of its subjobs.
        indices: Indices,
        /// How many wait, run, and are over.
        counts: Counts,
        /// The indices that have not begun.
        remaining: Vec<i64>,
        /// Whether some subjob has ended otherwise than with 0.
        bad: bool,
    },
    Subjob(i64),
}

/// Subjobs by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub queued: usize,
    /// Running or suspended.
    pub running: usize,
    pub expired: usize,
}

/// A job, an array, or a subjob.
#[derive(Clone, Debug)]
pub struct Job {
    pub number: u32,
    /// Which of them it is.
    pub kind: RowKind,
    pub state: State,
    /// Its ad; of an array, that of some subjob.
    pub ad: ClassAd,
    /// `Exit_status`, of what is over.
    pub exit_status: Option<i64>,
    /// When the first subjob began, of an array and of those of its subjobs that have not.
    pub began: Option<i64>,
}

/// What says which job an ad is of, whose, in which queue, and how it stands.
pub(crate) const STANDING: &[&str] = &[
    attr::CLUSTER_ID,
    attr::PROC_ID,
    attr::OWNER,
    attr::JOB_STATUS,
    attr::HOLD_REASON_CODE,
    attr::TOTAL_SUBMIT_PROCS,
    attr::JOB_MATERIALIZE_NEXT_PROC_ID,
    attr::NUM_JOB_STARTS,
    attr::REMOTE_HOST,
    attr::JOB_CURRENT_START_DATE,
    attr::JOB_CURRENT_START_TRANSFER_OUTPUT_DATE,
    attribute::EXECUTION_TIME,
    attribute::INDICES,
    attribute::QUEUE,
];

/// What tells subjobs apart.
pub(crate) const OF_SUBJOBS: &[&str] = &[attribute::INDEX];

/// What says how a job ended.
pub(crate) const OF_ENDS: &[&str] = &[
    attr::ENTERED_CURRENT_STATUS,
    attr::EXIT_CODE,
    attr::EXIT_SIGNAL,
    attr::LAST_JOB_STATUS,
    attr::REMOVE_REASON,
    attribute::COMMAND,
    attribute::INDEX,
    HISTORY_DELETED,
];

/// What names it: of a job of HTCondor's, its batch or its program.
pub(crate) const NAMES: &[&str] = &[attribute::NAME, attr::JOB_BATCH_NAME, attr::CMD];

/// Jobs of a cluster that are told as one.
#[derive(Debug)]
struct Member {
    /// Of the first.
    ad: ClassAd,
    count: usize,
}

/// Everything that is known of a cluster.
#[derive(Debug, Default)]
pub(crate) struct Cluster {
    queued: Vec<Member>,
    finished: Vec<ClassAd>,
}

/// Makes clusters of the ads of a queue, which come by number.
#[derive(Debug, Default)]
pub(crate) struct Clusters {
    begun: Option<(u32, Cluster)>,
}

impl Clusters {
    /// Takes an ad; gives the cluster before, if it is of another.
    pub(crate) fn add(&mut self, ad: ClassAd) -> Option<(u32, Cluster)> {
        let number = number(&ad);
        let complete = self.begun.take_if(|(begun, _)| *begun != number);
        self.begun.get_or_insert_with(|| (number, Cluster::default())).1.add_queued(ad);
        complete
    }

    /// The cluster after which no ad came.
    pub(crate) fn last(self) -> Option<(u32, Cluster)> {
        self.begun
    }
}

impl Cluster {
    /// An ad of the queue. A job that is over may stay there until somebody has seen it.
    pub(crate) fn add_queued(&mut self, ad: ClassAd) {
        let is_over = matches!(status(&ad), Some(JobStatus::Completed | JobStatus::Removed));
        if is_over && !is_exiting(&ad) {
            self.finished.push(ad);
            return;
        }
        let count = int(&ad, attr::GROUP_COUNT).and_then(|count| usize::try_from(count).ok());
        self.queued.push(Member { ad, count: count.unwrap_or(1) });
    }

    /// An ad of the history.
    pub(crate) fn add_finished(&mut self, ad: ClassAd) {
        self.finished.push(ad);
    }

    /// Whether some of an array is over, and some is not.
    pub(crate) fn has_begun_array(&self) -> bool {
        let is_array = |indices: &Indices| {
            let (all, left) = (indices.iter().count(), self.left(indices));
            left > 0 && left < all
        };
        self.indices().as_ref().is_some_and(is_array)
    }

    /// How many subjobs are not over: those in the queue, and those that come into it later.
    fn left(&self, indices: &Indices) -> usize {
        let queued: usize = self.queued.iter().map(|member| member.count).sum();
        queued + self.later(indices)
    }

    /// How many subjobs come into the queue later.
    fn later(&self, indices: &Indices) -> usize {
        let made = int(self.ad(), attr::JOB_MATERIALIZE_NEXT_PROC_ID);
        let made = made.and_then(|made| usize::try_from(made).ok());
        made.map_or(0, |made| indices.iter().count().saturating_sub(made))
    }

    /// Whether nothing of it is in the queue.
    pub(crate) fn is_over(&self) -> bool {
        self.queued.is_empty()
    }

    /// Whether all of it is over, and its history deleted.
    pub(crate) fn is_deleted(&self) -> bool {
        let is_deleted = |ad: &ClassAd| ad.literal(HISTORY_DELETED).is_some_and(Value::is_true);
        self.is_over() && self.finished.iter().all(is_deleted)
    }

    /// The ad of any of its jobs.
    pub(crate) fn ad(&self) -> &ClassAd {
        static NONE: std::sync::LazyLock<ClassAd> = std::sync::LazyLock::new(ClassAd::new);
        let queued = self.queued.first().map(|member| &member.ad);
        queued.or(self.finished.first()).unwrap_or(&NONE)
    }

    /// The indices of an array.
    pub(crate) fn indices(&self) -> Option<Indices> {
        if let Some(written) = text(self.ad(), attribute::INDICES) {
            return Indices::written(written);
        }
        let jobs = int(self.ad(), attr::TOTAL_SUBMIT_PROCS).unwrap_or(1);
        (jobs > 1).then(|| Indices::written(&format!("0-{}", jobs - 1))).flatten()
    }

    /// Whether any of it runs.
    pub(crate) fn runs(&self) -> bool {
        self.queued.iter().any(|member| is_running(&member.ad))
    }

    /// The ads of those that run.
    pub(crate) fn running(&self) -> impl Iterator<Item = &ClassAd> {
        self.queued.iter().map(|member| &member.ad).filter(|ad| is_running(ad))
    }

    /// Whether this job of the cluster is over.
    pub(crate) fn has_ended(&self, proc: u32) -> bool {
        self.finished.iter().any(|ad| int(ad, attr::PROC_ID) == Some(i64::from(proc)))
    }

    /// The job, or the array as one.
    pub(crate) fn whole(&self, number: u32, now: i64) -> Job {
        let ad = self.ad().clone();
        let Some(indices) = self.indices() else {
            let state = state(&ad, now);
            let exit_status = exit_status_of(&ad).filter(|_| state != State::Exiting);
            return Job { number, kind: RowKind::Single, state, ad, exit_status, began: None };
        };
        let of_those = |wanted: bool| {
            let has_run = |ad: &ClassAd| is_running(ad) || is_exiting(ad);
            self.queued.iter().filter(move |member| has_run(&member.ad) == wanted)
        };
        let running = of_those(true).map(|member| member.count).sum();
        let all = indices.iter().count();
        let expired = all.saturating_sub(self.left(&indices));
        // Subjobs that are not in the queue yet count as waiting.
        let later = self.later(&indices);
        let counts = Counts { queued: all - running - expired, running, expired };
        let waiting = of_those(false).filter_map(|member| index(&member.ad));
        let remaining = match later {
            0 => waiting.collect(),
            _ => waiting.chain(indices.iter().skip(all - later)).collect(),
        };
        let is = |wanted| self.queued.iter().any(|member| state(&member.ad, now) == wanted);
        let whole = match () {
            () if self.is_over() => State::Finished,
            () if is(State::Held) => State::Held,
            () if running + expired > 0 => State::Begun,
            () if is(State::Waiting) => State::Waiting,
            () => State::Queued,
        };
        // What holds it is said by one that is held.
        let held = self.queued.iter().find(|member| state(&member.ad, now) == State::Held);
        let ad = held.filter(|_| whole == State::Held).map_or(ad, |member| member.ad.clone());
        let exit_status = self.last_status().filter(|_| self.is_over());
        let bad = self.finished.iter().filter_map(exit_status_of).any(|status| status != 0);
        let kind = RowKind::Array { indices, counts, remaining, bad };
        Job { number, kind, state: whole, ad, exit_status, began: self.began() }
    }

    /// How the subjob ended that ended last; none if none ever ran.
    fn last_status(&self) -> Option<i64> {
        let when = |ad: &&ClassAd| int(ad, attr::ENTERED_CURRENT_STATUS);
        let ran = self.finished.iter().filter(|ad| exit_status_of(ad).is_some());
        ran.max_by_key(when).and_then(exit_status_of)
    }

    /// When the first of its jobs began.
    fn began(&self) -> Option<i64> {
        let queued = self.queued.iter().map(|member| &member.ad);
        let began = |ad: &ClassAd| int(ad, attr::JOB_START_DATE).filter(|at| *at > 0);
        queued.chain(&self.finished).filter_map(began).min()
    }

    /// All subjobs of an array, in the order of their indices.
    pub(crate) fn subjobs(&self, number: u32, now: i64) -> Vec<Job> {
        let Some(indices) = self.indices() else { return Vec::new() };
        let mut known: BTreeMap<i64, (&ClassAd, bool)> = BTreeMap::new();
        known.extend(self.finished.iter().filter_map(|ad| Some((index(ad)?, (ad, true)))));
        let queued = self.queued.iter().map(|member| &member.ad);
        known.extend(queued.filter_map(|ad| Some((index(ad)?, (ad, false)))));
        let began = self.began();
        let subjob = |index: i64| {
            let found = known.get(&index);
            let (ad, is_over) = found.copied().unwrap_or((self.ad(), false));
            let state = match (is_over, found) {
                (true, _) if self.is_over() => State::Finished,
                (true, _) => State::Expired,
                (false, None) => State::Queued,
                // What is held is the array (OpenPBS 23.06).
                (false, Some(_)) => match state(ad, now) {
                    State::Held | State::Waiting => State::Queued,
                    state => state,
                },
            };
            let exit_status = if is_over { exit_status_of(ad) } else { None };
            let began = began.filter(|_| state == State::Queued);
            Job { number, kind: RowKind::Subjob(index), state, ad: ad.clone(), exit_status, began }
        };
        indices.iter().map(subjob).collect()
    }
}

impl Job {
    /// The job of an ad, and its number: of a cluster of several, one of them.
    pub(crate) fn of_ad(ad: ClassAd, now: i64) -> Option<(JobId, Self)> {
        let number = number(&ad);
        let proc = int(&ad, attr::PROC_ID).and_then(|proc| u32::try_from(proc).ok())?;
        let is_array = text(&ad, attribute::INDICES).is_some()
            || int(&ad, attr::TOTAL_SUBMIT_PROCS).is_some_and(|jobs| jobs > 1);
        let kind = match index(&ad).filter(|_| is_array) {
            Some(index) => RowKind::Subjob(index),
            None => RowKind::Single,
        };
        let state = state(&ad, now);
        let exit_status = exit_status_of(&ad).filter(|_| state != State::Exiting);
        let job = Self { number, kind, state, ad, exit_status, began: None };
        Some((JobId::new(number, proc), job))
    }

    /// `12.host`, `12[].host`, `12[4].host`.
    pub fn id(&self, server: &str) -> String {
        let number = self.number;
        match &self.kind {
            RowKind::Single => format!("{number}.{server}"),
            RowKind::Array { .. } => format!("{number}[].{server}"),
            RowKind::Subjob(index) => format!("{number}[{index}].{server}"),
        }
    }

    /// Its name: of a job of HTCondor's, that of its batch or its program.
    pub fn name(&self) -> String {
        let own = text(&self.ad, attribute::NAME).or_else(|| text(&self.ad, attr::JOB_BATCH_NAME));
        let program = || text(&self.ad, attr::CMD).and_then(|path| path.rsplit('/').next());
        own.or_else(program).unwrap_or_default().to_owned()
    }

    /// The queue that it is in; a job of HTCondor's is shown in the first.
    pub fn queue(&self) -> &str {
        text(&self.ad, attribute::QUEUE).unwrap_or(FIRST_QUEUE)
    }

    /// Whose it is.
    pub fn owner(&self) -> String {
        text(&self.ad, attr::OWNER).unwrap_or_default().to_owned()
    }

    /// A text of its ad.
    pub fn text(&self, name: &str) -> Option<&str> {
        text(&self.ad, name)
    }

    /// A number of its ad.
    pub fn int(&self, name: &str) -> Option<i64> {
        int(&self.ad, name)
    }

    /// `Resource_List`. A job of HTCondor's has what it asks a machine for.
    pub fn resources(&self) -> Vec<(String, String)> {
        if let Some(list) = self.text(attribute::RESOURCES) {
            return pairs(list);
        }
        let cpus = self.int(attr::REQUEST_CPUS).unwrap_or(1);
        let memory = self.int(attr::REQUEST_MEMORY);
        let chunk = memory.map_or_else(String::new, |mib| format!(":mem={mib}mb"));
        let mut all =
            vec![("ncpus".to_owned(), cpus.to_string()), ("nodect".to_owned(), "1".to_owned())];
        if let Some(mib) = memory {
            all.insert(0, ("mem".to_owned(), format!("{mib}mb")));
        }
        all.push(("select".to_owned(), format!("1:ncpus={cpus}{chunk}")));
        all
    }

    /// One of `Resource_List`.
    pub fn resource(&self, name: &str) -> Option<String> {
        self.resources().into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// What each of its chunks has.
    pub fn chunks(&self) -> Chunks {
        let said = self.text(attribute::CHUNKS).map(unfolded);
        let said = said.or_else(|| self.resource("select"));
        said.and_then(|text| Chunks::read(&text)).unwrap_or_default()
    }

    /// Whether a run of it is under way, or was when it ended. One that is to run again has none.
    pub fn has_run(&self) -> bool {
        match self.state {
            State::Running | State::Suspended | State::Exiting => true,
            State::Queued | State::Held | State::Waiting => false,
            State::Begun | State::Expired | State::Finished => self.has_begun(),
        }
    }

    /// Whether it has run, ever.
    pub fn has_begun(&self) -> bool {
        self.int(attr::NUM_JOB_STARTS).unwrap_or(0) > 0
            || matches!(self.state, State::Running | State::Suspended)
    }

    /// Whether it is over.
    pub const fn has_ended(&self) -> bool {
        matches!(self.state, State::Finished | State::Expired)
    }

    /// Whether its user holds it too, beside what it waits for.
    pub fn is_held_besides(&self) -> bool {
        self.ad.literal(model::depend::HELD_BESIDES).is_some_and(Value::is_true)
    }

    /// `Rerunable`, if anything is said of it.
    pub fn is_rerunable(&self) -> Option<bool> {
        self.ad.literal(attribute::RERUNABLE).and_then(Value::as_bool)
    }

    /// Seconds of processor time.
    pub fn cpu_s(&self) -> u64 {
        let of = |name| self.ad.literal(name).and_then(Value::as_f64).unwrap_or(0.0);
        let seconds = of(attr::REMOTE_USER_CPU) + of(attr::REMOTE_SYS_CPU);
        u64::try_from(time::whole_seconds(seconds)).unwrap_or(0)
    }

    /// Seconds since its run began, or that its run took.
    pub fn wall_s(&self, now: i64) -> u64 {
        let until = program_ended(&self.ad);
        let now = until.unwrap_or(now);
        let runs = matches!(self.state, State::Running | State::Suspended) || until.is_some();
        let since = runs.then(|| self.int(attr::JOB_CURRENT_START_DATE)).flatten();
        let before = || {
            let total = self.ad.literal(attr::REMOTE_WALL_CLOCK_TIME).and_then(Value::as_f64);
            time::whole_seconds(total.unwrap_or(0.0))
        };
        u64::try_from(since.map_or_else(before, |since| now - since)).unwrap_or(0)
    }
}

/// `name=value` words.
pub(crate) fn pairs(list: &str) -> Vec<(String, String)> {
    let all = words::split_v2(&unfolded(list)).unwrap_or_default().into_iter();
    all.filter_map(|pair| pair.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned()))).collect()
}

/// A string of an ad.
pub(crate) fn text<'a>(ad: &'a ClassAd, name: &str) -> Option<&'a str> {
    ad.literal(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A number of an ad.
pub(crate) fn int(ad: &ClassAd, name: &str) -> Option<i64> {
    ad.literal(name).and_then(Value::as_i64)
}

/// The number of the cluster that an ad is of.
pub(crate) fn number(ad: &ClassAd) -> u32 {
    int(ad, attr::CLUSTER_ID).and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

/// The index of a subjob: that of its array, or its number in the cluster.
pub(crate) fn index(ad: &ClassAd) -> Option<i64> {
    let own = ad.eval(attribute::INDEX, None, &Env::at(0)).as_i64();
    own.or_else(|| int(ad, attr::PROC_ID))
}

fn status(ad: &ClassAd) -> Option<JobStatus> {
    let number = int(ad, attr::JOB_STATUS)?;
    [
        JobStatus::Idle,
        JobStatus::Running,
        JobStatus::Removed,
        JobStatus::Completed,
        JobStatus::Held,
        JobStatus::Suspended,
    ]
    .into_iter()
    .find(|status| status.number() == number)
}

fn is_running(ad: &ClassAd) -> bool {
    matches!(status(ad), Some(JobStatus::Running | JobStatus::Suspended))
}

/// When its program ended, if what is done after that is not over.
fn program_ended(ad: &ClassAd) -> Option<i64> {
    let began = int(ad, attr::JOB_CURRENT_START_DATE).unwrap_or(0);
    let ended = int(ad, attr::JOB_CURRENT_START_TRANSFER_OUTPUT_DATE)?;
    (status(ad) == Some(JobStatus::Running) && ended >= began).then_some(ended)
}

/// Whether it is removed as soon as its run is over.
fn is_exiting(ad: &ClassAd) -> bool {
    status(ad) == Some(JobStatus::Removed) && text(ad, attr::REMOTE_HOST).is_some()
}

fn state(ad: &ClassAd, now: i64) -> State {
    match status(ad) {
        None | Some(JobStatus::Idle) => State::Queued,
        Some(JobStatus::Running) if program_ended(ad).is_some() => State::Exiting,
        Some(JobStatus::Running) => State::Running,
        Some(JobStatus::Removed) if is_exiting(ad) => State::Exiting,
        Some(JobStatus::Removed | JobStatus::Completed) => State::Finished,
        Some(JobStatus::Suspended) => State::Suspended,
        Some(JobStatus::Held) => {
            let own = i64::from(HoldCode::SubmittedOnHold.number());
            let is_first = int(ad, attr::HOLD_REASON_CODE) == Some(own);
            let waits = int(ad, attribute::EXECUTION_TIME).is_some_and(|moment| moment > now);
            if is_first && waits { State::Waiting } else { State::Held }
        }
    }
}

/// What PBS adds to the number of the signal that ended a command, and that ended a shell.
const OF_A_COMMAND: i64 = 256;
const OF_A_SHELL: i64 = 128;

/// A job that was deleted while it ran: by SIGTERM.
const DELETED: i64 = OF_A_COMMAND + 15;

/// `Exit_status` of a job that is over; none if it never ran.
fn exit_status_of(ad: &ClassAd) -> Option<i64> {
    match status(ad)? {
        JobStatus::Completed => match int(ad, attr::EXIT_SIGNAL) {
            Some(signal) if text(ad, attribute::COMMAND).is_some() => Some(OF_A_COMMAND + signal),
            Some(signal) => Some(OF_A_SHELL + signal),
            None => int(ad, attr::EXIT_CODE),
        },
        JobStatus::Removed => {
            let exceeded = text(ad, attr::REMOVE_REASON).and_then(RunLimit::of_reason);
            let ran = [JobStatus::Running.number(), JobStatus::Suspended.number()];
            let was_running =
                int(ad, attr::LAST_JOB_STATUS).is_some_and(|status| ran.contains(&status));
            match (exceeded, was_running) {
                (Some(limit), _) => Some(limit.exit_status()),
                (None, true) => Some(DELETED),
                (None, false) => None,
            }
        }
        JobStatus::Idle | JobStatus::Running | JobStatus::Held | JobStatus::Suspended => None,
    }
}
