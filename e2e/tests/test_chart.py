"""Manifests rendered from the chart for various values. Needs helm and kubectl, but no cluster."""

import functools
import shutil

import pytest
import yaml
from lab import Helm, machine
from lab.helm import CHART, HEADER, MANIFESTS, manifests
from lab.processes import command

DEFINITIONS = machine.ROOT / "crds"


@pytest.fixture(scope="module")
def helm():
    return Helm()


@pytest.fixture(scope="module")
def render(helm):
    """The objects of a release with these values, by kind and name."""

    def made(values=None, **release):
        objects = list(filter(None, yaml.safe_load_all(helm.render(values, **release))))
        found = {(each["kind"], each["metadata"]["name"], each["metadata"].get("namespace")): each for each in objects}
        assert len(found) == len(objects)
        return Objects(found)

    return made


class Objects:
    def __init__(self, found):
        self.found = found

    def of(self, kind):
        return [each for (its, _, _), each in self.found.items() if its == kind]

    def one(self, kind):
        (only,) = self.of(kind)
        return only

    def pod(self):
        return self.one("Deployment")["spec"]["template"]["spec"]

    def arguments(self):
        return self.pod()["containers"][0]["args"]

    def rights(self, kind):
        """Permissions of all roles of a kind: verbs by namespace and resource, including resource names."""
        rights = {}
        for role in self.of(kind):
            for rule in role["rules"]:
                for resource in rule["resources"]:
                    names = ",".join(rule.get("resourceNames", []))
                    key = (role["metadata"].get("namespace"), f"{resource}/{names}" if names else resource)
                    rights.setdefault(key, set()).update(rule["verbs"])
        return rights


def test_the_chart_passes_lint(helm):
    helm("lint", "--strict", CHART)
    helm("lint", "--strict", CHART, values={"namespaces": ["a"], "metrics": {"podMonitor": {"enabled": True}}})


def test_the_operator_is_as_restricted_as_a_pod_can_be(render):
    objects = render()
    for pod in [objects.pod(), objects.one("Pod")["spec"]]:
        (container,) = pod["containers"]
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
    assert objects.one("ServiceAccount")["automountServiceAccountToken"] is False
    assert objects.pod()["automountServiceAccountToken"] is True
    assert objects.one("Pod")["spec"]["automountServiceAccountToken"] is False


def test_it_serves_all_namespaces_with_cluster_wide_permissions(render):
    objects = render(release="all", namespace="system")
    assert not any(argument.startswith("--namespaces") for argument in objects.arguments())
    binding = objects.one("ClusterRoleBinding")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "all-firesteel", "namespace": "system"}]
    assert binding["roleRef"]["name"] == "system-all-firesteel"
    own = [role for role in objects.of("ClusterRole") if role["metadata"]["name"] == binding["roleRef"]["name"]]
    assert len(own) == 1
    assert set(objects.rights("Role")) == {("system", "leases"), ("system", "leases/all-firesteel")}


def test_it_serves_two_namespaces_with_permissions_in_these_only(render):
    objects = render({"namespaces": ["a", "b"], "rbac": {"aggregate": False}})
    assert "--namespaces=a,b" in objects.arguments()
    assert objects.of("ClusterRole") == objects.of("ClusterRoleBinding") == []
    rights = objects.rights("Role")
    assert {namespace for namespace, _ in rights} == {"a", "b", "firesteel"}
    assert {resource for namespace, resource in rights if namespace == "firesteel"} == {"leases", "leases/firesteel"}
    bound = {(each["metadata"]["namespace"], each["roleRef"]["name"]) for each in objects.of("RoleBinding")}
    assert bound == {(role["metadata"]["namespace"], role["metadata"]["name"]) for role in objects.of("Role")}
    for binding in objects.of("RoleBinding"):
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "firesteel", "namespace": "firesteel"}]


def test_permissions_are_the_same_for_one_namespace_and_for_all_and_are_few(render):
    everywhere = {resource: verbs for (_, resource), verbs in render({"rbac": {"aggregate": False}}).rights("ClusterRole").items()}
    in_one = {resource: verbs for (namespace, resource), verbs in render({"namespaces": ["a"]}).rights("Role").items() if namespace == "a"}
    assert everywhere == in_one
    # Listing secrets exposes all their contents, and updating pods allows changing their images.
    assert not everywhere["secrets"] & {"list", "watch", "update", "patch", "delete"}
    assert "update" not in everywhere["pods"]
    assert not {"*", "deletecollection", "escalate", "bind", "impersonate"} & functools.reduce(set.union, everywhere.values())
    assert {"pods/exec", "pods/log", "nodes", "configmaps", "serviceaccounts", "*"}.isdisjoint(everywhere)


def test_without_rbac_there_are_no_roles(render):
    objects = render({"rbac": {"create": False, "aggregate": False}})
    for kind in ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"]:
        assert objects.of(kind) == []


def test_one_of_several_operators_leads_and_a_single_one_need_not(render):
    several = render({"replicas": 3})
    assert several.one("Deployment")["spec"]["replicas"] == 3
    assert {"--leader-elect", "--lease-name=firesteel", "--lease-namespace=firesteel"} <= set(several.arguments())
    single = render({"leaderElection": {"enabled": False}})
    assert not any("lease" in argument or "leader" in argument for argument in single.arguments())
    assert single.one("Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    assert single.of("Role") == []


def test_definitions_are_the_generated_ones_and_stay(render):
    generated = {each["metadata"]["name"]: each for each in map(yaml.safe_load, (path.read_text() for path in DEFINITIONS.glob("*s.yaml")))}
    assert len(generated) == 2
    for values, annotations in [({}, {"helm.sh/resource-policy": "keep"}), ({"crds": {"keep": False}}, None)]:
        made = {each["metadata"]["name"]: each for each in render(values).of("CustomResourceDefinition")}
        assert {name: each["spec"] for name, each in made.items()} == {name: each["spec"] for name, each in generated.items()}
        assert {str(each["metadata"].get("annotations")) for each in made.values()} == {str(annotations)}
    assert render({"crds": {"install": False}}).of("CustomResourceDefinition") == []


def test_pod_values_reach_the_pod(render):
    objects = render(
        {
            "image": {"repository": "registry.example/operator", "digest": "sha256:" + "0" * 64, "pullPolicy": "Always"},
            "application": {"image": "registry.example/executor:7"},
            "imagePullSecrets": ["pull"],
            "concurrency": 1000000,
            "log": "info,kube=debug",
            "extraArgs": ["--more"],
            "extraEnv": [{"name": "MORE", "value": "yes"}],
            "podLabels": {"team": "data"},
            "podAnnotations": {"note": "yes"},
            "nodeSelector": {"disk": "fast"},
            "tolerations": [{"key": "dedicated", "operator": "Exists"}],
            "affinity": {"podAntiAffinity": {"a": 1}},
            "topologySpreadConstraints": [{"maxSkew": 1}],
            "priorityClassName": "high",
            "terminationGracePeriodSeconds": 7,
            "resources": {"limits": {"memory": "1Gi", "cpu": 2}},
            "serviceAccount": {"create": False, "name": "other"},
        }
    )
    pod, template = objects.pod(), objects.one("Deployment")["spec"]["template"]
    (container,) = pod["containers"]
    assert container["image"] == "registry.example/operator@sha256:" + "0" * 64
    assert container["imagePullPolicy"] == "Always"
    assert {"--image=registry.example/executor:7", "--concurrency=1000000", "--more"} <= set(container["args"])
    assert {"name": "FIRESTEEL_LOG", "value": "info,kube=debug"} in container["env"]
    assert {"name": "MORE", "value": "yes"} in container["env"]
    assert container["resources"]["limits"] == {"memory": "1Gi", "cpu": 2}
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    assert template["metadata"]["labels"]["team"] == "data"
    assert template["metadata"]["annotations"] == {"note": "yes"}
    assert pod["nodeSelector"] == {"disk": "fast"}
    assert pod["tolerations"] == [{"key": "dedicated", "operator": "Exists"}]
    assert pod["affinity"] == {"podAntiAffinity": {"a": 1}}
    assert pod["topologySpreadConstraints"] == [{"maxSkew": 1}]
    assert (pod["priorityClassName"], pod["terminationGracePeriodSeconds"]) == ("high", 7)
    assert pod["serviceAccountName"] == "other"
    assert objects.of("ServiceAccount") == []
    assert objects.one("ClusterRoleBinding")["subjects"][0]["name"] == "other"


def test_services_monitors_and_budgets_find_the_operator_and_nothing_else(render):
    objects = render({"metrics": {"podMonitor": {"enabled": True, "labels": {"release": "p"}}}, "podDisruptionBudget": {"enabled": True}})
    labels = objects.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        objects.one("Service")["spec"]["selector"],
        objects.one("PodMonitor")["spec"]["selector"]["matchLabels"],
        objects.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        objects.one("Deployment")["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector.items() <= labels.items()
        assert not selector.items() <= objects.one("Pod")["metadata"]["labels"].items()
    assert objects.one("PodMonitor")["metadata"]["labels"]["release"] == "p"
    assert objects.one("PodMonitor")["spec"]["podMetricsEndpoints"] == [{"port": "http", "path": "/metrics", "interval": "30s"}]
    assert objects.pod()["containers"][0]["ports"] == [{"name": "http", "containerPort": 8080}]
    bare = render({"metrics": {"service": {"enabled": False}}})
    for kind in ["Service", "PodMonitor", "PodDisruptionBudget", "Pod"]:
        assert bare.of(kind) == []


REFUSED = [
    ({"namespace": ["a"]}, "namespace"),
    ({"namespaces": "a"}, "/namespaces"),
    ({"namespaces": ["A_b"]}, "/namespaces/0"),
    ({"namespaces": ["a", "a"]}, "/namespaces"),
    ({"replicas": "two"}, "/replicas"),
    ({"replicas": 2, "leaderElection": {"enabled": False}}, "/replicas"),
    ({"leaderElection": {"enable": True}}, "enable"),
    ({"leaderElection": {"enabled": "true"}}, "/leaderElection/enabled"),
    ({"concurrency": 0}, "/concurrency"),
    ({"image": {"tag": "a tag"}}, "/image/tag"),
    ({"image": {"digest": "0123"}}, "/image/digest"),
    ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
    ({"application": {"images": "x"}}, "images"),
    ({"resources": {"limits": {"memory": "much"}}}, "/resources/limits/memory"),
    ({"resources": {"limit": {}}}, "limit"),
    ({"tolerations": [{"effect": "NoScheduling"}]}, "/tolerations/0/effect"),
    ({"affinity": {"nodesAffinity": {}}}, "nodesAffinity"),
    ({"podDisruptionBudget": {"maxUnavailable": "half"}}, "/podDisruptionBudget/maxUnavailable"),
    ({"metrics": {"podMonitor": {"interval": "often"}}}, "/metrics/podMonitor/interval"),
    ({"metrics": {"service": {"port": 0}}}, "/metrics/service/port"),
    ({"serviceAccount": {"annotations": {"a": 1}}}, "/serviceAccount/annotations/a"),
]


@pytest.mark.parametrize(("values", "name"), REFUSED, ids=[str(values) for values, _ in REFUSED])
def test_a_wrong_value_is_refused_by_its_name(helm, values, name):
    done = helm.try_("template", "firesteel", CHART, values=values)
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("- at ")]
    assert name in line


def test_plain_manifests_are_fresh_and_kubectl_assembles_them():
    assert MANIFESTS.read_text() == manifests(), "run `./dev manifests`"
    text = command(machine.built("kubernetes") / "kubectl", "kustomize", machine.ROOT / "deploy")
    objects = list(yaml.safe_load_all(text))
    kinds = {each["kind"] for each in objects}
    assert {"Namespace", "CustomResourceDefinition", "Deployment", "ClusterRole", "ClusterRoleBinding", "ServiceAccount"} <= kinds
    (deployment,) = [each for each in objects if each["kind"] == "Deployment"]
    assert deployment["metadata"]["namespace"] == "firesteel"
    assert "helm" not in text.lower().replace(HEADER.lower(), "")


def test_an_api_server_accepts_the_charts_output_and_definitions_are_upgraded_and_kept(api, tmp_path):
    helm, kubectl = Helm(api.kubeconfig), api.kubectl.within("chart")
    older = shutil.copytree(CHART, tmp_path / "firesteel")
    for path in (older / "files" / "crds").iterdir():
        path.write_text(path.read_text().replace("    - sparkapp\n", "    - old\n"))
    definition = "crd/sparkapplications.firesteel.dev"

    def install(chart, values):
        helm("upgrade", "--install", "firesteel", chart, "--namespace=chart", "--create-namespace", values=values)

    install(older, {"podDisruptionBudget": {"enabled": True}, "replicas": 2})
    assert kubectl.get(definition)["spec"]["names"]["shortNames"] == ["old"]
    install(CHART, {"namespaces": ["default"]})
    assert kubectl.get(definition)["spec"]["names"]["shortNames"] == ["sparkapp"]
    assert kubectl.all("poddisruptionbudgets") == []
    assert kubectl.get("clusterrole", "chart-firesteel") is None
    assert api.kubectl.within("default").get("role", "chart-firesteel")
    helm("uninstall", "firesteel", "--namespace=chart")
    assert kubectl.all("deployments,services,serviceaccounts,roles", "--selector=app.kubernetes.io/name=firesteel") == []
    assert kubectl.get(definition)
    # Another release adopts the CRDs only with `--take-ownership`.
    other = ["install", "other", CHART, "--namespace=chart"]
    assert "cannot be imported into the current release" in helm.try_(*other).stderr
    helm(*other, "--take-ownership")
    helm("uninstall", "other", "--namespace=chart")


def test_an_api_server_accepts_the_plain_manifests_twice(api):
    for _ in range(2):
        api.kubectl("apply", "--kustomize", machine.ROOT / "deploy")
    assert api.kubectl.within("firesteel").get("deployment", "firesteel")
