//! `-do_recurse`: the descriptions of sub-DAGs are made when the outermost DAG is submitted. Their
//! dagmans make them anew when they start, unless DAGMAN_GENERATE_SUBDAG_SUBMITS is False. What is
//! in a description, the job of a DAG knows.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use client::Home;
use dagman::Workflow;
use dagman::record::condor_sub::DagJob;
use dagman::shell::Knobs;
use dagman::workflow::{Description, NodeKind};
use model::diagnostic::Diagnostic;
use proto::whole_file;

use crate::commands::workflows::dag_files::{self, Reading};

/// The permissions of a description that is made, but for what the user's mask takes away.
const MODE: u32 = 0o666;

/// Options that say where a run begins: a sub-DAG's begins by itself.
const OF_THE_OUTER: [&str; 3] = ["-DoRescueFrom", "-RescueFile", "-load_save"];

/// Makes the description of each sub-DAG of a workflow, which this job runs and which is seen from
/// this folder, and of those inside: once, however many nodes name it.
///
/// # Errors
///
/// If a DAG file is not there or wrong or contains itself, or a description cannot be written.
pub(super) fn describe(outer: &DagJob, workflow: &Workflow, folder: &Path) -> Result<()> {
    below(outer, workflow, folder, &mut Seen::default())
}

/// Which DAG files have been met, by their whole paths.
#[derive(Default)]
struct Seen {
    /// Each with the folder that it is seen from: from another, its names mean other files.
    described: BTreeSet<(PathBuf, PathBuf)>,
    /// Those that the one is in that is being read.
    around: Vec<PathBuf>,
}

fn below(outer: &DagJob, workflow: &Workflow, here: &Path, seen: &mut Seen) -> Result<()> {
    for node in workflow.nodes().filter(|node| node.kind() == NodeKind::Subdag) {
        let Description::File(dag) = node.description() else { continue };
        let folder = here.join(node.dir().unwrap_or("."));
        let file = folder.join(dag);
        let file = file.canonicalize().with_context(|| format!("find {}", file.display()))?;
        if seen.around.contains(&file) {
            bail!("the sub-DAG {} contains itself: {}", node.name(), file.display());
        }
        if !seen.described.insert((folder.clone(), file.clone())) {
            continue;
        }
        let read = read(dag, &folder).with_context(|| format!("the sub-DAG {}", node.name()))?;
        let job = of_subdag(outer, dag, &read, &folder)?;
        let path = folder.join(job.names().condor_sub());
        whole_file::replace(&path, MODE, job.text().as_bytes())
            .with_context(|| format!("write {}", path.display()))?;
        seen.around.push(file);
        below(&job, &read, &folder, seen)?;
        seen.around.pop();
    }
    Ok(())
}

/// The job of a sub-DAG: as the one around it, but for what is the latter's alone.
fn of_subdag(outer: &DagJob, dag: &str, read: &Workflow, folder: &Path) -> Result<DagJob> {
    let is_its_own = |option: &&Vec<String>| !OF_THE_OUTER.contains(&option[0].as_str());
    let mut job = DagJob {
        dag_files: vec![dag.to_owned()],
        options: outer.options.iter().filter(is_its_own).cloned().collect(),
        lock: None,
        config: None,
        attributes: Vec::new(),
        ..outer.clone()
    };
    job.take_over(read.settings(), folder).map_err(anyhow::Error::msg)?;
    Ok(job)
}

fn read(dag: &str, folder: &Path) -> Result<Workflow> {
    let mut knobs = Knobs::default();
    dag_files::configure(&Home::from_environment(), &mut knobs, None)?;
    let reading = Reading { files: vec![dag.to_owned()], use_dag_dir: false, knobs };
    let assembled = reading.assemble_in(folder).map_err(|problems| {
        anyhow!("{}", problems.iter().map(Diagnostic::render).collect::<String>())
    })?;
    Ok(assembled.workflow)
}
