//! Puts a workflow together, piece by piece. The language's assembly does it from DAG files; a test
//! may by hand.
//!
//! Refuses nothing but a name that is taken: what may be said of which node is the assembly's
//! business.

use super::graph::{Graph, Pair};
use super::node::{
    Rare, RareIndex, Stored, StoredDescription, StoredItems, StoredMap, StoredScript,
    StoredUnchanged, StoredVar, VarIndex,
};
use super::settings::{Category, CategoryIndex, DagSettings};
use super::text::{Names, Text, Texts};
use super::{
    Abort, Description, Items, Map, NodeIndex, NodeKind, Retry, Script, ScriptKind, SkipUnchanged,
    Tolerance, Var, VarPlace, Workflow,
};

/// A node to add.
#[derive(Clone, Copy, Debug)]
pub struct NewNode<'a> {
    /// Its full name.
    pub name: &'a str,
    /// What it is.
    pub kind: NodeKind,
    /// Where its jobs are described. For [`Description::Named`] the text is not looked at:
    /// [`Builder::describe`] gives it.
    pub description: Description<'a>,
    /// DIR.
    pub dir: Option<&'a str>,
    /// NOOP.
    pub noop: bool,
    /// DONE.
    pub done: bool,
    /// The file it is written in, by its place in [`Workflow::files`].
    pub file: u32,
    /// The line, from 1.
    pub line: u32,
}

impl<'a> NewNode<'a> {
    /// A JOB that is described in a file.
    pub fn job(name: &'a str, submit_file: &'a str) -> Self {
        Self {
            name,
            kind: NodeKind::Job,
            description: Description::File(submit_file),
            dir: None,
            noop: false,
            done: false,
            file: 0,
            line: 1,
        }
    }
}

/// A workflow in the making.
#[derive(Clone, Debug)]
pub struct Builder {
    workflow: Workflow,
    edges: Vec<Pair>,
    /// Where the descriptions and the categories of a name are.
    described: Names<u32>,
    categories: Names<CategoryIndex>,
}

/// A macro's name and value, stored: for all nodes that have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SharedVar {
    name: Text,
    value: Text,
    place: VarPlace,
}

impl Builder {
    /// An empty workflow, read from the files.
    pub fn new(files: Vec<String>) -> Self {
        let workflow = Workflow {
            texts: Texts::default(),
            names: Names::default(),
            nodes: Vec::new(),
            vars: Vec::new(),
            rare: Vec::new(),
            descriptions: Vec::new(),
            unchanged: Vec::new(),
            maps: Vec::new(),
            categories: Vec::new(),
            files,
            graph: Graph::default(),
            settings: DagSettings::default(),
        };
        let (described, categories) = (Names::default(), Names::default());
        Self { workflow, edges: Vec::new(), described, categories }
    }

    /// Whether a text found no room: what was made is not what was written.
    pub(super) fn is_full(&self) -> bool {
        self.workflow.texts.are_full()
    }

    /// What there is so far; edges are seen only when it is finished.
    pub fn so_far(&self) -> &Workflow {
        &self.workflow
    }

    /// What holds for the whole DAG.
    pub fn settings(&mut self) -> &mut DagSettings {
        &mut self.workflow.settings
    }

    /// Its texts may have at most so many bytes.
    #[cfg(test)]
    pub(super) fn limit_texts(&mut self, bytes: usize) {
        self.workflow.texts = Texts::of_at_most(bytes);
    }

    /// One more file that something is read from.
    pub fn add_file(&mut self, name: &str) -> u32 {
        self.workflow.files.push(name.to_owned());
        count(self.workflow.files.len() - 1)
    }

    /// Adds a node.
    ///
    /// # Errors
    /// With the node that has the name already.
    pub fn add_node(&mut self, new: &NewNode<'_>) -> Result<NodeIndex, NodeIndex> {
        let Workflow { texts, names, nodes, .. } = &mut self.workflow;
        let index = NodeIndex::new(nodes.len());
        names.add(new.name, index, |index| texts.get(nodes[index.position()].name))?;
        let description = self.stored_description(new.description);
        let Workflow { texts, nodes, .. } = &mut self.workflow;
        nodes.push(Stored {
            name: texts.add(new.name),
            description,
            dir: new.dir.map(|dir| texts.add(dir)),
            first_var: None,
            rare: None,
            file: new.file,
            line: new.line,
            kind: new.kind,
            noop: new.noop,
            done: new.done,
            is_done_from_its_line: new.done,
        });
        Ok(index)
    }

    fn stored_description(&mut self, description: Description<'_>) -> StoredDescription {
        match description {
            Description::Nothing => StoredDescription::Nothing,
            Description::File(file) => {
                StoredDescription::File(self.workflow.texts.add_repeated(file))
            }
            Description::Inline(text) => StoredDescription::Inline(self.workflow.texts.add(text)),
            Description::Named { name, .. } => StoredDescription::Named(self.described(name)),
        }
    }

    /// The place of a SUBMIT-DESCRIPTION, made with an empty text if there is none.
    fn described(&mut self, name: &str) -> u32 {
        let Workflow { texts, descriptions, .. } = &mut self.workflow;
        let at = count(descriptions.len());
        let name_of = |at: u32| texts.get(descriptions[at as usize].0);
        if let Err(known) = self.described.add(name, at, name_of) {
            return known;
        }
        descriptions.push((texts.add(name), texts.add("")));
        at
    }

    /// Gives a SUBMIT-DESCRIPTION its text; the last wins. Returns whether there was one of the
    /// name.
    pub fn describe(&mut self, name: &str, text: &str) -> bool {
        let known = self.workflow.descriptions.len();
        let at = self.described(name) as usize;
        self.workflow.descriptions[at].1 = self.workflow.texts.add(text);
        at < known
    }

    /// Has every node whose file is the name of a SUBMIT-DESCRIPTION use that: it may stand behind
    /// the node.
    pub fn name_descriptions(&mut self) {
        let Workflow { texts, nodes, descriptions, .. } = &mut self.workflow;
        if descriptions.is_empty() {
            return;
        }
        for node in nodes.iter_mut().filter(|node| node.kind != NodeKind::Subdag) {
            if let StoredDescription::File(file) = node.description {
                let name_of = |at: u32| texts.get(descriptions[at as usize].0);
                if let Some(at) = self.described.find(texts.get(file), name_of) {
                    node.description = StoredDescription::Named(at);
                }
            }
        }
    }

    /// Puts the nodes into another order: `order[n]` becomes the node `n`.
    ///
    /// # Panics
    /// If it is not an order of all nodes.
    pub fn reorder(&mut self, order: &[NodeIndex]) {
        let Self { workflow, edges, .. } = self;
        assert_eq!(order.len(), workflow.nodes.len(), "an order names every node");
        let mut new_place = vec![NodeIndex::new(0); order.len()];
        for (place, node) in order.iter().enumerate() {
            new_place[node.position()] = NodeIndex::new(place);
        }
        workflow.nodes = order.iter().map(|node| workflow.nodes[node.position()].clone()).collect();
        for edge in edges {
            edge.parent = new_place[edge.parent.position()];
            edge.child = new_place[edge.child.position()];
        }
        let Workflow { texts, names, nodes, .. } = workflow;
        *names = Names::default();
        for (place, node) in nodes.iter().enumerate() {
            let name_of = |index: NodeIndex| texts.get(nodes[index.position()].name);
            let added = names.add(texts.get(node.name), NodeIndex::new(place), name_of);
            assert_eq!(added, Ok(()), "every node has a name of its own");
        }
    }

    /// Adds an edge.
    pub fn add_edge(&mut self, parent: NodeIndex, child: NodeIndex, weak: bool) {
        self.edges.push(Pair { parent, child, weak });
    }

    /// Marks a node DONE.
    pub fn set_done(&mut self, node: NodeIndex, done: bool) {
        self.stored(node).done = done;
    }

    /// Gives a node a macro. The name is one macro in any case; the last value wins, in the place
    /// of the first.
    ///
    /// Returns whether there was one of the name.
    pub fn set_var(&mut self, node: NodeIndex, var: Var<'_>) -> bool {
        let shared = self.share_var(var);
        self.set_shared_var(node, shared)
    }

    /// Stores a macro, for as many nodes as one likes.
    pub(super) fn share_var(&mut self, var: Var<'_>) -> SharedVar {
        let texts = &mut self.workflow.texts;
        let (name, value) = (texts.add_repeated(var.name), texts.add(var.value));
        SharedVar { name, value, place: var.place }
    }

    /// [`Builder::set_var`] of one that is stored.
    pub(super) fn set_shared_var(&mut self, node: NodeIndex, var: SharedVar) -> bool {
        let Workflow { texts, nodes, vars, .. } = &mut self.workflow;
        let mut last = None;
        let mut at = nodes[node.position()].first_var;
        while let Some(VarIndex(here)) = at {
            let stored = &mut vars[here as usize];
            if texts.get(stored.name).eq_ignore_ascii_case(texts.get(var.name)) {
                stored.value = var.value;
                stored.place = var.place;
                return true;
            }
            last = at;
            at = stored.next;
        }
        let new = VarIndex(count(vars.len()));
        let SharedVar { name, value, .. } = var;
        vars.push(StoredVar { name, value, place: var.place, next: None });
        match last {
            Some(VarIndex(last)) => vars[last as usize].next = Some(new),
            None => nodes[node.position()].first_var = Some(new),
        }
        false
    }

    /// Gives a node a script. Returns whether it had one of the kind.
    pub fn set_script(&mut self, node: NodeIndex, kind: ScriptKind, script: Script<'_>) -> bool {
        let shared = self.share_script(script);
        self.set_shared_script(node, kind, shared)
    }

    /// Stores a script, for as many nodes as one likes.
    pub(super) fn share_script(&mut self, script: Script<'_>) -> StoredScript {
        let texts = &mut self.workflow.texts;
        StoredScript {
            command_line: texts.add(script.command_line),
            defer: script.defer,
            debug: script.debug.map(|debug| (texts.add(debug.file), debug.stream)),
        }
    }

    /// [`Builder::set_script`] of one that is stored.
    pub(super) fn set_shared_script(
        &mut self,
        node: NodeIndex,
        kind: ScriptKind,
        stored: StoredScript,
    ) -> bool {
        let rare = self.rare(node);
        let place = match kind {
            ScriptKind::Pre => &mut rare.pre,
            ScriptKind::Post => &mut rare.post,
            ScriptKind::Hold => &mut rare.hold,
        };
        place.replace(stored).is_some()
    }

    /// RETRY.
    pub fn set_retry(&mut self, node: NodeIndex, retry: Retry) {
        self.rare(node).retry = Some(retry);
    }

    /// PRIORITY.
    pub fn set_priority(&mut self, node: NodeIndex, priority: i32) {
        self.rare(node).priority = priority;
    }

    /// CATEGORY.
    pub fn set_category(&mut self, node: NodeIndex, name: &str) {
        let category = self.category(name);
        self.rare(node).category = Some(category);
    }

    /// MAXJOBS.
    pub fn set_max_jobs(&mut self, name: &str, max_jobs: u32) {
        let CategoryIndex(at) = self.category(name);
        self.workflow.categories[at as usize].max_jobs = Some(max_jobs);
    }

    fn category(&mut self, name: &str) -> CategoryIndex {
        let categories = &mut self.workflow.categories;
        let at = CategoryIndex(count(categories.len()));
        let name_of = |CategoryIndex(at)| categories[at as usize].name.as_str();
        if let Err(known) = self.categories.add(name, at, name_of) {
            return known;
        }
        categories.push(Category { name: name.to_owned(), max_jobs: None });
        at
    }

    /// PRE_SKIP.
    pub fn set_pre_skip(&mut self, node: NodeIndex, exit: i32) {
        self.rare(node).pre_skip = Some(exit);
    }

    /// ABORT-DAG-ON.
    pub fn set_abort(&mut self, node: NodeIndex, abort: Abort) {
        self.rare(node).abort = Some(abort);
    }

    /// TOLERANCE.
    pub fn set_tolerance(&mut self, node: NodeIndex, tolerance: Tolerance) {
        self.rare(node).tolerance = Some(tolerance);
    }

    /// Stores what a SKIP_UNCHANGED line says, for as many nodes as one likes.
    pub fn share_unchanged(&mut self, said: &SkipUnchanged<'_>) -> u32 {
        let Workflow { texts, unchanged, .. } = &mut self.workflow;
        let mut store = |files: &[&str]| files.iter().map(|file| texts.add(file)).collect();
        unchanged.push(StoredUnchanged { needs: store(&said.needs), makes: store(&said.makes) });
        count(unchanged.len() - 1)
    }

    /// SKIP_UNCHANGED, by what was stored.
    pub fn set_unchanged(&mut self, node: NodeIndex, said: u32) {
        self.rare(node).unchanged = Some(said);
    }

    /// MAP.
    pub fn set_map(&mut self, node: NodeIndex, map: &Map<'_>) {
        let Workflow { texts, maps, .. } = &mut self.workflow;
        let over = match map.over {
            Items::File(file) => StoredItems::File(texts.add_repeated(file)),
            Items::List(list) => StoredItems::List(texts.add(list)),
        };
        let names = map.names.iter().map(|name| texts.add_repeated(name)).collect();
        maps.push(StoredMap { over, names, at_once: map.at_once });
        let at = count(maps.len() - 1);
        self.rare(node).map = Some(at);
    }

    /// SAVE_POINT_FILE.
    pub fn set_save_point(&mut self, node: NodeIndex, file: &str) {
        let file = self.workflow.texts.add(file);
        self.rare(node).save_point = Some(file);
    }

    /// Sorts the edges, and gives the workflow.
    pub fn finish(self) -> Workflow {
        let Self { mut workflow, edges, .. } = self;
        workflow.graph = Graph::new(workflow.nodes.len(), &edges);
        workflow.texts.shrink();
        workflow.nodes.shrink_to_fit();
        workflow.vars.shrink_to_fit();
        workflow.rare.shrink_to_fit();
        workflow
    }

    fn stored(&mut self, node: NodeIndex) -> &mut Stored {
        &mut self.workflow.nodes[node.position()]
    }

    fn rare(&mut self, node: NodeIndex) -> &mut Rare {
        let Workflow { nodes, rare, .. } = &mut self.workflow;
        let RareIndex(at) = *nodes[node.position()].rare.get_or_insert_with(|| {
            rare.push(Rare::default());
            RareIndex(count(rare.len() - 1))
        });
        &mut rare[at as usize]
    }
}

/// A place in one of the lists: fewer than 2^32, because every element comes from a byte of a file,
/// and those are limited.
fn count(at: usize) -> u32 {
    u32::try_from(at).expect("lists of a workflow are shorter than 2^32")
}

#[cfg(test)]
mod tests {
    use super::super::{Edge, ScriptDebug, ScriptStream};
    use super::*;

    #[test]
    fn descriptions_and_categories_are_found_without_looking_at_all_of_them() {
        const MANY: u64 = 5000;
        let mut builder = Builder::new(vec!["a.dag".to_owned()]);
        for number in 0..MANY {
            let (name, description) = (format!("n{number}"), format!("d{number}"));
            let node = builder.add_node(&NewNode::job(&name, &description)).unwrap();
            assert!(!builder.describe(&description, "executable = /bin/true"));
            builder.set_category(node, &format!("c{number}"));
            builder.set_max_jobs(&format!("c{number}"), 1);
        }
        builder.name_descriptions();
        assert!(builder.described.compared() < 8 * MANY, "{}", builder.described.compared());
        assert!(builder.categories.compared() < 8 * MANY, "{}", builder.categories.compared());
        let workflow = builder.finish();
        let name = "d4711";
        let description = workflow.node(NodeIndex::new(4711)).description();
        assert_eq!(description, Description::Named { name, text: "executable = /bin/true" });
        assert_eq!(workflow.categories().len(), usize::try_from(MANY).unwrap());
    }

    #[test]
    fn what_all_nodes_have_is_stored_once() {
        const MANY: usize = 1000;
        let mut builder = Builder::new(vec!["a.dag".to_owned()]);
        let long = "/bin/sh -c 'a script that is long enough to be looked for'";
        let debug = Some(ScriptDebug { file: "a.log", stream: ScriptStream::All });
        let script = Script { command_line: long, defer: None, debug };
        let var = Var { name: "x", value: "12", place: VarPlace::Default };
        let (var, script) = (builder.share_var(var), builder.share_script(script));
        for number in 0..MANY {
            let mut new = NewNode::job("", "");
            let name = format!("{number:04}");
            (new.name, new.description) = (&name, Description::Inline(long));
            let node = builder.add_node(&new).unwrap();
            builder.set_shared_var(node, var);
            builder.set_shared_script(node, ScriptKind::Post, script);
        }
        let workflow = builder.finish();
        assert_eq!(workflow.texts.bytes(), 4 * MANY + long.len() + "a.logx12".len());
        assert!(workflow.nodes().all(|node| node.description() == Description::Inline(long)));
    }

    #[test]
    fn texts_without_room_are_told_and_nothing_panics() {
        let mut builder = Builder::new(vec!["a.dag".to_owned()]);
        builder.limit_texts(10);
        builder.add_node(&NewNode::job("node", "n.sub")).unwrap();
        assert!(!builder.is_full());
        let node = builder.add_node(&NewNode::job("more", "n.sub")).unwrap();
        assert!(builder.is_full());
        assert_eq!(builder.finish().node(node).name(), "");
    }

    #[test]
    fn an_edge_that_is_written_twice_is_one_and_a_strong_one_wins() {
        let mut builder = Builder::new(vec!["a.dag".to_owned()]);
        let [a, b, c] =
            ["A", "B", "C"].map(|n| builder.add_node(&NewNode::job(n, "n.sub")).unwrap());
        for (parent, child, weak) in
            [(a, b, true), (a, c, true), (b, c, false), (a, b, false), (a, c, true), (b, c, true)]
        {
            builder.add_edge(parent, child, weak);
        }
        let workflow = builder.finish();
        let edge = |node, weak| Edge { node, weak };
        assert_eq!(workflow.children(a).collect::<Vec<_>>(), [edge(b, false), edge(c, true)]);
        assert_eq!(workflow.children(b).collect::<Vec<_>>(), [edge(c, false)]);
        assert_eq!(workflow.parents(c).collect::<Vec<_>>(), [edge(a, true), edge(b, false)]);
        assert_eq!(workflow.edge_count(), 3);
    }

    #[test]
    fn a_name_that_is_taken_is_refused_and_every_name_is_found() {
        let mut builder = Builder::new(vec!["a.dag".to_owned()]);
        let names: Vec<String> = (0..1000).map(|n| format!("node{n}")).collect();
        for name in &names {
            builder.add_node(&NewNode::job(name, "n.sub")).unwrap();
        }
        assert_eq!(builder.add_node(&NewNode::job("node7", "x")), Err(NodeIndex::new(7)));
        let workflow = builder.finish();
        for (at, name) in names.iter().enumerate() {
            assert_eq!(workflow.find(name), Some(NodeIndex::new(at)));
        }
        assert_eq!(workflow.find("NODE7"), None);
        assert_eq!(workflow.node(NodeIndex::new(9)).description(), Description::File("n.sub"));
    }

    #[test]
    fn a_macro_given_twice_keeps_its_place_and_takes_the_last_value() {
        let mut builder = Builder::new(vec!["a.dag".to_owned()]);
        let a = builder.add_node(&NewNode::job("A", "n.sub")).unwrap();
        let var = |name, value| Var { name, value, place: VarPlace::Default };
        assert!(!builder.set_var(a, var("x", "1")));
        assert!(!builder.set_var(a, var("y", "2")));
        assert!(builder.set_var(a, var("X", "3")));
        let workflow = builder.finish();
        let vars: Vec<_> = workflow.node(a).vars().map(|v| (v.name, v.value)).collect();
        assert_eq!(vars, [("x", "3"), ("y", "2")]);
    }
}
