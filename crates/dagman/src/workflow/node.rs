//! A node: its kind, its job, its scripts, and what was said about it.
//!
//! [`Node`] is the view; [`Stored`] and [`Rare`] are how it is kept. Knows nothing of what happens
//! to a node.

use super::settings::CategoryIndex;
use super::text::Text;
use super::{Edge, Origin, Workflow};

/// Which node: dense, from 0, in the order of the files.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct NodeIndex(pub(super) u32);

impl NodeIndex {
    /// The largest number of nodes: the top bit of a number marks weak edges.
    pub(super) const LIMIT: usize = (1 << 31) - 1;

    /// The index at a position, from 0.
    ///
    /// # Panics
    /// If it is larger than any workflow.
    pub fn new(position: usize) -> Self {
        assert!(position < Self::LIMIT, "a workflow has fewer than 2^31 nodes, not {position}");
        Self(u32::try_from(position).expect("less than 2^31"))
    }

    /// The position, from 0: to index a list that has something for each node.
    pub fn position(self) -> usize {
        self.0 as usize
    }

    pub(super) fn number(self) -> u32 {
        self.0
    }
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeKind {
    /// JOB: a cluster of jobs.
    Job,
    /// SUBDAG EXTERNAL: a DAG of its own, run by a dagman of its own. Its description is the DAG
    /// file.
    Subdag,
    /// FINAL: runs last, whatever came of the others.
    Final,
    /// SERVICE: runs beside the others, from before the first to behind the last; best effort.
    Service,
    /// PROVISIONER: all wait until it says that it is ready.
    Provisioner,
    /// Made by dagman in the middle of `PARENT many CHILD many`: nothing runs, and it has no
    /// description.
    Join,
}

/// Where a node's jobs are described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Description<'w> {
    /// There is nothing to submit: a join.
    Nothing,
    /// A submit file, or for a sub-DAG its DAG file. It need exist only when the node starts.
    File(&'w str),
    /// The text between `{` and `}`, or `@=TAG` and `@TAG`, behind JOB.
    Inline(&'w str),
    /// A SUBMIT-DESCRIPTION that several nodes may share.
    Named { name: &'w str, text: &'w str },
}

/// One macro of a VARS line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Var<'w> {
    /// The macro, or `My.Attribute` for `+Attribute`.
    pub name: &'w str,
    /// The value without its quotes and escapes.
    pub value: &'w str,
    /// Before or behind the submit description.
    pub place: VarPlace,
}

/// Where the macros of a VARS line come to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VarPlace {
    /// Nothing was said: DAGMAN_DEFAULT_APPEND_VARS decides.
    Default,
    /// PREPEND: in front, so that the description may test and override them.
    Prepend,
    /// APPEND: behind, so that they override the description.
    Append,
}

/// When a script runs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum ScriptKind {
    /// Before the jobs.
    Pre,
    /// After the jobs.
    Post,
    /// When a job is held. Its result does not matter.
    Hold,
}

/// A SCRIPT line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script<'w> {
    /// Program and arguments as written. They are words between blanks; macros are whole words.
    pub command_line: &'w str,
    /// DEFER: what to do on a certain exit code.
    pub defer: Option<Defer>,
    /// DEBUG: where its output goes.
    pub debug: Option<ScriptDebug<'w>>,
}

impl<'w> Script<'w> {
    /// The program, then its arguments, macros not expanded.
    pub fn words(&self) -> impl Iterator<Item = &'w str> + use<'w> {
        self.command_line.split([' ', '\t']).filter(|word| !word.is_empty())
    }
}

/// `DEFER STATUS SECONDS`: a script that ends with the status runs again after the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defer {
    /// The exit code.
    pub status: i32,
    /// How long to wait.
    pub seconds: u32,
}

/// `DEBUG FILE STREAM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptDebug<'w> {
    /// The file that the output is appended to.
    pub file: &'w str,
    /// What of the output.
    pub stream: ScriptStream,
}

/// Which of a script's outputs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptStream {
    /// The standard output.
    Stdout,
    /// The standard error.
    Stderr,
    All,
}

/// `RETRY NODE MAX [UNLESS-EXIT CODE] [ON CAUSE...] [AFTER SECONDS [UP-TO SECONDS]]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// How often the whole node runs again after it failed.
    pub max: u32,
    /// A node that ends with this code is not tried again.
    pub unless_exit: Option<i32>,
    /// ON: only a node that failed because of one of these is tried again.
    pub causes: Option<Causes>,
    /// AFTER: what is waited before.
    pub pause: Option<Pause>,
}

/// Why a node may fail, as `RETRY ... ON` lists it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Causes {
    /// The exit codes, 64 a number, the lowest first.
    codes: [u64; 4],
    /// SIGNAL: a job or a script was ended by one.
    pub signal: bool,
    /// MEMORY: a job used more than it had asked for.
    pub memory: bool,
    /// REMOVED: somebody removed a job.
    pub removed: bool,
}

impl Causes {
    /// Adds exit codes.
    pub fn add_codes(&mut self, from: u8, to: u8) {
        for code in from..=to {
            self.codes[usize::from(code) / 64] |= 1 << (code % 64);
        }
    }

    /// Whether an exit code is one of them.
    pub fn has_code(&self, code: i32) -> bool {
        u8::try_from(code)
            .is_ok_and(|code| self.codes[usize::from(code) / 64] >> (code % 64) & 1 == 1)
    }

    /// The exit codes in ranges, the lowest first.
    pub fn ranges(&self) -> Vec<(u8, u8)> {
        let mut ranges: Vec<(u8, u8)> = Vec::new();
        for code in (0..=u8::MAX).filter(|code| self.has_code(i32::from(*code))) {
            match ranges.last_mut() {
                Some((_, to)) if u16::from(*to) + 1 == u16::from(code) => *to = code,
                Some(_) | None => ranges.push((code, code)),
            }
        }
        ranges
    }
}

/// `AFTER SECONDS [UP-TO SECONDS]`: what is waited before a node is tried again. It doubles each
/// time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The first time.
    pub seconds: u32,
    /// UP-TO: the longest wait.
    pub up_to: u32,
}

impl Pause {
    /// The most that is waited where UP-TO says nothing.
    pub const UP_TO: u32 = 3600;

    /// What is waited before the try of this number, from 1.
    pub fn before(self, retry: u32) -> u32 {
        let doubled = u64::from(self.seconds) << retry.saturating_sub(1).min(32);
        u32::try_from(doubled).unwrap_or(u32::MAX).min(self.up_to)
    }
}

/// `ABORT-DAG-ON NODE EXIT [RETURN CODE]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abort {
    /// The exit code of the node (or of its PRE) that ends the DAG.
    pub exit: i32,
    /// What dagman exits with then; the node's code if it is not said.
    pub return_code: Option<i32>,
}

/// `TOLERANCE NODE LIMIT [FAIL-FAST|WAIT]`: how many jobs of the node may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    pub limit: ToleranceLimit,
    /// What happens when there are more.
    pub when_exceeded: WhenExceeded,
}

/// So many jobs, or that part of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToleranceLimit {
    /// A number of jobs.
    Jobs(u32),
    /// Of a hundred jobs.
    Percent(u32),
}

/// What happens when more jobs of a node failed than it tolerates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenExceeded {
    /// Nothing was said: DAGMAN_REMOVE_JOB_LIST_ON_FAILURE decides.
    Default,
    /// FAIL-FAST: its other jobs are removed.
    FailFast,
    /// WAIT: its other jobs end by themselves.
    Wait,
}

/// `SKIP_UNCHANGED NODE [NEEDS FILE...] [MAKES FILE...]`. Paths are seen from the node's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkipUnchanged<'w> {
    /// Files that it reads besides those that its description names.
    pub needs: Vec<&'w str>,
    /// Files that must be there besides those that its description names.
    pub makes: Vec<&'w str>,
}

/// `MAP NODE ... OVER ITEMS [AS NAME,...] [AT-ONCE NUMBER]`: a job for each item of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map<'w> {
    /// Where the items are.
    pub over: Items<'w>,
    /// What the description calls an item, or its columns; none is `Item`.
    pub names: Vec<&'w str>,
    /// So many of its jobs are in the queue at a time; none is all.
    pub at_once: Option<u32>,
}

/// A list of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Items<'w> {
    /// A file with an item in each line, as seen from the node's folder. It need exist only when
    /// the node starts.
    File(&'w str),
    /// The items themselves, with blanks or commas between them.
    List(&'w str),
}

/// A node of a workflow.
#[derive(Clone, Copy)]
pub struct Node<'w> {
    workflow: &'w Workflow,
    index: NodeIndex,
}

impl<'w> Node<'w> {
    pub(super) fn new(workflow: &'w Workflow, index: NodeIndex) -> Self {
        assert!(
            index.position() < workflow.nodes.len(),
            "node {index:?} of {}",
            workflow.nodes.len()
        );
        Self { workflow, index }
    }

    fn stored(&self) -> &'w Stored {
        &self.workflow.nodes[self.index.position()]
    }

    fn rare(&self) -> Option<&'w Rare> {
        self.stored().rare.map(|at| &self.workflow.rare[at.0 as usize])
    }

    fn text(&self, text: Text) -> &'w str {
        self.workflow.texts.get(text)
    }

    /// Which one it is.
    pub fn index(&self) -> NodeIndex {
        self.index
    }

    /// Its full name, with those of its splices in front: `SPLICE+NODE`.
    pub fn name(&self) -> &'w str {
        self.text(self.stored().name)
    }

    /// What it is.
    pub fn kind(&self) -> NodeKind {
        self.stored().kind
    }

    /// Where its jobs are described.
    pub fn description(&self) -> Description<'w> {
        match self.stored().description {
            StoredDescription::Nothing => Description::Nothing,
            StoredDescription::File(file) => Description::File(self.text(file)),
            StoredDescription::Inline(text) => Description::Inline(self.text(text)),
            StoredDescription::Named(at) => {
                let (name, text) = self.workflow.descriptions[at as usize];
                Description::Named { name: self.text(name), text: self.text(text) }
            }
        }
    }

    /// The folder that its description, scripts and jobs are in, as seen from the folder that
    /// dagman runs in.
    pub fn dir(&self) -> Option<&'w str> {
        self.stored().dir.map(|dir| self.text(dir))
    }

    /// NOOP: its jobs count as done well without being submitted; its scripts run.
    pub fn is_noop(&self) -> bool {
        self.stored().noop
    }

    /// DONE: it was done well before the DAG began.
    pub fn is_done(&self) -> bool {
        self.stored().done
    }

    /// Whether its own line says so, and not a command that names it, as rescue files have.
    pub fn is_done_from_its_line(&self) -> bool {
        self.stored().is_done_from_its_line
    }

    /// Its macros, in the order in which they were given; no name comes twice (in any case).
    pub fn vars(&self) -> impl Iterator<Item = Var<'w>> + use<'w> {
        let workflow = self.workflow;
        let first = self.stored().first_var;
        let at = move |at: VarIndex| &workflow.vars[at.0 as usize];
        std::iter::successors(first.map(at), move |var| var.next.map(at)).map(move |var| Var {
            name: workflow.texts.get(var.name),
            value: workflow.texts.get(var.value),
            place: var.place,
        })
    }

    /// One of its scripts.
    pub fn script(&self, kind: ScriptKind) -> Option<Script<'w>> {
        let rare = self.rare()?;
        let script = match kind {
            ScriptKind::Pre => &rare.pre,
            ScriptKind::Post => &rare.post,
            ScriptKind::Hold => &rare.hold,
        };
        script.as_ref().map(|script| Script {
            command_line: self.text(script.command_line),
            defer: script.defer,
            debug: script.debug.map(|(file, stream)| ScriptDebug { file: self.text(file), stream }),
        })
    }

    /// RETRY.
    pub fn retry(&self) -> Option<Retry> {
        self.rare()?.retry
    }

    /// PRIORITY; 0 if nothing was said.
    pub fn priority(&self) -> i32 {
        self.rare().map_or(0, |rare| rare.priority)
    }

    /// CATEGORY.
    pub fn category(&self) -> Option<CategoryIndex> {
        self.rare()?.category
    }

    /// PRE_SKIP: the exit code of the PRE script that makes the node done well without its jobs.
    /// Never 0.
    pub fn pre_skip(&self) -> Option<i32> {
        self.rare()?.pre_skip
    }

    /// ABORT-DAG-ON.
    pub fn abort(&self) -> Option<Abort> {
        self.rare()?.abort
    }

    /// TOLERANCE.
    pub fn tolerance(&self) -> Option<Tolerance> {
        self.rare()?.tolerance
    }

    /// SKIP_UNCHANGED: the node counts as done where nothing changed since it was.
    pub fn skip_unchanged(&self) -> Option<SkipUnchanged<'w>> {
        let stored = &self.workflow.unchanged[self.rare()?.unchanged? as usize];
        let texts = |texts: &'w [Text]| texts.iter().map(|text| self.text(*text)).collect();
        Some(SkipUnchanged { needs: texts(&stored.needs), makes: texts(&stored.makes) })
    }

    /// MAP: a job for each item of a list, instead of what its description queues.
    pub fn map(&self) -> Option<Map<'w>> {
        let stored = &self.workflow.maps[self.rare()?.map? as usize];
        let over = match stored.over {
            StoredItems::File(file) => Items::File(self.text(file)),
            StoredItems::List(list) => Items::List(self.text(list)),
        };
        let names = stored.names.iter().map(|name| self.text(*name)).collect();
        Some(Map { over, names, at_once: stored.at_once })
    }

    /// SAVE_POINT_FILE: the file that is written when the node first starts, as [`super::Builder`]
    /// was told it.
    pub fn save_point(&self) -> Option<&'w str> {
        self.rare()?.save_point.map(|file| self.text(file))
    }

    /// Where it was written.
    pub fn origin(&self) -> Origin<'w> {
        let stored = self.stored();
        Origin { file: &self.workflow.files[stored.file as usize], line: stored.line }
    }

    /// Who waits for it.
    pub fn children(&self) -> impl ExactSizeIterator<Item = Edge> + use<'w> {
        self.workflow.graph.children(self.index)
    }

    /// For whom it waits.
    pub fn parents(&self) -> impl ExactSizeIterator<Item = Edge> + use<'w> {
        self.workflow.graph.parents(self.index)
    }
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("index", &self.index.0).field("name", &self.name()).finish()
    }
}

/// What every node has.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) name: Text,
    pub(super) description: StoredDescription,
    pub(super) dir: Option<Text>,
    pub(super) first_var: Option<VarIndex>,
    pub(super) rare: Option<RareIndex>,
    pub(super) file: u32,
    pub(super) line: u32,
    pub(super) kind: NodeKind,
    pub(super) noop: bool,
    pub(super) done: bool,
    pub(super) is_done_from_its_line: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum StoredDescription {
    Nothing,
    File(Text),
    Inline(Text),
    /// In the workflow's list of descriptions.
    Named(u32),
}

/// A macro, in the list of its node's macros.
#[derive(Clone, Debug)]
pub(super) struct StoredVar {
    pub(super) name: Text,
    pub(super) value: Text,
    pub(super) place: VarPlace,
    pub(super) next: Option<VarIndex>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VarIndex(pub(super) u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RareIndex(pub(super) u32);

/// What most nodes do not have.
#[derive(Clone, Debug, Default)]
pub(super) struct Rare {
    pub(super) pre: Option<StoredScript>,
    pub(super) post: Option<StoredScript>,
    pub(super) hold: Option<StoredScript>,
    pub(super) retry: Option<Retry>,
    pub(super) priority: i32,
    pub(super) category: Option<CategoryIndex>,
    pub(super) pre_skip: Option<i32>,
    pub(super) abort: Option<Abort>,
    pub(super) tolerance: Option<Tolerance>,
    pub(super) save_point: Option<Text>,
    /// In the workflow's list of them.
    pub(super) unchanged: Option<u32>,
    /// In the workflow's list of them.
    pub(super) map: Option<u32>,
}

/// What a MAP line says of its items.
#[derive(Clone, Debug)]
pub(super) struct StoredMap {
    pub(super) over: StoredItems,
    pub(super) names: Vec<Text>,
    pub(super) at_once: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum StoredItems {
    File(Text),
    List(Text),
}

/// A SKIP_UNCHANGED line, which many nodes may share.
#[derive(Clone, Debug)]
pub(super) struct StoredUnchanged {
    pub(super) needs: Vec<Text>,
    pub(super) makes: Vec<Text>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct StoredScript {
    pub(super) command_line: Text,
    pub(super) defer: Option<Defer>,
    pub(super) debug: Option<(Text, ScriptStream)>,
}
