//! Standard output in a thread of its own: its reader may be slow without blocking anything else.

use anyhow::{Context, Result};
use std::io::{BufWriter, Write};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Number of lines that may wait for the reader.
const ROOM: usize = 256;

/// Destination of lines. Clones write to the same output.
#[derive(Debug, Clone)]
pub(super) struct Output {
    waiting: mpsc::Sender<Message>,
    /// Whether a line is waiting for space.
    is_writing: watch::Sender<bool>,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Answered once everything before it is written.
    Flush(oneshot::Sender<()>),
}

/// The reader is gone.
#[derive(Debug)]
pub(super) struct Unread;

impl Output {
    /// Starts writing to standard output.
    pub(super) fn begin() -> Result<Self> {
        Self::to(std::io::stdout())
    }

    fn to(out: impl Write + Send + 'static) -> Result<Self> {
        let (waiting, received) = mpsc::channel(ROOM);
        // Not a thread of the runtime: on shutdown the runtime waits for its own, and this one may
        // be stuck for ever.
        let thread = std::thread::Builder::new().name("output".to_owned());
        thread.spawn(move || write(received, out)).context("starting a thread for the output")?;
        Ok(Self { waiting, is_writing: watch::Sender::new(false) })
    }

    /// Writes a line once there is space.
    pub(super) async fn line(&self, line: &[u8]) -> Result<(), Unread> {
        self.send(Message::Line(line.to_vec())).await
    }

    /// Waits until everything is written.
    pub(super) async fn flush(&self) -> Result<(), Unread> {
        let (done, is_done) = oneshot::channel();
        self.send(Message::Flush(done)).await?;
        self.is_writing.send_replace(true);
        let written = is_done.await.map_err(|_| Unread);
        self.is_writing.send_replace(false);
        written
    }

    async fn send(&self, message: Message) -> Result<(), Unread> {
        self.is_writing.send_replace(true);
        let sent = self.waiting.send(message).await.map_err(|_| Unread);
        self.is_writing.send_replace(false);
        sent
    }

    /// Returns when the reader is gone, which only a write can show.
    pub(super) async fn unread(&self) {
        self.waiting.closed().await;
    }

    /// Returns when there was nothing to write for so long. Time spent waiting for the reader does
    /// not count.
    pub(super) async fn silent(&self, time: Duration) {
        let mut is_writing = self.is_writing.subscribe();
        loop {
            let busy = *is_writing.borrow_and_update();
            // The sender lives as long as `self`.
            if busy {
                let _ = is_writing.changed().await;
            } else if tokio::time::timeout(time, is_writing.changed()).await.is_err() {
                return;
            }
        }
    }
}

/// Stops at the first failure: then the reader is gone.
fn write(mut received: mpsc::Receiver<Message>, out: impl Write) {
    let mut out = BufWriter::new(out);
    while let Some(message) = received.blocking_recv() {
        let (written, done) = match message {
            Message::Line(line) => (out.write_all(&line), None),
            Message::Flush(done) => (out.flush(), Some(done)),
        };
        let shown = if received.is_empty() { out.flush() } else { Ok(()) };
        if written.and(shown).is_err() {
            return;
        }
        if let Some(done) = done {
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::mpsc as blocking;

    const SHORT: Duration = Duration::from_millis(20);

    /// Accepts one write per permit, until permits run out.
    struct Slow {
        permissions: blocking::Receiver<()>,
        taken: blocking::Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.permissions.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            let _ = self.taken.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_slow_reader_is_waited_for_and_a_closed_one_is_noticed() {
        let (permit, permissions) = blocking::channel();
        let (taken, seen) = blocking::channel();
        let out = Output::to(Slow { permissions, taken }).unwrap();
        // Nothing is written: that is silence.
        out.silent(SHORT).await;
        out.line(b"a\n").await.unwrap();
        let flushed = tokio::spawn({
            let out = out.clone();
            async move { out.flush().await }
        });
        tokio::task::yield_now().await;
        assert!(tokio::time::timeout(SHORT * 5, out.silent(SHORT)).await.is_err());
        permit.send(()).unwrap();
        flushed.await.unwrap().unwrap();
        assert_eq!(seen.recv().unwrap(), b"a\n");
        out.silent(SHORT).await;
        drop(permit);
        out.line(b"b\n").await.unwrap();
        out.unread().await;
        assert!(out.line(b"c\n").await.is_err() && out.flush().await.is_err());
    }
}
