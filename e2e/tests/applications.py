"""Small applications for tests, with their programs in a ConfigMap, and helpers to inspect them."""

import os
import re
import textwrap

from lab import eventually
from lab.images import EXECUTOR

API = "firesteel.dev/v1beta2"
PROGRAMS = "/programs"
LABEL = "firesteel.dev/app-name"
FINAL = {"COMPLETED", "FAILED"}

# Lets a program wait, once or several times, until a test says `go`.
WAIT = """
    import itertools, os, time
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    times = itertools.count(1)
    def wait():
        time_now = next(times)
        print(f"waits {time_now}", flush=True)
        while not os.path.exists(f"/tmp/go{time_now}"):
            time.sleep(0.05)
"""
WAITS = f"{WAIT}\n    wait()\n"


def programs(**texts):
    """A ConfigMap with these programs; `a_py` becomes the file `a.py`."""
    files = {name.replace("_", ".", 1): textwrap.dedent(text) for name, text in texts.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "programs"}, "data": files}


def application(name, file, *arguments, executors=1, driver=None, executor=None, sparkConf=None, **spec):
    """An application that runs a file from the ConfigMap, or from the image if the path is absolute."""
    path = file if file.startswith("/") else f"{PROGRAMS}/{file}"
    # Small CPU requests, so that many pods fit on two small nodes.
    role = {"cores": 1, "coreRequest": "50m", "memory": "512m"}
    mounts = {"volumeMounts": [{"name": "programs", "mountPath": PROGRAMS}]} if path.startswith(PROGRAMS) else {}
    volumes = {"volumes": [{"name": "programs", "configMap": {"name": "programs"}}]} if mounts else {}
    # Makes the driver log its registered executors.
    env = {"env": [{"name": "FIRESTEEL_LOG", "value": "warn,driver=info"}]}
    return {
        "apiVersion": API,
        "kind": "SparkApplication",
        "metadata": {"name": name},
        "spec": {
            "type": "SQL" if file.endswith(".sql") else "Python",
            "mode": "cluster",
            "sparkVersion": "4.2.0",
            "image": os.environ.get("E2E_EXECUTOR", EXECUTOR),
            "mainApplicationFile": f"local://{path}",
            "arguments": list(arguments),
            "driver": {**role, **mounts, **env, **(driver or {})},
            "executor": {**role, **mounts, "instances": executors, **(executor or {})},
            "sparkConf": {"spark.sql.shuffle.partitions": "4", **(sparkConf or {})},
            **volumes,
            **spec,
        },
    }


def state(found):
    return found.get("status", {}).get("applicationState", {}).get("state", "")


def error(found):
    return found["status"]["applicationState"].get("errorMessage", "")


def condition(found, kind):
    """The condition of this type of an object, or an empty dictionary."""
    return next((each for each in found.get("status", {}).get("conditions", []) if each["type"] == kind), {})


def until(kubectl, name, wanted, seconds=90):
    """Waits until the application is in this state; fails immediately on another final state."""

    def there(found):
        now = state(found)
        assert now == wanted or now not in FINAL, f"{name} is {now}, not {wanted}: {found['status']}"
        return now == wanted

    return kubectl.eventually("sparkapp", name, there, seconds)


def completed(kubectl, name, seconds=120):
    """Waits until the application has completed; returns it and its program's output."""
    found = until(kubectl, name, "COMPLETED", seconds)
    return found, kubectl("logs", f"{name}-driver", "--container=spark-kubernetes-driver")


def pods(kubectl, name, role=None):
    """The application's pods, by name."""
    selector = f"{LABEL}={name}" + (f",spark-role={role}" if role else "")
    return {pod["metadata"]["name"]: pod for pod in kubectl.all("pods", f"--selector={selector}")}


def running_executors(kubectl, name, count, seconds=90):
    """Waits until this many executors run and are registered with the driver; returns their pods by name."""

    def there():
        found = pods(kubectl, name, "executor")
        live = {name: pod for name, pod in found.items() if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]}
        if len(live) != count:
            return None
        log = kubectl.try_("logs", f"{name}-driver", "--container=spark-kubernetes-driver").stdout
        numbers = [pod["metadata"]["labels"]["spark-exec-id"] for pod in live.values()]
        return live if all(re.search(rf"executor-{number} on \S+ registered", log) for number in numbers) else None

    return eventually(there, seconds, lambda: f"{count} executors of {name}; its pods are {sorted(pods(kubectl, name))}")


def waits(kubectl, name, time=1, seconds=90):
    """Waits until an application's program is at its wait number `time`."""
    until(kubectl, name, "RUNNING", seconds)
    eventually(lambda: f"waits {time}\n" in kubectl.try_("logs", f"{name}-driver").stdout, seconds, f"that the program of {name} waits")


def go(kubectl, name, time=1):
    """Lets a waiting program continue."""
    kubectl("exec", f"{name}-driver", "--container=spark-kubernetes-driver", "--", "touch", f"/tmp/go{time}")


def nothing_left(kubectl, seconds=60):
    """Waits until nothing created by an application is left in a namespace."""
    kinds = "sparkapplications,scheduledsparkapplications,pods,secrets,persistentvolumeclaims,services"
    eventually(lambda: not kubectl.all(kinds), seconds, lambda: f"that nothing is left, but there is\n{kubectl('get', kinds)}")


# Two actions that use the same shuffle of twelve map tasks, with waits before, between and after them.
# One job per action: each job of an adaptive plan would count the tasks that it skips.
TWICE = f"""{WAIT}
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    wait()
    frame = spark.range(0, 100000, 1, 12).selectExpr("id % 100 as key", "id").groupBy("key").sum("id")
    first = sorted(frame.collect())
    wait()
    assert sorted(frame.collect()) == first
    print("answer", len(first), sum(row[1] for row in first), flush=True)
    wait()
"""
TWICE_ANSWER = f"answer 100 {100000 * 99999 // 2}"


def once(kubectl, name, executors):
    """Runs `TWICE` up to its wait between the two actions, with this many executors in the first; returns their pods by name."""
    waits(kubectl, name)
    found = running_executors(kubectl, name, executors)
    go(kubectl, name)
    waits(kubectl, name, 2)
    return found


def twice(kubectl, name, seconds=120):
    """Lets `TWICE` continue after `once`, and returns the application once it has succeeded."""
    go(kubectl, name, 2)
    go(kubectl, name, 3)
    found, printed = completed(kubectl, name, seconds)
    assert TWICE_ANSWER in printed
    return found
