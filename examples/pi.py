"""Spark's first example: throws darts at a square and counts those that hit the circle in it. The argument is the number of slices."""

import sys

from pyspark.sql import SparkSession
from pyspark.sql.functions import rand

DARTS = 100_000

spark = SparkSession.builder.appName("PythonPi").getOrCreate()

slices = int(sys.argv[1]) if len(sys.argv) > 1 else 2
total = DARTS * slices
darts = spark.range(0, total, 1, slices).select((rand() * 2 - 1).alias("x"), (rand() * 2 - 1).alias("y"))
hits = darts.where("x * x + y * y <= 1").count()

print(f"Pi is roughly {4.0 * hits / total:f}")

spark.stop()
