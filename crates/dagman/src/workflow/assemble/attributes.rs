//! What is said of nodes: scripts, macros, retries, priorities, categories, and when the DAG ends
//! early.

use super::{Assembler, At, Scope, Target};
use crate::language::{Command, Pair, ScriptCommand, Word};
use crate::workflow::build::SharedVar;
use crate::workflow::{
    NodeIndex, NodeKind, Script, ScriptDebug, SkipUnchanged, Var, VarPlace, save_file,
};

impl Assembler<'_> {
    /// Second time through: a command about nodes, edges or the DAG.
    pub(super) fn apply(&mut self, scope: &mut Scope, at: At<'_>, command: Command<'_>) {
        match command {
            Command::Parent { weak, parents, children } => {
                self.parent(scope, at, weak, (&parents, &children));
            }
            Command::Vars { node, place, pairs } => self.vars(scope, at, &node, (place, &pairs)),
            Command::Script(script) => self.script(scope, at, &script),
            Command::Retry { node, retry } => self.each(scope, at, &node, |this, index| {
                this.only_plain(at, &node, index, "can not have a retry specification") && {
                    this.builder.set_retry(index, retry);
                    true
                }
            }),
            Command::Priority { node, priority } => self.each(scope, at, &node, |this, index| {
                this.only_plain(at, &node, index, "can not have a priority") && {
                    this.builder.set_priority(index, priority);
                    true
                }
            }),
            Command::Category { node, category } => self.category(scope, at, &node, &category),
            Command::MaxJobs { category, limit } => {
                self.builder.set_max_jobs(&scope.category_name(&category.text), limit);
            }
            Command::PreSkip { node, exit } => self.pre_skip(scope, at, &node, exit),
            Command::Abort { node, abort } => self.each(scope, at, &node, |this, index| {
                if this.builder.so_far().node(index).kind() == NodeKind::Final {
                    let message = format!(
                        "FINAL node {} cannot have an ABORT-DAG-ON specification",
                        node.text
                    );
                    this.error(at, node.at, message);
                    return false;
                }
                this.builder.set_abort(index, abort);
                true
            }),
            Command::Tolerance { node, tolerance } => self.each(scope, at, &node, |this, index| {
                this.builder.set_tolerance(index, tolerance);
                true
            }),
            Command::SkipUnchanged { node, needs, makes } => {
                self.skip_unchanged(scope, at, &node, (&needs, &makes));
            }
            Command::Done { node } => {
                let Some(index) = self.one(scope, at, &node) else { return };
                if self.only_plain(at, &node, index, "can not be referenced by the DONE command") {
                    self.builder.set_done(index, true);
                }
            }
            Command::SavePoint { node, file } => self.save_point(scope, at, &node, file.as_ref()),
            Command::Pin { side, node, number } => self.pin(scope, at, side, (&node, number)),
            Command::Connect { parent, child } => self.connect(scope, at, &parent, &child),
            Command::Config { .. }
            | Command::EnvGet(_)
            | Command::EnvSet(_)
            | Command::SetJobAttr(_)
            | Command::Dot { .. }
            | Command::NodeStatusFile { .. }
            | Command::JobstateLog { .. }
            | Command::Reject => self.whole(scope, at, command),
            // declared the first time through
            Command::Node(_)
            | Command::SubmitDescription { .. }
            | Command::Splice { .. }
            | Command::Include { .. } => {}
        }
    }

    /// Does something to each node of a target, until one refuses.
    fn each(
        &mut self,
        scope: &Scope,
        at: At<'_>,
        node: &Word<'_>,
        mut set: impl FnMut(&mut Self, NodeIndex) -> bool,
    ) {
        let Some(target) = self.target(scope, at, node) else { return };
        match target {
            Target::One(index) => {
                set(self, index);
            }
            Target::All => {
                let nodes = self.nodes_of(scope, target);
                if nodes.is_empty() {
                    self.warn(at, node.at, "there is no node in this file that it could mean");
                }
                for index in nodes {
                    if !set(self, index) {
                        break;
                    }
                }
            }
        }
    }

    /// Refuses what FINAL, SERVICE and PROVISIONER nodes cannot have.
    fn only_plain(&mut self, at: At<'_>, word: &Word<'_>, index: NodeIndex, what: &str) -> bool {
        let kind = match self.builder.so_far().node(index).kind() {
            NodeKind::Job | NodeKind::Subdag | NodeKind::Join => return true,
            NodeKind::Final => "FINAL",
            NodeKind::Service => "SERVICE",
            NodeKind::Provisioner => "PROVISIONER",
        };
        self.error(at, word.at, format!("{kind} node {} {what}", word.text));
        false
    }

    fn vars(
        &mut self,
        scope: &Scope,
        at: At<'_>,
        node: &Word<'_>,
        (place, pairs): (VarPlace, &[Pair<'_>]),
    ) {
        let all = node.text.eq_ignore_ascii_case("ALL_NODES");
        let share = |Pair { name, value }: &Pair<'_>| {
            self.builder.share_var(Var { name: &name.text, value, place })
        };
        // once, however many nodes have them
        let shared: Vec<SharedVar> = pairs.iter().map(share).collect();
        self.each(scope, at, node, |this, index| {
            for (Pair { name, .. }, var) in pairs.iter().zip(&shared) {
                // a value for all and another for one is no mistake
                if this.builder.set_shared_var(index, *var) && !all {
                    let message = format!(
                        "macro {} of node {} is set again; this value holds",
                        name.text, node.text
                    );
                    this.warn(at, name.at, message);
                }
            }
            true
        });
    }

    fn script(&mut self, scope: &Scope, at: At<'_>, command: &ScriptCommand<'_>) {
        let script = Script {
            command_line: &command.command_line,
            defer: command.defer,
            debug: command
                .debug
                .as_ref()
                .map(|(file, stream)| ScriptDebug { file: &file.text, stream: *stream }),
        };
        let all = command.node.text.eq_ignore_ascii_case("ALL_NODES");
        let script = self.builder.share_script(script);
        self.each(scope, at, &command.node, |this, index| {
            if this.builder.set_shared_script(index, command.kind, script) && !all {
                let message =
                    format!("node {} has such a script already; this one runs", command.node.text);
                this.warn(at, command.node.at, message);
            }
            true
        });
    }

    fn category(&mut self, scope: &Scope, at: At<'_>, node: &Word<'_>, category: &Word<'_>) {
        let name = scope.category_name(&category.text);
        self.each(scope, at, node, |this, index| {
            if !this.only_plain(at, node, index, "can not be added to a category") {
                return false;
            }
            let so_far = this.builder.so_far();
            let before = so_far.node(index).category();
            let before = before.map(|at| so_far.categories()[at.0 as usize].name.clone());
            if let Some(before) = before.filter(|before| *before != name)
                && !node.text.eq_ignore_ascii_case("ALL_NODES")
            {
                let message = format!(
                    "new category {name} for node {} overrides old value {before}",
                    node.text
                );
                this.warn(at, category.at, message);
            }
            this.builder.set_category(index, &name);
            true
        });
    }

    fn pre_skip(&mut self, scope: &Scope, at: At<'_>, node: &Word<'_>, exit: i32) {
        if !(0..=255).contains(&exit) {
            self.error(
                at,
                node.at,
                format!("Invalid exit code '{exit}' (Must be between 0 and 255)"),
            );
            return;
        }
        if exit == 0 {
            self.warn(at, node.at, "exit code 0 skips nothing: a good PRE script is no reason to");
        }
        self.each(scope, at, node, |this, index| {
            this.builder.set_pre_skip(index, exit);
            true
        });
    }

    fn skip_unchanged(
        &mut self,
        scope: &Scope,
        at: At<'_>,
        node: &Word<'_>,
        (needs, makes): (&[Word<'_>], &[Word<'_>]),
    ) {
        let said = SkipUnchanged {
            needs: needs.iter().map(|word| &*word.text).collect(),
            makes: makes.iter().map(|word| &*word.text).collect(),
        };
        let said = self.builder.share_unchanged(&said);
        let all = node.text.eq_ignore_ascii_case("ALL_NODES");
        self.each(scope, at, node, |this, index| {
            match this.builder.so_far().node(index).kind() {
                NodeKind::Job => this.builder.set_unchanged(index, said),
                // what a sub-DAG reads nobody knows: ALL_NODES does not mean it here
                NodeKind::Subdag if all => {}
                NodeKind::Subdag
                | NodeKind::Final
                | NodeKind::Service
                | NodeKind::Provisioner
                | NodeKind::Join => {
                    let message = format!("node {} is no JOB, and always runs", node.text);
                    this.error(at, node.at, message);
                    return false;
                }
            }
            true
        });
    }

    fn save_point(&mut self, scope: &Scope, at: At<'_>, node: &Word<'_>, file: Option<&Word<'_>>) {
        if node.text.eq_ignore_ascii_case("ALL_NODES") {
            self.error(at, node.at, "ALL_NODES cannot be used for save point file command");
            return;
        }
        let Some(index) = self.one(scope, at, node) else { return };
        if !self.only_plain(at, node, index, "can not have a save point") {
            return;
        }
        let base = scope.file.rsplit('/').next().unwrap_or_default();
        let file = match file {
            Some(file) => file.text.to_string(),
            None => format!("{}-{base}.save", node.text),
        };
        self.builder.set_save_point(index, &save_file(&file));
    }
}

impl Scope {
    /// A category of a splice is its own, unless its name says that it is everybody's.
    fn category_name(&self, name: &str) -> String {
        if name.starts_with('+') { name.to_owned() } else { format!("{}{name}", self.path) }
    }
}
