"""Compares answers of two engines that differ in the types of numbers, and in the order of rows with equal keys."""

import decimal
import math

import pyarrow


def equal(ours: pyarrow.Table, theirs: pyarrow.Table) -> bool:
    """Whether two answers have the same rows. Where a query leaves their order open it may differ, so both are sorted."""
    left, right = (sorted(rows(table), key=lambda row: [repr(value) for value in row]) for table in (ours, theirs))
    return len(left) == len(right) and all(
        len(a) == len(b) and all(map(same, a, b)) for a, b in zip(left, right, strict=True)
    )


def rows(table: pyarrow.Table) -> list[tuple]:
    """The rows, with columns by position, since names may repeat, and numbers as floats."""
    return list(zip(*([number(value) for value in column.to_pylist()] for column in table.columns), strict=True))


def number(value):
    return float(value) if isinstance(value, (int, float, decimal.Decimal)) else value


def same(ours, theirs) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        # Decimal averages are rounded here, as in Spark, but truncated by DataFusion: they can differ by one in the sixth digit.
        return math.isclose(ours, theirs, rel_tol=1e-6, abs_tol=1.5e-6)
    return ours == theirs
