"""Counts the words of a text file on RDDs. The argument is the file; without one, this program counts its own words."""

import sys
from operator import add

from pyspark.sql import SparkSession

if __name__ == "__main__":
    spark = SparkSession.builder.appName("PythonWordCount").getOrCreate()

    lines = spark.sparkContext.textFile(sys.argv[1] if len(sys.argv) > 1 else __file__)
    counts = lines.flatMap(lambda line: line.split()).map(lambda word: (word, 1)).reduceByKey(add)
    for word, count in sorted(counts.collect(), key=lambda pair: (-pair[1], pair[0])):
        print(f"{word}: {count}")

    spark.stop()
