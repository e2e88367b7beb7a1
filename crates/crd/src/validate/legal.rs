//! Names and label values that an API server takes. What is legal is Kubernetes' rule; here it is known before a pod is made.

use super::Problems;
use crate::problem::FieldPath;
use std::collections::BTreeMap;

/// Letters of a label's value, and of a name without its prefix.
const LONGEST_LABEL: usize = 63;
/// Letters of a name of an object.
const LONGEST_NAME: usize = 253;

/// Whether a text is the value of a label.
pub fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_label_word(text)
}

fn is_label_word(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= LONGEST_LABEL
        && bytes.iter().all(|byte| inner(*byte))
        && ends(bytes.first())
        && ends(bytes.last())
}

/// Whether a text is the name of a label or an annotation: a word, perhaps with a domain in front.
fn is_qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        Some((domain, word)) => is_object_name(domain) && is_label_word(word),
        None => is_label_word(text),
    }
}

/// Whether a text is the name of a pod: a DNS subdomain.
pub(super) fn is_object_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(inner)
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    text.len() <= LONGEST_NAME && text.split('.').all(is_part)
}

/// Refuses labels that no pod can have; `at` is where one of them stands.
pub(super) fn check_labels(
    labels: &BTreeMap<String, String>,
    at: impl Fn(&str) -> FieldPath,
    problems: &mut Problems,
) {
    check_names(labels, &at, problems);
    for (name, value) in labels {
        if !is_label_value(value) {
            let problem = format!(
                "`{value}` is not the value of a label: at most {LONGEST_LABEL} letters, digits, `-`, `_` and `.`, \
                 with a letter or a digit at both ends"
            );
            problems.add(at(name), problem);
        }
    }
}

/// Refuses names of labels or annotations that no pod can have.
pub(super) fn check_names(
    named: &BTreeMap<String, String>,
    at: impl Fn(&str) -> FieldPath,
    problems: &mut Problems,
) {
    for name in named.keys().filter(|name| !is_qualified_name(name)) {
        let problem = format!(
            "`{name}` is not such a name: at most {LONGEST_LABEL} letters, digits, `-`, `_` and `.`, \
             perhaps with a domain and `/` in front"
        );
        problems.add(at(name), problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_legal_where_kubernetes_says_so() {
        let long = "x".repeat(64);
        for (text, value, name, object) in [
            ("", true, false, false),
            ("a", true, true, true),
            ("4.0.4", true, true, true),
            ("A_b-c.d", true, true, false),
            ("data team", false, false, false),
            ("team:a", false, false, false),
            ("-a", false, false, false),
            ("a-", false, false, false),
            ("a..b", true, true, false),
            ("example.com/a", false, true, false),
            ("Example.com/a", false, false, false),
            ("a/b/c", false, false, false),
            ("example.com/", false, false, false),
            ("ü", false, false, false),
            (&long[..63], true, true, true),
            (&long, false, false, true),
        ] {
            assert_eq!(is_label_value(text), value, "value {text}");
            assert_eq!(is_qualified_name(text), name, "name {text}");
            assert_eq!(is_object_name(text), object, "object {text}");
        }
    }
}
