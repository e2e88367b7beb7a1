//! Shares of tasks: who gets memory, who is refused, who waits.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering};

fn view(all: &Arc<ExecutorMemory>) -> Arc<TaskMemory> {
    TaskMemory::begin(all, &Stop::default())
}

fn consumer(task: &Arc<TaskMemory>, name: &str, spills: bool) -> MemoryReservation {
    let pool = Arc::clone(task) as Arc<dyn MemoryPool>;
    MemoryConsumer::new(name).with_can_spill(spills).register(&pool)
}

#[test]
fn a_task_gets_an_equal_part_and_all_of_it_if_it_is_alone() {
    let all = Arc::new(ExecutorMemory::new(100));
    let first = view(&all);
    let held = consumer(&first, "x", false);
    held.try_grow(90).unwrap();
    held.shrink(40);
    let second = view(&all);
    assert!(held.try_grow(1).is_err(), "its part is used up");
    let other = consumer(&second, "y", false);
    other.try_grow(50).unwrap();
    assert!(other.try_grow(1).is_err());
    drop(other);
    second.end();
    held.try_grow(50).unwrap();
    assert_eq!(first.reserved(), 100);
}

#[test]
fn operators_of_a_task_that_spill_have_equal_parts_of_what_others_of_it_leave() {
    let all = Arc::new(ExecutorMemory::new(100));
    let task = view(&all);
    let fixed = consumer(&task, "fixed", false);
    fixed.try_grow(20).unwrap();
    let (one, two) = (consumer(&task, "one", true), consumer(&task, "two", true));
    one.try_grow(40).unwrap();
    assert!(one.try_grow(1).is_err());
    two.try_grow(40).unwrap();
    // Parts of a reservation count with it.
    let part = two.split(30);
    assert!(two.try_grow(20).is_err());
    drop(part);
    two.try_grow(20).unwrap();
}

#[test]
fn who_has_nothing_to_spill_may_take_what_the_task_has_left() {
    let all = Arc::new(ExecutorMemory::new(90));
    let task = view(&all);
    let spiller = |name| consumer(&task, name, true);
    let (one, two, three) = (spiller("one"), spiller("two"), spiller("three"));
    one.try_grow(50).unwrap();
    assert!(one.try_grow(1).is_err());
    assert!(two.try_grow(41).is_err());
    two.try_grow(40).unwrap();
    // Its own part is due to the last in any case: the others give back when they want more.
    three.try_grow(30).unwrap();
    assert!(three.try_grow(1).is_err());
}

#[test]
fn what_is_common_counts_for_no_share_and_makes_all_of_them_smaller() {
    let all = Arc::new(ExecutorMemory::new(100));
    let (first, second) = (view(&all), view(&all));
    let table = consumer(&first, "HashJoinInput", false);
    table.try_grow(60).unwrap();
    let (one, two) = (consumer(&first, "a", false), consumer(&second, "b", false));
    one.try_grow(20).unwrap();
    assert!(one.try_grow(1).is_err());
    two.try_grow(20).unwrap();
    // It outlives the attempt that made it.
    drop(one);
    first.end();
    drop(first);
    assert_eq!(second.reserved(), 80);
    drop(table);
    two.try_grow(80).unwrap();
}

#[test]
fn a_refusal_names_the_operator_and_what_to_change() {
    let all = Arc::new(ExecutorMemory::new(100 << 20));
    let task = view(&all);
    let sort = consumer(&task, "ExternalSorter[0]", true);
    sort.try_grow(70 << 20).unwrap();
    let error = consumer(&task, "HashJoinInput[3]", false).try_grow(40 << 20).unwrap_err();
    let text = error.to_string();
    for part in [
        "hash join could not get 40.0 MB",
        "sort 70.0 MB",
        "share is 100.0 MB",
        "spark.executor.memory",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Runs on threads that may wait, as those of an executor.
fn on_threads<T>(work: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async { work() })
}

#[test]
fn a_task_waits_for_its_least_share_and_is_not_starved() {
    let all = Arc::new(ExecutorMemory::new(100));
    let greedy = view(&all);
    let held = consumer(&greedy, "greedy", false);
    held.try_grow(90).unwrap();
    let late = view(&all);
    on_threads(|| {
        let one = consumer(&late, "late", false);
        // What is free is given although nobody frees anything.
        one.try_grow(10).unwrap();
        let freed = Arc::new(AtomicBool::new(false));
        let mark = Arc::clone(&freed);
        let freeing = std::thread::spawn(move || {
            std::thread::sleep(2 * TICK);
            mark.store(true, Ordering::SeqCst);
            drop(held);
            greedy.end();
        });
        // Up to a quarter is due to each of two.
        one.try_grow(15).unwrap();
        assert!(freed.load(Ordering::SeqCst), "it was given what another task held");
        freeing.join().unwrap();
    });
}

#[test]
fn beyond_its_least_share_a_task_spills_instead_of_waiting() {
    let all = Arc::new(ExecutorMemory::new(100));
    let (greedy, late) = (view(&all), view(&all));
    let held = consumer(&greedy, "greedy", false);
    greedy.grow(&held, 90);
    on_threads(|| assert!(consumer(&late, "late", true).try_grow(30).is_err()));
}

#[test]
fn a_task_that_is_told_to_stop_waits_no_longer() {
    let all = Arc::new(ExecutorMemory::new(100));
    let greedy = view(&all);
    let held = consumer(&greedy, "greedy", false);
    held.try_grow(90).unwrap();
    let stop = Stop::default();
    let late = TaskMemory::begin(&all, &stop);
    let stopping = std::thread::spawn(move || {
        std::thread::sleep(TICK);
        stop.stop();
    });
    on_threads(|| assert!(consumer(&late, "late", false).try_grow(20).is_err()));
    stopping.join().unwrap();
}

#[test]
fn a_merge_leaves_memory_to_who_reads_it() {
    let all = Arc::new(ExecutorMemory::new(90));
    let task = view(&all);
    let one = consumer(&task, "ExternalSorterMerge[0]", false);
    let two = consumer(&task, "ExternalSorterMerge[1]", false);
    one.try_grow(30).unwrap();
    assert!(one.try_grow(1).is_err(), "a third is for the other merge, and one for the rest");
    two.try_grow(30).unwrap();
    consumer(&task, "reader", true).try_grow(30).unwrap();
}
