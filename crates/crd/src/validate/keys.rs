//! The keys of `sparkConf`, sorted: families that shape pods, and the driver's settings.

use super::{Kind, Problems};
use crate::problem::{FieldPath, Problem};
use model::conf::{self, Conf, Effect};
use std::collections::BTreeMap;

/// The keys, sorted by what they concern.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Keys {
    /// Keys of the driver's pod.
    pub(crate) driver: RoleKeys,
    /// Keys of the executors' pods.
    pub(crate) executor: RoleKeys,
    /// Number of executors.
    pub(crate) instances: Option<u32>,
    /// When to pull images.
    pub(crate) pull_policy: Option<String>,
    /// Secrets for pulling images.
    pub(crate) pull_secrets: Vec<String>,
    /// The driver's settings.
    pub(crate) settings: Conf,
    /// Keys that are known or look like Spark's, but have no effect.
    pub(crate) unsupported: Vec<String>,
}

/// The keys about the pods of one role.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RoleKeys {
    /// `label.NAME`.
    pub(crate) labels: BTreeMap<String, String>,
    /// `annotation.NAME`.
    pub(crate) annotations: BTreeMap<String, String>,
    /// `node.selector.NAME`.
    pub(crate) node_selector: BTreeMap<String, String>,
    /// Environment variables.
    pub(crate) env: BTreeMap<String, String>,
    /// `secrets.NAME`: the mount path.
    pub(crate) secrets: BTreeMap<String, String>,
    /// `secretKeyRef.VARIABLE`: name and key.
    pub(crate) secret_env: BTreeMap<String, (String, String)>,
    /// `volumes.KIND.NAME`: its properties.
    pub(crate) volumes: BTreeMap<(String, String), BTreeMap<String, String>>,
    /// Values that a field of the specification can set, too, by the end of the key.
    pub(crate) values: BTreeMap<&'static str, String>,
}

/// Keys about matters that only the operator decides, and what to write instead.
pub(crate) const REFUSED: &[(&str, &str)] = &[
    ("spark.master", "is set by the operator"),
    ("spark.kubernetes.driver.master", "is set by the operator"),
    ("spark.kubernetes.container.image", "is not supported; use spec.image"),
    ("spark.kubernetes.driver.container.image", "is not supported; use spec.driver.image"),
    ("spark.kubernetes.executor.container.image", "is not supported; use spec.executor.image"),
];

/// Keys of a role outside `spark.kubernetes`, after `spark.driver.` or `spark.executor.`.
const SIZES: &[&str] =
    &["cores", "memory", "memoryOverhead", "memoryOverheadFactor", "minMemoryOverhead"];

/// Keys of a role after `spark.kubernetes.driver.` or `spark.kubernetes.executor.`.
const ROLE_VALUES: &[&str] = &["request.cores", "limit.cores", "scheduler.name"];

impl Kind {
    /// Keys that only one of the roles has, likewise.
    fn own_values(self) -> &'static [&'static str] {
        match self {
            Self::Driver => &["pod.name"],
            Self::Executor => &["podNamePrefix", "deleteOnTermination"],
        }
    }
}

/// Older name of `firesteel.shuffle.retain`.
pub(crate) const RETAIN_CLAIMS: &str = "firesteel.kubernetes.claims.retain";

/// Labels that the operator sets.
pub(crate) const OWN_LABELS: &[&str] =
    &["spark-role", "spark-app-selector", "spark-exec-id", "spark-version"];

impl Keys {
    /// Sorts the keys; `at` is their path, and `namespace` the resource's namespace.
    pub(crate) fn read(
        given: &BTreeMap<String, String>,
        at: &FieldPath,
        namespace: &str,
        problems: &mut Problems,
    ) -> Self {
        let mut keys = Self::default();
        for (key, value) in given {
            let at = at.key(key);
            if let Some((_, instead)) = REFUSED.iter().find(|(refused, _)| refused == key) {
                problems.add(at, *instead);
            } else if let Some(rest) = key.strip_prefix("spark.kubernetes.") {
                keys.kubernetes(rest, (key, value), (at, namespace), problems);
            } else {
                keys.spark(key, value, at, problems);
            }
        }
        keys
    }

    /// Whether a key is refused whatever its value is.
    pub(crate) fn is_refused(key: &str) -> bool {
        REFUSED.iter().any(|(refused, _)| *refused == key)
    }

    /// The keys about one role.
    pub(crate) fn role(&self, kind: Kind) -> &RoleKeys {
        match kind {
            Kind::Driver => &self.driver,
            Kind::Executor => &self.executor,
        }
    }

    fn role_mut(&mut self, kind: Kind) -> &mut RoleKeys {
        match kind {
            Kind::Driver => &mut self.driver,
            Kind::Executor => &mut self.executor,
        }
    }

    /// Sorts a key that is not about Kubernetes.
    fn spark(&mut self, key: &str, value: &str, at: FieldPath, problems: &mut Problems) {
        if let Some(variable) = key.strip_prefix("spark.executorEnv.") {
            self.executor.env.insert(variable.to_owned(), value.to_owned());
            return;
        }
        for kind in [Kind::Driver, Kind::Executor] {
            let end = key.strip_prefix("spark.").and_then(|key| key.strip_prefix(kind.name()));
            let end = end.and_then(|end| end.strip_prefix('.'));
            if let Some(size) = SIZES.iter().find(|size| end == Some(**size)) {
                self.role_mut(kind).values.insert(*size, value.to_owned());
                return;
            }
        }
        match key {
            "spark.executor.instances" => match value.trim().parse() {
                Ok(number) => self.instances = Some(number),
                Err(_) => problems.add(at, format!("`{value}` is not a number of executors")),
            },
            "spark.executor.pyspark.memory" => {
                self.executor.values.insert("pyspark.memory", value.to_owned());
            }
            "spark.memory.offHeap.enabled" => {
                self.executor.values.insert("offHeap.enabled", value.to_owned());
            }
            "spark.memory.offHeap.size" => {
                self.executor.values.insert("offHeap.size", value.to_owned());
            }
            RETAIN_CLAIMS => {
                if !matches!(value.trim(), "never" | "always") {
                    problems.add(at, format!("`{value}` is neither `never` nor `always`"));
                }
                // The newer name comes later, and takes precedence.
                self.settings.set(conf::SHUFFLE_RETAIN.name, value);
            }
            _ => self.setting(key, value, at, problems),
        }
    }

    /// Sorts a key of the driver's settings.
    fn setting(&mut self, key: &str, value: &str, at: FieldPath, problems: &mut Problems) {
        match conf::declared(key) {
            // A pod has the files of its image and of its volumes.
            Some(declared) if [conf::FILES.name, conf::ARCHIVES.name].contains(&declared.name) => {
                self.unsupported.push(key.to_owned());
            }
            Some(declared) => {
                let refused = declared.effect == Effect::Refused
                    && value != declared.default.unwrap_or_default();
                if refused {
                    let problem =
                        "is not supported, and ignoring it would change results or safety";
                    problems.add(at, problem);
                } else if let Err(error) = declared.check(value) {
                    problems.add(at, format!("`{value}` {}", error.problem));
                } else if declared.effect == Effect::None && !conf::asks_for_nothing(key, value) {
                    self.unsupported.push(key.to_owned());
                }
            }
            None if conf::asks_for_nothing(key, value) => {}
            None => self.unsupported.push(key.to_owned()),
        }
        self.settings.set(key, value);
    }

    /// Sorts a key about Kubernetes; `rest` is the part after `spark.kubernetes.`.
    fn kubernetes(
        &mut self,
        rest: &str,
        (key, value): (&str, &str),
        (at, namespace): (FieldPath, &str),
        problems: &mut Problems,
    ) {
        // Read when claims are created.
        let is_flag = matches!(
            rest,
            "driver.ownPersistentVolumeClaim"
                | "driver.reusePersistentVolumeClaim"
                | "legacy.useReadWriteOnceAccessMode"
        );
        if is_flag {
            if !matches!(value.trim(), "true" | "false") {
                problems.add(at, format!("`{value}` is neither true nor false"));
            }
            return;
        }
        for kind in [Kind::Driver, Kind::Executor] {
            let end = rest.strip_prefix(kind.name()).and_then(|end| end.strip_prefix('.'));
            if let Some(end) = end {
                let own = kind.own_values().iter().find(|own| **own == end);
                if let Some(own) = own {
                    self.role_mut(kind).values.insert(own, value.to_owned());
                } else if !self.role_mut(kind).read(end, value, &at, problems) {
                    self.unsupported.push(key.to_owned());
                }
                return;
            }
        }
        let both = |keys: &mut Self, set: &dyn Fn(&mut RoleKeys)| {
            set(&mut keys.driver);
            set(&mut keys.executor);
        };
        if rest.starts_with("authenticate.") {
            let problem = "is refused: driver and executors hold no credentials of Kubernetes; \
                           a service account is given by spec.driver.serviceAccount";
            problems.add(at, problem);
        } else if let Some(label) = rest.strip_prefix("node.selector.") {
            both(self, &|role| {
                // A key of one role takes precedence over one for both.
                role.node_selector.entry(label.to_owned()).or_insert_with(|| value.to_owned());
            });
        } else if let Some(variable) = rest.strip_prefix("driverEnv.") {
            self.driver.env.insert(variable.to_owned(), value.to_owned());
        } else {
            match rest {
                "namespace" if value == namespace => {}
                "namespace" => {
                    let problem =
                        format!("`{value}` is not the namespace of the application, {namespace}");
                    problems.add(at, problem);
                }
                "container.image.pullPolicy" => self.pull_policy = Some(value.to_owned()),
                "container.image.pullSecrets" => {
                    let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                    self.pull_secrets = names.map(str::to_owned).collect();
                }
                "scheduler.name" => both(self, &|role| {
                    role.values.entry("scheduler.name").or_insert_with(|| value.to_owned());
                }),
                "memoryOverheadFactor" => both(self, &|role| {
                    role.values.insert("shared.memoryOverheadFactor", value.to_owned());
                }),
                _ => self.unsupported.push(key.to_owned()),
            }
        }
    }
}

impl RoleKeys {
    /// Takes a key of this role, if its family is supported.
    fn read(&mut self, end: &str, value: &str, at: &FieldPath, problems: &mut Problems) -> bool {
        let owned = |name: &str| (name.to_owned(), value.to_owned());
        if let Some(name) = end.strip_prefix("label.") {
            if OWN_LABELS.contains(&name) || name.starts_with("firesteel.dev/") {
                problems.add(at.clone(), "is a label that the operator sets");
            }
            self.labels.extend([owned(name)]);
        } else if let Some(name) = end.strip_prefix("annotation.") {
            self.annotations.extend([owned(name)]);
        } else if let Some(name) = end.strip_prefix("node.selector.") {
            self.node_selector.extend([owned(name)]);
        } else if let Some(name) = end.strip_prefix("secrets.") {
            self.secrets.extend([owned(name)]);
        } else if let Some(variable) = end.strip_prefix("secretKeyRef.") {
            match value.split_once(':') {
                Some((name, key)) if !name.is_empty() && !key.is_empty() => {
                    let secret = (name.to_owned(), key.to_owned());
                    self.secret_env.insert(variable.to_owned(), secret);
                }
                _ => problems.add(at.clone(), format!("`{value}` is not `secret:key`")),
            }
        } else if let Some(rest) = end.strip_prefix("volumes.") {
            self.volume(rest, value, at, problems);
        } else if let Some(known) = ROLE_VALUES.iter().find(|known| **known == end) {
            self.values.insert(*known, value.to_owned());
        } else {
            return false;
        }
        true
    }

    fn volume(&mut self, rest: &str, value: &str, at: &FieldPath, problems: &mut Problems) {
        let mut parts = rest.splitn(3, '.');
        let (Some(kind), Some(name), Some(property)) = (parts.next(), parts.next(), parts.next())
        else {
            problems.add(at.clone(), "must be volumes.KIND.NAME.PROPERTY");
            return;
        };
        let kinds = super::volumes::KINDS.iter().map(|(kind, _)| *kind);
        if !kinds.clone().any(|known| known == kind) {
            let problem = format!("there is no kind of volume `{kind}`");
            problems.0.push(Problem::new(at.clone(), problem).with_nearest(kind, kinds));
            return;
        }
        let properties = super::volumes::properties(kind);
        let is_claim = kind == "persistentVolumeClaim";
        let family =
            is_claim && (property.starts_with("label.") || property.starts_with("annotation."));
        if !family && !properties.contains(&property) {
            let problem = format!("a volume of the kind {kind} has no `{property}`");
            problems.0.push(Problem::new(at.clone(), problem).with_nearest(property, properties));
            return;
        }
        let volume = self.volumes.entry((kind.to_owned(), name.to_owned())).or_default();
        volume.insert(property.to_owned(), value.to_owned());
    }
}
