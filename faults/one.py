"""One run of one row: `one.py ROW SEED DIRECTORY`. Writes the outcome to `DIRECTORY/result`."""

import ctypes
import json
import os
import pathlib
import random
import signal
import sys
import time
import traceback

import catalogue
from world import APPLICATIONS, descendants, eventually

SUBREAPER = 36


class Run:
    """What a row knows of its run, and what it says about it."""

    def __init__(self, seed, directory):
        self.rng, self.seed, self.dir = random.Random(seed), seed, pathlib.Path(directory)
        self.recovery = self.again = self.at = None

    def hit(self):
        """The moment of the fault."""
        self.at = time.monotonic()
        return self.at


def main(name, seed, directory):
    # Whatever a run leaves behind becomes this process's child.
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    before = set(homes())
    run = Run(int(seed), directory)
    verdict, message = "holds", ""
    row = next(row for row in catalogue.ROWS if row.name == name)
    try:
        row.run(run)
        eventually(lambda: not left(before), 60)
    except AssertionError as error:
        verdict, message = "WRONG", str(error) or traceback.format_exc()
        traceback.print_exc()
        if processes := left(before):
            message += f"; left behind: {processes}"
    except TimeoutError as error:
        verdict, message = "HANGS", str(error)
        traceback.print_exc()
    except Exception as error:  # noqa: BLE001
        verdict, message = "FAILS", f"{type(error).__name__}: {str(error)[:500]}"
        traceback.print_exc()
    outcome = {"verdict": verdict, "message": message, "recovery": run.recovery, "again": run.again}
    (run.dir / "result").write_text(json.dumps(outcome))
    sys.stdout.flush()
    # A thread may still wait for an answer that does not come.
    os._exit(0)


def homes():
    return [entry.name for entry in APPLICATIONS.glob("*")]


def left(before):
    """Processes and directories of a run that is over; children that have ended are collected."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    return sorted(descendants(os.getpid()).values()) + sorted(set(homes()) - before)


if __name__ == "__main__":
    main(*sys.argv[1:])
