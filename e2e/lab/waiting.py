"""Waiting for a condition with a timeout, instead of sleeping for a fixed time."""

import time

from lab.errors import LabError

PAUSE = 0.2


def eventually(what, seconds=30, name=None):
    """Waits until `what()` is true and returns it. `name` describes the condition; a callable is only called on timeout."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > deadline:
            said = name() if callable(name) else name or "a condition"
            raise LabError(f"{said}: not within {seconds} s")
        time.sleep(PAUSE)
    return found
