"""A broadcast variable: a dictionary that every executor gets once."""

from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("Broadcast").getOrCreate()

words = spark.sparkContext.parallelize("Spark The Definitive Guide : Big Data Processing Made Simple".split(" "), 2)
values = {"Spark": 1000, "Definitive": 200, "Big": -300, "Simple": 100}
suppBroadcast = spark.sparkContext.broadcast(values)

pairs = words.map(lambda word: (word, suppBroadcast.value.get(word, 0)))
for word, value in pairs.sortBy(lambda pair: pair[1]).collect():
    print(f"{word}: {value}")

spark.stop()
