"""Makes `SparkSession.builder.master(...)` legal in a program that Firesteel has started.

Such a program reaches its driver by `SPARK_REMOTE`, and stock PySpark refuses a master beside a remote. The master was chosen when
the program was started, so what the program says is dropped, with a word if it says something else.
"""

import atexit
import contextlib
import os
import sys

_said = False


def patch(module) -> None:
    """Patches `pyspark.sql.session` when it has been imported."""
    builder = module.SparkSession.Builder
    validate = builder._validate_startup_urls

    def without_master(self) -> None:
        if "SPARK_REMOTE" in os.environ:
            _drop(self._options.pop("spark.master", None))
            _drop(os.environ.pop("MASTER", None))
        validate(self)

    builder._validate_startup_urls = without_master
    atexit.register(_stop_sessions)


def _stop_sessions() -> None:
    """Stops what the program left open, while its threads still run: the client would do so while Python takes itself apart, and can hang."""
    connect = sys.modules.get("pyspark.sql.connect.session")
    if connect is None:
        return
    with contextlib.suppress(Exception):
        for session in (connect.SparkSession.getActiveSession(), connect.SparkSession._default_session):
            if session is not None and not session.is_stopped:
                session.stop()


def _drop(master) -> None:
    global _said
    started = os.environ.get("FIRESTEEL_MASTER")
    if master is not None and master != started and not _said:
        _said = True
        chosen = started or "its cluster"
        print(f"firesteel: the program asks for master {master}; it was started on {chosen}, which holds", file=sys.stderr)
