"""law (CMS's workflow tool) submits, queries and cancels through its own HTCondor job manager.

It parses `condor_submit`, `condor_q -af:lng`, `condor_history -af:lng`, `condor_rm` and `condor_version`; nothing of law is changed.
"""

import pathlib

import law

import waiting

law.contrib.load("htcondor")
from law.contrib.htcondor.job import HTCondorJobFileFactory, HTCondorJobManager  # noqa: E402 (only there once loaded)

SCRIPT = """#!/bin/bash
echo "$LAW_HTCONDOR_JOB_CLUSTER.$LAW_HTCONDOR_JOB_PROCESS got $*"
[ "$1" = wait ] && { while [ ! -e "$2" ]; do sleep 0.1; done; }
exit "$LAW_HTCONDOR_JOB_PROCESS"
"""


def main():
    here = pathlib.Path.cwd()
    program = here / "job.sh"
    program.write_text(SCRIPT)
    program.chmod(0o755)
    manager = HTCondorJobManager()
    assert manager.htcondor_version >= (8, 5, 6), manager.htcondor_version
    factory = HTCondorJobFileFactory(dir=str(here), mkdtemp=False, cleanup=False, universe="vanilla")
    one_job_is_seen_running_and_done(manager, factory, here)
    one_file_is_many_jobs_and_their_exit_codes_differ(manager, factory)
    a_cancelled_job_is_gone(manager, factory, here)


def describe(factory, name, **more):
    """A submit file in law's own form."""
    made, _ = factory.create(
        command=None, executable="job.sh", stdout=f"{name}.out", stderr=f"{name}.err", log=f"{name}.log",
        file_name=f"{name}.jdl", **more)
    return made


def status_of(manager, job):
    return manager.query(job)["status"]


def one_job_is_seen_running_and_done(manager, factory, here):
    go = here / "go"
    job = manager.submit(describe(factory, "one", arguments=[f"wait {go}"], postfix="_0To1"))
    waiting.until("law sees the job run", lambda: status_of(manager, job) == manager.RUNNING)
    go.touch()
    waiting.until("law sees the job finished", lambda: status_of(manager, job) == manager.FINISHED)
    assert manager.query(job)["code"] == 0, manager.query(job)
    said = (here / "one_0To1.out").read_text()
    assert said == f"{job} got wait {go}\n", said


def one_file_is_many_jobs_and_their_exit_codes_differ(manager, factory):
    # With grouped submission law gives the arguments to its own wrapper script, so here each job is told apart by its number.
    made = describe(factory, "many", grouped_submission=True, arguments=["", ""],
                    postfix=["_0To1", "_1To2"])
    jobs = manager.submit(made, job_files=[made, made])
    assert len(jobs) == 2, jobs
    waiting.until("law sees one job finished and one failed", lambda: [
        manager.query(jobs)[job]["status"] for job in jobs] == [manager.FINISHED, manager.FAILED])
    assert [manager.query(jobs)[job]["code"] for job in jobs] == [0, 1]


def a_cancelled_job_is_gone(manager, factory, here):
    job = manager.submit(describe(factory, "gone", arguments=[f"wait {here / 'never'}"], postfix="_0To1"))
    waiting.until("law sees the job run", lambda: status_of(manager, job) == manager.RUNNING)
    manager.cancel(job)
    waiting.until("law sees the job failed", lambda: status_of(manager, job) == manager.FAILED)


if __name__ == "__main__":
    main()
