//! Files that sessions have added, where their functions find them: for each list of files a
//! directory with links to the blobs, to archives that are unpacked once, and to the files that the
//! application was started with.

use super::requests::Blobs;
use super::server::python_command;
use super::settings::{Environment, PoolSettings};
use bytes::Bytes;
use model::{AddedFile, FileKind, TaskFailure};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncWriteExt;
use tokio::sync::OnceCell;

/// Things by name, of which each is made once: whoever asks meanwhile waits.
type Made<T> = Mutex<BTreeMap<String, Arc<OnceCell<T>>>>;

/// The added files of all sessions (see the module).
#[derive(Debug)]
pub(super) struct AddedFiles {
    blobs: Arc<dyn Blobs>,
    environment: Environment,
    directory: PathBuf,
    numbers: AtomicU64,
    places: Made<Place>,
    /// Directories of archives, by hash.
    unpacked: Made<PathBuf>,
}

/// The files of a list.
#[derive(Debug, Clone)]
struct Place {
    root: PathBuf,
    /// Entries of the Python path.
    path: Vec<PathBuf>,
}

/// What a task's header says of files.
#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    files: Value,
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

impl AddedFiles {
    pub(super) fn new(settings: &PoolSettings, blobs: Arc<dyn Blobs>) -> Self {
        Self {
            blobs,
            environment: settings.environment.clone(),
            directory: settings.added_files.clone(),
            numbers: AtomicU64::new(0),
            places: Made::default(),
            unpacked: Made::default(),
        }
    }

    /// Puts the files of a task in their place. Returns the header that tells the worker of it, and
    /// the files as a text: a worker that has imported from others is not used for the task.
    pub(super) async fn placed(&self, header: Bytes) -> Result<(Bytes, String), TaskFailure> {
        let Ok(Header { mut files, settings }) = serde_json::from_slice(&header) else {
            return Ok((header, String::new()));
        };
        let Some(list) = settings.get(AddedFile::SETTING) else {
            return Ok((header, files.to_string()));
        };
        let base = PathBuf::from(files["root"].as_str().unwrap_or_default());
        let cell = cell(&self.places, list);
        let place = cell.get_or_try_init(|| self.place(list, &base)).await.map_err(|problem| {
            TaskFailure::raised(format!("preparing the files that the program added: {problem}"))
        })?;
        let mut path = files["path"].as_array().cloned().unwrap_or_default();
        path.extend(place.path.iter().map(|entry| json!(entry)));
        files = json!({ "root": place.root, "path": path });
        let mut header: Value = serde_json::from_slice(&header).unwrap_or_default();
        header["files"] = files.clone();
        Ok((header.to_string().into(), files.to_string()))
    }

    /// Makes the directory of a list.
    async fn place(&self, list: &str, base: &Path) -> Result<Place, String> {
        let files: Vec<AddedFile> =
            serde_json::from_str(list).map_err(|error| error.to_string())?;
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let root = self.directory.join(number.to_string());
        link_all(base, &root).map_err(|error| failed(&root, &error))?;
        let mut path = Vec::new();
        for file in files {
            if !file.is_safe() {
                return Err(format!("{:?} is no name of a file", file.name));
            }
            let source = match file.kind {
                FileKind::File | FileKind::Python => self.blobs.path(&file.hash).await?,
                FileKind::Archive => {
                    let unpacked = self.unpacked(&file.hash).await;
                    unpacked.map_err(|problem| format!("{}: {problem}", file.name))?
                }
            };
            let target = root.join(file.place());
            let linked = link(&source, &root, file.place());
            linked.map_err(|error| failed(&target, &error))?;
            if file.is_importable() {
                path.push(target);
            }
        }
        Ok(Place { root, path })
    }

    /// The directory of an archive's content.
    async fn unpacked(&self, hash: &str) -> Result<PathBuf, String> {
        let cell = cell(&self.unpacked, hash);
        cell.get_or_try_init(|| self.unpack(hash)).await.cloned()
    }

    /// Python unpacks archives: it knows all formats.
    async fn unpack(&self, hash: &str) -> Result<PathBuf, String> {
        let archive = self.blobs.path(hash).await?;
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let target = self.directory.join(format!("archive-{number}"));
        fs::create_dir_all(&self.directory).map_err(|error| failed(&self.directory, &error))?;
        let fetch: [(&str, &Path); 0] = [];
        let work = json!({ "fetch": fetch, "unpack": [(archive, &target)] });
        let python = &self.environment.python;
        let run = async {
            let mut command = python_command(&self.environment, "firesteel.stage");
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut child = command.spawn()?;
            if let Some(mut input) = child.stdin.take() {
                // A child that has failed says why on its standard error.
                let _ = input.write_all(work.to_string().as_bytes()).await;
            }
            child.wait_with_output().await
        };
        let done = run.await.map_err(|error| failed(python, &error))?;
        if done.status.success() {
            return Ok(target);
        }
        let problem = String::from_utf8_lossy(&done.stderr);
        Err(problem.trim().lines().last().unwrap_or("an archive cannot be unpacked").to_owned())
    }
}

fn cell<T>(made: &Made<T>, name: &str) -> Arc<OnceCell<T>> {
    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(made.entry(name.to_owned()).or_default())
}

/// A directory with links to all that is in another, if that is there.
fn link_all(base: &Path, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let entries = match fs::read_dir(base) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        symlink(entry.path(), directory.join(entry.file_name()))?;
    }
    Ok(())
}

/// Links a file below a directory, in place of another of its name.
fn link(source: &Path, root: &Path, place: &str) -> io::Result<()> {
    let target = root.join(place);
    for (end, _) in place.match_indices('/') {
        // Nothing is written where a link leads to: that belongs to others.
        let above = root.join(&place[..end]);
        if above.is_symlink() {
            let linked = fs::read_link(&above)?;
            fs::remove_file(&above)?;
            // A file of the application gives way.
            if linked.is_dir() {
                link_all(&linked, &above)?;
            }
        }
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    if target.is_symlink() || target.is_file() {
        fs::remove_file(&target)?;
    }
    if source.is_dir() {
        return symlink(source, target);
    }
    // The file stays if the blob is dropped: a later session may have the same list.
    fs::hard_link(source, target)
}

fn failed(path: &Path, error: &dyn fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::super::BlobDirectory;
    use super::*;

    /// A store with two blobs in it, and a directory of files that the application has.
    fn store(python: &str) -> (AddedFiles, tempfile::TempDir) {
        let home = tempfile::tempdir().unwrap();
        let blobs = home.path().join("blobs");
        let files = [
            ("blobs", "aa"),
            ("blobs", "bb"),
            ("base", "own.txt"),
            ("base", "other.txt"),
            ("base/d", "a.txt"),
        ];
        for (directory, name) in files {
            fs::create_dir_all(home.path().join(directory)).unwrap();
            fs::write(home.path().join(directory).join(name), name).unwrap();
        }
        let environment = Environment {
            python: python.into(),
            python_path: vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../python")],
            directory: home.path().to_owned(),
        };
        let settings = PoolSettings::new(environment, 1);
        (AddedFiles::new(&settings, Arc::new(BlobDirectory(blobs))), home)
    }

    fn header(home: &Path, files: &[(FileKind, &str, &str)]) -> Bytes {
        let file = |(kind, name, hash): &(FileKind, &str, &str)| AddedFile {
            kind: *kind,
            name: (*name).to_owned(),
            hash: (*hash).to_owned(),
        };
        let list = serde_json::to_string(&files.iter().map(file).collect::<Vec<_>>()).unwrap();
        let files = json!({ "root": home.join("base"), "path": ["x"] });
        let settings = json!({ AddedFile::SETTING: list, "other": "1" });
        json!({ "files": files, "settings": settings }).to_string().into()
    }

    #[tokio::test]
    async fn files_lie_beside_those_of_the_application_and_packages_are_on_the_path() {
        let (store, home) = store("/no/python");
        let files = [
            (FileKind::File, "d/a.txt", "aa"),
            (FileKind::File, "d/e/b.txt", "bb"),
            (FileKind::File, "own.txt", "aa"),
            (FileKind::File, "other.txt/c.txt", "bb"),
            (FileKind::Python, "m.zip", "bb"),
        ];
        let (told, key) = store.placed(header(home.path(), &files)).await.unwrap();
        let told: Value = serde_json::from_slice(&told).unwrap();
        let root = PathBuf::from(told["files"]["root"].as_str().unwrap());
        let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
        assert_eq!(
            (read("d/a.txt"), read("m.zip"), read("own.txt")),
            ("aa".into(), "bb".into(), "aa".into())
        );
        assert_eq!((read("d/e/b.txt"), read("other.txt/c.txt")), ("bb".into(), "bb".into()));
        assert_eq!(fs::read_to_string(home.path().join("base/own.txt")).unwrap(), "own.txt");
        assert_eq!(fs::read_to_string(home.path().join("base/d/a.txt")).unwrap(), "a.txt");
        assert!(!home.path().join("base/d/e").exists());
        assert_eq!(told["files"]["path"], json!(["x", root.join("m.zip")]));
        let again = store.placed(header(home.path(), &files)).await.unwrap();
        assert_eq!(again.1, key);
        fs::remove_file(home.path().join("blobs/bb")).unwrap();
        assert_eq!(read("d/e/b.txt"), "bb", "whatever becomes of the blob");
        let (_, fewer) = store.placed(header(home.path(), &files[..1])).await.unwrap();
        assert_ne!(fewer, key);
    }

    #[tokio::test]
    async fn what_is_not_there_or_would_lie_elsewhere_fails_the_task() {
        let (store, home) = store("/no/python");
        for (file, words) in [
            ((FileKind::File, "a.txt", "cc"), "no blob"),
            ((FileKind::File, "../a.txt", "aa"), "is no name"),
            ((FileKind::Archive, "a.zip", "aa"), "/no/python"),
        ] {
            let failure = store.placed(header(home.path(), &[file])).await.unwrap_err();
            assert!(failure.to_string().contains(words), "{failure}");
        }
        let plain = Bytes::from_static(b"{\"files\": {\"root\": \"/r\", \"path\": []}}");
        let (told, key) = store.placed(plain.clone()).await.unwrap();
        assert_eq!((told, key.as_str()), (plain, "{\"path\":[],\"root\":\"/r\"}"));
    }

    #[tokio::test]
    async fn an_archive_is_unpacked_under_its_name_and_a_damaged_one_fails_the_task() {
        let (store, home) = store("python3");
        let script =
            "import sys, zipfile\nzipfile.ZipFile(sys.argv[1], 'w').writestr('in/b', 'content')";
        let zip = home.path().join("blobs/zz");
        let made = std::process::Command::new("python3").args(["-c", script]).arg(&zip).status();
        assert!(made.unwrap().success());
        let archive = [(FileKind::Archive, "a.zip#env", "zz")];
        let (told, _) = store.placed(header(home.path(), &archive)).await.unwrap();
        let told: Value = serde_json::from_slice(&told).unwrap();
        let root = PathBuf::from(told["files"]["root"].as_str().unwrap());
        assert_eq!(fs::read_to_string(root.join("env/in/b")).unwrap(), "content");
        let damaged = [(FileKind::Archive, "b.zip", "aa")];
        let failure = store.placed(header(home.path(), &damaged)).await.unwrap_err();
        assert!(failure.to_string().contains("neither a zip nor a tar archive"), "{failure}");
    }

    #[tokio::test]
    async fn an_archive_that_would_write_elsewhere_is_refused_by_its_name() {
        let (store, home) = store("python3");
        let script =
            "import sys, zipfile\nzipfile.ZipFile(sys.argv[1], 'w').writestr('../b', 'content')";
        let zip = home.path().join("blobs/zz");
        let made = std::process::Command::new("python3").args(["-c", script]).arg(&zip).status();
        assert!(made.unwrap().success());
        let archive = [(FileKind::Archive, "a.zip#env", "zz")];
        let failure = store.placed(header(home.path(), &archive)).await.unwrap_err().to_string();
        assert!(failure.contains("a.zip#env: "), "{failure}");
        assert!(failure.contains("its member '../b' lies outside"), "{failure}");
    }
}
