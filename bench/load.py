"""The two loads that figures compare, wrk on a server and pgbench on its PostgreSQL, and what every table of them says.

Used by measure.py, sizes.py and traces.py. ROUNDS (3) and DURATION (10, in seconds) may be set. Any answer but a good one ends the benchmark.
"""

import glob
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
ROUNDS = int(os.environ.get("ROUNDS", "3"))
DURATION = int(os.environ.get("DURATION", "10"))
CONNECTIONS = 32


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def psql(database, command):
    return run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", command, database]).strip()


def wrk(script, url, *arguments):
    """Requests a second and the 99th percentile of a Lua script, which gets the arguments."""
    load = [f"-c{CONNECTIONS}", "-t2", f"-d{DURATION}s", "--latency", "--timeout", "10s"]
    said = run(["wrk", *load, "-s", HERE / script, url, "--", *map(str, arguments)])
    if "Non-2xx" in said or "Socket errors" in said:
        sys.exit(f"{script} at {url} met errors:\n{said}")
    rate = float(re.search(r"Requests/sec:\s*([\d.]+)", said)[1])
    return rate, re.search(r"99%\s+(\S+)", said)[1]


def pgbench(script, database):
    """Transactions a second of a file of SQL, with as many clients as wrk has connections."""
    program = shutil.which("pgbench") or sorted(glob.glob("/usr/lib/postgresql/*/bin/pgbench"))[-1]
    load = ["-n", "-M", "prepared", "-c", str(CONNECTIONS), "-j", "2", "-T", str(DURATION)]
    said = run([program, *load, "-f", script, database])
    if not re.search(r"number of failed transactions: 0 ", said):
        sys.exit(f"pgbench met errors:\n{said}")
    return float(re.search(r"tps = ([\d.]+)", said)[1])
