"""Profiles of Python functions. Numbers of calls are those that Spark 4.2 counts for the same programs."""

import os
import pstats
import sys
from collections.abc import Iterator

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark import cloudpickle
from pyspark.errors import IllegalArgumentException, PySparkValueError, PythonException
from pyspark.sql import Window
from pyspark.sql.datasource import DataSource, DataSourceReader, DataSourceWriter, InputPartition, WriterCommitMessage
from pyspark.sql.functions import arrow_udf, col, lit, pandas_udf, udf, udtf
from pyspark.sql.types import DoubleType, LongType

PROFILER = "spark.sql.pyspark.udf.profiler"
OF_SOURCES = "spark.sql.pyspark.dataSource.profiler"
HERE = os.path.basename(__file__)
# Workers cannot import this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def profiled(spark):
    spark.conf.set(PROFILER, "perf")
    return spark


def calls(spark):
    """Numbers of calls of the functions of this file, by profile, in order of the profiles' numbers; the profiles are cleared."""
    found = spark.profile.profiler_collector._perf_profile_results
    keys = sorted(found, key=lambda key: (isinstance(key, int), key))
    numbers = [{name: one[1] for (file, _, name), one in found[key].stats.items() if file == HERE} for key in keys]
    spark.profile.clear()
    return numbers


def lines(spark):
    """How often lines of this file were run, counted from the first that was, by profile."""
    found = spark.profile.profiler_collector._memory_profile_results
    numbers = []
    for key in sorted(found):
        (file, measured), = found[key].items()
        assert file == __file__
        first = min(line for line, _ in measured)
        numbers.append({line - first: occurrences for line, (_, _, occurrences) in measured})
    spark.profile.clear()
    return numbers


def four(spark):
    """The numbers from 0 to 3 in two partitions."""
    return spark.range(0, 4, 1, 2)


def grouped(spark):
    return spark.createDataFrame([(1, 1.0), (1, 2.0), (2, 3.0), (2, 5.0), (2, 10.0)], "id long, v double")


def one_step(batches):
    for batch in batches:
        yield batch


def same(one):
    return one


def same_of_two(one, _):
    return one


def same_with_key(_, one):
    return one


@pandas_udf(LongType())
def pandas_steps(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    for batch in batches:
        yield batch + 1


@arrow_udf(LongType())
def arrow_steps(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
    for batch in batches:
        yield pc.add(batch, 1)


@pandas_udf(DoubleType())
def pandas_mean(values: pd.Series) -> float:
    return values.mean()


@arrow_udf(DoubleType())
def arrow_mean(values: pa.Array) -> float:
    return pc.mean(values).as_py()


@pandas_udf(DoubleType())
def mean_of_batches(batches: Iterator[pd.Series]) -> float:
    return pd.concat(list(batches)).mean()


def rows_of_each(spark):
    """Actions by function and kind, and the numbers of calls that Spark counts."""
    pickled, arrow = (udf(same, "long", useArrow=wanted) for wanted in (False, True))
    whole, of_pandas = pandas_udf(same, "long", 200), grouped(spark).groupBy("id")
    schema, bounded = "id long, v double", Window.partitionBy("id").orderBy("v").rowsBetween(-1, 0)
    return [
        ("rows", four(spark).select(pickled("id")), {"same": 4}),
        ("rows by Arrow", four(spark).select(arrow("id")), {"same": 4}),
        ("series", four(spark).select(whole("id")), {"same": 2}),
        ("iterators of series", four(spark).select(pandas_steps("id")), {"pandas_steps": 4}),
        ("arrays", four(spark).select(arrow_udf(same, "long", 250)("id")), {"same": 2}),
        ("iterators of arrays", four(spark).select(arrow_steps("id")), {"arrow_steps": 4}),
        ("mapInPandas", four(spark).mapInPandas(one_step, "id long"), {"one_step": 4}),
        ("mapInArrow", four(spark).mapInArrow(one_step, "id long"), {"one_step": 4}),
        ("applyInPandas", of_pandas.applyInPandas(same, schema), {"same": 2}),
        ("applyInPandas with the key", of_pandas.applyInPandas(same_with_key, schema), {"same_with_key": 2}),
        ("applyInArrow", of_pandas.applyInArrow(same, schema), {"same": 2}),
        ("cogrouped pandas", of_pandas.cogroup(of_pandas).applyInPandas(same_of_two, schema), {"same_of_two": 2}),
        ("cogrouped Arrow", of_pandas.cogroup(of_pandas).applyInArrow(same_of_two, schema), {"same_of_two": 2}),
        ("aggregates of pandas", of_pandas.agg(pandas_mean("v")), {"pandas_mean": 2}),
        ("aggregates of Arrow", of_pandas.agg(arrow_mean("v")), {"arrow_mean": 2}),
        ("aggregates of iterators", of_pandas.agg(mean_of_batches("v")), {"mean_of_batches": 2}),
        ("windows", grouped(spark).select(pandas_mean("v").over(Window.partitionBy("id"))), {"pandas_mean": 2}),
        ("windows with frames", grouped(spark).select(arrow_mean("v").over(bounded)), {"arrow_mean": 5}),
    ]


def test_functions_of_all_kinds_are_profiled(profiled):
    for name, frame, expected in rows_of_each(profiled):
        frame.collect()
        assert (name, calls(profiled)) == (name, [expected])


def test_iterators_of_groups_are_profiled(profiled):
    def pandas(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        yield from batches

    def arrow(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from batches

    groups = grouped(profiled).groupBy("id")
    groups.applyInPandas(pandas, "id long, v double").collect()
    assert calls(profiled) == [{"pandas": 4}]
    groups.applyInArrow(arrow, "id long, v double").collect()
    assert calls(profiled) == [{"arrow": 4}]


def test_table_functions_have_no_profiles(profiled):
    @udtf(returnType="x: long")
    class Twice:
        def eval(self, x):
            yield x,
            yield x,

    assert len(Twice(lit(1)).collect()) == 2
    assert calls(profiled) == []


def test_each_call_has_a_profile_and_equal_ones_share_it(profiled):
    @udf("long")
    def add1(x):
        return x + 1

    @udf("long")
    def add2(x):
        return x + 2

    frame = profiled.range(10).select(add1("id"), add2("id"), add1("id"), add2(col("id") + 1))
    frame.collect()
    found = calls(profiled)
    assert sorted(map(str, found)) == ["{'add1': 10}", "{'add2': 10}", "{'add2': 10}"]
    # The profiles of a frame's actions are added up; equal frames have profiles of their own.
    frame.collect()
    frame.toPandas()
    assert sorted(map(str, calls(profiled))) == ["{'add1': 20}", "{'add2': 20}", "{'add2': 20}"]
    for _ in range(2):
        profiled.range(3).select(add1("id")).collect()
    assert calls(profiled) == [{"add1": 3}, {"add1": 3}]
    profiled.udf.register("add1", add1)
    profiled.sql("SELECT add1(id) FROM range(5)").collect()
    assert calls(profiled) == [{"add1": 5}]


def test_a_function_of_a_functions_value_is_one_with_it(profiled):
    add1, add2 = (udf(function, "long", useArrow=True) for function in (lambda x: x + 1, same))
    rows = four(profiled).select(add2(add1("id")).alias("x"), add2(add1(col("id") + 1)).alias("y"))
    assert sorted(tuple(row) for row in rows.collect()) == [(n, n + 1) for n in range(1, 5)]
    assert calls(profiled) == [{"<lambda>": 4, "same": 4}] * 2
    # Not with one of another kind, in whose iterator it is called.
    whole = pandas_udf(same, "long", 200)
    found = four(profiled).select(pandas_steps(whole("id")).alias("x")).collect()
    assert sorted(row.x for row in found) == [1, 2, 3, 4]
    assert sorted(calls(profiled), key=len) == [{"same": 2}, {"pandas_steps": 4}]


def test_failed_tasks_have_no_profiles(profiled):
    @udf("long")
    def fail(x):
        raise ValueError(x)

    with pytest.raises(PythonException):
        profiled.range(3).select(fail("id")).collect()
    assert calls(profiled) == []


def test_threads_of_a_function_are_not_used_while_it_is_profiled(profiled):
    profiled.conf.set("spark.sql.execution.pythonUDF.arrow.concurrency.level", "4")
    four(profiled).select(udf(same, "long", useArrow=True)("id")).collect()
    assert calls(profiled) == [{"same": 4}]


def test_a_profiler_counts_from_when_it_is_turned_on(spark):
    frame = four(spark).select(udf(same, "long")("id").alias("x")).repartition(3)
    frame.collect()
    assert calls(spark) == []
    spark.conf.set(PROFILER, "PERF")
    frame.collect()
    assert calls(spark) == [{"same": 4}]
    # What a stage has done is not done again, and so not measured.
    frame.collect()
    assert calls(spark) == []
    spark.conf.unset(PROFILER)
    four(spark).select(udf(same, "long")("id")).collect()
    assert calls(spark) == []


def test_bad_values_are_refused(spark):
    for key in (PROFILER, OF_SOURCES):
        assert spark.conf.get(key) is None
        with pytest.raises(IllegalArgumentException) as refused:
            spark.conf.set(key, "cpu")
        assert refused.value.getCondition() == "INVALID_CONF_VALUE.OUT_OF_RANGE_OF_OPTIONS"
        assert f"The value 'cpu' in the config \"{key}\" is invalid. It should be one of 'perf, memory'." in str(refused.value)


def test_profiles_are_shown_dumped_rendered_and_cleared(profiled, tmp_path, capsys):
    profiled.range(10).select(udf(same, "long")("id"), udf(lambda x: x, "long")("id")).collect()
    results = profiled.profile.profiler_collector._perf_profile_results
    first, second = sorted(results)
    profiled.profile.show(type="perf")
    shown = capsys.readouterr().out
    assert f"Profile of UDF<id={first}>" in shown and f"Profile of UDF<id={second}>" in shown
    profiled.profile.show(first)
    shown = capsys.readouterr().out
    assert f"Profile of UDF<id={first}>" in shown and f"UDF<id={second}>" not in shown
    assert f"   10    0.000    0.000    0.000    0.000 {HERE}:{same.__code__.co_firstlineno}(same)" in shown
    profiled.profile.dump(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == sorted(f"udf_{number}_perf.pstats" for number in (first, second))
    dumped = pstats.Stats(str(tmp_path / f"udf_{first}_perf.pstats"))
    assert dumped.stats[(HERE, same.__code__.co_firstlineno, "same")][0] == 10
    assert profiled.profile.render(first, renderer=lambda stats: stats.total_calls) == dumped.total_calls
    with pytest.raises(PySparkValueError, match="VALUE_NOT_ALLOWED"):
        profiled.profile.show(type="cpu")
    profiled.profile.clear(first)
    profiled.profile.clear(type="memory")
    assert list(profiled.profile.profiler_collector._perf_profile_results) == [second]
    profiled.profile.clear()
    assert calls(profiled) == []


class Reader(DataSourceReader):
    def partitions(self):
        return [InputPartition(1), InputPartition(2)]

    def read(self, partition):
        yield (partition.value,)
        yield (2,)


class Writer(DataSourceWriter):
    def write(self, rows):
        return WriterCommitMessage()

    def commit(self, messages):
        pass


class Source(DataSource):
    @classmethod
    def name(cls):
        return "profiled"

    def schema(self):
        return "id long"

    def reader(self, schema):
        return Reader()

    def writer(self, schema, overwrite):
        return Writer()


def test_data_sources_have_a_profiler_of_their_own(profiled):
    spark = profiled
    spark.dataSource.register(Source)
    spark.read.format("profiled").load().collect()
    assert calls(spark) == []
    spark.conf.unset(PROFILER)
    spark.conf.set(OF_SOURCES, "perf")
    four(spark).select(udf(same, "long")("id")).collect()
    assert calls(spark) == []
    spark.read.format("profiled").load().collect()
    names = sorted(key for key in spark.profile.profiler_collector._perf_profile_results if isinstance(key, str))
    assert names == ["create_data_source", "plan_data_source_read"]
    create, plan, read = calls(spark)
    assert create == {"name": 1, "schema": 1} and read == {"read": 6}
    assert plan["partitions"] == plan["reader"] == 1
    four(spark).write.format("profiled").mode("append").save()
    names = sorted(key for key in spark.profile.profiler_collector._perf_profile_results if isinstance(key, str))
    assert names == ["commit_data_source_write", "write_into_data_source"]
    assert calls(spark) == [{"commit": 1}, {"name": 1, "writer": 1}, {"write": 2}]
    spark.conf.set(OF_SOURCES, "memory")
    spark.read.format("profiled").load().collect()
    assert lines(spark) == [{0: 2, 1: 4, 2: 4}]


def test_memory_is_profiled_by_line(spark, tmp_path, capsys):
    spark.conf.set(PROFILER, "memory")
    # Each line once per call. (Spark adds up all calls of a task but the first one twice.)
    for name, frame, numbers in rows_of_each(spark):
        frame.collect()
        (found,) = lines(spark)
        (function, count), = numbers.items()
        if function.endswith("_steps"):  # a decorator, the loop and its body
            assert (name, found) == (name, {0: 2, 2: 4, 3: 4})
        elif function == "one_step":
            assert (name, found) == (name, {0: 2, 1: 4, 2: 4})
        else:
            assert (name, found[max(found)]) == (name, count)
    spark.range(10).select(udf(same, "long")("id")).collect()
    (number,) = spark.profile.profiler_collector._memory_profile_results
    spark.profile.show(number)
    shown = capsys.readouterr().out
    assert f"Profile of UDF<id={number}>" in shown and f"Filename: {__file__}" in shown
    assert "   return one" in shown
    spark.profile.dump(str(tmp_path), type="memory")
    assert os.listdir(tmp_path) == [f"udf_{number}_memory.txt"]
    with pytest.raises(PySparkValueError, match="VALUE_NOT_ALLOWED"):
        spark.profile.render(number, type="memory")
