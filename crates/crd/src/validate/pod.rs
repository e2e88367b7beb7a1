//! Everything about a pod besides CPUs, memory and volumes: embedded objects, parsed, and labels
//! and the like merged from fields and keys.

use super::keys::{OWN_LABELS, RoleKeys};
use super::kubernetes_names::{check_labels, check_names};
use super::{Given, Problems};
use crate::embedded::Embedded;
use crate::problem::{FieldPath, Problem};
use crate::{Port, SecretType, SparkApplicationSpec};
use k8s_openapi::api::core::v1::{
    Affinity, Container, EnvFromSource, EnvVar, EnvVarSource, HostAlias, Lifecycle, PodDNSConfig,
    PodSecurityContext, PodTemplateSpec, SecretKeySelector, SecurityContext, Toleration,
};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Everything about a pod besides CPUs, memory and volumes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shape {
    /// The pod template to start from.
    pub template: Option<PodTemplateSpec>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Labels of its nodes.
    pub node_selector: BTreeMap<String, String>,
    /// Environment variables, with unique names.
    pub env: Vec<EnvVar>,
    /// Sources of environment variables.
    pub env_from: Vec<EnvFromSource>,
    /// Affinity to nodes and other pods.
    pub affinity: Option<Affinity>,
    /// Tolerations of taints.
    pub tolerations: Vec<Toleration>,
    /// Security context of the pod.
    pub pod_security_context: Option<PodSecurityContext>,
    /// Security context of the Spark container.
    pub security_context: Option<SecurityContext>,
    /// Its scheduler.
    pub scheduler_name: Option<String>,
    /// Containers that run beside the Spark container.
    pub sidecars: Vec<Container>,
    /// Containers that run before the Spark container.
    pub init_containers: Vec<Container>,
    /// Whether it uses the node's network.
    pub host_network: bool,
    /// DNS configuration.
    pub dns_config: Option<PodDNSConfig>,
    /// Grace period for termination, in seconds.
    pub termination_grace_period_seconds: Option<i64>,
    /// Its service account.
    pub service_account: Option<String>,
    /// Additional entries for the hosts file.
    pub host_aliases: Vec<HostAlias>,
    /// Whether its containers see each other's processes.
    pub share_process_namespace: bool,
    /// Its runtime class.
    pub runtime_class_name: Option<String>,
    /// Ports of the Spark container.
    pub ports: Vec<Port>,
    /// Its priority class.
    pub priority_class_name: Option<String>,
    /// Hooks to run when the Spark container starts and stops.
    pub lifecycle: Option<Lifecycle>,
}

/// Reads the shape of a role's pod.
pub(super) fn read(
    spec: &SparkApplicationSpec,
    given: &Given<'_>,
    keys: &RoleKeys,
    problems: &mut Problems,
) -> Shape {
    let at = given.at();
    let pod = given.pod;
    Shape {
        template: one(pod.template.as_ref(), &at.field("template"), problems),
        labels: labels(given, keys, problems),
        annotations: annotations(given, keys, problems),
        node_selector: node_selector(spec, given, keys, problems),
        env: env(given, keys, problems),
        env_from: all(&pod.env_from, &at.field("envFrom"), problems),
        affinity: one(pod.affinity.as_ref(), &at.field("affinity"), problems),
        tolerations: all(&pod.tolerations, &at.field("tolerations"), problems),
        pod_security_context: one(
            pod.pod_security_context.as_ref(),
            &at.field("podSecurityContext"),
            problems,
        ),
        security_context: one(
            pod.security_context.as_ref(),
            &at.field("securityContext"),
            problems,
        ),
        scheduler_name: pod
            .scheduler_name
            .clone()
            .or_else(|| keys.values.get("scheduler.name").cloned()),
        sidecars: containers(&pod.sidecars, &at.field("sidecars"), problems),
        init_containers: containers(&pod.init_containers, &at.field("initContainers"), problems),
        host_network: pod.host_network.unwrap_or(false),
        dns_config: one(pod.dns_config.as_ref(), &at.field("dnsConfig"), problems),
        termination_grace_period_seconds: pod.termination_grace_period_seconds,
        service_account: pod.service_account.clone(),
        host_aliases: all(&pod.host_aliases, &at.field("hostAliases"), problems),
        share_process_namespace: pod.share_process_namespace.unwrap_or(false),
        runtime_class_name: pod.runtime_class_name.clone(),
        ports: ports(given.ports),
        priority_class_name: given.priority_class_name.map(str::to_owned),
        lifecycle: one(given.lifecycle, &at.field("lifecycle"), problems),
    }
}

/// The default protocol is TCP, as everywhere in Kubernetes.
fn ports(given: &[Port]) -> Vec<Port> {
    let mut ports = given.to_vec();
    for port in ports.iter_mut().filter(|port| port.protocol.is_empty()) {
        "TCP".clone_into(&mut port.protocol);
    }
    ports
}

fn one<T: DeserializeOwned>(
    object: Option<&Embedded<T>>,
    at: &FieldPath,
    problems: &mut Problems,
) -> Option<T> {
    problems.take(object?.read(at))
}

/// Parses the objects of a list.
pub(super) fn all<T: DeserializeOwned>(
    objects: &[Embedded<T>],
    at: &FieldPath,
    problems: &mut Problems,
) -> Vec<T> {
    let objects = objects.iter().enumerate();
    objects.filter_map(|(index, object)| problems.take(object.read(&at.index(index)))).collect()
}

/// Both maps merged; the second one takes precedence.
fn over(
    low: &BTreeMap<String, String>,
    high: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut both = low.clone();
    both.extend(high.clone());
    both
}

fn labels(given: &Given<'_>, keys: &RoleKeys, problems: &mut Problems) -> BTreeMap<String, String> {
    for name in given.pod.labels.keys() {
        if OWN_LABELS.contains(&name.as_str()) || name.starts_with("firesteel.dev/") {
            let at = given.at().field("labels").key(name);
            problems.add(at, "is a label that the operator sets");
        }
    }
    check_labels(&given.pod.labels, |name| given.at().field("labels").key(name), problems);
    check_labels(&keys.labels, |name| key_of(given, "label", name), problems);
    over(&keys.labels, &given.pod.labels)
}

fn annotations(
    given: &Given<'_>,
    keys: &RoleKeys,
    problems: &mut Problems,
) -> BTreeMap<String, String> {
    let at = |name: &str| given.at().field("annotations").key(name);
    check_names(&given.pod.annotations, at, problems);
    check_names(&keys.annotations, |name| key_of(given, "annotation", name), problems);
    over(&keys.annotations, &given.pod.annotations)
}

fn node_selector(
    spec: &SparkApplicationSpec,
    given: &Given<'_>,
    keys: &RoleKeys,
    problems: &mut Problems,
) -> BTreeMap<String, String> {
    let of_both = |name: &str| FieldPath::new("spec.nodeSelector").key(name);
    check_labels(&spec.node_selector, of_both, problems);
    let at = |name: &str| given.at().field("nodeSelector").key(name);
    check_labels(&given.pod.node_selector, at, problems);
    check_labels(&keys.node_selector, |name| key_of(given, "node.selector", name), problems);
    let mut all = over(&keys.node_selector, &spec.node_selector);
    all.extend(given.pod.node_selector.clone());
    all
}

/// Path of a key of this role's family.
fn key_of(given: &Given<'_>, family: &str, name: &str) -> FieldPath {
    let key = format!("spark.kubernetes.{}.{family}.{name}", given.kind.name());
    FieldPath::new("spec.sparkConf").key(&key)
}

/// Names of containers that the operator creates.
const OWN_CONTAINERS: &[&str] = &["spark-kubernetes-driver", "spark-kubernetes-executor"];

fn containers(
    objects: &[Embedded<Container>],
    at: &FieldPath,
    problems: &mut Problems,
) -> Vec<Container> {
    let containers = all(objects, at, problems);
    for (index, container) in containers.iter().enumerate() {
        let at = at.index(index).field("name");
        if container.name.is_empty() {
            problems.add(at, "is missing");
        } else if OWN_CONTAINERS.contains(&container.name.as_str()) {
            problems.add(at, format!("{} is the Spark container", container.name));
        }
    }
    containers
}

/// Environment variables from all sources. Of two with one name the later one here holds.
fn env(given: &Given<'_>, keys: &RoleKeys, problems: &mut Problems) -> Vec<EnvVar> {
    let at = given.at().field("env");
    let pod = given.pod;
    let mut found: Vec<EnvVar> = Vec::new();
    found.extend(keys.env.iter().map(|(name, value)| plain(name, value)));
    let of_keys = keys.secret_env.iter();
    found.extend(of_keys.map(|(name, (secret, key))| from_secret(name, secret, key)));
    found.extend(pod.env_vars.iter().map(|(name, value)| plain(name, value)));
    let refs = pod.env_secret_key_refs.iter();
    found.extend(refs.map(|(name, secret)| from_secret(name, &secret.name, &secret.key)));
    for secret in &pod.secrets {
        if secret.secret_type == SecretType::GcpServiceAccount {
            let file = format!("{}/key.json", secret.path.trim_end_matches('/'));
            found.push(plain("GOOGLE_APPLICATION_CREDENTIALS", &file));
        }
    }
    for (index, variable) in all(&pod.env, &at, problems).into_iter().enumerate() {
        if variable.name.is_empty() {
            problems.0.push(Problem::new(at.index(index).field("name"), "is missing"));
        }
        found.push(variable);
    }
    let mut kept: Vec<EnvVar> = Vec::new();
    for variable in found {
        kept.retain(|other| other.name != variable.name);
        kept.push(variable);
    }
    kept
}

fn plain(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), value_from: None }
}

fn from_secret(name: &str, secret: &str, key: &str) -> EnvVar {
    let selector =
        SecretKeySelector { name: secret.to_owned(), key: key.to_owned(), optional: None };
    let source = EnvVarSource { secret_key_ref: Some(selector), ..EnvVarSource::default() };
    EnvVar { name: name.to_owned(), value: None, value_from: Some(source) }
}
