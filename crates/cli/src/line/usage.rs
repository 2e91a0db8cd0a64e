//! HTCondor's own usage texts, to the letter, for its commands of which they are recorded: what
//! `-help` prints, and what follows a command line that makes no sense. Under our own names clap
//! writes the help.

use model::attr;
use std::fmt::Write;

/// How one of HTCondor's commands says how it is used.
#[derive(Clone, Debug)]
pub struct Usage {
    pub text: String,
    /// Where `-help` prints it.
    pub help: Place,
    /// Where it is printed behind a mistake.
    pub mistake: Place,
    /// What is said of an option that does not exist, before the text: what stands before the
    /// option's name.
    unknown: Option<&'static str>,
}

/// One of the two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A command line that says too little, in HTCondor's words: they stand before the usage text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mistake(pub &'static str);

impl Usage {
    /// That of `condor_q` and the like; `None` where HTCondor's is not recorded.
    pub fn of(name: &str) -> Option<Self> {
        let (err, out) = (Place::Err, Place::Out);
        let (text, help, mistake, unknown) = match name {
            "condor_q" => (
                include_str!("usage/condor_q.txt"),
                out,
                out,
                Some("Error: unrecognized argument "),
            ),
            "condor_history" => (
                include_str!("usage/condor_history.txt"),
                out,
                out,
                Some("Error: Unknown argument "),
            ),
            "condor_status" => {
                (include_str!("usage/condor_status.txt"), err, err, Some("Error:  Unknown option "))
            }
            "condor_submit" => (include_str!("usage/condor_submit.txt"), out, err, None),
            "condor_submit_dag" => (
                include_str!("usage/condor_submit_dag.txt"),
                out,
                out,
                Some("Error: Unknown flag '"),
            ),
            "condor_dag_checker" => (
                include_str!("usage/condor_dag_checker.txt"),
                out,
                out,
                Some("ERROR: Unknown command line option '"),
            ),
            "condor_qedit" => (include_str!("usage/condor_qedit.txt"), err, err, None),
            "condor_prio" => (include_str!("usage/condor_prio.txt"), err, err, None),
            "condor_wait" => (include_str!("usage/condor_wait.txt"), err, err, None),
            _ => return Self::of_acting(name),
        };
        Some(Self { text: text.to_owned(), help, mistake, unknown })
    }

    /// Of the commands that do something to jobs: they are one program in HTCondor.
    fn of_acting(name: &str) -> Option<Self> {
        let (act, reason, more) = match name {
            "condor_rm" => ("Remove", Some(attr::REMOVE_REASON), &REMOVE_OPTIONS[..]),
            "condor_hold" => ("Hold", Some(attr::HOLD_REASON), &HOLD_OPTIONS[..]),
            "condor_release" => ("Release", Some(attr::RELEASE_REASON), &[][..]),
            "condor_suspend" => ("Suspend", None, &[][..]),
            "condor_continue" => ("Continue", None, &[][..]),
            "condor_vacate_job" => ("Vacate", None, &VACATE_OPTIONS[..]),
            _ => return None,
        };
        let mut text = format!(
            "Usage: {name} [options] [constraints]\n where [options] is zero or more of:\n"
        );
        for (option, says) in OPTIONS {
            option_line(option, says, &mut text);
        }
        if let Some(reason) = reason {
            option_line("-reason reason", &format!("Use the given {reason}"), &mut text);
        }
        for (option, says) in more {
            option_line(option, says, &mut text);
        }
        text += " and where [constraints] is one of:\n";
        for (option, says) in CONSTRAINTS {
            option_line(option, &format!("{act} {says}"), &mut text);
        }
        Some(Self {
            text,
            help: Place::Err,
            mistake: Place::Err,
            unknown: Some("Unrecognized option: "),
        })
    }

    /// What is said of an option that does not exist.
    pub fn unknown(&self, option: &str) -> String {
        // Those of HTCondor that act on jobs are one program.
        match (self.unknown, option) {
            (Some("Unrecognized option: "), "-forcex" | "-transfer") => {
                return format!("{option} is only valid with condor_rm");
            }
            (Some("Unrecognized option: "), "-fast") => {
                return format!("{option} is only valid with condor_vacate_job");
            }
            _ => {}
        }
        let close = |before: &str| match before.strip_suffix('\'') {
            Some(before) if before.ends_with("flag ") => "' provided",
            Some(_) => "'",
            None => "",
        };
        self.unknown.map(|before| format!("{before}{option}{}", close(before))).unwrap_or_default()
    }
}

/// What `condor_submit_dag` says of an option whose number, if any, is none.
pub fn no_number(command: &str, option: &str) -> Option<String> {
    let usage = Usage::of(command).filter(|_| command == "condor_submit_dag")?;
    let flags = usage.text.lines().filter_map(|line| line.trim_start().strip_prefix('-'));
    let mut names = flags.filter_map(|line| line.split(' ').next());
    let name = names.find(|name| name.eq_ignore_ascii_case(option))?;
    Some(format!("Error: -{option} (-{name}) additional argument required to be a integer"))
}

/// What HTCondor 25.14 says of an option that lacks its values, as `word` it was written; `None`
/// where that is not recorded.
pub fn missing(command: &str, option: &str, word: &str) -> Option<String> {
    let said = match command {
        "condor_q" => of_q(option)?,
        "condor_history" => of_history(option, word)?,
        "condor_status" => of_status(option, word)?,
        "condor_rm" | "condor_hold" | "condor_release" => {
            format!("{command}: -{option} requires another argument")
        }
        "condor_wait" if ["num", "wait"].contains(&option) => {
            format!("-{option} requires an argument")
        }
        _ => return None,
    };
    Some(said + "\n")
}

/// The same of `condor_q`.
fn of_q(option: &str) -> Option<String> {
    Some(match option {
        "constraint" => "Error: -constraint requires another parameter".to_owned(),
        "limit" => "Error: -limit requires the max number of results as an argument.".to_owned(),
        "format" => "Error: -format requires format and attribute parameters".to_owned(),
        "autoformat" => "Error: -autoformat requires at least one attribute parameter".to_owned(),
        "attributes" => "Error: -attributes requires a list of attributes to show".to_owned(),
        "print-format" => "Error: -print-format requires a filename argument".to_owned(),
        "jobads" | "slotads" | "userlog" => {
            format!("Error: -{option} requires a filename")
        }
        "submitter" => "Error: -submitter requires the name of a user.".to_owned(),
        "name" => "Error: -name requires the name of a schedd as an argument.".to_owned(),
        "machine" | "mconstraint" => {
            format!("Error: -{option} requires another parameter")
        }
        _ => return None,
    })
}

/// The same of `condor_history`.
fn of_history(option: &str, word: &str) -> Option<String> {
    Some(match option {
        "print-format" => "Error: Argument -print-format requires a filename argument".to_owned(),
        "constraint" => "Error: Argument -constraint requires another parameter".to_owned(),
        "limit" => "Error: Argument -match requires a number value as a parameter.".to_owned(),
        "attributes" => {
            "Error: Argument -attributes must be followed by a list of attributes".to_owned()
        }
        // The word itself is not what it says (HTCondor 25.14).
        "scanlimit" => "Error: Argument (null) requires a number value  as a parameter.".to_owned(),
        "since" | "type" | "search" => {
            format!("Error: Argument -{option} requires another parameter")
        }
        "completedsince" | "extract" => {
            format!("Error: Argument -{option} requires another parameter.")
        }
        "format" => "Error: Argument -format requires a spec and classad \
             attribute name as parameters.\n\t\te.g. condor_history -format '%d' ClusterId"
            .to_owned(),
        "autoformat" => format!(
            "Error: Argument {word} requires at least one attribute parameter\n\
             \t\te.g. condor_history {word} ClusterId"
        ),
        _ => return None,
    })
}

/// The same of `condor_status`.
fn of_status(option: &str, word: &str) -> Option<String> {
    Some(match option {
        "print-format" => "Error: Argument -print-format requires a filename argument".to_owned(),
        "ads" => {
            format!("condor_status: {word} requires a filename argument\n{HELP_OF_STATUS}")
        }
        "annex-name" => {
            format!("condor_status: {word} requires an annex name\n{HELP_OF_STATUS}")
        }
        "autoformat" => format!(
            "Error: Argument {word} requires at least one attribute parameter\n{HELP_OF_STATUS}"
        ),
        "constraint" | "sort" | "direct" | "statistics" => {
            format!("condor_status: {word} requires another argument\n{HELP_OF_STATUS}")
        }
        "format" => {
            format!("condor_status: {word} requires two other arguments\n{HELP_OF_STATUS}")
        }
        "limit" | "attributes" | "target" => {
            format!("condor_status: {word} requires one additional argument\n{HELP_OF_STATUS}")
        }
        _ => return None,
    })
}

const HELP_OF_STATUS: &str = "Use \"condor_status -help\" for details";

fn option_line(option: &str, says: &str, text: &mut String) {
    // A string takes every text.
    let _ = writeln!(text, "  {option:<19} {says}");
}

const OPTIONS: [(&str, &str); 8] = [
    ("-help", "Display this message and exit"),
    ("-version", "Display version information and exit"),
    ("-long", "Display full result classad"),
    ("-totals", "Display success/failure totals"),
    ("-debug", "Display debugging information while running"),
    ("-name schedd_name", "Connect to the given schedd"),
    ("-pool hostname", "Use the given central manager to find daemons"),
    ("-addr <ip:port>", "Connect directly to the given \"sinful string\""),
];

const REMOVE_OPTIONS: [(&str, &str); 3] = [
    ("-forcex", "Force the immediate local removal of jobs in the X state"),
    ("", "(only affects jobs already being removed)"),
    ("-transfer", "Transfer output files before removing"),
];

const HOLD_OPTIONS: [(&str, &str); 1] = [("-subcode number", "Set HoldReasonSubCode")];

const VACATE_OPTIONS: [(&str, &str); 1] = [("-fast", "Use a fast vacate (hardkill)")];

const CONSTRAINTS: [(&str, &str); 6] = [
    ("cluster.proc", "the given job"),
    ("cluster", "the given cluster of jobs"),
    ("user", "all jobs owned by user"),
    ("-constraint expr", "all jobs matching the boolean expression"),
    ("-all", "all jobs (cannot be used with other constraints)"),
    ("-held", "only held jobs (may be combined with the above constraints)"),
];
