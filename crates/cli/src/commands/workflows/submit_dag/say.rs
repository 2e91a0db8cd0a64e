//! What `submit_dag` prints: HTCondor's words under its name, and under ours what helps to go on.

use std::process::ExitCode;

use anyhow::Result;
use dagman::Workflow;
use dagman::language::{Diagnostic, listed};
use dagman::record::Names;
use model::ClusterId;

use crate::line::exit::Exit;
use crate::line::output;
use crate::render::dialect::Dialect;
use crate::render::said;

/// In HTCondor 25.14's words; its own command looks for nothing else.
const UNKNOWN_COMMAND: &str = "is not a valid DAG command";

/// In which form it is told what was done.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// One JSON object.
    Json,
    /// The id of the DAG's job alone.
    Terse,
    Words(Dialect),
}

/// A DAG file is not there.
pub(super) fn missing(path: &str, dialect: Dialect) -> ExitCode {
    match dialect {
        Dialect::HtCondor => eprintln!("ERROR: Provided file path does not exist"),
        Dialect::Updraft | Dialect::Pbs => eprintln!("updraft submit_dag: there is no file {path}"),
    }
    Exit::Failed.into()
}

/// The DAG is wrong. Some exit status if nothing is submitted.
pub(super) fn problems(problems: &[Diagnostic], dialect: Dialect) -> Option<ExitCode> {
    if dialect == Dialect::Updraft {
        problems.iter().for_each(|problem| eprint!("{}", problem.render()));
        let errors = problems.iter().filter(|problem| problem.is_error()).count();
        eprintln!(
            "updraft submit_dag: nothing was submitted: the DAG has {errors} mistake{}",
            if errors == 1 { "" } else { "s" }
        );
        return Some(Exit::Failed.into());
    }
    let unknown = problems.iter().find(|problem| problem.message.contains(UNKNOWN_COMMAND))?;
    eprintln!("ERROR: {}", listed(unknown));
    Some(Exit::Failed.into())
}

/// A rescue file is there, and used.
pub(super) fn rescue(number: u32, quiet: bool) -> Result<()> {
    if !quiet {
        output::put(&format!("Running rescue DAG {number}\n"))?;
    }
    Ok(())
}

/// Files of an earlier run are there.
pub(super) fn in_the_way(paths: &[String]) {
    for path in paths {
        eprintln!("ERROR: \"{path}\" already exists.");
    }
    eprintln!(
        "\nSome file(s) needed by condor_dagman already exist. Either:\n- Rename them\n- Use the \"-f\" option to force them to be overwritten\n\tor\n- Use the \"-update_submit\" option to update the submit file and continue."
    );
}

/// `-no_submit`: the description is written.
pub(super) fn written(names: &Names, form: Form) -> Result<()> {
    let description = names.condor_sub();
    let text = match form {
        Form::Json => said::json(&json(names, None, None)),
        Form::Terse | Form::Words(Dialect::HtCondor) => {
            format!(
                "{}\n-no_submit given, not submitting DAG to HTCondor. You can do this with:\n\"condor_submit {description}\"\n{RULE}",
                table(names)
            )
        }
        Form::Words(Dialect::Updraft | Dialect::Pbs) => {
            format!("Wrote {description}. Submit it with:  updraft submit {description}\n")
        }
    };
    Ok(output::put(&text)?)
}

/// The DAG's job is in the queue.
pub(super) fn submitted(
    names: &Names,
    cluster: ClusterId,
    workflow: Option<&Workflow>,
    form: Form,
) -> Result<()> {
    match form {
        Form::Json => output::put(&said::json(&json(names, Some(cluster), workflow)))?,
        Form::Terse => output::put(&format!("{cluster}.0 - {cluster}.0\n"))?,
        Form::Words(Dialect::HtCondor) => {
            output::put(&format!(
                "Submitting job(s).\n1 job(s) submitted to cluster {cluster}.\n{}\n{RULE}",
                table(names)
            ))?;
            eprintln!("To monitor your job(s), run: condor_watch_q -clusters {cluster}");
        }
        Form::Words(Dialect::Updraft | Dialect::Pbs) => {
            let nodes = workflow.map(|workflow| format!(", {} nodes", workflow.len()));
            let nodes = nodes.unwrap_or_default();
            output::put(&format!(
                "Submitted the DAG {} as job {cluster}.0{nodes}.\nSee how far it is:  updraft dag status {cluster}\nWhat happens is told in {}.\n",
                names.primary(),
                names.dagman_out()
            ))?;
        }
    }
    Ok(())
}

/// The DAG's job, if it is in the queue, and the files that tell of it.
fn json(
    names: &Names,
    cluster: Option<ClusterId>,
    workflow: Option<&Workflow>,
) -> serde_json::Value {
    serde_json::json!({
        "cluster": cluster.map(|cluster| cluster.0),
        "nodes": workflow.map(Workflow::len),
        "description": names.condor_sub(),
        "dagman_out": names.dagman_out(),
        "log": names.dagman_log(),
    })
}

const RULE: &str = "-----------------------------------------------------------------------\n";

/// The files of a DAG, as HTCondor lists them.
fn table(names: &Names) -> String {
    let mut out = RULE.to_owned();
    for (what, path) in [
        ("File for submitting this DAG to HTCondor", names.condor_sub()),
        ("Log of DAGMan debugging messages", names.dagman_out()),
        ("Log of HTCondor library output", names.lib_out()),
        ("Log of HTCondor library error messages", names.lib_err()),
        ("Log of the life of condor_dagman itself", names.dagman_log()),
    ] {
        out += &format!("{what:<51}: {path}\n");
    }
    out
}
