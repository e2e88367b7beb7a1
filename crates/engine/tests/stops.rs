//! Tasks that compute for a long time are stopped in the middle, whichever operator computes.

use crate::session::{World, world};
use futures::future::ready;
use futures::{StreamExt, stream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Queries that run for minutes, by what takes the time.
const LONG: &[(&str, &str)] = &[
    ("nested loop", "select count(*) from a join a b on a.id < b.id + sin(b.id) - 1e9"),
    ("nested loop, outer", "select count(*) from a full join a b on a.id < b.id + sin(b.id) - 1e9"),
    ("nested loop, anti", "select count(*) from a anti join a b on a.id < b.id + sin(b.id) - 1e9"),
    ("cross join", "select sum(a.id * b.id) from a cross join a b"),
    ("cross join, no columns", "select count(*) from a cross join a b cross join a c"),
    ("equal keys", "select sum(a.id + b.id) from a join a b on a.k = b.k"),
    ("equal keys, filter", "select count(*) from a join a b on a.k = b.k and a.id + b.id < 0"),
    ("equal keys, left", "select count(*) from a left join a b on a.k = b.k and a.id + b.id < 0"),
    ("equal keys, semi", "select count(*) from a semi join a b on a.k = b.k and a.id + b.id < 0"),
    ("equal keys, anti", "select count(*) from a anti join a b on a.k = b.k and a.id + b.id < 0"),
    ("equal keys, semi, all", "select count(*) from a semi join (select id % 2 as h from many) b on a.k = b.h"),
    (
        "equal keys, merge",
        "select /*+ merge(b) */ count(*) from a join a b on a.k = b.k and a.id + b.id < 0",
    ),
    (
        "equal keys, merge, anti",
        "select /*+ merge(b) */ count(*) from a anti join a b on a.k = b.k and a.id + b.id < 0",
    ),
    ("equal keys, merge, all", "select /*+ merge(b) */ sum(a.id + b.id) from a join a b on a.k = b.k"),
    ("sort", "select max(x) from (select row_number() over (order by h) x from many)"),
    ("aggregate", "select max(n) from (select h, count(*) n, min(id) from many group by h)"),
    ("median", "select median(h), percentile(id, 0.1), collect_list(id) from many"),
    ("window", "select max(n) from (select max(h) over (order by id rows between 90000 preceding
       and 90000 following) as n from range(0, 3000000, 1, 1) lateral view explode(array(hash(id))) as h)"),
    ("window, lists", "select max(size(n)) from (select collect_list(h) over (order by id
       rows between 9000 preceding and 9000 following) as n from a)"),
    ("window, by range", "select max(n) from (select percentile(h, 0.5) over (order by id
       range between 9000 preceding and 9000 following) as n from a)"),
    ("explode", "select sum(x) from (select explode(array_repeat(id, 1000)) x from many)"),
    ("explode, large", "select sum(x) from a lateral view explode(sequence(0, 20000)) as x"),
    ("distances", "select sum(levenshtein(repeat('ab', 2000 + k), repeat('ba', 2000 + k))) from a"),
    ("lambda", "select max(aggregate(sequence(0, 9000000 + k), 0L, (s, x) -> s + x)) from a where id < 1"),
    ("comparator", "select max(size(array_sort(transform(sequence(0, 3000000 + k), x -> hash(x)),
       (x, y) -> if(x < y, -1, 1)))) from a where id < 1"),
    ("range", "select sum(id) from range(100000000000)"),
];

async fn filled() -> Arc<World> {
    let world = world("1");
    let a = "create temporary view a as
        select id, pmod(id, 1) as k, hash(id) as h from range(0, 200000, 1, 1)";
    let many = "create temporary view many as
        select id, xxhash64(id) as h from range(0, 100000000, 1, 1)";
    for view in [a, many] {
        world.sql(view).await.expect("a view");
    }
    Arc::new(world)
}

/// Runs a query for a while and stops it; tells what is wrong.
async fn stopped((name, sql): (&str, &'static str)) -> Option<String> {
    let world = filled().await;
    let job = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.rows(sql).await }
    });
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(1500) && !job.is_finished() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if job.is_finished() {
        return Some(format!("{name}: over at once, with {:?}", job.await));
    }
    world.runner.stop();
    job.abort();
    let stopped = Instant::now();
    while world.runner.running() > 0 {
        if stopped.elapsed() > Duration::from_secs(20) {
            return Some(format!("{name}: still running"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 16)]
async fn every_operator_stops_in_the_middle_of_its_work() {
    let wrong: Vec<String> = stream::iter(LONG.iter().copied())
        .map(stopped)
        .buffer_unordered(4)
        .filter_map(ready)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}
