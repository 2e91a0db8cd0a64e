//! `qdel`, `qrerun`: something is done to each job that is named;
//! those that cannot be are told, and the others done. What the commands have in common is `Verb`;
//! `placing` has those that move jobs.

use std::collections::BTreeSet;

use client::{Action, FrontEnd, Schedd, Select, Selector};
use jobspec::pbs::{JobWord, Subjobs, code};
use model::{ClusterId, JobId, ProcId};
use proto::client::ActResult;

use super::found::{self, Asked, Finished};
use super::words::Line;
use crate::line::output::complain;
use crate::render::pbs::Here;
use crate::render::pbs::job::Cluster;
use crate::render::pbs::{Job, RowKind};

const DELETE_USAGE: &str =
    "usage:\n\tqdel [-W force|suppress_email=X] [-x] job_identifier...\n\tqdel --version\n";

/// What OpenPBS says of somebody else's job, and of one that is not in a state for that.
pub(super) const NOT_PERMITTED: &str = "Unauthorized Request ";
pub(super) const BAD_STATE: &str = "Request invalid for state of job";

/// `qdel`.
pub(super) fn delete(words: &[String], here: &Here) -> u8 {
    let line = match read(here, words, "W:x", DELETE_USAGE) {
        Ok(line) => line,
        Err(exit) => return exit,
    };
    let how = line.value('W').unwrap_or("suppress_email=0");
    let is_count = how.strip_prefix("suppress_email=").unwrap_or(how).parse::<i32>().is_ok();
    if how != "force" && !how.starts_with("suppress_email=") && !is_count {
        here.say("illegal -W value");
        complain(DELETE_USAGE);
        return code::USAGE;
    }
    if line.has('x') {
        here.say("-x is not supported yet: what has happened is kept for as long as the pool's configuration says");
        return code::NOT_SUPPORTED;
    }
    let reason = format!("Job deleted at request of {}@{}", client::site::me(), here.server);
    let force = how == "force";
    let verb = Verb { finished_with_id: true, subjobs: true, ..Verb::PLAIN };
    let remove = |force| Action::Remove { reason: Some(reason.clone()), force };
    verb.each(here, &line.operands, &mut |schedd, found| {
        verb.act(here, schedd, found, &|_| remove(false))?;
        // What its machine has not said to be over is over by force.
        if force { verb.act(here, schedd, found, &|_| remove(true)) } else { Ok(()) }
    })
}

/// `qrerun`.
pub(super) fn rerun(words: &[String], here: &Here) -> u8 {
    let usage = "usage: qrerun [-W force] job_identifier...\n       qrerun --version\n";
    let line = match read(here, words, "W:", usage) {
        Ok(line) => line,
        Err(exit) => return exit,
    };
    let how = line.value('W');
    if how.is_some_and(|how| how != "force") {
        here.say("illegal -W value");
        complain(usage);
        return code::USAGE;
    }
    let verb = Verb::OF_STATES;
    verb.each(here, &line.operands, &mut |schedd, found| {
        let job = found.cluster.whole(found.word.number, here.now);
        if how.is_none() && job.is_rerunable() == Some(false) {
            return Err((code::NOT_RERUNABLE, "job is not rerunnable".to_owned()));
        }
        verb.act(here, schedd, found, &|_| Action::Vacate { fast: false })
    })
}

/// The words of a command that takes job identifiers.
pub(super) fn read(here: &Here, words: &[String], known: &str, usage: &str) -> Result<Line, u8> {
    match Line::read(words, known) {
        Ok(line) if !line.operands.is_empty() => Ok(line),
        other => Err(usage_of(here, other.err(), usage)),
    }
}

/// How a command is used; what was wrong before it.
pub(super) fn usage_of(here: &Here, wrong: Option<Vec<String>>, usage: &str) -> u8 {
    for message in wrong.unwrap_or_default() {
        here.say(message);
    }
    complain(usage);
    code::USAGE
}

/// A job, or jobs of an array, that something can be done to.
pub(super) struct Found<'a> {
    pub(super) id: String,
    pub(super) word: JobWord,
    pub(super) cluster: &'a Cluster,
    pub(super) selectors: Vec<Selector>,
}

impl Found<'_> {
    /// Whether the word names this job of the array, or all of them.
    pub(super) fn names(&self, job: &Job) -> bool {
        let subjobs = self.word.subjobs;
        match job.kind {
            RowKind::Subjob(index) => subjobs.has(index),
            RowKind::Single | RowKind::Array { .. } => !matches!(subjobs, Subjobs::Some { .. }),
        }
    }
}

/// Why it is not done: the exit code, and what is said, without the job's identifier.
pub(super) type Refused = (u8, String);

/// What OpenPBS's commands differ in.
#[derive(Clone, Copy)]
pub(super) struct Verb {
    /// Whether a finished job is told of with its identifier.
    finished_with_id: bool,
    /// Whether subjobs may be named.
    subjobs: bool,
    /// Whether a job that is so already, or in another state, is no mistake.
    state_does_not_matter: bool,
}

impl Verb {
    /// What most of them have in common.
    pub(super) const PLAIN: Self =
        Self { finished_with_id: false, subjobs: false, state_does_not_matter: true };

    /// The same, of subjobs too.
    pub(super) const OF_SUBJOBS: Self = Self { subjobs: true, ..Self::PLAIN };

    /// The same, where the state matters.
    pub(super) const OF_STATES: Self =
        Self { subjobs: true, state_does_not_matter: false, ..Self::PLAIN };

    /// Does it to each; the exit code of the last that failed.
    pub(super) fn run(
        self,
        here: &Here,
        words: &[String],
        action: impl Fn(&JobWord) -> Action,
    ) -> u8 {
        self.each(here, words, &mut |schedd, found| self.act(here, schedd, found, &action))
    }

    /// Only says what of the jobs there is not.
    pub(super) fn only_look(self, here: &Here, words: &[String]) -> u8 {
        self.each(here, words, &mut |_, _| Ok(()))
    }

    /// Does something to each job that is there; the exit code of the last that failed.
    pub(super) fn each(
        self,
        here: &Here,
        words: &[String],
        deed: &mut dyn FnMut(&mut Schedd, &Found<'_>) -> Result<(), Refused>,
    ) -> u8 {
        let mut schedd = match here.connect() {
            Ok(schedd) => schedd,
            Err(exit) => return exit,
        };
        let mut exit = 0;
        for text in words {
            exit = self.one(here, &mut schedd, text, deed).err().unwrap_or(exit);
        }
        exit
    }

    fn one(
        self,
        here: &Here,
        schedd: &mut Schedd,
        text: &str,
        deed: &mut dyn FnMut(&mut Schedd, &Found<'_>) -> Result<(), Refused>,
    ) -> Result<(), u8> {
        let word = found::read(here, text)?;
        let id = found::full(here, &word);
        let refuse = |exit: u8, message: &str| {
            here.say(message);
            Err(exit)
        };
        let numbers = BTreeSet::from([word.number]);
        let clusters = found::look_up(schedd, &Asked::numbered(&numbers, Finished::All));
        let clusters = clusters.map_err(|error| here.cannot_connect(&error))?;
        let Some(cluster) = clusters.get(&word.number) else {
            return refuse(code::UNKNOWN_JOB, &format!("Unknown Job Id {id}"));
        };
        let selectors = match self.selectors(&word, cluster) {
            Ok(selectors) => selectors,
            Err((exit, said)) => return refuse(exit, &format!("{said} {id}")),
        };
        if cluster.is_over() {
            let id = if self.finished_with_id { format!(" {id}") } else { String::new() };
            return refuse(code::FINISHED, &format!("Job has finished{id}"));
        }
        let found = Found { id, word, cluster, selectors };
        deed(schedd, &found).or_else(|(exit, said)| match said.as_str() {
            "" => Err(exit),
            said => refuse(exit, &format!("{said} {}", found.id)),
        })
    }

    fn act(
        self,
        here: &Here,
        schedd: &mut Schedd,
        found: &Found<'_>,
        action: &dyn Fn(&JobWord) -> Action,
    ) -> Result<(), Refused> {
        let action = action(&found.word);
        let acted = schedd.act_through(FrontEnd::Pbs, action, Select::Any(found.selectors.clone()));
        let acted = acted.map_err(|error| (here.cannot_connect(&error), String::new()))?;
        let has = |wanted| acted.iter().any(|acted| acted.result == wanted);
        if has(ActResult::Done) {
            return Ok(());
        }
        if has(ActResult::PermissionDenied) {
            return Err((code::NOT_PERMITTED, NOT_PERMITTED.to_owned()));
        }
        if self.state_does_not_matter || !has(ActResult::BadStatus) {
            return Ok(());
        }
        Err((code::BAD_STATE, BAD_STATE.to_owned()))
    }

    /// The jobs of the cluster that the word names.
    fn selectors(
        self,
        word: &JobWord,
        cluster: &Cluster,
    ) -> Result<Vec<Selector>, (u8, &'static str)> {
        let id = ClusterId(word.number);
        let (start, end, step) = match word.subjobs {
            Subjobs::Some { start, end, step } => (start, end, step),
            // Beyond OpenPBS, the number alone names an array too.
            Subjobs::None => return Ok(vec![Selector::Cluster(id)]),
            Subjobs::Whole if cluster.indices().is_some() => {
                return Ok(vec![Selector::Cluster(id)]);
            }
            Subjobs::Whole => return Err((code::UNKNOWN_JOB, "Unknown Job Id")),
        };
        let Some(indices) = cluster.indices() else {
            return Err((code::UNKNOWN_JOB, "Unknown Job Id"));
        };
        if !self.subjobs || !word.subjobs.is_range() {
            return Err((code::INVALID_REQUEST, "Invalid request"));
        }
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        let procs: Vec<u32> =
            (start..=end).step_by(step).filter_map(|index| indices.position(index)).collect();
        if procs.is_empty() {
            let range = start != end;
            return Err(match range {
                true => (code::UNKNOWN_JOB, "Unknown Job Id"),
                false => (code::INVALID_REQUEST, "Invalid request"),
            });
        }
        let job = |proc: &u32| Selector::Job(JobId { cluster: id, proc: ProcId(*proc) });
        let live: Vec<u32> =
            procs.iter().copied().filter(|proc| !cluster.has_ended(*proc)).collect();
        if live.is_empty() && !cluster.is_over() {
            const SUBJOB_ENDED: u8 = 55;
            let exit = if self.finished_with_id { SUBJOB_ENDED } else { code::BAD_STATE };
            return Err((exit, "Request invalid for finished array subjob"));
        }
        Ok(live.iter().map(job).collect())
    }
}
