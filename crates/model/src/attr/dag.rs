//! A job of a workflow, and the workflow's own job: how many of its nodes stand where.

attrs! {
    DAGMAN_JOB_ID = "DAGManJobId";
    DAGMAN_NODES_LOG = "DAGManNodesLog";
    DAGMAN_NODES_MASK = "DAGManNodesMask";
    DAG_EXIT_STATUS = "DAG_ExitStatus";
    DAG_LIFETIME_JOB = "DAGLifetimeJob";
    DAG_NODE_NAME = "DAGNodeName";
    DAG_NODES_DONE = "DAG_NodesDone";
    DAG_NODES_FAILED = "DAG_NodesFailed";
    DAG_NODES_FUTILE = "DAG_NodesFutile";
    DAG_NODES_POSTRUN = "DAG_NodesPostrun";
    DAG_NODES_PRERUN = "DAG_NodesPrerun";
    DAG_NODES_QUEUED = "DAG_NodesQueued";
    DAG_NODES_READY = "DAG_NodesReady";
    DAG_NODES_TOTAL = "DAG_NodesTotal";
    DAG_NODES_UNREADY = "DAG_NodesUnready";
    DAG_NODES_WAITING = "DAG_NodesWaiting";
}
