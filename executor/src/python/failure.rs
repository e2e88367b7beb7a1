//! Failures of workers, as tasks report them.

use super::settings::Environment;
use model::TaskFailure;
use std::fmt;

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    Code(i32),
    Signal(i32),
    /// The server that would have told is gone.
    Unknown,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => {
                let name = match number {
                    4 => " (SIGILL)",
                    6 => " (SIGABRT)",
                    7 => " (SIGBUS)",
                    8 => " (SIGFPE)",
                    9 => " (SIGKILL), perhaps for lack of memory",
                    11 => " (SIGSEGV)",
                    15 => " (SIGTERM)",
                    _ => "",
                };
                write!(f, "signal {number}{name}")
            }
            Self::Unknown => f.write_str("the process that started it is gone"),
        }
    }
}

/// The failure of a task whose worker ended before the task did.
pub(super) fn crashed(exit: Option<Exit>, printed: &str) -> TaskFailure {
    let how = exit.map_or_else(|| "it closed its connection".to_owned(), |exit| exit.to_string());
    let text = format!("Python worker exited unexpectedly (crashed): {how}");
    TaskFailure::raised(with(text, printed))
}

/// The failure of a task whose worker does not keep to the protocol.
pub(super) fn broken(problem: impl fmt::Display) -> TaskFailure {
    TaskFailure::raised(format!("Python worker sent what no worker sends: {problem}"))
}

/// The failure of a task whose worker was killed because it gave no sign.
pub(super) fn silent(seconds: u64) -> TaskFailure {
    TaskFailure::raised(format!(
        "Python worker was killed: it gave no sign for {seconds} seconds (spark.python.worker.idleTimeoutSeconds, spark.python.worker.killOnIdleTimeout)"
    ))
}

/// The failure of a task that gets no worker.
pub(super) fn no_worker(
    environment: &Environment,
    problem: impl fmt::Display,
    printed: &str,
) -> TaskFailure {
    let python = environment.python.display();
    let text = format!("Cannot run Python workers with \"{python}\": {problem}");
    TaskFailure::raised(with(text, printed))
}

/// The failure of a task for which there is no pool any more.
pub(super) fn ending() -> TaskFailure {
    TaskFailure::Killed { reason: "the executor ends".to_owned() }
}

fn with(mut text: String, printed: &str) -> String {
    let printed = printed.trim_end();
    if !printed.is_empty() {
        text.push('\n');
        text.push_str(printed);
    }
    text
}
