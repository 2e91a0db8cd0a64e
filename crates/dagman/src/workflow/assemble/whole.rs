//! What is said of the whole DAG. In a splice most of it means nothing: its DAG is not one of its
//! own.

use super::{Assembler, At, Scope, join};
use crate::language::{Command, Word};
use crate::workflow::{Dot, NodeStatusFile, variables};
use classad::Expr;
use model::diagnostic::About;

/// NODE_STATUS_FILE without a time.
const DEFAULT_STATUS_SECONDS: u32 = 60;

impl Assembler<'_> {
    pub(super) fn whole(&mut self, scope: &Scope, at: At<'_>, command: Command<'_>) {
        match command {
            Command::Reject => {
                let error = at.diagnose(
                    crate::language::Severity::Error,
                    0,
                    "DAG marked with REJECT command",
                );
                let error = error.about(About::Line);
                self.say(error.hint(
                    "the file was written by a DAGMan that could not read it: it is not to be run",
                ));
            }
            Command::Config { file } => self.config(scope, at, &file),
            _ if scope.is_splice => {
                self.warn(at, 0, "it means nothing in a splice: say it in the DAG file around it");
            }
            Command::EnvGet(names) => {
                let names = names.split([',', ' ', '\t', ';']).filter(|name| !name.is_empty());
                self.builder.settings().environment.get.extend(names.map(str::to_owned));
            }
            Command::EnvSet(values) => self.env_set(at, values.into_owned()),
            Command::SetJobAttr(line) => match attribute(&line) {
                Ok(attribute) => self.builder.settings().job_attributes.push(attribute),
                Err(odd) => self.error(at, 0, odd),
            },
            Command::Dot { file, update, overwrite, include } => {
                let file = join(scope.dir.as_deref(), &file.text);
                if let Some(before) = &self.builder.so_far().settings().dot {
                    let message = format!(
                        "DOT {} was asked for before; only this one is written",
                        before.file
                    );
                    self.warn(at, 0, message);
                }
                self.builder.settings().dot = Some(Dot {
                    file,
                    update: update.unwrap_or(false),
                    overwrite: overwrite.unwrap_or(false),
                    include: include.map(|file| join(scope.dir.as_deref(), &file.text)),
                });
            }
            Command::NodeStatusFile { file, seconds, always_update } => {
                let seconds = seconds.map(|seconds| u32::try_from(seconds).unwrap_or(0));
                let file = NodeStatusFile {
                    file: join(scope.dir.as_deref(), &file.text),
                    min_seconds: seconds.unwrap_or(DEFAULT_STATUS_SECONDS),
                    always_update,
                };
                if let Some(before) = &self.builder.so_far().settings().node_status_file {
                    let message =
                        format!("it does not override the NODE_STATUS_FILE {}", before.file);
                    self.warn(at, 0, message);
                } else {
                    self.builder.settings().node_status_file = Some(file);
                }
            }
            Command::JobstateLog { file } => {
                if let Some(before) = &self.builder.so_far().settings().jobstate_log {
                    let message = format!("it does not override the JOBSTATE_LOG {before}");
                    self.warn(at, 0, message);
                } else {
                    self.builder.settings().jobstate_log =
                        Some(join(scope.dir.as_deref(), &file.text));
                }
            }
            // the others are about nodes
            _ => {}
        }
    }

    fn env_set(&mut self, at: At<'_>, values: String) {
        match variables(&values) {
            Ok(_) => self.builder.settings().environment.set.push(values),
            Err(odd) => {
                let message = format!("{odd} is no NAME=VALUE");
                self.error(at, 0, message);
            }
        }
    }

    fn config(&mut self, scope: &Scope, at: At<'_>, file: &Word<'_>) {
        if scope.is_splice {
            self.warn(at, 0, "it means nothing in a splice: say it in the DAG file around it");
            return;
        }
        let path = join(scope.dir.as_deref(), &file.text);
        if !self.files.exists(&path) {
            self.error(at, file.at, format!("Configuration file {path} does not exist"));
            return;
        }
        match &self.builder.so_far().settings().config {
            Some(before) if *before != path => {
                let message = format!("DAG configuration file is already defined: {before}");
                self.error(at, file.at, message);
            }
            _ => self.builder.settings().config = Some(path),
        }
    }
}

/// The name and the expression of an attribute. What is no expression, only the schedd would say,
/// of a line in a description that nobody has written.
fn attribute(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once('=').ok_or("there is no = in it")?;
    let (name, value) = (name.trim(), value.trim());
    let name = name.strip_prefix('+').unwrap_or(name);
    let name = match name.get(..3) {
        Some(prefix) if prefix.eq_ignore_ascii_case("my.") => &name[3..],
        _ => name,
    };
    if name.is_empty() {
        return Err("there is no name in front of =".to_owned());
    }
    let is_word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_word || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("{name} is no name of an attribute"));
    }
    // A macro becomes what it is when the job is submitted.
    if !value.is_empty() && !value.contains('$') {
        Expr::parse(value).map_err(|error| format!("{value} is no expression: {error}"))?;
    }
    Ok((name.to_owned(), value.to_owned()))
}
