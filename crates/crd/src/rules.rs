//! Checks by the API server at `apply`: bounds of fields, and CEL rules with a message for people.
//! A rule sees only the resource; whatever needs more (the name of a time zone, the inside of a
//! template) is checked by `validate` and `Schedule`.
//!
//! Everything that the definition of `sparkoperator.k8s.io` accepts and its operator runs is
//! accepted. Narrower on purpose are values that no pod can have (labels, paths, protocols, pull
//! policies), and unknown values of `concurrencyPolicy`, which there let runs overlap.
//!
//! An API server refuses a rule whose worst case is too expensive, so everything that a rule looks
//! at is bounded. Rules for `sparkConf` are in `settings`.

use crate::validate::MAX_ARGUMENT_BYTES;
use serde_json::{Value, json};
use std::borrow::Cow;

pub(crate) mod settings;

/// A rule in CEL.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Path of the rule, relative to where the table is applied; `[]` stands for the elements of a
    /// list, `{}` for the values of a map, the empty path for the place itself.
    pub(crate) at: &'static str,
    /// The CEL expression that must hold.
    pub(crate) cel: Cow<'static, str>,
    /// Message if it does not.
    pub(crate) message: Cow<'static, str>,
    /// The field to blame, relative to `at`; empty for the place itself.
    pub(crate) field: &'static str,
}

const fn rule(at: &'static str, cel: &'static str, message: &'static str) -> Rule {
    Rule { at, cel: Cow::Borrowed(cel), message: Cow::Borrowed(message), field: "" }
}

const fn blaming(field: &'static str, cel: &'static str, message: &'static str) -> Rule {
    Rule { at: "", cel: Cow::Borrowed(cel), message: Cow::Borrowed(message), field }
}

/// Keywords of a schema.
pub(crate) type Bounds = (&'static str, fn() -> Value);

fn short() -> Value {
    json!({ "maxLength": 64 })
}

fn name() -> Value {
    json!({ "maxLength": 253 })
}

fn path() -> Value {
    json!({ "maxLength": 4096 })
}

fn at_least_0() -> Value {
    json!({ "minimum": 0 })
}

fn at_least_1() -> Value {
    json!({ "minimum": 1 })
}

fn port() -> Value {
    json!({ "minimum": 1, "maximum": 65535 })
}

fn some() -> Value {
    json!({ "maxItems": 64 })
}

fn labels() -> Value {
    json!({ "maxProperties": 64, "additionalProperties": { "maxLength": 63 } })
}

fn mounted() -> Value {
    json!({ "minLength": 1, "maxLength": 1024 })
}

/// Objects with a name that rules look at.
fn named() -> Value {
    json!({
        "maxItems": 64,
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": { "name": { "type": "string", "minLength": 1, "maxLength": 253 } },
            "x-kubernetes-preserve-unknown-fields": true,
        },
    })
}

/// The same, with unique names.
fn named_once() -> Value {
    let mut named = named();
    named["x-kubernetes-list-type"] = json!("map");
    named["x-kubernetes-list-map-keys"] = json!(["name"]);
    named
}

/// Names may be repeated; the last one holds.
fn mounts() -> Value {
    json!({
        "maxItems": 64,
        "items": {
            "type": "object",
            "required": ["name", "mountPath"],
            "properties": {
                "name": { "type": "string", "minLength": 1, "maxLength": 253 },
                "mountPath": { "type": "string", "minLength": 1, "maxLength": 4096 },
            },
            "x-kubernetes-preserve-unknown-fields": true,
        },
    })
}

/// Rules for an application's own name.
pub(crate) const APPLICATION: &[Rule] = &[rule(
    "",
    "size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "metadata.name: must be at most 63 lower-case letters, digits and `-`, start with a letter and not end with `-`",
)];

/// Rules for a schedule's own name: the names of its runs are longer by 11.
pub(crate) const SCHEDULED: &[Rule] = &[rule(
    "",
    "size(self.metadata.name) <= 52 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "metadata.name: must be at most 52 lower-case letters, digits and `-`, start with a letter and not end with `-`",
)];

/// Bounds of a schedule.
pub(crate) const SCHEDULE_BOUNDS: &[Bounds] = &[
    ("schedule", || json!({ "minLength": 1, "maxLength": 256 })),
    ("timeZone", short),
    ("successfulRunHistoryLimit", at_least_0),
    ("failedRunHistoryLimit", at_least_0),
    // The empty string means the default, as templated manifests have it.
    ("concurrencyPolicy", || json!({ "enum": ["", "Allow", "Forbid", "Replace"] })),
];

/// Rules of a schedule.
pub(crate) const SCHEDULE_RULES: &[Rule] = &[
    rule(
        "schedule",
        r"self.matches('^\\s*((CRON_TZ|TZ)=\\S+\\s+)?(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|@every\\s+\\S+|[^@\\s]\\S*(\\s+\\S+){4})\\s*$')",
        "must be five cron fields (`30 4 * * 1-5`), `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`, or `@every 3m`",
    ),
    blaming(
        ".timeZone",
        "!has(self.timeZone) || self.timeZone in ['', 'Local'] || !(self.schedule.startsWith('TZ=') || self.schedule.startsWith('CRON_TZ='))",
        "the schedule already names a time zone; set it in one place only",
    ),
];

/// Bounds of a specification.
pub(crate) const SPEC_BOUNDS: &[Bounds] = &[
    ("sparkVersion", short),
    ("image", || json!({ "maxLength": 1024 })),
    ("imagePullPolicy", || json!({ "enum": ["", "Always", "IfNotPresent", "Never"] })),
    ("mainClass", || json!({ "maxLength": 512 })),
    ("mainApplicationFile", path),
    ("arguments", || json!({ "items": { "maxLength": MAX_ARGUMENT_BYTES } })),
    ("sparkConf", settings::bounds),
    ("hadoopConf", || json!({ "maxProperties": 1024 })),
    ("volumes", named_once),
    ("nodeSelector", labels),
    ("memoryOverheadFactor", short),
    ("timeToLiveSeconds", at_least_0),
    ("restartPolicy.onFailureRetries", at_least_0),
    ("restartPolicy.onSubmissionFailureRetries", at_least_0),
    ("restartPolicy.onFailureRetryInterval", at_least_1),
    ("restartPolicy.onSubmissionFailureRetryInterval", at_least_1),
    ("monitoring.prometheus.port", || json!({ "minimum": 1024, "maximum": 49151 })),
    ("sparkUIOptions.servicePort", port),
    ("driverIngressOptions", || json!({ "maxItems": 16 })),
    ("driverIngressOptions[].servicePort", port),
    ("driverIngressOptions[].ingressURLFormat", || json!({ "maxLength": 1024 })),
    ("dynamicAllocation.initialExecutors", at_least_0),
    ("dynamicAllocation.minExecutors", at_least_0),
    ("dynamicAllocation.maxExecutors", at_least_0),
    ("dynamicAllocation.shuffleTrackingTimeout", at_least_0),
    ("executor.instances", at_least_1),
    ("driver.podName", name),
];

/// Rules of a specification.
pub(crate) const SPEC_RULES: &[Rule] = &[
    blaming(
        ".type",
        "self.type in ['Python', 'SQL'] || (self.type in ['Java', 'Scala'] && has(self.mainClass) && self.mainClass == 'org.apache.spark.examples.SparkPi')",
        "there is no JVM: programs are Python or SQL; of Java and Scala only the example org.apache.spark.examples.SparkPi is supported",
    ),
    blaming(
        ".mainApplicationFile",
        "self.type != 'Python' || (has(self.mainApplicationFile) && self.mainApplicationFile.endsWith('.py'))",
        "a Python program needs a `.py` file to run",
    ),
    blaming(
        ".mainApplicationFile",
        "self.type != 'SQL' || (has(self.mainApplicationFile) && self.mainApplicationFile.endsWith('.sql'))",
        "a SQL program needs a `.sql` file to run",
    ),
    rule(
        "mainApplicationFile",
        "self.startsWith('local:///') || self.startsWith('file:///') || self.startsWith('/')",
        "must be a file in the image or on a volume: `local:///path`; nothing is downloaded",
    ),
    rule("mode", "self == 'cluster'", "only `cluster` is supported: the driver runs as a pod"),
    rule("pythonVersion", "self == '3'", "Python 2 is not supported"),
    rule(
        "memoryOverheadFactor",
        r"self.matches('^\\s*([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]+)?\\s*$')",
        "must be a number, such as `0.4`",
    ),
    rule("nodeSelector", LABEL_NAMES, LABEL_NAMES_MESSAGE),
    rule("nodeSelector{}", LABEL, LABEL_MESSAGE),
    blaming(
        ".nodeSelector",
        "!has(self.nodeSelector) || size(self.nodeSelector) == 0 || !((has(self.driver.nodeSelector) && size(self.driver.nodeSelector) > 0) || (has(self.executor.nodeSelector) && size(self.executor.nodeSelector) > 0))",
        "must be set for the application or for driver and executor, not for both",
    ),
    blaming(
        ".sparkVersion",
        "!(has(self.driver.template) || has(self.executor.template)) || !(self.sparkVersion.startsWith('1.') || self.sparkVersion.startsWith('2.'))",
        "a pod template needs Spark 3.0.0 or newer",
    ),
    rule(
        "driverIngressOptions",
        "self.all(one, self.exists_one(other, other.servicePort == one.servicePort))",
        "servicePort must be unique",
    ),
    rule(
        "driverIngressOptions",
        "self.all(one, has(one.ingressURLFormat) && one.ingressURLFormat != '' && self.exists_one(other, has(other.ingressURLFormat) && other.ingressURLFormat == one.ingressURLFormat))",
        "ingressURLFormat must be set and unique",
    ),
    rule(
        "dynamicAllocation",
        "!has(self.enabled) || !self.enabled || !has(self.maxExecutors) || self.maxExecutors >= 1",
        "maxExecutors must be at least 1",
    ),
    rule(
        "dynamicAllocation",
        "!has(self.enabled) || !self.enabled || !has(self.minExecutors) || !has(self.maxExecutors) || self.minExecutors <= self.maxExecutors",
        "minExecutors must not be greater than maxExecutors",
    ),
    rule(
        "dynamicAllocation",
        "!has(self.enabled) || !self.enabled || !has(self.initialExecutors) || ((!has(self.minExecutors) || self.minExecutors <= self.initialExecutors) && (!has(self.maxExecutors) || self.initialExecutors <= self.maxExecutors))",
        "initialExecutors must be between minExecutors and maxExecutors",
    ),
    blaming(
        ".driver.volumeMounts",
        "!has(self.driver.volumeMounts) || has(self.driver.template) || self.driver.volumeMounts.all(mount, has(self.volumes) && self.volumes.exists(volume, volume.name == mount.name))",
        "must name one of spec.volumes",
    ),
    blaming(
        ".executor.volumeMounts",
        "!has(self.executor.volumeMounts) || has(self.executor.template) || self.executor.volumeMounts.all(mount, has(self.volumes) && self.volumes.exists(volume, volume.name == mount.name))",
        "must name one of spec.volumes",
    ),
    rule(
        "driver.podName",
        "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
        "must be lower-case letters, digits, `-` and `.`",
    ),
];

/// Bounds of both roles.
pub(crate) const ROLE_BOUNDS: &[Bounds] = &[
    ("cores", || json!({ "minimum": 1, "maximum": 4096 })),
    ("coreLimit", short),
    ("coreRequest", short),
    ("memory", short),
    ("memoryLimit", short),
    ("memoryOverhead", short),
    ("gpu.name", name),
    ("gpu.quantity", at_least_0),
    ("image", || json!({ "maxLength": 1024 })),
    ("configMaps", some),
    ("configMaps[].path", mounted),
    ("secrets", some),
    ("secrets[].path", mounted),
    ("env", || json!({ "maxItems": 512, "items": named()["items"] })),
    ("envVars", || json!({ "maxProperties": 512 })),
    ("envFrom", some),
    ("envSecretKeyRefs", || json!({ "maxProperties": 512 })),
    ("labels", labels),
    ("annotations", || json!({ "maxProperties": 256 })),
    ("volumeMounts", mounts),
    ("tolerations", some),
    ("sidecars", named_once),
    ("initContainers", named_once),
    ("nodeSelector", labels),
    ("terminationGracePeriodSeconds", at_least_0),
    ("hostAliases", some),
    ("ports", some),
    ("ports[].containerPort", port),
    ("ports[].protocol", || json!({ "enum": ["", "TCP", "UDP", "SCTP"] })),
];

const MEMORY: &str = r"self.matches('^\\s*[0-9]+\\s*([kKmMgGtTpP][iI]?)?[bB]?\\s*$')";
const MEMORY_MESSAGE: &str = "must be a whole number with a unit, such as `512m` or `4g`";
const MEMORY_LIMIT: &str = r"self.matches('^\\s*[0-9]+\\s*([kKmMgGtTpP][iI]?)?[bB]?\\s*$') || (isQuantity(self) && !quantity(self).isLessThan(quantity('1Mi')))";
const CPU_REQUEST: &str = "isQuantity(self) && !quantity(self).isLessThan(quantity('0'))";
const CPU_LIMIT: &str = "isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))";
const CPU_MESSAGE: &str = "must be a CPU quantity, such as `500m` or `2`";
const LABEL: &str = "self.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')";
const LABEL_MESSAGE: &str = "must be at most 63 letters, digits, `-`, `_` and `.`, and start and end with a letter or digit";
const LABEL_NAMES: &str = "self.all(key, key.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))";
const LABEL_NAMES_MESSAGE: &str = "each name must be at most 63 letters, digits, `-`, `_` and `.`, optionally preceded by a domain and `/`";
const EACH_PATH_ONCE: &str = "self.all(one, self.exists_one(other, other.path == one.path))";
const EACH_PATH_ONCE_MESSAGE: &str = "mount paths must be unique";
const PATH: &str = "self.startsWith('/') && size(self) > 1 && !self.contains(':')";
const PATH_MESSAGE: &str = "must be a mount path, such as `/etc/more`";

/// Rules of both roles.
pub(crate) const ROLE_RULES: &[Rule] = &[
    rule("memory", MEMORY, MEMORY_MESSAGE),
    rule("memoryLimit", MEMORY_LIMIT, MEMORY_MESSAGE),
    rule("memoryOverhead", MEMORY, MEMORY_MESSAGE),
    rule("coreLimit", CPU_LIMIT, CPU_MESSAGE),
    rule("coreRequest", CPU_REQUEST, CPU_MESSAGE),
    rule("labels", LABEL_NAMES, LABEL_NAMES_MESSAGE),
    rule("labels{}", LABEL, LABEL_MESSAGE),
    rule("annotations", LABEL_NAMES, LABEL_NAMES_MESSAGE),
    rule("nodeSelector", LABEL_NAMES, LABEL_NAMES_MESSAGE),
    rule("nodeSelector{}", LABEL, LABEL_MESSAGE),
    rule("configMaps", EACH_PATH_ONCE, EACH_PATH_ONCE_MESSAGE),
    rule("configMaps[].path", PATH, PATH_MESSAGE),
    rule("secrets", EACH_PATH_ONCE, EACH_PATH_ONCE_MESSAGE),
    rule("secrets[].path", PATH, PATH_MESSAGE),
    rule("volumeMounts[].mountPath", PATH, PATH_MESSAGE),
    blaming(
        ".coreLimit",
        "!has(self.coreLimit) || !has(self.coreRequest) || !isQuantity(self.coreLimit) || !isQuantity(self.coreRequest) || !quantity(self.coreLimit).isLessThan(quantity(self.coreRequest))",
        "must not be less than coreRequest",
    ),
    rule(
        "gpu.name",
        "self.contains('/')",
        "must be the name of a resource, such as `nvidia.com/gpu`",
    ),
    rule(
        "labels",
        "!('spark-role' in self || 'spark-app-selector' in self || 'spark-exec-id' in self || 'spark-version' in self) && self.all(key, !key.startsWith('firesteel.dev/'))",
        "spark-role, spark-app-selector, spark-exec-id, spark-version and firesteel.dev/* are set by the operator",
    ),
];

/// Bounds of an application's status.
pub(crate) const STATUS_BOUNDS: &[Bounds] = &[
    ("failures", || json!({ "maxItems": 20 })),
    ("failures[].message", || json!({ "maxLength": 1024 })),
    ("conditions", || {
        json!({
            "maxItems": 32,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        })
    }),
];
