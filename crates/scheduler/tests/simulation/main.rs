//! The scheduler in a world where executors die and freeze, volumes vanish, files rot, drivers
//! restart, and reports are late, repeated and reordered. One seed is one life. Then the same with
//! a rule broken: the world has to notice.

mod broken;
mod faults;
mod promises;
mod rows;
mod task;
mod world;

use broken::Bug;
use std::ops::Range;
use world::{Tally, World};

fn play(seed: u64, bug: Option<Bug>) -> Result<Tally, String> {
    let mut world = World::new(seed, bug);
    world.play().map_err(|error| format!("seed {seed}: {error}"))?;
    Ok(world.tally)
}

/// To run one seed: `SEED=n TRACE=1 cargo test -p scheduler --test simulation every_promise --
/// --nocapture`. To run many: `SEEDS=n`.
fn seeds() -> Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse().ok());
    match (number("SEED"), number("SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, seeds) => 0..seeds.unwrap_or(2000),
    }
}

#[test]
fn every_promise_holds_whatever_happens() {
    let mut sum = Tally::default();
    for seed in seeds() {
        let tally = play(seed, None).unwrap_or_else(|error| panic!("{error}"));
        sum.finished += tally.finished;
        sum.failed += tally.failed;
        sum.not_repeatable += tally.not_repeatable;
        sum.skipped += tally.skipped;
        sum.fetch_failures += tally.fetch_failures;
        sum.rolled_back += tally.rolled_back;
        sum.adopted += tally.adopted;
        sum.restarts += tally.restarts;
        sum.rotten += tally.rotten;
        sum.events += tally.events;
    }
    println!("{sum:?}");
    if seeds().count() > 1 {
        // A world in which nothing happens proves nothing, nor does one in which every job fails.
        assert!(sum.finished > 3 * sum.failed, "{sum:?}");
        let happened = [
            sum.not_repeatable,
            sum.skipped,
            sum.fetch_failures,
            sum.rolled_back,
            sum.adopted,
            sum.restarts,
            sum.rotten,
        ];
        assert!(happened.iter().all(|&times| times > 100), "{sum:?}");
    }
}

#[test]
fn equal_seeds_are_equal_lives() {
    let life = |seed| format!("{:?}", play(seed, None));
    assert!((0..20).all(|seed| life(seed) == life(seed)));
}

#[test]
fn every_broken_rule_is_noticed() {
    for bug in Bug::ALL {
        let noticed = (0..2000).find_map(|seed| play(seed, Some(bug)).err());
        let error = noticed.unwrap_or_else(|| panic!("nobody notices that {bug:?}"));
        println!("{bug:?}: {error}\n");
    }
}
