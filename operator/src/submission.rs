//! A submission: one driver, created from one specification.
//!
//! Its id contains both, so that a status with an id shows by itself whether the specification has
//! changed since, and which epoch the next driver has. Nothing in it is random: a repeated pass
//! names the same submission.

use crd::SparkApplicationSpec;
use model::Epoch;
use std::fmt;
use std::str::FromStr;

/// Length of a hash, in characters.
const HASH_LENGTH: usize = 16;

/// The id of a submission: `<hash of the specification>-<epoch of the driver>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmissionId {
    /// Hash of the submitted specification.
    pub specification: String,
    /// Incarnation of the driver. It only grows, over all runs.
    pub epoch: Epoch,
}

impl SubmissionId {
    /// The first submission of an application.
    pub fn first(specification: String) -> Self {
        Self { specification, epoch: Epoch(1) }
    }

    /// The submission after this one.
    #[must_use]
    pub fn next(&self, specification: String) -> Self {
        Self { specification, epoch: Epoch(self.epoch.0 + 1) }
    }
}

impl fmt::Display for SubmissionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.specification, self.epoch.0)
    }
}

/// The text is not the id of a submission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of a submission")]
pub struct BadSubmissionId(pub String);

impl FromStr for SubmissionId {
    type Err = BadSubmissionId;

    fn from_str(text: &str) -> Result<Self, BadSubmissionId> {
        let bad = || BadSubmissionId(text.to_owned());
        let (hash, epoch) = text.rsplit_once('-').ok_or_else(bad)?;
        let is_hash =
            hash.len() == HASH_LENGTH && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        match epoch.parse() {
            Ok(epoch) if is_hash && epoch > 0 => {
                Ok(Self { specification: hash.to_owned(), epoch: Epoch(epoch) })
            }
            _ => Err(bad()),
        }
    }
}

/// A hash of everything that driver and executors are built from. Left out are fields about the
/// application as a whole, which change nothing that runs, and executor counts, which are followed
/// at run time.
pub fn specification_hash(spec: &SparkApplicationSpec) -> String {
    let mut spec = spec.clone();
    spec.suspend = None;
    spec.time_to_live_seconds = None;
    spec.executor.instances = None;
    if let Some(dynamic) = &mut spec.dynamic_allocation {
        dynamic.initial_executors = None;
        dynamic.min_executors = None;
        dynamic.max_executors = None;
    }
    let text = serde_json::to_vec(&spec).expect("a specification was JSON before");
    blake3::hash(&text).to_hex()[..HASH_LENGTH].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_and_the_next_one_is_greater() {
        let first = SubmissionId::first("0123456789abcdef".into());
        assert_eq!(first.to_string(), "0123456789abcdef-1");
        let next = first.next("fedcba9876543210".into());
        assert_eq!(next.to_string().parse(), Ok(next.clone()));
        assert_eq!(next.epoch, Epoch(2));
        for bad in ["", "x", "0123456789abcdef", "0123456789abcdef-0", "0123456789abcdeg-1", "-1"] {
            assert!(bad.parse::<SubmissionId>().is_err(), "{bad}");
        }
    }
}
