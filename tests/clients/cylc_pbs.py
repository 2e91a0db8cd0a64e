"""cylc runs a workflow of two tasks through its PBS job runner: bare numbers to `qstat` and `qdel`, relative paths for output."""

import os
import pathlib
import subprocess
import sys

PLATFORM = """
[platforms]
  [[pbs]]
    hosts = localhost
    install target = localhost
    cylc path = {bin_dir}
    job runner = pbs
    submission polling intervals = PT3S
    execution polling intervals = PT3S
    # PBS gives a job the home folder of the password file, not that of the submitter's environment.
    global init-script = export HOME={home}
"""

WORKFLOW = """
[scheduler]
  allow implicit tasks = False
[scheduling]
  [[graph]]
    R1 = first => second
[runtime]
  [[root]]
    platform = pbs
    execution time limit = PT2M
    [[[directives]]]
      -q = workq
      -l select = 1:ncpus=1:mem=50mb
      -V =
  [[first]]
    script = echo it is job $PBS_JOBID
  [[second]]
    script = echo "a  b"
"""


def main():
    home, bin_dir = pathlib.Path(os.environ["HOME"]), pathlib.Path(sys.executable).parent
    (home / ".cylc/flow").mkdir(parents=True)
    (home / ".cylc/flow/global.cylc").write_text(PLATFORM.format(bin_dir=bin_dir, home=home))
    workflow = home / "cylc-run/two"
    workflow.mkdir(parents=True)
    (workflow / "flow.cylc").write_text(WORKFLOW)
    subprocess.run(["cylc", "play", "--no-detach", "two"], check=True, cwd=workflow)
    for task in ("first", "second"):
        folder = workflow / f"log/job/1/{task}/NN"
        status = (folder / "job.status").read_text()
        assert "CYLC_JOB_EXIT=SUCCEEDED" in status, status
        job = next(line.split("=")[1] for line in status.splitlines() if line.startswith("CYLC_JOB_ID="))
        said = (folder / "job.out").read_text()
        assert (f"it is job {job}." if task == "first" else "a  b") in said, said


if __name__ == "__main__":
    main()
