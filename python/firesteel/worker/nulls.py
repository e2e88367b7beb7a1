"""The check of table functions that no null is where the declared type has none."""

from __future__ import annotations

from typing import Any, Callable, Optional

from pyspark.sql import types as spark

from firesteel.worker.errors import runtime_error


def null_checker(returned: spark.StructType) -> Optional[Callable[[Any], None]]:
    """Checks a row; none if nothing can be wrong."""
    checkers = [_checker(field.dataType, place) for place, field in enumerate(returned.fields)]
    nullable = [field.nullable for field in returned.fields]
    if all(checker is None for checker in checkers) and all(nullable):
        return None

    def check(row: Any) -> None:
        if isinstance(row, tuple):
            for place, (value, checker) in enumerate(zip(row, checkers)):
                _check(value, checker, nullable[place], place)

    return check


def _check(value: Any, checker: Optional[Callable], nullable: bool, place: int) -> None:
    if value is None:
        if not nullable:
            raise runtime_error(
                "UDTF_EXEC_ERROR",
                method_name="eval' or 'terminate",
                error=f"Column {place} within a returned row had a value of None, either directly or within "
                "array/struct/map subfields, but the corresponding column type was declared as non-nullable; "
                "please update the UDTF to return a non-None value at this location or otherwise declare the "
                "column type as nullable.",
            )
    elif checker is not None:
        checker(value)


def _checker(kind: spark.DataType, place: int) -> Optional[Callable]:
    """Checks a value of a nested type of the column at this place."""
    if isinstance(kind, spark.ArrayType):
        element = _checker(kind.elementType, place)
        if element is None and kind.containsNull:
            return None
        return lambda value: isinstance(value, list) and [
            _check(item, element, kind.containsNull, place) for item in value
        ]
    if isinstance(kind, spark.MapType):
        key, item = _checker(kind.keyType, place), _checker(kind.valueType, place)

        def check_map(value: Any) -> None:
            if isinstance(value, dict):
                for one, other in value.items():
                    _check(one, key, False, place)
                    _check(other, item, kind.valueContainsNull, place)

        return check_map
    if isinstance(kind, spark.StructType):
        checkers = [_checker(field.dataType, place) for field in kind.fields]
        if all(checker is None for checker in checkers) and all(field.nullable for field in kind.fields):
            return None
        return lambda value: isinstance(value, tuple) and [
            _check(item, checker, field.nullable, place)
            for item, checker, field in zip(value, checkers, kind.fields)
        ]
    return None
