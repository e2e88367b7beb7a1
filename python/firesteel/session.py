"""Allows `SparkSession.builder.master(...)` in a program started by Firesteel.

Such a program connects to its driver through `SPARK_REMOTE`, and stock PySpark rejects a master if a remote is set. The master was
chosen when the program was started, so the one in the program is ignored, with a warning if it differs.
"""

import atexit
import contextlib
import os
import sys

from firesteel import launch

_warned = False


def patch(module) -> None:
    """Patches the imported module `pyspark.sql.session`."""
    builder = module.SparkSession.Builder
    validate = builder._validate_startup_urls

    def without_master(self) -> None:
        if "SPARK_REMOTE" in os.environ:
            _ignore(self._options.pop("spark.master", None))
            _ignore(os.environ.pop("MASTER", None))
        validate(self)

    builder._validate_startup_urls = without_master
    launch.patch(module)
    atexit.register(_stop_sessions)


def _stop_sessions() -> None:
    """Stops open sessions while Python's threads still run: the client itself stops them later during shutdown, and can then hang."""
    connect = sys.modules.get("pyspark.sql.connect.session")
    if connect is None:
        return
    with contextlib.suppress(Exception):
        for session in (connect.SparkSession.getActiveSession(), connect.SparkSession._default_session):
            if session is not None and not session.is_stopped:
                session.stop()


def _ignore(master) -> None:
    global _warned
    started = os.environ.get("FIRESTEEL_MASTER")
    if master is not None and master != started and not _warned:
        _warned = True
        chosen = started or "its cluster"
        print(f"firesteel: ignoring the program's master {master}: it was started on {chosen}", file=sys.stderr)
