//! The language of PBS: scripts with `#PBS` directives and the command line of `qsub` become a job
//! description.
//!
//! [`qsub`] reads both and says what is wrong in OpenPBS's words and with its exit codes; the
//! result, a [`Submission`], becomes a [`model::ClusterSpec`] for a schedd when it has a number
//! ([`Submission::cluster`]). Texts are taken apart by `grammar/pbs.pest` (`text`). What the other
//! commands read of job identifiers is in [`JobWord`].
//!
//! Knows nothing of a schedd, or of how a script is started. What is said of queues its caller
//! knows.

mod alter;
mod arrays;
mod checks;
mod chunks;
mod cluster;
mod depend;
mod directives;
mod identifiers;
mod moments;
mod options;
mod refusal;
mod reserve;
mod resources;
mod selects;
mod staging;
mod submission;
mod text;
mod variables;

pub use alter::{Alteration, Altered, Job, qalter};
pub use arrays::Indices;
pub use checks::{is_checkpoint, is_hold_list, is_name};
pub use chunks::{Chunk, Chunks};
pub use cluster::{
    INDEX_IN_PATHS, NumberedFor, STAGING_IN, STAGING_OUT, UNDELIVERED, attribute, folded, unfolded,
};
pub use depend::Depend;
pub use identifiers::{JobWord, NoJobWord, Subjobs};
pub use moments::Moment;
pub use refusal::{Beside, Refusal, code, said};
pub use reserve::{Reservation, duration, reservation};
pub use resources::{clock, consumed, is_known_resource, is_resource, resource_value};
pub use staging::Staged;
pub use submission::{Caller, NoScript, Submission, Work, qsub};

/// Attributes of OpenPBS's that `-W` takes and `qstat` shows.
pub mod shown {
    pub const ACCOUNT_NAME: &str = "Account_Name";
    pub const ELIGIBLE_TIME: &str = "eligible_time";
    pub const ERROR_PATH: &str = "Error_Path";
    pub const EXECUTION_TIME: &str = "Execution_Time";
    pub const HOLD_TYPES: &str = "Hold_Types";
    pub const JOB_NAME: &str = "Job_Name";
    pub const JOIN_PATH: &str = "Join_Path";
    pub const KEEP_FILES: &str = "Keep_Files";
    pub const MAIL_POINTS: &str = model::attr::SHOWN_MAIL_POINTS;
    pub const MAIL_USERS: &str = model::attr::SHOWN_MAIL_USERS;
    pub const REMOVE_FILES: &str = "Remove_Files";
    pub const USER_LIST: &str = "User_List";
    pub const OUTPUT_PATH: &str = "Output_Path";
    pub const SHELL_PATH_LIST: &str = "Shell_Path_List";
}

/// What OpenPBS this follows; commands print it for `--version`.
pub const VERSION: &str = "23.06.06";

/// How `qsub` is used (OpenPBS 23.06).
pub const QSUB_USAGE: &str = "usage: qsub [-a date_time] [-A account_string] [-c interval]
\t[-C directive_prefix] [-e path] [-f ] [-h ] [-I [-X]] [-j oe|eo] [-J X-Y[:Z]]
\t[-k keep] [-l resource_list] [-m mail_options] [-M user_list]
\t[-N jobname] [-o path] [-p priority] [-P project] [-q queue] [-r y|n]
\t[-R o|e|oe] [-S path] [-u user_list] [-W otherattributes=value...]
\t[-v variable_list] [-V ] [-z] [script | -- command [arg1 ...]]
       qsub --version
";
