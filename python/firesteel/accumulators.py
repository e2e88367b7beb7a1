"""Accumulators. The classes are PySpark's; updates of tasks come back as observed metrics."""

import warnings

from pyspark import accumulators
from pyspark.accumulators import Accumulator
from pyspark.serializers import CPickleSerializer

#: The name that the stock client since 4.2 knows.
METRICS = "__python_accumulator__"


class Accumulators:
    """The part of `SparkContext` that makes accumulators."""

    def accumulator(self, value, accum_param=None):
        """A variable that tasks add to and the program reads."""
        if accum_param is None:
            if isinstance(value, int):
                accum_param = accumulators.INT_ACCUMULATOR_PARAM
            elif isinstance(value, float):
                accum_param = accumulators.FLOAT_ACCUMULATOR_PARAM
            elif isinstance(value, complex):
                accum_param = accumulators.COMPLEX_ACCUMULATOR_PARAM
            else:
                raise TypeError("No default accumulator param for type %s" % type(value))
        context = type(self)
        with context._lock:
            context._next_accum_id += 1
            return Accumulator(context._next_accum_id - 1, value, accum_param)


def added(responses):
    """The responses of an execution; updates of accumulators in them are added."""
    for response in responses:
        # Observed metrics are the only responses with these two.
        if getattr(response, "name", None) == METRICS:
            for metric in response.metrics:
                _add(metric.binary)
        yield response


def _add(pickled):
    number, update = CPickleSerializer().loads(pickled)
    # One that nobody can read any more is not an error.
    accumulator = accumulators._accumulatorRegistry.get(number)
    if accumulator is None:
        return
    try:
        accumulator += update
    except Exception as failure:
        warnings.warn(f"Failed to update accumulator {number}: {failure}", RuntimeWarning, stacklevel=2)
