//! Files of this machine that a program needs: they go with the application, in a `ConfigMap` that the driver mounts. So a program
//! needs no image of its own, and no store that driver and client share.

use anyhow::{Context, Result, bail, ensure};
use crd::NamePath;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;
use std::collections::BTreeMap;
use std::path::Path;

/// Where the driver finds them.
const MOUNT: &str = "/opt/firesteel/submitted";
/// Bytes of all of them. An API server takes objects of a mebibyte, and in its text bytes are a third longer.
const LIMIT: u64 = 700 << 10;

/// The files, by name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Files {
    name: String,
    files: BTreeMap<String, Vec<u8>>,
}

impl Files {
    /// None so far; what they lie in gets a name with this end.
    pub(crate) fn new(suffix: &str) -> Self {
        Self { name: format!("submitted-{suffix}"), files: BTreeMap::new() }
    }

    /// Where a file will be in the driver's pod: one of the image is there already, one of this machine is read here.
    pub(crate) fn carry(&mut self, file: &str) -> Result<String> {
        let path = match place(file) {
            Some(Location::InImage(path)) => return Ok(format!("local://{path}")),
            Some(Location::Local(path)) => Path::new(path),
            None => bail!(
                "{file}: nothing is fetched from elsewhere; give a file of this machine, or local:///path for one of the image"
            ),
        };
        ensure!(
            path.exists(),
            "{file}: there is no such file; local://{} would be one of the image",
            std::path::absolute(path).unwrap_or_default().display()
        );
        ensure!(!path.is_dir(), "{file}: a directory cannot be sent; make a .zip file of it");
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let right =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        ensure!(
            name.chars().all(right) && name.len() <= 253,
            "{file}: the name of a file that is sent may have only letters, digits, `-`, `_` and `.`"
        );
        let reading = || format!("reading {file}");
        // Asked before it is read: it may be larger than this machine's memory.
        self.check(file, std::fs::metadata(path).with_context(reading)?.len())?;
        let bytes = std::fs::read(path).with_context(reading)?;
        self.check(file, bytes.len() as u64)?;
        if self.files.insert(name.clone(), bytes).is_some() {
            bail!("{file}: two files that are sent have this name");
        }
        Ok(format!("local://{MOUNT}/{name}"))
    }

    /// Whether so many bytes more can be sent.
    fn check(&self, file: &str, more: u64) -> Result<()> {
        let all = self.files.values().map(|bytes| bytes.len() as u64).sum::<u64>() + more;
        ensure!(
            all <= LIMIT,
            "{file}: with it {all} bytes would be sent, and {LIMIT} is the limit; put it into the image"
        );
        Ok(())
    }

    /// What the driver mounts, if there are any.
    pub(crate) fn mount(&self) -> Option<NamePath> {
        (!self.files.is_empty())
            .then(|| NamePath { name: self.name.clone(), path: MOUNT.to_owned() })
    }

    /// The object that holds them; it goes with its owner.
    pub(crate) fn object(&self, owner: Option<OwnerReference>) -> Option<ConfigMap> {
        let files = self.files.iter();
        let object = ConfigMap {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                owner_references: owner.map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            // As bytes, also where they are text: nobody has to find out.
            binary_data: Some(
                files.map(|(name, bytes)| (name.clone(), ByteString(bytes.clone()))).collect(),
            ),
            ..ConfigMap::default()
        };
        (!self.files.is_empty()).then_some(object)
    }
}

/// Where a file is.
enum Location<'a> {
    Local(&'a str),
    InImage(&'a str),
}

/// Reads the scheme of a file, as `spark-submit` does: `file` is this machine's, `local` is the image's. Nothing else is served.
fn place(file: &str) -> Option<Location<'_>> {
    // After a scheme stands a path, with or without an empty host.
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

/// A file of this machine as a path, whatever way it is written.
pub(crate) fn here(file: &str) -> &str {
    match place(file) {
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
            (path("none.py"), "there is no such file; local:///"),
            (path("more"), "a directory cannot be sent"),
            (path("more/a.py"), "two files"),
            (path("a b.py"), "may have only letters"),
            (path("large.py"), "is the limit"),
            ("s3://bucket/a.py".to_owned(), "nothing is fetched"),
            ("file://host/a.py".to_owned(), "nothing is fetched"),
        ] {
            let problem = files.carry(&wrong).unwrap_err().to_string();
            assert!(problem.contains(why) && problem.starts_with(&wrong), "{problem}");
        }
        let object = serde_json::to_value(files.object(None)).unwrap();
        assert_eq!(object["metadata"]["name"], "submitted-1");
        assert_eq!(object["binaryData"]["b.zip"], "/wA=");
    }
}
