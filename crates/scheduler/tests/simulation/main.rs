//! The scheduler in a world where executors die and freeze, volumes vanish, files rot, drivers
//! restart, and reports are late, repeated and reordered. One seed is one life. Then the same with
//! a rule broken: the world has to notice.

mod ahead;
mod barriers;
mod broken;
mod bugs;
mod copies;
mod failures;
mod faults;
mod promises;
mod reruns;
mod rows;
mod starts;
mod task;
mod waits;
mod world;

use bugs::Bug;
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
        (None, seeds) => 0..seeds.unwrap_or(1500),
    }
}

#[test]
fn every_promise_holds_whatever_happens() {
    let tallies: Vec<Tally> =
        seeds().map(|seed| play(seed, None).unwrap_or_else(|error| panic!("{error}"))).collect();
    let sum = |count: fn(&Tally) -> u64| tallies.iter().map(count).sum::<u64>();
    let happened = [
        ("jobs failed that cannot be repeated", sum(|t| t.not_repeatable)),
        ("stages skipped", sum(|t| t.skipped)),
        ("fetch failures", sum(|t| t.fetch_failures)),
        ("outputs adopted", sum(|t| t.adopted)),
        ("restarts", sum(|t| t.restarts)),
        ("files rotten", sum(|t| t.rotten)),
        ("outputs needed, unreadable", sum(|t| t.needed_unreadable)),
        ("outputs needed, out of reach", sum(|t| t.needed_out_of_reach)),
        ("outputs needed, volume lost", sum(|t| t.needed_volume_lost)),
        ("outputs needed, random", sum(|t| t.needed_random)),
        ("outputs needed, other rows", sum(|t| t.needed_other_rows)),
        ("outputs needed, of an earlier driver", sum(|t| t.needed_earlier)),
        ("barrier stages launched", sum(|t| t.barriers)),
        ("outputs needed, of a broken barrier", sum(|t| t.needed_barrier)),
        ("jobs failed by a barrier", sum(|t| t.barriers_failed)),
        ("jobs of single attempts failed", sum(|t| t.single_attempts_failed)),
        ("outputs released", sum(|t| t.released)),
        ("files in the way", sum(|t| t.in_the_way)),
        ("second attempts", sum(|t| t.copies)),
        ("second attempts that won", sum(|t| t.copies_won)),
        ("outputs of losers", sum(|t| t.redundant)),
        ("waits beside a free slot", sum(|t| t.waits)),
        ("events before the start", sum(|t| t.held)),
        ("executors replaced", sum(|t| t.replaced)),
        ("tasks for executors of another kind", sum(|t| t.other_profiles)),
        ("tasks that waited at executors", sum(|t| t.ahead)),
        ("tasks taken back", sum(|t| t.taken_back)),
        ("tasks that may not run", sum(|t| t.unschedulable)),
        ("map tasks run again", sum(|t| t.reruns)),
    ];
    let (finished, failed) = (sum(|t| t.finished), sum(|t| t.failed));
    println!("{} events, {finished} finished, {failed} failed, {happened:?}", sum(|t| t.events));
    if seeds().count() > 1 {
        // A world in which nothing happens proves nothing, and neither does one in which every job
        // fails.
        assert!(finished > 3 * failed);
        for (what, times) in happened {
            assert!(times > 30, "{what}: only {times} times");
        }
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
        let error = noticed.unwrap_or_else(|| panic!("the simulation does not notice {bug:?}"));
        println!("{bug:?}: {error}\n");
    }
}
