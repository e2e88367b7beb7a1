//! The command line: our own commands with `spark-submit`'s flags.

use crate::application::{Application, Program};
use crate::manifest;
use anyhow::{Context, Result, bail};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand};
use model::conf::Conf;
use std::path::{Path, PathBuf};

/// Runs Apache Spark programs without the JVM.
#[derive(Debug, Parser)]
#[command(name = "firesteel", version, propagate_version = true, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a program on this machine: a Python file, an SQL file or a `SparkApplication` manifest.
    #[command(visible_alias = "submit")]
    Run(RunArguments),
    /// Serve Spark Connect until stopped.
    Server(ServerArguments),
    /// Show the applications on this machine: jobs, stages, tasks, executors.
    Status(StatusArguments),
    /// Write the completions of a shell to standard output.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// The driver process; started by `run` and `server`.
    #[command(hide = true)]
    Driver {
        /// Where its settings are read.
        settings: PathBuf,
    },
    /// The executor process; started by `run` and `server`.
    #[command(hide = true)]
    Executor {
        /// Where its settings are read.
        settings: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub settings: SettingArguments,
    /// Python files, directories or zip files for the Python path, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "FILES")]
    pub py_files: Vec<PathBuf>,
    /// The program or the manifest.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Arguments of the program.
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ServerArguments {
    #[command(flatten)]
    pub settings: SettingArguments,
    /// Port on the loopback address; 0 takes a free one, which is printed.
    #[arg(long, default_value_t = 15002)]
    pub port: u16,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// The application's id, or its beginning; all running ones by default.
    pub application: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `spark-submit`'s flags that become settings.
#[derive(Debug, Args)]
pub(crate) struct SettingArguments {
    /// Where executors run: `local`, `local[N]`, `local[*]`, `local-cluster[executors,cores,memoryMiB]`.
    #[arg(long, value_name = "MASTER")]
    pub master: Option<String>,
    /// Name of the application.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// A setting; may be given several times.
    #[arg(short = 'c', long = "conf", value_name = "KEY=VALUE")]
    pub conf: Vec<String>,
    /// A file of settings: a key and a value per line, `#` begins a comment.
    #[arg(long, value_name = "FILE")]
    pub properties_file: Option<PathBuf>,
    /// Only `client` has a meaning on one machine.
    #[arg(long, value_name = "MODE")]
    pub deploy_mode: Option<String>,
    /// Memory of the driver, such as 1g.
    #[arg(long, value_name = "SIZE")]
    pub driver_memory: Option<String>,
    /// Memory of each executor, such as 1g.
    #[arg(long, value_name = "SIZE")]
    pub executor_memory: Option<String>,
    /// Task slots of each executor.
    #[arg(long, value_name = "NUMBER")]
    pub executor_cores: Option<String>,
    /// Number of executors.
    #[arg(long, value_name = "NUMBER")]
    pub num_executors: Option<String>,
    /// Say what is done.
    #[arg(short, long)]
    pub verbose: bool,
}

impl RunArguments {
    /// What to run.
    pub(crate) fn application(self) -> Result<Application> {
        let given = self.settings.conf()?;
        if !self.file.exists() {
            bail!("{}: there is no such file", self.file.display());
        }
        match extension(&self.file).as_str() {
            "yaml" | "yml" => {
                let mut application = manifest::read(&self.file)?;
                if !self.arguments.is_empty() {
                    bail!("arguments of a manifest's program belong in its field spec.arguments");
                }
                for (key, value) in given.iter() {
                    application.conf.set(key, value);
                }
                Ok(application)
            }
            "py" | "sql" => {
                let mut conf = given;
                if conf.given("spark.app.name").is_none() {
                    let name =
                        self.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    conf.set("spark.app.name", name);
                }
                let program =
                    Program { file: self.file, arguments: self.arguments, py_files: self.py_files };
                Ok(Application { conf, program: Some(program), notes: Vec::new() })
            }
            _ => bail!(
                "{}: not a program; it must end in .py (Python), .sql (SQL) or .yaml (a SparkApplication manifest)",
                self.file.display()
            ),
        }
    }
}

impl SettingArguments {
    /// All settings, in Spark's order of precedence: flags, `--conf`, the properties file.
    pub(crate) fn conf(&self) -> Result<Conf> {
        let mut conf = match &self.properties_file {
            Some(path) => read_properties(path)?,
            None => Conf::default(),
        };
        for setting in &self.conf {
            let (key, value) = setting
                .split_once('=')
                .with_context(|| format!("--conf `{setting}`: write it as key=value"))?;
            conf.set(key.trim(), value);
        }
        let flags = [
            ("spark.master", &self.master),
            ("spark.app.name", &self.name),
            ("spark.submit.deployMode", &self.deploy_mode),
            ("spark.driver.memory", &self.driver_memory),
            ("spark.executor.memory", &self.executor_memory),
            ("spark.executor.cores", &self.executor_cores),
            ("spark.executor.instances", &self.num_executors),
        ];
        for (key, value) in flags {
            if let Some(value) = value {
                conf.set(key, value);
            }
        }
        if let Some(mode) = self.deploy_mode.as_deref().filter(|mode| *mode != "client") {
            bail!("--deploy-mode `{mode}` is not served on one machine; it must be client");
        }
        Ok(conf)
    }
}

/// A properties file: `key value`, `key=value` or `key: value` per line.
fn read_properties(path: &Path) -> Result<Conf> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let mut conf = Conf::default();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let Some((key, value)) =
            line.split_once(|c: char| c == '=' || c == ':' || c.is_whitespace())
        else {
            bail!("{}, line {}: `{line}` has a key and no value", path.display(), number + 1);
        };
        conf.set(
            key,
            value.trim_start_matches(|c: char| c == '=' || c == ':' || c.is_whitespace()),
        );
    }
    Ok(conf)
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// Flags of `run` that take no value.
const SWITCHES: &[&str] = &["-v", "--verbose", "-h", "--help", "-V", "--version"];

/// Reads the command line. What follows the program's file is the program's, also if it looks like a flag of ours.
pub(crate) fn read(mut words: Vec<String>) -> Result<Arguments, clap::Error> {
    if matches!(words.get(1).map(String::as_str), Some("run" | "submit"))
        && let Some(file) = position_of_file(&words)
    {
        words.insert(file + 1, "--".to_owned());
    }
    Arguments::try_parse_from(words)
}

/// The first word of `run` that is neither a flag nor a flag's value.
fn position_of_file(words: &[String]) -> Option<usize> {
    let mut at = 2;
    while let Some(word) = words.get(at) {
        if !word.starts_with('-') {
            return Some(at);
        }
        at += if SWITCHES.contains(&word.as_str()) || word.contains('=') { 1 } else { 2 };
    }
    None
}

/// A wrong command line as one line: what is wrong, and the nearest thing that is right.
pub(crate) fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let near =
        [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue]
            .into_iter()
            .find_map(|kind| match error.get(kind) {
                Some(ContextValue::String(near)) => Some(near.clone()),
                Some(ContextValue::Strings(near)) => near.first().cloned(),
                _ => None,
            });
    let near = near.or_else(|| match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(given)) => nearest_command(given),
        _ => None,
    });
    let missing = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(names))) => {
            format!(" {}", names.join(", "))
        }
        _ => String::new(),
    };
    match near {
        Some(near) => format!("{first}{missing}; did you mean {near}?"),
        None => format!("{first}{missing}"),
    }
}

fn nearest_command(given: &str) -> Option<String> {
    let commands = Arguments::command();
    let names = commands
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(clap::Command::get_name);
    let near = names.map(|name| (strsim::damerau_levenshtein(name, given), name)).min()?;
    (near.0 <= 2).then(|| near.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, clap::Error> {
        read(words.iter().map(ToString::to_string).collect())
    }

    fn conf(arguments: &[&str]) -> Conf {
        let all = ["firesteel", "server"].iter().chain(arguments);
        match Arguments::try_parse_from(all).unwrap().command {
            Command::Server(server) => server.settings.conf().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_win_over_conf_and_conf_over_the_properties_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("p.conf");
        std::fs::write(&file, "# comment\nspark.master local[1]\nspark.app.name=a\nspark.x: y\n")
            .unwrap();
        let file = file.to_str().unwrap();
        let conf = conf(&[
            "--properties-file",
            file,
            "--conf",
            "spark.app.name=b",
            "--conf",
            "spark.master=local[2]",
            "--master",
            "local[3]",
        ]);
        let all: Vec<_> = conf.iter().collect();
        assert_eq!(all, [("spark.app.name", "b"), ("spark.master", "local[3]"), ("spark.x", "y")]);
    }

    #[test]
    fn a_wrong_flag_is_one_line_with_the_nearest_right_one() {
        let wrong = |words: &[&str]| one_line(&parse(words).unwrap_err());
        assert_eq!(
            wrong(&["firesteel", "server", "--mster", "local"]),
            "unexpected argument '--mster' found; did you mean --master?"
        );
        assert_eq!(
            wrong(&["firesteel", "rnu"]),
            "unrecognized subcommand 'rnu'; did you mean run?"
        );
        assert!(wrong(&["firesteel", "run"]).contains("<FILE>"));
    }

    #[test]
    fn a_program_s_own_flags_are_its_own() {
        let arguments =
            parse(&["firesteel", "run", "--name", "n", "-v", "a.py", "--name", "x", "--", "y"])
                .unwrap();
        let Command::Run(run) = arguments.command else { panic!() };
        assert_eq!(run.settings.name.as_deref(), Some("n"));
        assert_eq!(run.arguments, ["--name", "x", "--", "y"]);
    }
}
