"""Rows that table functions return, checked, converted and written."""

from __future__ import annotations

from itertools import repeat
from typing import Any, Callable, List, Optional

import pyarrow as pa
from pyspark.errors import PySparkTypeError
from pyspark.sql import types as spark

from firesteel.worker import arrow_rows, checks, pickled
from firesteel.worker.errors import return_type_error, runtime_error
from firesteel.worker.nulls import null_checker
from firesteel.worker.table import checked_iterable, output_schema, with_rows
from firesteel.worker.task import Task


class _Rows:
    """Rows of several calls, converted together."""

    def __init__(self, task: Task, returned: spark.StructType) -> None:
        self._task = task
        self._returned = returned
        self._width = len(returned.fields)
        self._schema = output_schema(task, returned)
        self._check = null_checker(returned)
        self._limit = task.settings.batch_rows if task.settings.batch_rows > 0 else 10_000
        self._found: List[Any] = []
        self._numbers: List[int] = []

    def add(self, number: int, found: Any, method: str) -> None:
        """Takes what a method returned for a row of the input."""
        for row in checked_iterable(found, method):
            self._found.append(self.checked(row, method))
            self._numbers.append(number)
            if len(self._found) >= self._limit:
                self.flush()

    def flush(self) -> None:
        """Writes what waits."""
        found, self._found = self._found, []
        numbers, self._numbers = self._numbers, []
        if found:
            self._task.output.send(with_rows(self._task, self.columns(found), self._schema, numbers))

    def checked(self, row: Any, method: str) -> Any:
        """A row after the checks of its shape."""
        raise NotImplementedError

    def columns(self, found: List[Any]) -> List[pa.Array]:
        """Rows as columns."""
        raise NotImplementedError

    def _mismatch(self, actual: int, method: str) -> Exception:
        return runtime_error(
            "UDTF_RETURN_SCHEMA_MISMATCH", expected=str(self._width), actual=str(actual), func=method
        )


class Pickled(_Rows):
    """By the rules of Spark's pickled functions."""

    def checked(self, row: Any, method: str) -> Any:
        if row is not None:
            if hasattr(row, "__UDT__"):
                raise runtime_error("UDTF_INVALID_OUTPUT_ROW_TYPE", type=type(row).__name__, func=method)
            if hasattr(row, "__len__") and len(row) != self._width:
                raise self._mismatch(len(row), method)
            if not (isinstance(row, (list, dict, tuple)) or hasattr(row, "__dict__")):
                raise runtime_error("UDTF_INVALID_OUTPUT_ROW_TYPE", type=type(row).__name__, func=method)
            if self._check is not None:
                self._check(row)
        return self._returned.toInternal(row)

    def columns(self, found: List[Any]) -> List[pa.Array]:
        missing = (None,) * self._width
        rows = zip(*[missing if row is None else row for row in found])
        return [pickled.internal(list(values), field.dataType) for values, field in zip(rows, self._returned.fields)]


class ArrowRows(_Rows):
    """By the rules of Arrow-optimised functions."""

    def __init__(self, task: Task, returned: spark.StructType) -> None:
        super().__init__(task, returned)
        self._converters = [arrow_rows.converter(field.dataType, field.nullable) for field in returned.fields]

    def checked(self, row: Any, method: str) -> Any:
        if not isinstance(row, tuple) and self._width == 1:
            row = (row,)
        if self._check is not None and row is not None:
            self._check(row)
        return self._values(row, method)

    def _values(self, row: Any, method: str) -> tuple:
        names = self._returned.names
        if row is None:
            return (None,) * self._width
        if not isinstance(row, tuple):
            if isinstance(row, dict):
                return tuple(row.get(name) for name in names)
            if hasattr(row, "__dict__"):
                return tuple(row.__dict__.get(name) for name in names)
            if not hasattr(row, "__len__"):
                raise self._no_data([row])
        if len(row) != self._width:
            raise self._mismatch(len(row), method)
        return tuple(row)

    def columns(self, found: List[Any]) -> List[pa.Array]:
        try:
            return [
                pa.array(list(map(convert, values)) if convert is not None else list(values), field.type)
                for convert, values, field in zip(self._converters, zip(*found), self._schema)
            ]
        except Exception as error:
            raise self._no_data(found) from error

    def _no_data(self, data: List[Any]) -> Exception:
        return runtime_error(
            "UDTF_ARROW_DATA_CONVERSION_ERROR",
            data=str(data),
            schema=self._returned.simpleString(),
            arrow_schema=str(pa.struct(list(self._schema))),
        )


class Legacy(_Rows):
    """By way of pandas (`spark.sql.legacy.execution.pythonUDTF.pandas.conversion.enabled`)."""

    def __init__(self, task: Task, returned: spark.StructType) -> None:
        from firesteel.worker.series import FromPandas

        super().__init__(task, returned)
        self._build = FromPandas(returned, "_0", task.settings, legacy=True)

    def add(self, number: int, found: Any, method: str) -> None:
        import pandas as pd

        rows = []
        for row in checked_iterable(found, method):
            if self._check is not None and row is not None:
                self._check(row)
            rows.append(row)
        frame = pd.DataFrame(rows)
        if len(frame) == 0 and len(frame.columns) == 0:
            return
        if len(frame.columns) != self._width:
            raise self._mismatch(len(frame.columns), method)
        columns = self._build.columns(frame)
        self._task.output.gather(with_rows(self._task, columns, self._schema, list(repeat(number, len(frame)))))


class Arrow:
    """Tables and batches, cast to the declared types."""

    def __init__(self, task: Task, returned: spark.StructType) -> None:
        self._task = task
        self._schema = output_schema(task, returned)

    def add(self, number: int, found: Any, method: str) -> None:
        """Takes what a method returned for the input up to a row."""
        for item in checked_iterable(found, method):
            if isinstance(item, pa.Table):
                batches = item.to_batches()
            elif isinstance(item, pa.RecordBatch):
                batches = [item]
            else:
                raise runtime_error("UDTF_ARROW_TYPE_CONVERSION_ERROR")
            for batch in batches:
                self._write(number, batch, method)

    def flush(self) -> None:
        """Nothing waits."""

    def _write(self, number: int, batch: pa.RecordBatch, method: str) -> None:
        if batch.num_columns != len(self._schema):
            raise runtime_error(
                "UDTF_RETURN_SCHEMA_MISMATCH",
                expected=str(len(self._schema)),
                actual=str(batch.num_columns),
                func=method,
            )
        columns = [checks.enforced(self._found(batch, field), field.type, field.name) for field in self._schema]
        self._task.output.gather(with_rows(self._task, columns, self._schema, [number] * batch.num_rows))

    def _found(self, batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
        place = batch.schema.get_field_index(field.name)
        if place < 0:
            raise PySparkTypeError(
                f"Result column '{field.name}' does not exist in the output. "
                f"Expected schema: {self._schema}, got: {batch.schema}."
            )
        return batch.column(place)
