//! Properties of the program's threads.

use crate::conf::CHECKPOINT_DIR;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Properties of the thread of the program that asked for a job. Its tasks can read them; some name
/// the job for people. Clones share them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties(Arc<BTreeMap<String, String>>);

impl Properties {
    /// The group of the job.
    pub fn group(&self) -> Option<&str> {
        self.get("spark.jobGroup.id")
    }

    /// The pool that the job takes slots from.
    pub fn pool(&self) -> Option<&str> {
        self.get("spark.scheduler.pool")
    }

    /// The program's own description of the job.
    pub fn description(&self) -> Option<&str> {
        self.get("spark.job.description").filter(|text| !text.is_empty())
    }

    /// The place in the program that asked for the job, which names it.
    pub fn call_site(&self) -> Option<&str> {
        self.get("callSite.short")
    }

    /// The directory for checkpoints that the program has set.
    pub fn checkpoints(&self) -> Option<&str> {
        self.get(CHECKPOINT_DIR.name)
    }

    /// All properties, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Properties {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(Arc::new(pairs.into_iter().collect()))
    }
}
