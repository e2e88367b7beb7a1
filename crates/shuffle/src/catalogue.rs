//! The map outputs on the volumes that this process mounts. The disk is the only source of truth;
//! nothing here survives a restart.

use crate::error::{FileError, ReadError};
use crate::manifest::OutputAttempt;
use crate::reader::MapOutputReader;
use crate::volume::Volume;
use crate::volume_reader::VolumeReader;
use model::{MapOutput, MapOutputId, ShuffleId, VolumeId};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// The map outputs found on volumes.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Outputs with a valid manifest and the expected file length. Blocks are checked when they are
    /// read.
    pub outputs: Vec<MapOutput>,
    /// Files that are invalid: each is an output to be rewritten.
    pub damaged: Vec<ReadError>,
}

/// The volumes that a process mounts.
#[derive(Debug, Default)]
pub struct Catalogue {
    volumes: BTreeMap<VolumeId, Arc<VolumeReader>>,
}

impl Catalogue {
    /// A catalogue of these volumes.
    pub fn new(volumes: impl IntoIterator<Item = Volume>) -> Self {
        let reader = |volume: Volume| (volume.id().clone(), Arc::new(VolumeReader::new(volume)));
        Self { volumes: volumes.into_iter().map(reader).collect() }
    }

    /// The volumes, ordered by id.
    pub fn volumes(&self) -> impl Iterator<Item = &Arc<VolumeReader>> {
        self.volumes.values()
    }

    /// A volume, if it is mounted here.
    pub fn volume(&self, id: &VolumeId) -> Option<&Arc<VolumeReader>> {
        self.volumes.get(id)
    }

    /// A reader's block of an output, checked; `None` if the volume is not mounted here, so that a
    /// peer has to be asked.
    pub fn read_block(
        &self,
        output: &MapOutput,
        reader: u32,
    ) -> Option<Result<Vec<u8>, ReadError>> {
        Some(self.volume(&output.volume)?.read_block(&output.into(), reader))
    }

    /// Checks that an output can be read as a whole; `None` if its volume is not mounted here.
    pub fn verify(&self, output: &MapOutput) -> Option<Result<(), ReadError>> {
        Some(self.volume(&output.volume)?.verify(&output.into()))
    }

    /// The volumes of this application, which it may write to.
    pub fn own(&self) -> impl Iterator<Item = &Volume> {
        self.volumes.values().map(|reader| reader.volume()).filter(|it| !it.id().is_foreign())
    }

    /// All outputs on the application's own volumes.
    pub fn inventory(&self) -> Result<Inventory, FileError> {
        let mut inventory = Inventory::default();
        for volume in self.own() {
            volume.scan_into(&mut inventory)?;
        }
        Ok(inventory)
    }

    /// The outputs on volumes of other applications, by volume; of more than `limit` the newest.
    /// What cannot be read is left out.
    pub fn foreign_outputs(&self, limit: usize) -> BTreeMap<VolumeId, Vec<MapOutput>> {
        let volumes = self.volumes.values().map(|reader| reader.volume());
        let foreign = volumes.filter(|volume| volume.id().is_foreign());
        let mut files: Vec<_> = foreign
            .flat_map(|volume| volume.files().into_iter().map(move |(at, id)| (at, volume, id)))
            .collect();
        files.sort_by_key(|(at, _, id)| (Reverse(*at), *id));
        let mut found = BTreeMap::<_, Vec<_>>::new();
        for (_, volume, id) in files.into_iter().take(limit) {
            if let Ok(Some(reader)) = MapOutputReader::open_any(volume, id) {
                found.entry(volume.id().clone()).or_default().push(reader.output().clone());
            }
        }
        found
    }
}

impl Volume {
    /// All outputs on this volume. Damaged ones are reported and do not end the scan.
    pub fn scan(&self) -> Result<Inventory, FileError> {
        let mut inventory = Inventory::default();
        self.scan_into(&mut inventory)?;
        Ok(inventory)
    }

    fn scan_into(&self, inventory: &mut Inventory) -> Result<(), FileError> {
        for (shuffle, directory) in self.shuffles()? {
            let mut maps: Vec<u32> =
                self.list(&directory)?.iter().filter_map(|path| map_of(path)).collect();
            maps.sort_unstable();
            for map in maps {
                match MapOutputReader::open_any(self, MapOutputId { shuffle, map }) {
                    Ok(Some(reader)) => inventory.outputs.push(reader.output().clone()),
                    // Deleted since it was listed.
                    Ok(None) => {}
                    Err(e) => inventory.damaged.push(e),
                }
            }
        }
        Ok(())
    }

    /// When each output that can be found was written.
    fn files(&self) -> Vec<(SystemTime, MapOutputId)> {
        let shuffles = self.shuffles().unwrap_or_default().into_iter();
        let paths = shuffles.flat_map(|(shuffle, directory)| {
            let paths = self.list(&directory).unwrap_or_default();
            paths.into_iter().map(move |path| (shuffle, path))
        });
        let file = |(shuffle, path): (ShuffleId, PathBuf)| {
            let written = path.metadata().and_then(|it| it.modified()).ok()?;
            Some((written, MapOutputId { shuffle, map: map_of(&path)? }))
        };
        paths.filter_map(file).collect()
    }

    /// The directories of the shuffles, in order.
    pub(crate) fn shuffles(&self) -> Result<BTreeMap<ShuffleId, PathBuf>, FileError> {
        let shuffle = |path: PathBuf| {
            let name = path.file_name()?.to_str()?;
            let shuffle = ShuffleId(name.parse().ok()?);
            (shuffle.to_string() == name).then_some((shuffle, path))
        };
        Ok(self.list(self.root())?.into_iter().filter_map(shuffle).collect())
    }

    /// The entries of a directory; none if it was deleted or is not a directory.
    pub(crate) fn list(&self, directory: &Path) -> Result<Vec<PathBuf>, FileError> {
        match self.disk().list(directory) {
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Ok(Vec::new())
            }
            result => self.at("list", directory, result),
        }
    }

    /// Checks that an output exists and all its blocks are intact.
    pub fn verify(&self, output: &OutputAttempt) -> Result<(), ReadError> {
        MapOutputReader::open(self, output)?.verify()
    }
}

/// The map index in a file's name, if it is the name of a map output.
fn map_of(path: &Path) -> Option<u32> {
    let text = path.file_name()?.to_str()?.strip_suffix(".out")?;
    text.parse().ok().filter(|map: &u32| map.to_string() == text)
}

#[cfg(test)]
mod tests;
