//! The commands of a DAG file, each word with its place in the line. Nothing is looked up or
//! decided yet.

use std::borrow::Cow;

use crate::workflow::{
    Abort, Defer, NodeKind, Retry, ScriptKind, ScriptStream, Tolerance, VarPlace,
};

/// A word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word<'l> {
    /// Its text, escapes resolved.
    pub text: Cow<'l, str>,
    /// Where it begins in the line, in bytes.
    pub at: usize,
}

/// What one command of a DAG file says, as it is written: no name is looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'l> {
    /// JOB, MAP, FINAL, SERVICE, PROVISIONER, SUBDAG EXTERNAL.
    Node(NodeCommand<'l>),
    /// SUBMIT-DESCRIPTION.
    SubmitDescription {
        /// What nodes call it.
        name: Word<'l>,
        text: Cow<'l, str>,
    },
    /// SPLICE.
    Splice {
        /// What the nodes' names begin with.
        name: Word<'l>,
        /// The DAG file.
        file: Word<'l>,
        /// DIR.
        dir: Option<Word<'l>>,
    },
    /// INCLUDE.
    Include {
        /// The DAG file.
        file: Word<'l>,
    },
    /// PARENT ... CHILD ...
    Parent {
        /// WEAK.
        weak: bool,
        /// Nodes and splices.
        parents: Vec<Word<'l>>,
        /// Nodes and splices.
        children: Vec<Word<'l>>,
    },
    /// CONNECT.
    Connect {
        /// The splice with the PIN_OUTs.
        parent: Word<'l>,
        /// The splice with the PIN_INs.
        child: Word<'l>,
    },
    /// PIN_IN and PIN_OUT.
    Pin {
        /// Which of the two.
        side: PinSide,
        node: Word<'l>,
        /// The pin, from 1.
        number: u32,
    },
    /// SCRIPT.
    Script(ScriptCommand<'l>),
    /// RETRY.
    Retry {
        /// The node, or ALL_NODES.
        node: Word<'l>,
        /// What was said.
        retry: Retry,
    },
    /// VARS.
    Vars {
        /// The node, or ALL_NODES.
        node: Word<'l>,
        /// PREPEND or APPEND.
        place: VarPlace,
        pairs: Vec<Pair<'l>>,
    },
    /// PRIORITY.
    Priority {
        /// The node, or ALL_NODES.
        node: Word<'l>,
        /// The larger, the sooner.
        priority: i32,
    },
    /// CATEGORY.
    Category {
        /// The node, or ALL_NODES.
        node: Word<'l>,
        category: Word<'l>,
    },
    /// MAXJOBS.
    MaxJobs {
        category: Word<'l>,
        /// How many at a time.
        limit: u32,
    },
    /// PRE_SKIP.
    PreSkip {
        /// The node, or ALL_NODES.
        node: Word<'l>,
        /// The exit code.
        exit: i32,
    },
    /// ABORT-DAG-ON.
    Abort {
        /// The node, or ALL_NODES.
        node: Word<'l>,
        /// What was said.
        abort: Abort,
    },
    /// TOLERANCE.
    Tolerance {
        /// The node, or ALL_NODES.
        node: Word<'l>,
        /// What was said.
        tolerance: Tolerance,
    },
    /// DONE.
    Done { node: Word<'l> },
    /// SKIP_UNCHANGED.
    SkipUnchanged {
        /// The node, or ALL_NODES.
        node: Word<'l>,
        /// NEEDS: files that it reads besides those that its description names.
        needs: Vec<Word<'l>>,
        /// MAKES: files that must be there besides those that its description names.
        makes: Vec<Word<'l>>,
    },
    /// SAVE_POINT_FILE.
    SavePoint { node: Word<'l>, file: Option<Word<'l>> },
    /// CONFIG.
    Config { file: Word<'l> },
    /// ENV GET: as written.
    EnvGet(Cow<'l, str>),
    /// ENV SET: as written.
    EnvSet(Cow<'l, str>),
    /// SET_JOB_ATTR: the line, `name = expression`.
    SetJobAttr(Cow<'l, str>),
    /// DOT.
    Dot {
        file: Word<'l>,
        /// UPDATE or DONT-UPDATE.
        update: OptionalOnOff,
        /// OVERWRITE or DONT-OVERWRITE.
        overwrite: OptionalOnOff,
        /// INCLUDE.
        include: Option<Word<'l>>,
    },
    /// NODE_STATUS_FILE.
    NodeStatusFile {
        file: Word<'l>,
        /// The shortest time between two writings.
        seconds: Option<i32>,
        /// ALWAYS-UPDATE.
        always_update: bool,
    },
    /// JOBSTATE_LOG.
    JobstateLog { file: Word<'l> },
    /// REJECT.
    Reject,
}

/// Something that may be said, or its opposite, or nothing.
pub type OptionalOnOff = Option<bool>;

/// PIN_IN or PIN_OUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinSide {
    /// Where a parent splice is connected.
    In,
    /// Where a child splice is connected.
    Out,
}

/// A command that makes a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCommand<'l> {
    pub kind: NodeKind,
    /// Its name in its file.
    pub name: Word<'l>,
    /// What it runs.
    pub work: Work<'l>,
    /// DIR.
    pub dir: Option<Word<'l>>,
    /// NOOP.
    pub noop: bool,
    /// DONE.
    pub done: bool,
    /// MAP.
    pub map: Option<MapCommand<'l>>,
}

/// What a MAP line says besides what a JOB line may say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapCommand<'l> {
    /// OVER.
    pub over: ItemsCommand<'l>,
    /// AS: what the description calls an item, or its columns. Empty if nothing was said.
    pub names: Vec<Word<'l>>,
    /// LEAST: of a hundred items, so many must go well.
    pub least: Option<u32>,
    /// AT-ONCE: so many jobs in the queue at a time.
    pub at_once: Option<u32>,
}

/// Where the items of a MAP line are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemsCommand<'l> {
    /// A line each in a file.
    File(Word<'l>),
    /// Between parentheses, with blanks or commas between them.
    List(Cow<'l, str>),
}

/// What a node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work<'l> {
    /// A file, or the name of a SUBMIT-DESCRIPTION.
    File(Word<'l>),
    Inline(Cow<'l, str>),
}

/// A SCRIPT line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptCommand<'l> {
    /// The node, or ALL_NODES.
    pub node: Word<'l>,
    /// When it runs.
    pub kind: ScriptKind,
    /// Program and arguments.
    pub command_line: Cow<'l, str>,
    /// DEFER.
    pub defer: Option<Defer>,
    /// DEBUG.
    pub debug: Option<(Word<'l>, ScriptStream)>,
}

/// One macro of a VARS line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair<'l> {
    /// Its name, with `My.` for `+`.
    pub name: Word<'l>,
    pub value: Cow<'l, str>,
}

macro_rules! keywords {
    ($($(#[$doc:meta])* $keyword:ident = $name:literal, $syntax:literal;)*) => {
        /// The first word of a command.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Keyword {
            $(#[doc = concat!("`", $syntax, "`")] $keyword,)*
        }

        impl Keyword {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$keyword,)*];

            /// As HTCondor's messages spell it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$keyword => $name,)* }
            }

            /// What the whole command looks like.
            pub fn syntax(self) -> &'static str {
                match self { $(Self::$keyword => $syntax,)* }
            }
        }
    };
}

keywords! {
    Job = "JOB", "JOB NAME FILE|{...}|@=TAG ... @TAG [DIR FOLDER] [NOOP] [DONE]";
    Map = "MAP", "MAP NAME FILE|{...}|@=TAG ... @TAG OVER FILE|(ITEM...) [AS NAME,...] [LEAST NUMBER%] [AT-ONCE NUMBER] [DIR FOLDER] [NOOP] [DONE]";
    Parent = "PARENT", "[WEAK] PARENT NODE... CHILD NODE...";
    Weak = "WEAK", "WEAK PARENT NODE... CHILD NODE...";
    Vars = "VARS", "VARS NODE|ALL_NODES [PREPEND|APPEND] NAME=\"VALUE\"...";
    Script = "SCRIPT", "SCRIPT [DEFER STATUS SECONDS] [DEBUG FILE STDOUT|STDERR|ALL] PRE|POST|HOLD NODE|ALL_NODES PROGRAM [ARGUMENT...]";
    Retry = "RETRY", "RETRY NODE|ALL_NODES MAX [UNLESS-EXIT CODE] [ON CAUSE...] [AFTER SECONDS [UP-TO SECONDS]]";
    Subdag = "SUBDAG", "SUBDAG EXTERNAL NAME FILE [DIR FOLDER] [NOOP] [DONE]";
    Splice = "SPLICE", "SPLICE NAME FILE [DIR FOLDER]";
    Final = "FINAL", "FINAL NAME FILE [DIR FOLDER] [NOOP]";
    Service = "SERVICE", "SERVICE NAME FILE [DIR FOLDER] [NOOP]";
    Provisioner = "PROVISIONER", "PROVISIONER NAME FILE [DIR FOLDER] [NOOP]";
    SubmitDescription = "SUBMIT_DESCRIPTION", "SUBMIT-DESCRIPTION NAME {...}|@=TAG ... @TAG";
    Priority = "PRIORITY", "PRIORITY NODE|ALL_NODES NUMBER";
    Category = "CATEGORY", "CATEGORY NODE|ALL_NODES CATEGORY";
    MaxJobs = "MAXJOBS", "MAXJOBS CATEGORY NUMBER";
    PreSkip = "PRE_SKIP", "PRE_SKIP NODE|ALL_NODES CODE";
    AbortDagOn = "ABORT_DAG_ON", "ABORT-DAG-ON NODE|ALL_NODES CODE [RETURN CODE]";
    Tolerance = "TOLERANCE", "TOLERANCE NODE|ALL_NODES NUMBER[%] [FAIL-FAST|WAIT]";
    Done = "DONE", "DONE NODE";
    SkipUnchanged = "SKIP_UNCHANGED", "SKIP_UNCHANGED NODE|ALL_NODES [NEEDS FILE...] [MAKES FILE...]";
    SavePointFile = "SAVE_POINT_FILE", "SAVE_POINT_FILE NODE [FILE]";
    Include = "INCLUDE", "INCLUDE FILE";
    Config = "CONFIG", "CONFIG FILE";
    Env = "ENV", "ENV GET NAME... | ENV SET NAME=VALUE;...";
    SetJobAttr = "SET_JOB_ATTR", "SET_JOB_ATTR NAME = EXPRESSION";
    Reject = "REJECT", "REJECT";
    Dot = "DOT", "DOT FILE [UPDATE|DONT-UPDATE] [OVERWRITE|DONT-OVERWRITE] [INCLUDE FILE]";
    NodeStatusFile = "NODE_STATUS_FILE", "NODE_STATUS_FILE FILE [SECONDS] [ALWAYS-UPDATE]";
    JobstateLog = "JOBSTATE_LOG", "JOBSTATE_LOG FILE";
    Connect = "CONNECT", "CONNECT SPLICE SPLICE";
    PinIn = "PIN_IN", "PIN_IN NODE NUMBER";
    PinOut = "PIN_OUT", "PIN_OUT NODE NUMBER";
}

impl Keyword {
    /// The keyword that a word is, in any case, `-` for `_` or not.
    pub fn read(word: &str) -> Option<Self> {
        let same = |a: u8, b: u8| a.to_ascii_uppercase() == b || (a == b'-' && b == b'_');
        let is = |name: &str| {
            name.len() == word.len() && word.bytes().zip(name.bytes()).all(|(a, b)| same(a, b))
        };
        Self::ALL.iter().copied().find(|keyword| is(keyword.name()))
    }

    /// As HTCondor's messages call the command that it begins.
    pub fn label(self) -> &'static str {
        if self == Self::Weak { Self::Parent.name() } else { self.name() }
    }

    /// Whether the command makes something that others may name before it stands in the file.
    pub fn declares(self) -> bool {
        match self {
            Self::Job
            | Self::Map
            | Self::Subdag
            | Self::Splice
            | Self::Final
            | Self::Service
            | Self::Provisioner
            | Self::SubmitDescription
            | Self::Include => true,
            Self::Parent
            | Self::Weak
            | Self::Vars
            | Self::Script
            | Self::Retry
            | Self::Priority
            | Self::Category
            | Self::MaxJobs
            | Self::PreSkip
            | Self::AbortDagOn
            | Self::Tolerance
            | Self::SkipUnchanged
            | Self::Done
            | Self::SavePointFile
            | Self::Config
            | Self::Env
            | Self::SetJobAttr
            | Self::Reject
            | Self::Dot
            | Self::NodeStatusFile
            | Self::JobstateLog
            | Self::Connect
            | Self::PinIn
            | Self::PinOut => false,
        }
    }

    /// Whether a description between `{` and `}` may follow its name.
    pub(super) fn has_inline(self) -> bool {
        matches!(
            self,
            Self::Job
                | Self::Map
                | Self::Final
                | Self::Service
                | Self::Provisioner
                | Self::SubmitDescription
        )
    }
}
