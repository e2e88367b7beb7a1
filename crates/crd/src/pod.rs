//! Pods of the two roles, as a manifest describes them.

use crate::embedded::Embedded;
use k8s_openapi::api::core::v1::{
    Affinity, Container, EnvFromSource, EnvVar, HostAlias, Lifecycle, PodDNSConfig,
    PodSecurityContext, PodTemplateSpec, SecurityContext, Toleration, VolumeMount,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Fields shared by driver and executors.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SparkPodSpec {
    /// Pod template to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Embedded<PodTemplateSpec>>,
    /// Number of concurrent tasks; also the CPU request, unless `coreRequest` overrides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<i32>,
    /// CPU limit of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core_limit: Option<String>,
    /// Memory, such as `4g`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Memory limit of the pod; its memory request by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<String>,
    /// Additional memory, for Python and the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_overhead: Option<String>,
    /// GPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
    /// Image, overriding the application's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// `ConfigMaps` to mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config_maps: Vec<NamePath>,
    /// Secrets to mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretMount>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<Embedded<EnvVar>>,
    /// Environment variables; superseded by `env`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env_vars: BTreeMap<String, String>,
    /// Sources of environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<Embedded<EnvFromSource>>,
    /// Environment variables from secrets; superseded by `env`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env_secret_key_refs: BTreeMap<String, NameKey>,
    /// Labels of the pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Mounts of `spec.volumes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<Embedded<VolumeMount>>,
    /// Affinity to nodes and other pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Embedded<Affinity>>,
    /// Tolerations of taints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Embedded<Toleration>>,
    /// Security context of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_security_context: Option<Embedded<PodSecurityContext>>,
    /// Security context of the Spark container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<Embedded<SecurityContext>>,
    /// Scheduler of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler_name: Option<String>,
    /// Containers that run beside the Spark container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sidecars: Vec<Embedded<Container>>,
    /// Containers that run before the Spark container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<Embedded<Container>>,
    /// Whether the pod uses the node's network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_network: Option<bool>,
    /// Labels of the nodes that the pod may run on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// DNS configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_config: Option<Embedded<PodDNSConfig>>,
    /// Grace period for termination, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_grace_period_seconds: Option<i64>,
    /// Service account. Its token is not mounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// Additional entries for the hosts file.
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
    /// Fields shared with executors.
    #[serde(flatten)]
    pub pod: SparkPodSpec,
    /// Name of the pod; by default the application's followed by `-driver`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_name: Option<String>,
    /// CPU request of the pod; `cores` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core_request: Option<String>,
    /// JVM options; there is no JVM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub java_options: Option<String>,
    /// Hooks to run when the container starts and stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Embedded<Lifecycle>>,
    /// Address of the API server, which the driver never contacts.
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
    /// Fields shared with the driver.
    #[serde(flatten)]
    pub pod: SparkPodSpec,
    /// Number of executors. It may be changed while the application runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<i32>,
    /// CPU request of a pod; `cores` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core_request: Option<String>,
    /// JVM options; there is no JVM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub java_options: Option<String>,
    /// Hooks to run when the container starts and stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Embedded<Lifecycle>>,
    /// Whether pods of ended executors are deleted.
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
    /// Number of GPUs.
    pub quantity: i64,
}

/// An object to mount at a path.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct NamePath {
    /// Its name.
    pub name: String,
    /// The path.
    pub path: String,
}

/// A secret to mount.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretMount {
    /// Name of the secret.
    pub name: String,
    /// Mount path.
    pub path: String,
    /// Kind of the secret.
    #[schemars(with = "String")]
    pub secret_type: SecretType,
}

/// Kind of a secret. Any text is accepted; two kinds do more than mount it.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(from = "String", into = "String")]
pub enum SecretType {
    /// A key file, named by `GOOGLE_APPLICATION_CREDENTIALS`.
    GcpServiceAccount,
    /// A token file, named by `HADOOP_TOKEN_FILE_LOCATION`.
    HadoopDelegationToken,
    /// Any other kind: `Generic`, `Opaque` or whatever a manifest says.
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
