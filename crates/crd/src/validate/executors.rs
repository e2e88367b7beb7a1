//! Numbers of executors: fixed, or by dynamic allocation. A field takes precedence over a key.

use super::keys::Keys;
use super::{Executors, Problems};
use crate::application::SparkApplicationSpec;
use crate::options::DynamicAllocation;
use crate::problem::FieldPath;
use model::conf::{self, Conf, Key};

/// Whether executors are allocated dynamically.
fn is_dynamic(spec: &SparkApplicationSpec, settings: &Conf) -> bool {
    let by_key = || settings.get(&conf::DYNAMIC_ALLOCATION).unwrap_or(false);
    spec.dynamic_allocation.as_ref().map_or_else(by_key, |dynamic| dynamic.enabled)
}

/// Reads the numbers. With dynamic allocation the initial one is the greater of the two settings,
/// as in Spark.
pub(super) fn read(spec: &SparkApplicationSpec, keys: &Keys, problems: &mut Problems) -> Executors {
    let at = FieldPath::new("spec.executor.instances");
    let mut positive = |number: Option<i32>, at: FieldPath| {
        let number = number?;
        let read = u32::try_from(number).ok();
        if read.is_none() {
            problems.add(at, "must not be negative");
        }
        read
    };
    let instances = positive(spec.executor.instances, at.clone()).or(keys.instances);
    if !is_dynamic(spec, &keys.settings) {
        let number = instances.unwrap_or(1);
        if number == 0 {
            problems.add(at, "must be at least 1");
        }
        return Executors { initial: number, min: number, max: number };
    }
    let of = |name| FieldPath::new("spec.dynamicAllocation").field(name);
    let none = DynamicAllocation::default();
    let dynamic = spec.dynamic_allocation.as_ref().unwrap_or(&none);
    let by_key = |key: &Key<u32>| keys.settings.find(key).ok().flatten();
    let min = positive(dynamic.min_executors, of("minExecutors"));
    let max = positive(dynamic.max_executors, of("maxExecutors"));
    let initial = positive(dynamic.initial_executors, of("initialExecutors"));
    let min = min.or_else(|| by_key(&conf::DYNAMIC_MIN_EXECUTORS)).unwrap_or(0);
    let max = max.or_else(|| by_key(&conf::DYNAMIC_MAX_EXECUTORS)).unwrap_or(u32::MAX);
    let initial = initial.or_else(|| by_key(&conf::DYNAMIC_INITIAL_EXECUTORS)).unwrap_or(min);
    let initial = initial.max(instances.unwrap_or(0));
    if max == 0 {
        problems.add(of("maxExecutors"), "must be at least 1");
    } else if min > max {
        problems.add(of("minExecutors"), "must not be greater than maxExecutors");
    } else if !(min..=max).contains(&initial) {
        let problem = format!("{initial} is not between {min} and {max}");
        problems.add(of("initialExecutors"), problem);
    }
    Executors { initial, min, max }
}

/// The driver's settings of dynamic allocation. The largest number stays out of them: the operator
/// keeps to it, also when it changes.
pub(super) fn settings(spec: &SparkApplicationSpec, executors: Executors, settings: &mut Conf) {
    let is_dynamic = is_dynamic(spec, settings);
    if spec.dynamic_allocation.is_none() && !is_dynamic {
        return;
    }
    settings.set(conf::DYNAMIC_ALLOCATION.name, is_dynamic.to_string());
    if !is_dynamic {
        return;
    }
    settings.set(conf::DYNAMIC_MIN_EXECUTORS.name, executors.min.to_string());
    settings.set(conf::DYNAMIC_INITIAL_EXECUTORS.name, executors.initial.to_string());
    settings.unset(conf::DYNAMIC_MAX_EXECUTORS.name);
    let Some(dynamic) = &spec.dynamic_allocation else { return };
    if let Some(enabled) = dynamic.shuffle_tracking_enabled {
        settings.set(conf::DYNAMIC_SHUFFLE_TRACKING.name, enabled.to_string());
    }
    if let Some(timeout) = dynamic.shuffle_tracking_timeout {
        settings.set(conf::DYNAMIC_SHUFFLE_TIMEOUT.name, format!("{}ms", timeout.max(0)));
    }
}
