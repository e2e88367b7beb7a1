//! The `SparkApplication` manifest, as far as one machine needs it: what to run, with which settings and how many executors.
//!
//! Fields that only Kubernetes can serve (images, labels, volumes …) are known and reported; any other field is an error that names
//! it and the nearest one that exists.

use crate::application::{Application, Program};
use model::conf::Conf;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// A manifest that cannot be run. `Display` is one line that names the file and the field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadManifest(String);

impl std::fmt::Display for BadManifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadManifest {}

const TOP: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];
const METADATA: &[&str] = &["name", "namespace", "labels", "annotations", "generateName"];
const SPEC: &[&str] = &[
    "type",
    "sparkVersion",
    "mode",
    "mainApplicationFile",
    "arguments",
    "sparkConf",
    "driver",
    "executor",
    "deps",
];
/// Fields of the specification that mean something on Kubernetes only.
const SPEC_ELSEWHERE: &[&str] = &[
    "suspend",
    "proxyUser",
    "image",
    "imagePullPolicy",
    "imagePullSecrets",
    "mainClass",
    "hadoopConf",
    "sparkConfigMap",
    "hadoopConfigMap",
    "volumes",
    "restartPolicy",
    "nodeSelector",
    "failureRetries",
    "retryInterval",
    "pythonVersion",
    "memoryOverheadFactor",
    "monitoring",
    "batchScheduler",
    "batchSchedulerOptions",
    "timeToLiveSeconds",
    "sparkUIOptions",
    "driverIngressOptions",
    "dynamicAllocation",
    "driverPodDisruptionBudget",
];
const POD: &[&str] = &["cores", "memory", "instances", "env"];
/// Fields of the driver and the executor that mean something on Kubernetes only.
const POD_ELSEWHERE: &[&str] = &[
    "template",
    "coreLimit",
    "coreRequest",
    "memoryLimit",
    "memoryOverhead",
    "gpu",
    "image",
    "configMaps",
    "secrets",
    "envVars",
    "envFrom",
    "envSecretKeyRefs",
    "labels",
    "annotations",
    "volumeMounts",
    "affinity",
    "tolerations",
    "podSecurityContext",
    "securityContext",
    "schedulerName",
    "sidecars",
    "initContainers",
    "hostNetwork",
    "nodeSelector",
    "dnsConfig",
    "terminationGracePeriodSeconds",
    "serviceAccount",
    "hostAliases",
    "shareProcessNamespace",
    "podName",
    "javaOptions",
    "lifecycle",
    "kubernetesMaster",
    "serviceAnnotations",
    "serviceLabels",
    "ports",
    "priorityClassName",
    "deleteOnTermination",
];
const DEPS: &[&str] = &["pyFiles"];
const DEPS_ELSEWHERE: &[&str] =
    &["jars", "files", "packages", "excludePackages", "repositories", "archives"];

/// Reads a manifest file.
pub(crate) fn read(path: &Path) -> Result<Application, BadManifest> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| BadManifest(format!("{}: cannot be read: {error}", path.display())))?;
    parse(&text, path)
        .map_err(|BadManifest(problem)| BadManifest(format!("{}: {problem}", path.display())))
}

fn parse(text: &str, path: &Path) -> Result<Application, BadManifest> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| {
        let text = error.to_string();
        BadManifest(format!("is not valid YAML: {}", text.lines().next().unwrap_or_default()))
    })?;
    let top = Fields::new("", &value, TOP, &[])?;
    top.exactly("apiVersion", "firesteel.dev/v1beta2")?;
    top.exactly("kind", "SparkApplication")?;
    let metadata = Fields::new("metadata", top.required("metadata")?, METADATA, &[])?;
    let spec = Fields::new("spec", top.required("spec")?, SPEC, SPEC_ELSEWHERE)?;
    spec.one_of("type", &["Python", "SQL"])?;
    spec.one_of("mode", &["cluster", "client"])?;
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut notes = spec.notes.clone();
    let file = located(&spec.text_required("mainApplicationFile")?, directory, &mut notes);
    let mut conf = Conf::default();
    conf.set("spark.app.name", metadata.text_required("name")?);
    let (cores, instances) = pods(&spec, &mut conf, &mut notes)?;
    for (key, value) in spec.map("sparkConf")? {
        conf.set(key, value);
    }
    let mut py_files = Vec::new();
    if let Some(deps) = spec.object.get("deps") {
        let deps = Fields::new("spec.deps", deps, DEPS, DEPS_ELSEWHERE)?;
        notes.extend(deps.notes.iter().cloned());
        py_files = deps
            .texts("pyFiles")?
            .iter()
            .map(|file| located(file, directory, &mut notes))
            .collect();
    }
    if conf.given("spark.master").is_none() {
        let memory = conf
            .get(&model::conf::EXECUTOR_MEMORY)
            .map_err(|error| BadManifest(error.to_string()))?;
        conf.set("spark.master", format!("local-cluster[{instances},{cores},{}]", memory.0 >> 20));
    }
    let program = Program { file, arguments: spec.texts("arguments")?, py_files };
    Ok(Application { conf, program: Some(program), notes })
}

/// Settings of the driver and the executor; returns cores and number of executors.
fn pods(
    spec: &Fields<'_>,
    conf: &mut Conf,
    notes: &mut Vec<String>,
) -> Result<(u64, u64), BadManifest> {
    let driver = Fields::new("spec.driver", spec.required("driver")?, POD, POD_ELSEWHERE)?;
    let executor = Fields::new("spec.executor", spec.required("executor")?, POD, POD_ELSEWHERE)?;
    for (pod, key) in [(&driver, "spark.driver.memory"), (&executor, "spark.executor.memory")] {
        if let Some(memory) = pod.text("memory")? {
            memory
                .parse::<model::ByteSize>()
                .map_err(|error| BadManifest(format!("{}.memory: {error}", pod.path)))?;
            conf.set(key, memory);
        }
        notes.extend(pod.notes.iter().cloned());
    }
    driver.number("cores")?;
    let cores = executor.number("cores")?.unwrap_or(1);
    let instances = executor.number("instances")?.unwrap_or(1);
    conf.set("spark.executor.cores", cores.to_string());
    conf.set("spark.executor.instances", instances.to_string());
    Ok((cores, instances))
}

/// Where a file of the manifest lies on this machine: `local://` and `file://` are absolute, others are relative to the
/// manifest. A file that only the image has is looked for beside the manifest.
fn located(file: &str, directory: &Path, notes: &mut Vec<String>) -> PathBuf {
    let plain =
        file.strip_prefix("local://").or_else(|| file.strip_prefix("file://")).unwrap_or(file);
    let path = directory.join(plain);
    if path.exists() {
        return path;
    }
    let beside = Path::new(plain).file_name().map(|name| directory.join(name));
    match beside.filter(|beside| beside.exists()) {
        Some(beside) => {
            notes.push(format!("{plain} is not on this machine; taking {}", beside.display()));
            beside
        }
        None => path,
    }
}

/// The fields of one object of the manifest.
struct Fields<'a> {
    path: &'a str,
    object: &'a Map<String, Value>,
    notes: Vec<String>,
}

impl<'a> Fields<'a> {
    fn new(
        path: &'a str,
        value: &'a Value,
        served: &[&str],
        elsewhere: &[&str],
    ) -> Result<Self, BadManifest> {
        let object = value.as_object().ok_or_else(|| {
            BadManifest(if path.is_empty() {
                "is not a manifest".into()
            } else {
                format!("{path}: must be an object")
            })
        })?;
        let mut notes = Vec::new();
        for name in object.keys() {
            if elsewhere.contains(&name.as_str()) {
                notes.push(format!("{path}.{name} has a meaning on Kubernetes only"));
            } else if !served.contains(&name.as_str()) {
                let all = || served.iter().chain(elsewhere);
                let near =
                    all().map(|known| (strsim::damerau_levenshtein(known, name), known)).min();
                let hint = match near.filter(|(distance, _)| *distance <= 3) {
                    Some((_, known)) => format!("; did you mean {}?", join(path, known)),
                    None => String::new(),
                };
                return Err(BadManifest(format!(
                    "{}: there is no such field{hint}",
                    join(path, name)
                )));
            }
        }
        Ok(Self { path, object, notes })
    }

    fn bad(&self, name: &str, problem: impl std::fmt::Display) -> BadManifest {
        BadManifest(format!("{}: {problem}", join(self.path, name)))
    }

    fn required(&self, name: &str) -> Result<&'a Value, BadManifest> {
        self.object
            .get(name)
            .filter(|value| !value.is_null())
            .ok_or_else(|| self.bad(name, "is missing"))
    }

    fn text(&self, name: &str) -> Result<Option<String>, BadManifest> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                plain_text(value).map(Some).ok_or_else(|| self.bad(name, "must be text"))
            }
        }
    }

    fn text_required(&self, name: &str) -> Result<String, BadManifest> {
        self.required(name)?;
        Ok(self.text(name)?.unwrap_or_default())
    }

    fn exactly(&self, name: &str, wanted: &str) -> Result<(), BadManifest> {
        match self.text_required(name)? {
            given if given == wanted => Ok(()),
            given => Err(self.bad(name, format!("`{given}` is not served; it must be `{wanted}`"))),
        }
    }

    fn one_of(&self, name: &str, wanted: &[&str]) -> Result<(), BadManifest> {
        match self.text(name)? {
            Some(given) if !wanted.contains(&given.as_str()) => Err(self.bad(
                name,
                format!("`{given}` is not served; it must be one of {}", wanted.join(", ")),
            )),
            _ => Ok(()),
        }
    }

    fn number(&self, name: &str) -> Result<Option<u64>, BadManifest> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64() {
                Some(number) if number > 0 => Ok(Some(number)),
                _ => Err(self.bad(name, format!("`{value}` is not a whole number above 0"))),
            },
        }
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, BadManifest> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                let texts: Option<Vec<String>> = items.iter().map(plain_text).collect();
                texts.ok_or_else(|| self.bad(name, "must be a list of texts"))
            }
            Some(_) => Err(self.bad(name, "must be a list of texts")),
        }
    }

    fn map(&self, name: &str) -> Result<Vec<(String, String)>, BadManifest> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Object(entries)) => entries
                .iter()
                .map(|(key, value)| {
                    let text = plain_text(value)
                        .ok_or_else(|| self.bad(&format!("{name}.{key}"), "must be text"))?;
                    Ok((key.clone(), text))
                })
                .collect(),
            Some(_) => Err(self.bad(name, "must map keys to texts")),
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Text, or what YAML took for a number or a truth value although text was meant.
fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
apiVersion: firesteel.dev/v1beta2
kind: SparkApplication
metadata: {name: pi}
spec:
  type: Python
  mode: cluster
  sparkVersion: 4.2.0
  image: firesteel:1
  mainApplicationFile: pi.py
  arguments: [\"10\", 20]
  sparkConf: {spark.sql.shuffle.partitions: 3, spark.sql.ansi.enabled: false}
  driver: {cores: 1, memory: 512m}
  executor: {instances: 3, cores: 2, memory: 1g}
";

    #[test]
    fn a_manifest_becomes_an_application() {
        let application = parse(GOOD, Path::new("dir/pi.yaml")).unwrap();
        let program = application.program.unwrap();
        assert_eq!(program.file, Path::new("dir/pi.py"));
        assert_eq!(program.arguments, ["10", "20"]);
        assert_eq!(application.conf.given("spark.master"), Some("local-cluster[3,2,1024]"));
        assert_eq!(application.conf.given("spark.app.name"), Some("pi"));
        assert_eq!(application.conf.given("spark.sql.shuffle.partitions"), Some("3"));
        assert_eq!(application.notes, ["spec.image has a meaning on Kubernetes only"]);
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line_that_names_the_field() {
        let cases = [
            (
                "mainApplicationFile",
                "mainAplicationFile",
                "spec.mainAplicationFile: there is no such field; did you mean spec.mainApplicationFile?",
            ),
            (
                "instances: 3",
                "instances: none",
                "spec.executor.instances: `\"none\"` is not a whole number above 0",
            ),
            (
                "type: Python",
                "type: Scala",
                "spec.type: `Scala` is not served; it must be one of Python, SQL",
            ),
            (
                "kind: SparkApplication",
                "kind: Pod",
                "kind: `Pod` is not served; it must be `SparkApplication`",
            ),
            (
                "v1beta2",
                "v1",
                "apiVersion: `firesteel.dev/v1` is not served; it must be `firesteel.dev/v1beta2`",
            ),
            (
                "memory: 512m",
                "memory: lots",
                "spec.driver.memory: `lots` is not a size; write a number with a unit, such as 512m or 1g",
            ),
            ("  mainApplicationFile: pi.py\n", "", "spec.mainApplicationFile: is missing"),
            ("metadata: {name: pi}", "metadata: pi", "metadata: must be an object"),
        ];
        for (from, to, expected) in cases {
            let problem =
                parse(&GOOD.replace(from, to), Path::new("pi.yaml")).unwrap_err().to_string();
            assert_eq!(problem, expected);
        }
        assert!(
            parse("a: [", Path::new("pi.yaml"))
                .unwrap_err()
                .to_string()
                .starts_with("is not valid YAML")
        );
    }
}
