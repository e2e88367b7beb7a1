//! Checks of `sparkConf` by the API server: each key's values, from its declaration, so that a
//! wrong value is refused when it is written and not when it is read.
//!
//! The code that reads a key is stricter than its rule: the rule refuses nothing that the code
//! accepts.

use super::Rule;
use crate::validate::{KINDS, Keys, REFUSED, RETAIN_CLAIMS, properties};
use model::conf::{self, Declared, Effect};
use serde_json::{Value, json};
use std::borrow::Cow;

/// Limits on the number of settings and the length of a value. Rules for labels look at all pairs,
/// and the API server counts that cost.
pub(crate) fn bounds() -> Value {
    json!({ "maxProperties": 512, "additionalProperties": { "maxLength": 20_000 } })
}

/// Pattern of a value, and the message if it does not match.
type Form = (&'static str, &'static str);

const BOOLEAN: Form = (r"^\\s*(?i:true|false)\\s*$", "must be true or false");
const NUMBER: Form = (r"^\\s*[-+]?[0-9]+\\s*$", "must be a whole number");
const COUNT: Form = (r"^\\s*[+]?0*[1-9][0-9]*\\s*$", "must be a whole number above 0");
const FRACTION: Form =
    (r"^\\s*([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]+)?\\s*$", "must be a number");
const DECIMAL: Form =
    (r"^\\s*[-+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]+)?\\s*$", "must be a number");
const SIZE: Form =
    (r"^\\s*[0-9]+\\s*([kKmMgGtTpP][iI]?)?[bB]?\\s*$", "must be a size, such as `512m`");
const SIZE_OR_OFF: Form = (
    r"^\\s*(-[0-9]+|[0-9]+\\s*([kKmMgGtTpP][iI]?)?[bB]?)\\s*$",
    "must be a size, such as `10m`, or -1",
);
const TIME: Form = (r"^\\s*[0-9]+(?i:us|ms|s|m|min|h|d)?\\s*$", "must be a duration, such as `3s`");
const TIME_OR_ANY: Form = (
    r"^\\s*(-[0-9]+|[0-9]+(?i:us|ms|s|m|min|h|d)?)\\s*$",
    "must be a duration, such as `300s`, or -1",
);
const PLAIN_NAME: Form =
    (r"^\\s*[A-Za-z0-9_-]+\\s*$", "must consist of letters, digits, `-` and `_`");
const NEVER_OR_ALWAYS: Form = (r"^\\s*(never|always)\\s*$", "must be `never` or `always`");

/// The form of a declared key's values, if a rule can express it.
fn form_of(declared: &Declared) -> Option<Form> {
    match declared.form {
        "true or false" => Some(BOOLEAN),
        "whole number" => Some(NUMBER),
        "whole number from 1" => Some(COUNT),
        "fraction, such as 0.6" => Some(FRACTION),
        "number" => Some(DECIMAL),
        "letters, digits, - and _" => Some(PLAIN_NAME),
        "size, such as 64m" => Some(SIZE),
        "size, such as 10m, or -1 for off" => Some(SIZE_OR_OFF),
        "duration, such as 3s" => Some(TIME),
        "duration, such as 300s, or -1 for any" => Some(TIME_OR_ANY),
        _ => None,
    }
}

/// Keys that shape pods, and the form of their values.
const POD_KEYS: &[(&str, Form)] = &[
    ("spark.driver.cores", NUMBER),
    ("spark.driver.memoryOverhead", SIZE),
    ("spark.executor.memoryOverhead", SIZE),
    ("spark.driver.minMemoryOverhead", SIZE),
    ("spark.executor.minMemoryOverhead", SIZE),
    ("spark.driver.memoryOverheadFactor", FRACTION),
    ("spark.executor.memoryOverheadFactor", FRACTION),
    ("spark.kubernetes.memoryOverheadFactor", FRACTION),
    ("spark.kubernetes.driver.ownPersistentVolumeClaim", BOOLEAN),
    ("spark.kubernetes.driver.reusePersistentVolumeClaim", BOOLEAN),
    ("spark.kubernetes.legacy.useReadWriteOnceAccessMode", BOOLEAN),
    ("spark.kubernetes.executor.deleteOnTermination", BOOLEAN),
    (RETAIN_CLAIMS, NEVER_OR_ALWAYS),
];

/// All rules of `sparkConf`.
pub(crate) fn rules() -> Vec<Rule> {
    let mut all: Vec<Rule> = REFUSED
        .iter()
        .map(|(key, instead)| rule(format!("!('{key}' in self)"), format!("{key} {instead}")))
        .collect();
    all.extend(families());
    for declared in conf::ALL.iter().filter(|declared| !Keys::is_refused(declared.name)) {
        if !declared.words.is_empty() {
            all.push(worded(declared));
        } else if declared.effect == Effect::Refused {
            all.push(unsupported(declared));
        } else if let Some(form) = form_of(declared) {
            all.push(formed(declared.name, form));
        }
    }
    all.extend(POD_KEYS.iter().map(|(key, form)| formed(key, *form)));
    for role in ["driver", "executor"] {
        for end in ["request.cores", "limit.cores"] {
            let key = format!("spark.kubernetes.{role}.{end}");
            let cel = format!("!('{key}' in self) || isQuantity(self['{key}'])");
            all.push(rule(cel, format!("{key}: must be a CPU quantity, such as `500m` or `2`")));
        }
    }
    all
}

fn rule(cel: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Rule {
    Rule { at: "sparkConf", cel: cel.into(), message: message.into(), field: "" }
}

/// A key that must keep its default.
fn unsupported(declared: &Declared) -> Rule {
    let (key, default) = (declared.name, declared.default.unwrap_or_default());
    rule(
        format!("!('{key}' in self) || self['{key}'] == '{default}'"),
        format!("{key}: is not supported, and ignoring it would change results or safety"),
    )
}

/// A key whose value is one of a few words, in any case.
fn worded(declared: &Declared) -> Rule {
    let (key, words) = (declared.name, declared.words);
    let pattern = format!(r"^\\s*(?i:{})\\s*$", words.join("|"));
    rule(
        format!("!('{key}' in self) || self['{key}'].matches('{pattern}')"),
        format!("{key}: must be {}", words.join(", ")),
    )
}

/// A key with values of a form.
fn formed(key: &str, (pattern, must): Form) -> Rule {
    let cel = format!("!('{key}' in self) || self['{key}'].matches('{pattern}')");
    rule(cel, format!("{key}: {must}"))
}

/// Patterns for families of keys that shape pods. In an API server's cost estimate, matching a key
/// is free, but matching a value counts once per possible setting, so patterns of values are short.
const LABELS: &str =
    "^spark[.]kubernetes[.]((driver|executor)[.](label|node[.]selector)|node[.]selector)[.]";
const NAMED: &str = "^spark[.]kubernetes[.]((driver|executor)[.](label|annotation|node[.]selector)|node[.]selector)[.]";
const NAME: &str = "([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
const OWN_LABELS: &str = "^spark[.]kubernetes[.](driver|executor)[.]label[.](spark-role$|spark-app-selector$|spark-exec-id$|spark-version$|firesteel[.]dev/)";
const REFERENCES: &str = "^spark[.]kubernetes[.](driver|executor)[.]secretKeyRef[.]";
const PATHS: &str =
    "^spark[.]kubernetes[.](driver|executor)[.](secrets[.]|volumes[.].*[.]mount[.]path$)";
const VOLUMES: &str = "^spark[.]kubernetes[.](driver|executor)[.]volumes[.]";

/// Rules for families of keys, each looking at all keys.
fn families() -> Vec<Rule> {
    let all = |which: &str, holds: &str, message: &str| {
        rule(format!("self.all(key, !key.matches('{which}') || {holds})"), message.to_owned())
    };
    vec![
        rule(
            "self.all(key, !key.startsWith('spark.kubernetes.authenticate.'))",
            "spark.kubernetes.authenticate.* is refused: driver and executors hold no credentials of Kubernetes; \
             a service account is given by spec.driver.serviceAccount",
        ),
        all(
            LABELS,
            r"(size(self[key]) <= 63 && !self[key].matches('[^\\w.-]'))",
            "spark.kubernetes.*.label.* and *.node.selector.*: a label's value has at most 63 letters, digits, `-`, `_` and `.`",
        ),
        all(
            NAMED,
            &format!("key.matches('{NAMED}{NAME}')"),
            "spark.kubernetes.*.label.*, *.annotation.* and *.node.selector.*: a name has at most 63 letters, digits, `-`, `_` and `.`, \
             perhaps with a domain and `/` in front",
        ),
        all(
            OWN_LABELS,
            "false",
            "spark.kubernetes.*.label.*: spark-role, spark-app-selector, spark-exec-id, spark-version and firesteel.dev/* are set by the operator",
        ),
        all(
            REFERENCES,
            "self[key].contains(':')",
            "spark.kubernetes.*.secretKeyRef.*: must be `secret:key`",
        ),
        all(
            PATHS,
            "self[key].startsWith('/')",
            "spark.kubernetes.*.secrets.* and *.mount.path: must be a mount path",
        ),
        all(
            VOLUMES,
            &format!("key.matches('{VOLUMES}({})$')", volumes()),
            "spark.kubernetes.*.volumes.KIND.NAME.PROPERTY: kinds are hostPath, emptyDir, nfs and persistentVolumeClaim; docs/configuration.md \
             has their properties",
        ),
    ]
}

/// Pattern of what may follow in the key of a volume.
fn volumes() -> String {
    let kinds = KINDS.iter().map(|(kind, _)| {
        let mut all = properties(kind).join("|").replace('.', "[.]");
        if *kind == "persistentVolumeClaim" {
            all.push_str("|label[.].*|annotation[.].*");
        }
        format!("{kind}[.][^.]+[.]({all})")
    });
    kinds.collect::<Vec<_>>().join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_declared_value_is_known_or_free() {
        for declared in conf::ALL {
            let is_free = matches!(declared.form, "text" | "number") || !declared.words.is_empty();
            assert!(is_free || form_of(declared).is_some(), "{}: {}", declared.name, declared.form);
        }
    }
}
