//! The tables of `qstat`, column for column as OpenPBS 23.06 prints them. An identifier is never
//! cut: programs act on it.

use std::fmt::Write;

use jobspec::pbs::{attribute, clock};
use model::attr;
use model::queues::{QueueSettings, amount};

use crate::render::pbs::full::{comment, estimated_start, exec_host, zoned};
use crate::render::pbs::{Here, Job, RowKind, State};
use crate::render::visible::visible;

/// How many hundredths of the processor time or the walltime that it asked for have gone, whichever
/// is more; of an array, how many of its subjobs.
fn done(job: &Job, here: &Here) -> String {
    let of = |part: u64, whole: u64| (part * 100).checked_div(whole);
    let hundredths = match (job.state, &job.kind) {
        (State::Queued | State::Waiting, _) => None,
        (State::Expired, _) => return "100".to_owned(),
        (_, RowKind::Array { counts, .. }) => {
            let all = counts.queued + counts.running + counts.expired;
            of(counts.expired as u64, all as u64)
        }
        (_, RowKind::Single | RowKind::Subjob(_)) => {
            let cpu = job.resource("cput").and_then(|limit| amount(&limit));
            let cpu = cpu.and_then(|limit| of(used_cpu(job).unwrap_or(0), limit));
            let wall = job.int(attribute::WALLTIME).and_then(|limit| u64::try_from(limit).ok());
            let wall = wall.filter(|_| job.has_run());
            cpu.max(wall.and_then(|limit| of(job.wall_s(here.now), limit)))
        }
    };
    hundredths.map_or_else(|| "-- ".to_owned(), |hundredths| format!("{hundredths:>3} "))
}

/// Seconds of processor time that its run has used, if it has one.
fn used_cpu(job: &Job) -> Option<u64> {
    let runs = job.has_run() && !matches!(job.kind, RowKind::Array { .. });
    runs.then(|| job.cpu_s())
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
    match text.chars().count() > width {
        true => starred(text, width),
        false => text.to_owned(),
    }
}

fn starred(text: &str, width: usize) -> String {
    text.chars().take(width - 1).chain(['*']).collect()
}

/// The plain form has a star at the end of names that just fit, too (OpenPBS 23.06).
fn cut_name(name: &str, width: usize) -> String {
    match name.chars().count() >= width {
        true => starred(name, width),
        false => name.to_owned(),
    }
}

/// The first characters of a text.
fn first(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// What the plain form looks at, beside how a job stands.
pub const PLAIN: &[&str] = &[attr::REMOTE_USER_CPU, attr::REMOTE_SYS_CPU];

/// What a job has run, as a part of what it asked for.
pub const PERCENT: &[&str] = &[
    attribute::RESOURCES,
    attribute::WALLTIME,
    attr::JOB_CURRENT_START_DATE,
    attr::REMOTE_WALL_CLOCK_TIME,
    attr::REMOTE_USER_CPU,
    attr::REMOTE_SYS_CPU,
];

/// What the wide forms look at, beside how a job stands.
pub const ALTERNATE: &[&str] = &[
    attribute::RESOURCES,
    attribute::WALLTIME,
    attr::REQUEST_CPUS,
    attr::REQUEST_MEMORY,
    attr::JOB_CURRENT_START_DATE,
    attr::REMOTE_WALL_CLOCK_TIME,
    attr::REMOTE_USER_CPU,
    attr::REMOTE_SYS_CPU,
    attr::REMOTE_HOST,
    attr::LAST_REMOTE_HOST,
    attribute::CHUNKS,
    attr::GANG_HOSTS,
    attr::JOB_START_DATE,
    attr::HOLD_REASON,
    attr::IDLE_COMMENT,
    attr::ESTIMATED_START,
];

/// What stands above the plain form: what managers say of the server, and the head.
pub fn plain_head(extra: Extra, comment: Option<&str>) -> String {
    let used = if extra.percent { " % done " } else { "Time Use" };
    let comment = comment.map_or_else(String::new, |comment| visible(comment) + "\n");
    if extra.wide {
        format!(
            "{comment}\
             Job id                         Name            User             {used} S Queue\n\
             -----------------------------  --------------- ---------------  -------- - ---------------\n"
        )
    } else {
        format!(
            "{comment}\
             Job id            Name             User              {used} S Queue\n\
             ----------------  ---------------- ----------------  -------- - -----\n"
        )
    }
}

/// A job in the plain form.
pub fn plain(out: &mut String, job: &Job, here: &Here, extra: Extra) {
    let id = job.id(&here.server);
    let used = match extra.percent {
        true => done(job, here),
        false => used_cpu(job).map_or_else(|| "0".to_owned(), clock),
    };
    let queue = job.queue();
    let state = job.state.letter();
    let (name, user) = (job.name(), job.owner());
    let _ = if extra.wide {
        let (name, user) = (cut_name(&name, 15), cut(&user, 15));
        writeln!(out, "{id:<30} {name:<15} {user:<15}  {used:>8} {state} {queue:<15}")
    } else {
        let (name, user) = (cut_name(&name, 16), cut(&user, 16));
        writeln!(out, "{id:<17} {name:<16} {user:<16}  {used:>8} {state} {queue:<16}")
    };
}

/// What stands above the form of `-a`, `-n`, `-s`, `-u` and their like.
pub fn alternate_head(here: &Here, extra: Extra, comment: Option<&str>) -> String {
    let mut out = format!("\n{}: {}\n", here.server, visible(comment.unwrap_or_default()));
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
    out.push(if extra.one_line { ' ' } else { '\n' });
    if extra.nodes {
        let nodes = exec_host(job).unwrap_or_else(|| " -- ".to_owned());
        let _ = match extra.one_line {
            true => writeln!(out, "{nodes}"),
            false => folded(&nodes).iter().try_for_each(|nodes| writeln!(out, "   {nodes}")),
        };
    }
    if extra.comment {
        let said = comment(job, here).unwrap_or_else(|| " -- ".to_owned());
        let most = if extra.wide { LONGEST_WIDE_COMMENT } else { LONGEST_COMMENT };
        let _ = match said.chars().count() > most {
            true => writeln!(out, "   {}...", first(&said, most - SHORTER)),
            false => writeln!(out, "   {said}"),
        };
    }
}

/// How long a comment is shown whole, and how much less of a longer one is.
const LONGEST_COMMENT: usize = 74;
const LONGEST_WIDE_COMMENT: usize = 114;
const SHORTER: usize = 4;

/// How long a line of machines is before the next.
const LONGEST_NODES: usize = 77;

/// Parts of `host/0*2+other/0` on lines, each but the last with what joins it to the next.
fn folded(nodes: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in nodes.split_inclusive('+') {
        let name = part.trim_end_matches('+').len();
        match lines.last_mut().filter(|line| line.len() + name < LONGEST_NODES) {
            Some(line) => *line += part,
            None => lines.push(part.to_owned()),
        }
    }
    lines
}

/// Where the column of `-T` begins.
const NARROW_START: usize = 75;
const WIDE_START: usize = 114;

fn line(job: &Job, here: &Here, extra: Extra) -> String {
    let queue = job.queue();
    let id = job.id(&here.server);
    let (name, user) = (job.name(), job.owner());
    let nodes = job.resource("nodect").unwrap_or_else(|| "1".to_owned());
    let tasks = job.resource("ncpus").filter(|cpus| cpus != "0");
    let tasks = tasks.unwrap_or_else(|| "-- ".to_owned());
    let memory =
        job.resource("mem").map_or_else(|| "  -- ".to_owned(), |mem| in_unit(&mem, extra.sizes));
    let (time, elapsed) = times(job, here);
    let elapsed = match extra.start {
        true => estimated_start(job).map_or_else(|| "--".to_owned(), |at| start(at, here)),
        false => elapsed.map_or_else(|| " -- ".to_owned(), hours),
    };
    let time = time.map_or_else(|| " -- ".to_owned(), hours);
    let state = job.state.letter();
    let tail = format!("{memory:>6} {time:>5} {state} {elapsed:>5}");
    if extra.wide {
        let (name, user) = (cut(&name, 15), cut(&user, 15));
        let (nodes, tasks) = (cut(&nodes, 4), cut(&tasks, 5));
        return format!(
            "{id:<30} {user:<15} {queue:<15} {name:<15} {:>8} {nodes:>4} {tasks:>5} {tail}",
            "-- "
        );
    }
    let (name, user, queue) = (cut(&name, 10), cut(&user, 8), cut(queue, 8));
    let (nodes, tasks) = (cut(&nodes, 3), cut(&tasks, 3));
    format!("{id:<15} {user:<8} {queue:<8} {name:<10} {:>6} {nodes:>3} {tasks:>3} {tail}", "-- ")
}

/// How much time it asked for, and how much it has had: processor time, where it asked for that.
fn times(job: &Job, here: &Here) -> (Option<u64>, Option<u64>) {
    if let Some(limit) = job.resource("cput") {
        return (amount(&limit), used_cpu(job));
    }
    let limit = job.int(attribute::WALLTIME).and_then(|seconds| u64::try_from(seconds).ok());
    (limit, used_cpu(job).map(|_| job.wall_s(here.now)))
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

/// A size in at most six characters: in its own unit or another, and in the next for as long as the
/// number has more than four digits (OpenPBS 23.06). Plain bytes stand apart from it.
fn in_unit(size: &str, sizes: Sizes) -> String {
    let Some(bytes) = amount(size) else { return first(size, MOST_OF_SIZE) };
    let unit = size.trim_start_matches(|c: char| c.is_ascii_digit()).to_ascii_lowercase();
    let own = UNITS.iter().position(|letter| unit.starts_with(*letter)).unwrap_or(0);
    let (mut power, in_words) = match sizes {
        Sizes::AsAsked => (own, unit.ends_with('w')),
        Sizes::Gigabytes => (3, false),
        Sizes::Megawords => (2, true),
    };
    let mut count = bytes.div_ceil(1 << (10 * power));
    if in_words {
        count = count.div_ceil(8);
    }
    while count > 9999 && power + 1 < UNITS.len() {
        count = count.div_ceil(1024);
        power += 1;
    }
    let text = format!("{count}{}{}", UNITS[power], if in_words { 'w' } else { 'b' });
    first(&text, MOST_OF_SIZE)
}

const UNITS: [char; 6] = [' ', 'k', 'm', 'g', 't', 'p'];

const MOST_OF_SIZE: usize = 6;

/// `HH:MM`, in five characters.
fn hours(seconds: u64) -> String {
    let text = format!("{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
    first(&text, 5)
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
        let name = cut(name, 16);
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
        let most = |resource: &str| queue.get(&format!("resources_max.{resource}"));
        let memory = most("mem").map_or_else(|| "--  ".to_owned(), |size| in_unit(size, sizes));
        let time = |resource: &str| first(most(resource).unwrap_or("  --   "), 8);
        let limit = queue.limits("max_run").of_all();
        let limit = limit.map_or_else(|| "--".to_owned(), |limit| limit.to_string());
        let enabled = if queue.is("enabled") { 'E' } else { 'D' };
        let started = if queue.is("started") { 'R' } else { 'S' };
        running += tally.running;
        waiting += tally.waits();
        let _ = writeln!(
            out,
            "{:<16} {memory:>6} {:>8} {:>8} {:>4} {:>5} {:>5} {:>4}   {enabled} {started}",
            cut(name, 16),
            time("cput"),
            time("walltime"),
            first(most("nodect").unwrap_or("-- "), 4),
            tally.running,
            tally.waits(),
            first(&limit, 4),
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

#[cfg(test)]
mod tests {
    use classad::ClassAd;
    use jiff::tz::TimeZone;
    use model::queues::{Change, Edit, Object};

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn here() -> Here {
        Here {
            command: "qstat".to_owned(),
            server: "pbshost".to_owned(),
            zone: TimeZone::UTC,
            now: NOW,
        }
    }

    /// A job that has run for half an hour, a quarter of it on a processor.
    fn running(resources: &str, more: &str) -> Job {
        let ad = format!(
            "ClusterId = 3864\nProcId = 0\nOwner = \"alice\"\nJobStatus = 2\nNumJobStarts = 1\n\
             RemoteUserCpu = 450.0\nRemoteHost = \"slot1_1@pbshost\"\n{name} = \"running\"\n\
             JobCurrentStartDate = {began}\n{list} = \"{resources}\"\n{more}\n",
            name = attribute::NAME,
            began = NOW - 1800,
            list = attribute::RESOURCES,
        );
        Job::of_ad(ClassAd::parse_old(&ad).unwrap(), NOW).unwrap().1
    }

    fn walltime(seconds: i64) -> String {
        format!("{} = {seconds}", attribute::WALLTIME)
    }

    #[test]
    fn a_job_that_asks_for_processor_time_is_shown_with_that() {
        let hour = walltime(3600);
        for (resources, more, expected) in [
            ("nodect=1 ncpus=2 mem=50mb", hour.as_str(), "  1   2   50mb 01:00 R 00:30"),
            ("nodect=1 ncpus=2 cput=02:00:00", hour.as_str(), "  1   2    --  02:00 R 00:07"),
            ("nodect=1 ncpus=2", "", "  1   2    --    --  R 00:30"),
            ("nodect=12345 ncpus=1000", "", "12* 10*    --    --  R 00:30"),
        ] {
            let shown = line(&running(resources, more), &here(), Extra::default());
            let expected =
                format!("3864.pbshost    alice    workq    running       --  {expected}");
            assert_eq!(shown, expected, "{resources}");
        }
    }

    #[test]
    fn what_is_done_is_the_greater_part_of_the_times_that_were_asked_for() {
        for (resources, more, expected) in [
            ("ncpus=1", walltime(3600), " 50 "),
            ("ncpus=1 cput=00:10:00", walltime(3600), " 75 "),
            ("ncpus=1 cput=01:00:00", walltime(3600), " 50 "),
            ("ncpus=1 cput=00:05:00", String::new(), "150 "),
            ("ncpus=1", String::new(), "-- "),
            // It waits again: what it has used is not of this run.
            ("ncpus=1", walltime(3600) + "\nJobStatus = 1", "-- "),
        ] {
            let job = running(resources, &more);
            assert_eq!(done(&job, &here()), expected, "{resources} {more}");
        }
        let over = Job { state: State::Expired, ..running("ncpus=1", "") };
        assert_eq!(done(&over, &here()), "100");
    }

    #[test]
    fn sizes_have_at_most_four_digits() {
        for (size, sizes, expected) in [
            ("50mb", Sizes::AsAsked, "50mb"),
            ("51200kb", Sizes::AsAsked, "50mb"),
            ("9999mb", Sizes::AsAsked, "9999mb"),
            ("10000mb", Sizes::AsAsked, "10gb"),
            ("100b", Sizes::AsAsked, "100 b"),
            ("2kw", Sizes::AsAsked, "2kw"),
            ("50mb", Sizes::Gigabytes, "1gb"),
            ("50mb", Sizes::Megawords, "7mw"),
        ] {
            assert_eq!(in_unit(size, sizes), expected, "{size} {sizes:?}");
        }
    }

    #[test]
    fn long_names_comments_and_lists_of_machines_are_cut_and_folded() {
        assert_eq!(cut("bobsjob_with_long_name", 10), "bobsjob_w*");
        assert_eq!(cut("0123456789", 10), "0123456789");
        assert_eq!(cut_name("0123456789", 10), "012345678*");
        let nodes: Vec<String> = (10..40).map(|n| format!("node{n}/0*2")).collect();
        let lines = folded(&nodes.join("+"));
        assert!(lines.iter().all(|line| line.len() <= LONGEST_NODES), "{lines:?}");
        assert_eq!(lines.concat(), nodes.join("+"));
        assert!(lines.len() == 5 && lines[0].ends_with("node16/0*2+"), "{lines:?}");
        let said = |words: usize, extra: Extra| {
            let comment = "word ".repeat(words).trim_end().to_owned();
            let job = running("ncpus=1", &format!("JobStatus = 1\nIdleComment = \"{comment}\""));
            let mut out = String::new();
            alternate(&mut out, &job, &here(), extra);
            out.lines().last().unwrap().trim_start().to_owned()
        };
        let narrow = Extra { comment: true, ..Extra::default() };
        assert_eq!(said(15, narrow).len(), 74);
        assert_eq!(said(16, narrow), "word ".repeat(14) + "...");
        assert_eq!(said(23, Extra { wide: true, ..narrow }).len(), 114);
        assert_eq!(said(24, Extra { wide: true, ..narrow }), "word ".repeat(22) + "...");
    }

    #[test]
    fn what_a_queue_s_jobs_may_ask_for_stands_at_the_right() {
        let edits =
            [("mem", "2gb"), ("nodect", "4"), ("walltime", "01:00:00"), ("cput", "100:00:00")].map(
                |(name, value)| {
                    let name = format!("resources_max.{name}");
                    let change = Change::Set { name, value: value.to_owned() };
                    Edit { object: Object::Queue("workq".to_owned()), change }
                },
            );
        let settings = QueueSettings::default().changed(&edits).unwrap();
        let all = [("workq", Tally::default())];
        let shown = queues_by_limits(&settings, &all, &here(), Sizes::AsAsked);
        let line = shown.lines().find(|line| line.starts_with("workq")).unwrap();
        let expected = "workq               2gb 100:00:0 01:00:00    4     0     0   --   E R";
        assert_eq!(line, expected);
    }

    #[test]
    fn what_managers_say_of_the_server_stands_above_the_tables() {
        let extra = Extra::default();
        let (plain, alternate) = (plain_head(extra, None), alternate_head(&here(), extra, None));
        let said = Some("maintenance at 5");
        assert_eq!(plain_head(extra, said), format!("maintenance at 5\n{plain}"));
        let expected = alternate.replace("pbshost: \n", "pbshost: maintenance at 5\n");
        assert_eq!(alternate_head(&here(), extra, said), expected);
    }
}
