//! Seeded simulation of passes: the API server keeps old versions, a watch shows them late, twice
//! or not at all, and the operator is killed between any two writes. There are never two drivers at
//! once, no submission runs twice, an ended application stays ended, a deleted one leaves nothing
//! behind, and runs are counted correctly.
//!
//! A simulation is as good as its world: the last test breaks rules and expects a failure.

mod cluster;
mod world;

use crd::State;
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::{Flaw, Others, Plot, World};

const STEPS: u32 = 300;

fn run(seed: u64, flaw: Flaw, plot: Plot) -> World {
    let mut world = World::new(seed, flaw, plot);
    for _ in 0..STEPS {
        world.step();
    }
    world.finish();
    world
}

fn plot(seed: u64, others: Others) -> Plot {
    let retries = u32::try_from(seed % 4).expect("less than 4");
    Plot { fails: seed.is_multiple_of(2), retries, others, retains: seed.is_multiple_of(3) }
}

/// Changes the number of executors again and again.
fn scale(seed: u64, flaw: Flaw) {
    let plot = plot(seed, Others::Scaling);
    let mut world = World::new(seed, flaw, plot);
    for _ in 0..STEPS {
        world.step();
    }
    world.settle();
}

#[test]
fn as_many_executors_run_as_the_manifest_says_and_nothing_is_started_again() {
    for seed in 0..60 {
        println!("seed {seed}");
        scale(seed, Flaw::None);
    }
}

#[test]
fn whatever_happens_it_runs_to_one_end_and_leaves_nothing() {
    for seed in 0..400 {
        println!("seed {seed}");
        run(seed, Flaw::None, plot(seed, Others::Hostile));
    }
}

#[test]
fn kills_and_late_watches_alone_change_no_count() {
    for seed in 0..200 {
        println!("seed {seed}");
        let plot = plot(seed, Others::Quiet);
        let mut world = World::new(seed, Flaw::None, plot);
        for _ in 0..20_000 {
            world.step();
            if world.state().is_final() {
                break;
            }
        }
        let (expected, runs) = if plot.fails {
            (State::Failed, plot.retries as usize + 1)
        } else {
            (State::Completed, 1)
        };
        assert_eq!((world.state(), world.cluster.runs.len()), (expected, runs));
        world.finish();
        assert_eq!(world.cluster.runs.len(), runs);
    }
}

#[test]
fn broken_rules_are_noticed() {
    let flaws = [
        Flaw::BelievesTheWatch,
        Flaw::ActsFirst,
        Flaw::SkipsSameStatus,
        Flaw::Overwrites,
        Flaw::ForgetsTheDriver,
        Flaw::KeepsExecutors,
        Flaw::ForgetsOwners,
        Flaw::IgnoresSuspensionWhilePending,
    ];
    let unnoticed: Vec<_> = flaws
        .into_iter()
        .filter(|flaw| {
            (0..400).all(|seed| {
                catch_unwind(AssertUnwindSafe(|| run(seed, *flaw, plot(seed, Others::Hostile))))
                    .is_ok()
            })
        })
        .collect();
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
    let is_noticed = |seed| {
        let scale = || scale(seed, Flaw::ForgetsReleased);
        catch_unwind(AssertUnwindSafe(scale)).is_err()
    };
    assert!((0..100).any(is_noticed));
}
