//! A node's description becomes a cluster: with the node's macros before or behind it, and what its
//! jobs carry so that everybody knows whose they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use classad::{ClassAd, Expr, Value};
use client::{Query, RealSite, Select, Selector};
use jobspec::htcondor::{Description as SubmitDescription, SubmitOptions};
use model::job_ad::is_of_dag;
use model::{ClusterId, ClusterSpec, SubmitToken, attr};
use sha2::Digest;

use super::facts::{GENERATION, NODE_RETRY};
use super::{Manner, SettingsOf, Setup, files, rescues};
use crate::core::Core;
use crate::record::Names;
use crate::record::condor_sub::DagJob;
use crate::workflow::{Description, Items, Map, Node, NodeIndex, NodeKind, VarPlace};

/// Attributes of a node's job that no other crate names.
pub(super) const PARENT_NAMES: &str = "DAGParentNodeNames";

/// What is the same for all nodes of a run.
pub(super) struct Submitter {
    pub(super) dag: ClusterId,
    pub(super) generation: u32,
    /// The batch that all jobs of the workflow belong to.
    pub(super) batch_name: String,
    /// The absolute path of the nodes' log.
    pub(super) nodes_log: String,
    pub(super) manner: Manner,
    settings_of: Arc<SettingsOf>,
    /// What the jobs take over from the DAG's own.
    inherited: ClassAd,
    /// Sites by folder, and descriptions by their text: a million nodes share a few.
    sites: BTreeMap<PathBuf, Arc<RealSite>>,
    parsed: BTreeMap<(String, String), Arc<SubmitDescription>>,
}

/// Descriptions that are kept, and folders. More are looked at again.
const KEPT: usize = 1000;

/// A node that is to be submitted.
pub(super) struct Prepared {
    pub(super) node: NodeIndex,
    pub(super) retry: u32,
    pub(super) token: SubmitToken,
    description: Arc<SubmitDescription>,
    site: Arc<RealSite>,
    options: SubmitOptions,
    own: ClassAd,
    batch_name: String,
    without_log: bool,
    /// Whether it must be of one job.
    one_job: bool,
    /// Who knows how much memory the last attempt used, if the description asks for it.
    last: Option<Query>,
    /// What is odd about its description.
    pub(super) warning: Option<String>,
}

/// The macro that has how much memory the jobs of the last attempt used at most, in MiB.
const LAST_MEMORY: &str = "LAST_MEMORY";

impl Submitter {
    pub(super) fn new(
        setup: &Setup,
        generation: u32,
        batch_name: String,
        nodes_log: String,
        inherited: ClassAd,
    ) -> Self {
        Self {
            dag: setup.job,
            generation,
            batch_name,
            nodes_log,
            manner: setup.manner.clone(),
            settings_of: Arc::clone(&setup.settings_of),
            inherited,
            sites: BTreeMap::new(),
            parsed: BTreeMap::new(),
        }
    }

    /// What a node's jobs are made from. What is wrong with it is told in one text: it stays wrong.
    pub(super) fn prepare(
        &mut self,
        core: &Core,
        index: NodeIndex,
        retry: u32,
        last: Option<ClusterId>,
    ) -> Result<Prepared, String> {
        let node = core.workflow().node(index);
        let site = self.site(Path::new(node.dir().unwrap_or(".")))?;
        let (name, text) = self.text(&node)?;
        let asks = text.contains(LAST_MEMORY);
        let description = match self.parsed.get(&(name.clone(), text.clone())) {
            Some(description) => Arc::clone(description),
            None => {
                let parsed =
                    jobspec::htcondor::parse(&text, &name).map_err(|problems| told(&problems))?;
                let parsed = Arc::new(parsed);
                if self.parsed.len() >= KEPT {
                    self.parsed.clear();
                }
                self.parsed.insert((name, text), Arc::clone(&parsed));
                parsed
            }
        };
        let warning = (description.queues() > 1).then(|| {
            format!(
                "Warning: the description of node {} has {} queue statements: a node runs what the first of them queues, and nothing else",
                node.name(),
                description.queues()
            )
        });
        let mut options = self.options(core, &node, retry);
        if asks {
            options.assignments.push((LAST_MEMORY.to_owned(), "0".to_owned()));
        }
        // Without a number everybody's history would be looked through, and nothing is known then.
        let last = match (retry.checked_sub(1).filter(|_| asks), last) {
            (Some(before), Some(cluster)) => Some(self.attempt(&node, before, cluster)),
            (None, _) | (_, None) => None,
        };
        Ok(Prepared {
            node: index,
            retry,
            token: token(self.dag, self.generation, node.name(), retry),
            description,
            site,
            options,
            own: self.own_attributes(core, &node, retry),
            batch_name: self.batch_name.clone(),
            without_log: self.manner.suppress_job_logs,
            one_job: self.manner.prohibit_multi_jobs,
            last,
            warning,
        })
    }

    /// The jobs of an attempt, which are over.
    fn attempt(&self, node: &Node<'_>, retry: u32, cluster: ClusterId) -> Query {
        let select = Select::Any(vec![Selector::Cluster(cluster)]);
        let of_node = Expr::attr(attr::DAG_NODE_NAME).equals(node.name());
        let of_attempt = Expr::attr(NODE_RETRY).equals(retry);
        let constraint = is_of_dag(self.dag).and(of_node).and(of_attempt);
        Query {
            constraint: Some(constraint),
            projection: vec![attr::RESIDENT_SET_SIZE.into()],
            finished: true,
            ..Query::of(select)
        }
    }

    /// The site of a node's folder.
    fn site(&mut self, dir: &Path) -> Result<Arc<RealSite>, String> {
        if let Some(site) = self.sites.get(dir) {
            return Ok(Arc::clone(site));
        }
        let here = std::env::current_dir().map_err(|error| error.to_string())?;
        let folder = if dir == Path::new(".") { here } else { here.join(dir) };
        let site = RealSite::in_folder(&folder).map_err(|error| error.to_string())?;
        let site = Arc::new(site.with_only_plain_files());
        if self.sites.len() >= KEPT {
            self.sites.clear();
        }
        self.sites.insert(dir.to_owned(), Arc::clone(&site));
        Ok(site)
    }

    /// The name and the text of a node's description.
    fn text(&self, node: &Node<'_>) -> Result<(String, String), String> {
        if node.kind() == NodeKind::Subdag {
            return self.subdag(node);
        }
        match node.description() {
            Description::Nothing => Err("the node has nothing to submit".to_owned()),
            Description::File(file) => {
                let path = Path::new(node.dir().unwrap_or(".")).join(file);
                let text = client::site::read_plain_text(&path).map_err(|error| {
                    let why = client::site::plain(&error);
                    format!("Failed to open submit file: can't open file {file}: {why}")
                })?;
                Ok((file.to_owned(), text))
            }
            Description::Inline(text) => Ok((format!("{}-inline", node.name()), text.to_owned())),
            Description::Named { name, text } => Ok((name.to_owned(), text.to_owned())),
        }
    }

    /// A sub-DAG is a job that runs a dagman: its description is written anew each time it starts,
    /// for a PRE script may have changed the DAG.
    fn subdag(&self, node: &Node<'_>) -> Result<(String, String), String> {
        let Description::File(dag) = node.description() else {
            return Err("a sub-DAG needs a DAG file".to_owned());
        };
        let dir = Path::new(node.dir().unwrap_or("."));
        if !dir.join(dag).exists() {
            return Err(format!("Failed to open DAG file {dag}: No such file or directory"));
        }
        let mut job = DagJob {
            dag_files: vec![dag.to_owned()],
            dagman: self.manner.dagman.clone(),
            options: self.subdag_options(node, dir, dag)?,
            handed_on: self.manner.handed_on.clone(),
            environment: pool_variables(),
            made_by: format!("dagman for node {}", node.name()),
            ..DagJob::default()
        };
        let names = job.names();
        let path = dir.join(names.condor_sub());
        if !self.manner.generate_subdag_submits && path.exists() {
            let text = client::site::read_plain_text(&path);
            let text =
                text.map_err(|error| format!("Failed to read {}: {error}", path.display()))?;
            return Ok((names.condor_sub(), text));
        }
        self.manner.of_site.complete(&mut job)?;
        let settings = (self.settings_of)(dir, dag).map_err(|problems| problems.join("; "))?;
        let here = std::env::current_dir().map_err(|error| error.to_string())?;
        job.take_over(&settings, &here.join(dir))?;
        let text = job.text();
        std::fs::write(&path, &text)
            .map_err(|error| format!("Failed to write {}: {error}", path.display()))?;
        Ok((names.condor_sub(), text))
    }

    /// The options of a sub-DAG's dagman. One that has no rescue file of the number that this run
    /// was told to begin from begins as it would by itself.
    fn subdag_options(
        &self,
        node: &Node<'_>,
        dir: &Path,
        dag: &str,
    ) -> Result<Vec<Vec<String>>, String> {
        let inherited = self.manner.inherited.iter();
        let mut options: Vec<Vec<String>> = inherited.map(|flag| vec![flag.clone()]).collect();
        let mut pair = |name: &str, value: String| options.push(vec![name.to_owned(), value]);
        let priority = self.manner.priority + node.priority();
        if priority != 0 {
            pair("-Priority", priority.to_string());
        }
        pair("-AutoRescue", u8::from(self.manner.auto_rescue).to_string());
        let names = Names::new(&dir.join(dag).to_string_lossy(), false);
        if let Some(number) = self.manner.rescue_from
            && files::is_there(&names.rescue(number))
        {
            rescues::rename_newer(&names, number).map_err(|error| error.to_string())?;
            pair("-DoRescueFrom", number.to_string());
        }
        options.push(vec!["-update_submit".to_owned()]);
        Ok(options)
    }

    fn options(&self, core: &Core, node: &Node<'_>, retry: u32) -> SubmitOptions {
        let counts = core.counts();
        let mut options = SubmitOptions {
            queue: node.map().map(|map| queue_of(&map)),
            is_queue_in_place: true,
            only_first_queue: true,
            is_file: true,
            ..SubmitOptions::default()
        };
        let parents = parent_names(core, node);
        for (name, value) in [
            ("JOB", node.name().to_owned()),
            ("RETRY", retry.to_string()),
            ("DAG_STATUS", core.progress().status.number().to_string()),
            ("FAILED_COUNT", counts.failed.to_string()),
            (attr::DAGMAN_JOB_ID, self.dag.to_string()),
            ("DAG_PARENT_NAMES", parents),
        ] {
            options.assignments.push((name.to_owned(), value));
        }
        for var in node.vars() {
            let value = with_macros(var.value, node.name(), retry);
            let is_behind = match var.place {
                VarPlace::Append => true,
                VarPlace::Prepend => false,
                VarPlace::Default => self.manner.append_vars,
            };
            if is_behind {
                options.appends.push(format!("{} = {value}", var.name));
            } else {
                options.assignments.push((var.name.to_owned(), value));
            }
        }
        if let Some(jobs) = node.map().and_then(|map| map.at_once) {
            options.appends.push(format!("max_materialize = {jobs}"));
        }
        let max = node.retry().map_or(0, |retry| retry.max);
        if self.manner.failed_on_hold && retry > 0 && retry >= max {
            options.appends.push("hold = True".to_owned());
        }
        options
    }

    /// What the jobs carry besides what the description says.
    fn own_attributes(&self, core: &Core, node: &Node<'_>, retry: u32) -> ClassAd {
        let mut own = self.inherited.clone();
        if node.parents().len() > 0 {
            own.set(PARENT_NAMES, parent_names(core, node));
        }
        own.set(attr::DAGMAN_JOB_ID, i64::from(self.dag.0));
        own.set(attr::DAG_NODE_NAME, node.name());
        if node.kind() == NodeKind::Service {
            own.set(attr::DAG_LIFETIME_JOB, true);
        }
        own.set(attr::DAGMAN_NODES_LOG, self.nodes_log.as_str());
        own.set(attr::DAGMAN_NODES_MASK, MASK);
        own.set(NODE_RETRY, i64::from(retry));
        own.set(attr::SUBMIT_EVENT_NOTES, format!("DAG Node: {}", node.name()));
        if self.generation > 0 {
            own.set(GENERATION, i64::from(self.generation));
        }
        let priority = self.manner.priority + node.priority();
        if priority != 0 {
            own.set(attr::JOB_PRIO, i64::from(priority));
        }
        if self.manner.suppress_notification {
            own.set(attr::JOB_NOTIFICATION, 0);
        }
        own
    }
}

/// What stands behind the `queue` of a MAP.
fn queue_of(map: &Map<'_>) -> String {
    let names = if map.names.is_empty() { "Item".to_owned() } else { map.names.join(",") };
    match map.over {
        Items::File(file) => format!("{names} from {file}"),
        Items::List(list) => format!("{names} in ({list})"),
    }
}

/// Why a node's cluster was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotMade {
    /// Its list has no items: there is nothing to make (MAP).
    NoItems,
    /// Its description is wrong, and stays so.
    Wrong(String),
}

/// The events that HTCondor 25.14's dagman has written to the nodes' log.
const MASK: &str = "0,1,2,4,5,7,9,10,11,12,13,16,17,24,27,35,36,40";

impl Prepared {
    /// What is to be asked before its cluster is made: how much the last attempt used.
    pub(super) fn asks(&self) -> Option<&Query> {
        self.last.as_ref()
    }

    /// The answer to that: the jobs of the last attempt.
    pub(super) fn measured(&mut self, jobs: &[ClassAd]) {
        let used = jobs
            .iter()
            .filter_map(|ad| ad.literal(attr::RESIDENT_SET_SIZE).and_then(Value::as_i64));
        let mib = used.max().unwrap_or(0).saturating_add(1023) / 1024;
        self.last = None;
        self.options.assignments.push((LAST_MEMORY.to_owned(), mib.to_string()));
    }

    /// The node's cluster, once its number is known.
    ///
    /// # Errors
    /// If there is none to be made.
    pub(super) fn make(&self, cluster: ClusterId) -> Result<ClusterSpec, NotMade> {
        let mut numbers = std::iter::once(cluster);
        let mut next = || {
            numbers.next().ok_or_else(|| {
                jobspec::Diagnostic::error("a node's jobs are one cluster: the executable changes between queue statements")
            })
        };
        let made = self.description.expand(&*self.site, &mut next, &self.options);
        let made = made.map_err(|problems| NotMade::Wrong(told(&problems)))?;
        let Some((_, mut spec)) = made.clusters.into_iter().next() else {
            return Err(match self.options.queue {
                Some(_) => NotMade::NoItems,
                None => NotMade::Wrong("the description queues no jobs".to_owned()),
            });
        };
        if spec.ad.get(attr::JOB_BATCH_NAME).is_none() {
            spec.ad.set(attr::JOB_BATCH_NAME, self.batch_name.as_str());
        }
        spec.ad.update(&self.own);
        if self.without_log {
            spec.ad.remove(attr::USER_LOG);
        }
        if self.one_job && spec.count() > 1 {
            let jobs = spec.count();
            let why = format!("the node has {jobs} jobs, and DAGMAN_PROHIBIT_MULTI_JOBS is set");
            return Err(NotMade::Wrong(why));
        }
        Ok(spec)
    }
}

/// `A,B`, and the attribute that has it.
fn parent_names(core: &Core, node: &Node<'_>) -> String {
    let names = node.parents().map(|edge| core.workflow().node(edge.node).name());
    names.collect::<Vec<_>>().join(",")
}

/// VARS may use the node's own macros.
fn with_macros(value: &str, name: &str, retry: u32) -> String {
    value.replace("$(JOB)", name).replace("$(RETRY)", &retry.to_string())
}

fn told(problems: &[jobspec::Diagnostic]) -> String {
    let errors = problems.iter().filter(|problem| problem.is_error());
    let texts: Vec<String> = errors.map(|problem| problem.render().trim().to_owned()).collect();
    texts.join("; ").replace('\n', " ")
}

/// The token of a node's attempt: asked twice, the schedd has one cluster.
pub fn token(dag: ClusterId, generation: u32, name: &str, retry: u32) -> SubmitToken {
    let mut hash = sha2::Sha256::new();
    hash.update(name.as_bytes());
    hash.update([0]);
    for number in [dag.0, generation, retry] {
        hash.update(number.to_le_bytes());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    SubmitToken(bytes)
}

/// What a dagman needs to find its pool.
pub fn pool_variables() -> Vec<(String, String)> {
    let home = std::env::var(client::HOME_VARIABLE).ok().filter(|home| !home.is_empty());
    home.map(|home| (client::HOME_VARIABLE.to_owned(), home)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attempt_of_every_node_has_a_token_of_its_own() {
        let mut tokens = std::collections::BTreeSet::new();
        for dag in 1..5 {
            for generation in 0..3 {
                for name in ["A", "B", "A0", "B+A"] {
                    for retry in 0..5 {
                        tokens.insert(token(ClusterId(dag), generation, name, retry));
                    }
                }
            }
        }
        assert_eq!(tokens.len(), 4 * 3 * 4 * 5);
        assert_eq!(token(ClusterId(1), 0, "A", 0), token(ClusterId(1), 0, "A", 0));
    }
}
