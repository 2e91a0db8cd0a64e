//! The attributes of a job as `qstat -f` shows them, in OpenPBS 23.06's order.

use classad::Expr;
use jiff::tz::TimeZone;
use jobspec::pbs::{Depend, INDEX_IN_PATHS, Submission, attribute, clock, shown, unfolded};
use model::depend::{Part, Waits};
use model::{HoldCode, RunLimit, Script, attr, depend};

use crate::render::pbs::job::Counts;
use crate::render::pbs::listed::{Listed, Shown, Value};
use crate::render::pbs::{Here, Job, RowKind, State};

/// What a job waits for still, or could not wait for; who waits for it; and with whom only one is
/// to run.
fn depend(job: &Job) -> Depend {
    let said = job.text(attribute::DEPEND).and_then(Depend::read).unwrap_or_default();
    let is_held =
        job.int(attr::HOLD_REASON_CODE) == Some(i64::from(HoldCode::WaitsForJobs.number()));
    let is_removed = never_could(job);
    let left = job.text(depend::WAITS_FOR).and_then(depend::read);
    let mut waits = match left {
        Some(left) if is_held || is_removed => left,
        None if is_removed => said.waits.clone(),
        Some(_) | None => Waits::default(),
    };
    for one in &mut waits.others {
        // The schedd knows the subjob by another number than its users.
        let as_said = said.waits.others.iter().find(|other| {
            matches!((one.part, other.part), (Part::Proc(_), Part::Index(_)))
                && (one.on, one.kind) == (other.on, other.kind)
        });
        *one = as_said.copied().unwrap_or(*one);
    }
    let before = job.text(depend::WAITED_FOR).and_then(depend::read_before).unwrap_or_default();
    let run_one = job.text(depend::RUN_ONE).and_then(depend::read_numbers).unwrap_or_default();
    let run_one = run_one.into_iter().map(|job| (job, false)).collect();
    Depend { waits, before, run_one, elsewhere: None }
}

/// All attributes of a job, in PBS's order.
struct Attributes<'a> {
    job: &'a Job,
    here: &'a Here,
    all: Vec<Shown>,
}

impl Attributes<'_> {
    fn one(&mut self, name: &'static str, value: impl Into<String>) {
        self.all.push(Shown::one(name, value));
    }

    fn text(&mut self, name: &'static str, attr: &str) {
        if let Some(text) = self.job.text(attr) {
            let text = text.to_owned();
            self.one(name, text);
        }
    }

    fn number(&mut self, name: &'static str, attr: &str) {
        if let Some(number) = self.job.int(attr) {
            self.one(name, number.to_string());
        }
    }

    fn date(&mut self, name: &'static str, attr: &str) {
        if let Some(seconds) = self.job.int(attr).filter(|seconds| *seconds > 0) {
            self.one(name, date(seconds, &self.here.zone));
        }
    }

    fn parts(&mut self, name: &'static str, parts: Vec<(String, String)>) {
        self.all.extend(Shown::parts(name, parts));
    }

    /// A subjob that runs, or has run: what concerns its array is said of that.
    fn is_run_of_array(&self) -> bool {
        matches!(self.job.kind, RowKind::Subjob(_)) && self.job.has_run()
    }

    /// A subjob that has not begun: OpenPBS 23.06 says of it what it says of its array.
    fn waits_in_array(&self) -> bool {
        matches!(self.job.kind, RowKind::Subjob(_)) && self.job.state == State::Queued
    }

    fn begin(&mut self) {
        let job = self.job;
        self.one(shown::JOB_NAME, job.name());
        self.one("Job_Owner", format!("{}@{}", job.owner(), self.here.server));
        if !matches!(job.kind, RowKind::Array { .. }) && job.has_run() {
            self.parts("resources_used", used(job, self.here));
        }
        self.one("job_state", job.state.letter().to_string());
        self.one("queue", job.queue());
        self.one("server", self.here.server.clone());
        self.text(shown::ACCOUNT_NAME, attribute::ACCOUNT);
        if !self.is_run_of_array() {
            self.one("Checkpoint", job.text(attribute::CHECKPOINT).unwrap_or("u"));
        }
        self.date("ctime", attr::Q_DATE);
        let depend = depend(job);
        if !depend.is_empty() {
            self.one("depend", depend.shown(&self.here.server));
        }
        self.path(shown::ERROR_PATH, attribute::ERROR, attr::ERR);
        if let Some(host) = exec_host(job) {
            self.one("exec_host", host);
            self.one("exec_vnode", vnode(job));
        }
        self.date(shown::EXECUTION_TIME, attribute::EXECUTION_TIME);
        self.text("group_list", attribute::GROUPS);
        if !self.is_run_of_array() {
            self.one(shown::HOLD_TYPES, holds(job));
        }
        if job.text(attribute::INTERACTIVE).is_some() {
            self.one("interactive", "True");
        }
        for (name, attr) in
            [(shown::JOIN_PATH, attribute::JOIN), (shown::KEEP_FILES, attribute::KEEP)]
        {
            self.one(name, job.text(attr).unwrap_or("n"));
        }
        self.one(shown::MAIL_POINTS, job.text(attribute::MAIL_POINTS).unwrap_or("a"));
        self.text(shown::MAIL_USERS, attribute::MAIL_USERS);
    }

    fn middle(&mut self) {
        let job = self.job;
        self.date("mtime", attr::ENTERED_CURRENT_STATUS);
        self.path(shown::OUTPUT_PATH, attribute::OUTPUT, attr::OUT);
        self.one("Priority", job.int(attr::JOB_PRIO).unwrap_or(0).to_string());
        self.date("qtime", attr::Q_DATE);
        self.text(shown::REMOVE_FILES, attribute::REMOVE);
        let rerunable = job.ad.literal(attribute::RERUNABLE).and_then(classad::Value::as_bool);
        self.one("Rerunable", if rerunable == Some(false) { "False" } else { "True" });
        self.parts("Resource_List", job.resources());
        match job.began {
            Some(began) => self.one("stime", date(began, &self.here.zone)),
            None if job.has_run() => self.date("stime", attr::JOB_CURRENT_START_DATE),
            None => {}
        }
        if job.has_ended() && (job.began.is_some() || job.has_run()) {
            self.date("obittime", attr::ENTERED_CURRENT_STATUS);
        }
        self.text(shown::SHELL_PATH_LIST, attribute::SHELLS);
        self.text("sandbox", attribute::SANDBOX);
        if exec_host(job).is_some() {
            self.text("jobdir", attr::IWD);
        }
        self.text("stagein", attribute::STAGE_IN);
        self.text("stageout", attribute::STAGE_OUT);
        self.one("substate", substate(job).to_string());
        self.text(shown::USER_LIST, attribute::USERS);
        if let Some(list) = job.text(attribute::VARIABLES) {
            let pairs = Submission::written_variables(list);
            self.all.push(Shown { name: "Variable_List".to_owned(), value: Value::Pairs(pairs) });
        }
        if let Some(comment) = comment(job, self.here) {
            self.one("comment", comment);
        }
        let never_eligible = job.has_ended() && !job.has_begun() && was_held(job);
        if !matches!(job.state, State::Held | State::Waiting) && !never_eligible {
            self.date("etime", attr::Q_DATE);
        }
        self.number("umask", attribute::UMASK);
        if job.ad.literal(attribute::BLOCK).is_some_and(classad::Value::is_true) {
            self.one("block", "True");
        }
    }

    fn end(&mut self) {
        let job = self.job;
        let is_array = matches!(job.kind, RowKind::Array { .. });
        let before = job.int(attribute::RUNS_BEFORE);
        if !is_array && (job.has_begun() || before.is_some()) {
            let runs = job.int(attr::NUM_JOB_STARTS).unwrap_or(0) + before.unwrap_or(0);
            self.one("run_count", runs.to_string());
        }
        if let Some(status) = job.exit_status {
            let [_, _, post_code] = Script::Post.end_attributes();
            let all = job.text(attribute::STAGE_OUT).is_none() || job.int(post_code) == Some(0);
            self.one("Stageout_status", if all { "1" } else { "0" });
            self.one("Exit_status", status.to_string());
        }
        if let Some(arguments) = job.text(attribute::ARGUMENTS).filter(|_| !self.is_run_of_array())
        {
            self.one("Submit_arguments", unfolded(arguments));
        }
        self.command();
        if self.waits_in_array() {
            return;
        }
        self.array();
        if let Some(at) = job.int(attr::ENTERED_CURRENT_STATUS).filter(|_| job.has_ended()) {
            // A number, not a date.
            self.one("history_timestamp", at.to_string());
        }
        self.one("project", job.text(attribute::PROJECT).unwrap_or(model::queues::NO_PROJECT));
        self.one("Submit_Host", self.here.server.clone());
        self.number("max_run_subjobs", attribute::MOST_RUNNING);
        if let Some(at) = estimated_start(job) {
            let at = date(at, &self.here.zone);
            self.parts("estimated", vec![("start_time".to_owned(), at)]);
        }
    }

    /// `-- command arguments`.
    fn command(&mut self) {
        let Some(words) = self.job.text(attribute::COMMAND) else { return };
        let mut words = classad::words::split_v2(&unfolded(words)).unwrap_or_default().into_iter();
        let tagged =
            |tag: &str, word: String| format!("<jsdl-hpcpa:{tag}>{word}</jsdl-hpcpa:{tag}>");
        self.one("executable", tagged("Executable", words.next().unwrap_or_default()));
        let arguments: String = words.map(|word| tagged("Argument", word)).collect();
        if !arguments.is_empty() {
            self.one("argument_list", arguments);
        }
    }

    fn array(&mut self) {
        let job = self.job;
        match &job.kind {
            RowKind::Single => {}
            RowKind::Array { indices, counts, remaining, .. } => {
                self.one("array", "True");
                let Counts { queued, running, expired } = match job.state {
                    // Nothing is counted of it any more (OpenPBS 23.06).
                    State::Finished => Counts::default(),
                    _ => *counts,
                };
                self.one(
                    "array_state_count",
                    format!("Queued:{queued} Running:{running} Exiting:0 Expired:{expired}"),
                );
                self.one("array_indices_submitted", indices.to_string());
                self.one("array_indices_remaining", ranges(remaining));
            }
            RowKind::Subjob(index) => {
                self.one("array_id", format!("{}[].{}", job.number, self.here.server));
                self.one("array_index", index.to_string());
            }
        }
    }

    /// Where a stream goes; of a subjob that has begun, with its index.
    fn path(&mut self, name: &'static str, shown: &str, own: &str) {
        let given = self.job.text(shown).map(str::to_owned);
        let other = || self.job.text(own).map(|path| format!("{}:{path}", self.here.server));
        let Some(path) = given.or_else(other) else { return };
        let path = match self.job.kind {
            RowKind::Subjob(index) if self.job.has_run() => {
                path.replace(INDEX_IN_PATHS, &index.to_string())
            }
            RowKind::Subjob(_) | RowKind::Single | RowKind::Array { .. } => path,
        };
        self.one(name, path);
    }
}

/// By when it starts, if that is known.
pub fn estimated_start(job: &Job) -> Option<i64> {
    job.int(attr::ESTIMATED_START).filter(|_| job.state == State::Queued)
}

/// A job as a list of attributes.
pub fn listed(job: &Job, here: &Here) -> Listed {
    let mut attributes = Attributes { job, here, all: Vec::new() };
    attributes.begin();
    attributes.middle();
    attributes.end();
    Listed { name: job.id(&here.server), attributes: attributes.all }
}

/// `host/slot*cpus` of each chunk, while it runs or where it ran.
pub fn exec_host(job: &Job) -> Option<String> {
    if matches!(job.kind, RowKind::Array { .. }) || !job.has_run() {
        return None;
    }
    let (slot, host) = place(job)?;
    let number: u32 = slot.rsplit('_').next().and_then(|n| n.parse().ok()).unwrap_or(1);
    let (hosts, first) = match machines(job) {
        hosts if hosts.is_empty() => (vec![host], number.saturating_sub(1)),
        hosts => (hosts, 0),
    };
    Some(job.chunks().exec_host(&hosts, first))
}

/// The machine of each chunk, of a job that has several.
fn machines(job: &Job) -> Vec<&str> {
    let hosts = job.text(attr::GANG_HOSTS).unwrap_or_default().split(',');
    let hosts = hosts.filter(|host| !host.is_empty());
    hosts.map(|host| host.split('.').next().unwrap_or(host)).collect()
}

/// The slot and the machine on which it runs or ran.
fn place(job: &Job) -> Option<(&str, &str)> {
    let slot = job.text(attr::REMOTE_HOST).or_else(|| job.text(attr::LAST_REMOTE_HOST))?;
    let (slot, host) = slot.split_once('@').unwrap_or(("slot1", slot));
    Some((slot, host.split('.').next().unwrap_or(host)))
}

pub(super) fn vnode(job: &Job) -> String {
    let hosts = match machines(job) {
        hosts if hosts.is_empty() => vec![place(job).map_or("", |(_, host)| host)],
        hosts => hosts,
    };
    job.chunks().exec_vnode(&hosts)
}

pub(super) fn used(job: &Job, here: &Here) -> Vec<(String, String)> {
    let kib = |name| job.int(name).unwrap_or(0);
    let wall = job.wall_s(here.now);
    let percent = (job.cpu_s() * 100).checked_div(wall).unwrap_or(0);
    let cpus = job.resource("ncpus").unwrap_or_else(|| "1".to_owned());
    [
        ("cpupercent", percent.to_string()),
        ("cput", clock(job.cpu_s())),
        ("mem", format!("{}kb", kib(attr::RESIDENT_SET_SIZE))),
        ("ncpus", cpus),
        ("vmem", format!("{}kb", kib(attr::PEAK_ADDRESS_SPACE).max(kib(attr::IMAGE_SIZE)))),
        ("walltime", clock(wall)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// `u`: its user's; `o`: the operators'; `s`: the managers', or the system's, for what it waits for
/// or because something is wrong; `p`: a password is bad, as a manager has said. One that is held
/// while it runs goes on.
pub fn holds(job: &Job) -> String {
    let code = job.int(attr::HOLD_REASON_CODE);
    let is = |wanted: HoldCode| code == Some(i64::from(wanted.number()));
    let by_managers = job.text(depend::HELD_BY_MANAGERS).unwrap_or_default();
    let (user, system) = match job.state {
        State::Held if !by_managers.is_empty() && is(HoldCode::UserRequest) => {
            (job.is_held_besides(), false)
        }
        State::Held if is(HoldCode::UserRequest) || is(HoldCode::SubmittedOnHold) => (true, false),
        State::Held => (job.is_held_besides(), true),
        State::Running | State::Suspended => (job.is_held_besides(), false),
        State::Finished if was_held_by_user(job) => (true, false),
        State::Finished | State::Expired => return "n".to_owned(),
        State::Queued | State::Waiting | State::Begun | State::Exiting => (false, false),
    };
    // In OpenPBS 23.06's order.
    let kinds = [
        ('s', system || by_managers.contains('s')),
        ('o', by_managers.contains('o')),
        ('u', user),
        ('p', by_managers.contains('p')),
    ];
    let all: String = kinds.iter().filter(|(_, is)| *is).map(|(kind, _)| *kind).collect();
    if all.is_empty() { "n".to_owned() } else { all }
}

/// Whether it was held when it was deleted.
fn was_held(job: &Job) -> bool {
    job.int(attr::LAST_JOB_STATUS) == Some(model::JobStatus::Held.number())
}

/// Whether its user held it when it was deleted, and nothing else ever did.
fn was_held_by_user(job: &Job) -> bool {
    let reasons = job.ad.get(attr::NUM_HOLDS_BY_REASON).and_then(Expr::as_ad);
    let of = |code: HoldCode| reasons.is_some_and(|all| all.get(code.label()).is_some());
    was_held(job)
        && job.exit_status.is_none()
        && (of(HoldCode::UserRequest) || of(HoldCode::SubmittedOnHold))
        && !of(HoldCode::WaitsForJobs)
}

/// Whether it was ended because of what it waited for.
fn never_could(job: &Job) -> bool {
    job.text(attr::REMOVE_REASON).is_some_and(|why| why.starts_with(depend::REASON))
}

/// OpenPBS 23.06 numbers what a state has on its way.
fn substate(job: &Job) -> u32 {
    let is_bad = matches!(job.kind, RowKind::Array { bad: true, .. });
    match (job.state, job.exit_status) {
        (State::Queued, _) if job.began.is_some() => 70,
        (State::Queued, _) => 10,
        (State::Held, _) if holds(job).starts_with('u') => 20,
        (State::Held, _) => 22,
        (State::Waiting, _) => 30,
        (State::Running, _) => 42,
        (State::Suspended, _) => 43,
        (State::Begun, _) => 70,
        (State::Exiting, _) => 51,
        (State::Finished | State::Expired, Some(0)) if is_bad => 93,
        (State::Finished | State::Expired, Some(0)) => 92,
        (State::Finished | State::Expired, None) if never_could(job) => 92,
        (State::Finished | State::Expired, None | Some(271)) => 91,
        (State::Finished | State::Expired, Some(_)) => 93,
    }
}

/// What there is to say of it: PBS's words where it has any, and ours on why it waits.
pub fn comment(job: &Job, here: &Here) -> Option<String> {
    let at = |seconds: i64| moment(seconds, &here.zone);
    if let Some(began) = job.began {
        let begun = format!("Job Array Began at {}", at(began));
        return Some(match (&job.kind, job.state) {
            (RowKind::Array { bad: true, .. }, State::Finished) => format!("{begun} and failed"),
            (RowKind::Array { .. }, State::Finished) => format!("{begun} and finished"),
            _ => begun,
        });
    }
    let started = job.int(attr::JOB_CURRENT_START_DATE);
    let run = || Some(format!("Job run at {} on {}", at(started?), vnode(job)));
    match job.state {
        State::Running | State::Suspended | State::Exiting => run(),
        State::Held => why_held(job, here),
        State::Queued => job.text(attr::IDLE_COMMENT).map(str::to_owned),
        State::Waiting | State::Begun => None,
        State::Finished | State::Expired => {
            let exceeded = job.text(attr::REMOVE_REASON).and_then(RunLimit::of_reason);
            let how = match (exceeded, job.exit_status) {
                (Some(limit), _) => format!("exceeded resource {}", limit.name()),
                (None, None) => return why_never(job).map(str::to_owned),
                (None, Some(0)) => "finished".to_owned(),
                (None, Some(271)) => "terminated".to_owned(),
                (None, Some(_)) => "failed".to_owned(),
            };
            run().map(|run| format!("{run} and {how}"))
        }
    }
}

/// Of a job that was submitted so, OpenPBS says nothing.
fn why_held(job: &Job, here: &Here) -> Option<String> {
    let is = |code: HoldCode| job.int(attr::HOLD_REASON_CODE) == Some(i64::from(code.number()));
    let reason = job.text(attr::HOLD_REASON).filter(|_| !is(HoldCode::SubmittedOnHold))?;
    let since = job.int(attr::ENTERED_CURRENT_STATUS).filter(|_| is(HoldCode::UserRequest));
    Some(match since {
        Some(since) => format!("{reason} on {}", date(since, &here.zone)),
        None => reason.to_owned(),
    })
}

/// Why a job is over that never ran. Of one that somebody deleted OpenPBS says nothing.
fn why_never(job: &Job) -> Option<&str> {
    job.text(attr::REMOVE_REASON).filter(|why| !why.starts_with("Job deleted at request of "))
}

/// `1-3,7`.
fn ranges(indices: &[i64]) -> String {
    let mut parts: Vec<(i64, i64)> = Vec::new();
    for index in indices {
        match parts.last_mut() {
            Some((_, end)) if *end + 1 == *index => *end = *index,
            Some(_) | None => parts.push((*index, *index)),
        }
    }
    let part = |(start, end): &(i64, i64)| match start == end {
        true => start.to_string(),
        false => format!("{start}-{end}"),
    };
    match parts.is_empty() {
        true => "-".to_owned(),
        false => parts.iter().map(part).collect::<Vec<_>>().join(","),
    }
}

/// A moment in a time zone.
pub fn zoned(seconds: i64, zone: &TimeZone) -> jiff::Zoned {
    let instant = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    instant.to_zoned(zone.clone())
}

/// `Sun Nov 22 16:34:16 2026`.
pub fn date(seconds: i64, zone: &TimeZone) -> String {
    zoned(seconds, zone).strftime("%a %b %e %H:%M:%S %Y").to_string()
}

/// `Sun Nov 22 at 16:34`.
fn moment(seconds: i64, zone: &TimeZone) -> String {
    zoned(seconds, zone).strftime("%a %b %d at %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_written_as_ranges() {
        assert_eq!(ranges(&[1, 2, 3, 7]), "1-3,7");
        assert_eq!(ranges(&[]), "-");
    }
}
