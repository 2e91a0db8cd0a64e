//! What a DAG of the simulated world is: its nodes and edges, and with what each attempt of each
//! part ends, so that everybody who looks knows what must come of it.

use dagman::core::{Options, Throttles};
use dagman::workflow::{
    Builder, Description, NewNode, NodeIndex, NodeKind, Retry, Script, ScriptKind, Workflow,
};
use model::ClusterSpec;

use crate::sim::jobs::{SIM_END, job};
use crate::sim::rng::Rng;

/// Whose the DAG is: none of the other users.
pub(crate) const OWNER: &str = "dave";

/// A DAG.
#[derive(Clone, Debug, Default)]
pub(crate) struct DagPlan {
    pub(crate) nodes: Vec<NodePlan>,
    /// Parent and child: the parent is the one with the smaller number.
    pub(crate) edges: Vec<(usize, usize)>,
    /// `-maxidle`.
    pub(crate) max_idle: u32,
}

/// A node. The codes are those of its attempts; the last holds for all further.
#[derive(Clone, Debug)]
pub(crate) struct NodePlan {
    pub(crate) pre: Option<Vec<i32>>,
    pub(crate) jobs: u32,
    pub(crate) ends: Vec<i32>,
    pub(crate) run_ms: i64,
    pub(crate) post: Option<Vec<i32>>,
    pub(crate) retries: u32,
    pub(crate) unless: Option<i32>,
    pub(crate) noop: bool,
    pub(crate) is_final: bool,
}

impl Default for NodePlan {
    fn default() -> Self {
        Self {
            pre: None,
            jobs: 1,
            ends: vec![0],
            run_ms: 500,
            post: None,
            retries: 0,
            unless: None,
            noop: false,
            is_final: false,
        }
    }
}

/// The code of an attempt.
pub(crate) fn code(codes: &[i32], attempt: u32) -> i32 {
    let at = usize::try_from(attempt).unwrap_or(usize::MAX);
    codes.get(at).or(codes.last()).copied().unwrap_or(0)
}

impl DagPlan {
    /// Some nodes, most of which come to something.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let count = rng.between(2, 9);
        let mut plan = Self { max_idle: rng.pick(&[0, 0, 1, 3]), ..Self::default() };
        for node in 0..usize::try_from(count).unwrap_or(2) {
            plan.nodes.push(NodePlan::draw(rng));
            for parent in 0..node {
                if rng.percent(30) {
                    plan.edges.push((parent, node));
                }
            }
        }
        if rng.percent(25) {
            let last = NodePlan { is_final: true, noop: false, ..NodePlan::draw(rng) };
            plan.nodes.push(last);
        }
        plan
    }

    pub(crate) fn name(&self, node: NodeIndex) -> String {
        format!("N{}", node.position())
    }

    pub(crate) fn parents(&self, node: usize) -> impl Iterator<Item = usize> {
        self.edges.iter().filter(move |(_, child)| *child == node).map(|(parent, _)| *parent)
    }

    pub(crate) fn workflow(&self) -> Workflow {
        let mut builder = Builder::new(vec!["sim.dag".to_owned()]);
        for (at, plan) in self.nodes.iter().enumerate() {
            let name = self.name(NodeIndex::new(at));
            let kind = if plan.is_final { NodeKind::Final } else { NodeKind::Job };
            let description = Description::File("n.sub");
            let new =
                NewNode { kind, description, noop: plan.noop, ..NewNode::job(&name, "n.sub") };
            let node = builder.add_node(&new).expect("each node has a name of its own");
            for (kind, is_there) in
                [(ScriptKind::Pre, plan.pre.is_some()), (ScriptKind::Post, plan.post.is_some())]
            {
                if is_there {
                    let script = Script { command_line: "script", defer: None, debug: None };
                    builder.set_script(node, kind, script);
                }
            }
            builder.set_retry(
                node,
                Retry { max: plan.retries, unless_exit: plan.unless, ..Retry::default() },
            );
        }
        for (parent, child) in &self.edges {
            builder.add_edge(NodeIndex::new(*parent), NodeIndex::new(*child), false);
        }
        builder.finish()
    }

    pub(crate) fn options(&self) -> Options {
        let throttles = Throttles { idle: self.max_idle, ..Throttles::default() };
        Options { throttles, ..Options::default() }
    }

    /// The cluster of an attempt. If it is to fail, all of its jobs do.
    pub(crate) fn spec(&self, node: NodeIndex, retry: u32) -> ClusterSpec {
        let plan = &self.nodes[node.position()];
        let end = format!("exit {}", code(&plan.ends, retry));
        job(plan.run_ms).with(SIM_END, end.as_str()).procs(plan.jobs).spec()
    }
}

impl NodePlan {
    fn draw(rng: &mut Rng) -> Self {
        let codes =
            |rng: &mut Rng| -> Vec<i32> { (0..3).map(|_| rng.pick(&[0, 0, 0, 1, 2])).collect() };
        let ends = codes(rng);
        let pre = rng.percent(30).then(|| codes(rng));
        let post = rng.percent(40).then(|| codes(rng));
        let jobs = rng.pick(&[1, 1, 1, 3]);
        // of several jobs that end differently, the first decides: chance
        let unless = rng.pick(&[None, None, Some(2)]).filter(|_| jobs == 1);
        Self {
            pre,
            jobs,
            ends,
            run_ms: rng.pick(&[50, 500, 5000]),
            post,
            retries: rng.pick(&[0, 1, 2, 4]),
            unless,
            noop: rng.percent(15),
            is_final: false,
        }
    }
}
