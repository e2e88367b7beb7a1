"""Many clients of one driver at once."""

import threading
import time

from conftest import serving, session

HEAVY = 8


def deep(spark):
    """A plan that takes long to make, and no time to run."""
    frame = spark.range(1).selectExpr("id AS c0")
    for number in range(1, 250):
        frame = frame.selectExpr("*", f"c{number - 1} + {number} AS c{number}")
    return frame


def test_nobody_waits_for_the_plans_of_others():
    with serving("local-cluster[1,1,512]") as (_, url), session(url) as spark:
        assert spark.range(3).count() == 3
        begun, ends = threading.Barrier(HEAVY + 1), []

        def plan():
            with session(url) as mine:
                frame = deep(mine)
                begun.wait()
                frame.collect()
                ends.append(time.monotonic())

        planners = [threading.Thread(target=plan) for _ in range(HEAVY)]
        for planner in planners:
            planner.start()
        begun.wait()
        answers = 0
        while not ends:
            assert spark.range(5).count() == 5
            answers += 1
        for planner in planners:
            planner.join()
        assert answers > 5, "small queries waited for large plans"
