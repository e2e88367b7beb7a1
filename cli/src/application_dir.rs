//! The directory of an application on this machine: its volumes, and a file through which `status`
//! finds its driver.
//!
//! It is in a per-user directory, or named in one, and is deleted at the end. Leftovers of a killed
//! command are deleted by the next one.

use anyhow::{Context, Result};
use model::launch::{Home, Secret};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Contact details of a running application's driver.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Contact {
    /// Its id.
    pub application_id: String,
    /// Address at which its driver serves the cluster manager: host:port.
    pub cluster: String,
    /// The application's token.
    pub token: Secret,
    /// Its TLS identity, if its connections are encrypted.
    #[serde(default)]
    pub identity: Option<Secret>,
}

/// The directory. Dropping it deletes it, without shuffles that are retained.
#[derive(Debug)]
pub(crate) struct ApplicationDir {
    path: PathBuf,
    retains_shuffles: bool,
}

impl ApplicationDir {
    /// Creates a directory for an application of this process. `base`: `spark.local.dir`.
    pub(crate) fn create(application_id: &str, base: Option<&Path>) -> Result<Self> {
        let parent = applications();
        private_directory(&parent)?;
        sweep(&parent);
        let path = match base {
            Some(base) => base.join(format!("firesteel-{application_id}")),
            None => parent.join(application_id),
        };
        private_directory(&path)?;
        let directory = Self { path, retains_shuffles: false };
        // The owner file comes first: a directory without a living owner is swept.
        fs::write(directory.path.join(OWNER), owner_mark())?;
        if base.is_some() {
            let entry = parent.join(application_id);
            private_directory(&entry)?;
            fs::write(entry.join(OWNER), owner_mark())?;
            fs::write(entry.join(PLACE), directory.path.as_os_str().as_bytes())?;
        }
        Ok(directory)
    }

    /// Parent directory of the volumes.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The volume of shuffles outlives the application, with the sign of life by which others know
    /// whose it is.
    pub(crate) fn retain_shuffles(&mut self) {
        self.retains_shuffles = true;
    }

    fn delete_all_but_shuffles(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if RETAINED.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl Drop for ApplicationDir {
    fn drop(&mut self) {
        let _ = if self.retains_shuffles {
            self.delete_all_but_shuffles()
        } else {
            fs::remove_dir_all(&self.path)
        };
        if let Some(id) = self.path.file_name() {
            let id = id.to_string_lossy();
            let _ = fs::remove_dir_all(
                applications().join(id.strip_prefix("firesteel-").unwrap_or(&id)),
            );
        }
    }
}

/// Makes an application's driver findable; its directory exists already.
pub(crate) fn announce(contact: &Contact) -> Result<()> {
    let path = applications().join(&contact.application_id).join(CONTACT);
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
    let file = file.with_context(|| format!("writing {}", path.display()))?;
    Ok(serde_json::to_writer(file, contact)?)
}

/// This user's running applications, ordered by id.
pub(crate) fn contacts() -> Vec<Contact> {
    let Ok(entries) = fs::read_dir(applications()) else { return Vec::new() };
    let mut found: Vec<Contact> = entries
        .flatten()
        .filter(|entry| owner_lives(&entry.path()))
        .filter_map(|entry| {
            serde_json::from_slice(&fs::read(entry.path().join(CONTACT)).ok()?).ok()
        })
        .collect();
    found.sort_by(|a, b| a.application_id.cmp(&b.application_id));
    found
}

/// The volume and the sign of life.
const RETAINED: [&str; 2] = [SHUFFLE, Home::MARK];
/// Directory of the volume.
pub(crate) const SHUFFLE: &str = "shuffle";
const OWNER: &str = "owner";
/// File with the path of the directory, if it is elsewhere.
const PLACE: &str = "place";
const CONTACT: &str = "application.json";

fn applications() -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    std::env::temp_dir().join(format!("firesteel-{user}"))
}

fn private_directory(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("creating {}", path.display()))?;
    let found = fs::symlink_metadata(path)?;
    let mine = std::os::unix::fs::MetadataExt::uid(&found) == rustix::process::getuid().as_raw();
    anyhow::ensure!(mine && found.is_dir(), "{} belongs to another user", path.display());
    Ok(())
}

/// Identity of this process: its id and start time, so that a later process with the same id is not
/// mistaken for it.
fn owner_mark() -> String {
    let id = std::process::id();
    format!("{id} {}", start_time(id).unwrap_or_default())
}

fn owner_lives(directory: &Path) -> bool {
    let mark = fs::read_to_string(directory.join(OWNER)).unwrap_or_default();
    let mut parts = mark.split(' ');
    let id = parts.next().and_then(|id| id.parse().ok());
    id.is_some_and(|id| start_time(id).as_deref() == parts.next())
}

/// The 22nd field of `/proc/<id>/stat`: the start time in ticks since boot. The second field may
/// contain spaces and ends in `)`.
fn start_time(id: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_whitespace().nth(19).map(str::to_owned)
}

/// Deletes leftovers of commands that no longer live.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        // A directory being created has no owner yet; it is left alone for a minute.
        let young = entry
            .metadata()
            .and_then(|m| m.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age.as_secs() < 60));
        let unowned = !entry.path().join(OWNER).exists();
        if !(owner_lives(&entry.path()) || unowned && young) {
            if let Ok(place) = fs::read(entry.path().join(PLACE)) {
                let _ = fs::remove_dir_all(OsStr::from_bytes(&place));
            }
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_directory_is_identified_by_id_and_start_time() {
        let directory = tempfile::tempdir().unwrap();
        assert!(!owner_lives(directory.path()));
        fs::write(directory.path().join(OWNER), owner_mark()).unwrap();
        assert!(owner_lives(directory.path()));
        fs::write(directory.path().join(OWNER), format!("{} 1", std::process::id())).unwrap();
        assert!(!owner_lives(directory.path()));
    }
}
