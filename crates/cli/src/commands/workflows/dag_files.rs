//! DAG files as the commands see them: read from this machine's disk, with the settings that hold
//! for them, and submitted by the description that lies beside them.

use std::path::Path;

use anyhow::{Context, Result};
use client::{Home, RealSite};
use dagman::Workflow;
use dagman::language::{Diagnostic, listed};
use dagman::record::Names;
use dagman::shell::{self, KNOBS, Knobs, Left, OtherName};
use dagman::workflow::{self, Assembled, DagSettings, FileError, Files};
use jobspec::Site;
use jobspec::config::{Assignment, Configuration};
use jobspec::htcondor::SubmitOptions;
use model::ClusterId;
use model::diagnostic::Severity;

use crate::pool::PoolSettings;
use crate::pool::configuration;

/// The real files, as seen from a folder. What is not UTF-8 in them is no reason to refuse a DAG,
/// which HTCondor's dagman would run: most often it is a comment.
pub(super) struct Disk<'d>(&'d Path);

impl Disk<'static> {
    /// Seen from where this program runs.
    pub(super) fn here() -> Self {
        Self(Path::new(""))
    }
}

impl Files for Disk<'_> {
    fn read(&self, path: &str) -> Result<String, FileError> {
        let text = client::site::read_plain_latin(self.0.join(path));
        text.map_err(|error| FileError(client::site::plain(&error)))
    }

    fn exists(&self, path: &str) -> bool {
        self.0.join(path).exists()
    }
}

/// What is read, and how.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    pub(super) files: Vec<String>,
    pub(super) use_dag_dir: bool,
    pub(super) knobs: Knobs,
}

impl Reading {
    /// The workflow, or everything that is wrong with its files.
    pub(super) fn assemble(&self, rescue: Option<&str>) -> Result<Assembled, Vec<Diagnostic>> {
        workflow::assemble(&self.options(rescue, false), &Disk::here())
    }

    /// The same of files that are seen from a folder.
    pub(super) fn assemble_in(&self, folder: &Path) -> Result<Assembled, Vec<Diagnostic>> {
        workflow::assemble(&self.options(None, false), &Disk(folder))
    }

    /// What the files say of the job that runs the DAG, as seen from a folder.
    pub(super) fn job_settings(&self, folder: &Path) -> Result<DagSettings, Vec<Diagnostic>> {
        workflow::job_settings(&self.options(None, false), &Disk(folder))
    }

    fn options(&self, rescue: Option<&str>, keeps_cycles: bool) -> workflow::Options {
        workflow::Options {
            use_dag_dir: self.use_dag_dir,
            rescue: rescue.map(str::to_owned),
            munge_names: self.knobs.manner.munge_node_names,
            join_nodes: self.knobs.join_nodes,
            any_name_characters: self.knobs.any_name_characters,
            keeps_cycles,
            ..workflow::Options::new(self.files.clone())
        }
    }

    /// The same for a run, told in lines for dagman.out: a cycle is the run's own end. Settings
    /// that the DAG itself names were applied before.
    pub(super) fn load(
        &self,
        rescue: Option<&str>,
    ) -> Result<(Workflow, Vec<String>), Vec<String>> {
        match workflow::assemble(&self.options(rescue, true), &Disk::here()) {
            Ok(assembled) => Ok((assembled.workflow, told(&assembled.warnings))),
            Err(problems) => Err(told(&problems)),
        }
    }
}

/// Reads DAG files with all settings that hold for them: also those that the DAG itself names
/// (CONFIG), unless a file with settings is given. What is wrong with the settings keeps the DAG
/// from running as what is wrong with its files does.
///
/// # Errors
/// If the pool's configuration cannot be read.
pub(super) fn read_whole(
    files: &[String],
    use_dag_dir: bool,
    config: Option<&str>,
) -> Result<Result<Assembled, Vec<Diagnostic>>> {
    let with = |config: Option<&str>| -> Result<(Vec<Diagnostic>, _)> {
        let mut knobs = Knobs::default();
        let found = configure(&Home::from_environment(), &mut knobs, config)?;
        Ok((found, Reading { files: files.to_vec(), use_dag_dir, knobs }.assemble(None)))
    };
    let (mut found, mut assembled) = with(config)?;
    let own = assembled.as_ref().ok().and_then(|read| read.workflow.settings().config.clone());
    if let Some(own) = own.filter(|_| config.is_none()) {
        (found, assembled) = with(Some(&own))?;
    }
    Ok(with_settings(found, assembled))
}

/// What the file of a sub-DAG, seen from a folder, says of its job. What is wrong is told as
/// dagman.out has it.
pub(super) fn settings_of_subdag(folder: &Path, dag: &str) -> Result<DagSettings, Vec<String>> {
    let reading = Reading { files: vec![dag.to_owned()], ..Reading::default() };
    let settings = reading.job_settings(folder);
    let settings =
        settings.map_err(|problems| -> Vec<_> { problems.iter().map(listed).collect() })?;
    if let Some(config) = &settings.config {
        check_config(&folder.join(config)).map_err(|problem| vec![listed(&problem)])?;
    }
    Ok(settings)
}

/// Whether a file is one of settings: as HTCondor does, a DAG whose file is none is not submitted.
pub(super) fn check_config(path: &Path) -> Result<(), Diagnostic> {
    let path = path.to_string_lossy();
    let about =
        |error: anyhow::Error| Diagnostic::about_file(Severity::Error, &path, error.to_string());
    let site = RealSite::new().map_err(|error| about(error.into()))?;
    own_settings(&path, &site).map(drop)
}

/// What came of reading, after what there is to say of the settings.
fn with_settings(
    mut found: Vec<Diagnostic>,
    assembled: Result<Assembled, Vec<Diagnostic>>,
) -> Result<Assembled, Vec<Diagnostic>> {
    let are_wrong = found.iter().any(Diagnostic::is_error);
    match assembled {
        Ok(Assembled { workflow, warnings }) if !are_wrong => {
            found.extend(warnings);
            Ok(Assembled { workflow, warnings: found })
        }
        Ok(Assembled { warnings: said, .. }) | Err(said) => {
            found.extend(said);
            Err(found)
        }
    }
}

/// What loading said, after what was said of the settings, in lines for dagman.out. With settings
/// that are wrong nothing is loaded.
pub(super) fn with_warnings(
    settings: &[Diagnostic],
    loaded: Result<(Workflow, Vec<String>), Vec<String>>,
) -> Result<(Workflow, Vec<String>), Vec<String>> {
    let are_wrong = settings.iter().any(Diagnostic::is_error);
    let all = |said: Vec<String>| told(settings).into_iter().chain(said).collect();
    match loaded {
        Ok((workflow, said)) if !are_wrong => Ok((workflow, all(said))),
        Ok((_, said)) | Err(said) => Err(all(said)),
    }
}

/// What was found, in lines for dagman.out.
pub(super) fn told(all: &[Diagnostic]) -> Vec<String> {
    let one = |found: &Diagnostic| {
        let word = match found.severity {
            Severity::Error => "ERROR",
            Severity::Warning => "Warning",
            Severity::Advice => "Note",
        };
        format!("{word}: {}", listed(found))
    };
    all.iter().map(one).collect()
}

/// A file with settings of dagman.
pub(super) const CONFIG_FILE: &str = "DAGMAN_CONFIG_FILE";

/// Reads dagman's settings: the pool's configuration, the environment, then the DAG's own file,
/// which those may name too (`DAGMAN_CONFIG_FILE`). Gives what is wrong with them, or odd.
///
/// # Errors
/// If the pool's configuration cannot be read.
pub(super) fn configure(
    home: &Home,
    knobs: &mut Knobs,
    file: Option<&str>,
) -> Result<Vec<Diagnostic>> {
    let settings =
        PoolSettings { environment: configuration::environment(), ..PoolSettings::default() };
    let pool = configuration::load(home, &settings)?;
    let site = RealSite::new()?;
    let named = pool.value(CONFIG_FILE)?.filter(|file| !file.trim().is_empty());
    let (own, mut found) = match file.map(str::to_owned).or(named) {
        None => (Configuration::default(), Vec::new()),
        Some(file) => match own_settings(&file, &site) {
            Ok(own) => (own, Vec::new()),
            Err(problem) => (Configuration::default(), vec![problem]),
        },
    };
    let of_pool = |name: &str| -> Result<_> {
        let value = pool.value(name)?;
        Ok(value.zip(pool.assignment(name)))
    };
    found.extend(set_all(knobs, &own, of_pool, &site)?);
    Ok(found)
}

/// The settings in a DAG's own file.
fn own_settings(file: &str, site: &dyn Site) -> Result<Configuration, Diagnostic> {
    let text = client::site::read_text(file).map_err(|error| {
        let why = client::site::plain(&error);
        let message = format!("the settings of the DAG cannot be read: {why}");
        Diagnostic::about_file(Severity::Error, file, message)
    })?;
    let mut own = Configuration::default();
    own.read(&text, file, site)?;
    Ok(own)
}

/// Sets what the DAG's own file says, and else the pool. Of a name in the former that is neither a
/// setting of dagman's nor a macro in another, that is told: HTCondor's dagman reads its whole
/// configuration from there and passes over what is not its own, so that none of it is an error.
fn set_all(
    knobs: &mut Knobs,
    own: &Configuration,
    of_pool: impl Fn(&str) -> Result<Option<(String, Assignment)>>,
    site: &dyn Site,
) -> Result<Vec<Diagnostic>> {
    let mut found = Vec::new();
    for name in KNOBS {
        let set = match own.assignment(None, name) {
            Some(assignment) => match own.value(None, name, site) {
                Ok(value) => Some((value.unwrap_or_default(), assignment)),
                Err(error) => {
                    found.push(about(&assignment, Severity::Error, error.to_string()));
                    None
                }
            },
            None => of_pool(name)?,
        };
        if let Some((value, assignment)) = set
            && let Err(error) = knobs.set(name, &value)
        {
            found.push(about(&assignment, Severity::Error, error.to_string()));
        }
    }
    found.extend(own.unused(site).iter().map(no_setting));
    found.sort_by_key(Diagnostic::line);
    Ok(found)
}

fn no_setting(unknown: &Assignment) -> Diagnostic {
    let name = &unknown.name;
    match shell::other_name(name) {
        OtherName::WithoutMeaning => {
            about(unknown, Severity::Advice, format!("{name} means nothing here"))
        }
        OtherName::Like(near) => {
            let message = format!("dagman has no setting {name}: did you mean {near}?");
            about(unknown, Severity::Warning, message)
        }
        OtherName::Unknown => {
            about(unknown, Severity::Warning, format!("dagman has no setting {name}"))
        }
    }
}

fn about(assignment: &Assignment, severity: Severity, message: String) -> Diagnostic {
    let line = assignment.line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
    Diagnostic::about_line(severity, &assignment.source, line, message)
}

/// Submits the DAG's description, as a batch of this name or of its own.
pub(super) fn submit(batch_name: Option<&str>, names: &Names) -> Result<ClusterId> {
    let path = names.condor_sub();
    let text = client::site::read_text(&path).with_context(|| format!("read {path}"))?;
    let description = client::parse(&text, &path)?;
    let mut options = SubmitOptions { is_file: true, ..SubmitOptions::default() };
    let batch = match batch_name {
        Some(name) => name.to_owned(),
        None => format!("{}+$(cluster)", names.base()),
    };
    options.appends.push(format!("batch_name = {batch}"));
    let submission = Home::from_environment().submit(&description, &RealSite::new()?, &options)?;
    let first = submission.clusters.first().map(|(cluster, _)| *cluster);
    first.context("the DAG's description queues no job")
}

/// Gets ready what another run must not stumble over: gives the name of the rescue file that was
/// made of a run which nobody had ended.
///
/// # Errors
/// If that run cannot be ended.
pub(super) fn end_left(reading: &Reading, names: &Names, lock: &str) -> Result<Option<Left>> {
    let load = |rescue: Option<&str>| reading.load(rescue);
    let home = Home::from_environment();
    Ok(shell::end_left(&home, names, lock, None, &reading.knobs, &load)?)
}

/// A halt was for the run that was; gives the file's name if there was one.
///
/// # Errors
/// If it cannot be removed.
pub(super) fn remove_halt(names: &Names) -> Result<Option<String>> {
    let path = names.halt();
    match std::fs::remove_file(&path) {
        Ok(()) => Ok(Some(path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("remove {path}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a DAG's own settings, as dagman.out has it.
    fn check(text: &str, expected: &[&str]) -> Knobs {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("own.conf");
        std::fs::write(&path, text).unwrap();
        let mut knobs = Knobs::default();
        let site = RealSite::new().unwrap();
        let path = path.to_string_lossy();
        let own = own_settings(&path, &site).unwrap();
        let found = set_all(&mut knobs, &own, |_| Ok(None), &site).unwrap();
        let said: Vec<String> =
            told(&found).iter().map(|line| line.replace(&*path, "own.conf")).collect();
        assert_eq!(said, expected, "{text}");
        let reading =
            Reading { files: vec!["no.dag".to_owned()], use_dag_dir: false, knobs: knobs.clone() };
        let problems = with_warnings(&found, reading.load(None)).unwrap_err();
        assert_eq!(problems[..problems.len() - 1], told(&found), "before what is wrong elsewhere");
        knobs
    }

    #[test]
    fn a_setting_that_dagman_does_not_know_is_told_with_its_line_and_the_others_hold() {
        let knobs = check(
            "DAGMAN_MAX_JOBS_IDEL = 5\n# a comment\ndagman_max_jobs_idle = 7\nSCHEDD_INTERVAL = 60\nDAGMAN_USER_LOG_SCAN_INTERVAL = 1\n",
            &[
                "Warning: own.conf:1 dagman has no setting DAGMAN_MAX_JOBS_IDEL: did you mean DAGMAN_MAX_JOBS_IDLE?",
                "Warning: own.conf:4 dagman has no setting SCHEDD_INTERVAL",
                "Note: own.conf:5 DAGMAN_USER_LOG_SCAN_INTERVAL means nothing here",
            ],
        );
        assert_eq!(knobs.options.throttles.idle, 7);
    }

    #[test]
    fn a_macro_that_a_setting_is_made_of_is_no_unknown_setting() {
        let knobs = check("MANY = 9\nDAGMAN_MAX_JOBS_IDLE = $(MANY)\n", &[]);
        assert_eq!(knobs.options.throttles.idle, 9);
    }

    #[test]
    fn every_setting_that_is_not_of_its_kind_is_told_with_its_line() {
        check(
            "DAGMAN_MAX_JOBS_IDLE = many\nDAGMAN_ALWAYS_RUN_POST = perhaps\nDAGMAN_MAX_PRE_SCRIPTS =\n",
            &[
                "ERROR: own.conf:1 DAGMAN_MAX_JOBS_IDLE = many: a number from 0 on, or an expression that is one, is wanted",
                "ERROR: own.conf:2 DAGMAN_ALWAYS_RUN_POST = perhaps: True or False, or an expression that is one, is wanted",
            ],
        );
    }

    #[test]
    fn what_the_dag_sets_to_nothing_is_as_if_nobody_had_set_it() {
        let site = RealSite::new().unwrap();
        let mut own = Configuration::default();
        own.read("DAGMAN_MAX_JOBS_IDLE =\n", "own.conf", &site).unwrap();
        let mut pool = Configuration::default();
        pool.read("DAGMAN_MAX_JOBS_IDLE = 5\nDAGMAN_MAX_PRE_SCRIPTS = 2 * 2\n", "pool", &site)
            .unwrap();
        let of_pool = |name: &str| {
            Ok(pool.value(None, name, &site).unwrap().zip(pool.assignment(None, name)))
        };
        let mut knobs = Knobs::default();
        assert_eq!(set_all(&mut knobs, &own, of_pool, &site).unwrap(), []);
        let throttles = knobs.options.throttles;
        assert_eq!((throttles.idle, throttles.pre), (1000, 4));
    }
}
