//! The Python side of Firesteel: embedded in the binary and written beside the application, so that
//! one file is all there is to install.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

const FILES: &[(&str, &str)] = &[
    ("sitecustomize.py", include_str!("../../python/site/sitecustomize.py")),
    ("firesteel/__init__.py", include_str!("../../python/firesteel/__init__.py")),
    ("firesteel/session.py", include_str!("../../python/firesteel/session.py")),
];

/// Writes the files below `directory` and returns the entries for the Python path.
pub(crate) fn install(directory: &Path) -> Result<Vec<PathBuf>> {
    let root = directory.join("python");
    for (name, text) in FILES {
        let path = root.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(vec![root])
}
