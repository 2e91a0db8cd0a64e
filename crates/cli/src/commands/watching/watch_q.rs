//! `updraft watch_q`, `condor_watch_q`: a table of the queue that changes as things happen. It
//! follows the schedd's record, where nothing is polled, and event logs if they are named.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use classad::ClassAd;
use client::progress::Standing;
use client::site::me;
use client::{AskError, Home};
use jiff::tz::TimeZone;
use model::userlog::{Entries, LogEntry};
use model::{ClusterId, RunEnd, Seq, UserName, attr};
use proto::client::{Happening, Query, Recorded, Select, Selector};

use crate::commands::watching::watched::{Cluster, ExitWhen, GroupBy, Shown, Summary, Watched};
use crate::line::call::Call;
use crate::line::connect;
use crate::line::output;
use crate::line::place::Where;
use crate::render::dialect::Dialect;
use crate::render::paint::Paint;
use crate::render::time;
use crate::render::values::view::status;
use crate::render::values::view::{Moment, View};

/// Options of HTCondor's `condor_watch_q` that are not built.
pub const NOT_YET: &[&str] = &[];

/// News that may wait to be shown.
const QUEUE: usize = 64;

/// Watch the queue: a table that changes as things happen, until it is interrupted.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Only these clusters.
    #[arg(long, num_args = 1.., value_name = "CLUSTERS")]
    clusters: Vec<u32>,
    /// Jobs of these users; yours if nothing is named.
    #[arg(long, num_args = 1.., value_name = "USERS")]
    users: Vec<String>,
    /// Only these batches.
    #[arg(long, num_args = 1.., value_name = "NAMES")]
    batches: Vec<String>,
    /// Jobs that these event logs tell of.
    #[arg(long, num_args = 1.., value_name = "LOGS")]
    files: Vec<String>,
    /// How often event logs are looked at, seconds. The record is not looked at: it tells.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.5)]
    interval: f64,
    /// End when (all, any or none) of the jobs are (active, done, idle, running or held), with this
    /// exit code. May be repeated.
    #[arg(long, value_name = "GROUPER,STATUS[,CODE]")]
    exit: Vec<String>,
    /// The schedd (only this pool's own).
    #[arg(long, value_name = "SCHEDD", hide = true)]
    schedd: Option<String>,
    /// The pool (only one's own).
    #[arg(long, value_name = "HOST", hide = true)]
    collector: Option<String>,
    #[command(flatten)]
    show: ShowArgs,
    /// Say how things stand as JSON, a line for each change.
    #[arg(long)]
    json: bool,
}

/// What is shown; each part can be turned off by its `--no-`.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is shown")]
struct ShowArgs {
    /// What makes a row.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = GroupBy::Batch)]
    groupby: GroupBy,
    /// Only rows with more jobs than this.
    #[arg(long, value_name = "N", default_value_t = 0)]
    larger_than: u64,
    /// The table.
    #[arg(long, overrides_with = "no_table")]
    table: bool,
    #[arg(long, hide = true)]
    no_table: bool,
    /// A bar for all jobs.
    #[arg(long, overrides_with = "no_progress")]
    progress: bool,
    #[arg(long, hide = true)]
    no_progress: bool,
    /// A bar in each row.
    #[arg(long, overrides_with = "no_row_progress")]
    row_progress: bool,
    #[arg(long, hide = true)]
    no_row_progress: bool,
    /// The line of sums.
    #[arg(long, overrides_with = "no_summary")]
    summary: bool,
    #[arg(long, hide = true)]
    no_summary: bool,
    /// What the line of sums has.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Summary::Totals)]
    summary_type: Summary,
    /// When it was so.
    #[arg(long, overrides_with = "no_updated_at")]
    updated_at: bool,
    #[arg(long, hide = true)]
    no_updated_at: bool,
    /// Paths by as few characters as tell them apart (off unless asked for).
    #[arg(long, overrides_with = "no_abbreviate")]
    abbreviate: bool,
    #[arg(long, hide = true)]
    no_abbreviate: bool,
    /// Colour (on a terminal).
    #[arg(long, overrides_with = "no_color")]
    color: bool,
    #[arg(long, hide = true)]
    no_color: bool,
    /// Write over what was shown last, instead of below it (on a terminal).
    #[arg(long, overrides_with = "no_refresh")]
    refresh: bool,
    #[arg(long, hide = true)]
    no_refresh: bool,
}

/// Does it.
///
/// # Errors
///
/// If the schedd cannot be asked, or a log cannot be read.
pub fn run(args: &WatchArgs, call: &Call) -> Result<ExitCode> {
    let place = Where::of(args.schedd.as_deref(), args.collector.as_deref());
    place.check()?;
    let exits: Vec<ExitWhen> =
        args.exit.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let by_record = args.files.is_empty() || args.names_jobs();
    let (sender, news) = sync_channel(QUEUE);
    let mut watch = Watch {
        args,
        call,
        by_record,
        watched: Watched::new(call.dialect != Dialect::HtCondor),
        lines: 0,
    };
    let mut follower = None;
    if by_record {
        // What happens while the queue is read is read again from the record: the last word on a
        // job counts.
        follower = Some(connect::schedd()?.totals()?.seq.next());
        watch.begin()?;
    }
    let mut logs: Vec<Log> = args.files.iter().map(|path| Log::new(path)).collect();
    for log in &mut logs {
        watch.take(News::Log(Arc::clone(&log.path), log.read()?))?;
    }
    watch.show()?;
    if let Some(code) = watch.is_over(&exits) {
        return Ok(code);
    }
    if watch.watched.is_empty() && call.dialect == Dialect::HtCondor {
        // It tracks what is there when it begins.
        return Ok(ExitCode::SUCCESS);
    }
    end_on_interrupt();
    if let Some(since) = follower {
        let (sender, select) = (sender.clone(), watch.select());
        thread::spawn(move || follow_record(since, select, &sender));
    }
    if !logs.is_empty() {
        let every = Duration::try_from_secs_f64(args.interval).context("--interval")?;
        thread::spawn(move || follow_logs(logs, every, &sender));
    }
    watch.on(&news, &exits)
}

/// Something that is told to the one who shows it.
enum News {
    Record(Vec<Recorded>),
    Log(Arc<str>, Vec<LogEntry>),
    Failed(anyhow::Error),
}

/// HTCondor's command ends with 0 when it is interrupted: that is how one leaves it.
fn end_on_interrupt() {
    thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let waited = runtime.map(|runtime| runtime.block_on(tokio::signal::ctrl_c()));
        if matches!(waited, Ok(Ok(()))) {
            process::exit(0);
        }
    });
}

fn follow_record(since: Seq, select: Select, sender: &SyncSender<News>) {
    let followed = Home::from_environment().follow(since, select, |events| {
        // Nobody listens any more when the watch is over.
        let is_over = sender.send(News::Record(events.to_vec())).is_err();
        Ok::<_, AskError>(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    if let Err(error) = followed {
        let _ = sender.send(News::Failed(error.into()));
    }
}

fn follow_logs(mut logs: Vec<Log>, every: Duration, sender: &SyncSender<News>) {
    loop {
        thread::sleep(every);
        for log in &mut logs {
            let news = match log.read() {
                Ok(entries) if entries.is_empty() => continue,
                Ok(entries) => News::Log(Arc::clone(&log.path), entries),
                Err(error) => News::Failed(error),
            };
            if sender.send(news).is_err() {
                return;
            }
        }
    }
}

/// An event log that grows.
struct Log {
    path: Arc<str>,
    zone: TimeZone,
    /// Bytes that were read.
    read: usize,
}

impl Log {
    fn new(path: &str) -> Self {
        Self { path: path.into(), zone: TimeZone::system(), read: 0 }
    }

    /// The events that have come since.
    fn read(&mut self) -> Result<Vec<LogEntry>> {
        let path = &*self.path;
        let bytes =
            client::site::read(path).with_context(|| format!("read the event log {path}"))?;
        let text = String::from_utf8_lossy(&bytes);
        // A log that has become shorter was begun anew.
        let new = text.get(self.read..).unwrap_or(&text);
        let before = text.len() - new.len();
        let now = jiff::Timestamp::from_second(proto::clock::now().wall.as_secs())?;
        let year = now.to_zoned(self.zone.clone()).year();
        let mut entries = Entries::new(new, &self.zone, year);
        let found = entries.by_ref().flatten().collect();
        self.read = before + entries.consumed();
        Ok(found)
    }
}

impl WatchArgs {
    fn names_jobs(&self) -> bool {
        !(self.clusters.is_empty() && self.users.is_empty() && self.batches.is_empty())
    }
}

impl ShowArgs {
    /// What is shown at `now`.
    fn shown(&self, call: &Call, now: i64) -> Shown {
        let updated_at = || time::plain(model::Timestamp::from_secs(now), &TimeZone::system());
        // Our own is shorter unless more is asked for.
        let of_htcondor = call.dialect == Dialect::HtCondor;
        let on = |yes: bool, no: bool, otherwise: bool| yes || (otherwise && !no);
        let paint = match (self.color, self.no_color) {
            (true, _) => Paint::On,
            (false, true) => Paint::Off,
            (false, false) => output::automatic(),
        };
        Shown {
            table: on(self.table, self.no_table, true),
            row_progress: on(self.row_progress, self.no_row_progress, true),
            progress: on(self.progress, self.no_progress, of_htcondor),
            summary: on(self.summary, self.no_summary, true).then_some(self.summary_type),
            updated_at: on(self.updated_at, self.no_updated_at, of_htcondor).then(updated_at),
            abbreviate: self.abbreviate,
            group_by: self.groupby,
            larger_than: self.larger_than,
            paint,
        }
    }

    fn refreshes(&self) -> bool {
        self.refresh || (output::is_terminal() && !self.no_refresh)
    }

    /// Whether anything is said of how the display looks.
    fn says_anything(&self) -> bool {
        let asked = [self.table, self.progress, self.row_progress, self.updated_at, self.refresh];
        asked.contains(&true) || self.groupby != GroupBy::Batch || self.larger_than > 0
    }
}

struct Watch<'a> {
    args: &'a WatchArgs,
    call: &'a Call,
    /// Whether the schedd's record is followed.
    by_record: bool,
    watched: Watched,
    /// How many lines of the terminal the last display took.
    lines: usize,
}

impl Watch<'_> {
    /// Shows what comes until the watch is over.
    fn on(mut self, news: &Receiver<News>, exits: &[ExitWhen]) -> Result<ExitCode> {
        while let Ok(one) = news.recv() {
            self.take(one)?;
            self.show()?;
            if let Some(code) = self.is_over(exits) {
                return Ok(code);
            }
        }
        bail!("there is nothing left to follow")
    }

    /// The jobs of the record that are watched.
    fn select(&self) -> Select {
        let clusters = self.args.clusters.iter().map(|n| Selector::Cluster(ClusterId(*n)));
        let users = self.args.users.iter().map(|user| crate::line::select::selector(user));
        let named: Vec<Selector> = clusters.chain(users).collect();
        if named.is_empty() {
            return Select::Any(vec![Selector::Owner(UserName::new(&me()))]);
        }
        Select::Any(named)
    }

    /// The jobs in the queue, and of clusters that were named also those that have ended.
    fn begin(&mut self) -> Result<()> {
        let select = self.select();
        self.add(Query::of(select))?;
        // What has left of a cluster that is still there counts, too.
        let named = self.args.clusters.iter().copied().map(ClusterId);
        let clusters: BTreeSet<ClusterId> = named.chain(self.watched.clusters()).collect();
        if clusters.is_empty() {
            return Ok(());
        }
        let select = Select::Any(clusters.into_iter().map(Selector::Cluster).collect());
        self.add(Query { finished: true, ..Query::of(select) })
    }

    fn add(&mut self, query: Query) -> Result<()> {
        if !self.by_record {
            return Ok(());
        }
        let names = [
            attr::CLUSTER_ID,
            attr::PROC_ID,
            attr::JOB_STATUS,
            attr::JOB_BATCH_NAME,
            attr::EXIT_CODE,
            attr::EXIT_BY_SIGNAL,
            attr::EXIT_SIGNAL,
            attr::HOLD_REASON,
            attr::USER_LOG,
        ];
        let query = Query { projection: names.map(Into::into).to_vec(), ..query };
        let jobs = connect::persist(|schedd| Ok(schedd.jobs(query.clone())?))?;
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
                let cluster = Cluster { batch, log: job.text(attr::USER_LOG) };
                self.watched.add(id, cluster, standing(job));
            }
        }
    }

    fn take(&mut self, news: News) -> Result<()> {
        match news {
            News::Failed(error) => return Err(error),
            News::Log(path, entries) => {
                entries.iter().for_each(|entry| self.watched.note_entry(&path, entry));
            }
            News::Record(events) => {
                let came: BTreeSet<ClusterId> = events.iter().filter_map(cluster_came).collect();
                let new: Vec<ClusterId> =
                    came.into_iter().filter(|cluster| !self.watched.knows(*cluster)).collect();
                for cluster in new {
                    self.add(Query::of(Select::Any(vec![Selector::Cluster(cluster)])))?;
                }
                events.iter().for_each(|event| self.watched.note(event));
            }
        }
        Ok(())
    }

    fn is_over(&self, exits: &[ExitWhen]) -> Option<ExitCode> {
        let met = exits.iter().find(|when| self.watched.is_over(**when));
        met.map(|when| ExitCode::from(when.code))
    }

    /// On a terminal the display is written over the last one; elsewhere ours is a line for each
    /// change.
    fn show(&mut self) -> io::Result<()> {
        let show = &self.args.show;
        if self.args.json && self.call.dialect == Dialect::Updraft {
            return output::put(&format!("{}\n", self.watched.json(show.groupby)));
        }
        let short = self.call.dialect == Dialect::Updraft && !show.says_anything();
        if short && !output::is_terminal() {
            return output::put(&format!("{}\n", self.watched.line(show.summary_type)));
        }
        let now = proto::clock::now().wall.as_secs();
        let display = self.watched.display(&show.shown(self.call, now));
        let refreshes = show.refreshes();
        let up = match self.lines {
            lines if refreshes && lines > 0 => format!("\x1b[{lines}A\x1b[J"),
            _ => String::new(),
        };
        self.lines = display.len();
        let apart = if refreshes { "" } else { "\n" };
        output::put_as_it_is(&format!("{up}{}\n{apart}", display.join("\n")))
    }
}

fn cluster_came(recorded: &Recorded) -> Option<ClusterId> {
    match &recorded.what {
        Happening::ClusterSubmitted { cluster, .. } => Some(*cluster),
        Happening::Job { .. }
        | Happening::JobEdited { .. }
        | Happening::JobSaid { .. }
        | Happening::JobsWait { .. }
        | Happening::Reservation { .. }
        | Happening::FactoryEnded { .. } => None,
    }
}

fn standing(job: View<'_>) -> Standing {
    match job.status() {
        status::RUNNING | status::TRANSFERRING_OUTPUT => Standing::Running,
        status::SUSPENDED => Standing::Suspended,
        status::HELD => Standing::Held(job.text_or_undefined(attr::HOLD_REASON)),
        status::COMPLETED => {
            let number = |name| job.int(name).and_then(|code| i32::try_from(code).ok());
            let by_signal = job.value(attr::EXIT_BY_SIGNAL).is_true();
            Standing::Ended(match number(attr::EXIT_SIGNAL).filter(|_| by_signal) {
                Some(signal) => RunEnd::killed(signal),
                None => RunEnd::exited(number(attr::EXIT_CODE).unwrap_or(0)),
            })
        }
        status::REMOVED => Standing::Removed,
        _ => Standing::Idle,
    }
}
