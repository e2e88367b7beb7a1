"""Jobs, stages and executors as programs and people see them, and properties of the program's threads."""

import os

from conftest import FIRESTEEL as COMMAND
from conftest import program_on

FIRESTEEL = os.path.abspath(COMMAND)

START = """
import threading, time
from pyspark import SparkContext, TaskContext

sc = SparkContext(appName="status")


def same(found, expected):
    assert found == expected, (found, expected)


def eventually(what):
    deadline = time.monotonic() + 30
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found

"""


def check(tmp_path, text):
    program_on(tmp_path, START + text, "local-cluster[2,2,1024]")


def test_the_tracker_follows_a_job_from_its_start_to_its_end(tmp_path):
    check(
        tmp_path,
        f"""
gate = {str(tmp_path / "gate")!r}


def wait(n):
    import os, time
    while not os.path.exists(gate):
        time.sleep(0.02)
    return n


def job():
    sc.setJobGroup("mine", "waits")
    sc.parallelize(range(4), 2).map(wait).keyBy(lambda n: n).groupByKey(3).count()


tracker = sc.statusTracker()
same(tracker.getJobIdsForGroup("mine"), [])
same((tracker.getActiveJobsIds(), tracker.getActiveStageIds()), ([], []))
same((tracker.getJobInfo(0), tracker.getStageInfo(0)), (None, None))
running = threading.Thread(target=job)
running.start()
[id] = eventually(lambda: tracker.getJobIdsForGroup("mine"))
[stage] = eventually(tracker.getActiveStageIds)
info = eventually(lambda: (found := tracker.getStageInfo(stage)).numActiveTasks == 2 and found)
same((info.numTasks, info.numCompletedTasks, info.numFailedTasks, info.currentAttemptId), (2, 0, 0, 0))
assert info.name.startswith("count at ") and "program.py" in info.name, info
same(tracker.getActiveJobsIds(), [id])
same(tracker.getJobInfo(id).status, "RUNNING")
same(len(tracker.getJobInfo(id).stageIds), 2)
open(gate, "w").close()
running.join()
same((tracker.getJobInfo(id).status, tracker.getActiveStageIds()), ("SUCCEEDED", []))
same(tracker.getStageInfo(stage).numCompletedTasks, 2)
same(tracker.getJobIdsForGroup("another"), [])
executors = tracker.getExecutorInfos()
assert len(executors) == 2 and all(e.port > 0 and e.totalOnHeapStorageMemory > 0 for e in executors), executors
""",
    )


def test_properties_reach_tasks_and_belong_to_their_thread(tmp_path):
    check(
        tmp_path,
        """
def read(key):
    return sc.parallelize([1], 1).map(lambda _: TaskContext.get().getLocalProperty(key)).collect()


sc.setLocalProperty("color", "red")
same((read("color"), read("shape")), (["red"], [None]))
found = []
other = threading.Thread(target=lambda: found.append(read("color")))
other.start()
other.join()
same(found, [[None]])
sc.setLocalProperty("color", "blue")
same(read("color"), ["blue"])
sc.setLocalProperty("color", None)
same(read("color"), [None])
# Tasks that write a shuffle, too.
sc.setJobGroup("g", "what it does")
pairs = sc.parallelize([1, 2], 2).map(lambda n: (n, TaskContext.get().getLocalProperty("spark.jobGroup.id")))
same(sorted(pairs.groupByKey(1).mapValues(list).collect()), [(1, ["g"]), (2, ["g"])])
""",
    )


def test_people_see_the_group_and_the_description_and_how_a_cancelled_job_ended(tmp_path):
    check(
        tmp_path,
        f"""
import json, subprocess

sc.setJobGroup("nightly", "sums")
same(sc.parallelize([1, 2], 2).sum(), 3)


def sleeps():
    sc.setJobGroup("slow", "sleeps")
    try:
        sc.parallelize(range(4), 4).map(lambda n: time.sleep(60)).count()
    except Exception:
        pass


job = threading.Thread(target=sleeps)
job.start()
eventually(lambda: sc.statusTracker().getActiveStageIds())
sc.cancelJobGroup("slow")
job.join()
sc.setJobGroup(None, None)
sc.parallelize([1], 1).count()
wanted = ["status", sc.applicationId]
jobs = json.loads(subprocess.check_output([{FIRESTEEL!r}, *wanted, "--json"]))[0]["jobs"]
shown = [(job["group"], job["description"].partition(".py")[0].partition("/")[0], job["state"]) for job in jobs]
same(shown, [("nightly", "sums", "done"), ("slow", "sleeps", "cancelled"), ("", "count at ", "done")])
same([stage["state"] for stage in jobs[1]["stages"]], ["cancelled"])
text = subprocess.check_output([{FIRESTEEL!r}, *wanted], text=True)
assert "done  [nightly] sums" in text and "cancelled  [slow] sleeps" in text, text
""",
    )


def test_the_status_has_the_sums_of_accumulators(tmp_path):
    check(
        tmp_path,
        f"""
import json, subprocess
from pyspark.accumulators import AccumulatorParam


class Longest(AccumulatorParam):
    def zero(self, value):
        return ""

    def addInPlace(self, one, other):
        return max(one, other, key=len)


whole, half, text = sc.accumulator(10), sc.accumulator(0.5), sc.accumulator("", Longest())


def add(x):
    if x == 3 and TaskContext.get().attemptNumber() == 0:
        whole.add(1000)
        raise ValueError("what a failed task adds does not count")
    whole.add(x)
    half.add(x / 2)
    text.add("x" * x)
    return x % 2, x


def status():
    shown = subprocess.run([{FIRESTEEL!r}, "status", "--json"], capture_output=True, text=True, check=True).stdout
    (application,) = [one for one in json.loads(shown) if one["application"] == sc.applicationId]
    return application["jobs"][-1]["stages"]


def sums(stage):
    for one in stage["accumulators"]:
        for parts in (one["executors"], one["tasks"]):
            assert sum(part["updates"] for part in parts.values()) == one["total"]["updates"] == 4, one
    return [(one["id"], one["total"]["sum"]) for one in stage["accumulators"]]


pairs = sc.parallelize(range(8), 4).map(add)
same(pairs.count(), 8)
same((whole.value, half.value, text.value), (38, 14.5, "xxxxxxx"))
(stage,) = status()
same(sums(stage), [(0, "28"), (1, "14.0"), (2, "")])
same({{task: part["sum"] for task, part in stage["accumulators"][0]["tasks"].items()}}, {{"0": "1", "1": "5", "2": "9", "3": "13"}})
same({{part["updates"] for part in stage["accumulators"][2]["tasks"].values()}}, {{1}})
found = sc.statusTracker()._status()["stages"][-1]["accumulators"]
same(found, [{{"id": 0, "sum": "28", "updates": 4}}, {{"id": 1, "sum": "14.0", "updates": 4}}, {{"id": 2, "sum": "", "updates": 4}}])
# A stage whose output is used again adds nothing.
shuffled = pairs.reduceByKey(lambda x, y: x + y, 2)
same(sorted(shuffled.collect()), [(0, 12), (1, 16)])
same((whole.value, [sums(stage) for stage in status()]), (66, [[(0, "28"), (1, "14.0"), (2, "")], []]))
same(sorted(shuffled.collect()), [(0, 12), (1, 16)])
same((whole.value, [(stage["state"], sums(stage)) for stage in status()]), (66, [("skipped", []), ("done", [])]))
shown = subprocess.run([{FIRESTEEL!r}, "status"], capture_output=True, text=True, check=True).stdout
assert "accumulator 0: 28 (executor-" in shown and "accumulator 2: 4 updates (executor-" in shown, shown
""",
    )


def test_cancelling_a_group_or_a_tag_ends_its_jobs_and_no_others(tmp_path):
    check(
        tmp_path,
        f"""
from pyspark import InheritableThread

gate = {str(tmp_path / "gate")!r}
ended = {{}}


def wait(n):
    import os, time
    while not os.path.exists(gate):
        time.sleep(0.02)
    return n


def job(name, prepare=lambda: None):
    prepare()
    try:
        ended[name] = sc.parallelize([1], 1).map(wait).sum()
    except Exception as error:
        ended[name] = "CANCEL" in str(error).upper() or str(error)


sc.setJobGroup("one", "its threads inherit the group")
threads = [
    InheritableThread(target=job, args=("child",)),
    threading.Thread(target=job, args=("other", lambda: sc.setJobGroup("two", "another group"))),
    threading.Thread(target=job, args=("tagged", lambda: sc.addJobTag("t"))),
]
for thread in threads:
    thread.start()
eventually(lambda: len(sc.statusTracker().getActiveJobsIds()) == 3)
sc.cancelJobGroup("one")
threads[0].join()
same(ended, {{"child": True}})
same(len(eventually(sc.statusTracker().getActiveJobsIds)), 2)
sc.cancelJobsWithTag("t")
threads[2].join()
same(ended, {{"child": True, "tagged": True}})
open(gate, "w").close()
threads[1].join()
same(ended["other"], 1)
""",
    )


def test_jobs_of_frames_belong_to_groups_too_and_all_jobs_can_be_cancelled(tmp_path):
    check(
        tmp_path,
        """
from pyspark.sql import SparkSession
from pyspark.sql.functions import udf

spark = SparkSession.builder.getOrCreate()


@udf("long")
def naps(n):
    time.sleep(600)
    return n


def job(run):
    sc.setJobGroup("naps", "naps")
    try:
        ended.append(run())
    except Exception as error:
        ended.append("CANCEL" in str(error).upper() or str(error))


def cancelled(run, cancel):
    thread = threading.Thread(target=job, args=(run,))
    thread.start()
    eventually(lambda: sc.statusTracker().getActiveStageIds())
    same(sc.statusTracker().getJobIdsForGroup("naps") != [], True)
    cancel()
    thread.join(60)


ended = []
cancelled(lambda: spark.range(2).select(naps("id")).collect(), lambda: sc.cancelJobGroup("naps"))
cancelled(lambda: sc.parallelize([1], 1).map(lambda n: time.sleep(600)).count(), sc.cancelAllJobs)
same(ended, [True, True])
same(sc.parallelize(range(8), 4).sum(), 28)
""",
    )


def test_what_failed_tries_have_read_counts(tmp_path):
    (tmp_path / "lines.txt").write_text("line\n" * 1000)
    check(
        tmp_path,
        f"""
import json, subprocess
from pyspark.sql import SparkSession


def fails_once(batches):
    rows = list(batches)
    if TaskContext.get().attemptNumber() == 0:
        raise ValueError("after its last row")
    yield from rows


lines = SparkSession.builder.getOrCreate().read.text({str(tmp_path / "lines.txt")!r})
same(lines.mapInArrow(fails_once, "value string").count(), 1000)
shown = json.loads(subprocess.check_output([{FIRESTEEL!r}, "status", sc.applicationId, "--json"]))
stages = shown[0]["jobs"][-1]["stages"]
same([(stage["failed"], stage["metrics"]["input_rows"]) for stage in stages][0], (1, 2000))
assert stages[0]["metrics"]["input_bytes"] == 10000, stages
""",
    )
