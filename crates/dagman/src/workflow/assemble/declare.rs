//! What a DAG file declares: nodes, shared descriptions, splices, and the files that it includes.

use std::collections::BTreeSet;

use super::{Assembler, At, MAX_DEPTH, Scope, join};
use crate::language::{
    Command, Diagnostic, ItemsCommand, MapCommand, NodeCommand, Severity, Word, Work,
};
use crate::workflow::build::NewNode;
use crate::workflow::{
    Description, Items, Map, NodeIndex, NodeKind, Tolerance, ToleranceLimit, WhenExceeded,
};

/// The splices of a scope, in the order of its files.
#[derive(Default)]
pub(super) struct Splices {
    names: BTreeSet<String>,
    pub(super) pending: Vec<Pending>,
}

/// A splice that is read once all nodes of the scope around it are known.
pub(super) struct Pending {
    name: String,
    file: String,
    dir: Option<String>,
    /// An error at its line, for what may be wrong with it.
    error: Diagnostic,
}

impl Pending {
    fn error(&self, message: String) -> Diagnostic {
        Diagnostic { message, ..self.error.clone() }
    }
}

impl Assembler<'_> {
    pub(super) fn declare(
        &mut self,
        scope: &mut Scope,
        at: At<'_>,
        command: Command<'_>,
        splices: &mut Splices,
    ) {
        match command {
            Command::Node(node) => self.node(scope, at, &node, splices),
            Command::SubmitDescription { name, text }
                if self.builder.describe(&name.text, &text) =>
            {
                let message =
                    format!("the description '{}' was given before; this one holds", name.text);
                self.warn(at, name.at, message);
            }
            Command::Splice { name, file, dir } => {
                let taken =
                    splices.names.contains(&*name.text) || self.find(scope, &name.text).is_some();
                if taken {
                    let message =
                        format!("Splice name {} is already defined in the DAG", name.text);
                    self.error(at, name.at, message);
                    return;
                }
                let error = at.diagnose(Severity::Error, name.at, "");
                let dir = dir.map(|dir| dir.text.into_owned());
                let (name, file) = (name.text.into_owned(), file.text.into_owned());
                splices.names.insert(name.clone());
                splices.pending.push(Pending { name, file, dir, error });
            }
            Command::Include { file } => self.include(scope, at, &file, splices),
            // the other commands declare nothing, and are not asked for here
            _ => {}
        }
    }

    fn node(&mut self, scope: &mut Scope, at: At<'_>, node: &NodeCommand<'_>, splices: &Splices) {
        if !self.may_be_called(at, &node.name) || !self.may_be(scope, at, node) {
            return;
        }
        if splices.names.contains(&*node.name.text) {
            let message = format!("Node {} is already defined in the DAG", node.name.text);
            let error = at.diagnose(Severity::Error, node.name.at, message);
            self.say(error.hint("a splice is called so"));
            return;
        }
        let name = match scope.path.is_empty() && scope.munge.is_empty() {
            true => std::borrow::Cow::Borrowed(&*node.name.text),
            false => scope.full_name(&node.name.text).into(),
        };
        let dir = self.node_dir(scope, at, node.dir.as_ref());
        let new = NewNode {
            name: &name,
            kind: node.kind,
            description: match &node.work {
                Work::File(file) => Description::File(&file.text),
                Work::Inline(text) => Description::Inline(text),
            },
            dir: dir.as_deref(),
            noop: node.noop,
            done: node.done && matches!(node.kind, NodeKind::Job | NodeKind::Subdag),
            file: at.number,
            line: at.line.number,
        };
        match self.builder.add_node(&new) {
            Ok(index) => match node.kind {
                NodeKind::Final => self.final_node = Some(index),
                NodeKind::Provisioner => self.provisioner = Some(index),
                NodeKind::Job => self.map(index, node.map.as_ref()),
                NodeKind::Subdag | NodeKind::Service | NodeKind::Join => {}
            },
            Err(first) => {
                let origin = self.builder.so_far().node(first).origin();
                let hint = format!("the first is in line {} of {}", origin.line, origin.file);
                let message = format!("Node {} is already defined in the DAG", node.name.text);
                let error = at.diagnose(Severity::Error, node.name.at, message);
                self.say(error.hint(hint));
            }
        }
    }

    fn map(&mut self, index: NodeIndex, map: Option<&MapCommand<'_>>) {
        let Some(MapCommand { over, names, least, at_once }) = map else { return };
        let over = match over {
            ItemsCommand::File(file) => Items::File(&file.text),
            ItemsCommand::List(list) => Items::List(list),
        };
        let names = names.iter().map(|name| &*name.text).collect();
        self.builder.set_map(index, &Map { over, names, at_once: *at_once });
        // so many must go well: no more than the others may fail
        if let Some(least) = least {
            let limit = ToleranceLimit::Percent(100_u32.saturating_sub(*least));
            let when_exceeded = WhenExceeded::Default;
            self.builder.set_tolerance(index, Tolerance { limit, when_exceeded });
        }
    }

    fn may_be_called(&mut self, at: At<'_>, name: &Word<'_>) -> bool {
        const RESERVED: [&str; 3] = ["PARENT", "CHILD", "ALL_NODES"];
        if RESERVED.iter().any(|reserved| name.text.eq_ignore_ascii_case(reserved)) {
            let error = at.diagnose(Severity::Error, name.at, "Node name is a reserved word");
            self.say(error.hint("PARENT, CHILD and ALL_NODES, in any case, name no node"));
            return false;
        }
        if name.text.contains('+') && !self.options.any_name_characters {
            let column = name.at + name.text.find('+').unwrap_or(0);
            let error = at.diagnose(Severity::Error, column, "Node name contains illegal charater");
            self.say(error.hint("+ stands between a splice and its node"));
            return false;
        }
        true
    }

    /// Whether a node of the kind may be there, and be said to be done.
    fn may_be(&mut self, scope: &Scope, at: At<'_>, node: &NodeCommand<'_>) -> bool {
        let twice = match node.kind {
            NodeKind::Final if scope.is_splice => {
                let message = "Spliced DAGs can not contain a final node";
                self.error(at, node.name.at, message);
                return false;
            }
            NodeKind::Final => self.final_node.is_some().then_some("Final"),
            NodeKind::Provisioner => self.provisioner.is_some().then_some("Provisioner"),
            NodeKind::Job | NodeKind::Subdag | NodeKind::Service | NodeKind::Join => None,
        };
        if let Some(kind) = twice {
            let message = format!("{kind} node is already defined in the DAG");
            self.error(at, node.name.at, message);
            return false;
        }
        if node.done && !matches!(node.kind, NodeKind::Job | NodeKind::Subdag) {
            let name = &node.name.text;
            self.warn(at, node.name.at, format!("node {name} can not be marked as DONE: it runs"));
        }
        true
    }

    fn node_dir(&mut self, scope: &Scope, at: At<'_>, dir: Option<&Word<'_>>) -> Option<String> {
        match dir {
            Some(dir) if self.options.use_dag_dir => {
                let message = "Node DIR <directory> sub-command can not be used with -UseDagDir";
                self.error(at, dir.at, message);
                None
            }
            Some(dir) => Some(join(scope.dir.as_deref(), &dir.text)),
            None => scope.dir.clone(),
        }
    }

    fn include(&mut self, scope: &mut Scope, at: At<'_>, file: &Word<'_>, splices: &mut Splices) {
        let path = join(scope.dir.as_deref(), &file.text);
        if self.open.contains(&path) || self.open.len() >= MAX_DEPTH {
            self.error(at, file.at, "Recursive file inclusion detected");
            return;
        }
        match self.load(&path, &file.text) {
            Ok(loaded) => {
                scope.loaded.push(loaded);
                self.open.push(path);
                self.declare_all(scope, scope.loaded.len() - 1, splices);
                self.open.pop();
            }
            Err(reason) => {
                let message = format!("Failed to read include file: {reason}");
                self.error(at, file.at, message);
            }
        }
    }

    /// Whether the second time through comes to the file as the first did.
    pub(super) fn includes(
        &self,
        at: At<'_>,
        scope: &Scope,
        loaded: &[super::Loaded],
        next: usize,
    ) -> bool {
        let Ok(Command::Include { file }) = crate::language::parse(at.line) else { return false };
        let path = join(scope.dir.as_deref(), &file.text);
        !self.open.contains(&path)
            && loaded.get(next).is_some_and(|loaded| loaded.name == file.text)
    }

    pub(super) fn splice(&mut self, scope: &mut Scope, pending: Pending) {
        let dir = match &pending.dir {
            Some(dir) => Some(join(scope.dir.as_deref(), dir)),
            None => scope.dir.clone(),
        };
        let path = join(dir.as_deref(), &pending.file);
        if self.open.contains(&path) || self.open.len() >= MAX_DEPTH {
            self.say(pending.error("Recursive splicing detected".to_owned()));
            self.broken.insert(scope.full_name(&pending.name));
            return;
        }
        let inner = [scope.full_name(&pending.name).as_str(), "+"].concat();
        let mut spliced = self.scope(inner, scope.munge.clone(), dir, pending.file.clone(), true);
        let errors = self.errors;
        match self.load(&path, &pending.file) {
            Ok(loaded) => self.read(&mut spliced, loaded),
            Err(reason) => {
                let message = format!("Failed to read splice {}: {reason}", pending.name);
                self.say(pending.error(message));
            }
        }
        if self.errors > errors {
            self.broken.insert(scope.full_name(&pending.name));
        }
        let closed = self.close(spliced);
        scope.splices.insert(pending.name.clone(), closed);
        scope.splice_order.push(pending.name);
    }
}
