//! Names and label values that an API server accepts. The rules are Kubernetes'; checking them here
//! finds errors before a pod is created.

use super::Problems;
use crate::problem::FieldPath;
use std::collections::BTreeMap;

/// Length limit of a label's value, and of a name without its prefix.
const MAX_LABEL_LENGTH: usize = 63;
/// Length limit of an object's name.
const MAX_NAME_LENGTH: usize = 253;

/// Whether a text is a valid label value.
pub fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_label_word(text)
}

fn is_label_word(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= MAX_LABEL_LENGTH
        && bytes.iter().all(|byte| inner(*byte))
        && ends(bytes.first())
        && ends(bytes.last())
}

/// Whether a text is a valid name of a label or an annotation: a word, optionally preceded by a
/// domain.
fn is_qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        Some((domain, word)) => is_object_name(domain) && is_label_word(word),
        None => is_label_word(text),
    }
}

/// Whether a text is a valid pod name: a DNS subdomain.
pub(super) fn is_object_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(inner)
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    text.len() <= MAX_NAME_LENGTH && text.split('.').all(is_part)
}

/// Refuses invalid labels; `at` is the path of one of them.
pub(super) fn check_labels(
    labels: &BTreeMap<String, String>,
    at: impl Fn(&str) -> FieldPath,
    problems: &mut Problems,
) {
    check_names(labels, &at, problems);
    for (name, value) in labels {
        if !is_label_value(value) {
            let problem = format!(
                "`{value}` is not the value of a label: at most {MAX_LABEL_LENGTH} letters, digits, `-`, `_` and `.`, \
                 with a letter or a digit at both ends"
            );
            problems.add(at(name), problem);
        }
    }
}

/// Refuses invalid names of labels or annotations.
pub(super) fn check_names(
    named: &BTreeMap<String, String>,
    at: impl Fn(&str) -> FieldPath,
    problems: &mut Problems,
) {
    for name in named.keys().filter(|name| !is_qualified_name(name)) {
        let problem = format!(
            "`{name}` is not such a name: at most {MAX_LABEL_LENGTH} letters, digits, `-`, `_` and `.`, \
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
