//! A job of a workflow.

attrs! {
    DAGMAN_JOB_ID = "DAGManJobId";
    DAGMAN_NODES_LOG = "DAGManNodesLog";
    DAG_NODE_NAME = "DAGNodeName";
    DAG_NODES_DONE = "DAG_NodesDone";
    DAG_NODES_TOTAL = "DAG_NodesTotal";
}
