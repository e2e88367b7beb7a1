"""A PySpark program that runs cases of Python functions on request; Firesteel and Spark run the same file.

It reads lines `case round` and answers each with one line of JSON: the seconds that the case took. A case checks its answer, and
computes something else in every round, so that no engine can use what it has computed before.
"""

import argparse
import json
import random
import sys
import time
from operator import add

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

PARTITIONS = 4


class Cases:
    """The cases, each a method of the round that returns a function to be timed and what this must return."""

    def __init__(self, spark, size):
        self.spark, self.sc = spark, spark.sparkContext
        self.size = size

    def scaled(self, count):
        """A number of rows (or tasks), by the size of this run."""
        return max(int(count * self.size), PARTITIONS)

    def tasks(self, round):
        count = self.scaled(2_000)
        return lambda: self.sc.parallelize(range(count), count).map(lambda n: n + round).sum(), total(count, round), count

    def row_udf(self, round):
        return self.column(5_000_000, round, F.udf(lambda n: n + round, "long", useArrow=False))

    def arrow_udf(self, round):
        return self.column(10_000_000, round, F.udf(lambda n: n + round, "long", useArrow=True))

    def pandas_udf(self, round):
        return self.column(50_000_000, round, F.pandas_udf(lambda series: series + round, "long"))

    def column(self, count, round, function):
        """A function of one column, whose values are summed up."""
        count = self.scaled(count)
        frame = self.spark.range(0, count, 1, PARTITIONS).select(function("id").alias("n")).agg(F.sum("n"))
        return lambda: frame.first()[0], total(count, round), count

    def map_in_arrow(self, round):
        count = self.scaled(100_000_000)

        def same(batches):
            yield from batches

        frame = self.spark.range(round, round + count, 1, PARTITIONS).mapInArrow(same, "id long").agg(F.sum("id"))
        return lambda: frame.first()[0], total(count, round), count

    def apply_in_pandas(self, round):
        groups, rows = self.scaled(10_000), 100
        count = groups * rows

        def centred(frame):
            return frame.assign(v=frame.v - frame.v.mean())

        frame = self.spark.range(0, count, 1, PARTITIONS).selectExpr(f"id % {groups} as k", f"double(id div {groups}) + {round} as v")
        grouped = frame.groupBy("k").applyInPandas(centred, "k long, v double").agg(F.count("k"), F.sum("v"), F.max("v"))
        return lambda: tuple(grouped.first()), (count, 0.0, (rows - 1) / 2), count

    def rdd_sum(self, round):
        count = self.scaled(1_000_000)
        return lambda: self.sc.parallelize(range(count)).map(lambda n: n + round).sum(), total(count, round), count

    def reduce_by_key(self, round):
        keys = 1_000
        count = self.scaled(10_000) * keys

        def summed():
            pairs = self.sc.parallelize(range(count), PARTITIONS).map(lambda n: (n % keys, n + round))
            found = pairs.reduceByKey(add).collectAsMap()
            return len(found), sum(found.values()), found[1] - found[0]

        return summed, (keys, total(count, round), count // keys), count

    def broadcast(self, round):
        size, tasks = 100_000_000, 1_000
        # Text, which no engine can compress well.
        value = random.Random(round).randbytes(size // 2).hex()
        picked = sum(ord(value[n * 1_000]) for n in range(tasks))

        def sent():
            letters = self.sc.broadcast(value)
            return self.sc.parallelize(range(tasks), tasks).map(lambda n: ord(letters.value[n * 1_000])).sum()

        return sent, picked, tasks

    def accumulator(self, round):
        count = 1_000_000

        def counted():
            seen = self.sc.accumulator(0)
            self.sc.parallelize(range(round, round + count)).foreach(lambda n: seen.add(1))
            return seen.value

        return counted, count, count


def total(count, more):
    """The sum of the numbers below `count`, each with `more` added."""
    return count * (count - 1) // 2 + count * more


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=float, default=1.0)
    cases = Cases(SparkSession.builder.appName("PythonCases").getOrCreate(), parser.parse_args().size)
    print(json.dumps({"ready": cases.spark.version}), flush=True)
    for line in iter(sys.stdin.readline, ""):
        case, round = line.split()
        run, expected, amount = getattr(cases, case)(int(round))
        started = time.perf_counter()
        found = run()
        seconds = time.perf_counter() - started
        if found != expected:
            sys.exit(f"{case}: {found} instead of {expected}")
        print(json.dumps({"case": case, "round": int(round), "seconds": seconds, "amount": amount}), flush=True)
    cases.spark.stop()


if __name__ == "__main__":
    main()
