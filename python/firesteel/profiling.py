"""Profiles of RDDs and functions, by PySpark's own profilers: what they measure are accumulators."""

import copy
import functools
import inspect
import itertools
import sys
import warnings

from pyspark.errors import PySparkRuntimeError

from firesteel.errors import error
from firesteel.worker.version import IS_3_5

TIME, MEMORY = "spark.python.profile", "spark.python.profile.memory"
# Kinds of functions of iterators.
_ITERATING = (204, 205, 207, 217, 251, 254)


class Profiling:
    """The part of `SparkContext` that collects profiles, if `spark.python.profile` or `spark.python.profile.memory` is set."""

    profiler_collector = None

    def _start_profiling(self, profiler, udf_profiler, memory_profiler):
        self._function_ids = itertools.count()
        if self._has_on(TIME) or self._has_on(MEMORY):
            from pyspark.profiler import BasicProfiler, MemoryProfiler, ProfilerCollector, UDFBasicProfiler

            path = self._conf.get("spark.python.profile.dump", None)
            self.profiler_collector = ProfilerCollector(
                profiler or BasicProfiler, udf_profiler or UDFBasicProfiler, memory_profiler or MemoryProfiler, path
            )

    def _has_on(self, key):
        return self._conf.get(key, "false") == "true"

    def _new_profiler(self, rdd):
        if self.profiler_collector is None or not self._has_on(TIME):
            return None
        profiler = self.profiler_collector.new_profiler(self)
        if profiler is not None:
            self.profiler_collector.add_profiler(rdd, profiler)
        return profiler

    def _profiled(self, function, kind):
        """A function for one call in a query, which is measured."""
        if kind in _ITERATING:
            warnings.warn("Profiling UDFs with iterators input/output is not supported.", UserWarning, stacklevel=4)
            return function
        if self._has_on(TIME) and self._has_on(MEMORY):
            keys = f"'{TIME}' and '{MEMORY}' configuration"
            if IS_3_5:
                raise RuntimeError(f"{keys} cannot be enabled together.")
            raise error(PySparkRuntimeError, "CANNOT_SET_TOGETHER", {"arg_list": keys})
        collector, source = self.profiler_collector, ()
        if self._has_on(TIME):
            profiler = collector.new_udf_profiler(self)
        else:
            profiler, source = collector.new_memory_profiler(self), inspect.getsourcelines(function.__code__)

        @functools.wraps(function)
        def profiled(*positional, **named):
            return profiler.profile(*source, function, *positional, **named)

        profiled.__signature__ = inspect.signature(function)
        collector.add_profiler(next(self._function_ids), profiler)
        return profiled

    def show_profiles(self):
        """Prints the profiles."""
        self._profiles().show_profiles()

    def dump_profiles(self, path):
        """Writes the profiles to a directory."""
        self._profiles().dump_profiles(path)

    def _profiles(self):
        if self.profiler_collector is None:
            raise error(PySparkRuntimeError, "INCORRECT_CONF_FOR_PROFILE")
        return self.profiler_collector


def patch(module):
    """Patches the imported module `pyspark.sql.connect.udf`: a context that collects profiles sees calls of functions."""
    build = module.UserDefinedFunction._build_common_inline_user_defined_function

    @functools.wraps(build)
    def build_profiled(self, *arguments, **named):
        contexts = sys.modules.get("firesteel.context")
        context = contexts.SparkContext._active_spark_context if contexts is not None else None
        if context is not None and context.profiler_collector is not None and not context._is_stopped:
            self = copy.copy(self)
            self.func = context._profiled(self.func, self.evalType)
        return build(self, *arguments, **named)

    module.UserDefinedFunction._build_common_inline_user_defined_function = build_profiled
