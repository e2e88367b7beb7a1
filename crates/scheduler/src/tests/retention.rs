//! Outputs that have lasted long enough: by age, and where a volume holds too much.

use super::*;
use crate::Retention;
use std::collections::BTreeSet;

const NOTHING: [u8; 0] = [];

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A scheduler whose jobs write shuffles 1, 2 and 3 of 10, 20 and 30 bytes and end at 100, 200 and
/// 300 seconds.
fn three_jobs() -> Scheduler {
    let mut scheduler = Scheduler::new(Epoch(1), Limits::default());
    scheduler.handle(at(0), up(0, 1));
    for n in 1..=3 {
        job(&mut scheduler, n, 100 * u64::from(n));
    }
    scheduler
}

/// Runs the job that reads a shuffle, and writes it first if it is not there; ends it then.
fn job(scheduler: &mut Scheduler, n: u8, end: u64) {
    let next = scheduler.jobs.last.map_or(0, |job| job.0 + 1);
    let mut commands =
        scheduler.handle(at(end), submit(next, vec![map(n, 1, &[]), result(1, &[0])]));
    while let Some(attempt) = commands.iter().find_map(launched) {
        let block_bytes = vec![10 * u64::from(n)];
        let is_map = scheduler.stage(attempt.task.stage).unwrap().shuffle().is_some();
        let output = MapOutput { block_bytes, ..output(n, attempt) };
        let event = if is_map { Event::MapFinished { attempt, output } } else { done(attempt) };
        commands = scheduler.handle(at(end), event);
    }
    assert!(scheduler.is_idle());
}

fn launched(command: &Command) -> Option<Attempt> {
    match command {
        Command::Launch { attempt, .. } => Some(*attempt),
        _ => None,
    }
}

/// What is released at a time and when there is more, with shuffles of caches.
fn surplus(
    scheduler: &Scheduler,
    (now, time, bytes): (u64, Option<u64>, Option<u64>),
    cached: &[u8],
) -> (Vec<u8>, Option<u64>) {
    let rules = Retention { time: time.map(at), bytes, least: at(10) };
    let cached: BTreeSet<ShuffleId> = cached.iter().map(|n| shuffle(*n)).collect();
    let found = scheduler.surplus(at(now), rules, |shuffle| cached.contains(&shuffle));
    let numbers = (0..9).filter(|n| found.shuffles.contains(&shuffle(*n))).collect();
    (numbers, found.next.map(|next| next.as_secs()))
}

#[test]
fn what_no_job_used_for_the_time_goes_unless_a_cache_has_it() {
    let mut scheduler = three_jobs();
    let by_age = |scheduler: &Scheduler, now, cached: &[u8]| {
        surplus(scheduler, (now, Some(150), None), cached)
    };
    assert_eq!(by_age(&scheduler, 249, &[]), (NOTHING.into(), Some(250)));
    assert_eq!(by_age(&scheduler, 250, &[]), (vec![1], Some(350)));
    assert_eq!(by_age(&scheduler, 350, &[1]), (vec![2], Some(450)));
    assert_eq!(by_age(&scheduler, 999, &[1, 2, 3]), (NOTHING.into(), None));
    assert_eq!(surplus(&scheduler, (9999, None, None), &[]), (NOTHING.into(), None));
    // It is used again.
    job(&mut scheduler, 1, 340);
    assert_eq!(by_age(&scheduler, 360, &[]), (vec![2], Some(450)));
    assert_eq!(by_age(&scheduler, 490, &[]), (vec![1, 2, 3], None));
    // A job that runs has it, however long.
    scheduler.handle(at(400), submit(9, vec![map(1, 1, &[]), result(1, &[0])]));
    assert_eq!(by_age(&scheduler, 9999, &[]), (vec![2, 3], None));
    // What is gone is gone.
    scheduler.handle(at(400), Event::ShuffleReleased { shuffle: shuffle(2) });
    assert_eq!(by_age(&scheduler, 9999, &[]), (vec![3], None));
}

#[test]
fn a_volume_that_holds_too_much_loses_what_was_not_used_for_longest() {
    let mut scheduler = three_jobs();
    let by_size = |scheduler: &Scheduler, bytes, cached: &[u8]| {
        surplus(scheduler, (1000, None, Some(bytes)), cached).0
    };
    assert_eq!(by_size(&scheduler, 60, &[]), NOTHING);
    assert_eq!(by_size(&scheduler, 59, &[]), [1]);
    assert_eq!(by_size(&scheduler, 49, &[]), [1, 2]);
    assert_eq!(by_size(&scheduler, 0, &[]), [1, 2, 3]);
    assert_eq!(by_size(&scheduler, 0, &[2]), [1, 3]);
    // Age goes first, and makes room.
    assert_eq!(surplus(&scheduler, (320, Some(150), Some(50)), &[]), (vec![1], Some(350)));
    assert_eq!(surplus(&scheduler, (320, Some(150), Some(49)), &[]), (vec![1, 2], Some(350)));
    job(&mut scheduler, 1, 400);
    assert_eq!(by_size(&scheduler, 59, &[]), [2]);
    scheduler.handle(at(500), submit(9, vec![map(2, 1, &[]), result(1, &[0])]));
    assert_eq!(by_size(&scheduler, 0, &[]), [1, 3]);
}

#[test]
fn what_was_just_used_stays_for_a_moment_however_much_there_is() {
    let scheduler = three_jobs();
    assert_eq!(surplus(&scheduler, (300, None, Some(0)), &[]), (vec![1, 2], Some(310)));
    assert_eq!(surplus(&scheduler, (310, Some(0), Some(0)), &[1]), (vec![2, 3], None));
    assert_eq!(surplus(&scheduler, (300, Some(0), None), &[]), (vec![1, 2], Some(310)));
}
