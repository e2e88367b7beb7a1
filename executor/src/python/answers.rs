//! What a worker sends: frames, read as they come, into batches and the end of its task.
//!
//! Nothing that a worker sends is trusted: lengths are bounded, and memory grows with what has
//! come.

use super::frames::{HEADER_BYTES, Header, Kind};
use super::ipc::{self, PREFIX_BYTES};
use arrow::array::RecordBatch;
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use rustix::fd::OwnedFd;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Most bytes of the metadata of a message, of a failure, and of the JSON at the end of a task.
const TEXT_LIMIT: usize = 64 << 20;
/// Memory that is taken before anything of a payload has come.
const TRUSTED: usize = 16 << 20;

/// What a worker says.
#[derive(Debug)]
pub(super) enum Answer {
    Batch(RecordBatch),
    /// The task has succeeded: updates of accumulators.
    Finished(Vec<(i64, Bytes)>),
    Failed(Failure),
}

/// What a function raised.
#[derive(Debug, Deserialize)]
pub(super) struct Failure {
    #[serde(rename = "type")]
    pub exception: String,
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub traceback: String,
    #[serde(default)]
    pub condition: Option<String>,
    #[serde(default)]
    pub parameters: Option<BTreeMap<String, String>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The worker has ended, or closed its socket.
    #[error("the connection is closed")]
    Closed,
    #[error("{0}")]
    Broken(String),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Broken(error.to_string()),
        }
    }
}

#[derive(Deserialize)]
struct End {
    #[serde(default)]
    accumulators: Vec<(i64, usize)>,
}

/// Reads the answers to one task.
#[derive(Debug)]
pub(super) struct Answers {
    socket: Arc<UnixStream>,
    frame_limit: usize,
    schema: Option<SchemaRef>,
}

impl Answers {
    pub(super) fn new(socket: Arc<UnixStream>, frame_limit: u64) -> Self {
        let frame_limit = usize::try_from(frame_limit).unwrap_or(usize::MAX);
        Self { socket, frame_limit, schema: None }
    }

    /// The next answer.
    pub(super) async fn next(&mut self) -> Result<Answer, ReadError> {
        loop {
            let (header, file) = self.header().await?;
            let Header { kind, extra, length, .. } = header;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > self.frame_limit {
                let limit = self.frame_limit;
                return Err(broken(format!("a frame of {length} bytes, more than {limit}")));
            }
            match (kind, file) {
                (Kind::Schema, _) if self.schema.is_none() => {
                    let metadata = self.metadata(length).await?;
                    let schema = ipc::decode_schema(&metadata);
                    self.schema = Some(schema.map_err(|error| invalid("schema", error))?);
                    self.body(length - PREFIX_BYTES - metadata.len()).await?;
                }
                (Kind::Batch, _) => return self.batch(length).await.map(Answer::Batch),
                (Kind::Mapped, Some(file)) => {
                    return self.mapped(&File::from(file), length).map(Answer::Batch);
                }
                (Kind::Finished, _) => {
                    let updates = self.finished(extra as usize, length).await?;
                    return Ok(Answer::Finished(updates));
                }
                (Kind::Failed, _) => {
                    let text = self.text(length).await?;
                    let failure = serde_json::from_slice(&text);
                    return failure.map(Answer::Failed).map_err(|error| invalid("failure", error));
                }
                (kind, _) => return Err(broken(format!("an unexpected frame {kind:?}"))),
            }
        }
    }

    async fn header(&self) -> Result<(Header, Option<OwnedFd>), ReadError> {
        let (mut bytes, mut filled, mut file) = ([0; HEADER_BYTES], 0, None);
        while filled < HEADER_BYTES {
            let room = &mut bytes[filled..];
            let receive = || receive(&self.socket, room);
            let (read, attached) = self.socket.async_io(Interest::READABLE, receive).await?;
            if read == 0 {
                return Err(ReadError::Closed);
            }
            file = file.or(attached);
            filled += read;
        }
        let header = Header::parse(bytes);
        let header =
            header.ok_or_else(|| broken(format!("no header: {}", bytes.escape_ascii())))?;
        Ok((header, file))
    }

    async fn fill(&self, mut bytes: &mut [u8]) -> Result<(), ReadError> {
        while !bytes.is_empty() {
            self.socket.readable().await?;
            match self.socket.try_read(bytes) {
                Ok(0) => return Err(ReadError::Closed),
                Ok(read) => bytes = &mut bytes[read..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// A message up to its body.
    async fn metadata(&self, message: usize) -> Result<Vec<u8>, ReadError> {
        let mut prefix = [0; PREFIX_BYTES];
        if message >= PREFIX_BYTES {
            self.fill(&mut prefix).await?;
        }
        let length = metadata_bytes(prefix, message)?;
        self.text(length).await
    }

    async fn text(&self, length: usize) -> Result<Vec<u8>, ReadError> {
        if length > TEXT_LIMIT {
            return Err(broken(format!("a text of {length} bytes")));
        }
        let mut text = vec![0; length];
        self.fill(&mut text).await?;
        Ok(text)
    }

    /// The body of a message, in memory of its own that is aligned for every type.
    async fn body(&self, length: usize) -> Result<Buffer, ReadError> {
        let mut body = MutableBuffer::from_len_zeroed(length.min(TRUSTED));
        let mut filled = 0;
        loop {
            self.fill(&mut body.as_slice_mut()[filled..]).await?;
            filled = body.len();
            if filled == length {
                return Ok(body.into());
            }
            body.resize(length.min(filled * 4), 0);
        }
    }

    async fn batch(&self, length: usize) -> Result<RecordBatch, ReadError> {
        let metadata = self.metadata(length).await?;
        let body = self.body(length - PREFIX_BYTES - metadata.len()).await?;
        self.decode(&metadata, body)
    }

    /// A batch in a memory file. It is read rather than mapped: a worker could change it later.
    fn mapped(&self, file: &File, length: usize) -> Result<RecordBatch, ReadError> {
        let about = file.metadata()?;
        if !about.is_file() || about.len() < length as u64 {
            return Err(broken(format!("a file without {length} bytes")));
        }
        let mut prefix = [0; PREFIX_BYTES];
        if length >= PREFIX_BYTES {
            file.read_exact_at(&mut prefix, 0)?;
        }
        let mut metadata = vec![0; metadata_bytes(prefix, length)?];
        file.read_exact_at(&mut metadata, PREFIX_BYTES as u64)?;
        let start = PREFIX_BYTES + metadata.len();
        let mut body = MutableBuffer::from_len_zeroed(length - start);
        file.read_exact_at(body.as_slice_mut(), start as u64)?;
        self.decode(&metadata, body.into())
    }

    fn decode(&self, metadata: &[u8], body: Buffer) -> Result<RecordBatch, ReadError> {
        let schema = self.schema.as_ref().ok_or_else(|| broken("a batch before the schema"))?;
        ipc::decode_batch(schema, metadata, body).map_err(|error| invalid("batch", error))
    }

    async fn finished(&self, json: usize, length: usize) -> Result<Vec<(i64, Bytes)>, ReadError> {
        let rest = length.checked_sub(json).ok_or_else(|| broken("an end longer than itself"))?;
        let text = self.text(json).await?;
        let end: End = serde_json::from_slice(&text).map_err(|error| invalid("end", error))?;
        let mut updates = Bytes::copy_from_slice(&self.body(rest).await?);
        let mut accumulators = Vec::with_capacity(end.accumulators.len());
        for (id, length) in end.accumulators {
            if length > updates.len() {
                return Err(broken("an update without its bytes"));
            }
            accumulators.push((id, updates.split_to(length)));
        }
        Ok(accumulators)
    }
}

/// Reads bytes, and takes the file that is attached to them.
fn receive(socket: &UnixStream, room: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut attached = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(socket, &mut [IoSliceMut::new(room)], &mut attached, flags)?;
    let files = attached.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => Some(files),
        _ => None,
    });
    Ok((received.bytes, files.flatten().next()))
}

fn metadata_bytes(prefix: [u8; PREFIX_BYTES], message: usize) -> Result<usize, ReadError> {
    let length = ipc::metadata_bytes(prefix, message).filter(|length| *length <= TEXT_LIMIT);
    length.ok_or_else(|| broken(format!("no Arrow message: {}", prefix.escape_ascii())))
}

fn broken(problem: impl Into<String>) -> ReadError {
    ReadError::Broken(problem.into())
}

fn invalid(what: &str, error: impl std::fmt::Display) -> ReadError {
    ReadError::Broken(format!("an invalid {what}: {error}"))
}
