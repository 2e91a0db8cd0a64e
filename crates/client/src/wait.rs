//! Waiting until jobs have ended: what counts as an end, judged by what is true now and then by
//! what happens. How an end is shown is the caller's matter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;

use classad::{ClassAd, Value};
use model::{
    AfterRun, ClusterId, HoldCode, JobEvent, JobId, ProcId, RunEnd, Seq, StopCause, UserName, attr,
};
use proto::client::named::Named;
use proto::client::{Happening, Query, Recorded, Refusal, Select};
use proto::command::AskError;

use crate::home::Home;

/// How a job ended, as far as one who waits cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With exit code 0, or its outputs were up to date.
    Good,
    /// In another way, which the text says: `ended with exit code 3`.
    Bad(String),
    /// It is held, for this reason: nothing more happens by itself.
    Held(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => RunEnd::exited(0).fmt(f),
            Self::Bad(how) => f.write_str(how),
            Self::Held(reason) => write!(f, "is held: {reason}"),
        }
    }
}

impl Home {
    /// Waits until all jobs that `select` names have ended, and tells of each end once: first of
    /// those that have ended or are held now, then of the others as it happens. Gives how many jobs
    /// there are. `each` may break off.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked, or the pool is stopped meanwhile; or what `each` says.
    pub fn wait<E: From<AskError>>(
        &self,
        select: &Select,
        mut each: impl FnMut(JobId, &End) -> Result<ControlFlow<()>, E>,
    ) -> Result<usize, E> {
        let (mut seen, ads) = self.standing(select)?;
        let mut waiting = Waiting::of(select, &ads);
        for (job, end) in ads.iter().filter_map(|ad| Some((id(ad)?, now(ad)?))) {
            if waiting.ends(job) && each(job, &end)?.is_break() {
                return Ok(waiting.all);
            }
        }
        while !waiting.is_over() {
            let heard = self.follow::<Broken<E>>(seen.next(), select.clone(), |events| {
                let went = waiting.hear(events, &mut each).map_err(Broken::Reader)?;
                Ok(if waiting.is_over() { ControlFlow::Break(()) } else { went })
            });
            match heard {
                Ok(()) => break,
                Err(Broken::Reader(error)) => return Err(error),
                // Nothing of these jobs was said for so long that what was said last has left the
                // record: it is looked up how they stand now.
                Err(Broken::Ask(AskError::Refused(Refusal::Gone { .. }))) => {
                    let (later, ads) = self.standing(select)?;
                    seen = later;
                    for (job, end) in waiting.missed(&ads) {
                        if waiting.ends(job) && each(job, &end)?.is_break() {
                            return Ok(waiting.all);
                        }
                    }
                }
                Err(Broken::Ask(error)) => return Err(error.into()),
            }
        }
        Ok(waiting.all)
    }

    /// The jobs in the queue and past it, and up to which event of the record they are so at least.
    fn standing(&self, select: &Select) -> Result<(Seq, Vec<ClassAd>), AskError> {
        let mut schedd = self.schedd()?;
        // What happens while it is asked is in the record, after this number.
        let seen = schedd.totals()?.seq;
        // The queue first: a job that leaves it in between is then found twice, and else it would
        // be found nowhere.
        let mut ads = schedd.jobs(Query::of(select.clone()))?;
        ads.extend(schedd.jobs(Query { finished: true, ..Query::of(select.clone()) })?);
        Ok((seen, ads))
    }
}

/// Why it is not followed on.
enum Broken<E> {
    Ask(AskError),
    /// What who is told of ends said.
    Reader(E),
}

impl<E> From<AskError> for Broken<E> {
    fn from(error: AskError) -> Self {
        Self::Ask(error)
    }
}

/// The jobs that have not ended yet.
#[derive(Debug)]
struct Waiting {
    jobs: BTreeSet<JobId>,
    /// Those of factories that were not in the queue when it was asked.
    to_come: BTreeMap<ClusterId, ToCome>,
    /// How many there are in all.
    all: usize,
}

/// The jobs of a factory that are still to come.
#[derive(Debug)]
struct ToCome {
    /// The first of them.
    first: ProcId,
    /// How many have not ended yet.
    left: usize,
    ended: BTreeSet<ProcId>,
}

impl Waiting {
    /// The jobs of these ads, and what is to come of factories that are selected whole: which of
    /// the jobs to come a constraint means, nobody can tell.
    fn of(select: &Select, ads: &[ClassAd]) -> Self {
        let jobs: BTreeSet<JobId> = ads.iter().filter_map(id).collect();
        let named = match select {
            Select::Any(words) => Named::of(words),
            Select::All | Select::Constraint(_) => Named::default(),
        };
        let is_whole = |cluster, ad: &ClassAd| match select {
            Select::All => true,
            Select::Constraint(_) => false,
            Select::Any(_) => named.has_whole(cluster, &UserName::new(&text(ad, attr::OWNER))),
        };
        let mut to_come = BTreeMap::new();
        for (cluster, next, last) in ads
            .iter()
            .filter_map(|ad| Some((factory(ad)?, ad)))
            .filter(|((cluster, ..), ad)| is_whole(*cluster, ad))
            .map(|(factory, _)| factory)
        {
            // It may have grown while the queue was read.
            let known = jobs.range(..=JobId { cluster, proc: ProcId(u32::MAX) }).next_back();
            let known = known.filter(|job| job.cluster == cluster).map_or(0, |job| job.proc.0 + 1);
            let all: &mut (u32, u32) = to_come.entry(cluster).or_insert((known, last));
            all.0 = all.0.max(next);
        }
        let to_come: BTreeMap<ClusterId, ToCome> = to_come
            .into_iter()
            .map(|(cluster, (first, last))| {
                let left = last.saturating_sub(first) as usize;
                (cluster, ToCome { first: ProcId(first), left, ended: BTreeSet::new() })
            })
            .collect();
        let all = jobs.len() + to_come.values().map(|more| more.left).sum::<usize>();
        Self { jobs, to_come, all }
    }

    /// A job has come to an end: whether that is news.
    fn ends(&mut self, job: JobId) -> bool {
        if self.jobs.remove(&job) {
            return true;
        }
        let more = self.to_come.get_mut(&job.cluster).filter(|more| job.proc >= more.first);
        more.is_some_and(|more| {
            let is_news = more.ended.insert(job.proc);
            more.left = more.left.saturating_sub(usize::from(is_news));
            is_news
        })
    }

    /// Tells of the ends among these events.
    fn hear<E>(
        &mut self,
        events: &[Recorded],
        each: &mut impl FnMut(JobId, &End) -> Result<ControlFlow<()>, E>,
    ) -> Result<ControlFlow<()>, E> {
        for event in events {
            self.note(event);
            if let Some((job, end)) = end(event)
                && self.ends(job)
                && each(job, &end)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The ends that nobody told, by what is there now: what is nowhere has ended too.
    fn missed(&self, ads: &[ClassAd]) -> Vec<(JobId, End)> {
        let known: BTreeMap<JobId, &ClassAd> =
            ads.iter().filter_map(|ad| Some((id(ad)?, ad))).collect();
        let ended = known.iter().filter_map(|(job, ad)| Some((*job, now(ad)?)));
        let nowhere = self.jobs.iter().filter(|job| !known.contains_key(job)).map(|job| {
            let how = "has left the queue, and the history too: how it ended is not known";
            (*job, End::Bad(how.to_owned()))
        });
        ended.chain(nowhere).collect()
    }

    /// A factory may end before all have come.
    fn note(&mut self, recorded: &Recorded) {
        if let Happening::FactoryEnded { cluster, never } = &recorded.what
            && let Some(more) = self.to_come.get_mut(cluster)
        {
            let never = (*never as usize).min(more.left);
            more.left -= never;
            self.all -= never;
        }
    }

    fn is_over(&self) -> bool {
        self.jobs.is_empty() && self.to_come.values().all(|more| more.left == 0)
    }
}

/// The factory that an ad's job came from, if it goes on: its cluster, the next of its jobs and the
/// one behind the last.
fn factory(ad: &ClassAd) -> Option<(ClusterId, u32, u32)> {
    let number = |name| u32::try_from(int(ad, name)?).ok();
    let next = number(attr::JOB_MATERIALIZE_NEXT_PROC_ID)?;
    let last = number(attr::TOTAL_SUBMIT_PROCS)?;
    (next < last).then_some((id(ad)?.cluster, next, last))
}

fn int(ad: &ClassAd, name: &str) -> Option<i64> {
    ad.literal(name)?.as_i64()
}

fn text(ad: &ClassAd, name: &str) -> String {
    ad.literal(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Which job an ad is of.
pub fn id(ad: &ClassAd) -> Option<JobId> {
    let number = |name| u32::try_from(int(ad, name)?).ok();
    Some(JobId::new(number(attr::CLUSTER_ID)?, number(attr::PROC_ID)?))
}

/// The end of a job by its ad, if it has come to one.
pub fn now(ad: &ClassAd) -> Option<End> {
    let number = |name| int(ad, name).and_then(|number| i32::try_from(number).ok());
    match int(ad, attr::JOB_STATUS)? {
        REMOVED => Some(End::Bad(format!("was removed: {}", text(ad, attr::REMOVE_REASON)))),
        COMPLETED => Some(match (number(attr::EXIT_CODE), number(attr::EXIT_SIGNAL)) {
            (_, Some(signal)) => End::Bad(RunEnd::killed(signal).to_string()),
            (Some(0) | None, None) => End::Good,
            (Some(code), None) => End::Bad(RunEnd::exited(code).to_string()),
        }),
        HELD if int(ad, attr::HOLD_REASON_CODE)
            .is_some_and(|code| GO_ON.iter().any(|own| i64::from(own.number()) == code)) =>
        {
            None
        }
        HELD => Some(End::Held(text(ad, attr::HOLD_REASON))),
        _ => None,
    }
}

/// Holds that end by themselves: its files come, or the jobs that it waits for end.
const GO_ON: [HoldCode; 2] = [HoldCode::SpoolingInput, HoldCode::WaitsForJobs];

/// HTCondor's numbers in `JobStatus`.
const REMOVED: i64 = 3;
const COMPLETED: i64 = 4;
const HELD: i64 = 5;

/// The end of a job, if this is one.
pub fn end(recorded: &Recorded) -> Option<(JobId, End)> {
    let Happening::Job { job, event } = &recorded.what else { return None };
    let end = match event {
        JobEvent::RunOver { end, next, .. } => match next {
            AfterRun::Complete => how(end),
            AfterRun::Hold(hold) => End::Held(hold.reason.clone()),
            AfterRun::Remove { reason } => End::Bad(format!("was removed: {reason}")),
            AfterRun::Requeue { .. } => return None,
        },
        JobEvent::Skipped { end, .. } => how(end),
        JobEvent::Held(hold) if GO_ON.contains(&hold.code) => return None,
        JobEvent::Held(hold) => End::Held(hold.reason.clone()),
        JobEvent::Removed { reason, .. } => End::Bad(format!("was removed: {reason}")),
        JobEvent::StopRequested { cause, .. } => match cause {
            StopCause::Hold(_) | StopCause::Remove { .. } | StopCause::Vacate { .. } => {
                return None;
            }
        },
        JobEvent::RunAuthorised { .. }
        | JobEvent::RunStarted { .. }
        | JobEvent::PauseRequested { .. }
        | JobEvent::Suspended { .. }
        | JobEvent::Continued { .. }
        | JobEvent::Released { .. } => return None,
    };
    Some((*job, end))
}

fn how(end: &RunEnd) -> End {
    if end.is_success() { End::Good } else { End::Bad(end.to_string()) }
}

#[cfg(test)]
mod tests {
    use model::Timestamp;
    use proto::client::Selector;

    use super::*;

    #[test]
    fn what_is_true_now_says_whether_a_job_has_ended() {
        let held = |reason: &str| Some(End::Held(reason.to_owned()));
        let bad = |how: &str| Some(End::Bad(how.to_owned()));
        for (ad, expected) in [
            ("[ JobStatus = 1 ]", None),
            ("[ JobStatus = 2; HoldReason = \"an old one\" ]", None),
            ("[ JobStatus = 5; HoldReason = \"no luck\"; HoldReasonCode = 1 ]", held("no luck")),
            ("[ JobStatus = 5; HoldReason = \"files come\"; HoldReasonCode = 16 ]", None),
            ("[ JobStatus = 4; ExitCode = 0; ExitBySignal = false ]", Some(End::Good)),
            ("[ JobStatus = 4; ExitCode = 3 ]", bad("ended with exit code 3")),
            (
                "[ JobStatus = 4; ExitSignal = 9; ExitBySignal = true ]",
                bad("was ended by signal 9"),
            ),
            ("[ JobStatus = 3; RemoveReason = \"enough\" ]", bad("was removed: enough")),
        ] {
            let parsed = ClassAd::parse_new(ad).unwrap();
            assert_eq!(now(&parsed), expected, "{ad}");
        }
    }

    #[test]
    fn whose_end_was_missed_is_told_by_what_is_there_now_and_what_is_nowhere_has_ended() {
        let ad = |proc: u32, more: &str| {
            ClassAd::parse_new(&format!("[ ClusterId = 3; ProcId = {proc}; {more} ]")).unwrap()
        };
        let runs = [0, 1, 2].map(|proc| ad(proc, "JobStatus = 2"));
        let waiting = Waiting::of(&Select::All, &runs);
        let later = [ad(0, "JobStatus = 2"), ad(1, "JobStatus = 4; ExitCode = 0")];
        let missed = waiting.missed(&later);
        assert_eq!(missed[0], (JobId::new(3, 1), End::Good));
        assert_eq!(missed[1].0, JobId::new(3, 2));
        assert!(missed[1].1.to_string().contains("how it ended is not known"), "{missed:?}");
        assert_eq!(missed.len(), 2);
    }

    #[test]
    fn the_jobs_of_a_factory_that_are_still_to_come_are_waited_for() {
        let job = |proc: u32| {
            let factory = "JobMaterializeNextProcId = 2; TotalSubmitProcs = 6";
            let ad = format!("[ ClusterId = 3; ProcId = {proc}; Owner = \"ann\"; {factory} ]");
            ClassAd::parse_new(&ad).unwrap()
        };
        let id = |proc| JobId::new(3, proc);
        let select = Select::Any(vec![Selector::Owner(UserName::new("ann"))]);
        // The third came while the queue was read.
        let mut waiting = Waiting::of(&select, &[job(0), job(2)]);
        assert_eq!((waiting.all, waiting.to_come[&ClusterId(3)].left), (5, 3));
        assert!(waiting.ends(id(0)) && waiting.ends(id(3)) && waiting.ends(id(2)));
        assert!(!waiting.ends(id(3)), "it was told");
        assert!(!waiting.is_over());
        let what = Happening::FactoryEnded { cluster: ClusterId(3), never: 1 };
        waiting.note(&Recorded { seq: Seq(1), at: Timestamp::default(), what });
        assert!(waiting.ends(id(4)) && waiting.is_over());
        assert_eq!(waiting.all, 4);

        let one = Select::Any(vec![Selector::Job(id(0))]);
        assert_eq!(Waiting::of(&one, &[job(0)]).all, 1, "only that one is asked for");
    }
}
