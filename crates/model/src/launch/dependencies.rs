//! The files that a program and its functions need.

use crate::conf::{self, BadSetting, Conf};
use serde::{Deserialize, Serialize};

/// Files that a program and its functions need: paths, or `http(s)` addresses. A process that has
/// some brings them together before it starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependencies {
    /// Python files, directories and zip files for the Python path.
    #[serde(default)]
    pub py_files: Vec<String>,
    /// Files for the directory of `SparkFiles`; `file#name` sets the name there.
    #[serde(default)]
    pub files: Vec<String>,
    /// Archives to unpack into it; `archive#name` sets the name there.
    #[serde(default)]
    pub archives: Vec<String>,
}

impl Dependencies {
    /// These and those that settings name.
    pub fn with_settings(mut self, conf: &Conf) -> Result<Self, BadSetting> {
        for (key, list) in [
            (&conf::SUBMIT_PY_FILES, &mut self.py_files),
            (&conf::FILES, &mut self.files),
            (&conf::ARCHIVES, &mut self.archives),
        ] {
            let more = conf.find(key)?.unwrap_or_default();
            let more = more.split(',').map(str::trim).filter(|file| !file.is_empty());
            list.extend(more.map(str::to_owned));
        }
        Ok(self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}
