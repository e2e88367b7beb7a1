"""Arrow columns as pandas series, and results of functions back into Arrow.

Nested types go through PySpark's own converters; its private functions differ between versions, so they get the
arguments that they know.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable, List, Optional, Union

import numpy
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.errors import PySparkTypeError, PySparkValueError
from pyspark.sql import types as spark
from pyspark.sql.pandas import types as conversions

from firesteel.worker.arrow_types import arrow_type
from firesteel.worker.errors import runtime_error
from firesteel.worker.output import batch_of
from firesteel.worker.settings import Settings
from firesteel.worker.version import IS_3_5

_PLAIN = ("BooleanType", "ByteType", "ShortType", "IntegerType", "LongType", "FloatType", "DoubleType")
_DIRECT = _PLAIN + ("NullType", "BinaryType", "DateType", "TimeType")
_EXTENSION = {"ByteType": "Int8", "ShortType": "Int16", "IntegerType": "Int32", "LongType": "Int64"}
_UTC = ("UTC", "Etc/UTC", "GMT", "Z", "+00:00")
_OPTIONS = {"date_as_object": True, "integer_object_nulls": True, "use_threads": False}
# Before version 13 of Arrow all times became nanoseconds, and there was no such option.
if int(pa.__version__.partition(".")[0]) >= 13:
    _OPTIONS["coerce_temporal_nanoseconds"] = True


def series(
    column: Union[pa.Array, pa.ChunkedArray],
    kind: spark.DataType,
    settings: Settings,
    *,
    name: Optional[str] = None,
    frames: bool = False,
    rows: bool = False,
) -> Union[pd.Series, pd.DataFrame]:
    """A column in pandas. Structs are dictionaries; `frames`: at the top data frames; `rows`: rows, and arrays lists."""
    type_name = type(kind).__name__
    if frames and type_name == "StructType":
        children = [
            series(child, field.dataType, settings, name=field.name)
            for child, field in zip(column.flatten(), kind.fields)
        ]
        frame = pd.concat(children, axis=1) if children else pd.DataFrame(index=range(len(column)))
        frame.columns = kind.names
        return frame
    if settings.extension_ints and type_name in _EXTENSION:
        found = column.to_pandas(types_mapper=pd.ArrowDtype).astype(_EXTENSION[type_name])
    elif type_name in _DIRECT:
        found = column.to_pandas(use_threads=False)
    elif type_name in ("TimestampType", "TimestampNTZType"):
        found = _local(column, settings.zone).to_pandas(use_threads=False)
    elif type_name == "VariantType":
        found = column.to_pandas(use_threads=False).map(_variant)
    elif isinstance(kind, spark.UserDefinedType):
        deserialize = kind.deserialize
        found = column.to_pandas(use_threads=False).apply(
            lambda value: value if value is None or hasattr(value, "__UDT__") else deserialize(value)
        )
    else:
        found = column.to_pandas(**_OPTIONS)
        found = _to_pandas(kind, settings.zone, "row" if rows else "dict", rows)(found)
    return found.rename(name)


def _local(column: Any, zone: str) -> Any:
    """Timestamps as wall clock times in the session's zone, in nanoseconds."""
    if column.type.tz is not None:
        if zone in _UTC:
            column = column.cast(pa.timestamp(column.type.unit))
        else:
            column = pc.local_timestamp(column.cast(pa.timestamp(column.type.unit, tz=zone)))
    return column if column.type.unit == "ns" else column.cast(pa.timestamp("ns"))


def _variant(value: Any) -> Any:
    return None if value is None else spark.VariantVal(value["value"], value["metadata"])


def _to_pandas(kind: spark.DataType, zone: str, structs: str, lists: bool) -> Callable:
    try:
        return _kept_to_pandas(kind, zone, structs, lists)
    except TypeError:  # some user-defined types have no hash
        return _make_to_pandas(kind, zone, structs, lists)


def _make_to_pandas(kind: spark.DataType, zone: str, structs: str, lists: bool) -> Callable:
    return _known(conversions._create_converter_to_pandas)(
        kind,
        nullable=True,
        timezone=zone,
        struct_in_pandas=structs,
        error_on_duplicated_field_names=True,
        ndarray_as_list=lists,
        integer_object_nulls=True,
    )


_kept_to_pandas = functools.lru_cache(maxsize=256)(_make_to_pandas)


def _from_pandas(kind: spark.DataType, zone: str, coerce: bool, lenient: bool) -> Callable:
    return _known(conversions._create_converter_from_pandas)(
        kind,
        timezone=zone,
        error_on_duplicated_field_names=False,
        int_to_decimal_coercion_enabled=coerce,
        ignore_unexpected_complex_type_values=lenient,
    )


def _known(function: Callable) -> Callable:
    """The function, called with those of the named arguments that this version of PySpark knows."""
    names = inspect.signature(function).parameters

    def call(*positional: Any, **named: Any) -> Any:
        return function(*positional, **{name: value for name, value in named.items() if name in names})

    return call


class FromPandas:
    """Builds Arrow columns of one Spark type from series (or, for structs, from data frames)."""

    def __init__(self, kind: spark.DataType, name: str, settings: Settings, legacy: bool = False) -> None:
        self._kind = kind
        self._name = name
        self._settings = settings
        self._legacy = legacy
        self._target = arrow_type(kind, settings.large_types)
        self._convert = _from_pandas(kind, settings.zone, settings.int_to_decimal, legacy)
        self._dtype = None if type(kind).__name__ not in _PLAIN else self._target.to_pandas_dtype()
        self._children: Optional[List[FromPandas]] = None

    def column(self, found: Union[pd.Series, pd.DataFrame]) -> pa.Array:
        """The column of a series."""
        if isinstance(found, pd.DataFrame):
            return self.struct(found)
        if self._dtype is not None and found.dtype == self._dtype:
            # Nothing to convert or to check. A NaN is a null, as everywhere in pandas.
            return pa.array(found.to_numpy(), self._target, from_pandas=True)
        if isinstance(found.dtype, pd.CategoricalDtype):
            found = found.astype(found.dtype.categories.dtype)
        found = self._convert(found)
        mask = None if hasattr(found.array, "__arrow_array__") else found.isnull()
        return self._checked(found, mask)

    def struct(self, frame: pd.DataFrame) -> pa.Array:
        """A struct column of a data frame."""
        columns = self.columns(frame)
        if not columns:
            return pa.array([{}] * len(frame), self._target)
        return pa.StructArray.from_arrays(columns, fields=list(self._target))

    def columns(self, frame: pd.DataFrame) -> Optional[List[pa.Array]]:
        """The columns of a data frame by name or by position; none if it has no columns."""
        if not self._of_fields():
            return []
        if len(frame.columns) == 0:
            return None
        if self._settings.by_name and not self._legacy and any(isinstance(name, str) for name in frame.columns):
            if list(frame.columns) != self._kind.names:
                frame = frame[self._kind.names]
        return [child.column(frame.iloc[:, index]) for index, child in enumerate(self._of_fields())]

    def plain_dtypes(self) -> Optional[list]:
        """The types in NumPy of a struct's fields if values of these need neither conversion nor check, or none."""
        found = [child._dtype for child in self._of_fields()]
        return None if not found or None in found else [numpy.dtype(one) for one in found]

    def _of_fields(self) -> List["FromPandas"]:
        if self._children is None:
            self._children = [
                FromPandas(field.dataType, field.name, self._settings, self._legacy) for field in self._kind.fields
            ]
        return self._children

    def _checked(self, found: pd.Series, mask: Optional[pd.Series]) -> pa.Array:
        narrow = pa.lib.ArrowException if self._legacy else pa.lib.ArrowInvalid
        try:
            try:
                return _whole(pa.Array.from_pandas(found, mask=mask, type=self._target, safe=self._settings.safe))
            except narrow:
                return _whole(pa.Array.from_pandas(found, mask=mask)).cast(self._target, safe=self._settings.safe)
        except Exception as error:
            explained = self._explained(found, error)
            if explained is None:
                raise
            raise explained from error

    def _explained(self, found: pd.Series, error: Exception) -> Optional[Exception]:
        if IS_3_5 and self._legacy and isinstance(error, pa.lib.ArrowException):
            names = {"col_name": str(self._name), "col_type": str(found.dtype), "arrow_type": str(self._target)}
            return runtime_error("UDTF_ARROW_TYPE_CAST_ERROR", **names)
        if isinstance(error, TypeError):
            return PySparkTypeError(self._message(found, True))
        return PySparkValueError(self._message(found, False)) if isinstance(error, ValueError) else None

    def _message(self, found: pd.Series, of_type: bool) -> str:
        if self._legacy or IS_3_5:
            text = (
                f"Exception thrown when converting pandas.Series ({found.dtype}) "
                f"with name '{self._name}' to Arrow Array ({self._target})."
            )
        elif of_type:
            text = (
                f"Cannot convert the output value of the column '{self._name}' with type '{found.dtype}' to the "
                f"specified return type of the column: '{self._target}'. Please check if the data types match "
                "and try again."
            )
        else:
            text = (
                f"Failed to convert the value of the column '{self._name}' with type '{found.dtype}' to Arrow "
                f"type '{self._target}'."
            )
        if self._settings.safe and not of_type:
            text += (
                " It can be caused by overflows or other unsafe conversions warned by Arrow. Arrow safe type check "
                "can be disabled by using SQL config `spark.sql.execution.pandas.convertToArrowArraySafely`."
            )
        return text

    def batch(self, frame: pd.DataFrame, schema: pa.Schema) -> pa.RecordBatch:
        """A batch of a data frame, for a struct type."""
        columns = self.columns(frame)
        if columns is None:
            columns = [pa.nulls(len(frame), field.type) for field in schema]
        return batch_of(columns, schema, len(frame))


def _whole(found: Union[pa.Array, pa.ChunkedArray]) -> pa.Array:
    """Arrow makes chunks of what is very long, and of some that is empty."""
    if isinstance(found, pa.ChunkedArray):
        return pa.concat_arrays(found.chunks) if found.num_chunks else pa.nulls(0, found.type)
    return found


def data_frame(columns: list, fields: List[spark.StructField], count: int, settings: Settings) -> pd.DataFrame:
    """Columns as a data frame of its own memory: functions may change it."""
    if not columns:
        return pd.DataFrame(index=pd.RangeIndex(count))
    found = [
        series(column, field.dataType, settings, name=field.name) for column, field in zip(columns, fields)
    ]
    return pd.concat(found, axis=1)
