"""snakemake's generic cluster executor with qsub, `qstat -xf` and qdel: two rules, each a job that asks for threads and memory."""

import pathlib
import subprocess

RULES = """
rule all:
    input: "joined.txt"
rule first:
    output: "first.txt"
    resources: mem_mb=50, runtime=2
    shell: "echo $PBS_JOBNAME > {output}"
rule second:
    input: "first.txt"
    output: "joined.txt"
    threads: 2
    shell: "cat {input} > {output}; echo $PBS_JOBNAME $NCPUS >> {output}"
"""

# How users write it: the state and the exit status out of the full text.
STATUS = """#!/bin/bash
set -- $(qstat -xf "$1" | awk -F' = ' '/job_state/ {print $2} /Exit_status/ {end = $2} END {print end}')
case "$1" in
  F) [ "$2" = 0 ] && echo success || echo failed ;;
  *) echo running ;;
esac
"""


def main():
    here = pathlib.Path.cwd()
    (here / "Snakefile").write_text(RULES)
    status = here / "status.sh"
    status.write_text(STATUS)
    status.chmod(0o755)
    (here / "logs").mkdir()
    submit = ("qsub -V -N {rule} -q workq -l select=1:ncpus={threads}:mem={resources.mem_mb}mb -l walltime=00:05:00 -j oe "
              f"-o {here}/logs/")
    subprocess.run(
        ["snakemake", "--jobs", "2", "--executor", "cluster-generic", "--cluster-generic-submit-cmd", submit,
         "--cluster-generic-status-cmd", str(status), "--cluster-generic-cancel-cmd", "qdel", "--default-resources", "mem_mb=50",
         "--latency-wait", "10", "--seconds-between-status-checks", "1"], check=True)
    joined = (here / "joined.txt").read_text()
    assert joined == "first\nsecond 2\n", joined


if __name__ == "__main__":
    main()
