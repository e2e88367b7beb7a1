//! What can go wrong on a volume, as data: callers decide by the variant.

use crate::codec::BadBytes;
use crate::manifest::OutputAttempt;
use model::{ApplicationId, BlockProblem, Epoch, VolumeId};
use std::io;
use std::path::{Path, PathBuf};

/// The file system refused an operation.
#[derive(Debug, thiserror::Error)]
#[error("volume {volume}: could not {doing} {}", path.display())]
pub struct FileError {
    /// The operation, as a verb.
    pub doing: &'static str,
    /// On which file or directory.
    pub path: PathBuf,
    /// On which volume.
    pub volume: VolumeId,
    /// The reason.
    pub source: io::Error,
}

impl FileError {
    /// Whether the volume has no room left. (Others may still read from it.)
    pub fn is_full(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        )
    }

    /// Whether the medium cannot give the bytes back, now or later.
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
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no volume there.
    #[error("{} is not a volume: it has no volume.json", .0.display())]
    Absent(PathBuf),
    /// Its identity file cannot be read.
    #[error("{} does not describe a volume", path.display())]
    BadIdentity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It belongs to another application.
    #[error("volume {volume} at {} belongs to application {found}, not to {wanted}", root.display())]
    OtherApplication {
        /// Which volume it is.
        volume: VolumeId,
        /// Where.
        root: PathBuf,
        /// Its application.
        found: ApplicationId,
        /// Ours.
        wanted: ApplicationId,
    },
    /// Another volume is mounted there.
    #[error("{} holds volume {found}, not {wanted}", root.display())]
    OtherVolume {
        /// Where.
        root: PathBuf,
        /// Which it is.
        found: VolumeId,
        /// Which it should be.
        wanted: VolumeId,
    },
    /// A newer version of Firesteel wrote it.
    #[error("volume {volume} at {} has format {found}; this version knows formats up to {known}", root.display())]
    NewerFormat {
        /// Which volume.
        volume: VolumeId,
        /// Where.
        root: PathBuf,
        /// Its format.
        found: u32,
        /// The newest one known here.
        known: u32,
    },
}

/// A map output could not be written. Nothing of it is visible.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is no room left on the volume: others may have more.
    #[error("volume {} is full", .0.volume)]
    Full(#[source] FileError),
    /// The file system refused.
    #[error(transparent)]
    File(FileError),
    /// A newer driver has taken over; what an older one launched may not commit.
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
        /// The reader that was named.
        reader: u32,
        /// How many there are.
        readers: u32,
    },
    /// The output that is in place comes and goes, or stays damaged: nothing could be committed.
    #[error("{}: another output was in the way each time", .0.display())]
    Contended(PathBuf),
}

impl From<FileError> for WriteError {
    fn from(e: FileError) -> Self {
        if e.is_full() { Self::Full(e) } else { Self::File(e) }
    }
}

/// A map output or a block of it could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not there, or what is there was written by another attempt.
    #[error("map output {} of {} is not there", .wanted.id.map, .wanted.attempt)]
    Missing {
        /// What was wanted.
        wanted: Box<OutputAttempt>,
        /// Where it should be.
        path: PathBuf,
        /// What is there instead.
        found: Option<Box<OutputAttempt>>,
    },
    /// It is there, and its bytes are not those that were written.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Damage,
    },
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

impl ReadError {
    /// The same for the scheduler.
    pub fn problem(&self) -> BlockProblem {
        match self {
            Self::Missing { .. } => BlockProblem::Missing,
            Self::Damaged { .. } => BlockProblem::Damaged,
            Self::File(_) => BlockProblem::Unreachable,
        }
    }
}

/// What is wrong with the bytes of a map output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// No trailer at the end: cut off, overwritten, or never a map output.
    #[error("it does not end as a map output of a known format does")]
    Trailer,
    /// The file is not as long as its parts.
    #[error("it has {found} bytes, its parts have {expected}")]
    Length {
        /// Bytes that its manifest and blocks need.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The manifest's checksum is wrong.
    #[error("the checksum of its manifest is wrong")]
    ManifestChecksum,
    /// The manifest does not decode.
    #[error("its manifest cannot be read")]
    Manifest(#[from] BadBytes),
    /// It lies under another name than its manifest says.
    #[error("its manifest is that of another map output")]
    Place,
    /// A block's checksum is wrong.
    #[error("the checksum of the block for reader {reader} is wrong")]
    Block {
        /// Whose block.
        reader: u32,
    },
    /// The file ended early while a block was read.
    #[error("the block for reader {reader} ends too early")]
    Cut {
        /// Whose block.
        reader: u32,
    },
    /// There is no such block.
    #[error("it has no block for reader {reader}")]
    NoSuchReader {
        /// Whose block was asked for.
        reader: u32,
    },
}
