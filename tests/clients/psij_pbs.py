"""psij's two PBS executors: a job that ends well, one that fails, one that is cancelled; states come from `qstat -f -F json -x`."""

import pathlib
from datetime import timedelta

import psij

import waiting


def ends(executor, deadline=timedelta(seconds=waiting.DEADLINE_S), **spec):
    job = psij.Job(psij.JobSpec(**spec))
    executor.submit(job)
    return job, lambda: job.wait(timeout=deadline)


def one(name):
    executor = psij.JobExecutor.get_instance(name)
    executor.config.queue_polling_interval = 1
    executor.config.initial_queue_polling_delay = 1
    said = pathlib.Path.cwd() / f"{name}.out"
    _, end = ends(
        executor, executable="/bin/sh", arguments=["-c", "echo hello $WHOM; exit 0"], stdout_path=said,
        environment={"WHOM": "a  world"}, inherit_environment=True,
        attributes=psij.JobAttributes(duration=timedelta(minutes=2), queue_name="workq", account="project"),
        resources=psij.ResourceSpecV1(node_count=1, processes_per_node=1, cpu_cores_per_process=1))
    status = end()
    assert (status.state, status.exit_code) == (psij.JobState.COMPLETED, 0), status
    assert said.read_text() == "hello a world\n", said.read_text()
    _, end = ends(executor, executable="/bin/sh", arguments=["-c", "exit 3"])
    status = end()
    assert (status.state, status.exit_code) == (psij.JobState.FAILED, 3), status
    job, end = ends(executor, executable="/bin/sleep", arguments=["600"])
    job.wait(target_states=[psij.JobState.ACTIVE], timeout=timedelta(seconds=waiting.DEADLINE_S))
    job.cancel()
    # OpenPBS too says 271 for a running job that was deleted, and psij knows 265 only: FAILED, not CANCELED.
    status = end()
    assert status.final and status.state != psij.JobState.COMPLETED, status


def main():
    for name in ("pbs", "pbs_classic"):
        one(name)


if __name__ == "__main__":
    main()
