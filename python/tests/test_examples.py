"""The search for hyper-parameters of the examples, started in each way, and with an executor killed in the middle."""

import collections
import json
import os
import signal
import subprocess
import sys

from conftest import FIRESTEEL, ROOT, alive, descendants, eventually, run
from test_launch import environment

PROGRAM = ROOT / "examples" / "hyperparameters.py"
TRIALS = 24
BEST = "The best of 24 trials is 19: layers (64, 64), tanh, rate 0.01: 100.0% right"


def events(log):
    """The lines of the trials' logs, each with its trial."""
    return [(int(path.stem.split("-")[1]), json.loads(line)) for path in log.glob("*.jsonl") for line in path.read_text().splitlines()]


def times(log, event):
    """How often each trial logged an event."""
    return collections.Counter(trial for trial, line in events(log) if line["event"] == event)


def test_a_search_finds_its_winner(tmp_path):
    log = tmp_path / "log"
    done = run("run", "--master", "local-cluster[2,1,1024]", PROGRAM, "--log", log)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == BEST
    assert times(log, "begins") == times(log, "ends") == dict.fromkeys(range(TRIALS), 1)
    assert len({line["process"] for _, line in events(log)}) == 2


def test_its_manifest_finds_the_same_winner():
    done = run("run", ROOT / "examples" / "hyperparameters.yaml")
    assert done.returncode == 0 and BEST in done.stdout, done.stderr


def test_equal_seeds_give_equal_tables_however_the_program_is_run():
    small = [PROGRAM, "--points", "500", "--epochs", "5", "--seed"]
    plain = [sys.executable, *small, "1"]
    done = subprocess.run(plain, capture_output=True, text=True, timeout=120, env=environment(MASTER="local[2]"))
    assert f"of {TRIALS} trials are done" in done.stdout, done
    tables = [table(done.stdout), *(table(run("run", "--master", "local[1]", *small, seed).stdout) for seed in "12")]
    assert len(tables[0]) > 10
    assert tables[0] == tables[1] != tables[2]


def table(printed):
    """What a search prints at its end: the lines after those about its progress."""
    return printed[printed.index("trial  layers") :].splitlines()


def test_a_killed_executor_costs_only_the_trial_that_it_was_running(tmp_path):
    log = tmp_path / "log"
    command = [FIRESTEEL, "run", "--master", "local-cluster[2,1,1024]", PROGRAM, "--log", log]
    search = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        eventually(lambda: len(times(log, "ends")) >= TRIALS // 3, 60)
        victim = next(pid for pid, line in descendants(search.pid).items() if line.startswith("firesteel executor"))
        workers = set(descendants(victim))
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: not any(map(alive, workers)))
        printed, errors = search.communicate(timeout=120)
    finally:
        search.kill()
        search.wait()
    assert search.returncode == 0 and BEST in printed, errors
    # With one slot, an executor begins a trial after the result of the one before has reached the driver.
    begun = [(line["time"], trial) for trial, line in events(log) if line["process"] in workers and line["event"] == "begins"]
    assert len(begun) >= TRIALS // 8, "it ran trials before"
    repeated = {trial for trial, count in times(log, "begins").items() if count > 1}
    assert repeated <= {max(begun)[1]}, begun
    assert sum(times(log, "begins").values()) <= TRIALS + 1
    assert set(times(log, "ends")) == set(range(TRIALS))
