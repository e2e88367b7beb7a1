//! Errors of volumes, as data: callers decide by the variant.

use crate::codec::BadBytes;
use crate::manifest::OutputAttempt;
use model::{ApplicationId, BlockProblem, Epoch, VolumeId};
use std::io;
use std::path::{Path, PathBuf};

/// The file system failed an operation.
#[derive(Debug, thiserror::Error)]
#[error("volume {volume}: could not {doing} {}", path.display())]
pub struct FileError {
    /// The operation, as a verb.
    pub doing: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// The volume.
    pub volume: VolumeId,
    /// The reason.
    pub source: io::Error,
}

impl FileError {
    /// Whether the volume is full. (It can still be read.)
    pub fn is_full(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        )
    }

    /// Whether the medium cannot return the bytes, now or later.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.source.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
    }

    pub(crate) fn new(doing: &'static str, path: &Path, volume: &VolumeId, e: io::Error) -> Self {
        Self { doing, path: path.to_owned(), volume: volume.clone(), source: e }
    }
}

/// A directory cannot be used as a volume.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The file system failed an operation.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no volume in the directory.
    #[error("{} is not a volume: it has no volume.json", .0.display())]
    Absent(PathBuf),
    /// Its identity file is invalid.
    #[error("{} does not describe a volume", path.display())]
    BadIdentity {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// It belongs to another application.
    #[error("volume {volume} at {} belongs to application {found}, not to {wanted}", root.display())]
    OtherApplication {
        /// The volume.
        volume: VolumeId,
        /// Its directory.
        root: PathBuf,
        /// The application that it belongs to.
        found: ApplicationId,
        /// This application.
        wanted: ApplicationId,
    },
    /// Another volume is mounted there.
    #[error("{} holds volume {found}, not {wanted}", root.display())]
    OtherVolume {
        /// The directory.
        root: PathBuf,
        /// The volume found there.
        found: VolumeId,
        /// The volume expected there.
        wanted: VolumeId,
    },
    /// It was written by a newer version of Firesteel.
    #[error("volume {volume} at {} has format {found}; this version knows formats up to {known}", root.display())]
    NewerFormat {
        /// The volume.
        volume: VolumeId,
        /// Its directory.
        root: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
}

/// A map output could not be written. Nothing of it is visible.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The volume is full; others may have room.
    #[error("volume {} is full", .0.volume)]
    Full(#[source] FileError),
    /// The file system failed an operation.
    #[error(transparent)]
    File(FileError),
    /// A newer driver has taken over; attempts launched by an older one may not commit.
    #[error("volume {volume} accepts only commits of {fence} and later, not of {epoch}")]
    Fenced {
        /// The volume.
        volume: VolumeId,
        /// Epoch of the attempt.
        epoch: Epoch,
        /// Lowest epoch that may commit.
        fence: Epoch,
    },
    /// The shuffle has fewer readers.
    #[error("there is no reader {reader}: the shuffle has {readers}")]
    NoSuchReader {
        /// The given reader.
        reader: u32,
        /// The number of readers.
        readers: u32,
    },
    /// The output in place keeps appearing and disappearing, so that nothing could be committed.
    #[error("{}: another output was in place at each attempt", .0.display())]
    Contended(PathBuf),
}

impl From<FileError> for WriteError {
    fn from(e: FileError) -> Self {
        if e.is_full() { Self::Full(e) } else { Self::File(e) }
    }
}

/// A map output or one of its blocks could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It does not exist, or the existing one was written by another attempt.
    #[error("map output {} of {} does not exist", .wanted.id.map, .wanted.attempt)]
    Missing {
        /// The output to be read.
        wanted: Box<OutputAttempt>,
        /// Its path.
        path: PathBuf,
        /// The output found there instead.
        found: Option<Box<OutputAttempt>>,
    },
    /// It exists, but its bytes are not the ones that were written.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The damage.
        source: Damage,
    },
    /// The file system failed an operation.
    #[error(transparent)]
    File(#[from] FileError),
}

impl ReadError {
    /// The problem as the scheduler classifies it.
    pub fn problem(&self) -> BlockProblem {
        match self {
            Self::Missing { .. } => BlockProblem::Missing,
            Self::Damaged { .. } => BlockProblem::Damaged,
            Self::File(_) => BlockProblem::Unreachable,
        }
    }
}

/// Damage to a map output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// No trailer at the end: truncated, overwritten, or never a map output.
    #[error("it does not end like a map output of a known format")]
    Trailer,
    /// The file's length differs from that of its parts.
    #[error("it has {found} bytes, but its parts have {expected}")]
    Length {
        /// Bytes of its manifest and blocks.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// The manifest's checksum is wrong.
    #[error("the checksum of its manifest is wrong")]
    ManifestChecksum,
    /// The manifest does not decode.
    #[error("its manifest cannot be decoded")]
    Manifest(#[from] BadBytes),
    /// Its path differs from the one in its manifest.
    #[error("its manifest belongs to another map output")]
    Place,
    /// A block's checksum is wrong.
    #[error("the checksum of the block for reader {reader} is wrong")]
    Block {
        /// The block's reader.
        reader: u32,
    },
    /// The file ended while a block was read.
    #[error("the block for reader {reader} is truncated")]
    Cut {
        /// The block's reader.
        reader: u32,
    },
    /// There is no such block.
    #[error("it has no block for reader {reader}")]
    NoSuchReader {
        /// The requested reader.
        reader: u32,
    },
}
