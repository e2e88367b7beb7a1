"""Writes to Python data sources on a real driver and executors; the answers are those of Spark 4.2 unless a comment says otherwise."""

import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import descendants, eventually, run, serving, session
from pyspark import cloudpickle
from pyspark.errors import AnalysisException, PySparkException, PythonException, UnsupportedOperationException
from pyspark.sql.datasource import DataSource, DataSourceWriter, WriterCommitMessage

try:
    from pyspark.sql.datasource import DataSourceArrowWriter
except ImportError:  # PySpark 4.0
    DataSourceArrowWriter = None

# Workers do not have this module.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

_numbers = itertools.count()


def raising(*_):
    raise ValueError("no luck")


def registered(spark, **methods):
    """Registers a source with these methods; returns its name."""
    named = f"Sink{next(_numbers)}"
    parts = {"name": classmethod(lambda cls: named), "schema": lambda self: "a int, b string", **methods}
    spark.dataSource.register(type("Source", (DataSource,), parts))
    return named


class Message(WriterCommitMessage):
    def __init__(self, rows):
        self.rows = rows


class Writer(DataSourceWriter):
    def __init__(self, log, failing=()):
        self.log, self.failing = log, failing

    def note(self, *what):
        with open(self.log, "a") as file:
            file.write(" ".join(map(str, what)) + "\n")

    def check(self, what):
        if what in self.failing:
            raise ValueError(f"no {what}")

    def write(self, iterator):
        rows = [tuple(row) for row in iterator]
        if any(row[0] == 3 for row in rows):
            self.check("write")
        return Message(rows)

    def commit(self, messages):
        self.check("commit")
        self.note("commit", [one.rows for one in messages])

    def abort(self, messages):
        self.note("abort", [one and one.rows for one in messages])
        self.check("abort")


@pytest.fixture
def log(tmp_path):
    class Log(str):
        def lines(self):
            try:
                with open(self) as file:
                    return file.read().splitlines()
            except FileNotFoundError:
                return []

    return Log(tmp_path / "log")


@pytest.fixture
def frame(spark):
    return spark.range(0, 4, 1, 3).selectExpr("id", "cast(id as string) s")


PARTS = "[[(0, '0')], [(1, '1')], [(2, '2'), (3, '3')]]"


def writing(spark, log, failing=(), kind=Writer):
    """Registers a source that is written by writers of this kind; returns its name."""
    path = str(log)

    def writer(self, schema, overwrite):
        made = kind(path, failing)
        made.note(sorted(self.options.items()), schema.simpleString(), overwrite)
        return made

    return registered(spark, writer=writer)


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_writes(spark, frame, log, mode):
    frame.write.format(writing(spark, log)).mode(mode).option("Foo", 1).save("/x")
    assert log.lines() == [
        f"[('foo', '1'), ('path', '/x')] struct<id:bigint,s:string> {mode == 'overwrite'}",
        f"commit {PARTS}",
    ]


@pytest.mark.parametrize(("mode", "shown"), [(None, "ErrorIfExists"), ("error", "ErrorIfExists"), ("ignore", "Ignore")])
def test_modes_that_sources_do_not_have(spark, frame, log, mode, shown):
    name = writing(spark, log)
    writer = frame.write.format(name)
    with pytest.raises(AnalysisException) as caught:
        (writer.mode(mode) if mode else writer).save()
    assert caught.value.getCondition() == "UNSUPPORTED_DATA_SOURCE_SAVE_MODE"
    assert caught.value.getMessageParameters() == {"source": name, "createMode": f'"{shown}"'}
    assert log.lines() == []


def test_writes_of_no_rows(spark, frame, log):
    name = writing(spark, log)
    frame.where("id > 100").write.format(name).mode("append").save()
    assert log.lines()[1:] == ["commit [[], [], []]"]
    spark.createDataFrame([], "a int").write.format(name).mode("append").save()
    assert log.lines()[2] == "[] struct<a:int> False"
    assert log.lines()[3].startswith("commit [[]")


def test_a_failing_partition_aborts(spark, frame, log):
    with pytest.raises(PythonException, match="no write"):
        frame.write.format(writing(spark, log, ["write"])).mode("append").save()
    (line,) = log.lines()[1:]
    assert line.startswith("abort [") and line.endswith(", None]")
    assert line in [f"abort [{a}, {b}, None]" for a in ("[(0, '0')]", None) for b in ("[(1, '1')]", None)]


def test_a_failing_commit_aborts(spark, frame, log):
    with pytest.raises(AnalysisException) as caught:
        frame.write.format(writing(spark, log, ["commit"])).mode("append").save()
    assert caught.value.getCondition() == "PYTHON_DATA_SOURCE_ERROR"
    found = caught.value.getMessageParameters()
    assert (found["action"], found["type"]) == ("commit or abort", "write")
    assert "no commit" in found["msg"]
    assert log.lines()[1:] == [f"abort {PARTS}"]


def test_a_failing_abort_hides_nothing(spark, frame, log):
    # Spark says that the job has failed, and has the error as its cause.
    with pytest.raises(PythonException, match="no write"):
        frame.write.format(writing(spark, log, ["write", "abort"])).mode("append").save()


@pytest.mark.parametrize(
    ("writer", "part"),
    [
        (None, "[NOT_IMPLEMENTED] writer is not implemented."),
        (raising, ""),
        (lambda self, schema, overwrite: 5, "Expected an instance of DataSourceWriter, but got 'int'."),
    ],
)
def test_failures_of_writers(spark, frame, writer, part):
    name = registered(spark, **({"writer": writer} if writer else {}))
    with pytest.raises(AnalysisException) as caught:
        frame.write.format(name).mode("append").save()
    found = caught.value.getMessageParameters()
    assert (found["action"], found["type"]) == ("initialize", "writer")
    assert part in found["msg"]


class Forgetful(Writer):
    def write(self, iterator):
        return None


def test_a_write_without_a_message(spark, frame, log):
    with pytest.raises(PythonException, match="Expected 'WriterCommitMessage' as the return type of the `write` method, but got NoneType."):
        frame.write.format(writing(spark, log, kind=Forgetful)).mode("append").save()
    assert log.lines()[1:] == ["abort [None, None, None]"]


@pytest.mark.skipif(DataSourceArrowWriter is None, reason="PySpark has no Arrow writers")
def test_writes_of_batches(spark, frame, log):
    class ArrowWriter(Writer, DataSourceArrowWriter):
        def write(self, iterator):
            return Message([one for batch in iterator for one in batch.to_pylist()])

    frame.coalesce(1).write.format(writing(spark, log, kind=ArrowWriter)).mode("append").save()
    assert log.lines()[1:] == ["commit [" + str([{"id": n, "s": str(n)} for n in range(4)]) + "]"]


def test_what_writes_do_not_have(spark, frame, log):
    name = writing(spark, log)
    for write in (
        lambda: frame.write.format(name).mode("append").partitionBy("id").save(),
        lambda: frame.write.format(name).mode("append").saveAsTable("t"),
        lambda: spark.sql(f"CREATE TABLE t USING {name}"),
    ):
        with pytest.raises(UnsupportedOperationException):
            write()
    assert log.lines() == []


def executors(server):
    return [pid for pid, line in descendants(server.pid).items() if line.startswith("firesteel executor")]


def in_background(run, *arguments):
    """Runs something in a thread. What is returned joins it, and returns what was raised."""
    raised = []

    def body():
        try:
            run(*arguments)
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=body)
    thread.start()

    def joined():
        thread.join(60)
        assert not thread.is_alive()
        return raised[0] if raised else None

    return joined


class Slow(Writer):
    """Notes that it commits, and never comes to an end of it."""

    def commit(self, messages):
        self.note("committing")
        time.sleep(1000)


def is_in_doubt(error, name):
    assert isinstance(error, AnalysisException), error
    assert error.getCondition() == "PYTHON_DATA_SOURCE_ERROR"
    return f'It is unknown whether the write to the data source "{name}" has been committed' in error.getMessageParameters()["msg"]


def test_a_commit_that_is_lost_is_in_doubt(log):
    # In Spark the driver commits: it ends with it.
    with serving("local-cluster[1,2,1024]") as (server, url), session(url) as spark:
        name = writing(spark, log, kind=Slow)
        done = in_background(spark.range(4).write.format(name).mode("append").save)
        eventually(lambda: "committing" in log.lines())
        (victim,) = executors(server)
        os.kill(victim, signal.SIGKILL)
        assert is_in_doubt(done(), name)
        assert spark.range(4).count() == 4
        assert log.lines()[1:] == ["committing"]


class Crashing(Writer):
    def commit(self, messages):
        self.note("committing")
        os._exit(3)


def test_a_commit_that_crashes_is_in_doubt(spark, frame, log):
    # Spark aborts.
    name = writing(spark, log, kind=Crashing)
    with pytest.raises(AnalysisException) as caught:
        frame.write.format(name).mode("append").save()
    assert is_in_doubt(caught.value, name)
    assert "exit code 3" in caught.value.getMessageParameters()["msg"]
    assert log.lines()[1:] == ["committing"]


class Exiting(Writer):
    def commit(self, messages):
        self.note("committing")
        sys.exit("no commit")


def test_a_commit_that_exits_aborts(spark, frame, log):
    with pytest.raises(AnalysisException, match="no commit") as caught:
        frame.write.format(writing(spark, log, kind=Exiting)).mode("append").save()
    assert caught.value.getCondition() == "PYTHON_DATA_SOURCE_ERROR"
    assert log.lines()[1:] == ["committing", f"abort {PARTS}"]


class Waiting(Writer):
    """The task with the last rows waits, or the commit: until somebody makes a file."""

    def wait(self, what):
        while what in self.failing and not os.path.exists(self.log + ".go"):
            time.sleep(0.02)

    def write(self, iterator):
        rows = [tuple(row) for row in iterator]
        if rows[-1][0] == 3:
            self.note("writing")
            self.wait("write")
        return Message(rows)

    def commit(self, messages):
        self.note("committing")
        self.wait("commit")
        self.note("committed")


# The messages of the tasks that are done when the last one waits.
DONE = "[[(0, '0')], [(1, '1')], None]"


def tasks_done(url):
    """Tasks that are done of the last stage of the last job."""
    everything = json.loads(run("status", "--json").stdout)
    (found,) = [one for one in everything if one["connect"].split("://")[1] in url]
    return found["jobs"][-1]["stages"][-1]["done"]


def start(frame, spark, log, waits):
    name = writing(spark, log, [waits], Waiting)
    return in_background(frame.write.format(name).mode("append").save)


def interrupt_tag(spark):
    return spark.interruptTag("it")


@pytest.mark.parametrize("interrupt", [lambda spark: spark.interruptAll(), interrupt_tag])
def test_an_interrupted_write_is_aborted(server, spark, frame, log, interrupt):
    # Spark aborts before the program hears of the interruption.
    name = writing(spark, log, ["write"], Waiting)

    def write():
        spark.addTag("it")
        frame.write.format(name).mode("append").save()

    done = in_background(write)
    eventually(lambda: "writing" in log.lines() and tasks_done(server) == 2)
    assert len(interrupt(spark)) == 1
    error = done()
    assert isinstance(error, PySparkException) and error.getCondition() == "OPERATION_CANCELED"
    eventually(lambda: log.lines()[2:] == [f"abort {DONE}"])
    # The task that waits was stopped, too.
    assert spark.range(0, 8, 1, 8).count() == 8
    assert log.lines()[1:] == ["writing", f"abort {DONE}"]


def test_a_write_of_a_session_that_is_closed_is_aborted(server, log):
    with session(server) as spark:
        done = start(spark.range(0, 4, 1, 3).selectExpr("id", "cast(id as string) s"), spark, log, "write")
        eventually(lambda: "writing" in log.lines() and tasks_done(server) == 2)
    assert done() is not None
    eventually(lambda: log.lines()[2:] == [f"abort {DONE}"])


PROGRAM = """
import sys
from pyspark.sql import SparkSession
from test_data_source_writes import Waiting, writing

spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
name = writing(spark, sys.argv[2], ["write"], Waiting)
spark.range(0, 4, 1, 3).selectExpr("id", "cast(id as string) s").write.format(name).mode("append").save()
"""


def test_a_write_of_a_program_that_is_killed_is_aborted(server, log, tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parent)}
    with subprocess.Popen([sys.executable, path, server, log], env=environment) as program:
        try:
            eventually(lambda: "writing" in log.lines() and tasks_done(server) == 2)
        finally:
            program.kill()
    eventually(lambda: log.lines()[2:] == [f"abort {DONE}"])


def test_a_commit_that_is_interrupted_comes_to_its_end(spark, frame, log):
    done = start(frame, spark, log, "commit")
    eventually(lambda: "committing" in log.lines())
    assert len(spark.interruptAll()) == 1
    assert done().getCondition() == "OPERATION_CANCELED"
    assert log.lines()[2:] == ["committing"]
    pathlib.Path(log + ".go").touch()
    eventually(lambda: log.lines()[3:] == ["committed"])
    assert spark.range(4).count() == 4
    assert log.lines()[2:] == ["committing", "committed"]
