//! The commands of the submit language, in one table: keyword, other spellings, attribute of the
//! job, kind of value, and whether this version can do it.
//!
//! Every attribute's name is also a spelling of its keyword (`JobPrio = 5` is `priority = 5`), but
//! for [`KeywordKind::Made`]. What a row cannot say is [`KeywordKind::Made`] and has its code in a
//! module of `job`.

use std::sync::LazyLock;

use model::attr;

/// One command of the language: its spellings, its attribute, how its value is read.
#[derive(Clone, Copy, Debug)]
pub struct Keyword {
    /// As the manual spells it, in lower case.
    pub name: &'static str,
    /// Other spellings, in lower case.
    pub aliases: &'static [&'static str],
    /// The attribute that it sets; the most important one where there are several.
    pub attr: &'static str,
    /// What its value is.
    pub kind: KeywordKind,
    /// Whether this version can do it.
    pub support: Support,
}

/// What a value is, and so how it becomes an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeywordKind {
    /// A string, as it stands.
    Text,
    /// A string; double quotes around it are dropped.
    Unquoted,
    /// Words separated by commas or blanks; the attribute separates them with commas.
    List,
    /// A path; the attribute is absolute, from the job's initial directory.
    Path,
    /// A constant that is true or false.
    Truth,
    /// A constant integer.
    Integer,
    /// The number that the text begins with; 0 where it begins with none.
    LeadingInteger,
    /// A ClassAd expression.
    Expression,
    /// Made by code, together with other keywords. The attribute's name is a spelling too if it is
    /// given.
    Made,
}

/// Whether this version can do what a keyword asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    Here,
    /// Not yet: the keyword is refused by name, never ignored.
    Later(Family),
}

/// What is missing where a keyword is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Docker, Apptainer and sandbox images.
    Containers,
    /// Grid, cloud and batch back ends.
    Grid,
    VirtualMachines,
    /// The java universe.
    Java,
    /// The parallel universe.
    Parallel,
    /// Proxies, tokens, OAuth services.
    Credentials,
    /// Checkpoints that are kept at a URL.
    Checkpoints,
    /// Encrypted transfers and scratch directories.
    Encryption,
    /// Input that many jobs on a machine share.
    SharedInput,
    JobSets,
}

impl Family {
    /// What is missing, as the end of a sentence.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Containers => "jobs in containers",
            Self::Grid => "grid, cloud and batch back ends",
            Self::VirtualMachines => "the vm universe",
            Self::Java => "the java universe",
            Self::Parallel => "the parallel universe",
            Self::Credentials => "proxies, tokens and OAuth services",
            Self::Checkpoints => "checkpoints that are kept at a URL",
            Self::Encryption => "encryption of transfers and scratch directories",
            Self::SharedInput => "input shared by jobs of one machine",
            Self::JobSets => "job sets",
        }
    }
}

/// What HTCondor 25.14 takes, writes into the job's ad, and does nothing with.
pub(super) const WITHOUT_EFFECT: [&str; 9] = [
    "append_files",
    "buffer_block_size",
    "buffer_files",
    "buffer_size",
    "compress_files",
    "fetch_files",
    "file_remaps",
    "local_files",
    "output_directory",
];

/// The keyword of a name, by any of its spellings.
pub(super) fn find(name: &str) -> Option<&'static Keyword> {
    // Asked for each keyword of each description that is made: to walk through all would be most of
    // what that costs.
    static BY_SPELLING: LazyLock<Vec<(&str, &Keyword)>> = LazyLock::new(|| {
        let spellings = |keyword: &'static Keyword| {
            let all = std::iter::once(&keyword.name).chain(keyword.aliases);
            all.map(move |spelling| (*spelling, keyword))
        };
        let mut all: Vec<_> = KEYWORDS.iter().flat_map(spellings).collect();
        all.sort_unstable_by_key(|(spelling, _)| *spelling);
        all
    });
    let name = || name.bytes().map(|byte| byte.to_ascii_lowercase());
    let found = BY_SPELLING.binary_search_by(|(spelling, _)| spelling.bytes().cmp(name()));
    found.ok().and_then(|at| BY_SPELLING.get(at)).map(|(_, keyword)| *keyword)
}

/// The keyword that a mistyped name most likely means: at most a third of it differs.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    crate::language::nearest(name, KEYWORDS.iter().map(|keyword| keyword.name))
}

macro_rules! keywords {
    ($($name:literal $([$($alias:literal)+])? => $attr:expr, $kind:ident $(, $family:ident)?;)*) => {
        &[$(Keyword {
            name: $name,
            aliases: &[$($($alias),+)?],
            attr: $attr,
            kind: KeywordKind::$kind,
            support: keywords!(@support $($family)?),
        }),*]
    };
    (@support) => { Support::Here };
    (@support $family:ident) => { Support::Later(Family::$family) };
}

/// All commands, by what they are about; one that is not here is refused by name.
pub const KEYWORDS: &[Keyword] = keywords! {
    // ---- what runs (job/command.rs)
    "universe" => attr::JOB_UNIVERSE, Made;
    "executable" => "", Made;
    "shell" => "", Made;
    "arguments" ["args"] => "", Made;
    "arguments2" => "", Made;
    "interactive_executable" => "", Made;
    "interactive_args" => "", Made;
    "environment" => "", Made;
    "env" => "", Made;
    "environment2" => "", Made;
    "getenv" ["get_env"] => "", Made;
    "allow_arguments_v1" => "", Made;
    "allow_environment_v1" => "", Made;
    "initialdir" ["initial_dir" "job_iwd"] => attr::IWD, Made;
    "remote_initialdir" => attr::REMOTE_IWD, Text;
    // ---- its streams (job/files.rs)
    "input" ["stdin"] => "", Made;
    "output" ["stdout"] => "", Made;
    "error" ["stderr"] => "", Made;
    "stream_input" => attr::STREAM_IN, Made;
    "stream_output" => attr::STREAM_OUT, Made;
    "stream_error" => attr::STREAM_ERR, Made;
    "transfer_input" => attr::TRANSFER_IN, Made;
    "transfer_output" => attr::TRANSFER_OUT, Made;
    "transfer_error" => attr::TRANSFER_ERR, Made;
    "skip_filechecks" => "", Made;
    // ---- what is told of it (job/debugging.rs)
    "starter_debug" => attr::JOB_STARTER_DEBUG, Made;
    "starter_log" => attr::JOB_STARTER_LOG, Made;
    // ---- what runs beside it (job/debugging.rs)
    "tool_daemon_cmd" => attr::TOOL_DAEMON_CMD, Made;
    "tool_daemon_args" ["tool_daemon_arguments" "tool_daemon_arguments2"] => attr::TOOL_DAEMON_ARGS, Made;
    "tool_daemon_input" => attr::TOOL_DAEMON_INPUT, Made;
    "tool_daemon_output" => attr::TOOL_DAEMON_OUTPUT, Made;
    "tool_daemon_error" => attr::TOOL_DAEMON_ERROR, Made;
    "suspend_job_at_exec" => attr::SUSPEND_JOB_AT_EXEC, Truth;
    "want_io_proxy" => attr::WANT_IO_PROXY, Truth;
    // ---- its log
    "log" => attr::USER_LOG, Path;
    "log_xml" => attr::USER_LOG_USE_XML, Truth;
    "dagman_log" => attr::DAGMAN_NODES_LOG, Path;
    "submit_event_notes" => attr::SUBMIT_EVENT_NOTES, Text;
    "submit_event_user_notes" => attr::SUBMIT_EVENT_USER_NOTES, Text;
    "submit_event_notes_attrs" => attr::SUBMIT_EVENT_NOTES_ATTRS, Text;
    "ulog_execute_attrs" => attr::USER_LOG_EXECUTE_EVENT_ATTRS, Text;
    "job_ad_information_attrs" => attr::JOB_AD_INFORMATION_ATTRS, Text;
    // ---- how it is called and told of
    "batch_name" => attr::JOB_BATCH_NAME, Unquoted;
    "batch_id" => "JobBatchId", Unquoted;
    "description" => attr::JOB_DESCRIPTION, Text;
    "project_name" => "ProjectName", Text;
    "notification" => attr::JOB_NOTIFICATION, Made;
    "notify_user" => attr::NOTIFY_USER, Made;
    "email_attributes" => attr::EMAIL_ATTRIBUTES, List;
    "dagman_job_id" => attr::DAGMAN_JOB_ID, Integer;
    // ---- what it asks for (job/resources.rs, job/growing.rs, job/requirements.rs)
    "request_cpus" => attr::REQUEST_CPUS, Made;
    "request_memory" => attr::REQUEST_MEMORY, Made;
    "request_disk" => attr::REQUEST_DISK, Made;
    "request_gpus" => attr::REQUEST_GPUS, Made;
    "require_gpus" => attr::REQUIRE_GPUS, Made;
    "gpus_minimum_capability" => attr::GPUS_MIN_CAPABILITY, Made;
    "gpus_maximum_capability" => attr::GPUS_MAX_CAPABILITY, Made;
    "gpus_minimum_memory" => attr::GPUS_MIN_MEMORY, Made;
    "gpus_minimum_runtime" => attr::GPUS_MIN_RUNTIME, Made;
    "cuda_version" => attr::CUDA_VERSION, Made;
    "retry_request_memory" => "", Made;
    "retry_request_memory_increase" => "", Made;
    "retry_request_memory_max" => "", Made;
    "retry_request_disk" => "", Made;
    "retry_request_disk_increase" => "", Made;
    "retry_request_disk_max" => "", Made;
    "requirements" => attr::REQUIREMENTS, Made;
    "rank" ["preferences"] => attr::RANK, Made;
    "image_size" => attr::IMAGE_SIZE, Made;
    "disk_usage" => attr::DISK_USAGE, Made;
    "job_machine_attrs" => attr::JOB_MACHINE_ATTRS, Text;
    "job_machine_attrs_history_length" => attr::JOB_MACHINE_ATTRS_HISTORY_LENGTH, Integer;
    "match_list_length" => attr::LAST_MATCH_LIST_LENGTH, Integer;
    "concurrency_limits" => "", Made;
    "concurrency_limits_expr" => "", Made;
    "accounting_group" => attr::ACCOUNTING_GROUP, Made;
    "accounting_group_user" => attr::ACCT_GROUP_USER, Made;
    "nice_user" => "NiceUser", Made;
    "priority" ["prio"] => attr::JOB_PRIO, Integer;
    "keep_claim_idle" => attr::KEEP_CLAIM_IDLE, Expression;
    // ---- when it is held, run again, removed (job/policy.rs)
    "hold" => "", Made;
    "leave_in_queue" => attr::LEAVE_JOB_IN_QUEUE, Expression;
    "max_retries" => attr::JOB_MAX_RETRIES, Made;
    "retry_until" => "", Made;
    "success_exit_code" => attr::JOB_SUCCESS_EXIT_CODE, Made;
    "on_exit_remove" => attr::ON_EXIT_REMOVE, Made;
    "on_exit_hold" => attr::ON_EXIT_HOLD, Made;
    "on_exit_hold_reason" => "OnExitHoldReason", Expression;
    "on_exit_hold_subcode" => attr::ON_EXIT_HOLD_SUB_CODE, Expression;
    "periodic_hold" => attr::PERIODIC_HOLD, Expression;
    "periodic_hold_reason" => "PeriodicHoldReason", Expression;
    "periodic_hold_subcode" => attr::PERIODIC_HOLD_SUB_CODE, Expression;
    "periodic_release" => attr::PERIODIC_RELEASE, Expression;
    "periodic_remove" => attr::PERIODIC_REMOVE, Expression;
    "periodic_vacate" => attr::PERIODIC_VACATE, Expression;
    "allowed_job_duration" => attr::ALLOWED_JOB_DURATION, Expression;
    "allowed_execute_duration" => attr::ALLOWED_EXECUTE_DURATION, Expression;
    "kill_sig" => attr::KILL_SIG, Made;
    "remove_kill_sig" => attr::REMOVE_KILL_SIG, Made;
    "hold_kill_sig" => attr::HOLD_KILL_SIG, Made;
    "kill_sig_timeout" => attr::KILL_SIG_TIMEOUT, LeadingInteger;
    "job_max_vacate_time" => attr::JOB_MAX_VACATE_TIME, Expression;
    "max_job_retirement_time" => attr::MAX_JOB_RETIREMENT_TIME, Expression;
    "want_graceful_removal" => attr::WANT_GRACEFUL_REMOVAL, Expression;
    "job_lease_duration" => attr::JOB_LEASE_DURATION, Made;
    "next_job_start_delay" => attr::NEXT_JOB_START_DELAY, Expression;
    "noop_job" => attr::IS_NOOP_JOB, Expression;
    "noop_job_exit_code" => attr::NOOP_JOB_EXIT_CODE, Expression;
    "noop_job_exit_signal" => attr::NOOP_JOB_EXIT_SIGNAL, Expression;
    "erase_output_and_error_on_restart" => attr::ERASE_OUTPUT_AND_ERROR_ON_RESTART, Truth;
    "core_size" ["coresize"] => attr::CORE_SIZE, Integer;
    "stack_size" => attr::STACK_SIZE, Expression;
    // ---- when it starts (job/policy.rs)
    "deferral_time" => attr::DEFERRAL_TIME, Made;
    "deferral_window" => attr::DEFERRAL_WINDOW, Made;
    "deferral_prep_time" => attr::DEFERRAL_PREP_TIME, Made;
    "cron_minute" => attr::CRON_MINUTE, Made;
    "cron_hour" => attr::CRON_HOUR, Made;
    "cron_day_of_month" => attr::CRON_DAY_OF_MONTH, Made;
    "cron_month" => attr::CRON_MONTH, Made;
    "cron_day_of_week" => attr::CRON_DAY_OF_WEEK, Made;
    "cron_window" => "", Made;
    "cron_prep_time" => "", Made;
    "max_materialize" => attr::JOB_MATERIALIZE_LIMIT, Integer;
    "max_idle" ["materialize_max_idle"] => attr::JOB_MATERIALIZE_MAX_IDLE, Integer;
    // ---- its files (job/transfer.rs)
    "should_transfer_files" => attr::SHOULD_TRANSFER_FILES, Made;
    "when_to_transfer_output" => attr::WHEN_TO_TRANSFER_OUTPUT, Made;
    "transfer_input_files" ["transferinputfiles"] => "", Made;
    "transfer_output_files" ["transferoutputfiles"] => "", Made;
    "transfer_output_remaps" => attr::TRANSFER_OUTPUT_REMAPS, Unquoted;
    "transfer_executable" => attr::TRANSFER_EXECUTABLE, Made;
    "output_destination" => attr::OUTPUT_DESTINATION, Text;
    "preserve_relative_paths" => attr::PRESERVE_RELATIVE_PATHS, Truth;
    "max_transfer_input_mb" => attr::MAX_TRANSFER_INPUT_MB, Expression;
    "max_transfer_output_mb" => attr::MAX_TRANSFER_OUTPUT_MB, Expression;
    "manifest" => attr::MANIFEST_DESIRED, Truth;
    "manifest_dir" => attr::MANIFEST_DIR, Made;

    "transfer_plugins" => attr::TRANSFER_PLUGINS, Made;
    "x509userproxy" => attr::X509_USER_PROXY, Made;
    "use_x509userproxy" => "", Made;
    // ---- of the standard universe, which is gone: they stand in the job's ad and do nothing
    "append_files" => "AppendFiles", Text;
    "buffer_block_size" => "BufferBlockSize", Integer;
    "buffer_files" => "BufferFiles", Expression;
    "buffer_size" => "BufferSize", Integer;
    "compress_files" => "CompressFiles", Text;
    "fetch_files" => "FetchFiles", Text;
    "file_remaps" => "FileRemaps", Expression;
    "local_files" => "LocalFiles", Text;
    "output_directory" => "OutputDirectory", Path;

    // ---- known, and refused by name until their effect is built
    // --------------------------------------------------------
    "docker_image" => "", Made, Containers;
    "docker_network_type" => "", Made, Containers;
    "docker_pull_policy" => "", Made, Containers;
    "docker_override_entrypoint" => "", Made, Containers;
    "docker_send_credentials" => "", Made, Containers;
    "container_image" => "", Made, Containers;
    "container_target_dir" => "", Made, Containers;
    "container_service_names" => "", Made, Containers;
    "container_is_common" => "", Made, Containers;
    "transfer_container" => "", Made, Containers;
    "mount_under_scratch" => "", Made, Containers;
    "grid_resource" => "", Made, Grid;
    "batch_extra_submit_args" => "", Made, Grid;
    "batch_project" => "", Made, Grid;
    "batch_queue" => "", Made, Grid;
    "batch_runtime" => "", Made, Grid;
    "arc_application" => "", Made, Grid;
    "arc_data_staging" => "", Made, Grid;
    "arc_resources" => "", Made, Grid;
    "arc_rte" => "", Made, Grid;
    "azure_admin_key" => "", Made, Grid;
    "azure_admin_username" => "", Made, Grid;
    "azure_auth_file" => "", Made, Grid;
    "azure_image" => "", Made, Grid;
    "azure_location" => "", Made, Grid;
    "azure_size" => "", Made, Grid;
    "cloud_label_names" => "", Made, Grid;
    "ec2_access_key_id" => "", Made, Grid;
    "ec2_ami_id" => "", Made, Grid;
    "ec2_availability_zone" => "", Made, Grid;
    "ec2_block_device_mapping" => "", Made, Grid;
    "ec2_ebs_volumes" => "", Made, Grid;
    "ec2_elastic_ip" => "", Made, Grid;
    "ec2_iam_profile_arn" => "", Made, Grid;
    "ec2_iam_profile_name" => "", Made, Grid;
    "ec2_instance_type" => "", Made, Grid;
    "ec2_keypair" ["ec2_keyp_air"] => "", Made, Grid;
    "ec2_keypair_file" ["ec2_key_pair_file"] => "", Made, Grid;
    "ec2_parameter_names" => "", Made, Grid;
    "ec2_secret_access_key" => "", Made, Grid;
    "ec2_security_groups" => "", Made, Grid;
    "ec2_security_ids" => "", Made, Grid;
    "ec2_spot_price" => "", Made, Grid;
    "ec2_tag_names" => "", Made, Grid;
    "ec2_user_data" => "", Made, Grid;
    "ec2_user_data_file" => "", Made, Grid;
    "ec2_vpc_ip" => "", Made, Grid;
    "ec2_vpc_subnet" => "", Made, Grid;
    "gce_account" => "", Made, Grid;
    "gce_auth_file" => "", Made, Grid;
    "gce_image" => "", Made, Grid;
    "gce_json_file" => "", Made, Grid;
    "gce_machine_type" => "", Made, Grid;
    "gce_metadata" => "", Made, Grid;
    "gce_metadata_file" => "", Made, Grid;
    "gce_preemptible" => "", Made, Grid;
    "vm_type" => "", Made, VirtualMachines;
    "vm_memory" => "", Made, VirtualMachines;
    "vm_vcpus" => "", Made, VirtualMachines;
    "vm_disk" => "", Made, VirtualMachines;
    "vm_macaddr" => "", Made, VirtualMachines;
    "vm_checkpoint" => "", Made, VirtualMachines;
    "vm_networking" => "", Made, VirtualMachines;
    "vm_networking_type" => "", Made, VirtualMachines;
    "vm_no_output_vm" => "", Made, VirtualMachines;
    "vm_vnc" => "", Made, VirtualMachines;
    "xen_initrd" => "", Made, VirtualMachines;
    "xen_kernel" => "", Made, VirtualMachines;
    "xen_kernel_params" => "", Made, VirtualMachines;
    "xen_root" => "", Made, VirtualMachines;
    "jar_files" => "", Made, Java;
    "java_vm_args" ["java_vm_arguments" "java_vm_arguments2"] => "", Made, Java;
    "parallel_script_shadow" => "", Made, Parallel;
    "parallel_script_starter" => "", Made, Parallel;
    "delegate_job_gsi_credentials_lifetime" => "", Made, Credentials;
    "use_scitokens" ["use_scitoken"] => "", Made, Credentials;
    "scitokens_file" => "", Made, Credentials;
    "use_oauth_services" ["useoauthservices"] => "", Made, Credentials;
    "aws_access_key_id_file" => "", Made, Credentials;
    "aws_secret_access_key_file" => "", Made, Credentials;
    "aws_region" => "", Made, Credentials;
    "s3_access_key_id_file" => "", Made, Credentials;
    "s3_secret_access_key_file" => "", Made, Credentials;
    "gs_access_key_id_file" => "", Made, Credentials;
    "gs_secret_access_key_file" => "", Made, Credentials;
    "checkpoint_exit_code" => attr::SUCCESS_CHECKPOINT_EXIT_CODE, Made;
    "checkpoint_destination" => "CheckpointDestination", Made, Checkpoints;
    "transfer_checkpoint_files" => attr::TRANSFER_CHECKPOINT, Made;
    "encrypt_execute_directory" => "", Made, Encryption;
    "encrypt_input_files" => "", Made, Encryption;
    "encrypt_output_files" => "", Made, Encryption;
    "dont_encrypt_input_files" => "", Made, Encryption;
    "dont_encrypt_output_files" => "", Made, Encryption;
    "public_input_files" => "", Made, SharedInput;
    "common_input_files" ["transfer_common_input"] => "", Made, SharedInput;
    "skip_if_dataflow" => attr::SKIP_IF_DATAFLOW, Truth;
    "jobset" => "", Made, JobSets;
    "want_job_networking" => attr::WANT_JOB_NETWORKING, Made;
    "run_as_owner" => attr::RUN_AS_OWNER, Made;
    "load_profile" => "LoadProfile", Truth;
    "primary_unix_group" => attr::PRIMARY_UNIX_GROUP, Text;
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_stands_for_two_keywords() {
        let mut seen = std::collections::BTreeSet::new();
        for keyword in KEYWORDS {
            for name in std::iter::once(&keyword.name).chain(keyword.aliases) {
                assert!(seen.insert(name.to_ascii_lowercase()), "{name} twice");
                assert_eq!(name.to_ascii_lowercase(), **name, "spellings stand in lower case");
            }
        }
    }

    #[test]
    fn every_spelling_leads_to_its_keyword_in_any_case() {
        for keyword in KEYWORDS {
            for name in std::iter::once(&keyword.name).chain(keyword.aliases) {
                for typed in [name.to_string(), name.to_ascii_uppercase()] {
                    assert_eq!(find(&typed).map(|found| found.name), Some(keyword.name), "{typed}");
                }
            }
        }
        for typed in ["", "executabl", "executables", "\u{e9}xecutable", "my_own_variable"] {
            assert!(find(typed).is_none(), "{typed}");
        }
    }

    #[test]
    fn a_mistyped_keyword_has_a_nearest_one() {
        for (typed, meant) in [
            ("requst_memory", Some("request_memory")),
            ("Excutable", Some("executable")),
            ("ouput", Some("output")),
            ("period_remove", Some("periodic_remove")),
            ("my_own_variable", None),
            ("x", None),
        ] {
            assert_eq!(nearest(typed), meant, "{typed}");
        }
    }
}
