//! Global sorts: ranges that are sorted one by one, and merges where these are better.

use crate::harness::rows;
use crate::session::{World, text, world};
use plan::{Relation, RelationKind, StorageLevel};

/// Keys with nulls, numbers that are none, equal values, and strings.
const ROWS: &str = "create or replace temporary view t as
    select id, 7 as k, pmod(id, 3) as g,
      case when id % 11 = 0 then null when id % 13 = 0 then double('NaN')
        when id % 17 = 0 then double('-Infinity') else pmod(id * 7919, 1009) / 8.0D - 50 end as d,
      if(id % 7 = 2, null, concat(chr(cast(97 + pmod(id * 31, 26) as int)), id)) as s,
      named_struct('a', pmod(id * 7919, 101), 'b', if(id % 5 = 1, null, id)) as n
    from range(4000)";

const ORDERS: &[(&str, &str)] = &[
    ("d", "d"),
    ("d", "d desc"),
    ("d", "d nulls last"),
    ("d", "d desc nulls first"),
    ("s", "s"),
    ("s", "s desc"),
    ("k", "k"),
    ("g, d, s", "g desc, d, s desc nulls first"),
    ("k, s", "k, s"),
    ("n", "n desc"),
    ("id", "abs(id - 2000), id"),
];

/// A world with `t`, where partitions are not combined because they are small.
async fn filled(partitions: &str) -> World {
    let world = world(partitions);
    world.sql("set spark.sql.adaptive.enabled = false").await.expect("a setting");
    world.sql(ROWS).await.expect("a view");
    world
}

/// A reader that takes the rows in as many partitions as there are.
fn in_partitions(input: Relation) -> Relation {
    RelationKind::Repartition { input, partitions: 1000, shuffle: false }.into()
}

async fn run(world: &World, relation: &Relation) -> Vec<String> {
    let answer = world.session.execute(relation, &world.runner).await.expect("rows");
    rows(&answer.batches)
}

async fn count(world: &World, input: Relation) -> u32 {
    let counted = run(world, &RelationKind::CountPartitions { input }.into()).await;
    counted[0].parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn sorted_ranges_follow_one_another_whatever_the_keys_are() {
    for partitions in ["1", "3", "16"] {
        let world = filled(partitions).await;
        let most: u32 = partitions.parse().expect("a number");
        for (columns, order) in ORDERS {
            for condition in ["true", "id < 0", "id % 500 = 3"] {
                let sorted = format!("select {columns} from t where {condition} order by {order}");
                let ranges = in_partitions(text(&sorted));
                let (merged, spread) = (world.rows(&sorted).await, run(&world, &ranges).await);
                assert_eq!(merged, spread, "{sorted}, {partitions} partitions");
                let found = count(&world, text(&sorted)).await;
                let wanted = match (condition, *columns) {
                    ("id < 0", _) | (_, "k" | "n") => 1..=1,
                    ("true", _) => most.min(3)..=most,
                    _ => 1..=most,
                };
                assert!(wanted.contains(&found), "{sorted}: {found} of {partitions} partitions");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_partition_is_the_same_for_every_job_and_sampled_once() {
    let world = filled("5").await;
    let sorted = "select s from t order by s";
    let found = count(&world, text(sorted)).await;
    assert_eq!(found, 5);
    world.runner.take_task_counts();
    assert_eq!(count(&world, text(sorted)).await, 5);
    assert_eq!(world.runner.take_task_counts(), Vec::<usize>::new(), "nothing is sampled again");
    let mut all = Vec::new();
    for partition in 0..found {
        let groups = vec![vec![partition]];
        let one = RelationKind::SelectPartitions { input: text(sorted), groups }.into();
        let part = run(&world, &one).await;
        assert!((400..1600).contains(&part.len()), "{} rows", part.len());
        all.extend(part);
    }
    assert_eq!(all, world.rows(sorted).await);
    let few = "select /*+ repartition_by_range(10, g) */ g from t";
    assert_eq!(count(&world, text(few)).await, 3, "there are three different keys");
    let groups = vec![vec![0], vec![1], vec![2]];
    let parts = RelationKind::SelectPartitions { input: text(few), groups }.into();
    assert!(run(&world, &parts).await.is_sorted());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_and_the_sort_read_the_same_shuffle() {
    let world = filled("6").await;
    let counted = "select s, count(*) as n from t group by s order by n, s";
    world.runner.take_task_counts();
    let found = run(&world, &in_partitions(text(counted))).await;
    let tasks = world.runner.take_task_counts();
    assert_eq!(tasks, [4, 6, 0, 6, 6], "rows, sample, the same rows, ranges, sorts");
    assert_eq!(found, world.rows(counted).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_rows_are_one_partition_unless_plans_do_not_adapt() {
    let world = filled("5").await;
    let sorted = "select s from t order by s";
    assert_eq!(count(&world, text(sorted)).await, 5);
    world.sql("set spark.sql.adaptive.enabled = true").await.expect("a setting");
    let other = "select s, id from t order by s";
    assert_eq!(count(&world, text(other)).await, 1);
    let large = "select s, repeat(s, 2000) from t order by s";
    assert!((3..=5).contains(&count(&world, text(large)).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn collected_rows_and_those_of_one_task_are_merged() {
    let world = filled("5").await;
    let sorted = "select s from t order by s";
    world.runner.take_task_counts();
    let merged = world.rows(sorted).await;
    assert_eq!(world.runner.take_task_counts(), [4, 1], "sorted, and merged");
    let one = RelationKind::Repartition { input: text(sorted), partitions: 1, shuffle: false };
    assert_eq!(run(&world, &one.into()).await, merged);
    assert_eq!(world.runner.take_task_counts(), [0, 1]);
    let limited = "select s from (select s, id from t order by s) where id % 2 = 0 limit 3";
    let ranges = "select /*+ coalesce(1000) */ * from (select s, id from t order by s)";
    let above = format!("select s from ({ranges}) where id % 2 = 0 limit 3");
    assert_eq!(world.rows(limited).await, world.rows(&above).await);
    let counted = format!("select count(*), count(distinct s) from ({ranges})");
    assert_eq!(world.rows(&counted).await, ["4000|3428"]);
}

/// Each of the jobs that take a partition would draw others, so there is only one to take.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_drawn_again_are_one_partition() {
    let world = filled("6").await;
    let drawn = "select round(rand() * 100000) as r from t order by r";
    assert_eq!(count(&world, text(drawn)).await, 1);
    let found = run(&world, &in_partitions(text(drawn))).await;
    let found: Vec<f64> = found.iter().map(|row| row.parse().expect("a number")).collect();
    assert_eq!(found.len(), 4000);
    assert!(found.is_sorted());
}

/// Their arguments are constants, but they are not.
#[tokio::test(flavor = "multi_thread")]
async fn sorts_by_what_varies_are_done() {
    let world = filled("6").await;
    for varying in ["rand(5)", "randn(5)", "randstr(4, 5)", "uniform(1, 1000000, 5)"] {
        let sorted = world.rows(&format!("select {varying} as v from t order by v")).await;
        let in_order = match sorted[0].parse::<f64>() {
            Ok(_) => sorted.is_sorted_by_key(|row| row.parse::<f64>().expect("a number")),
            Err(_) => sorted.is_sorted(),
        };
        assert!(in_order && sorted.len() == 4000, "{varying}");
        let mixed = world.rows(&format!("select id from t order by {varying}")).await;
        let number = |row: &String| row.parse::<i64>().expect("a number");
        assert!(!mixed.iter().map(number).is_sorted(), "{varying}");
    }
    let numbered = "select id from t order by monotonically_increasing_id() desc limit 1";
    assert_eq!(world.rows(numbered).await, ["3999"]);
}

/// Otherwise each job would draw bounds of its own, and not find what is stored.
#[tokio::test(flavor = "multi_thread")]
async fn random_rows_in_a_cache_keep_their_bounds() {
    let world = filled("6").await;
    let cached =
        text("select /*+ repartition_by_range(4, r) */ * from (select uuid() as r from t)");
    world
        .session
        .persist(&cached, Some(StorageLevel::default()), &world.runner)
        .await
        .expect("it is persisted");
    let mut drawn = Vec::new();
    for _ in 0..2 {
        let mut rows = run(&world, &cached).await;
        rows.sort();
        drawn.push(rows);
    }
    assert_eq!(drawn[0].len(), 4000);
    assert!(drawn[0] == drawn[1], "other rows were drawn");
}
