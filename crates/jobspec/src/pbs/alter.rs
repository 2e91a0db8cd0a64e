//! `qalter`: what is changed of a job that is in the queue.
//!
//! The job's submission is made again from its ad, once as it is and once with what is altered
//! ([`Alteration::of`]); what differs between the two is set in the job. So an altered job is what
//! a submission with those words would have been, and nothing else of it is touched.
//!
//! Knows nothing of holds in the queue, or of the jobs that a dependency names.

use std::collections::BTreeSet;

use classad::{AttrName, ClassAd, Expr, Value, words};
use model::queues::QueueSettings;
use model::{ClusterSpec, ProcTemplate, Procs, attr, depend};

use super::arrays::Indices;
use super::cluster::{NumberedFor, attribute, unfolded};
use super::depend::Depend;
use super::moments::Moment;
use super::options::{Options, QALTER, Rank};
use super::refusal::{Refusal, code};
use super::resources::Resources;
use super::selects;
use super::submission::{Caller, Given, Submission, Work, path};
use super::{resources, shown};
use crate::site::Site;

/// What may be changed of a job that runs (OpenPBS 23.06).
const WHILE_RUNNING: [&str; 15] = [
    "Checkpoint",
    shown::ERROR_PATH,
    shown::EXECUTION_TIME,
    shown::HOLD_TYPES,
    shown::JOB_NAME,
    shown::MAIL_POINTS,
    shown::MAIL_USERS,
    shown::OUTPUT_PATH,
    "Priority",
    "Rerunable",
    shown::SHELL_PATH_LIST,
    "run_count",
    "release_nodes_on_stageout",
    "tolerate_node_failures",
    "max_run_subjobs",
];

/// The same of what it asks for, of which its user may only take.
const LIMITS: [&str; 4] = ["cput", "walltime", "min_walltime", "max_walltime"];

/// What was decided when the job was submitted, and what the schedd sees to itself.
const NOT_SET: [&str; 5] = [
    attr::JOB_STATUS,
    attr::HOLD_REASON,
    attr::HOLD_REASON_CODE,
    depend::HELD_BESIDES,
    attribute::ARGUMENTS,
];

/// The attribute that each option sets.
const SET_BY: [(char, &str); 17] = [
    ('A', shown::ACCOUNT_NAME),
    ('a', shown::EXECUTION_TIME),
    ('c', "Checkpoint"),
    ('e', shown::ERROR_PATH),
    ('h', shown::HOLD_TYPES),
    ('j', shown::JOIN_PATH),
    ('k', shown::KEEP_FILES),
    ('m', shown::MAIL_POINTS),
    ('M', shown::MAIL_USERS),
    ('N', shown::JOB_NAME),
    ('o', shown::OUTPUT_PATH),
    ('p', "Priority"),
    ('P', "project"),
    ('r', "Rerunable"),
    ('R', shown::REMOVE_FILES),
    ('S', shown::SHELL_PATH_LIST),
    ('u', shown::USER_LIST),
];

/// What only a submission says.
const OF_SUBMISSION: [&str; 3] = ["block", "array_indices_submitted", "interactive"];

/// What a command line of `qalter` says.
#[derive(Clone, Debug)]
pub struct Alteration {
    options: Options,
    /// The jobs that it names.
    pub jobs: Vec<String>,
}

/// The job that is altered.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// Its ad; of an array, that of any of its jobs.
    pub ad: &'a ClassAd,
    /// Whether it runs, or any of it.
    pub runs: bool,
}

/// What is set.
#[derive(Clone, Debug, PartialEq)]
pub struct Altered {
    /// In all jobs, and in each of its own.
    pub changes: ClusterSpec,
    /// What it waits for from now on, if that is altered.
    pub depend: Option<Depend>,
    /// Whether its user holds it from now on, if that is altered.
    pub user_hold: Option<bool>,
    /// Whether jobs of an array that run stay as they are.
    pub spares_running: bool,
}

/// Reads the words of a command line.
///
/// # Errors
/// With what is wrong with them; nothing if no job is named.
pub fn qalter(words: &[String], caller: &dyn Caller) -> Result<Alteration, Vec<String>> {
    let mut options = Options::of(&QALTER);
    let operands = options.take(Rank::CommandLine, words, caller)?;
    let jobs: Vec<String> =
        operands.plain.into_iter().chain(operands.command.unwrap_or_default()).collect();
    if jobs.is_empty() { Err(Vec::new()) } else { Ok(Alteration { options, jobs }) }
}

impl Alteration {
    /// What of a job is to be set.
    ///
    /// # Errors
    /// In OpenPBS's words, without the job's identifier.
    pub fn of(
        &self,
        job: Job<'_>,
        numbered: &NumberedFor<'_>,
        site: &dyn Site,
        caller: &dyn Caller,
    ) -> Result<Altered, Refusal> {
        let settings = caller.queues()?;
        let before = Submission::of_ad(job.ad, &settings)?;
        let mut after = before.clone();
        self.set(&mut after, caller, &settings)?;
        let is_operator = settings.is_operator(caller.user());
        if self.sets("run_count") {
            count_runs(&mut after, &before, job.ad, is_operator)?;
        }
        let spares_running = job.runs && before.is_array() && self.for_waiting().is_some();
        if job.runs && !spares_running {
            self.check_running(&before, &after, is_operator)?;
        }
        let made = |submission: &Submission| {
            let spec = submission.cluster(numbered, site, caller);
            spec.map_err(|problems| Refusal::of(code::FAILED, problems))
        };
        let changes = difference(&made(&before)?, &made(&after)?);
        let depend = self.sets("depend").then(|| after.depend.clone());
        let user_hold = self.options.get('h').map(|list| list.contains('u'));
        Ok(Altered { changes, depend, user_hold, spares_running })
    }

    /// Whether `-W` names the attribute.
    fn sets(&self, name: &str) -> bool {
        self.options.attributes().iter().any(|(said, _)| said == name)
    }

    /// The first thing that is altered and cannot be of a job that runs.
    fn for_waiting(&self) -> Option<String> {
        let by_option = SET_BY.iter().filter(|(option, _)| self.options.get(*option).is_some());
        let by_option = by_option.map(|(_, name)| (*name).to_owned());
        let attributes = self.options.attributes().into_iter().map(|(name, _)| name);
        let mut all = by_option.chain(attributes);
        let attribute = all.find(|name| !WHILE_RUNNING.contains(&name.as_str()));
        let mut asked = self.options.resources().into_iter().map(|(name, _)| name);
        let resource = asked.find(|name| !LIMITS.contains(&name.as_str()));
        attribute.or_else(|| resource.map(|name| format!("Resource_List.{name}")))
    }

    fn check_running(
        &self,
        before: &Submission,
        after: &Submission,
        is_operator: bool,
    ) -> Result<(), Refusal> {
        if let Some(name) = self.for_waiting() {
            let message = format!("Cannot modify attribute while job running  {name}");
            return Err(Refusal::new(code::RUNS, message));
        }
        let amount = |submission: &Submission, name: &str| {
            submission.asked.listed.get(name).and_then(|value| model::queues::amount(value))
        };
        let is_more = |name: &&str| match (amount(before, name), amount(after, name)) {
            (Some(before), Some(after)) => after > before,
            (Some(_), None) => true,
            (None, _) => false,
        };
        match LIMITS.iter().any(is_more) && !is_operator {
            true => Err(not_permitted()),
            false => Ok(()),
        }
    }

    /// Puts what is altered into a submission.
    fn set(
        &self,
        job: &mut Submission,
        caller: &dyn Caller,
        settings: &QueueSettings,
    ) -> Result<(), Refusal> {
        let options = &self.options;
        if options.get('h').is_some_and(|list| list.contains(['o', 's', 'p'])) {
            return Err(not_permitted());
        }
        self.set_texts(job, caller);
        if let Some(priority) = options.get('p').and_then(|priority| priority.parse().ok()) {
            job.priority = priority;
        }
        if let Some(rerun) = options.get('r') {
            job.is_rerunable = rerun != "n";
        }
        if let Some(moment) = options.get('a').and_then(Moment::read) {
            let seconds = caller.seconds(moment);
            let wrong = || Refusal::bad_value(shown::EXECUTION_TIME);
            job.not_before = Some(seconds.ok_or_else(wrong)?);
        }
        for (name, value) in options.attributes() {
            set_attribute(job, &name, &value, caller)?;
        }
        let given = options.resources();
        if !given.is_empty() {
            job.given = merged(job, &given, Resources(settings));
            job.asked = asked(&job.given, &job.queue, settings)?;
        }
        self.only_said(job).check_with_server(caller)
    }

    fn set_texts(&self, job: &mut Submission, caller: &dyn Caller) {
        let text = |option| self.options.get(option).map(str::to_owned);
        if let Some(name) = text('N') {
            job.name = name;
        }
        for (option, field) in [
            ('A', &mut job.account),
            ('P', &mut job.project),
            ('c', &mut job.checkpoint),
            ('M', &mut job.mail_users),
            ('S', &mut job.shell),
            ('u', &mut job.user_list),
        ] {
            if let Some(value) = text(option) {
                *field = Some(value).filter(|value| !value.is_empty());
            }
        }
        for (option, field) in [
            ('j', &mut job.join),
            ('k', &mut job.keep),
            ('m', &mut job.mail_points),
            ('R', &mut job.remove),
        ] {
            if let Some(value) = text(option) {
                *field = value;
            }
        }
        for (option, field) in [('o', &mut job.output), ('e', &mut job.error)] {
            if let Some(value) = text(option) {
                *field = path(Some(&value), caller);
            }
        }
    }

    /// The job without what was looked at when it was submitted, maybe by another user.
    fn only_said(&self, job: &Submission) -> Submission {
        let mut said = job.clone();
        let has = |option| self.options.get(option).is_some();
        said.user_list = said.user_list.filter(|_| has('u'));
        said.project = said.project.filter(|_| has('P'));
        said.checkpoint = said.checkpoint.filter(|_| has('c'));
        said.group_list = said.group_list.filter(|_| self.sets("group_list"));
        said
    }
}

fn not_permitted() -> Refusal {
    Refusal::new(code::NOT_PERMITTED, "Unauthorized Request ")
}

/// What was said is how many runs count from now on: more than do, unless an operator says so.
fn count_runs(
    after: &mut Submission,
    before: &Submission,
    ad: &ClassAd,
    is_operator: bool,
) -> Result<(), Refusal> {
    let were = Read(ad).small(attr::NUM_JOB_STARTS).unwrap_or(0);
    if after.runs_before < before.runs_before + were && !is_operator {
        return Err(not_permitted());
    }
    after.runs_before = after.runs_before.saturating_sub(were);
    Ok(())
}

fn set_attribute(
    job: &mut Submission,
    name: &str,
    value: &str,
    caller: &dyn Caller,
) -> Result<(), Refusal> {
    if OF_SUBMISSION.contains(&name) {
        return Err(resources::read_only(name));
    }
    job.set_attribute(name, value, caller).map_err(|refusal| match refusal.exit {
        code::UNKNOWN_ATTRIBUTE => Refusal::new(code::UNKNOWN_ATTRIBUTE, "Undefined attribute "),
        _ => refusal,
    })
}

/// What is asked for: what was, but for what is asked for now. Where chunks are described anew,
/// what they were described by before counts no more, but where they are placed (OpenPBS 23.06).
fn merged(job: &Submission, new: &Given, known: Resources<'_>) -> Given {
    let has = |name: &str| new.iter().any(|(said, _)| said == name);
    let is_shaped = has("select") || has("nodes");
    let stays = |name: &str| {
        let in_chunks = known.is_of_chunks(name);
        let shapes = ["select", "nodes", "place"].contains(&name);
        !has(name) && !(is_shaped && (in_chunks || shapes))
    };
    let kept = job.given.iter().filter(|(name, _)| stays(name)).cloned();
    let place = job.asked.listed.get("place").filter(|_| has("select") && !has("place"));
    let place = place.map(|place| ("place".to_owned(), Some(place.clone())));
    kept.chain(new.iter().cloned()).chain(place).collect()
}

fn asked(given: &Given, queue: &str, settings: &QueueSettings) -> Result<selects::Asked, Refusal> {
    let defaults = settings.defaults(queue, "resources_default");
    let chunk = settings.defaults(queue, "default_chunk");
    let known = Resources(settings);
    selects::decide(&selects::with_defaults(given, &defaults, known), &chunk, known)
}

/// What of the jobs is otherwise in `after`. What is not there any more is undefined.
fn difference(before: &ClusterSpec, after: &ClusterSpec) -> ClusterSpec {
    let procs = match (&before.procs, &after.procs) {
        (Procs::Counted { template: old, .. }, Procs::Counted { count, template }) => {
            let is_new = |part: &&(AttrName, _)| !old.0.contains(*part);
            let changed = template.0.iter().filter(is_new).cloned().collect();
            Procs::Counted { count: *count, template: ProcTemplate(changed) }
        }
        (Procs::Listed(old), Procs::Listed(new)) => {
            let pairs = old.iter().zip(new);
            Procs::Listed(pairs.map(|(old, new)| changed(old, new)).collect())
        }
        (_, after) => after.clone(),
    };
    let procs = match procs.any_own(|_| true) {
        true => procs,
        false => Procs::Counted { count: after.count(), template: ProcTemplate::default() },
    };
    ClusterSpec { ad: changed(&before.ad, &after.ad), procs }
}

fn changed(before: &ClassAd, after: &ClassAd) -> ClassAd {
    let mut changes = ClassAd::new();
    let names: BTreeSet<&AttrName> = before.iter().chain(after.iter()).map(|(n, _)| n).collect();
    for name in names {
        let is_kept = NOT_SET.iter().any(|kept| kept.eq_ignore_ascii_case(name.as_str()));
        let new = after.get(name.as_str());
        if !is_kept && before.get(name.as_str()) != new {
            let new = new.cloned().unwrap_or_else(|| Expr::from(Value::Undefined));
            changes.set(name.clone(), new);
        }
    }
    changes
}

/// What is read of an ad.
struct Read<'a>(&'a ClassAd);

impl Read<'_> {
    fn text(&self, name: &str) -> Option<String> {
        let text = self.0.literal(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.map(str::to_owned)
    }

    fn or_none(&self, name: &str) -> String {
        self.text(name).unwrap_or_else(|| "n".to_owned())
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.0.literal(name).and_then(Value::as_i64)
    }

    fn small(&self, name: &str) -> Option<u32> {
        self.number(name).and_then(|number| u32::try_from(number).ok())
    }

    /// The path of a stream, without its host.
    fn stream(&self, name: &str) -> Option<String> {
        self.text(name)?.split_once(':').map(|(_, path)| path.to_owned())
    }

    fn given(&self) -> Given {
        let list = unfolded(&self.text(attribute::GIVEN).unwrap_or_default());
        let words = words::split_v2(&list).unwrap_or_default();
        let one = |word: &String| match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word.clone(), None),
        };
        words.iter().map(one).collect()
    }
}

impl Submission {
    /// The submission of which an ad's job is, as far as it can be altered.
    ///
    /// # Errors
    /// If it is none of `qsub`'s.
    fn of_ad(ad: &ClassAd, settings: &QueueSettings) -> Result<Self, Refusal> {
        use attribute as a;
        let read = Read(ad);
        let Some(name) = read.text(a::NAME) else {
            let message = "Invalid request: a job that qsub has not made is changed by qedit:";
            return Err(Refusal::new(code::INVALID_REQUEST, message));
        };
        let queue = read.text(a::QUEUE);
        let queue = queue.unwrap_or_else(|| model::queues::FIRST_QUEUE.to_owned());
        let given = read.given();
        Ok(Self {
            work: Work::Command(Vec::new()),
            name,
            array: read.text(a::INDICES).as_deref().and_then(Indices::written),
            most_running: read.small(a::MOST_RUNNING),
            asked: asked(&given, &queue, settings)?,
            given,
            asked_queue: queue.clone(),
            queue,
            queue_priority: read.number(attr::PRE_JOB_PRIO1),
            variables: Vec::new(),
            depend: Depend::default(),
            account: read.text(a::ACCOUNT),
            project: read.text(a::PROJECT),
            priority: read.number(attr::JOB_PRIO).and_then(|n| n.try_into().ok()).unwrap_or(0),
            is_rerunable: ad.literal(a::RERUNABLE).and_then(Value::as_bool) != Some(false),
            is_held: false,
            not_before: read.number(a::EXECUTION_TIME),
            join: read.or_none(a::JOIN),
            keep: read.or_none(a::KEEP),
            remove: read.text(a::REMOVE).unwrap_or_default(),
            mail_points: read.text(a::MAIL_POINTS).unwrap_or_else(|| "a".to_owned()),
            mail_users: read.text(a::MAIL_USERS),
            output: read.stream(a::OUTPUT),
            error: read.stream(a::ERROR),
            shell: read.text(a::SHELLS),
            user_list: read.text(a::USERS),
            group_list: read.text(a::GROUPS),
            umask: read.small(a::UMASK),
            runs_before: read.small(a::RUNS_BEFORE).unwrap_or(0),
            sandbox: read.text(a::SANDBOX),
            stage_in: read.text(a::STAGE_IN),
            stage_out: read.text(a::STAGE_OUT),
            checkpoint: read.text(a::CHECKPOINT),
            arguments: String::new(),
            is_quiet: true,
            is_waited_for: false,
            is_interactive: ad.get(a::INTERACTIVE).is_some(),
        })
    }
}
