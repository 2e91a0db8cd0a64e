//! The pool's configuration: `config` and `config.d/*` in its folder, then `_CONDOR_NAME` variables
//! of the process that started it.
//!
//! `pool start` and `reconfig` read it, check all of it, and keep what it comes to with the pool's
//! other settings; daemons read that and never the files ([ADR
//! 0012](../../../docs/adr/0012-the-pool-s-configuration.md)). Texts and macros are
//! `jobspec::config`'s matter, which settings there are is in [`known`], what daemons make of them
//! in [`typed`].

pub mod known;
pub mod typed;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jobspec::Diagnostic;
use jobspec::config::{Assignment, Configuration, ExpandError, nearest};
use serde::{Deserialize, Serialize};

use crate::pool::PoolSettings;
use crate::pool::trust::{self, Untrusted};
use client::home::{DaemonRole, Home};
use client::site::{RealSite, SightError};

use crate::pool::configuration::typed::SettingError;

/// What the environment's settings are called: HTCondor 25.14 knows both spellings.
const PREFIXES: [&str; 2] = ["_CONDOR_", "_condor_"];

/// What a job finds in its environment under the same prefix: no settings, should a job start a
/// pool.
const OF_JOBS: [&str; 6] = ["JOB_AD", "JOB_IWD", "JOB_PIDS", "MACHINE_AD", "SCRATCH_DIR", "SLOT"];

/// The same, of the devices that a job has: `_CONDOR_AssignedGPUs`.
const DEVICES_OF_JOBS: &str = "ASSIGNED";

/// What `config_val -verbose` calls the options of `pool start`.
const COMMAND_LINE: &str = "<updraft pool start>";

/// A pool's configuration as its files have it now.
pub struct Loaded {
    pub configuration: Configuration,
    /// The files that were read, in order.
    pub files: Vec<PathBuf>,
    /// What `warning :` lines said.
    pub warnings: Vec<Diagnostic>,
    pub site: RealSite,
}

/// What a configuration comes to: every setting that a daemon reads and that is set, by its name in
/// upper case, expanded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Effective(pub BTreeMap<String, String>);

/// A setting that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    pub name: String,
    /// What it was, if it was set.
    pub before: Option<String>,
    /// What it is, if it is set.
    pub after: Option<String>,
}

/// Why a configuration is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// A file cannot be read.
    #[error("read the configuration in {path}")]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// It may be somebody else's.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// The machine cannot be looked at.
    #[error("read the configuration")]
    Machine(#[source] SightError),
    /// A line is wrong.
    #[error("read the configuration: {}", in_one_line(.0))]
    Line(Box<Diagnostic>),
    /// A value cannot be expanded.
    #[error(transparent)]
    Expand(#[from] ExpandError),
    /// A value is not of its setting's kind.
    #[error("{error}{}", set_at(.at.as_deref()))]
    Setting {
        /// What is wrong.
        error: SettingError,
        /// Where it was set.
        at: Option<Box<Assignment>>,
    },
}

/// Reads the configuration of a pool.
///
/// # Errors
///
/// If a file cannot be read or has a line that is no setting.
pub fn load(home: &Home, settings: &PoolSettings) -> Result<Loaded, ConfigurationError> {
    trust::check(home)?;
    let site = RealSite::in_folder(home.dir()).map_err(ConfigurationError::Machine)?;
    let mut configuration = Configuration::default();
    known::predefine(&mut configuration, home, &site);
    let mut warnings = Vec::new();
    let files = files(home)?;
    for path in &files {
        let file = |source| ConfigurationError::File { path: path.clone(), source };
        let text = fs::read_to_string(path).map_err(file)?;
        let said = configuration.read(&text, &path.to_string_lossy(), &site);
        warnings.extend(said.map_err(|error| ConfigurationError::Line(Box::new(error)))?);
    }
    for (name, value) in &settings.environment {
        configuration.set_from_environment(name, value);
    }
    let options = [("NUM_CPUS", settings.cpus.map(u64::from)), ("MEMORY", settings.memory_mib)];
    for (name, value) in options {
        let Some(value) = value else { continue };
        let said = configuration.read(&format!("{name} = {value}"), COMMAND_LINE, &site);
        said.map_err(|error| ConfigurationError::Line(Box::new(error)))?;
    }
    Ok(Loaded { configuration, files, warnings, site })
}

/// The settings that this process's environment has for a pool.
pub fn environment() -> BTreeMap<String, String> {
    let of_jobs = |name: &str| OF_JOBS.contains(&name) || name.starts_with(DEVICES_OF_JOBS);
    let setting = |name: &str| {
        let name = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix))?;
        (!name.is_empty() && !of_jobs(&name.to_ascii_uppercase())).then(|| name.to_owned())
    };
    // a value that is no text is none that a setting could have
    let texts = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    texts.filter_map(|(name, value)| Some((setting(&name)?, value))).collect()
}

/// `config`, if there is one, and the files of `config.d`, by name.
fn files(home: &Home) -> Result<Vec<PathBuf>, ConfigurationError> {
    let (main, folder) = (home.config(), home.config_dir());
    let mut files: Vec<PathBuf> = main.exists().then_some(main).into_iter().collect();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        Err(source) => return Err(ConfigurationError::File { path: folder, source }),
    };
    let mut more: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file() && counts(path))
        .collect();
    more.sort();
    files.extend(more);
    Ok(files)
}

/// Whether a file is one of the configuration, and not an editor's or a package manager's leaving
/// (HTCondor 25.14: `LOCAL_CONFIG_DIR_EXCLUDE_REGEXP`).
fn counts(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    !name.starts_with(['.', '#'])
        && ![".rpmsave", ".rpmnew", ".dpkg-old", ".dpkg-new", "~"]
            .iter()
            .any(|end| name.ends_with(end))
}

impl Loaded {
    /// What it comes to. Everything that a daemon would refuse is refused here, where somebody
    /// reads it.
    ///
    /// # Errors
    ///
    /// If a value cannot be expanded or is not of its setting's kind.
    pub fn effective(&self) -> Result<Effective, ConfigurationError> {
        let mut all = BTreeMap::new();
        for name in self.names_of_daemons() {
            let value = self.value(&name)?.unwrap_or_default();
            let value = value.trim();
            // an empty value is none (HTCondor 25.14)
            if let Some(assignment) = self.assignment(&name)
                && !value.is_empty()
            {
                all.insert(spelt(name, &assignment), value.to_owned());
            }
        }
        let effective = Effective(all);
        typed::check(&effective).map_err(|error| {
            let at = self.assignment(&error.name).map(Box::new);
            ConfigurationError::Setting { error, at }
        })?;
        Ok(effective)
    }

    /// The value of a setting, expanded; for the daemon that reads it.
    ///
    /// # Errors
    ///
    /// If macros refer to each other in a circle.
    pub fn value(&self, name: &str) -> Result<Option<String>, ExpandError> {
        self.configuration.value(subsystem(name), name, &self.site)
    }

    /// The assignment that a setting's value comes from.
    pub fn assignment(&self, name: &str) -> Option<Assignment> {
        self.configuration.assignment(subsystem(name), name)
    }

    /// The assignments that nothing reads and that are no macro of another.
    pub fn unread(&self) -> Vec<Assignment> {
        let attributes = self.machine_attributes();
        let mut unread = self.configuration.unused(&self.site);
        unread.retain(|assignment| {
            let (subsystem, name) = base(&assignment.name);
            let reader = known::reader(&name)
                .or_else(|| attributes.contains(&name).then_some(DaemonRole::Startd));
            match (reader, subsystem) {
                (Some(role), Some(subsystem)) => role.subsystem() != subsystem,
                (Some(_), None) => false,
                (None, _) => {
                    !known::is_predefined(&name) && !dagman::shell::KNOBS.contains(&name.as_str())
                }
            }
        });
        unread
    }

    /// A warning for each of them, with the setting that was most likely meant.
    pub fn unread_warnings(&self) -> Vec<Diagnostic> {
        let unread = self.unread().into_iter().map(|assignment| {
            let (_, name) = base(&assignment.name);
            let message = format!("nothing reads the setting {}", assignment.name);
            let warning = Diagnostic::warning(message).at(Some(assignment.location()));
            let names = known::KNOWN.iter().map(|known| known.name);
            match nearest(&name, names) {
                Some(meant) if meant != name => warning.hint(format!("did you mean {meant}?")),
                Some(_) | None => warning,
            }
        });
        self.warnings.iter().cloned().chain(unread).collect()
    }

    /// Names, in upper case, that some daemon reads.
    fn names_of_daemons(&self) -> Vec<String> {
        let mut names: Vec<String> =
            known::KNOWN.iter().map(|known| known.name.to_owned()).collect();
        let assigned = self.configuration.assignments().into_iter().map(|one| base(&one.name).1);
        names.extend(assigned.filter(|name| known::reader(name).is_some()));
        names.extend(self.machine_attributes());
        names.sort();
        names.dedup();
        names
    }

    /// What `STARTD_ATTRS` lists, in upper case.
    fn machine_attributes(&self) -> Vec<String> {
        let list = self.value(typed::STARTD_ATTRS).ok().flatten().unwrap_or_default();
        typed::words(&list).map(str::to_ascii_uppercase).collect()
    }
}

impl Effective {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What is not the same here as it was in `before`, by name.
    pub fn changes_since(&self, before: &Self) -> Vec<Changed> {
        let mut names: Vec<&String> = before.0.keys().chain(self.0.keys()).collect();
        names.sort();
        names.dedup();
        let changed = |name: &&String| before.get(name) != self.get(name);
        names
            .into_iter()
            .filter(changed)
            .map(|name| Changed {
                name: name.clone(),
                before: before.get(name).map(str::to_owned),
                after: self.get(name).map(str::to_owned),
            })
            .collect()
    }
}

impl Changed {
    /// The daemon that must know.
    pub fn reader(&self) -> DaemonRole {
        // what no rule knows is an attribute that STARTD_ATTRS lists
        known::reader(&self.name).unwrap_or(DaemonRole::Startd)
    }
}

/// The name that a daemon goes by in settings that are for it alone.
fn subsystem(name: &str) -> Option<&'static str> {
    known::reader(&name.to_ascii_uppercase()).map(DaemonRole::subsystem)
}

/// The key of a setting: its name in upper case, but for what the user has called a resource of the
/// machine: ads show that.
fn spelt(name: String, assignment: &Assignment) -> String {
    let Some(tag) = name.strip_prefix(typed::RESOURCE) else { return name };
    let tag = tag.strip_prefix(typed::INVENTORY).unwrap_or(tag);
    let fixed = &name[..name.len() - tag.len()];
    // as long as in upper case: names are ASCII
    format!("{fixed}{}", &assignment.name[assignment.name.len() - tag.len()..])
}

/// `STARTD.NUM_CPUS` is `NUM_CPUS` of the startd. In upper case.
fn base(name: &str) -> (Option<String>, String) {
    let name = name.to_ascii_uppercase();
    match name.split_once('.') {
        Some((subsystem, rest)) if DaemonRole::ALL.iter().any(|r| r.subsystem() == subsystem) => {
            (Some(subsystem.to_owned()), rest.to_owned())
        }
        _ => (None, name),
    }
}

fn in_one_line(diagnostic: &Diagnostic) -> String {
    let mut text = String::new();
    if diagnostic.location.is_some() {
        text = format!("{}, line {}: ", diagnostic.file(), diagnostic.line());
    }
    text += &diagnostic.message;
    match &diagnostic.hint {
        Some(hint) => format!("{text} ({hint})"),
        None => text,
    }
}

fn set_at(assignment: Option<&Assignment>) -> String {
    let Some(assignment) = assignment else { return String::new() };
    match assignment.line {
        Some(line) => format!(" ({}, line {line})", assignment.source),
        None => format!(" ({})", assignment.source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pool's folder with these files.
    fn pool(files: &[(&str, &str)]) -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("config.d")).unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let home = Home::at(dir.path());
        (dir, home)
    }

    fn effective(files: &[(&str, &str)], settings: &PoolSettings) -> Result<Effective, String> {
        let (_dir, home) = pool(files);
        let loaded = load(&home, settings).map_err(|error| error.to_string())?;
        loaded
            .effective()
            .map_err(|error| error.to_string().replace(&home.dir().display().to_string(), "POOL"))
    }

    #[test]
    fn later_files_win_and_the_environment_and_the_command_line_after_them() {
        let files = [
            ("config", "DB_LIMIT = 1\nA_LIMIT = 1\nRESERVED_MEMORY = 1\nNUM_CPUS = 1\n"),
            ("config.d/20", "DB_LIMIT = 3\n"),
            ("config.d/10", "DB_LIMIT = 2\nSTARTD.NUM_CPUS = 2\n"),
            ("config.d/30~", "DB_LIMIT = 4\n"),
        ];
        let environment = [("RESERVED_MEMORY".to_owned(), "7".to_owned())].into();
        let settings = PoolSettings { memory_mib: Some(5), environment, ..PoolSettings::default() };
        let all = effective(&files, &settings).unwrap();
        for (name, value) in [
            ("DB_LIMIT", Some("3")),
            ("A_LIMIT", Some("1")),
            ("RESERVED_MEMORY", Some("7")),
            ("NUM_CPUS", Some("2")),
            ("MEMORY", Some("5")),
            ("START", None),
        ] {
            assert_eq!(all.get(name), value, "{name}");
        }
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_place_and_what_would_be_right() {
        for (text, wanted) in [
            (
                "\nNUM_CPUS = many\n",
                "set NUM_CPUS to 'many': expected a whole number above 0 (POOL/config, line 2)",
            ),
            (
                "DB_LIMIT = -1\n",
                "set DB_LIMIT to '-1': expected a number that is not below 0 (POOL/config, line 1)",
            ),
            ("START = (\n", "set START to '(': expected an expression (POOL/config, line 1)"),
            (
                "Site = a b\nSTARTD_ATTRS = Site\n",
                "set Site to 'a b': expected an expression, because STARTD_ATTRS lists it: a string needs double quotes (POOL/config, line 1)",
            ),
        ] {
            let said = effective(&[("config", text)], &PoolSettings::default());
            assert_eq!(said.unwrap_err(), wanted);
        }
    }

    #[test]
    fn what_nothing_reads_is_told_with_the_nearest_name_and_macros_are_no_such_thing() {
        let text = "HALF = 2\nNUM_CPUS = $(HALF)\nNUM_CPU = 1\nSite = 1\nSTARTD_ATTRS = Site\n\
                    SCHEDD.START = True\nOTHER = 1\nDB_LIMIT = 1\nLOCAL_DIR = /elsewhere\n";
        let (_dir, home) = pool(&[("config", text)]);
        let loaded = load(&home, &PoolSettings::default()).unwrap();
        loaded.effective().unwrap();
        let said = loaded.unread_warnings().into_iter().map(|one| (one.message, one.hint));
        let wanted = [
            ("nothing reads the setting NUM_CPU", Some("did you mean NUM_CPUS?")),
            ("nothing reads the setting SCHEDD.START", None),
            ("nothing reads the setting OTHER", None),
        ];
        let wanted: Vec<_> = wanted
            .into_iter()
            .map(|(message, hint)| (message.to_owned(), hint.map(str::to_owned)))
            .collect();
        assert_eq!(said.collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn changes_are_told_with_who_must_know() {
        let before =
            Effective([("A_LIMIT", "1"), ("NUM_CPUS", "2"), ("Z_LIMIT", "1")].map(own).into());
        let after = Effective([("NUM_CPUS", "3"), ("SITE", "1"), ("Z_LIMIT", "1")].map(own).into());
        let changes = after.changes_since(&before);
        let found: Vec<_> = changes.iter().map(|c| (c.name.as_str(), c.reader())).collect();
        let wanted = [
            ("A_LIMIT", DaemonRole::Negotiator),
            ("NUM_CPUS", DaemonRole::Startd),
            ("SITE", DaemonRole::Startd),
        ];
        assert_eq!(found, wanted);
    }

    fn own((name, value): (&str, &str)) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }
}
