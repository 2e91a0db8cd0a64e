//! The attributes that OpenPBS 23.06 has and that mean nothing here: they are refused by name, and
//! not taken for typing errors. Which ones mean something is said by `model::queues`.

use model::queues::{KNOWN, Of};

/// Whether OpenPBS's objects of this kind have an attribute of this name.
pub(super) fn is_attribute(of: Of, name: &str) -> bool {
    let name = name.split('.').next().unwrap_or_default();
    names(of).contains(&name) || KNOWN.iter().any(|known| known.of == of && known.name == name)
}

/// Those that mean nothing here.
const fn names(of: Of) -> &'static [&'static str] {
    match of {
        Of::Server => &SERVER,
        Of::Queue => &QUEUE,
        Of::Node => &NODE,
        Of::Resource => &[],
    }
}

/// What to do in place of setting it, if anything.
pub(super) fn instead(of: Of, name: &str) -> Option<&'static str> {
    if !names(of).contains(&name) {
        return None;
    }
    Some(match name {
        "max_running" | "max_user_run" | "max_group_run" | "max_run_soft" => "say max_run",
        "max_run_res" | "max_run_res_soft" | "max_user_res" | "max_group_res"
        | "max_user_res_soft" | "max_group_res_soft" | "max_queued_res" => {
            "limits are of how many jobs run or wait: say max_run or max_queued, or have a resource of your own"
        }
        "kill_delay" | "resend_term_delay" => {
            "how long a job has between SIGTERM and SIGKILL its machine's configuration says"
        }
        "max_queuable" | "queued_jobs_threshold" => "say max_queued",
        "acl_groups" | "acl_group_enable" => "say acl_users",
        "hasnodes" | "total_jobs" | "state_count" | "resources_assigned" | "server_state"
        | "server_host" | "pbs_version" | "license_count" => "it is counted and not set",
        "job_history_enable" | "job_history_duration" => {
            "say MAX_HISTORY_DAYS in the pool's configuration"
        }
        "mailer" | "mail_from" => "say MAIL in the pool's configuration",
        "job_sort_formula" | "node_sort_key" => {
            "users share by updraft userprio, and a user's jobs by -p"
        }
        "queue" | "partition" => "say requirements in the queue's jobs",
        _ => "it means nothing here",
    })
}

/// Of the server.
pub(super) const SERVER: [&str; 89] = [
    "server_state",
    "server_host",
    "max_running",
    "max_queued_res",
    "max_run_res",
    "max_run_soft",
    "max_run_res_soft",
    "max_user_run",
    "max_group_run",
    "max_user_res",
    "max_group_res",
    "max_user_run_soft",
    "max_group_run_soft",
    "max_user_res_soft",
    "max_group_res_soft",
    "pnames",
    "total_jobs",
    "state_count",
    "acl_host_enable",
    "acl_hosts",
    "acl_host_moms_enable",
    "acl_resv_host_enable",
    "acl_resv_hosts",
    "acl_resv_group_enable",
    "acl_resv_groups",
    "acl_resv_user_enable",
    "acl_resv_users",
    "acl_roots",
    "log_events",
    "mailer",
    "mail_from",
    "query_other_jobs",
    "resources_assigned",
    "resources_cost",
    "system_cost",
    "scheduler_iteration",
    "default_node",
    "node_pack",
    "flatuid",
    "resv_enable",
    "node_fail_requeue",
    "resend_term_delay",
    "require_cred_enable",
    "require_cred",
    "node_group_enable",
    "node_group_key",
    "default_qdel_arguments",
    "default_qsub_arguments",
    "rpp_retry",
    "rpp_highwater",
    "pbs_license_info",
    "pbs_license_min",
    "pbs_license_max",
    "pbs_license_linger_time",
    "license_count",
    "pbs_version",
    "job_sort_formula",
    "eligible_time_enable",
    "reserve_retry_time",
    "reserve_retry_init",
    "job_history_enable",
    "job_history_duration",
    "provision_enable",
    "max_concurrent_provision",
    "provision_timeout",
    "resv_post_processing_time",
    "backfill_depth",
    "clear_topjob_estimates_enable",
    "job_requeue_timeout",
    "python_restart_max_hooks",
    "python_restart_max_objects",
    "python_restart_min_interval",
    "queued_jobs_threshold",
    "queued_jobs_threshold_res",
    "jobscript_max_size",
    "restrict_res_to_release_on_suspend",
    "power_provisioning",
    "show_hidden_attribs",
    "sync_mom_hookfiles_timeout",
    "rpp_max_pkt_check",
    "max_job_sequence_id",
    "has_runjob_hook",
    "acl_krb_realm_enable",
    "acl_krb_realms",
    "acl_krb_submit_realms",
    "cred_renew_enable",
    "cred_renew_tool",
    "cred_renew_period",
    "cred_renew_cache_period",
];

/// Of a queue.
pub(super) const QUEUE: [&str; 38] = [
    "max_queuable",
    "total_jobs",
    "state_count",
    "max_running",
    "max_queued_res",
    "require_cred_enable",
    "require_cred",
    "acl_group_enable",
    "acl_groups",
    "checkpoint_min",
    "rendezvous_retry",
    "reserved_expedite",
    "reserved_sync",
    "resources_available",
    "resources_assigned",
    "kill_delay",
    "max_user_run",
    "max_group_run",
    "max_run_res",
    "max_run_soft",
    "max_run_res_soft",
    "hasnodes",
    "max_user_res",
    "max_group_res",
    "max_user_run_soft",
    "max_group_run_soft",
    "max_user_res_soft",
    "max_group_res_soft",
    "node_group_key",
    "backfill_depth",
    "alt_router",
    "route_held_jobs",
    "route_waiting_jobs",
    "route_retry_time",
    "route_lifetime",
    "queued_jobs_threshold",
    "queued_jobs_threshold_res",
    "partition",
];

/// Of a node.
pub(super) const NODE: [&str; 32] = [
    "Mom",
    "Port",
    "pbs_version",
    "ntype",
    "pcpus",
    "Priority",
    "jobs",
    "max_running",
    "max_user_run",
    "max_group_run",
    "no_tasks",
    "pnames",
    "resv",
    "resources_assigned",
    "queue",
    "resv_enable",
    "no_multinode_jobs",
    "sharing",
    "provision_enable",
    "current_aoe",
    "in_multivnode_host",
    "maintenance_jobs",
    "license",
    "license_info",
    "topology_info",
    "vnode_pool",
    "power_provisioning",
    "current_eoe",
    "partition",
    "poweroff_eligible",
    "last_state_change_time",
    "last_used_time",
];
