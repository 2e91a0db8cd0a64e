//! Command lines that show what a verb is for: they stand at the end of its help and in its manual
//! page. Each is checked against the verb's own options.

use crate::line::exit::Exit;

/// What a command line does, and its words after the verb.
pub(crate) type Example = (&'static str, &'static str);

/// The examples of each verb that people call.
const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "submit",
        &[
            ("Submit what a description asks for", "job.sub"),
            ("Set a macro, and add a line", "job.sub n=3 -append 'request_memory = 2GB'"),
            ("Say what would run and where, and submit nothing", "job.sub --explain"),
            ("Refuse it if it can never run", "job.sub --strict"),
            ("A shell on a machine of the pool", "-interactive"),
        ],
    ),
    (
        "submit_dag",
        &[
            ("Run a workflow", "flow.dag"),
            ("At most ten nodes' jobs at once, and watch it", "-maxjobs 10 --watch flow.dag"),
        ],
    ),
    (
        "dag",
        &[
            ("How a workflow stands", "status 12"),
            ("Try again what failed", "retry 12 NODE"),
            ("What is wrong with a DAG file", "check flow.dag"),
        ],
    ),
    ("dag_checker", &[("What is wrong with a DAG file", "flow.dag")]),
    (
        "q",
        &[
            ("Your jobs, in batches", ""),
            ("One line for each job of a cluster", "12 -nobatch"),
            ("Why a job waits", "12.0 -better-analyze"),
            ("Chosen values of running jobs", "-run -af:j RemoteHost MemoryUsage"),
        ],
    ),
    (
        "show",
        &[
            ("One job on one page", "12.3"),
            ("The first of a cluster that failed, as JSON", "12 --json"),
        ],
    ),
    (
        "status",
        &[
            ("The slots of the pool", ""),
            ("Machines, a line for each", "-compact"),
            ("Slots with at least 8 processors", "-constraint 'Cpus >= 8'"),
        ],
    ),
    (
        "history",
        &[
            ("The last ten jobs that have left", "-limit 10"),
            ("Jobs that failed", "-constraint 'ExitCode =!= 0'"),
            ("Every run of a job", "12.0 -epochs"),
        ],
    ),
    (
        "rm",
        &[
            ("Remove a cluster, and a job of another", "12 13.4"),
            ("All of yours that are held", "-all -held"),
        ],
    ),
    ("hold", &[("Let a job not run for now", "12.0 -reason 'data is late'")]),
    ("release", &[("Let held jobs run", "12")]),
    (
        "retry",
        &[
            ("Run again what failed of a cluster", "12 --failed"),
            ("One job, however it ended", "12.3"),
        ],
    ),
    ("vacate_job", &[("Stop a run; the job waits again", "12.0")]),
    ("suspend", &[("Let running jobs stand still", "12")]),
    ("continue", &[("Let them go on", "12")]),
    ("transfer_data", &[("Fetch what spooled jobs have made", "12")]),
    ("prio", &[("Put a job before your others", "-p 10 12.0"), ("A little behind", "-p -1 12")]),
    ("qedit", &[("Ask for more memory", "12 RequestMemory 4096")]),
    (
        "wait",
        &[
            ("Until jobs have ended", "12 13.0"),
            ("No longer than an hour", "--wait 3600 12"),
            ("Until all jobs of an event log have ended", "job.log"),
        ],
    ),
    (
        "watch_q",
        &[
            ("A table that changes as things happen", ""),
            ("Until all is done", "-exit all,done,0 -exit any,held,1"),
        ],
    ),
    (
        "tail",
        &[
            ("What a running job prints, as it does", "-follow 12.0"),
            ("Its errors", "-no-stdout -stderr 12.0"),
        ],
    ),
    (
        "ssh_to_job",
        &[("A shell beside a running job", "12.0"), ("A command there", "12.0 top -b -n 1")],
    ),
    ("who", &[("What runs on this machine", "")]),
    ("userprio", &[("Everybody's priority and use", "-all")]),
    (
        "config_val",
        &[("A setting", "MAX_JOBS_RUNNING"), ("Where it comes from", "-verbose MAX_JOBS_RUNNING")],
    ),
    ("reconfig", &[("Take over a changed configuration", "")]),
    ("reschedule", &[("Whether the schedd answers", "")]),
    ("chirp", &[("In a job: tell what it has come to", "set_job_attr Progress 50")]),
    (
        "events",
        &[
            ("What happened to a cluster", "12"),
            ("All that happens from now on, as JSON", "--follow --json"),
            ("What the JSON looks like", "--schema"),
        ],
    ),
    (
        "run",
        &[
            ("From a description to the output, without a pool", "job.sub"),
            ("On two processors", "--cpus 2 job.sub"),
        ],
    ),
    ("run_command", &[("A command of the shell as a job", "'sort big.txt > sorted.txt'")]),
    (
        "sge_qsub",
        &[
            ("A script, with two processors", "-l nodes=1:ppn=2 job.sh"),
            ("After job 12 is over", "-hold_jid 12 job.sh"),
        ],
    ),
    ("eval", &[("An expression", "'a = 2' 'a * 3'")]),
    ("classad", &[("An expression, part by part", "eval --explain 'strcat(\"a\", 1 + 2)'")]),
    (
        "pool",
        &[
            ("Start a pool of your own", "start"),
            ("How it is", "status"),
            ("A pool that other machines may join", "start --listen 10.0.0.1:9618"),
            ("Stop it; the queue is kept", "stop"),
        ],
    ),
    (
        "drain",
        &[
            ("Let a machine's jobs end, and give it no others", "exec1 -reason 'new disk'"),
            ("Put them back into the queue", "exec1 -quick"),
            ("Give it jobs again", "exec1 -cancel"),
        ],
    ),
    ("join", &[("Add this machine to a pool", "TOKEN")]),
    ("doctor", &[("What is wrong with this machine's pool", "")]),
    ("links", &[("Answer to HTCondor's and PBS's names", "install /home/me/bin")]),
    ("version", &[("Which program this is", "")]),
    (
        "help",
        &[
            ("All of a command", "q"),
            ("Manual pages", "--man /usr/local/share/man"),
            ("Completion in bash", "--completions bash"),
        ],
    ),
];

/// The examples of a verb; none of what only programs call.
pub(crate) fn of(verb: &str) -> &'static [Example] {
    EXAMPLES.iter().find(|(name, _)| *name == verb).map_or(&[], |(_, examples)| *examples)
}

/// They as they stand below the help of a command of this name.
pub(super) fn told(verb: &str, name: &str) -> String {
    let lines = of(verb)
        .iter()
        .map(|(what, words)| format!("  {what}:\n    {}\n", format!("{name} {words}").trim_end()));
    let lines: String = lines.collect();
    if lines.is_empty() { lines } else { format!("Examples:\n{lines}") }
}

/// What the exit codes mean, in order.
pub(crate) const EXIT_STATUS: &[(Exit, &str)] = &[
    (Exit::Done, "All that was asked for was done. For wait: every job ended with exit code 0."),
    (
        Exit::Failed,
        "It could not be done, or not for all jobs. For wait: a job failed or was removed.",
    ),
    (Exit::Usage, "The command line makes no sense. Under HTCondor's names this is 1."),
    (Exit::NotRunning, "No pool answers. Under HTCondor's names this is 1."),
    (Exit::TimedOut, "wait: the time was over. Under HTCondor's name this is 1."),
    (Exit::Held, "wait: a job is held, and nothing more happens by itself."),
];

/// The files that commands look at, and what they are.
pub(crate) const FILES: &[(&str, &str)] = &[
    (
        "$UPDRAFT_HOME",
        "The folder of the pool. Without it: the pool of CONDOR_CONFIG, then that of the links by which the command was called, then $XDG_STATE_HOME/updraft, which is ~/.local/state/updraft.",
    ),
    ("$UPDRAFT_HOME/config", "Settings that the user writes; config.d beside it has more."),
    ("$UPDRAFT_HOME/log", "What the daemons tell of themselves."),
    ("$UPDRAFT_HOME/schedd/queue.db", "The queue and its history; updraft pool backup copies it."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::VERBS;

    /// The words of a command line, with what single quotes hold together.
    fn words(line: &str) -> Vec<String> {
        let parts = line.split('\'').enumerate().flat_map(|(nth, part)| match nth % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
            _ => vec![part.to_owned()],
        });
        parts.collect()
    }

    #[test]
    fn every_verb_that_people_call_has_an_example_and_each_is_a_command_line_of_its() {
        let hidden = ["daemon", "dagman", "curl_plugin", "terminal"];
        for verb in VERBS.iter().filter(|verb| !hidden.contains(&verb.name)) {
            assert!(!of(verb.name).is_empty(), "{} has no example", verb.name);
            for (what, line) in of(verb.name) {
                let understood = crate::verbs::understand(verb, &words(line));
                assert!(understood.is_ok(), "{} {line} ({what}): {understood:?}", verb.name);
            }
        }
        for (name, _) in EXAMPLES {
            assert!(VERBS.iter().any(|verb| verb.name == *name), "there is no verb {name}");
        }
    }
}
