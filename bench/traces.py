"""What traces cost: the same server with and without them, and adds a part to bench/results.md.

Called by bench/run.sh with the file to write. Starts MAINSTAY_BIN on SQLite, which has no database's own pace to hide behind: without traces,
with one request in a hundred kept, and with every one. The collector is a socket here that takes everything and looks at nothing.
Interleaved rounds; the figure is the ratio to the server without traces in the same rounds.
"""

import http.server
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.request

from load import DURATION, HERE, ROUNDS, wrk

KEY = "an-admin-key-that-only-the-bench-knows"
RATIOS = {"none": None, "1 %": "0.01", "all": "1"}


class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def start(folder, name, ratio, collector):
    """A server with 10,000 markets, once it is ready; its process and where it is."""
    traces = [] if ratio is None else ["--telemetry-otlp-endpoint", collector, "--telemetry-sample-ratio", ratio]
    server = subprocess.Popen(
        [os.environ["MAINSTAY_BIN"], "serve", "-f", HERE.parent / "examples/markets", "--log-format", "json",
         "--database-url", f"sqlite:{folder}/{name[:1]}.db", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
         "--log-level", "warn,mainstay::cli=info", *traces],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env={**os.environ, "MAINSTAY_ADMIN_KEY": KEY},
    )
    told = next(line for line in map(json.loads, server.stderr) if line["message"] == "listening")
    threading.Thread(target=lambda: [None for _ in server.stderr], daemon=True).start()
    url = f"http://{told['api']}"
    for first in range(0, 10_000, 1000):
        body = json.dumps([market(first + i) for i in range(1000)]).encode()
        headers = {"Content-Type": "application/json", "X-API-Key": KEY}
        urllib.request.urlopen(urllib.request.Request(f"{url}/api/v1/markets", body, headers), timeout=60).close()
    return server, url


def market(number):
    return {"id": f"00000000-0000-7000-8000-{100_000_000_000 + number}", "title": f"Question {number}", "slug": f"question-{number}"}


def main(file):
    sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    collector = f"http://127.0.0.1:{sink.server_port}"
    rates = {name: [] for name in RATIOS}
    with tempfile.TemporaryDirectory() as folder:
        servers = {name: start(folder, name, ratio, collector) for name, ratio in RATIOS.items()}
        try:
            for round_number in range(ROUNDS):
                for name, (_, url) in servers.items():
                    rates[name].append(wrk("get_by_id.lua", url)[0])
                print(f"round {round_number + 1} of {ROUNDS}: traces done", flush=True)
        finally:
            for server, _ in servers.values():
                server.terminate()
                server.wait()
    lines = [
        "## Traces",
        "",
        f"GET by id on SQLite, the median of {ROUNDS} interleaved rounds of {DURATION} s, by the part of the requests whose traces are kept.",
        "",
        "| kept | requests/s | of those without |",
        "|---|---:|---:|",
    ]
    without = statistics.median(rates["none"])
    for name, all_rates in rates.items():
        rate = statistics.median(all_rates)
        lines.append(f"| {name} | {rate:.0f} | {rate / without:.3f} |")
    with pathlib.Path(file).open("a") as out:
        out.write("\n".join([*lines, "", ""]))


main(sys.argv[1])
