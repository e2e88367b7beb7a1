"""Scheduled applications: start times, run history, concurrency policies."""

import datetime

import pytest
from applications import API, WAITS, application, nothing_left, programs, state, waits
from lab import LabError, eventually

pytestmark = pytest.mark.usefixtures("operator")

RUNS = "--selector=firesteel.dev/scheduled-app-name=often"


def schedule(file, **spec):
    """A ScheduledSparkApplication that runs a program every five seconds."""
    template = application("of-the-template", file)["spec"]
    given = {"schedule": "@every 5s", "concurrencyPolicy": "Forbid", **spec}
    return {"apiVersion": API, "kind": "ScheduledSparkApplication", "metadata": {"name": "often"}, "spec": {**given, "template": template}}


def runs(kubectl):
    """The existing runs, ordered by scheduled time."""
    found = kubectl.all("sparkapplications", RUNS)
    return sorted(found, key=lambda run: run["metadata"]["annotations"]["firesteel.dev/scheduled-for"])


def test_a_schedule_runs_twice_and_keeps_as_many_runs_as_it_should(kubectl):
    kubectl.create(programs(one_py="print('one')\n"), schedule("one.py", successfulRunHistoryLimit=1))
    seen = {}

    def twice():
        for run in runs(kubectl):
            seen.setdefault(run["metadata"]["name"], set()).add(state(run))
        return sum("COMPLETED" in states for states in seen.values()) >= 2

    eventually(twice, 120, lambda: f"two runs; seen were {seen}")
    found = kubectl.get("scheduledsparkapp", "often")
    twice()  # The next run may have started since.
    assert not any("FAILED" in states for states in seen.values())
    assert found["status"]["scheduleState"] == "Scheduled" and found["status"]["lastRunName"] in seen
    (owner,) = runs(kubectl)[0]["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("ScheduledSparkApplication", "often")
    kubectl("patch", "scheduledsparkapp", "often", "--type=merge", '--patch={"spec": {"suspend": true}}')
    eventually(lambda: [state(run) for run in runs(kubectl)] == ["COMPLETED"], 60, "one run that is kept")
    kubectl("delete", "scheduledsparkapp", "often", "--wait=true", "--timeout=60s", seconds=90)
    nothing_left(kubectl)


def test_a_long_run_blocks_the_next_or_is_replaced_by_it(kubectl):
    kubectl.create(programs(waits_py=WAITS), schedule("waits.py"))
    (first,) = eventually(lambda: runs(kubectl), 60, "a run")
    name = first["metadata"]["name"]
    waits(kubectl, name)
    first_due = datetime.datetime.fromisoformat(first["metadata"]["annotations"]["firesteel.dev/scheduled-for"])
    # Two more scheduled times pass.
    later = first_due + datetime.timedelta(seconds=12)
    eventually(lambda: datetime.datetime.now(datetime.timezone.utc) > later, 60, "later times")
    assert [run["metadata"]["name"] for run in runs(kubectl)] == [name]
    kubectl("patch", "scheduledsparkapp", "often", "--type=merge", '--patch={"spec": {"concurrencyPolicy": "Replace"}}')
    eventually(lambda: [run for run in runs(kubectl) if run["metadata"]["name"] != name], 60, "the run that replaces it")
    eventually(lambda: name not in {run["metadata"]["name"] for run in runs(kubectl)}, 60, "the end of the run that was replaced")
    kubectl("delete", "scheduledsparkapp", "often", "--wait=true", "--timeout=60s", seconds=90)
    nothing_left(kubectl)


def test_an_invalid_schedule_is_refused(kubectl):
    with pytest.raises(LabError, match="spec.schedule"):
        kubectl.create(schedule("one.py", schedule="every now and then"))
