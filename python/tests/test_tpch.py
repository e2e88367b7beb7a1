"""All TPC-H queries on two executors return DataFusion's results, for any number of shuffle partitions."""

import decimal
import math

import pyarrow.parquet
import pytest


def normal(value):
    """Normalises values for comparison: numbers to floats, everything else unchanged."""
    return float(value) if isinstance(value, (int, float, decimal.Decimal)) else value


def same(ours, theirs):
    if isinstance(ours, float) and isinstance(theirs, float):
        # Decimal averages are rounded here, as in Spark, but truncated by DataFusion: they can differ by one in the sixth digit.
        return math.isclose(ours, theirs, rel_tol=1e-6, abs_tol=1.5e-6)
    return ours == theirs


@pytest.mark.parametrize("partitions", [1, 3, 16])
def test_all_queries_are_answered_as_datafusion_answers_them(spark, tpch, partitions):
    data, answers, queries = tpch
    assert len(queries) == 22
    spark.conf.set("spark.sql.shuffle.partitions", partitions)
    for table in data.iterdir():
        if table.is_dir():
            spark.read.parquet(str(table)).createOrReplaceTempView(table.name)
    wrong = []
    for query in queries:
        ours = spark.sql(query.read_text()).toArrow()
        theirs = pyarrow.parquet.read_table(answers / f"{query.stem}.parquet")
        rows = [[tuple(map(normal, row.values())) for row in table.to_pylist()] for table in (ours, theirs)]
        if "order by" not in query.read_text().lower():
            rows = [sorted(side, key=repr) for side in rows]
        # Rows with equal sort keys may be in any order, so both sides are sorted.
        left, right = (sorted(side, key=lambda row: [repr(value) for value in row]) for side in rows)
        equal = len(left) == len(right) and all(
            len(a) == len(b) and all(map(same, a, b)) for a, b in zip(left, right)
        )
        if not equal:
            wrong.append((query.stem, rows[0][:3], rows[1][:3]))
    assert not wrong
