//! What a DAG file means: nodes by dense index, the edges between them, and what holds for the
//! whole DAG.
//!
//! A [`Workflow`] does not change once it is made: what became of a node is the engine's business.
//! It is stored for a million nodes (texts in one buffer, edges in two flat lists), and looked at
//! through [`Node`], a view that costs nothing. Paths are as the files wrote them; they mean the
//! folder that dagman runs in, or the node's [`Node::dir`] where it has one.
//!
//! Knows nothing of the text that it was read from, but for the [`Origin`] that messages name, and
//! does no IO.

mod assemble;
mod build;
mod check;
mod cycle;
mod dot;
mod graph;
mod node;
mod settings;
mod text;
mod write;

pub use assemble::{Assembled, FileError, Files, Looked, Options, assemble, job_settings, look};
pub use build::{Builder, NewNode};
pub use check::check;
pub use cycle::find as find_cycle;
pub use dot::{DotState, dot};
pub use graph::Edge;
pub use node::{
    Abort, Causes, Defer, Description, Items, Map, Node, NodeIndex, NodeKind, Pause, Retry, Script,
    ScriptDebug, ScriptKind, ScriptStream, SkipUnchanged, Tolerance, ToleranceLimit, Var, VarPlace,
    WhenExceeded,
};
pub use settings::{
    Category, CategoryIndex, DagSettings, Dot, Environment, NodeStatusFile, save_file, variables,
};

pub(crate) use write::retry_options;
pub use write::write;

use graph::Graph;
use node::{Rare, Stored, StoredMap, StoredUnchanged, StoredVar};
use text::{Names, Texts};

/// Where something was written: for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'w> {
    /// The DAG file, as it was named.
    pub file: &'w str,
    /// Its line, from 1.
    pub line: u32,
}

/// A DAG, assembled: every splice unfolded, every name found.
#[derive(Clone, Debug)]
pub struct Workflow {
    texts: Texts,
    names: Names,
    nodes: Vec<Stored>,
    vars: Vec<StoredVar>,
    rare: Vec<Rare>,
    /// The texts of the SUBMIT-DESCRIPTIONs, by name.
    descriptions: Vec<(text::Text, text::Text)>,
    /// What SKIP_UNCHANGED lines say.
    unchanged: Vec<StoredUnchanged>,
    /// What MAP lines say of their items.
    maps: Vec<StoredMap>,
    categories: Vec<Category>,
    files: Vec<String>,
    graph: Graph,
    settings: DagSettings,
}

impl Workflow {
    /// How many nodes there are, of every kind.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none: such a DAG ends at once, and well.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether any node may be skipped because nothing changed.
    pub fn may_skip_unchanged(&self) -> bool {
        !self.unchanged.is_empty()
    }

    /// How many edges there are.
    pub fn edge_count(&self) -> usize {
        self.graph.edge_count()
    }

    /// A node.
    ///
    /// # Panics
    /// If the index is another workflow's.
    pub fn node(&self, index: NodeIndex) -> Node<'_> {
        Node::new(self, index)
    }

    /// All nodes, in the order of the files.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = Node<'_>> {
        (0..self.nodes.len()).map(|at| self.node(NodeIndex::new(at)))
    }

    /// The node of a name; names are case-sensitive, and those of splices' nodes are `SPLICE+NODE`.
    pub fn find(&self, name: &str) -> Option<NodeIndex> {
        self.names.find(name, |index| self.node(index).name())
    }

    /// Who waits for a node, in the order in which the edges were written.
    pub fn children(&self, of: NodeIndex) -> impl ExactSizeIterator<Item = Edge> {
        self.graph.children(of)
    }

    /// For whom a node waits, in the order in which the edges were written.
    pub fn parents(&self, of: NodeIndex) -> impl ExactSizeIterator<Item = Edge> {
        self.graph.parents(of)
    }

    /// The FINAL node.
    pub fn final_node(&self) -> Option<NodeIndex> {
        self.only(NodeKind::Final)
    }

    /// The PROVISIONER node.
    pub fn provisioner(&self) -> Option<NodeIndex> {
        self.only(NodeKind::Provisioner)
    }

    /// The SERVICE nodes.
    pub fn services(&self) -> impl Iterator<Item = NodeIndex> {
        self.nodes().filter(|node| node.kind() == NodeKind::Service).map(|node| node.index())
    }

    /// The categories that throttle nodes.
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// What holds for the whole DAG.
    pub fn settings(&self) -> &DagSettings {
        &self.settings
    }

    /// The DAG files that the workflow was read from: those that were asked for, then what they
    /// include and splice.
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// The SUBMIT-DESCRIPTIONs, by name, in the order of the files.
    pub fn descriptions(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.descriptions.iter().map(|(name, text)| (self.texts.get(*name), self.texts.get(*text)))
    }

    fn only(&self, kind: NodeKind) -> Option<NodeIndex> {
        self.nodes().find(|node| node.kind() == kind).map(|node| node.index())
    }
}
