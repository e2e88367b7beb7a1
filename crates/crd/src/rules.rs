//! What an API server refuses at `apply`: bounds of fields, and rules in CEL with a message for people. A rule sees only what is in the
//! resource; what needs more (a time zone's name, the inside of a template) is for `validate` and `Schedule`.
//!
//! What the definition of `sparkoperator.k8s.io` takes and its operator runs, is taken. Narrower on purpose are what no pod could be made of
//! (labels, paths, protocols, policies for images), and a `concurrencyPolicy` that does not exist: there it lets runs overlap.
//!
//! An API server refuses a rule whose worst case costs too much, so all that a rule looks at has a bound. Rules of settings are in
//! `settings`.

use crate::validate::LONGEST_ARGUMENT;
use serde_json::{Value, json};
use std::borrow::Cow;

pub(crate) mod settings;

/// A rule in CEL.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Where it stands: a path from where the table is applied; `[]` is the elements of a list, `{}` the values of a map, nothing the
    /// place itself.
    pub(crate) at: &'static str,
    /// What must hold there.
    pub(crate) cel: Cow<'static, str>,
    /// What is said if it does not.
    pub(crate) message: Cow<'static, str>,
    /// The field that is blamed, from `at`; nothing for the place itself.
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

/// Objects that have a name, which rules look at.
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

/// The same, where no two may have the same name.
fn named_once() -> Value {
    let mut named = named();
    named["x-kubernetes-list-type"] = json!("map");
    named["x-kubernetes-list-map-keys"] = json!(["name"]);
    named
}

/// Names may come twice, the last holds.
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

/// Bounds of a resource's own name.
pub(crate) const APPLICATION: &[Rule] = &[rule(
    "",
    "size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "metadata.name: must be at most 63 lower-case letters, digits and `-`, begin with a letter and not end with `-`",
)];

/// Bounds of a schedule's own name: a run's name is longer by 11.
pub(crate) const SCHEDULED: &[Rule] = &[rule(
    "",
    "size(self.metadata.name) <= 52 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "metadata.name: must be at most 52 lower-case letters, digits and `-`, begin with a letter and not end with `-`",
)];

/// Bounds of a schedule.
pub(crate) const SCHEDULE_BOUNDS: &[Bounds] = &[
    ("schedule", || json!({ "minLength": 1, "maxLength": 256 })),
    ("timeZone", short),
    ("successfulRunHistoryLimit", at_least_0),
    ("failedRunHistoryLimit", at_least_0),
    // Nothing is the default, as manifests made of templates have it.
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
        "the schedule names a time zone already; write it at one place",
    ),
];

/// Bounds of a specification.
pub(crate) const SPEC_BOUNDS: &[Bounds] = &[
    ("sparkVersion", short),
    ("image", || json!({ "maxLength": 1024 })),
    ("imagePullPolicy", || json!({ "enum": ["", "Always", "IfNotPresent", "Never"] })),
    ("mainClass", || json!({ "maxLength": 512 })),
    ("mainApplicationFile", path),
    ("arguments", || json!({ "items": { "maxLength": LONGEST_ARGUMENT } })),
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
        "there is no JVM: programs are Python or SQL; of Java and Scala only the example org.apache.spark.examples.SparkPi is known",
    ),
    blaming(
        ".mainApplicationFile",
        "self.type != 'Python' || (has(self.mainApplicationFile) && self.mainApplicationFile.endsWith('.py'))",
        "a Python program needs the `.py` file that is run",
    ),
    blaming(
        ".mainApplicationFile",
        "self.type != 'SQL' || (has(self.mainApplicationFile) && self.mainApplicationFile.endsWith('.sql'))",
        "a SQL program needs the `.sql` file that is run",
    ),
    rule(
        "mainApplicationFile",
        "self.startsWith('local:///') || self.startsWith('file:///') || self.startsWith('/')",
        "must be a file of the image or of a volume: `local:///path`; nothing is fetched from elsewhere",
    ),
    rule("mode", "self == 'cluster'", "only `cluster` is served: the driver runs as a pod"),
    rule("pythonVersion", "self == '3'", "Python 2 is not served"),
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
        "must be given for the application or for driver and executor, not for both",
    ),
    blaming(
        ".sparkVersion",
        "!(has(self.driver.template) || has(self.executor.template)) || !(self.sparkVersion.startsWith('1.') || self.sparkVersion.startsWith('2.'))",
        "a pod template needs Spark 3.0.0 or newer",
    ),
    rule(
        "driverIngressOptions",
        "self.all(one, self.exists_one(other, other.servicePort == one.servicePort))",
        "no two may have the same servicePort",
    ),
    rule(
        "driverIngressOptions",
        "self.all(one, has(one.ingressURLFormat) && one.ingressURLFormat != '' && self.exists_one(other, has(other.ingressURLFormat) && other.ingressURLFormat == one.ingressURLFormat))",
        "each needs an ingressURLFormat of its own",
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
        "initialExecutors must lie between minExecutors and maxExecutors",
    ),
    blaming(
        ".driver.volumeMounts",
        "!has(self.driver.volumeMounts) || has(self.driver.template) || self.driver.volumeMounts.all(mount, has(self.volumes) && self.volumes.exists(volume, volume.name == mount.name))",
        "each must name one of spec.volumes",
    ),
    blaming(
        ".executor.volumeMounts",
        "!has(self.executor.volumeMounts) || has(self.executor.template) || self.executor.volumeMounts.all(mount, has(self.volumes) && self.volumes.exists(volume, volume.name == mount.name))",
        "each must name one of spec.volumes",
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
const CPU_MESSAGE: &str = "must be an amount of CPU, such as `500m` or `2`";
const LABEL: &str = "self.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')";
const LABEL_MESSAGE: &str =
    "must be at most 63 letters, digits, `-`, `_` and `.`, with a letter or a digit at both ends";
const LABEL_NAMES: &str = "self.all(key, key.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))";
const LABEL_NAMES_MESSAGE: &str = "each name must be at most 63 letters, digits, `-`, `_` and `.`, perhaps with a domain and `/` in front";
const EACH_PATH_ONCE: &str = "self.all(one, self.exists_one(other, other.path == one.path))";
const EACH_PATH_ONCE_MESSAGE: &str = "no two may be mounted at the same path";
const PATH: &str = "self.startsWith('/') && size(self) > 1 && !self.contains(':')";
const PATH_MESSAGE: &str = "must be a path to mount at, such as `/etc/more`";

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
