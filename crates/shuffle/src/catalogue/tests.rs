//! What is found on volumes.

use super::*;
use crate::testing::{application, attempt, volume, write};
use model::BlockProblem;
use std::fs;

#[test]
fn committed_outputs_are_found_and_nothing_else() {
    let (directory, volume) = volume();
    let outputs: Vec<MapOutput> =
        [0, 2, 10].map(|map| write(&volume, attempt(map, 1), &[b"abc"]).into_output()).into();
    let shuffle = volume.shuffle_dir(attempt(0, 0).id.shuffle);
    fs::write(shuffle.join("7-e1-s3-a0-0.tmp"), "half").unwrap();
    fs::copy(shuffle.join("2.out"), shuffle.join("02.out")).unwrap();
    fs::write(shuffle.join("x.out"), "not ours").unwrap();
    fs::write(directory.path().join("notes.txt"), "not ours").unwrap();
    fs::write(directory.path().join("ab".repeat(32)), "a file with a shuffle's name").unwrap();
    fs::create_dir(directory.path().join("AB".repeat(32))).unwrap();
    let inventory = volume.scan().unwrap();
    assert_eq!(inventory.outputs, outputs);
    assert!(inventory.damaged.is_empty(), "{:?}", inventory.damaged);
}

#[test]
fn damaged_outputs_are_reported_and_do_not_hide_others() {
    let (_directory, volume) = volume();
    let sound = write(&volume, attempt(9, 0), &[b"abc"]).into_output();
    let path = |map| volume.output_path(attempt(map, 0).id);
    for map in 0..4 {
        write(&volume, attempt(map, 0), &[b"abc"]);
    }
    let bytes = fs::read(path(0)).unwrap();
    fs::write(path(0), "").unwrap();
    fs::write(path(1), &bytes[1..]).unwrap();
    fs::write(path(2), &bytes[..bytes.len() - 1]).unwrap();
    fs::write(path(3), &bytes).unwrap(); // that of another map task
    let inventory = volume.scan().unwrap();
    assert_eq!(inventory.outputs, [sound]);
    let problems: Vec<_> = inventory.damaged.iter().map(ReadError::problem).collect();
    assert_eq!(problems, [BlockProblem::Damaged; 4]);
}

#[test]
fn a_catalogue_reads_from_the_volume_that_an_output_names() {
    let (_directory_1, one) = volume();
    let directory_2 = tempfile::tempdir().unwrap();
    let two = Volume::create(directory_2.path(), VolumeId("v2".to_owned()), application()).unwrap();
    let on_one = write(&one, attempt(0, 0), &[b"one"]).into_output();
    let on_two = write(&two, attempt(1, 0), &[b"two"]).into_output();
    let catalogue = Catalogue::new([two, one.clone()]);
    assert_eq!(catalogue.volumes().count(), 2);
    assert_eq!(catalogue.inventory().unwrap().outputs, [on_one.clone(), on_two.clone()]);
    assert_eq!(catalogue.read_block(&on_one, 0).unwrap().unwrap(), b"one");
    assert_eq!(catalogue.read_block(&on_two, 0).unwrap().unwrap(), b"two");
    let elsewhere = MapOutput { volume: VolumeId("v3".to_owned()), ..on_one.clone() };
    assert!(catalogue.read_block(&elsewhere, 0).is_none());
    one.verify(&(&on_one).into()).unwrap();
}
