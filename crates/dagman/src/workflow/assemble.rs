//! DAG files to a [`Workflow`]: the names are found, splices unfolded, edges drawn, and everything
//! that is wrong is said at once.
//!
//! A file is gone through twice, so that a command may name what stands below it: first what it
//! declares (nodes, descriptions, splices), then what it says of them. A splice is a scope inside a
//! scope. Files are reached through [`Files`].
//!
//! Knows nothing of running.

mod attributes;
mod declare;
mod of_job;
mod relate;
mod whole;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use model::diagnostic::About;

use super::build::Builder;
use super::{NodeIndex, NodeKind, Workflow, cycle};
use crate::language::{
    Diagnostic, Keyword, Line, Lines, MAX_TEXT_BYTES, Refusal, Severity, Word, nearest, parse,
};

pub use of_job::job_settings;

/// More nodes than this, of splices within splices, are a mistake.
const MAX_NODES: usize = 50_000_000;

/// More edges than this are a mistake: 8 bytes each.
const MAX_EDGES: usize = 400_000_000;

/// So many messages of a kind are enough: who has more mends these first.
const MAX_MESSAGES: usize = 500;

/// Splices and includes inside each other.
const MAX_DEPTH: usize = 100;

/// So many of the messages say which name was perhaps meant.
const MAX_HINTS: usize = 20;

/// Among more names than this nobody looks for the nearest: it would take a second each time.
const MAX_NEAREST: usize = 100_000;

/// The files as dagman sees them. Relative paths mean the folder that it runs in.
pub trait Files {
    /// The text of a file.
    ///
    /// # Errors
    /// If it cannot be read as text.
    fn read(&self, path: &str) -> Result<String, FileError>;
    /// Whether there is such a file.
    fn exists(&self, path: &str) -> bool;
}

/// Why a file cannot be read; the text is the operating system's, as in `No such file or
/// directory`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FileError(pub String);

/// What to read, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The DAG files. With several, each one's nodes get its number in front: `0.A`.
    pub files: Vec<String>,
    /// `-usedagdir`: what a DAG file names is in the file's own folder.
    pub use_dag_dir: bool,
    /// A rescue file, or one of a save point: its DONE and RETRY lines go on top.
    pub rescue: Option<String>,
    /// DAGMAN_MUNGE_NODE_NAMES: whether the nodes of several files get numbers in front.
    pub munge_names: bool,
    /// DAGMAN_USE_JOIN_NODES: whether many parents of many children get a node between them.
    pub join_nodes: bool,
    /// DAGMAN_ALLOW_ANY_NODE_NAME_CHARACTERS: whether `+` may be in a node's name.
    pub any_name_characters: bool,
    /// Whether a cycle is left to the core, which ends the run because of it, with all its files.
    pub keeps_cycles: bool,
}

impl Options {
    /// The files, read as HTCondor does where nothing else is set.
    pub fn new(files: Vec<String>) -> Self {
        Self {
            files,
            use_dag_dir: false,
            rescue: None,
            munge_names: true,
            join_nodes: true,
            any_name_characters: false,
            keeps_cycles: false,
        }
    }
}

/// A workflow, and what is odd about its files.
#[derive(Clone, Debug)]
pub struct Assembled {
    pub workflow: Workflow,
    /// Warnings, in the order of the files.
    pub warnings: Vec<Diagnostic>,
}

/// What could be read of DAG files.
#[derive(Clone, Debug)]
pub struct Looked {
    /// What is right in them; none if that cannot be kept.
    pub workflow: Option<Workflow>,
    /// What is wrong, or odd, in the order of the files.
    pub found: Vec<Diagnostic>,
}

/// Reads DAG files.
///
/// # Errors
/// With everything that is wrong, and what is odd besides, in the order of the files.
pub fn assemble(options: &Options, files: &dyn Files) -> Result<Assembled, Vec<Diagnostic>> {
    match look(options, files) {
        Looked { workflow: Some(workflow), found } if !found.iter().any(Diagnostic::is_error) => {
            Ok(Assembled { workflow, warnings: found })
        }
        Looked { found, .. } => Err(found),
    }
}

/// Reads DAG files, and gives also what is right in those that are wrong.
pub fn look(options: &Options, files: &dyn Files) -> Looked {
    let mut assembler = Assembler::new(options, files);
    let several = options.files.len() > 1 && options.munge_names;
    for (number, file) in options.files.iter().enumerate() {
        let munge = if several { format!("{number}.") } else { String::new() };
        assembler.top_level(file, munge);
    }
    if let Some(rescue) = &options.rescue {
        assembler.rescue(rescue);
    }
    assembler.finish()
}

/// The state of an assembly.
struct Assembler<'a> {
    options: &'a Options,
    files: &'a dyn Files,
    builder: Builder,
    diagnostics: Vec<Diagnostic>,
    errors: usize,
    /// Whether a node has parents or children yet, by position.
    marks: Vec<Marks>,
    edges: usize,
    joins: usize,
    final_node: Option<NodeIndex>,
    provisioner: Option<NodeIndex>,
    /// Files that are being read: one that comes again would never end.
    open: Vec<String>,
    /// Names of nodes and splices whose own lines are wrong: that they are missing is no second
    /// mistake.
    broken: BTreeSet<String>,
    /// The nodes that were found last.
    last_found: Cell<[Option<NodeIndex>; 2]>,
    /// The nodes in their final order, if it is not that in which they were added.
    order: Vec<NodeIndex>,
    in_order: bool,
}

#[derive(Clone, Copy, Default)]
struct Marks {
    has_parent: bool,
    has_child: bool,
}

/// A DAG file with what it includes: a namespace.
struct Scope {
    /// What the names of its nodes begin with: those of the splices around it.
    path: String,
    /// `0.`, if there are several DAG files.
    munge: String,
    /// Where its files are.
    dir: Option<String>,
    /// The name of its DAG file.
    file: String,
    is_splice: bool,
    /// Its own nodes, by position; then their joins.
    own: std::ops::Range<usize>,
    joins: Vec<NodeIndex>,
    splices: BTreeMap<String, Splice>,
    splice_order: Vec<String>,
    pins: Pins,
    /// Pairs of splices that were connected.
    connected: Vec<(String, Diagnostic)>,
    /// The texts of its file and of what that includes, in the order in which they come up.
    loaded: Vec<Loaded>,
}

/// A file that was read.
struct Loaded {
    /// Its name, as messages call it.
    name: String,
    /// Its number among the workflow's files.
    number: u32,
    text: String,
}

/// A splice that was read.
#[derive(Default)]
struct Splice {
    /// Its nodes without parents inside it, to which its parents are tied.
    initial: Vec<NodeIndex>,
    /// Its nodes without children inside it.
    terminal: Vec<NodeIndex>,
    /// All its nodes, in their final order.
    members: Vec<NodeIndex>,
    pins: Pins,
}

/// The pins of a splice: number to nodes.
#[derive(Default)]
struct Pins {
    inward: BTreeMap<u32, Vec<NodeIndex>>,
    outward: BTreeMap<u32, Vec<NodeIndex>>,
}

/// A line, with the file that it is in.
#[derive(Clone, Copy)]
struct At<'l> {
    line: &'l Line<'l>,
    file: &'l str,
    number: u32,
    source: &'l str,
}

impl At<'_> {
    fn diagnose(&self, severity: Severity, at: usize, message: impl Into<String>) -> Diagnostic {
        self.line.diagnose(severity, (self.file, self.source), at, message)
    }
}

/// What a command is about.
#[derive(Clone, Copy)]
enum Target {
    One(NodeIndex),
    All,
}

impl<'a> Assembler<'a> {
    fn new(options: &'a Options, files: &'a dyn Files) -> Self {
        Self {
            options,
            files,
            builder: Builder::new(Vec::new()),
            diagnostics: Vec::new(),
            errors: 0,
            marks: Vec::new(),
            edges: 0,
            joins: 0,
            final_node: None,
            provisioner: None,
            open: Vec::new(),
            broken: BTreeSet::new(),
            last_found: Cell::new([None; 2]),
            order: Vec::new(),
            in_order: true,
        }
    }

    // ---- files and scopes
    // ----------------------------------------------------------------------------------------------

    fn top_level(&mut self, file: &str, munge: String) {
        let (mut scope, loaded) = self.open_top_level(file, munge);
        if let Some(loaded) = loaded {
            self.read(&mut scope, loaded);
        }
        let Splice { members, .. } = self.close(scope);
        self.order.extend(members);
    }

    /// A DAG file's scope, and its text if it can be read.
    fn open_top_level(&mut self, file: &str, munge: String) -> (Scope, Option<Loaded>) {
        let (dir, name) = match (self.options.use_dag_dir, file.rsplit_once('/')) {
            (true, Some((dir, name))) => (Some(dir.to_owned()), name),
            _ => (None, file),
        };
        let scope = self.scope(String::new(), munge, dir, name.to_owned(), false);
        let loaded = self.load(&join(scope.dir.as_deref(), name), file);
        let loaded = loaded.map_err(|reason| {
            let message = format!("cannot read the DAG file: {reason}");
            self.say(Diagnostic::about_file(Severity::Error, file, message));
        });
        (scope, loaded.ok())
    }

    /// The rescue file names nodes by their full names, and may name all.
    fn rescue(&mut self, file: &str) {
        let mut scope = self.scope(String::new(), String::new(), None, file.to_owned(), false);
        match self.load(file, file) {
            Ok(loaded) => self.read(&mut scope, loaded),
            Err(reason) => {
                let message = format!("cannot read the rescue file: {reason}");
                self.say(Diagnostic::about_file(Severity::Error, file, message));
            }
        }
        let Splice { members, .. } = self.close(scope);
        self.order.extend(members);
    }

    fn scope(
        &self,
        path: String,
        munge: String,
        dir: Option<String>,
        file: String,
        is_splice: bool,
    ) -> Scope {
        let first = self.builder.so_far().len();
        Scope {
            path,
            munge,
            dir,
            file,
            is_splice,
            own: first..first,
            joins: Vec::new(),
            splices: BTreeMap::new(),
            splice_order: Vec::new(),
            pins: Pins::default(),
            connected: Vec::new(),
            loaded: Vec::new(),
        }
    }

    fn load(&mut self, path: &str, name: &str) -> Result<Loaded, FileError> {
        let text = self.files.read(path)?;
        if text.len() > MAX_TEXT_BYTES {
            let length = text.len();
            return Err(FileError(format!(
                "it has {length} bytes, {MAX_TEXT_BYTES} are the limit"
            )));
        }
        let number = self.builder.add_file(name);
        Ok(Loaded { name: name.to_owned(), number, text })
    }

    /// Goes through a file twice: for what it declares, and for what it says.
    fn read(&mut self, scope: &mut Scope, loaded: Loaded) {
        let path = join(scope.dir.as_deref(), &scope.file);
        self.open.push(path);
        scope.loaded.push(loaded);
        let mut splices = declare::Splices::default();
        self.declare_all(scope, 0, &mut splices);
        scope.own.end = self.builder.so_far().len();
        for splice in splices.pending {
            self.splice(scope, splice);
        }
        let loaded = std::mem::take(&mut scope.loaded);
        self.marks.resize(self.builder.so_far().len(), Marks::default());
        self.say_all(scope, &loaded, &mut 0);
        self.check_connected(scope);
        self.open.pop();
    }

    /// First time: declarations. Included files are loaded here and kept for the second time.
    fn declare_all(&mut self, scope: &mut Scope, which: usize, splices: &mut declare::Splices) {
        let text = std::mem::take(&mut scope.loaded[which].text);
        let (name, number) = (scope.loaded[which].name.clone(), scope.loaded[which].number);
        for line in Lines::new(&text) {
            if self.builder.so_far().len() > MAX_NODES || self.builder.is_full() {
                break;
            }
            let at = At { line: &line, file: &name, number, source: &text };
            match line.keyword {
                Some(keyword) if !keyword.declares() => {}
                Some(_) => match parse(&line) {
                    Ok(command) => self.declare(scope, at, command, splices),
                    Err(refusal) => {
                        self.mark_broken(scope, &line);
                        self.refuse(at, refusal);
                    }
                },
                None => {
                    let refusal = parse(&line).err();
                    let diagnostic = refusal.map(|refusal| refused(at, refusal));
                    let diagnostic = diagnostic.map(|d| d.about(About::Line));
                    self.diagnostics_of(diagnostic);
                }
            }
        }
        scope.loaded[which].text = text;
    }

    /// Second time: what is said of nodes and the DAG.
    fn say_all(&mut self, scope: &mut Scope, loaded: &[Loaded], which: &mut usize) {
        let Some(Loaded { name, number, text }) = loaded.get(*which) else { return };
        *which += 1;
        for line in Lines::new(text) {
            let at = At { line: &line, file: name, number: *number, source: text };
            match line.keyword {
                Some(Keyword::Include) if self.includes(at, scope, loaded, *which) => {
                    self.say_all(scope, loaded, which);
                }
                Some(keyword) if !keyword.declares() => match parse(&line) {
                    Ok(command) => self.apply(scope, at, command),
                    Err(refusal) => self.refuse(at, refusal),
                },
                _ => {}
            }
        }
    }

    /// What a scope is to the one around it.
    fn close(&mut self, scope: Scope) -> Splice {
        let mut members: Vec<NodeIndex> = Vec::new();
        // A single file without splices has its nodes in order: they need no list.
        let is_alone = self.options.files.len() == 1 && self.in_order;
        if scope.is_splice || !scope.splices.is_empty() || !is_alone {
            members.extend(scope.own.clone().map(NodeIndex::new));
            members.extend(&scope.joins);
        }
        self.in_order &= scope.splices.is_empty() || scope.joins.is_empty();
        let mut splices = scope.splices;
        for name in &scope.splice_order {
            members.append(&mut splices.remove(name).unwrap_or_default().members);
        }
        let mut splice = Splice { pins: scope.pins, ..Splice::default() };
        if scope.is_splice {
            let so_far = self.builder.so_far();
            for node in members.iter().copied() {
                if matches!(
                    so_far.node(node).kind(),
                    NodeKind::Job | NodeKind::Subdag | NodeKind::Join
                ) {
                    let marks = self.marks[node.position()];
                    splice.initial.extend((!marks.has_parent).then_some(node));
                    splice.terminal.extend((!marks.has_child).then_some(node));
                }
            }
        }
        Splice { members, ..splice }
    }

    fn finish(mut self) -> Looked {
        if self.builder.so_far().len() > MAX_NODES {
            let message = format!("there are more than {MAX_NODES} nodes");
            self.say(Diagnostic::about_file(Severity::Error, &self.options.files[0], message));
            return Looked { workflow: None, found: self.diagnostics };
        }
        if self.builder.is_full() {
            let message = "its names, values and descriptions are together more than 4 GiB";
            self.say(Diagnostic::about_file(Severity::Error, &self.options.files[0], message));
            return Looked { workflow: None, found: self.diagnostics };
        }
        self.builder.name_descriptions();
        if !self.in_order {
            self.reorder();
        }
        let workflow = self.builder.finish();
        if self.errors == 0
            && !self.options.keeps_cycles
            && let Some(cycle) = cycle::find(&workflow)
        {
            self.diagnostics.push(cycle::diagnose(&workflow, &cycle));
        }
        Looked { workflow: Some(workflow), found: self.diagnostics }
    }

    /// Nodes of splices stand behind the joins of what is around them.
    fn reorder(&mut self) {
        let mut placed = vec![false; self.builder.so_far().len()];
        let mut order = Vec::with_capacity(placed.len());
        let rest = (0..placed.len()).map(NodeIndex::new);
        for node in std::mem::take(&mut self.order).into_iter().chain(rest) {
            if !std::mem::replace(&mut placed[node.position()], true) {
                order.push(node);
            }
        }
        self.builder.reorder(&order);
    }

    // ---- names
    // ---------------------------------------------------------------------------------------------------------

    /// The node that a word of a scope means.
    fn find(&self, scope: &Scope, name: &str) -> Option<NodeIndex> {
        let so_far = self.builder.so_far();
        if scope.path.is_empty() && scope.munge.is_empty() {
            // a node's edges mostly stand together, and those of the next behind them
            let [last, before] = self.last_found.get();
            let is = |node: &NodeIndex| so_far.node(*node).name() == name;
            if last.as_ref().is_some_and(is) {
                return last;
            }
            let next = |node: NodeIndex| {
                let place = node.position() + 1;
                (place < so_far.len()).then(|| NodeIndex::new(place)).filter(is)
            };
            let near = before.filter(is).or_else(|| before.and_then(next));
            let found = near.or_else(|| last.and_then(next)).or_else(|| so_far.find(name));
            self.last_found.set([found, last]);
            return found;
        }
        so_far.find(&scope.full_name(name))
    }

    /// The node, or all nodes, that a command is about; says it if there is none.
    fn target(&mut self, scope: &Scope, at: At<'_>, node: &Word<'_>) -> Option<Target> {
        if node.text.eq_ignore_ascii_case("ALL_NODES") {
            return Some(Target::All);
        }
        self.one(scope, at, node).map(Target::One)
    }

    fn one(&mut self, scope: &Scope, at: At<'_>, node: &Word<'_>) -> Option<NodeIndex> {
        let found = self.find(scope, &node.text);
        if found.is_none() && scope.splices.contains_key(&*node.text) {
            let message = format!("Cannot be applied to splice {}", node.text);
            let hint =
                format!("say it in the splice's own file, or of a node of it: {}+NODE", node.text);
            self.say(at.diagnose(Severity::Error, node.at, message).hint(hint));
        } else if found.is_none() && !self.is_broken(scope, &node.text) {
            let message = format!("References undefined node {}", node.text);
            let diagnostic = at.diagnose(Severity::Error, node.at, message);
            self.say_with_nearest(scope, diagnostic, &node.text);
        }
        found
    }

    /// The nodes of a target: ALL_NODES are a file's own, but for FINAL and its like.
    fn nodes_of(&self, scope: &Scope, target: Target) -> Vec<NodeIndex> {
        match target {
            Target::One(node) => vec![node],
            Target::All => scope
                .own
                .clone()
                .map(NodeIndex::new)
                .filter(|node| {
                    matches!(
                        self.builder.so_far().node(*node).kind(),
                        NodeKind::Job | NodeKind::Subdag
                    )
                })
                .collect(),
        }
    }

    fn mark_broken(&mut self, scope: &Scope, line: &Line<'_>) {
        let skipped = if line.keyword == Some(Keyword::Subdag) { 2 } else { 1 };
        if let Some(name) = line.text.split_ascii_whitespace().nth(skipped) {
            self.broken.insert(scope.full_name(name));
        }
    }

    fn is_broken(&self, scope: &Scope, name: &str) -> bool {
        let full = scope.full_name(name);
        let splices = full.match_indices('+').map(|(end, _)| &full[..end]);
        splices.chain([full.as_str()]).any(|name| self.broken.contains(name))
    }

    // ---- messages
    // ------------------------------------------------------------------------------------------------------

    fn refuse(&mut self, at: At<'_>, refusal: Refusal) {
        self.say(refused(at, refusal));
    }

    fn say_with_nearest(&mut self, scope: &Scope, diagnostic: Diagnostic, name: &str) {
        let near = self.nearest_node(scope, name);
        let diagnostic = match near {
            Some(near) => diagnostic.hint(format!("did you mean {near}?")),
            None => diagnostic,
        };
        self.say(diagnostic);
    }

    fn nearest_node(&self, scope: &Scope, name: &str) -> Option<String> {
        let so_far = self.builder.so_far();
        if so_far.len() > MAX_NEAREST || self.errors >= MAX_HINTS {
            return None;
        }
        let prefix = scope.full_name("");
        let known = so_far.nodes().filter_map(|node| node.name().strip_prefix(&*prefix));
        nearest(name, known).map(str::to_owned)
    }

    fn diagnostics_of(&mut self, diagnostic: Option<Diagnostic>) {
        if let Some(diagnostic) = diagnostic {
            self.say(diagnostic);
        }
    }

    fn say(&mut self, diagnostic: Diagnostic) {
        let kept = if diagnostic.is_error() {
            self.errors += 1;
            self.errors
        } else {
            self.diagnostics.len() - self.errors.min(self.diagnostics.len())
        };
        if kept <= MAX_MESSAGES {
            self.diagnostics.push(diagnostic);
        }
    }

    fn error(&mut self, at: At<'_>, column: usize, message: impl Into<String>) {
        self.say(at.diagnose(Severity::Error, column, message));
    }

    fn warn(&mut self, at: At<'_>, column: usize, message: impl Into<String>) {
        self.say(at.diagnose(Severity::Warning, column, message));
    }
}

fn refused(at: At<'_>, refusal: Refusal) -> Diagnostic {
    let Refusal { at: column, message, hint } = refusal;
    Diagnostic { hint, ..at.diagnose(Severity::Error, column, message) }
}

impl Scope {
    fn full_name(&self, name: &str) -> String {
        [&self.path, &self.munge, name].concat()
    }
}

/// A path seen from a folder.
pub(super) fn join(dir: Option<&str>, path: &str) -> String {
    match dir {
        Some(dir) if !path.starts_with('/') && !dir.is_empty() => format!("{dir}/{path}"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(&'static str);

    impl Files for One {
        fn read(&self, _path: &str) -> Result<String, FileError> {
            Ok(self.0.to_owned())
        }

        fn exists(&self, _path: &str) -> bool {
            true
        }
    }

    #[test]
    fn a_workflow_with_more_text_than_can_be_kept_is_refused() {
        let options = Options::new(vec!["a.dag".to_owned()]);
        let text = One("JOB A n.sub\nVARS ALL_NODES x=\"0123456789\"\nJOB B n.sub\n");
        for (limit, is_enough) in [(18, true), (17, false)] {
            let mut assembler = Assembler::new(&options, &text);
            assembler.builder.limit_texts(limit);
            assembler.top_level("a.dag", String::new());
            let said = assembler.finish().found.first().map(|said| said.message.clone());
            assert_eq!(said.is_none(), is_enough, "{said:?}");
            assert!(said.is_none_or(|said| said.contains("more than 4 GiB")));
        }
    }
}
