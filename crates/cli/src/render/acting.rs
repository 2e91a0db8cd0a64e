//! What came of doing something to jobs, in HTCondor's words or as rows of JSON. Knows nothing of
//! the request.

use std::path::PathBuf;

use classad::{AttrName, ClassAd, Expr};
use model::{JobId, attr};
use proto::client::{ActResult, Acted, Edited, Forgotten, Selector};
use serde::{Serialize, Serializer};

use crate::render::dialect::Dialect;
use crate::render::jobs::finished;
use crate::render::said::{Said, Tell};
use crate::render::values::view::status;
use crate::render::values::view::{Moment, View};

/// The words that a verb uses.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// `remove`: the plain verb.
    pub act: &'static str,
    /// `find/remove`: how a selector without jobs is reported.
    pub find: &'static str,
    /// `marked for removal`: what became of one job.
    pub done: &'static str,
    /// `marked for removal`, `held`: what became of many (`have been ...`).
    pub all_done: &'static str,
    /// What is said of a job that is already so: `Job 1.0 already held`.
    pub already: &'static str,
    /// What is said of a job in another state: `Job 1.0 not held to be released`.
    pub bad_status: &'static str,
    /// The same in our own words, behind what the job is: `only held jobs can be released`.
    pub needs: &'static str,
}

/// A part of a request: one word, or everything.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// What one word names.
    One(Selector),
    /// The jobs for which an expression is true, as it was written and read.
    Constraint(String, Expr),
    All,
}

/// What came of a verb, part by part.
#[derive(Debug)]
pub struct Acts {
    pub words: Words,
    /// Whether it is told how many jobs it came to what for.
    pub with_totals: bool,
    /// Whether only those that are held were meant.
    pub held: bool,
    pub parts: Vec<(Part, Vec<Acted>)>,
    /// In our own words, for each part: why it was not done to jobs of it.
    pub whys: Vec<Vec<WhyNot>>,
}

/// Why something was not done to a job, or to a part that has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyNot {
    pub job: Option<JobId>,
    pub why: String,
}

impl Serialize for Acts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.parts.iter().enumerate().flat_map(|(at, (_, acted))| {
            let whys = self.whys.get(at).map(Vec::as_slice).unwrap_or_default();
            let row = |acted: &Acted| {
                let why = whys.iter().find(|not| not.job == acted.job || acted.job.is_none());
                let why = why.filter(|_| acted.result != ActResult::Done);
                Row { why: why.map(|not| not.why.clone()), ..Row::of(acted) }
            };
            acted.iter().map(row).collect::<Vec<_>>()
        }))
    }
}

impl Tell for Acts {
    fn tell(&self, dialect: Dialect) -> Said {
        let mut said = Said::out(if self.with_totals { self.totals() } else { String::new() });
        if dialect == Dialect::Updraft {
            for (at, (part, acted)) in self.parts.iter().enumerate() {
                let whys = self.whys.get(at).map(Vec::as_slice).unwrap_or_default();
                part.tell_why_not(acted, whys, self, &mut said);
            }
            return said;
        }
        self.parts.iter().for_each(|(part, acted)| part.tell(acted, self, &mut said));
        if !said.err.is_empty() && !self.is_done(dialect) {
            // HTCondor puts an empty line before it where it could do nothing.
            said.err.insert(0, '\n');
        }
        said
    }
}

impl Acts {
    /// Whether it was done to all that were named; under HTCondor's names, to any (25.14).
    pub fn is_done(&self, dialect: Dialect) -> bool {
        let done = |acted: &Acted| acted.result == ActResult::Done;
        let part_is_done = |(part, acted): &(Part, Vec<Acted>)| match part {
            Part::One(Selector::Job(_)) => acted.first().is_some_and(done),
            Part::One(_) | Part::Constraint(..) | Part::All => acted.iter().any(done),
        };
        match dialect {
            Dialect::HtCondor => self.parts.iter().any(part_is_done),
            Dialect::Updraft | Dialect::Pbs => self.parts.iter().all(part_is_done),
        }
    }

    /// HTCondor's lines of counts; single jobs are counted together, and first.
    fn totals(&self) -> String {
        let (mut single, mut others) = (Vec::new(), String::new());
        for (part, acted) in &self.parts {
            match part {
                Part::One(Selector::Job(_)) if acted.is_empty() => {
                    single.push(ActResult::NotFound);
                }
                Part::One(Selector::Job(_)) => {
                    single.extend(acted.iter().map(|acted| acted.result));
                }
                Part::One(_) | Part::Constraint(..) | Part::All => {
                    // Nobody was looked for by name.
                    let jobs = acted.iter().filter(|acted| acted.job.is_some());
                    let results: Vec<_> = jobs.map(|acted| acted.result).collect();
                    others += &counts(&results);
                }
            }
        }
        let single = if single.is_empty() { String::new() } else { counts(&single) };
        single + &others
    }
}

fn counts(results: &[ActResult]) -> String {
    let count = |wanted: ActResult| results.iter().filter(|result| **result == wanted).count();
    format!(
        "{} Succeeded, 0 Failed, {} Not Found, {} Bad Status, {} Already Done, {} Permission Denied\n",
        count(ActResult::Done),
        count(ActResult::NotFound),
        count(ActResult::BadStatus),
        count(ActResult::AlreadyDone),
        count(ActResult::PermissionDenied)
    )
}

/// What is known of jobs that have left the queue.
#[derive(Clone, Copy)]
pub struct Past<'a> {
    pub ads: &'a [ClassAd],
    pub forgotten: Forgotten,
}

/// Why something was not done, by what the jobs of a part are: those in the queue, and those that
/// have left it. `is_user` says that the part is a user whom this machine knows.
pub fn why_not(
    part: &Part,
    acted: &[Acted],
    words: &Words,
    in_queue: &[ClassAd],
    past: Past<'_>,
    is_user: bool,
    moment: &Moment,
) -> Vec<WhyNot> {
    let view = |job: JobId| {
        in_queue.iter().map(|ad| View::new(ad, moment)).find(|one| one.job() == Some(job))
    };
    let mut whys = Vec::new();
    for acted in acted.iter().filter(|acted| acted.result != ActResult::Done) {
        let Some((job, ad)) = acted.job.and_then(|job| Some((job, view(job)?))) else { continue };
        let is = format!("{job} is {}", state_of(ad));
        whys.push(WhyNot {
            job: Some(job),
            why: match acted.result {
                ActResult::PermissionDenied => {
                    format!("{job} is {}'s: you may not {} it", ad.owner(), words.act)
                }
                ActResult::AlreadyDone => format!("{is} already"),
                // What holds it will let it go: files that are on their way, jobs it waits for.
                ActResult::BadStatus if words.act == "release" && ad.status() == status::HELD => {
                    let reason = ad.text_or_undefined(attr::HOLD_REASON);
                    format!("{is}, and not for you to release: {reason}")
                }
                ActResult::Done | ActResult::NotFound | ActResult::BadStatus => {
                    format!("{is}: {}", words.needs)
                }
            },
        });
    }
    if !whys.is_empty() || acted.iter().any(|acted| acted.result == ActResult::Done) {
        return whys;
    }
    let of_part = |why: String| WhyNot { job: None, why };
    match part {
        // Such as `-held` passes over.
        Part::One(Selector::Cluster(_) | Selector::Job(_)) if !in_queue.is_empty() => {
            let views = in_queue.iter().map(|ad| View::new(ad, moment));
            let why = |job: View<'_>| {
                let id = job.job().map(|id| id.to_string()).unwrap_or_default();
                WhyNot { job: job.job(), why: format!("{id} is {}", state_of(job)) }
            };
            views.map(why).collect()
        }
        Part::One(selector @ (Selector::Cluster(_) | Selector::Job(_))) => {
            let mut ended: Vec<View<'_>> =
                past.ads.iter().map(|ad| View::new(ad, moment)).collect();
            ended.sort_by_key(|job| job.job());
            let line = |job: &View<'_>| WhyNot {
                job: job.job(),
                why: finished::line(*job).trim_end().to_owned(),
            };
            match ended.is_empty() {
                true => vec![of_part(finished::nothing_of(selector, &past.forgotten))],
                false => ended.iter().map(line).collect(),
            }
        }
        Part::One(Selector::Owner(name)) if is_user => {
            vec![of_part(format!("{name} has no such job in the queue"))]
        }
        Part::One(selector) => vec![of_part(finished::nothing_of(selector, &past.forgotten))],
        Part::Constraint(text, _) => vec![of_part(format!("no job in the queue is such: {text}"))],
        Part::All => vec![of_part("there is no such job in the queue".to_owned())],
    }
}

/// What a job is, in a word.
fn state_of(job: View<'_>) -> &'static str {
    match job.status() {
        status::IDLE => "idle",
        status::RUNNING => "running",
        status::REMOVED => "being removed",
        status::COMPLETED => "completed",
        status::HELD => "held",
        status::SUSPENDED => "suspended",
        _ => "bringing its files back",
    }
}

/// Jobs for which it is told why it was not done, of one part; the rest is counted.
const MOST_WHYS: usize = 10;

impl Part {
    /// What was done in a line, and why it was not for each job of the others.
    fn tell_why_not(&self, acted: &[Acted], whys: &[WhyNot], acts: &Acts, said: &mut Said) {
        if acted.iter().any(|acted| acted.result == ActResult::Done) {
            self.tell(acted, acts, said);
        }
        for not in whys.iter().take(MOST_WHYS) {
            said.err += &format!("{}\n", not.why);
        }
        let more = whys.len().saturating_sub(MOST_WHYS);
        if more > 0 {
            said.err += &format!("and {more} more\n");
        }
    }

    /// A single job has a sentence of its own; of many, only whether any was done.
    fn tell(&self, acted: &[Acted], acts: &Acts, said: &mut Said) {
        let (words, held) = (&acts.words, if acts.held { "held " } else { "" });
        if let Self::One(Selector::Job(job)) = self {
            let result = acted.first().map_or(ActResult::NotFound, |acted| acted.result);
            match result {
                ActResult::Done => said.out += &format!("Job {job} {}\n", words.done),
                ActResult::NotFound => said.err += &format!("Job {job} not found\n"),
                ActResult::PermissionDenied => {
                    said.err += &format!("Permission denied to {} job {job}\n", words.act);
                }
                ActResult::AlreadyDone => {
                    said.err += &format!("Job {job} already {}\n", words.already);
                }
                ActResult::BadStatus => said.err += &format!("Job {job} {}\n", words.bad_status),
            }
            return;
        }
        let whose = match self {
            Self::One(Selector::Cluster(cluster)) => format!(" in cluster {cluster}"),
            Self::One(Selector::Owner(name)) => format!(" of user \"{name}\""),
            Self::One(Selector::Job(_)) | Self::All => String::new(),
            Self::Constraint(text, _) => format!(" matching constraint ({text})"),
        };
        if acted.iter().any(|acted| acted.result == ActResult::Done) {
            said.out += &format!("All {held}jobs{whose} have been {}\n", words.all_done);
        } else {
            said.err += &format!("Couldn't {} all {held}jobs{whose}\n", words.find);
        }
    }
}

/// What came of it for a job.
#[derive(Serialize)]
struct Row {
    job: Option<String>,
    result: &'static str,
    /// Why it was not done; not under HTCondor's names.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl Row {
    fn of(acted: &Acted) -> Self {
        let result = match acted.result {
            ActResult::Done => "done",
            ActResult::NotFound => "not found",
            ActResult::PermissionDenied => "permission denied",
            ActResult::AlreadyDone => "already done",
            ActResult::BadStatus => "bad status",
        };
        Self { job: acted.job.map(|job| job.to_string()), result, why: None }
    }
}

/// Jobs whose priority was to change.
#[derive(Debug)]
pub struct Prioritised(pub Vec<Acted>);

impl Serialize for Prioritised {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Row::of))
    }
}

impl Tell for Prioritised {
    /// Only those whose priority stays are told of.
    fn tell(&self, _: Dialect) -> Said {
        Said::err(self.0.iter().filter_map(priority_stays).collect::<String>())
    }
}

/// HTCondor 25.14's words for a job whose priority stays.
fn priority_stays(acted: &Acted) -> Option<String> {
    let whose = || match (&acted.job, &acted.selector) {
        (Some(job), _) => job.to_string(),
        (None, Some(Selector::Cluster(cluster))) => cluster.to_string(),
        (None, Some(Selector::Owner(user))) => user.to_string(),
        (None, Some(Selector::Job(job))) => job.to_string(),
        (None, None) => "any job".to_owned(),
    };
    match acted.result {
        ActResult::Done | ActResult::AlreadyDone => None,
        ActResult::NotFound => {
            Some(format!("Couldn't retrieve current priority for {}.\n", whose()))
        }
        ActResult::PermissionDenied | ActResult::BadStatus => {
            Some(format!("Couldn't set new priority for {}.\n", whose()))
        }
    }
}

/// What came of setting attributes.
#[derive(Debug, Serialize)]
pub struct Edits {
    pub edited: Edited,
    /// The attributes that were to be set, in order.
    #[serde(skip)]
    pub names: Vec<AttrName>,
    /// Which jobs were meant, as HTCondor writes it.
    #[serde(skip)]
    pub constraint: String,
    /// The same, as it was written.
    #[serde(skip)]
    pub meant: String,
    /// Whether it was only tried.
    #[serde(skip)]
    pub dry_run: bool,
}

impl Edits {
    /// Why nothing was set, as our own command tells it.
    fn in_own_words(&self) -> Option<String> {
        let why = match &self.edited {
            Edited::Done(_) => return None,
            Edited::NoJobs => format!("no job in the queue is meant by {}", self.meant),
            Edited::NotThisJob(job) => format!("{job} is not there, or not yours"),
            Edited::Immutable(name) => format!("{name} is the schedd's own, and cannot be set"),
            Edited::KeepsFiles(name) => format!(
                "with {name} the job would keep files when it is evicted, or its checkpoints, which \
                 a pool of many users does not do yet"
            ),
            Edited::TooLong { name, limit } => {
                format!("the value of {name} is longer than {limit} bytes")
            }
            Edited::TooMuch { job: None, limit } => {
                format!("what is set is longer than {limit} bytes")
            }
            Edited::TooMuch { job: Some(job), limit } => {
                return Some(format!(
                    "updraft qedit: with this, more than {limit} bytes would have been set of {job} \
                     since it was submitted. It was not set there; of very many jobs others may have \
                     it.\n"
                ));
            }
            Edited::NoPriority(name) => format!(
                "{name} orders jobs: its value must be an integer from {} to {}",
                i32::MIN,
                i32::MAX
            ),
        };
        Some(format!("updraft qedit: {why}. Nothing was set.\n"))
    }
}

impl Tell for Edits {
    /// HTCondor 25.14's sentences.
    fn tell(&self, dialect: Dialect) -> Said {
        if dialect == Dialect::Updraft
            && let Some(own) = self.in_own_words()
        {
            return Said::err(own);
        }
        const FAILED: &str = "Transaction failed.  No attributes were set.\n";
        const NOTHING: &str = "Queue transaction failed.  No attributes were set.\n";
        let first = || self.names.first().map(ToString::to_string).unwrap_or_default();
        match &self.edited {
            Edited::Done(count) => {
                let would = if self.dry_run { "Would set" } else { "Set" };
                let line = |name: &AttrName| {
                    format!("{would} attribute \"{name}\" for {count} matching jobs.\n")
                };
                Said::out(self.names.iter().map(line).collect::<String>())
            }
            Edited::NoJobs => Said::err(format!(
                "Failed to set attribute \"{}\" by constraint: {}\n{NOTHING}",
                first(),
                self.constraint
            )),
            Edited::NotThisJob(job) => Said::err(format!(
                "Failed to set attribute \"{}\" for job {job}.\n{NOTHING}",
                first()
            )),
            Edited::Immutable(name) => Said::err(format!(
                "Update of immutable attribute \"{name}\" is not allowed.\n{FAILED}"
            )),
            Edited::KeepsFiles(name) => Said::err(format!(
                "Attribute \"{name}\" cannot be set so: a pool of many users keeps no files of jobs yet.\n{FAILED}"
            )),
            Edited::NoPriority(name) => Said::err(format!(
                "Attribute \"{name}\" orders jobs: its value must be an integer from {} to {}.\n{FAILED}",
                i32::MIN,
                i32::MAX
            )),
            Edited::TooMuch { job: None, limit } => {
                Said::err(format!("What is set is longer than {limit} bytes.\n{FAILED}"))
            }
            Edited::TooMuch { job: Some(job), limit } => Said::err(format!(
                "More than {limit} bytes would have been set of job {job}.\n{FAILED}"
            )),
            Edited::TooLong { name, limit } => Said::err(format!(
                "The value of attribute \"{name}\" is longer than {limit} bytes.\n{FAILED}"
            )),
        }
    }
}

/// What was fetched of a job.
#[derive(Debug)]
pub struct Fetched {
    pub job: JobId,
    pub files: usize,
    pub bytes: u64,
    pub to: PathBuf,
}

/// What was fetched of the jobs that were named, and what could not be.
#[derive(Debug)]
pub struct FetchedAll {
    /// The command, as its messages begin.
    pub command: String,
    pub fetched: Vec<Fetched>,
    /// Why the files of a job did not come.
    pub missing: Vec<(JobId, String)>,
    /// Whether any of the jobs is in the queue.
    pub any_job: bool,
}

impl FetchedAll {
    /// Whether there was something, and all of it came.
    pub fn is_done(&self) -> bool {
        self.missing.is_empty() && !self.fetched.is_empty()
    }

    /// What did not come: said whatever the form.
    pub fn complaints(&self) -> String {
        let Self { command, fetched, missing, any_job } = self;
        let lines = missing
            .iter()
            .map(|(job, why)| format!("{command}: fetch the files of job {job}: {why}\n"));
        let mut text: String = lines.collect();
        if fetched.is_empty() && missing.is_empty() {
            let none = match any_job {
                false => "no such job is in the queue",
                true => "no such job was submitted with -spool",
            };
            text += &format!("{command}: there is nothing to fetch: {none}\n");
        }
        text
    }
}

impl Serialize for FetchedAll {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Row<'a> {
            job: String,
            files: usize,
            bytes: u64,
            to: &'a PathBuf,
        }
        serializer.collect_seq(self.fetched.iter().map(|Fetched { job, files, bytes, to }| Row {
            job: job.to_string(),
            files: *files,
            bytes: *bytes,
            to,
        }))
    }
}

impl Tell for FetchedAll {
    fn tell(&self, dialect: Dialect) -> Said {
        match dialect {
            // HTCondor's says nothing of what it has fetched, and stops at the first that fails.
            Dialect::HtCondor => {
                let why = self.missing.first().map(|(_, why)| why);
                let failed = |why| format!("\n{why}\nERROR: Failed to spool job files.\n");
                Said {
                    out: "Fetching data files...\n".to_owned(),
                    err: why.map(failed).unwrap_or_default(),
                }
            }
            Dialect::Updraft | Dialect::Pbs => {
                let line = |Fetched { job, files, bytes, to }: &Fetched| {
                    format!("Job {job}: {files} files, {bytes} bytes to {}\n", to.display())
                };
                let out = self.fetched.iter().map(line).collect();
                Said { out, err: self.complaints() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden outputs of HTCondor 25.14.
    #[test]
    fn a_priority_that_stays_is_said_in_htcondors_words() {
        let acted = |result| Acted { selector: None, job: Some(JobId::new(39, 0)), result };
        for (result, said) in [
            (ActResult::NotFound, "Couldn't retrieve current priority for 39.0.\n"),
            (ActResult::PermissionDenied, "Couldn't set new priority for 39.0.\n"),
            (ActResult::Done, ""),
        ] {
            let told = Prioritised(vec![acted(result)]).tell(Dialect::HtCondor);
            assert_eq!(told, Said::err(said));
        }
    }
}
