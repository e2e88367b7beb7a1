"""Helpers for tests of query results: small inputs, and comparison of DataFrames and errors with Spark's."""

import math

import pytest


def plain(value):
    """Converts rows to tuples, which can be compared with literals, and NaN to a string, which equals itself."""
    if isinstance(value, (tuple, list)):
        return type(value)(map(plain, value)) if type(value) is list else tuple(map(plain, value))
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def schema_of(frame):
    """`name: type` for every column, with `!` for non-nullable columns."""
    return [f"{field.name}: {field.dataType.simpleString()}{'' if field.nullable else '!'}" for field in frame.schema]


def check(frame, schema, rows, ordered=False):
    """Asserts that the frame has these columns, separated by `; `, and these rows. A type with `?` matches any nullability."""
    columns = [column for column in schema.split("; ") if column]
    nullable = [column.rstrip("!") + "?" if wanted.endswith("?") else column for column, wanted in zip(schema_of(frame), columns)]
    assert (nullable, len(frame.schema)) == (columns, len(columns)), (schema_of(frame), columns)
    found, wanted = ([plain(row) for row in side] for side in (frame.collect(), rows))
    if not ordered:
        found, wanted = sorted(found, key=repr), sorted(wanted, key=repr)
    assert found == wanted, (found, wanted)


def fails(call, kind, condition, sql_state=None, **parameters):
    """Asserts that the call raises this PySpark exception with Spark's error condition, SQL state and message parameters."""
    with pytest.raises(kind) as raised:
        call()
    error = raised.value
    assert error.getCondition() == condition, str(error)
    assert sql_state is None or error.getSqlState() == sql_state, (error.getSqlState(), sql_state)
    found = error.getMessageParameters()
    assert {name: found.get(name) for name in parameters} == parameters, found
    return error


def people(spark):
    return spark.createDataFrame([(2, "Alice"), (5, "Bob"), (None, "Tom")], ["age", "name"])


def numbers(spark):
    """Rows for grouping, with duplicates and with nulls in keys and values."""
    rows = [("a", 1, 1.5), ("a", 2, None), ("b", 3, 2.5), ("b", None, 4.0), (None, 5, 0.5), ("a", 2, 3.0)]
    return spark.createDataFrame(rows, "k string, n int, x double")
