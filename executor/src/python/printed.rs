//! What a process writes to its standard output and error: read always, so that it never waits,
//! logged line by line within bounds, and its end kept for the report of a crash.

use std::collections::VecDeque;
use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;
use tokio::time::timeout;

/// Bytes that are kept.
const KEPT_BYTES: usize = 8 << 10;
/// Bytes of a line that are logged.
const LINE_BYTES: usize = 4 << 10;
/// Lines that are logged in a second.
const LINES: u32 = 200;
/// How long a process that has ended may have its end of the pipe open elsewhere.
const PATIENCE: Duration = Duration::from_secs(1);

/// The output of a process.
#[derive(Debug)]
pub(super) struct Printed {
    tail: Arc<Mutex<VecDeque<u8>>>,
    ended: watch::Receiver<bool>,
}

impl Printed {
    /// Reads a pipe until its end, in a task of the current runtime.
    pub(super) fn follow(pipe: PipeReader, pid: i32) -> io::Result<Self> {
        let pipe = Receiver::from_owned_fd(OwnedFd::from(pipe))?;
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let (end, ended) = watch::channel(false);
        let kept = Arc::clone(&tail);
        // It goes on to the pipe's end: what a killed worker has printed is to be seen.
        tokio::spawn(async move {
            read(pipe, &kept, Log::new(pid)).await;
            let _ = end.send(true);
        });
        Ok(Self { tail, ended })
    }

    /// Forgets what was printed so far: it belongs to an earlier task.
    pub(super) fn forget(&self) {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What was printed last by a process that has ended.
    pub(super) async fn last(&self) -> String {
        let mut ended = self.ended.clone();
        let _ = timeout(PATIENCE, ended.wait_for(|ended| *ended)).await;
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let (front, back) = tail.as_slices();
        String::from_utf8_lossy(&[front, back].concat()).into_owned()
    }
}

async fn read(mut pipe: Receiver, tail: &Mutex<VecDeque<u8>>, mut log: Log) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read) = pipe.read(&mut buffer).await
        && read > 0
    {
        let new = &buffer[..read];
        log.take(new);
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        let last = &new[read.saturating_sub(KEPT_BYTES)..];
        let surplus = (tail.len() + last.len()).saturating_sub(KEPT_BYTES);
        tail.drain(..surplus);
        tail.extend(last);
    }
    log.end();
}

/// The lines in the executor's log.
struct Log {
    pid: i32,
    line: Vec<u8>,
    /// Start of the current second, and the lines since.
    second: Instant,
    lines: u32,
}

impl Log {
    fn new(pid: i32) -> Self {
        Self { pid, line: Vec::new(), second: Instant::now(), lines: 0 }
    }

    fn take(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match part {
                [text @ .., b'\n'] => (text, true),
                text => (text, false),
            };
            let room = LINE_BYTES.saturating_sub(self.line.len());
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                self.write();
            }
        }
    }

    fn write(&mut self) {
        if self.second.elapsed() >= Duration::from_secs(1) {
            self.tell_left_out();
            (self.second, self.lines) = (Instant::now(), 0);
        }
        self.lines += 1;
        if self.lines <= LINES {
            let text = String::from_utf8_lossy(&self.line);
            tracing::info!(target: "python", "[{}] {}", self.pid, text.trim_end());
        }
        self.line.clear();
    }

    fn tell_left_out(&self) {
        if let Some(left_out) = self.lines.checked_sub(LINES)
            && left_out > 0
        {
            tracing::info!(target: "python", "[{}] ({left_out} more lines)", self.pid);
        }
    }

    fn end(&mut self) {
        if !self.line.is_empty() {
            self.write();
        }
        self.tell_left_out();
    }
}
