//! The cache of open outputs.

use super::*;
use crate::testing::{attempt, volume, write};
use model::BlockProblem;
use std::fs;

#[test]
fn an_output_is_opened_once_and_forgotten_when_it_is_removed() {
    let (_directory, volume) = volume();
    write(&volume, attempt(0, 0), &[b"a"]);
    let reader = VolumeReader::new(volume);
    let first = reader.open(&attempt(0, 0)).unwrap();
    assert!(Arc::ptr_eq(&first, &reader.open(&attempt(0, 0)).unwrap()));
    assert!(reader.remove(&attempt(0, 0)).unwrap());
    let error = reader.read_block(&attempt(0, 0), 0).unwrap_err();
    assert_eq!(error.problem(), BlockProblem::Missing);
    write(reader.volume(), attempt(0, 1), &[b"b"]);
    assert_eq!(reader.read_block(&attempt(0, 1), 0).unwrap(), b"b");
    reader.remove_shuffle(attempt(0, 1).id.shuffle).unwrap();
    assert!(reader.read_block(&attempt(0, 1), 0).is_err());
}

#[test]
fn an_error_is_retried_before_it_counts() {
    let (_directory, volume) = volume();
    let block = vec![1; 100_000];
    write(&volume, attempt(0, 0), &[&block]);
    let path = volume.output_path(attempt(0, 0).id);
    let reader = VolumeReader::new(volume);
    let right = fs::read(&path).unwrap();
    let mut wrong = right.clone();
    wrong[9] ^= 4;
    fs::write(&path, &wrong).unwrap();
    let error = reader.read_block(&attempt(0, 0), 0).unwrap_err();
    assert_eq!(error.problem(), BlockProblem::Damaged);
    fs::write(&path, &right).unwrap();
    assert_eq!(reader.read_block(&attempt(0, 0), 0).unwrap(), block);
}

#[test]
fn the_cache_is_bounded() {
    let (_directory, volume) = volume();
    let large = vec![1; 70_000];
    let maps = 300;
    for map in 0..maps {
        write(&volume, attempt(map, 0), &[&large]);
    }
    let reader = VolumeReader::new(volume);
    for map in (0..maps).chain(0..maps) {
        assert_eq!(reader.read_block(&attempt(map, 0), 0).unwrap(), large);
        let cache = reader.cache();
        assert!(cache.files <= MAX_FILES && cache.bytes <= MAX_BYTES);
        let files = cache.open.values().filter(|(_, open)| open.weight().1 == 1).count();
        assert_eq!(cache.files, files);
        assert!(cache.open.contains_key(&attempt(map, 0)), "the last one stays");
    }
}
