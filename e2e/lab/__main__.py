"""The command line: `python -m lab …` in e2e/, or `./dev e2e …`.

    up                           starts a cluster of two nodes with our images, until `down`
    up-api                       starts an API server with its controllers, until `down`
    down                         stops both
    load                         rebuilds our images and loads them into the cluster
    kubectl …                    runs kubectl as the cluster's administrator
    node NAME COMMAND…           runs a command in a node's namespaces, as in: node node1 ctr -n k8s.io images ls
    with-api COMMAND…            runs a command with the KUBECONFIG of a temporary API server
    with-cluster COMMAND…        runs a command with E2E_CLUSTER=up beside a temporary cluster
    image-context DIR            prepares the build context of executor/Dockerfile and operator/Dockerfile
    manifests                    writes deploy/operator.yaml
"""

import os
import pathlib
import shutil
import subprocess
import sys

from lab import ApiServer, Cluster, LabError, helm, images, machine, record
from lab.cluster import Site


def main(arguments):
    if not arguments or arguments[0] not in COMMANDS:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        return COMMANDS[arguments[0]](arguments[1:]) or 0
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def firesteel():
    """Path of the `firesteel` binary for the driver and executor image."""
    return os.environ.get("FIRESTEEL") or machine.cache() / "target" / "debug" / "firesteel"


def operator():
    """Path of the binary for the operator image."""
    return os.environ.get("FIRESTEEL_OPERATOR") or machine.cache() / "target" / "debug" / "firesteel-operator"


def archives():
    """Archives of our images."""
    return [images.executor(firesteel()), images.operator(operator())]


def up(_):
    machine.require_cluster()
    cluster = Cluster.up(archives(), kept=True)
    _tell(cluster.kubeconfig)


def up_api(_):
    _tell(ApiServer.up(kept=True).kubeconfig)


def down(_):
    record.end_kept("api", Site().name)


def load(_):
    cluster = Cluster.found()
    for archive in archives():
        cluster.load(archive)


def kubectl(arguments):
    cluster = Cluster.found()
    program = str(cluster.kubectl.program)
    os.execv(program, [program, f"--kubeconfig={cluster.kubeconfig}", *arguments])


def node(arguments):
    if len(arguments) < 2:
        raise LabError("a node and a command are required, as in: node node1 ctr -n k8s.io images ls")
    found = next((each for each in Cluster.found().nodes if each.name == arguments[0]), None)
    if found is None:
        raise LabError(f"there is no node {arguments[0]}")
    argv = found.namespace.argv(arguments[1:])
    os.execvp(argv[0], argv)


def with_api(arguments):
    _require_command(arguments)
    with ApiServer.running() as server:
        environment = {**os.environ, "KUBECONFIG": str(server.kubeconfig)}
        return subprocess.run(arguments, env=environment, check=False).returncode


def with_cluster(arguments):
    _require_command(arguments)
    made = Cluster.up(archives())
    try:
        return subprocess.run(arguments, env={**os.environ, "E2E_CLUSTER": "up"}, check=False).returncode
    finally:
        # The command may have started nodes anew.
        made.record = Cluster.found().record
        made.down()


def _require_command(arguments):
    if not arguments or not shutil.which(arguments[0]):
        raise LabError("a command is required, as in: with-api cargo test -p operator")


def image_context(arguments):
    if len(arguments) != 1:
        raise LabError("one directory is required")
    images.executor_context(pathlib.Path(arguments[0]), firesteel())
    images.operator_context(pathlib.Path(arguments[0]), operator())


def manifests(_):
    helm.write_manifests()


def _tell(kubeconfig):
    print(f"export KUBECONFIG={kubeconfig}")


COMMANDS = {
    "up": up,
    "up-api": up_api,
    "down": down,
    "load": load,
    "kubectl": kubectl,
    "node": node,
    "with-api": with_api,
    "with-cluster": with_cluster,
    "image-context": image_context,
    "manifests": manifests,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
