//! Edges: PARENT and CHILD, the joins between many parents and many children, and the pins of
//! splices.

use super::{Assembler, At, MAX_EDGES, Marks, Scope, Splice};
use crate::language::{Diagnostic, PinSide, Severity, Word};
use crate::workflow::build::NewNode;
use crate::workflow::{Description, NodeIndex, NodeKind};

/// Which end of a splice an edge is tied to.
#[derive(Clone, Copy)]
enum End {
    /// As a parent: its last nodes.
    Terminal,
    /// As a child: its first.
    Initial,
}

impl Assembler<'_> {
    pub(super) fn parent(
        &mut self,
        scope: &mut Scope,
        at: At<'_>,
        weak: bool,
        (parents, children): (&[Word<'_>], &[Word<'_>]),
    ) {
        let errors = self.errors;
        let parents = self.ends(scope, at, parents, End::Terminal);
        let children = self.ends(scope, at, children, End::Initial);
        if self.errors > errors || parents.is_empty() || children.is_empty() {
            return;
        }
        if self.options.join_nodes && parents.len() > 1 && children.len() > 1 {
            let join = self.join(scope, at);
            self.tie(&parents, &[join], weak);
            self.tie(&[join], &children, weak);
        } else if self.edges.saturating_add(parents.len().saturating_mul(children.len()))
            > MAX_EDGES
        {
            self.error(at, 0, format!("there are more than {MAX_EDGES} edges"));
        } else {
            self.tie(&parents, &children, weak);
        }
    }

    /// The nodes that the words mean, each once.
    fn ends(&mut self, scope: &Scope, at: At<'_>, words: &[Word<'_>], end: End) -> Vec<NodeIndex> {
        let mut nodes = Vec::with_capacity(words.len());
        for word in words {
            match (self.find(scope, &word.text), scope.splices.get(&*word.text)) {
                (Some(node), _) => nodes.extend(self.may_depend(at, word, node).then_some(node)),
                (None, Some(splice)) => {
                    let of_splice = match end {
                        End::Terminal => &splice.terminal,
                        End::Initial => &splice.initial,
                    };
                    if of_splice.is_empty() && !self.is_broken(scope, &word.text) {
                        let message = format!("splice {} has no nodes to depend on", word.text);
                        self.error(at, word.at, message);
                    }
                    nodes.extend(of_splice);
                }
                (None, None) if self.is_broken(scope, &word.text) => {}
                (None, None) => {
                    let side = match end {
                        End::Terminal => "Parents",
                        End::Initial => "Children",
                    };
                    let message = format!("References to undefined nodes: {side} [{}]", word.text);
                    let diagnostic = at.diagnose(Severity::Error, word.at, message);
                    self.say_with_nearest(scope, diagnostic, &word.text);
                }
            }
        }
        if nodes.len() > 1 {
            let mut seen = std::collections::BTreeSet::new();
            nodes.retain(|node| seen.insert(*node));
        }
        nodes
    }

    fn may_depend(&mut self, at: At<'_>, word: &Word<'_>, node: NodeIndex) -> bool {
        let kind = match self.builder.so_far().node(node).kind() {
            NodeKind::Job | NodeKind::Subdag | NodeKind::Join => return true,
            NodeKind::Final => "FINAL",
            NodeKind::Service => "SERVICE",
            NodeKind::Provisioner => "PROVISIONER",
        };
        let message = format!("{kind} node {} can not have dependencies", word.text);
        self.error(at, word.at, message);
        false
    }

    fn join(&mut self, scope: &mut Scope, at: At<'_>) -> NodeIndex {
        loop {
            let name = format!("{}_condor_join_node{}", scope.path, self.joins);
            self.joins += 1;
            let node = NewNode {
                name: &name,
                kind: NodeKind::Join,
                description: Description::Nothing,
                dir: None,
                noop: true,
                done: false,
                file: at.number,
                line: at.line.number,
            };
            // a node of the user's may have the name: the next number, then
            if let Ok(join) = self.builder.add_node(&node) {
                self.marks.push(Marks::default());
                scope.joins.push(join);
                return join;
            }
        }
    }

    fn tie(&mut self, parents: &[NodeIndex], children: &[NodeIndex], weak: bool) {
        for parent in parents {
            self.marks[parent.position()].has_child = true;
            for child in children {
                self.builder.add_edge(*parent, *child, weak);
            }
        }
        for child in children {
            self.marks[child.position()].has_parent = true;
        }
        self.edges += parents.len() * children.len();
    }

    pub(super) fn pin(
        &mut self,
        scope: &mut Scope,
        at: At<'_>,
        side: PinSide,
        (word, number): (&Word<'_>, u32),
    ) {
        let Some(node) = self.one(scope, at, word) else { return };
        if self.may_depend(at, word, node) {
            let pins = match side {
                PinSide::In => &mut scope.pins.inward,
                PinSide::Out => &mut scope.pins.outward,
            };
            pins.entry(number).or_default().push(node);
        }
    }

    pub(super) fn connect(
        &mut self,
        scope: &mut Scope,
        at: At<'_>,
        parent: &Word<'_>,
        child: &Word<'_>,
    ) {
        for word in [parent, child] {
            if !scope.splices.contains_key(&*word.text) {
                if !self.is_broken(scope, &word.text) {
                    let message = format!("splice {} does not exist", word.text);
                    self.error(at, word.at, message);
                }
                return;
            }
        }
        let out = &scope.splices[&*parent.text].pins.outward;
        let inward = &scope.splices[&*child.text].pins.inward;
        if let Some(message) = mismatch((&parent.text, out), (&child.text, inward)) {
            if !self.is_broken(scope, &parent.text) && !self.is_broken(scope, &child.text) {
                self.error(at, parent.at, message);
            }
            return;
        }
        let pairs: Vec<_> = out.values().cloned().zip(inward.values().cloned()).collect();
        for (parents, children) in &pairs {
            self.tie(parents, children, false);
        }
        let error = at.diagnose(Severity::Error, child.at, "");
        scope.connected.push((child.text.to_string(), error));
    }

    /// A connected splice's first nodes must wait for somebody: else they would not run behind the
    /// other splice.
    pub(super) fn check_connected(&mut self, scope: &mut Scope) {
        for (name, error) in std::mem::take(&mut scope.connected) {
            let Some(Splice { initial, .. }) = scope.splices.get(&name) else { continue };
            for node in initial.iter().filter(|node| !self.marks[node.position()].has_parent) {
                let full = self.builder.so_far().node(*node).name();
                let message = format!(
                    "child splice node {full} has no parents after making pin connections; add pin_in or parent"
                );
                let diagnostic = Diagnostic { message, ..error.clone() };
                self.errors += 1;
                self.diagnostics.push(diagnostic);
            }
        }
    }
}

type PinMap = std::collections::BTreeMap<u32, Vec<NodeIndex>>;

/// Why the pins of two splices do not fit each other.
fn mismatch((parent, out): (&str, &PinMap), (child, inward): (&str, &PinMap)) -> Option<String> {
    let count = |pins: &PinMap| pins.keys().next_back().copied().unwrap_or(0);
    let gap = |pins: &PinMap| (1..).zip(pins.keys()).find(|(at, key)| at != *key).map(|(at, _)| at);
    if out.is_empty() {
        return Some(format!("parent splice {parent} has 0 pin_outs"));
    }
    if inward.is_empty() {
        return Some(format!("child splice {child} has 0 pin_ins"));
    }
    if let Some(pin) = gap(out) {
        return Some(format!("parent splice {parent} has no node for pin_out {pin}"));
    }
    if let Some(pin) = gap(inward) {
        return Some(format!("child splice {child} has no node for pin_in {pin}"));
    }
    (count(out) != count(inward)).then(|| {
        format!(
            "pin_in/out mismatch: parent splice {parent} has {} pin_outs; child splice {child} has {} pin_ins",
            count(out),
            count(inward)
        )
    })
}
