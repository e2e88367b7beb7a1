//! The smaller parts of a specification.

use crate::embedded::Embedded;
use k8s_openapi::api::networking::v1::IngressTLS;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a program depends on.
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
    /// What these need and must not be fetched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_packages: Vec<String>,
    /// Where these are looked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    /// Archives that are unpacked in the working directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub archives: Vec<String>,
}

/// Whether and when a program that ended runs again.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RestartPolicy {
    /// After which ends.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<RestartPolicyType>,
    /// How often it is submitted again after it could not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_submission_failure_retries: Option<i32>,
    /// How often it runs again after it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure_retries: Option<i32>,
    /// Seconds, times the attempts so far, before it is submitted again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_submission_failure_retry_interval: Option<i64>,
    /// Seconds, times the attempts so far, before it runs again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure_retry_interval: Option<i64>,
}

/// After which ends a program runs again.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum RestartPolicyType {
    #[default]
    Never,
    OnFailure,
    Always,
}

/// What a batch scheduler is told.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BatchSchedulerOptions {
    /// Queue of the application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Priority class of the application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// The least that it needs to start.
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
    /// Certificates of the ingress.
    #[serde(rename = "ingressTLS", default, skip_serializing_if = "Vec::is_empty")]
    pub ingress_tls: Vec<Embedded<IngressTLS>>,
}

/// Service and ingress of a port of the driver.
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
    /// Certificates of the ingress.
    #[serde(rename = "ingressTLS", default, skip_serializing_if = "Vec::is_empty")]
    pub ingress_tls: Vec<Embedded<IngressTLS>>,
}

/// Executors come and go with the work.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DynamicAllocation {
    /// Whether they do.
    #[serde(default)]
    pub enabled: bool,
    /// How many there are at first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_executors: Option<i32>,
    /// How many there are at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_executors: Option<i32>,
    /// How many there are at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_executors: Option<i32>,
    /// Whether executors with shuffles stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffle_tracking_enabled: Option<bool>,
    /// Milliseconds that they stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffle_tracking_timeout: Option<i64>,
}

/// Where metrics are shown.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Monitoring {
    /// Whether the driver shows its own.
    pub expose_driver_metrics: bool,
    /// Whether executors show theirs.
    pub expose_executor_metrics: bool,
    /// Configuration of Spark's metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_properties: Option<String>,
    /// A file with that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_properties_file: Option<String>,
    /// How Prometheus reads them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Prometheus>,
}

/// How Prometheus reads metrics.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Prometheus {
    /// JVM agent, of which there is no need.
    pub jmx_exporter_jar: String,
    /// Port on which they are served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Name of that port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_name: Option<String>,
    /// Configuration of the agent, as a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_file: Option<String>,
    /// Configuration of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
}
