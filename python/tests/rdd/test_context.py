"""Contexts, broadcast values, accumulators, properties, files and DataFrames."""

import threading

import pytest
from pyspark import InheritableThread, SparkConf, SparkContext, SparkFiles, TaskContext, inheritable_thread_target
from pyspark.accumulators import AccumulatorParam
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import Row, SparkSession


def test_the_names_are_where_programs_look_for_them(remote):
    import pyspark
    from pyspark.broadcast import Broadcast
    from pyspark.context import SparkContext as Context
    from pyspark.rdd import RDD, portable_hash
    from pyspark.status import StatusTracker

    assert (Context, RDD, Broadcast) == (pyspark.SparkContext, pyspark.RDD, pyspark.Broadcast)
    assert StatusTracker is pyspark.StatusTracker and portable_hash((1, None)) == portable_hash((1, None))
    assert pyspark.util.is_remote_only() is not hasattr(pyspark, "core")


def test_there_is_one_context(sc):
    assert SparkContext.getOrCreate() is sc and sc._session.sparkContext is sc
    assert SparkSession(sc) is sc._session
    with pytest.raises(ValueError, match="Cannot run multiple SparkContexts at once"):
        SparkContext("local", "another")


def test_settings(sc):
    assert sc.appName == "rdd" and sc.getConf().get("spark.app.name") == "rdd"
    assert sc.defaultParallelism >= 1 and sc.defaultMinPartitions <= 2
    assert sc.startTime > 1_500_000_000_000 and sc.version.count(".") == 2 and sc.applicationId
    assert repr(sc).startswith("<SparkContext master=")
    sc.setLogLevel("WARN")
    assert sc.sparkUser()


def test_broadcast_values(sc):
    value = sc.broadcast({"a": list(range(100))})
    rdd = sc.parallelize(range(10), 3)
    assert rdd.map(lambda n: value.value["a"][n]).collect() == list(range(10))
    assert value.value["a"][1] == 1
    value.unpersist()
    assert rdd.map(lambda n: len(value.value)).collect() == [1] * 10
    with pytest.raises(Exception, match="INVALID_BROADCAST_OPERATION"):
        rdd.map(lambda n: value.destroy()).collect()
    value.destroy()
    for use in (lambda: value.value, value.destroy, lambda: rdd.map(lambda n: value.value).collect()):
        with pytest.raises(Exception, match="after it was destroyed"):
            use()


def test_accumulators(sc):
    class Longest(AccumulatorParam):
        def zero(self, value):
            return ""

        def addInPlace(self, left, right):  # noqa: N802
            return max(left, right, key=len)

    total, longest, ratio = sc.accumulator(10), sc.accumulator("", Longest()), sc.accumulator(0.0)

    def add(n):
        total.add(n)
        longest.add("x" * n)
        ratio.add(0.5)

    sc.parallelize(range(5), 3).foreach(add)
    assert (total.value, longest.value, ratio.value) == (20, "xxxx", 2.5)
    with pytest.raises(Exception, match="VALUE_NOT_ACCESSIBLE"):
        sc.parallelize([1]).map(lambda n: total.value).collect()
    with pytest.raises(TypeError, match="No default accumulator param"):
        sc.accumulator("text")


def test_properties_belong_to_a_thread_and_are_inherited(sc):
    sc.setJobGroup("mine", "what it does")
    try:
        assert sc.getLocalProperty("spark.job.description") == "what it does"
        found = []
        read_here = lambda: found.append(sc.getLocalProperty("spark.jobGroup.id"))  # noqa: E731
        for thread in (
            threading.Thread(target=read_here),
            InheritableThread(target=read_here),
            threading.Thread(target=inheritable_thread_target(read_here)),
        ):
            thread.start()
            thread.join()
        assert found == [None, "mine", "mine"]
    finally:
        for key in ("spark.jobGroup.id", "spark.job.description", "spark.job.interruptOnCancel"):
            sc.setLocalProperty(key, None)
    sc.addJobTag("a")
    assert sc.getJobTags() == {"a"}
    sc.clearJobTags()
    sc.cancelJobGroup("nobody's")
    sc.cancelAllJobs()


def test_properties_reach_tasks(sc):
    sc.setLocalProperty("color", "red")
    try:
        read = sc.parallelize([1], 1).map(lambda _: TaskContext.get().getLocalProperty("color"))
        assert read.collect() == ["red"]
    finally:
        sc.setLocalProperty("color", None)


def test_files_of_the_program(sc, tmp_path):
    (tmp_path / "data.txt").write_text("hello")
    (tmp_path / "added_module.py").write_text("def answer():\n    return 42\n")
    sc.addFile(str(tmp_path / "data.txt"))
    sc.addPyFile(str(tmp_path / "added_module.py"))
    assert open(SparkFiles.get("data.txt")).read() == "hello"

    def use(_):
        from added_module import answer

        with open(SparkFiles.get("data.txt")) as file:
            return file.read(), answer()

    assert sc.parallelize([1], 1).map(use).collect() == [("hello", 42)]
    assert sc.listFiles[0] == f"file:{tmp_path}/data.txt"
    with pytest.raises(PySparkRuntimeError, match="is a directory and recursive"):
        sc.addFile(str(tmp_path))


def test_saved_rdds(sc, tmp_path):
    rdd = sc.parallelize(["a", "b", 3, b"d"], 2)
    rdd.saveAsTextFile(str(tmp_path / "text"))
    assert sorted(path.name for path in (tmp_path / "text").iterdir()) == ["_SUCCESS", "part-00000", "part-00001"]
    assert (tmp_path / "text" / "part-00001").read_bytes() == b"3\nd\n"
    assert sorted(sc.textFile(str(tmp_path / "text")).collect()) == ["3", "a", "b", "d"]
    assert sorted(sc.textFile(str(tmp_path / "text"), use_unicode=False).collect()) == [b"3", b"a", b"b", b"d"]
    with pytest.raises(PySparkRuntimeError, match="already exists"):
        rdd.saveAsTextFile(str(tmp_path / "text"))
    rdd.saveAsTextFile(str(tmp_path / "zipped"), "org.apache.hadoop.io.compress.GzipCodec")
    assert (tmp_path / "zipped" / "part-00000.gz").exists()
    rdd.saveAsPickleFile(str(tmp_path / "pickles"), 1)
    assert sc.pickleFile(str(tmp_path / "pickles")).collect() == ["a", "b", 3, b"d"]
    whole = dict(sc.wholeTextFiles(str(tmp_path / "text")).collect())
    assert sorted(whole.values()) == ["3\nd\n", "a\nb\n"] and all(name.startswith("file:/") for name in whole)
    (tmp_path / "records").write_bytes(b"aabbcc")
    assert sc.binaryRecords(str(tmp_path / "records"), 2).collect() == [b"aa", b"bb", b"cc"]


def test_frames_and_rdds(spark, sc):
    frame = spark.range(10)
    assert frame.rdd.map(lambda row: row.id + 1).sum() == 55
    assert frame.rdd.getNumPartitions() >= 1
    rows = sc.parallelize([Row(a=1, b="x", c=None), Row(a=2, b="y", c=[1])], 2)
    made = rows.toDF()
    assert made.columns == ["a", "b", "c"] and made.collect() == rows.collect()
    assert made.rdd.collect() == rows.collect()
    assert spark.createDataFrame(sc.parallelize([(1, "x")]), ["n", "s"]).collect() == [Row(n=1, s="x")]
    assert spark.createDataFrame(sc.parallelize([1, 2], 1), "int").collect() == [Row(value=1), Row(value=2)]
    assert spark.createDataFrame(sc.parallelize([{"b": 1, "a": "x"}]), samplingRatio=1.0).collect() == [Row(a="x", b=1)]
    with pytest.raises(ValueError, match="CANNOT_DETERMINE_TYPE|cannot be determined"):
        sc.parallelize([(None,)]).toDF()
    seen = sc.accumulator(0)
    frame.foreach(lambda row: seen.add(row.id))
    frame.foreachPartition(lambda rows: seen.add(sum(1 for _ in rows)))
    assert seen.value == 55


def test_a_stopped_context_does_nothing_more(remote, sc):
    rdd = sc.parallelize([1])
    sc.stop()
    for use in (rdd.count, lambda: sc.broadcast(1), lambda: sc.setJobGroup("a", "b")):
        with pytest.raises(PySparkRuntimeError, match="stopped SparkContext"):
            use()
    with SparkContext(conf=SparkConf().setAppName("next").setMaster("local[2]")) as following:
        assert following is not sc and following.parallelize([1, 2]).sum() == 3
        assert following.appName == "next"
