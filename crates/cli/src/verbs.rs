//! The table of verbs, and the way from a command line to one of them.
//!
//! # How to add a verb
//!
//! 1. Write `commands/<room>/<verb>.rs` with a struct that derives `clap::Args` (its doc comment
//!    becomes the help) and a function `run(args, &Call) -> anyhow::Result<Outcome>`. It prints
//!    nothing: what it found or did is a struct that implements [`crate::render::said::Tell`] (its
//!    fields are its JSON, `tell` its words in each dialect), made an outcome by
//!    [`Outcome::of`](crate::line::outcome::Outcome::of). Only what is worth something as it
//!    happens goes to [`crate::line::output`] at once. A new family of verbs is a new room.
//! 2. Declare the module in the room's file (`commands/<room>.rs`).
//! 3. Add one line to [`VERBS`]: `verb!("name", ["condor_name"], module::Args => module::run)`,
//!    with `ref` before the function if it takes its options by reference. The names in brackets
//!    are HTCondor's: the binary answers to them, `updraft links install` makes links for them, and
//!    options may be spelt with one dash under both names. A verb whose list is empty takes clap's
//!    spelling only.
//! 4. Options of HTCondor that are known and not built go into the module's `NOT_YET` and behind
//!    the arrow's function: `..., not yet module::NOT_YET)`. They are refused by name, never
//!    ignored.

pub(crate) mod examples;
mod not_yet;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use client::{DaemonRole, Home};
use proto::command::AskError;
use proto::net::{Address, NetError};

use crate::commands::acting::continue_job;
use crate::commands::acting::hold;
use crate::commands::acting::prio;
use crate::commands::acting::qedit;
use crate::commands::acting::release;
use crate::commands::acting::retry;
use crate::commands::acting::rm;
use crate::commands::acting::suspend;
use crate::commands::acting::transfer_data;
use crate::commands::acting::vacate_job;
use crate::commands::machines::status;
use crate::commands::machines::userprio;
use crate::commands::machines::who;
use crate::commands::pbs::{self, PbsCommand};
use crate::commands::pools::condor_qsub;
use crate::commands::pools::config_val;
use crate::commands::pools::daemon;
use crate::commands::pools::doctor;
use crate::commands::pools::drain;
use crate::commands::pools::join;
use crate::commands::pools::pool;
use crate::commands::pools::reconfig;
use crate::commands::pools::reschedule;
use crate::commands::pools::run;
use crate::commands::pools::run_command;
use crate::commands::running::chirp;
use crate::commands::running::curl_plugin;
use crate::commands::running::ssh_to_job;
use crate::commands::running::terminal;
use crate::commands::submit;
use crate::commands::tools::classad;
use crate::commands::tools::eval;
use crate::commands::tools::help;
use crate::commands::tools::links;
use crate::commands::tools::version;
use crate::commands::tools::version::VersionArgs;
use crate::commands::watching::events;
use crate::commands::watching::history;
use crate::commands::watching::q;
use crate::commands::watching::show;
use crate::commands::watching::tail;
use crate::commands::watching::wait;
use crate::commands::watching::watch_q;
use crate::commands::workflows::dag;
use crate::commands::workflows::dag_checker;
use crate::commands::workflows::dagman;
use crate::commands::workflows::submit_dag;
use crate::line::args::{self, ArgError};
use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::output;
use crate::line::output::complain;
use crate::line::spelling::Spelling;
use crate::line::usage::{Mistake, Place, Usage, missing, no_number};
use crate::pool::answering;
use crate::render::dialect::Dialect;
use crate::verbs::not_yet::NOT_YET;

/// One verb of `updraft`: its names, its flags, and the function that obeys it.
pub struct Verb {
    pub name: &'static str,
    pub htcondor: &'static [&'static str],
    /// Options of HTCondor that are refused as not built yet.
    pub not_yet: &'static [&'static str],
    options: fn(Command) -> Command,
    run: fn(&ArgMatches, &Call) -> Result<Outcome>,
}

macro_rules! verb {
    ($name:literal, [$($htcondor:literal),*], $args:ty => ref $run:path $(, not yet $not_yet:expr)?) => {
        verb!($name, [$($htcondor),*], $args => |args, call| $run(&args, call) $(, not yet $not_yet)?)
    };
    ($name:literal, [$($htcondor:literal),*], $args:ty => $run:expr) => {
        verb!($name, [$($htcondor),*], $args => $run, not yet &[])
    };
    ($name:literal, [$($htcondor:literal),*], $args:ty => $run:expr, not yet $not_yet:expr) => {
        Verb {
            name: $name,
            htcondor: &[$($htcondor),*],
            not_yet: $not_yet,
            options: <$args as Args>::augment_args,
            run: |matches, call| {
                ($run)(<$args>::from_arg_matches(matches)?, call).map(Outcome::from)
            },
        }
    };
}

/// All verbs, in the order in which help lists them.
pub const VERBS: &[Verb] = &[
    verb!("submit", ["condor_submit"], submit::SubmitArgs => submit::run, not yet submit::NOT_YET),
    verb!("submit_dag", ["condor_submit_dag"], submit_dag::SubmitDagArgs => ref submit_dag::run, not yet submit_dag::NOT_YET),
    verb!("dag", [], dag::DagArgs => ref dag::run),
    verb!("dag_checker", ["condor_dag_checker"], dag_checker::CheckerArgs => ref dag_checker::run),
    verb!("q", ["condor_q"], q::QArgs => ref q::run, not yet q::NOT_YET),
    verb!("show", [], show::ShowArgs => ref show::run),
    verb!("status", ["condor_status"], status::StatusArgs => ref status::run, not yet status::NOT_YET),
    verb!("history", ["condor_history"], history::HistoryArgs => ref history::run, not yet history::NOT_YET),
    verb!("rm", ["condor_rm"], rm::RmArgs => rm::run, not yet rm::NOT_YET),
    verb!("hold", ["condor_hold"], hold::HoldArgs => hold::run, not yet rm::NOT_YET),
    verb!("release", ["condor_release"], release::ReleaseArgs => release::run, not yet rm::NOT_YET),
    verb!("retry", [], retry::RetryArgs => ref retry::run),
    verb!("vacate_job", ["condor_vacate_job"], vacate_job::VacateArgs => vacate_job::run, not yet rm::NOT_YET),
    verb!("suspend", ["condor_suspend"], suspend::SuspendArgs => ref suspend::run, not yet rm::NOT_YET),
    verb!("continue", ["condor_continue"], continue_job::ContinueArgs => ref continue_job::run, not yet rm::NOT_YET),
    verb!("transfer_data", ["condor_transfer_data"], transfer_data::TransferDataArgs => ref transfer_data::run, not yet transfer_data::NOT_YET),
    verb!("prio", ["condor_prio"], prio::PrioArgs => ref prio::run, not yet prio::NOT_YET),
    verb!("qedit", ["condor_qedit"], qedit::QeditArgs => ref qedit::run, not yet qedit::NOT_YET),
    verb!("wait", ["condor_wait"], wait::WaitArgs => ref wait::run),
    verb!("watch_q", ["condor_watch_q"], watch_q::WatchArgs => ref watch_q::run, not yet watch_q::NOT_YET),
    verb!("tail", ["condor_tail"], tail::TailArgs => ref tail::run, not yet tail::NOT_YET),
    verb!("ssh_to_job", ["condor_ssh_to_job"], ssh_to_job::SshToJobArgs => ref ssh_to_job::run, not yet ssh_to_job::NOT_YET),
    verb!("who", ["condor_who"], who::WhoArgs => ref who::run, not yet who::NOT_YET),
    verb!("userprio", ["condor_userprio"], userprio::UserprioArgs => ref userprio::run, not yet userprio::NOT_YET),
    verb!("config_val", ["condor_config_val"], config_val::ConfigValArgs => ref config_val::run, not yet config_val::NOT_YET),
    verb!("reconfig", ["condor_reconfig"], reconfig::ReconfigArgs => ref reconfig::run, not yet reconfig::NOT_YET),
    verb!("reschedule", ["condor_reschedule"], reschedule::RescheduleArgs => ref reschedule::run),
    verb!("chirp", ["condor_chirp"], chirp::ChirpArgs => ref chirp::run),
    verb!("events", [], events::EventsArgs => events::run),
    verb!("run", [], run::RunArgs => ref run::run),
    verb!("run_command", ["condor_run"], run_command::RunCommandArgs => ref run_command::run),
    verb!("sge_qsub", ["condor_qsub"], condor_qsub::QsubArgs => ref condor_qsub::run),
    verb!("eval", ["classad_eval"], eval::EvalArgs => ref eval::run),
    verb!("classad", [], classad::ClassadArgs => classad::run),
    verb!("pool", [], pool::PoolArgs => pool::run),
    verb!("drain", ["condor_drain"], drain::DrainArgs => ref drain::run, not yet drain::NOT_YET),
    verb!("join", [], join::JoinArgs => join::run),
    verb!("doctor", [], doctor::DoctorArgs => doctor::run),
    verb!("links", [], links::LinksArgs => links::run),
    verb!("version", ["condor_version"], VersionArgs => ref version::run),
    verb!("help", [], help::HelpArgs => |args, _| help::run(args)),
    verb!("curl_plugin", [], curl_plugin::CurlPluginArgs => |args, _| curl_plugin::run(&args)),
    verb!("terminal", [], terminal::TerminalArgs => |args, _| terminal::run(&args)),
    verb!("dagman", ["condor_dagman"], dagman::DagmanArgs => ref dagman::run),
    verb!("daemon", [], daemon::DaemonArgs => |args, _| daemon::run(&args)),
];

/// The names of HTCondor's commands, built or not: a script that calls one is told which.
pub fn htcondor_names() -> impl Iterator<Item = &'static str> {
    let built = VERBS.iter().flat_map(|verb| verb.htcondor).copied();
    built.chain(NOT_YET.iter().map(|(name, _)| *name))
}

/// Runs the command line `words`, the program's name first.
pub fn main(words: Vec<OsString>) -> ExitCode {
    let mut words = words.into_iter().map(|word| word.to_string_lossy().into_owned());
    let called = words.next().unwrap_or_default();
    let called = Path::new(&called).file_name().map(|name| name.to_string_lossy().into_owned());
    let rest: Vec<String> = words.collect();
    if let Some(meaning) = called.and_then(|name| Meaning::of(&name, Spoken::AsProgram)) {
        return meaning.perform(&rest);
    }
    let (word, rest) = match rest.split_first() {
        None => ("help", &[][..]),
        Some((word, _)) if ["-h", "-help", "--help"].contains(&word.as_str()) => ("help", &[][..]),
        Some((word, _)) if ["--version", "-version", "-V"].contains(&word.as_str()) => {
            ("version", &rest[1..])
        }
        Some((word, rest)) => (word.as_str(), rest),
    };
    match Meaning::of(word, Spoken::AsWord) {
        Some(meaning) => meaning.perform(rest),
        None => refuse(&there_is_no(word)),
    }
}

/// Where a command's name stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spoken {
    /// `condor_q`: it is the program's.
    AsProgram,
    /// `updraft q`: it follows the program's.
    AsWord,
}

/// What a name means: which command, in which dialect.
enum Meaning {
    Verb(&'static Verb, Call),
    Pbs(&'static PbsCommand, Call, Spoken),
    /// What a job of PBS's runs.
    PbsRunner,
    /// A command of PBS's that is not here.
    PbsAbsent(String),
    /// A command of HTCondor's that is not built.
    NotYet(String),
}

impl Meaning {
    /// The one place that knows whose name is whose.
    fn of(name: &str, spoken: Spoken) -> Option<Self> {
        let is_word = spoken == Spoken::AsWord;
        let call = |name: String, dialect| Call { name, dialect };
        if let Some(verb) = VERBS.iter().find(|verb| is_word && verb.name == name) {
            return Some(Self::Verb(verb, call(format!("updraft {name}"), Dialect::Updraft)));
        }
        if let Some(verb) = VERBS.iter().find(|verb| verb.htcondor.contains(&name)) {
            return Some(Self::Verb(verb, call(name.to_owned(), Dialect::HtCondor)));
        }
        if let Some(command) = pbs::COMMANDS.iter().find(|command| command.name == name) {
            return Some(Self::Pbs(command, call(name.to_owned(), Dialect::Pbs), spoken));
        }
        if let Some(why) = pbs::absent(name) {
            return Some(Self::PbsAbsent(why));
        }
        if is_word && name == pbs::RUNNER {
            return Some(Self::PbsRunner);
        }
        let short = |known: &str| is_word && known.strip_prefix("condor_") == Some(name);
        let (_, instead) = NOT_YET.iter().find(|(known, _)| *known == name || short(known))?;
        let name = if is_word { format!("updraft {name}") } else { name.to_owned() };
        let apart = if instead.is_empty() { "" } else { "; instead: " };
        Some(Self::NotYet(format!("{name}: not supported yet{apart}{instead}")))
    }

    fn perform(self, words: &[String]) -> ExitCode {
        match self {
            Self::Verb(verb, call) => perform(verb, &call, words),
            // Under its own name it does what OpenPBS's does with that: it is no option there.
            Self::Pbs(command, _, Spoken::AsWord) if words == ["--help"] => command.help(),
            Self::Pbs(command, call, _) => command.run(words, &call),
            Self::PbsRunner => pbs::run_job(),
            Self::PbsAbsent(why) => pbs::refuse(&why),
            Self::NotYet(why) => refuse(&why),
        }
    }
}

fn there_is_no(word: &str) -> String {
    let nearest = VERBS
        .iter()
        .map(|verb| (strsim::jaro_winkler(word, verb.name), verb.name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(score, _)| *score > args::SIMILAR);
    let hint = nearest.map(|(_, name)| format!(" (did you mean {name}?)")).unwrap_or_default();
    format!("updraft {word}: there is no such command{hint}; see updraft --help")
}

fn refuse(message: &str) -> ExitCode {
    complain(&format!("{message}\n"));
    Exit::Usage.into()
}

/// The command of a verb, as clap sees it.
fn command(verb: &Verb, call: &Call) -> Command {
    let command =
        (verb.options)(Command::new(verb.name)).bin_name(call.name.clone()).no_binary_name(true);
    let mut command = command.display_name(call.name.clone());
    // Of an option that is given again the last counts there.
    command = command.args_override_self(call.dialect == Dialect::HtCondor);
    let told = examples::told(verb.name, &call.name);
    if !told.is_empty() {
        // What stands there already stays.
        let after = command.get_after_help().map(|text| format!("{text}\n\n")).unwrap_or_default();
        command = command.after_help(format!("{after}{told}"));
    }
    command.build();
    command
}

/// Whether a verb takes these words, under its own name.
#[cfg(test)]
pub(crate) fn understand(verb: &Verb, words: &[String]) -> Result<(), String> {
    let call = Call { name: format!("updraft {}", verb.name), dialect: Dialect::Updraft };
    let command = command(verb, &call);
    let words =
        spell(verb, &command, words, None, &mut Vec::new()).map_err(|error| error.to_string())?;
    command.try_get_matches_from(words).map(drop).map_err(|error| error.to_string())
}

fn perform(verb: &Verb, call: &Call, words: &[String]) -> ExitCode {
    let of_htcondor = call.dialect == Dialect::HtCondor;
    let is_told_apart = !of_htcondor || call.name == "condor_dag_checker";
    let wrong = if is_told_apart { Exit::Usage } else { Exit::Failed };
    let usage = if of_htcondor { Usage::of(&call.name) } else { None };
    let spelling = if of_htcondor { Spelling::of(&call.name) } else { None };
    let command = command(verb, call);
    let mut notes = Vec::new();
    let given = without_debug(verb, &command, words);
    let read = spell(verb, &command, &given, spelling, &mut notes);
    notes.iter().for_each(|note| complain(&format!("{note}\n")));
    let words = match read {
        Ok(words) => words,
        Err(SpellError::Version) => {
            let told = version::run(&VersionArgs::default(), call);
            return finish(told, call, &usage, wrong);
        }
        Err(error) => return misspelt(&error, call, &usage, wrong),
    };
    if let Some(usage) = usage.as_ref().filter(|_| words.iter().any(|word| word == "--help")) {
        print_at(usage.help, &usage.text);
        return Exit::Done.into();
    }
    let matches = match command.try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) => {
            if let (ErrorKind::MissingRequiredArgument, Some(usage)) = (error.kind(), &usage) {
                return say_usage(usage, "", wrong);
            }
            if let (Some(usage), Some(option)) = (&usage, not_a_number(&error))
                && let Some(said) = no_number(&call.name, &option)
            {
                return say_usage(usage, &said, wrong);
            }
            if let Some(told) = wrong_value(&error).filter(|_| !of_htcondor) {
                complain(&format!("{}: {told}\n", call.name));
                return wrong.into();
            }
            // If even the message cannot be written, there is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { wrong.into() } else { Exit::Done.into() };
        }
    };
    finish((verb.run)(&matches, call), call, &usage, wrong)
}

/// Says what is wrong with how the words are spelt.
fn misspelt(error: &SpellError, call: &Call, usage: &Option<Usage>, wrong: Exit) -> ExitCode {
    let of_htcondor = call.dialect == Dialect::HtCondor;
    if let (SpellError::Args(ArgError::Unknown { word, .. }), Some(usage)) = (error, usage) {
        return say_usage(usage, &usage.unknown(word), wrong);
    }
    if let SpellError::Args(ArgError::Missing { word, option, .. }) = error
        && let Some(said) = missing(&call.name, option, word).filter(|_| of_htcondor)
    {
        if let Some(usage) = usage.as_ref().filter(|_| call.name == "condor_wait") {
            return say_usage(usage, said.trim_end(), wrong);
        }
        complain(&said);
        return wrong.into();
    }
    if let (SpellError::Args(ArgError::Missing { option, .. }), Some(usage)) = (error, usage)
        && let Some(said) = no_number(&call.name, option)
    {
        return say_usage(usage, &said, wrong);
    }
    if let SpellError::Args(ArgError::Clash { said }) = error {
        complain(&format!("{said}\n"));
        return wrong.into();
    }
    let lead = if of_htcondor { "Error" } else { &call.name };
    complain(&format!("{lead}: {error}\n"));
    wrong.into()
}

/// What is said of a value that is no number where one is wanted: clap says it in the words of the
/// language that this is written in.
fn wrong_value(error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::ValueValidation {
        return None;
    }
    let source = std::error::Error::source(error)?;
    let is_number = source.is::<std::num::ParseIntError>();
    let value = context(error, ContextKind::InvalidValue)?;
    let of = context(error, ContextKind::InvalidArg)?;
    is_number.then(|| match of.as_str() {
        "<JOB>" => format!("{value} is no job's number, as updraft q shows it"),
        of => format!("{value} is no number that {of} can be"),
    })
}

/// The option that wants a number, of which a word is none.
fn not_a_number(error: &clap::Error) -> Option<String> {
    wrong_value(error)?;
    let of = context(error, ContextKind::InvalidArg)?;
    Some(of.trim_start_matches('-').split(' ').next().unwrap_or_default().to_owned())
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    }
}

/// Says what a verb has to say. Nothing else prints a verb's outcome.
fn finish(told: Result<Outcome>, call: &Call, usage: &Option<Usage>, wrong: Exit) -> ExitCode {
    match told.and_then(|outcome| Ok(outcome.print()?)) {
        Ok(exit) => exit,
        Err(error) => match (error.downcast_ref::<Mistake>(), usage) {
            (Some(Mistake(what)), Some(usage)) => say_usage(usage, what, wrong),
            (Some(mistake), None) => {
                complain(&format!("{}: {mistake}; see {} --help\n", call.name, call.name));
                wrong.into()
            }
            (None, _) => report(&error, call),
        },
    }
}

/// Says what is wrong, on standard error, and how the command is used.
fn say_usage(usage: &Usage, what: &str, exit: Exit) -> ExitCode {
    if !what.is_empty() {
        complain(&format!("{what}\n"));
    }
    print_at(usage.mistake, &usage.text);
    exit.into()
}

fn print_at(place: Place, text: &str) {
    match place {
        // Whoever does not read it does not want it.
        Place::Out => drop(output::put(text)),
        Place::Err => complain(text),
    }
}

/// The words in clap's spelling.
fn spell(
    verb: &Verb,
    command: &Command,
    words: &[String],
    spelling: Option<Spelling>,
    notes: &mut Vec<String>,
) -> Result<Vec<String>, SpellError> {
    // Where everything from the first word on is the verb's own, a word with a dash need not be an
    // option.
    let takes_all = command.get_arguments().any(Arg::is_trailing_var_arg_set);
    if verb.htcondor.is_empty() || takes_all {
        return Ok(words.to_vec());
    }
    // A name that HTCondor gives to something else is no beginning of ours.
    let is_other = |word: &&String| {
        let is_option = word.starts_with('-') && is_not_yet(verb, word);
        let long = word.trim_start_matches('-');
        is_option && !command.get_arguments().any(|arg| arg.get_long() == Some(long))
    };
    let first_other = words.iter().take_while(|word| *word != "--").find(is_other);
    if let Some(word) = first_other.filter(|_| spelling.is_none()) {
        return Err(SpellError::NotYet(word.clone()));
    }
    args::to_clap(words, command, spelling, notes).map_err(|error| match &error {
        ArgError::Unknown { word, .. } if is_not_yet(verb, word) => {
            SpellError::NotYet(word.clone())
        }
        ArgError::Unknown { word, .. } if word.trim_start_matches('-') == "version" => {
            SpellError::Version
        }
        ArgError::Unknown { .. }
        | ArgError::Ambiguous { .. }
        | ArgError::Missing { .. }
        | ArgError::Clash { .. }
        | ArgError::NoForm { .. } => SpellError::Args(error),
    })
}

/// Every command of HTCondor's takes `-debug` and `-debug:LEVELS`: what is traced goes to standard
/// error. One that has an option of that name keeps it: condor_submit_dag's has a value.
fn without_debug(verb: &Verb, command: &Command, words: &[String]) -> Vec<String> {
    let is_debug = |word: &String| word == "-debug" || word.starts_with("-debug:");
    let takes_all = command.get_arguments().any(Arg::is_trailing_var_arg_set);
    let has_own = command.get_arguments().any(|arg| arg.get_long() == Some("debug"));
    if verb.htcondor.is_empty() || takes_all || has_own || !words.iter().any(is_debug) {
        return words.to_vec();
    }
    let told = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG);
    // There is one already if somebody has asked for it in another way.
    let _ = told.with_writer(io::stderr).try_init();
    words.iter().filter(|word| !is_debug(word)).cloned().collect()
}

fn is_not_yet(verb: &Verb, word: &str) -> bool {
    let name = word.trim_start_matches('-');
    let name = name.split([':', '=']).next().unwrap_or_default();
    verb.not_yet.contains(&name)
}

enum SpellError {
    Args(ArgError),
    NotYet(String),
    /// Nothing is wrong: every command of HTCondor's tells its version.
    Version,
}

impl fmt::Display for SpellError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Args(error) => error.fmt(f),
            Self::NotYet(word) => write!(f, "{word}: not supported yet"),
            Self::Version => f.write_str("the version"),
        }
    }
}

/// Says why a command failed, with all causes, once.
fn report(error: &anyhow::Error, call: &Call) -> ExitCode {
    let broken_pipe = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    if error.downcast_ref::<io::Error>().is_some_and(broken_pipe) {
        // Whoever read our output has seen enough.
        return Exit::Done.into();
    }
    if let Some(error) = error.downcast_ref::<clap::Error>() {
        let _ = error.print();
        return Exit::Usage.into();
    }
    let lead = if call.dialect == Dialect::HtCondor { "Error" } else { &call.name };
    let home = Home::from_environment();
    let of_net = match error.downcast_ref() {
        Some(AskError::Net(error)) => Some(error),
        Some(AskError::Refused(_) | AskError::Unexpected { .. }) | None => None,
    };
    let silent = of_net.or(error.downcast_ref()).is_some_and(|error| is_of_pool(error, &home));
    if silent && call.dialect == Dialect::Updraft {
        complain(&format!("{lead}: {}\n", answering::nobody_answers(&home)));
        return Exit::NotRunning.into();
    }
    let whose = answering::whose(&home).filter(|_| of_net.is_some());
    complain(&format!("{lead}: {error:#}{}\n", whose.unwrap_or_default()));
    Exit::Failed.into()
}

/// Whether nobody listens where a daemon of the pool does. Other sockets have words of their own.
fn is_of_pool(error: &NetError, home: &Home) -> bool {
    let NetError::Connect { address: Address::Unix(path), .. } = error else { return false };
    DaemonRole::ALL.iter().any(|role| home.socket(*role) == *path)
}

/// The commands of all verbs under their own names.
pub fn commands() -> Vec<Command> {
    VERBS.iter().map(whole_command).collect()
}

/// The command of a verb under its own name.
pub(crate) fn whole_command(verb: &Verb) -> Command {
    command(verb, &Call { name: format!("updraft {}", verb.name), dialect: Dialect::Updraft })
}

/// The whole program with all of its verbs.
pub(crate) fn program() -> Command {
    Command::new("updraft")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A batch scheduler: runs HTCondor submit files, PBS scripts and DAGs, on a laptop or on many machines.")
        .after_help(names_of_others())
        .disable_help_subcommand(true)
        .subcommands(VERBS.iter().map(|verb| whole_command(verb).hide(["daemon", "dagman", "curl_plugin", "terminal", "eval", "run_command", "sge_qsub", "reschedule"].contains(&verb.name))))
}

/// Which commands there are besides, under names that people know.
fn names_of_others() -> String {
    let pbs: Vec<&str> = pbs::COMMANDS.iter().map(|command| command.name).collect();
    format!(
        "PBS's commands are words too: {}.\n\nEvery command tells more with --help. `updraft links install DIR` makes \
         links of HTCondor's names (condor_submit, condor_q, ...) and of PBS's, which answer as those programs do.",
        pbs.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_sound_for_clap_and_named_once() {
        let mut names = Vec::new();
        for verb in VERBS {
            let call = Call { name: verb.name.to_owned(), dialect: Dialect::Updraft };
            command(verb, &call).debug_assert();
            names.push(verb.name);
            names.extend(verb.htcondor);
        }
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "a name is used twice");
        assert!(
            NOT_YET.iter().all(|(name, _)| !names.contains(name)),
            "a verb that is built is refused"
        );
    }

    #[test]
    fn debug_is_an_option_of_every_command_of_htcondors_and_no_word_of_it() {
        let call = Call { name: "condor_q".to_owned(), dialect: Dialect::HtCondor };
        let verb = VERBS.iter().find(|verb| verb.name == "q").unwrap();
        let words = ["-debug", "-af", "ClusterId", "-debug:D_FULLDEBUG"].map(str::to_owned);
        let left = without_debug(verb, &command(verb, &call), &words);
        assert_eq!(left, ["-af", "ClusterId"]);
        assert!(VERBS.iter().all(|verb| !verb.not_yet.contains(&"debug")));
        let verb = VERBS.iter().find(|verb| verb.name == "submit_dag").unwrap();
        let words = ["-debug", "5", "a.dag"].map(str::to_owned);
        let left = without_debug(verb, &command(verb, &call), &words);
        assert_eq!(left, words, "it has a value there");
    }

    #[test]
    fn an_option_that_is_not_built_is_not_an_option_that_is() {
        for verb in VERBS {
            let call = Call { name: verb.name.to_owned(), dialect: Dialect::Updraft };
            let command = command(verb, &call);
            for name in verb.not_yet {
                let words = [format!("-{name}")];
                assert!(
                    args::to_clap(&words, &command, None, &mut Vec::new()).is_err(),
                    "{} -{name} is built",
                    verb.name
                );
            }
        }
    }
}
