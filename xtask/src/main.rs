//! The project's own commands: `cargo xtask <verb>`. Each verb is a file; this one only names them.
//!
//! It depends on nothing of ours: a broken crate must not break the tool that says so.

mod bench;
mod chaos;
mod ci;
mod clients;
mod hosts;
mod oracle;
mod run;
mod tidy;
mod vm;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// All that CI runs: format, lints, tidy, tests, documentation, a minute of simulation.
    Ci {
        /// Seconds of simulation.
        #[arg(long, default_value_t = 60)]
        sim_seconds: u32,
    },
    /// The rules of docs/STYLE.md that a program can check.
    Tidy,
    /// Runs the simulator: one seed, or many. Arguments after `--` go to it (`--seed N --steps M
    /// --seeds K --seconds S`).
    Sim {
        /// For the simulator.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measures; each figure as a ratio to something measured in the same run. `bench`, `bench
    /// classad`, `bench match`, `bench dag [PART...]`, `bench pbs`.
    Bench {
        /// What, and its own arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Fuzzes every reader of what others have written with mutated texts of the corpus: `fuzz
    /// [TARGET] --seconds N --seed N`.
    Fuzz {
        /// For the fuzzer.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Runs random workflows, and random jobs, on real pools whose processes are killed at random,
    /// and sees that each ran as it must.
    Chaos(chaos::ChaosArgs),
    /// Runs a pool of several hosts, which are network namespaces, as root: from bare hosts to the
    /// first job, and jobs with files while hosts are cut off and killed.
    Hosts(hosts::HostsArgs),
    /// Runs a pool of many users in a virtual machine, whose kernel sees to limits: jobs that want
    /// too much memory, fork bombs, a private /tmp. Fetches what it needs by apt-get.
    Vm(vm::VmArgs),
    /// Runs real clients of HTCondor's commands against a pool (needs python3 and PyPI): all in
    /// tests/clients, or those named.
    Clients {
        /// The drivers' names without `.py`.
        names: Vec<String>,
    },
    /// Compares with the real HTCondor, live, as root: `oracle dag --seed N --cases M --reference
    /// DIR` runs random workflows by both, `oracle submit` (the same options) dry-runs random
    /// descriptions, `oracle commands` shows random ads by q, history and status, `oracle run` runs
    /// random jobs. `oracle recorded`
    /// asks ours alone about those of tests/recorded; CI does.
    Oracle(oracle::OracleArgs),
    /// Compares ClassAd evaluation with the reference implementation, live (needs PyPI's htcondor).
    ClassadOracle {
        /// `--seed N --cases M`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn main() -> Result<()> {
    match Cli::parse().verb {
        Verb::Ci { sim_seconds } => ci::run(sim_seconds),
        Verb::Tidy => tidy::run(),
        Verb::Sim { args } => run::tool("sim", &args),
        Verb::Bench { args } => bench::run(&args),
        Verb::Fuzz { args } => run::tool("fuzz", &args),
        Verb::Hosts(args) => hosts::run(&args),
        Verb::Vm(args) => vm::run(&args),
        Verb::Chaos(args) => chaos::run(&args),
        Verb::Clients { names } => clients::run(&names),
        Verb::Oracle(args) => oracle::run(&args.words),
        Verb::ClassadOracle { args } => run::tool("classad-oracle", &args),
    }
}
