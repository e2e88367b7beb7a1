"""The flight data of the examples, in three formats: read, grouped, joined, sorted, shown, written and read back."""

import pytest
from conftest import ROOT
from pyspark.sql import functions as F

DATA = ROOT / "examples" / "data"


def read(spark, kind):
    if kind == "csv":
        return spark.read.option("header", "true").option("inferSchema", "true").csv(str(DATA / "flights.csv"))
    return getattr(spark.read, kind)(str(DATA / f"flights.{kind}"))


@pytest.mark.parametrize(("kind", "integer"), [("csv", "int"), ("json", "bigint"), ("parquet", "bigint")])
def test_all_formats_hold_the_same_rows(spark, kind, integer):
    flights = read(spark, kind)
    types = dict(flights.dtypes)
    assert types == {"DEST_COUNTRY_NAME": "string", "ORIGIN_COUNTRY_NAME": "string", "count": integer}
    assert flights.count() == 36
    top = flights.groupBy("DEST_COUNTRY_NAME").sum("count").withColumnRenamed("sum(count)", "total")
    top = top.sort(F.desc("total")).limit(2).collect()
    assert top[0]["DEST_COUNTRY_NAME"] == "United States"
    assert top[0]["total"] > 370002


def test_json_columns_come_in_order_of_name(spark):
    assert read(spark, "json").columns == ["DEST_COUNTRY_NAME", "ORIGIN_COUNTRY_NAME", "count"]


def test_flights_are_joined_with_their_way_back(spark):
    flights = read(spark, "parquet").alias("a")
    back = read(spark, "parquet").alias("b")
    both = flights.join(
        back,
        (F.col("a.DEST_COUNTRY_NAME") == F.col("b.ORIGIN_COUNTRY_NAME"))
        & (F.col("a.ORIGIN_COUNTRY_NAME") == F.col("b.DEST_COUNTRY_NAME")),
    )
    rows = {(row[0], row[1]) for row in flights.select("DEST_COUNTRY_NAME", "ORIGIN_COUNTRY_NAME").collect()}
    assert both.count() == sum((there, here) in rows for here, there in rows)


def test_what_is_written_by_partitions_is_read_again(spark, tmp_path):
    flights = read(spark, "parquet").withColumn("big", F.col("count") > 4000).withColumn("year", F.lit(2015))
    path = str(tmp_path / "out")
    flights.write.partitionBy("big", "year").parquet(path)
    assert sorted(child.name for child in (tmp_path / "out").iterdir() if child.is_dir()) == ["big=false", "big=true"]
    again = spark.read.parquet(path)
    # Spark infers numbers, dates and timestamps from partition directory names; everything else is a string.
    assert dict(again.dtypes)["big"] == "string"
    assert dict(again.dtypes)["year"] == "int"
    assert sorted(again.select(*flights.columns).collect()) == sorted(flights.withColumn("big", F.col("big").cast("string")).collect())
    with pytest.raises(Exception, match="PATH_ALREADY_EXISTS"):
        flights.write.partitionBy("big").parquet(path)
    flights.write.mode("overwrite").partitionBy("big").parquet(path)
    flights.write.mode("append").partitionBy("big").parquet(path)
    assert spark.read.parquet(path).count() == 72


def test_show_prints_as_spark_prints(spark, capsys):
    spark.range(3).selectExpr("id", "'a' || id as text").show()
    assert capsys.readouterr().out == (
        "+---+----+\n| id|text|\n+---+----+\n|  0|  a0|\n|  1|  a1|\n|  2|  a2|\n+---+----+\n\n"
    )


def test_explain_shows_a_plan(spark, capsys):
    read(spark, "csv").groupBy("DEST_COUNTRY_NAME").count().explain()
    text = capsys.readouterr().out
    assert text.startswith("== Physical Plan ==")
    assert text.splitlines()[1] == "AdaptiveSparkPlan isFinalPlan=false"
    read(spark, "csv").explain()
    assert "AdaptiveSparkPlan" not in capsys.readouterr().out
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    read(spark, "csv").groupBy("DEST_COUNTRY_NAME").count().explain()
    assert "AdaptiveSparkPlan" not in capsys.readouterr().out
    spark.conf.unset("spark.sql.adaptive.enabled")
    read(spark, "csv").explain("extended")
    text = capsys.readouterr().out
    for title in ["== Parsed Logical Plan ==", "== Analyzed Logical Plan ==", "== Optimized Logical Plan ==", "== Physical Plan =="]:
        assert title in text
