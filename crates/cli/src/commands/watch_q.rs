//! `updraft watch_q`, `condor_watch_q`: a table of the queue that changes as things happen. It follows the schedd's record: nothing
//! is polled, and no log is read.

use std::collections::BTreeSet;
use std::io;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use classad::ClassAd;
use jiff::tz::TimeZone;
use model::{ClusterId, RunEnd, UserName, attr};
use proto::client::{Answer, Ask, Happening, Query, Recorded, Select, Selector};
use proto::command::Client;

use crate::follow::Stop;
use crate::progress::Standing;
use crate::render::view::{Moment, View, status};
use crate::verbs::Call;
use crate::watched::{ExitWhen, Watched};
use crate::{connect, output};

/// Options of HTCondor's `condor_watch_q` that are not built.
pub const NOT_YET: &[&str] = &[
    "larger-than",
    "files",
    "collector",
    "schedd",
    "groupby",
    "interval",
    "table",
    "no-table",
    "progress",
    "no-progress",
    "row-progress",
    "no-row-progress",
    "summary",
    "no-summary",
    "summary-type",
    "updated-at",
    "no-updated-at",
    "abbreviate",
    "no-abbreviate",
    "color",
    "no-color",
    "refresh",
    "no-refresh",
    "debug",
];

/// Watch the queue: a table that changes as things happen, until it is interrupted.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Only these clusters.
    #[arg(long, num_args = 1.., value_name = "CLUSTERS")]
    clusters: Vec<u32>,
    /// Jobs of these users; yours if not given.
    #[arg(long, num_args = 1.., value_name = "USERS")]
    users: Vec<String>,
    /// Only these batches.
    #[arg(long, num_args = 1.., value_name = "NAMES")]
    batches: Vec<String>,
    /// End when (all, any or none) of the jobs are (active, done, idle, running or held), with this exit code. May be repeated.
    #[arg(long, value_name = "GROUPER,STATUS[,CODE]")]
    exit: Vec<String>,
}

/// Does it.
///
/// # Errors
///
/// If the schedd cannot be asked.
pub fn run(args: &WatchArgs, _: &Call) -> Result<ExitCode> {
    let exits: Vec<ExitWhen> =
        args.exit.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let mut follower = connect::schedd()?;
    // What happens while the queue is read is read again from the record: the last word on a job counts.
    let since = connect::totals(&mut follower)?.seq.next();
    let mut watch =
        Watch { args, client: connect::schedd()?, watched: Watched::default(), lines: 0 };
    watch.begin()?;
    watch.show()?;
    if let Some(code) = watch.is_over(&exits) {
        return Ok(code);
    }
    let ask = Ask::Events { since, follow: true, select: watch.select() };
    let mut ended = ExitCode::SUCCESS;
    let followed = follower.ask_each(ask, |answer| {
        let Answer::Events(events) = answer else { return Ok(()) };
        watch.take(&events)?;
        watch.show()?;
        match watch.is_over(&exits) {
            Some(code) => {
                ended = code;
                Err(Stop::Enough)
            }
            None => Ok(()),
        }
    });
    match followed {
        Ok(()) => bail!("the schedd ended the record"),
        Err(Stop::Enough) => Ok(ended),
        Err(Stop::Failed(error)) => Err(error),
    }
}

struct Watch<'a> {
    args: &'a WatchArgs,
    client: Client,
    watched: Watched,
    /// How many lines of the terminal the last table took.
    lines: usize,
}

impl Watch<'_> {
    /// The jobs that are watched.
    fn select(&self) -> Select {
        let clusters = self.args.clusters.iter().map(|n| Selector::Cluster(ClusterId(*n)));
        let users = self.args.users.iter().map(|user| crate::select::selector(user));
        let named: Vec<Selector> = clusters.chain(users).collect();
        if named.is_empty() {
            return Select::Any(vec![Selector::Owner(UserName::new(&connect::me()))]);
        }
        Select::Any(named)
    }

    /// The jobs in the queue, and of clusters that were named also those that have ended.
    fn begin(&mut self) -> Result<()> {
        let select = self.select();
        self.add(select)?;
        for cluster in &self.args.clusters {
            let select = Select::Any(vec![Selector::Cluster(ClusterId(*cluster))]);
            let query = Query { finished: true, ..Query::of(select) };
            let past = connect::jobs(&mut self.client, query)?;
            self.enter(&past);
        }
        Ok(())
    }

    fn add(&mut self, select: Select) -> Result<()> {
        let names = [
            attr::CLUSTER_ID,
            attr::PROC_ID,
            attr::JOB_STATUS,
            attr::JOB_BATCH_NAME,
            attr::EXIT_CODE,
            attr::HOLD_REASON,
        ];
        let query = Query { projection: names.map(Into::into).to_vec(), ..Query::of(select) };
        let jobs = connect::jobs(&mut self.client, query)?;
        self.enter(&jobs);
        Ok(())
    }

    fn enter(&mut self, jobs: &[ClassAd]) {
        let moment = Moment::new(proto::clock::now().wall.as_secs(), TimeZone::UTC);
        for ad in jobs {
            let job = View::new(ad, &moment);
            let Some(id) = job.job() else { continue };
            let batch = job.text(attr::JOB_BATCH_NAME);
            let batch = batch.unwrap_or_else(|| format!("ID: {}", id.cluster));
            if self.args.batches.is_empty() || self.args.batches.contains(&batch) {
                self.watched.add(id, &batch, standing(job));
            }
        }
    }

    fn take(&mut self, events: &[Recorded]) -> Result<()> {
        let came: BTreeSet<ClusterId> = events.iter().filter_map(cluster_came).collect();
        for cluster in
            came.into_iter().filter(|cluster| !self.watched.knows(*cluster)).collect::<Vec<_>>()
        {
            self.add(Select::Any(vec![Selector::Cluster(cluster)]))?;
        }
        events.iter().for_each(|event| self.watched.note(event));
        Ok(())
    }

    fn is_over(&self, exits: &[ExitWhen]) -> Option<ExitCode> {
        let met = exits.iter().find(|when| self.watched.is_over(**when));
        met.map(|when| ExitCode::from(when.code))
    }

    /// On a terminal the table is written over the last one; elsewhere each change is a line.
    fn show(&mut self) -> io::Result<()> {
        if !output::is_terminal() {
            return output::put(&format!("{}\n", self.watched.line()));
        }
        let table = self.watched.table();
        let up = if self.lines > 0 { format!("\x1b[{}A\x1b[J", self.lines) } else { String::new() };
        self.lines = table.len();
        output::put(&format!("{up}{}\n", table.join("\n")))
    }
}

fn cluster_came(recorded: &Recorded) -> Option<ClusterId> {
    match &recorded.what {
        Happening::ClusterSubmitted { cluster, .. } => Some(*cluster),
        Happening::Job { .. } | Happening::JobEdited { .. } | Happening::FactoryEnded { .. } => {
            None
        }
    }
}

fn standing(job: View<'_>) -> Standing {
    match job.status() {
        status::RUNNING | status::TRANSFERRING_OUTPUT => Standing::Running,
        status::SUSPENDED => Standing::Suspended,
        status::HELD => Standing::Held(job.text_or_undefined(attr::HOLD_REASON)),
        status::COMPLETED => {
            let code = job.int(attr::EXIT_CODE).and_then(|code| i32::try_from(code).ok());
            Standing::Ended(RunEnd::Exited { code: code.unwrap_or(-1) })
        }
        status::REMOVED => Standing::Removed,
        _ => Standing::Idle,
    }
}
