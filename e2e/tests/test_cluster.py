"""The cluster runs our image as for drivers and executors, and can lose kubelets and nodes."""

import pytest
from lab import LabError
from lab.node import is_ready
from pods import end_of, ended, pod, python, running, waits

PROGRAM = "/opt/firesteel/examples/chapter15.py"


def test_a_restricted_pod_of_our_image_runs_a_program_and_prints_the_answer(kubectl):
    kubectl.create(pod("chapter15", "run", "--master", "local[2]", PROGRAM, limits={"memory": "3Gi"}))
    found = kubectl.eventually("pod", "chapter15", ended, 180)
    log = kubectl("logs", "chapter15")
    assert end_of(found) == (0, "Completed"), log
    assert "2500000000000" in log


def test_a_pod_that_asks_for_more_is_refused(kubectl):
    loose = pod("loose", "--version")
    loose["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(LabError, match="violates PodSecurity.*allowPrivilegeEscalation"):
        kubectl.create(loose)


def test_logs_and_exec_work_and_the_root_is_read_only(kubectl):
    kubectl.create(waits("waits"))
    kubectl.eventually("pod", "waits", running)
    assert kubectl("logs", "waits").strip() == "waiting"
    assert kubectl("exec", "waits", "--", "id", "-u").strip() == "185"
    with pytest.raises(LabError, match="Read-only file system"):
        kubectl("exec", "waits", "--", "touch", "/opt/firesteel/new")


def test_a_pod_that_exceeds_its_memory_limit_is_killed_with_the_reason(kubectl):
    kubectl.create(python("greedy", "x = bytearray(512 << 20); print(sum(x))", limits={"memory": "64Mi"}))
    assert end_of(kubectl.eventually("pod", "greedy", ended)) == (137, "OOMKilled")


def test_pods_of_two_nodes_reach_each_other_and_the_api_server_by_its_service(kubectl, cluster):
    nodes = [node for node in cluster.kubectl.get("nodes")["items"] if not node["spec"].get("taints")]
    names = sorted(node["metadata"]["name"] for node in nodes)
    serve = "import http.server; http.server.test(http.server.BaseHTTPRequestHandler, port=8000)"
    kubectl.create(python("serves", serve, node=names[0]), waits("asks", node=names[-1]))
    served = kubectl.eventually("pod", "serves", running)
    asks = kubectl.eventually("pod", "asks", running)
    assert served["spec"]["nodeName"] != asks["spec"]["nodeName"]
    connect = "import os, socket, sys; socket.create_connection((eval(sys.argv[1]), int(sys.argv[2])), 30); print('reached')"
    for address, port in [(repr(served["status"]["podIP"]), 8000), ("os.environ['KUBERNETES_SERVICE_HOST']", 443)]:
        assert kubectl("exec", "asks", "--", "python3", "-c", connect, address, port).strip() == "reached"


@pytest.mark.machine
def test_a_claimed_volume_can_be_written_by_the_user_of_our_image(kubectl, cluster):
    kubectl.create(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "shuffle"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "local",
                "resources": {"requests": {"storage": "1Gi"}},
            },
        },
        python(
            "writes",
            "open('/data/block', 'w').write('kept')",
            volumes={"/data": {"persistentVolumeClaim": {"claimName": "shuffle"}}},
            fs_group=185,
        ),
    )
    found = kubectl.eventually("pod", "writes", ended)
    assert end_of(found) == (0, "Completed"), kubectl("logs", "writes")
    volume = cluster.kubectl.get("pv", kubectl.get("pvc", "shuffle")["spec"]["volumeName"])
    node = next(each for each in cluster.nodes if each.name == found["spec"]["nodeName"])
    assert volume["spec"]["local"]["path"].startswith(str(node.directory))
    written = node.directory / "volumes" / volume["spec"]["local"]["path"].rsplit("/", 1)[1] / "block"
    assert written.read_text() == "kept" and written.stat().st_uid == 185


@pytest.mark.machine
@pytest.mark.alone
def test_a_node_whose_kubelet_stops_is_not_ready_and_comes_back(cluster):
    lost = cluster.nodes[1]
    lost.stop("kubelet")
    try:
        cluster.kubectl.eventually("node", lost.name, lambda node: not is_ready(node))
        assert is_ready(cluster.kubectl.get("node", cluster.nodes[0].name))
    finally:
        lost.start_kubelet()
    lost.wait_ready()


@pytest.mark.machine
@pytest.mark.alone
def test_a_node_that_loses_power_loses_its_pods_and_they_are_evicted(kubectl, cluster):
    lost = cluster.nodes[1]
    kubectl.create(waits("unlucky", node=lost.name), waits("lucky", node=cluster.nodes[0].name))
    for name in ["unlucky", "lucky"]:
        kubectl.eventually("pod", name, running)
    lost.unplug()
    try:
        cluster.kubectl.eventually("node", lost.name, lambda node: not is_ready(node))
        kubectl.eventually("pod", "unlucky", lambda found: "deletionTimestamp" in found["metadata"])
        assert running(kubectl.get("pod", "lucky"))
    finally:
        cluster.start_node(lost)
    kubectl.gone("pod", "unlucky", 90)
