//! Commits: one wins, nothing is partly visible, nothing is left behind, and errors name what they
//! are about.

use super::*;
use crate::disk::{Disk, RealDisk};
use crate::reader::MapOutputReader;
use crate::testing::{attempt, on, volume, write, written};
use model::Epoch;
use std::fs;
use std::sync::Barrier;

/// Names of the files of the one shuffle, in order.
fn names(volume: &Volume) -> Vec<String> {
    let shuffle = volume.shuffle_dir(attempt(0, 0).id.shuffle);
    let entries = fs::read_dir(shuffle).into_iter().flatten();
    let mut names: Vec<_> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn blocks_come_back_as_they_were_appended() {
    let (_directory, volume) = volume();
    let options = |buffer| WriterOptions { buffer: ByteSize(buffer), ..Default::default() };
    // Everything in one run, a run for some appends, a run for each.
    for (map, buffer) in [(0, u64::MAX), (1, 10), (2, 0)] {
        let mut writer = MapOutputWriter::new(&volume, attempt(map, 0), 4, options(buffer));
        for (reader, bytes) in
            [(2, "aa"), (0, "bbbb"), (2, ""), (2, "cccccccc"), (0, "d"), (3, "eeeeee")]
        {
            writer.append(reader, bytes.into()).unwrap();
        }
        let output = writer.commit(Summary::default()).unwrap().into_output();
        assert_eq!(output.block_bytes, [5, 0, 10, 6]);
        let reader = MapOutputReader::open(&volume, &(&output).into()).unwrap();
        assert_eq!(reader.output(), &output);
        for (n, block) in [(0, "bbbbd"), (1, ""), (2, "aacccccccc"), (3, "eeeeee")] {
            assert_eq!(reader.read_block(n).unwrap(), block.as_bytes(), "buffer of {buffer}");
        }
    }
    assert_eq!(names(&volume), ["0.out", "1.out", "2.out"]);
}

#[test]
fn large_blocks_come_back_too() {
    let (_directory, volume) = volume();
    let block = |length: usize| (0..251).cycle().take(length).collect::<Vec<u8>>();
    let blocks = [3 << 20, 100, 0, 2 << 20].map(block);
    let slices: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
    let output = write(&volume, attempt(0, 0), &slices).into_output();
    let reader = MapOutputReader::open(&volume, &(&output).into()).unwrap();
    for (n, block) in (0..).zip(&blocks) {
        assert!(reader.read_block(n).unwrap() == *block, "block {n}");
    }
}

#[test]
fn the_manifest_is_complete() {
    let (_directory, volume) = volume();
    let output = write(&volume, attempt(4, 2), &[b"abc"]).into_output();
    let reader = MapOutputReader::open(&volume, &attempt(4, 2)).unwrap();
    let manifest = reader.manifest();
    assert_eq!(manifest.output, output);
    assert_eq!(
        (output.id, output.attempt, output.epoch),
        (attempt(4, 2).id, attempt(4, 2).attempt, Epoch(1))
    );
    assert_eq!((output.rows, output.row_checksum, manifest.schema_hash), (7, 8, 9));
    assert_eq!(manifest.extra, b"extra");
    assert_eq!(manifest.engine, env!("CARGO_PKG_VERSION"));
    assert_eq!(&output.volume, volume.id());
}

#[test]
fn an_output_without_rows_or_without_readers_is_an_output() {
    let (_directory, volume) = volume();
    let empty = write(&volume, attempt(0, 0), &[b"", b"", b""]).into_output();
    assert_eq!(empty.block_bytes, [0, 0, 0]);
    let reader = MapOutputReader::open(&volume, &attempt(0, 0)).unwrap();
    assert_eq!(reader.read_block(1).unwrap(), b"");
    let none = write(&volume, attempt(1, 0), &[]).into_output();
    assert_eq!(none.block_bytes, [] as [u64; 0]);
    MapOutputReader::open(&volume, &attempt(1, 0)).unwrap().verify().unwrap();
}

#[test]
fn a_reader_that_does_not_exist_is_an_error() {
    let (_directory, volume) = volume();
    let error = written(&volume, attempt(0, 0), &[b"a", b"b"]).append(2, vec![1]).unwrap_err();
    assert_eq!(error.to_string(), "there is no reader 2: the shuffle has 2");
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let (_directory, volume) = volume();
    let options = WriterOptions { buffer: ByteSize(0), ..Default::default() };
    let mut writer = MapOutputWriter::new(&volume, attempt(0, 0), 1, options);
    writer.append(0, b"spilled".to_vec()).unwrap();
    assert_eq!(names(&volume), ["0-e1-s3-a0-0.tmp"], "the name carries epoch and attempt");
    drop(writer);
    assert_eq!(names(&volume), [] as [&str; 0]);
    drop(written(&volume, attempt(0, 0), &[b"in memory"]));
    assert_eq!(names(&volume), [] as [&str; 0]);
}

#[test]
fn the_first_commit_wins_and_the_second_learns_who_won() {
    let (_directory, volume) = volume();
    let first = write(&volume, attempt(0, 1), &[b"first"]).into_output();
    let second = write(&volume, attempt(0, 0), &[b"second"]);
    assert_eq!(second, Committed::Lost(first));
    assert_eq!(names(&volume), ["0.out"]);
    let reader = MapOutputReader::open(&volume, &attempt(0, 1)).unwrap();
    assert_eq!(reader.read_block(0).unwrap(), b"first");
}

#[test]
fn of_many_attempts_at_once_one_wins() {
    let (_directory, volume) = volume();
    for round in 0..50 {
        let gate = Barrier::new(4);
        let commit = |number: u32| {
            let text = format!("written by {number}");
            let writer = written(&volume, attempt(round, number), &[text.as_bytes()]);
            gate.wait();
            writer.commit(Summary::default()).unwrap()
        };
        let ends: Vec<Committed> = std::thread::scope(|scope| {
            let commit = &commit;
            let threads: Vec<_> = (0..4).map(|n| scope.spawn(move || commit(n))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let won = ends.iter().filter(|end| matches!(end, Committed::Won(_))).count();
        assert_eq!(won, 1);
        let outputs: Vec<MapOutput> = ends.into_iter().map(Committed::into_output).collect();
        assert!(outputs.iter().all(|output| *output == outputs[0]), "all name the same winner");
        let reader = MapOutputReader::open(&volume, &(&outputs[0]).into()).unwrap();
        let text = format!("written by {}", outputs[0].attempt.number);
        assert_eq!(reader.read_block(0).unwrap(), text.as_bytes());
    }
}

#[test]
fn an_attempt_that_is_launched_twice_commits_once() {
    let (_directory, volume) = volume();
    let (one, two) =
        (written(&volume, attempt(0, 0), &[b"a"]), written(&volume, attempt(0, 0), &[b"b"]));
    let won = two.commit(Summary::default()).unwrap();
    assert_eq!(one.commit(Summary::default()).unwrap(), won);
    let reader = MapOutputReader::open(&volume, &attempt(0, 0)).unwrap();
    assert_eq!(reader.read_block(0).unwrap(), b"b");
}

#[test]
fn a_damaged_output_does_not_win_against_its_replacement() {
    let (_directory, volume) = volume();
    write(&volume, attempt(0, 0), &[b"first"]);
    let path = volume.output_path(attempt(0, 0).id);
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] ^= 1;
    fs::write(&path, bytes).unwrap();
    let again = write(&volume, attempt(0, 1), &[b"again"]);
    assert!(matches!(again, Committed::Won(_)), "{again:?}");
    let reader = MapOutputReader::open(&volume, &attempt(0, 1)).unwrap();
    assert_eq!(reader.read_block(0).unwrap(), b"again");
}

#[test]
fn an_older_epoch_may_not_commit_behind_the_fence() {
    let (_directory, volume) = volume();
    let late = written(&volume, attempt(0, 0), &[b"late"]);
    volume.raise_fence(Epoch(2)).unwrap();
    let error = late.commit(Summary::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "volume v1 accepts only commits of epoch-2 and later, not of epoch-1"
    );
    assert_eq!(names(&volume), [] as [&str; 0]);
    let next = OutputAttempt { epoch: Epoch(2), ..attempt(0, 0) };
    assert!(matches!(write(&volume, next, &[b"next"]), Committed::Won(_)));
}

/// A disk with room for this many bytes per write.
#[derive(Debug)]
struct Full(usize);

impl Disk for Full {
    fn write(&self, file: &File, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let room = bytes.len().min(self.0);
        RealDisk.write(file, path, &bytes[..room])?;
        if room < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

#[test]
fn a_full_disk_is_named_and_leaves_nothing() {
    let (directory, real) = volume();
    let full = on(Full(10), directory.path());
    let error = written(&full, attempt(0, 0), &[b"long"]).commit(Summary::default()).unwrap_err();
    assert_eq!(error.to_string(), "volume v1 is full");
    let WriteError::Full(cause) = error else { panic!("{error}") };
    let path = directory.path().join(attempt(0, 0).id.shuffle.to_string());
    let path = path.join("0-e1-s3-a0-0.tmp");
    assert_eq!(cause.to_string(), format!("volume v1: could not write {}", path.display()));
    assert_eq!(names(&real), [] as [&str; 0]);
    assert!(matches!(write(&real, attempt(0, 1), &[b"later"]), Committed::Won(_)));
}

#[test]
fn forcing_to_the_disk_goes_from_the_file_to_its_names() {
    #[derive(Debug, Default)]
    struct Log(std::sync::Mutex<Vec<&'static str>>);
    impl Disk for &'static Log {
        fn sync(&self, _: &File, _: &Path) -> io::Result<()> {
            self.0.lock().unwrap().push("file");
            Ok(())
        }
        fn sync_dir(&self, _: &Path) -> io::Result<()> {
            self.0.lock().unwrap().push("names");
            Ok(())
        }
        fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.0.lock().unwrap().push("rename");
            RealDisk.rename_new(from, to)
        }
    }
    let log: &'static Log = Box::leak(Box::default());
    let (directory, _volume) = volume();
    let volume = on(log, directory.path());
    for (map, durability, steps) in [
        (0, Durability::Process, &["rename"][..]),
        (1, Durability::Machine, &["file", "rename", "names", "names"]),
    ] {
        let options = WriterOptions { durability, ..Default::default() };
        let writer = MapOutputWriter::new(&volume, attempt(map, 0), 1, options);
        log.0.lock().unwrap().clear();
        writer.commit(Summary::default()).unwrap();
        assert_eq!(*log.0.lock().unwrap(), steps);
    }
}

#[test]
fn a_small_output_costs_one_write() {
    #[derive(Debug, Default)]
    struct Count(std::sync::Mutex<u32>);
    impl Disk for &'static Count {
        fn write(&self, file: &File, path: &Path, bytes: &[u8]) -> io::Result<()> {
            *self.0.lock().unwrap() += 1;
            RealDisk.write(file, path, bytes)
        }
    }
    let count: &'static Count = Box::leak(Box::default());
    let (directory, _volume) = volume();
    let volume = on(count, directory.path());
    let block = [1; 1000];
    write(&volume, attempt(0, 0), &[&block[..]; 200]);
    assert_eq!(*count.0.lock().unwrap(), 1);
}
