//! Everything about one job on one page: how it stands and why, what it asked for against what it
//! used, where its files are, what it said last on its standard error.

use std::path::Path;

use model::attr;
use serde::Serialize;

use crate::render::dialect::Dialect;
use crate::render::jobs::history::Ended;
use crate::render::reasons::advice;
use crate::render::said::{Said, Tell};
use crate::render::time;
use crate::render::values::command_line;
use crate::render::values::view::View;
use crate::render::values::view::status;

/// Where the values of a line begin.
const INDENT: usize = 12;

const KIB_PER_MIB: f64 = 1024.0;

/// A job, as `show` tells it. Times are seconds since the epoch.
#[derive(Debug, Serialize)]
pub struct OneJob {
    pub job: String,
    pub owner: String,
    pub batch: Option<String>,
    pub command: String,
    pub state: &'static str,
    /// Why it stands as it does, or how it ended.
    pub why: Option<String>,
    /// What would help.
    pub remedy: Option<String>,
    /// The job that this one does again.
    pub retry_of: Option<String>,
    pub submitted: i64,
    pub folder: String,
    pub runs: Runs,
    pub resources: Vec<Resource>,
    pub files: Vec<File>,
    /// The last lines of its standard error, if it wrote any.
    pub stderr: Vec<String>,
    #[serde(skip)]
    shown: Shown,
}

/// What is told in words only.
#[derive(Debug)]
struct Shown {
    submitted: String,
    began: String,
}

/// The runs of a job.
#[derive(Debug, Serialize)]
pub struct Runs {
    /// Times that it was sent to a machine.
    pub attempts: i64,
    /// Times that its program began.
    pub starts: i64,
    pub holds: i64,
    /// Where it runs, or ran last.
    pub machine: Option<String>,
    /// When its last run began.
    pub began: Option<i64>,
    /// Seconds of all runs.
    pub wall_seconds: i64,
    pub cpu_seconds: f64,
    /// Of the processors' time that it had, how many hundredths it used.
    pub cpu_percent: Option<f64>,
}

/// What it asked for, and used.
#[derive(Debug, Serialize)]
pub struct Resource {
    pub resource: &'static str,
    pub unit: Unit,
    pub requested: Option<f64>,
    pub used: Option<f64>,
    /// Of what it asked for, how many hundredths it used.
    pub percent: Option<f64>,
}

/// In what an amount is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    Pieces,
    MiB,
}

/// A file of the job's.
#[derive(Debug, Serialize)]
pub struct File {
    pub kind: &'static str,
    pub path: String,
    /// Its size; nothing if it is not there.
    pub bytes: Option<u64>,
}

impl OneJob {
    /// From its ad. `size` looks at a file; `stderr` is what was found of its standard error.
    pub fn of(job: View<'_>, size: impl Fn(&Path) -> Option<u64>, stderr: Vec<String>) -> Self {
        let folder = job.text(attr::IWD).unwrap_or_default();
        let submitted = job.int(attr::Q_DATE).unwrap_or(0);
        let runs = Runs::of(job);
        let (state, why) = state(job);
        let plain = |at: i64| time::plain(model::Timestamp::from_secs(at), &job.moment.zone);
        let shown =
            Shown { submitted: plain(submitted), began: runs.began.map(plain).unwrap_or_default() };
        let id = job.job().map(|id| id.to_string()).unwrap_or_default();
        let held = (job.status() == status::HELD)
            .then(|| advice::remedy(job.int(attr::HOLD_REASON_CODE).unwrap_or(0), &id));
        let failed =
            Ended::of(job).is_bad().then(|| format!("to run it again: updraft retry {id}"));
        Self {
            owner: job.owner(),
            batch: job.text(attr::JOB_BATCH_NAME),
            command: command_line::of_job(job),
            state,
            why,
            remedy: held.or(failed),
            retry_of: job.text(attr::RETRY_OF),
            submitted,
            resources: resources(job),
            files: files(job, &folder, size),
            job: id,
            folder,
            runs,
            stderr,
            shown,
        }
    }
}

/// How it stands, in a word, and why.
fn state(job: View<'_>) -> (&'static str, Option<String>) {
    match job.status() {
        status::IDLE => {
            let verdict = job.text(attr::IDLE_VERDICT).map(|verdict| format!("{verdict}: "));
            let reason = job.text(attr::IDLE_REASON);
            ("idle", reason.map(|reason| verdict.unwrap_or_default() + &reason))
        }
        status::RUNNING | status::TRANSFERRING_OUTPUT => ("running", None),
        status::SUSPENDED => ("suspended", None),
        status::HELD => ("held", job.text(attr::HOLD_REASON)),
        status::REMOVED => ("removed", job.text(attr::REMOVE_REASON)),
        _ => match Ended::of(job) {
            Ended::Exited(0) => ("done", Some("ended with exit code 0".to_owned())),
            Ended::Exited(code) => ("failed", Some(format!("ended with exit code {code}"))),
            Ended::Killed(signal) => ("failed", Some(format!("was ended by signal {signal}"))),
            Ended::Removed | Ended::Unknown => ("done", None),
        },
    }
}

impl Runs {
    fn of(job: View<'_>) -> Self {
        let number = |name| job.int(name).unwrap_or(0);
        let began = job.int(attr::JOB_CURRENT_START_DATE);
        let runs = matches!(
            job.status(),
            status::RUNNING | status::TRANSFERRING_OUTPUT | status::SUSPENDED
        );
        let now = began.filter(|_| runs).map_or(0, |began| (job.moment.now - began).max(0));
        let before = time::whole_seconds(job.real(attr::REMOTE_WALL_CLOCK_TIME).unwrap_or(0.0));
        let wall_seconds = before + now;
        let part = |name| job.real(name).unwrap_or(0.0);
        let cpu_seconds =
            part(attr::CUMULATIVE_REMOTE_USER_CPU) + part(attr::CUMULATIVE_REMOTE_SYS_CPU);
        let cpus = job.real(attr::CPUS_PROVISIONED).or_else(|| job.real(attr::REQUEST_CPUS));
        let had = seconds(wall_seconds) * cpus.unwrap_or(1.0);
        Self {
            attempts: number(attr::JOB_RUN_COUNT),
            starts: number(attr::NUM_JOB_STARTS),
            holds: number(attr::NUM_HOLDS),
            machine: job.text(attr::REMOTE_HOST).or_else(|| job.text(attr::LAST_REMOTE_HOST)),
            began,
            wall_seconds,
            cpu_seconds,
            cpu_percent: (had > 0.0).then(|| cpu_seconds / had * 100.0),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "no job runs for 2^53 seconds")]
fn seconds(seconds: i64) -> f64 {
    seconds as f64
}

fn resources(job: View<'_>) -> Vec<Resource> {
    let line = |resource, unit, requested: Option<f64>, used: Option<f64>| Resource {
        resource,
        unit,
        requested,
        used,
        percent: match (requested, used) {
            (Some(requested), Some(used)) if requested > 0.0 => Some(used / requested * 100.0),
            _ => None,
        },
    };
    let mib = |name| job.real(name).map(|kib| kib / KIB_PER_MIB);
    let ran = job.int(attr::NUM_JOB_STARTS).unwrap_or(0) > 0;
    let used = |value: Option<f64>| value.filter(|_| ran);
    let gpus =
        job.real(attr::REQUEST_GPUS).map(|gpus| line("GPUs", Unit::Pieces, Some(gpus), None));
    let mut all = vec![
        line("CPUs", Unit::Pieces, job.real(attr::REQUEST_CPUS), used(job.real(attr::CPUS_USAGE))),
        line(
            "Memory",
            Unit::MiB,
            job.real(attr::REQUEST_MEMORY),
            used(job.real(attr::MEMORY_USAGE)),
        ),
        line("Disk", Unit::MiB, mib(attr::REQUEST_DISK), used(mib(attr::DISK_USAGE))),
    ];
    all.extend(gpus);
    all
}

fn files(job: View<'_>, folder: &str, size: impl Fn(&Path) -> Option<u64>) -> Vec<File> {
    let mut files = Vec::new();
    for (kind, name) in [
        ("program", attr::CMD),
        ("input", attr::IN),
        ("output", attr::OUT),
        ("error", attr::ERR),
        ("log", attr::USER_LOG),
    ] {
        let text = job.text(name).filter(|path| !path.is_empty() && path != "/dev/null");
        let Some(path) = text else { continue };
        let path = Path::new(folder).join(path);
        files.push(File { kind, bytes: size(&path), path: path.display().to_string() });
    }
    let lists = [("takes", attr::TRANSFER_INPUT), ("brings", attr::TRANSFER_OUTPUT)];
    for (kind, name) in lists {
        if let Some(list) = job.text(name).filter(|list| !list.is_empty()) {
            files.push(File { kind, path: list, bytes: None });
        }
    }
    files
}

impl Tell for OneJob {
    fn tell(&self, _: Dialect) -> Said {
        let Self { job, owner, command, state, .. } = self;
        let mut out = format!("Job {job} of {owner}: {command}\n\n");
        let mut line = |label: &str, value: &str| {
            if !value.is_empty() {
                out += &format!("{label:<INDENT$}{value}\n");
            }
        };
        line(
            "State",
            [*state, self.why.as_deref().unwrap_or_default()].join(", ").trim_end_matches(", "),
        );
        line("", self.remedy.as_deref().unwrap_or_default());
        let batch = self.batch.as_ref().map(|name| format!(", batch {name}")).unwrap_or_default();
        let again = self.retry_of.as_ref().map(|job| format!(", {job} again")).unwrap_or_default();
        line("Submitted", &format!("{}, in {}{batch}{again}", self.shown.submitted, self.folder));
        line("Runs", &self.runs.told(&self.shown.began));
        if self.runs.attempts > 0 {
            line("Time", &self.runs.time());
        }
        out += "\n";
        out += &format!("{:<INDENT$}{:>12} {:>12} {:>7}\n", "", "ASKED", "USED", "OF IT");
        self.resources.iter().for_each(|resource| out += &resource.told());
        out += "\nFiles\n";
        self.files.iter().for_each(|file| out += &file.told());
        if !self.stderr.is_empty() {
            out += "\nThe end of its standard error\n";
            self.stderr.iter().for_each(|line| out += &format!("  {line}\n"));
        }
        Said::out(out)
    }
}

impl Runs {
    fn told(&self, began: &str) -> String {
        if self.attempts == 0 {
            return "none yet".to_owned();
        }
        let mut told = self.attempts.to_string();
        if self.starts != self.attempts {
            told += &format!(" (its program began {})", times(self.starts));
        }
        if self.holds > 0 {
            told += &format!(", held {}", times(self.holds));
        }
        told += &format!(", the last since {began}");
        if let Some(machine) = &self.machine {
            told += &format!(" on {machine}");
        }
        told
    }

    fn time(&self) -> String {
        let wall = time::length(self.wall_seconds);
        let cpu = time::length(time::whole_seconds(self.cpu_seconds));
        let of =
            self.cpu_percent.map(|percent| format!(", {percent:.0} % of the processors' time"));
        format!("{wall} in all, {cpu} of processors{}", of.unwrap_or_default())
    }
}

fn times(n: i64) -> String {
    match n {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    }
}

impl Resource {
    fn told(&self) -> String {
        let amount = |value: Option<f64>| match value {
            None => "-".to_owned(),
            Some(value) if value.fract() == 0.0 || value >= 100.0 => format!("{value:.0}"),
            Some(value) => format!("{value:.2}"),
        };
        let with_unit = |value: Option<f64>| match (value, self.unit) {
            (Some(_), Unit::MiB) => format!("{} {:?}", amount(value), self.unit),
            (Some(_), Unit::Pieces) | (None, _) => amount(value),
        };
        let percent = self.percent.map(|percent| format!("{percent:.0} %")).unwrap_or_default();
        let more = match self.percent {
            Some(percent) if percent > 100.0 => "  more than it asked for",
            Some(_) | None => "",
        };
        let (asked, used) = (with_unit(self.requested), with_unit(self.used));
        let line = format!("{:<INDENT$}{asked:>12} {used:>12} {percent:>7}{more}", self.resource);
        line.trim_end().to_owned() + "\n"
    }
}

impl File {
    fn told(&self) -> String {
        let size = match (self.kind, self.bytes) {
            ("takes" | "brings", _) => String::new(),
            (_, Some(bytes)) => format!(" ({bytes} bytes)"),
            (_, None) => " (not there)".to_owned(),
        };
        format!("  {:<10}{}{size}\n", self.kind, self.path)
    }
}

#[cfg(test)]
mod tests {
    use classad::ClassAd;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::render::values::view::Moment;

    fn check(ad: &str, stderr: &[&str], expected: &expect_test::Expect) {
        let common = "ClusterId = 7\nProcId = 1\nOwner = \"alice\"\nQDate = 1795363560\nCmd = \"/bin/sim\"\nArgs = \"-n 3\"\n\
                      Iwd = \"/home/alice\"\nOut = \"o/out.1\"\nErr = \"o/err.1\"\nRequestCpus = 2\nRequestMemory = 128\nRequestDisk = 10240";
        let ad = ClassAd::parse_old_ads(&format!("{common}\n{ad}\n\n")).unwrap().remove(0);
        let moment = Moment::new(1_795_363_700, TimeZone::UTC);
        let size = |path: &Path| path.ends_with("err.1").then_some(19);
        let stderr = stderr.iter().map(|line| (*line).to_owned()).collect();
        let job = OneJob::of(View::new(&ad, &moment), size, stderr);
        expected.assert_eq(&job.tell(Dialect::Updraft).out);
    }

    #[test]
    fn a_job_that_failed_is_told_with_what_it_used_and_said() {
        let ad = "JobStatus = 4\nExitCode = 3\nExitBySignal = false\nJobRunCount = 2\nNumJobStarts = 1\nLastRemoteHost = \"slot1_1@m\"\n\
                  JobCurrentStartDate = 1795363600\nRemoteWallClockTime = 60.0\nCumulativeRemoteUserCpu = 12.0\nCpusProvisioned = 2\n\
                  CpusUsage = 0.2\nMemoryUsage = 512\nDiskUsage = 2048\nJobBatchName = \"sweep\"";
        check(
            ad,
            &["Traceback", "ValueError: no"],
            &expect_test::expect![[r#"
            Job 7.1 of alice: sim -n 3

            State       failed, ended with exit code 3
                        to run it again: updraft retry 7.1
            Submitted   2026-11-22 16:06:00, in /home/alice, batch sweep
            Runs        2 (its program began once), the last since 2026-11-22 16:06:40 on slot1_1@m
            Time        0+00:01:00 in all, 0+00:00:12 of processors, 10 % of the processors' time

                               ASKED         USED   OF IT
            CPUs                   2         0.20    10 %
            Memory           128 MiB      512 MiB   400 %  more than it asked for
            Disk              10 MiB        2 MiB    20 %

            Files
              program   /bin/sim (not there)
              output    /home/alice/o/out.1 (not there)
              error     /home/alice/o/err.1 (19 bytes)

            The end of its standard error
              Traceback
              ValueError: no
        "#]],
        );
    }

    #[test]
    fn a_job_that_waits_or_is_held_is_told_why() {
        check(
            "JobStatus = 1\nIdleVerdict = \"never\"\nIdleReason = \"the pool has no machines\"",
            &[],
            &expect_test::expect![[r#"
                Job 7.1 of alice: sim -n 3

                State       idle, never: the pool has no machines
                Submitted   2026-11-22 16:06:00, in /home/alice
                Runs        none yet

                                   ASKED         USED   OF IT
                CPUs                   2            -
                Memory           128 MiB            -
                Disk              10 MiB            -

                Files
                  program   /bin/sim (not there)
                  output    /home/alice/o/out.1 (not there)
                  error     /home/alice/o/err.1 (19 bytes)
            "#]],
        );
        check(
            "JobStatus = 5\nHoldReason = \"no luck\"\nHoldReasonCode = 12\nJobRunCount = 1\nNumJobStarts = 1\nNumHolds = 1\n\
             JobCurrentStartDate = 1795363600",
            &[],
            &expect_test::expect![[r#"
                Job 7.1 of alice: sim -n 3

                State       held, no luck
                            the job did not leave a file that transfer_output_files names; correct one or the other; then: updraft release 7.1
                Submitted   2026-11-22 16:06:00, in /home/alice
                Runs        1, held once, the last since 2026-11-22 16:06:40
                Time        0+00:00:00 in all, 0+00:00:00 of processors

                                   ASKED         USED   OF IT
                CPUs                   2            -
                Memory           128 MiB            -
                Disk              10 MiB            -

                Files
                  program   /bin/sim (not there)
                  output    /home/alice/o/out.1 (not there)
                  error     /home/alice/o/err.1 (19 bytes)
            "#]],
        );
    }
}
