"""HTCondor's own reader (PyPI: htcondor) reads our event logs: one with every kind of event, and one of a pool's real jobs.

What it saw in the first is recorded beside the log, so that the ordinary tests need no HTCondor; here the record is checked.
"""

import getpass
import os
import pathlib
import subprocess
import sys

import htcondor2  # before classad2, or the reader lacks functions
from htcondor2 import JobEventType as Kind

import waiting

READER = pathlib.Path(__file__).parents[2] / "crates/model/tests/userlog/reference_reader.py"


def main():
    subprocess.run([sys.executable, READER, "--check"], check=True, env={**os.environ, "TZ": "UTC"})
    a_job_s_life_is_read_with_its_attributes()
    a_job_that_is_held_released_and_removed_is_read_so()
    a_factory_is_read_from_its_submission_to_its_end()
    checkpoints_and_what_is_up_to_date_are_read_so()
    a_submit_entry_has_the_attributes_that_its_job_asks_for()


def submit(name, description):
    """Submits one job with a log of its own, and gives the log."""
    log = pathlib.Path.cwd() / f"{name}.log"
    subprocess.run(["condor_submit"], check=True, text=True, stdout=subprocess.DEVNULL,
                   input=f"log = {log}\n{description}\nqueue\n")
    return log


def condor(verb, job):
    subprocess.run([f"condor_{verb}", job], check=True, stdout=subprocess.DEVNULL)


def events(log):
    return list(htcondor2.JobEventLog(str(log)).events(stop_after=0)) if log.exists() else []


def wait_for(log, kind):
    """The events up to now, as soon as the last is of that kind. How much memory a job uses is told when it is measured."""
    def read():
        found = [event for event in events(log) if event.type != Kind.IMAGE_SIZE]
        return found if found and found[-1].type == kind else None
    return waiting.until(f"the reader sees {kind.name} in {log.name}", read)


def check(event, kind, **wanted):
    assert event.type == kind, (event.type, kind)
    found = {name: event.get(name) for name in wanted}
    assert found == wanted, (found, wanted)


def a_job_s_life_is_read_with_its_attributes():
    log = submit("life", """
        executable = /bin/sh
        arguments = "-c 'echo said; exit 3'"
        request_memory = 100
        batch_name = it's "mine"
        """)
    found = wait_for(log, Kind.JOB_TERMINATED)
    submitted, executing, ended = found
    check(submitted, Kind.SUBMIT, LogNotes='[ JobBatchName = "it\'s \\"mine\\"" ]')
    check(executing, Kind.EXECUTE)
    assert executing["SlotName"].startswith("slot1_1@"), executing["SlotName"]
    assert executing["ExecuteProps"]["Cpus"] == 1 and executing["ExecuteProps"]["Memory"] >= 100
    check(ended, Kind.JOB_TERMINATED, TerminatedNormally=True, ReturnValue=3, RequestMemory=100, RequestCpus=1, Cpus=1)
    assert [event.proc for event in found] == [0] * len(found)


def a_job_that_is_held_released_and_removed_is_read_so():
    log = submit("acts", "executable = /bin/sleep\narguments = 600")
    found = wait_for(log, Kind.EXECUTE)
    job, user = f"{found[0].cluster}.0", getpass.getuser()
    condor("hold", job)
    *_, evicted, held = wait_for(log, Kind.JOB_HELD)
    check(evicted, Kind.JOB_EVICTED, Checkpointed=False, TerminatedAndRequeued=False)
    check(held, Kind.JOB_HELD, HoldReason=f"via condor_hold (by user {user})", HoldReasonCode=1, HoldReasonSubCode=0)
    condor("release", job)
    waiting.until("the job runs again", lambda: [e.type for e in events(log)].count(Kind.EXECUTE) == 2)
    condor("rm", job)
    found = wait_for(log, Kind.JOB_ABORTED)
    check(found[-1], Kind.JOB_ABORTED, Reason=f"via condor_rm (by user {user})")
    released, = [event for event in found if event.type == Kind.JOB_RELEASED]
    check(released, Kind.JOB_RELEASED, Reason=f"via condor_release (by user {user})")


def a_factory_is_read_from_its_submission_to_its_end():
    log = pathlib.Path.cwd() / "factory.log"
    description = f"""
        log = {log}
        executable = /bin/sleep
        arguments = $(Item)
        max_materialize = 1
        queue 2 Item in (600 0)
        """
    subprocess.run(["condor_submit"], check=True, text=True, stdout=subprocess.DEVNULL, input=description)
    user = getpass.getuser()
    submitted, *_ = wait_for(log, Kind.EXECUTE)
    assert submitted.type == Kind.CLUSTER_SUBMIT and submitted["SubmitHost"].startswith("<"), submitted
    assert submitted.proc == -1, submitted.proc
    cluster = str(submitted.cluster)
    condor("hold", cluster)
    held = wait_for(log, Kind.JOB_HELD)
    paused, = [event for event in held if event.type == Kind.FACTORY_PAUSED]
    check(paused, Kind.FACTORY_PAUSED, Reason=f"via condor_hold (by user {user})", PauseCode=1, HoldCode=1)
    condor("release", cluster)
    waiting.until("the job runs again", lambda: [e.type for e in events(log)].count(Kind.EXECUTE) == 2)
    resumed, = [event for event in events(log) if event.type == Kind.FACTORY_RESUMED]
    check(resumed, Kind.FACTORY_RESUMED, Reason=f"via condor_release (by user {user})")
    condor("rm", cluster)
    *_, removed = wait_for(log, Kind.CLUSTER_REMOVE)
    check(removed, Kind.CLUSTER_REMOVE, NextProcId=1, NextRow=1, Completion=0)
    assert [event.type for event in events(log)].count(Kind.CLUSTER_REMOVE) == 1


def checkpoints_and_what_is_up_to_date_are_read_so():
    made = pathlib.Path.cwd() / "made"
    description = """
        executable = /bin/sh
        transfer_executable = false
        arguments = "-c 'test -e state && mv state made || { touch state; exit 85; }'"
        should_transfer_files = yes
        transfer_input_files = source
        transfer_output_files = made
        checkpoint_exit_code = 85
        transfer_checkpoint_files = state
        skip_if_dataflow = true
        """
    (pathlib.Path.cwd() / "source").touch()
    found = wait_for(submit("checkpoint", description), Kind.JOB_TERMINATED)
    assert made.exists()
    kinds = [event.type for event in found if event.type != Kind.FILE_TRANSFER]
    assert kinds == [Kind.SUBMIT, Kind.EXECUTE, Kind.CHECKPOINTED, Kind.EXECUTE, Kind.JOB_TERMINATED], kinds
    made.touch()
    submitted, skipped, ended = wait_for(submit("skipped", description), Kind.JOB_TERMINATED)
    check(skipped, Kind.DATAFLOW_JOB_SKIPPED)
    check(ended, Kind.JOB_TERMINATED, TerminatedNormally=True, ReturnValue=0)


def a_submit_entry_has_the_attributes_that_its_job_asks_for():
    log = submit("notes", """
        executable = /bin/true
        submit_event_notes_attrs = Sample ProcId
        +Sample = "s-7"
        +DAGNodeName = "A"
        """)
    submitted, *_ = wait_for(log, Kind.JOB_TERMINATED)
    notes = submitted["StructuredNotes"]
    assert {name: notes[name] for name in notes} == {"Sample": "s-7", "ProcId": 0, "DAGNodeName": "A"}, notes


if __name__ == "__main__":
    main()
