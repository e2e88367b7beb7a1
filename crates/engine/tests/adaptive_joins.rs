//! Joins that adapt to what their sides hold: the same rows as without, and less work.

use crate::session::{World, world};

const KINDS: [&str; 6] = ["INNER", "LEFT", "RIGHT", "FULL", "LEFT SEMI", "LEFT ANTI"];

/// Rows of each side, `k` and `v`: some, next to none, none, and most with one key.
const SIDES: [&str; 4] = [
    "(SELECT id % 97 AS k, id AS v FROM range(0, 3000, 1, 4))",
    "(SELECT id * 13 AS k, id AS v FROM range(0, 8, 1, 2))",
    "(SELECT id AS k, id AS v FROM range(0, 50, 1, 2) WHERE id * id < 0)",
    "(SELECT if(id % 10 < 9, 13, id) AS k, id AS v FROM range(0, 400, 1, 4))",
];

/// Pairs of sides, by their places.
const PAIRS: [(usize, usize); 7] = [(0, 1), (1, 0), (0, 2), (2, 0), (0, 3), (3, 0), (3, 3)];

/// What is made of a join: its rows, and groups of its keys or a further join by its keys.
fn queries(kind: &str, left: &str, right: &str, grouped: bool) -> [String; 2] {
    let is_filter = kind.ends_with("SEMI") || kind.ends_with("ANTI");
    let columns = if is_filter { "l.k, l.v" } else { "l.k, l.v, r.k AS rk, r.v AS rv" };
    let joined = |on: &str| {
        format!("SELECT {columns} FROM {left} AS l {kind} JOIN {right} AS r ON l.k = r.k{on}")
    };
    let all = joined("");
    let above = if grouped {
        format!("SELECT k, count(*), sum(v) FROM ({all}) GROUP BY k")
    } else {
        format!("SELECT a.k, a.v, b.v FROM ({all}) AS a JOIN {left} AS b ON a.k = b.k AND b.v < 90")
    };
    [joined(" AND (l.v + r.v) % 3 = 0"), above]
}

async fn set(world: &World, settings: &[(&str, &str)]) {
    for (key, value) in settings {
        world.rows(&format!("SET spark.sql.{key} = {value}")).await;
    }
}

async fn sorted(world: &World, query: &str) -> Vec<String> {
    let mut rows = world.rows(query).await;
    rows.sort();
    rows
}

/// Nothing is known of the sides beforehand.
async fn unknowing() -> World {
    let world = world("7");
    set(&world, &[("autoBroadcastJoinThreshold", "-1")]).await;
    world
}

const BROADCAST: [(&str, &str); 1] = [("adaptive.autoBroadcastJoinThreshold", "10k")];
const NO_BROADCAST: [(&str, &str); 1] = [("adaptive.autoBroadcastJoinThreshold", "-1")];
const SKEW: [(&str, &str); 6] = [
    ("adaptive.autoBroadcastJoinThreshold", "-1"),
    ("adaptive.skewJoin.skewedPartitionFactor", "1.5"),
    ("adaptive.skewJoin.skewedPartitionThresholdInBytes", "1b"),
    ("adaptive.advisoryPartitionSizeInBytes", "256b"),
    ("adaptive.coalescePartitions.minPartitionSize", "256b"),
    ("adaptive.coalescePartitions.parallelismFirst", "false"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_join_yields_the_rows_of_the_plan_that_does_not_adapt() {
    let (fixed, broadcast, coalesced, divided) =
        tokio::join!(unknowing(), unknowing(), unknowing(), unknowing());
    set(&fixed, &[("adaptive.enabled", "false")]).await;
    set(&broadcast, &BROADCAST).await;
    set(&coalesced, &NO_BROADCAST).await;
    set(&divided, &SKEW).await;
    for (number, kind) in KINDS.iter().enumerate() {
        for (left, right) in PAIRS {
            let grouped = (number + left + right) % 2 == 0;
            for query in queries(kind, SIDES[left], SIDES[right], grouped) {
                let expected = sorted(&fixed, &query).await;
                assert_eq!(sorted(&broadcast, &query).await, expected, "broadcast: {query}");
                assert_eq!(sorted(&coalesced, &query).await, expected, "coalesced: {query}");
                assert_eq!(sorted(&divided, &query).await, expected, "divided: {query}");
            }
        }
    }
}

/// Tasks of the stages that had some, by number.
fn tasks(world: &World) -> Vec<usize> {
    let mut counts = world.runner.take_task_counts();
    counts.retain(|count| *count > 0);
    counts.sort_unstable();
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_side_of_a_small_one_is_not_distributed() {
    let [some, few, none, _] = SIDES;
    for (kind, left, right, expected) in [
        // The small side writes a shuffle, which each task of the other side reads.
        ("INNER", some, few, vec![2, 4]),
        ("INNER", few, some, vec![2, 4]),
        ("LEFT", some, few, vec![2, 4]),
        ("LEFT SEMI", some, few, vec![2, 4]),
        ("LEFT ANTI", some, few, vec![2, 4]),
        // A task of its own yields the rows of the small side that have no partner.
        ("LEFT", few, some, vec![1, 2, 4]),
        ("FULL", few, some, vec![1, 2, 4]),
        // Nothing is joined with nothing.
        ("INNER", none, some, vec![1, 2]),
        ("LEFT SEMI", some, none, vec![1, 2]),
    ] {
        let world = unknowing().await;
        set(&world, &BROADCAST).await;
        let columns =
            if kind.ends_with("SEMI") || kind.ends_with("ANTI") { "l.v" } else { "l.v, r.v" };
        world
            .rows(&format!(
                "SELECT {columns} FROM {left} AS l {kind} JOIN {right} AS r ON l.k = r.k"
            ))
            .await;
        assert_eq!(tasks(&world), expected, "{kind} {left} {right}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_larger_partition_is_divided_among_tasks() {
    let [some, few, _, most] = SIDES;
    let world = unknowing().await;
    set(&world, &SKEW).await;
    let query = format!("SELECT l.v, r.v FROM {most} AS l LEFT JOIN {some} AS r ON l.k = r.k");
    world.rows(&query).await;
    let divided = tasks(&world);
    set(&world, &[("adaptive.skewJoin.enabled", "false")]).await;
    world.rows(&query.replace("l.v, r.v", "l.v, r.v, l.k")).await;
    let whole = tasks(&world);
    assert!(divided.iter().sum::<usize>() > whole.iter().sum(), "{divided:?} {whole:?}");
    // Only the side whose rows have to be complete is not divided.
    set(&world, &[("adaptive.skewJoin.enabled", "true")]).await;
    world
        .rows(&format!("SELECT l.v, r.v FROM {few} AS l LEFT JOIN {most} AS r ON l.k = r.k"))
        .await;
    assert!(tasks(&world).iter().all(|count| *count <= 7));
}

/// The blocks of the other side are those of the only key, not of all partitions.
#[tokio::test(flavor = "multi_thread")]
async fn only_rows_with_keys_of_a_small_side_are_distributed() {
    let one = "(SELECT 13 AS k, id AS v FROM range(0, 8, 1, 2) WHERE id * id >= 0)";
    let [some, ..] = SIDES;
    for kind in ["LEFT", "LEFT SEMI", "LEFT ANTI"] {
        let world = unknowing().await;
        set(&world, &BROADCAST).await;
        let query = format!("SELECT count(*) FROM {one} AS l {kind} JOIN {some} AS r ON l.k = r.k");
        let expected = if kind == "LEFT" {
            "248"
        } else if kind == "LEFT SEMI" {
            "8"
        } else {
            "0"
        };
        assert_eq!(world.rows(&query).await, [expected], "{kind}");
        let fetched = world.runner.blocks().take_fetched();
        assert!(fetched < 4 * 7, "{kind}: {fetched}");
    }
}
