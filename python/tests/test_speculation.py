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


EFFICIENT = """
import pathlib, time
from pyspark import TaskContext
from pyspark.sql import SparkSession

here = pathlib.Path({here!r})
spark = SparkSession.builder.getOrCreate()
for number in range(6):
    lines = 3000 if number == 5 else 300
    (here / f"{{number}}.txt").write_text("abcdefg\\n" * lines)
spark.conf.set("spark.sql.files.openCostInBytes", 8 * 3000)
spark.conf.set("spark.sql.files.maxPartitionBytes", 8 * 3000)


def pause(batches):
    time.sleep(1)
    return batches


def slowly(batches):
    for batch in batches:
        if batch.num_rows > 1000:
            (here / f"try-{{TaskContext.get().attemptNumber()}}").touch()
        time.sleep(batch.num_rows / 1000)
        yield batch


# Workers that are there take as long as their rows.
assert spark.range(0, 8, 1, 8).mapInArrow(pause, "id long").count() == 8
assert spark.read.text(str(here / "*.txt")).mapInArrow(slowly, "value string").count() == 4500
print(sorted(path.name for path in here.glob("try-*")))
"""


@pytest.mark.parametrize(("efficiency", "tries"), [("true", "['try-0']"), ("false", "['try-0', 'try-1']")])
def test_a_task_that_has_more_to_read_gets_no_second_attempt(tmp_path, efficiency, tries):
    flags = [
        *FLAGS,
        *("--conf", f"spark.speculation.efficiency.enabled={efficiency}"),
        *("--conf", "spark.speculation.efficiency.longRunTaskFactor=100"),
        *("--conf", "spark.speculation.multiplier=2"),
        *("--conf", "spark.executor.heartbeatInterval=200ms"),
    ]
    printed = program_on(tmp_path, EFFICIENT.format(here=str(tmp_path)), "local-cluster[2,2,1024]", *flags)
    assert printed.strip() == tries
