"""Waiting for a condition, with a deadline. Nothing here sleeps for a time that somebody guessed."""

import time

from lab.errors import LabError

PAUSE = 0.2


def eventually(what, seconds=30, name=None):
    """Waits until `what()` is true and returns it. `name` says what was waited for; a callable is asked when time is up."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > deadline:
            said = name() if callable(name) else name or "a condition"
            raise LabError(f"{said}: not within {seconds} s")
        time.sleep(PAUSE)
    return found
