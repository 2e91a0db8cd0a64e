//! The tables of `qstat`, column for column as OpenPBS 23.06 prints them. An identifier is never
//! cut: programs act on it.

use std::fmt::Write;

use jobspec::pbs::{QUEUE, attribute};

use crate::render::pbs::full::{comment, exec_host};
use crate::render::pbs::{Here, Job, RowKind, State};

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
}

/// Cut to a width: what is longer ends in a star.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() < width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['*']).collect()
}

/// The plain form.
pub fn plain(jobs: &[Job], here: &Here, wide: bool, with_head: bool) -> String {
    let mut out = String::new();
    if with_head && !jobs.is_empty() {
        out += if wide {
            "Job id                         Name            User             Time Use S Queue\n\
             -----------------------------  --------------- ---------------  -------- - ---------------\n"
        } else {
            "Job id            Name             User              Time Use S Queue\n\
             ----------------  ---------------- ----------------  -------- - -----\n"
        };
    }
    for job in jobs {
        let id = job.id(&here.server);
        let used = match job.has_run() && !matches!(job.kind, RowKind::Array { .. }) {
            true => clock(job.cpu_s()),
            false => "0".to_owned(),
        };
        let state = job.state.letter();
        let (name, user) = (job.name(), job.owner());
        if wide {
            let (name, user) = (cut(&name, 15), cut(&user, 15));
            let _ = writeln!(out, "{id:<30} {name:<15} {user:<15}  {used:>8} {state} {QUEUE:<15}");
        } else {
            let (name, user) = (cut(&name, 16), cut(&user, 16));
            let _ = writeln!(out, "{id:<17} {name:<16} {user:<16}  {used:>8} {state} {QUEUE:<16}");
        }
    }
    out
}

/// The form of `-a`, `-n`, `-s`, `-u` and their like.
pub fn alternate(jobs: &[Job], here: &Here, extra: Extra) -> String {
    if jobs.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}: \n", here.server);
    out += if extra.wide {
        "                                                                                                   Req'd  Req'd   Elap\n\
         Job ID                         Username        Queue           Jobname         SessID   NDS  TSK   Memory Time  S Time\n\
         ------------------------------ --------------- --------------- --------------- -------- ---- ----- ------ ----- - -----\n"
    } else {
        "                                                            Req'd  Req'd   Elap\n\
         Job ID          Username Queue    Jobname    SessID NDS TSK Memory Time  S Time\n\
         --------------- -------- -------- ---------- ------ --- --- ------ ----- - -----\n"
    };
    for job in jobs {
        let line = line(job, here, extra.wide);
        let nodes = exec_host(job).unwrap_or_else(|| " -- ".to_owned());
        out += &match (extra.nodes, extra.one_line) {
            (true, true) => format!("{line} {nodes}\n"),
            (true, false) => format!("{line}\n   {nodes}\n"),
            (false, _) => format!("{line}\n"),
        };
        if extra.comment {
            let said = comment(job, here).unwrap_or_else(|| " -- ".to_owned());
            let _ = writeln!(out, "   {said}");
        }
    }
    out
}

fn line(job: &Job, here: &Here, wide: bool) -> String {
    let id = job.id(&here.server);
    let (name, user) = (job.name(), job.owner());
    let nodes = job.resource("nodect").unwrap_or_else(|| "1".to_owned());
    let tasks =
        job.resource("ncpus").filter(|cpus| cpus != "0").unwrap_or_else(|| "-- ".to_owned());
    let memory = job.resource("mem").map_or_else(|| "  -- ".to_owned(), |mem| spaced(&mem));
    let time = job.int(attribute::WALLTIME).and_then(|seconds| u64::try_from(seconds).ok());
    let time = time.map_or_else(|| " -- ".to_owned(), hours);
    let is_array = matches!(job.kind, RowKind::Array { .. });
    let elapsed = match (job.has_run() && !is_array, job.state) {
        (true, State::Running | State::Suspended | State::Finished | State::Expired) => {
            hours(job.wall_s(here.now))
        }
        (true | false, _) => " -- ".to_owned(),
    };
    let state = job.state.letter();
    let tail = format!("{memory:>6} {time:>5} {state} {elapsed:>5}");
    if wide {
        let (name, user) = (cut(&name, 15), cut(&user, 15));
        return format!(
            "{id:<30} {user:<15} {QUEUE:<15} {name:<15} {:>8} {nodes:>4} {tasks:>5} {tail}",
            "-- "
        );
    }
    let (name, user) = (cut(&name, 11), cut(&user, 9));
    format!("{id:<15} {user:<8} {QUEUE:<8} {name:<10} {:>6} {nodes:>3} {tasks:>3} {tail}", "-- ")
}

/// Plain bytes stand apart from their number.
fn spaced(size: &str) -> String {
    let digits = size.trim_end_matches(char::is_alphabetic);
    match &size[digits.len()..] {
        "b" | "w" => format!("{digits} {}", &size[digits.len()..]),
        _ => size.to_owned(),
    }
}

/// `HH:MM:SS`.
pub fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `HH:MM`, in five characters.
fn hours(seconds: u64) -> String {
    let text = format!("{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
    text.chars().take(5).collect()
}

/// Jobs by state, of a queue or a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub total: usize,
    /// Waiting for a machine.
    pub queued: usize,
    pub running: usize,
    pub held: usize,
    /// Waiting for their time.
    pub waiting: usize,
}

impl Tally {
    /// Of these jobs; an array is one.
    pub fn of(jobs: &[Job]) -> Self {
        let count =
            |wanted: &[State]| jobs.iter().filter(|job| wanted.contains(&job.state)).count();
        Self {
            total: jobs.len(),
            queued: count(&[State::Queued]),
            running: count(&[State::Running, State::Begun, State::Suspended]),
            held: count(&[State::Held]),
            waiting: count(&[State::Waiting]),
        }
    }
}

/// `-Q`.
pub fn queue(tally: Tally) -> String {
    let Tally { total, queued, running, held, waiting } = tally;
    format!(
        "Queue              Max   Tot Ena Str   Que   Run   Hld   Wat   Trn   Ext Type\n\
         ---------------- ----- ----- --- --- ----- ----- ----- ----- ----- ----- ----\n\
         {QUEUE:<16} {:>5} {total:>5} yes yes {queued:>5} {running:>5} {held:>5} {waiting:>5} {:>5} {:>5} Exe*\n",
        0, 0, 0
    )
}

/// `-B`.
pub fn server(tally: Tally, here: &Here) -> String {
    let Tally { total, queued, running, held, waiting } = tally;
    let name = cut(&here.server, 17);
    format!(
        "Server             Max   Tot   Que   Run   Hld   Wat   Trn   Ext Status\n\
         ---------------- ----- ----- ----- ----- ----- ----- ----- ----- -----------\n\
         {name:<16} {:>5} {total:>5} {queued:>5} {running:>5} {held:>5} {waiting:>5} {:>5} {:>5} {:<10}\n",
        0, 0, 0, "Active"
    )
}
