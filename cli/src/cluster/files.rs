//! Local files that a program needs: they are sent along in a `ConfigMap` that its pods mount, so
//! that a program needs neither its own image nor a store shared by client and driver.

use anyhow::{Context, Result, bail, ensure};
use crd::NamePath;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;
use std::collections::BTreeMap;
use std::path::Path;

/// Mount path in pods.
const MOUNT: &str = "/opt/firesteel/submitted";
/// Limit on their total size. An API server accepts objects of up to a mebibyte, and encoded bytes
/// are a third longer.
const LIMIT: u64 = 700 << 10;

/// The files, by name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Files {
    name: String,
    files: BTreeMap<String, Vec<u8>>,
}

impl Files {
    /// No files yet; the `ConfigMap` will have a name with this suffix.
    pub(crate) fn new(suffix: &str) -> Self {
        Self { name: format!("submitted-{suffix}"), files: BTreeMap::new() }
    }

    /// The path of a file in the driver's pod: a file in the image stays where it is, a local one
    /// is read and sent along.
    pub(crate) fn carry(&mut self, file: &str) -> Result<String> {
        let path = match locate(file) {
            Some(Location::InImage(path)) => return Ok(format!("local://{path}")),
            Some(Location::Local(path)) => Path::new(path),
            None => bail!(
                "{file}: nothing is downloaded; give a local file, or local:///path for a file in the image"
            ),
        };
        ensure!(
            path.exists(),
            "{file}: no such file; local://{} would be a file in the image",
            std::path::absolute(path).unwrap_or_default().display()
        );
        ensure!(!path.is_dir(), "{file}: is a directory; send it as a .zip file");
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let right =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        ensure!(
            name.chars().all(right) && name.len() <= 253,
            "{file}: the name of a sent file may have only letters, digits, `-`, `_` and `.`"
        );
        let reading = || format!("reading {file}");
        // Checked before reading: the file may be larger than this machine's memory.
        self.check(file, std::fs::metadata(path).with_context(reading)?.len())?;
        let bytes = std::fs::read(path).with_context(reading)?;
        self.check(file, bytes.len() as u64)?;
        if self.files.insert(name.clone(), bytes).is_some() {
            bail!("{file}: two sent files have this name");
        }
        Ok(format!("local://{MOUNT}/{name}"))
    }

    /// The same for `file#name`, or an address that pods download.
    pub(crate) fn carry_named(&mut self, text: &str) -> Result<String> {
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(text.to_owned());
        }
        match text.rsplit_once('#').filter(|_| !Path::new(here(text)).exists()) {
            Some((file, name)) => Ok(format!("{}#{name}", self.carry(file)?)),
            None => self.carry(text),
        }
    }

    /// Whether so many more bytes can be sent.
    fn check(&self, file: &str, more: u64) -> Result<()> {
        let all = self.files.values().map(|bytes| bytes.len() as u64).sum::<u64>() + more;
        ensure!(
            all <= LIMIT,
            "{file}: brings the sent files to {all} bytes, and the limit is {LIMIT}; put it into the image"
        );
        Ok(())
    }

    /// The mount for them, if there are any.
    pub(crate) fn mount(&self) -> Option<NamePath> {
        (!self.files.is_empty())
            .then(|| NamePath { name: self.name.clone(), path: MOUNT.to_owned() })
    }

    /// The `ConfigMap` that holds them; it is deleted with its owner.
    pub(crate) fn object(&self, owner: Option<OwnerReference>) -> Option<ConfigMap> {
        let files = self.files.iter();
        let object = ConfigMap {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                owner_references: owner.map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            // Stored as bytes even if they are text, so that nothing has to tell them apart.
            binary_data: Some(
                files.map(|(name, bytes)| (name.clone(), ByteString(bytes.clone()))).collect(),
            ),
            ..ConfigMap::default()
        };
        (!self.files.is_empty()).then_some(object)
    }
}

/// Location of a file.
enum Location<'a> {
    Local(&'a str),
    InImage(&'a str),
}

/// Reads the scheme of a file as `spark-submit` does: `file` is this machine, `local` is the image;
/// no other one is supported.
fn locate(file: &str) -> Option<Location<'_>> {
    // A path follows the scheme, with or without an empty host.
    let after = |scheme: &str| {
        let rest = file.strip_prefix(scheme)?.strip_prefix(':')?;
        Some(rest.strip_prefix("//").unwrap_or(rest)).filter(|rest| rest.starts_with('/'))
    };
    match (after("file"), after("local")) {
        (Some(path), _) => Some(Location::Local(path)),
        (None, Some(path)) => Some(Location::InImage(path)),
        (None, None) if file.contains("://") => None,
        (None, None) => Some(Location::Local(file)),
    }
}

/// A local file as a path, in whatever notation.
pub(crate) fn here(file: &str) -> &str {
    match locate(file) {
        Some(Location::Local(path)) => path,
        Some(Location::InImage(_)) | None => file,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_this_machine_go_along_and_those_of_the_image_do_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        for (name, bytes) in
            [("a.py", b"x".as_slice()), ("b.zip", b"\xff\0"), ("c.py", b""), ("a b.py", b"")]
        {
            std::fs::write(path(name), bytes).unwrap();
        }
        std::fs::create_dir(path("more")).unwrap();
        std::fs::write(path("more/a.py"), "").unwrap();
        std::fs::write(path("large.py"), vec![0; 700 << 10]).unwrap();
        let mut files = Files::new("1");
        assert_eq!(files.carry("local:///opt/x.py").unwrap(), "local:///opt/x.py");
        assert_eq!(files.carry("local:/opt/x.py").unwrap(), "local:///opt/x.py");
        assert_eq!((files.mount(), files.object(None)), (None, None));
        assert_eq!(files.carry(&path("a.py")).unwrap(), "local:///opt/firesteel/submitted/a.py");
        files.carry(&format!("file://{}", path("b.zip"))).unwrap();
        files.carry(&format!("file:{}", path("c.py"))).unwrap();
        for (wrong, why) in [
            (path("none.py"), "no such file; local:///"),
            (path("more"), "is a directory"),
            (path("more/a.py"), "two sent files"),
            (path("a b.py"), "may have only letters"),
            (path("large.py"), "the limit is"),
            ("s3://bucket/a.py".to_owned(), "nothing is downloaded"),
            ("file://host/a.py".to_owned(), "nothing is downloaded"),
        ] {
            let problem = files.carry(&wrong).unwrap_err().to_string();
            assert!(problem.contains(why) && problem.starts_with(&wrong), "{problem}");
        }
        let object = serde_json::to_value(files.object(None)).unwrap();
        assert_eq!(object["metadata"]["name"], "submitted-1");
        assert_eq!(object["binaryData"]["b.zip"], "/wA=");
    }
}
