"""What the JVM makes of pickled values: which it can read at all, and the text that it gives to them."""

from __future__ import annotations

import array
import copyreg
import datetime
import decimal
from typing import Any, Iterable

from pyspark.sql import types as spark

_KNOWN = {
    type(None), bool, int, float, complex, str, bytes, bytearray, decimal.Decimal, datetime.date, datetime.datetime,
    datetime.time, datetime.timedelta, list, tuple, dict, set, frozenset, array.array,
    getattr(spark, "VariantVal", list),
}  # fmt: skip


class PickleException(Exception):
    """The JVM cannot read a pickled value."""


def check_unpicklable(values: Iterable[Any]) -> None:
    """Raises the error of Spark for values that the JVM cannot read, such as NumPy's numbers."""
    kinds = set(map(type, values))
    if kinds <= _READ_ALWAYS:
        return
    for value in values:
        kind = type(value)
        if kind is decimal.Decimal and value.is_infinite():
            raise PickleException("problem construction object: java.lang.reflect.InvocationTargetException")
        if kind is datetime.datetime and value.tzinfo is not None:
            raise _needs_arguments(type(value.tzinfo).__module__, type(value.tzinfo).__qualname__)
        if kind not in _KNOWN:
            _check_class(value)


_READ_ALWAYS = _KNOWN - {decimal.Decimal, datetime.datetime}


def _check_class(value: Any) -> None:
    """An object of any other class is read if it is made without arguments."""
    if type(value).__module__.split(".")[0] == "numpy":
        raise _needs_arguments("numpy", "dtype")
    made = value.__reduce_ex__(5)
    if isinstance(made, tuple):
        function, arguments = made[0], made[1]
        if function is copyreg.__newobj__:
            function, arguments = arguments[0], arguments[1:]
        if arguments:
            raise _needs_arguments(function.__module__, getattr(function, "__qualname__", str(function)))


def _needs_arguments(module: str, name: str) -> PickleException:
    return PickleException(
        f"expected zero arguments for construction of ClassDict (for {module}.{name}). This happens when an "
        "unsupported/unregistered class is being unpickled that requires construction arguments. Fix it by registering "
        "a custom IObjectConstructor for this class."
    )


def to_string(value: Any) -> str:
    """`toString` of the Java object that Spark unpickles from a Python value."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, (int, decimal.Decimal)):
        return str(value)
    if isinstance(value, complex):
        return f"{_double(value.real)}{'-' if value.imag < 0 else '+'}{_double(abs(value.imag))}i"
    if isinstance(value, (list, set, frozenset)):
        return "[" + ", ".join(map(to_string, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{to_string(key)}={to_string(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (datetime.date, datetime.time, datetime.timedelta)):
        return _time(value)
    kind = _ARRAYS.get(type(value))
    if kind is None and isinstance(value, array.array):
        kind = "[" + _LETTERS.get(value.typecode, "I")
    if kind is not None:
        # The number is the identity of an object of the JVM.
        return f"{kind}@{id(value) & 0xFFFFFFFF:x}"
    return f"{{__class__={type(value).__module__}.{type(value).__qualname__}}}"


_ARRAYS = {bytes: "[B", bytearray: "[B", tuple: "[Ljava.lang.Object;"}
_LETTERS = {"b": "B", "h": "S", "i": "I", "l": "I", "q": "J", "f": "F", "d": "D"}


def _time(value: Any) -> str:
    """Texts of the classes that the JVM's reader of pickles has for times."""
    if isinstance(value, datetime.timedelta):
        total = decimal.Decimal(value // datetime.timedelta(microseconds=1)) / 1_000_000
        return (
            f"Timedelta: {value.days} days, {value.seconds} seconds, {value.microseconds} microseconds "
            f"(total: {_double(float(total))} seconds)"
        )
    if isinstance(value, datetime.time):
        return (
            f"Time: {value.hour} hours, {value.minute} minutes, {value.second} seconds, "
            f"{value.microsecond} microseconds"
        )
    zone = (
        'sun.util.calendar.ZoneInfo[id="Etc/UTC",offset=0,dstSavings=0,useDaylight=false,transitions=0,lastRule=null]'
    )
    clock, millis = (0, 0, 0), "?"
    if isinstance(value, datetime.datetime):
        clock, millis = (value.hour, value.minute, value.second), str(value.microsecond // 1000)
    return (
        f"java.util.GregorianCalendar[time=?,areFieldsSet=false,areAllFieldsSet=false,lenient=true,zone={zone},"
        f"firstDayOfWeek=1,minimalDaysInFirstWeek=1,ERA=?,YEAR={value.year},MONTH={value.month - 1},WEEK_OF_YEAR=?,"
        f"WEEK_OF_MONTH=?,DAY_OF_MONTH={value.day},DAY_OF_YEAR=?,DAY_OF_WEEK=?,DAY_OF_WEEK_IN_MONTH=?,"
        f"AM_PM={clock[0] // 12},HOUR={clock[0] % 12},HOUR_OF_DAY={clock[0]},MINUTE={clock[1]},SECOND={clock[2]},"
        f"MILLISECOND={millis},ZONE_OFFSET=?,DST_OFFSET=?]"
    )


def _double(value: float) -> str:
    """`Double.toString`: the shortest digits, in Java's notation."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0.0" if str(value)[0] == "-" else "0.0"
    sign, digits, exponent = decimal.Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0") or "0"
    # The power of ten of the first digit.
    power = len(digits) + exponent - 1
    if -3 <= power < 7:
        if power >= 0:
            whole, rest = text[: power + 1].ljust(power + 1, "0"), text[power + 1 :]
        else:
            whole, rest = "0", "0" * (-power - 1) + text
        shown = f"{whole}.{rest or '0'}"
    else:
        shown = f"{text[0]}.{text[1:] or '0'}E{power}"
    return "-" + shown if sign else shown
