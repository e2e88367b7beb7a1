//! Artifacts sent by a session's client: local data under `cache/`, files, archives. Kept in
//! memory, each completely or not at all.

use crate::error::{invalid, missing};
use crate::pb;
use crate::pb::add_artifacts_request::{ArtifactChunk, BeginChunkedArtifact, Payload};
use bytes::Bytes;
use errors::{Exception, condition};
use model::{AddedFile, FileKind};
use plan::SparkError;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

type Result<T> = std::result::Result<T, SparkError>;

/// Size limit of a session's artifacts, in bytes: the local data that clients are allowed to send,
/// and some files.
const MAX_SESSION_BYTES: usize = 4 << 30;

/// Prefix of the names of artifacts that are named by their hash.
pub(crate) const CACHE: &str = "cache/";

/// The artifacts of one session, by name.
#[derive(Debug, Default)]
pub(crate) struct Artifacts {
    stored: Mutex<BTreeMap<String, Bytes>>,
}

impl Artifacts {
    pub(crate) fn get(&self, name: &str) -> Option<Bytes> {
        self.lock().get(name).cloned()
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.lock().contains_key(name)
    }

    /// Drops an artifact.
    pub(crate) fn remove(&self, name: &str) {
        self.lock().remove(name);
    }

    /// A copy for a cloned session; it shares the bytes.
    pub(crate) fn fork(&self) -> Self {
        Self { stored: Mutex::new(self.lock().clone()) }
    }

    fn put(&self, name: String, bytes: Bytes) -> Result<()> {
        let mut stored = self.lock();
        let taken = stored.get(&name).is_some_and(|known| *known != bytes);
        if taken && !name.starts_with(CACHE) {
            return Err(already_exists(&name));
        }
        if let Some(other) = stored.keys().find(|other| are_nested(other, &name)) {
            return Err(nested(&name, other));
        }
        let others: usize =
            stored.iter().filter(|(key, _)| **key != name).map(|(_, b)| b.len()).sum();
        if others + bytes.len() > MAX_SESSION_BYTES {
            return Err(too_large());
        }
        stored.insert(name, bytes);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Bytes>> {
        // The map is consistent after every single operation, so a panic elsewhere does not corrupt
        // it.
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file that an artifact is, for functions.
pub(crate) fn added_file(name: &str, bytes: &[u8]) -> Option<AddedFile> {
    let (kind, name) = kind_of(name)?;
    let hash = blake3::hash(bytes).to_hex().to_string();
    Some(AddedFile { kind, name: name.to_owned(), hash })
}

/// What a file is that functions find, and its own name.
fn kind_of(name: &str) -> Option<(FileKind, &str)> {
    let (kind, name) = name.split_once('/')?;
    let kind = match kind {
        "files" => FileKind::File,
        "pyfiles" => FileKind::Python,
        "archives" => FileKind::Archive,
        _ => return None,
    };
    Some((kind, name))
}

/// Whether one of two artifacts would have its place below the other, as if that were a directory.
fn are_nested(one: &str, other: &str) -> bool {
    let place = |name| kind_of(name).map(|(kind, name)| kind.place(name));
    let (Some(one), Some(other)) = (place(one), place(other)) else { return false };
    let is_below = |path: &str, directory: &str| {
        path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
    };
    is_below(one, other) || is_below(other, one)
}

fn already_exists(name: &str) -> SparkError {
    exists(name, format!("The artifact {name} already exists."))
}

fn nested(name: &str, other: &str) -> SparkError {
    let problem = format!(
        "The artifact {name} cannot be added: the artifact {other} already exists, and one of them would be a directory that the other one lies in."
    );
    exists(other, problem)
}

fn exists(name: &str, problem: String) -> SparkError {
    let message = format!(
        "{problem} Please choose a different name for the new artifact because it cannot be overwritten."
    );
    let parameters = [("normalizedRemoteRelativePath", name)];
    SparkError::new(condition::ARTIFACT_ALREADY_EXISTS, message, &parameters)
}

fn too_large() -> SparkError {
    SparkError::plain(
        Exception::Spark,
        format!("The artifacts of a session must not be larger than {MAX_SESSION_BYTES} bytes."),
    )
}

/// One upload: requests come in, summaries go out.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    open: Option<Chunked>,
    summaries: Vec<pb::add_artifacts_response::ArtifactSummary>,
}

/// An artifact sent in several requests.
#[derive(Debug)]
struct Chunked {
    name: String,
    total_bytes: usize,
    chunks_left: i64,
    intact: bool,
    bytes: Vec<u8>,
}

impl Upload {
    /// Handles the next request of the stream.
    pub(crate) fn add(&mut self, payload: Option<Payload>, artifacts: &Artifacts) -> Result<()> {
        match payload.ok_or_else(|| missing("add_artifacts.payload"))? {
            Payload::Batch(batch) => {
                self.expect_none_open()?;
                for artifact in batch.artifacts {
                    let chunk = artifact.data.ok_or_else(|| missing("artifact.data"))?;
                    let intact = is_intact(&chunk);
                    self.store(artifact.name, chunk.data, intact, artifacts)?;
                }
                Ok(())
            }
            Payload::BeginChunk(begin) => {
                self.expect_none_open()?;
                self.begin(begin)?;
                self.close_if_complete(artifacts)
            }
            Payload::Chunk(chunk) => {
                let open = self.open.as_mut().ok_or_else(|| {
                    invalid("A chunk of an artifact came before the artifact was started.")
                })?;
                open.take(&chunk)?;
                self.close_if_complete(artifacts)
            }
        }
    }

    /// Ends the upload.
    pub(crate) fn finish(self) -> Result<Vec<pb::add_artifacts_response::ArtifactSummary>> {
        self.expect_none_open()?;
        Ok(self.summaries)
    }

    fn begin(&mut self, message: BeginChunkedArtifact) -> Result<()> {
        let total_bytes = usize::try_from(message.total_bytes)
            .map_err(|_| invalid("The size of an artifact must not be negative."))?;
        if total_bytes > MAX_SESSION_BYTES {
            return Err(too_large());
        }
        let mut open = Chunked {
            name: message.name,
            total_bytes,
            chunks_left: message.num_chunks,
            intact: true,
            bytes: Vec::new(),
        };
        open.take(&message.initial_chunk.ok_or_else(|| missing("begin_chunk.initial_chunk"))?)?;
        self.open = Some(open);
        Ok(())
    }

    fn close_if_complete(&mut self, artifacts: &Artifacts) -> Result<()> {
        if self.open.as_ref().is_none_or(|open| open.chunks_left > 0) {
            return Ok(());
        }
        let Some(open) = self.open.take() else { return Ok(()) };
        if open.bytes.len() != open.total_bytes {
            return Err(invalid(format!(
                "The artifact {} was announced with {} bytes but has {}.",
                open.name,
                open.total_bytes,
                open.bytes.len()
            )));
        }
        self.store(open.name, open.bytes.into(), open.intact, artifacts)
    }

    fn store(
        &mut self,
        name: String,
        data: Bytes,
        intact: bool,
        artifacts: &Artifacts,
    ) -> Result<()> {
        check_name(&name)?;
        if intact {
            artifacts.put(name.clone(), data)?;
        }
        self.summaries
            .push(pb::add_artifacts_response::ArtifactSummary { name, is_crc_successful: intact });
        Ok(())
    }

    fn expect_none_open(&self) -> Result<()> {
        match &self.open {
            None => Ok(()),
            Some(open) => Err(invalid(format!(
                "The artifact {} is not complete: {} chunks are missing.",
                open.name, open.chunks_left
            ))),
        }
    }
}

impl Chunked {
    fn take(&mut self, chunk: &ArtifactChunk) -> Result<()> {
        if self.bytes.len() + chunk.data.len() > self.total_bytes {
            return Err(invalid(format!(
                "The artifact {} is larger than the {} bytes it was announced with.",
                self.name, self.total_bytes
            )));
        }
        self.intact &= is_intact(chunk);
        self.bytes.extend_from_slice(&chunk.data);
        self.chunks_left -= 1;
        Ok(())
    }
}

fn is_intact(chunk: &ArtifactChunk) -> bool {
    i64::from(crc32fast::hash(&chunk.data)) == chunk.crc
}

/// Accepts local data and files for functions; what Spark would load into a JVM, or store
/// elsewhere, is refused by name.
fn check_name(name: &str) -> Result<()> {
    let unsafe_part = |part: &str| matches!(part, "" | "." | "..");
    if added_file(name, &[]).is_some_and(|file| !file.is_safe()) {
        return Err(invalid(format!("`{name}` is not the name of an artifact.")));
    }
    match name.split_once('/') {
        Some((_, rest)) if rest.split('/').any(unsafe_part) => {
            Err(invalid(format!("`{name}` is not the name of an artifact.")))
        }
        Some(("cache" | "pyfiles" | "archives" | "files", _)) => Ok(()),
        Some((kind @ ("jars" | "forward_to_fs"), _)) => {
            Err(SparkError::unsupported(format_args!("An artifact of the kind {kind} ({name})")))
        }
        _ => Err(invalid(format!("`{name}` is not the name of an artifact."))),
    }
}
