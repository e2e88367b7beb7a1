"""Profiles of functions: the time of their calls, or the memory of their lines (`spark.sql.pyspark.udf.profiler`).

A call of a function in a query has a number, under which clients show its profile. Profiles are updates of accumulators
with numbers that PySpark's clients know, so that they count once, like others.
"""

from __future__ import annotations

import cProfile
import pstats
from typing import TYPE_CHECKING, Any, Callable, Iterator, List, Optional, Tuple, Union

from pyspark import accumulators

if TYPE_CHECKING:
    from firesteel.worker.settings import Settings
    from firesteel.worker.task import Function

PERF, MEMORY = "perf", "memory"
# The values of these functions are iterators: each step is measured.
_ITERATING = (204, 205, 207, 215, 216, 251)
# Where functions are from that are not the program's own.
_OWN, _OF_SOURCES = "firesteel.", "firesteel.worker.source"

Key = Union[int, str]
End = Callable[[], None]


class Profiles:
    """What was measured in a task."""

    def __init__(self, settings: "Settings") -> None:
        # PySpark 3.5 has no such profiles.
        known = hasattr(accumulators, "SpecialAccumulatorIds")
        self._of_functions = settings.profiler if known else None
        self._of_sources = settings.source_profiler if known else None
        self._times = _Times()
        self._memory = _Memory()

    def attach(self, functions: List["Function"]) -> None:
        """Has the functions of a task measured when they are called.

        As in Spark, a function of another one's value alone is one function with that, which is measured as a whole.
        """
        if self._of_functions is None and self._of_sources is None:
            return
        calls: list = []
        for function in functions:
            call, inner = function.call, _inner(function, functions)
            if inner is not None:
                call = _chained(calls[inner], call)
                function.arguments = functions[inner].arguments
            calls.append(call)
            begin = self._beginning(function)
            function.is_profiled = begin is not None
            if begin is not None:
                call = (_each_step if function.eval_type in _ITERATING else _whole)(begin, call)
            function.call = call

    def of_source(self, name: str, call: Callable) -> Callable:
        """A part of a data source that runs outside of its tasks. No lines of the program are in it."""
        return _whole(lambda: self._times.begin(name), call) if self._of_sources == PERF else call

    def updates(self) -> List[Tuple[int, dict]]:
        """What to add to accumulators, by their numbers."""
        times, lines = self._times.found(), self._memory.found
        keys = [*times, *(key for key in lines if key not in times)]
        if not keys:
            return []
        ids = accumulators.SpecialAccumulatorIds
        updates = [(ids.SQL_UDF_PROFIER, {key: (times.get(key), lines.get(key)) for key in keys})]
        if hasattr(ids, "SQL_UDF_PROFIER_V2"):  # since 4.2
            both = ((PERF, times), (MEMORY, lines))
            named = {key: {name: found[key] for name, found in both if key in found} for key in keys}
            updates.append((ids.SQL_UDF_PROFIER_V2, named))
        return updates

    def _beginning(self, function: "Function") -> Optional[Callable[[], End]]:
        """What begins to measure a call, and returns what ends that."""
        key = function.content.get("profile")
        module = getattr(function.original, "__module__", None) or ""
        if module.startswith(_OF_SOURCES):
            profiler = self._of_sources
        else:
            profiler = None if module.startswith(_OWN) else self._of_functions
        if key is None or profiler is None:
            return None
        if profiler == PERF:
            return lambda: self._times.begin(key)
        code = getattr(getattr(function.original, "of_program", function.original), "__code__", None)
        measure = _line_profiler()
        return None if code is None or measure is None else lambda: self._memory.begin(key, code, measure())


class _Times:
    """Times of calls, as Python's own profiler measures them."""

    def __init__(self) -> None:
        self._profiles: dict = {}
        self._running: Optional[cProfile.Profile] = None

    def begin(self, key: Key) -> End:
        profile = self._profiles.get(key)
        if profile is None:
            profile = self._profiles[key] = cProfile.Profile()
        outer, self._running = self._running, profile

        def end() -> None:
            profile.disable()
            self._running = outer
            if outer is not None:
                outer.enable()

        # Only one can run. A function may be called within a step of an iterator that gets its values.
        if outer is not None:
            outer.disable()
        profile.enable()
        return end

    def found(self) -> dict:
        return {key: _stats(profile) for key, profile in self._profiles.items()}


def _stats(profile: cProfile.Profile) -> pstats.Stats:
    stats = pstats.Stats(profile)
    # What it would print to cannot be pickled.
    stats.stream = None
    return stats.strip_dirs()


class _Memory:
    """Memory by line, as PySpark adds it up: the sums of all calls."""

    def __init__(self) -> None:
        self.found: dict = {}

    def begin(self, key: Key, code: Any, measure: Any) -> End:
        from pyspark.profiler import MemUsageParam

        def end() -> None:
            measure.disable_by_count()
            lines = {file: list(found) for file, found in measure.code_map.items()}
            if lines:
                self.found[key] = MemUsageParam.addInPlace(self.found.get(key), lines)

        measure.add_code(code)
        measure.enable_by_count()
        return end


def _line_profiler() -> Optional[Callable]:
    """PySpark's profiler of lines; none without the package `memory-profiler`."""
    try:
        from pyspark import memory_profiler_ext as module
    except ImportError:  # before 4.2
        from pyspark import profiler as module
    return getattr(module, "UDFLineProfilerV2", None)


def _inner(function: "Function", functions: List["Function"]) -> Optional[int]:
    """The function whose value is the only argument of this one, if both are of one kind."""
    inner = function.arguments[0].get("function") if len(function.arguments) == 1 else None
    return inner if inner is not None and functions[inner].eval_type == function.eval_type else None


def _chained(first: Callable, second: Callable) -> Callable:
    return lambda *values: second(first(*values))


def _whole(begin: Callable[[], End], function: Callable) -> Callable:
    """The function, of which each call is measured."""

    def call(*positional: Any, **named: Any) -> Any:
        end = begin()
        try:
            return function(*positional, **named)
        finally:
            end()

    return call


def _each_step(begin: Callable[[], End], function: Callable) -> Callable:
    """The function, of whose iterator each step is measured."""

    def steps(*values: Any) -> Iterator[Any]:
        iterator = iter(function(*values))
        while True:
            end = begin()
            try:
                found = next(iterator)
            except StopIteration:
                return
            finally:
                end()
            yield found

    return steps
