"""Waiting for a stated condition with a deadline, for the drivers beside this file."""

import time

DEADLINE_S = 60


def until(what, holds):
    """Returns what `holds()` gives as soon as it is true; fails with `what` when that takes too long."""
    end = time.monotonic() + DEADLINE_S
    while not (answer := holds()):
        if time.monotonic() > end:
            raise SystemExit(f"after {DEADLINE_S} s it is not so that {what}")
        time.sleep(0.1)
    return answer
