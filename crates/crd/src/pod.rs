//! What a manifest says about the pods of its two roles.

use crate::embedded::Embedded;
use k8s_openapi::api::core::v1::{
    Affinity, Container, EnvFromSource, EnvVar, HostAlias, Lifecycle, PodDNSConfig,
    PodSecurityContext, PodTemplateSpec, SecurityContext, Toleration, VolumeMount,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What driver and executors have in common.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SparkPodSpec {
    /// Pod from which this one is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Embedded<PodTemplateSpec>>,
    /// Tasks that run at the same time; CPUs, unless `coreRequest` says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<i32>,
    /// CPUs that the pod may use at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core_limit: Option<String>,
    /// Memory, such as `4g`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Memory that the pod may use at most; by default what it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<String>,
    /// Memory on top, for Python and the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_overhead: Option<String>,
    /// GPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
    /// Image, instead of the application's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// `ConfigMaps` that are mounted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config_maps: Vec<NamePath>,
    /// Secrets that are mounted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretMount>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<Embedded<EnvVar>>,
    /// Environment variables; `env` can do more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env_vars: BTreeMap<String, String>,
    /// Sources of environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<Embedded<EnvFromSource>>,
    /// Environment variables from secrets; `env` can do more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env_secret_key_refs: BTreeMap<String, NameKey>,
    /// Labels of the pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Which of `spec.volumes` are mounted, and where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<Embedded<VolumeMount>>,
    /// Nodes and pods that it wants to be near to or far from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Embedded<Affinity>>,
    /// Taints that it bears.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Embedded<Toleration>>,
    /// Rights of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_security_context: Option<Embedded<PodSecurityContext>>,
    /// Rights of the Spark container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<Embedded<SecurityContext>>,
    /// Scheduler of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler_name: Option<String>,
    /// Containers beside the Spark container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sidecars: Vec<Embedded<Container>>,
    /// Containers that run before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<Embedded<Container>>,
    /// Whether the pod uses the node's network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_network: Option<bool>,
    /// Labels of the nodes that it may run on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Name resolution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_config: Option<Embedded<PodDNSConfig>>,
    /// Seconds that it has to stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_grace_period_seconds: Option<i64>,
    /// Service account. Its token is not mounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// Names of other hosts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_aliases: Vec<Embedded<HostAlias>>,
    /// Whether its containers see each other's processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_process_namespace: Option<bool>,
    /// Runtime class of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_class_name: Option<String>,
}

/// The driver's pod.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DriverSpec {
    /// What it has in common with an executor.
    #[serde(flatten)]
    pub pod: SparkPodSpec,
    /// Name of the pod; by default the application's with `-driver`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_name: Option<String>,
    /// CPUs that the pod asks for; by default `cores`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core_request: Option<String>,
    /// Options of a JVM, of which there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub java_options: Option<String>,
    /// What is run when the container starts and stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Embedded<Lifecycle>>,
    /// Address of the API server, which the driver never calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes_master: Option<String>,
    /// Annotations of the driver's service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub service_annotations: BTreeMap<String, String>,
    /// Labels of the driver's service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub service_labels: BTreeMap<String, String>,
    /// Ports of the container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// Priority class of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
}

/// The executors' pods.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ExecutorSpec {
    /// What they have in common with the driver.
    #[serde(flatten)]
    pub pod: SparkPodSpec,
    /// How many there are. It may be changed while they run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<i32>,
    /// CPUs that a pod asks for; by default `cores`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core_request: Option<String>,
    /// Options of a JVM, of which there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub java_options: Option<String>,
    /// What is run when the container starts and stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Embedded<Lifecycle>>,
    /// Whether pods that ended are deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_on_termination: Option<bool>,
    /// Ports of the container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// Priority class of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
}

/// GPUs of a pod.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Name of the resource, such as `nvidia.com/gpu`.
    pub name: String,
    /// How many.
    pub quantity: i64,
}

/// Something that is mounted at a path.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct NamePath {
    /// Its name.
    pub name: String,
    /// The path.
    pub path: String,
}

/// A secret that is mounted.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretMount {
    /// Name of the secret.
    pub name: String,
    /// Where it is mounted.
    pub path: String,
    /// What it holds.
    #[schemars(with = "String")]
    pub secret_type: SecretType,
}

/// Kind of a secret. Any text names one; two of them do more than to mount it.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(from = "String", into = "String")]
pub enum SecretType {
    /// A key file, named by `GOOGLE_APPLICATION_CREDENTIALS`.
    GcpServiceAccount,
    /// A token file, named by `HADOOP_TOKEN_FILE_LOCATION`.
    HadoopDelegationToken,
    /// Anything else: `Generic`, `Opaque` or whatever a manifest says.
    Other(String),
}

const GCP_SERVICE_ACCOUNT: &str = "GCPServiceAccount";
const HADOOP_DELEGATION_TOKEN: &str = "HadoopDelegationToken";

impl From<String> for SecretType {
    fn from(text: String) -> Self {
        match text.as_str() {
            GCP_SERVICE_ACCOUNT => Self::GcpServiceAccount,
            HADOOP_DELEGATION_TOKEN => Self::HadoopDelegationToken,
            _ => Self::Other(text),
        }
    }
}

impl From<SecretType> for String {
    fn from(kind: SecretType) -> Self {
        match kind {
            SecretType::GcpServiceAccount => GCP_SERVICE_ACCOUNT.to_owned(),
            SecretType::HadoopDelegationToken => HADOOP_DELEGATION_TOKEN.to_owned(),
            SecretType::Other(text) => text,
        }
    }
}

/// A key of a secret.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct NameKey {
    /// Name of the secret.
    pub name: String,
    /// The key.
    pub key: String,
}

/// A port of a container.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// Its name.
    pub name: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// Its number.
    pub container_port: i32,
}
