//! Seeded simulation of passes over a schedule: watches lag, the operator is killed between any two
//! writes, the clock is set forward and back, and users edit, suspend and delete. No run is created
//! twice or lost, no two run at once unless the policy allows it, only the policy stops a run, and
//! as many ended runs are kept as the schedule says.
//!
//! A simulation is as good as its world: the last test breaks rules and expects a failure.

mod world;

use crd::ConcurrencyPolicy::{self, Allow, Forbid, Replace};
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::{Flaw, World};

fn run(seed: u64, policy: ConcurrencyPolicy, flaw: Flaw, is_hostile: bool) {
    let mut world = World::new(seed, policy, flaw);
    world.is_hostile = is_hostile;
    for _ in 0..1200 {
        world.step();
    }
    world.finish();
}

#[test]
fn whatever_happens_no_run_is_created_twice_and_the_policy_holds() {
    for seed in 0..40 {
        for policy in [Allow, Forbid, Replace] {
            println!("seed {seed} {policy:?}");
            run(seed, policy, Flaw::None, true);
        }
    }
}

#[test]
fn kills_and_late_watches_alone_lose_no_run() {
    for seed in 0..20 {
        for policy in [Allow, Forbid, Replace] {
            println!("seed {seed} {policy:?}");
            run(seed, policy, Flaw::None, false);
        }
    }
}

#[test]
fn broken_rules_are_noticed() {
    let flaws = [
        Flaw::BelievesTheWatch,
        Flaw::ActsFirst,
        Flaw::SkipsSameStatus,
        Flaw::Overwrites,
        Flaw::ForgetsTheRun,
        Flaw::ForgetsTheNext,
        Flaw::NamesByTheClock,
        Flaw::ForgetsDrivers,
        Flaw::DeletesWhateverItIsNow,
    ];
    let is_noticed = |flaw: Flaw| {
        (0..50).any(|seed| {
            [Allow, Forbid, Replace].into_iter().any(|policy| {
                let is_hostile = seed % 2 == 0;
                let run = || run(seed, policy, flaw, is_hostile);
                catch_unwind(AssertUnwindSafe(run)).is_err()
            })
        })
    };
    let unnoticed: Vec<_> = flaws.into_iter().filter(|flaw| !is_noticed(*flaw)).collect();
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}
