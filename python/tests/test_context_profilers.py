"""Profilers of a `SparkContext`: of its RDDs, and of functions. Numbers of calls are those that Spark 4.2 counts for the same programs."""

import textwrap

from conftest import program_on

PROGRAM = """
from pyspark import BasicProfiler, SparkConf, SparkContext


class Mine(BasicProfiler):
    def show(self, id):
        print("mine", id)


def heavy(x):
    return 2 * x


def calls():
    for id, profiler, _ in sc.profiler_collector.profilers:
        found = profiler.stats().stats
        print(id, sorted((name, one[0]) for (file, _, name), one in found.items() if file == "program.py"))


conf = SparkConf().set("spark.python.profile", "true")
sc = SparkContext(conf=conf, profiler_cls=BasicProfiler)
"""


def profile_of_rdds(directory, text):
    """What a program prints that has a profiling context."""
    return program_on(directory, PROGRAM + textwrap.dedent(text), "local[2]")


def test_rdds_are_profiled(tmp_path):
    printed = profile_of_rdds(
        tmp_path,
        """
        rdd = sc.parallelize(range(10), 2).map(heavy)
        assert rdd.count() == 10 and rdd.collect() == [2 * x for x in range(10)]
        sc.parallelize(range(1000), 2).map(lambda x: 2 * x).take(10)
        sc.parallelize(range(1000), 2).count()
        calls()
        sc.dump_profiles("profiles")
        import os
        print(sorted(os.listdir("profiles")), sc.profiler_collector.profilers)
        """.replace('"profiles"', repr(str(tmp_path / "profiles"))),
    )
    assert printed.splitlines() == [
        "1 [('heavy', 10)]",
        "2 [('heavy', 10)]",
        "4 [('<lambda>', 10)]",
        "6 []",
        "['rdd_1.pstats', 'rdd_2.pstats', 'rdd_4.pstats', 'rdd_6.pstats'] []",
    ]


def test_profiles_of_rdds_are_shown_on_demand_or_at_the_end(tmp_path):
    text = "sc.parallelize(range(1000), 2).map(heavy).count()\n"
    shown = [profile_of_rdds(tmp_path, text + more) for more in ("sc.show_profiles()", "")]
    for printed in shown:
        assert printed.count("Profile of RDD<id=1>") == 1
        assert "     1000    " in printed and "program.py:10(heavy)" in printed
    # Large closures, too.
    large = "data = bytes(3 << 20)\nsc.parallelize([1, 2], 2).map(lambda x: len(data)).count()\ncalls()\nsc.profiler_collector.profilers.clear()\n"
    assert profile_of_rdds(tmp_path, large) == "1 [('<lambda>', 2)]\n"


def test_a_context_profiles_functions_too(tmp_path):
    # As in Spark with a JVM: each call has a profile.
    printed = profile_of_rdds(
        tmp_path,
        """
        from collections.abc import Iterator
        import pandas as pd
        import warnings
        from pyspark.profiler import UDFBasicProfiler
        from pyspark.sql import SparkSession
        from pyspark.sql.functions import pandas_udf, udf
        spark = SparkSession(sc)
        twice = udf(heavy, "long")
        frame = spark.range(10).select(twice("id"), twice("id"))
        frame.collect()
        frame.collect()
        calls()
        assert all(type(profiler) is UDFBasicProfiler for _, profiler, _ in sc.profiler_collector.profilers)
        sc.show_profiles()
        sc.profiler_collector.profilers.clear()

        @pandas_udf("long")
        def steps(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
            yield from batches

        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            assert spark.range(3).select(steps("id")).count() == 3
        assert any("Profiling UDFs with iterators" in str(one.message) for one in warned)
        assert sc.profiler_collector.profilers == []
        """,
    )
    assert printed.splitlines()[:2] == ["0 [('heavy', 20)]", "1 [('heavy', 20)]"]
    assert "Profile of UDF<id=0>" in printed and "Profile of UDF<id=1>" in printed


MEMORY_PROGRAM = """
import pytest
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession
from pyspark.sql.functions import udf
from pyspark.sql.types import LongType


@udf(LongType())
def twice(x):
    return 2 * x


with SparkContext(conf=SparkConf().set("spark.python.profile.memory", "true")) as sc:
    SparkSession(sc).range(0, 10, 1, 2).select(twice("id")).collect()
    (_, profiler, _), = sc.profiler_collector.profilers
    (lines,) = profiler.stats().values()
    print([measured and measured[2] for _, measured in sorted(lines)])
    sc.show_profiles()
both = SparkConf().setAll([("spark.python.profile", "true"), ("spark.python.profile.memory", "true")])
with SparkContext(conf=both) as sc:
    with pytest.raises(PySparkRuntimeError, match="CANNOT_SET_TOGETHER"):
        SparkSession(sc).range(10).select(twice("id"))
"""


def test_a_context_profiles_the_memory_of_functions(tmp_path):
    printed = program_on(tmp_path, MEMORY_PROGRAM, "local[2]")
    assert printed.splitlines()[0] == "[10, None, 10]"
    assert "Profile of UDF<id=0>" in printed and "    return 2 * x" in printed


def test_profilers_of_functions_and_of_rdds_are_apart(tmp_path):
    printed = profile_of_rdds(
        tmp_path,
        """
        from pyspark.sql import SparkSession
        from pyspark.sql.functions import udf
        spark = SparkSession(sc)
        spark.conf.set("spark.sql.pyspark.udf.profiler", "perf")
        spark.udf.register("heavy", udf(heavy, "long"))
        spark.sql("SELECT heavy(id) AS x FROM range(4)").rdd.map(lambda row: row.x).collect()
        calls()
        for stats in spark.profile.profiler_collector._perf_profile_results.values():
            print(sorted((name, one[0]) for (file, _, name), one in stats.stats.items() if file == "program.py"))
        sc.profiler_collector.profilers.clear()
        """,
    )
    of_rdd, of_function = printed.splitlines()
    assert "('<lambda>', 4)" in of_rdd and "heavy" not in of_rdd
    assert of_function == "[('heavy', 4)]"


def test_a_class_for_profiles_of_rdds(tmp_path):
    text = PROGRAM.replace("profiler_cls=BasicProfiler", "profiler_cls=Mine") + "sc.parallelize([1]).map(heavy).count()\nsc.parallelize([1]).count()\nsc.show_profiles()\n"
    assert program_on(tmp_path, text, "local[2]") == "mine 1\nmine 3\n"


def test_without_the_setting_there_are_no_profiles_of_rdds(tmp_path):
    program_on(
        tmp_path,
        textwrap.dedent(
            """
            import pytest
            from pyspark import SparkConf, SparkContext
            from pyspark.errors import PySparkRuntimeError

            with SparkContext() as sc:
                for action in (sc.show_profiles, lambda: sc.dump_profiles("nowhere")):
                    with pytest.raises(PySparkRuntimeError, match="INCORRECT_CONF_FOR_PROFILE"):
                        action()
            with SparkContext(conf=SparkConf().set("spark.python.profile.memory", "true")) as sc:
                sc.parallelize([1]).map(str).count()
                assert sc.profiler_collector.profilers == []
                sc.show_profiles()
            """
        ),
        "local[2]",
    )
