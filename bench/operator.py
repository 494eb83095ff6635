"""Measures the operator beside an API server without nodes: its memory, its writes, how fast it follows edits and restarts.

Called by `make bench-operator` through `mainstay-e2e apiserver`, which names the API server in KUBECONFIG. OPERATOR_BIN is the
operator's release build; BACKENDS (1000), ROUNDS (3) and EDITS (100, of each kind a round) may be set. Writes bench/operator.md.
"""

import collections
import concurrent.futures
import http.client
import json
import os
import pathlib
import platform
import random
import re
import signal
import ssl
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse

HERE = pathlib.Path(__file__).parent
BACKENDS = int(os.environ.get("BACKENDS", "1000"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
EDITS = int(os.environ.get("EDITS", "100"))
OPERATOR = os.environ["OPERATOR_BIN"]
KUBECONFIG = pathlib.Path(os.environ["KUBECONFIG"])
IN_NAMESPACE = 50
COLLECTIONS = 3
IMAGE = "registry.example/mainstay/server:1"
OWN = "mainstay-system"
GROUP = "/apis/mainstay.dev/v1alpha1"
PORT = 18080
PATIENCE = 900
BACKEND_LABEL = "mainstay.dev/backend"

random.seed(4)


def load():
    return os.getloadavg()[0]


def say(text):
    print(f"{time.strftime('%H:%M:%S')} load {load():.1f}: {text}", flush=True)


class Cluster:
    """The API server, by the client certificate of its administrator; a connection for each thread."""

    def __init__(self):
        text = KUBECONFIG.read_text()
        self.at = urllib.parse.urlparse(re.search(r"server: '([^']+)'", text)[1])
        pki = KUBECONFIG.parent / "pki"
        self.tls = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self.tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self.mine = threading.local()

    def connection(self, timeout=60):
        return http.client.HTTPSConnection(self.at.hostname, self.at.port, context=self.tls, timeout=timeout)

    def call(self, method, path, body=None, kind="application/json", missing=False, there=False):
        # The API server closes what was idle for long.
        if time.monotonic() - getattr(self.mine, "used", -60) > 30:
            self.mine.connection = self.connection()
        connection = self.mine.connection
        connection.request(method, path, body and json.dumps(body), {"Content-Type": kind})
        answer = connection.getresponse()
        text = answer.read()
        self.mine.used = time.monotonic()
        allowed = [200, 201, 202] + [404] * missing + [409] * there
        assert answer.status in allowed, f"{method} {path}: {answer.status} {text[:500]}"
        return text

    def get(self, path, missing=False):
        return json.loads(self.call("GET", path, missing=missing))

    def make(self, path, body):
        self.call("POST", path, body, there=True)

    def patch(self, path, body):
        return json.loads(self.call("PATCH", path, body, "application/merge-patch+json"))

    def watch(self, path, seen):
        """Calls `seen` with every object of a kind and the time of its arrival, from now on, in a thread of its own."""
        version = self.get(path + "?limit=1")["metadata"]["resourceVersion"]

        def follow():
            connection = self.connection(timeout=3600)
            connection.request("GET", f"{path}?watch=1&resourceVersion={version}")
            answer = connection.getresponse()
            while line := answer.readline():
                at = time.monotonic()
                event = json.loads(line)
                assert event["type"] != "ERROR", event
                seen(event["type"], event["object"], at)

        threading.Thread(target=follow, daemon=True).start()

    def writes(self):
        """Requests that were writes so far, by resource and verb, as the API server counts them; without leases."""
        counts = collections.Counter()
        for line in self.call("GET", "/metrics").decode().splitlines():
            if line.startswith("apiserver_request_total{"):
                labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
                if labels["verb"] in ("POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"):
                    if labels["resource"] != "leases":
                        what = f"{labels['verb']} {labels['resource']}/{labels['subresource']}".rstrip("/")
                        counts[what] += int(float(line.rsplit(" ", 1)[1]))
        return counts


class Operator:
    """The operator's process."""

    def __init__(self):
        log = open(KUBECONFIG.parent / "operator.log", "ab")
        command = [OPERATOR, "run", "--server-image", IMAGE, "--own-namespace", OWN, "--listen", f"127.0.0.1:{PORT}"]
        self.began = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def ready(self):
        try:
            # One that waits for its turn is ready too.
            leads = "\nmainstay_operator_leader 1\n" in self.ask("/metrics")[1]
            return leads and self.ask("/readyz")[0] == 200
        except OSError:
            assert self.process.poll() is None, (KUBECONFIG.parent / "operator.log").read_text()[-2000:]
            return False

    def busy(self):
        """How many Backends were never reconciled, wait, or are under way; and how many reconciliations ended."""
        text = self.ask("/metrics")[1]
        value = lambda name: int(sum(float(n) for n in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M)))
        done = len(re.findall(r'^mainstay_backend_condition{.*status="True",type="Ready"}', text, re.M))
        ended = value("mainstay_operator_reconciles_total")
        return BACKENDS - done + value("mainstay_operator_queue") + value("mainstay_operator_in_flight"), ended

    def settled(self, quiet=2.0):
        """When the last of its work was seen, after `quiet` seconds without any."""
        last, before = time.monotonic(), None
        end = last + PATIENCE
        while time.monotonic() - last < quiet:
            assert time.monotonic() < end, f"not settled in {PATIENCE} s: {self.busy()}"
            busy, ended = self.busy()
            if busy or ended != before:
                last, before = time.monotonic(), ended
            time.sleep(0.25)
        return last

    def memory(self):
        """Resident memory, and the part of it that is not a file's, in MB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return [int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1000 for name in ("VmRSS", "RssAnon")]

    def cpu(self):
        words = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def until(what, done, patience=PATIENCE):
    end = time.monotonic() + patience
    while not done():
        assert time.monotonic() < end, f"{what} took more than {patience} s"
        time.sleep(0.05)


def name(number):
    return f"bench-{number // IN_NAMESPACE:02}", f"b{number:04}"


def backend(number):
    database = {"urlFrom": {"secretKeyRef": {"name": "database", "key": "url"}}}
    spec = {"image": IMAGE, "replicas": 2, "database": database, "config": {"limits": {"page": {"max": 100}}}}
    return {"apiVersion": "mainstay.dev/v1alpha1", "kind": "Backend", "metadata": {"name": name(number)[1]}, "spec": spec}


def collection(number, which):
    fields = [{"name": f"field_{n}", "type": "text", "maxLength": 200} for n in range(10)]
    spec = {"backendRef": {"name": name(number)[1]}, "name": f"things-{which}", "fields": fields}
    metadata = {"name": f"{name(number)[1]}-things-{which}"}
    return {"apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection", "metadata": metadata, "spec": spec}


def answer(cluster, job):
    """Plays a plan Job that found nothing to do: writes what the operator would write down after its report."""
    metadata = job["metadata"]
    said, labels = metadata["annotations"], metadata["labels"]
    data = {
        "schema.json": '{"collections":[]}', "revision": "1", "compatibleFrom": "1",
        "documents": said["mainstay.dev/documents"], "parts": said["mainstay.dev/parts"],
        "image": said["mainstay.dev/image"], "database": said["mainstay.dev/database"],
    }
    applied = f"{labels[BACKEND_LABEL]}-applied"
    keep = (BACKEND_LABEL, "app.kubernetes.io/name", "app.kubernetes.io/managed-by")
    made = {
        "apiVersion": "v1", "kind": "ConfigMap", "data": data,
        "metadata": {
            "name": applied, "labels": {key: labels[key] for key in keep},
            "ownerReferences": metadata["ownerReferences"],
        },
    }
    path = f"/api/v1/namespaces/{metadata['namespace']}/configmaps"
    cluster.make(path, made)
    cluster.patch(f"{path}/{applied}", {"data": data})


class Bench:
    def __init__(self):
        self.cluster = Cluster()
        self.pool = concurrent.futures.ThreadPoolExecutor(8)
        self.rows = []
        self.deployments, self.jobs = {}, {}
        self.changed = threading.Condition()
        self.answers = True

    def row(self, what, figure, goal="—"):
        self.rows.append((what, figure, goal, f"{load():.1f}"))
        say(f"{what}: {figure}")

    def each(self, work, items):
        for done in [self.pool.submit(work, item) for item in items]:
            done.result()

    def saw_deployment(self, kind, deployment, at):
        metadata = deployment["metadata"]
        with self.changed:
            self.deployments[metadata["namespace"], metadata["name"]] = (metadata["generation"], at)
            self.changed.notify_all()

    def saw_job(self, kind, job, at):
        metadata = job["metadata"]
        if kind == "ADDED":
            with self.changed:
                self.jobs[metadata["namespace"], metadata["labels"][BACKEND_LABEL]] = at
                self.changed.notify_all()
            self.pool.submit(answer, self.cluster, job).add_done_callback(complain)

    def idle(self):
        self.cluster.make("/api/v1/namespaces", {"metadata": {"name": OWN}})
        self.operator = Operator()
        until("the operator is ready", self.operator.ready)
        # The first start makes the definitions; what counts is one that finds them.
        self.operator.stop()
        figures = []
        for _ in range(ROUNDS):
            self.operator = Operator()
            until("the operator is ready", self.operator.ready)
            time.sleep(5)
            figures.append(self.operator.memory())
            if len(figures) < ROUNDS:
                self.operator.stop()
        rss, private = map(statistics.median, zip(*figures))
        self.empty = rss
        self.row("memory, no Backend", f"{rss:.1f} MB resident, {private:.1f} MB of it private", "< 15 MB")

    def fill(self):
        cluster = self.cluster
        numbers = range(BACKENDS)
        secret = {"metadata": {"name": "database"}, "stringData": {"url": "postgres://bench@127.0.0.1/bench"}}
        for namespace in sorted({name(number)[0] for number in numbers}):
            cluster.make("/api/v1/namespaces", {"metadata": {"name": namespace}})
            cluster.make(f"/api/v1/namespaces/{namespace}/secrets", secret)
        cluster.watch("/apis/apps/v1/deployments", self.saw_deployment)
        cluster.watch("/apis/batch/v1/jobs", self.saw_job)
        began = time.monotonic()

        def make(number):
            path = f"{GROUP}/namespaces/{name(number)[0]}"
            cluster.make(f"{path}/backends", backend(number))
            for which in range(COLLECTIONS):
                cluster.make(f"{path}/collections", collection(number, which))

        self.each(make, numbers)
        say(f"{BACKENDS} Backends are made")
        until("every Backend has its Deployment", lambda: len(self.deployments) == BACKENDS)
        ended = self.operator.settled()
        self.row(f"{BACKENDS} Backends from nothing to settled", f"{ended - began:.0f} s")
        collections = cluster.get(f"{GROUP}/collections")["items"]
        accepted = [one["status"]["conditions"][0]["status"] for one in collections].count("True")
        assert accepted == BACKENDS * COLLECTIONS, f"{accepted} Collections are accepted: {collections[0]['status']}"
        kinds = {
            "Deployment": "/apis/apps/v1/deployments", "ConfigMap": "/api/v1/configmaps", "Secret": "/api/v1/secrets",
            "Service": "/api/v1/services", "ServiceAccount": "/api/v1/serviceaccounts", "Job": "/apis/batch/v1/jobs",
            "PodDisruptionBudget": "/apis/policy/v1/poddisruptionbudgets",
            "NetworkPolicy": "/apis/networking.k8s.io/v1/networkpolicies", "Event": "/api/v1/events",
        }
        self.owned = {}
        for kind, path in kinds.items():
            selector = "" if kind == "Event" else f"?labelSelector={BACKEND_LABEL}"
            self.owned[kind] = len(cluster.get(path + selector)["items"])
        say(f"objects: {self.owned}")

    def per_thousand(self, when):
        rss, private = self.operator.memory()
        self.row(f"memory, {BACKENDS} Backends, {when}", f"{rss:.1f} MB resident, {private:.1f} MB of it private")
        return rss

    def quiet(self):
        minute = 60
        before, (_, ended), cpu = self.cluster.writes(), self.operator.busy(), self.operator.cpu()
        time.sleep(minute)
        after, (_, more), used = self.cluster.writes(), self.operator.busy(), self.operator.cpu()
        done = after - before
        self.row("API writes in a minute of steady state, without leases", f"{sum(done.values())} {dict(done) or ''}".strip(), "0")
        self.row("the same minute", f"{more - ended} reconciliations, {used - cpu:.1f} s of CPU")

    def edit(self, number, spec):
        """Seconds from an edit of a Backend to its Deployment's next generation, as a watch shows it."""
        key = name(number)
        before = self.deployments[key][0]
        began = time.monotonic()
        self.cluster.patch(f"{GROUP}/namespaces/{key[0]}/backends/{key[1]}", {"spec": spec})
        with self.changed:
            there = self.changed.wait_for(lambda: self.deployments[key][0] > before, 60)
        assert there, f"{key}: the Deployment was not patched"
        return self.deployments[key][1] - began

    def edits(self):
        kinds = {
            "replicas": lambda turn: {"replicas": 3 + turn},
            "resources": lambda turn: {"resources": {"requests": {"memory": f"{100 + turn}Mi"}}},
            "config": lambda turn: {"config": {"limits": {"page": {"max": 200 + turn}}}},
        }
        taken = {kind: [] for kind in kinds}
        for turn in range(ROUNDS):
            for kind, spec in kinds.items():
                picked = random.sample(range(BACKENDS), min(EDITS, BACKENDS))
                times = []
                for number in picked:
                    times.append(self.edit(number, spec(turn)))
                    # An edit every 50 ms, so that the afterwork of one is not the wait of the next.
                    time.sleep(0.05)
                taken[kind].append(quantiles(times))
            self.operator.settled(1)
        for kind, rounds in taken.items():
            self.row(f"edit of `{kind}` to the patched Deployment", spread(rounds, 1000, "ms"), "p99 < 250 ms")

    def plans(self):
        rounds = []
        numbers = list(range(BACKENDS))
        random.shuffle(numbers)
        for turn in range(ROUNDS):
            picked, began = numbers[turn * EDITS:][:EDITS] or numbers[:EDITS], {}
            self.jobs.clear()
            for number in picked:
                namespace, backend = name(number)
                began[namespace, backend] = time.monotonic()
                changed = {"spec": {"description": f"Changed {turn + 1} times."}}
                self.cluster.patch(f"{GROUP}/namespaces/{namespace}/collections/{backend}-things-0", changed)
                time.sleep(0.1)
            with self.changed:
                there = self.changed.wait_for(lambda: all(key in self.jobs for key in began), 60)
            assert there, f"{sum(key not in self.jobs for key in began)} plan Jobs are missing"
            rounds.append(quantiles([self.jobs[key] - at for key, at in began.items()]))
            self.operator.settled(1)
        self.row("edit of a Collection to its plan Job", spread(rounds, 1, "s"), "p99 < 5 s")

    def restarts(self):
        times, cpu = [], []
        maps = f"/api/v1/configmaps?labelSelector={BACKEND_LABEL}"
        until("replaced documents are gone", lambda: len(self.cluster.get(maps)["items"]) == self.owned["ConfigMap"])
        self.operator.settled()
        before = self.cluster.writes()
        for _ in range(ROUNDS):
            self.operator.stop()
            self.operator = Operator()
            until("the operator is ready", self.operator.ready)
            times.append(self.operator.settled() - self.operator.began)
            cpu.append(self.operator.cpu())
        each = ", ".join(f"{one:.1f}" for one in times)
        self.row("restart to settled", f"{statistics.median(times):.1f} s ({each}), {statistics.median(cpu):.1f} s of CPU", "< 20 s")
        done = self.cluster.writes() - before
        self.row(f"API writes of all {ROUNDS} restarts, without leases", f"{sum(done.values())} {dict(done) or ''}".strip(), "0")

    def run(self):
        try:
            self.idle()
            self.fill()
            self.per_thousand("after making them")
            self.quiet()
            self.edits()
            self.plans()
            self.per_thousand("after the edits")
            self.restarts()
            rss = self.per_thousand("after a restart")
            self.row(f"growth for {BACKENDS} Backends, after a restart", f"{rss - self.empty:.1f} MB")
        finally:
            self.operator.process.kill()
            self.operator.process.wait()


def complain(done):
    if error := done.exception():
        print(f"a plan Job was not answered: {error!r}", file=sys.stderr, flush=True)


def quantiles(times):
    times = sorted(times)
    return [times[min(len(times) - 1, int(len(times) * share))] for share in (0.5, 0.99)]


def spread(rounds, factor, unit):
    p50, p99 = (statistics.median(one) * factor for one in zip(*rounds))
    each = ", ".join(f"{one[1] * factor:.3g}" for one in rounds)
    return f"p50 {p50:.3g} {unit}, p99 {p99:.3g} {unit} ({each})"


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def cpu_model():
    found = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def report(bench, began):
    owned = ", ".join(f"{count} {kind}s" for kind, count in bench.owned.items() if count)
    version = bench.cluster.get("/version")["gitVersion"]
    rows = "\n".join(f"| {what} | {figure} | {goal} | {load} |" for what, figure, goal, load in bench.rows)
    text = TEMPLATE.format(
        backends=BACKENDS, collections=COLLECTIONS, rounds=ROUNDS, edits=EDITS, rows=rows, owned=owned, began=began,
        now=f"{load():.1f}", mainstay=run("git", "-C", str(HERE), "rev-parse", "--short", "HEAD"),
        rustc=run("rustc", "--version"), kubernetes=version, linux=platform.release(), cores=os.cpu_count(), model=cpu_model(),
    )
    (HERE / "operator.md").write_text(text)


TEMPLATE = (HERE / "operator.template").read_text()

if __name__ == "__main__":
    began = f"{load():.1f}"
    bench = Bench()
    bench.run()
    report(bench, began)
