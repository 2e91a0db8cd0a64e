//! What PBS writes to its users of a job (`-m abej`), in OpenPBS 23.06's words: when a job begins,
//! ends, or is aborted. An array is told of as one; with `j`, each of its subjobs too. Knows
//! nothing of how a letter travels.

use classad::{ClassAd, Env, Value};
use model::depend::{self, Part};
use model::queues::{QueueSettings, Reserved, Stage};
use model::{
    AfterRun, Hold, JobEvent, JobId, ProgramEnd, RunEnd, RunLimit, StopCause, Timestamp, Usage,
    attr,
};

use crate::core::ads;
use crate::core::state::core::{Core, JobRef};
use crate::core::told::mail_view::{MailEntry, MailNews, wanted_hold};
use crate::core::words::Event;

/// What PBS adds to a signal's number.
const OF_A_COMMAND: i32 = 256;
const OF_A_SHELL: i32 = 128;

/// Who is told of what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Begun,
    /// It has ended as `Exit_status` says, and used this.
    Ended {
        status: i32,
        usage: Usage,
    },
    Aborted(String),
}

/// The letters that an event is worth that is about to be applied; `None` if the job is none of
/// PBS's.
pub(super) fn letters(core: &Core, job: JobRef<'_>, what: &JobEvent, at: &Event) -> Vec<MailEntry> {
    let described = job.described();
    let Some(points) = text(&described, attr::PBS_MAIL_POINTS) else { return Vec::new() };
    let Some(told) = told(job, &described, what) else { return Vec::new() };
    let wanted = match told {
        Told::Begun => points.contains('b'),
        Told::Ended { .. } => points.contains('e'),
        Told::Aborted(_) => points.contains('a'),
    };
    if !wanted || points == "n" {
        return Vec::new();
    }
    let ad = ads::job_ad(job, at.at, core);
    let is_array = text(&ad, attr::PBS_ARRAY_INDICES).is_some();
    let mut letters = Vec::new();
    let is_own = !is_array || points.contains('j') || matches!(told, Told::Aborted(_));
    let first_or_last = is_array.then(|| of_array(core, job.job, &told)).flatten();
    let begins = matches!(told, Told::Begun);
    let whole = first_or_last.map(|lines| letter(&ad, job, at.at.wall, None, lines));
    let own = is_own.then(|| {
        let index = ad.eval(attr::PBS_ARRAY_INDEX, None, &Env::at(0)).as_i64().filter(|_| is_array);
        letter(
            &ad,
            job,
            at.at.wall,
            index.or(if is_array { Some(0) } else { None }),
            lines(&told, &ad),
        )
    });
    match begins {
        true => letters.extend(whole.into_iter().chain(own)),
        false => letters.extend(own.into_iter().chain(whole)),
    }
    letters
}

/// Some of what was to be staged out was not. OpenPBS 23.06 tells it whatever the job says of mail.
pub(super) fn not_staged_out(core: &Core, job: JobRef<'_>, at: &Event) -> MailEntry {
    let ad = ads::job_ad(job, at.at, core);
    let is_array = text(&ad, attr::PBS_ARRAY_INDICES).is_some();
    let index = ad.eval(attr::PBS_ARRAY_INDEX, None, &Env::at(0)).as_i64().filter(|_| is_array);
    let host = ad.eval(attr::REMOTE_HOST, None, &Env::at(0));
    let host = host.as_str().and_then(|slot| slot.rsplit('@').next());
    let host =
        host.map_or_else(|| core.host(), |host| host.split('.').next().unwrap_or(host).to_owned());
    let mut entry = letter(&ad, job, at.at.wall, index, Vec::new());
    if let MailNews::Pbs { id, lines, .. } = &mut entry.news {
        lines.push(format!("Post job file processing error; job {id} on host {host}"));
    }
    entry
}

/// What becomes of reservations, to those who want to know (`pbs_rsub -m abce`; `ac` if they say
/// nothing, and with `n` nothing at all).
pub(super) fn of_reservations(core: &Core, after: &QueueSettings, at: Timestamp) -> Vec<MailEntry> {
    let known = core.settings.reservations.iter();
    let news = known.filter_map(|(name, before)| {
        let after = after.reservations.get(name)?;
        let (point, said) = became(before, after, at)?;
        let shown = |what: &str| before.shown.get(what).map(String::as_str);
        let points = shown(attr::SHOWN_MAIL_POINTS).unwrap_or("ac");
        let is_wanted = points.contains(point) && !points.contains('n');
        let number = name.trim_start_matches('R').parse().unwrap_or_default();
        is_wanted.then(|| MailEntry {
            to: shown(attr::SHOWN_MAIL_USERS).unwrap_or(&before.owner).to_owned(),
            job: JobId::new(number, 0),
            at,
            submitted: before.created,
            command: String::new(),
            news: MailNews::Reservation {
                id: format!("{name}.{}", core.host()),
                name: shown(attr::RESERVE_NAME).unwrap_or("NULL").to_owned(),
                said,
            },
            attributes: Vec::new(),
        })
    });
    news.collect()
}

/// What a reservation has become that somebody may want to know: the letter of that, and
/// OpenPBS 23.06's words.
fn became(before: &Reserved, after: &Reserved, at: Timestamp) -> Option<(char, &'static str)> {
    match (&before.stage, &after.stage) {
        (Stage::Unconfirmed, Stage::Confirmed(_)) => {
            Some(('c', "Reservation transitioned from state UNCONFIRMED to CONFIRMED"))
        }
        (Stage::Confirmed(_), Stage::Running(_)) => Some(('b', "Reservation period starting")),
        (Stage::Over, _) => None,
        (Stage::Running(_), Stage::Over) if at >= before.window.end => {
            Some(('e', "Reservation period ended"))
        }
        (_, Stage::Over) => Some(('a', "Reservation removed")),
        (
            Stage::Unconfirmed | Stage::Confirmed(_) | Stage::Altering { .. } | Stage::Running(_),
            Stage::Unconfirmed | Stage::Confirmed(_) | Stage::Altering { .. } | Stage::Running(_),
        ) => None,
    }
}

fn text<'a>(ad: &'a ClassAd, name: &str) -> Option<&'a str> {
    ad.literal(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn told(job: JobRef<'_>, ad: &ClassAd, what: &JobEvent) -> Option<Told> {
    let aborted = |hold: &Hold| {
        (!wanted_hold(hold.code)).then(|| Told::Aborted(format!("Job held: {}", hold.reason)))
    };
    match what {
        JobEvent::RunStarted { .. } => Some(Told::Begun),
        JobEvent::StopRequested { cause: StopCause::Remove { reason }, .. }
        | JobEvent::Removed { reason, .. } => removed(job, reason),
        JobEvent::RunOver { end, usage, next: AfterRun::Complete, .. } => {
            Some(Told::Ended { status: status(end, ad), usage: *usage })
        }
        // Of one that was aborted its user knows already.
        JobEvent::RunOver { next: AfterRun::Remove { reason }, .. }
            if RunLimit::of_reason(reason).is_some() =>
        {
            None
        }
        JobEvent::RunOver { usage, next: AfterRun::Remove { .. }, .. } => {
            const DELETED: i32 = OF_A_COMMAND + 15;
            Some(Told::Ended { status: DELETED, usage: *usage })
        }
        JobEvent::RunOver { next: AfterRun::Hold(hold), .. } | JobEvent::Held(hold) => {
            aborted(hold)
        }
        JobEvent::Skipped { end, .. } => {
            Some(Told::Ended { status: status(end, ad), usage: Usage::default() })
        }
        JobEvent::RunOver { next: AfterRun::Requeue { .. }, .. }
        | JobEvent::RunAuthorised { .. }
        | JobEvent::PauseRequested { .. }
        | JobEvent::Suspended { .. }
        | JobEvent::Continued { .. }
        | JobEvent::StopRequested { .. }
        | JobEvent::Released { .. } => None,
    }
}

/// Who deletes a job himself is told nothing.
fn removed(job: JobRef<'_>, reason: &str) -> Option<Told> {
    if let Some(limit) = RunLimit::of_reason(reason) {
        let exceeded = format!("Job exceeded resource {}", limit.name());
        let lines = ["Aborted by PBS Server ", &exceeded, "See job standard error file"];
        return Some(Told::Aborted(lines.join("\n")));
    }
    if reason.starts_with(depend::REASON) {
        return Some(Told::Aborted(format!("Aborted by PBS Server \n{reason}")));
    }
    let owner = job.cluster.owner().as_str();
    let asked = reason.rsplit_once("at request of ").map(|(_, who)| who);
    let by = reason.rsplit_once("(by user ").and_then(|(_, who)| who.strip_suffix(')'));
    match asked.or(by) {
        Some(who) if who.split('@').next() == Some(owner) => None,
        Some(who) => Some(Told::Aborted(format!("Job to be deleted at request of {who}"))),
        None => Some(Told::Aborted(format!("Aborted by PBS Server \n{reason}"))),
    }
}

/// `Exit_status`.
fn status(end: &RunEnd, ad: &ClassAd) -> i32 {
    let of = if ad.get(attr::PBS_COMMAND).is_some() { OF_A_COMMAND } else { OF_A_SHELL };
    let RunEnd::Program(end) = end else { return -1 };
    match end {
        ProgramEnd::Exited { code } => *code,
        ProgramEnd::Signaled { signal, .. } => of + signal,
    }
}

/// What is told of an array: that it begins with the first of its jobs, and ends with the last.
fn of_array(core: &Core, job: JobId, told: &Told) -> Option<Vec<String>> {
    let progress = core.progress(job.cluster, Part::Array);
    match told {
        Told::Begun => (progress.started == 0).then(|| vec!["Begun execution".to_owned()]),
        Told::Ended { status, .. } => (progress.ended + 1 == progress.total).then(|| {
            let bad = i32::from(progress.bad > 0 || *status != 0);
            vec!["Execution terminated".to_owned(), format!("Exit_status={bad}")]
        }),
        Told::Aborted(_) => None,
    }
}

fn lines(told: &Told, ad: &ClassAd) -> Vec<String> {
    match told {
        Told::Begun => vec!["Begun execution".to_owned()],
        Told::Aborted(lines) => lines.lines().map(str::to_owned).collect(),
        Told::Ended { status, usage } => {
            let wall_s = usage.wall_ms() / 1000;
            let cpu_s = (usage.user_us + usage.sys_us) / 1_000_000;
            let percent = (cpu_s * 100).checked_div(wall_s).unwrap_or(0);
            let cpus = ad.literal(attr::REQUEST_CPUS).and_then(Value::as_i64).unwrap_or(1);
            let used = [
                ("cpupercent", percent.to_string()),
                ("cput", clock(cpu_s)),
                ("mem", format!("{}kb", usage.peak_rss_kib)),
                ("ncpus", cpus.to_string()),
                ("vmem", format!("{}kb", usage.peak_vmem_kib)),
                ("walltime", clock(wall_s)),
            ];
            let mut lines =
                vec!["Execution terminated".to_owned(), format!("Exit_status={status}")];
            lines.extend(used.map(|(name, value)| format!("resources_used.{name}={value}")));
            lines
        }
    }
}

/// `HH:MM:SS`.
fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A letter about a job, or about the subjob of this index.
fn letter(
    ad: &ClassAd,
    job: JobRef<'_>,
    at: Timestamp,
    index: Option<i64>,
    lines: Vec<String>,
) -> MailEntry {
    let (server, number) = (text(ad, attr::PBS_SERVER).unwrap_or_default(), job.job.cluster);
    let id = match (index, text(ad, attr::PBS_ARRAY_INDICES)) {
        (Some(index), _) => format!("{number}[{index}].{server}"),
        (None, Some(_)) => format!("{number}[].{server}"),
        (None, None) => format!("{number}.{server}"),
    };
    let to = text(ad, attr::PBS_MAIL_USERS).unwrap_or(job.cluster.owner().as_str());
    MailEntry {
        to: to.to_owned(),
        job: job.job,
        at,
        submitted: job.cluster.record.body.submitted,
        command: String::new(),
        news: MailNews::Pbs {
            id,
            name: text(ad, attr::PBS_JOB_NAME).unwrap_or_default().to_owned(),
            lines,
        },
        attributes: Vec::new(),
    }
}
