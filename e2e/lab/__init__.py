"""A real Kubernetes on this machine, for tests: starts in seconds and is removed without a trace.

`ApiServer` is an API server with its controllers and nothing else; `Cluster` has nodes that run containers. Both are context
managers. Everything they create on the machine is recorded first, so that the next run can clean up after one that was killed.
"""

from lab.api_server import ApiServer
from lab.cluster import Cluster
from lab.errors import LabError
from lab.helm import Helm
from lab.kubectl import Kubectl
from lab.waiting import eventually

__all__ = ["ApiServer", "Cluster", "Helm", "Kubectl", "LabError", "eventually"]
