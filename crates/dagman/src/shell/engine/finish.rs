//! The end of a run: what is left to be removed, written and told, in an order in which a life that
//! is killed on the way leaves the rest to the next.

use classad::Expr;
use model::{Now, attr};

use super::begin::head;
use super::{Engine, Went, now, unless_ended};
use crate::core::DagStatus;
use crate::record::{Stamp, dagman_out, metrics, rescue, waiting};
use crate::shell::journal::Journal;
use crate::shell::telling::Changes;
use crate::shell::{ShellError, files, own_entries, rescues};

/// Nodes of which the DAG's own job says why they wait, and how much of each: what it says is in
/// the queue's record each time that it changes.
const WAITING_TOLD: usize = 20;
const WHY_CHARS: usize = 200;

/// How often it is tried to tell a schedd that does not answer that everything is over.
const TELL_OVER_TRIES: u32 = 60;

impl Engine {
    /// Writes what is to be written at the end; gives what the process exits with.
    pub(super) async fn finish(
        &mut self,
        status: i32,
        has_rescue: bool,
    ) -> Result<i32, ShellError> {
        let now = now();
        let stamp = self.records.stamp(now.wall);
        self.records.say(now.wall, dagman_out::result(&self.core, status, has_rescue));
        if has_rescue {
            if self.write_rescue(now, &stamp).await? == Went::ToEnd {
                return Ok(self.end_early(now));
            }
        } else if status == 0 {
            self.remove_rerun(now)?;
        }
        self.scripts.stop();
        self.records.say(now.wall, ["Removing any/all submitted HTCondor jobs...".to_owned()]);
        let reason = "DAG Abort: DAG is exiting and writing rescue file.".to_owned();
        let has_jobs = self.core.counts().nodes_in_queue > 0
            || self.core.workflow().services().next().is_some();
        self.submissions.forget_waiting();
        if has_jobs && self.remove_all(reason, false).await == Went::ToEnd {
            return Ok(self.end_early(now));
        }
        self.records.say(now.wall, dagman_out::deferrals(&self.core));
        self.write_metrics(now, &stamp, status);
        self.records.write_status(&self.core, now.wall, now.boot_ms, true);
        self.records.draw(&self.core, now.wall, now.boot_ms, true);
        self.records.say_internal(now.wall, &format!("DAGMAN_FINISHED {status}"));
        self.records.flush(&self.core, now.wall, true);
        while self.records.are_waiting() {
            let pause = tokio::time::sleep(own_entries::PAUSE);
            if unless_ended(&mut self.ending, pause).await.is_none() {
                return Ok(self.end_early(now));
            }
            self.records.flush(&self.core, now.wall, false);
        }
        self.records.say(now.wall, [dagman_out::end(std::process::id(), status)]);
        self.records.flush(&self.core, now.wall, false);
        if self.tell_over(status).await == Went::ToEnd {
            return Ok(self.end_early(now));
        }
        self.end_journal(now, status)?;
        let lock = &self.setup.lock;
        std::fs::remove_file(lock).map_err(ShellError::file("remove", lock))?;
        Ok(status)
    }

    async fn write_rescue(&mut self, now: Now, stamp: &Stamp) -> Result<Went, ShellError> {
        let present = rescues::numbers(&self.setup.names);
        let (primary, reset) = (self.setup.names.primary(), self.setup.manner.reset_retries);
        let text = rescue::text(&self.core, primary, stamp, reset);
        if let Some(last) = present.last().filter(|_| self.ends_again)
            && let path = self.setup.names.rescue(*last)
            && std::fs::read_to_string(&path)
                .is_ok_and(|there| rescue::says_the_same(&there, &text))
        {
            self.records.say(now.wall, [format!("The Rescue DAG is in {path} already")]);
            return Ok(Went::Well);
        }
        let number = rescue::next_number(present.into_iter(), self.setup.manner.max_rescue);
        let path = self.setup.names.rescue(number);
        self.records.say(now.wall, [format!("Writing Rescue DAG to {path}...")]);
        self.with_room(|_| files::replace(&path, &text)).await
    }

    /// A part of the DAG was run again and went well: another run is to be whole.
    fn remove_rerun(&mut self, now: Now) -> Result<(), ShellError> {
        let Some(path) = &self.begun_from else { return Ok(()) };
        // Who has put it away has done the same.
        if !std::fs::read_to_string(path).is_ok_and(|text| rescue::is_of_rerun(&text)) {
            return Ok(());
        }
        self.records.say(now.wall, [format!("Removing {path}: what it was for is done")]);
        std::fs::remove_file(path).map_err(ShellError::file("remove", path))
    }

    fn write_metrics(&mut self, now: Now, end: &Stamp, status: i32) {
        let id = self.setup.job.to_string();
        let run = metrics::Run {
            start: &self.began,
            end,
            exit: status,
            dagman_id: &id,
            parent_id: &self.parent,
            rescue: self.rescue,
            graph: self.setup.manner.graph_metrics,
        };
        let path = self.setup.names.metrics();
        let written = files::replace(&path, &metrics::text(&self.core, &run));
        if written.is_ok() {
            self.records.say(now.wall, [format!("Wrote metrics file {path}.")]);
        }
        self.records.settle(now.wall, &path, written);
    }

    /// Everything that a run leaves is there. Told to the schedd before the journal goes, so that a
    /// life which begins because this one was killed before it could exit runs nothing again.
    async fn tell_over(&mut self, status: i32) -> Went {
        let mut changes = self.standing();
        let mut tries = 1;
        if (0..=2).contains(&status) {
            changes.push((attr::DAG_EXIT_STATUS.into(), Expr::from(i64::from(status))));
            tries = TELL_OVER_TRIES;
        }
        let told = self.teller.tell_last(changes, tries);
        match unless_ended(&mut self.ending, told).await {
            Some(()) => Went::Well,
            None => Went::ToEnd,
        }
    }

    /// A job that leaves the queue leaves nothing to go on with; one that is queued again begins
    /// anew, and must know that it does.
    fn end_journal(&self, now: Now, status: i32) -> Result<(), ShellError> {
        let path = self.setup.names.journal();
        if (0..=2).contains(&status) {
            return std::fs::remove_file(&path).map_err(ShellError::file("remove", &path));
        }
        let generation = self.submitter.generation + 1;
        let head = head(&self.core, self.setup.job, generation, None, now);
        Journal::begin(&path, &head)?;
        Ok(())
    }

    /// How far it is, as the DAG's own job has it.
    pub(super) fn standing(&self) -> Changes {
        let counts = self.core.counts();
        let whole = |n: u64| Expr::from(i64::try_from(n).unwrap_or(i64::MAX));
        let progress = self.core.progress();
        let status = match progress.status {
            DagStatus::Ok | DagStatus::NodeFailed if progress.halted => DagStatus::Halted,
            status => status,
        };
        let changes = [
            (attr::DAG_NODES_TOTAL, whole(counts.total)),
            (attr::DAG_NODES_DONE, whole(counts.done)),
            (attr::DAG_NODES_PRERUN, whole(counts.pre)),
            (attr::DAG_NODES_QUEUED, whole(counts.queued)),
            (attr::DAG_NODES_POSTRUN, whole(counts.post)),
            (attr::DAG_NODES_READY, whole(counts.ready)),
            (attr::DAG_NODES_UNREADY, whole(counts.waiting)),
            (attr::DAG_NODES_FAILED, whole(counts.failed)),
            (attr::DAG_NODES_FUTILE, whole(counts.futile)),
            ("DAG_JobsSubmitted", whole(counts.jobs_submitted)),
            ("DAG_JobsIdle", whole(counts.idle_jobs)),
            ("DAG_JobsHeld", whole(counts.held_jobs)),
            ("DAG_JobsCompleted", whole(counts.jobs_ended)),
            ("DAG_Status", Expr::from(i64::from(status.number()))),
            ("DAG_InRecovery", Expr::from(0i64)),
        ];
        let why = waiting::waiting(&self.core, now(), &jiff::tz::TimeZone::system(), WAITING_TOLD);
        let why = why.into_iter().map(|(node, why)| {
            let text: String = format!("{node}: {why}").chars().take(WHY_CHARS).collect();
            Expr::from(text.as_str())
        });
        let waiting = (attr::DAG_NODES_WAITING, Expr::list(why));
        changes.into_iter().chain([waiting]).map(|(name, value)| (name.into(), value)).collect()
    }
}
