"""Barrier stages: tasks that run together, wait for each other, and fail together."""

import textwrap

from conftest import program_on

START = """
import os, pathlib, time
from pyspark import BarrierTaskContext, SparkContext, TaskContext
from pyspark.sql import SparkSession

here = pathlib.Path({here!r})
spark = SparkSession.builder.getOrCreate()
sc = spark.sparkContext


def same(found, expected):
    assert found == expected, (found, expected)


def failure(job):
    try:
        job()
    except Exception as raised:
        return str(raised)
    raise AssertionError("it must fail")


"""


def check(tmp_path, text, master="local-cluster[2,2,1024]", *flags):
    program_on(tmp_path, START.format(here=str(tmp_path)) + textwrap.dedent(text), master, *flags)


def test_tasks_wait_for_each_other_and_exchange_messages(tmp_path):
    check(
        tmp_path,
        """
        def together(rows):
            context = BarrierTaskContext.get()
            same(isinstance(TaskContext.get(), BarrierTaskContext), True)
            time.sleep(0.3 * context.partitionId())
            came = time.time()
            context.barrier()
            went = time.time()
            texts = context.allGather(f"task {context.partitionId()}")
            again = context.allGather(str(sum(rows)))
            yield came, went, texts, again, [info.address for info in context.getTaskInfos()]


        found = sc.parallelize(range(8), 4).barrier().mapPartitions(together).collect()
        came, went, texts, sums, infos = zip(*found)
        assert max(came) <= min(went), (came, went)
        same(texts, (["task 0", "task 1", "task 2", "task 3"],) * 4)
        same(sums, (["1", "5", "9", "13"],) * 4)
        same(len(infos[0]), 4)
        same(len(set(infos[0])), 2)
        assert all(info == infos[0] and ":" in info[0] for info in infos), infos
        # Not everywhere.
        assert "BarrierTaskContext" in failure(lambda: sc.parallelize([1], 1).map(lambda _: BarrierTaskContext.get().barrier()).collect())
        """,
    )


def test_frames_have_barriers_too(tmp_path):
    check(
        tmp_path,
        """
        def in_pandas(batches):
            texts = BarrierTaskContext.get().allGather("p")
            for batch in batches:
                yield batch.assign(n=len(texts))


        def in_arrow(batches):
            import pyarrow as pa
            texts = BarrierTaskContext.get().allGather("a")
            for batch in batches:
                yield pa.RecordBatch.from_pydict({"id": batch.column("id"), "n": [len(texts)] * batch.num_rows})


        rows = spark.range(0, 30, 1, 3)
        for mapped in (rows.mapInPandas(in_pandas, "id long, n long", barrier=True), rows.mapInArrow(in_arrow, "id long, n long", barrier=True)):
            same(mapped.groupBy("n").count().collect(), [(3, 30)])
        """,
    )


def test_a_stage_that_writes_a_shuffle_runs_again_as_a_whole(tmp_path):
    check(
        tmp_path,
        """
        def once(rows):
            context = BarrierTaskContext.get()
            (here / f"try-{context.partitionId()}-{context.attemptNumber()}").touch()
            if context.partitionId() == 1 and context.attemptNumber() == 0:
                raise ValueError("the first try")
            texts = context.allGather(str(context.attemptNumber()))
            yield from ((row, texts) for row in rows)


        pairs = sc.parallelize(range(4), 2).barrier().mapPartitions(once)
        found = sorted((key, list(texts)) for key, texts in pairs.groupByKey(2).collect())
        same(found, [(key, [["1", "1"]]) for key in range(4)])
        # The other task of the first try may have been stopped before its function ran.
        same(sorted(file.name for file in here.glob("try-*-1")), ["try-0-1", "try-1-1"])


        def never(rows):
            if BarrierTaskContext.get().partitionId() == 1:
                raise ValueError("always")
            BarrierTaskContext.get().barrier()
            yield from ((row, row) for row in rows)


        text = failure(lambda: sc.parallelize(range(4), 2).barrier().mapPartitions(never).groupByKey(2).count())
        assert "has failed the maximum allowable number of times: 4" in text and "always" in text, text
        """,
    )


def test_one_with_results_fails_its_job(tmp_path):
    check(
        tmp_path,
        """
        def fails(rows):
            if BarrierTaskContext.get().partitionId() == 1:
                raise ValueError("boom")
            BarrierTaskContext.get().barrier()
            yield 1


        began = time.time()
        text = failure(lambda: sc.parallelize(range(4), 2).barrier().mapPartitions(fails).collect())
        assert "Could not recover from a failed barrier ResultStage" in text and "boom" in text, text
        assert time.time() - began < 30
        # The slots are free again.
        same(sc.parallelize(range(8), 4).barrier().mapPartitions(lambda rows: [BarrierTaskContext.get().allGather("x")]).count(), 4)
        """,
    )


def test_too_many_tasks_fail_at_once_and_a_busy_application_delays(tmp_path):
    check(
        tmp_path,
        """
        import threading

        text = failure(lambda: sc.parallelize(range(8), 5).barrier().mapPartitions(lambda rows: rows).collect())
        assert "[SPARK-24819]: Barrier execution mode does not allow run a barrier stage that requires more slots" in text, text


        def slow(row):
            time.sleep(0.5)
            return time.time()


        ended = []
        other = threading.Thread(target=lambda: ended.extend(sc.parallelize(range(3), 3).map(slow).collect()))
        other.start()
        while not sc.statusTracker().getActiveStageIds():
            time.sleep(0.01)
        began = sc.parallelize(range(4), 4).barrier().mapPartitions(lambda rows: [time.time()]).collect()
        other.join()
        assert min(began) >= max(ended), (began, ended)
        """,
    )


def test_tasks_that_never_come_together_are_given_up(tmp_path):
    check(
        tmp_path,
        """
        def uneven(rows):
            if BarrierTaskContext.get().partitionId() == 0:
                BarrierTaskContext.get().barrier()
            yield 1


        text = failure(lambda: sc.parallelize(range(2), 2).barrier().mapPartitions(uneven).collect())
        assert "didn't get all barrier sync requests for barrier epoch 0" in text and "within 1 second(s)" in text, text


        def mixed(rows):
            context = BarrierTaskContext.get()
            context.barrier() if context.partitionId() == 0 else context.allGather("x")
            yield 1


        text = failure(lambda: sc.parallelize(range(2), 2).barrier().mapPartitions(mixed).collect())
        assert "Different barrier sync types found" in text, text
        """,
        "local[2]",
        "--conf",
        "spark.barrier.sync.timeout=1s",
    )
