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

/// A file's content and time, of all files under a directory.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(contents(&entry.path()));
        } else {
            found.insert(entry.path(), fs::read(entry.path()).unwrap());
        }
    }
    found
}

#[test]
fn outputs_of_another_application_are_read_and_never_changed() {
    let (directory, theirs) = volume();
    for map in 0..3 {
        write(&theirs, attempt(map, 1), &[b"abc", b"de"]);
    }
    let old = fs::File::options().write(true).open(theirs.output_path(attempt(1, 1).id)).unwrap();
    old.set_modified(SystemTime::now() - std::time::Duration::from_hours(1)).unwrap();
    let foreign = Volume::open_foreign(directory.path()).unwrap();
    assert_eq!(foreign.id(), &VolumeId("app-1/v1".to_owned()));
    let before = contents(directory.path());
    let catalogue = Catalogue::new([foreign.clone()]);
    assert!(catalogue.inventory().unwrap().outputs.is_empty(), "they are not this application's");
    let maps = |limit| -> Vec<u32> {
        let found = catalogue.foreign_outputs(limit);
        let mut maps: Vec<u32> = found[foreign.id()].iter().map(|output| output.id.map).collect();
        maps.sort_unstable();
        maps
    };
    assert_eq!(maps(10), [0, 1, 2]);
    assert_eq!(maps(2), [0, 2], "the newest");
    let found = catalogue.foreign_outputs(10).remove(foreign.id()).unwrap();
    let output = found.into_iter().find(|output| output.id.map == 0).unwrap();
    assert!(output.volume.is_foreign());
    assert_eq!(catalogue.read_block(&output, 1).unwrap().unwrap(), b"de");
    // Whatever is tried.
    assert!(!catalogue.volume(foreign.id()).unwrap().remove(&(&output).into()).unwrap());
    assert!(foreign.remove(&(&output).into()).is_err());
    assert!(foreign.remove_shuffle(output.id.shuffle).is_err());
    assert!(foreign.raise_fence(model::Epoch(9)).is_err());
    let summary = crate::Summary::default();
    assert!(crate::testing::written(&foreign, attempt(7, 1), &[b"x"]).commit(summary).is_err());
    let swept = foreign.sweep(&std::collections::BTreeSet::new(), SystemTime::now()).unwrap();
    assert!(swept.shuffles.is_empty() && swept.leftovers == 0);
    assert!(foreign.clone().destroy().is_err());
    assert_eq!(contents(directory.path()), before);
    // It belongs to the other one: what that does to it is a failure to read, and no wrong bytes.
    theirs.remove(&attempt(0, 1)).unwrap();
    write(&theirs, attempt(0, 2), &[b"xyz", b"uv"]);
    let again = Catalogue::new([Volume::open_foreign(directory.path()).unwrap()]);
    let problem = again.read_block(&output, 1).unwrap().map_err(|error| error.problem());
    assert_eq!(problem, Err(BlockProblem::Missing));
    theirs.destroy().unwrap();
    assert!(again.foreign_outputs(10).is_empty());
}
