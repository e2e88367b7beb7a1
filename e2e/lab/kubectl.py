"""`kubectl` for tests: one cluster, one user; output as text or parsed JSON."""

import json
import os
import subprocess

from lab.errors import LabError
from lab.waiting import eventually


class Kubectl:
    """Runs kubectl with one kubeconfig, and in `namespace` if given."""

    def __init__(self, program, kubeconfig, namespace=None):
        self.program, self.kubeconfig, self.namespace = program, kubeconfig, namespace

    def within(self, namespace):
        """The same user in a namespace."""
        return Kubectl(self.program, self.kubeconfig, namespace)

    def try_(self, *arguments, given=None, seconds=60):
        """Runs kubectl and returns the completed process, whatever its exit code."""
        argv = [str(self.program), f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self.kubeconfig}.cache"]
        if self.namespace and not any(str(each).startswith(("--namespace", "--all-namespaces", "--raw")) for each in arguments):
            argv.append(f"--namespace={self.namespace}")
        # Never use the cluster of the user who runs the tests.
        environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
        argv += map(str, arguments)
        try:
            return subprocess.run(argv, input=given, capture_output=True, text=True, timeout=seconds, env=environment)
        except subprocess.TimeoutExpired:
            raise LabError(f"kubectl {' '.join(argv[3:])}: not finished within {seconds} s") from None

    def __call__(self, *arguments, given=None, seconds=60):
        """Runs kubectl and returns its output; raises an error if it fails."""
        done = self.try_(*arguments, given=given, seconds=seconds)
        if done.returncode != 0:
            raise LabError(f"kubectl {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout

    def says_yes(self, *arguments):
        """Whether kubectl succeeds; false while the server is not up yet."""
        return self.try_(*arguments, seconds=20).returncode == 0

    def get(self, *arguments):
        """Returns an object or a list as a dictionary, or None if there is no such object."""
        done = self.try_("get", *arguments, "--output=json", "--ignore-not-found")
        if done.returncode != 0:
            raise LabError(f"kubectl get {' '.join(arguments)}: {done.stderr.strip()}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def all(self, *arguments):
        """Lists the objects of one or more kinds."""
        return (self.get(*arguments) or {"items": []})["items"]

    def create(self, *objects):
        """Creates objects, given as dictionaries."""
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        return self("create", "--filename=-", given=given)

    def apply(self, *objects):
        """Applies objects, given as dictionaries, server-side."""
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        return self("apply", "--server-side", "--filename=-", given=given)

    def delete(self, *arguments):
        """Deletes an object without a grace period, and returns once it is gone."""
        return self("delete", *arguments, "--ignore-not-found", "--now", "--wait", "--timeout=60s", seconds=90)

    def eventually(self, kind, name, what, seconds=60):
        """Waits until `what(object)` is true, and returns the object. An error shows the object's status."""
        seen = {}

        def holds():
            seen["object"] = found = self.get(kind, name)
            return found if found is not None and what(found) else None

        def told():
            status = json.dumps((seen.get("object") or {}).get("status"))
            events = self.try_("get", "events", f"--field-selector=involvedObject.name={name}").stdout
            return f"{kind} {name}, whose status is {status} and whose events are\n{events}"

        return eventually(holds, seconds, told)

    def gone(self, kind, name, seconds=60):
        """Waits until there is no such object."""
        eventually(lambda: self.get(kind, name) is None, seconds, f"the end of {kind} {name}")
