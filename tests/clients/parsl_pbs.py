"""parsl runs its blocks through its PBS Pro provider and its Torque provider: `qsub`, `qstat` as JSON and as a table, `qdel`."""

import os
import pathlib
import sys

import parsl
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.jobs.states import JobState
from parsl.launchers import SimpleLauncher
from parsl.providers import PBSProProvider, TorqueProvider

import waiting


@parsl.python_app
def double(number):
    import os
    return number * 2, os.environ.get("PBS_JOBID"), os.environ.get("PBS_O_WORKDIR")


def blocks(name, provider):
    folder = str(pathlib.Path.cwd() / name)
    executor = HighThroughputExecutor(label=name, address="127.0.0.1", max_workers_per_node=1, provider=provider)
    with parsl.load(Config(executors=[executor], run_dir=folder, strategy="none")):
        for number, future in [(number, double(number)) for number in range(3)]:
            twice, job, submitted_in = future.result(timeout=waiting.DEADLINE_S)
            block, = provider.resources
            assert (twice, job, submitted_in) == (number * 2, block, os.getcwd()), (twice, job, submitted_in)
        state = provider.status([block])[0].state
        assert state == JobState.RUNNING, state
        assert provider.cancel([block]) == [True]
        waiting.until(f"the cancelled block of {name} is over", lambda: provider.status([block])[0].terminal)
    parsl.clear()


def main():
    # parsl asks each provider once a minute.
    for kind in (PBSProProvider, TorqueProvider):
        kind.status_polling_interval = property(lambda _: 1)
    bin_dir = pathlib.Path(sys.executable).parent
    common = {"init_blocks": 1, "min_blocks": 1, "max_blocks": 1, "walltime": "00:05:00", "queue": "workq",
              "launcher": SimpleLauncher(), "worker_init": f"export PATH={bin_dir}:$PATH"}
    blocks("pbspro", PBSProProvider(account="project", cpus_per_node=1, select_options="mem=300mb", **common))
    blocks("torque", TorqueProvider(**common))


if __name__ == "__main__":
    main()
