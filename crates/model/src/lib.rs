//! The words of the program, shared by every daemon and command: ids, time, the life cycle of a
//! job, resources, claims, why a job waits, and the text of the user's event log.
//!
//! Nothing here reads a clock, a file or a socket, and nothing here knows how a word travels
//! (`proto`) or is stored (`schedd`). A word that is not in `docs/ARCHITECTURE.md` or HTCondor's
//! manual does not belong here.

mod gang;
mod hold;
mod ids;
mod job;
mod limits;
mod priority;
mod reason;
mod resources;
mod run;
mod run_limit;
mod script;
mod spec;
mod submitter;
mod time;
mod travel;
mod universe;

pub mod attr;
pub mod cmdline;
pub mod depend;
pub mod devices;
pub mod diagnostic;
pub mod job_ad;
pub mod planted;
pub mod queues;
pub mod spooling;
pub mod userlog;
pub mod version;

pub use gang::{Gang, NODE, Parts, Spread, alone, asking, hosts, is_exclusive};
pub use hold::{Hold, HoldCode, VacateCode};
pub use ids::{
    Attempt, Beat, ClaimId, ClaimSecret, ClassId, ClusterId, IdError, JobId, MachineName, MatchId,
    ProcId, RunId, ScheddName, Seq, SubmitToken, UserName,
};
pub use job::{
    AfterRun, IllegalTransition, JobEvent, JobState, JobStatus, Pause, Running, StopCause,
};
pub use job_ad::{CheckpointEnd, Granted, OnEvict, files_travel, keeps_files, on_evict};
pub use limits::{BadLimit, LimitAmount, LimitUse};
pub use priority::JobPriority;
pub use reason::{Cause, IdleReason, LimitOf, Nearest, Verdict};
pub use resources::{Devices, Resources};
pub use run::{ProgramEnd, RunEnd, StartFailure, StartStage, Usage, signal_text};
pub use run_limit::{Exceeded, RunLimit};
pub use script::{AT_ANY_END, Script, ScriptSuccess, ScriptWanted};
pub use spec::{ClusterSpec, Piece, ProcTemplate, Procs};
pub use submitter::{is_nice, submitter};
pub use time::{Now, Timestamp};
pub use travel::{output_remaps, stays_inside, url_scheme};
pub use universe::Universe;
