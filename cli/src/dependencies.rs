//! The files that a program and its functions need, brought together in the application's
//! directory: local ones are linked, remote ones downloaded, archives unpacked.
//!
//! Downloading and unpacking is done by Python (`firesteel.stage`), which has all that is needed
//! for it.

use crate::python;
use anyhow::{Context, Result, bail, ensure};
use model::launch::{self, Dependencies, DriverSettings, ExecutorSettings};
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The interpreter of an image, which brings files together before any other is there.
const PYTHON: &str = "python3";

/// The files in place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Staged {
    /// Entries for the Python path.
    pub python_path: Vec<PathBuf>,
    /// The root of `SparkFiles`.
    pub files: PathBuf,
}

/// What is left to do for Python.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Work {
    /// Addresses, and the files to write.
    fetch: Vec<(String, PathBuf)>,
    /// Archives, and the directories to unpack them into.
    unpack: Vec<(PathBuf, PathBuf)>,
}

/// Puts the files below `directory`.
pub(crate) fn stage(
    dependencies: &Dependencies,
    directory: &Path,
    python: &Path,
    python_path: Option<&Path>,
) -> Result<Staged> {
    let files = directory.join("files");
    std::fs::create_dir_all(&files).with_context(|| format!("creating {}", files.display()))?;
    let mut stage = Stage { work: Work::default(), names: BTreeSet::new(), files };
    let python_entries = stage.python_files(&dependencies.py_files)?;
    for file in &dependencies.files {
        stage.file(file)?;
    }
    let archives = directory.join("archives");
    for archive in &dependencies.archives {
        stage.archive(archive, &archives)?;
    }
    if stage.work != Work::default() {
        std::fs::create_dir_all(&archives)?;
        do_in_python(&stage.work, python, python_path)?;
    }
    Ok(Staged { python_path: python_entries, files: stage.files })
}

/// Brings together what a driver in a pod needs: nobody else has.
pub(crate) fn of_driver(settings: &mut DriverSettings) -> Result<()> {
    let Some(program) = &mut settings.program else { return Ok(()) };
    let dependencies = std::mem::take(&mut program.dependencies);
    if dependencies.is_empty() {
        return Ok(());
    }
    let directory = std::env::temp_dir().join("firesteel-dependencies");
    let staged = stage(&dependencies, &directory, Path::new(PYTHON), None)?;
    program.python = python::inside(&staged.files, &program.python);
    program.python_path.extend(staged.python_path);
    program.files = Some(staged.files);
    Ok(())
}

/// The same for an executor.
pub(crate) fn of_executor(settings: &mut ExecutorSettings) -> Result<()> {
    let dependencies = std::mem::take(&mut settings.dependencies);
    if dependencies.is_empty() {
        return Ok(());
    }
    // An executor that took this one's place may have left some.
    let directory = settings.scratch.join("dependencies");
    let _ = std::fs::remove_dir_all(&directory);
    let staged = stage(&dependencies, &directory, Path::new(PYTHON), None)?;
    settings.python = python::inside(&staged.files, &settings.python);
    settings.python_path.extend(staged.python_path);
    settings.files = Some(staged.files);
    Ok(())
}

struct Stage {
    work: Work,
    /// Names in the directory of files.
    names: BTreeSet<String>,
    files: PathBuf,
}

impl Stage {
    /// Python imports from directories and zip files: single modules share one directory.
    fn python_files(&mut self, given: &[String]) -> Result<Vec<PathBuf>> {
        let mut entries = vec![self.files.clone()];
        for text in given {
            let source = Source::parse(text, "--py-files")?;
            let is_module = Path::new(&source.name).extension().is_some_and(|end| end == "py");
            match &source.place {
                Place::Local(path) if !is_module => entries.push(path.clone()),
                Place::Local(_) | Place::Remote(_) => {
                    let path = self.put(&source)?;
                    if !is_module {
                        entries.push(path);
                    }
                }
            }
        }
        Ok(entries)
    }

    fn file(&mut self, text: &str) -> Result<()> {
        self.put(&Source::parse(text, "--files")?).map(drop)
    }

    fn archive(&mut self, text: &str, downloads: &Path) -> Result<()> {
        let source = Source::parse(text, "--archives")?;
        let target = self.claim(&source)?;
        let archive = match source.place {
            Place::Local(path) => path,
            Place::Remote(url) => {
                // The ending of its name is its format.
                let name = format!("{}-{}", self.work.fetch.len(), base_name(&url));
                let path = downloads.join(name);
                self.work.fetch.push((url, path.clone()));
                path
            }
        };
        self.work.unpack.push((archive, target));
        Ok(())
    }

    /// Links a local file, and leaves a remote one to Python.
    fn put(&mut self, source: &Source) -> Result<PathBuf> {
        let path = self.claim(source)?;
        match &source.place {
            Place::Local(file) => std::os::unix::fs::symlink(file, &path)
                .with_context(|| format!("linking {}", file.display()))?,
            Place::Remote(url) => self.work.fetch.push((url.clone(), path.clone())),
        }
        Ok(path)
    }

    fn claim(&mut self, source: &Source) -> Result<PathBuf> {
        let is_new = self.names.insert(source.name.clone());
        ensure!(is_new, "two files are called {}; `file#name` gives one another name", source.name);
        Ok(self.files.join(&source.name))
    }
}

enum Place {
    Local(PathBuf),
    Remote(String),
}

/// A file as it is given: a path or an address, and a name after `#`.
struct Source {
    place: Place,
    name: String,
}

impl Source {
    fn parse(text: &str, flag: &str) -> Result<Self> {
        let (file, name) = match text.rsplit_once('#') {
            // The file itself may have such a name.
            Some((file, name)) if !Path::new(text).exists() => (file, Some(name)),
            Some(_) | None => (text, None),
        };
        let place = if file.starts_with("http://") || file.starts_with("https://") {
            Place::Remote(file.to_owned())
        } else {
            let path = file.strip_prefix("file://").or_else(|| file.strip_prefix("local://"));
            let path = path.or_else(|| file.strip_prefix("file:")).unwrap_or(file);
            if path.contains("://") {
                bail!("{flag} {text}: only local files and http(s) addresses are supported");
            }
            let path = std::path::absolute(path).with_context(|| format!("{flag} {text}"))?;
            ensure!(path.exists(), "{flag} {text}: no such file");
            Place::Local(path)
        };
        let name = name.map_or_else(|| base_name(file), str::to_owned);
        let is_name = !matches!(name.as_str(), "" | "." | "..") && !name.contains('/');
        ensure!(is_name, "{flag} {text}: `{name}` is not a file name");
        Ok(Self { place, name })
    }
}

/// The last part of a path or an address.
fn base_name(file: &str) -> String {
    let is_remote = file.starts_with("http");
    let path = file.split(['?', '#']).next().filter(|_| is_remote).unwrap_or(file);
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
}

fn do_in_python(work: &Work, python: &Path, python_path: Option<&Path>) -> Result<()> {
    let starting = || format!("running {}", python.display());
    let mut command = Command::new(python);
    command.args(["-m", "firesteel.stage"]);
    // Code of an image is the user's: it gets no credentials, nor modules of the directory that
    // this process happens to be in.
    launch::hide_secrets(&mut command);
    command.current_dir(std::env::temp_dir());
    if let Some(path) = python_path {
        command.env("PYTHONPATH", path);
    }
    let streams = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = streams.spawn().with_context(starting)?;
    if let Some(mut input) = child.stdin.take() {
        // A child that has failed says why on its standard error.
        let _ = input.write_all(&serde_json::to_vec(work)?);
    }
    let done = child.wait_with_output().with_context(starting)?;
    if !done.status.success() {
        let problem = String::from_utf8_lossy(&done.stderr);
        let last = problem.trim().lines().last().unwrap_or("without a message");
        bail!("preparing the program's files failed: {last}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn staged(dependencies: &Dependencies, directory: &Path) -> Result<Staged> {
        stage(dependencies, directory, Path::new("/no/python"), None)
    }

    #[test]
    fn local_files_are_linked_and_need_no_python() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        for name in ["a.py", "b.zip", "c.txt", "d#e.txt"] {
            std::fs::write(path(name), name).unwrap();
        }
        let dependencies = Dependencies {
            py_files: vec![path("a.py"), format!("file://{}", path("b.zip"))],
            files: vec![path("c.txt"), format!("{}#other", path("c.txt")), path("d#e.txt")],
            archives: vec![],
        };
        let target = directory.path().join("application");
        let staged = staged(&dependencies, &target).unwrap();
        assert_eq!(staged.python_path, [target.join("files"), path("b.zip").into()]);
        for (name, text) in
            [("a.py", "a.py"), ("c.txt", "c.txt"), ("other", "c.txt"), ("d#e.txt", "d#e.txt")]
        {
            assert_eq!(std::fs::read_to_string(staged.files.join(name)).unwrap(), text);
        }
    }

    #[test]
    fn what_cannot_be_had_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.txt").to_str().unwrap().to_owned();
        std::fs::write(&file, "").unwrap();
        for (files, expected) in [
            (vec!["/no/such".to_owned()], "--files /no/such: no such file"),
            (vec!["s3://b/c".to_owned()], "--files s3://b/c: only local files and http(s)"),
            (vec![format!("{file}#../up")], "`../up` is not a file name"),
            (vec![file.clone(), file.clone()], "two files are called a.txt"),
            (vec!["https://example.org/a.bin?x=1".to_owned()], "running /no/python"),
        ] {
            let dependencies = Dependencies { files, ..Dependencies::default() };
            let target = tempfile::tempdir().unwrap();
            let problem = format!("{:#}", staged(&dependencies, target.path()).unwrap_err());
            assert!(problem.contains(expected), "{problem}");
        }
    }

    #[test]
    fn a_remote_file_has_the_last_name_of_its_address() {
        for (address, name) in [
            ("https://example.org/a/b.tar.gz?token=1#frag", "b.tar.gz"),
            ("http://example.org/b.zip", "b.zip"),
            ("/a/b?c", "b?c"),
            ("dir/", "dir"),
        ] {
            assert_eq!(base_name(address), name);
        }
    }
}
