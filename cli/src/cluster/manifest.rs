//! A manifest that goes to a cluster as it is. An API server drops fields that it does not know; here they are errors, with the field
//! that was probably meant.

use anyhow::{Context, Result, bail, ensure};
use crd::{FieldPath, Problem, SparkApplication};
use serde_json::Value;
use std::path::Path;

/// Reads a manifest file.
pub(crate) fn read(path: &Path) -> Result<SparkApplication> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("{shown}: cannot be read"))?;
    parse(&text).with_context(|| format!("{shown}"))
}

const TOP: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];

fn parse(text: &str) -> Result<SparkApplication> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| {
        let text = error.to_string();
        anyhow::anyhow!("is not valid YAML: {}", text.lines().next().unwrap_or_default())
    })?;
    let Value::Object(fields) = &value else { bail!("is not a manifest") };
    for (name, wanted) in [("apiVersion", "firesteel.dev/v1beta2"), ("kind", "SparkApplication")] {
        match fields.get(name) {
            Some(given) if given == wanted => {}
            Some(Value::String(given)) => {
                bail!("{name}: `{given}` is not served; it must be `{wanted}`")
            }
            _ => bail!("{name}: is missing; it must be `{wanted}`"),
        }
    }
    let mut problems = Vec::new();
    for name in fields.keys().filter(|name| !TOP.contains(&name.as_str())) {
        problems.push(unknown(FieldPath::new(name), name, TOP.iter().copied()));
    }
    if let Some(spec) = fields.get("spec") {
        compare(spec, &schema()?, &FieldPath::new("spec"), &mut problems);
    }
    let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
    ensure!(problems.is_empty(), "{}", problems.join("; "));
    let application: SparkApplication =
        serde_path_to_error::deserialize(&value).map_err(|error| {
            let field = error.path().to_string();
            anyhow::anyhow!("{field}: {}", error.into_inner())
        })?;
    let metadata = &application.metadata;
    ensure!(
        metadata.name.is_some() || metadata.generate_name.is_some(),
        "metadata.name: is missing"
    );
    Ok(application)
}

/// What a specification may have, as the definition says it.
fn schema() -> Result<Value> {
    let mut all = crd::definitions().into_iter();
    let mut ours = all
        .find(|definition| definition.object["spec"]["names"]["kind"] == "SparkApplication")
        .context("there is no definition")?;
    let schema = &mut ours.object["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    Ok(schema["properties"]["spec"].take())
}

/// Collects the fields that the schema does not have.
fn compare(value: &Value, schema: &Value, at: &FieldPath, problems: &mut Vec<Problem>) {
    match value {
        Value::Object(fields) => match (&schema["properties"], &schema["additionalProperties"]) {
            (Value::Object(known), _) => {
                for (name, value) in fields {
                    let keeps_all = schema["x-kubernetes-preserve-unknown-fields"] == true;
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
            for (index, item) in items.iter().enumerate() {
                compare(item, &schema["items"], &at.index(index), problems);
            }
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
        let read = parse(GOOD).unwrap();
        assert_eq!(read.metadata.labels.unwrap()["team"], "a");
        assert_eq!(read.spec.executor.instances, Some(3));
        assert_eq!(read.spec.volumes[0].raw()["emptyDir"]["sizeLimit"], "1Gi");
    }

    #[test]
    fn what_a_cluster_would_drop_or_refuse_is_one_line_that_names_the_field() {
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
            ("\"3\"", "3", "spec.sparkConf.spark.sql.shuffle.partitions: invalid type"),
            ("type: Python", "type: Perl", "spec.type: unknown variant"),
            ("  sparkVersion: 4.2.0\n", "", "spec: missing field `sparkVersion`"),
            ("name: pi, ", "", "metadata.name: is missing"),
            (
                "kind: SparkApplication",
                "kind: Pod",
                "kind: `Pod` is not served; it must be `SparkApplication`",
            ),
            ("firesteel.dev", "sparkoperator.k8s.io", "it must be `firesteel.dev/v1beta2`"),
            (GOOD, "a: [", "is not valid YAML"),
            (GOOD, "- 1", "is not a manifest"),
        ];
        for (from, to, expected) in cases {
            let problem = format!("{:#}", parse(&GOOD.replace(from, to)).unwrap_err());
            assert!(problem.contains(expected), "{problem}\n{expected}");
            assert_eq!(problem.lines().count(), 1, "{problem}");
        }
    }
}
