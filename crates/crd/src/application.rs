//! `SparkApplication`: one run of a program. The fields are those of
//! `sparkoperator.k8s.io/v1beta2`, name by name, so that an existing manifest needs only its
//! `apiVersion` and image changed. `rules` says what a field must look like, `validate` what it
//! means, and `unsupported` which fields are not supported.

use crate::embedded::Embedded;
use crate::options::{
    BatchSchedulerOptions, Dependencies, DriverIngress, DynamicAllocation, Monitoring,
    RestartPolicy, SparkUiOptions,
};
use crate::pod::{DriverSpec, ExecutorSpec};
use crate::status::SparkApplicationStatus;
use k8s_openapi::api::core::v1::Volume;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Specification of an application.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "firesteel.dev",
    version = "v1beta2",
    kind = "SparkApplication",
    plural = "sparkapplications",
    shortname = "sparkapp",
    namespaced,
    status = "SparkApplicationStatus",
    derive = "PartialEq",
    doc = "One run of a Spark program: a driver and its executors.",
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.applicationState.state"}"#,
    printcolumn = r#"{"name":"Driver","type":"string","jsonPath":".status.conditions[?(@.type==\"DriverReady\")].reason"}"#,
    printcolumn = r#"{"name":"Progress","type":"string","jsonPath":".status.progress.summary"}"#,
    printcolumn = r#"{"name":"Executors","type":"integer","jsonPath":".status.executors.running"}"#,
    printcolumn = r#"{"name":"Attempts","type":"integer","jsonPath":".status.executionAttempts"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Error","type":"string","jsonPath":".status.applicationState.errorMessage","priority":1}"#,
    printcolumn = r#"{"name":"DriverMessage","type":"string","jsonPath":".status.conditions[?(@.type==\"DriverReady\")].message","priority":1}"#,
    printcolumn = r#"{"name":"ExecutorsMessage","type":"string","jsonPath":".status.conditions[?(@.type==\"ExecutorsReady\")].message","priority":1}"#,
    scale(
        spec_replicas_path = ".spec.executor.instances",
        status_replicas_path = ".status.executors.running",
        label_selector_path = ".status.selector"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct SparkApplicationSpec {
    /// Stops the driver, or keeps it from starting, while true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Language of the program.
    #[serde(rename = "type")]
    pub type_: ProgramType,
    /// Spark version that the program was written for.
    pub spark_version: String,
    /// Placement of the driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<DeployMode>,
    /// User to act as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_user: Option<String>,
    /// Image of driver and executors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// When to pull the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<String>,
    /// Secrets for pulling the image, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<String>,
    /// Main class of a JVM program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_class: Option<String>,
    /// The program: a `.py` or `.sql` file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_application_file: Option<String>,
    /// Arguments of the program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// Settings, as `--conf` takes them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spark_conf: BTreeMap<String, String>,
    /// Settings that get the prefix `spark.hadoop.`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hadoop_conf: BTreeMap<String, String>,
    /// `ConfigMap` with files for `SPARK_CONF_DIR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spark_config_map: Option<String>,
    /// `ConfigMap` with files for `HADOOP_CONF_DIR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hadoop_config_map: Option<String>,
    /// Volumes for driver and executors to mount. Those named `spark-local-dir-…` hold shuffles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Embedded<Volume>>,
    /// The driver's pod.
    pub driver: DriverSpec,
    /// The executors' pods.
    pub executor: ExecutorSpec,
    /// Dependencies of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deps: Option<Dependencies>,
    /// Whether and when a program that ended runs again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartPolicy>,
    /// Labels of the nodes that driver and executors may run on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Superseded by `restartPolicy.onFailureRetries`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_retries: Option<i32>,
    /// Superseded by `restartPolicy.onSubmissionFailureRetryInterval`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_interval: Option<i64>,
    /// Major version of Python.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python_version: Option<PythonVersion>,
    /// Memory overhead of a pod, as a fraction of its memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_overhead_factor: Option<String>,
    /// Exposure of metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,
    /// Batch scheduler that places all pods of an application together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_scheduler: Option<String>,
    /// Options for the batch scheduler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_scheduler_options: Option<BatchSchedulerOptions>,
    /// Seconds after its end until the application is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_live_seconds: Option<i64>,
    /// Service and ingress of the web UI.
    #[serde(rename = "sparkUIOptions", skip_serializing_if = "Option::is_none")]
    pub spark_ui_options: Option<SparkUiOptions>,
    /// Services and ingresses of other ports of the driver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub driver_ingress_options: Vec<DriverIngress>,
    /// Dynamic allocation of executors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynamic_allocation: Option<DynamicAllocation>,
    /// Whether the driver's pod has a disruption budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_pod_disruption_budget: Option<bool>,
}

/// Language of a program.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is a language")]
pub enum ProgramType {
    Java,
    Python,
    Scala,
    R,
    #[serde(rename = "SQL")]
    Sql,
}

/// Placement of the driver.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are Spark's")]
pub enum DeployMode {
    Cluster,
    Client,
    InClusterClient,
}

/// Major version of Python.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum PythonVersion {
    #[serde(rename = "2")]
    Two,
    #[serde(rename = "3")]
    Three,
}
