"""Pods of our image with the same security restrictions as drivers and executors."""

import os

from lab.images import EXECUTOR


def pod(name, *arguments, command=None, limits=None, volumes=None, fs_group=None, node=None):
    """A pod that is not restarted. `volumes` maps mount paths to volume sources; /tmp is always writable."""
    volumes = {"/tmp": {"emptyDir": {}}, **(volumes or {})}
    names = {path: f"volume-{number}" for number, path in enumerate(volumes)}
    container = {
        "name": "main",
        "image": os.environ.get("E2E_EXECUTOR", EXECUTOR),
        "imagePullPolicy": "IfNotPresent",
        "args": list(arguments),
        "resources": {"limits": limits or {"memory": "2Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": names[path], "mountPath": path} for path in volumes],
    }
    if command:
        container["command"] = list(command)
    security = {"runAsNonRoot": True, "runAsUser": 185, "runAsGroup": 185, "seccompProfile": {"type": "RuntimeDefault"}}
    if fs_group is not None:
        security["fsGroup"] = fs_group
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": security,
        "containers": [container],
        "volumes": [{"name": names[path], **source} for path, source in volumes.items()],
    }
    if node:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def python(name, program, **options):
    """A pod that runs a Python program."""
    return pod(name, program, command=["python3", "-c"], **options)


def waits(name, **options):
    """A pod that runs until it is deleted."""
    return python(name, "import time; print('waiting', flush=True); time.sleep(3600)", **options)


def phase(*wanted):
    """A predicate: whether a pod is in one of these phases."""
    return lambda found: found["status"].get("phase") in wanted


def end_of(found):
    """Exit code and reason of a pod's only container."""
    ended = found["status"]["containerStatuses"][0]["state"]["terminated"]
    return ended["exitCode"], ended["reason"]


ended = phase("Succeeded", "Failed")
running = phase("Running")
