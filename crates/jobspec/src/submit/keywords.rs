//! The commands of the submit language, in one table: keyword, other spellings, attribute of the job, kind of value, and
//! whether this version can do it.
//!
//! Every attribute's name is also a spelling of its keyword (`JobPrio = 5` is `priority = 5`), but for [`Kind::Made`].
//! What a row cannot say is [`Kind::Made`] and has its code in a module of `job`.

/// A command.
#[derive(Clone, Copy, Debug)]
pub struct Keyword {
    /// As the manual spells it, in lower case.
    pub name: &'static str,
    /// Other spellings, in lower case.
    pub aliases: &'static [&'static str],
    /// The attribute that it sets; the most important one where there are several.
    pub attr: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Whether this version can do it.
    pub support: Support,
}

/// What a value is, and so how it becomes an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
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
    /// A ClassAd expression.
    Expression,
    /// Made by code, together with other keywords. The attribute's name is a spelling too if it is given.
    Made,
}

/// Whether this version can do what a keyword asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Yes.
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
    /// Virtual machines.
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
    /// Plug-ins that come with a job, and folders for its output.
    UrlTransfers,
    /// Input that many jobs on a machine share.
    SharedInput,
    /// Job sets.
    JobSets,
    /// What only Windows has.
    Accounts,
    /// The standard universe, which is gone from HTCondor too.
    StandardUniverse,
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
            Self::UrlTransfers => "plug-ins that come with a job, and folders for its output,",
            Self::SharedInput => "input shared by jobs of one machine",
            Self::JobSets => "job sets",
            Self::Accounts => "profiles of Windows users",
            Self::StandardUniverse => "the standard universe, which HTCondor gave up as well",
        }
    }
}

/// The keyword of a name, by any of its spellings.
pub(super) fn find(name: &str) -> Option<&'static Keyword> {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    KEYWORDS
        .iter()
        .find(|keyword| is(keyword.name) || keyword.aliases.iter().any(|alias| is(alias)))
}

/// The keyword that a mistyped name most likely means: at most a third of it differs.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    crate::language::nearest(name, KEYWORDS.iter().map(|keyword| keyword.name))
}

macro_rules! keywords {
    ($($name:literal $([$($alias:literal)+])? => $attr:literal, $kind:ident $(, $family:ident)?;)*) => {
        &[$(Keyword {
            name: $name,
            aliases: &[$($($alias),+)?],
            attr: $attr,
            kind: Kind::$kind,
            support: keywords!(@support $($family)?),
        }),*]
    };
    (@support) => { Support::Here };
    (@support $family:ident) => { Support::Later(Family::$family) };
}

/// The language.
pub const KEYWORDS: &[Keyword] = keywords! {
    // ---- what runs (job/command.rs)
    "universe" => "JobUniverse", Made;
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
    "initialdir" ["initial_dir" "job_iwd"] => "Iwd", Made;
    "remote_initialdir" => "RemoteIwd", Text;
    // ---- its streams (job/files.rs)
    "input" ["stdin"] => "", Made;
    "output" ["stdout"] => "", Made;
    "error" ["stderr"] => "", Made;
    "stream_input" => "StreamIn", Made;
    "stream_output" => "StreamOut", Made;
    "stream_error" => "StreamErr", Made;
    "transfer_input" => "TransferIn", Made;
    "transfer_output" => "TransferOut", Made;
    "transfer_error" => "TransferErr", Made;
    "skip_filechecks" => "", Made;
    // ---- what is told of it (job/debugging.rs)
    "starter_debug" => "JobStarterDebug", Made;
    "starter_log" => "JobStarterLog", Made;
    // ---- what runs beside it (job/debugging.rs)
    "tool_daemon_cmd" => "ToolDaemonCmd", Made;
    "tool_daemon_args" ["tool_daemon_arguments" "tool_daemon_arguments2"] => "ToolDaemonArgs", Made;
    "tool_daemon_input" => "ToolDaemonInput", Made;
    "tool_daemon_output" => "ToolDaemonOutput", Made;
    "tool_daemon_error" => "ToolDaemonError", Made;
    "suspend_job_at_exec" => "SuspendJobAtExec", Truth;
    "want_io_proxy" => "WantIOProxy", Truth;
    // ---- its log
    "log" => "UserLog", Path;
    "log_xml" => "UserLogUseXML", Truth;
    "dagman_log" => "DAGManNodesLog", Path;
    "submit_event_notes" => "SubmitEventNotes", Text;
    "submit_event_user_notes" => "SubmitEventUserNotes", Text;
    "submit_event_notes_attrs" => "SubmitEventNotesAttrs", Text;
    "ulog_execute_attrs" => "UserLogExecuteEventAttrs", Text;
    "job_ad_information_attrs" => "JobAdInformationAttrs", Text;
    // ---- how it is called and told of
    "batch_name" => "JobBatchName", Unquoted;
    "batch_id" => "JobBatchId", Unquoted;
    "description" => "JobDescription", Text;
    "project_name" => "ProjectName", Text;
    "notification" => "JobNotification", Made;
    "notify_user" => "NotifyUser", Made;
    "email_attributes" => "EmailAttributes", List;
    "dagman_job_id" => "DAGManJobId", Expression;
    // ---- what it asks for (job/resources.rs, job/growing.rs, job/requirements.rs)
    "request_cpus" => "RequestCpus", Made;
    "request_memory" => "RequestMemory", Made;
    "request_disk" => "RequestDisk", Made;
    "request_gpus" => "RequestGPUs", Made;
    "require_gpus" => "RequireGPUs", Made;
    "gpus_minimum_capability" => "GPUsMinCapability", Made;
    "gpus_maximum_capability" => "GPUsMaxCapability", Made;
    "gpus_minimum_memory" => "GPUsMinMemory", Made;
    "gpus_minimum_runtime" => "GPUsMinRuntime", Made;
    "cuda_version" => "CUDAVersion", Made;
    "retry_request_memory" => "", Made;
    "retry_request_memory_increase" => "", Made;
    "retry_request_memory_max" => "", Made;
    "retry_request_disk" => "", Made;
    "retry_request_disk_increase" => "", Made;
    "retry_request_disk_max" => "", Made;
    "requirements" => "Requirements", Made;
    "rank" ["preferences"] => "Rank", Made;
    "image_size" => "ImageSize", Made;
    "disk_usage" => "DiskUsage", Made;
    "job_machine_attrs" => "JobMachineAttrs", Text;
    "job_machine_attrs_history_length" => "JobMachineAttrsHistoryLength", Integer;
    "match_list_length" => "LastMatchListLength", Integer;
    "concurrency_limits" => "", Made;
    "concurrency_limits_expr" => "", Made;
    "accounting_group" => "AccountingGroup", Made;
    "accounting_group_user" => "AcctGroupUser", Made;
    "nice_user" => "NiceUser", Made;
    "priority" ["prio"] => "JobPrio", Integer;
    "keep_claim_idle" => "KeepClaimIdle", Expression;
    // ---- when it is held, run again, removed (job/policy.rs)
    "hold" => "", Made;
    "leave_in_queue" => "LeaveJobInQueue", Expression;
    "max_retries" => "JobMaxRetries", Made;
    "retry_until" => "", Made;
    "success_exit_code" => "JobSuccessExitCode", Made;
    "on_exit_remove" => "OnExitRemove", Made;
    "on_exit_hold" => "OnExitHold", Made;
    "on_exit_hold_reason" => "OnExitHoldReason", Expression;
    "on_exit_hold_subcode" => "OnExitHoldSubCode", Expression;
    "periodic_hold" => "PeriodicHold", Expression;
    "periodic_hold_reason" => "PeriodicHoldReason", Expression;
    "periodic_hold_subcode" => "PeriodicHoldSubCode", Expression;
    "periodic_release" => "PeriodicRelease", Expression;
    "periodic_remove" => "PeriodicRemove", Expression;
    "periodic_vacate" => "PeriodicVacate", Expression;
    "allowed_job_duration" => "AllowedJobDuration", Expression;
    "allowed_execute_duration" => "AllowedExecuteDuration", Expression;
    "kill_sig" => "KillSig", Made;
    "remove_kill_sig" => "RemoveKillSig", Made;
    "hold_kill_sig" => "HoldKillSig", Made;
    "kill_sig_timeout" => "KillSigTimeout", Expression;
    "job_max_vacate_time" => "JobMaxVacateTime", Expression;
    "max_job_retirement_time" => "MaxJobRetirementTime", Expression;
    "want_graceful_removal" => "WantGracefulRemoval", Expression;
    "job_lease_duration" => "JobLeaseDuration", Made;
    "next_job_start_delay" => "NextJobStartDelay", Expression;
    "noop_job" => "IsNoopJob", Expression;
    "noop_job_exit_code" => "NoopJobExitCode", Expression;
    "noop_job_exit_signal" => "NoopJobExitSignal", Expression;
    "erase_output_and_error_on_restart" => "EraseOutputAndErrorOnRestart", Truth;
    "coresize" ["core_size"] => "CoreSize", Integer;
    "stack_size" => "StackSize", Expression;
    // ---- when it starts (job/policy.rs)
    "deferral_time" => "DeferralTime", Made;
    "deferral_window" => "DeferralWindow", Made;
    "deferral_prep_time" => "DeferralPrepTime", Made;
    "cron_minute" => "CronMinute", Made;
    "cron_hour" => "CronHour", Made;
    "cron_day_of_month" => "CronDayOfMonth", Made;
    "cron_month" => "CronMonth", Made;
    "cron_day_of_week" => "CronDayOfWeek", Made;
    "cron_window" => "", Made;
    "cron_prep_time" => "", Made;
    "max_materialize" => "JobMaterializeLimit", Integer;
    "max_idle" ["materialize_max_idle"] => "JobMaterializeMaxIdle", Integer;
    // ---- its files (job/transfer.rs)
    "should_transfer_files" => "ShouldTransferFiles", Made;
    "when_to_transfer_output" => "WhenToTransferOutput", Made;
    "transfer_input_files" ["transferinputfiles"] => "", Made;
    "transfer_output_files" ["transferoutputfiles"] => "", Made;
    "transfer_output_remaps" => "TransferOutputRemaps", Unquoted;
    "transfer_executable" => "TransferExecutable", Made;
    "output_destination" => "OutputDestination", Text;
    "preserve_relative_paths" => "PreserveRelativePaths", Truth;
    "max_transfer_input_mb" => "MaxTransferInputMB", Expression;
    "max_transfer_output_mb" => "MaxTransferOutputMB", Expression;
    "manifest" => "ManifestDesired", Truth;
    "manifest_dir" => "ManifestDir", Made;

    // ---- known, and refused by name until their effect is built --------------------------------------------------------
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
    "x509userproxy" => "", Made, Credentials;
    "use_x509userproxy" => "", Made, Credentials;
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
    "checkpoint_exit_code" => "SuccessCheckpointExitCode", Made;
    "checkpoint_destination" => "CheckpointDestination", Made, Checkpoints;
    "transfer_checkpoint_files" => "TransferCheckpoint", Made;
    "encrypt_execute_directory" => "", Made, Encryption;
    "encrypt_input_files" => "", Made, Encryption;
    "encrypt_output_files" => "", Made, Encryption;
    "dont_encrypt_input_files" => "", Made, Encryption;
    "dont_encrypt_output_files" => "", Made, Encryption;
    "output_directory" => "", Made, UrlTransfers;
    "transfer_plugins" => "", Made, UrlTransfers;
    "public_input_files" => "", Made, SharedInput;
    "common_input_files" ["transfer_common_input"] => "", Made, SharedInput;
    "skip_if_dataflow" => "SkipIfDataflow", Truth;
    "jobset" => "", Made, JobSets;
    "want_job_networking" => "WantJobNetworking", Made;
    "run_as_owner" => "RunAsOwner", Made;
    "load_profile" => "", Made, Accounts;
    "primary_unix_group" => "PrimaryUnixGroup", Text;
    "append_files" => "", Made, StandardUniverse;
    "buffer_block_size" => "", Made, StandardUniverse;
    "buffer_files" => "", Made, StandardUniverse;
    "buffer_size" => "", Made, StandardUniverse;
    "compress_files" => "", Made, StandardUniverse;
    "fetch_files" => "", Made, StandardUniverse;
    "file_remaps" => "", Made, StandardUniverse;
    "local_files" => "", Made, StandardUniverse;
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
