"""`helm` for tests, and the chart without it: what the chart makes, and the plain manifests that are made of that."""

import json
import os
import subprocess
import tempfile

from lab import machine
from lab.errors import LabError

CHART = machine.ROOT / "charts" / "firesteel"
MANIFESTS = machine.ROOT / "deploy" / "operator.yaml"
HEADER = "# Made by `./dev manifests` from charts/firesteel.\n"


class Helm:
    """Calls helm on one cluster, or on none."""

    def __init__(self, kubeconfig=os.devnull):
        self.program, self.kubeconfig = machine.built("helm") / "helm", kubeconfig

    def try_(self, *arguments, values=None, seconds=300):
        """Runs helm with these values, a dictionary, and returns how it ended."""
        given = ["--values=-"] if values is not None else []
        with tempfile.TemporaryDirectory() as home:
            # Neither settings nor plugins of the person who runs the tests.
            own = {f"HELM_{name}_HOME": home for name in ("CACHE", "CONFIG", "DATA")}
            environment = {**os.environ, **own, "KUBECONFIG": str(self.kubeconfig)}
            argv = [str(part) for part in (self.program, *arguments, *given)]
            try:
                return subprocess.run(argv, input=json.dumps(values or {}), capture_output=True, text=True, timeout=seconds, env=environment)
            except subprocess.TimeoutExpired:
                raise LabError(f"helm {' '.join(argv[1:])}: not done within {seconds} s") from None

    def __call__(self, *arguments, values=None, seconds=300):
        """What helm printed; an error if it failed."""
        done = self.try_(*arguments, values=values, seconds=seconds)
        if done.returncode != 0:
            raise LabError(f"helm {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout

    def render(self, values=None, release="firesteel", namespace="firesteel"):
        """The objects that a release with these values has, as text."""
        return self("template", release, CHART, f"--namespace={namespace}", values=values or {})


def manifests():
    """The operator's objects without the definitions and without Helm's marks, as the text of a file."""
    import yaml

    objects = list(filter(None, yaml.safe_load_all(Helm().render({"crds": {"install": False}}))))
    objects = [each for each in objects if "helm.sh/hook" not in each["metadata"].get("annotations", {})]
    for each in objects:
        for metadata in filter(None, [each["metadata"], each.get("spec", {}).get("template", {}).get("metadata")]):
            for label in ["helm.sh/chart", "app.kubernetes.io/managed-by"]:
                metadata["labels"].pop(label)
    return HEADER + yaml.safe_dump_all(objects, sort_keys=False)


def write_manifests():
    MANIFESTS.write_text(manifests())
