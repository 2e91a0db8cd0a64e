//! What `submit_dag` prints: HTCondor's words under its name, and under ours what helps to go on.

use std::process::ExitCode;

use anyhow::Result;
use dagman::Workflow;
use dagman::language::Diagnostic;
use dagman::record::Names;
use model::ClusterId;

use crate::line::call::Voice;
use crate::line::exit::Exit;
use crate::line::output;

/// In HTCondor 25.14's words; its own command looks for nothing else.
const UNKNOWN_COMMAND: &str = "is not a valid DAG command";

/// A DAG file is not there.
pub(super) fn missing(path: &str, voice: Voice) -> ExitCode {
    match voice {
        Voice::HtCondor => eprintln!("ERROR: Provided file path does not exist"),
        Voice::Updraft => eprintln!("updraft submit_dag: there is no file {path}"),
    }
    Exit::Failed.into()
}

/// The DAG is wrong. Some exit status if nothing is submitted.
pub(super) fn problems(problems: &[Diagnostic], voice: Voice) -> Option<ExitCode> {
    if voice == Voice::Updraft {
        problems.iter().for_each(|problem| eprint!("{}", problem.render()));
        let errors = problems.iter().filter(|problem| problem.is_error()).count();
        eprintln!("updraft submit_dag: nothing was submitted: the DAG is wrong in {errors} places");
        return Some(Exit::Failed.into());
    }
    let unknown = problems.iter().find(|problem| problem.message.contains(UNKNOWN_COMMAND))?;
    eprintln!("ERROR: {}", unknown.condor());
    Some(Exit::Failed.into())
}

/// A rescue file is there, and used.
pub(super) fn rescue(number: u32, terse: bool) -> Result<()> {
    if !terse {
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
pub(super) fn written(names: &Names, voice: Voice) -> Result<()> {
    let description = names.condor_sub();
    let text = match voice {
        Voice::HtCondor => {
            format!(
                "{}\n-no_submit given, not submitting DAG to HTCondor. You can do this with:\n\"condor_submit {description}\"\n{RULE}",
                table(names)
            )
        }
        Voice::Updraft => {
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
    terse: bool,
    voice: Voice,
) -> Result<()> {
    if terse {
        return Ok(output::put(&format!("{cluster}.0 - {cluster}.0\n"))?);
    }
    match voice {
        Voice::HtCondor => {
            output::put(&format!(
                "Submitting job(s).\n1 job(s) submitted to cluster {cluster}.\n{}\n{RULE}",
                table(names)
            ))?;
            eprintln!("To monitor your job(s), run: condor_watch_q -clusters {cluster}");
        }
        Voice::Updraft => {
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
