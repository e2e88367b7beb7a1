//! Reads return the bytes written, or an error that names the problem; never other bytes.

use super::*;
use crate::disk::{Disk, RealDisk};
use crate::testing::{attempt, on, shuffle, volume, write};
use model::BlockProblem;
use std::fs;

const BLOCKS: [&[u8]; 4] = [b"alpha", b"", b"gamma gamma", b"d"];

/// Reads every block of the attempt's output; `Err` if any cannot be read.
fn read_all(volume: &Volume, wanted: &OutputAttempt) -> Result<Vec<Vec<u8>>, ReadError> {
    let reader = MapOutputReader::open(volume, wanted)?;
    (0..reader.manifest().readers()).map(|n| reader.read_block(n)).collect()
}

/// An output, and its file's bytes.
fn given() -> (tempfile::TempDir, Volume, PathBuf, Vec<u8>) {
    let (directory, volume) = volume();
    write(&volume, attempt(0, 0), &BLOCKS);
    let path = volume.output_path(attempt(0, 0).id);
    let bytes = fs::read(&path).unwrap();
    (directory, volume, path, bytes)
}

#[test]
fn every_changed_byte_is_noticed() {
    let (_directory, volume, path, bytes) = given();
    for index in 0..bytes.len() {
        for change in [1, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[index] ^= change;
            fs::write(&path, changed).unwrap();
            let error = read_all(&volume, &attempt(0, 0)).expect_err("a byte is wrong");
            assert_eq!(error.problem(), BlockProblem::Damaged, "byte {index}: {error}");
        }
    }
}

#[test]
fn every_other_length_is_noticed() {
    let (_directory, volume, path, bytes) = given();
    for length in 0..bytes.len() {
        for filler in [None, Some(0)] {
            let mut changed = bytes[..length].to_vec();
            changed.resize(filler.map_or(length, |_| bytes.len()), 0);
            fs::write(&path, changed).unwrap();
            let error = read_all(&volume, &attempt(0, 0)).expect_err("the end is gone");
            assert_eq!(error.problem(), BlockProblem::Damaged, "{length} bytes: {error}");
        }
    }
    for (name, changed) in [
        ("a byte before", [b"x", &bytes[..]].concat()),
        ("a byte after", [&bytes[..], b"x"].concat()),
        ("twice", [&bytes[..], &bytes[..]].concat()),
    ] {
        fs::write(&path, changed).unwrap();
        assert!(read_all(&volume, &attempt(0, 0)).is_err(), "{name}");
    }
}

#[test]
fn a_damaged_block_does_not_spoil_the_others() {
    let (_directory, volume, path, mut bytes) = given();
    bytes[5] ^= 1; // the first of "gamma gamma"
    fs::write(&path, bytes).unwrap();
    let reader = MapOutputReader::open(&volume, &attempt(0, 0)).unwrap();
    assert_eq!(reader.read_block(0).unwrap(), BLOCKS[0]);
    let error = reader.read_block(2).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "the checksum of the block for reader 2 is wrong");
    assert_eq!(error.to_string(), format!("{} is damaged", path.display()));
    assert_eq!(reader.verify().unwrap_err().problem(), BlockProblem::Damaged);
}

#[test]
fn only_the_requested_attempt_is_read() {
    let (_directory, volume, ..) = given();
    let other_attempt = attempt(0, 1);
    let other_epoch = OutputAttempt { epoch: model::Epoch(2), ..attempt(0, 0) };
    let other_map = attempt(1, 0);
    for wanted in [other_attempt, other_epoch, other_map] {
        let error = read_all(&volume, &wanted).unwrap_err();
        assert_eq!(error.problem(), BlockProblem::Missing, "{error}");
    }
    assert_eq!(read_all(&volume, &attempt(0, 0)).unwrap(), BLOCKS);
}

#[test]
fn an_output_under_another_name_is_refused() {
    let (_directory, volume, path, _) = given();
    let elsewhere = MapOutputId { shuffle: shuffle(2), map: 0 };
    for id in [MapOutputId { map: 1, ..attempt(0, 0).id }, elsewhere] {
        fs::create_dir_all(volume.shuffle_dir(id.shuffle)).unwrap();
        fs::copy(&path, volume.output_path(id)).unwrap();
        let wanted = OutputAttempt { id, ..attempt(0, 0) };
        let error = MapOutputReader::open(&volume, &wanted).unwrap_err();
        assert_eq!(error.problem(), BlockProblem::Damaged, "{error}");
    }
}

#[test]
fn a_reader_beyond_the_last_is_an_error() {
    let (_directory, volume, ..) = given();
    let reader = MapOutputReader::open(&volume, &attempt(0, 0)).unwrap();
    assert_eq!(reader.read_block(4).unwrap_err().problem(), BlockProblem::Damaged);
    assert!(reader.block(u32::MAX).is_err());
}

#[test]
fn raw_pieces_are_the_block_and_its_sum_checks_them() {
    let (_directory, volume) = volume();
    // Larger than the cache, in three runs.
    let parts: Vec<Vec<u8>> = (1..=3).map(|n| vec![n; 40_000]).collect();
    let options = crate::WriterOptions { buffer: model::ByteSize(40_001), ..Default::default() };
    let mut writer = crate::MapOutputWriter::new(&volume, attempt(0, 0), 2, options);
    for part in &parts {
        writer.append(1, part.clone()).unwrap();
        writer.append(0, b"xx".to_vec()).unwrap();
    }
    writer.commit(crate::Summary::default()).unwrap();
    let reader = MapOutputReader::open(&volume, &attempt(0, 0)).unwrap();
    assert_eq!(reader.manifest().extents(1).count(), 3);
    let block = parts.concat();
    for size in [7_001, 40_000, 120_000, 500_000] {
        let mut pieces = Vec::new();
        let mut buffer = vec![0; size];
        loop {
            let n = reader.read_raw_at(1, pieces.len() as u64, &mut buffer).unwrap();
            pieces.extend_from_slice(&buffer[..n]);
            if n < size {
                break;
            }
        }
        assert!(pieces == block, "pieces of {size}");
    }
    assert_eq!(BlockSum::of(&reader.read_raw(1).unwrap()), reader.block(1).unwrap());
    assert_eq!(reader.read_raw_at(1, 120_000, &mut [0; 4]).unwrap(), 0);
    assert_eq!(reader.read_raw_at(1, u64::MAX, &mut [0; 4]).unwrap(), 0);
}

/// A disk that cannot be read.
#[derive(Debug)]
struct Unreadable;

impl Disk for Unreadable {
    fn read_at(&self, file: &File, path: &Path, buf: &mut [u8], at: u64) -> io::Result<usize> {
        if path.extension().is_some_and(|suffix| suffix == "out") {
            return Err(rustix::io::Errno::IO.into());
        }
        // In small pieces, as a network file system may.
        let piece = buf.len().min(7);
        RealDisk.read_at(file, path, &mut buf[..piece], at)
    }
}

#[test]
fn a_disk_that_cannot_be_read_is_named() {
    let (directory, _volume, path, _) = given();
    let volume = on(Unreadable, directory.path());
    let error = read_all(&volume, &attempt(0, 0)).unwrap_err();
    assert_eq!(error.to_string(), format!("volume v1: could not read {}", path.display()));
    assert_eq!(error.problem(), BlockProblem::Unreachable);
}
