//! Names and labels of an application's children. They are derived from the application alone, so
//! that a repeated pass finds what an earlier one created.

pub use crd::names::{APP_NAME, DRIVER_CONTAINER, EXECUTOR_CONTAINER, EXECUTOR_ID};

/// Label: the submission that a pod belongs to.
pub const SUBMISSION_ID: &str = "firesteel.dev/submission-id";
/// Label: what created the pod.
pub const LAUNCHED_BY: &str = "firesteel.dev/launched-by-spark-operator";
/// Label: whether a driver's connections are encrypted; the specification may have changed since
/// the driver was created.
pub const ENCRYPTED: &str = "firesteel.dev/encrypted";
/// Label: the executor slot whose claims a pod may mount.
pub const SLOT: &str = "firesteel.dev/slot";
/// Label: number of the resource profile that an executor is for; without, it is as the
/// specification says.
pub const RESOURCE_PROFILE: &str = "firesteel.dev/resource-profile";
/// Label: `driver` or `executor`.
pub const ROLE: &str = "spark-role";
/// Label: id of the application, as its driver knows it.
pub const APP_SELECTOR: &str = "spark-app-selector";
/// Label: version of Spark that the program was written for.
pub const SPARK_VERSION: &str = "spark-version";
/// Label: an executor that ended, whose end was recorded, and whose pod is kept.
pub const INACTIVE: &str = "spark-exec-inactive";

/// Label: a claim that outlives its application.
pub const RETAINED: &str = "firesteel.dev/retained";
/// Label: name of the schedule that started an application.
pub const SCHEDULED_APP_NAME: &str = "firesteel.dev/scheduled-app-name";
/// Annotation: the time for which a schedule started an application.
pub const SCHEDULED_FOR: &str = "firesteel.dev/scheduled-for";

/// Field manager of everything the operator writes.
pub const FIELD_MANAGER: &str = "firesteel-operator";

/// Key of the token in its secret.
pub const TOKEN_KEY: &str = "token";
/// Key of the TLS identity in the same secret.
pub const IDENTITY_KEY: &str = "identity";

/// Name of the secret that holds the token.
pub fn token_secret(app: &str) -> String {
    format!("{app}-token")
}

/// Name of the driver's pod, unless the specification sets one.
pub fn driver_pod(app: &str) -> String {
    format!("{app}-driver")
}

/// Name of an executor's pod. The prefix is the application's name unless the specification sets
/// another.
pub fn executor_pod(prefix: &str, id: u64) -> String {
    format!("{prefix}-exec-{id}")
}

/// Name of the driver's own claim for a volume.
pub fn driver_claim(app: &str, volume: &str) -> String {
    format!("{app}-driver-{volume}")
}

/// Name of an executor claim for a volume. A claim belongs to a slot, not to an executor: the
/// slot's next executor mounts it again.
pub fn executor_claim(app: &str, slot: u32, volume: &str) -> String {
    format!("{app}-exec-slot-{slot}-{volume}")
}

/// Selector of an application's executors.
pub fn executor_selector(app: &str) -> String {
    format!("{APP_NAME}={app},{ROLE}=executor")
}

/// Id of the application, as driver and executors know it. It outlives submissions, and with it
/// shuffles do.
pub fn application_id(uid: &str) -> String {
    format!("spark-{}", uid.replace('-', ""))
}

/// Address and port in dialable form; IPv6 addresses are bracketed.
pub fn host_port(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}
