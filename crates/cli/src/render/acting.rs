//! What came of doing something to jobs, in HTCondor's words or as rows of JSON. Knows nothing of
//! the request.

use std::path::PathBuf;

use classad::{AttrName, Expr};
use model::JobId;
use proto::client::{ActResult, Acted, Edited, Selector};
use serde::{Serialize, Serializer};

use crate::render::dialect::Dialect;
use crate::render::said::{Said, Tell};

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
    pub parts: Vec<(Part, Vec<Acted>)>,
}

impl Serialize for Acts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.parts.iter().flat_map(|(_, acted)| acted).map(Row::of))
    }
}

impl Tell for Acts {
    fn tell(&self, _: Dialect) -> Said {
        let mut said = Said::out(if self.with_totals { self.totals() } else { String::new() });
        self.parts.iter().for_each(|(part, acted)| part.tell(acted, &self.words, &mut said));
        if !said.err.is_empty() {
            // HTCondor puts an empty line before what it could not do.
            said.err.insert(0, '\n');
        }
        said
    }
}

impl Acts {
    /// Whether it was done to all that were named.
    pub fn is_done(&self) -> bool {
        let done = |acted: &Acted| acted.result == ActResult::Done;
        self.parts.iter().all(|(part, acted)| match part {
            Part::One(Selector::Job(_)) => acted.first().is_some_and(done),
            Part::One(_) | Part::Constraint(..) | Part::All => acted.iter().any(done),
        })
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
                    let results: Vec<_> = acted.iter().map(|acted| acted.result).collect();
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

impl Part {
    /// A single job has a sentence of its own; of many, only whether any was done.
    fn tell(&self, acted: &[Acted], words: &Words, said: &mut Said) {
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
            said.out += &format!("All jobs{whose} have been {}\n", words.all_done);
        } else {
            said.err += &format!("Couldn't {} all jobs{whose}\n", words.find);
        }
    }
}

/// What came of it for a job.
#[derive(Serialize)]
struct Row {
    job: Option<String>,
    result: &'static str,
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
        Self { job: acted.job.map(|job| job.to_string()), result }
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
    /// Whether it was only tried.
    #[serde(skip)]
    pub dry_run: bool,
}

impl Tell for Edits {
    /// HTCondor 25.14's sentences.
    fn tell(&self, _: Dialect) -> Said {
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
            Edited::NoPriority(name) => Said::err(format!(
                "Attribute \"{name}\" orders jobs: its value must be an integer from {} to {}.\n{FAILED}",
                i32::MIN,
                i32::MAX
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
