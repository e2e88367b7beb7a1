//! The meaning of a specification: parsed values with all defaults, or a list of everything that is
//! wrong with it.
//!
//! The API server has already refused most errors; this finds the rest (the inside of embedded
//! objects, keys of `sparkConf`, sums) and trusts nothing, because a resource may be older than the
//! rules. The result can be turned into pods without further checks.

mod executors;
mod keys;
mod kubernetes_names;
mod paths;
mod pod;
mod pod_keys;
mod pod_names;
mod program;
mod resources;
mod restart;
mod scheduled;
mod volumes;

pub(crate) use keys::{Keys, REFUSED, RETAIN_CLAIMS, RoleKeys};
pub use kubernetes_names::is_label_value;
pub use pod::Shape;
pub use pod_keys::{POD_KEYS, PodKey};
pub(crate) use program::MAX_ARGUMENT_BYTES;
pub use program::{Language, Program};
pub use resources::{Cpu, Memory};
pub use restart::{Restart, Retry};
pub use scheduled::{ValidSchedule, validate_scheduled};
pub use volumes::{Claim, ClaimName, Retention, RoleVolume, Source};
pub(crate) use volumes::{KINDS, properties};

use crate::embedded::Embedded;
use crate::problem::{FieldPath, Problem};
use crate::{DriverSpec, ExecutorSpec, Gpu, Port, SparkApplicationSpec, SparkPodSpec};
use k8s_openapi::api::core::v1::Lifecycle;
use model::conf::Conf;
use std::collections::BTreeSet;
use std::time::Duration;

/// A valid specification, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Validated {
    /// Whether the driver is held back.
    pub suspended: bool,
    /// The program to run.
    pub program: Program,
    /// Settings of the driver, including those derived from fields. Keys that shape pods are in the
    /// roles.
    pub settings: Conf,
    /// The driver's pod.
    pub driver: Role,
    /// Name of that pod, if set.
    pub driver_pod_name: Option<String>,
    /// An executor's pod.
    pub executor: Role,
    /// Prefix of the names of these pods, if set.
    pub executor_pod_prefix: Option<String>,
    /// Number of executors.
    pub executors: Executors,
    /// Whether pods of ended executors are deleted.
    pub delete_ended_executors: bool,
    /// Whether and when the program runs again.
    pub restart: Restart,
    /// Time that the application is kept after its end; for ever if `None`.
    pub time_to_live: Option<Duration>,
}

/// Number of executors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Executors {
    /// Initial number.
    pub initial: u32,
    /// Smallest number.
    pub min: u32,
    /// Largest number.
    pub max: u32,
}

/// One of the two kinds of pods.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// Its image, if set.
    pub image: Option<String>,
    /// When to pull the image.
    pub pull_policy: Option<String>,
    /// Secrets for pulling the image.
    pub pull_secrets: Vec<String>,
    /// Its CPUs.
    pub cpu: Cpu,
    /// Its memory.
    pub memory: Memory,
    /// Its GPUs.
    pub gpu: Option<Gpu>,
    /// Everything else about its pod.
    pub shape: Shape,
    /// Its volumes.
    pub volumes: Vec<RoleVolume>,
}

impl Role {
    /// Directories for shuffles, in order; if there are none, the operator adds an `emptyDir`.
    pub fn local_dirs(&self) -> impl Iterator<Item = &str> {
        self.volumes
            .iter()
            .filter(|volume| volume.holds_shuffles())
            .flat_map(|volume| &volume.mounts)
            .map(|mount| mount.mount_path.as_str())
    }
}

/// The two kinds of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Driver,
    Executor,
}

impl Kind {
    /// The name in `sparkConf` and in the specification.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Executor => "executor",
        }
    }
}

/// The fields of a role, under the same names for both.
pub(crate) struct Given<'a> {
    pub(crate) kind: Kind,
    pub(crate) pod: &'a SparkPodSpec,
    pub(crate) core_request: Option<&'a str>,
    pub(crate) lifecycle: Option<&'a Embedded<Lifecycle>>,
    pub(crate) ports: &'a [Port],
    pub(crate) priority_class_name: Option<&'a str>,
}

impl<'a> Given<'a> {
    fn driver(spec: &'a DriverSpec) -> Self {
        Self {
            kind: Kind::Driver,
            pod: &spec.pod,
            core_request: spec.core_request.as_deref(),
            lifecycle: spec.lifecycle.as_ref(),
            ports: &spec.ports,
            priority_class_name: spec.priority_class_name.as_deref(),
        }
    }

    fn executor(spec: &'a ExecutorSpec) -> Self {
        Self {
            kind: Kind::Executor,
            pod: &spec.pod,
            core_request: spec.core_request.as_deref(),
            lifecycle: spec.lifecycle.as_ref(),
            ports: &spec.ports,
            priority_class_name: spec.priority_class_name.as_deref(),
        }
    }

    pub(crate) fn at(&self) -> FieldPath {
        FieldPath::new("spec").field(self.kind.name())
    }
}

/// Problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl Problems {
    /// Records a problem.
    pub(crate) fn add(&mut self, at: FieldPath, problem: impl Into<String>) {
        self.0.push(Problem::new(at, problem));
    }

    /// All problems without duplicates: fields shared by both roles are checked twice.
    fn deduplicated(mut self) -> Vec<Problem> {
        let mut seen = BTreeSet::new();
        self.0.retain(|problem| seen.insert(problem.to_string()));
        self.0
    }

    /// The value, or `None` after recording the problem.
    pub(crate) fn take<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(problem) => {
                self.0.push(problem);
                None
            }
        }
    }
}

/// Parses a specification; `namespace` is the resource's namespace.
///
/// # Errors
/// With everything that is wrong.
pub fn validate(spec: &SparkApplicationSpec, namespace: &str) -> Result<Validated, Vec<Problem>> {
    let mut problems = Problems::default();
    let conf_at = FieldPath::new("spec.sparkConf");
    let keys = Keys::read(&spec.spark_conf, &conf_at, namespace, &mut problems);
    let program = program::read(spec, &mut problems);
    let driver = read_role(spec, &Given::driver(&spec.driver), &keys, &mut problems);
    let executor = read_role(spec, &Given::executor(&spec.executor), &keys, &mut problems);
    let executors = executors::read(spec, &keys, &mut problems);
    let restart = restart::read(spec.restart_policy.as_ref(), &mut problems);
    let time_to_live = time_to_live(spec);
    if spec.time_to_live_seconds.is_some() && time_to_live.is_none() {
        problems.add(FieldPath::new("spec.timeToLiveSeconds"), "must not be negative");
    }
    check_selectors(spec, &mut problems);
    let driver_pod_name = pod_names::driver(spec, &keys, &mut problems);
    let executor_pod_prefix = pod_names::executor_prefix(&keys, &mut problems);
    let delete_ended_executors = delete_ended(spec, &keys, &mut problems);
    let (Some(program), Some(driver), Some(executor), true) =
        (program, driver, executor, problems.0.is_empty())
    else {
        return Err(problems.deduplicated());
    };
    let settings = settings(spec, keys, (&driver, &executor), executors);
    Ok(Validated {
        suspended: spec.suspend.unwrap_or(false),
        program,
        settings,
        driver,
        driver_pod_name,
        executor,
        executor_pod_prefix,
        executors,
        delete_ended_executors,
        restart,
        time_to_live,
    })
}

/// Time that an application is kept after its end; for ever if `None`. Applies even to a refused
/// specification.
pub fn time_to_live(spec: &SparkApplicationSpec) -> Option<Duration> {
    let seconds = u64::try_from(spec.time_to_live_seconds?).ok()?;
    Some(Duration::from_secs(seconds))
}

/// Whether pods of ended executors are deleted, from the field or the key.
fn delete_ended(spec: &SparkApplicationSpec, keys: &Keys, problems: &mut Problems) -> bool {
    let of_key = keys.executor.values.get("deleteOnTermination").map(|text| text.trim());
    let of_key = match of_key {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(other) => {
            let key = "spark.kubernetes.executor.deleteOnTermination";
            let problem = format!("`{other}` is neither true nor false");
            problems.add(FieldPath::new("spec.sparkConf").key(key), problem);
            None
        }
    };
    spec.executor.delete_on_termination.or(of_key).unwrap_or(true)
}

fn read_role(
    spec: &SparkApplicationSpec,
    given: &Given<'_>,
    keys: &Keys,
    problems: &mut Problems,
) -> Option<Role> {
    let of_role = keys.role(given.kind);
    let cpu = resources::cpu(given, keys, problems);
    let memory = resources::memory(spec, given, keys, problems);
    let shape = pod::read(spec, given, of_role, problems);
    let volumes = volumes::read(spec, given, of_role, &shape, problems);
    // Templated manifests leave fields empty if they have no value for them.
    let non_empty = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Some(Role {
        image: non_empty(&given.pod.image).or_else(|| non_empty(&spec.image)),
        pull_policy: non_empty(&spec.image_pull_policy).or_else(|| non_empty(&keys.pull_policy)),
        pull_secrets: if spec.image_pull_secrets.is_empty() {
            keys.pull_secrets.clone()
        } else {
            spec.image_pull_secrets.clone()
        },
        cpu: cpu?,
        memory: memory?,
        gpu: given.pod.gpu.clone().filter(|gpu| gpu.quantity > 0),
        shape,
        volumes,
    })
}

fn check_selectors(spec: &SparkApplicationSpec, problems: &mut Problems) {
    let of_roles =
        !spec.driver.pod.node_selector.is_empty() || !spec.executor.pod.node_selector.is_empty();
    if of_roles && !spec.node_selector.is_empty() {
        let problem = "must be set for the application or for driver and executor, not for both";
        problems.add(FieldPath::new("spec.nodeSelector"), problem);
    }
}

/// The driver's settings: the given keys, and the ones derived from fields.
fn settings(
    spec: &SparkApplicationSpec,
    keys: Keys,
    (driver, executor): (&Role, &Role),
    executors: Executors,
) -> Conf {
    let mut settings = keys.settings;
    for (key, value) in &spec.hadoop_conf {
        settings.set(format!("spark.hadoop.{key}"), value);
    }
    settings.set("spark.driver.memory", driver.memory.program.to_string());
    settings.set("spark.executor.memory", executor.memory.program.to_string());
    settings.set("spark.executor.cores", executor.cpu.slots.to_string());
    settings.set("spark.executor.instances", executors.initial.to_string());
    executors::settings(spec, executors, &mut settings);
    settings
}

#[cfg(test)]
mod tests;
