//! When directories of other applications are swept, and when not.

use super::*;
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
        Home::open(&path, keep).unwrap()
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
