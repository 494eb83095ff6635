"""Measures two running servers beside pgbench and COPY on the same PostgreSQL, and writes a part of bench/results.md.

Called by bench/run.sh with the file to write, beside servers of examples/markets on both databases. IMPORTED (1000000, the
records of an import) may be set. Every figure is the median of interleaved rounds, and a ratio to the figure that pgbench or
COPY reaches in the same rounds.
"""

import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

from load import CONNECTIONS, DURATION, HERE, ROUNDS, pgbench, psql, run, wrk

RECORDS = 10_000
IMPORTED = int(os.environ.get("IMPORTED", "1000000"))
KEY = os.environ["E2E_KEY"]
URLS = {"PostgreSQL": os.environ["E2E_POSTGRES_URL"], "SQLite": os.environ["E2E_SQLITE_URL"]}
DATABASE = os.environ["E2E_POSTGRES_DATABASE"]
# Batches come after the rest, for they make the table that is read a hundred times as large.
WORK = [["GET by id", "list of 20", "POST"], ["batch of 100"]]


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


def sql(work, folder):
    """The file that pgbench runs. A batch is as many of the same inserts in one transaction."""
    if work != "batch of 100":
        return HERE / f"{work.lower().replace(' ', '_')}.sql"
    script = pathlib.Path(folder, "batch.sql")
    script.write_text("BEGIN;\n" + (HERE / "post.sql").read_text() * 100 + "COMMIT;\n")
    return script


def measure(folder):
    rates = {(work, who): [] for group in WORK for work in group for who in ["pgbench", *URLS]}
    tails = {}
    for group in WORK:
        for round_number in range(ROUNDS):
            for work in group:
                rates[work, "pgbench"].append(pgbench(sql(work, folder), DATABASE))
                for name, url in URLS.items():
                    script = f"{work.lower().replace(' ', '_')}.lua"
                    rate, tails[work, name] = wrk(script, url, KEY, round_number)
                    rates[work, name].append(rate)
                print(f"round {round_number + 1} of {ROUNDS}: {work} done", flush=True)
    return {key: statistics.median(values) for key, values in rates.items()}, tails


def write_lines(numbers, lines, rows):
    """The same records for the import and for COPY."""
    now = "2024-01-01T00:00:00Z"
    with lines.open("w") as out_lines, rows.open("w") as out_rows:
        for one in map(record, numbers):
            out_lines.write(json.dumps(one) + "\n")
            tags = "{" + ",".join(one["tags"]) + "}"
            values = [one["id"], "1", now, now, one["title"], one["slug"], one["status"], one["volume"], "f", now, tags]
            out_rows.write("\t".join(values) + "\n")


def timed(work, *arguments):
    began = time.monotonic()
    work(*arguments)
    return time.monotonic() - began


def copy(rows):
    columns = "id, version, created_at, updated_at, title, slug, status, volume, featured, opens_at, tags"
    psql(DATABASE, f"\\copy reference ({columns}) from '{rows}'")


def send(url, lines):
    headers = {"Content-Type": "application/x-ndjson", "X-API-Key": KEY, "Content-Length": lines.stat().st_size}
    with lines.open("rb") as body:
        request = urllib.request.Request(f"{url}/api/v1/markets/import", body, headers)
        with urllib.request.urlopen(request, timeout=3600) as answer:
            report = json.load(answer)["data"]
    assert report["imported"] == IMPORTED, report


def imported(folder):
    """Median seconds of the same records as an import into each database, and as COPY into a table that grows alike."""
    lines, rows = pathlib.Path(folder, "lines"), pathlib.Path(folder, "rows")
    psql(DATABASE, "create table reference (like markets including all)")
    seconds = {name: [] for name in ["COPY", *URLS]}
    for round_number in range(ROUNDS):
        first = RECORDS + 1 + round_number * IMPORTED
        write_lines(range(first, first + IMPORTED), lines, rows)
        seconds["COPY"].append(timed(copy, rows))
        for name, url in URLS.items():
            seconds[name].append(timed(send, url, lines))
        print(f"round {round_number + 1} of {ROUNDS}: import done", flush=True)
    return {name: statistics.median(values) for name, values in seconds.items()}


def versions():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    postgres = psql(DATABASE, "show server_version")
    first = lambda command: subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]
    return [
        f"Mainstay {first(['git', 'describe', '--always', '--dirty'])}, {first(['rustc', '--version'])}, release build",
        f"PostgreSQL {postgres}, {first(['wrk', '-v']).split(' [')[0]}, Linux {platform.release()}",
        f"{os.cpu_count()} cores of {model[1] if model else platform.machine()}; load average when this began:"
        f" {os.getloadavg()[1]:.1f}",
    ]


def main(file):
    lines = [
        "# Figures",
        "",
        f"Made by `make bench`: {CONNECTIONS} connections, the median of {ROUNDS} interleaved rounds of {DURATION} s. Load, server"
        " and database share the machine. Requests are not logged.",
        "",
        *(f"- {line}" for line in versions()),
        "",
        "## Requests",
        "",
        f"{RECORDS} markets. The reference is `pgbench -M prepared` doing the same in SQL with as many clients on the same"
        " PostgreSQL; of a batch, its 100 creates as 100 inserts in one transaction.",
        "",
        "| work | database | requests/s | pgbench/s | ratio | 99th percentile |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for url in URLS.values():
        fill(url)
    psql(DATABASE, "analyze")
    with tempfile.TemporaryDirectory() as folder:
        medians, tails = measure(folder)
        seconds = imported(folder)
    for work in sum(WORK, []):
        reference = medians[work, "pgbench"]
        for name in URLS:
            rate = medians[work, name]
            lines.append(f"| {work} | {name} | {rate:.0f} | {reference:.0f} | {rate / reference:.2f} | {tails[work, name]} |")
    lines += [
        "",
        "## Import",
        "",
        f"{IMPORTED} markets a round through `POST /api/v1/markets/import`. The reference is `COPY` of the same rows into a table"
        " with the same columns and indexes.",
        "",
        "| into | seconds | records/s | `COPY`, seconds | ratio |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in URLS:
        own, reference = seconds[name], seconds["COPY"]
        lines.append(f"| {name} | {own:.0f} | {IMPORTED / own:.0f} | {reference:.0f} | {reference / own:.2f} |")
    pathlib.Path(file).write_text("\n".join([*lines, "", ""]))


main(sys.argv[1])
