//! What an API server refuses at `apply`: bounds of fields, and rules in CEL with a message for people. A rule sees only what is in the
//! resource; what needs more (a time zone's name, the inside of a template) is for `validate` and `Schedule`.
//!
//! An API server refuses a rule whose worst case costs too much, so all that a rule looks at has a bound.

use serde_json::{Value, json};

/// A rule in CEL.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Where it stands: a path from where the table is applied; `[]` is the elements of a list, nothing the place itself.
    pub(crate) at: &'static str,
    /// What must hold there.
    pub(crate) cel: &'static str,
    /// What is said if it does not.
    pub(crate) message: &'static str,
    /// The field that is blamed, from `at`; nothing for the place itself.
    pub(crate) field: &'static str,
}

const fn rule(at: &'static str, cel: &'static str, message: &'static str) -> Rule {
    Rule { at, cel, message, field: "" }
}

const fn blaming(field: &'static str, cel: &'static str, message: &'static str) -> Rule {
    Rule { at: "", cel, message, field }
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
    json!({ "maxProperties": 64 })
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
        "!has(self.timeZone) || !(self.schedule.startsWith('TZ=') || self.schedule.startsWith('CRON_TZ='))",
        "the schedule names a time zone already; write it at one place",
    ),
];

/// Bounds of a specification.
pub(crate) const SPEC_BOUNDS: &[Bounds] = &[
    ("sparkVersion", short),
    ("image", || json!({ "minLength": 1, "maxLength": 1024 })),
    ("imagePullPolicy", || json!({ "enum": ["Always", "IfNotPresent", "Never"] })),
    ("mainClass", || json!({ "maxLength": 512 })),
    ("mainApplicationFile", path),
    ("sparkConf", || json!({ "maxProperties": 1024 })),
    ("hadoopConf", || json!({ "maxProperties": 1024 })),
    ("volumes", named_once),
    ("nodeSelector", labels),
    ("memoryOverheadFactor", short),
    ("failureRetries", at_least_0),
    ("retryInterval", at_least_0),
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
    ("dynamicAllocation.maxExecutors", at_least_1),
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
        "self.matches('^([0-9]+([.][0-9]*)?|[.][0-9]+)$')",
        "must be a number, such as `0.4`",
    ),
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
        "sparkConf",
        "!('spark.master' in self || 'spark.kubernetes.driver.master' in self)",
        "spark.master and spark.kubernetes.driver.master are set by the operator",
    ),
    rule(
        "sparkConf",
        "!('spark.kubernetes.container.image' in self || 'spark.kubernetes.driver.container.image' in self || 'spark.kubernetes.executor.container.image' in self)",
        "images are given by spec.image, spec.driver.image and spec.executor.image, not by spark.kubernetes.*container.image",
    ),
    rule(
        "sparkConf",
        "self.all(key, !key.startsWith('spark.kubernetes.authenticate.'))",
        "spark.kubernetes.authenticate.* is refused: driver and executors hold no credentials of Kubernetes; a service account is given by spec.driver.serviceAccount",
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
        "!has(self.minExecutors) || !has(self.maxExecutors) || self.minExecutors <= self.maxExecutors",
        "minExecutors must not be greater than maxExecutors",
    ),
    rule(
        "dynamicAllocation",
        "!has(self.initialExecutors) || ((!has(self.minExecutors) || self.minExecutors <= self.initialExecutors) && (!has(self.maxExecutors) || self.initialExecutors <= self.maxExecutors))",
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
    ("gpu.quantity", at_least_1),
    ("image", || json!({ "minLength": 1, "maxLength": 1024 })),
    ("configMaps", some),
    ("secrets", some),
    ("env", || json!({ "maxItems": 512, "items": named()["items"] })),
    ("envVars", || json!({ "maxProperties": 512 })),
    ("envFrom", some),
    ("envSecretKeyRefs", || json!({ "maxProperties": 512 })),
    (
        "labels",
        || json!({ "maxProperties": 64, "additionalProperties": { "type": "string", "maxLength": 63 } }),
    ),
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
    ("ports[].protocol", || json!({ "enum": ["TCP", "UDP", "SCTP"] })),
];

const MEMORY: &str = "self.matches('^[0-9]+([kKmMgGtTpP][iI]?)?[bB]?$')";
const MEMORY_MESSAGE: &str = "must be a whole number with a unit, such as `512m` or `4g`";
const CPU: &str = "isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))";
const CPU_MESSAGE: &str = "must be an amount of CPU, such as `500m` or `2`";

/// Rules of both roles.
pub(crate) const ROLE_RULES: &[Rule] = &[
    rule("memory", MEMORY, MEMORY_MESSAGE),
    rule("memoryLimit", MEMORY, MEMORY_MESSAGE),
    rule("memoryOverhead", MEMORY, MEMORY_MESSAGE),
    rule("coreLimit", CPU, CPU_MESSAGE),
    rule("coreRequest", CPU, CPU_MESSAGE),
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
