"""dask-jobqueue starts workers as jobs; they phone home and compute, and leave the queue when they are no longer wanted."""

import json
import os
import pathlib
import subprocess
import sys

from dask.distributed import Client
from dask_jobqueue import HTCondorCluster

import waiting

WORKERS = 2
# What a shell and the new-syntax quoting could both get wrong.
HOSTILE = """it's "quoted"; $HOME \\ and done"""


def main():
    logs = pathlib.Path.cwd() / "logs"
    logs.mkdir()
    os.environ["HOSTILE"] = HOSTILE
    with HTCondorCluster(
        cores=1, processes=1, memory="300MB", disk="100MB", python=sys.executable, log_directory=str(logs),
        scheduler_options={"host": "127.0.0.1", "dashboard_address": None}, death_timeout=60,
        job_extra_directives={"getenv": "true"}, job_script_prologue=["export FROM_PROLOGUE='a  b'"],
    ) as cluster, Client(cluster) as client:
        cluster.scale(jobs=WORKERS)
        client.wait_for_workers(WORKERS, timeout=waiting.DEADLINE_S)
        assert client.submit(sum, range(101)).result() == 5050
        wanted = {"HOSTILE": HOSTILE, "FROM_PROLOGUE": "a  b"}
        seen = client.run(environment, list(wanted))
        assert len(seen) == WORKERS and all(found == wanted for found in seen.values()), seen
        what_the_queue_says_is_what_dask_asked_for()
        a_worker_s_output_is_there_while_it_runs(logs)
        cluster.scale(0)
        waiting.until("the workers have left the queue", lambda: not queue())


def environment(names):
    """Runs in a worker."""
    import os
    return {name: os.environ.get(name) for name in names}


def queue():
    said = subprocess.run(["condor_q", "-json"], check=True, capture_output=True, text=True).stdout
    return json.loads(said) if said.strip() else []


def what_the_queue_says_is_what_dask_asked_for():
    for job in queue():
        assert job["JobStatus"] == 2, job
        assert job["DaskWorkerName"] == f"htcondor--{job['ClusterId']}.{job['ProcId']}--", job
        # 300 MB in MiB, from an expression over attributes of the job.
        assert job["MemoryProvisioned"] >= 286, job


def a_worker_s_output_is_there_while_it_runs(logs):
    """dask always says `stream_error = True`, because its workers are killed in the end."""
    waiting.until("each worker's log has come", lambda: len(
        [log for log in logs.glob("worker-*.err") if "Start worker at" in log.read_text()]) == WORKERS)


if __name__ == "__main__":
    main()
