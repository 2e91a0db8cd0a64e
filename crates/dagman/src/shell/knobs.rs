//! DAGMan's settings by their names in HTCondor's configuration. Where they are written, the caller
//! knows.

use super::Manner;
use crate::core::Options;

/// What the settings come to.
#[derive(Clone, Debug)]
pub struct Knobs {
    /// For the core.
    pub options: Options,
    /// For the shell.
    pub manner: Manner,
    /// `DAGMAN_AUTO_RESCUE`.
    pub auto_rescue: bool,
    /// `DAGMAN_USE_JOIN_NODES`.
    pub join_nodes: bool,
    /// `DAGMAN_ALLOW_ANY_NODE_NAME_CHARACTERS`.
    pub any_name_characters: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            options: Options::default(),
            manner: Manner::default(),
            auto_rescue: true,
            join_nodes: true,
            any_name_characters: false,
        }
    }
}

/// A setting that is not of its kind.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} = {value}: {wanted} is wanted")]
pub struct KnobError {
    name: String,
    value: String,
    wanted: &'static str,
}

/// The settings that are read, in order.
pub const NAMES: &[&str] = &[
    "DAGMAN_ALLOW_ANY_NODE_NAME_CHARACTERS",
    "DAGMAN_ALWAYS_RUN_POST",
    "DAGMAN_AUTO_RESCUE",
    "DAGMAN_DEFAULT_APPEND_VARS",
    "DAGMAN_DEFAULT_NODE_LOG",
    "DAGMAN_DEFAULT_PRIORITY",
    "DAGMAN_GENERATE_SUBDAG_SUBMITS",
    "DAGMAN_INHERIT_ATTRS",
    "DAGMAN_INHERIT_ATTRS_PREFIX",
    "DAGMAN_INSERT_SUB_FILE",
    "DAGMAN_MANAGER_JOB_APPEND_GETENV",
    "DAGMAN_MAX_HOLD_SCRIPTS",
    "DAGMAN_MAX_JOBS_IDLE",
    "DAGMAN_MAX_JOBS_SUBMITTED",
    "DAGMAN_MAX_JOB_HOLDS",
    "DAGMAN_MAX_POST_SCRIPTS",
    "DAGMAN_MAX_PRE_SCRIPTS",
    "DAGMAN_MAX_RESCUE_NUM",
    "DAGMAN_MAX_SUBMIT_ATTEMPTS",
    "DAGMAN_MUNGE_NODE_NAMES",
    "DAGMAN_NODE_JOB_FAILURE_TOLERANCE",
    "DAGMAN_PROHIBIT_MULTI_JOBS",
    "DAGMAN_PUT_FAILED_JOBS_ON_HOLD",
    "DAGMAN_REMOVE_JOB_LIST_ON_FAILURE",
    "DAGMAN_REPORT_GRAPH_METRICS",
    "DAGMAN_RESET_RETRIES_UPON_RESCUE",
    "DAGMAN_RETRY_NODE_FIRST",
    "DAGMAN_SUBMIT_DEPTH_FIRST",
    "DAGMAN_SUPPRESS_JOB_LOGS",
    "DAGMAN_SUPPRESS_NOTIFICATION",
    "DAGMAN_USE_JOIN_NODES",
    "DAGMAN_USE_STRICT",
];

/// Settings of HTCondor's dagman that mean nothing here: it reads logs, and is a daemon.
const WITHOUT_MEANING: &[&str] = &[
    "DAGMAN_ABORT_DUPLICATES",
    "DAGMAN_ABORT_ON_SCARY_SUBMIT",
    "DAGMAN_AGGRESSIVE_SUBMIT",
    "DAGMAN_ALLOW_EVENTS",
    "DAGMAN_CHECK_QUEUE_INTERVAL",
    "DAGMAN_CONDOR_RM_EXE",
    "DAGMAN_CONDOR_SUBMIT_EXE",
    "DAGMAN_CONFIG_FILE",
    "DAGMAN_DEBUG",
    "DAGMAN_DEBUG_CACHE_ENABLE",
    "DAGMAN_DEBUG_CACHE_SIZE",
    "DAGMAN_DISABLE_ADMIN_THROTTLE_LIMITING",
    "DAGMAN_DISABLE_PORT",
    "DAGMAN_HOLD_CLAIM_TIME",
    "DAGMAN_LOG_ON_NFS_IS_ERROR",
    "DAGMAN_MAX_SUBMITS_PER_INTERVAL",
    "DAGMAN_METRICS_FILE_VERSION",
    "DAGMAN_NODE_RECORD_INFO",
    "DAGMAN_ON_EXIT_REMOVE",
    "DAGMAN_PENDING_REPORT_INTERVAL",
    "DAGMAN_PRINT_JOB_TABLE_INTERVAL",
    "DAGMAN_PRODUCE_JOB_CREDENTIALS",
    "DAGMAN_QUEUE_UPDATE_INTERVAL",
    "DAGMAN_RECORD_MACHINE_ATTRS",
    "DAGMAN_REMOVE_JOBS_AFTER_LIMIT_CHANGE",
    "DAGMAN_REMOVE_NODE_JOBS",
    "DAGMAN_RETRY_SUBMIT_FIRST",
    "DAGMAN_STARTUP_CYCLE_DETECT",
    "DAGMAN_STORK_RM_EXE",
    "DAGMAN_STORK_SUBMIT_EXE",
    "DAGMAN_SUBMIT_DELAY",
    "DAGMAN_USER_LOG_SCAN_INTERVAL",
    "DAGMAN_USE_DIRECT_SUBMIT",
    "DAGMAN_USE_OLD_FILE_PARSER",
    "DAGMAN_USE_SHARED_PORT",
    "DAGMAN_VERBOSITY",
];

/// What a name is that no setting here has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherName {
    /// A setting of HTCondor's dagman that means nothing here.
    WithoutMeaning,
    /// No setting of either; this one has a name like it.
    Like(&'static str),
    Unknown,
}

/// What to say of a name that [`NAMES`] does not have.
pub fn other_name(name: &str) -> OtherName {
    let is_known = |known: &&str| known.eq_ignore_ascii_case(name);
    if WITHOUT_MEANING.iter().any(is_known) {
        return OtherName::WithoutMeaning;
    }
    let upper = name.to_ascii_uppercase();
    let near = upper.starts_with("DAGMAN").then(|| {
        let names = NAMES.iter().chain(WITHOUT_MEANING).copied();
        crate::language::nearest(&upper, names)
    });
    near.flatten().map_or(OtherName::Unknown, OtherName::Like)
}

impl Knobs {
    /// Sets one; an empty value is the one that it has without being set, and changes nothing. A
    /// number or a truth value may be a ClassAd expression. Whether there is such a setting.
    ///
    /// # Errors
    /// If the value is not of its kind.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool, KnobError> {
        let error = |wanted| KnobError { name: name.to_owned(), value: value.to_owned(), wanted };
        if value.trim().is_empty() {
            return Ok(NAMES.iter().any(|known| known.eq_ignore_ascii_case(name)));
        }
        let whole = || jobspec::config::integer(value.trim());
        let number = || {
            let number = whole().and_then(|number| u32::try_from(number).ok());
            number.ok_or_else(|| error("a number from 0 on, or an expression that is one,"))
        };
        let truth = || match value.trim().to_ascii_lowercase().as_str() {
            "t" | "yes" => Ok(true),
            "f" | "no" => Ok(false),
            text => jobspec::config::truth(text)
                .ok_or_else(|| error("True or False, or an expression that is one,")),
        };
        let list = || {
            let words = value.split([',', ' ', '\t']).filter(|word| !word.is_empty());
            words.map(str::to_owned).collect::<Vec<_>>()
        };
        let (options, manner) = (&mut self.options, &mut self.manner);
        match name.to_ascii_uppercase().as_str() {
            "DAGMAN_ALLOW_ANY_NODE_NAME_CHARACTERS" => self.any_name_characters = truth()?,
            "DAGMAN_ALWAYS_RUN_POST" => options.always_run_post = truth()?,
            "DAGMAN_AUTO_RESCUE" => self.auto_rescue = truth()?,
            "DAGMAN_DEFAULT_APPEND_VARS" => manner.append_vars = truth()?,
            "DAGMAN_DEFAULT_NODE_LOG" => value.trim().clone_into(&mut manner.nodes_log),
            "DAGMAN_DEFAULT_PRIORITY" => {
                let priority = whole().and_then(|number| i32::try_from(number).ok());
                let wanted = "a number, or an expression that is one,";
                manner.priority = priority.ok_or_else(|| error(wanted))?;
            }
            "DAGMAN_GENERATE_SUBDAG_SUBMITS" => manner.generate_subdag_submits = truth()?,
            "DAGMAN_INHERIT_ATTRS" => manner.inherit_attrs = list(),
            "DAGMAN_INHERIT_ATTRS_PREFIX" => manner.inherit_prefix = value.trim().to_owned(),
            "DAGMAN_INSERT_SUB_FILE" => {
                manner.of_site.insert_sub_file = Some(value.trim().to_owned());
            }
            "DAGMAN_MANAGER_JOB_APPEND_GETENV" => manner.of_site.get_env = list(),
            "DAGMAN_MAX_HOLD_SCRIPTS" => options.throttles.hold = number()?,
            "DAGMAN_MAX_JOBS_IDLE" => options.throttles.idle = number()?,
            "DAGMAN_MAX_JOBS_SUBMITTED" => options.throttles.jobs = number()?,
            "DAGMAN_MAX_JOB_HOLDS" => options.max_job_holds = number()?,
            "DAGMAN_MAX_POST_SCRIPTS" => options.throttles.post = number()?,
            "DAGMAN_MAX_PRE_SCRIPTS" => options.throttles.pre = number()?,
            "DAGMAN_MAX_RESCUE_NUM" => {
                manner.max_rescue = number()?.min(crate::record::names::MAX_RESCUE);
            }
            "DAGMAN_MAX_SUBMIT_ATTEMPTS" => options.max_submit_attempts = number()?.clamp(1, 16),
            "DAGMAN_MUNGE_NODE_NAMES" => manner.munge_node_names = truth()?,
            "DAGMAN_NODE_JOB_FAILURE_TOLERANCE" => options.tolerance = number()?,
            "DAGMAN_PROHIBIT_MULTI_JOBS" => manner.prohibit_multi_jobs = truth()?,
            "DAGMAN_PUT_FAILED_JOBS_ON_HOLD" => manner.failed_on_hold = truth()?,
            "DAGMAN_REMOVE_JOB_LIST_ON_FAILURE" => options.remove_on_failure = truth()?,
            "DAGMAN_REPORT_GRAPH_METRICS" => manner.graph_metrics = truth()?,
            "DAGMAN_RESET_RETRIES_UPON_RESCUE" => manner.reset_retries = truth()?,
            "DAGMAN_RETRY_NODE_FIRST" => options.retry_node_first = truth()?,
            "DAGMAN_SUBMIT_DEPTH_FIRST" => options.depth_first = truth()?,
            "DAGMAN_SUPPRESS_JOB_LOGS" => manner.suppress_job_logs = truth()?,
            "DAGMAN_SUPPRESS_NOTIFICATION" => manner.suppress_notification = truth()?,
            "DAGMAN_USE_JOIN_NODES" => self.join_nodes = truth()?,
            "DAGMAN_USE_STRICT" => manner.strict = number()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those that are texts.
    const TEXTS: [&str; 5] = [
        "DAGMAN_DEFAULT_NODE_LOG",
        "DAGMAN_INHERIT_ATTRS",
        "DAGMAN_INHERIT_ATTRS_PREFIX",
        "DAGMAN_INSERT_SUB_FILE",
        "DAGMAN_MANAGER_JOB_APPEND_GETENV",
    ];

    #[test]
    fn a_value_may_be_an_expression_and_an_empty_one_changes_nothing() {
        for (name, value, expected) in [
            ("DAGMAN_MAX_JOBS_IDLE", "3 * 2", Ok(6)),
            ("DAGMAN_MAX_JOBS_IDLE", " 007", Ok(7)),
            ("DAGMAN_MAX_JOBS_IDLE", "", Ok(1000)),
            ("DAGMAN_MAX_JOBS_IDLE", "-1", Err(())),
            ("DAGMAN_MAX_JOBS_IDLE", "many", Err(())),
        ] {
            let mut knobs = Knobs::default();
            let idle = knobs.set(name, value).map(|_| knobs.options.throttles.idle);
            assert_eq!(idle.map_err(|_| ()), expected, "{name} = {value}");
        }
        for (value, expected) in
            [("(1 == 1)", Ok(true)), ("2 < 1", Ok(false)), ("yes", Ok(true)), ("maybe", Err(()))]
        {
            let mut knobs = Knobs::default();
            let post =
                knobs.set("DAGMAN_ALWAYS_RUN_POST", value).map(|_| knobs.options.always_run_post);
            assert_eq!(post.map_err(|_| ()), expected, "{value}");
        }
    }

    #[test]
    fn a_name_that_means_nothing_here_is_told_from_a_slip() {
        for (name, expected) in [
            ("dagman_user_log_scan_interval", OtherName::WithoutMeaning),
            ("DAGMAN_MAX_JOBS_IDEL", OtherName::Like("DAGMAN_MAX_JOBS_IDLE")),
            ("SCHEDD_INTERVAL", OtherName::Unknown),
        ] {
            assert_eq!(other_name(name), expected, "{name}");
        }
        assert!(NAMES.iter().all(|name| !WITHOUT_MEANING.contains(name)));
    }

    #[test]
    fn every_name_is_a_setting_and_says_what_it_wants() {
        for name in NAMES {
            let mut knobs = Knobs::default();
            assert_eq!(knobs.set(name, "1"), Ok(true), "{name}");
            assert_eq!(knobs.set(name, "many").is_ok(), TEXTS.contains(name), "{name}");
        }
        assert_eq!(Knobs::default().set("DAGMAN_USE_SHARED_PORT", "1"), Ok(false));
    }
}
