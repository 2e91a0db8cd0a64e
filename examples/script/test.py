#!/usr/bin/env python3
"""Says who it is and where it runs; fails if its environment did not arrive."""
import argparse
import getpass
import os
import socket
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--clusterid", type=int)
parser.add_argument("--processid", type=int)
job = parser.parse_args()

print(f"I am process {job.processid} of cluster {job.clusterid}")
print(f"Running on {socket.gethostname()}")
print(f"$CWD = {os.getcwd()}")
print(f"$USER = {getpass.getuser()}")

wanted = ("MYVAR1", "MYVAR2")
for name in wanted:
    print(f"{name} = {os.environ[name]}" if name in os.environ else f"Error: {name} undefined")
sys.exit(0 if all(name in os.environ for name in wanted) else 1)
