//! The tables of `qstat`, column for column as OpenPBS 23.06 prints them. An identifier is never
//! cut: programs act on it.

use std::fmt::Write;

use jobspec::pbs::{attribute, clock};
use model::attr;
use model::queues::QueueSettings;

use crate::render::pbs::full::{comment, estimated_start, exec_host, zoned};
use crate::render::pbs::{Here, Job, RowKind, State};

/// How many hundredths of the time that it asked for have gone, or of its subjobs.
fn done(job: &Job, here: &Here) -> String {
    let of = |part: u64, whole: u64| (part * 100).checked_div(whole).unwrap_or(0).min(100);
    if let RowKind::Array { counts, .. } = &job.kind {
        let all = counts.queued + counts.running + counts.expired;
        return of(counts.expired as u64, all as u64).to_string();
    }
    let limit = job.int(attribute::WALLTIME).and_then(|limit| u64::try_from(limit).ok());
    match limit.filter(|limit| *limit > 0 && job.has_run()) {
        Some(limit) => of(job.wall_s(here.now), limit).to_string(),
        None => "--".to_owned(),
    }
}

/// In which unit sizes are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sizes {
    #[default]
    AsAsked,
    /// `-G`: begun gigabytes.
    Gigabytes,
    /// `-M`: begun megawords, of eight bytes.
    Megawords,
}

/// What is added to a line of the wide forms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// `-n`: where it runs.
    pub nodes: bool,
    /// `-s`: what there is to say of it.
    pub comment: bool,
    /// `-1`: on the same line.
    pub one_line: bool,
    /// `-w`: wider columns.
    pub wide: bool,
    /// `-p`: how much is done, and not what was used.
    pub percent: bool,
    /// `-T`: when it will start, and not how long it has run.
    pub start: bool,
    pub sizes: Sizes,
}

/// Cut to a width: what is longer ends in a star.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() < width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['*']).collect()
}

/// What the plain form looks at, beside how a job stands.
pub const PLAIN: &[&str] = &[attr::REMOTE_USER_CPU, attr::REMOTE_SYS_CPU];

/// What a job has run, as a part of what it asked for.
pub const PERCENT: &[&str] =
    &[attribute::WALLTIME, attr::JOB_CURRENT_START_DATE, attr::REMOTE_WALL_CLOCK_TIME];

/// What the wide forms look at, beside how a job stands.
pub const ALTERNATE: &[&str] = &[
    attribute::RESOURCES,
    attribute::WALLTIME,
    attr::REQUEST_CPUS,
    attr::REQUEST_MEMORY,
    attr::JOB_CURRENT_START_DATE,
    attr::REMOTE_WALL_CLOCK_TIME,
    attr::REMOTE_HOST,
    attr::LAST_REMOTE_HOST,
    attribute::CHUNKS,
    attr::GANG_HOSTS,
    attr::JOB_START_DATE,
    attr::HOLD_REASON,
    attr::IDLE_COMMENT,
    attr::ESTIMATED_START,
];

/// What stands above the plain form.
pub fn plain_head(extra: Extra) -> String {
    let used = if extra.percent { " % done " } else { "Time Use" };
    if extra.wide {
        format!(
            "Job id                         Name            User             {used} S Queue\n\
             -----------------------------  --------------- ---------------  -------- - ---------------\n"
        )
    } else {
        format!(
            "Job id            Name             User              {used} S Queue\n\
             ----------------  ---------------- ----------------  -------- - -----\n"
        )
    }
}

/// A job in the plain form.
pub fn plain(out: &mut String, job: &Job, here: &Here, extra: Extra) {
    let id = job.id(&here.server);
    let used = match job.has_run() && !matches!(job.kind, RowKind::Array { .. }) {
        true => clock(job.cpu_s()),
        false => "0".to_owned(),
    };
    let used = if extra.percent { format!("{:>7} ", done(job, here)) } else { used };
    let queue = job.queue();
    let state = job.state.letter();
    let (name, user) = (job.name(), job.owner());
    let _ = if extra.wide {
        let (name, user) = (cut(&name, 15), cut(&user, 15));
        writeln!(out, "{id:<30} {name:<15} {user:<15}  {used:>8} {state} {queue:<15}")
    } else {
        let (name, user) = (cut(&name, 16), cut(&user, 16));
        writeln!(out, "{id:<17} {name:<16} {user:<16}  {used:>8} {state} {queue:<16}")
    };
}

/// What stands above the form of `-a`, `-n`, `-s`, `-u` and their like.
pub fn alternate_head(here: &Here, extra: Extra) -> String {
    let mut out = format!("\n{}: \n", here.server);
    if extra.start {
        out += &" ".repeat(if extra.wide { WIDE_START } else { NARROW_START });
        out += "Est\n";
    }
    out += &if extra.wide {
        "                                                                                                   Req'd  Req'd   Elap\n\
         Job ID                         Username        Queue           Jobname         SessID   NDS  TSK   Memory Time  S Time\n\
         ------------------------------ --------------- --------------- --------------- -------- ---- ----- ------ ----- - -----\n"
    } else {
        "                                                            Req'd  Req'd   Elap\n\
         Job ID          Username Queue    Jobname    SessID NDS TSK Memory Time  S Time\n\
         --------------- -------- -------- ---------- ------ --- --- ------ ----- - -----\n"
    }
    .replace("Elap\n", if extra.start { "Start\n" } else { "Elap\n" });
    out
}

/// A job in that form.
pub fn alternate(out: &mut String, job: &Job, here: &Here, extra: Extra) {
    *out += &line(job, here, extra);
    let nodes = exec_host(job).unwrap_or_else(|| " -- ".to_owned());
    let _ = match (extra.nodes, extra.one_line) {
        (true, true) => writeln!(out, " {nodes}"),
        (true, false) => writeln!(out, "\n   {nodes}"),
        (false, _) => writeln!(out),
    };
    if extra.comment {
        let said = comment(job, here).unwrap_or_else(|| " -- ".to_owned());
        let _ = writeln!(out, "   {said}");
    }
}

/// Where the column of `-T` begins.
const NARROW_START: usize = 75;
const WIDE_START: usize = 114;

fn line(job: &Job, here: &Here, extra: Extra) -> String {
    let wide = extra.wide;
    let queue = job.queue();
    let id = job.id(&here.server);
    let (name, user) = (job.name(), job.owner());
    let nodes = job.resource("nodect").unwrap_or_else(|| "1".to_owned());
    let tasks =
        job.resource("ncpus").filter(|cpus| cpus != "0").unwrap_or_else(|| "-- ".to_owned());
    let memory =
        job.resource("mem").map_or_else(|| "  -- ".to_owned(), |mem| in_unit(&mem, extra.sizes));
    let time = job.int(attribute::WALLTIME).and_then(|seconds| u64::try_from(seconds).ok());
    let time = time.map_or_else(|| " -- ".to_owned(), hours);
    let is_array = matches!(job.kind, RowKind::Array { .. });
    let elapsed = match (job.has_run() && !is_array, job.state) {
        _ if extra.start => {
            estimated_start(job).map_or_else(|| "--".to_owned(), |at| start(at, here))
        }
        (
            true,
            State::Running | State::Suspended | State::Exiting | State::Finished | State::Expired,
        ) => hours(job.wall_s(here.now)),
        (true | false, _) => " -- ".to_owned(),
    };
    let state = job.state.letter();
    let tail = format!("{memory:>6} {time:>5} {state} {elapsed:>5}");
    if wide {
        let (name, user) = (cut(&name, 15), cut(&user, 15));
        return format!(
            "{id:<30} {user:<15} {queue:<15} {name:<15} {:>8} {nodes:>4} {tasks:>5} {tail}",
            "-- "
        );
    }
    let (name, user, queue) = (cut(&name, 11), cut(&user, 9), cut(queue, 9));
    format!("{id:<15} {user:<8} {queue:<8} {name:<10} {:>6} {nodes:>3} {tasks:>3} {tail}", "-- ")
}

/// By when a job starts, in five characters: the time today, the day and the hour within a week
/// (`Mo 14`), the day within a year, and the year.
fn start(at: i64, here: &Here) -> String {
    let (start, now) = (zoned(at, &here.zone), zoned(here.now, &here.zone));
    let days = start.date().since(now.date()).map_or(0, |span| span.get_days());
    match days {
        ..=0 => start.strftime("%H:%M").to_string(),
        1..=6 => {
            let day: String = start.strftime("%a").to_string().chars().take(2).collect();
            format!("{day} {}", start.strftime("%H"))
        }
        7..=365 => start.strftime("%b%e").to_string(),
        _ => start.strftime("%Y").to_string(),
    }
}

fn in_unit(size: &str, sizes: Sizes) -> String {
    let bytes = model::queues::amount(size);
    match (sizes, bytes) {
        (Sizes::AsAsked, _) | (_, None) => spaced(size),
        (Sizes::Gigabytes, Some(bytes)) => format!("{}gb", bytes.div_ceil(1 << 30)),
        (Sizes::Megawords, Some(bytes)) => format!("{}mw", bytes.div_ceil(8 << 20)),
    }
}

/// Plain bytes stand apart from their number.
fn spaced(size: &str) -> String {
    let digits = size.trim_end_matches(char::is_alphabetic);
    match &size[digits.len()..] {
        "b" | "w" => format!("{digits} {}", &size[digits.len()..]),
        _ => size.to_owned(),
    }
}

/// `HH:MM`, in five characters.
fn hours(seconds: u64) -> String {
    let text = format!("{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
    text.chars().take(5).collect()
}

/// Jobs by state, of a queue or a server. An array is one job, and each of its subjobs that runs
/// another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub total: usize,
    /// Waiting for a machine.
    pub queued: usize,
    pub running: usize,
    pub held: usize,
    /// Waiting for their time.
    pub waiting: usize,
    /// Deleted, and not over yet.
    pub exiting: usize,
    /// Arrays of which some subjob has begun.
    pub begun: usize,
}

impl Tally {
    /// One more; an array is one.
    pub fn add(&mut self, job: &Job) {
        let of_array = match &job.kind {
            RowKind::Array { counts, .. } => counts.running,
            RowKind::Single | RowKind::Subjob(_) => 0,
        };
        self.running += of_array;
        self.total += 1 + of_array;
        match job.state {
            State::Queued => self.queued += 1,
            State::Running | State::Suspended => self.running += 1,
            State::Held => self.held += 1,
            State::Waiting => self.waiting += 1,
            State::Begun => self.begun += 1,
            State::Exiting => self.exiting += 1,
            State::Expired | State::Finished => {}
        }
    }

    /// `state_count`.
    pub fn written(self) -> String {
        let Self { queued, running, held, waiting, exiting, begun, .. } = self;
        format!(
            "Transit:0 Queued:{queued} Held:{held} Waiting:{waiting} Running:{running} Exiting:{exiting} Begun:{begun} "
        )
    }

    /// Those that do not run.
    fn waits(self) -> usize {
        self.queued + self.held + self.waiting
    }
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// `-Q`: each queue with its jobs.
pub fn queues(settings: &QueueSettings, all: &[(&str, Tally)]) -> String {
    let mut out = String::new();
    for (name, Tally { total, queued, running, held, waiting, .. }) in all {
        let Some(queue) = settings.queue(name) else { continue };
        let (enabled, started) = (yes(queue.is("enabled")), yes(queue.is("started")));
        let most = queue.limits("max_run").of_all().unwrap_or(0);
        let kind = match queue.get("queue_type") {
            Some("Route") => "Rou*",
            Some(_) => "Exe*",
            None => "--",
        };
        let name = cut(name, 17);
        let _ = writeln!(
            out,
            "{name:<16} {most:>5} {total:>5} {enabled:>3} {started:>3} {queued:>5} {running:>5} {held:>5} {waiting:>5} {:>5} {:>5} {kind}",
            0, 0
        );
    }
    let head = "Queue              Max   Tot Ena Str   Que   Run   Hld   Wat   Trn   Ext Type\n\
         ---------------- ----- ----- --- --- ----- ----- ----- ----- ----- ----- ----\n";
    if out.is_empty() { out } else { head.to_owned() + &out }
}

/// `-q`: each queue with what its jobs may ask for.
pub fn queues_by_limits(
    settings: &QueueSettings,
    all: &[(&str, Tally)],
    here: &Here,
    sizes: Sizes,
) -> String {
    let mut out = format!(
        "\nserver: {}\n\n\
         Queue            Memory CPU Time Walltime Node   Run   Que   Lm  State\n\
         ---------------- ------ -------- -------- ---- ----- ----- ----  -----\n",
        here.server
    );
    let (mut running, mut waiting) = (0, 0);
    for (name, tally) in all {
        let Some(queue) = settings.queue(name) else { continue };
        let most = |resource: &str| {
            let most = queue.get(&format!("resources_max.{resource}")).map(str::to_owned);
            most.unwrap_or_else(|| "--".to_owned())
        };
        let memory = match most("mem").as_str() {
            "--" => "--".to_owned(),
            size => in_unit(size, sizes),
        };
        let limit = queue.limits("max_run").of_all();
        let limit = limit.map_or_else(|| "--".to_owned(), |limit| limit.to_string());
        let enabled = if queue.is("enabled") { 'E' } else { 'D' };
        let started = if queue.is("started") { 'R' } else { 'S' };
        running += tally.running;
        waiting += tally.waits();
        let _ = writeln!(
            out,
            "{:<16} {memory:^6} {:^8} {:^8} {:^4} {:>5} {:>5} {limit:>4}   {enabled} {started}",
            cut(name, 17),
            most("cput"),
            most("walltime"),
            most("nodect"),
            tally.running,
            tally.waits(),
        );
    }
    let _ = writeln!(out, "{:47}----- -----\n{:47}{running:>5} {waiting:>5}", "", "");
    out
}

/// `-B`.
pub fn server(tally: Tally, here: &Here, is_scheduling: bool) -> String {
    let Tally { total, queued, running, held, waiting, exiting, .. } = tally;
    let name = &here.server;
    let status = if is_scheduling { "Active" } else { "Idle" };
    format!(
        "Server             Max   Tot   Que   Run   Hld   Wat   Trn   Ext Status\n\
         ---------------- ----- ----- ----- ----- ----- ----- ----- ----- -----------\n\
         {name:<16} {:>5} {total:>5} {queued:>5} {running:>5} {held:>5} {waiting:>5} {:>5} {exiting:>5} {status:<10}\n",
        0, 0
    )
}
