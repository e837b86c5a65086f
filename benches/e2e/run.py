#!/usr/bin/env python3
"""Measures a whole sweep side by side with the floor and the peers, against the built-in emulator.

    cargo build --release --bin batchsweep --example peer
    benches/e2e/run.py [--batches 10000] [--latency-ms 0,5,20] [--rounds 3]

Every program runs in turn within a round (A B C A B C) on a fresh copy of the same account; figures
are medians with minimum and maximum, ratios are taken inside a round. Everything is on loopback.
"""
import argparse
import os
import shutil
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
    """Runs a program; wall seconds, CPU seconds, peak RSS in MiB, its output."""
    with tempfile.TemporaryFile() as stdout, open(out or os.devnull, "wb") as stderr:
        began = time.monotonic()
        child = subprocess.Popen(command, stdout=stdout, stderr=stderr,
                                 env={**os.environ, **(env or {})})
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        stdout.seek(0)
        text = stdout.read().decode(errors="replace")
    if child.returncode != 0:
        sys.exit(f"{command[0]} ended with {child.returncode}: {text[-400:]}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text


def programs(folder, ids, has_requests):
    def batchsweep(url):
        path = os.path.join(folder, "config.toml")
        with open(path, "w") as file:
            file.write(CONFIG.format(url=url, rate=100000))
        os.chmod(path, 0o644)
        return ([f"{BIN}/batchsweep", "once", "--config", path, "--log-format", "json",
                 "--output", "json"], {"BATCHSWEEP_API_KEY": KEY}, os.path.join(folder, "log"))

    listed = {
        "floor": lambda url: ([f"{BIN}/examples/peer", "floor", url, KEY, ids], None, None),
        "batchsweep": batchsweep,
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
    rows = [one(made["batchsweep"], 0, 0) for _ in range(rounds)]
    print(f"\n### `once` on an empty account: wall {spread([1000 * row[0] for row in rows], 1)} ms, "
          f"RSS {spread([row[2] for row in rows], 1)} MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=10000)
    parser.add_argument("--latency-ms", default="0,5,20")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    has_requests = subprocess.run([sys.executable, "-c", "import requests"],
                                  stderr=subprocess.DEVNULL).returncode == 0
    folder = tempfile.mkdtemp()
    try:
        for latency in arguments.latency_ms.split(","):
            measure(arguments.batches, int(latency), arguments.rounds, has_requests, folder)
        empty_account(max(arguments.rounds, 5), folder)
    finally:
        shutil.rmtree(folder)


main()
