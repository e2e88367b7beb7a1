//! Whole manifests, accepted and refused. `operator/tests/server` gives the same files to an API
//! server, which has to agree.

use crd::{
    FieldPath, Problem, ScheduledSparkApplication, SparkApplication, unsupported,
    unsupported_scheduled, validate, validate_scheduled,
};
use serde_json::Value;

const ACCEPTED: &str = include_str!("manifests/accepted.yaml");
const REFUSED: &str = include_str!("manifests/refused.yaml");

fn manifests(text: &str) -> Vec<Value> {
    text.split("\n---\n")
        .map(|text| serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}")))
        .collect()
}

fn annotation<'a>(manifest: &'a Value, name: &str) -> &'a str {
    manifest["metadata"]["annotations"][name].as_str().unwrap_or_default()
}

/// Problems of a manifest, and its fields without effect.
fn read(manifest: &Value) -> (Vec<String>, Vec<FieldPath>) {
    let result = if manifest["kind"] == "ScheduledSparkApplication" {
        let read: Result<ScheduledSparkApplication, _> = serde_path_to_error::deserialize(manifest);
        read.map(|read| {
            let valid = validate_scheduled(&read.spec, "default").map(drop);
            (valid, unsupported_scheduled(&read.spec))
        })
    } else {
        let read: Result<SparkApplication, _> = serde_path_to_error::deserialize(manifest);
        read.map(|read| (validate(&read.spec, "default").map(drop), unsupported(&read.spec)))
    };
    let (result, unsupported) = match result {
        Ok(read) => read,
        Err(error) => return (vec![error.to_string()], Vec::new()),
    };
    let problems = result.err().unwrap_or_default();
    (problems.iter().map(Problem::to_string).collect(), unsupported)
}

#[test]
fn a_manifest_for_another_operator_is_accepted_and_fields_without_effect_are_named() {
    for manifest in manifests(ACCEPTED) {
        let name = &manifest["metadata"]["name"];
        let (problems, unsupported) = read(&manifest);
        assert_eq!(problems, Vec::<String>::new(), "{name}");
        let mut unsupported: Vec<&str> = unsupported.iter().map(FieldPath::as_str).collect();
        let mut expected: Vec<&str> =
            annotation(&manifest, "unsupported").split_whitespace().collect();
        unsupported.sort_unstable();
        expected.sort_unstable();
        assert_eq!(unsupported, expected, "{name}");
    }
}

#[test]
fn the_examples_of_this_repository_are_accepted_and_all_their_fields_have_an_effect() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let mut tried = 0;
    for entry in std::fs::read_dir(folder).expect("there are examples") {
        let path = entry.expect("an example").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = std::fs::read_to_string(&path).expect("it can be read");
            for manifest in manifests(&text) {
                assert_eq!(read(&manifest), (Vec::new(), Vec::new()), "{}", path.display());
                tried += 1;
            }
        }
    }
    assert!(tried > 0);
}

#[test]
fn a_wrong_manifest_is_refused_with_the_name_of_the_field() {
    for manifest in manifests(REFUSED) {
        let name = &manifest["metadata"]["name"];
        let (problems, _) = read(&manifest);
        if annotation(&manifest, "by") == "server" {
            continue;
        }
        let expected = annotation(&manifest, "refused");
        assert!(
            problems.iter().any(|problem| problem.contains(expected)),
            "{name}: {expected} is not named in {problems:?}"
        );
    }
}

#[test]
fn a_manifest_with_one_thing_changed_at_random_never_panics() {
    let mut tried = 0;
    for manifest in manifests(ACCEPTED) {
        for pointer in pointers(&manifest, "") {
            for junk in [
                Value::Null,
                Value::Bool(true),
                Value::from(-1),
                Value::from(i64::MAX),
                Value::from("ü"),
                Value::from(""),
                serde_json::json!([]),
                serde_json::json!({ "": [null] }),
            ] {
                let mut changed = manifest.clone();
                if let Some(place) = changed.pointer_mut(&pointer) {
                    *place = junk;
                    read(&changed);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 3_000, "{tried}");
}

/// All places in a value, as JSON pointers.
fn pointers(value: &Value, at: &str) -> Vec<String> {
    let inside: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value))
            .collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    let mut found = vec![at.to_owned()];
    for (name, value) in inside {
        found.extend(pointers(value, &format!("{at}/{name}")));
    }
    found
}

#[test]
fn the_definitions_are_small_enough_for_kubectl_apply() {
    for definition in crd::definitions() {
        let text = definition.yaml().expect("it can be written");
        let compact = definition.object.to_string();
        // `kubectl apply` keeps the whole object in an annotation, and all annotations together are
        // limited to 256 KiB.
        assert!(text.len() < 200 << 10 && compact.len() < 200 << 10, "{}", text.len());
        let read: Value = serde_saphyr::from_str(&text).expect("it can be read");
        assert_eq!(read, definition.object, "{}", definition.file);
    }
}

#[test]
fn every_field_of_the_types_is_in_the_definition_and_every_rule_has_a_message() {
    for definition in crd::definitions() {
        let schema = &definition.object["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        check_schema(schema, "");
    }
}

/// Checks that the schema is structural: every place has a type, and no keyword is one that an API
/// server refuses.
fn check_schema(schema: &Value, at: &str) {
    let is_mixed = schema["x-kubernetes-int-or-string"] == true;
    assert!(schema["type"].is_string() || is_mixed, "{at} has no type");
    for keyword in ["nullable", "default", "$ref", "oneOf", "anyOf", "allOf", "title"] {
        assert!(schema.get(keyword).is_none(), "{at} has `{keyword}`");
    }
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        assert!(rule["message"].as_str().is_some_and(|message| message.len() > 10), "{at}");
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        check_schema(property, &format!("{at}.{name}"));
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(keyword) {
            check_schema(inner, &format!("{at}.{keyword}"));
        }
    }
}
