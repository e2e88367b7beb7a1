"""A real Kubernetes on this machine, for tests: brought up in seconds, gone without a trace.

`ApiServer` is an API server with its controllers and nothing else; `Cluster` has nodes that run containers. Both are context
managers. Everything they make on the machine is written down first, so that the next run can take away what a killed one left.
"""

from lab.api_server import ApiServer
from lab.cluster import Cluster
from lab.errors import LabError
from lab.helm import Helm
from lab.kubectl import Kubectl
from lab.waiting import eventually

__all__ = ["ApiServer", "Cluster", "Helm", "Kubectl", "LabError", "eventually"]
