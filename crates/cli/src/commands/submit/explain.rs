//! `submit --explain`: what a job will see, and which slots would take it now, or why none, without
//! submitting.

use std::fmt::Write as _;

use anyhow::Result;
use classad::ClassAd;
use jiff::tz::TimeZone;
use jobspec::htcondor::Submission;
use model::{JobId, ProcId, Universe, attr, cmdline};
use proto::client::{Query, Select};
use serde::Serialize;

use crate::line::connect;
use crate::render::dialect::Dialect;
use crate::render::reasons::analysis::Slots;
use crate::render::said::{Said, Tell};
use crate::render::values::view::Moment;

/// What is said of a submission.
#[derive(Debug, Serialize)]
pub(super) struct Explained {
    clusters: Vec<First>,
}

/// The first job of a cluster.
#[derive(Debug, Serialize)]
struct First {
    jobs: u32,
    job: String,
    argv: Vec<String>,
    /// What the job brings.
    environment: Vec<(String, String)>,
    /// The names of what the machine adds.
    added_by_the_machine: Vec<String>,
    /// Expressions of its ad, as text.
    asks: Vec<(&'static str, String)>,
    slots: Fit,
}

/// Which slots would take it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Fit {
    /// It runs beside the schedd, in no slot.
    Beside,
    /// No pool answers.
    Unknown,
    Of {
        now: usize,
        all: usize,
        /// Why none would, if none would.
        why: Option<String>,
    },
}

impl Explained {
    /// Of the first job of each cluster.
    ///
    /// # Errors
    ///
    /// If a command line or an environment cannot be read.
    pub(super) fn of(submission: &Submission) -> Result<Self> {
        let slots = slots();
        let mut clusters = Vec::new();
        for (cluster, spec) in &submission.clusters {
            let job = JobId { cluster: *cluster, proc: ProcId(0) };
            let Some(ad) = submission.ad(job) else { continue };
            clusters.push(First::of(job, spec.count(), &ad, slots.as_ref())?);
        }
        Ok(Self { clusters })
    }
}

impl First {
    fn of(job: JobId, jobs: u32, ad: &ClassAd, slots: Option<&Slots>) -> Result<Self> {
        let command = ad.literal(attr::CMD).and_then(classad::Value::as_str).unwrap_or_default();
        let asked = [
            attr::REQUIREMENTS,
            attr::REQUEST_CPUS,
            attr::REQUEST_MEMORY,
            attr::REQUEST_DISK,
            attr::RANK,
        ];
        let asks = asked.into_iter().filter_map(|name| Some((name, ad.get(name)?.to_string())));
        let moment = Moment::new(proto::clock::now().wall.as_secs(), TimeZone::system());
        Ok(Self {
            jobs,
            job: job.to_string(),
            argv: std::iter::once(command.to_owned()).chain(cmdline::argv_of(ad)?).collect(),
            environment: cmdline::environ_of(ad)?.into_iter().collect(),
            added_by_the_machine: startd::added_variables(job, ad)?,
            asks: asks.collect(),
            slots: match slots {
                _ if Universe::of(ad).is_beside() => Fit::Beside,
                None => Fit::Unknown,
                Some(slots) => {
                    let (now, why) = slots.fit(ad, &moment);
                    Fit::Of { now, all: slots.count(), why }
                }
            },
        })
    }

    fn write(&self, text: &mut String) {
        let Self { jobs, job, .. } = self;
        let _ = writeln!(text, "{jobs} job(s); the first, {job}, will see");
        for (index, argument) in self.argv.iter().enumerate() {
            let _ = writeln!(text, "  argv[{index}] = {argument:?}");
        }
        let bytes: usize =
            self.environment.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        let count = self.environment.len();
        let _ = writeln!(text, "  {count} variables of environment of its own, {bytes} bytes");
        for (name, value) in &self.environment {
            let _ = writeln!(text, "    {name}={value:?}");
        }
        let added = &self.added_by_the_machine;
        let _ = writeln!(text, "  and {} that the machine adds: {}", added.len(), added.join(" "));
        for (name, expr) in &self.asks {
            let _ = writeln!(text, "  {name} = {expr}");
        }
        match &self.slots {
            Fit::Beside => *text += "  it runs beside the schedd, at once and in no slot\n",
            Fit::Unknown => *text += "  no pool answers, so nothing can be said about slots\n",
            Fit::Of { now, all, why } => {
                let s = if *all == 1 { "" } else { "s" };
                let _ = write!(text, "  {now} of {all} slot{s} would take it now");
                let why = why.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
                let _ = writeln!(text, "{why}");
            }
        }
    }
}

impl Tell for Explained {
    fn tell(&self, _: Dialect) -> Said {
        let mut text = String::new();
        self.clusters.iter().for_each(|first| first.write(&mut text));
        Said::out(text)
    }
}

/// The pool's slots; `None` if no pool answers.
fn slots() -> Option<Slots> {
    let mut client = connect::negotiator().ok()?;
    client.machines(Query::of(Select::All)).ok().map(Slots::of)
}
