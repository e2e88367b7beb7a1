//! The identity of a stage: a hash of all that its rows depend on. Equal identities must mean equal rows; plans that compute the
//! same should have equal identities, also if their columns were numbered differently.

use bytes::Bytes;
use datafusion_proto::protobuf::PhysicalPlanNode;
use model::Fingerprint;
use std::collections::HashMap;
use std::fmt::Write;

/// What a stage's rows depend on.
pub(crate) struct Identity<'a> {
    /// The plan. Its leaves name the shuffles that they read, and so the identities of the parents.
    pub(crate) plan: &'a PhysicalPlanNode,
    /// What each task reads: files by path, size and time; rows; numbers.
    pub(crate) bindings: &'a [Bytes],
    /// Reader partitions, if it writes a shuffle.
    pub(crate) readers: Option<u32>,
    /// Whether the same inputs give the same rows.
    pub(crate) deterministic: bool,
    /// Set where nothing of another job may be used again: the job's own number.
    pub(crate) job: Option<uuid::Uuid>,
}

impl Identity<'_> {
    /// The hash.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut hash = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(concat!("firesteel ", env!("CARGO_PKG_VERSION")).as_bytes());
        part(datafusion::DATAFUSION_VERSION.as_bytes());
        // The printed form of the message holds every field of it, and its strings can be told from the rest.
        part(renumbered(&format!("{:?}", self.plan)).as_bytes());
        self.bindings.iter().for_each(|binding| part(binding));
        part(format!("{:?}", self.readers).as_bytes());
        if let Some(job) = self.job {
            part(job.as_bytes());
        }
        if !self.deterministic {
            // Its output stands for itself: nothing else computes the same.
            part(uuid::Uuid::new_v4().as_bytes());
        }
        Fingerprint(*hash.finalize().as_bytes())
    }
}

/// The printed message with the opaque column names (`#17`) numbered by first occurrence. Strings that are values are left alone:
/// two plans that differ in a value must not become equal.
fn renumbered(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut rest = text;
    while let Some(start) = rest.find('"') {
        let (before, quoted) = rest.split_at(start);
        out.push_str(before);
        let end = end_of_string(quoted);
        let (string, after) = quoted.split_at(end);
        if before.ends_with("Value(") {
            out.push_str(string);
        } else {
            renumber(string, &mut numbers, &mut out);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The length of the printed string that `text` begins with, with both quotes.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return i + 1,
            _ => {}
        }
    }
    text.len()
}

fn renumber<'a>(string: &'a str, numbers: &mut HashMap<&'a str, usize>, out: &mut String) {
    let mut rest = string;
    while let Some(start) = rest.find('#') {
        let digits = rest[start + 1..].find(|c: char| !c.is_ascii_digit());
        let end = start + 1 + digits.unwrap_or(rest.len() - start - 1);
        out.push_str(&rest[..=start]);
        let number = &rest[start + 1..end];
        if !number.is_empty() {
            let next = numbers.len();
            let _ = write!(out, "{}", numbers.entry(number).or_insert(next));
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_numbered_by_first_occurrence_and_values_are_left_alone() {
        let cases = [
            (r##"name: "#12", to: "sum(#7) + #12""##, r##"name: "#0", to: "sum(#1) + #0""##),
            (r##"Utf8Value("#12"), name: "#12""##, r##"Utf8Value("#12"), name: "#0""##),
            (r##"Utf8Value("a\"#3"), name: "#4""##, r##"Utf8Value("a\"#3"), name: "#0""##),
            (r#"name: "a # b #", other: #5"#, r#"name: "a # b #", other: #5"#),
            ("no string", "no string"),
        ];
        for (text, expected) in cases {
            assert_eq!(renumbered(text), expected);
        }
    }
}
