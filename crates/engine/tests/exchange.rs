//! Explicit exchanges, and unions.

use crate::harness::{World, rows};
use analysis::{Count, Exchange, Target};
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Extension, LogicalPlan, LogicalPlanBuilder, col, lit};
use engine::RunJob;
use sources::RangeTable;
use std::sync::Arc;

fn range(count: i64, partitions: u32) -> LogicalPlan {
    let table = RangeTable::new("id", (0, count, 1), partitions);
    LogicalPlanBuilder::scan("range", provider_as_source(Arc::new(table)), None)
        .and_then(|range| range.project([col("id")]))
        .and_then(LogicalPlanBuilder::build)
        .expect("a range")
}

fn exchange(input: LogicalPlan, target: Target) -> LogicalPlan {
    LogicalPlan::Extension(Extension { node: Arc::new(Exchange { input, target }) })
}

/// The numbers in each partition.
async fn partitions(world: &World, plan: &LogicalPlan) -> Vec<Vec<i64>> {
    let job = world.plan(plan).await;
    let partitions = world.runner.run(job).await.expect("the job runs");
    let numbers = |batches: Vec<RecordBatch>| {
        let column =
            |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().to_vec();
        batches.iter().flat_map(column).collect()
    };
    partitions.into_iter().map(numbers).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_routed_round_robin() {
    let world = World::new(&[]);
    let found =
        partitions(&world, &exchange(range(100, 4), Target::RoundRobin(Count::Asked(7)))).await;
    assert_eq!(found.len(), 7);
    assert!(found.iter().all(|rows| (12..=16).contains(&rows.len())), "{found:?}");
}

/// A map task whose numbers outgrow one, two and four bytes on the way: its blocks continue with
/// wider columns.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_grow_survive_a_shuffle() {
    let world = World::new(&[]);
    let count = 60_000;
    let value = |id: i64| if id < 20_000 { id / 1_000 } else { -id * id * id };
    let grown = LogicalPlanBuilder::from(range(count, 1))
        .project([datafusion::prelude::when(
            col("id").lt(lit(20_000_i64)),
            col("id") / lit(1_000_i64),
        )
        .otherwise(lit(0_i64) - col("id") * col("id") * col("id"))
        .expect("a case")])
        .and_then(LogicalPlanBuilder::build)
        .expect("a projection");
    let found = partitions(&world, &exchange(grown, Target::RoundRobin(Count::Asked(3)))).await;
    for (reader, numbers) in (0..).zip(found) {
        let expected: Vec<i64> = (reader..count).step_by(3).map(value).collect();
        assert!(numbers == expected, "reader {reader}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_partitioning_orders_rows_by_partition() {
    let world = World::new(&[]);
    let mixed = exchange(range(10_000, 4), Target::RoundRobin(Count::Asked(4)));
    let order = vec![col("id").sort(false, true)];
    let found = partitions(&world, &exchange(mixed, Target::Range(order, Count::Asked(5)))).await;
    assert_eq!(found.len(), 5);
    assert_eq!(found.iter().map(Vec::len).sum::<usize>(), 10_000);
    let mut last = i64::MAX;
    for rows in &found {
        assert!((1_000..3_000).contains(&rows.len()), "{} rows", rows.len());
        let (low, high) = (rows.iter().min().expect("rows"), rows.iter().max().expect("rows"));
        assert!(*high < last, "{high} is not below {last}");
        last = *low;
    }
    let same =
        exchange(range(0, 3), Target::Range(vec![col("id").sort(true, true)], Count::Asked(5)));
    assert_eq!(partitions(&world, &same).await, [Vec::<i64>::new()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn coalesce_combines_neighbours_without_a_shuffle() {
    let world = World::new(&[]);
    let plan = exchange(range(10, 5), Target::Coalesce(2));
    assert_eq!(world.plan(&plan).await.stages.len(), 1);
    let found = partitions(&world, &plan).await;
    assert_eq!(found, [(0..4).collect::<Vec<i64>>(), (4..10).collect()]);
    assert_eq!(partitions(&world, &exchange(range(10, 2), Target::Coalesce(5))).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_a_union_runs_its_branch_only() {
    let world = World::new(&[]);
    let plan = LogicalPlanBuilder::from(range(4, 2))
        .union(exchange(range(6, 3), Target::Coalesce(1)))
        .and_then(|both| both.union(exchange(range(2, 1), Target::RoundRobin(Count::Asked(2)))))
        .and_then(LogicalPlanBuilder::build)
        .expect("a union");
    let job = world.plan(&plan).await;
    assert_eq!(job.stages.last().expect("a stage").partitions(), 2 + 1 + 2);
    let mut found: Vec<i64> = partitions(&world, &plan).await.concat();
    found.sort_unstable();
    assert_eq!(found, [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shuffle_that_two_branches_share_is_written_once() {
    let world = World::new(&[]);
    let side = || exchange(range(100, 4), Target::RoundRobin(Count::Asked(3)));
    let plan = LogicalPlanBuilder::from(side())
        .union(side())
        .and_then(LogicalPlanBuilder::build)
        .expect("a union");
    let job = world.plan(&plan).await;
    assert_eq!(job.stages.len(), 2);
    assert_eq!(partitions(&world, &plan).await.concat().len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_columns_are_counted_through_a_shuffle() {
    let world = World::new(&[]);
    let plan =
        LogicalPlanBuilder::from(exchange(range(1_000, 4), Target::RoundRobin(Count::Asked(3))))
            .aggregate(
                Vec::<datafusion::prelude::Expr>::new(),
                [datafusion::functions_aggregate::expr_fn::count(lit(1))],
            )
            .and_then(LogicalPlanBuilder::build)
            .expect("a count");
    assert_eq!(rows(&world.run(&plan).await), ["1000"]);
}
