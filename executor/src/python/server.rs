//! The fork server: a Python process that forks workers, and its control socket.

use super::failure::Exit;
use super::frames::send;
use super::printed::Printed;
use super::settings::Environment;
use model::launch;
use rustix::fd::AsFd;
use rustix::process::Pid;
use serde::Deserialize;
use std::io::{self, IoSlice, PipeWriter};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Socket;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a server may take to end whose control socket is closed.
const GRACE: Duration = Duration::from_secs(2);
/// Most bytes of a line.
const LINE_LIMIT: usize = 1 << 20;

/// A fork server.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    control: UnixStream,
    /// What has come since the last line.
    received: Vec<u8>,
    printed: Printed,
}

/// What a worker gets at its start.
#[derive(Debug)]
pub(super) struct Ends {
    pub data: Socket,
    pub requests: Socket,
    /// Standard output and error.
    pub output: PipeWriter,
}

/// What a server tells.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Notice {
    /// The worker that was asked for first.
    Forked { forked: i32 },
    /// The worker that was asked for first could not be forked.
    Refused { error: String },
    /// A worker has ended.
    Exited {
        exited: i32,
        #[serde(default)]
        code: Option<i32>,
        #[serde(default)]
        signal: Option<i32>,
    },
}

impl Notice {
    /// How a worker ended with these numbers.
    pub(super) fn exit(code: Option<i32>, signal: Option<i32>) -> Exit {
        match (code, signal) {
            (_, Some(signal)) => Exit::Signal(signal),
            (Some(code), None) => Exit::Code(code),
            (None, None) => Exit::Unknown,
        }
    }
}

impl Server {
    /// Starts a server.
    pub(super) fn start(environment: &Environment) -> io::Result<Self> {
        let (ours, theirs) = Socket::pair()?;
        ours.set_nonblocking(true)?;
        let (pipe, output) = io::pipe()?;
        let mut command = command(environment);
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        command.stdout(output.try_clone()?).stderr(output);
        let child = command.spawn()?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or_default();
        let (control, printed) = (UnixStream::from_std(ours)?, Printed::follow(pipe, pid)?);
        Ok(Self { child, control, received: Vec::new(), printed })
    }

    /// Asks for a worker.
    pub(super) async fn fork(&self, ends: &Ends) -> io::Result<()> {
        let files = [ends.data.as_fd(), ends.requests.as_fd(), ends.output.as_fd()];
        let line = b"{\"fork\": 1}\n";
        let write = || Ok(send(&self.control, &[IoSlice::new(line)], &files)?);
        match self.control.async_io(Interest::WRITABLE, write).await {
            Ok(written) if written == line.len() => Ok(()),
            Ok(_) => Err(io::Error::other("the control socket is full")),
            Err(error) => Err(error),
        }
    }

    /// Waits for what the server tells next; an error if it has ended. Nothing is lost if the wait
    /// is dropped.
    pub(super) async fn next(&mut self) -> io::Result<Notice> {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return Ok(serde_json::from_slice(&line)?);
            }
            if self.received.len() > LINE_LIMIT {
                return Err(io::Error::other("it sends a line without end"));
            }
            tokio::select! {
                biased;
                ready = self.control.readable() => ready?,
                // A process that it has started may hold its end of the socket.
                _ = self.child.wait() => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
            match self.control.try_read_buf(&mut self.received) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends the server. Returns how it ended, and what it printed last.
    pub(super) async fn end(self) -> (String, String) {
        let Self { mut child, control, received: _, printed } = self;
        drop(control);
        let how = match timeout(GRACE, child.wait()).await {
            Ok(Ok(status)) => describe(status),
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                // It is its own child that is killed; its end needs no answer.
                let _ = child.kill().await;
                "it did not end".to_owned()
            }
        };
        (how, printed.last().await)
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    let exit = match (status.code(), status.signal()) {
        (_, Some(signal)) => Exit::Signal(signal),
        (code, None) => Exit::Code(code.unwrap_or_default()),
    };
    format!("it ended with {exit}")
}

/// A command that runs a module in the environment of workers.
pub(super) fn python_command(environment: &Environment, module: &str) -> Command {
    let Environment { python, python_path, directory } = environment;
    let mut command = Command::new(python);
    command.args(["-m", module]).current_dir(directory).kill_on_drop(true);
    launch::hide_secrets(command.as_std_mut());
    if let Some(path) = launch::python_path(python_path) {
        command.env("PYTHONPATH", path);
    }
    command
}

fn command(environment: &Environment) -> Command {
    let mut command = python_command(environment, "firesteel.worker");
    // A Ctrl-C in a terminal is for the program.
    command.process_group(0);
    // As Spark does: hashes of strings decide which partition a row goes to, and libraries would
    // take all processors for each task.
    for (variable, value) in [("PYTHONHASHSEED", "0"), ("OMP_NUM_THREADS", "1")] {
        if std::env::var_os(variable).is_none() {
            command.env(variable, value);
        }
    }
    command
}

/// The process id in a notice, if it can be one.
pub(super) fn pid(number: i32) -> Option<Pid> {
    // Groups 0 and 1 are not those of workers: the executor's own, and every process.
    (number > 1).then(|| Pid::from_raw(number)).flatten()
}
