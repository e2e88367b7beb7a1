//! A volume: a directory with an identity. Promises: a volume of another application or a newer
//! version is refused, unless it is only to be read, and then nothing in it changes; the fence only
//! rises; deleting a map output in place requires the volume's lock.

use crate::disk::{Disk, ReadOnly, RealDisk};
use crate::error::{FileError, VolumeError};
use crate::manifest::OutputAttempt;
use model::{ApplicationId, Epoch, MapOutputId, ShuffleId, VolumeId};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The newest volume format that this version knows.
const FORMAT: u32 = 1;

const IDENTITY: &str = "volume.json";
const FENCE: &str = "volume.fence";
const LOCK: &str = "volume.lock";

/// A directory for map outputs. Several processes may use it at the same time.
#[derive(Debug, Clone)]
pub struct Volume {
    id: VolumeId,
    /// Its id for the application that it belongs to, which is in its files.
    own_id: VolumeId,
    root: PathBuf,
    application: ApplicationId,
    disk: Arc<dyn Disk>,
}

/// Content of `volume.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Identity {
    id: VolumeId,
    application: ApplicationId,
    format: u32,
}

/// The only part of an identity that is the same in every format.
#[derive(Debug, Deserialize)]
struct Format {
    id: VolumeId,
    format: u32,
}

impl Volume {
    /// Makes `root` a volume, or opens it if it already is that volume of that application. The
    /// directory is created if its parent exists.
    pub fn create(
        root: &Path,
        id: VolumeId,
        application: ApplicationId,
    ) -> Result<Self, VolumeError> {
        Self::create_on(root, id, application, Arc::new(RealDisk))
    }

    /// Opens the volume at `root`.
    pub fn open(root: &Path, application: ApplicationId) -> Result<Self, VolumeError> {
        Self::open_on(root, application, Arc::new(RealDisk))
    }

    /// Opens a volume of whichever application, only to read from it. Its id is another one than
    /// for that application, so that it is not mistaken for one of this one's.
    pub fn open_foreign(root: &Path) -> Result<Self, VolumeError> {
        let disk = Arc::new(ReadOnly);
        let Identity { id: own_id, application, format: _ } = read_identity(root, &*disk)?;
        let id = VolumeId::foreign(&application, &own_id);
        Ok(Self { id, own_id, root: root.to_owned(), application, disk })
    }

    /// Like [`create`](Self::create), with other file operations: for tests.
    pub fn create_on(
        root: &Path,
        id: VolumeId,
        application: ApplicationId,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, VolumeError> {
        let own_id = id.clone();
        let volume = Self { id, own_id, root: root.to_owned(), application, disk };
        let root = volume.at("find", root, std::path::absolute(root))?;
        let volume = Self { root, ..volume };
        volume.write_identity()?;
        volume.sync_identity()?;
        let Self { id, own_id: _, root, application, disk } = volume;
        let found = Self::open_on(&root, application, disk)?;
        if found.id != id {
            return Err(VolumeError::OtherVolume { root, found: found.id, wanted: id });
        }
        Ok(found)
    }

    /// Like [`open`](Self::open), with other file operations: for tests.
    pub fn open_on(
        root: &Path,
        application: ApplicationId,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, VolumeError> {
        let root = root.to_owned();
        let Identity { id, application: found, format: _ } = read_identity(&root, &*disk)?;
        if found != application {
            let (volume, wanted) = (id, application);
            return Err(VolumeError::OtherApplication { volume, root, found, wanted });
        }
        Ok(Self { own_id: id.clone(), id, root, application, disk })
    }

    /// The volume's id.
    pub fn id(&self) -> &VolumeId {
        &self.id
    }

    /// Its id in its files.
    pub(crate) fn own_id(&self) -> &VolumeId {
        &self.own_id
    }

    /// Its directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The application that it belongs to.
    pub fn application(&self) -> &ApplicationId {
        &self.application
    }

    /// From now on only attempts of this epoch and later may commit here. A lower epoch than the
    /// current one changes nothing.
    pub fn raise_fence(&self, epoch: Epoch) -> Result<(), FileError> {
        let _lock = self.lock()?;
        if self.fence()? >= epoch {
            return Ok(());
        }
        let path = self.root.join(FENCE);
        let temporary = self.write_temporary("volume.fence.tmp", epoch.0.to_string().as_bytes())?;
        self.at("rename", &temporary, self.disk.rename(&temporary, &path))?;
        self.at("sync", &self.root, self.disk.sync_dir(&self.root))
    }

    /// The lowest epoch that may commit here.
    pub fn fence(&self) -> Result<Epoch, FileError> {
        let path = self.root.join(FENCE);
        match read_all(&*self.disk, &path) {
            Ok(text) => {
                let number = str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
                let bad = || io::Error::new(io::ErrorKind::InvalidData, "it contains no epoch");
                self.at("read", &path, number.map(Epoch).ok_or_else(bad))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Epoch(0)),
            Err(e) => self.at("read", &path, Err(e)),
        }
    }

    /// Whether it has vanished: whatever was on it is lost, and nothing can be written.
    pub fn is_gone(&self) -> bool {
        matches!(self.root.join(IDENTITY).try_exists(), Ok(false))
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    pub(crate) fn shuffle_dir(&self, shuffle: ShuffleId) -> PathBuf {
        self.root.join(shuffle.to_string())
    }

    pub(crate) fn output_path(&self, id: MapOutputId) -> PathBuf {
        self.shuffle_dir(id.shuffle).join(format!("{}.out", id.map))
    }

    /// The path that an attempt writes to. `turn` distinguishes several writers of one attempt,
    /// which a repeated launch causes.
    pub(crate) fn temporary_path(&self, output: &OutputAttempt, turn: u32) -> PathBuf {
        let OutputAttempt { id, attempt, epoch } = output;
        let (map, stage, number) = (id.map, attempt.task.stage.0, attempt.number);
        let name = format!("{map}-e{}-s{stage}-a{number}-{turn}.tmp", epoch.0);
        self.shuffle_dir(id.shuffle).join(name)
    }

    /// Deletes the volume with everything on it. Succeeds if it is already gone.
    ///
    /// No one may use it any more: this is for the end of the application, or of the only process
    /// that mounts it.
    pub fn destroy(self) -> Result<(), FileError> {
        match self.disk.remove_dir(&self.root) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => self.at("remove", &self.root, Err(e)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The lock that permits deleting outputs in place. Released on drop, and when the process
    /// ends.
    pub(crate) fn lock(&self) -> Result<File, FileError> {
        let path = self.root.join(LOCK);
        if self.id.is_foreign() {
            return self.at("lock", &path, Err(io::ErrorKind::ReadOnlyFilesystem.into()));
        }
        // Not through `Disk`: a lock leaves nothing behind when the process ends.
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = self.at("open", &path, open)?;
        self.at("lock", &path, file.lock())?;
        Ok(file)
    }

    /// Deletes a file; succeeds if it is already gone. Returns whether it existed.
    pub(crate) fn remove_if_there(&self, path: &Path) -> Result<bool, FileError> {
        match self.disk.remove(path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => self.at("remove", path, Err(e)),
        }
    }

    /// Adds operation, path and volume to an error.
    pub(crate) fn at<T>(
        &self,
        doing: &'static str,
        path: &Path,
        result: io::Result<T>,
    ) -> Result<T, FileError> {
        result.map_err(|e| FileError::new(doing, path, &self.id, e))
    }

    /// Writes the identity unless there is one.
    fn write_identity(&self) -> Result<(), FileError> {
        match self.disk.create_dir(&self.root) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                return self.at("create directory", &self.root, Err(e));
            }
            Ok(()) | Err(_) => {}
        }
        let path = self.root.join(IDENTITY);
        if self.at("inspect", &path, path.try_exists())? {
            return Ok(());
        }
        let _lock = self.lock()?;
        let Self { id, application, .. } = self;
        let identity =
            Identity { id: id.clone(), application: application.clone(), format: FORMAT };
        let text = serde_json::to_vec_pretty(&identity).expect("texts and a number are JSON");
        let temporary = self.write_temporary("volume.json.tmp", &text)?;
        match self.disk.rename_new(&temporary, &path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => self.at("rename", &temporary, result),
        }
    }

    /// Forces the names to the disk, including those created by others that ended before doing so.
    fn sync_identity(&self) -> Result<(), FileError> {
        self.at("sync", &self.root, self.disk.sync_dir(&self.root))?;
        match self.root.parent().map(|parent| self.disk.sync_dir(parent)) {
            Some(Err(e)) if e.kind() != io::ErrorKind::PermissionDenied => {
                self.at("sync the parent of", &self.root, Err(e))
            }
            // A parent that may not be opened belongs to someone else: the directory is a mount
            // point.
            Some(Ok(()) | Err(_)) | None => Ok(()),
        }
    }

    /// Writes a file in the root, durably. The caller holds the lock.
    fn write_temporary(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, FileError> {
        let path = self.root.join(name);
        self.remove_if_there(&path)?;
        let file = self.at("create", &path, self.disk.create(&path))?;
        self.at("write", &path, self.disk.write(&file, &path, bytes))?;
        self.at("sync", &path, self.disk.sync(&file, &path))?;
        Ok(path)
    }
}

/// The identity of the volume at `root`, if this version knows its format.
fn read_identity(root: &Path, disk: &dyn Disk) -> Result<Identity, VolumeError> {
    let root = root.to_owned();
    let path = root.join(IDENTITY);
    let nameless = VolumeId(root.display().to_string());
    let text = match read_all(disk, &path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(VolumeError::Absent(root)),
        Err(e) => return Err(FileError::new("read", &path, &nameless, e).into()),
    };
    let bad = |source| VolumeError::BadIdentity { path: path.clone(), source };
    let Format { id: volume, format } = serde_json::from_slice(&text).map_err(bad)?;
    if format > FORMAT {
        return Err(VolumeError::NewerFormat { volume, root, found: format, known: FORMAT });
    }
    serde_json::from_slice(&text).map_err(bad)
}

/// The bytes of a small file.
fn read_all(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let mut bytes = vec![0; 4096];
    let mut length = 0;
    loop {
        let n = disk.read_at(&file, path, &mut bytes[length..], length as u64)?;
        if n == 0 {
            bytes.truncate(length);
            return Ok(bytes);
        }
        length += n;
        if length == bytes.len() {
            bytes.resize(2 * length, 0);
        }
    }
}

#[cfg(test)]
mod tests;
