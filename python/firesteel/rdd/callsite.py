"""Where in the program a call of ours was made."""

import os
import sys
import threading
from collections import namedtuple

CallSite = namedtuple("CallSite", "function file linenum")
_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_local = threading.local()


def _is_ours(frame):
    name = frame.f_code.co_filename
    return name.startswith(_OWN) or f"{os.sep}pyspark{os.sep}" in name


def first_spark_call():
    """The function of ours that the program called, and the line of the call."""
    frame, function = sys._getframe(1), "RDD"
    while frame is not None and _is_ours(frame):
        function, frame = frame.f_code.co_name, frame.f_back
    if frame is None:
        return CallSite(function, "<unknown>", 0)
    return CallSite(function, frame.f_code.co_filename, frame.f_lineno)


class Site:
    """While it is entered, RDDs and jobs are named after the program's call."""

    def __enter__(self):
        if current() is None:
            _local.depth = 1
            _local.site = "%s at %s:%s" % first_spark_call()
        else:
            _local.depth += 1
        return self

    def __exit__(self, *_):
        _local.depth -= 1
        if _local.depth == 0:
            _local.site = None


def current():
    """The call that is named at the moment."""
    return getattr(_local, "site", None)
