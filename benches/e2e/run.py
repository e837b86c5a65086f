#!/usr/bin/env python3
"""Measures a whole sweep side by side with the floor and the peers, against the built-in emulator.

    cargo build --release --bin batchsweep --example peer
    benches/e2e/run.py [--batches 10000] [--latency-ms 0,5,20] [--rounds 3] [--only PART]

Needs GNU time (/usr/bin/time); the peer in Python needs the package requests.

Every program runs in turn within a round (A B C A B C) on a fresh copy of the same account; figures
are medians with minimum and maximum, ratios are taken inside a round. Everything is on loopback.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release")
KEY = "emulator"

CONFIG = """
dry_run = false
[accounts.main]
product = "serpwow"
base_url = "{url}"
[guards]
max_deletes = "off"
max_delete_percent = "off"
[sweep]
requests_per_second = {rate}
busy_wait = "0s"
[delete.temporary]
name = "tmp-*"
older_than = "7d"
"""


class Emulator:
    """One fresh account on loopback; stopped by its process id."""

    def __init__(self, batches, latency_ms):
        command = [f"{BIN}/batchsweep", "emulator", "--listen", "127.0.0.1:0", "--bench",
                   "--batches", str(batches), "--latency-ms", str(latency_ms)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.DEVNULL)
        for line in self.process.stdout:
            if "http://" in line:
                self.url = line[line.index("http://"):].split()[0]
                return
        raise SystemExit("the emulator did not start")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def run(command, env=None, out=None):
    """Runs a program; wall seconds, CPU seconds, peak RSS in MiB, its output.

    GNU time starts it: the kernel counts the memory of whoever starts a program as the program's own,
    and this script is larger than what it measures.
    """
    with tempfile.TemporaryFile() as stdout, open(out or os.devnull, "wb") as stderr, \
            tempfile.NamedTemporaryFile("r") as used:
        began = time.monotonic()
        ended = subprocess.run(["/usr/bin/time", "-q", "-f", "%U %S %M", "-o", used.name, *command],
                               stdout=stdout, stderr=stderr, env={**os.environ, **(env or {})})
        wall = time.monotonic() - began
        stdout.seek(0)
        text = stdout.read().decode(errors="replace")
        user, system, kib = used.read().split()
    if ended.returncode != 0:
        sys.exit(f"{command[0]} ended with {ended.returncode}: {text[-400:]}")
    return wall, float(user) + float(system), float(kib) / 1024, text


def programs(folder, ids, has_requests, rate=100000):
    def batchsweep(url, state):
        path = os.path.join(folder, "config.toml")
        with open(path, "w") as file:
            file.write(CONFIG.format(url=url, rate=rate))
        os.chmod(path, 0o644)
        env = {"BATCHSWEEP_API_KEY": KEY, "BATCHSWEEP__STATE__URL": state}
        return ([f"{BIN}/batchsweep", "once", "--config", path, "--log-format", "json",
                 "--output", "json"], env, os.path.join(folder, "log"))

    def with_sqlite(url):
        # A new state for each run, on the disk that TMPDIR names.
        return batchsweep(url, f"sqlite:{tempfile.mkdtemp(dir=folder)}/state.db")

    listed = {
        "floor": lambda url: ([f"{BIN}/examples/peer", "floor", url, KEY, ids], None, None),
        "batchsweep": with_sqlite,
        "batchsweep, no state": lambda url: batchsweep(url, "memory:"),
        "reqwest loop": lambda url: ([f"{BIN}/examples/peer", "reqwest", url, KEY], None, None),
    }
    if has_requests:
        script = os.path.join(ROOT, "benches", "e2e", "peer_requests.py")
        listed["python requests"] = lambda url: ([sys.executable, script, url, KEY], None, None)
    return listed


def one(make, batches, latency):
    emulator = Emulator(batches, latency)
    try:
        command, env, out = make(emulator.url)
        return run(command, env, out)
    finally:
        emulator.stop()


def spread(values, digits=2):
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def measure(batches, latency, rounds, has_requests, folder):
    ids = os.path.join(folder, "ids")
    listing = one(lambda url: ([f"{BIN}/examples/peer", "ids", url, KEY], None, None), batches, 0)
    with open(ids, "w") as file:
        file.write(listing[3])
    made = programs(folder, ids, has_requests)
    results = {name: [] for name in made}
    for _ in range(rounds):
        for name, make in made.items():
            results[name].append(one(make, batches, latency))
    deletions = int(results["floor"][0][3].strip())
    print(f"\n### {batches} batches, {deletions} deletions, {latency} ms a call, {rounds} rounds\n")
    print("| program | wall, s | wall ÷ floor | wall ÷ reqwest loop | CPU a 1,000 deletions, s "
          "| CPU ÷ reqwest loop | peak RSS, MiB |")
    print("|---|---|---|---|---|---|---|")
    for name, rows in results.items():
        pairs = list(zip(rows, results["floor"], results["reqwest loop"]))
        cells = [
            spread([row[0] for row in rows]),
            spread([row[0] / floor[0] for row, floor, _ in pairs], 3),
            spread([row[0] / bare[0] for row, _, bare in pairs], 3),
            spread([1000 * row[1] / deletions for row in rows], 3),
            spread([row[1] / bare[1] for row, _, bare in pairs]),
            spread([row[2] for row in rows], 1),
        ]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def empty_account(rounds, folder):
    made = programs(folder, os.devnull, False)
    for name in ("batchsweep", "batchsweep, no state"):
        rows = [one(made[name], 0, 0) for _ in range(rounds)]
        print(f"\n### {name}: `once` on an empty account, a new state each time: wall "
              f"{spread([1000 * row[0] for row in rows], 1)} ms, "
              f"RSS {spread([row[2] for row in rows], 1)} MiB")


def memory(batches, folder):
    """Peak memory by the size of the account."""
    made = programs(folder, os.devnull, False)
    rows = [(count, one(made["batchsweep"], count, 0)) for count in batches]
    print("\n### memory\n\n| batches | peak RSS, MiB | a further batch, KiB |\n|---|---|---|")
    before = None
    for count, row in rows:
        further = "" if before is None else \
            f"{1024 * (row[2] - before[1]) / (count - before[0]):.2f}"
        print(f"| {count} | {row[2]:.1f} | {further} |")
        before = (count, row[2])


def pace(batches, rate, folder):
    """A run at the default pace, against the time that its calls must take."""
    made = programs(folder, os.devnull, False, rate)
    row = one(made["batchsweep"], batches, 0)
    requests = json.loads(row[3])["runs"][0]["requests"]
    print(f"\n### {batches} batches at {rate} calls a second: {requests} calls in {row[0]:.2f} s; "
          f"÷ (calls ÷ rate) = {row[0] * rate / requests:.4f}")


SERVICE = """
[schedule]
cron = "0 3 29 2 *"
[server]
listen = "off"
"""


class Service:
    """`batchsweep run`, which runs when it is told to; stopped by its process id."""

    def __init__(self, folder, url, dry_run=False):
        path = os.path.join(folder, "service.toml")
        with open(path, "w") as file:
            file.write(CONFIG.format(url=url, rate=100000) + SERVICE)
        os.chmod(path, 0o644)
        self.log = os.path.join(folder, "service.log")
        notify = os.path.join(folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard, open(self.log, "wb") as log:
            heard.bind(notify)
            env = {"BATCHSWEEP_API_KEY": KEY, "NOTIFY_SOCKET": notify,
                   "BATCHSWEEP__STATE__URL": f"sqlite:{tempfile.mkdtemp(dir=folder)}/state.db"}
            command = [f"{BIN}/batchsweep", "run", "--config", path, "--log-format", "json"]
            began = time.monotonic()
            self.process = subprocess.Popen(command + ["--dry-run"] * dry_run, stderr=log,
                                            stdout=subprocess.DEVNULL, env=env)
            while not heard.recv(4096).startswith(b"READY=1"):
                pass
            self.ready_ms = 1000 * (time.monotonic() - began)
        os.remove(notify)

    def events(self, name):
        with open(self.log) as log:
            return sum(f'"event":"{name}"' in line for line in log)

    def run(self):
        """One run, from the signal to its end."""
        before = self.events("run.finished")
        self.process.send_signal(signal.SIGUSR1)
        while self.events("run.finished") == before:
            time.sleep(0.02)

    def rss(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))

    def spent(self):
        """CPU seconds and how often it was woken so far."""
        pid, woken = self.process.pid, 0
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/status") as status:
                woken += next(int(line.split()[1]) for line in status
                              if line.startswith("voluntary_ctxt"))
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), woken

    def stop(self):
        self.process.terminate()
        if self.process.wait() != 0:
            sys.exit(f"the service ended with {self.process.returncode}")


def with_service(batches, folder, measure, dry_run=False):
    emulator = Emulator(batches, 0)
    try:
        service = Service(folder, emulator.url, dry_run)
        try:
            return measure(service)
        finally:
            service.stop()
    finally:
        emulator.stop()


def rest(service, seconds=60):
    time.sleep(5)
    cpu, woken = service.spent()
    time.sleep(seconds)
    cpu_after, woken_after = service.spent()
    return (service.rss(), 100 * (cpu_after - cpu) / seconds, (woken_after - woken) / seconds)


def hundred_runs(service):
    service.run()
    first = service.rss()
    for _ in range(99):
        service.run()
    return first, service.rss()


def daemon(batches, rounds, folder):
    """The service: ready, at rest, after a large run, over a hundred small ones."""
    ready = [with_service(0, folder, lambda service: service.ready_ms) for _ in range(rounds)]
    print(f"\n### the service\n\nready after {spread(ready, 1)} ms, a new state each time")
    rss, cpu, woken = with_service(0, folder, rest)
    print(f"at rest: {rss:.1f} MiB, {cpu:.3f} % of a core, {woken:.2f} wake-ups a second")

    def after_a_run(service):
        service.run()
        return service.rss()

    after = [with_service(batches, folder, after_a_run) for _ in range(rounds)]
    print(f"after a sweep of {batches} batches: {spread(after, 1)} MiB")
    first, last = with_service(100, folder, hundred_runs, dry_run=True)
    print(f"100 dry runs of 100 batches: {first:.2f} MiB after the first, {last:.2f} after the last")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=10000)
    parser.add_argument("--latency-ms", default="0,5,20")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["speed", "empty", "memory", "pace", "daemon"],
                        help="one part instead of speed and empty account")
    arguments = parser.parse_args()
    has_requests = subprocess.run([sys.executable, "-c", "import requests"],
                                  stderr=subprocess.DEVNULL).returncode == 0
    folder = tempfile.mkdtemp()
    try:
        if arguments.only in (None, "speed"):
            for latency in arguments.latency_ms.split(","):
                measure(arguments.batches, int(latency), arguments.rounds, has_requests, folder)
        if arguments.only in (None, "empty"):
            empty_account(max(arguments.rounds, 5), folder)
        if arguments.only == "memory":
            memory([0, 1000, 10000, 100000], folder)
        if arguments.only == "daemon":
            daemon(arguments.batches, arguments.rounds, folder)
        if arguments.only == "pace":
            pace(arguments.batches, 10, folder)
    finally:
        shutil.rmtree(folder)


main()
