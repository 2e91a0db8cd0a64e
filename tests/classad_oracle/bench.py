"""The reference's side of `cargo xtask bench classad` where there is no C++ compiler: its Python module, a call at a time.

Takes and gives what bench.cpp does, which says what that is.
"""

import sys
import time

import htcondor2  # noqa: F401  (must come first)
import classad2


def main():
    requirements, job_old, machine_old, job_new, machine_new = (next_text() for _ in range(5))
    expr, job = classad2.ExprTree(requirements), classad2.ClassAd(job_new)
    machines = []
    while text := next_text():
        machines.append(classad2.ClassAd(text))
    following = iter(())

    def evaluate():
        nonlocal following
        machine = next(following, None)
        if machine is None:
            following = iter(machines)
            machine = next(following)
        expr.eval(job, machine)

    wrapped = f"[ expression = {requirements} ]"
    operations = [
        lambda: classad2.ClassAd(wrapped),
        lambda: classad2.ClassAd(job_old),
        lambda: classad2.ClassAd(machine_old),
        lambda: classad2.ClassAd(job_new),
        lambda: classad2.ClassAd(machine_new),
        evaluate,
    ]
    for line in sys.stdin.buffer:
        operation, milliseconds = (int(word) for word in line.split())
        print(rate(operations[operation], milliseconds / 1000), flush=True)


def next_text():
    text = bytearray()
    while (byte := sys.stdin.buffer.read(1)) not in (b"\x1e", b""):
        text += byte
    return text.decode()


def rate(call, seconds):
    calls, start = 0, time.process_time()
    while True:
        for _ in range(100):
            call()
        calls += 100
        elapsed = time.process_time() - start
        if elapsed >= seconds:
            return calls / elapsed


if __name__ == "__main__":
    main()
