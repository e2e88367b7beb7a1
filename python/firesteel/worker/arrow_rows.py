"""Values of row functions as Arrow columns, by the rules of PySpark's Arrow-optimised functions (4.2).

A value is first brought into the form that Arrow wants for the declared type (assertions fail for what has another form),
and what does not fit is cast by Arrow.
"""

from __future__ import annotations

import array
import datetime
import decimal
from typing import Any, Callable, List, Optional

import pyarrow as pa
from pyspark.errors import PySparkValueError
from pyspark.sql import types as spark

from firesteel.worker.arrow_types import arrow_type
from firesteel.worker.errors import with_condition
from firesteel.worker.settings import Settings

_NONE = type(None)


class Converter:
    """Builds columns of one declared type."""

    def __init__(self, kind: spark.DataType, settings: Settings) -> None:
        self._target = arrow_type(kind, settings.large_types)
        self._safe = settings.safe
        self._convert = converter(kind, True, settings.int_to_decimal)
        self._exact = _EXACT.get(type(kind).__name__)

    def column(self, found: List[Any]) -> pa.Array:
        """The results of a function as a column."""
        if self._convert is not None and not (self._exact and set(map(type, found)) <= self._exact):
            found = [self._convert(value) for value in found]
        try:
            return pa.array(found, self._target)
        except pa.ArrowInvalid:
            return pa.array(found).cast(self._target, safe=self._safe)


# Values of these types are their own Arrow form.
_EXACT = {"StringType": {str, _NONE}, "BinaryType": {bytes, _NONE}}


def converter(kind: spark.DataType, nullable: bool = True, coerce: bool = False) -> Optional[Callable]:
    """Converts a value to the form that Arrow wants; none if it needs no conversion."""
    make = _MAKERS.get(type(kind).__name__)
    if make is None and isinstance(kind, spark.UserDefinedType):
        make = _user_defined
    if make is None and isinstance(kind, spark.StringType):
        make = _string
    convert = make(kind, coerce) if make is not None else None
    if convert is None and nullable:
        return None

    def checked(value: Any) -> Any:
        if value is None:
            if not nullable:
                raise PySparkValueError(f"input for {kind} must not be None")
            return None
        return value if convert is None else convert(value)

    return checked


def _string(_kind: spark.DataType, _coerce: bool) -> Callable:
    return lambda value: str(value).lower() if isinstance(value, bool) else str(value)


def _binary(_kind: spark.DataType, _coerce: bool) -> Callable:
    def convert(value: Any) -> bytes:
        assert isinstance(value, (bytes, bytearray))
        return bytes(value)

    return convert


def _timestamp(_kind: spark.DataType, _coerce: bool) -> Callable:
    def convert(value: Any) -> datetime.datetime:
        assert isinstance(value, datetime.datetime)
        return value.astimezone(datetime.timezone.utc)

    return convert


def _timestamp_ntz(_kind: spark.DataType, _coerce: bool) -> Callable:
    def convert(value: Any) -> datetime.datetime:
        assert isinstance(value, datetime.datetime) and value.tzinfo is None
        return value

    return convert


def _decimal(kind: spark.DecimalType, coerce: bool) -> Callable:
    quantum = decimal.Decimal(f"1E-{kind.scale}")
    context = decimal.Context(prec=kind.precision, rounding=decimal.ROUND_HALF_EVEN)

    def convert(value: Any) -> Optional[decimal.Decimal]:
        if coerce and isinstance(value, int):
            value = decimal.Decimal(value)
        assert isinstance(value, decimal.Decimal)
        return None if value.is_nan() else value.quantize(quantum, context=context)

    return convert


def _null(kind: spark.DataType, _coerce: bool) -> Callable:
    def convert(value: Any) -> None:
        raise PySparkValueError(f"input for {kind} must be None, but got {value}")

    return convert


def _array(kind: spark.ArrayType, coerce: bool) -> Optional[Callable]:
    element = converter(kind.elementType, kind.containsNull, coerce)
    if element is None:
        # Arrow itself reads lists, arrays of NumPy, sets.
        return None

    def convert(value: Any) -> list:
        assert isinstance(value, (list, array.array))
        return [element(item) for item in value]

    return convert


def _map(kind: spark.MapType, coerce: bool) -> Callable:
    key_of = converter(kind.keyType, False, coerce)
    value_of = converter(kind.valueType, kind.valueContainsNull, coerce) or (lambda value: value)

    def convert(value: Any) -> list:
        assert isinstance(value, dict)
        return [(key_of(key), value_of(item)) for key, item in value.items()]

    return convert


def _struct(kind: spark.StructType, coerce: bool) -> Callable:
    names = kind.names
    fields = [
        converter(field.dataType, field.nullable, coerce) or (lambda value: value) for field in kind.fields
    ]
    # Arrow takes structs as dictionaries, or as tuples where names repeat.
    unique = len(set(names)) == len(names)

    def convert(value: Any) -> Any:
        if isinstance(value, tuple):
            if len(value) != len(names):
                raise _length_mismatch(len(names), len(value))
            items = [field(item) for field, item in zip(fields, value)]
        else:
            if not isinstance(value, dict):
                assert hasattr(value, "__dict__"), f"{type(value)} {value}"
                value = value.__dict__
            items = [field(value.get(name)) for field, name in zip(fields, names)]
        return dict(zip(names, items)) if unique else tuple(zip(names, items))

    return convert


def _length_mismatch(expected: int, actual: int) -> PySparkValueError:
    parameters = {"expected_length": str(expected), "actual_length": str(actual)}
    return with_condition(PySparkValueError, "AXIS_LENGTH_MISMATCH", parameters)


def _user_defined(kind: spark.UserDefinedType, coerce: bool) -> Callable:
    stored = converter(kind.sqlType(), True, coerce) or (lambda value: value)
    return lambda value: stored(kind.serialize(value))


def _variant(_kind: spark.DataType, _coerce: bool) -> Callable:
    def convert(value: Any) -> dict:
        if not isinstance(value, spark.VariantVal):
            raise with_condition(PySparkValueError, "MALFORMED_VARIANT", {})
        return {"value": value.value, "metadata": value.metadata}

    return convert


def _geometry(kind: spark.DataType, _coerce: bool) -> Callable:
    return kind.toInternal


_MAKERS = {
    "NullType": _null,
    "StringType": _string,
    "BinaryType": _binary,
    "TimestampType": _timestamp,
    "TimestampNTZType": _timestamp_ntz,
    "DecimalType": _decimal,
    "ArrayType": _array,
    "MapType": _map,
    "StructType": _struct,
    "VariantType": _variant,
    "GeometryType": _geometry,
    "GeographyType": _geometry,
}
