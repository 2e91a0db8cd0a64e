"""The command lines of HyperQueue's automatic allocator and of Nextflow's `pbspro` executor, and the rules by which they read answers."""

import json
import pathlib
import subprocess

import waiting


def said(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def submitted(*words):
    """The whole output is the identifier, on one line."""
    out = said("qsub", *words)
    assert out.endswith("\n") and out.count("\n") == 1, repr(out)
    return out.strip()


def hyperqueue(folder):
    script = folder / "hq-submit.sh"
    script.write_text("#!/bin/bash\n#PBS -l select=1\n#PBS -N hq\n#PBS -l walltime=00:05:00\nsleep 600\n")
    jobs = [submitted(str(script)) for _ in range(2)]

    def states():
        asked = [word for job in jobs for word in ("-f", job)]
        known = json.loads(said("qstat", *asked, "-F", "json", "-x"))["Jobs"]
        return [known[job]["job_state"] for job in jobs]

    waiting.until("HyperQueue's allocations run", lambda: states() == ["R", "R"])
    said("qdel", jobs[0])
    waiting.until("the one that was deleted is over, and the other runs", lambda: states() == ["F", "R"])
    said("qdel", jobs[1])


def nextflow(folder):
    """An array of two tasks; each writes its index."""
    index = "PBS_ARRAY_INDEX"
    directives = ["-J 0-1", "-N nf-task", "-o /dev/null", "-j oe", "-q workq", "-l select=1:ncpus=1:mem=100mb",
                  "-l walltime=00:05:00", "-P account"]
    script = folder / ".command.run"
    lines = ["#!/bin/bash", *(f"#PBS {words}" for words in directives), f"echo ${index} > {folder}/{index}.${index}", "sleep 600"]
    script.write_text("\n".join(lines) + "\n")
    parent = submitted("-N", "nf-task", str(script))
    assert "[]" in parent, parent
    assert states_of_queue()[parent] in set("QRB")
    for task in "01":
        path = folder / f"{index}.{task}"
        waiting.until(f"{path.name} is written", lambda path=path: path.exists() and path.read_text() == f"{task}\n")
    said("qdel", parent)
    waiting.until("the array left the queue", lambda: parent not in states_of_queue())


def states_of_queue():
    """What Nextflow reads of `qstat -f QUEUE`: the lines `Job Id:` and `job_state =`."""
    states, job = {}, None
    for line in said("qstat", "-f", "workq").splitlines():
        if line.startswith("Job Id:"):
            job = line.removeprefix("Job Id:").strip()
        elif line.strip().startswith("job_state ="):
            states[job] = line.split("=")[1].strip()
    return states


def main():
    folder = pathlib.Path.cwd()
    hyperqueue(folder)
    nextflow(folder)


if __name__ == "__main__":
    main()
