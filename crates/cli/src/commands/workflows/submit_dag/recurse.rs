//! `-do_recurse`: the descriptions of sub-DAGs are made when the outermost DAG is submitted. Their
//! dagmans make them anew when they start, unless DAGMAN_GENERATE_SUBDAG_SUBMITS is False. What is
//! in a description, the job of a DAG knows.

use std::env;

use anyhow::{Context, Result, anyhow, bail};
use client::Home;
use dagman::Workflow;
use dagman::shell::Knobs;
use dagman::workflow::{Description, NodeKind};
use model::diagnostic::Diagnostic;

use super::{Site, SubmitDagArgs, job};
use crate::commands::workflows::dag_files::{self, Reading};
use crate::line::call::Call;

/// Sub-DAGs in sub-DAGs: one that names itself would never end.
const DEEPEST: usize = 100;

/// Makes the description of each sub-DAG of a workflow, and of those inside.
///
/// # Errors
///
/// If a DAG file is not there or wrong, or a description cannot be written.
pub(super) fn describe(
    args: &SubmitDagArgs,
    call: &Call,
    workflow: &Workflow,
    site: &Site,
) -> Result<()> {
    below(args, call, workflow, site, 0)
}

fn below(
    args: &SubmitDagArgs,
    call: &Call,
    workflow: &Workflow,
    site: &Site,
    depth: usize,
) -> Result<()> {
    if depth > DEEPEST {
        bail!("sub-DAGs are more than {DEEPEST} deep: one of them names itself");
    }
    let here = env::current_dir().context("find out the working directory")?;
    for node in workflow.nodes().filter(|node| node.kind() == NodeKind::Subdag) {
        let Description::File(dag) = node.description() else { continue };
        let folder = here.join(node.dir().unwrap_or("."));
        // What the sub-DAG names is seen from there.
        env::set_current_dir(&folder).with_context(|| format!("go to {}", folder.display()))?;
        let inner = SubmitDagArgs {
            dags: vec![dag.to_owned()],
            config: None,
            dorescuefrom: None,
            rescuefile: None,
            load_save: None,
            lockfile: None,
            outfile_dir: None,
            ..args.clone()
        };
        let read = read(dag).with_context(|| format!("the sub-DAG {}", node.name()))?;
        let made = job(&inner, call, Some(&read), site)?;
        let path = made.names().condor_sub();
        std::fs::write(&path, made.text()).with_context(|| format!("write {path}"))?;
        below(&inner, call, &read, site, depth + 1)?;
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
