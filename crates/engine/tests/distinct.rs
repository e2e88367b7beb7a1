//! Aggregate functions of distinct values: Spark's answers, and more values than memory.

use crate::session::{world, world_with_memory};
use model::ByteSize;

const ROWS: &str = "create temporary view t as select * from values
    ('a', 1, 'x', 1.50BD, 0.0D), ('a', 2, 'y', 1.50BD, -0.0D),
    ('a', 1, null, 2.50BD, double('NaN')), ('b', null, 'x', null, double('NaN')),
    ('b', 3, 'x', 9.99BD, 1.5D), (null, 3, 'z', 9.99BD, 2.5D), (null, 3, 'z', 0.01BD, null),
    ('c', null, null, null, null) as t(k, i, x, d, f)";

const CASES: &[(&str, &[&str])] = &[
    ("select count(distinct x) from t", &["3"]),
    ("select count(distinct x) from t where i > 100", &["0"]),
    ("select k, count(distinct x) from t group by k order by k", &["NULL|1", "a|2", "b|1", "c|0"]),
    ("select sum(distinct i) from t", &["6"]),
    ("select sum(distinct i) from t where i > 100", &["NULL"]),
    ("select k, sum(distinct i) from t group by k order by k", &["NULL|3", "a|3", "b|3", "c|NULL"]),
    ("select avg(distinct i) from t", &["2.0000"]),
    ("select avg(distinct i) from t where i > 100", &["NULL"]),
    (
        "select k, avg(distinct i) from t group by k order by k",
        &["NULL|3.0000", "a|1.5000", "b|3.0000", "c|NULL"],
    ),
    ("select count(distinct x, i) from t", &["4"]),
    ("select count(distinct x, i) from t where i > 100", &["0"]),
    (
        "select k, count(distinct x, i) from t group by k order by k",
        &["NULL|1", "a|2", "b|1", "c|0"],
    ),
    ("select count(distinct d), count(distinct f) from t", &["4|4"]),
    ("select count(distinct d), count(distinct f) from t where i > 100", &["0|0"]),
    (
        "select k, count(distinct d), count(distinct f) from t group by k order by k",
        &["NULL|2|1", "a|2|2", "b|1|2", "c|0|0"],
    ),
    ("select sum(distinct d), avg(distinct d), count(*) from t", &["14.0000|3.5000|8"]),
    ("select sum(distinct d), avg(distinct d), count(*) from t where i > 100", &["NULL|NULL|0"]),
    (
        "select k, sum(distinct d), avg(distinct d), count(*) from t group by k order by k",
        &["NULL|10.0000|5.0000|2", "a|4.0000|2.0000|3", "b|9.9900|9.9900|2", "c|NULL|NULL|1"],
    ),
    (
        "select count(distinct x), count(distinct i), sum(i), avg(d), count(*) from t",
        &["3|3|13|4.2483|8"],
    ),
    (
        "select count(distinct x), count(distinct i), sum(i), avg(d), count(*) from t where i > 100",
        &["0|0|NULL|NULL|0"],
    ),
    (
        "select k, count(distinct x), count(distinct i), sum(i), avg(d), count(*) from t group by k order by k",
        &["NULL|1|1|6|5.0000|2", "a|2|2|4|1.8333|3", "b|1|1|3|9.9900|2", "c|0|0|NULL|NULL|1"],
    ),
    (
        "select count(distinct x) filter (where i > 2), count(distinct x) filter (where i < 0), count(*) filter (where i > 1) from t",
        &["2|0|4"],
    ),
    (
        "select count(distinct x) filter (where i > 2), count(distinct x) filter (where i < 0), count(*) filter (where i > 1) from t where i > 100",
        &["0|0|0"],
    ),
    (
        "select k, count(distinct x) filter (where i > 2), count(distinct x) filter (where i < 0), count(*) filter (where i > 1) from t group by k order by k",
        &["NULL|1|0|2", "a|0|0|1", "b|1|0|1", "c|0|0|0"],
    ),
    ("select count(distinct 1), count(distinct null), sum(distinct 2) from t", &["1|0|2"]),
    (
        "select count(distinct 1), count(distinct null), sum(distinct 2) from t where i > 100",
        &["0|0|NULL"],
    ),
    (
        "select k, count(distinct 1), count(distinct null), sum(distinct 2) from t group by k order by k",
        &["NULL|1|0|2", "a|1|0|2", "b|1|0|2", "c|1|0|2"],
    ),
    ("select sum(distinct i) + count(distinct x) * 2 from t", &["12"]),
    ("select sum(distinct i) + count(distinct x) * 2 from t where i > 100", &["NULL"]),
    (
        "select k, sum(distinct i) + count(distinct x) * 2 from t group by k order by k",
        &["NULL|5", "a|7", "b|5", "c|NULL"],
    ),
    (
        "select count(distinct named_struct('a', i, 'b', x)), count(distinct array(i)) from t",
        &["7|4"],
    ),
    (
        "select count(distinct named_struct('a', i, 'b', x)), count(distinct array(i)) from t where i > 100",
        &["0|0"],
    ),
    (
        "select k, count(distinct named_struct('a', i, 'b', x)), count(distinct array(i)) from t group by k order by k",
        &["NULL|1|1", "a|3|2", "b|2|2", "c|1|1"],
    ),
    ("select k, count(distinct x) from t where i > 100 group by k", &[]),
    ("select k, count(distinct x, i) from t where i > 100 group by k", &[]),
    (
        "select count(distinct x), count(distinct x) filter (where i is null), collect_list(distinct x) from t",
        &["3|1|[x, y, z]"],
    ),
    (
        "select sum(distinct i) filter (where x is not null), sum(distinct i), stddev(i), max(x) from t",
        &["6|6|0.9832|z"],
    ),
    (
        "select var_pop(distinct i), avg(distinct i) filter (where false), sum(d), avg(i) from t",
        &["0.6667|NULL|25.4900|2.1667"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn distinct_values_are_those_of_spark() {
    let world = world("2");
    world.sql(ROWS).await.expect("a view");
    world.check(CASES).await;
}

/// Half a million values of each column; what tasks hold is a few megabytes.
#[tokio::test(flavor = "multi_thread")]
async fn more_distinct_values_than_memory_are_spilled() {
    let world = world_with_memory("2", ByteSize::mib(10));
    world
        .check(&[
            (
                "select count(distinct id), sum(distinct id), avg(distinct id), count(*), sum(id) \
                 from range(0, 500000, 1, 4)",
                &["500000|124999750000|249999.5000|500000|124999750000"],
            ),
            (
                "select count(distinct id), count(distinct cast(id as string)), max(id), \
                 count(distinct id) filter (where id < 10), stddev(id) > 0 \
                 from range(0, 500000, 1, 4)",
                &["500000|500000|499999|10|true"],
            ),
            (
                "select id % 2, count(distinct id), sum(distinct id), count(*) \
                 from range(0, 500000, 1, 4) group by 1 order by 1",
                &["0|250000|62499750000|250000", "1|250000|62500000000|250000"],
            ),
        ])
        .await;
}

/// Groups that hold their values: all of them are more than memory, one is not.
#[tokio::test(flavor = "multi_thread")]
async fn groups_that_are_larger_than_memory_are_computed_one_after_the_other() {
    let world = world_with_memory("2", ByteSize::mib(12));
    let rows = "from range(0, 60000, 1, 4) group by id % 5000";
    world
        .check(&[
            (
                &format!(
                    "select count(*), sum(size(l)), sum(length(l[0]) + length(l[11])) from \
                     (select collect_list(repeat('a text ', 60)) l {rows})"
                ),
                &["5000|60000|4200000"],
            ),
            (
                &format!(
                    "select count(*), sum(size(s)), sum(p) from (select collect_set(concat(\
                     repeat('a text ', 60), id)) s, percentile(id, 0.5) p {rows})"
                ),
                &["5000|60000|149997500.0000"],
            ),
        ])
        .await;
    let all =
        world.rows("select size(collect_list(repeat('a text ', 60))) from range(100000)").await;
    let [error] = all.as_slice() else { panic!("{all:?}") };
    assert!(error.starts_with("[UNABLE_TO_ACQUIRE_MEMORY]"), "{error}");
    assert!(error.contains("Raise spark.executor.memory"), "{error}");
}
