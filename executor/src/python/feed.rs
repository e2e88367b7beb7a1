//! The way to a worker: its task, then its input, as far as the worker takes it.

use super::frames::{Header, Kind, Outbox};
use super::ipc::Encoder;
use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::error::ArrowError;
use futures::StreamExt;
use futures::stream::BoxStream;
use model::TaskFailure;
use rustix::fd::OwnedFd;
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Write};
use std::task::{Context, Poll, ready};
use task::python::{PythonTask, ToWorker};
use tokio::net::UnixStream;

type Input = BoxStream<'static, Result<ToWorker, TaskFailure>>;

/// Writes a task and its input.
pub(super) struct Feed {
    input: Option<Input>,
    encoders: Vec<Encoder>,
    /// Inputs whose end was not sent.
    open: Vec<bool>,
    outbox: Outbox,
    mapped_from: usize,
}

impl Feed {
    pub(super) fn new(
        task: PythonTask,
        input: Input,
        mapped_from: usize,
    ) -> Result<Self, TaskFailure> {
        let PythonTask { header, blobs, inputs } = task;
        let mut outbox = Outbox::default();
        let length = header.len() + blobs.iter().map(bytes::Bytes::len).sum::<usize>();
        let extra = u32::try_from(header.len()).map_err(|_| hopeless("its header is too long"))?;
        outbox.push_header(Header { extra, ..Header::new(Kind::Task, 0, length) }, None);
        outbox.push(header);
        for blob in blobs {
            outbox.push(blob);
        }
        let open = vec![true; inputs.len()];
        let encoders = inputs.into_iter().map(Encoder::new).collect::<Result<Vec<_>, _>>();
        let encoders = encoders.map_err(hopeless)?;
        for (input, encoder) in (0..=u8::MAX).zip(&encoders) {
            let message = encoder.schema().map_err(hopeless)?;
            outbox.push_header(Header::new(Kind::Schema, input, message.len()), None);
            outbox.push(message);
        }
        Ok(Self { input: Some(input), encoders, open, outbox, mapped_from })
    }

    /// Feeds the worker; ready when there is no more, or when the worker reads no more.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        socket: &UnixStream,
    ) -> Poll<Result<(), TaskFailure>> {
        loop {
            if ready!(self.outbox.poll_write(cx, socket)).is_err() {
                // What it says last tells why.
                (self.input, self.outbox) = (None, Outbox::default());
            }
            let Some(input) = &mut self.input else { return Poll::Ready(Ok(())) };
            if let Some(item) = ready!(input.poll_next_unpin(cx)) {
                self.push(item?)?;
            } else {
                self.input = None;
                self.end_all();
            }
        }
    }

    /// Whether the worker has taken everything that there is so far, and more will come.
    pub(super) fn waits_for_input(&self) -> bool {
        self.input.is_some() && self.outbox.is_empty()
    }

    /// Number of bytes that the worker has taken.
    pub(super) fn written(&self) -> u64 {
        self.outbox.written()
    }

    /// What a worker that has finished has still to skip.
    pub(super) fn into_rest(mut self) -> Outbox {
        self.end_all();
        self.outbox
    }

    fn end_all(&mut self) {
        for (input, open) in (0..=u8::MAX).zip(&mut self.open) {
            if std::mem::take(open) {
                self.outbox.push_mark(Kind::End, input);
            }
        }
    }

    fn push(&mut self, item: ToWorker) -> Result<(), TaskFailure> {
        match item {
            ToWorker::Batch { input, batch, groups } => self.push_batch(input, &batch, groups),
            ToWorker::EndOfGroups => {
                self.outbox.push_mark(Kind::EndOfGroups, 0);
                Ok(())
            }
            ToWorker::End { input } => {
                if self.open.get_mut(usize::from(input)).is_some_and(std::mem::take) {
                    self.outbox.push_mark(Kind::End, input);
                }
                Ok(())
            }
        }
    }

    fn push_batch(
        &mut self,
        input: u8,
        batch: &RecordBatch,
        groups: Option<Vec<u32>>,
    ) -> Result<(), TaskFailure> {
        let encoder = self.encoders.get_mut(usize::from(input));
        let encoder = encoder.ok_or_else(|| hopeless(format!("it has no input {input}")))?;
        let message = encoder.encode(batch).map_err(|error| match error {
            error @ ArrowError::SchemaError(_) => hopeless(error),
            error => TaskFailure::raised(error.to_string()),
        })?;
        if let Some(groups) = groups {
            let starts: Vec<u8> = groups.into_iter().flat_map(u32::to_le_bytes).collect();
            self.outbox.push_header(Header::new(Kind::Groups, input, starts.len()), None);
            self.outbox.push(starts);
        }
        let length = message.iter().map(Buffer::len).sum();
        if length >= self.mapped_from {
            let file = memory_file(&message)
                .map_err(|error| TaskFailure::raised(format!("no memory file: {error}")))?;
            self.outbox.push_header(Header::new(Kind::Mapped, input, length), Some(file));
        } else {
            self.outbox.push_header(Header::new(Kind::Batch, input, length), None);
            for part in message {
                self.outbox.push(part);
            }
        }
        Ok(())
    }
}

fn memory_file(message: &[Buffer]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("batch", MemfdFlags::CLOEXEC)?);
    message.iter().try_for_each(|part| file.write_all(part))?;
    Ok(file.into())
}

fn hopeless(problem: impl std::fmt::Display) -> TaskFailure {
    TaskFailure::Hopeless { message: format!("a task for Python cannot be sent: {problem}") }
}
