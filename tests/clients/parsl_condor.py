"""parsl runs its blocks as jobs through its HTCondor provider, looks at them with `condor_q -af:jr` and cancels them."""

import json
import pathlib
import subprocess
import sys

import parsl
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.jobs.states import JobState
from parsl.launchers import SimpleLauncher
from parsl.providers import CondorProvider

import waiting


@parsl.python_app
def double(number):
    import os
    return number * 2, os.environ.get("GREETING"), os.environ.get("JOBNAME", "")


def main():
    bin_dir = pathlib.Path(sys.executable).parent
    provider = CondorProvider(
        init_blocks=1, min_blocks=1, max_blocks=1, cores_per_slot=1, mem_per_slot=0.3, walltime="00:05:00",
        environment={"GREETING": "good  day"}, launcher=SimpleLauncher(),
        worker_init=f"export PATH={bin_dir}:$PATH")
    executor = HighThroughputExecutor(
        label="block", address="127.0.0.1", max_workers_per_node=1, provider=provider)
    with parsl.load(Config(executors=[executor], run_dir=str(pathlib.Path.cwd() / "runinfo"), strategy="none")):
        for number, future in [(number, double(number)) for number in range(3)]:
            twice, greeting, name = future.result(timeout=waiting.DEADLINE_S)
            assert (twice, greeting) == (number * 2, "good  day"), (twice, greeting)
            assert name.startswith("parsl."), name
        block, = provider.resources
        state = provider.status([block])[0].state
        assert state == JobState.RUNNING, state
        # parsl asks for 0.3 GiB as `RequestMemory = 307.2`.
        assert attribute(block, "RequestMemory") == 308
        assert provider.cancel([block]) == [True]
        waiting.until("the cancelled block is gone", lambda: attribute(block, "JobStatus") is None)


def attribute(job, name):
    """Of a job in the queue; None if it is not there."""
    said = subprocess.run(
        ["condor_q", job, "-json", "-attributes", name], check=True, capture_output=True, text=True).stdout
    found = json.loads(said) if said.strip() else []
    return found[0].get(name) if found else None


if __name__ == "__main__":
    main()
