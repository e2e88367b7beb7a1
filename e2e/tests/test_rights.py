"""User IDs of additional containers: taken from their image and manifest, if the namespace permits it."""

import pytest
from applications import application, completed, error, pods, programs, until
from lab.images import PAUSE

pytestmark = [pytest.mark.usefixtures("operator"), pytest.mark.machine]

# As in public examples for hostPath volumes: an image that runs as root, without a security context.
CHOWN = {
    "name": "volume-permissions",
    "image": PAUSE,
    "command": ["/busybox", "sh", "-c", "/busybox id -u > /data/who; /busybox chown -R 185:185 /data; /busybox chmod 700 /data"],
    "volumeMounts": [{"name": "spark-local-dir-1", "mountPath": "/data"}],
}
TELLS = """
    import os
    from pyspark.sql import SparkSession
    print("init", open("/data/who").read().strip(), "program", os.getuid(), "owner", os.stat("/data").st_uid)
    print(SparkSession.builder.getOrCreate().range(10).count())
"""


def test_an_init_container_that_must_be_root_is_where_the_namespace_allows_it(kubectl):
    mount = {"name": "spark-local-dir-1", "mountPath": "/data"}
    role = {"initContainers": [CHOWN], "volumeMounts": [mount]}
    wanted = application("chowns", "tells.py", driver=role, executor=role)
    wanted["spec"]["driver"]["volumeMounts"] = [mount, {"name": "programs", "mountPath": "/programs"}]
    wanted["spec"]["volumes"].append({"name": "spark-local-dir-1", "emptyDir": {}})
    kubectl.create(programs(tells_py=TELLS), wanted)
    found = until(kubectl, "chowns", "FAILED")
    assert "violates PodSecurity" in error(found) and "volume-permissions" in error(found), error(found)
    assert pods(kubectl, "chowns") == {}

    kubectl("label", "namespace", kubectl.namespace, "pod-security.kubernetes.io/enforce=baseline", "--overwrite")
    kubectl("patch", "sparkapp", "chowns", "--type=merge", '--patch={"spec": {"arguments": ["again"]}}')
    # The application has already failed; the operator then observes the change.
    kubectl.eventually("sparkapp", "chowns", lambda found: found["status"]["applicationState"]["state"] != "FAILED")
    _, printed = completed(kubectl, "chowns")
    assert "init 0 program 185 owner 185\n10" in printed
