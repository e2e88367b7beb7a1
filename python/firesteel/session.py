"""Allows `SparkSession.builder.master(...)` in a program started by Firesteel.

Such a program connects to its driver through `SPARK_REMOTE`, and stock PySpark rejects a master if a remote is set. The master was
chosen when the program was started, so the one in the program is ignored, with a warning if it differs.
"""

import atexit
import contextlib
import functools
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
    module.SparkSession.__new__ = _of_context
    for name in ("getOrCreate", "create"):
        setattr(builder, name, _beside_context(getattr(builder, name)))
    launch.patch(module)
    atexit.register(_stop_sessions)


def _beside_context(original):
    """Full PySpark starts no remote session while there is a context, which it takes for one with a JVM."""

    @functools.wraps(original)
    def call(self):
        contexts = sys.modules.get("firesteel.context")
        if contexts is None:
            return original(self)
        kind = contexts.SparkContext
        with kind._lock:
            active, kind._active_spark_context = kind._active_spark_context, None
            try:
                return original(self)
            finally:
                kind._active_spark_context = active

    return call


def _of_context(cls, *args, **kwargs):
    """`SparkSession(sc)` is the session that the context has."""
    context = args[0] if args else kwargs.get("sparkContext")
    session = getattr(context, "_session", None)
    return session if session is not None else object.__new__(cls)


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
