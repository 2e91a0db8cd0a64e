"""dask-jobqueue starts workers by `qsub`; they phone home and compute. It never polls: it deletes by the first digits of qsub's answer."""

import os
import pathlib
import subprocess
import sys

from dask.distributed import Client
from dask_jobqueue import PBSCluster

import waiting

WORKERS = 2


def main():
    logs = pathlib.Path.cwd() / "logs"
    logs.mkdir()
    with PBSCluster(
        cores=1, processes=1, memory="300MB", walltime="00:05:00", queue="workq", account="project", python=sys.executable,
        log_directory=str(logs), scheduler_options={"host": "127.0.0.1", "dashboard_address": None}, death_timeout=60,
        job_extra_directives=["-j oe", "-m n"], job_script_prologue=["export FROM_PROLOGUE='a  b'"],
    ) as cluster, Client(cluster) as client:
        cluster.scale(jobs=WORKERS)
        client.wait_for_workers(WORKERS, timeout=waiting.DEADLINE_S)
        assert client.submit(sum, range(101)).result() == 5050
        seen = list(client.run(environment).values())
        assert sorted(found["PBS_JOBID"] for found in seen) == sorted(in_queue()), (seen, in_queue())
        assert all(found["FROM_PROLOGUE"] == "a  b" and found["PBS_QUEUE"] == "workq" for found in seen), seen
        cluster.scale(0)
        waiting.until("the workers have left the queue", lambda: not in_queue())
    waiting.until("each worker's joined output lies in the folder that -o named", lambda: len(
        [log for log in logs.iterdir() if "Start worker at" in log.read_text()]) == WORKERS)


def environment():
    """Runs in a worker."""
    return {name: os.environ.get(name) for name in ("PBS_JOBID", "PBS_QUEUE", "FROM_PROLOGUE")}


def in_queue():
    said = subprocess.run(["qselect"], check=True, capture_output=True, text=True).stdout
    return said.split()


if __name__ == "__main__":
    main()
