#!/usr/bin/env python3
"""Prints what HTCondor's own reader (PyPI: htcondor) sees in every-event.log.

Run without arguments it prints; `--check` compares with every-event.attributes, the recorded answer; `--record` writes it.
CI needs no HTCondor: it relies on the recorded answer, and every-event.log is compared with what we write today.
"""

import pathlib
import sys

import htcondor2  # must come before classad2, or the reader lacks functions
import classad2

HERE = pathlib.Path(__file__).parent
LOG = HERE / "every-event.log"
RECORDED = HERE / "every-event.attributes"
BORING = {"MyType", "EventTime", "Cluster", "Proc", "Subproc", "EventTypeNumber"}


def value_text(value):
    """One line for a value, the same in every release of the library."""
    if isinstance(value, classad2.ClassAd):
        return "[" + "; ".join(f"{k} = {value_text(value[k])}" for k in sorted(value)) + "]"
    return repr(value)


def describe():
    lines = []
    for event in htcondor2.JobEventLog(str(LOG)).events(stop_after=0):
        number = int(event["EventTypeNumber"])
        lines.append(f"{number:03} ({event.cluster}.{event.proc}) {event.get('EventTime')} {event.get('MyType')}")
        lines += [f"    {name} = {value_text(event[name])}" for name in sorted(event) if name not in BORING]
    return "".join(line + "\n" for line in lines)


def main():
    text = describe()
    if "--record" in sys.argv:
        RECORDED.write_text(text)
    elif "--check" in sys.argv:
        if text != RECORDED.read_text():
            sys.exit("the reference reader sees something else in every-event.log than is recorded")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
