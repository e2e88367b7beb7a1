"""`eval`: functions of columns, for each input batch one output batch of the same length."""

from __future__ import annotations

from typing import Any, Callable, Iterator, List

import pyarrow as pa
from pyspark.sql import types as spark

from firesteel.worker import arrow_rows, checks, iterating, pickled, rows
from firesteel.worker.arrow_types import arrow_type
from firesteel.worker.errors import failing_on_stop_iteration, return_type_error, runtime_error
from firesteel.worker.inputs import Inputs
from firesteel.worker.output import batch_of
from firesteel.worker.task import Function, Task

PICKLED, ARROW_ROWS = 100, 101
PANDAS, ARROW = 200, 250


def run(task: Task, inputs: Inputs) -> None:
    """Evaluates the functions of a task."""
    evaluators = [_evaluator(task, index) for index in range(len(task.functions))]
    outputs = task.header["outputs"]
    fields = [
        pa.field(f"_{place}", arrow_type(task.functions[index].result, task.settings.large_types))
        for place, index in enumerate(outputs)
    ]
    schema = pa.schema(fields)
    evaluations = (_Evaluation(task, evaluators, batch) for batch in inputs.batches())
    for evaluation in iterating.stages(task, evaluations):
        columns = [evaluation.column(index) for index in outputs]
        schema = _adapted(schema, columns)
        task.output.send(batch_of(columns, schema, evaluation.rows))


def _adapted(schema: pa.Schema, columns: List[pa.Array]) -> pa.Schema:
    """The schema with the types that the columns have (strings may be large, or metadata of fields may differ)."""
    if all(field.type == column.type for field, column in zip(schema, columns)):
        return schema
    return pa.schema([pa.field(field.name, column.type) for field, column in zip(schema, columns)])


class _Evaluation:
    """One batch: each column is converted and each function evaluated at most once."""

    def __init__(self, task: Task, evaluators: List["_Rows"], batch: pa.RecordBatch) -> None:
        self._task = task
        self._evaluators = evaluators
        self._batch = batch
        self.rows = batch.num_rows
        self._inputs: dict = {}
        self._results: dict = {}
        self._columns: dict = {}

    def column(self, index: int) -> pa.Array:
        """The result of a function as a column."""
        if index not in self._columns:
            self._columns[index] = self._evaluators[index].column(self._raw(index), self.rows)
        return self._columns[index]

    def add(self, index: int, column: pa.Array) -> None:
        """Takes the column of a function of iterators, which no evaluation calls."""
        self._columns[index] = column

    def arguments(self, index: int) -> List[Any]:
        """The arguments of a function."""
        function, evaluator = self._task.functions[index], self._evaluators[index]
        only = len(function.arguments) == 1
        return [self._argument(argument, evaluator, only) for argument in function.arguments]

    def _raw(self, index: int) -> Any:
        """What a function has returned, not yet converted."""
        if index not in self._results:
            self._results[index] = self._evaluators[index].call(self.arguments(index), self.rows)
        return self._results[index]

    def _argument(self, argument: dict, evaluator: "_Rows", only: bool) -> Any:
        if "function" in argument:
            inner = argument["function"]
            # Spark chains a function of one function: the value is passed on as it is.
            if only and type(self._evaluators[inner]) is type(evaluator):
                return self._raw(inner)
            return evaluator.argument(self.column(inner), self._task.functions[inner].result, f"_{inner}")
        place = argument["column"]
        key = (place, type(evaluator))
        if key not in self._inputs:
            kind = self._task.input_types[0].fields[place].dataType
            # As in Spark, columns are numbered here.
            self._inputs[key] = evaluator.argument(self._batch.column(place), kind, f"_{place}")
        return self._inputs[key]


class _Rows:
    """Functions of rows whose results follow the rules of Spark's pickled functions."""

    def __init__(self, task: Task, function: Function) -> None:
        self._settings = task.settings
        self._function = function
        self._result = function.result
        self._run = failing_on_stop_iteration(self._each)

    def argument(self, column: pa.Array, kind: spark.DataType, _name: str) -> List[Any]:
        """An argument's values."""
        return rows.values(column, kind, self._settings.binary_as_bytes)

    def call(self, arguments: List[List[Any]], count: int) -> List[Any]:
        """The function's values."""
        return self._run(self._function.call, arguments, count)

    def column(self, found: List[Any], _count: int) -> pa.Array:
        """The values as a column."""
        return pickled.column(found, self._result)

    @staticmethod
    def _each(call: Callable, arguments: List[List[Any]], count: int) -> List[Any]:
        # Comprehensions, not `map`: that would take a StopIteration of the function for the end.
        if len(arguments) == 1:
            return [call(a) for a in arguments[0]]
        if len(arguments) == 2:
            return [call(a, b) for a, b in zip(*arguments)]
        if not arguments:
            return [call() for _ in range(count)]
        return [call(*row) for row in zip(*arguments)]


class _ArrowRows(_Rows):
    """Functions of rows whose results follow the rules of Arrow-optimised functions."""

    def __init__(self, task: Task, function: Function) -> None:
        super().__init__(task, function)
        self._converter = arrow_rows.Converter(function.result, task.settings)
        # A profiler sees the calls of a single thread.
        if task.settings.concurrency > 0 and not function.is_profiled:
            self._run = failing_on_stop_iteration(self._in_threads)

    def column(self, found: List[Any], _count: int) -> pa.Array:
        return self._converter.column(found)

    def _in_threads(self, call: Callable, arguments: List[List[Any]], count: int) -> List[Any]:
        from concurrent.futures import ThreadPoolExecutor

        found = zip(*arguments) if arguments else (() for _ in range(count))
        with ThreadPoolExecutor(max_workers=self._settings.concurrency) as pool:
            return list(pool.map(lambda row: call(*row), found))


class _LegacyRows(_ArrowRows):
    """As `_ArrowRows`, with values that come and go through pandas (`…pandas.conversion.enabled`)."""

    def __init__(self, task: Task, function: Function) -> None:
        from firesteel.worker.series import FromPandas

        super().__init__(task, function)
        self._from_pandas = FromPandas(function.result, "_0", task.settings)
        self._coerce = {"StringType": str, "BinaryType": bytes}.get(type(function.result).__name__)

    def argument(self, column: pa.Array, kind: spark.DataType, name: str) -> List[Any]:
        from firesteel.worker.series import series

        return series(column, kind, self._settings, name=name, rows=True).tolist()

    def column(self, found: List[Any], _count: int) -> pa.Array:
        import pandas as pd

        if self._coerce is not None:
            found = [None if value is None else self._coerce(value) for value in found]
        return self._from_pandas.column(pd.Series(found))


class _Pandas:
    """Functions of series."""

    def __init__(self, task: Task, function: Function) -> None:
        from firesteel.worker.series import FromPandas

        self._settings = task.settings
        self._call = failing_on_stop_iteration(function.call)
        self._result = function.result
        self._from_pandas = FromPandas(function.result, "_0", task.settings)

    def argument(self, column: pa.Array, kind: spark.DataType, name: str) -> Any:
        """An argument as a series, or a data frame for a struct."""
        from firesteel.worker.series import series

        return series(column, kind, self._settings, name=name, frames=True)

    def call(self, arguments: List[Any], _count: int) -> Any:
        """The function's series."""
        return self._call(*arguments)

    def column(self, found: Any, count: int) -> pa.Array:
        """The series as a column, after a check of its length."""
        if not hasattr(found, "__len__"):
            expected = "pandas.DataFrame" if isinstance(self._result, spark.StructType) else "pandas.Series"
            raise return_type_error(expected, type(found).__name__)
        if len(found) != count:
            raise runtime_error(
                "SCHEMA_MISMATCH_FOR_PANDAS_UDF",
                udf_type="pandas_udf",
                expected=str(count),
                actual=str(len(found)),
            )
        return self._from_pandas.column(checked_struct(found, self._result))


def checked_struct(found: Any, kind: spark.DataType) -> Any:
    """A result, which must be a data frame if the declared type is a struct."""
    import pandas as pd
    from pyspark.errors import PySparkValueError

    if isinstance(kind, spark.StructType) and not isinstance(found, pd.DataFrame):
        raise PySparkValueError(
            "Invalid return type. Please make sure that the UDF returns a "
            "pandas.DataFrame when the specified return type is StructType."
        )
    return found if isinstance(found, (pd.Series, pd.DataFrame)) else pd.Series(found)


class _Arrow:
    """Functions of Arrow arrays."""

    def __init__(self, task: Task, function: Function) -> None:
        self._call = failing_on_stop_iteration(function.call)
        self._target = arrow_type(function.result, task.settings.large_types)

    def argument(self, column: pa.Array, _kind: spark.DataType, _name: str) -> pa.Array:
        """An argument, as it is."""
        return column

    def call(self, arguments: List[pa.Array], _count: int) -> Any:
        """The function's array."""
        return self._call(*arguments)

    def column(self, found: Any, count: int) -> pa.Array:
        """The array in the declared type, after a check of its length."""
        if not isinstance(found, (pa.Array, pa.ChunkedArray)):
            if not hasattr(found, "__len__"):
                raise return_type_error("array-like object", type(found).__name__)
            found = pa.array(found)
        if len(found) != count:
            raise runtime_error(
                "SCHEMA_MISMATCH_FOR_PANDAS_UDF",
                udf_type="arrow_udf",
                expected=str(count),
                actual=str(len(found)),
            )
        return checks.enforced(found, self._target, "_0")


class _PandasIterator(_Pandas):
    """Functions of iterators of series: only their arguments; `iterating` calls them."""


class _ArrowIterator(_Arrow):
    """Functions of iterators of Arrow arrays: only their arguments; `iterating` calls them."""


_EVALUATORS = {
    PICKLED: _Rows,
    ARROW_ROWS: _ArrowRows,
    PANDAS: _Pandas,
    iterating.PANDAS: _PandasIterator,
    ARROW: _Arrow,
    iterating.ARROW: _ArrowIterator,
}


def _evaluator(task: Task, index: int) -> Any:
    function = task.functions[index]
    kind = _EVALUATORS.get(function.eval_type)
    if kind is None:
        raise ValueError(f"Unknown eval type: {function.eval_type}")
    if kind is _ArrowRows and task.settings.legacy_rows:
        kind = _LegacyRows
    return kind(task, function)


