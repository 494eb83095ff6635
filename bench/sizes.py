"""Measures what a read costs in a large collection beside a small one of the same server, and writes a part of bench/results.md.

Called by bench/run.sh with the file to add to, beside a server of bench/sizes.yaml. LARGE (10000000, its records) may be set.
Records are put into the tables themselves: how they come in is not what is measured.
"""

import json
import os
import pathlib
import sqlite3
import statistics
import sys
import tempfile
import urllib.request

from load import ROUNDS, pgbench, psql, wrk

NAME, KIND = ("POSTGRES", "PostgreSQL") if "E2E_POSTGRES_URL" in os.environ else ("SQLITE", "SQLite")
URL, DATABASE = os.environ[f"E2E_{NAME}_URL"], os.environ[f"E2E_{NAME}_DATABASE"]
SIZES = {"small": 10_000, "large": int(os.environ.get("LARGE", "10000000"))}
WORK = ["GET by id", "filter of 20", "last page by cursor"]
COLUMNS = "id, version, created_at, updated_at, title, bucket"


def insert(collection, first, end):
    """Records of these numbers, twenty a bucket; twelve decimal digits are hexadecimal too."""
    if KIND == "PostgreSQL":
        values = (
            "('00000000-0000-7000-8000-' || 100000000000 + n)::uuid, 1, '2024-01-01Z', '2024-01-01Z',"
            " 'Record number ' || n || ' of many that are alike', n / 20"
        )
        numbers = f"generate_series({first}, {end - 1}) AS n"
        psql(DATABASE, f"INSERT INTO {collection} ({COLUMNS}) SELECT {values} FROM {numbers}")
        return
    now = "'2024-01-01T00:00:00Z'"
    values = (
        f"'00000000-0000-7000-8000-' || (100000000000 + n), 1, {now}, {now},"
        " 'Record number ' || n || ' of many that are alike', n / 20"
    )
    numbers = f"WITH numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {end - 1})"
    with sqlite3.connect(DATABASE.removeprefix("sqlite:"), timeout=600) as file:
        file.execute(f"INSERT INTO {collection} ({COLUMNS}) {numbers} SELECT {values} FROM numbers")


def get(path):
    with urllib.request.urlopen(f"{URL}/api/v1/{path}", timeout=60) as answer:
        return json.load(answer)


def fill(collection, records):
    """Fills a collection; the cursor of its last page, which is known as soon as the records around it are there."""
    insert(collection, records - 40, records)
    cursor = get(collection)["meta"]["next_cursor"]
    insert(collection, 0, records - 40)
    if KIND == "PostgreSQL":
        psql(DATABASE, f"vacuum analyze {collection}")
    else:
        with sqlite3.connect(DATABASE.removeprefix("sqlite:"), timeout=600) as file:
            file.execute("ANALYZE")
    last = get(f"{collection}?cursor={cursor}")
    assert (len(last["data"]), last["meta"]["has_more"]) == (20, False), last["meta"]
    assert len(get(f"{collection}?bucket={records // 20 - 1}&limit=40")["data"]) == 20
    return cursor


def select(folder, collection, records):
    """The file of SQL that pgbench runs for a record at random."""
    script = pathlib.Path(folder, f"{collection}.sql")
    script.write_text(
        f"\\set n random(100000000000, {100_000_000_000 + records - 1})\n"
        f"SELECT * FROM {collection} WHERE id = ('00000000-0000-7000-8000-' || :n::text)::uuid;\n"
    )
    return script


def measure(cursors, folder):
    who = ["server", "pgbench"] if KIND == "PostgreSQL" else ["server"]
    rates = {(work, size, one): [] for work in WORK for size in SIZES for one in who}
    for round_number in range(ROUNDS):
        for work in WORK:
            for size, records in SIZES.items():
                rates[work, size, "server"].append(wrk("sizes.lua", URL, work, size, records, cursors[size])[0])
                if work == "GET by id" and "pgbench" in who:
                    rates[work, size, "pgbench"].append(pgbench(select(folder, size, records), DATABASE))
            print(f"round {round_number + 1} of {ROUNDS}: {work} on {KIND} done", flush=True)
    return {key: statistics.median(values) for key, values in rates.items() if values}


def row(medians, work, who, name):
    small, large = (medians[work, size, who] for size in SIZES)
    return f"| {name} | {KIND} | {small:.0f} | {large:.0f} | {small / large:.2f} |"


def main(file):
    cursors = {}
    for collection, records in SIZES.items():
        cursors[collection] = fill(collection, records)
        print(f"{records} records are in {collection} on {KIND}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        medians = measure(cursors, folder)
    lines = [row(medians, work, "server", work) for work in WORK]
    if KIND == "PostgreSQL":
        lines = [
            "## Size of a collection",
            "",
            f"Requests a second with {SIZES['small']} and with {SIZES['large']} records of four short columns and two indexes, and what a"
            " request costs in the larger collection, times the smaller one. `pgbench` alone tells what the database's part is.",
            "",
            "| work | database | small | large | cost |",
            "|---|---|---:|---:|---:|",
            *lines,
            row(medians, "GET by id", "pgbench", "the same by `pgbench`"),
        ]
    with pathlib.Path(file).open("a") as out:
        out.write("".join(f"{line}\n" for line in lines))


main(sys.argv[1])
