//! DAG files as the commands see them: read from this machine's disk, with the settings that hold for them.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use client::{Home, RealSite};
use dagman::Workflow;
use dagman::language::Diagnostic;
use dagman::shell::{KNOBS, Knobs};
use dagman::workflow::{self, Assembled, FileError, Files};
use jobspec::config::Configuration;

use crate::pool::Settings;
use crate::pool::configuration;

/// The real files.
pub(super) struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<String, FileError> {
        std::fs::read_to_string(path).map_err(|error| {
            let text = error.to_string();
            FileError(text.split(" (os error").next().unwrap_or(&text).to_owned())
        })
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

    /// The same, told in lines for dagman.out. Settings that the DAG itself names were applied before.
    pub(super) fn load(
        &self,
        rescue: Option<&str>,
    ) -> Result<(Workflow, Vec<String>), Vec<String>> {
        let told = |all: &[Diagnostic]| -> Vec<String> {
            let one = |found: &Diagnostic| {
                let word = if found.is_error() { "ERROR" } else { "Warning" };
                format!("{word}: {}", found.condor())
            };
            all.iter().map(one).collect()
        };
        match self.assemble(rescue) {
            Ok(assembled) => Ok((assembled.workflow, told(&assembled.warnings))),
            Err(problems) => Err(told(&problems)),
        }
    }
}

/// Reads dagman's settings: the pool's configuration, the environment, then the DAG's own file.
///
/// # Errors
/// If a file cannot be read, or a value is not of its setting's kind.
pub(super) fn configure(home: &Home, knobs: &mut Knobs, file: Option<&str>) -> Result<()> {
    let settings = Settings { environment: configuration::environment(), ..Settings::default() };
    let pool = configuration::load(home, &settings)?;
    for name in KNOBS {
        if let Some(value) = pool.value(name)?.filter(|value| !value.trim().is_empty()) {
            knobs.set(name, &value)?;
        }
    }
    let Some(file) = file else { return Ok(()) };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("read the configuration of the DAG in {file}"))?;
    let site = RealSite::new()?;
    let mut own = Configuration::default();
    own.read(&text, file, &site).map_err(|error| anyhow!("{}", error.render()))?;
    for assignment in own.assignments() {
        let value = own.value(None, &assignment.name, &site)?.unwrap_or_default();
        let is_known = knobs.set(&assignment.name, &value)?;
        // Other settings of HTCondor's dagman have nothing to act on here; a slip in a name would be read by nobody.
        if !is_known && !assignment.name.to_ascii_uppercase().starts_with("DAGMAN_") {
            eprintln!("WARNING: {file}: dagman reads no setting {}", assignment.name);
        }
    }
    Ok(())
}
