//! `firesteel session`: the application of a program that was started by plain `python`.
//!
//! The program (`firesteel.launch`) is the parent. It writes a line of JSON to the standard input,
//! reads one from the standard output, and keeps its end of the pipe open as long as it wants the
//! application.

use crate::application::Application;
use crate::arguments::SessionArguments;
use anyhow::{Context, Result};
use clap::Parser;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

/// What the program wants.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Request {
    /// Id of its process.
    pub parent: i32,
    /// Its interpreter, which also runs its functions unless a setting names another one.
    pub python: PathBuf,
    /// Directories with modules that its functions may import.
    #[serde(default)]
    pub python_path: Vec<PathBuf>,
    /// Flags of `spark-submit`, from the environment.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Settings of the program, which override the flags.
    #[serde(default)]
    pub conf: BTreeMap<String, String>,
}

/// Flags of a session, as they are parsed on their own.
#[derive(Debug, Parser)]
#[command(name = "PYSPARK_SUBMIT_ARGS", no_binary_name = true)]
struct Flags {
    #[command(flatten)]
    session: SessionArguments,
}

impl Request {
    /// Reads the line of the program.
    pub(crate) fn read() -> Result<Self> {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).context("reading the program's request")?;
        serde_json::from_str(&line).context("reading the program's request")
    }

    /// The application that it asks for, and whether to log what is done.
    pub(crate) fn application(&self) -> Result<(Application, bool)> {
        let flags = Flags::try_parse_from(&self.arguments)
            .map_err(|error| anyhow::Error::msg(crate::arguments::one_line(&error)))
            .context("PYSPARK_SUBMIT_ARGS")?;
        let SessionArguments { settings, unsupported, dependencies } = flags.session;
        unsupported.refuse()?;
        let mut conf = settings.conf()?;
        for (key, value) in &self.conf {
            conf.set(key, value);
        }
        crate::arguments::check_deploy_mode(&conf)?;
        let application = Application {
            dependencies: dependencies.into(),
            python: Some(self.python.clone()),
            modules: self.python_path.clone(),
            ..Application::new(conf)
        };
        Ok((application, settings.verbose))
    }
}

/// The answer to the program.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Answer<'a> {
    /// The application does not run, and why.
    Error(&'a str),
    /// It runs.
    #[serde(untagged)]
    Ready {
        /// Address of Spark Connect, with the token.
        url: &'a str,
        /// Id of the application.
        application: &'a str,
        /// The root of `SparkFiles`.
        files: &'a Path,
    },
}

impl Answer<'_> {
    /// Sends the answer; false if the program no longer listens.
    pub(crate) fn send(&self) -> bool {
        let Ok(mut line) = serde_json::to_vec(self) else { return false };
        line.push(b'\n');
        let mut out = std::io::stdout().lock();
        out.write_all(&line).and_then(|()| out.flush()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn settings_of_the_program_override_flags_of_the_environment() {
        let (application, verbose) = request(
            r#"{"parent": 1, "python": "p", "conf": {"spark.master": "local[2]", "spark.x": "1"},
                "arguments": ["--master", "local[4]", "--name", "n", "-v", "--py-files", "a.py,b.zip"]}"#,
        )
        .application()
        .unwrap();
        let conf: Vec<_> = application.conf.iter().collect();
        assert_eq!(conf, [("spark.app.name", "n"), ("spark.master", "local[2]"), ("spark.x", "1")]);
        assert_eq!(application.dependencies.py_files, ["a.py", "b.zip"]);
        assert!(verbose);
    }

    #[test]
    fn a_wrong_flag_names_its_variable() {
        let wrong = request(r#"{"parent": 1, "python": "p", "arguments": ["--mster", "local"]}"#);
        let problem = format!("{:#}", wrong.application().unwrap_err());
        assert!(problem.starts_with("PYSPARK_SUBMIT_ARGS: unexpected argument"), "{problem}");
    }

    #[test]
    fn an_answer_is_one_object() {
        let text = |answer: Answer<'_>| serde_json::to_string(&answer).unwrap();
        let ready = Answer::Ready { url: "sc://x", application: "a", files: Path::new("/f") };
        assert_eq!(text(ready), r#"{"url":"sc://x","application":"a","files":"/f"}"#);
        assert_eq!(text(Answer::Error("why")), r#"{"error":"why"}"#);
    }
}
