"""Calls of the program's functions, whose StopIteration is an error: as the end of the elements it would lose the rest.

`pyspark.util.fail_on_stopiteration` does the same for functions of any arguments, which takes more time than most of these
functions need themselves.
"""

from pyspark.errors import PySparkRuntimeError
from pyspark.shuffle import Aggregator

from firesteel.errors import error


def of_element(function):
    """A function of one argument."""

    def call(element):
        try:
            return function(element)
        except StopIteration as stop:
            raise _stopped(stop) from stop

    return call


def of_two(function):
    """A function of two arguments, which combines them."""

    def call(left, right):
        try:
            return function(left, right)
        except StopIteration as stop:
            raise _stopped(stop) from stop

    return call


def combining(create, merge_value, merge_combiners):
    """How values of a key are combined, for PySpark's mergers."""
    aggregator = Aggregator(create, merge_value, merge_combiners)
    aggregator.createCombiner = of_element(create)
    aggregator.mergeValue, aggregator.mergeCombiners = of_two(merge_value), of_two(merge_combiners)
    return aggregator


def _stopped(stop):
    return error(PySparkRuntimeError, "STOP_ITERATION_OCCURRED", {"exc": str(stop)})
