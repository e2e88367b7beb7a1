"""How long shuffles stay: those that no job uses any more, and those of applications that are dead."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import pytest
from conftest import FIRESTEEL, eventually, serving, session
from test_faults import FOUR, executors, status

# Time for which outputs stay in any case.
LEAST = 10


def grouped(spark, groups=1000):
    """A query with one shuffle, which is another one for each number of groups."""
    return spark.range(0, 20000, 1, 6).selectExpr(f"id % {groups} as k", "id").groupBy("k").sum("id")


def answer(frame):
    return sorted(map(tuple, frame.collect()))


def outputs(base):
    """The map outputs of the only application there, by shuffle."""
    found = {}
    for path in base.glob("firesteel-*/shuffle/*/*.out"):
        found.setdefault(path.parent.name, []).append(path)
    return found


def test_outputs_that_no_job_uses_go_after_the_time_and_caches_stay(tmp_path):
    conf = {**FOUR, "spark.local.dir": str(tmp_path), "firesteel.shuffle.retain.time": "1s"}
    with serving("local-cluster[2,1,512]", **conf) as (server, url), session(url) as spark:
        cached = grouped(spark, 10).cache()
        assert cached.count() == 10
        plain = grouped(spark)
        expected = answer(plain)
        assert len(outputs(tmp_path)) > 2, "the cache, its input, and the other one"
        eventually(lambda: len(outputs(tmp_path)) == 1, LEAST + 10)
        assert answer(plain) == expected
        assert [stage["state"] for stage in status(url)["jobs"][-1]["stages"]] == ["done", "done"], "it is made again"
        assert cached.count() == 10
        assert "skipped" in [stage["state"] for stage in status(url)["jobs"][-1]["stages"]], "the cache is read"


def test_a_volume_that_holds_too_much_loses_what_was_not_used_for_longest(tmp_path):
    conf = {**FOUR, "spark.local.dir": str(tmp_path)}
    with serving("local-cluster[2,1,512]", **conf) as (server, url), session(url) as spark:
        answer(grouped(spark, 100))
        (size,) = [sum(path.stat().st_size for path in paths) for paths in outputs(tmp_path).values()]
    conf["firesteel.shuffle.retain.size"] = f"{size * 2}b"
    with serving("local-cluster[2,1,512]", **conf) as (server, url), session(url) as spark:
        frames = [grouped(spark, groups) for groups in (101, 102, 103)]
        first, expected, last = [answer(frame) for frame in frames]
        oldest, *others = sorted(outputs(tmp_path), key=lambda name: outputs(tmp_path)[name][0].stat().st_mtime)
        # The first one is used again: the second one is not for longest.
        assert answer(frames[0]) == first
        eventually(lambda: len(outputs(tmp_path)) < 3, LEAST + 10)
        time.sleep(2)
        assert set(outputs(tmp_path)) == {oldest, others[1]}
        assert answer(frames[1]) == expected


def mark(directory, seconds, keep=0):
    """Makes it the directory of an application whose last sign of life is that many seconds old."""
    (directory / "shuffle").mkdir(parents=True)
    (directory / "shuffle" / "0.out").write_text("bytes")
    alive = directory / "alive"
    alive.write_text(json.dumps({"keep_seconds": keep}))
    at = time.time() - seconds
    os.utime(alive, (at, at))
    return alive


def test_what_dead_applications_left_on_a_shared_volume_is_swept_and_what_lives_is_not(tmp_path):
    """Two applications sweep the same directory; one of them stands still for a while."""
    hour = 3600
    mark(tmp_path / "firesteel-dead", 2 * hour)
    mark(tmp_path / "firesteel-young", hour / 2)
    mark(tmp_path / "firesteel-waits", 20 * hour, keep=24 * hour)
    mark(tmp_path / "firesteel-retained", 1000 * hour, keep=None)
    resumed = mark(tmp_path / "firesteel-resumed", 2 * hour)
    (tmp_path / "others").mkdir()
    conf = {**FOUR, "spark.local.dir": str(tmp_path)}
    with serving("local-cluster[1,1,512]", **conf) as (_, _), serving("local-cluster[1,1,512]", **conf) as (other, url):
        with session(url) as spark:
            expected = answer(grouped(spark))
            (frozen,) = executors(other)
            os.kill(frozen, signal.SIGSTOP)
            try:
                # It looked dead, as after a clock has jumped, and gives a sign.
                time.sleep(20)
                resumed.touch()
                gone = lambda: not any(path.name.startswith("firesteel-dead") for path in tmp_path.iterdir())
                eventually(gone, 90)
            finally:
                # It may have been replaced meanwhile.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(frozen, signal.SIGCONT)
            assert answer(grouped(spark)) == expected
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"firesteel-young", "firesteel-waits", "firesteel-retained", "firesteel-resumed", "others"}


def test_what_a_killed_command_left_in_a_directory_of_its_own_goes_with_the_next_one(tmp_path):
    command = [FIRESTEEL, "server", "--port", "0", "--master", "local-cluster[1,1,512]", "--conf", f"spark.local.dir={tmp_path}"]
    killed = subprocess.Popen(command, stdout=subprocess.PIPE)
    killed.stdout.readline()
    killed.kill()
    killed.wait(timeout=30)
    assert len(list(tmp_path.iterdir())) == 1
    with serving("local[1]"):
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("layout", ["shared", "own"])
def test_an_executor_whose_volume_vanishes_is_replaced_and_its_outputs_are_made_again(tmp_path, layout):
    conf = {**FOUR, "spark.local.dir": str(tmp_path), "firesteel.shuffle.volume": layout}
    with serving("local-cluster[2,1,512]", **conf) as (server, url), session(url) as spark:
        frame = grouped(spark)
        expected = answer(frame)
        # As another application does that takes this one for dead.
        for root in tmp_path.glob("firesteel-*/shuffle*"):
            root.rename(root.with_suffix(".swept"))
            shutil.rmtree(root.with_suffix(".swept"))
        answers = []
        again = threading.Thread(target=lambda: answers.extend([answer(frame), answer(grouped(spark, 7))]))
        again.start()
        again.join(timeout=120)
        assert len(answers) == 2 and answers[0] == expected
        assert sum(total for _, total in answers[1]) == sum(range(20000))
