"""All TPC-H queries on two executors return DataFusion's results, for any number of shuffle partitions."""

import pyarrow.parquet
import pytest
from answers import equal, rows


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
        if not equal(ours, theirs):
            wrong.append((query.stem, rows(ours)[:3], rows(theirs)[:3]))
    assert not wrong
