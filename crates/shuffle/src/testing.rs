//! Shared test fixtures: a volume in a temporary directory, and outputs on it.

use crate::{Committed, Disk, MapOutputWriter, OutputAttempt, Summary, Volume, WriterOptions};
use model::{ApplicationId, Attempt, Epoch, Fingerprint, MapOutputId};
use model::{ShuffleId, StageId, TaskId, VolumeId};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

pub(crate) fn application() -> ApplicationId {
    ApplicationId("app-1".to_owned())
}

pub(crate) fn volume() -> (TempDir, Volume) {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let volume = Volume::create(directory.path(), VolumeId("v1".to_owned()), application())
        .expect("the directory is empty");
    (directory, volume)
}

/// The same volume, as another process with other file operations sees it.
pub(crate) fn on(disk: impl Disk + 'static, root: &Path) -> Volume {
    Volume::open_on(root, application(), Arc::new(disk)).expect("it is a volume")
}

pub(crate) fn shuffle(n: u8) -> ShuffleId {
    ShuffleId(Fingerprint([n; 32]))
}

/// An attempt to write a map output of shuffle 1.
pub(crate) fn attempt(map: u32, number: u32) -> OutputAttempt {
    let task = TaskId { stage: StageId(3), partition: map };
    let id = MapOutputId { shuffle: shuffle(1), map };
    OutputAttempt { id, attempt: Attempt { task, number }, epoch: Epoch(1) }
}

/// A writer with all blocks appended.
pub(crate) fn written(volume: &Volume, output: OutputAttempt, blocks: &[&[u8]]) -> MapOutputWriter {
    let readers = u32::try_from(blocks.len()).expect("a test has few blocks");
    let mut writer = MapOutputWriter::new(volume, output, readers, WriterOptions::default());
    for (reader, block) in (0..).zip(blocks) {
        writer.append(reader, block.to_vec()).expect("the reader is there");
    }
    writer
}

pub(crate) fn write(volume: &Volume, output: OutputAttempt, blocks: &[&[u8]]) -> Committed {
    let summary = Summary { rows: 7, row_checksum: 8, schema_hash: 9, extra: b"extra".to_vec() };
    written(volume, output, blocks).commit(summary).expect("the volume takes it")
}
