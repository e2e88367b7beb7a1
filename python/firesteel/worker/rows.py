"""Arrow columns as Python values, for functions that get one row at a time."""

from __future__ import annotations

import datetime
import time
from typing import Any, Callable, List, Optional

import pyarrow as pa
from pyspark.sql import types as spark
from pyspark.sql.types import _create_row

try:
    import numpy
except ImportError:  # it is optional
    numpy = None

_EPOCH = datetime.datetime(1970, 1, 1)
# What fits into a datetime, in microseconds.
_FIRST, _LAST = -62135596800 * 10**6, 253402300800 * 10**6 - 1


def values(column: pa.Array, kind: spark.DataType, binary_as_bytes: bool = True) -> List[Any]:
    """The values of a column as Spark gives them to Python functions."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    special = _SPECIAL.get(type(kind).__name__)
    if special is not None:
        return special(column, kind, binary_as_bytes)
    if isinstance(kind, spark.UserDefinedType):
        stored = values(column, kind.sqlType(), binary_as_bytes)
        return [None if value is None else kind.deserialize(value) for value in stored]
    return _plain(column)


def _plain(column: pa.Array) -> List[Any]:
    """The values of a column whose Arrow values are Spark's."""
    kind = column.type
    if numpy is None:
        return column.to_pylist()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        if column.null_count == 0:
            return column.to_numpy(zero_copy_only=True).tolist()
        return _with_nulls(_filled(column).to_numpy(zero_copy_only=True).tolist(), column)
    if pa.types.is_null(kind) or pa.types.is_time(kind):
        return column.to_pylist()
    return column.to_numpy(zero_copy_only=False).tolist()


def _filled(column: pa.Array) -> pa.Array:
    """The same memory without its nulls; what stands in their places is of no importance."""
    _, data = column.buffers()[:2]
    return pa.Array.from_buffers(column.type, len(column), [None, data], 0, column.offset)


def _with_nulls(found: list, column: pa.Array) -> list:
    for index in numpy.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist():
        found[index] = None
    return found


def _timestamps(column: pa.Array, kind: spark.DataType, _: bool) -> List[Any]:
    """Naive times in the zone of this process, as everywhere in PySpark."""
    if process_is_utc():
        return _naive(column, kind, _)
    local = datetime.datetime.fromtimestamp

    def convert(micros: Optional[int]) -> Optional[datetime.datetime]:
        return None if micros is None else local(micros // 1000000).replace(microsecond=micros % 1000000)

    return [convert(micros) for micros in _plain(column.view(pa.int64()))]


def _naive(column: pa.Array, _kind: spark.DataType, _: bool) -> List[Any]:
    micros = column.view(pa.int64())
    if numpy is None:
        return [None if one is None else _EPOCH + datetime.timedelta(microseconds=one) for one in micros.to_pylist()]
    raw = _filled(micros).to_numpy(zero_copy_only=True)
    found = raw.view("datetime64[us]").tolist()
    if column.null_count == 0:
        return found if not len(raw) or _FIRST <= raw.min() <= raw.max() <= _LAST else _in_calendar(found)
    return _in_calendar(_with_nulls(found, column))


def _dates(column: pa.Array, _kind: spark.DataType, _: bool) -> List[Any]:
    return _in_calendar(_plain(column))


def _in_calendar(found: list) -> list:
    """Values that have become dates or times; NumPy leaves those beyond the year 9999 as numbers."""
    if int in set(map(type, found)):
        raise ValueError("year is out of range")
    return found


def _durations(column: pa.Array, _kind: spark.DataType, _: bool) -> List[Any]:
    delta = datetime.timedelta
    return [None if one is None else delta(microseconds=one) for one in _plain(column.view(pa.int64()))]


def _binaries(column: pa.Array, _kind: spark.DataType, as_bytes: bool) -> List[Any]:
    found = _plain(column)
    return found if as_bytes else [None if value is None else bytearray(value) for value in found]


def _arrays(column: pa.Array, kind: spark.ArrayType, as_bytes: bool) -> List[Any]:
    offsets = column.offsets.to_pylist()
    start = offsets[0] if offsets else 0
    flat = values(column.values.slice(start, (offsets[-1] - start) if offsets else 0), kind.elementType, as_bytes)
    found = [flat[a - start : b - start] for a, b in zip(offsets, offsets[1:])]
    return _nulled(found, column)


def _maps(column: pa.Array, kind: spark.MapType, as_bytes: bool) -> List[Any]:
    offsets = column.offsets.to_pylist()
    start = offsets[0] if offsets else 0
    length = (offsets[-1] - start) if offsets else 0
    keys = values(column.keys.slice(start, length), kind.keyType, as_bytes)
    items = values(column.items.slice(start, length), kind.valueType, as_bytes)
    found = [
        dict(zip(keys[a - start : b - start], items[a - start : b - start])) for a, b in zip(offsets, offsets[1:])
    ]
    return _nulled(found, column)


def _structs(column: pa.Array, kind: spark.StructType, as_bytes: bool) -> List[Any]:
    names = kind.names
    if not names:
        return _nulled([_create_row(names, ()) for _ in range(len(column))], column)
    # `field` does not know of the offset of a slice in old versions, `flatten` does.
    children = [values(child, field.dataType, as_bytes) for child, field in zip(column.flatten(), kind.fields)]
    return _nulled([_create_row(names, row) for row in zip(*children)], column)


def _nulled(found: list, column: pa.Array) -> list:
    if column.null_count == 0:
        return found
    return [value if valid else None for value, valid in zip(found, column.is_valid().to_pylist())]


def _variants(column: pa.Array, _kind: spark.DataType, _: bool) -> List[Any]:
    make = spark.VariantVal
    pairs = zip(_plain(_child(column, "value")), _plain(_child(column, "metadata")))
    return _nulled([make(value, metadata) for value, metadata in pairs], column)


def _geometries(make: Callable) -> Callable:
    def convert(column: pa.Array, _kind: spark.DataType, _: bool) -> List[Any]:
        pairs = zip(_plain(_child(column, "wkb")), _plain(_child(column, "srid")))
        return _nulled([None if wkb is None else make(wkb, srid) for wkb, srid in pairs], column)

    return convert


def _child(column: pa.Array, name: str) -> pa.Array:
    return column.flatten()[column.type.get_field_index(name)]


def _nothing(column: pa.Array, _kind: spark.DataType, _: bool) -> List[Any]:
    return [None] * len(column)


def process_is_utc() -> bool:
    """Whether local times of this process are those of UTC."""
    return time.timezone == 0 and time.daylight == 0


_SPECIAL = {
    "NullType": _nothing,
    "DateType": _dates,
    "TimestampType": _timestamps,
    "TimestampNTZType": _naive,
    "DayTimeIntervalType": _durations,
    "BinaryType": _binaries,
    "ArrayType": _arrays,
    "MapType": _maps,
    "StructType": _structs,
    "VariantType": _variants,
}
for _name in ("Geometry", "Geography"):
    if hasattr(spark, _name):  # since 4.1
        _SPECIAL[_name + "Type"] = _geometries(getattr(spark, _name).fromWKB)
