//! OpenPBS's commands that are not here: each says so by its own name, and what does the same here.
//! Its daemons are none: nobody calls them.

/// A command, and what to use instead.
pub(super) const ABSENT: &[(&str, &str)] = &[
    ("pbs_attach", "what a job's processes start is the job's"),
    ("pbs_dataservice", "the queue is one file of the schedd's; see updraft pool status"),
    ("pbs_ds_password", "the queue is one file of the schedd's, which nobody else opens"),
    ("pbs_hostn", "getent hosts NAME"),
    ("pbs_iff", "the kernel says who asks; see updraft pool status"),
    ("pbs_lamboot", "mpirun and mpiexec find the job's machines themselves"),
    ("pbs_mpihp", "mpirun and mpiexec find the job's machines themselves"),
    ("pbs_mpilam", "mpirun and mpiexec find the job's machines themselves"),
    ("pbs_mpirun", "mpirun and mpiexec find the job's machines themselves"),
    ("pbs_probe", "updraft doctor"),
    ("pbs_python", "there are no hooks"),
    (
        "pbs_release_nodes",
        "a job has all of its machines until its end; let a job of its own do the rest",
    ),
    ("pbs_snapshot", "updraft doctor, and the logs in the pool's folder"),
    ("pbs_topologyinfo", "updraft status -long, or pbsnodes -av"),
    ("pbsfs", "updraft userprio"),
    ("pbsrun", "mpirun and mpiexec find the job's machines themselves"),
    ("pbsrun_unwrap", "mpirun and mpiexec find the job's machines themselves"),
    ("pbsrun_wrap", "mpirun and mpiexec find the job's machines themselves"),
    ("printjob", "qstat -f, or updraft q -long"),
    ("qterm", "updraft pool stop: jobs stay in the queue, and what runs goes on"),
];
