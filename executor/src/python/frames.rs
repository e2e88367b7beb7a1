//! Frames of a worker's data socket: their headers, and the queue of those that are on their way to
//! the worker.

use arrow::buffer::Buffer;
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = 16;

/// Segments that one system call takes at most.
const SEGMENTS: usize = 64;

/// Kinds of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Task = b'T',
    Schema = b'S',
    Batch = b'B',
    /// A batch in a memory file.
    Mapped = b'M',
    /// Where groups begin in the next batch.
    Groups = b'G',
    EndOfGroups = b'N',
    End = b'E',
    Finished = b'F',
    Failed = b'X',
}

impl Kind {
    fn find(letter: u8) -> Option<Self> {
        Some(match letter {
            b'T' => Self::Task,
            b'S' => Self::Schema,
            b'B' => Self::Batch,
            b'M' => Self::Mapped,
            b'G' => Self::Groups,
            b'N' => Self::EndOfGroups,
            b'E' => Self::End,
            b'F' => Self::Finished,
            b'X' => Self::Failed,
            _ => return None,
        })
    }
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub kind: Kind,
    /// Index of the input.
    pub input: u8,
    pub extra: u32,
    /// Bytes of the payload.
    pub length: u64,
}

impl Header {
    /// A header without extra.
    pub(super) fn new(kind: Kind, input: u8, length: usize) -> Self {
        Self { kind, input, extra: 0, length: length as u64 }
    }

    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let Self { kind, input, extra, length } = self;
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = kind as u8;
        bytes[1] = input;
        bytes[4..8].copy_from_slice(&extra.to_le_bytes());
        bytes[8..].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    /// The header with these bytes, if they are one.
    pub(super) fn parse(bytes: [u8; HEADER_BYTES]) -> Option<Self> {
        let [letter, input, 0, 0, e0, e1, e2, e3, length @ ..] = bytes else { return None };
        Some(Self {
            kind: Kind::find(letter)?,
            input,
            extra: u32::from_le_bytes([e0, e1, e2, e3]),
            length: u64::from_le_bytes(length),
        })
    }
}

/// Bytes on their way to a worker.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    segments: VecDeque<Segment>,
    /// Number of bytes sent so far.
    written: u64,
}

#[derive(Debug)]
struct Segment {
    bytes: Buffer,
    /// Attached to the first of the bytes.
    file: Option<OwnedFd>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Adds bytes of a payload.
    pub(super) fn push(&mut self, bytes: impl Into<Buffer>) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.segments.push_back(Segment { bytes, file: None });
        }
    }

    /// Adds a header.
    pub(super) fn push_header(&mut self, header: Header, file: Option<OwnedFd>) {
        self.segments.push_back(Segment { bytes: Buffer::from(&header.to_bytes()[..]), file });
    }

    /// Adds a frame without payload.
    pub(super) fn push_mark(&mut self, kind: Kind, input: u8) {
        self.push_header(Header::new(kind, input, 0), None);
    }

    /// Writes as much as the socket takes; ready when all is written.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        socket: &UnixStream,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            ready!(socket.poll_write_ready(cx))?;
            match socket.try_io(Interest::WRITABLE, || self.send(socket)) {
                Ok(sent) => self.advance(sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn send(&self, socket: impl AsFd) -> io::Result<usize> {
        // A file belongs to the first byte of a message.
        let segments = self.segments.iter().enumerate();
        let together = segments.take_while(|(at, segment)| *at == 0 || segment.file.is_none());
        let slices: Vec<_> =
            together.take(SEGMENTS).map(|(_, segment)| IoSlice::new(&segment.bytes)).collect();
        let file = self.segments.front().and_then(|segment| segment.file.as_ref());
        let files: Vec<_> = file.iter().map(|file| file.as_fd()).collect();
        Ok(send(socket, &slices, &files)?)
    }

    /// Number of bytes sent so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    fn advance(&mut self, mut sent: usize) {
        self.written += sent as u64;
        while let Some(segment) = self.segments.front_mut()
            && sent > 0
        {
            segment.file = None;
            let bytes = sent.min(segment.bytes.len());
            sent -= bytes;
            segment.bytes.advance(bytes);
            if segment.bytes.is_empty() {
                self.segments.pop_front();
            }
        }
    }
}

/// Sends bytes with at most three files attached.
pub(super) fn send(
    socket: impl AsFd,
    slices: &[IoSlice<'_>],
    files: &[rustix::fd::BorrowedFd<'_>],
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut attached = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() {
        attached.push(SendAncillaryMessage::ScmRights(files));
    }
    sendmsg(socket, slices, &mut attached, SendFlags::NOSIGNAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written_and_nothing_else_is_one() {
        let header = Header { kind: Kind::Finished, input: 3, extra: 7, length: u64::MAX - 1 };
        let bytes = header.to_bytes();
        assert_eq!(Header::parse(bytes), Some(header));
        for (at, byte) in [(0, b'?'), (2, 1), (3, 1)] {
            let mut wrong = bytes;
            wrong[at] = byte;
            assert_eq!(Header::parse(wrong), None, "{at}");
        }
    }
}
