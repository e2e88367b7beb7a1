//! Standard output in a thread of its own: who reads it may take their time, and everything else goes on meanwhile.

use anyhow::{Context, Result};
use std::io::{BufWriter, Write};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Lines that may wait for whoever reads.
const ROOM: usize = 256;

/// Where lines go. Its copies are the same output.
#[derive(Debug, Clone)]
pub(super) struct Output {
    waiting: mpsc::Sender<Message>,
    /// Whether a line waits for room just now.
    is_writing: watch::Sender<bool>,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Answered when all before it is written.
    Flush(oneshot::Sender<()>),
}

/// Nobody reads any more.
#[derive(Debug)]
pub(super) struct Unread;

impl Output {
    /// Begins to write to standard output.
    pub(super) fn begin() -> Result<Self> {
        Self::to(std::io::stdout())
    }

    fn to(out: impl Write + Send + 'static) -> Result<Self> {
        let (waiting, received) = mpsc::channel(ROOM);
        // Not one of the runtime's: a runtime that ends waits for its own, and this one may be stuck for ever.
        let thread = std::thread::Builder::new().name("output".to_owned());
        thread.spawn(move || write(received, out)).context("starting a thread for the output")?;
        Ok(Self { waiting, is_writing: watch::Sender::new(false) })
    }

    /// Writes a line when there is room.
    pub(super) async fn line(&self, line: &[u8]) -> Result<(), Unread> {
        self.send(Message::Line(line.to_vec())).await
    }

    /// Waits until all is written.
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

    /// Ends when nobody reads any more, which shows only when something was written.
    pub(super) async fn unread(&self) {
        self.waiting.closed().await;
    }

    /// Ends when there was nothing to write for so long. Time that a reader takes does not count.
    pub(super) async fn silent(&self, time: Duration) {
        let mut is_writing = self.is_writing.subscribe();
        loop {
            let busy = *is_writing.borrow_and_update();
            // The other end lives as long as this does.
            if busy {
                let _ = is_writing.changed().await;
            } else if tokio::time::timeout(time, is_writing.changed()).await.is_err() {
                return;
            }
        }
    }
}

/// Ends with the first failure: then nobody reads.
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

    /// Takes a write for each permission, until permissions end.
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
    async fn who_reads_slowly_is_waited_for_and_who_goes_is_noticed() {
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
