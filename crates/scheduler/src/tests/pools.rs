//! Pools: who gets the next slot when jobs share them fairly.

use super::*;
use crate::{PoolOrder, PoolRules, Sharing};

/// A scheduler with these pools, and one executor with this many slots.
fn fair(pools: &[(&str, PoolRules)], slots: u32) -> Scheduler {
    let pools = pools.iter().map(|(name, rules)| ((*name).to_owned(), *rules)).collect();
    let scheduler = Scheduler::new(Epoch(1), Limits::default());
    let mut scheduler = scheduler.with_sharing(Sharing::Fair(pools));
    scheduler.handle(Duration::ZERO, up(0, slots));
    scheduler
}

/// The stages of the attempts that an event launches; one stage per job here, so also the jobs.
fn launched(scheduler: &mut Scheduler, event: Event) -> Vec<u64> {
    let commands = scheduler.handle(Duration::ZERO, event);
    assert_eq!(scheduler.audit(), Ok(()));
    let stage = |command: &Command| match command {
        Command::Launch { attempt, .. } => Some(attempt.task.stage.0),
        _ => None,
    };
    commands.iter().filter_map(stage).collect()
}

fn submit_to(pool: &str, job: u64, tasks: u32) -> Event {
    let shape = JobShape { pool: pool.to_owned(), ..shape(vec![result(tasks, &[])]) };
    Event::JobSubmitted { job: JobId(job), shape }
}

const EQUAL: PoolRules = PoolRules { order: PoolOrder::Fifo, weight: 1, min_share: 0 };

#[test]
fn pools_take_turns_whichever_job_is_older() {
    let mut scheduler = fair(&[], 2);
    assert_eq!(launched(&mut scheduler, submit_to("a", 0, 9)), [0, 0]);
    assert_eq!(launched(&mut scheduler, submit_to("b", 1, 9)), []);
    assert_eq!(launched(&mut scheduler, done(at(0, 0, 0))), [1]);
    assert_eq!(launched(&mut scheduler, done(at(0, 1, 0))), [0]);
    assert_eq!(launched(&mut scheduler, done(at(1, 0, 0))), [1]);
}

#[test]
fn jobs_without_a_pool_are_in_the_default_one_in_their_order() {
    let mut scheduler = fair(&[], 2);
    assert_eq!(launched(&mut scheduler, submit_to("", 0, 3)), [0, 0]);
    assert_eq!(launched(&mut scheduler, submit_to("default", 1, 3)), []);
    assert_eq!(launched(&mut scheduler, submit_to("other", 2, 1)), []);
    assert_eq!(launched(&mut scheduler, done(at(0, 0, 0))), [2]);
    assert_eq!(launched(&mut scheduler, done(at(0, 1, 0))), [0]);
    assert_eq!(launched(&mut scheduler, done(at(2, 0, 0))), [1]);
}

#[test]
fn a_shared_stage_is_in_the_pool_of_the_oldest_job_that_still_wants_it() {
    let rules = |weight| PoolRules { weight, ..EQUAL };
    let mut scheduler = fair(&[("light", rules(1)), ("heavy", rules(3))], 0);
    let submit_to = |pool: &str, job: u64, stages: Vec<StageShape>| {
        let shape = JobShape { pool: pool.to_owned(), ..shape(stages) };
        Event::JobSubmitted { job: JobId(job), shape }
    };
    let shared = || vec![map(0, 9, &[]), result(1, &[0])];
    launched(&mut scheduler, submit_to("light", 0, shared()));
    launched(&mut scheduler, submit_to("heavy", 1, shared()));
    launched(&mut scheduler, submit_to("light", 2, vec![result(9, &[])]));
    let (of_both, other) = (0, 3);
    let count = |taken: &[u64], stage| taken.iter().filter(|taken| **taken == stage).count();
    // Both stages are in the same pool, in which the older job goes first.
    let taken = launched(&mut scheduler, up(0, 4));
    assert_eq!((count(&taken, of_both), count(&taken, other)), (4, 0));
    assert_eq!(launched(&mut scheduler, cancelled(0)), []);
    // Now it is in the heavy one, which already has its part of eight slots but for two.
    let taken = launched(&mut scheduler, up(0, 8));
    assert_eq!((count(&taken, of_both), count(&taken, other)), (2, 2));
}

#[test]
fn a_heavier_pool_has_more_of_the_slots() {
    let heavy = PoolRules { weight: 3, ..EQUAL };
    let mut scheduler = fair(&[("heavy", heavy)], 0);
    launched(&mut scheduler, submit_to("light", 0, 9));
    launched(&mut scheduler, submit_to("heavy", 1, 9));
    let taken = launched(&mut scheduler, up(0, 8));
    assert_eq!(taken.iter().filter(|stage| **stage == 1).count(), 6);
}

#[test]
fn what_a_pool_needs_at_least_comes_first() {
    let least = PoolRules { min_share: 3, ..EQUAL };
    let mut scheduler = fair(&[("least", least)], 0);
    launched(&mut scheduler, submit_to("a", 0, 9));
    launched(&mut scheduler, submit_to("least", 1, 9));
    assert_eq!(launched(&mut scheduler, up(0, 4)), [1, 1, 1, 0]);
}

#[test]
fn a_fair_pool_shares_its_slots_among_its_stages() {
    let mut scheduler = fair(&[("all", PoolRules { order: PoolOrder::Fair, ..EQUAL })], 0);
    launched(&mut scheduler, submit_to("all", 0, 9));
    launched(&mut scheduler, submit_to("all", 1, 9));
    assert_eq!(launched(&mut scheduler, up(0, 4)), [0, 1, 0, 1]);
}
