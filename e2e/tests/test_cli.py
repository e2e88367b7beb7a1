"""`firesteel submit`, `status`, `list`, `logs` and `kill` against a real API server. No operator is running: the tests
act as the operator, write the status and create the pods."""

import json
import os
import pathlib
import signal
import subprocess

import pytest
from kubelet import serving
from lab import ApiServer
from lab.__main__ import firesteel
from lab.waiting import eventually
from pods import waits

ROOT = pathlib.Path(__file__).parents[2]
APPLICATION = "sparkapplication"
PI = "local:///opt/firesteel/examples/chapter15.py"


class Cli:
    """The command with one kubeconfig and one namespace."""

    def __init__(self, kubectl):
        self.kubectl = kubectl
        self.flags = ["-n", kubectl.namespace]

    def _start(self, *arguments, kubeconfig=None):
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig or self.kubectl.kubeconfig)}
        command, *rest = map(str, arguments)
        where = [] if command == "completions" else self.flags
        argv = [str(firesteel()), command, *where, *rest]
        return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __call__(self, *arguments, **options):
        """Runs the command; returns exit code, standard output and standard error."""
        return finished(self._start(*arguments, **options))

    def started(self, *arguments):
        """Starts the command without waiting; see `finished`."""
        return self._start(*arguments)

    def applications(self):
        return {each["metadata"]["name"]: each for each in (self.kubectl.get(APPLICATION) or {"items": []})["items"]}

    def patch(self, name, state, **more):
        """Writes a status, as the operator would."""
        status = {"applicationState": {"state": state, **({"errorMessage": more.pop("error")} if "error" in more else {})}, **more}
        patch = json.dumps({"status": status})
        self.kubectl("patch", APPLICATION, name, "--subresource=status", "--type=merge", f"--patch={patch}")


def finished(process, seconds=60):
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        process.kill()
        process.wait()
    return process.returncode, out, err


@pytest.fixture(scope="session")
def defined(api):
    """The API server, with our CRDs installed."""
    for file in sorted((ROOT / "crds").glob("*applications.yaml")):
        api.kubectl("apply", f"--filename={file}")

    def established():
        # A new one has no conditions at all, which `kubectl wait` does not wait for.
        status = api.kubectl.get("crd", "sparkapplications.firesteel.dev").get("status") or {}
        return any((one["type"], one["status"]) == ("Established", "True") for one in status.get("conditions") or [])

    eventually(established, 60, "the established custom resources")
    return api


@pytest.fixture
def cli(defined, request):
    """The command in a new namespace."""
    name = f"cli-{abs(hash(request.node.name)) % 10**8}"
    defined.kubectl("create", "namespace", name)
    yield Cli(defined.kubectl.within(name))
    defined.kubectl("delete", "namespace", name, "--wait=false")


def test_flags_become_the_resource_that_the_api_server_stores(cli):
    flags = ["--driver-memory", "1g", "--executor-memory", "2g", "--executor-cores", "2", "--num-executors", "3"]
    settings = ["--conf", "spark.sql.shuffle.partitions=7", "--conf", "spark.kubernetes.container.image=i:1"]
    code, out, err = cli("submit", "--master", "k8s", "--deploy-mode", "cluster", "--name", "My Pi", *flags, *settings, "--no-wait", PI, "--rows", "5")
    assert (code, out) == (0, ""), err
    spec = cli.applications()["my-pi"]["spec"]
    assert spec["arguments"] == ["--rows", "5"] and spec["image"] == "i:1" and spec["mainApplicationFile"] == PI
    assert spec["driver"]["memory"] == "1g"
    assert spec["executor"] == {"cores": 2, "instances": 3, "memory": "2g"}
    assert spec["sparkConf"] == {"spark.app.name": "My Pi", "spark.sql.shuffle.partitions": "7"}
    code, _, err = cli("submit", "--name", "My Pi", "--no-wait", PI)
    assert code == 1 and "there is an application `my-pi` already" in err and "firesteel kill my-pi" in err


def test_a_local_program_is_sent_along_and_deleted_with_the_application(cli, tmp_path):
    program = tmp_path / "count.py"
    program.write_text("print(1)\n")
    assert cli("submit", "--no-wait", program)[0] == 0
    [(name, application)] = cli.applications().items()
    assert name.startswith("count-")
    [mount] = application["spec"]["driver"]["configMaps"]
    held = cli.kubectl.get("configmap", mount["name"])
    assert list(held["binaryData"]) == ["count.py"]
    assert application["spec"]["mainApplicationFile"] == f"local://{mount['path']}/count.py"
    assert held["metadata"]["ownerReferences"][0]["uid"] == application["metadata"]["uid"]
    code, out, err = cli("kill", name)
    assert (code, out) == (0, "") and f"{name}: deleted" in err, err
    cli.kubectl.gone(APPLICATION, name)
    cli.kubectl.gone("configmap", mount["name"])


def test_files_that_functions_need_are_mounted_by_all_pods(cli, tmp_path):
    for name in ["app.py", "more.py", "data.txt", "env.zip"]:
        (tmp_path / name).write_text("")
    flags = ["--py-files", tmp_path / "more.py", "--files", f"{tmp_path}/data.txt#words", "--archives", f"{tmp_path}/env.zip#env"]
    code, _, err = cli("submit", "--no-wait", "--name", "needy", *flags, tmp_path / "app.py")
    assert code == 0, err
    spec = cli.applications()["needy"]["spec"]
    [mount] = spec["driver"]["configMaps"]
    assert spec["executor"]["configMaps"] == [mount]
    at = f"local://{mount['path']}"
    assert spec["deps"] == {"pyFiles": [f"{at}/more.py"], "files": [f"{at}/data.txt#words"], "archives": [f"{at}/env.zip#env"]}
    assert sorted(cli.kubectl.get("configmap", mount["name"])["binaryData"]) == ["app.py", "data.txt", "env.zip", "more.py"]


def test_dry_runs_create_nothing_and_what_they_print_can_be_applied(cli, tmp_path):
    program = tmp_path / "count.py"
    program.write_text("print(1)\n")
    code, out, err = cli("submit", "--dry-run=client", "--name", "dry", program)
    assert code == 0, err
    assert [line.strip() for line in out.splitlines()].count(f"namespace: {cli.kubectl.namespace}") == 2, out
    code, _, err = cli("submit", "--dry-run=server", "--name", "dry", program)
    assert code == 0 and "would accept dry" in err
    assert cli.applications() == {} and "submitted-" not in cli.kubectl("get", "configmaps", "-oname")
    cli.kubectl("apply", "--filename=-", given=out)
    assert "dry" in cli.applications()


def test_a_manifest_is_submitted_as_it_is_and_a_mistyped_field_is_refused(cli, tmp_path):
    manifest = ROOT / "examples" / "chapter15.yaml"
    assert cli("submit", "--no-wait", manifest)[0] == 0
    assert cli.applications()["chapter15"]["spec"]["executor"]["instances"] == 2
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(manifest.read_text().replace("instances", "instnaces"))
    code, _, err = cli("submit", wrong)
    assert code == 1 and "spec.executor.instnaces: there is no such field; did you mean `instances`?" in err
    wrong.write_text(manifest.read_text().replace("cores: 1", "cores: 0"))
    code, _, err = cli("submit", "--name", "wrong", wrong)
    assert code == 1 and "spec.driver.cores: must be at least 1" in err and len(err.splitlines()) == 1, err


@pytest.mark.parametrize(("exit_code", "state", "expected"), [(None, "COMPLETED", 0), (42, "FAILED", 42), (None, "FAILED", 1)])
def test_a_submission_is_followed_to_its_end_and_has_the_program_s_exit_code(cli, exit_code, state, expected):
    command = cli.started("submit", "--name", "pi", PI)
    eventually(lambda: "pi" in cli.applications(), 30)
    attempt = {"executionAttempts": 1, "submissionID": "0123456789abcdef-1", "driverInfo": {"podName": "pi-driver"}}
    trouble = {"type": "DriverReady", "status": "False", "reason": "ImagePullBackOff", "message": "no such image", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    cli.patch("pi", "SUBMITTED")
    cli.patch("pi", "SUBMITTED", conditions=[trouble])
    cli.patch("pi", "RUNNING", conditions=[], **attempt)
    failures = [{"name": "pi-driver", "attempt": 1, "exitCode": exit_code, "reason": "Error", "message": "x"}] if exit_code else []
    error = {"error": "the driver ended"} if state == "FAILED" else {}
    cli.patch("pi", state, failures=failures, **error)
    code, out, err = finished(command)
    assert (code, out) == (expected, ""), err
    # A watch may skip short-lived states, but never the last one.
    assert "pi: created in namespace" in err and f"pi: {state}" in err, err
    assert ("the driver ended" in err) == (state == "FAILED")


def test_a_deleted_application_ends_the_command_that_waits_for_it(cli):
    command = cli.started("submit", "--name", "pi", PI)
    eventually(lambda: "pi" in cli.applications(), 30)
    assert cli("submit", "--kill", f"{cli.kubectl.namespace}:pi")[0] == 0
    code, _, err = finished(command)
    assert code == 1 and "pi was deleted" in err


def test_each_of_several_is_killed_although_one_does_not_exist(cli):
    for name in ["pi", "tau"]:
        assert cli("submit", "--name", name, "--no-wait", PI)[0] == 0
    code, _, err = cli("kill", "pi", "none", "tau")
    assert code == 1 and "pi: deleted" in err and "tau: deleted" in err and "there is no application `none`" in err, err
    eventually(lambda: not cli.applications(), 30)


def test_an_application_is_killed_and_shown_where_settings_say(cli, tmp_path):
    assert cli("submit", "--name", "pi", "--no-wait", PI)[0] == 0
    properties = tmp_path / "p.conf"
    properties.write_text(f"spark.kubernetes.namespace {cli.kubectl.namespace}\nspark.submit.deployMode client\n")
    cli.flags = []
    elsewhere = ["submit", "--conf", "spark.kubernetes.namespace=default"]
    assert "in namespace default" in cli(*elsewhere, "--kill", "pi")[2]
    assert "in namespace default" in cli(*elsewhere, "--status", "pi")[2]
    code, out, err = cli("submit", "--properties-file", properties, "--status", "pi")
    assert code == 0 and out.startswith("pi  NEW"), err
    code, _, err = cli("submit", "--master", "local[2]", "--kill", "pi")
    assert code == 1 and "--kill and --status are about applications of a cluster" in err
    code, _, err = cli("submit", "--properties-file", properties, "--kill", "pi")
    assert code == 0 and "pi: deleted" in err, err


def test_a_user_who_may_not_send_files_creates_nothing(cli, defined, tmp_path):
    kubectl = cli.kubectl
    kubectl("create", "serviceaccount", "guest")
    kubectl("create", "role", "submits", "--verb=create", "--resource=sparkapplications.firesteel.dev")
    kubectl("create", "rolebinding", "guest-submits", "--role=submits", f"--serviceaccount={kubectl.namespace}:guest")
    guest = Cli(defined.account(kubectl.namespace, "guest").within(kubectl.namespace))
    eventually(lambda: guest("submit", "--dry-run=server", PI)[0] == 0, 30)
    program = tmp_path / "count.py"
    program.write_text("print(1)\n")
    code, _, err = guest("submit", program)
    assert code == 1 and "sending the program's files" in err and "ask for a role" in err and len(err.splitlines()) == 1, err
    assert cli.applications() == {}


def test_waiting_can_be_interrupted_and_the_application_stays(cli):
    command = cli.started("submit", "--name", "pi", PI)
    eventually(lambda: "pi" in cli.applications(), 30)
    cli.patch("pi", "SUBMITTED")
    line = ""
    while "pi: SUBMITTED" not in line:
        line = command.stderr.readline()
        assert line, "it ended"
    command.terminate()
    code, _, err = finished(command)
    assert code == 143 and f"firesteel logs -f -n {cli.kubectl.namespace} pi" in err
    assert "pi" in cli.applications()


def test_status_and_list_show_what_is_known(cli):
    assert cli("list")[1] == "no applications\n"
    for name in ["pi", "tau"]:
        assert cli("submit", "--name", name, "--no-wait", PI)[0] == 0
    failure = {"name": "pi-exec-1", "attempt": 1, "exitCode": 137, "reason": "OOMKilled", "message": "killed"}
    progress = {"summary": "1/2 stages, 3/8 tasks"}
    cli.patch("pi", "RUNNING", executionAttempts=1, driverInfo={"podName": "pi-driver"}, executors={"desired": 2, "running": 1}, progress=progress, failures=[failure])
    code, out, _ = cli("status", "pi")
    assert code == 0
    assert out.startswith("pi  RUNNING  1/2 stages, 3/8 tasks\n")
    assert "1 of 2 running" in out and "pi-exec-1 in attempt 1: OOMKilled, exit code 137" in out
    assert json.loads(cli("status", "--json", "pi")[1])["status"]["progress"]["summary"] == progress["summary"]
    code, out, _ = cli("list")
    rows = [line.split() for line in out.splitlines()]
    assert rows[0][:2] == ["NAME", "STATE"] and [row[:2] for row in rows[1:]] == [["pi", "RUNNING"], ["tau", "NEW"]]
    assert cli("status")[1].splitlines()[0] == out.splitlines()[0]
    everywhere = cli("list", "-A")[1]
    assert everywhere.startswith("NAMESPACE") and cli.kubectl.namespace in everywhere
    assert {each["metadata"]["name"] for each in json.loads(cli("list", "--json")[1])} == {"pi", "tau"}


@pytest.mark.parametrize("command", [["status"], ["logs"], ["logs", "-f"], ["kill"]], ids=" ".join)
def test_an_unknown_application_suggests_the_nearest_one(cli, command):
    assert cli("submit", "--name", "chapter15", "--no-wait", PI)[0] == 0
    code, _, err = cli(*command, "chaptr15")
    expected = f"there is no application `chaptr15` in namespace {cli.kubectl.namespace}; did you mean chapter15?"
    assert (code, err) == (1, f"firesteel: {expected}\n")
    code, _, err = cli("logs", "chapter15")
    assert code == 1 and "has no driver: its state is NEW" in err


def test_missing_permissions_are_reported(cli, defined):
    kubectl = cli.kubectl
    kubectl("create", "serviceaccount", "guest")
    guest = Cli(defined.account(kubectl.namespace, "guest").within(kubectl.namespace))
    for arguments in [["list"], ["submit", "--no-wait", PI], ["status", "pi"], ["kill", "pi"]]:
        code, _, err = guest(*arguments)
        assert code == 1 and "cannot" in err and "ask for a role" in err and len(err.splitlines()) == 1, err
    kubectl("create", "role", "submits", "--verb=create,get", "--resource=sparkapplications.firesteel.dev")
    kubectl("create", "rolebinding", "guest-submits", "--role=submits", f"--serviceaccount={kubectl.namespace}:guest")
    eventually(lambda: guest("submit", "--name", "pi", "--no-wait", PI)[0] == 0, 30)
    code, _, err = guest("submit", "--name", "tau", PI)
    assert code == 1 and "watching tau" in err and "ask for a role" in err, err
    kubectl("create", "role", "lists", "--verb=list", "--resource=sparkapplications.firesteel.dev")
    kubectl("create", "rolebinding", "guest-lists", "--role=lists", f"--serviceaccount={kubectl.namespace}:guest")
    eventually(lambda: guest("list")[0] == 0, 30)
    code, _, err = guest("logs", "-f", "pi")
    assert code == 1 and "watching pi" in err and "cannot watch" in err and len(err.splitlines()) == 1, err


def test_an_unreachable_or_foreign_cluster_is_reported_in_one_line(cli, tmp_path):
    empty = tmp_path / "empty"
    empty.write_text("apiVersion: v1\nkind: Config\n")
    broken = tmp_path / "broken"
    broken.write_text("a: [\n")
    cases = [
        (["list", "--kubeconfig", tmp_path / "none"], "reading the kubeconfig"),
        (["list", "--context", "none"], "none"),
        (["list", "--master", "k8s://http://127.0.0.1:1"], "no cluster answers at http://127.0.0.1:1"),
        (["list", "--master", "local[2]"], "is not a cluster"),
        (["submit", "--master", "yarn", PI], "master `yarn` is not a cluster"),
        (["submit", "--deploy-mode", "client", PI], "it must be cluster"),
    ]
    for arguments, expected in cases:
        code, _, err = cli(*arguments)
        assert code == 1 and expected in err and len(err.splitlines()) == 1, err
    code, _, err = cli("status", "pi", kubeconfig=empty)
    assert code == 1 and len(err.splitlines()) == 1, err
    for url in [[], ["--master", "k8s://http://127.0.0.1:1"]]:
        code, _, err = cli("list", *url, kubeconfig=broken)
        assert code == 1 and "reading the kubeconfig" in err and len(err.splitlines()) == 1, err
    code, _, err = cli("list", "--master", "k8s://http://127.0.0.1:1", kubeconfig=tmp_path / "none")
    assert code == 1 and "no cluster answers at http://127.0.0.1:1" in err, err


def test_a_cluster_without_our_definitions_is_reported():
    with ApiServer.running() as bare:
        cli = Cli(bare.kubectl.within("default"))
        for arguments in [["list"], ["status", "pi"], ["submit", PI]]:
            code, _, err = cli(*arguments)
            assert code == 1 and "Firesteel is not installed" in err and "kubectl apply -f crds/" in err, err


@pytest.fixture
def kubelet(cli, tmp_path):
    """A node with a fake kubelet, so that tests control the output of its pods."""
    with serving(cli.kubectl.namespace, tmp_path) as made:
        cli.kubectl.create(made.node())
        cli.kubectl("patch", "node", made.name, "--subresource=status", "--type=merge", f"--patch={json.dumps({'status': made.node()['status']})}")
        cli.kubectl.eventually("serviceaccount", "default", bool)
        yield made
        cli.kubectl("delete", "node", made.name)


def runs(cli, kubelet, name, container, **labels):
    """A pod that appears to run on that node."""
    made = waits(name)
    made["metadata"]["labels"] = labels
    made["spec"]["nodeName"] = kubelet.name
    # The node never reports its status; its pods must not be evicted.
    made["spec"]["tolerations"] = [{"operator": "Exists"}]
    made["spec"]["containers"][0]["name"] = container
    cli.kubectl.create(made)
    is_in(cli, name, container, "Running", {"running": {}})


def is_in(cli, name, container, phase, state):
    status = {"name": container, "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    patch = json.dumps({"status": {"phase": phase, "containerStatuses": [status]}})
    cli.kubectl("patch", "pod", name, "--subresource=status", "--type=merge", f"--patch={patch}")


def test_the_driver_s_output_is_followed_to_its_last_line_over_broken_connections(cli, kubelet):
    lines = [f"line {number}" for number in range(5000)]
    kubelet.say(*lines[:2500])
    for broken in [700, 900, 0]:
        kubelet.break_after(broken)
    command = cli.started("submit", "--name", "pi", PI)
    eventually(lambda: "pi" in cli.applications(), 30)
    runs(cli, kubelet, "pi-driver", "spark-kubernetes-driver")
    started = {"executionAttempts": 1, "submissionID": "0123456789abcdef-1", "driverInfo": {"podName": "pi-driver"}}
    cli.patch("pi", "RUNNING", **started)
    eventually(lambda: len(kubelet.requests) == 4, 60)
    kubelet.say(*lines[2500:], "last")
    is_in(cli, "pi-driver", "spark-kubernetes-driver", "Failed", {"terminated": {"exitCode": 3}})
    cli.patch("pi", "FAILED", failures=[{"name": "pi-driver", "attempt": 1, "exitCode": 3, "reason": "Error", "message": "last"}], **started)
    kubelet.end()
    code, out, err = finished(command)
    assert out.splitlines() == [*lines, "last"], err
    assert code == 3, err
    path, options = kubelet.requests[1]
    assert path.endswith("/pi-driver/spark-kubernetes-driver") and "sinceTime" in options
    assert cli("logs", "pi")[1] == out
    assert cli("logs", "--tail", "2", "pi")[1] == "line 4999\nlast\n"
    code, followed, _ = cli("logs", "-f", "pi")
    assert (code, followed) == (3, out)


def test_a_node_that_fails_for_a_while_is_reported_once_and_survived(cli, kubelet):
    kubelet.say("first")
    kubelet.fail(2)
    command = cli.started("submit", "--name", "pi", PI)
    eventually(lambda: "pi" in cli.applications(), 30)
    runs(cli, kubelet, "pi-driver", "spark-kubernetes-driver")
    cli.patch("pi", "RUNNING", executionAttempts=1, submissionID="0123456789abcdef-1", driverInfo={"podName": "pi-driver"})
    eventually(lambda: len(kubelet.requests) == 3, 60)
    is_in(cli, "pi-driver", "spark-kubernetes-driver", "Succeeded", {"terminated": {"exitCode": 0}})
    kubelet.end()
    cli.patch("pi", "COMPLETED", executionAttempts=1, submissionID="0123456789abcdef-1", driverInfo={"podName": "pi-driver"})
    code, out, err = finished(command)
    assert (code, out) == (0, "first\n"), err
    assert err.count("reading the output of pi-driver") == 1 and err.count("retrying") == 1 and "kube_client" not in err, err


def test_a_slow_or_absent_reader_does_not_block_following(cli, kubelet):
    kubelet.say(*(f"line {number} {'x' * 100}" for number in range(20000)))
    assert cli("submit", "--name", "pi", "--no-wait", PI)[0] == 0
    runs(cli, kubelet, "pi-driver", "spark-kubernetes-driver")
    cli.patch("pi", "RUNNING", executionAttempts=1, submissionID="0123456789abcdef-1", driverInfo={"podName": "pi-driver"})
    # This reader stops after one line, so that the pipe fills up.
    slow = cli.started("logs", "-f", "pi")
    assert slow.stdout.readline().startswith("line 0 ")
    gone = cli.started("logs", "-f", "pi")
    assert gone.stdout.readline().startswith("line 0 ")
    gone.stdout.close()
    assert gone.wait(timeout=30) == 141
    gone.stderr.close()
    slow.send_signal(signal.SIGINT)
    assert slow.wait(timeout=30) == 130
    assert "pi keeps running" in slow.stderr.read()
    slow.stdout.close()
    slow.stderr.close()


def test_lost_output_is_reported(cli):
    assert cli("submit", "--name", "pi", "--no-wait", PI)[0] == 0
    cli.patch("pi", "COMPLETED", executionAttempts=1, submissionID="0123456789abcdef-1", driverInfo={"podName": "pi-driver"})
    code, out, err = cli("logs", "-f", "pi")
    assert (code, out) == (0, "") and "the pod pi-driver is gone, and its output with it" in err, err


def followed(cli, kubelet):
    """A submission that follows its driver, which prints `first`, and the driver's status."""
    kubelet.say("first")
    command = cli.started("submit", "--name", "pi", PI)
    eventually(lambda: "pi" in cli.applications(), 30)
    runs(cli, kubelet, "pi-driver", "spark-kubernetes-driver")
    pod = {"podName": "pi-driver"}
    cli.patch("pi", "RUNNING", executionAttempts=1, submissionID="0123456789abcdef-1", driverInfo=pod)
    eventually(lambda: len(kubelet.requests) == 1, 60)
    return command, pod


def test_a_next_driver_s_output_comes_after_the_last_one_s(cli, kubelet):
    command, pod = followed(cli, kubelet)
    is_in(cli, "pi-driver", "spark-kubernetes-driver", "Failed", {"terminated": {"exitCode": 1}})
    cli.patch("pi", "FAILING", error="the driver ended")
    kubelet.end()
    eventually(lambda: len(kubelet.requests) == 2, 60)
    cli.kubectl("delete", "pod", "pi-driver", "--force", "--grace-period=0")
    kubelet.lines = ["second"]
    runs(cli, kubelet, "pi-driver", "spark-kubernetes-driver")
    is_in(cli, "pi-driver", "spark-kubernetes-driver", "Succeeded", {"terminated": {"exitCode": 0}})
    cli.patch("pi", "COMPLETED", executionAttempts=2, submissionID="0123456789abcdef-2", driverInfo=pod)
    code, out, err = finished(command)
    assert (code, out) == (0, "first\nsecond\n"), err
    assert "pi: COMPLETED (attempt 2)" in err


def test_a_driver_is_not_mistaken_for_the_next_one_of_its_name(cli, kubelet):
    command, pod = followed(cli, kubelet)
    cli.kubectl("delete", "pod", "pi-driver", "--force", "--grace-period=0")
    runs(cli, kubelet, "pi-driver", "spark-kubernetes-driver")
    kubelet.lines = ["second", "third"]
    # The connection to the first driver ends only now, when the second one exists and has newer lines.
    kubelet.end()
    is_in(cli, "pi-driver", "spark-kubernetes-driver", "Succeeded", {"terminated": {"exitCode": 0}})
    cli.patch("pi", "COMPLETED", executionAttempts=2, submissionID="0123456789abcdef-2", driverInfo=pod)
    code, out, err = finished(command)
    assert (code, out) == (0, "first\nsecond\nthird\n"), err


def test_an_executor_s_output_is_found_by_its_number(cli, kubelet):
    assert cli("submit", "--name", "pi", "--no-wait", PI)[0] == 0
    code, _, err = cli("logs", "--executor", "4", "pi")
    assert code == 1 and "pi has no executors" in err
    kubelet.say("here")
    runs(cli, kubelet, "pi-exec-4", "spark-kubernetes-executor", **{"firesteel.dev/app-name": "pi", "spark-exec-id": "4"})
    assert cli("logs", "--executor", "4", "pi") == (0, "here\n", "")
    code, _, err = cli("logs", "--executor", "7", "pi")
    assert code == 1 and "has no executor 7; it has 4" in err
    command = cli.started("logs", "-f", "--executor", "4", "pi")
    eventually(lambda: len(kubelet.requests) == 2, 60)
    cli.kubectl("delete", "pod", "pi-exec-4", "--force", "--grace-period=0")
    kubelet.end()
    assert finished(command) == (0, "here\n", "")
