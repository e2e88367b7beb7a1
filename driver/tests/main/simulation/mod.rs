//! The driver's core, its scheduler and the tasks of several executors in a world where streams
//! break and lose their tail, executors die, freeze, leave and do not read, volumes vanish and are
//! inherited, files rot, the manager comes and goes, the driver itself stands still, and a newer
//! one takes over. One seed is one life. Then the same with a rule broken: the world has to notice.

mod allocation;
mod broken;
mod caches;
mod faults;
mod manager;
mod process;
mod program;
mod promises;
mod reruns;
mod retention;
mod rows;
mod scripts;
mod shell;
mod tally;
mod world;

use broken::Bug;
use std::ops::Range;
use tally::Tally;
use world::World;

fn play(seed: u64, bug: Option<Bug>) -> Result<Tally, String> {
    let mut world = World::new(seed, bug);
    world.play().map_err(|error| format!("seed {seed}: {error}"))?;
    Ok(world.tally)
}

/// To look at one seed: `SEED=n TRACE=1 cargo test -p driver --test main simulation --
/// --nocapture`. To look at many: `SEEDS=n`.
fn seeds() -> Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse().ok());
    match (number("SEED"), number("SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, seeds) => 0..seeds.unwrap_or(400),
    }
}

#[test]
fn every_promise_holds_whatever_happens() {
    let tallies: Vec<Tally> =
        seeds().map(|seed| play(seed, None).unwrap_or_else(|error| panic!("{error}"))).collect();
    let sum = |count: fn(&Tally) -> u64| tallies.iter().map(count).sum::<u64>();
    let happened: [(&str, u64); 42] = [
        ("failed", sum(|t| t.failed)),
        ("abandoned", sum(|t| t.abandoned)),
        ("too large", sum(|t| t.too_large)),
        ("overdue", sum(|t| t.overdue)),
        ("killed", sum(|t| t.killed)),
        ("not started", sum(|t| t.not_started)),
        ("silent", sum(|t| t.silent)),
        ("stuck", sum(|t| t.stuck)),
        ("streams cut", sum(|t| t.cut)),
        ("late messages of executors", sum(|t| t.late)),
        ("refused", sum(|t| t.refused)),
        ("retired", sum(|t| t.retired)),
        ("decommissioned", sum(|t| t.decommissioned)),
        ("driver froze", sum(|t| t.driver_froze)),
        ("manager disconnected", sum(|t| t.manager_disconnects)),
        ("late messages of managers", sum(|t| t.manager_late)),
        ("ended early", sum(|t| t.ended_early)),
        ("superseded", sum(|t| t.superseded)),
        ("lost volumes", sum(|t| t.lost_volumes)),
        ("inherited volumes", sum(|t| t.inherited_volumes)),
        ("damaged", sum(|t| t.damaged)),
        ("fetch failures", sum(|t| t.fetch_failures)),
        ("adopted", sum(|t| t.adopted)),
        ("second ends", sum(|t| t.second_ends)),
        ("tasks that waited for slots", sum(|t| t.waited_for_slots)),
        ("repeated launches", sum(|t| t.repeated_launches)),
        ("parts", sum(|t| t.parts)),
        ("barriers met", sum(|t| t.met)),
        ("single attempts failed", sum(|t| t.single_attempts_failed)),
        ("unwatched", sum(|t| t.unwatched)),
        ("given up", sum(|t| t.given_up)),
        ("lasted long enough", sum(|t| t.outlasted)),
        ("stored", sum(|t| t.stored)),
        ("sizes", sum(|t| t.sizes)),
        ("jobs of maps alone", sum(|t| t.maps_alone)),
        ("needed reruns", sum(|t| t.reruns)),
        ("idle executors released", sum(|t| t.released)),
        ("more executors wanted", sum(|t| t.grown)),
        ("outputs moved", sum(|t| t.moved)),
        ("outputs not moved", sum(|t| t.not_moved)),
        ("second attempts", sum(|t| t.copies)),
        ("executors replaced", sum(|t| t.replaced)),
    ];
    let finished = sum(|t| t.finished);
    println!("finished {finished}, {happened:?}");
    if seeds().count() > 1 {
        // A world in which nothing happens proves nothing, and neither does one in which every job
        // fails.
        assert!(finished > 3 * sum(|t| t.failed), "{finished} jobs finished");
        for (what, times) in happened {
            assert!(times > 2, "{what}: only {times} times");
        }
    }
}

#[test]
fn equal_seeds_are_equal_lives() {
    let life = |seed| format!("{:?}", play(seed, None));
    assert!((0..5).all(|seed| life(seed) == life(seed)));
}

#[test]
fn every_broken_rule_is_noticed() {
    for bug in Bug::ALL {
        let noticed = (0..2000).find_map(|seed| play(seed, Some(bug)).err());
        let error = noticed.unwrap_or_else(|| panic!("nobody notices that {bug:?}"));
        println!("{bug:?}: {error}\n");
    }
}
