//! What the log tells of files that travel (event 040). A machine begins with the input when it is
//! told to start the run, and says that the run has started when the input is there; the output is
//! here when the end is told.

use classad::ClassAd;
use model::userlog::{TransferStep, UserLogEvent};
use model::{JobEvent, OnEvict, RunEnd, files_travel, on_evict};

use crate::core::ads::SKIP_IF_DATAFLOW;
use crate::core::records::eviction::is_checkpoint;
use crate::core::state::core::Core;

impl Core {
    /// Entries before those of the event itself: HTCondor 25.14 tells of the input before 001, of
    /// the output before 005 and 021; where files of a run that was stopped travel, before 004.
    /// (`began`: whether the run had begun before this.)
    pub(crate) fn transfers(
        &self,
        ad: &ClassAd,
        began: bool,
        event: &JobEvent,
    ) -> Vec<UserLogEvent> {
        // Every machine of a personal pool is this host.
        if !files_travel(ad, self.config.name.as_str()) {
            return Vec::new();
        }
        let entry = |step| UserLogEvent::FileTransfer { step, queued_s: None, host: None };
        match event {
            // Whether anything travels is not known yet.
            JobEvent::RunAuthorised { .. } if ad.get(SKIP_IF_DATAFLOW).is_some() => Vec::new(),
            JobEvent::RunAuthorised { claim, .. } => {
                let host = self.claims.get(claim).map(|claim| claim.record.address.clone());
                let step = TransferStep::InputStarted;
                vec![UserLogEvent::FileTransfer { step, queued_s: None, host }]
            }
            JobEvent::RunStarted { .. } => {
                let late = ad.get(SKIP_IF_DATAFLOW).map(|_| entry(TransferStep::InputStarted));
                late.into_iter().chain([entry(TransferStep::InputFinished)]).collect()
            }
            JobEvent::RunOver { end, .. } => match end {
                RunEnd::StartFailed(_) | RunEnd::ScriptFailed { end: None, .. } => {
                    vec![entry(TransferStep::InputFinished)]
                }
                RunEnd::Program(_) | RunEnd::OutputFailed { .. } => {
                    [TransferStep::OutputStarted, TransferStep::OutputFinished].map(entry).into()
                }
                RunEnd::Vacated { .. }
                    if began && (on_evict(ad) != OnEvict::Nothing || is_checkpoint(end)) =>
                {
                    [TransferStep::OutputStarted, TransferStep::OutputFinished].map(entry).into()
                }
                RunEnd::ScriptFailed { end: Some(_), .. }
                | RunEnd::UpToDate
                | RunEnd::Vacated { .. }
                | RunEnd::Lost { .. } => Vec::new(),
            },
            JobEvent::PauseRequested { .. }
            | JobEvent::StopRequested { .. }
            | JobEvent::Suspended { .. }
            | JobEvent::Continued { .. }
            | JobEvent::Skipped { .. }
            | JobEvent::Held(_)
            | JobEvent::Released { .. }
            | JobEvent::Removed { .. } => Vec::new(),
        }
    }
}
