//! `<dag>.metrics`: what a run counted, as JSON, for programs that collect it.

use super::Stamp;
use crate::core::{Core, NodeState};
use crate::workflow::{NodeIndex, NodeKind, Workflow};

/// What the counts are told with.
#[derive(Clone, Debug)]
pub struct Run<'r> {
    /// When dagman began.
    pub start: &'r Stamp,
    /// When it ended.
    pub end: &'r Stamp,
    /// With what it ended.
    pub exit: i32,
    /// Its own cluster.
    pub dagman_id: &'r str,
    /// That of the DAG whose node it is; empty if it is nobody's.
    pub parent_id: &'r str,
    /// The rescue file that it began from; 0 is none.
    pub rescue: u32,
    /// Whether it is told how large the graph is.
    pub graph: bool,
}

/// The text of the `.metrics` file.
pub fn text(core: &Core, run: &Run<'_>) -> String {
    let count = |kinds: &[NodeKind], of: fn(&NodeState) -> bool| {
        let nodes = core.workflow().nodes();
        nodes.filter(|n| kinds.contains(&n.kind()) && of(core.state(n.index()))).count()
    };
    let jobs = [NodeKind::Job, NodeKind::Join, NodeKind::Final];
    let all = |_: &NodeState| true;
    let failed = |state: &NodeState| state.failure().is_some();
    let done = |state: &NodeState| matches!(state, NodeState::Done);
    let of = |kinds: &[NodeKind]| [count(kinds, all), count(kinds, failed), count(kinds, done)];
    let nodes = of(&jobs);
    let dags = of(&[NodeKind::Subdag]);
    // One that still runs is removed now, and counts as well done then: nobody waited for more.
    let in_queue = |state: &NodeState| state.queued().is_some();
    let removed = count(&[NodeKind::Service], in_queue);
    let mut services = of(&[NodeKind::Service]);
    services[2] += removed;
    let provisioners = count(&[NodeKind::Provisioner], all);
    let counts = core.counts();
    let duration = run.end.at().since(run.start.at());
    let numbers = |name: &str, [all, failed, done]: [usize; 3]| {
        format!(
            "    \"{name}\":{all},\n    \"{name}_failed\":{failed},\n    \"{name}_succeeded\":{done},\n"
        )
    };
    let version = model::version::FOLLOWS.split(' ').next().unwrap_or_default();
    let mut out = format!(
        "{{\n    \"client\":\"condor_dagman\",\n    \"version\":\"{version}\",\n    \"type\":\"metrics\",\n    \"metrics_version\":2,\n"
    );
    out += &format!(
        "    \"start_time\":{},\n    \"end_time\":{},\n    \"duration\":{}.{:03},\n    \"exitcode\":{},\n",
        run.start.in_metrics(),
        run.end.in_metrics(),
        duration.as_secs(),
        duration.subsec_millis(),
        run.exit
    );
    out += &format!(
        "    \"dagman_id\":\"{}\",\n    \"parent_dagman_id\":\"{}\",\n    \"rescue_dag_number\":{},\n    \"has_final_node\":{},\n",
        run.dagman_id,
        run.parent_id,
        run.rescue,
        core.workflow().final_node().is_some()
    );
    out += &numbers("nodes", nodes);
    out += &numbers("dag_nodes", dags);
    out += &format!("    \"provisioner_nodes\":{provisioners},\n");
    out += &numbers("service_nodes", services);
    let over = nodes[1] + nodes[2] + dags[1] + dags[2] + services[1] + services[2];
    out += &format!(
        "    \"total_nodes\":{},\n    \"total_nodes_run\":{over},\n    \"jobs_submitted\":{},\n    \"jobs_succeeded\":{},\n    \"jobs_failed\":{},\n",
        nodes[0] + dags[0] + services[0],
        counts.jobs_submitted,
        counts.jobs_ended,
        counts.jobs_removed + removed as u64,
    );
    if run.graph {
        out += &graph(core.workflow());
    }
    out += &format!("    \"DagStatus\":{}\n}}\n", core.progress().status.number());
    out
}

/// How large the graph is: the edges of its longest path, the most nodes of one depth, its edges
/// and its nodes. On a cycle no node has a depth.
fn graph(workflow: &Workflow) -> String {
    let mut open: Vec<usize> = workflow.nodes().map(|node| node.parents().len()).collect();
    let mut depths = vec![0; open.len()];
    let mut free: Vec<NodeIndex> =
        workflow.nodes().map(|n| n.index()).filter(|n| open[n.position()] == 0).collect();
    let mut widths: Vec<usize> = Vec::new();
    while let Some(node) = free.pop() {
        let depth = depths[node.position()];
        widths.resize(widths.len().max(depth + 1), 0);
        widths[depth] += 1;
        for child in workflow.children(node).map(|edge| edge.node) {
            let at = child.position();
            depths[at] = depths[at].max(depth + 1);
            open[at] -= 1;
            free.extend((open[at] == 0).then_some(child));
        }
    }
    let (height, width) = (widths.len().saturating_sub(1), widths.iter().max().unwrap_or(&0));
    let (edges, nodes) = (workflow.edge_count(), workflow.len());
    format!(
        "    \"graph_height\":{height},\n    \"graph_width\":{width},\n    \"graph_num_edges\":{edges},\n    \"graph_num_vertices\":{nodes},\n"
    )
}
