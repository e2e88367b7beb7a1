"""A task that hangs on one executor gets a second attempt on another one, and counts once."""

import pytest

from conftest import program_on

PROGRAM = """
import time
from pyspark import SparkContext, TaskContext
from pyspark.sql import SparkSession
from pyspark.sql.functions import udf

spark = SparkSession.builder.getOrCreate()
sc = spark.sparkContext
began = time.monotonic()
visits = sc.accumulator(0)


def hang(row):
    context = TaskContext.get()
    if context.partitionId() == 3 and context.attemptNumber() == 0:
        time.sleep(600)
    visits.add(1)
    return row


# Results.
rows = sc.parallelize(range(8), 8).map(hang)
assert rows.collect() == list(range(8))
assert visits.value == 8, visits.value

# Map outputs.
pairs = sc.parallelize(range(8), 8).map(lambda row: (hang(row) % 2, row)).reduceByKey(lambda a, b: a + b, 2)
assert sorted(pairs.collect()) == [(0, 12), (1, 16)]
assert visits.value == 16, visits.value

# Files.
late = udf(hang, "long")
spark.range(0, 8, 1, 8).select(late("id").alias("id")).write.parquet({out!r})
assert sorted(row.id for row in spark.read.parquet({out!r}).collect()) == list(range(8))

assert time.monotonic() - began < 300
"""

FLAGS = [
    "--conf", "spark.speculation=true",
    "--conf", "spark.speculation.quantile=0.5",
    "--conf", "spark.speculation.minTaskRuntime=500ms",
]


@pytest.mark.parametrize("layout", ["shared", "own"])
def test_the_first_attempt_to_finish_wins(tmp_path, layout):
    text = PROGRAM.format(out=str(tmp_path / "out"))
    layout = f"firesteel.shuffle.volume={layout}"
    program_on(tmp_path, text, "local-cluster[2,2,1024]", *FLAGS, "--conf", layout)
