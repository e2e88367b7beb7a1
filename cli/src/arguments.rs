//! The command line: Firesteel's own commands with `spark-submit`'s flags.

use crate::application::{Application, Program};
use crate::cluster::{
    ClusterArguments, KillArguments, ListArguments, LogsArguments, SubmitArguments,
    UnsupportedFlags,
};
use crate::manifest;
use anyhow::{Context, Result, bail};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueHint};
use model::conf::Conf;
use model::launch::Dependencies;
use std::path::{Path, PathBuf};

/// Runs Apache Spark programs without the JVM.
///
/// `run`, `shell`, `sql`, `server` and `status` work on this machine; `submit`, `list`, `logs`,
/// `kill`, and `status` with the name of a cluster's application, work on a Kubernetes cluster.
#[derive(Debug, Parser)]
#[command(name = "firesteel", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// On this machine: run a program (a Python file, an SQL file or a `SparkApplication`
    /// manifest).
    Run(Box<RunArguments>),
    /// On this machine: serve Spark Connect until stopped.
    Server(ServerArguments),
    /// On this machine: Python with a session, `spark`, and a context, `sc`.
    Shell(Box<SessionArguments>),
    /// On this machine: run SQL statements, asking for them.
    Sql(Box<SqlArguments>),
    /// On a cluster: create an application from a program or a manifest, and follow it to its end.
    Submit(Box<SubmitArguments>),
    /// Show the state of applications, on this machine or on a cluster.
    Status(StatusArguments),
    /// On a cluster: list applications.
    List(ListArguments),
    /// On a cluster: print the output of an application's driver or of one executor.
    Logs(LogsArguments),
    /// On a cluster: delete applications and everything they own.
    Kill(KillArguments),
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// The application of a Python process, its parent; started by `firesteel.launch`.
    #[command(hide = true)]
    Session,
    /// The driver process; started by `run` and `server`.
    #[command(hide = true)]
    Driver {
        /// File to read its settings from.
        settings: PathBuf,
    },
    /// The executor process; started by `run` and `server`.
    #[command(hide = true)]
    Executor {
        /// File to read its settings from.
        settings: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub settings: SettingArguments,
    #[command(flatten)]
    pub unsupported: UnsupportedFlags,
    #[command(flatten)]
    pub dependencies: DependencyArguments,
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
    /// Port on the loopback address; 0 picks a free one and prints it.
    #[arg(long, default_value_t = 15002)]
    pub port: u16,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// An application on this machine, by its id or a prefix of it, or one on a cluster, by its
    /// name. By default all that run on this machine, or all on the cluster if a flag names one.
    pub application: Option<String>,
    #[command(flatten)]
    pub cluster: ClusterArguments,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `spark-submit`'s flags that become settings.
#[derive(Debug, Args)]
pub(crate) struct SettingArguments {
    /// Placement of executors: `local`, `local[N]`, `local[*]`,
    /// `local-cluster[executors,cores,memoryMiB]`.
    #[arg(long, value_name = "MASTER")]
    pub master: Option<String>,
    /// Name of the application.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// A setting as key=value; may be repeated.
    #[arg(short = 'c', long = "conf", value_name = "KEY=VALUE")]
    pub conf: Vec<String>,
    /// A file of settings: one key and value per line, `#` starts a comment.
    #[arg(long, value_name = "FILE")]
    pub properties_file: Option<PathBuf>,
    /// Placement of the driver; on one machine only `client`.
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
    /// Log what is done.
    #[arg(short, long)]
    pub verbose: bool,
}

/// `spark-submit`'s flags about files that a program needs.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DependencyArguments {
    /// Python files, directories or zip files for the Python path, comma-separated.
    #[arg(long, value_delimiter = ',', value_name = "FILES", value_hint = ValueHint::FilePath)]
    pub py_files: Vec<String>,
    /// Files for the working directory of the program's functions, comma-separated; on one machine
    /// only.
    #[arg(long, value_delimiter = ',', value_name = "FILES", value_hint = ValueHint::FilePath)]
    pub files: Vec<String>,
    /// Archives to unpack there, comma-separated; `archive#name` sets the directory's name. On one
    /// machine only.
    #[arg(long, value_delimiter = ',', value_name = "FILES", value_hint = ValueHint::FilePath)]
    pub archives: Vec<String>,
}

impl From<DependencyArguments> for Dependencies {
    fn from(given: DependencyArguments) -> Self {
        let DependencyArguments { py_files, files, archives } = given;
        Self { py_files, files, archives }
    }
}

/// Arguments of a session of the user's: of the shells, and of a program that plain `python` runs.
#[derive(Debug, Args)]
pub(crate) struct SessionArguments {
    #[command(flatten)]
    pub settings: SettingArguments,
    #[command(flatten)]
    pub unsupported: UnsupportedFlags,
    #[command(flatten)]
    pub dependencies: DependencyArguments,
}

#[derive(Debug, Args)]
pub(crate) struct SqlArguments {
    #[command(flatten)]
    pub session: SessionArguments,
    /// Run these statements, separated by `;`, instead of asking for some.
    #[arg(short, long, value_name = "STATEMENTS", conflicts_with = "file")]
    pub execute: Option<String>,
    /// Run the statements in this file; `-` is the standard input.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
}

impl RunArguments {
    /// The application that the arguments describe.
    pub(crate) fn application(self) -> Result<Application> {
        self.unsupported.refuse()?;
        let given = self.settings.conf()?;
        check_deploy_mode(&given)?;
        if !self.file.exists() {
            bail!("{}: no such file", self.file.display());
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
                let DependencyArguments { py_files, files, archives } = self.dependencies;
                application.dependencies.py_files.extend(py_files);
                application.dependencies.files.extend(files);
                application.dependencies.archives.extend(archives);
                Ok(application)
            }
            "py" | "sql" => {
                let mut conf = given;
                if conf.given("spark.app.name").is_none() {
                    let name =
                        self.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    conf.set("spark.app.name", name);
                }
                let program = Program { file: self.file, arguments: self.arguments, name: None };
                let dependencies = self.dependencies.into();
                Ok(Application { dependencies, ..Application::of(program, conf) })
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
                .with_context(|| format!("--conf `{setting}` must have the form key=value"))?;
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
        Ok(conf)
    }
}

impl SubmitArguments {
    /// The settings, and whether they are for this machine: then `submit` means `run`.
    pub(crate) fn conf(&self) -> Result<(Conf, bool)> {
        self.unsupported.refuse()?;
        let mut conf = self.settings.conf()?;
        if let Some(cores) = &self.driver_cores {
            conf.set("spark.driver.cores", cores);
        }
        let master = conf.given(model::conf::MASTER.name);
        let is_here = master.is_some_and(|master| master.starts_with("local"));
        Ok((conf, is_here))
    }

    /// The same submission as a run on this machine.
    pub(crate) fn run(self) -> Result<RunArguments> {
        let file = self.file.context("no file to submit is given")?;
        Ok(RunArguments {
            settings: self.settings,
            unsupported: self.unsupported,
            dependencies: self.dependencies,
            file: file.into(),
            arguments: self.arguments,
        })
    }
}

/// On one machine the driver is a child of this command.
pub(crate) fn check_deploy_mode(conf: &Conf) -> Result<()> {
    match conf.given(model::conf::DEPLOY_MODE.name) {
        None | Some("client") => Ok(()),
        Some(mode) => {
            bail!("--deploy-mode `{mode}` is not supported on one machine; it must be client")
        }
    }
}

/// Reads a properties file: `key value`, `key=value` or `key: value` per line.
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
            bail!("{}, line {}: `{line}` has a key but no value", path.display(), number + 1);
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

/// The shell's completions of commands and flags.
pub(crate) fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut visible(&Arguments::command()), "firesteel", &mut text);
    text
}

/// A command without its hidden arguments, which would be completed otherwise.
fn visible(command: &clap::Command) -> clap::Command {
    // Names must live as long as the program, which is about to exit.
    clap::Command::new(&*command.get_name().to_owned().leak())
        .about(command.get_about().cloned().unwrap_or_default())
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments().filter(|argument| !argument.is_hide_set()).cloned())
        .subcommands(command.get_subcommands().filter(|c| !c.is_hide_set()).map(visible))
}

/// Reads the command line. Everything after the program's file belongs to the program, even if it
/// looks like one of our flags.
pub(crate) fn read(mut words: Vec<String>) -> Result<Arguments, clap::Error> {
    let commands = Arguments::command();
    let command = words.get(1).filter(|name| matches!(name.as_str(), "run" | "submit"));
    if let Some(command) = command.and_then(|name| commands.find_subcommand(name))
        && let Some(file) = position_of_file(&words, command)
    {
        words.insert(file + 1, "--".to_owned());
    }
    Arguments::try_parse_from(words)
}

/// The first word after a command that is neither a flag nor a flag's value.
fn position_of_file(words: &[String], command: &clap::Command) -> Option<usize> {
    let mut at = 2;
    while let Some(word) = words.get(at) {
        if !word.starts_with('-') {
            return Some(at);
        }
        at += if takes_next_word(word, command) { 2 } else { 1 };
    }
    None
}

/// Whether a flag's value is the next word. An unknown flag is assumed to have one, so that the
/// error is about the flag.
fn takes_next_word(flag: &str, command: &clap::Command) -> bool {
    if matches!(flag, "-h" | "--help" | "-V" | "--version") || flag.contains('=') {
        return false;
    }
    let long = flag.strip_prefix("--");
    let mut letters = flag.chars().skip(1);
    let short = letters.next().filter(|_| long.is_none());
    let known = command.get_arguments().find(|argument| match (long, short) {
        (Some(long), _) => argument.get_long() == Some(long),
        (None, short) => short.is_some() && argument.get_short() == short,
    });
    // `-ckey=value` already contains its value.
    let has_value = short.is_some() && letters.next().is_some();
    known.is_none_or(|argument| {
        argument.get_action().takes_values() && !argument.is_require_equals_set() && !has_value
    })
}

/// Whether this "error" is an answer to be printed as it is: help, or the version.
pub(crate) fn is_help(error: &clap::Error) -> bool {
    !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

/// A command-line error in one line: the problem, and the nearest valid word.
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
    fn flags_override_conf_and_conf_overrides_the_properties_file() {
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
        for words in [["firesteel"].as_slice(), &["firesteel", "help"], &["firesteel", "--help"]] {
            let help = parse(words).unwrap_err();
            assert!(is_help(&help) && help.to_string().contains("Commands:"), "{words:?}");
        }
    }

    #[test]
    fn a_cluster_s_flags_are_separated_from_the_program_and_its_own() {
        let arguments = parse(&[
            "firesteel",
            "submit",
            "--no-wait",
            "--dry-run",
            "-n",
            "jobs",
            "-cspark.x=1",
            "--driver-cores",
            "2",
            "a.py",
            "--wait",
            "-n",
            "x",
        ])
        .unwrap();
        let Command::Submit(submit) = arguments.command else { panic!() };
        assert_eq!(
            (submit.file.as_deref(), submit.no_wait, submit.wait),
            (Some("a.py"), true, false)
        );
        assert_eq!(submit.arguments, ["--wait", "-n", "x"]);
        let (conf, is_here) = submit.conf().unwrap();
        let all: Vec<_> = conf.iter().collect();
        assert_eq!((all, is_here), (vec![("spark.driver.cores", "2"), ("spark.x", "1")], false));
        for (words, file) in [
            (["--kill", "jobs:pi", "--master", "k8s"], None),
            (["--master", "local[2]", "a.py", "b"], Some("a.py")),
            (["--dry-run=server", "-v", "a.yaml", "--x"], Some("a.yaml")),
        ] {
            let words: Vec<&str> = ["firesteel", "submit"].into_iter().chain(words).collect();
            let Command::Submit(submit) = parse(&words).unwrap().command else { panic!() };
            assert_eq!(submit.file.as_deref(), file);
            assert_eq!(submit.conf().unwrap().1, words.contains(&"local[2]"));
        }
        assert!(parse(&["firesteel", "submit", "--name", "x"]).is_err());
        assert!(parse(&["firesteel", "submit", "--kill", "x", "a.py"]).is_err());
        for dry in ["--dry-run", "--dry-run=server"] {
            assert!(parse(&["firesteel", "submit", dry, "--kill", "x"]).is_err());
        }
        for (words, expected) in [
            (["--jars", "x.jar"].as_slice(), "--jars is not supported: there is no JVM"),
            (
                &["--driver-java-options", "-Xmx1g"],
                "--driver-java-options is not supported: there is no JVM",
            ),
            (&["--supervise"], "--supervise is not supported: "),
        ] {
            let words = ["firesteel", "submit"].iter().chain(words).chain(&["a.py", "-Xmx2g"]);
            let words: Vec<&str> = words.copied().collect();
            let Command::Submit(submit) = parse(&words).unwrap().command else { panic!() };
            let problem = submit.conf().unwrap_err().to_string();
            assert!(problem.starts_with(expected), "{problem}");
        }
    }

    #[test]
    fn shells_complete_what_is_shown_and_nothing_else() {
        use clap_complete::Shell;
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = String::from_utf8(completions(shell)).unwrap();
            for shown in ["submit", "kill", "num-executors", "dry-run", "kubeconfig"] {
                assert!(text.contains(shown), "{shell}: {shown}");
            }
            for hidden in ["driver-java-options", "keytab", "driver process"] {
                assert!(!text.contains(hidden), "{shell}: {hidden}");
            }
        }
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
