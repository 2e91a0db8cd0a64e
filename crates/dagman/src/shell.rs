//! The process that runs a workflow: an ordinary job of the scheduler universe, under a keeper.
//!
//! - [`engine`]: the loop around the core. What happens to jobs comes from the schedd's numbered
//!   record; what happens to scripts, from waiting for them.
//! - [`journal`]: the core's events on disk, written before anything is done because of them.
//! - [`submit`]: a node's description becomes a cluster; [`submitting`]: how many of them travel;
//!   [`scripts`] and [`macros`]: its scripts;
//!   [`facts`]: what the record says of jobs.
//! - [`unchanged`]: nodes of which nothing changed.
//! - [`put_back`]: what is lost where the schedd's queue was put back from a copy.
//! - [`telling`]: what the DAG's own job is told.
//! - [`records`]: the files that people and programs read, [`log`] one that lines are added to;
//!   [`retelling`]: what they lack after a life that was killed;
//!   [`rescues`]: the rescue files that are there; [`left`]: the one of a run whose job was removed
//!   while it was held.
//!
//! `kill -9` at any instant: the next life reads the journal, and asks for everything again that
//! had been asked for. A submission has a token that is made from the DAG's job, the node and its
//! attempt, so a schedd that has it already says so and makes no second one. A script that was
//! running is run again: nobody can say how far it came.

mod engine;
mod facts;
mod files;
pub mod journal;
mod knobs;
mod left;
mod log;
mod macros;
mod orders;
mod own_entries;
mod put_back;
mod records;
mod rescues;
mod retelling;
mod scripts;
mod submit;
mod submitting;
mod telling;
mod unchanged;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use client::Home;
use model::ClusterId;

use crate::Workflow;
use crate::core::Options;
use crate::record::Names;
use crate::record::condor_sub::{DagJob, HandedOn, Program};
use crate::workflow::DagSettings;

pub use engine::{RESTART, run};
pub use facts::{NODE_RETRY, OwnJob, fact, own_job};
pub use knobs::{KnobError, Knobs, NAMES as KNOBS, OtherName, other_name};
pub use left::{Left, end_left};
pub use orders::{Answer, NewThrottles, Order, answer, give, take_back, unknown_node};
pub use rescues::{Start, choose, numbers, rename_all, rename_newer};
pub use submit::{pool_variables, token};

/// A workflow that is to be run.
pub struct Setup {
    pub home: Home,
    /// The DAG's own cluster.
    pub job: ClusterId,
    /// The DAG files, as they were named.
    pub dag_files: Vec<String>,
    /// The names of its files.
    pub names: Names,
    /// `-Lockfile`.
    pub lock: String,
    /// The path of dagman.out.
    pub out: String,
    /// What the core is told.
    pub options: Options,
    /// What the shell needs besides.
    pub manner: Manner,
    /// Where the run begins, if no run is there to go on with.
    pub start: Start,
    /// The command line, for dagman.out.
    pub argv: Vec<String>,
    /// Reads the DAG files.
    pub load: Box<Load<'static>>,
    /// Reads what a sub-DAG's file says of its job.
    pub settings_of: Arc<SettingsOf>,
}

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Manner {
    /// The program that runs sub-DAGs.
    pub dagman: Program,
    /// Options that sub-DAGs inherit, in the spelling of dagman's.
    pub inherited: Vec<String>,
    /// What sub-DAGs are described with, as this one was.
    pub handed_on: HandedOn,
    /// `-AutoRescue` and `-DoRescueFrom`, as sub-DAGs are told them too.
    pub auto_rescue: bool,
    pub rescue_from: Option<u32>,
    /// `-priority`: added to that of each node.
    pub priority: i32,
    /// `DAGMAN_DEFAULT_APPEND_VARS`.
    pub append_vars: bool,
    /// `DAGMAN_USE_STRICT`: 1 makes warnings about scripts fatal.
    pub strict: u32,
    /// `DAGMAN_MAX_RESCUE_NUM`.
    pub max_rescue: u32,
    /// `DAGMAN_RESET_RETRIES_UPON_RESCUE`.
    pub reset_retries: bool,
    /// `DAGMAN_SUPPRESS_JOB_LOGS`: jobs have no logs of their own.
    pub suppress_job_logs: bool,
    /// `-suppress_notification`.
    pub suppress_notification: bool,
    /// `DAGMAN_MUNGE_NODE_NAMES`.
    pub munge_node_names: bool,
    /// `-UseDagDir`.
    pub use_dag_dir: bool,
    /// `DAGMAN_PROHIBIT_MULTI_JOBS`: a node of several jobs is not submitted.
    pub prohibit_multi_jobs: bool,
    /// `DAGMAN_PUT_FAILED_JOBS_ON_HOLD`: the last try of a node is submitted on hold.
    pub failed_on_hold: bool,
    /// `DAGMAN_GENERATE_SUBDAG_SUBMITS`: whether the descriptions of sub-DAGs are made anew also
    /// where there are some.
    pub generate_subdag_submits: bool,
    /// How sub-DAGs are described besides.
    pub of_site: OfSite,
    /// `DAGMAN_INHERIT_ATTRS`: what nodes' jobs take over from the DAG's own.
    pub inherit_attrs: Vec<String>,
    /// `DAGMAN_INHERIT_ATTRS_PREFIX`: what stands before the names of those.
    pub inherit_prefix: String,
    /// `DAGMAN_DEFAULT_NODE_LOG`: the path of the nodes' log, with `@(DAG_DIR)` and the like.
    pub nodes_log: String,
    /// `DAGMAN_REPORT_GRAPH_METRICS`: the metrics file says how large the graph is.
    pub graph_metrics: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            dagman: Program::default(),
            inherited: Vec::new(),
            handed_on: HandedOn::default(),
            auto_rescue: true,
            rescue_from: None,
            priority: 0,
            append_vars: false,
            strict: 1,
            max_rescue: 100,
            reset_retries: true,
            suppress_job_logs: false,
            suppress_notification: false,
            munge_node_names: true,
            use_dag_dir: false,
            prohibit_multi_jobs: false,
            failed_on_hold: false,
            generate_subdag_submits: true,
            of_site: OfSite::default(),
            inherit_attrs: Vec::new(),
            inherit_prefix: String::new(),
            nodes_log: "@(DAG_DIR)/@(DAG_FILE).nodes.log".to_owned(),
            graph_metrics: false,
        }
    }
}

/// Reads the DAG files, with the rescue file that the run begins from. What is wrong, or odd, is
/// told a line each.
pub type Load<'a> = dyn Fn(Option<&str>) -> Result<(Workflow, Vec<String>), Vec<String>> + 'a;

/// Reads what the DAG file of this name says of the job that runs it, as seen from a folder. What
/// is wrong is told a line each.
pub type SettingsOf = dyn Fn(&Path, &str) -> Result<DagSettings, Vec<String>> + Send + Sync;

/// What the pool's configuration says of each job that runs a DAG.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfSite {
    /// `DAGMAN_INSERT_SUB_FILE`: a file with lines for its description.
    pub insert_sub_file: Option<String>,
    /// `DAGMAN_MANAGER_JOB_APPEND_GETENV`: variables that it takes over too; `True` is all.
    pub get_env: Vec<String>,
}

impl OfSite {
    /// Has a job described so.
    ///
    /// # Errors
    /// In words, if the file cannot be read.
    pub fn complete(&self, job: &mut DagJob) -> Result<(), String> {
        if let Some(file) = &self.insert_sub_file {
            let text = client::site::read_text(file);
            let text = text.map_err(|error| format!("read {file}: {error}"))?;
            job.inserted = Some(text.trim_end().to_owned());
        }
        job.get_env.extend(self.get_env.iter().cloned());
        Ok(())
    }
}

/// Why a run could not be made. The DAG is where it was.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// A file could not be read or written.
    #[error("{what} {path}", path = path.display())]
    File {
        /// What was tried: `write the journal`.
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Another dagman runs the DAG.
    #[error("{path} is locked: another dagman runs this DAG", path = path.display())]
    Locked { path: PathBuf },
    /// The DAG files say nothing that can be run.
    #[error("{}", .0.join("\n"))]
    Dag(Vec<String>),
    /// The journal is of another DAG: the files were changed while it ran.
    #[error(
        "the DAG files were changed while this DAG ran: the nodes that run are those of before; remove the job, and submit the DAG anew"
    )]
    Changed,
    /// A run was never ended, and what it had done cannot be read.
    #[error(
        "job {job} was removed while it was held, and what it had done, which {} says, does not fit the DAG files as they are now ({why}): put them back as they were, or begin from the beginning with -f", journal.display()
    )]
    Left { job: ClusterId, journal: PathBuf, why: String },
    /// The schedd cannot be asked.
    #[error("the schedd")]
    Ask(#[from] proto::command::AskError),
    /// There is no job of dagman's own.
    #[error("there is no job {0} in the queue: a DAG is run by submit_dag")]
    NoJob(ClusterId),
    #[error("start the runtime")]
    Runtime(#[source] std::io::Error),
}

impl ShellError {
    /// Whether a disk is full, or its user has had his part of it: that passes.
    fn is_for_want_of_room(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::File { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }

    fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}
