"""Shuffle data on volumes: shared or one per executor, and its retention when an application is deleted."""

import decimal
import json
import math
import os
import pathlib
import shutil
import subprocess
import time

import pyarrow.parquet
import pytest
from applications import (
    TWICE,
    application,
    completed,
    condition,
    nothing_left,
    once,
    pods,
    programs,
    running_executors,
    state,
    twice,
    until,
)
from lab import eventually, machine
from lab.__main__ import firesteel

pytestmark = [pytest.mark.usefixtures("operator"), pytest.mark.machine]

QUERIES = sorted((machine.ROOT / "examples" / "tpch").glob("q*.sql"))

TPCH = """
    import pathlib, sys
    import pyarrow.parquet
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    for table in filter(pathlib.Path.is_dir, pathlib.Path("/data").iterdir()):
        spark.read.parquet(str(table)).createOrReplaceTempView(table.name)
    for query in sorted(pathlib.Path("/opt/firesteel/examples/tpch").glob("q*.sql")):
        pyarrow.parquet.write_table(spark.sql(query.read_text()).toArrow(), f"/answers/{query.stem}.parquet")
        print("answered", query.stem, flush=True)
"""


@pytest.fixture(scope="session")
def tpch():
    """TPC-H tables at scale 0.1 and DataFusion's results; generated once per machine."""
    base = machine.cache() / "test-data"
    data, answers = base / "tpch-0.1", base / "answers-0.1"
    bench = pathlib.Path(firesteel()).with_name("bench")
    subprocess.run([bench, "data", "--scale", "0.1", "--out", data], check=True)
    subprocess.run([bench, "answers", "--data", data, "--out", answers, *QUERIES], check=True)
    return data, answers


@pytest.fixture
def shared(cluster, kubectl):
    """A function that creates a claim for a directory shared by all nodes, like a network file system."""
    made = []

    def share(name):
        path = cluster.record.directory / "shared" / f"{kubectl.namespace}-{name}"
        path.mkdir(parents=True)
        places = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name for node in cluster.nodes]}
        common = {"accessModes": ["ReadWriteMany"], "storageClassName": "shared"}
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": path.name},
            "spec": {
                **common,
                "capacity": {"storage": "10Gi"},
                "local": {"path": str(path)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [places]}]}},
            },
        }
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": kubectl.namespace},
            "spec": {**common, "volumeName": path.name, "resources": {"requests": {"storage": "1Gi"}}},
        }
        cluster.kubectl.create(volume)
        made.append(path.name)
        kubectl.create(claim)
        return path

    yield share
    for name in made:
        cluster.kubectl("delete", "pv", name, "--wait=false")


def volume(name, claim):
    return {"name": name, "persistentVolumeClaim": {"claimName": claim}}


def mounts(**paths):
    return [{"name": name.replace("_", "-"), "mountPath": path} for name, path in paths.items()]


def normal(value):
    """Normalises values for comparison: numbers to floats, everything else unchanged."""
    return float(value) if isinstance(value, (int, float, decimal.Decimal)) else value


def same(ours, theirs):
    if isinstance(ours, float) and isinstance(theirs, float):
        # Decimal averages are rounded here, as in Spark, but truncated by DataFusion: they can differ by one in the sixth digit.
        return math.isclose(ours, theirs, rel_tol=1e-6, abs_tol=1.5e-6)
    return ours == theirs


def rows_of(file):
    rows = [tuple(map(normal, row.values())) for row in pyarrow.parquet.read_table(file).to_pylist()]
    # Rows with equal sort keys may be in any order.
    return sorted(rows, key=lambda row: [repr(value) for value in row])


def test_all_queries_of_tpch_are_answered_by_two_executors_that_share_a_volume(kubectl, shared, tpch):
    data, answers = tpch
    shutil.copytree(data, shared("data"), dirs_exist_ok=True)
    shuffles, results = shared("shuffles"), shared("answers")
    roles = {
        "driver": mounts(programs="/programs", data="/data", answers="/answers"),
        "executor": mounts(data="/data", spark_local_dir_shared="/shuffles"),
    }
    role = {"cores": 1, "coreRequest": "100m", "memory": "1g"}
    kubectl.create(
        programs(tpch_py=TPCH),
        application(
            "tpch",
            "tpch.py",
            executors=2,
            driver={**role, "volumeMounts": roles["driver"]},
            executor={**role, "volumeMounts": roles["executor"]},
            volumes=[
                {"name": "programs", "configMap": {"name": "programs"}},
                volume("data", "data"),
                volume("answers", "answers"),
                volume("spark-local-dir-shared", "shuffles"),
            ],
        ),
    )
    running_executors(kubectl, "tpch", 2)
    eventually(lambda: any(shuffles.rglob("*.out")), 120, "shuffles on the shared volume")
    completed(kubectl, "tpch", 400)
    wrong = []
    for query in QUERIES:
        ours, theirs = (rows_of(where / f"{query.stem}.parquet") for where in (results, answers))
        if not (len(ours) == len(theirs) and all(len(a) == len(b) and all(map(same, a, b)) for a, b in zip(ours, theirs))):
            wrong.append((query.stem, ours[:3], theirs[:3]))
    assert len(QUERIES) == 22 and not wrong


def test_a_lost_executors_outputs_on_a_shared_volume_are_used_by_the_next_one(kubectl, shared):
    shuffles = shared("shuffles")
    wanted = application(
        "shares",
        "twice.py",
        executors=2,
        executor={"volumeMounts": mounts(spark_local_dir_shared="/shuffles")},
        volumes=[{"name": "programs", "configMap": {"name": "programs"}}, volume("spark-local-dir-shared", "shuffles")],
    )
    kubectl.create(programs(twice_py=TWICE), wanted)
    before = once(kubectl, "shares", 2)
    kubectl("delete", "pod", *before, "--grace-period=1", "--wait=true", "--timeout=60s")
    running_executors(kubectl, "shares", 2)
    found = twice(kubectl, "shares")
    # No task of the first stage was rerun.
    assert found["status"]["progress"]["skippedTasks"] == 12
    eventually(lambda: not any(shuffles.iterdir()), 60, "that executors take away what the application wrote")


# Fails on the first run, after its only query.
AGAIN = """
    import pathlib, sys
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    frame = spark.range(0, 100000, 1, 12).selectExpr("id % 100 as key", "id").groupBy("key").sum("id")
    print("answer", sum(row[1] for row in frame.collect()), flush=True)
    mark = pathlib.Path("/shuffles/first")
    if not mark.exists():
        mark.touch()
        sys.exit(3)
"""


def test_a_failed_runs_outputs_on_a_shared_volume_are_used_by_the_next_run(kubectl, shared):
    shuffles = shared("shuffles")
    paths = mounts(programs="/programs", spark_local_dir_shared="/shuffles")
    wanted = application(
        "again",
        "again.py",
        executors=2,
        driver={"volumeMounts": paths},
        executor={"volumeMounts": paths},
        volumes=[{"name": "programs", "configMap": {"name": "programs"}}, volume("spark-local-dir-shared", "shuffles")],
        restartPolicy={"type": "OnFailure", "onFailureRetries": 1, "onFailureRetryInterval": 1},
    )
    kubectl.create(programs(again_py=AGAIN), wanted)
    found, printed = completed(kubectl, "again")
    assert f"answer {100000 * 99999 // 2}" in printed
    status = found["status"]
    assert status["executionAttempts"] == 2
    assert [(each["name"], each["exitCode"]) for each in status["failures"]] == [("again-driver", 3)]
    # The second run skipped all tasks of the first stage.
    assert status["progress"]["skippedTasks"] == 12, status["progress"]
    eventually(lambda: [path.name for path in shuffles.iterdir()] == ["first"], 60, "that executors take away what the runs wrote")


def test_outputs_of_a_failed_application_are_retained_for_its_next_run(kubectl, shared):
    shuffles = shared("shuffles")
    paths = mounts(programs="/programs", spark_local_dir_shared="/shuffles")
    wanted = application(
        "again",
        "again.py",
        executors=2,
        driver={"volumeMounts": paths},
        executor={"volumeMounts": paths},
        volumes=[{"name": "programs", "configMap": {"name": "programs"}}, volume("spark-local-dir-shared", "shuffles")],
        sparkConf={"firesteel.shuffle.retain": "onFailure", "firesteel.shuffle.retain.time": "100h"},
    )
    kubectl.create(programs(again_py=AGAIN), wanted)
    found = until(kubectl, "again", "FAILED")
    message = condition(found, "ShuffleRetained")["message"]
    assert message.startswith("data stays on claim shuffles (until 20"), message
    assert len(list(shuffles.rglob("*.out"))) == 12
    kubectl("patch", "sparkapp", "again", "--type=merge", '--patch={"spec": {"arguments": ["changed"]}}')
    kubectl.eventually("sparkapp", "again", lambda found: state(found) != "FAILED")
    found, printed = completed(kubectl, "again")
    assert f"answer {100000 * 99999 // 2}" in printed
    assert found["status"]["progress"]["skippedTasks"] == 12, found["status"]["progress"]
    eventually(lambda: [path.name for path in shuffles.iterdir()] == ["first"], 60, "that executors take away what the runs wrote")
    assert not condition(kubectl.get("sparkapp", "again"), "ShuffleRetained")


def test_what_dead_applications_left_on_a_shared_volume_is_swept(kubectl, shared):
    shuffles = shared("shuffles")
    hour = 3600
    for name, age, keep in [("dead", 2, hour), ("young", 0.5, hour), ("waits", 20, 24 * hour), ("retained", 1000, None)]:
        directory = shuffles / f"firesteel-{name}"
        directory.mkdir()
        directory.chmod(0o777)
        mark = directory / "alive"
        mark.write_text(json.dumps({"keep_seconds": keep}))
        at = time.time() - age * hour
        os.utime(mark, (at, at))
    wanted = application(
        "sweeps",
        "twice.py",
        executors=2,
        executor={"volumeMounts": mounts(spark_local_dir_shared="/shuffles")},
        volumes=[{"name": "programs", "configMap": {"name": "programs"}}, volume("spark-local-dir-shared", "shuffles")],
    )
    kubectl.create(programs(twice_py=TWICE), wanted)
    once(kubectl, "sweeps", 2)
    names = lambda: {path.name.split(".")[0] for path in shuffles.iterdir()}
    eventually(lambda: "firesteel-dead" not in names(), 120, "that the directory of the dead one is deleted")
    twice(kubectl, "sweeps")
    alive = {"firesteel-young", "firesteel-waits", "firesteel-retained"}
    eventually(lambda: names() == alive, 60, lambda: f"that only {alive} are left of {names()}")


def claimed(policy=None):
    """Spark settings that give each executor its own claim."""
    prefix = "spark.kubernetes.executor.volumes.persistentVolumeClaim.spark-local-dir-1"
    conf = {
        f"{prefix}.mount.path": "/shuffles",
        f"{prefix}.options.claimName": "OnDemand",
        f"{prefix}.options.storageClass": "local",
        f"{prefix}.options.sizeLimit": "1Gi",
        # The default, ReadWriteOncePod, is not supported by local volumes.
        "spark.kubernetes.legacy.useReadWriteOnceAccessMode": "true",
    }
    return {**conf, **(policy or {})}


def test_an_executor_that_replaces_a_lost_one_takes_over_its_claim(kubectl):
    kubectl.create(programs(twice_py=TWICE), application("claims", "twice.py", executors=1, sparkConf=claimed()))
    (old,) = once(kubectl, "claims", 1)
    (claim,) = kubectl.all("pvc")
    # Without a grace period: a terminating executor keeps its claim, so that its replacement would get another one.
    kubectl("delete", "pod", old, "--grace-period=0", "--force")
    (new,) = running_executors(kubectl, "claims", 1)
    assert new != old
    found = twice(kubectl, "claims")
    assert found["status"]["progress"]["skippedTasks"] == 12, kubectl("logs", "claims-driver")
    assert [each["metadata"]["uid"] for each in kubectl.all("pvc")] in ([claim["metadata"]["uid"]], [])
    kubectl("delete", "sparkapp", "claims", "--wait=true", "--timeout=60s", seconds=90)
    nothing_left(kubectl)
    assert pods(kubectl, "claims") == {}


def test_retained_claims_stay_and_nothing_else(kubectl):
    kept = claimed({"firesteel.shuffle.retain": "always"})
    kubectl.create(programs(twice_py=TWICE), application("keeps", "twice.py", executors=2, sparkConf=kept))
    once(kubectl, "keeps", 2)
    found = twice(kubectl, "keeps")
    names = {claim["metadata"]["name"] for claim in kubectl.all("pvc")}
    assert len(names) == 2
    message = condition(found, "ShuffleRetained")["message"]
    assert all(name in message for name in names), message
    kubectl("delete", "sparkapp", "keeps", "--wait=true", "--timeout=60s", seconds=90)
    kinds = "sparkapplications,pods,secrets,services,persistentvolumeclaims"
    left = lambda: {each["metadata"]["name"] for each in kubectl.all(kinds)}
    eventually(lambda: left() == names, 60, lambda: f"that only {names} are left of {left()}")
    kubectl("delete", "pvc", "--selector=firesteel.dev/app-name=keeps", "--wait=false")
    nothing_left(kubectl)


def on_host(path):
    """Settings that place shuffle files in a hostPath directory."""
    prefix = "spark.kubernetes.executor.volumes.hostPath.spark-local-dir-1"
    return {f"{prefix}.mount.path": "/shuffles", f"{prefix}.options.path": str(path), f"{prefix}.options.type": "Directory"}


@pytest.fixture
def host_directory(cluster, kubectl):
    """A world-writable directory on the nodes, as prepared by an administrator."""
    path = cluster.record.directory / "shared" / f"{kubectl.namespace}-host"
    path.mkdir(parents=True)
    path.chmod(0o777)
    return path


def test_executors_shuffle_in_a_directory_of_their_node_where_that_is_allowed(cluster, kubectl, host_directory):
    enforce = "pod-security.kubernetes.io/enforce=privileged"
    cluster.kubectl("label", "namespace", kubectl.namespace, enforce, "--overwrite")
    kubectl.create(programs(twice_py=TWICE), application("host", "twice.py", executors=2, sparkConf=on_host(host_directory)))
    once(kubectl, "host", 2)
    assert len(list(host_directory.rglob("*.out"))) == 12
    assert str(host_directory) in condition(kubectl.get("sparkapp", "host"), "ShuffleRetained")["message"]
    found = twice(kubectl, "host")
    assert found["status"]["progress"]["skippedTasks"] == 12
    eventually(lambda: not any(host_directory.iterdir()), 60, "that executors take away what they wrote")
    assert not condition(kubectl.get("sparkapp", "host"), "ShuffleRetained")


def test_a_directory_of_the_node_is_refused_where_forbidden_and_that_is_reported(kubectl, host_directory):
    kubectl.create(programs(twice_py=TWICE), application("host", "twice.py", sparkConf=on_host(host_directory)))
    refused = kubectl.eventually("sparkapp", "host", lambda found: condition(found, "ExecutorsReady").get("reason") == "FailedCreate", 90)
    assert "hostPath" in condition(refused, "ExecutorsReady")["message"]
    events = kubectl.all("events", "--field-selector=involvedObject.name=host")
    assert any("hostPath" in event["message"] for event in events)
