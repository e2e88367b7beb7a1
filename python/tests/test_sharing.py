"""Applications that use each other's shuffles: one after the other in the same directory."""

import contextlib
import shutil
import subprocess
import textwrap

import pytest
from conftest import FIRESTEEL, serving, session
from test_faults import FOUR, status
from test_retention import answer, grouped

TEAM = {**FOUR, "firesteel.shuffle.retain": "always", "firesteel.shuffle.share": "team"}


@contextlib.contextmanager
def application(base, master="local-cluster[1,2,512]", **conf):
    with serving(master, **TEAM | {"spark.local.dir": str(base)} | conf) as (server, url), session(url) as spark:
        yield spark, url


def stages(url):
    """The states of the stages of the last job."""
    return [stage["state"] for stage in status(url)["jobs"][-1]["stages"]]


def run(base, query, **conf):
    """The answer to a query in an application of its own, and whether its map stages were skipped."""
    with application(base, **conf) as (spark, url):
        rows = answer(query(spark))
        states = stages(url)
        assert len(states) > 1, states
        return rows, set(states[:-1]) == {"skipped"}


def kept(base):
    return {path.relative_to(base): path.read_bytes() for path in base.glob("firesteel-*/shuffle/*/*.out")}


def test_an_equal_query_of_another_application_of_the_group_is_not_computed_again(tmp_path):
    first, skipped = run(tmp_path, grouped)
    assert not skipped
    assert {path.name for path in tmp_path.glob("firesteel-*/*")} == {"shuffle", "alive"}, "nothing else is left"
    before = kept(tmp_path)
    assert len(before) == 6
    assert run(tmp_path, grouped, **{"firesteel.shuffle.retain": "never"}) == (first, True)
    assert kept(tmp_path) == before, "nothing was written, and nothing of others was deleted"
    # Also where each executor has its own volume, and where time and size are limited.
    limits = {"firesteel.shuffle.retain.time": "1s", "firesteel.shuffle.retain.size": "1b", "firesteel.shuffle.volume": "own"}
    assert run(tmp_path, grouped, master="local-cluster[2,1,512]", **limits) == (first, True)
    assert set(before.items()) <= set(kept(tmp_path).items())


def test_other_groups_and_applications_without_one_compute_it(tmp_path):
    first, _ = run(tmp_path, grouped)
    assert run(tmp_path, grouped, **{"firesteel.shuffle.share": "others"}) == (first, False)
    with serving("local-cluster[1,2,512]", **FOUR, **{"spark.local.dir": str(tmp_path)}) as (_, url), session(url) as spark:
        assert answer(grouped(spark)) == first
        assert "skipped" not in stages(url)


def test_an_application_that_lives_is_read_as_well(tmp_path):
    with application(tmp_path) as (spark, url):
        first = answer(grouped(spark))
        assert run(tmp_path, grouped) == (first, True)
        assert answer(grouped(spark)) == first


def test_what_is_deleted_while_it_is_used_is_computed(tmp_path):
    with application(tmp_path) as (spark, _):
        first, second = answer(grouped(spark)), answer(grouped(spark, 7))
    (left,) = tmp_path.glob("firesteel-*")
    with application(tmp_path) as (spark, url):
        assert answer(grouped(spark)) == first
        assert stages(url) == ["skipped", "done"]
        renamed = left.rename(left.with_suffix(".swept"))
        shutil.rmtree(renamed)
        # It is still thought to be there.
        assert answer(grouped(spark, 7)) == second
        assert stages(url) == ["done", "done"]
        assert len(kept(tmp_path)) == 6
        assert answer(grouped(spark, 7)) == second
        assert stages(url) == ["skipped", "done"], "what it has made itself counts"


def test_a_damaged_output_of_another_is_computed_and_stays_as_it_is(tmp_path):
    first, _ = run(tmp_path, grouped)
    (path, *_) = sorted(tmp_path.glob("firesteel-*/shuffle/*/*.out"))
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    assert run(tmp_path, grouped)[0] == first
    assert path.read_bytes() == bytes(content)


def test_a_changed_file_is_read(tmp_path):
    data = tmp_path / "data.csv"
    data.write_text("k,v\n" + "".join(f"{n % 3},{n}\n" for n in range(100)))

    def query(spark):
        return spark.read.csv(str(data), header=True, inferSchema=True).groupBy("k").sum("v")

    first, _ = run(tmp_path, query)
    assert run(tmp_path, query) == (first, True)
    data.write_text(data.read_text() + "0,1000\n")
    second, skipped = run(tmp_path, query)
    assert not skipped and dict(second)[0] == dict(first)[0] + 1000


FUNCTION = """
from pyspark.sql.functions import udf, col
from pyspark.sql.types import LongType

offset = {offset}

@udf(LongType())
def changed(n):
    return n {operator} offset

def query(spark):
    frame = spark.range(0, 1000, 1, 4).select((col("id") % 7).alias("k"), changed("id").alias("v"))
    return frame.groupBy("k").sum("v")
"""


def function(operator="+", offset=1):
    """A query with a function of a program's main module, which is pickled by value."""
    names = {"__name__": "__main__"}
    exec(textwrap.dedent(FUNCTION).format(operator=operator, offset=offset), names)
    return names["query"]


def test_a_changed_function_and_a_changed_global_of_it_are_called(tmp_path):
    first, skipped = run(tmp_path, function())
    assert not skipped
    assert run(tmp_path, function()) == (first, True)
    for other, step in ((function(operator="-"), -1), (function(offset=2), 2)):
        rows, skipped = run(tmp_path, other)
        assert not skipped
        assert sum(total for _, total in rows) == sum(range(1000)) + 1000 * step


ZONED = "select k, min(hour(timestamp_seconds(id * 3600))) from (select id, id div 10 as k from range(0, 100, 1, 4)) group by k"
CAST = "select k, count(cast(v as int)) from (select id % 3 as k, concat('x', id) as v from range(0, 9, 1, 4)) group by k"


@pytest.mark.parametrize("key, values", [("spark.sql.session.timeZone", ("UTC", "Asia/Tokyo")), ("spark.sql.ansi.enabled", ("false", "true"))])
def test_settings_on_which_rows_depend_are_part_of_it(tmp_path, key, values):
    def query(spark):
        return spark.sql(ZONED if key.endswith("timeZone") else CAST)

    one, other = ({key: value} for value in values)
    first, _ = run(tmp_path, query, **one)
    assert run(tmp_path, query, **one) == (first, True)
    if key.endswith("timeZone"):
        second, skipped = run(tmp_path, query, **other)
        assert not skipped and second != first
    else:
        with pytest.raises(Exception, match="CAST_INVALID_INPUT"):
            run(tmp_path, query, **other)


COUNTED = """
from operator import add
from pyspark import SparkConf, SparkContext

sc = SparkContext()
seen = sc.accumulator(0)

def visit(n):
    seen.add(1)
    return n % 3, n

assert sc.parallelize(range(30), 3).map(visit).reduceByKey(add).count() == 3
assert seen.value == 30, seen.value
"""


def test_accumulators_count_in_each_application(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(COUNTED)
    flags = [flag for key, value in {**TEAM, "spark.local.dir": str(tmp_path)}.items() for flag in ("--conf", f"{key}={value}")]
    for _ in range(2):
        done = subprocess.run([FIRESTEEL, "run", *flags, str(program)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("firesteel-*/shuffle"))) == 2


def test_a_group_s_name_is_plain(tmp_path):
    command = [FIRESTEEL, "server", "--port", "0", "--conf", "firesteel.shuffle.share=../team"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert refused.returncode != 0
    assert "firesteel.shuffle.share" in refused.stderr and "letters, digits" in refused.stderr, refused.stderr
