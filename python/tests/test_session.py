"""Sessions: settings, isolation, tags and interrupts, large local data, reattached results, error details."""

import subprocess
import sys
import threading
import time
import uuid

import pytest
from checks import fails
from conftest import eventually, session
from pyspark.errors import AnalysisException, PySparkException, SparkNoSuchElementException
from pyspark.sql import Row, SparkSession


def test_the_version_is_that_of_spark_4(spark):
    assert spark.version.startswith("4.")


def test_settings_are_read_and_written(spark):
    conf = spark.conf
    assert conf.get("spark.sql.shuffle.partitions") == "200"
    conf.set("spark.sql.shuffle.partitions", 5)
    assert conf.get("spark.sql.shuffle.partitions") == "5"
    conf.unset("spark.sql.shuffle.partitions")
    assert conf.get("spark.sql.shuffle.partitions") == "200"
    conf.set("my.own", "x")
    assert conf.get("my.own") == "x" and conf.getAll["my.own"] == "x"
    assert conf.get("no.such.key", "d") == "d" and conf.get("no.such.key", None) is None
    assert conf.isModifiable("spark.sql.shuffle.partitions") and not conf.isModifiable("spark.sql.warehouse.dir")
    fails(lambda: conf.get("no.such.key"), SparkNoSuchElementException, "SQL_CONF_NOT_FOUND")
    with pytest.raises(AnalysisException, match="CANNOT_MODIFY"):
        conf.set("spark.sql.warehouse.dir", "/x")


def test_sessions_share_nothing_but_the_server(server):
    with session(server) as one, session(server) as two:
        one.conf.set("spark.sql.shuffle.partitions", "5")
        one.range(1).createOrReplaceTempView("mine")
        assert two.conf.get("spark.sql.shuffle.partitions") == "200"
        assert not two.catalog.tableExists("mine")
        assert one.session_id != two.session_id


def test_a_clone_starts_with_what_the_session_has(spark):
    spark.conf.set("my.own", "x")
    spark.range(3).createOrReplaceTempView("v")
    clone = spark.cloneSession()
    try:
        assert clone.conf.get("my.own") == "x" and clone.table("v").count() == 3
        clone.sql("drop view v")
        assert spark.table("v").count() == 3
    finally:
        clone.client.close()


def test_a_session_that_was_released_is_gone(server):
    one = SparkSession.builder.remote(server).create()
    one.range(1).collect()
    one.client.release_session()
    with pytest.raises(PySparkException, match="SESSION_CLOSED|SESSION_CHANGED"):
        one.range(1).collect()
    one.client.close()


SLOW = "select count(*) from range(0, 100000000000, 1, 8) where hash(id) = 17 and hash(id + 1) = 18"


def interrupted(spark, interrupt, query=SLOW):
    """Runs a long job and interrupts it once it has started; returns the result of `interrupt` and the error raised."""
    seen, raised = threading.Event(), []

    def run():
        spark.addTag("slow")
        try:
            spark.sql(query).collect()
        except Exception as error:
            raised.append(error)

    spark.registerProgressHandler(lambda stages, **_: seen.set() if stages else None)
    thread = threading.Thread(target=run)
    thread.start()
    assert seen.wait(30)
    begun = time.monotonic()
    stopped = interrupt()
    thread.join(30)
    assert raised and not thread.is_alive() and time.monotonic() - begun < 20
    return stopped, raised[0]


def test_all_operations_are_interrupted(server):
    with session(server) as spark:
        stopped, error = interrupted(spark, spark.interruptAll)
        assert len(stopped) == 1 and "OPERATION_CANCELED" in str(error)
        assert spark.range(3).count() == 3


NESTED_LOOP = "select count(*) from range(0, 400000, 1, 8) a join range(60000) b on a.id * b.id % 7 = {}"
PAUSELESS = [
    ("a nested loop that yields rows", NESTED_LOOP.format(3)),
    ("a nested loop that yields none", NESTED_LOOP.format(8)),
    ("every row with every row", "select sum(a.id + b.id) from range(0, 4000000, 1, 8) a cross join range(60000) b"),
    ("a join on few keys", "select sum(a.id + b.id) from range(0, 4000000, 1, 8) a join range(100000) b on a.id % 2 = b.id % 2"),
    ("arrays made rows", "select sum(n) from (select explode(sequence(id, id + 1000)) n from range(0, 80000000, 1, 8))"),
]


@pytest.mark.parametrize("query", [pytest.param(query, id=name) for name, query in PAUSELESS])
def test_a_job_that_computes_without_a_pause_gives_its_slots_back(server, query):
    """The job occupies all slots for minutes; after it is interrupted, other jobs can use them."""
    with session(server) as spark, session(server) as another:
        stopped, error = interrupted(spark, spark.interruptAll, query)
        assert len(stopped) == 1 and "OPERATION_CANCELED" in str(error)
        answers = []
        others = threading.Thread(target=lambda: answers.append(another.range(0, 100, 1, 4).count()), daemon=True)
        others.start()
        others.join(20)
        assert answers == [100]


ALONE = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
spark.registerProgressHandler(lambda stages, **_: print("begun", flush=True) if stages else None)
spark.sql(sys.argv[2]).collect()
"""


def test_a_query_whose_client_is_gone_gives_its_slots_back(server, tmp_path):
    """A killed client cannot cancel its query, which would occupy all slots for minutes."""
    program = tmp_path / "alone.py"
    program.write_text(ALONE)
    client = subprocess.Popen([sys.executable, program, server, NESTED_LOOP.format(3)], stdout=subprocess.PIPE, text=True)
    try:
        assert client.stdout.readline() == "begun\n"
    finally:
        client.kill()
        client.wait()
    with session(server) as another:
        answers = []
        others = threading.Thread(target=lambda: answers.append(another.range(0, 100, 1, 4).count()), daemon=True)
        others.start()
        others.join(30)
        assert answers == [100]


def test_operations_are_interrupted_by_tag(server):
    with session(server) as spark:
        assert spark.interruptTag("other") == []
        stopped, error = interrupted(spark, lambda: spark.interruptTag("slow"))
        assert len(stopped) == 1 and "OPERATION_CANCELED" in str(error)


def test_an_operation_is_interrupted_by_id(server):
    with session(server) as spark:
        assert spark.interruptOperation(str(uuid.uuid4())) == []


def test_results_that_come_in_pieces_are_whole(server):
    with session(server) as spark:
        spark.conf.set("spark.connect.execute.reattachable.senderMaxStreamDuration", "1s")
        spark.conf.set("spark.connect.execute.reattachable.senderMaxStreamSize", "123")
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "100")
        rows = spark.range(0, 5000, 1, 4).selectExpr("id", "repeat('x', 50) as t").collect()
        assert [row.id for row in rows] == list(range(5000))


def test_large_local_data_goes_as_artifacts(spark):
    rows = [(number, "x" * 50) for number in range(40000)]
    frame = spark.createDataFrame(rows, "n int, t string")
    assert frame.selectExpr("count(*)", "sum(n)", "max(length(t))").first()[:] == (40000, sum(range(40000)), 50)


def test_a_large_plan_is_compressed(spark):
    spark.conf.set("spark.connect.session.planCompression.threshold", "1000")
    values = ", ".join(f"({number})" for number in range(2000))
    assert spark.sql(f"select sum(col1) from values {values}").first()[0] == sum(range(2000))


def test_jobs_of_one_session_run_side_by_side(spark):
    answers = {}

    def run(number):
        answers[number] = spark.range(1000).selectExpr(f"sum(id) + {number}").first()[0]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == {number: 499500 + number for number in range(8)}


def test_an_error_tells_where_in_the_text_it_is(spark):
    error = fails(lambda: spark.sql("select id,\n  nothing from range(3)").collect(), AnalysisException, "UNRESOLVED_COLUMN.WITH_SUGGESTION")
    assert error.getErrorClass() == "UNRESOLVED_COLUMN.WITH_SUGGESTION"
    assert "`nothing`" in error.getMessage()


def test_progress_tells_the_bytes_read_from_files(spark, tmp_path):
    bytes_read = []
    spark.range(0, 100000, 1, 3).write.parquet(str(tmp_path / "parquet"))
    spark.range(0, 100000, 1, 3).write.csv(str(tmp_path / "csv"))
    spark.registerProgressHandler(lambda stages, **_: bytes_read.append(sum(stage.num_bytes_read for stage in stages)))
    try:
        size = sum(file.stat().st_size for file in (tmp_path / "parquet").glob("*.parquet"))
        spark.read.parquet(str(tmp_path / "parquet")).selectExpr("sum(id)").collect()
        assert 0 < size // 2 < bytes_read[-1] <= 2 * size, (size, bytes_read)
        size = sum(file.stat().st_size for file in (tmp_path / "csv").glob("*.csv"))
        frame = spark.read.schema("id long").csv(str(tmp_path / "csv"))
        bytes_read.clear()
        frame.selectExpr("sum(id)").collect()
        assert bytes_read[-1] == size
        # As in Spark, generated rows and shuffle reads are not counted.
        bytes_read.clear()
        spark.range(1000).repartition(3).selectExpr("sum(id)").collect()
        assert bytes_read[-1] == 0
    finally:
        spark.clearProgressHandlers()


def test_progress_ends_with_all_tasks_done(spark):
    seen = []
    spark.registerProgressHandler(lambda stages, done, **_: seen.append((stages, done)))
    assert spark.range(0, 1000000, 1, 4).selectExpr("sum(hash(id))").collect()
    stages, _ = eventually(lambda: seen[-1] if seen else None)
    assert all(stage.num_completed_tasks <= stage.num_tasks for stage in stages)


def test_a_row_is_a_row(spark):
    assert spark.createDataFrame([Row(a=1, b="x")]).first().asDict() == {"a": 1, "b": "x"}
