//! What runs, and where: universe, initial directory, executable, arguments, environment.

use std::collections::BTreeMap;

use model::cmdline::{self, CmdlineError, Written};
use model::{Gang, Parts, Spread, Universe, attr};

use super::{Job, without_double_slashes, words};
use crate::htcondor::keywords::Family;
use crate::htcondor::submission::Interactive;
use crate::language::evaluate;
use crate::site::FileKind;
use model::diagnostic::{About, Diagnostic};

/// The most nodes of a job: each has a claim of its own.
const MOST_NODES: u32 = 10_000;

impl Job<'_> {
    pub(super) fn set_universe(&mut self) -> Result<(), Diagnostic> {
        let name = self.word("universe")?.unwrap_or_else(|| "vanilla".to_owned());
        self.universe = match name.to_ascii_lowercase().as_str() {
            "vanilla" | "5" => Universe::Vanilla,
            "scheduler" | "7" => Universe::Scheduler,
            "local" | "12" => Universe::Local,
            "standard" | "1" => {
                return Err(self.universe_error("'Standard' is not a supported universe."));
            }
            "parallel" | "mpi" | "8" | "11" if self.text("machine_count")?.is_none() => {
                return Err(self.universe_error("No machine_count specified!"));
            }
            "docker" | "container" => return Err(self.universe_later(&name, Family::Containers)),
            "grid" | "globus" | "9" => return Err(self.universe_later(&name, Family::Grid)),
            "java" | "10" => return Err(self.universe_later(&name, Family::Java)),
            "parallel" | "mpi" | "8" | "11" => return self.set_parallel(),
            "vm" | "13" => return Err(self.universe_later(&name, Family::VirtualMachines)),
            _ => {
                let message = format!("I don't know about the '{name}' universe.");
                return Err(self.universe_error(&message));
            }
        };
        self.ad.set(attr::JOB_UNIVERSE, self.universe.number());
        Ok(())
    }

    /// So many nodes of the parallel universe, each with what the job asks for.
    fn set_parallel(&mut self) -> Result<(), Diagnostic> {
        self.universe = Universe::Vanilla;
        let text = self.text("machine_count")?.unwrap_or_default();
        let nodes =
            text.trim().parse::<u32>().ok().filter(|nodes| (1..=MOST_NODES).contains(nodes));
        let nodes = nodes.ok_or_else(|| {
            let message =
                format!("machine_count = {text}: expected a number from 1 to {MOST_NODES}");
            Diagnostic::error(message).at(self.place("machine_count"))
        })?;
        self.ad.set(attr::JOB_UNIVERSE, Universe::parallel());
        for name in [attr::MIN_HOSTS, attr::MAX_HOSTS] {
            self.ad.set(name, i64::from(nodes));
        }
        let parts = vec![Parts { count: nodes, machine: None, asks: Vec::new() }];
        if nodes > 1 {
            self.ad.set(attr::GANG_PARTS, Gang { spread: Spread::Nodes, parts }.written());
        }
        Ok(())
    }

    fn universe_error(&self, message: &str) -> Diagnostic {
        let hint = "vanilla (on a machine of the pool), local or scheduler (beside the schedd)";
        Diagnostic::error(message).at(self.place("universe")).hint(hint)
    }

    fn universe_later(&self, name: &str, family: Family) -> Diagnostic {
        let message = format!("universe = {name} is not supported yet");
        let hint = format!("{} are not built", family.describe());
        Diagnostic::error(message).at(self.place("universe")).hint(hint)
    }

    pub(super) fn set_initial_directory(&mut self) -> Result<(), Diagnostic> {
        if let Some(path) = self.text("initialdir")? {
            self.iwd = without_double_slashes(self.absolute(&path));
            self.scope.check_mark(&self.iwd);
            if self.scope.site.file_kind(&self.iwd) != Ok(FileKind::Directory) {
                let message = format!("No such directory: {}", self.iwd);
                return Err(Diagnostic::error(message).at(self.place("initialdir")));
            }
        }
        self.ad.set(attr::IWD, self.iwd.as_str());
        Ok(())
    }

    /// The executable is looked for from where the user submits, not from the initial directory.
    pub(super) fn set_executable(&mut self) -> Result<(), Diagnostic> {
        if let Some(interactive) = self.interactive.clone() {
            return self.set_interactive(&interactive);
        }
        if self.text("shell")?.is_some() {
            self.ad.set(attr::CMD, "/bin/sh");
            self.ad.set(attr::TRANSFER_EXECUTABLE, false);
            let size = self.checked_size_kib("/bin/sh", "/bin/sh")?;
            self.ad.set(attr::EXECUTABLE_SIZE, size);
            return Ok(());
        }
        // Whoever submits the same description with `-interactive` too has made no typo; of `shell`
        // HTCondor 25.14 does not think so.
        for keyword in ["interactive_executable", "interactive_args"] {
            self.text(keyword)?;
        }
        let Some(path) = self.text("executable")? else {
            let error = Diagnostic::error("No 'executable' parameter was provided");
            return Err(error.hint("add a line: executable = PROGRAM"));
        };
        // HTCondor 25.14: what is no truth value counts as true
        let transferred = self.truth("transfer_executable").unwrap_or(Some(true)).unwrap_or(true);
        self.scope.check_mark(&path);
        let absolute = match path.starts_with('/') {
            true => path.clone(),
            false => format!("{}/{path}", self.scope.site.host().cwd),
        };
        let size = self.checked_size_kib(&absolute, &path);
        if !transferred {
            self.ad.set(attr::CMD, path);
            self.ad.set(attr::TRANSFER_EXECUTABLE, false);
            // It need not be here, if that is said by `false` (HTCondor 25.14).
            let is_plain =
                self.text("transfer_executable")?.is_some_and(|t| t.starts_with(['f', 'F']));
            let size = if is_plain { size.unwrap_or(0) } else { size? };
            self.ad.set(attr::EXECUTABLE_SIZE, size);
            return Ok(());
        }
        let size = size?;
        self.ad.set(attr::CMD, absolute);
        self.ad.set(attr::EXECUTABLE_SIZE, size);
        Ok(())
    }

    /// An interactive job: what stands in for its executable, and runs what the description says,
    /// or a shell, under a terminal. The lines about the executable are read, so that they are no
    /// typos.
    fn set_interactive(&mut self, interactive: &Interactive) -> Result<(), Diagnostic> {
        if self.universe != Universe::Vanilla {
            let message = "-interactive needs a job of the vanilla universe";
            return Err(Diagnostic::error(message).at(self.place("universe")));
        }
        for keyword in ["executable", "transfer_executable", "shell", "arguments", "arguments2"] {
            self.text(keyword)?;
        }
        let mut words = interactive.words.clone();
        let program = self.text("interactive_executable")?;
        let arguments = self.text("interactive_args")?.unwrap_or_default();
        if let Some(program) = program {
            words.extend(["--".to_owned(), program]);
            let read = cmdline::read_arguments(&arguments).and_then(|written| match written {
                Written::V1(plain) => Ok(cmdline::parse_v1(&plain)),
                Written::V2(inner) => cmdline::parse_v2(&inner),
            });
            words.extend(
                read.map_err(|error| self.arguments_error(&error, "interactive_args", &arguments))?,
            );
        } else if !arguments.is_empty() {
            let message = "interactive_args without interactive_executable";
            return Err(Diagnostic::error(message).at(self.place("interactive_args")));
        }
        self.ad.set(attr::CMD, interactive.program.as_str());
        self.ad.set(attr::TRANSFER_EXECUTABLE, false);
        self.ad.set(attr::EXECUTABLE_SIZE, 0);
        self.ad.set(attr::ARGUMENTS, cmdline::print_v2(words.iter().map(String::as_str)));
        self.ad.set(attr::INTERACTIVE_JOB, true);
        Ok(())
    }

    /// A script whose lines end as on DOS does not run: the kernel looks for an interpreter whose
    /// name ends with CR. The words are HTCondor 25.14's.
    fn check_script(&mut self, path: &str, written: &str) -> Result<(), Diagnostic> {
        let beginning = self.scope.site.beginning(path);
        let first = beginning.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if self.disable_file_checks || !first.starts_with(b"#!") || !first.ends_with(b"\r") {
            return Ok(());
        }
        let message = format!(
            "Executable file {written} is a script with CRLF (DOS/Windows) line endings.\n\
             This generally doesn't work, and you should probably run 'dos2unix {written}' -- or a \
             similar tool -- before you resubmit."
        );
        let place = self.place("executable");
        if self.only_warns_of_files()? {
            self.warnings.push(Diagnostic::warning(message).at(place));
            return Ok(());
        }
        Err(Diagnostic::error(message).at(place))
    }

    /// `skip_filechecks = warn`. Any truth value changes nothing here (HTCondor 25.14).
    fn only_warns_of_files(&self) -> Result<bool, Diagnostic> {
        const KEYWORD: &str = "skip_filechecks";
        let Some(text) = self.word(KEYWORD)? else { return Ok(false) };
        if text.eq_ignore_ascii_case("warn") {
            return Ok(true);
        }
        if evaluate::truth(&text).is_none() {
            // Its words, too.
            let message =
                format!("SUBMIT_CMD_{KEYWORD}={text} is invalid, must be 'warn' or a boolean");
            return Err(Diagnostic::error(message).at(self.place(KEYWORD)));
        }
        Ok(false)
    }

    /// The size of the executable, which must be there unless `-disable` was given.
    fn checked_size_kib(&mut self, path: &str, written: &str) -> Result<i64, Diagnostic> {
        let only_warns = self.only_warns_of_files()?;
        match self.scope.site.file_kind(path) {
            Ok(FileKind::File { size_bytes, .. }) => {
                self.check_script(path, written)?;
                Ok(kib(size_bytes))
            }
            Ok(FileKind::Directory) => Ok(kib(self.scope.site.folder_bytes(path))),
            Ok(FileKind::Other) => {
                let message = format!("executable {written} is not a plain file");
                Err(Diagnostic::error(message).at(self.place("executable")))
            }
            Err(_) if self.disable_file_checks => Ok(0),
            Err(why) if only_warns => {
                let message = format!("Can't access executable file {written}: {why}");
                self.warn("executable", message);
                Ok(0)
            }
            Err(why) => {
                let message = format!("Can't access executable file {written}: {why}");
                let error = Diagnostic::error(message)
                    .about(About::Submission)
                    .at(self.place("executable"));
                let cwd = &self.scope.site.host().cwd;
                Err(match written.starts_with('/') {
                    true => error.hint(
                        "give transfer_executable = false if it is there on the machines only",
                    ),
                    false => {
                        error.hint(format!("it is looked for from {cwd}, whatever initialdir says"))
                    }
                })
            }
        }
    }

    pub(super) fn set_arguments(&mut self) -> Result<(), Diagnostic> {
        if self.interactive.is_some() {
            return Ok(());
        }
        if let Some(line) = self.text("shell")? {
            self.text("arguments")?;
            self.ad.set(attr::ARGUMENTS, cmdline::print_v2(["-c", line.as_str()]));
            return Ok(());
        }
        let old = self.text("arguments")?;
        let new = self.text("arguments2")?;
        if old.is_some() && new.is_some() && self.truth("allow_arguments_v1")? != Some(true) {
            return Err(Diagnostic::error(
                "If you wish to specify both 'arguments' and\n'arguments2' for maximal compatibility with different\n\
                 versions of Condor, then you must also specify\nallow_arguments_v1=true.",
            )
            .at(self.place("arguments2")));
        }
        if let Some(text) = new {
            let inner = cmdline::read_v2_quoted(&text).and_then(|inner| {
                inner.ok_or(CmdlineError::NotDoubleQuoted { what: "double-quoted input string" })
            });
            let words = inner.and_then(|inner| cmdline::parse_v2(&inner));
            let words = words.map_err(|error| self.arguments_error(&error, "arguments2", &text))?;
            self.ad.set(attr::ARGUMENTS, cmdline::print_v2(words));
            return Ok(());
        }
        let Some(text) = old else {
            self.ad.set(attr::ARGUMENTS, "");
            return Ok(());
        };
        let read = cmdline::read_arguments(&text);
        let error = |error: &CmdlineError| self.arguments_error(error, "arguments", &text);
        match read.map_err(|why| error(&why))? {
            Written::V1(plain) => {
                let words = cmdline::parse_v1(&plain);
                self.ad.set(attr::ARGS, words.join(" "));
            }
            Written::V2(inner) => {
                let words = cmdline::parse_v2(&inner).map_err(|why| error(&why))?;
                self.ad.set(attr::ARGUMENTS, cmdline::print_v2(words));
            }
        }
        Ok(())
    }

    fn arguments_error(&self, error: &CmdlineError, keyword: &str, text: &str) -> Diagnostic {
        let message = format!("{error}\nThe full arguments you specified were: {text}");
        self.quoting_error(error, keyword, text, message)
    }

    fn environment_error(&self, error: &CmdlineError, keyword: &str, text: &str) -> Diagnostic {
        let message = format!("{error}\nThe environment you specified was: '{text}'");
        self.quoting_error(error, keyword, text, message)
    }

    fn quoting_error(
        &self,
        error: &CmdlineError,
        keyword: &str,
        text: &str,
        message: String,
    ) -> Diagnostic {
        let place = self.place(keyword).map(|mut place| {
            if place.source.text[place.offset..].starts_with(text) {
                place.offset += error.offset();
            }
            place
        });
        let hint = match error {
            CmdlineError::UnescapedDoubleQuote { .. } => {
                "put the whole value in double quotes, and 'single quotes' around words with blanks; or write \\\" for a \
                 double quote"
            }
            CmdlineError::UnterminatedDoubleQuote { .. }
            | CmdlineError::TextAfterDoubleQuote { .. } => {
                "inside the outer double quotes, a double quote is written twice: \"\""
            }
            CmdlineError::UnbalancedQuote { .. } => {
                "inside '...', a single quote is written twice: ''"
            }
            CmdlineError::NotDoubleQuoted { .. } => "put the whole value in double quotes",
            CmdlineError::MissingEquals { .. } | CmdlineError::MissingName { .. } => {
                "entries are NAME=VALUE"
            }
            CmdlineError::Nul { .. } | CmdlineError::NotAString { .. } => "remove it",
        };
        Diagnostic::error(message).at(place).hint(hint)
    }

    /// What the description sets, and what `getenv` takes along from the submitter's environment.
    pub(super) fn set_environment(&mut self) -> Result<(), Diagnostic> {
        let mut spelling = "environment";
        let mut text = None;
        for name in ["environment", "env", "environment2"] {
            if text.is_none() {
                text = self.text(name)?;
                spelling = name;
            }
        }
        let names_old_attribute = self.text("env")?.is_some();
        // HTCondor 25.14: all of nothing.
        let text = text.filter(|text| text != "*").unwrap_or_default();
        let error = |error: &CmdlineError| self.environment_error(error, spelling, &text);
        let (own, old_syntax) = match cmdline::read_environment(&text).map_err(|why| error(&why))? {
            Written::V1(_) if spelling == "environment2" && !text.is_empty() => {
                let what = "a double-quoted environment string";
                return Err(error(&CmdlineError::NotDoubleQuoted { what }));
            }
            Written::V1(plain) => (cmdline::environ_v1(&plain, own_delimiter(&plain)), true),
            Written::V2(inner) => (cmdline::environ_v2(&inner), false),
        };
        let own = own.map_err(|why| error(&why))?;
        let mut environ = self.inherited()?;
        environ.extend(own);
        let old = (old_syntax && names_old_attribute).then(|| cmdline::print_environ_v1(&environ));
        match old.flatten() {
            Some(old) => {
                self.ad.set(attr::ENV, old);
                self.ad.set(cmdline::ENV_DELIM, cmdline::V1_DELIMITER.to_string());
            }
            None => self.ad.set(attr::ENVIRONMENT, cmdline::print_environ_v2(&environ)),
        }
        Ok(())
    }

    /// What `getenv` takes: everything, nothing, or what the patterns name. `!pattern` leaves out,
    /// wherever it stands.
    fn inherited(&mut self) -> Result<BTreeMap<String, String>, Diagnostic> {
        let environ = self.scope.site.environ();
        let Some(text) = self.word("getenv")? else { return Ok(BTreeMap::new()) };
        match evaluate::truth(&text) {
            Some(true) => return Ok(environ.clone()),
            Some(false) => return Ok(BTreeMap::new()),
            None => {}
        }
        let (refused, wanted): (Vec<_>, Vec<_>) =
            words(&text).partition(|word| word.starts_with('!'));
        let named = |patterns: &[&str], name: &str| {
            patterns.iter().any(|pattern| wildcard(pattern.trim_start_matches('!'), name))
        };
        let taken =
            environ.iter().filter(|(name, _)| named(&wanted, name) && !named(&refused, name));
        Ok(taken.map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

/// What may separate the variables of an old-syntax environment, if it stands first (HTCondor
/// 25.14: `|A=1|B=2`).
const OWN_DELIMITERS: &str = "!#$%&*+,-/:;<>?@^`|~";

/// What separates the variables of an old-syntax environment.
fn own_delimiter(text: &str) -> char {
    let first = text.chars().next();
    first.filter(|c| OWN_DELIMITERS.contains(*c)).unwrap_or(cmdline::V1_DELIMITER)
}

/// Whole KiB, begun ones counted.
pub(super) fn kib(bytes: u64) -> i64 {
    i64::try_from(bytes.div_ceil(1024)).unwrap_or(i64::MAX)
}

/// Whether a name fits a pattern in which `*` stands for anything. Case does not matter.
fn wildcard(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(first) = parts.next() else { return false };
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(middle) = last.replace(part) {
            let Some(at) = rest.find(middle) else { return false };
            rest = &rest[at + middle.len()..];
        }
    }
    last.map_or(rest.is_empty(), |end: &str| rest.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_anything() {
        for (pattern, name, fits) in [
            ("FOO", "foo", true),
            ("FOO", "foobar", false),
            ("FO*", "foobar", true),
            ("*bar", "foobar", true),
            ("f*o*r", "foobar", true),
            ("f*z*r", "foobar", false),
            ("*", "", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(wildcard(pattern, name), fits, "{pattern} {name}");
        }
    }
}
