//! `qdel`, `qrerun`: something is done to each job that is named;
//! those that cannot be are told, and the others done. What the commands have in common is `Verb`;
//! `placing` has those that move jobs.

use std::collections::BTreeSet;

use client::{Action, FrontEnd, Schedd, Select, Selector};
use jobspec::pbs::{JobWord, Subjobs, code};
use model::{ClusterId, JobId, ProcId};
use proto::client::{ActResult, Arrange};

use super::found::{self, Asked, Finished};
use super::placing::arrange;
use super::words::Line;
use crate::line::output::complain;
use crate::render::pbs::Here;
use crate::render::pbs::job::Cluster;
use crate::render::pbs::{Job, RowKind};

/// `qdel`.
pub(super) fn delete(words: &[String], here: &Here) -> u8 {
    let line = match read(here, words, "W:x") {
        Ok(line) => line,
        Err(exit) => return exit,
    };
    let how = line.value('W').unwrap_or("suppress_email=0");
    let is_count = how.strip_prefix("suppress_email=").unwrap_or(how).parse::<i32>().is_ok();
    if how != "force" && !how.starts_with("suppress_email=") && !is_count {
        return usage_of(here, Some(vec!["illegal -W value".to_owned()]));
    }
    let reason = format!("Job deleted at request of {}@{}", client::site::me(), here.server);
    let force = how == "force";
    let verb = Verb {
        finished_with_id: true,
        subjobs: true,
        takes_finished: line.has('x'),
        ..Verb::PLAIN
    };
    let remove = |force| Action::Remove { reason: Some(reason.clone()), force };
    // What is no identifier is told before anything is asked of the server (OpenPBS 23.06).
    let (mut named, mut wrong) = (Vec::new(), 0);
    for text in &line.operands {
        match found::read(here, text) {
            Ok(_) => named.push(text.clone()),
            Err(exit) => wrong = exit,
        }
    }
    let exit = verb.each(here, &named, &mut |schedd, found| {
        if verb.takes_finished && found.is_whole() {
            let jobs = found.selectors.clone();
            arrange(here, schedd, Arrange::Forget { jobs })?;
        }
        if found.cluster.is_over() {
            return Ok(());
        }
        verb.act(here, schedd, found, &|_| remove(false))?;
        // What its machine has not said to be over is over by force.
        if force { verb.act(here, schedd, found, &|_| remove(true)) } else { Ok(()) }
    });
    if exit == 0 { wrong } else { exit }
}

/// `qrerun`.
pub(super) fn rerun(words: &[String], here: &Here) -> u8 {
    let line = match read(here, words, "W:") {
        Ok(line) => line,
        Err(exit) => return exit,
    };
    let how = line.value('W');
    if how.is_some_and(|how| how != "force") {
        return usage_of(here, Some(vec!["illegal -W value".to_owned()]));
    }
    let verb = Verb::OF_STATES;
    verb.each(here, &line.operands, &mut |schedd, found| {
        let job = found.cluster.whole(found.word.number, here.now);
        if how.is_none() && job.is_rerunable() == Some(false) {
            return Err(Refused::because(code::NOT_RERUNABLE, "job is not rerunnable"));
        }
        verb.act(here, schedd, found, &|_| Action::Vacate { fast: false })
    })
}

/// The words of a command that takes job identifiers.
pub(super) fn read(here: &Here, words: &[String], known: &str) -> Result<Line, u8> {
    match Line::read(words, known) {
        Ok(line) if !line.operands.is_empty() => Ok(line),
        other => Err(usage_of(here, other.err())),
    }
}

/// Says how the command is called, behind what was wrong.
pub(super) fn usage_of(here: &Here, wrong: Option<Vec<String>>) -> u8 {
    for message in wrong.unwrap_or_default() {
        here.say(message);
    }
    complain(here.usage());
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
    /// Whether the word names all that was submitted together.
    fn is_whole(&self) -> bool {
        !matches!(self.word.subjobs, Subjobs::Some { .. })
    }

    /// Whether the word names this job of the array, or all of them.
    pub(super) fn names(&self, job: &Job) -> bool {
        let subjobs = self.word.subjobs;
        match job.kind {
            RowKind::Subjob(index) => subjobs.has(index),
            RowKind::Single | RowKind::Array { .. } => !matches!(subjobs, Subjobs::Some { .. }),
        }
    }
}

/// Why something is not done, with the exit code.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// This is said, before what it is about.
    Because(u8, String),
    /// It has been said.
    Told(u8),
}

impl Refused {
    pub(super) fn because(exit: u8, said: impl Into<String>) -> Self {
        Self::Because(exit, said.into())
    }

    /// It is somebody else's.
    pub(super) fn not_permitted() -> Self {
        Self::because(code::NOT_PERMITTED, "Unauthorized Request ")
    }

    /// It is not in a state for that.
    pub(super) fn bad_state() -> Self {
        Self::because(code::BAD_STATE, "Request invalid for state of job")
    }

    /// Says it of this, if it has not been said; gives the exit code.
    pub(super) fn say(self, here: &Here, of: impl std::fmt::Display) -> u8 {
        match self {
            Self::Because(exit, said) => {
                here.say(format_args!("{said} {of}"));
                exit
            }
            Self::Told(exit) => exit,
        }
    }
}

/// What OpenPBS's commands differ in.
#[derive(Clone, Copy)]
pub(super) struct Verb {
    /// Whether a finished job is told of with its identifier.
    finished_with_id: bool,
    /// Whether subjobs may be named.
    subjobs: bool,
    /// Whether a job that is so already, or in another state, is no mistake.
    state_does_not_matter: bool,
    /// Whether a finished job is one too; a subjob is none without the others.
    takes_finished: bool,
}

impl Verb {
    /// What most of them have in common.
    pub(super) const PLAIN: Self = Self {
        finished_with_id: false,
        subjobs: false,
        state_does_not_matter: true,
        takes_finished: false,
    };

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
        let numbers = BTreeSet::from([word.number]);
        let clusters = found::look_up(schedd, &Asked::numbered(&numbers, Finished::All));
        let clusters = clusters.map_err(|error| here.cannot_connect(&error))?;
        let Some(cluster) = clusters.get(&word.number) else {
            return Err(unknown().say(here, id));
        };
        let selectors = self.selectors(&word, cluster).map_err(|refused| refused.say(here, &id))?;
        let is_whole = !matches!(word.subjobs, Subjobs::Some { .. });
        if cluster.is_over() && !(self.takes_finished && is_whole) {
            let id = if self.finished_with_id { format!(" {id}") } else { String::new() };
            here.say(format_args!("Job has finished{id}"));
            return Err(code::FINISHED);
        }
        let found = Found { id, word, cluster, selectors };
        deed(schedd, &found).map_err(|refused| refused.say(here, &found.id))
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
        let acted = acted.map_err(|error| Refused::Told(here.cannot_connect(&error)))?;
        let has = |wanted| acted.iter().any(|acted| acted.result == wanted);
        if has(ActResult::Done) {
            return Ok(());
        }
        if has(ActResult::PermissionDenied) {
            return Err(Refused::not_permitted());
        }
        if self.state_does_not_matter || !has(ActResult::BadStatus) {
            return Ok(());
        }
        Err(Refused::bad_state())
    }

    /// The jobs of the cluster that the word names.
    fn selectors(self, word: &JobWord, cluster: &Cluster) -> Result<Vec<Selector>, Refused> {
        let id = ClusterId(word.number);
        let (start, end, step) = match word.subjobs {
            Subjobs::Some { start, end, step } => (start, end, step),
            // Beyond OpenPBS, the number alone names an array too.
            Subjobs::None => return Ok(vec![Selector::Cluster(id)]),
            Subjobs::Whole if cluster.indices().is_some() => {
                return Ok(vec![Selector::Cluster(id)]);
            }
            Subjobs::Whole => return Err(unknown()),
        };
        let Some(indices) = cluster.indices() else {
            return Err(unknown());
        };
        if !self.subjobs || !word.subjobs.is_range() {
            return Err(invalid());
        }
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        let procs: Vec<u32> =
            (start..=end).step_by(step).filter_map(|index| indices.position(index)).collect();
        if procs.is_empty() {
            return Err(if start == end { invalid() } else { unknown() });
        }
        let job = |proc: &u32| Selector::Job(JobId { cluster: id, proc: ProcId(*proc) });
        let live: Vec<u32> =
            procs.iter().copied().filter(|proc| !cluster.has_ended(*proc)).collect();
        if live.is_empty() && !cluster.is_over() {
            const SUBJOB_ENDED: u8 = 55;
            let exit = if self.finished_with_id { SUBJOB_ENDED } else { code::BAD_STATE };
            return Err(Refused::because(exit, "Request invalid for finished array subjob"));
        }
        Ok(live.iter().map(job).collect())
    }
}

fn unknown() -> Refused {
    Refused::because(code::UNKNOWN_JOB, "Unknown Job Id")
}

fn invalid() -> Refused {
    Refused::because(code::INVALID_REQUEST, "Invalid request")
}
