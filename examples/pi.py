"""Spark's first example: throws darts at a square and counts those that hit the circle in it. The argument is the number of partitions."""

import sys
from operator import add
from random import random

from pyspark.sql import SparkSession

DARTS = 100_000


def hits(_):
    """1 if a dart hits the circle, else 0."""
    x, y = random() * 2 - 1, random() * 2 - 1
    return 1 if x * x + y * y <= 1 else 0


if __name__ == "__main__":
    spark = SparkSession.builder.appName("PythonPi").getOrCreate()

    partitions = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    total = DARTS * partitions
    count = spark.sparkContext.parallelize(range(1, total + 1), partitions).map(hits).reduce(add)

    print(f"Pi is roughly {4.0 * count / total:f}")

    spark.stop()
