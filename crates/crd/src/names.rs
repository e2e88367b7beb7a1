//! Names by which the pods of an application are found, by the operator and by readers of their
//! logs.

/// Label: the application's name. The watch on pods selects by its presence.
pub const APP_NAME: &str = "firesteel.dev/app-name";
/// Label: the executor's number.
pub const EXECUTOR_ID: &str = "spark-exec-id";
/// Name of the driver's Spark container.
pub const DRIVER_CONTAINER: &str = "spark-kubernetes-driver";
/// Name of an executor's Spark container.
pub const EXECUTOR_CONTAINER: &str = "spark-kubernetes-executor";
