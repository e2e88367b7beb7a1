//! Spark's rules of dynamic allocation, one by one.

use super::*;

const RULES: AllocationRules = AllocationRules {
    initial: 0,
    min: 0,
    max: u32::MAX,
    ratio: 1.0,
    backlog_timeout: Duration::from_secs(1),
    sustained_backlog_timeout: Duration::from_secs(1),
    idle_timeout: Duration::from_mins(1),
    cached_idle_timeout: None,
    shuffle_tracking: true,
    shuffle_timeout: None,
};

const NOTHING: Hold = Hold { cached: false, shuffled: false, in_use: false };
const SHUFFLED: Hold = Hold { cached: false, shuffled: true, in_use: false };
const CACHED: Hold = Hold { cached: true, shuffled: false, in_use: false };
const IN_USE: Hold = Hold { cached: false, shuffled: true, in_use: true };

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn load(pending: u32, running: u32, there: u32) -> Load {
    let executors = f64::from(pending + running) / 2.0;
    let backlog = Backlog { pending, running, executors, unschedulable: 0 };
    Load { backlog, there }
}

/// The numbers that are wanted second by second, while so many tasks wait.
fn wanted(rules: AllocationRules, pending: u32, seconds: u64) -> Vec<u32> {
    let mut allocation = Allocation::new(rules);
    let step = |second| {
        allocation.follow(at(second), load(pending, 0, 0));
        allocation.target()
    };
    (0..seconds).map(step).collect()
}

#[test]
fn executors_are_added_by_powers_of_two_up_to_what_is_needed() {
    assert_eq!(wanted(RULES, 40, 7), [0, 1, 3, 7, 15, 20, 20]);
    assert_eq!(wanted(AllocationRules { max: 5, ..RULES }, 40, 5), [0, 1, 3, 5, 5]);
    assert_eq!(wanted(AllocationRules { ratio: 0.5, ..RULES }, 40, 6), [0, 1, 3, 7, 10, 10]);
    let patient =
        AllocationRules { backlog_timeout: at(2), sustained_backlog_timeout: at(3), ..RULES };
    assert_eq!(wanted(patient, 40, 9), [0, 0, 1, 1, 1, 3, 3, 3, 7]);
}

#[test]
fn a_backlog_that_ends_begins_again_with_one() {
    let mut allocation = Allocation::new(RULES);
    for second in 0..3 {
        allocation.follow(at(second), load(40, 0, 0));
    }
    assert_eq!(allocation.target(), 3);
    allocation.follow(at(3), load(0, 40, 3));
    assert_eq!((allocation.target(), allocation.deadline()), (3, None));
    allocation.follow(at(4), load(40, 6, 3));
    assert_eq!(allocation.deadline(), Some(at(5)));
    allocation.follow(at(5), load(40, 6, 3));
    assert_eq!(allocation.target(), 4);
}

#[test]
fn fewer_are_wanted_as_soon_as_fewer_are_needed() {
    let rules = AllocationRules { initial: 4, min: 1, ..RULES };
    let mut allocation = Allocation::new(rules);
    allocation.follow(at(0), load(0, 0, 0));
    assert_eq!(allocation.target(), 4, "nothing has begun");
    let mut after = |load| {
        allocation.follow(at(1), load);
        allocation.target()
    };
    assert_eq!([after(load(0, 6, 4)), after(load(0, 3, 4)), after(load(0, 0, 4))], [3, 2, 1]);
}

/// What is released of as many executors as there are holds, after so many idle seconds.
fn released(rules: AllocationRules, seconds: u64, holds: &[Hold]) -> Vec<u64> {
    let mut allocation = Allocation::new(rules);
    let staying: Vec<_> = (0..).zip(holds).map(|(id, _)| (ExecutorId(id), true)).collect();
    let there = u32::try_from(holds.len()).unwrap();
    allocation.follow(at(0), load(0, 1, there));
    allocation.note_idle(at(0), &staying);
    allocation.follow(at(seconds), load(0, 0, there));
    allocation.note_idle(at(seconds), &staying);
    let hold = |id: ExecutorId| holds[usize::try_from(id.0).unwrap()];
    allocation.surplus(at(seconds), there, hold).into_iter().map(|id| id.0).collect()
}

#[test]
fn idle_executors_are_released_unless_something_would_be_lost_with_them() {
    let both = Hold { cached: true, ..SHUFFLED };
    let all = [NOTHING, SHUFFLED, CACHED, IN_USE, both];
    assert_eq!(released(RULES, 59, &all), [] as [u64; 0]);
    assert_eq!(released(RULES, 60, &all), [0]);
    let limited = AllocationRules {
        shuffle_timeout: Some(at(10)),
        cached_idle_timeout: Some(at(90)),
        ..RULES
    };
    assert_eq!(released(limited, 10, &all), [1]);
    assert_eq!(released(limited, 89, &all), [0, 1]);
    assert_eq!(released(limited, 90, &all), [0, 1, 2, 4]);
    let of_shuffles = AllocationRules { cached_idle_timeout: None, ..limited };
    assert_eq!(released(of_shuffles, 900, &all), [0, 1]);
}

#[test]
fn the_least_number_stays() {
    let all = [NOTHING; 5];
    assert_eq!(released(AllocationRules { min: 3, ..RULES }, 60, &all), [0, 1]);
    assert_eq!(released(AllocationRules { min: 9, ..RULES }, 60, &all), [] as [u64; 0]);
}

#[test]
fn an_executor_that_gets_a_task_is_not_idle_from_then_on() {
    let mut allocation = Allocation::new(RULES);
    let id = ExecutorId(0);
    let mut surplus = |seconds, idle: bool| {
        let running = u32::from(!idle);
        allocation.follow(at(seconds), load(0, running, 1));
        allocation.note_idle(at(seconds), &[(id, idle)]);
        allocation.surplus(at(seconds), 1, |_| NOTHING)
    };
    assert_eq!(surplus(0, true), []);
    assert_eq!(surplus(50, false), []);
    assert_eq!(surplus(70, true), []);
    assert_eq!(surplus(129, true), []);
    assert_eq!(surplus(130, true), [id]);
}

#[test]
fn the_initial_number_goes_if_nothing_begins() {
    let mut allocation = Allocation::new(AllocationRules { initial: 2, ..RULES });
    let staying = [(ExecutorId(0), true), (ExecutorId(1), true)];
    let mut surplus = |seconds| {
        allocation.follow(at(seconds), load(0, 0, 2));
        allocation.note_idle(at(seconds), &staying);
        let released = allocation.surplus(at(seconds), 2, |_| NOTHING);
        (released.len(), allocation.target(), allocation.deadline())
    };
    assert_eq!(surplus(0), (0, 2, Some(at(60))));
    assert_eq!(surplus(60), (2, 0, None));
}

#[test]
fn tasks_that_may_run_nowhere_want_executors_besides() {
    let mut allocation = Allocation::new(RULES);
    let backlog = Backlog { pending: 1, running: 0, executors: 0.5, unschedulable: 2 };
    let load = Load { backlog, there: 1 };
    (0..10).for_each(|second| allocation.follow(at(second), load));
    assert_eq!(allocation.target(), 3);
}

#[test]
fn bounds_that_change_hold_from_then_on() {
    let mut allocation = Allocation::new(AllocationRules { min: 1, max: 4, ..RULES });
    let target = |allocation: &mut Allocation, second, waiting| {
        allocation.follow(at(second), load(waiting, 0, 0));
        allocation.target()
    };
    assert_eq!((0..6).map(|second| target(&mut allocation, second, 40)).last(), Some(4));
    allocation.bound(1, 6);
    assert_eq!((6..9).map(|second| target(&mut allocation, second, 40)).last(), Some(6));
    allocation.bound(1, 2);
    assert_eq!(allocation.target(), 2);
    assert_eq!(target(&mut allocation, 9, 40), 2);
    allocation.bound(3, 9);
    assert_eq!(allocation.target(), 3);
    assert_eq!(target(&mut allocation, 10, 0), 3, "no fewer are wanted without tasks");
}
