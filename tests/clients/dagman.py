"""HTCondor's own library of workflows (PyPI: htcondor) writes DAGs that run, its reader follows nodes.log, and dagman.out has the lines
that pegasus-monitord looks for."""

import pathlib
import re
import subprocess

import htcondor2  # before classad2, or the reader lacks functions
from htcondor2 import JobEventType as Kind
from htcondor2 import dags

import waiting

# What a follower of dagman.out matches: each must be there, in this order for a node with a POST script.
LINES = [
    r"^\d\d/\d\d/\d\d \d\d:\d\d:\d\d \*\* condor_scheduniv_exec\.\d+\.0 \(CONDOR_DAGMAN\) STARTING UP",
    r" \*\* PID = \d+",
    r" Parsing 1 dagfiles",
    r" Dag contains 7 total nodes",
    r" Submitting HTCondor Node join:0 job\(s\)",
    r"\tassigned HTCondor ID \(\d+\.0\.0\)",
    r" Event: ULOG_SUBMIT for HTCondor Node join:0 \(\d+\.0\.0\) \{\d\d/\d\d/\d\d \d\d:\d\d:\d\d\}",
    r" Event: ULOG_EXECUTE for HTCondor Node join:0 \(\d+\.0\.0\)",
    r" Event: ULOG_JOB_TERMINATED for HTCondor Node join:0 \(\d+\.0\.0\)",
    r" Node join:0 job proc \(\d+\.0\.0\) completed successfully\.",
    r" Running POST script of Node join:0\.\.\.",
    r" Event: ULOG_POST_SCRIPT_TERMINATED for HTCondor Node join:0 \(\d+\.0\.0\)",
    r" POST Script of node join:0 completed successfully\.",
    r" DAG status: 0 \(DAG_STATUS_OK\)",
    r" \*\*\*\* condor_dagman \(condor_DAGMAN\) pid \d+ EXITING WITH STATUS 0",
]


def main():
    folder = pathlib.Path.cwd()
    dag_file = write(folder)
    log = pathlib.Path(f"{dag_file}.nodes.log")
    subprocess.run(["condor_submit_dag", dag_file.name], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    waiting.until("the nodes' log is there", log.exists)
    seen = follow(log)
    # six jobs of layers, and the one that joins them
    for kind in (Kind.SUBMIT, Kind.EXECUTE, Kind.JOB_TERMINATED):
        assert len(seen[kind]) == 7, (kind, seen[kind])
    assert len(seen[Kind.POST_SCRIPT_TERMINATED]) == 1, seen
    out = pathlib.Path(f"{dag_file}.dagman.out")
    waiting.until("dagman has ended", lambda: "EXITING WITH STATUS" in out.read_text())
    in_order(out.read_text())
    assert sorted(path.name for path in folder.glob("done-*")) == [f"done-{n}" for n in range(3)]


def write(folder):
    """Three jobs, three behind them one to one, and one behind all."""
    dag = dags.DAG()
    touch = htcondor2.Submit({"executable": "/bin/sh", "arguments": "\"-c 'sleep 0.2'\"", "request_memory": "32M"})
    mark = htcondor2.Submit({"executable": "/usr/bin/touch", "arguments": f"{folder}/done-$(number)", "request_memory": "32M"})
    numbers = [{"number": str(n)} for n in range(3)]
    first = dag.layer(name="first", submit_description=touch, vars=numbers, retries=1)
    second = first.child_layer(name="second", submit_description=mark, vars=numbers, edge=dags.OneToOne())
    second.child_layer(name="join", submit_description=touch, post=dags.Script(executable="/bin/true", arguments=["$RETURN"]))
    return dags.write_dag(dag, folder, dag_file_name="layers.dag")


def follow(log):
    """Reads events as they come, until the DAG's last node is over."""
    seen = {kind: [] for kind in (Kind.SUBMIT, Kind.EXECUTE, Kind.JOB_TERMINATED, Kind.POST_SCRIPT_TERMINATED)}
    for event in htcondor2.JobEventLog(str(log)).events(stop_after=waiting.DEADLINE_S):
        seen.setdefault(event.type, []).append(event.cluster)
        if event.type == Kind.POST_SCRIPT_TERMINATED:
            break
    return seen


def in_order(text):
    at = 0
    for line in LINES:
        found = re.compile(line, re.MULTILINE).search(text, at)
        assert found, f"dagman.out has no {line} behind its character {at}:\n{text}"
        at = found.end()


if __name__ == "__main__":
    main()
