"""Jobs share the slots by pools: real threads of a program, with `spark.scheduler.mode` FAIR."""

from conftest import run

PROGRAM = """
import threading, time
from pyspark import SparkContext

sc = SparkContext.getOrCreate()
starts = {}


def work(pool, tasks, seconds):
    sc.setLocalProperty("spark.scheduler.pool", pool)
    nap = lambda rows: [(time.time(), time.sleep(seconds))[0]]
    starts[pool] = sorted(sc.parallelize(range(tasks), tasks).mapPartitions(nap).collect())


long = threading.Thread(target=work, args=("long", 24, 0.25))
long.start()
while not len(sc.statusTracker().getActiveJobsIds()):
    time.sleep(0.05)
work("short", 2, 0.01)
long.join()
# Two slots start tasks at the same time, whose clocks say little of which was first.
later = [start for start in starts["long"] if start > starts["short"][0]]
print("in between" if len(later) > 1 else "in order")
"""

POOLS = """<allocations><pool name="short"><weight>1</weight><minShare>1</minShare></pool></allocations>"""


def answer(tmp_path, *conf):
    program = tmp_path / "pools.py"
    program.write_text(PROGRAM)
    flags = [flag for pair in conf for flag in ("--conf", pair)]
    return run("run", "--master", "local-cluster[2,1,512]", *flags, str(program)).stdout.splitlines()[-1]


def test_a_short_job_in_a_pool_of_its_own_does_not_wait_for_a_long_one(tmp_path):
    file = tmp_path / "fair.xml"
    file.write_text(POOLS)
    conf = ["spark.scheduler.mode=FAIR", f"spark.scheduler.allocation.file={file}"]
    assert answer(tmp_path, *conf) == "in between"
    assert answer(tmp_path) == "in order"


def test_an_allocation_file_that_is_no_xml_is_named(tmp_path):
    (tmp_path / "fair.xml").write_text("<allocations>")
    program = tmp_path / "pools.py"
    program.write_text(PROGRAM)
    conf = ["--conf", "spark.scheduler.mode=FAIR", "--conf", f"spark.scheduler.allocation.file={tmp_path}/fair.xml"]
    ended = run("run", *conf, str(program), check=False)
    assert ended.returncode != 0
    assert f"reading the pools in {tmp_path}/fair.xml" in ended.stderr
