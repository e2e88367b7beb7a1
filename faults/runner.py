"""Injects the faults of the catalogue into real processes, and prints what came of it.

    ./dev faults                  all rows
    ./dev faults 9,10,20-23       some
    ./dev faults kills --seed 7   queries of TPC-H and TPC-DS while processes are killed
    ./dev faults --short          one run of the most telling rows

What the columns mean is in docs/faults.md.
"""

import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import catalogue

DIRECTORY = pathlib.Path(__file__).resolve().parent


def main():
    arguments = parse()
    rows = [row for row in catalogue.ROWS if wanted(row, arguments)]
    if not rows:
        sys.exit(f"no row is called {arguments.rows}")
    bad = []
    print(f"{'row':12} {'fault':62} {'runs':>4} {'right':>5} {'p50 s':>7} {'p99 s':>7} {'again':>5}  verdict", flush=True)
    for row in rows:
        if row.run is None:
            print(f"{row.name:12} {row.fault:62} {'':4} {'':5} {'':7} {'':7} {'':5}  {row.instead}", flush=True)
            continue
        outcomes = [once(row, arguments.seed + number) for number in range(arguments.runs)]
        print(line(row, outcomes), flush=True)
        wrong = [(arguments.seed + number, each) for number, each in enumerate(outcomes) if each["verdict"] != "holds"]
        for seed, each in wrong:
            print(f"      seed {seed}: {each['verdict']}: {each['message']}", flush=True)
        bad += [row.name] * bool(wrong and not row.waits)
    if bad:
        sys.exit(f"not as promised: {', '.join(bad)}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="?", default="", help="numbers, ranges or names, separated by commas; all by default")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="only the rows that tell most")
    return parser.parse_args()


def wanted(row, arguments):
    if arguments.short:
        return row.short
    names = set()
    for part in filter(None, arguments.rows.split(",")):
        first, _, last = part.partition("-")
        is_range = first.isdigit() and last.isdigit()
        names |= set(map(str, range(int(first), int(last) + 1))) if is_range else {part}
    return not names or row.name in names


def once(row, seed):
    """Runs a row in a process of its own, so that a hang is seen and nothing stays."""
    with tempfile.TemporaryDirectory(prefix="faults-") as directory:
        result, log = pathlib.Path(directory, "result"), pathlib.Path(directory, "log")
        with log.open("wb") as output:
            # With a directory for temporary files of its own, whatever is left there afterwards is the run's.
            temporary = pathlib.Path(directory, "tmp")
            temporary.mkdir()
            process = subprocess.Popen(
                [sys.executable, DIRECTORY / "one.py", row.name, str(seed), directory],
                stdout=output, stderr=output, start_new_session=True, env=os.environ | {"TMPDIR": str(temporary)},
            )
            try:
                process.wait(row.seconds)
            except subprocess.TimeoutExpired:
                # It ends what it has started; only what does not listen is killed.
                process.send_signal(signal.SIGTERM)
                end(process)
                return {"verdict": "HANGS", "message": f"no end within {row.seconds} s: {tail(log)}"}
            finally:
                end(process)
        keep(log, row, seed)
        if result.exists():
            return json.loads(result.read_text())
        return {"verdict": "FAILS", "message": f"exit code {process.returncode}: {tail(log)}"}


def end(process):
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def keep(log, row, seed):
    """With $FAULTS_LOGS, what the processes of a run said stays there."""
    if base := os.environ.get("FAULTS_LOGS"):
        pathlib.Path(base).mkdir(exist_ok=True)
        pathlib.Path(base, f"{row.name}-{seed}.log").write_bytes(log.read_bytes())


def tail(log):
    return " / ".join(log.read_text(errors="replace").strip().splitlines()[-3:])[-400:]


def line(row, outcomes):
    right = sum(each["verdict"] == "holds" for each in outcomes)
    times = sorted(each["recovery"] for each in outcomes if each.get("recovery") is not None)
    again = [each["again"] for each in outcomes if each.get("again") is not None]
    shown = (f"{quantile(times, 0.5):7.2f} {quantile(times, 0.99):7.2f}") if times else f"{'-':>7} {'-':>7}"
    worst = next((each["verdict"] for each in outcomes if each["verdict"] != "holds"), "holds")
    mean = f"{statistics.mean(again):5.1f}" if again else f"{'-':>5}"
    if worst != "holds" and row.waits:
        worst += f" (waits for {row.waits})"
    return f"{row.name:12} {row.fault:62} {len(outcomes):4} {right:5} {shown} {mean}  {worst}"


def quantile(times, part):
    return times[min(len(times) - 1, int(part * len(times)))]


if __name__ == "__main__":
    os.environ.setdefault("FIRESTEEL", "firesteel")
    began = time.monotonic()
    try:
        main()
    finally:
        print(f"{time.monotonic() - began:.0f} s", flush=True)
