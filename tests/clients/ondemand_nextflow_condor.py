"""The command lines of Open OnDemand's `htcondor` adapter and of Nextflow's `condor` executor, and the rules by which they read answers."""

import pathlib
import re
import subprocess

import waiting

COLUMNS = ["ClusterId", "ProcId", "JobStatus", "Owner", "AcctGroup", "JobBatchName", "CpusProvisioned", "GpusProvisioned", "QDate",
           "JobCurrentStartDate", "RemoteSysCpu", "RemoteUserCpu", "RemoteWallClockTime", "AllowedExecuteDuration", "ServerTime"]
IDLE, RUNNING, HELD = "1", "2", "5"


def said(*words, script=None):
    return subprocess.run(words, input=script, check=True, capture_output=True, text=True).stdout


def described(**attributes):
    """`-a KEY=VALUE` for each: the adapter writes no description, only two lines on standard input."""
    return [word for key, value in attributes.items() for word in ("-a", f"{key.lstrip('_')}={value}")]


def table(cluster):
    """Rows of `condor_q -af`, split at blanks; a job that is not there has completed."""
    rows = said("condor_q", "-constraint", f"ClusterId == {cluster}", "-af", *COLUMNS).splitlines()
    return [dict(zip(COLUMNS, row.split(), strict=True)) for row in rows]


def submitted(here, queue, **attributes):
    common = dict(universe="vanilla", executable=here / "session.sh", log=here / "log", output=here / "out.$(Process)", error=here / "err",
                  initialdir=here, getenv="true", should_transfer_files="true", max_retries=0, accounting_group="project",
                  allowed_execute_duration=3600, periodic_remove="HoldReasonCode == 47", request_cpus=1, notification="Start",
                  notify_user="somebody@example.org", priority=3)
    common.update(attributes)
    common["+OpenOnDemand"] = "true"
    said_ = said("condor_submit", "-batch-name", "dashboard", *described(**common), "-terse", "-", "-queue", *queue,
                 script="arguments=\"'a  b'\"\ntransfer_input_files=\n")
    return re.search(r"(cluster )?(\d+)", said_)[2]


def ondemand(here):
    assert re.search(r"CondorVersion: \d+\.\d+\.\d+", said("condor_version"))
    session = here / "session.sh"
    session.write_text("#!/bin/sh\necho \"$1\"\nexec sleep 600\n")
    session.chmod(0o755)
    one = submitted(here, ["1"], hold="true")
    assert [row["JobStatus"] for row in table(one)] == [HELD]
    said("condor_release", one)
    waiting.until("the session runs", lambda: table(one)[0]["JobStatus"] == RUNNING)
    row, = table(one)
    assert (row["JobBatchName"], row["AcctGroup"], row["CpusProvisioned"], row["AllowedExecuteDuration"]) == (
        "dashboard", "project", "1", "3600"), row
    assert int(row["QDate"]) <= int(row["JobCurrentStartDate"]) <= int(row["ServerTime"]), row
    said("condor_hold", one)
    waiting.until("the session is held", lambda: table(one)[0]["JobStatus"] == HELD)
    said("condor_rm", one)
    waiting.until("the session is gone", lambda: not table(one))
    # The adapter says `+OODArrayId`, which HTCondor 25.14 refuses at this place.
    many = submitted(here, ["1", "OODArrayId", "in", "1,2,3"], arguments="$(OODArrayId)")
    assert said("condor_q", many, "-af", "ProcId").split() == ["0", "1", "2"]
    said("condor_rm", many)
    slots = said("condor_status", "-af", "Machine", "TotalSlotCPUs", "TotalSlotGPUs", "TotalSlotMemory", "CPUs", "GPUs", "Memory",
                 "NumDynamicSlots", "-constraint", "DynamicSlot is undefined").splitlines()
    assert slots and all(len(row.split()) == 8 for row in slots), slots


def nextflow(here):
    launcher = here / ".command.run"
    launcher.write_text("#!/bin/bash\necho \"$FROM_OUTSIDE\" > task.out\nexec sleep 600\n")
    launcher.chmod(0o755)
    description = here / ".command.condor"
    description.write_text(
        f"universe = vanilla\nexecutable = {launcher.name}\nlog = .command.log.condor\ngetenv = true\nrequest_cpus = 1\nmachine_count = 1\n"
        "request_memory = 200 MB\nrequest_disk = 10 MB\nperiodic_remove = (RemoteWallClockTime - CumulativeSuspensionTime) > 3600\nqueue\n")
    # Two dashes, and the first token before a blank or a dash.
    task = re.split(r"[ -]", said("condor_submit", "--terse", description.name))[0]
    waiting.until("the task runs", lambda: nextflow_states().get(task) == "R")
    said("condor_rm", task)
    waiting.until("the task is gone", lambda: nextflow_states().get(task) in (None, "X"))


def nextflow_states():
    """The table after the line that begins with ` ID `, up to an empty line: column 1 the job, column 6 its state."""
    states, inside = {}, False
    for line in said("condor_q", "-nobatch").splitlines():
        if inside and not line.strip():
            break
        if inside:
            states[line.split()[0]] = line.split()[5]
        inside = inside or line.startswith(" ID ")
    return states


def main():
    here = pathlib.Path.cwd()
    ondemand(here)
    nextflow(here)


if __name__ == "__main__":
    main()
