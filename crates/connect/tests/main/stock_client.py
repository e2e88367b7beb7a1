"""The first steps of a PySpark program, run against the fake backend of `fake.rs`, whose address is the only argument."""

import faulthandler
import os
import sys
import threading
import time

import pandas as pd
from pyspark.errors import (
    AnalysisException,
    PySparkException,
    SparkNoSuchElementException,
    UnsupportedOperationException,
)
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, udf

faulthandler.dump_traceback_later(90, exit=True)  # nothing here takes long
remote = f"sc://{sys.argv[1]}"
spark = (
    SparkSession.builder.remote(remote)
    .config("spark.sql.shuffle.partitions", "7")
    .config("spark.executor.memory", "refused silently")
    .getOrCreate()
)
assert spark.version == "4.2.0", spark.version
assert spark.conf.get("spark.sql.shuffle.partitions") == "7"
assert spark.conf.get("no.such", "x") == "x"
try:
    spark.conf.get("no.such")
    raise SystemExit("a key that does not exist has a value")
except SparkNoSuchElementException as error:
    assert error.getCondition() == "SQL_CONF_NOT_FOUND", error

# Rows, schema and explanations of a relation.
df = spark.range(0, 6, 2)
assert [row.id for row in df.collect()] == [0, 2, 4]
assert df.toPandas()["id"].tolist() == [0, 2, 4]
assert df.schema.simpleString() == "struct<id:bigint>"
df.printSchema()
assert df.filter(col("id") > 1).select("id", (col("id") * 2).alias("x")).groupBy("id").count().columns
assert spark.table("batches_3").count() is not None
assert len(spark.table("batches_3").collect()) == 9

# SQL: a query is echoed, a command is run at once.
assert [r.id for r in spark.sql("SELECT id FROM {t} WHERE id > :n", args={"n": 1}, t=df).collect()]
assert len(spark.sql("SHOW TABLES").collect()) == 3

# Local data, small and large enough to be sent as artifacts.
spark.createDataFrame([(1, "a"), (2, None)], ["n", "s"]).collect()
large = pd.DataFrame({"n": range(300_000), "s": ["some text"] * 300_000})
spark.createDataFrame(large).collect()
spark.createDataFrame([], "id bigint").collect()

# Errors have the exception classes that programs catch.
try:
    spark.table("fails").collect()
    raise SystemExit("no failure")
except AnalysisException as error:
    assert error.getCondition() == "UNRESOLVED_COLUMN.WITH_SUGGESTION", error
    assert error.getMessageParameters() == {"objectName": "`b`", "proposal": "`a`"}, error
    assert error.getSqlState() == "42703", error
    assert "Did you mean" in str(error), error
df.select(udf(lambda x: x, "int")("id")).schema

# Streams that end early, and streams that have to wait.
spark.conf.set("spark.connect.execute.reattachable.senderMaxStreamSize", "123")
assert len(spark.table("batches_20").collect()) == 60
spark.conf.set("spark.connect.execute.reattachable.senderMaxStreamDuration", "1s")


def interrupted(stop):
    """Runs an endless query until `stop` interrupts it."""
    failures = []

    def run():
        spark.addTag("mine")
        try:
            spark.table("never").collect()
        except PySparkException as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not stop() and time.monotonic() < deadline:
        time.sleep(0.05)
    thread.join(20)
    assert len(failures) == 1 and "OPERATION_CANCELED" in str(failures[0]), failures


interrupted(spark.interruptAll)
interrupted(lambda: spark.interruptTag("mine"))

# A second session, a copy, and the end.
another = SparkSession.builder.remote(remote).create()
assert another.conf.get("spark.sql.shuffle.partitions") == "200"
copy = spark.cloneSession()
assert copy.conf.get("spark.sql.shuffle.partitions") == "7"
df.persist()
assert df.storageLevel.useMemory
df.unpersist()
df.createOrReplaceTempView("v")
df.write.mode("overwrite").parquet("/nowhere")
spark.stop()

# The copies are left to the end of the process: the client's `__del__` can wait for a lock that grpc holds in the same thread.
sys.stdout.flush()
os._exit(0)
