"""Spark's types as Arrow types, as they are on the data socket."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import types as spark


def arrow_type(kind: spark.DataType, large: bool = False) -> pa.DataType:
    """The Arrow type of a Spark type; strings and binaries with 64-bit offsets if `large`."""
    simple = _SIMPLE.get(type(kind).__name__)
    if simple is not None:
        return simple
    if isinstance(kind, spark.StringType):  # also CHAR and VARCHAR
        return pa.large_string() if large else pa.string()
    if isinstance(kind, spark.BinaryType):
        return pa.large_binary() if large else pa.binary()
    if isinstance(kind, spark.DecimalType):
        return pa.decimal128(kind.precision, kind.scale)
    if isinstance(kind, spark.ArrayType):
        return pa.list_(pa.field("element", arrow_type(kind.elementType, large), kind.containsNull))
    if isinstance(kind, spark.MapType):
        return pa.map_(
            pa.field("key", arrow_type(kind.keyType, large), False),
            pa.field("value", arrow_type(kind.valueType, large), kind.valueContainsNull),
        )
    if isinstance(kind, spark.StructType):
        return pa.struct(arrow_schema(kind, large))
    if isinstance(kind, spark.UserDefinedType):
        return arrow_type(kind.sqlType(), large)
    raise TypeError(f"Python functions do not support the type {kind}")


def arrow_schema(kind: spark.StructType, large: bool = False) -> list:
    """The Arrow fields of a Spark struct."""
    return [pa.field(field.name, arrow_type(field.dataType, large), field.nullable) for field in kind.fields]


_SIMPLE = {
    "NullType": pa.null(),
    "BooleanType": pa.bool_(),
    "ByteType": pa.int8(),
    "ShortType": pa.int16(),
    "IntegerType": pa.int32(),
    "LongType": pa.int64(),
    "FloatType": pa.float32(),
    "DoubleType": pa.float64(),
    "DateType": pa.date32(),
    "TimeType": pa.time64("ns"),
    "TimestampType": pa.timestamp("us", tz="UTC"),
    "TimestampNTZType": pa.timestamp("us"),
    "DayTimeIntervalType": pa.duration("us"),
    "YearMonthIntervalType": pa.int32(),
    "CalendarIntervalType": pa.month_day_nano_interval(),
    "VariantType": pa.struct(
        [
            pa.field("value", pa.binary(), False),
            pa.field("metadata", pa.binary(), False, metadata={b"variant": b"true"}),
        ]
    ),
    "GeometryType": pa.struct([pa.field("srid", pa.int32(), False), pa.field("wkb", pa.binary(), False)]),
    "GeographyType": pa.struct([pa.field("srid", pa.int32(), False), pa.field("wkb", pa.binary(), False)]),
}
