"""An accumulator: counts the flights from and to Japan while all rows are visited."""

import pathlib

from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("Accumulators").getOrCreate()

flights = spark.read.parquet(str(pathlib.Path(__file__).parent / "data" / "flights.parquet"))
accJapan = spark.sparkContext.accumulator(0)


def accJapanFunc(flight_row):
    """Adds a row's flights for each end that is in Japan."""
    if flight_row["DEST_COUNTRY_NAME"] == "Japan":
        accJapan.add(flight_row["count"])
    if flight_row["ORIGIN_COUNTRY_NAME"] == "Japan":
        accJapan.add(flight_row["count"])


flights.foreach(lambda flight_row: accJapanFunc(flight_row))
print(f"flights from and to Japan: {accJapan.value}")

spark.stop()
