//! Names by which the pods of an application are found: by the operator that makes them, and by whoever reads what they say.

/// Label: name of the application. The watch on pods selects by its presence.
pub const APP_NAME: &str = "firesteel.dev/app-name";
/// Label: number of the executor.
pub const EXECUTOR_ID: &str = "spark-exec-id";
/// Name of the Spark container of a driver.
pub const DRIVER_CONTAINER: &str = "spark-kubernetes-driver";
/// Name of the Spark container of an executor.
pub const EXECUTOR_CONTAINER: &str = "spark-kubernetes-executor";
