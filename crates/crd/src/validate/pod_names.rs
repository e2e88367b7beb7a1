//! Names of pods that a manifest chooses.

use super::legal::is_object_name;
use super::{Keys, Problems};
use crate::SparkApplicationSpec;
use crate::problem::FieldPath;

/// Letters that executors' names may begin with, so that with any number behind they can be host names, as in Spark.
const LONGEST_PREFIX: usize = 63 - "-exec-2147483647".len();

/// Name of the driver's pod: the field, or the key.
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
        let problem = "is not the name of a pod: lower-case letters, digits, `-` and `.`";
        problems.add(at, format!("`{name}` {problem}"));
        return None;
    }
    Some(name.clone())
}

/// What the names of executors' pods begin with.
pub(super) fn executor_prefix(keys: &Keys, problems: &mut Problems) -> Option<String> {
    let prefix = keys.executor.values.get("podNamePrefix")?;
    if !is_object_name(prefix) || prefix.len() > LONGEST_PREFIX {
        let key = "spark.kubernetes.executor.podNamePrefix";
        let problem = format!(
            "`{prefix}` is not what names of pods begin with: at most {LONGEST_PREFIX} lower-case letters, digits, `-` and `.`"
        );
        problems.add(FieldPath::new("spec.sparkConf").key(key), problem);
        return None;
    }
    Some(prefix.clone())
}
