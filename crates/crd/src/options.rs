//! The smaller parts of a specification.

use crate::embedded::Embedded;
use k8s_openapi::api::networking::v1::IngressTLS;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Dependencies of a program.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Dependencies {
    /// JVM libraries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jars: Vec<String>,
    /// Files for the working directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Python modules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub py_files: Vec<String>,
    /// JVM libraries by coordinates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Transitive dependencies to exclude.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_packages: Vec<String>,
    /// Repositories to search for packages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    /// Archives to unpack in the working directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub archives: Vec<String>,
}

/// Whether and when a program that ended runs again.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RestartPolicy {
    /// Outcomes after which the program runs again.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<RestartPolicyType>,
    /// Number of retries of a failed submission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_submission_failure_retries: Option<i32>,
    /// Number of reruns of a failed program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure_retries: Option<i32>,
    /// Base wait before a failed submission is retried, in seconds; multiplied by the attempts so
    /// far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_submission_failure_retry_interval: Option<i64>,
    /// Base wait before a failed program runs again, in seconds; multiplied by the runs so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure_retry_interval: Option<i64>,
}

/// Outcomes after which a program runs again.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum RestartPolicyType {
    #[default]
    Never,
    OnFailure,
    Always,
}

/// Options for a batch scheduler.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BatchSchedulerOptions {
    /// Queue of the application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Priority class of the application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// Resources that the application needs to start.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, Quantity>,
}

/// Service and ingress of the web UI.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SparkUiOptions {
    /// Port of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_port: Option<i32>,
    /// Name of that port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_port_name: Option<String>,
    /// Type of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_type: Option<String>,
    /// Annotations of the service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub service_annotations: BTreeMap<String, String>,
    /// Labels of the service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub service_labels: BTreeMap<String, String>,
    /// Annotations of the ingress.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ingress_annotations: BTreeMap<String, String>,
    /// TLS settings of the ingress.
    #[serde(rename = "ingressTLS", default, skip_serializing_if = "Vec::is_empty")]
    pub ingress_tls: Vec<Embedded<IngressTLS>>,
}

/// Service and ingress of one of the driver's ports.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DriverIngress {
    /// Port of the service.
    pub service_port: i32,
    /// Name of that port.
    pub service_port_name: String,
    /// Type of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_type: Option<String>,
    /// Annotations of the service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub service_annotations: BTreeMap<String, String>,
    /// Labels of the service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub service_labels: BTreeMap<String, String>,
    /// URL of the ingress.
    #[serde(rename = "ingressURLFormat", skip_serializing_if = "Option::is_none")]
    pub ingress_url_format: Option<String>,
    /// Annotations of the ingress.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ingress_annotations: BTreeMap<String, String>,
    /// TLS settings of the ingress.
    #[serde(rename = "ingressTLS", default, skip_serializing_if = "Vec::is_empty")]
    pub ingress_tls: Vec<Embedded<IngressTLS>>,
}

/// Dynamic allocation of executors.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DynamicAllocation {
    /// Whether executors are allocated dynamically.
    #[serde(default)]
    pub enabled: bool,
    /// Initial number of executors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_executors: Option<i32>,
    /// Smallest number of executors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_executors: Option<i32>,
    /// Largest number of executors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_executors: Option<i32>,
    /// Whether executors that hold shuffles are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffle_tracking_enabled: Option<bool>,
    /// Time that they are kept, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffle_tracking_timeout: Option<i64>,
}

/// Exposure of metrics.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Monitoring {
    /// Whether the driver exposes metrics.
    pub expose_driver_metrics: bool,
    /// Whether executors expose metrics.
    pub expose_executor_metrics: bool,
    /// Configuration of Spark's metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_properties: Option<String>,
    /// A file with that configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_properties_file: Option<String>,
    /// Exposure to Prometheus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Prometheus>,
}

/// Exposure of metrics to Prometheus.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Prometheus {
    /// JVM agent; not needed here.
    pub jmx_exporter_jar: String,
    /// Port that the metrics are served on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Name of that port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_name: Option<String>,
    /// Configuration file of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_file: Option<String>,
    /// Configuration of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
}
