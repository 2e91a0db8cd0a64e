//! `-do_recurse`: the descriptions of sub-DAGs are made when the outermost DAG is submitted. Their
//! dagmans make them anew when they start, unless DAGMAN_GENERATE_SUBDAG_SUBMITS is False. What is
//! in a description, the job of a DAG knows.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use client::Home;
use dagman::Workflow;
use dagman::shell::Knobs;
use dagman::workflow::{Description, NodeKind};
use model::diagnostic::Diagnostic;
use proto::whole_file;

use super::{Site, SubmitDagArgs, job};
use crate::commands::workflows::dag_files::{self, Reading};
use crate::line::call::Call;

/// The permissions of a description that is made, but for what the user's mask takes away.
const MODE: u32 = 0o666;

/// Makes the description of each sub-DAG of a workflow, and of those inside: once, however many
/// nodes name it.
///
/// # Errors
///
/// If a DAG file is not there or wrong or contains itself, or a description cannot be written.
pub(super) fn describe(
    args: &SubmitDagArgs,
    call: &Call,
    workflow: &Workflow,
    site: &Site,
) -> Result<()> {
    let here = env::current_dir().context("find out the working directory")?;
    let mut seen = Seen::default();
    let described = below(args, call, workflow, site, &mut seen);
    // Also after a failure, what comes next is seen from where the command was called.
    env::set_current_dir(&here).with_context(|| format!("go back to {}", here.display()))?;
    described
}

/// Which DAG files have been met, by their whole paths.
#[derive(Default)]
struct Seen {
    /// Each with the folder that it is seen from: from another, its names mean other files.
    described: BTreeSet<(PathBuf, PathBuf)>,
    /// Those that the one is in that is being read.
    around: Vec<PathBuf>,
}

fn below(
    args: &SubmitDagArgs,
    call: &Call,
    workflow: &Workflow,
    site: &Site,
    seen: &mut Seen,
) -> Result<()> {
    let here = env::current_dir().context("find out the working directory")?;
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
        // What the sub-DAG names is seen from there.
        env::set_current_dir(&folder).with_context(|| format!("go to {}", folder.display()))?;
        let inner = SubmitDagArgs {
            dags: vec![dag.to_owned()],
            config: None,
            dorescuefrom: None,
            rescuefile: None,
            load_save: None,
            lockfile: None,
            ..args.clone()
        };
        let read = read(dag).with_context(|| format!("the sub-DAG {}", node.name()))?;
        let made = job(&inner, call, Some(&read), site)?;
        let path = made.names().condor_sub();
        whole_file::replace(Path::new(&path), MODE, made.text().as_bytes())
            .with_context(|| format!("write {path}"))?;
        seen.around.push(file);
        below(&inner, call, &read, site, seen)?;
        seen.around.pop();
    }
    env::set_current_dir(&here).with_context(|| format!("go back to {}", here.display()))
}

fn read(dag: &str) -> Result<Workflow> {
    let mut knobs = Knobs::default();
    dag_files::configure(&Home::from_environment(), &mut knobs, None)?;
    let reading = Reading { files: vec![dag.to_owned()], use_dag_dir: false, knobs };
    let assembled = reading.assemble(None).map_err(|problems| {
        anyhow!("{}", problems.iter().map(Diagnostic::render).collect::<String>())
    })?;
    Ok(assembled.workflow)
}
