//! Jobs as a user's event log tells of them: `q -userlog`, `history -userlog`. A log does not know
//! everything: what it does not tell is not in the ad.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result};
use classad::ClassAd;
use jiff::tz::TimeZone;
use model::userlog::{Ending, Entries, LogEntry, UserLogEvent};
use model::{JobId, attr};

use crate::render::values::view::status;
use crate::render::values::view::{Moment, View};

/// An ad for each job that the log at `path` tells of, in the order of their ids.
///
/// # Errors
///
/// If the log cannot be read. What is no event in it is passed over.
pub fn read(path: &str, moment: &Moment) -> Result<Vec<ClassAd>> {
    let text = client::site::read(path).with_context(|| format!("read the event log {path}"))?;
    let owner = fs::metadata(path).map(|file| proto::net::user_name(file.uid()).to_string())?;
    Ok(jobs(&String::from_utf8_lossy(&text), &owner, moment))
}

/// Whether the job has left the queue, by what the log says.
pub fn has_left(ad: &ClassAd, moment: &Moment) -> bool {
    matches!(View::new(ad, moment).status(), status::COMPLETED | status::REMOVED)
}

fn jobs(text: &str, owner: &str, moment: &Moment) -> Vec<ClassAd> {
    let now = jiff::Timestamp::from_second(moment.now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let year = now.to_zoned(TimeZone::UTC).year();
    let mut jobs: BTreeMap<JobId, ClassAd> = BTreeMap::new();
    for entry in Entries::new(text, &moment.zone, year).flatten() {
        let Some(id) = entry.id.job() else { continue };
        let ad = jobs.entry(id).or_insert_with(|| {
            let mut ad = ClassAd::new();
            ad.set(attr::CLUSTER_ID, i64::from(id.cluster.0));
            ad.set(attr::PROC_ID, i64::from(id.proc.0));
            ad.set(attr::OWNER, owner);
            ad.set(attr::Q_DATE, entry.at.as_secs());
            ad.set(attr::JOB_STATUS, status::IDLE);
            ad
        });
        take(ad, &entry, moment);
    }
    jobs.into_values().collect()
}

fn take(ad: &mut ClassAd, entry: &LogEntry, moment: &Moment) {
    let at = entry.at.as_secs();
    let became = |ad: &mut ClassAd, status: i64| {
        if View::new(ad, moment).status() == status::RUNNING {
            end_run(ad, at, moment);
        }
        ad.set(attr::JOB_STATUS, status);
        ad.set(attr::ENTERED_CURRENT_STATUS, at);
    };
    match &entry.event {
        UserLogEvent::Submitted { .. } => ad.set(attr::Q_DATE, at),
        UserLogEvent::Executing { slot_name, host, .. } => {
            became(ad, status::RUNNING);
            ad.set(attr::JOB_CURRENT_START_DATE, at);
            ad.set(attr::REMOTE_HOST, slot_name.as_deref().unwrap_or(host));
        }
        UserLogEvent::Suspended { .. } => became(ad, status::SUSPENDED),
        UserLogEvent::Unsuspended => {
            became(ad, status::RUNNING);
            ad.set(attr::JOB_CURRENT_START_DATE, at);
        }
        // A machine that was lost ends the run without an eviction.
        UserLogEvent::Evicted(_)
        | UserLogEvent::ShadowException { .. }
        | UserLogEvent::ReconnectFailed { .. } => became(ad, status::IDLE),
        UserLogEvent::Held { reason, code, subcode } => {
            became(ad, status::HELD);
            ad.set(attr::HOLD_REASON, reason.as_deref().unwrap_or_default());
            ad.set(attr::HOLD_REASON_CODE, i64::from(*code));
            ad.set(attr::HOLD_REASON_SUB_CODE, i64::from(*subcode));
        }
        UserLogEvent::Released { .. } => became(ad, status::IDLE),
        UserLogEvent::Aborted { reason } => {
            became(ad, status::REMOVED);
            ad.set(attr::REMOVE_REASON, reason.as_deref().unwrap_or_default());
        }
        UserLogEvent::Terminated(terminated) => {
            became(ad, status::COMPLETED);
            ad.set(attr::COMPLETION_DATE, at);
            set_ending(ad, &terminated.ending);
        }
        UserLogEvent::ImageSize { image_kib, memory_mib, .. } => {
            ad.set(attr::IMAGE_SIZE, i64::try_from(*image_kib).unwrap_or(i64::MAX));
            if let Some(memory) = memory_mib {
                ad.set(attr::MEMORY_USAGE, i64::try_from(*memory).unwrap_or(i64::MAX));
            }
        }
        _ => {}
    }
}

/// Counts the time of a run that is over.
fn end_run(ad: &mut ClassAd, at: i64, moment: &Moment) {
    let view = View::new(ad, moment);
    let since = view.int(attr::JOB_CURRENT_START_DATE).unwrap_or(at);
    let before = view.int(attr::REMOTE_WALL_CLOCK_TIME).unwrap_or(0);
    ad.set(attr::REMOTE_WALL_CLOCK_TIME, before + (at - since).max(0));
    ad.remove(attr::JOB_CURRENT_START_DATE);
}

fn set_ending(ad: &mut ClassAd, ending: &Ending) {
    match ending {
        Ending::Exited { code } => {
            ad.set(attr::EXIT_BY_SIGNAL, false);
            ad.set(attr::EXIT_CODE, i64::from(*code));
        }
        Ending::Signaled { signal, .. } => {
            ad.set(attr::EXIT_BY_SIGNAL, true);
            ad.set(attr::EXIT_SIGNAL, i64::from(*signal));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_tells_where_its_jobs_stand() {
        let head = |number: u32, proc: u32, clock: &str| {
            format!("{number:03} (042.{proc:03}.000) 2026-11-22 16:24:{clock} ")
        };
        let text = [
            head(0, 0, "00") + "Job submitted from host: <h>\n...\n",
            head(0, 1, "00") + "Job submitted from host: <h>\n...\n",
            head(1, 0, "10") + "Job executing on host: <h>\n\tSlotName: slot1_1@h\n...\n",
            head(12, 1, "11") + "Job was held.\n\tno luck\n\tCode 1 Subcode 7\n...\n",
            head(9, 0, "25") + "Job was aborted.\n\tenough\n...\n",
            head(1, 2, "30") + "Job executing on host: <h>\n...\n",
            head(24, 2, "42")
                + "Job reconnection failed\n    no word\n    Can not reconnect to slot1@h, rescheduling job\n...\n",
        ];
        let moment = Moment::new(1_795_364_668, TimeZone::UTC);
        let jobs = jobs(&text.concat(), "alice", &moment);
        let view = |i: usize| View::new(&jobs[i], &moment);
        assert_eq!(jobs.len(), 3);
        assert_eq!(view(0).status(), status::REMOVED);
        assert_eq!(view(0).int(attr::REMOTE_WALL_CLOCK_TIME), Some(15));
        assert_eq!(view(0).text(attr::REMOVE_REASON).as_deref(), Some("enough"));
        assert_eq!(view(1).status(), status::HELD);
        assert_eq!(view(1).int(attr::HOLD_REASON_SUB_CODE), Some(7));
        assert_eq!((view(2).status(), view(2).int(attr::REMOTE_WALL_CLOCK_TIME)), (1, Some(12)));
        assert!(has_left(&jobs[0], &moment) && !has_left(&jobs[1], &moment));
    }
}
