//! When directories of other applications are swept, and when not.

use super::*;
use model::VolumeId;
use rand::rngs::StdRng;
use rand::seq::{IndexedMutRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use std::fs::File;
use std::io::ErrorKind;

const HOUR: Duration = Duration::from_hours(1);

/// Applications beside each other on one volume.
struct Shared {
    base: tempfile::TempDir,
}

impl Shared {
    fn new() -> Self {
        Self { base: tempfile::tempdir().unwrap() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    /// A living application.
    fn home(&self, name: &str, keep: Option<u64>) -> Home {
        let path = self.at(name);
        fs::create_dir_all(path.join("shuffle")).unwrap();
        fs::write(path.join("shuffle").join("0.out"), "bytes").unwrap();
        Home::open(&launch::Home { path, keep_seconds: keep, group: None }).unwrap()
    }

    /// Has an application's last sign of life be that long ago.
    fn age(&self, name: &str, by: Duration) {
        let mark = File::options().write(true).open(self.at(name).join(MARK)).unwrap();
        mark.set_modified(SystemTime::now() - by).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.base.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Beats for a round, and deletes what is to be deleted; returns its names.
fn watch(home: &mut Home, meanwhile: impl Fn()) -> Vec<String> {
    let mut swept = Vec::new();
    for beat in 0..ROUND {
        swept.extend(home.beat().unwrap());
        if beat == WATCHED / 2 {
            meanwhile();
        }
    }
    for path in &swept {
        fs::remove_dir_all(path).unwrap();
    }
    let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    swept.into_iter().map(name).collect()
}

#[test]
fn a_directory_goes_when_its_application_was_silent_for_longer_than_it_asks_for() {
    let shared = Shared::new();
    let mut home = shared.home("firesteel-me", Some(0));
    for (name, keep, silence, goes) in [
        ("firesteel-short", Some(0), HOUR * 9 / 10, false),
        ("firesteel-over", Some(0), HOUR * 11 / 10, true),
        ("firesteel-day", Some(86400), HOUR * 23, false),
        ("firesteel-days", Some(86400), HOUR * 25, true),
        ("firesteel-retained", None, HOUR * 10_000, false),
        ("others", Some(0), HOUR * 10, false),
    ] {
        drop(shared.home(name, keep));
        shared.age(name, silence);
        let expected = if goes { vec![format!("{name}.swept")] } else { vec![] };
        assert_eq!(watch(&mut home, || ()), expected, "{name}");
        assert_eq!(shared.at(name).exists(), !goes, "{name}");
    }
    shared.age("firesteel-me", HOUR * 100);
    watch(&mut home, || ());
    assert!(shared.at("firesteel-me").exists());
}

#[test]
fn what_says_nothing_of_its_life_is_left_alone() {
    let shared = Shared::new();
    let mut home = shared.home("firesteel-me", Some(0));
    fs::create_dir(shared.at("firesteel-unmarked")).unwrap();
    fs::write(shared.at("firesteel-file"), "").unwrap();
    drop(shared.home("firesteel-torn", Some(0)));
    fs::write(shared.at("firesteel-torn").join(MARK), "{\"keep_sec").unwrap();
    shared.age("firesteel-torn", HOUR * 10);
    let elsewhere = Shared::new();
    drop(elsewhere.home("target", Some(0)));
    elsewhere.age("target", HOUR * 10);
    std::os::unix::fs::symlink(elsewhere.at("target"), shared.at("firesteel-link")).unwrap();
    let before = shared.names();
    assert_eq!(watch(&mut home, || ()), [""; 0]);
    assert_eq!((shared.names(), elsewhere.names()), (before, vec!["target".to_owned()]));
}

/// A clock that jumps, or a machine that stood still: all marks are old at once, and the living
/// renew theirs.
#[test]
fn an_application_that_gives_a_sign_while_it_is_watched_lives() {
    let shared = Shared::new();
    let mut home = shared.home("firesteel-me", Some(0));
    let other = shared.home("firesteel-other", Some(0));
    drop(shared.home("firesteel-dead", Some(0)));
    shared.age("firesteel-other", HOUR * 2);
    shared.age("firesteel-dead", HOUR * 2);
    let swept = watch(&mut home, || other.touch().map(|_| ()).unwrap());
    assert_eq!(swept, ["firesteel-dead.swept"]);
    // Also if the sign looks old: it has changed.
    shared.age("firesteel-other", HOUR * 2);
    assert_eq!(watch(&mut home, || shared.age("firesteel-other", HOUR * 3)), [""; 0]);
}

#[test]
fn of_several_that_sweep_one_deletes_and_what_it_left_is_deleted_by_the_next() {
    let shared = Shared::new();
    let mut homes = ["firesteel-1", "firesteel-2"].map(|name| shared.home(name, Some(0)));
    drop(shared.home("firesteel-dead", Some(0)));
    shared.age("firesteel-dead", HOUR * 2);
    let mut swept = Vec::new();
    for _ in 0..=WATCHED {
        swept.extend(homes.iter_mut().flat_map(|home| home.beat().unwrap()));
    }
    assert_eq!(swept, [shared.at("firesteel-dead.swept")]);
    // It was killed before it had deleted it, and the same application has come back since.
    let mut back = shared.home("firesteel-dead", Some(0));
    let [_, next] = &mut homes;
    next.beats = 0;
    assert_eq!(watch(next, || ()), ["firesteel-dead.swept"]);
    back.beat().unwrap();
}

#[test]
fn who_comes_back_to_a_directory_that_was_swept_is_told() {
    let shared = Shared::new();
    let mut home = shared.home("firesteel-me", Some(0));
    let mut frozen = shared.home("firesteel-frozen", Some(0));
    shared.age("firesteel-frozen", HOUR * 2);
    assert_eq!(watch(&mut home, || ()), ["firesteel-frozen.swept"]);
    assert_eq!(frozen.beat().unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!shared.at("firesteel-frozen").exists());
}

#[test]
fn the_mark_goes_with_the_last_of_what_was_there() {
    let shared = Shared::new();
    let home = shared.home("firesteel-me", Some(0));
    Home::leave(home.path());
    assert!(shared.at("firesteel-me").join(MARK).exists());
    fs::remove_dir_all(shared.at("firesteel-me").join("shuffle")).unwrap();
    Home::leave(home.path());
    assert_eq!(shared.names(), [""; 0]);
}

/// One application of the simulation.
struct Life {
    name: String,
    home: Option<Home>,
    /// Steps for which it still stands still.
    frozen: u32,
}

/// Applications start, end, are killed and stand still, clocks jump, sweepers die between renaming
/// and deleting. Nobody who lives loses its directory, and what the dead have left goes.
#[test]
fn whatever_happens_the_living_keep_their_directories_and_the_dead_do_not() {
    let mut swept = 0;
    for seed in 0..20 {
        let mut rng = StdRng::seed_from_u64(seed);
        let shared = Shared::new();
        let mut lives: Vec<Life> = Vec::new();
        let mut started = 0;
        for _ in 0..2 * ROUND {
            let before = lives.len();
            match rng.random_range(0..60) {
                0 if lives.iter().filter(|life| life.home.is_some()).count() < 5 => {
                    started += 1;
                    let name = format!("firesteel-{started}");
                    let home = shared.home(&name, Some(0));
                    lives.push(Life { name, home: Some(home), frozen: 0 });
                }
                1 => {
                    if let Some(life) = lives.choose_mut(&mut rng) {
                        life.home = None;
                    }
                }
                2 => {
                    if let Some(life) = lives.choose_mut(&mut rng) {
                        life.frozen = rng.random_range(1..2 * WATCHED);
                    }
                }
                _ => {}
            }
            // Not while somebody stands still: that would be two faults at once.
            let stands_still = |life: &Life| life.frozen > 0 && life.home.is_some();
            let jumps = rng.random_bool(if lives.len() > before { 0.5 } else { 0.02 });
            if jumps && !lives.iter().any(stands_still) {
                for life in lives.iter().filter(|life| shared.at(&life.name).exists()) {
                    shared.age(&life.name, HOUR * 2);
                }
            }
            lives.shuffle(&mut rng);
            for life in &mut lives {
                if life.frozen > 0 {
                    life.frozen -= 1;
                    continue;
                }
                let Some(home) = &mut life.home else { continue };
                for directory in home.beat().unwrap() {
                    swept += 1;
                    // Else it dies before it has deleted it. Another may have been faster.
                    if rng.random_bool(0.5) {
                        let _ = fs::remove_dir_all(directory);
                    }
                }
            }
            for life in lives.iter().filter(|life| life.home.is_some()) {
                assert!(shared.at(&life.name).join("shuffle/0.out").exists(), "seed {seed}");
            }
        }
        let mut last = shared.home("firesteel-last", Some(0));
        let dead: Vec<&Life> = lives.iter().filter(|life| life.home.is_none()).collect();
        for life in dead.iter().filter(|life| shared.at(&life.name).exists()) {
            shared.age(&life.name, HOUR * 2);
        }
        watch(&mut last, || ());
        let mut names: Vec<String> =
            lives.iter().filter(|life| life.home.is_some()).map(|life| life.name.clone()).collect();
        names.push("firesteel-last".to_owned());
        names.sort();
        assert_eq!(shared.names(), names, "seed {seed}");
    }
    assert!(swept > 20, "only {swept} were swept");
}

/// The directory of an application of a group, with a volume.
fn in_group(shared: &Shared, name: &str, group: Option<&str>) -> (Home, Volume) {
    let path = shared.at(name);
    fs::create_dir_all(&path).unwrap();
    let group = group.map(|group| Name(group.to_owned()));
    let home = launch::Home { path: path.clone(), keep_seconds: None, group };
    let application = model::ApplicationId(name.to_owned());
    let volume = Volume::create(&path.join("shuffle"), VolumeId("shared".to_owned()), application);
    (Home::open(&home).unwrap(), volume.unwrap())
}

#[test]
fn the_volumes_of_others_are_found_within_a_group_and_nowhere_else() {
    let shared = Shared::new();
    let found = |home: &Home| -> Vec<String> {
        let mut ids: Vec<_> = home.shared_volumes().iter().map(|it| it.id().0.clone()).collect();
        ids.sort();
        ids
    };
    let (a, _) = in_group(&shared, "firesteel-a", Some("team"));
    let (b, _) = in_group(&shared, "firesteel-b", Some("team"));
    let (c, _) = in_group(&shared, "firesteel-c", Some("other"));
    let (d, _) = in_group(&shared, "firesteel-d", None);
    in_group(&shared, "firesteel-e.swept", Some("team"));
    in_group(&shared, "theirs", Some("team"));
    // Without a mark, or with one of an earlier version.
    fs::create_dir_all(shared.at("firesteel-f")).unwrap();
    shared.home("firesteel-g", None);
    assert_eq!(found(&a), ["firesteel-b/shared"]);
    assert_eq!(found(&b), ["firesteel-a/shared"]);
    assert!(found(&c).is_empty() && found(&d).is_empty());
    // Dead ones count, too.
    drop(b);
    shared.age("firesteel-b", 1000 * HOUR);
    in_group(&shared, "firesteel-h", Some("team"));
    assert_eq!(found(&a), ["firesteel-b/shared", "firesteel-h/shared"]);
}
