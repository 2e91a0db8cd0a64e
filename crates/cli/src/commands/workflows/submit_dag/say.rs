//! What `submit_dag` prints: HTCondor's words under its name, and under ours what helps to go on.

use dagman::Workflow;
use dagman::language::{Diagnostic, listed};
use dagman::record::Names;
use model::ClusterId;
use serde::Serialize;

use crate::line::outcome::Outcome;
use crate::render::dialect::Dialect;
use crate::render::said::{Said, Tell};

/// A DAG file is not there.
pub(super) fn missing(path: &str, dialect: Dialect) -> Outcome {
    Outcome::failed(match dialect {
        Dialect::HtCondor => "ERROR: Provided file path does not exist\n".to_owned(),
        Dialect::Updraft | Dialect::Pbs => {
            format!("updraft submit_dag: there is no file {path}\n")
        }
    })
}

/// What was read of the DAG is wrong: nothing is submitted. Of several mistakes HTCondor's command
/// says one.
pub(super) fn problems(problems: &[Diagnostic], dialect: Dialect) -> Outcome {
    let mut errors = problems.iter().filter(|problem| problem.is_error());
    if dialect == Dialect::HtCondor {
        let first = errors.next().map(listed).unwrap_or_default();
        return Outcome::failed(format!("ERROR: {first}\n"));
    }
    let text: String = problems.iter().map(Diagnostic::render).collect();
    let errors = errors.count();
    let s = if errors == 1 { "" } else { "s" };
    Outcome::failed(format!(
        "{text}updraft submit_dag: nothing was submitted: the DAG has {errors} mistake{s}\n"
    ))
}

/// Files of an earlier run are there.
pub(super) fn in_the_way(paths: &[String]) -> Outcome {
    let lines = paths.iter().map(|path| format!("ERROR: \"{path}\" already exists.\n"));
    Outcome::failed(
        lines.collect::<String>()
            + "\nSome file(s) needed by condor_dagman already exist. Either:\n- Rename them\n- Use the \"-f\" option to force them to be overwritten\n\tor\n- Use the \"-update_submit\" option to update the submit file and continue.\n",
    )
}

/// What became of a DAG: its job, if it is in the queue, and the files that tell of it.
#[derive(Debug, Serialize)]
pub(super) struct Submitted {
    pub(super) cluster: Option<ClusterId>,
    /// How many, if the DAG could be read.
    pub(super) nodes: Option<usize>,
    description: String,
    dagman_out: String,
    log: String,
    #[serde(skip)]
    names: Names,
    /// The id of the DAG's job alone.
    #[serde(skip)]
    is_terse: bool,
}

impl Submitted {
    /// What is written, and not in the queue yet.
    pub(super) fn new(names: &Names, workflow: Option<&Workflow>, is_terse: bool) -> Self {
        Self {
            cluster: None,
            nodes: workflow.map(Workflow::len),
            description: names.condor_sub(),
            dagman_out: names.dagman_out(),
            log: names.dagman_log(),
            names: names.clone(),
            is_terse,
        }
    }

    /// `-no_submit`: the description is written.
    fn written(&self, dialect: Dialect) -> String {
        let (description, to_the_letter) = (&self.description, dialect == Dialect::HtCondor);
        if self.is_terse || to_the_letter {
            return format!(
                "{}\n-no_submit given, not submitting DAG to HTCondor. You can do this with:\n\"condor_submit {description}\"\n{RULE}",
                table(&self.names)
            );
        }
        format!("Wrote {description}. Submit it with:  updraft submit {description}\n")
    }
}

impl Tell for Submitted {
    fn tell(&self, dialect: Dialect) -> Said {
        let Some(cluster) = self.cluster else { return Said::out(self.written(dialect)) };
        if self.is_terse {
            return Said::out(format!("{cluster}.0 - {cluster}.0\n"));
        }
        match dialect {
            Dialect::HtCondor => Said {
                out: format!(
                    "Submitting job(s).\n1 job(s) submitted to cluster {cluster}.\n{}\n{RULE}",
                    table(&self.names)
                ),
                err: format!("To monitor your job(s), run: condor_watch_q -clusters {cluster}\n"),
            },
            Dialect::Updraft | Dialect::Pbs => {
                let nodes = self.nodes.map(|nodes| format!(", {nodes} nodes")).unwrap_or_default();
                Said::out(format!(
                    "Submitted the DAG {} as job {cluster}.0{nodes}.\nSee how far it is:  updraft dag status {cluster}\nWhat happens is told in {}.\n",
                    self.names.primary(),
                    self.dagman_out
                ))
            }
        }
    }
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
