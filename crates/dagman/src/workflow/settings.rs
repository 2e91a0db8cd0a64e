//! What holds for a whole DAG. Knows nothing of nodes.

/// Which category, in [`super::Workflow::categories`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CategoryIndex(pub u32);

/// Nodes that share a throttle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// As CATEGORY and MAXJOBS call it; that of a splice is `SPLICE+CATEGORY` unless its own name
    /// begins with `+`.
    pub name: String,
    /// How many of its nodes may be in the queue at a time (MAXJOBS); without a limit, it throttles
    /// nothing.
    pub max_jobs: Option<u32>,
}

/// The commands that are about no node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DagSettings {
    /// CONFIG: a file with settings of dagman.
    pub config: Option<String>,
    /// ENV: what the DAG's own job gets into its environment.
    pub environment: Environment,
    /// SET_JOB_ATTR: attributes of the DAG's own job, as expressions, in the order of the file.
    pub job_attributes: Vec<(String, String)>,
    /// DOT.
    pub dot: Option<Dot>,
    /// NODE_STATUS_FILE.
    pub node_status_file: Option<NodeStatusFile>,
    /// JOBSTATE_LOG: the file.
    pub jobstate_log: Option<String>,
}

/// ENV lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `ENV GET`: names, or patterns of names, to take over from whoever submits the DAG.
    pub get: Vec<String>,
    /// `ENV SET`: as written, `NAME=value;NAME=value`, one text for each line.
    pub set: Vec<String>,
}

/// The file of a save point: those that are named without a folder have one of their own.
pub fn save_file(name: &str) -> String {
    if name.contains('/') { name.to_owned() } else { format!("save_files/{name}") }
}

/// What may stand between variables instead of `;`, where the text begins with it.
const DELIMITERS: &str = "|,!:#@/^~+-;&*?$<>`%";

/// The variables of a text like `NAME=value;NAME=value`, or `|NAME=value|NAME=value`.
///
/// # Errors
/// The part that is none.
pub fn variables(text: &str) -> Result<Vec<(String, String)>, &str> {
    let delimiter = text.chars().next().filter(|first| DELIMITERS.contains(*first)).unwrap_or(';');
    let parts = text.split(delimiter).filter(|part| !part.trim().is_empty());
    let one = |part: &str| -> Option<(String, String)> {
        let (name, value) = part.split_once('=')?;
        let name = name.trim();
        (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    };
    parts.map(|part| one(part).ok_or(part)).collect()
}

/// `DOT FILE [UPDATE] [OVERWRITE] [INCLUDE HEADER]`: a picture of the DAG in Graphviz's language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dot {
    pub file: String,
    /// Whether it is written again whenever a node's state changes. Default false.
    pub update: bool,
    /// Whether one file is written anew each time (default), or `FILE.0`, `FILE.1`, ... are.
    pub overwrite: bool,
    /// A file whose text comes into the graph's body.
    pub include: Option<String>,
}

/// `NODE_STATUS_FILE FILE [SECONDS] [ALWAYS-UPDATE]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatusFile {
    pub file: String,
    /// At least so many seconds lie between two writings. Default 60.
    pub min_seconds: u32,
    /// Whether it is written though nothing changed. Default false.
    pub always_update: bool,
}
