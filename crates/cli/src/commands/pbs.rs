//! PBS's commands: `qsub`, `qstat`, `qdel` and their kin, under their own names and as `updraft
//! qsub`.
//!
//! They read their command lines themselves, as OpenPBS does (`words`): options may be bundled, and
//! `--` is a word of its own. What `qsub` makes of its words and a script is `jobspec::pbs`'s
//! matter. The others name jobs by identifiers, which `found` looks up, and show them as PBS has
//! them (`crate::render::pbs`). `runner` is what a job runs: it is no command for people.

mod absent;
pub mod accounting;
mod acting;
mod block;
mod counting;
mod depending;
mod found;
mod holding;
mod messages;
mod operating;
mod parts;
mod pbsnodes;
mod placing;
mod qalter;
mod qmgr;
mod qselect;
mod qstat;
mod qsub;
mod reservations;
mod runner;
mod server;
mod signals;
mod staging;
mod tasks;
mod tracejob;
mod usage;
mod words;

use std::process::ExitCode;

use jobspec::pbs::{QSUB_USAGE, VERSION, code};

pub use qsub::RUNNER;

use crate::line::call::Call;
use crate::line::output::{self, complain};
use crate::render::pbs::Here;

/// A command of PBS.
#[derive(Clone, Copy)]
pub struct PbsCommand {
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// How it is called.
    usage: &'static str,
    run: fn(&[String], &Here) -> u8,
}

/// All of them, in the order in which help lists them.
pub const COMMANDS: &[PbsCommand] = &[
    PbsCommand {
        name: "qsub",
        about: "Submit a PBS script, or a command, as a job or an array",
        usage: QSUB_USAGE,
        run: qsub::run,
    },
    PbsCommand {
        name: "qstat",
        about: "Show jobs as PBS does",
        usage: usage::QSTAT,
        run: qstat::run,
    },
    PbsCommand { name: "qdel", about: "Delete jobs", usage: usage::QDEL, run: acting::delete },
    PbsCommand {
        name: "qalter",
        about: "Change jobs in the queue",
        usage: usage::QALTER,
        run: qalter::run,
    },
    PbsCommand { name: "qhold", about: "Hold jobs", usage: usage::QHOLD, run: holding::hold },
    PbsCommand {
        name: "qrls",
        about: "Release held jobs",
        usage: usage::QRLS,
        run: holding::release,
    },
    PbsCommand {
        name: "qsig",
        about: "Send signals to running jobs, suspend them, or let them go on",
        usage: usage::QSIG,
        run: signals::run,
    },
    PbsCommand {
        name: "qrerun",
        about: "Stop running jobs, and put them into the queue again",
        usage: usage::QRERUN,
        run: acting::rerun,
    },
    PbsCommand {
        name: "qmsg",
        about: "Write a message to the output of running jobs",
        usage: usage::QMSG,
        run: messages::run,
    },
    PbsCommand {
        name: "qselect",
        about: "List the identifiers of jobs",
        usage: usage::QSELECT,
        run: qselect::run,
    },
    PbsCommand {
        name: "qmove",
        about: "Move jobs to another queue",
        usage: usage::QMOVE,
        run: placing::move_jobs,
    },
    PbsCommand {
        name: "qorder",
        about: "Exchange two jobs' places",
        usage: usage::QORDER,
        run: placing::order,
    },
    PbsCommand {
        name: "qrun",
        about: "Run jobs before all others",
        usage: usage::QRUN,
        run: placing::run,
    },
    PbsCommand {
        name: "qenable",
        about: "Let queues take jobs",
        usage: usage::QENABLE,
        run: operating::enable,
    },
    PbsCommand {
        name: "qdisable",
        about: "Let queues take no jobs",
        usage: usage::QDISABLE,
        run: operating::disable,
    },
    PbsCommand {
        name: "qstart",
        about: "Let the jobs of queues start",
        usage: usage::QSTART,
        run: operating::start,
    },
    PbsCommand {
        name: "qstop",
        about: "Let no jobs of queues start",
        usage: usage::QSTOP,
        run: operating::stop,
    },
    PbsCommand {
        name: "qmgr",
        about: "Show and change queues, the server and nodes",
        usage: usage::QMGR,
        run: qmgr::run,
    },
    PbsCommand {
        name: "pbsnodes",
        about: "Show machines as PBS does, and take them out of use",
        usage: usage::PBSNODES,
        run: pbsnodes::run,
    },
    PbsCommand {
        name: "pbs_rsub",
        about: "Reserve parts of machines for a window of time",
        usage: usage::PBS_RSUB,
        run: reservations::submit,
    },
    PbsCommand {
        name: "pbs_rstat",
        about: "Show reservations",
        usage: usage::PBS_RSTAT,
        run: reservations::show,
    },
    PbsCommand {
        name: "pbs_rdel",
        about: "Delete reservations",
        usage: usage::PBS_RDEL,
        run: reservations::delete,
    },
    PbsCommand {
        name: "pbs_ralter",
        about: "Move the window of a reservation",
        usage: usage::PBS_RALTER,
        run: reservations::alter,
    },
    PbsCommand {
        name: "pbs_accounting",
        about: "Write PBS's accounting records, one file a day, from the record",
        usage: usage::PBS_ACCOUNTING,
        run: accounting::run,
    },
    PbsCommand {
        name: "tracejob",
        about: "Tell what has happened to jobs, from the record",
        usage: usage::TRACEJOB,
        run: tracejob::run,
    },
    PbsCommand {
        name: "pbsdsh",
        about: "Run a program on each node of the job that calls it",
        usage: usage::PBSDSH,
        run: tasks::spread,
    },
    PbsCommand {
        name: "pbs_tmrsh",
        about: "Run a program on a node of the job that calls it, as ssh would",
        usage: usage::PBS_TMRSH,
        run: tasks::remote_shell,
    },
];

/// The names of all that answer: those that are built, and those that say that they are not.
pub fn names() -> impl Iterator<Item = &'static str> {
    let built = COMMANDS.iter().map(|command| command.name);
    built.chain(absent::ABSENT.iter().map(|(name, _)| *name))
}

/// Why a command of OpenPBS's is not here, if it is one of those.
pub fn absent(name: &str) -> Option<String> {
    let (_, instead) = absent::ABSENT.iter().find(|(known, _)| *known == name)?;
    Some(format!("{name}: not supported yet; instead: {instead}"))
}

/// Says why a command is not here.
pub fn refuse(why: &str) -> ExitCode {
    complain(&format!("{why}\n"));
    code::NOT_SUPPORTED.into()
}

impl PbsCommand {
    /// Runs it with these words.
    pub fn run(&self, words: &[String], call: &Call) -> ExitCode {
        if words == ["--version"] {
            println!("pbs_version = {VERSION}");
            return ExitCode::SUCCESS;
        }
        (self.run)(words, &Here::new(call)).into()
    }
}

impl PbsCommand {
    /// What it does and how it is called, on standard output.
    pub fn help(&self) -> ExitCode {
        let more = "What is there and what is not: \"Coming from PBS\" in the user guide.";
        // Whoever does not read it does not want it.
        let _ = output::put(&format!("{}.\n\n{}\n{more}\n", self.about, self.usage));
        ExitCode::SUCCESS
    }
}

impl Here {
    /// How the command that was called is to be called.
    fn usage(&self) -> &'static str {
        let called = COMMANDS.iter().find(|command| command.name == self.command);
        called.map_or("", |command| command.usage)
    }
}

/// Runs the script or the command of the job that this process is the run of.
pub fn run_job() -> ExitCode {
    runner::run().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_says_how_it_is_called() {
        for command in COMMANDS {
            let usage = command.usage.to_ascii_lowercase();
            assert!(usage.starts_with("usage:"), "{usage}");
            assert!(usage.contains(&format!("{} ", command.name)), "{usage}");
            assert!(absent(command.name).is_none(), "{} is built, and refused", command.name);
        }
    }
}
