//! The driver and the executors as child processes of this command. They run this same binary and
//! get their settings through a pipe; if this command dies, for whatever reason, the kernel ends
//! them.

use anyhow::{Context, Result};
use serde::Serialize;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// Starts `firesteel driver`; returns it with the line that announces its addresses.
pub(crate) async fn driver(
    mut settings: driver::Settings,
    log: &str,
) -> Result<(Child, driver::Addresses)> {
    // The driver's standard streams are the program's, so its addresses come through a separate
    // pipe.
    let (read, write) = pipe()?;
    keep_from_children(&read)?;
    settings.announce = Some(inherited(&write));
    let streams = if settings.program.is_some() { Streams::Program } else { Streams::None };
    let mut child = start("driver", &settings, streams, log).await?;
    drop(write);
    let mut line = String::new();
    let answer = BufReader::new(reader(read)).read_line(&mut line).await;
    answer.context("reading the driver's addresses")?;
    if let Ok(addresses) = serde_json::from_str(&line) {
        return Ok((child, addresses));
    }
    let status = child.wait().await?;
    anyhow::bail!("the driver did not start: {}", ending(status));
}

/// Starts `firesteel executor`.
pub(crate) async fn executor(settings: &executor::Settings, log: &str) -> Result<Child> {
    start("executor", settings, Streams::None, log).await
}

/// Standard input and output of a process.
#[derive(Debug, Clone, Copy)]
enum Streams {
    /// Those of this command, for the program.
    Program,
    /// Nothing: they belong to the program, and it runs elsewhere.
    None,
}

async fn start(
    role: &str,
    settings: &impl Serialize,
    streams: Streams,
    log: &str,
) -> Result<Child> {
    let program = std::env::current_exe().context("finding this program")?;
    // Settings go through a separate pipe, too.
    let (read, write) = pipe()?;
    keep_from_children(&write)?;
    let stream = || match streams {
        Streams::Program => Stdio::inherit(),
        Streams::None => Stdio::null(),
    };
    let mut command = Command::new(program);
    command.arg0("firesteel").arg(role).arg(inherited(&read)).kill_on_drop(true);
    if std::env::var_os(crate::LOG).is_none() {
        command.env(crate::LOG, log);
    }
    let spawned = command.stdin(stream()).stdout(stream()).spawn();
    drop(read);
    let child = spawned.with_context(|| format!("starting firesteel {role}"))?;
    let mut file = reader(write);
    file.write_all(&serde_json::to_vec(settings)?).await?;
    file.flush().await.with_context(|| format!("starting firesteel {role}"))?;
    Ok(child)
}

/// A pipe whose ends stay open across the start of a child.
fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe().context("making a pipe")
}

fn keep_from_children(end: &OwnedFd) -> Result<()> {
    Ok(rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?)
}

/// The path at which a child finds an end that it inherits.
fn inherited(end: &OwnedFd) -> PathBuf {
    format!("/dev/fd/{}", end.as_raw_fd()).into()
}

fn reader(end: OwnedFd) -> tokio::fs::File {
    tokio::fs::File::from_std(File::from(end))
}

/// Describes how a process ended.
pub(crate) fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// The exit code that a shell reports for a process.
pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
