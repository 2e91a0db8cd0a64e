//! DAG files as the commands see them: read from this machine's disk, with the settings that hold
//! for them, and submitted by the description that lies beside them.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use client::{Home, RealSite};
use dagman::Workflow;
use dagman::language::{Diagnostic, listed};
use dagman::record::Names;
use dagman::shell::{self, KNOBS, Knobs, Left};
use dagman::workflow::{self, Assembled, FileError, Files};
use jobspec::Site;
use jobspec::config::{Assignment, Configuration};
use jobspec::htcondor::SubmitOptions;
use model::ClusterId;

use crate::line::output::complain;
use crate::pool::PoolSettings;
use crate::pool::configuration;

/// The real files.
pub(super) struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<String, FileError> {
        let text = client::site::read_plain_text(path);
        text.map_err(|error| FileError(client::site::plain(&error)))
    }

    fn exists(&self, path: &str) -> bool {
        Path::new(path).exists()
    }
}

/// What is read, and how.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) files: Vec<String>,
    pub(super) use_dag_dir: bool,
    pub(super) knobs: Knobs,
}

impl Reading {
    /// The workflow, or everything that is wrong with its files.
    pub(super) fn assemble(&self, rescue: Option<&str>) -> Result<Assembled, Vec<Diagnostic>> {
        let options = workflow::Options {
            use_dag_dir: self.use_dag_dir,
            rescue: rescue.map(str::to_owned),
            munge_names: self.knobs.manner.munge_node_names,
            join_nodes: self.knobs.join_nodes,
            any_name_characters: self.knobs.any_name_characters,
            ..workflow::Options::new(self.files.clone())
        };
        workflow::assemble(&options, &Disk)
    }

    /// The same, told in lines for dagman.out. Settings that the DAG itself names were applied
    /// before.
    pub(super) fn load(
        &self,
        rescue: Option<&str>,
    ) -> Result<(Workflow, Vec<String>), Vec<String>> {
        let told = |all: &[Diagnostic]| -> Vec<String> {
            let one = |found: &Diagnostic| {
                let word = if found.is_error() { "ERROR" } else { "Warning" };
                format!("{word}: {}", listed(found))
            };
            all.iter().map(one).collect()
        };
        match self.assemble(rescue) {
            Ok(assembled) => Ok((assembled.workflow, told(&assembled.warnings))),
            Err(problems) => Err(told(&problems)),
        }
    }
}

/// What loading said, after what was said of the settings.
pub(super) fn with_warnings(
    warnings: &[String],
    loaded: Result<(Workflow, Vec<String>), Vec<String>>,
) -> Result<(Workflow, Vec<String>), Vec<String>> {
    let all = |said: Vec<String>| warnings.iter().cloned().chain(said).collect();
    loaded.map(|(workflow, said)| (workflow, all(said))).map_err(all)
}

/// Reads dagman's settings: the pool's configuration, the environment, then the DAG's own file.
/// What that file sets and dagman does not know is told on standard error, and given back for
/// dagman.out, a line each.
///
/// # Errors
/// If a file cannot be read, or a value is not of its setting's kind.
pub(super) fn configure(home: &Home, knobs: &mut Knobs, file: Option<&str>) -> Result<Vec<String>> {
    let settings =
        PoolSettings { environment: configuration::environment(), ..PoolSettings::default() };
    let pool = configuration::load(home, &settings)?;
    for name in KNOBS {
        if let Some(value) = pool.value(name)?.filter(|value| !value.trim().is_empty()) {
            knobs.set(name, &value)?;
        }
    }
    let Some(file) = file else { return Ok(Vec::new()) };
    let text = client::site::read_text(file)
        .with_context(|| format!("read the configuration of the DAG in {file}"))?;
    let unknown = own_settings(knobs, &text, file, &RealSite::new()?)?;
    for line in &unknown {
        complain(&format!("{line}\n"));
    }
    Ok(unknown)
}

/// Reads the settings in a DAG's own file; gives a line for each that is neither a setting of
/// dagman's nor a macro in another. HTCondor's dagman reads its whole configuration from there and
/// passes over what is not its own, so that none of it is an error.
fn own_settings(knobs: &mut Knobs, text: &str, file: &str, site: &dyn Site) -> Result<Vec<String>> {
    let mut own = Configuration::default();
    own.read(text, file, site).map_err(|error| anyhow!("{}", error.render()))?;
    for name in KNOBS {
        if own.assignment(None, name).is_some() {
            knobs.set(name, &own.value(None, name, site)?.unwrap_or_default())?;
        }
    }
    let line = |unknown: &Assignment| {
        let place = unknown.line.map(|line| format!(", line {line}")).unwrap_or_default();
        format!("Warning: {}{place}: dagman has no setting {}", unknown.source, unknown.name)
    };
    Ok(own.unused(site).iter().map(line).collect())
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

    /// The warnings about a DAG's own settings, as dagman.out has them.
    fn check(text: &str, expected: &[&str]) -> Knobs {
        let mut knobs = Knobs::default();
        let site = RealSite::new().unwrap();
        let unknown = own_settings(&mut knobs, text, "own.conf", &site).unwrap();
        let reading =
            Reading { files: vec!["no.dag".to_owned()], use_dag_dir: false, knobs: knobs.clone() };
        let problems = with_warnings(&unknown, reading.load(None)).unwrap_err();
        assert_eq!(unknown, expected, "{text}");
        assert_eq!(problems[..problems.len() - 1], unknown, "before what is wrong with the DAG");
        knobs
    }

    #[test]
    fn a_setting_that_dagman_does_not_know_is_told_with_its_line_and_the_others_hold() {
        let knobs = check(
            "DAGMAN_MAX_JOBS_IDEL = 5\n# a comment\ndagman_max_jobs_idle = 7\nSCHEDD_INTERVAL = 60\n",
            &[
                "Warning: own.conf, line 1: dagman has no setting DAGMAN_MAX_JOBS_IDEL",
                "Warning: own.conf, line 4: dagman has no setting SCHEDD_INTERVAL",
            ],
        );
        assert_eq!(knobs.options.throttles.idle, 7);
    }

    #[test]
    fn a_macro_that_a_setting_is_made_of_is_no_unknown_setting() {
        let knobs = check("MANY = 9\nDAGMAN_MAX_JOBS_IDLE = $(MANY)\n", &[]);
        assert_eq!(knobs.options.throttles.idle, 9);
    }
}
