"""Life cycle of applications: suspension, changes, deletion, expiry, many at once."""


import pytest
from applications import WAITS, application, completed, go, nothing_left, pods, programs, running_executors, state, until, waits
from lab import eventually

pytestmark = pytest.mark.usefixtures("operator")

ONE = "print('one')\n"


def patch(kubectl, name, text, kind="sparkapp"):
    kubectl("patch", kind, name, "--type=merge", f"--patch={text}")


def test_a_suspended_application_has_no_pods_and_runs_again_when_resumed(kubectl):
    kubectl.create(programs(waits_py=WAITS), application("sleeps", "waits.py"))
    waits(kubectl, "sleeps")
    running_executors(kubectl, "sleeps", 1)
    patch(kubectl, "sleeps", '{"spec": {"suspend": true}}')
    until(kubectl, "sleeps", "SUSPENDED")
    # Terminated pods may take a moment to disappear.
    eventually(lambda: not pods(kubectl, "sleeps"), 60, "the end of its pods")
    patch(kubectl, "sleeps", '{"spec": {"suspend": false}}')
    waits(kubectl, "sleeps")
    go(kubectl, "sleeps")
    found, _ = completed(kubectl, "sleeps")
    assert found["status"]["executionAttempts"] == 1


def test_an_application_created_suspended_waits(kubectl):
    kubectl.create(programs(one_py=ONE), application("queued", "one.py", suspend=True))
    until(kubectl, "queued", "SUSPENDED")
    assert pods(kubectl, "queued") == {}
    patch(kubectl, "queued", '{"spec": {"suspend": false}}')
    assert "one" in completed(kubectl, "queued")[1]


def test_a_changed_specification_runs_instead_of_the_old_one(kubectl):
    kubectl.create(programs(waits_py=WAITS, one_py=ONE), application("changes", "waits.py"))
    waits(kubectl, "changes")
    patch(kubectl, "changes", '{"spec": {"mainApplicationFile": "local:///programs/one.py"}}')
    found, printed = completed(kubectl, "changes")
    assert printed.strip().splitlines()[-1] == "one"
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"] == 2
    assert found["status"]["executionAttempts"] == 1


def test_an_application_is_deleted_when_its_time_to_live_is_over(kubectl):
    kubectl.create(programs(one_py=ONE), application("short", "one.py", timeToLiveSeconds=2))
    kubectl.gone("sparkapp", "short", 120)
    nothing_left(kubectl)


STATES = {
    "starts": lambda kubectl: kubectl.eventually("pod", "ends-driver", bool),
    "runs": lambda kubectl: (waits(kubectl, "ends"), running_executors(kubectl, "ends", 2)),
    "has ended": lambda kubectl: (waits(kubectl, "ends"), go(kubectl, "ends"), completed(kubectl, "ends")),
    "is suspended": lambda kubectl: (patch(kubectl, "ends", '{"spec": {"suspend": true}}'), until(kubectl, "ends", "SUSPENDED")),
}


@pytest.mark.parametrize("moment", STATES)
def test_an_application_that_is_deleted_leaves_nothing(kubectl, moment):
    kubectl.create(programs(waits_py=WAITS), application("ends", "waits.py", executors=2))
    STATES[moment](kubectl)
    kubectl("delete", "sparkapp", "ends", "--wait=true", "--timeout=60s", seconds=90)
    nothing_left(kubectl)


@pytest.mark.alone
def test_twenty_applications_run_at_once(kubectl):
    kubectl.create(programs(waits_py=WAITS.replace("wait()\n", "print('waits')\n")))
    names = [f"many-{number}" for number in range(20)]
    # Small pods, so that twenty applications fit.
    few = {"coreRequest": "10m", "memory": "256m", "memoryOverhead": "128m"}
    kubectl.create(*(application(name, "waits.py", driver=few, executor={**few, "instances": 1}) for name in names))

    def ended():
        found = {app["metadata"]["name"]: state(app) for app in kubectl.all("sparkapplications")}
        assert "FAILED" not in found.values(), found
        return set(found.values()) == {"COMPLETED"} and len(found) == 20

    eventually(ended, 300, lambda: f"the end of all:\n{kubectl('get', 'sparkapplications,pods')}")
    for app in kubectl.all("sparkapplications"):
        assert app["status"]["executionAttempts"] == 1 and not app["status"].get("failures")
    kubectl("delete", "sparkapplications", "--all", "--wait=true", "--timeout=90s", seconds=120)
    nothing_left(kubectl)
