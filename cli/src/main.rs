//! The `firesteel` command. On one machine it is also the cluster manager, and the same binary is
//! the driver and the executor process.

mod application;
mod application_dir;
mod arguments;
mod cluster;
mod dependencies;
mod executors;
mod manager;
mod manifest;
mod parent;
mod processes;
mod progress;
mod python;
mod session;
mod shell;
mod signals;
mod status;

use anyhow::{Context, Result, bail};
use application::Application;
use arguments::{Command, SqlArguments, StatusArguments};
use cluster::SubmitArguments;
use model::launch;
use session::{Answer, Request};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let arguments = match arguments::read(words) {
        Ok(arguments) => arguments,
        Err(help) if arguments::is_help(&help) => {
            let _ = help.print();
            return if help.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
        Err(error) => return fail(arguments::one_line(&error), 2),
    };
    match dispatch(arguments.command) {
        Ok(code) => code,
        Err(error) => fail(format!("{error:#}"), 1),
    }
}

fn fail(problem: String, code: u8) -> ExitCode {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "firesteel: {problem}");
    ExitCode::from(code)
}

fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Run(run) => {
            let verbose = run.settings.verbose;
            log(verbose);
            start(run.application()?, manager::Service::Program, verbose)
        }
        Command::Server(server) => {
            log(server.settings.verbose);
            let mut conf = server.settings.conf()?;
            arguments::check_deploy_mode(&conf)?;
            if conf.given("spark.app.name").is_none() {
                conf.set("spark.app.name", "Spark Connect server");
            }
            start(
                Application::new(conf),
                manager::Service::Connect { port: server.port },
                server.settings.verbose,
            )
        }
        Command::Shell(given) => {
            log(given.settings.verbose);
            let shell = shell::run("firesteel.shell", &given);
            Ok(ExitCode::from(runtime()?.block_on(shell)?))
        }
        Command::Sql(given) => sql(&given),
        Command::Session => Ok(session()),
        Command::Submit(given) => submit(*given),
        Command::Status(given) => print(&runtime()?.block_on(status(given))?),
        Command::List(given) => print(&runtime()?.block_on(cluster::list(&given))?),
        Command::Logs(given) => {
            log_as(ON_A_CLUSTER);
            Ok(ExitCode::from(runtime()?.block_on(cluster::logs(&given))?))
        }
        Command::Kill(given) => {
            let place = given.cluster.place()?;
            Ok(ExitCode::from(runtime()?.block_on(cluster::kill(&place, &given.names))))
        }
        Command::Completions { shell } => {
            std::io::stdout().lock().write_all(&arguments::completions(shell))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Driver { settings } => {
            log(false);
            let mut settings = read_settings(&settings)?;
            dependencies::of_driver(&mut settings)?;
            Ok(ExitCode::from(driver::run(settings)?))
        }
        Command::Executor { settings } => {
            log(false);
            let mut settings = read_settings(&settings)?;
            dependencies::of_executor(&mut settings)?;
            Ok(ExitCode::from(executor::run(settings)?))
        }
    }
}

fn sql(given: &SqlArguments) -> Result<ExitCode> {
    let verbose = given.session.settings.verbose;
    log(verbose);
    if let Some((application, _file)) = shell::statements(given)? {
        return start(application, manager::Service::Program, verbose);
    }
    let shell = shell::run("firesteel.sql_shell", &given.session);
    Ok(ExitCode::from(runtime()?.block_on(shell)?))
}

/// The application of a Python program, which learns of a failed start from the answer.
fn session() -> ExitCode {
    let serve = || {
        let request = Request::read()?;
        let (application, verbose) = request.application()?;
        log(verbose);
        start(application, manager::Service::Session { parent: request.parent }, verbose)
    };
    match serve() {
        Ok(code) => code,
        Err(error) => {
            let problem = format!("{error:#}");
            if Answer::Error(&problem).send() {
                return ExitCode::FAILURE;
            }
            fail(problem, 1)
        }
    }
}

fn submit(given: SubmitArguments) -> Result<ExitCode> {
    let verbose = given.settings.verbose;
    let (conf, is_here) = given.conf()?;
    let is_about_another = given.kill.is_some() || given.status.is_some();
    if is_here && is_about_another {
        bail!(
            "--kill and --status are about applications of a cluster, and the master is this machine; \
             `firesteel status` shows what runs here"
        );
    }
    if is_here {
        log(verbose);
        return start(given.run()?.application()?, manager::Service::Program, verbose);
    }
    log_as(if verbose { log_level(verbose) } else { ON_A_CLUSTER });
    let runtime = runtime()?;
    if let Some(name) = &given.kill {
        let place = cluster::place(&given, conf)?;
        let names = std::slice::from_ref(name);
        return Ok(ExitCode::from(runtime.block_on(cluster::kill(&place, names))));
    }
    if let Some(name) = &given.status {
        let place = cluster::place(&given, conf)?;
        return print(&runtime.block_on(cluster::status(place, Some(name), false))?);
    }
    Ok(ExitCode::from(runtime.block_on(cluster::submit(&given, conf))?))
}

/// Status on this machine, unless a cluster is named, or an application that does not run here.
async fn status(given: StatusArguments) -> Result<String> {
    let StatusArguments { application, cluster, json } = given;
    let wanted = application.as_deref();
    let is_here = wanted.is_none_or(status::is_here);
    if is_here && !cluster.is_given() {
        return status::show(wanted, json).await;
    }
    let shown = cluster::status(cluster.place()?, wanted, json).await;
    match wanted {
        Some(name) if !cluster.is_given() => shown.with_context(|| {
            format!("no application running on this machine has an id that starts with `{name}`")
        }),
        _ => shown,
    }
}

fn print(text: &str) -> Result<ExitCode> {
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a message to the user on standard error.
fn notify(message: &str) {
    if !message.is_empty() {
        let _ = writeln!(std::io::stderr(), "firesteel: {message}");
    }
}

/// Checks the settings, then runs the application to its end.
fn start(application: Application, service: manager::Service, verbose: bool) -> Result<ExitCode> {
    let mut err = std::io::stderr();
    for warning in application.conf.check()? {
        writeln!(err, "firesteel: {warning}")?;
    }
    if verbose {
        for note in &application.notes {
            writeln!(err, "firesteel: {note}")?;
        }
        for (key, value) in application.conf.iter() {
            writeln!(err, "firesteel: {key}={value}")?;
        }
    }
    let code = runtime()?.block_on(manager::run(application, service, log_level(verbose)))?;
    Ok(ExitCode::from(code))
}

fn log_level(verbose: bool) -> &'static str {
    if verbose { "info" } else { "warn" }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Reads a process's settings from a pipe, which keeps tokens out of process lists, or, in a pod,
/// from its environment.
fn read_settings<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = if path == Path::new(launch::FROM_ENVIRONMENT) {
        launch::settings_of(|variable| std::env::var(variable).ok())
            .with_context(|| format!("{} contains no settings", launch::SETTINGS_VARIABLE))?
    } else {
        std::fs::read_to_string(path)
            .with_context(|| format!("reading settings from {}", path.display()))?
    };
    serde_json::from_str(&text).context("reading settings")
}

/// Variable with a `tracing` filter for the logs on standard error.
const LOG: &str = "FIRESTEEL_LOG";

/// Default filter for cluster commands, which report a cluster's errors once, in their own words.
const ON_A_CLUSTER: &str = "warn,kube_client=off,kube_runtime=off";

fn log(verbose: bool) {
    log_as(log_level(verbose));
}

fn log_as(default: &str) {
    let filter = EnvFilter::try_from_env(LOG).unwrap_or_else(|_| EnvFilter::new(default));
    // Colours are for terminals, and NO_COLOR turns them off.
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal() && !is_plain)
        .with_writer(std::io::stderr)
        .init();
}
