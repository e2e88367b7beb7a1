//! A Python program: a child process that finds Spark Connect by its environment.
//!
//! It stays in the driver's process group: in the foreground of a terminal it can read from it, and
//! Ctrl-C reaches it as `KeyboardInterrupt`. It dies with the driver, however that dies.

use crate::settings::{Addresses, Program};
use model::launch;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::time::Duration;
use tokio::sync::oneshot;

/// Time between the request to stop and the end by force.
const GRACE: Duration = Duration::from_secs(5);

/// A running program.
#[derive(Debug)]
pub(crate) struct Python {
    id: Pid,
    exit: oneshot::Receiver<ExitStatus>,
}

impl Python {
    /// Starts the program. `token`: what Spark Connect asks for.
    pub(crate) async fn start(
        program: &Program,
        addresses: &Addresses,
        token: Option<&str>,
    ) -> std::io::Result<Self> {
        let mut command = Command::new(&program.python);
        command.arg(&program.file).args(&program.arguments);
        command.env("SPARK_REMOTE", &addresses.connect);
        if let Some(files) = &program.files {
            command.env(launch::FILES_VARIABLE, files);
        }
        launch::hide_secrets(&mut command);
        match token {
            Some(token) => command.env("SPARK_CONNECT_AUTHENTICATE_TOKEN", token),
            None => command.env_remove("SPARK_CONNECT_AUTHENTICATE_TOKEN"),
        };
        if let Some(path) = launch::python_path(&program.python_path) {
            command.env("PYTHONPATH", path);
        }
        let (started, start) = oneshot::channel();
        let (exited, exit) = oneshot::channel();
        // The death signal is tied to the thread that starts the child: this one lives as long as
        // the child does.
        std::thread::Builder::new()
            .name("program".to_owned())
            .spawn(move || run(command, started, exited))?;
        let id = start.await.map_err(|_| std::io::Error::other("its thread ended"))??;
        Ok(Self { id, exit })
    }

    /// Waits for its end and returns its exit code, 128 and the signal's number if a signal ended
    /// it.
    pub(crate) async fn exit_code(&mut self) -> i32 {
        match (&mut self.exit).await {
            Ok(status) => {
                status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
            }
            Err(_) => 1,
        }
    }

    /// Asks it to stop, ends it by force if it does not, and returns its exit code.
    pub(crate) async fn stop(mut self) -> i32 {
        self.signal(Signal::TERM);
        if let Ok(code) = tokio::time::timeout(GRACE, self.exit_code()).await {
            return code;
        }
        self.signal(Signal::KILL);
        self.exit_code().await
    }

    fn signal(&mut self, signal: Signal) {
        // Once its end was reported the id may belong to another process.
        if self.exit.is_terminated() || !self.exit.is_empty() {
            return;
        }
        let _ = kill_process(self.id, signal);
    }
}

fn run(
    mut command: Command,
    started: oneshot::Sender<std::io::Result<Pid>>,
    exited: oneshot::Sender<ExitStatus>,
) {
    die_with_parent(&mut command);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    let _ = started.send(Ok(Pid::from_child(&child)));
    if let Ok(status) = child.wait() {
        let _ = exited.send(status);
    }
}

/// The child is killed when the thread that starts it ends, thus also when this process does.
#[expect(unsafe_code, reason = "the standard library has no safe way to act between fork and exec")]
fn die_with_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    let prepare = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the signal was asked for.
        if rustix::process::getppid() == Some(parent) {
            Ok(())
        } else {
            Err(std::io::Error::other("the driver has died"))
        }
    };
    // SAFETY: between fork and exec the closure makes two system calls, takes no lock and, unless
    // it fails, allocates nothing.
    unsafe {
        command.pre_exec(prepare);
    }
}
