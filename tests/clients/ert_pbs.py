"""ert's OpenPBS driver: scripts on standard input, `qstat -Ex -w` for the table, `qstat -Efx -Fjson` for what ended, `qdel`."""

import asyncio
import pathlib

from ert.scheduler.event import FinishedEvent, StartedEvent
from ert.scheduler.openpbs_driver import OpenPBSDriver

import waiting

MIB = 1024**2
# What OpenPBS gives a running job that is deleted: 256 and SIGTERM.
DELETED = 271


async def events_until_finished(driver, wanted, finished, started):
    while not wanted <= finished.keys():
        event = await asyncio.wait_for(driver.event_queue.get(), waiting.DEADLINE_S)
        if isinstance(event, FinishedEvent):
            finished[event.iens] = event.returncode
        elif isinstance(event, StartedEvent):
            started.add(event.iens)


async def realizations():
    driver = OpenPBSDriver(queue_name="workq", project_code="project", job_prefix="pre_", poll_period=0.5, max_runtime=120)
    folder = pathlib.Path.cwd() / "realizations"
    folder.mkdir()
    poller = asyncio.create_task(driver.poll())
    finished, started = {}, set()
    await driver.submit(0, "/bin/sh", "-c", "echo 'a  b' > said", name="well", runpath=folder, num_cpu=2, realization_memory=10 * MIB)
    await driver.submit(1, "/bin/sh", "-c", "exit 7", name="failing", runpath=folder, num_cpu=2)
    await driver.submit(2, "/bin/sleep", "600", name="deleted", runpath=folder)
    await events_until_finished(driver, {0, 1}, finished, started)
    while 2 not in started:
        await events_until_finished(driver, set(), finished, started)
        event = await asyncio.wait_for(driver.event_queue.get(), waiting.DEADLINE_S)
        if isinstance(event, StartedEvent):
            started.add(event.iens)
    await driver.kill([2])
    await events_until_finished(driver, {0, 1, 2}, finished, started)
    poller.cancel()
    assert finished == {0: 0, 1: 7, 2: DELETED}, finished
    assert (folder / "said").read_text() == "a  b\n"


if __name__ == "__main__":
    asyncio.run(realizations())
