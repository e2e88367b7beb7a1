//! A manifest as the user wrote it. An API server drops unknown fields; here they are errors that
//! suggest the field probably meant.

use crate::problem::{FieldPath, Problem};
use crate::{SparkApplication, definitions};
use kube::Resource;
use serde_json::Value;

/// The text is not a valid manifest: one line that names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadManifest(String);

const TOP: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];

/// Reads the manifest of an application. Numbers and booleans where a string is expected become
/// strings.
///
/// # Errors
/// If it is not a manifest of an application; lists everything that is mistyped.
pub fn read_manifest(text: &str) -> Result<SparkApplication, BadManifest> {
    let mut value: Value = serde_saphyr::from_str(text).map_err(|error| {
        let text = error.to_string();
        BadManifest(format!("is not valid YAML: {}", text.lines().next().unwrap_or_default()))
    })?;
    let Value::Object(fields) = &mut value else {
        return Err(BadManifest("is not a manifest".to_owned()));
    };
    let wanted =
        [("apiVersion", SparkApplication::api_version(&())), ("kind", SparkApplication::kind(&()))];
    for (name, wanted) in wanted {
        let problem = match fields.get(name) {
            Some(given) if *given == *wanted => continue,
            Some(Value::String(given)) => {
                format!("{name}: `{given}` is not supported; it must be `{wanted}`")
            }
            _ => format!("{name}: is missing; it must be `{wanted}`"),
        };
        return Err(BadManifest(problem));
    }
    let mut problems = Vec::new();
    for name in fields.keys().filter(|name| !TOP.contains(&name.as_str())) {
        problems.push(unknown(FieldPath::new(name), name, TOP.iter().copied()));
    }
    if let Some(spec) = fields.get_mut("spec") {
        compare(spec, &schema(), &FieldPath::new("spec"), &mut problems);
    }
    if !problems.is_empty() {
        let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
        return Err(BadManifest(problems.join("; ")));
    }
    let application: SparkApplication =
        serde_path_to_error::deserialize(&value).map_err(|error| {
            let field = error.path().to_string();
            BadManifest(format!("{field}: {}", error.into_inner()))
        })?;
    let metadata = &application.metadata;
    if metadata.name.is_none() && metadata.generate_name.is_none() {
        return Err(BadManifest("metadata.name: is missing".to_owned()));
    }
    Ok(application)
}

/// The schema of the specification, from its definition.
fn schema() -> Value {
    let mut all = definitions().into_iter();
    let ours =
        all.find(|definition| definition.object["spec"]["names"]["kind"] == "SparkApplication");
    let mut object = ours.map(|definition| definition.object).unwrap_or_default();
    let schema = &mut object["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    schema["properties"]["spec"].take()
}

/// Collects fields that the schema does not have, and turns scalars into strings where strings are
/// expected.
fn compare(value: &mut Value, schema: &Value, at: &FieldPath, problems: &mut Vec<Problem>) {
    match value {
        Value::Object(fields) => match (&schema["properties"], &schema["additionalProperties"]) {
            (Value::Object(known), _) => {
                let keeps_all = schema["x-kubernetes-preserve-unknown-fields"] == true;
                for (name, value) in fields {
                    match known.get(name) {
                        Some(schema) => compare(value, schema, &at.field(name), problems),
                        None if keeps_all => {}
                        None => problems.push(unknown(
                            at.field(name),
                            name,
                            known.keys().map(String::as_str),
                        )),
                    }
                }
            }
            (_, inner) => {
                for (key, value) in fields {
                    compare(value, inner, &at.key(key), problems);
                }
            }
        },
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                compare(item, &schema["items"], &at.index(index), problems);
            }
        }
        Value::Bool(_) | Value::Number(_) if schema["type"] == "string" => {
            *value = Value::String(value.to_string());
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn unknown<'a>(at: FieldPath, name: &str, known: impl Iterator<Item = &'a str>) -> Problem {
    Problem::new(at, "there is no such field").with_nearest(name, known)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
apiVersion: firesteel.dev/v1beta2
kind: SparkApplication
metadata: {name: pi, labels: {team: a}}
spec:
  type: Python
  sparkVersion: 4.2.0
  mainApplicationFile: local:///pi.py
  sparkConf: {spark.sql.shuffle.partitions: \"3\"}
  volumes: [{name: v, emptyDir: {sizeLimit: 1Gi}}]
  driver: {cores: 1, env: [{name: A, value: b}]}
  executor: {instances: 3, memory: 1g}
";

    #[test]
    fn a_manifest_is_read_as_it_is() {
        let read = read_manifest(GOOD).unwrap();
        assert_eq!(read.metadata.labels.unwrap()["team"], "a");
        assert_eq!(read.spec.executor.instances, Some(3));
        assert_eq!(read.spec.volumes[0].raw()["emptyDir"]["sizeLimit"], "1Gi");
    }

    #[test]
    fn numbers_and_booleans_become_strings_where_strings_are_expected() {
        let text = GOOD
            .replace("\"3\"", "3, spark.sql.ansi.enabled: false, spark.memory.fraction: 0.5")
            .replace("spec:\n", "spec:\n  arguments: [a, 10, true]\n  pythonVersion: 3\n")
            .replace("4.2.0", "4.2");
        let spec = read_manifest(&text).unwrap().spec;
        assert_eq!(spec.arguments, ["a", "10", "true"]);
        assert_eq!(spec.spark_version, "4.2");
        assert_eq!(spec.python_version, Some(crate::PythonVersion::Three));
        let settings: Vec<&str> = spec.spark_conf.values().map(String::as_str).collect();
        assert_eq!(settings, ["0.5", "false", "3"]);
        assert_eq!(spec.executor.instances, Some(3));
    }

    #[test]
    fn whatever_a_cluster_would_drop_or_refuse_gives_one_line_that_names_the_field() {
        let cases = [
            (
                "instances",
                "instnaces",
                "spec.executor.instnaces: there is no such field; did you mean `instances`?",
            ),
            (
                "driver: {",
                "driver: {enf: [], ",
                "spec.driver.enf: there is no such field; did you mean `env`?",
            ),
            (
                "kind: Spark",
                "knd: a\nkind: Spark",
                "knd: there is no such field; did you mean `kind`?",
            ),
            ("instances: 3", "instances: three", "spec.executor.instances: invalid type"),
            ("\"3\"", "[3]", "spec.sparkConf.spark.sql.shuffle.partitions: invalid type"),
            ("type: Python", "type: Perl", "spec.type: unknown variant"),
            ("  sparkVersion: 4.2.0\n", "", "spec: missing field `sparkVersion`"),
            ("name: pi, ", "", "metadata.name: is missing"),
            (
                "kind: SparkApplication",
                "kind: Pod",
                "kind: `Pod` is not supported; it must be `SparkApplication`",
            ),
            ("firesteel.dev", "sparkoperator.k8s.io", "it must be `firesteel.dev/v1beta2`"),
            (GOOD, "a: [", "is not valid YAML"),
            (GOOD, "- 1", "is not a manifest"),
        ];
        for (from, to, expected) in cases {
            let problem = read_manifest(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(problem.contains(expected), "{problem}\n{expected}");
            assert_eq!(problem.lines().count(), 1, "{problem}");
        }
    }
}
