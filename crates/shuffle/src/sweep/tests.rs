//! Deletions, and what must stay.

use super::*;
use crate::disk::{Disk, RealDisk};
use crate::testing::{attempt, on, shuffle, volume, write};
use crate::{MapOutputWriter, Summary, WriterOptions};
use model::ByteSize;
use std::fs::File;
use std::time::Duration;

/// A time after everything that the test has done.
fn later() -> SystemTime {
    SystemTime::now() + Duration::from_mins(1)
}

#[test]
fn an_output_is_removed_once() {
    let (_directory, volume) = volume();
    write(&volume, attempt(0, 0), &[b"a"]);
    assert!(volume.remove(&attempt(0, 0)).unwrap());
    assert!(!volume.remove(&attempt(0, 0)).unwrap());
    assert!(volume.scan().unwrap().outputs.is_empty());
}

#[test]
fn the_directory_of_a_shuffle_goes_with_its_last_output_and_comes_back() {
    let (_directory, volume) = volume();
    let written = || volume.shuffle_dir(shuffle(1)).exists();
    write(&volume, attempt(0, 0), &[b"a"]);
    write(&volume, attempt(1, 0), &[b"a"]);
    let writer = written_halfway(&volume);
    volume.remove(&attempt(0, 0)).unwrap();
    volume.remove(&attempt(1, 0)).unwrap();
    assert!(written(), "there is a writer");
    drop(writer);
    write(&volume, attempt(0, 1), &[b"a"]);
    volume.remove(&attempt(0, 1)).unwrap();
    assert!(!written());
    write(&volume, attempt(0, 2), &[b"a"]);
    assert_eq!(volume.scan().unwrap().outputs.len(), 1);
}

/// A writer whose file is there.
fn written_halfway(volume: &Volume) -> MapOutputWriter {
    let options = WriterOptions { buffer: ByteSize(0), ..WriterOptions::default() };
    let mut writer = MapOutputWriter::new(volume, attempt(2, 0), 1, options);
    writer.append(0, vec![0; 1 << 20]).unwrap();
    writer
}

#[test]
fn a_late_removal_does_not_hit_the_next_attempt() {
    let (_directory, volume) = volume();
    let output = write(&volume, attempt(0, 1), &[b"a"]).into_output();
    assert!(!volume.remove(&attempt(0, 0)).unwrap());
    assert_eq!(volume.scan().unwrap().outputs, [output]);
}

#[test]
fn an_unreadable_output_is_removed_whoever_wrote_it() {
    #[derive(Debug)]
    struct Failing(rustix::io::Errno);
    impl Disk for Failing {
        fn read_at(&self, file: &File, path: &Path, buf: &mut [u8], at: u64) -> io::Result<usize> {
            match path.extension() {
                Some(suffix) if suffix == "out" => Err(self.0.into()),
                _ => RealDisk.read_at(file, path, buf, at),
            }
        }
    }
    let (directory, volume) = volume();
    write(&volume, attempt(0, 0), &[b"a"]);
    fs::write(volume.output_path(attempt(0, 0).id), "").unwrap();
    assert!(volume.remove(&attempt(0, 0)).unwrap());
    write(&volume, attempt(0, 0), &[b"a"]);
    let no_descriptor = on(Failing(rustix::io::Errno::MFILE), directory.path());
    no_descriptor.remove(&attempt(0, 0)).expect_err("the output is not to blame");
    let broken = on(Failing(rustix::io::Errno::IO), directory.path());
    assert!(broken.remove(&attempt(0, 0)).unwrap());
}

#[test]
fn a_sweep_removes_what_is_neither_needed_nor_young() {
    let (directory, volume) = volume();
    let wanted = write(&volume, attempt(0, 0), &[b"a"]).into_output();
    let mut unwanted = attempt(0, 0);
    unwanted.id.shuffle = shuffle(2);
    write(&volume, unwanted, &[b"b"]);
    let leftover = volume.temporary_path(&attempt(1, 0), 0);
    fs::write(&leftover, "half").unwrap();
    let trash = directory.path().join(format!("{}.trash", shuffle(3)));
    fs::create_dir(&trash).unwrap();
    fs::write(trash.join("0.out"), "old").unwrap();
    fs::write(directory.path().join("notes.txt"), "not ours").unwrap();
    let keep = BTreeSet::from([shuffle(1)]);

    let swept = volume.sweep(&keep, SystemTime::now() - Duration::from_mins(1)).unwrap();
    assert_eq!((swept.shuffles, swept.leftovers), (vec![], 1), "all but the trash is young");
    assert_eq!(volume.scan().unwrap().outputs.len(), 2);

    let swept = volume.sweep(&keep, later()).unwrap();
    assert_eq!((swept.shuffles, swept.leftovers), (vec![shuffle(2)], 1));
    assert!(swept.failed.is_empty());
    assert!(!leftover.exists() && !trash.exists());
    assert_eq!(volume.scan().unwrap().outputs, [wanted]);
    assert!(directory.path().join("notes.txt").exists());
}

#[test]
fn a_young_file_protects_its_shuffle() {
    let (_directory, volume) = volume();
    write(&volume, attempt(0, 0), &[b"a"]);
    let long_ago = SystemTime::now() - Duration::from_hours(1);
    let age = |path: &Path| File::open(path).unwrap().set_modified(long_ago).unwrap();
    age(&volume.output_path(attempt(0, 0).id));
    age(&volume.shuffle_dir(shuffle(1)));
    let limit = SystemTime::now() - Duration::from_mins(1);
    fs::write(volume.temporary_path(&attempt(1, 0), 0), "being written").unwrap();
    age(&volume.shuffle_dir(shuffle(1)));
    assert!(volume.sweep(&BTreeSet::new(), limit).unwrap().shuffles.is_empty());
    age(&volume.temporary_path(&attempt(1, 0), 0));
    assert_eq!(volume.sweep(&BTreeSet::new(), limit).unwrap().shuffles, [shuffle(1)]);
}

#[test]
fn a_writer_whose_shuffle_is_removed_fails() {
    let (_directory, volume) = volume();
    let options = WriterOptions { buffer: ByteSize(0), ..Default::default() };
    let mut writer = MapOutputWriter::new(&volume, attempt(0, 0), 1, options);
    writer.append(0, b"spilled".to_vec()).unwrap();
    volume.remove_shuffle(shuffle(1)).unwrap();
    writer.commit(Summary::default()).expect_err("its first bytes are gone");
    assert!(volume.scan().unwrap().outputs.is_empty());
    write(&volume, attempt(0, 1), &[b"again"]);
    assert_eq!(volume.scan().unwrap().outputs.len(), 1);
}
