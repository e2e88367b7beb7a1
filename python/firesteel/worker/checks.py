"""Checks of what functions return, with PySpark's errors."""

from __future__ import annotations

from typing import Any, Iterable, Iterator, Union

import pyarrow as pa
from pyspark.errors import PySparkTypeError
from pyspark.sql import types as spark

from firesteel.worker.arrow_types import arrow_type
from firesteel.worker.errors import return_type_error, runtime_error
from firesteel.worker.settings import Settings


def iterable(found: Any, label: str) -> Iterator:
    """An iterator over a result that must be iterable."""
    if not hasattr(found, "__iter__") and not hasattr(found, "__next__"):
        raise return_type_error(f"iterator of {label}", type(found).__name__)
    return iter(found)


def each(found: Iterable, expected: type, label: str) -> Iterator:
    """The elements of a result, each of which must have a type."""
    for element in iterable(found, label):
        if not isinstance(element, expected):
            raise return_type_error(f"iterator of {label}", f"iterator of {type(element).__name__}")
        yield element


def pandas_result(found: Any, kind: spark.DataType, by_name: bool, truncate: bool = False) -> Any:
    """A data frame with the columns of a struct type, or a series for another type."""
    import pandas as pd

    if not isinstance(kind, spark.StructType):
        if not isinstance(found, pd.Series):
            raise return_type_error("pandas.Series", type(found).__name__)
        return found
    if not isinstance(found, pd.DataFrame):
        raise return_type_error("pandas.DataFrame", type(found).__name__)
    columns = list(found.columns)
    # An empty frame may have no columns.
    if columns != kind.names and (columns or len(found)):
        _check_columns(columns, kind, by_name, truncate)
    return found


def _check_columns(columns: list, kind: spark.StructType, by_name: bool, truncate: bool) -> None:
    expected = set(kind.names)
    considered = columns[: len(expected)] if truncate else columns
    actual = set(considered)
    if by_name and any(isinstance(name, str) for name in columns) and actual != expected:
        raise names_mismatch(expected - actual, actual - expected)
    if len(considered) != len(kind.fields):
        raise runtime_error(
            "RESULT_COLUMN_SCHEMA_MISMATCH", expected=str(len(kind.fields)), actual=str(len(columns))
        )


def names_mismatch(missing: Iterable, extra: Iterable) -> Exception:
    """The error for a result whose columns have other names."""
    missing, extra = sorted(missing), sorted(extra)
    return runtime_error(
        "RESULT_COLUMN_NAMES_MISMATCH",
        missing=f" Missing: {', '.join(missing)}." if missing else "",
        extra=f" Unexpected: {', '.join(extra)}." if extra else "",
    )


class ArrowResult:
    """Checks tables and batches against a struct type, and puts their columns in its order."""

    def __init__(self, kind: spark.StructType, settings: Settings) -> None:
        self._names = kind.names
        self._types = [arrow_type(field.dataType, settings.large_types) for field in kind.fields]
        self._by_name = settings.by_name

    def table(self, found: Any) -> pa.Table:
        """A result that must be a table."""
        if not isinstance(found, pa.Table):
            raise return_type_error("pyarrow.Table", type(found).__name__)
        return self.ordered(found)

    def batch(self, found: Any) -> pa.RecordBatch:
        """A result that must be a batch."""
        if not isinstance(found, pa.RecordBatch):
            raise return_type_error("pyarrow.RecordBatch", type(found).__name__)
        return self.ordered(found)

    def ordered(self, found: Union[pa.Table, pa.RecordBatch]) -> Any:
        """The columns in the order of the type, after a check of names and types."""
        names = found.schema.names
        if not names and found.num_rows == 0:
            columns = [pa.nulls(0, kind) for kind in self._types]
            return type(found).from_arrays(columns, names=self._names)
        indexes = list(range(len(names)))
        if self._by_name and names != self._names:
            missing, extra = set(self._names) - set(names), set(names) - set(self._names)
            if missing or extra:
                raise names_mismatch(missing, extra)
            indexes = [names.index(name) for name in self._names]
        wrong = [
            (name, expected, found.schema.field(index).type)
            for name, expected, index in zip(self._names, self._types, indexes)
            if found.schema.field(index).type != expected
        ]
        if wrong:
            mismatch = ", ".join(
                f"column '{name}' (expected {expected}, actual {actual})"
                for name, expected, actual in (sorted(wrong, key=lambda one: one[0]) if self._by_name else wrong)
            )
            raise runtime_error("RESULT_COLUMN_TYPES_MISMATCH", mismatch=mismatch)
        if names == self._names:
            return found
        columns = [found.column(index) for index in indexes]
        return type(found).from_arrays(columns, names=self._names)



def enforced(column: Any, target: pa.DataType, name: str, safe: bool = True) -> pa.Array:
    """A column cast to a type, with PySpark's error if that is not possible."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # without chunks
            column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, column.type)
    if column.type == target:
        return column
    try:
        return column.cast(target, safe=safe)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise PySparkTypeError(
            f"Result type of column '{name}' does not match the expected type. Expected: {target}, got: {column.type}."
        ) from error
