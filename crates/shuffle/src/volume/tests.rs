//! A volume's identity and its fence.

use super::*;
use crate::testing::{application, volume};
use std::fs;

fn id(text: &str) -> VolumeId {
    VolumeId(text.to_owned())
}

#[test]
fn a_volume_keeps_its_identity() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("v");
    let made = Volume::create(&root, id("v1"), application()).unwrap();
    let again = Volume::create(&root, id("v1"), application()).unwrap();
    let opened = Volume::open(&root, application()).unwrap();
    for volume in [made, again, opened] {
        assert_eq!(volume.id(), &id("v1"));
        assert_eq!(volume.root(), root);
    }
}

#[test]
fn foreign_volumes_are_refused_by_name() {
    let ours = r#"{"id":"v1","application":"app-1","format":1}"#;
    let check = |name: &str, identity: Option<&str>, message: &str| {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        if let Some(text) = identity {
            fs::write(root.join(IDENTITY), text).unwrap();
        }
        let opened = Volume::open(root, application());
        let text = opened.map_err(|e| e.to_string().replace(&root.display().to_string(), "R"));
        assert_eq!(text.map_or_else(|e| e, |_| "opened".to_owned()), message, "{name}");
    };
    check("ours", Some(ours), "opened");
    check("an empty directory", None, "R is not a volume: it has no volume.json");
    check("a torn identity", Some(&ours[..20]), "R/volume.json does not describe a volume");
    check("an empty identity", Some(""), "R/volume.json does not describe a volume");
    check(
        "another application's",
        Some(&ours.replace("app-1", "app-2")),
        "volume v1 at R belongs to application app-2, not to app-1",
    );
    check(
        "a newer format, with unknown fields",
        Some(r#"{"id":"v1","owner":5,"format":2}"#),
        "volume v1 at R has format 2; this version knows formats up to 1",
    );
}

#[test]
fn another_volume_in_its_place_is_refused() {
    let (directory, _volume) = volume();
    let other = Volume::create(directory.path(), id("v2"), application());
    assert!(matches!(other, Err(VolumeError::OtherVolume { found, .. }) if found == id("v1")));
}

#[test]
fn many_processes_may_create_the_same_volume_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let make = |n: u32| Volume::create(root, id(&format!("v{n}")), application());
    let volumes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || make(n).is_ok())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(volumes.iter().filter(|ok| **ok).count(), 1, "all others find another id");
    Volume::open(root, application()).unwrap();
}

#[test]
fn the_fence_only_rises() {
    let (directory, volume) = volume();
    assert_eq!(volume.fence().unwrap(), Epoch(0));
    for (raise, fence) in [(3, 3), (2, 3), (3, 3), (10, 10)] {
        volume.raise_fence(Epoch(raise)).unwrap();
        assert_eq!(volume.fence().unwrap(), Epoch(fence));
    }
    fs::write(directory.path().join(FENCE), "x").unwrap();
    let error = volume.fence().unwrap_err();
    assert!(error.to_string().contains("volume v1: could not read"), "{error}");
}

#[test]
fn a_volume_that_is_destroyed_leaves_nothing_however_often_that_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("shuffle");
    let make = || Volume::create(&root, id("v"), ApplicationId("a".into())).unwrap();
    let (one, other) = (make(), make());
    fs::create_dir(root.join("more")).unwrap();
    one.destroy().unwrap();
    assert!(!root.exists());
    other.destroy().unwrap();
    assert!(make().root().exists());
}
