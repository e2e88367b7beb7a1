"""Values of row functions as Arrow columns, by the rules of Spark's pickled functions.

Spark pickles what such a function returns, and the JVM takes from it what has the declared type: everything else is null,
except that anything becomes a string by the text that Java gives it. Columns whose values all have the expected type are
built at once; only the others go value by value.
"""

from __future__ import annotations

import array
import datetime
import decimal
import math
from itertools import chain
from typing import Any, Callable, List, Optional

import pyarrow as pa
from pyspark.sql import types as spark

from firesteel.worker.arrow_types import arrow_type
from firesteel.worker.errors import SparkError
from firesteel.worker.java import check_unpicklable, to_string
from firesteel.worker.rows import process_is_utc

_NONE = type(None)
_LONG = range(-(1 << 63), 1 << 63)


def column(found: List[Any], kind: spark.DataType) -> pa.Array:
    """The results of a function as a column of its declared type."""
    build = _FAST.get(type(kind).__name__)
    if build is not None:
        fast = build(found, set(map(type, found)))
        if fast is not None:
            return fast
    if kind.needConversion():
        found = [kind.toInternal(value) for value in found]
    return internal(found, kind)


def internal(found: List[Any], kind: spark.DataType) -> pa.Array:
    """A column of values that PySpark has converted to its internal ones."""
    check_unpicklable(found)
    name = type(kind).__name__
    build = _INTERNAL.get(name)
    if build is not None:
        return build(found, kind)
    if isinstance(kind, spark.UserDefinedType):
        return internal(found, kind.sqlType())
    if isinstance(kind, spark.StringType):
        return _strings(found, kind)
    convert = _SCALAR.get(name)
    if convert is None:  # the JVM does not know how to read it
        return pa.nulls(len(found), arrow_type(kind))
    return pa.array([None if value is None else convert(value) for value in found], arrow_type(kind))


# Fast ways: none if a value is not exactly of the expected type.


def _fast_integers(bits: int) -> Callable:
    target = {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}[bits]

    def build(found: list, kinds: set) -> Optional[pa.Array]:
        if not kinds <= {int, _NONE}:
            return None
        try:
            return pa.array(found, target)
        except (OverflowError, pa.ArrowException):
            return None

    return build


def _fast_exact(expected: type, target: pa.DataType) -> Callable:
    def build(found: list, kinds: set) -> Optional[pa.Array]:
        if not kinds <= {expected, _NONE}:
            return None
        try:
            return pa.array(found, target)
        except (UnicodeError, OverflowError, pa.ArrowException):
            return None

    return build


def _fast_times(target: pa.DataType, local: bool) -> Callable:
    def build(found: list, kinds: set) -> Optional[pa.Array]:
        if not kinds <= {datetime.datetime, _NONE} or (local and not process_is_utc()):
            return None
        if any(value is not None and value.tzinfo is not None for value in found):
            return None
        return pa.array(found, target)

    return build


_FAST = {
    "TimestampType": _fast_times(pa.timestamp("us", tz="UTC"), True),
    "TimestampNTZType": _fast_times(pa.timestamp("us"), False),
    "BooleanType": _fast_exact(bool, pa.bool_()),
    "ByteType": _fast_integers(8),
    "ShortType": _fast_integers(16),
    "IntegerType": _fast_integers(32),
    "LongType": _fast_integers(64),
    "DoubleType": _fast_exact(float, pa.float64()),
    "StringType": _fast_exact(str, pa.string()),
    "BinaryType": _fast_exact(bytes, pa.binary()),
    "DateType": _fast_exact(datetime.date, pa.date32()),
    "DayTimeIntervalType": _fast_exact(datetime.timedelta, pa.duration("us")),
}


# The exact ways: what Spark's EvaluatePython.makeFromJava does with each value.


def _integer(bits: int) -> Callable:
    modulus, half = 1 << bits, 1 << (bits - 1)

    def convert(value: Any) -> Optional[int]:
        if type(value) is bool or not isinstance(value, int) or value not in _LONG:
            return None
        # Java's narrowing keeps the low bits.
        return (value + half) % modulus - half

    return convert


def _boolean(value: Any) -> Optional[bool]:
    return value if type(value) is bool else None


def _float(value: Any) -> Optional[float]:
    if type(value) is decimal.Decimal and value.is_nan():  # to the JVM, the NaN of a double
        return math.nan
    return value if type(value) is float else None


def _long(value: Any) -> Optional[int]:
    return value if type(value) is not bool and isinstance(value, int) and value in _LONG else None


def _date(value: Any) -> Optional[int]:
    in_range = type(value) is not bool and isinstance(value, int) and -(1 << 31) <= value < 1 << 31
    return value if in_range else None


_SCALAR = {
    "BooleanType": _boolean,
    "ByteType": _integer(8),
    "ShortType": _integer(16),
    "IntegerType": _integer(32),
    "LongType": _integer(64),
    "FloatType": _float,
    "DoubleType": _float,
    "DateType": _date,
    "TimestampType": _long,
    "TimestampNTZType": _long,
    "DayTimeIntervalType": _long,
    "TimeType": _long,
}


def _decimals(found: list, kind: spark.DecimalType) -> pa.Array:
    quantum = decimal.Decimal(1).scaleb(-kind.scale)
    exact = decimal.Context(prec=100, rounding=decimal.ROUND_HALF_UP)
    limit = decimal.Decimal(10) ** (kind.precision - kind.scale)

    def convert(value: Any) -> Optional[decimal.Decimal]:
        if type(value) is not decimal.Decimal or value.is_nan():
            return None
        rounded = value.quantize(quantum, context=exact)
        if abs(rounded) >= limit:
            raise _out_of_range(rounded, value, kind)
        return rounded

    return pa.array([convert(value) for value in found], arrow_type(kind))


def _out_of_range(rounded: decimal.Decimal, value: decimal.Decimal, kind: spark.DecimalType) -> SparkError:
    return SparkError(
        "SparkArithmeticException",
        "NUMERIC_VALUE_OUT_OF_RANGE.WITHOUT_SUGGESTION",
        f"[NUMERIC_VALUE_OUT_OF_RANGE.WITHOUT_SUGGESTION]  The {rounded} rounded half up from {value} cannot be "
        f"represented as Decimal({kind.precision}, {kind.scale}). SQLSTATE: 22003",
        roundedValue=str(rounded),
        originalValue=str(value),
        precision=str(kind.precision),
        scale=str(kind.scale),
    )


def _strings(found: list, kind: spark.DataType) -> pa.Array:
    def convert(value: Any) -> Optional[str]:
        if value is None:
            return None
        text = value if type(value) is str else to_string(value)
        # A half of a surrogate pair has no UTF-8: Java writes a question mark.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\ufffd", "?") if (
            any("\ud800" <= letter <= "\udfff" for letter in text)
        ) else text

    return pa.array([convert(value) for value in found], pa.string())


def _binaries(found: list, _kind: spark.DataType) -> pa.Array:
    def convert(value: Any) -> Optional[bytes]:
        if isinstance(value, str):
            return value.encode("utf-8", "replace")
        if isinstance(value, (bytes, bytearray)):
            return bytes(value)
        if isinstance(value, array.array) and value.typecode == "b":
            return value.tobytes()
        return None

    return pa.array([convert(value) for value in found], pa.binary())


def _arrays(found: list, kind: spark.ArrayType) -> pa.Array:
    lists = [_list(value) for value in found]
    items = internal(list(chain.from_iterable(value for value in lists if value is not None)), kind.elementType)
    target = arrow_type(kind)
    return pa.ListArray.from_arrays(_offsets(lists), items, type=target)


def _list(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):  # to the JVM, an array of signed bytes
        return [byte - 256 if byte > 127 else byte for byte in value]
    return value if isinstance(value, (list, tuple, array.array)) else None


def _maps(found: list, kind: spark.MapType) -> pa.Array:
    maps = [value if isinstance(value, dict) else None for value in found]
    keys = internal(list(chain.from_iterable(value for value in maps if value is not None)), kind.keyType)
    if keys.null_count:
        raise ValueError("Cannot use null as map key")
    items = internal(
        list(chain.from_iterable(value.values() for value in maps if value is not None)), kind.valueType
    )
    array_of = pa.MapArray.from_arrays(_offsets(maps), keys, items)
    return array_of.cast(arrow_type(kind)) if array_of.type != arrow_type(kind) else array_of


def _offsets(found: list) -> pa.Array:
    """Offsets of lists; none at a list that is null."""
    offsets, position = [], 0
    for value in found:
        offsets.append(None if value is None else position)
        position += 0 if value is None else len(value)
    offsets.append(position)
    return pa.array(offsets, pa.int32())


def _structs(found: list, kind: spark.StructType) -> pa.Array:
    width = len(kind.fields)
    rows = [value if isinstance(value, (tuple, list)) else None for value in found]
    for row in rows:
        if row is not None and len(row) != width:
            raise ValueError(
                "Input row doesn't have expected number of values required by the schema. "
                f"{width} fields are required while {len(row)} values are provided."
            )
    missing = (None,) * width
    columns = list(zip(*[missing if row is None else row for row in rows])) or [()] * width
    target = arrow_type(kind)
    if not width:
        return pa.array([None if row is None else {} for row in rows], target)
    children = [internal(list(values), field.dataType) for values, field in zip(columns, kind.fields)]
    mask = pa.array([row is None for row in rows], pa.bool_()) if None in rows else None
    return pa.StructArray.from_arrays(children, fields=list(target), mask=mask)


def _variants(found: list, kind: spark.DataType) -> pa.Array:
    def convert(value: Any) -> Optional[dict]:
        if isinstance(value, spark.VariantVal):
            return {"value": value.value, "metadata": value.metadata}
        return value if isinstance(value, dict) else None

    return pa.array([convert(value) for value in found], arrow_type(kind))


_INTERNAL = {
    "DecimalType": _decimals,
    "BinaryType": _binaries,
    "ArrayType": _arrays,
    "MapType": _maps,
    "StructType": _structs,
    "VariantType": _variants,
}
