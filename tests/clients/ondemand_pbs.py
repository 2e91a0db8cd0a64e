"""The command lines of Open OnDemand's `pbspro` adapter, and the rules by which it reads answers: ids, texts of `qstat -f -t`, nodes as JSON."""

import json
import os
import pathlib
import re
import subprocess
import time

import waiting

# Matched in standard error by the adapter: such a job counts as completed.
GONE = re.compile("Unknown Job Id|Job has finished")


def said(*words, script=None):
    return subprocess.run(words, input=script, check=True, capture_output=True, text=True).stdout


def jobs(*words):
    """`qstat -f -t`: one block a job, a value that goes on begins with a tab, keys are split at the first dot."""
    known, job = {}, None
    out = subprocess.run(["qstat", "-f", "-t", *words], capture_output=True, text=True)
    if out.returncode != 0:
        assert GONE.search(out.stderr), out
        return {}
    for line in out.stdout.replace("\n\t", "").splitlines():
        if line.startswith("Job Id: "):
            job = known.setdefault(line.removeprefix("Job Id: "), {})
        elif " = " in line:
            key, value = line.strip().split(" = ", 1)
            first, _, rest = key.partition(".")
            if rest:
                job.setdefault(first, {})[rest] = value
            else:
                job[first] = value
    return known


def a_session(here):
    """As the dashboard submits an interactive application: held, on standard input, with everything as options."""
    script = "#!/bin/bash\necho \"$GREETING\" in $PBS_O_WORKDIR\nsleep 600\n"
    job = said(
        "qsub", "-h", "-r", "y", "-M", "a@example.org,b@example.org", "-m", "be", "-N", "dashboard",
        "-S", "/bin/bash", "-o", str(here / "session.log"), "-q", "workq", "-p", "0", "-A", "project",
        "-l", "walltime=01:00:00", "-l", "ncpus=2", "-v", "GREETING=good day,OTHER=1", "-j", "oe", script=script).strip()
    found, = jobs(job).values()
    assert (found["job_state"], found["Hold_Types"]) == ("H", "u"), found
    said("qrls", job)
    waiting.until("the session runs", lambda: jobs(job)[job]["job_state"] == "R")
    found = jobs(job)[job]
    assert re.fullmatch(r"[^/+]+/\d+\*2", found["exec_host"]), found["exec_host"]
    assert found["Resource_List"]["ncpus"] == "2" and found["Resource_List"]["walltime"] == "01:00:00", found
    for date in ("ctime", "stime"):
        time.strptime(found[date], "%a %b %d %H:%M:%S %Y")
    assert found["Job_Owner"].split("@")[0] == os.environ.get("USER", subprocess.getoutput("id -un")), found
    waiting.until("what the session says is there while it runs", lambda: (here / "session.log").exists()
                  and (here / "session.log").read_text() == f"good day in {here}\n")
    said("qdel", job)
    waiting.until("the session is gone", lambda: not jobs(job))


def a_chain():
    """One job after another's good end, by `-W depend` with both kinds."""
    start = time.strftime("%Y%m%d%H%M.%S", time.localtime(time.time() + 1))
    first = said("qsub", "-l", "ncpus=1", "-a", start, script="sleep 1\n").strip()
    second = said("qsub", "-W", f"depend=after:{first},afterok:{first}", script="true\n").strip()
    assert jobs(second)[second]["job_state"] == "H"
    waiting.until("both jobs of the chain are over", lambda: not jobs(first) and not jobs(second))
    assert "Exit_status = 0" in said("qstat", "-x", "-f", second)


def an_array():
    parent = said("qsub", "-J", "1-3", script="sleep 600\n").strip()
    user = subprocess.getoutput("id -un")
    assert parent in said("qselect", "-u", user).split()
    names = {parent.replace("[]", f"[{index}]") for index in (1, 2, 3)}
    assert names <= set(said("qselect", "-T").split()), (names, said("qselect", "-T"))
    waiting.until("the subjobs run", lambda: all(jobs(name)[name]["job_state"] == "R" for name in names))
    assert {parent, *names} <= set(jobs()), jobs()
    said("qdel", parent)
    waiting.until("the array is gone", lambda: not jobs(parent))


def nodes():
    known = json.loads(said("pbsnodes", "-aSj", "-F", "json"))["nodes"]
    assert known
    for node in known.values():
        free, total = node["ncpus f/t"].split("/")
        assert 0 <= int(free) <= int(total) and "ngpus f/t" in node, node
        assert re.split(r"\W+", node["State"])[0] == "free", node


def main():
    here = pathlib.Path.cwd()
    a_session(here)
    a_chain()
    an_array()
    nodes()


if __name__ == "__main__":
    main()
