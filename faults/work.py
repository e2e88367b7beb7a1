"""What runs while a fault happens: queries whose tasks take a known time, say when they run, and have a known answer."""

ROWS = 8000
KEYS = 40


def marked(marks, stage, seconds=0.0):
    """A function over the batches of a task which marks the start and the end of each attempt."""

    def run(batches):
        import os
        import time
        import uuid

        from pyspark import TaskContext

        task, attempt = TaskContext.get().partitionId(), uuid.uuid4().hex
        # The parent of a worker is the fork server, and its parent the executor.
        with open(f"/proc/{os.getppid()}/stat") as stat:
            executor = stat.read().rsplit(")", 1)[1].split()[1]

        def mark(what):
            with open(marks, "a") as file:
                file.write(f"{time.monotonic()} {what} {stage} {task} {executor} {attempt}\n")

        mark("start")
        time.sleep(seconds)
        yield from batches
        mark("end")

    return run


def maps(spark, marks, tasks=8, seconds=0.2, rows=ROWS):
    """Rows of two columns, made by marked tasks."""
    frame = spark.range(0, rows, 1, tasks).selectExpr("id", f"id % {KEYS} as k")
    return frame.mapInArrow(marked(str(marks.path), "map", seconds), "id long, k long")


def grouped(spark, marks, tasks=8, seconds=0.2, reduces=0.2, rows=ROWS):
    """Sums by key; both stages are marked."""
    sums = maps(spark, marks, tasks, seconds, rows).groupBy("k").sum("id").toDF("k", "total")
    return sums.mapInArrow(marked(str(marks.path), "reduce", reduces), "k long, total long")


def sums(rows=ROWS):
    """The answer of `grouped`."""
    return sorted((key, sum(range(key, rows, KEYS))) for key in range(KEYS))


def answer(frame):
    return sorted(map(tuple, frame.collect()))
