"""Measures requests a second of two running servers beside pgbench on the same PostgreSQL, and writes bench/results.md.

Called by bench/run.sh, which serves examples/markets from both databases. ROUNDS (3), DURATION (10, in seconds) and IMPORTED
(1000000, the records of the import) may be set.
Every figure is the median of interleaved rounds, and a ratio to the figure that pgbench reaches in the same rounds.
"""

import glob
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
ROUNDS = int(os.environ.get("ROUNDS", "3"))
DURATION = int(os.environ.get("DURATION", "10"))
CONNECTIONS = 32
RECORDS = 10_000
IMPORTED = int(os.environ.get("IMPORTED", "1000000"))
KEY = os.environ["E2E_KEY"]
URLS = {"PostgreSQL": os.environ["E2E_POSTGRES_URL"], "SQLite": os.environ["E2E_SQLITE_URL"]}
DATABASE = os.environ["E2E_POSTGRES_DATABASE"]
WORK = ["GET by id", "list of 20", "POST"]


def record(number):
    """Ids are known beforehand, so that both sides can ask for any of them; twelve decimal digits are hexadecimal too."""
    return {
        "id": f"00000000-0000-7000-8000-{100_000_000_000 + number}",
        "title": f"Will question {number} be answered with yes before the year is over?",
        "slug": f"question-{number}",
        "status": ["open", "closed", "resolved"][number % 3],
        "volume": f"{number}.2500",
        "tags": ["bench", f"group-{number % 10}"],
    }


def fill(url):
    for start in range(0, RECORDS, 1000):
        body = json.dumps([record(start + i) for i in range(1000)]).encode()
        headers = {"Content-Type": "application/json", "X-API-Key": KEY}
        request = urllib.request.Request(f"{url}/api/v1/markets", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 201


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def wrk(work, url, round_number):
    """Requests a second and the 99th percentile. Any answer but a good one ends the benchmark."""
    script = HERE / f"{work.lower().replace(' ', '_')}.lua"
    load = [f"-c{CONNECTIONS}", "-t2", f"-d{DURATION}s", "--latency", "--timeout", "10s"]
    said = run(["wrk", *load, "-s", script, url, "--", KEY, str(round_number)])
    if "Non-2xx" in said or "Socket errors" in said:
        sys.exit(f"{work} at {url} met errors:\n{said}")
    rate = float(re.search(r"Requests/sec:\s*([\d.]+)", said)[1])
    return rate, re.search(r"99%\s+(\S+)", said)[1]


def pgbench(work):
    program = shutil.which("pgbench") or sorted(glob.glob("/usr/lib/postgresql/*/bin/pgbench"))[-1]
    script = HERE / f"{work.lower().replace(' ', '_')}.sql"
    load = ["-n", "-M", "prepared", "-c", str(CONNECTIONS), "-j", "2", "-T", str(DURATION)]
    said = run([program, *load, "-f", script, DATABASE])
    if not re.search(r"number of failed transactions: 0 ", said):
        sys.exit(f"pgbench met errors:\n{said}")
    return float(re.search(r"tps = ([\d.]+)", said)[1])


def measure():
    rates = {(work, who): [] for work in WORK for who in ["pgbench", *URLS]}
    tails = {}
    for round_number in range(ROUNDS):
        for work in WORK:
            rates[work, "pgbench"].append(pgbench(work))
            for name, url in URLS.items():
                rate, tails[work, name] = wrk(work, url, round_number)
                rates[work, name].append(rate)
            print(f"round {round_number + 1} of {ROUNDS}: {work} done", flush=True)
    return {key: statistics.median(values) for key, values in rates.items()}, tails


def imported():
    """Seconds that the same records take: as an import into each database, and as COPY into a table like that of markets."""
    numbers = range(RECORDS + 1, RECORDS + 1 + IMPORTED)
    with tempfile.TemporaryDirectory() as folder:
        lines, rows = pathlib.Path(folder, "lines"), pathlib.Path(folder, "rows")
        with lines.open("w") as out:
            out.writelines(json.dumps(record(number)) + "\n" for number in numbers)
        now = "2024-01-01T00:00:00Z"
        with rows.open("w") as out:
            for one in map(record, numbers):
                tags = "{" + ",".join(one["tags"]) + "}"
                values = [one["id"], "1", now, now, one["title"], one["slug"], one["status"], one["volume"], "f", now, tags]
                out.write("\t".join(values) + "\n")
        run(["psql", "-Xqc", "create table reference (like markets including all)", DATABASE])
        columns = "id, version, created_at, updated_at, title, slug, status, volume, featured, opens_at, tags"
        began = time.monotonic()
        run(["psql", "-Xqc", f"\\copy reference ({columns}) from '{rows}'", DATABASE])
        seconds = {"COPY": time.monotonic() - began}
        run(["psql", "-Xqc", "drop table reference", DATABASE])
        for name, url in URLS.items():
            headers = {"Content-Type": "application/x-ndjson", "X-API-Key": KEY, "Content-Length": lines.stat().st_size}
            began = time.monotonic()
            with lines.open("rb") as body:
                request = urllib.request.Request(f"{url}/api/v1/markets/import", body, headers)
                with urllib.request.urlopen(request, timeout=3600) as answer:
                    report = json.load(answer)["data"]
            assert report["imported"] == IMPORTED, report
            seconds[name] = time.monotonic() - began
            print(f"import into {name} done", flush=True)
    return seconds


def versions():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    postgres = run(["psql", "-XAtc", "show server_version", DATABASE]).strip()
    first = lambda command: subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]
    return [
        f"Mainstay {first(['git', 'describe', '--always', '--dirty'])}, {first(['rustc', '--version'])}, release build",
        f"PostgreSQL {postgres}, {first(['wrk', '-v']).split(' [')[0]}, Linux {platform.release()}",
        f"{os.cpu_count()} cores of {model[1] if model else platform.machine()}",
    ]


def main():
    for url in URLS.values():
        fill(url)
    run(["psql", "-Xqc", "analyze", DATABASE])
    medians, tails = measure()
    lines = [
        "# Figures",
        "",
        f"Made by `make bench`: {RECORDS} markets, {CONNECTIONS} connections, the median of {ROUNDS} interleaved rounds of"
        f" {DURATION} s. Load, server and database share the machine. Requests are not logged.",
        "The reference is `pgbench -M prepared` doing the same in SQL with as many clients on the same PostgreSQL.",
        "",
        "| work | database | requests/s | pgbench/s | ratio | 99th percentile |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for work in WORK:
        reference = medians[work, "pgbench"]
        for name in URLS:
            rate = medians[work, name]
            lines.append(f"| {work} | {name} | {rate:.0f} | {reference:.0f} | {rate / reference:.2f} | {tails[work, name]} |")
    seconds = imported()
    lines += [
        "",
        f"{IMPORTED} markets through `POST /api/v1/markets/import`, once, beside `COPY` into a table with the same indexes:",
        "",
        "| import into | seconds | COPY, seconds | times COPY |",
        "|---|---:|---:|---:|",
    ]
    for name in URLS:
        copy = seconds["COPY"]
        lines.append(f"| {name} | {seconds[name]:.0f} | {copy:.0f} | {seconds[name] / copy:.1f} |")
    lines += ["", *(f"- {line}" for line in versions()), ""]
    (HERE / "results.md").write_text("\n".join(lines))
    print("\n".join(lines))


main()
