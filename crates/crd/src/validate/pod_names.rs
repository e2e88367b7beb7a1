//! Pod names chosen by the manifest.

use super::kubernetes_names::is_object_name;
use super::{Keys, Problems};
use crate::SparkApplicationSpec;
use crate::problem::FieldPath;

/// Length limit of the prefix of executors' names, so that with any number appended they are valid
/// host names, as in Spark.
const MAX_PREFIX_LENGTH: usize = 63 - "-exec-2147483647".len();

/// Name of the driver's pod, from the field or the key.
pub(super) fn driver(
    spec: &SparkApplicationSpec,
    keys: &Keys,
    problems: &mut Problems,
) -> Option<String> {
    let field = spec.driver.pod_name.as_ref();
    let field = field.map(|name| (name, FieldPath::new("spec.driver.podName")));
    let key = keys.driver.values.get("pod.name");
    let key = key.map(|name| {
        (name, FieldPath::new("spec.sparkConf").key("spark.kubernetes.driver.pod.name"))
    });
    let (name, at) = field.or(key)?;
    if !is_object_name(name) {
        let problem = "is not a valid pod name: lower-case letters, digits, `-` and `.`";
        problems.add(at, format!("`{name}` {problem}"));
        return None;
    }
    Some(name.clone())
}

/// Prefix of the names of executors' pods.
pub(super) fn executor_prefix(keys: &Keys, problems: &mut Problems) -> Option<String> {
    let prefix = keys.executor.values.get("podNamePrefix")?;
    if !is_object_name(prefix) || prefix.len() > MAX_PREFIX_LENGTH {
        let key = "spark.kubernetes.executor.podNamePrefix";
        let problem = format!(
            "`{prefix}` is not a valid prefix of pod names: at most {MAX_PREFIX_LENGTH} lower-case letters, digits, `-` and `.`"
        );
        problems.add(FieldPath::new("spec.sparkConf").key(key), problem);
        return None;
    }
    Some(prefix.clone())
}
