//! Tasks that run out of memory.

use crate::harness::{World, rows};
use analysis::{Count, Exchange, Target};
use datafusion::common::{JoinType, NullEquality};
use datafusion::datasource::provider_as_source;
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, LogicalPlanBuilder, col, lit};
use engine::RunJob;
use model::ByteSize;
use sources::RangeTable;
use std::sync::Arc;

const KINDS: [JoinType; 8] = [
    JoinType::Inner,
    JoinType::Left,
    JoinType::Right,
    JoinType::Full,
    JoinType::LeftSemi,
    JoinType::RightSemi,
    JoinType::LeftAnti,
    JoinType::RightAnti,
];

fn range(name: &str, from: i64, to: i64) -> LogicalPlanBuilder {
    let table = RangeTable::new(name, (from, to, 1), 2);
    LogicalPlanBuilder::scan(name, provider_as_source(Arc::new(table)), None).expect("a range")
}

/// A join of two overlapping ranges; some pairs are filtered out, and unmatched sides have nulls.
fn joined(kind: JoinType) -> LogicalPlan {
    let filter = Some((col("a") + col("b")).not_eq(lit(400_000i64)));
    let on = (vec!["a"], vec!["b"]);
    let right = range("b", 150_000, 450_000).build().expect("a range");
    let join = range("a", 0, 300_000).join_detailed(
        right,
        kind,
        on,
        filter,
        NullEquality::NullEqualsNothing,
    );
    join.and_then(LogicalPlanBuilder::build).expect("a join")
}

/// The number of rows, and the sum of each column.
fn summed(plan: LogicalPlan) -> LogicalPlan {
    let columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::from).collect();
    let mut sums: Vec<Expr> = columns.into_iter().map(sum).collect();
    sums.push(count(lit(1)));
    LogicalPlanBuilder::from(plan)
        .aggregate(Vec::<Expr>::new(), sums)
        .and_then(LogicalPlanBuilder::build)
        .expect("sums")
}

fn worlds() -> (World, World) {
    let conf =
        [("spark.sql.shuffle.partitions", "1"), ("spark.sql.autoBroadcastJoinThreshold", "-1")];
    (World::new(&conf), World::with_memory(&conf, 1, ByteSize::mib(3)))
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_of_all_kinds_that_exceed_memory_fall_back_to_sort_merge() {
    let (large, small) = worlds();
    for kind in KINDS {
        let plan = summed(joined(kind));
        assert_eq!(rows(&small.run(&plan).await), rows(&large.run(&plan).await), "{kind}");
    }
}

/// Another order would send rows to other readers, and a rerun reader would get some twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_join_with_round_robin_routing_keeps_its_order_and_fails() {
    let (large, small) = worlds();
    let node =
        Exchange { input: joined(JoinType::Inner), target: Target::RoundRobin(Count::Asked(2)) };
    let plan = summed(LogicalPlan::Extension(Extension { node: Arc::new(node) }));
    large.run(&plan).await;
    let job = small.plan(&plan).await;
    let error = small.runner.run(job).await.expect_err("it does not fit");
    assert_eq!(error.class(), "UNABLE_TO_ACQUIRE_MEMORY", "{error}");
}
