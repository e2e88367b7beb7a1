//! The protocol by which an executor asks a peer for a block of a map output, or for a piece of a
//! blob: the bytes of request and answer. Pure; the executor moves them. The answer's head is
//! followed by the bytes as stored, which the recipient compares with the head's checksum.
//!
//! Every frame is a length (four bytes, little-endian) and that many bytes. Read the length with
//! [`frame_length`], which refuses impossible values, before allocating the rest.

use crate::codec::{BadBytes, Decoder, Encoder};
use crate::error::ReadError;
use crate::manifest::{BlockSum, OutputAttempt, put_attempt, take_attempt};
use model::{BlockProblem, VolumeId};

/// First byte of every frame: the version of the protocol.
const VERSION: u8 = 2;

/// Limit on the bytes of a frame, without its length.
pub const MAX_FRAME: usize = 4096;

const MAX_TOKEN: usize = 512;
const MAX_NAME: usize = 512;
const MAX_MESSAGE: usize = 2048;

/// A request.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The application's token.
    pub token: Vec<u8>,
    /// What is wanted.
    pub wanted: Wanted,
}

/// What an executor can have from a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A block of a map output.
    Block {
        /// The volume that the output is on.
        volume: VolumeId,
        /// The attempt whose bytes are wanted.
        output: OutputAttempt,
        /// The reader whose block is wanted.
        reader: u32,
    },
    /// A piece of a blob.
    Piece {
        /// The blob's hash.
        hash: String,
        /// The number of the piece in it.
        piece: u32,
    },
}

/// The head of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockAnswer {
    /// This many bytes follow, with this checksum.
    Found(BlockSum),
    /// The block cannot be read.
    NotFound {
        /// The problem.
        problem: BlockProblem,
        /// An explanation for people.
        message: String,
    },
    /// The token is not this application's.
    Denied,
}

/// The length of a frame from its first four bytes.
pub fn frame_length(length: [u8; 4]) -> Result<usize, BadBytes> {
    match u32::from_le_bytes(length) as usize {
        0 => Err(BadBytes("frame length")),
        length if length > MAX_FRAME => Err(BadBytes("frame length")),
        length => Ok(length),
    }
}

impl Request {
    /// The whole frame, including its length. Fails if the token or a name is too long.
    pub fn encode(&self) -> Result<Vec<u8>, BadBytes> {
        let Self { token, wanted } = self;
        check(token.len(), MAX_TOKEN, "token")?;
        match wanted {
            Wanted::Block { volume, .. } => check(volume.0.len(), MAX_NAME, "volume")?,
            Wanted::Piece { hash, .. } => check(hash.len(), MAX_NAME, "hash")?,
        }
        Ok(frame(|out| {
            out.bytes(token);
            match wanted {
                Wanted::Block { volume, output, reader } => {
                    out.u8(0);
                    out.bytes(volume.0.as_bytes());
                    put_attempt(out, output);
                    out.u32(*reader);
                }
                Wanted::Piece { hash, piece } => {
                    out.u8(1);
                    out.bytes(hash.as_bytes());
                    out.u32(*piece);
                }
            }
        }))
    }

    /// Decodes a frame without its length.
    pub fn decode(frame: &[u8]) -> Result<Self, BadBytes> {
        let mut input = open(frame)?;
        let token = input.bytes(MAX_TOKEN, "token")?.to_vec();
        let wanted = match input.u8("kind")? {
            0 => {
                let volume = VolumeId(input.text(MAX_NAME, "volume")?);
                let output = take_attempt(&mut input)?;
                Wanted::Block { volume, output, reader: input.u32("reader")? }
            }
            1 => {
                let hash = input.text(MAX_NAME, "hash")?;
                Wanted::Piece { hash, piece: input.u32("piece")? }
            }
            _ => return Err(BadBytes("kind")),
        };
        input.finish()?;
        Ok(Self { token, wanted })
    }
}

impl std::fmt::Debug for Request {
    /// Omits the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl BlockAnswer {
    /// The whole frame, including its length. A long message is truncated.
    pub fn encode(&self) -> Vec<u8> {
        frame(|out| match self {
            Self::Found(BlockSum { bytes, crc }) => {
                out.u8(0);
                out.u64(*bytes);
                out.u32(*crc);
            }
            Self::NotFound { problem, message } => {
                out.u8(match problem {
                    BlockProblem::Missing => 1,
                    BlockProblem::Damaged => 2,
                    BlockProblem::Unreachable => 3,
                });
                out.bytes(&message.as_bytes()[..message.floor_char_boundary(MAX_MESSAGE)]);
            }
            Self::Denied => out.u8(4),
        })
    }

    /// Decodes a frame without its length.
    pub fn decode(frame: &[u8]) -> Result<Self, BadBytes> {
        let mut input = open(frame)?;
        let not_found = |input: &mut Decoder<'_>, problem| {
            let message = input.text(MAX_MESSAGE, "message")?;
            Ok(Self::NotFound { problem, message })
        };
        let answer = match input.u8("status")? {
            0 => {
                let bytes = input.u64("bytes")?;
                Self::Found(BlockSum { bytes, crc: input.u32("crc")? })
            }
            1 => not_found(&mut input, BlockProblem::Missing)?,
            2 => not_found(&mut input, BlockProblem::Damaged)?,
            3 => not_found(&mut input, BlockProblem::Unreachable)?,
            4 => Self::Denied,
            _ => return Err(BadBytes("status")),
        };
        input.finish()?;
        Ok(answer)
    }
}

impl From<&ReadError> for BlockAnswer {
    fn from(e: &ReadError) -> Self {
        let mut message = e.to_string();
        let mut cause = std::error::Error::source(e);
        while let Some(e) = cause {
            message = format!("{message}: {e}");
            cause = e.source();
        }
        Self::NotFound { problem: e.problem(), message }
    }
}

fn check(length: usize, limit: usize, field: &'static str) -> Result<(), BadBytes> {
    if length > limit { Err(BadBytes(field)) } else { Ok(()) }
}

fn frame(put: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut out = Encoder::default();
    out.u32(0);
    out.u8(VERSION);
    put(&mut out);
    let length = u32::try_from(out.0.len() - 4).expect("each field has a limit");
    out.0[..4].copy_from_slice(&length.to_le_bytes());
    out.0
}

fn open(frame: &[u8]) -> Result<Decoder<'_>, BadBytes> {
    let mut input = Decoder(frame);
    match input.u8("version")? {
        VERSION => Ok(input),
        _ => Err(BadBytes("version")),
    }
}

#[cfg(test)]
mod tests;
