//! `firesteel shell` and `firesteel sql`: interactive programs of the Python package, which start
//! their application themselves. SQL that is given at once needs no Python.

use crate::application::{Application, Program};
use crate::application_dir::ApplicationDir;
use crate::arguments::{SessionArguments, SqlArguments};
use crate::processes::exit_code;
use crate::python::{self, Interpreters};
use crate::signals::Signals;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};
use std::ffi::OsString;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Flags of a session for the Python side, as `pyspark` passes them.
const FLAGS: &str = "PYSPARK_SUBMIT_ARGS";
/// Variable with this command, for the Python side.
const COMMAND: &str = "FIRESTEEL";

/// Runs a module of the package on the terminal, and returns its exit code. The session's flags go
/// to it as they are.
pub(crate) async fn run(module: &str, session: &SessionArguments) -> Result<u8> {
    session.unsupported.refuse()?;
    let conf = session.settings.conf()?;
    let id = format!("firesteel-{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
    let directory = ApplicationDir::create(&id, None)?;
    let python = Interpreters::of(&conf, python::default())?.program;
    let mut path = vec![python::install(directory.path())?];
    path.extend(std::env::var_os("PYTHONPATH").iter().flat_map(std::env::split_paths));
    let mut signals = Signals::listen()?;
    let mut child = tokio::process::Command::new(&python)
        .args(["-m", module])
        .env("PYTHONPATH", std::env::join_paths(path)?)
        .env(COMMAND, std::env::current_exe().context("finding this program")?)
        .env(FLAGS, quoted(std::env::args_os().skip(2)))
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting {}", python.display()))?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(exit_code(status?)),
            // The terminal interrupts the child, too, which knows what to do.
            (_, code) = signals.next() => if code != Signals::INTERRUPTED {
                let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
                if let Some(id) = id {
                    let _ = rustix::process::kill_process(id, Signal::TERM);
                }
            }
        }
    }
}

/// Words as a shell reads them.
fn quoted(words: impl Iterator<Item = OsString>) -> String {
    let quote = |word: OsString| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"));
    words.map(quote).collect::<Vec<_>>().join(" ")
}

/// SQL given at once: the application that runs it, and the file that has to stay until its end.
pub(crate) fn statements(given: &SqlArguments) -> Result<Option<(Application, NamedTempFile)>> {
    let (text, name) = if let Some(text) = &given.execute {
        (text.clone(), "-e".to_owned())
    } else if let Some(file) = given.file.as_deref().filter(|file| *file != Path::new("-")) {
        let read = std::fs::read_to_string(file);
        (read.with_context(|| format!("{}", file.display()))?, file.display().to_string())
    } else if given.file.is_some() || !std::io::stdin().is_terminal() {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("reading standard input")?;
        (text, "standard input".to_owned())
    } else {
        return Ok(None);
    };
    given.session.unsupported.refuse()?;
    let mut conf = given.session.settings.conf()?;
    crate::arguments::check_deploy_mode(&conf)?;
    if conf.given(model::conf::APP_NAME.name).is_none() {
        conf.set(model::conf::APP_NAME.name, "firesteel sql");
    }
    let mut file = tempfile::Builder::new().prefix("firesteel-").suffix(".sql").tempfile()?;
    file.write_all(text.as_bytes())?;
    let program =
        Program { file: PathBuf::from(file.path()), arguments: Vec::new(), name: Some(name) };
    let dependencies = given.session.dependencies.clone().into();
    let application =
        Application { program: Some(program), dependencies, ..Application::new(conf) };
    Ok(Some((application, file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_quoted_for_a_shell() {
        let words = ["--conf", "a=b c", "it's"].map(OsString::from);
        assert_eq!(quoted(words.into_iter()), r"'--conf' 'a=b c' 'it'\''s'");
        assert_eq!(quoted(std::iter::empty()), "");
    }
}
