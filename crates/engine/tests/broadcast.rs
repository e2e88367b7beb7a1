//! Joins whose build side all tasks have: what an executor fetches and builds for them.

use crate::harness::{World, rows};
use datafusion::common::{JoinType, NullEquality};
use datafusion::datasource::provider_as_source;
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, col, lit};
use model::ByteSize;
use sources::RangeTable;
use std::sync::Arc;

fn range(name: &str, to: i64, partitions: u32) -> LogicalPlanBuilder {
    let table = RangeTable::new(name, (0, to, 1), partitions);
    LogicalPlanBuilder::scan(name, provider_as_source(Arc::new(table)), None).expect("a range")
}

/// A million rows in 12 tasks, each with those of `build` that are less than `below`, from two
/// tasks.
fn joined(rows: i64, kind: JoinType) -> LogicalPlan {
    let build = range("b", rows, 2).build().expect("a range");
    let on = (vec!["a"], vec!["b"]);
    let join = range("a", 1_000_000, 12).join_detailed(
        build,
        kind,
        on,
        None,
        NullEquality::NullEqualsNothing,
    );
    let columns = [sum(col("a")), count(lit(1))];
    join.and_then(|join| join.aggregate(Vec::<Expr>::new(), columns))
        .and_then(LogicalPlanBuilder::build)
        .expect("a join")
}

fn answer(rows: i64) -> Vec<String> {
    vec![format!("{}|{rows}", rows * (rows - 1) / 2)]
}

/// Blocks that are fetched besides the build side's: the partial sums of the tasks that probe.
const SUMS: usize = 12;

/// 24 MiB, so that a build side of 300,000 rows is not among those whose rows are kept.
fn small_world() -> World {
    World::with_memory(&[], 2, ByteSize::mib(24))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_built_once_for_all_tasks() {
    let world = small_world();
    for kind in [JoinType::Inner, JoinType::LeftSemi] {
        assert_eq!(rows(&world.run(&joined(300_000, kind)).await), answer(300_000), "{kind}");
        assert_eq!(world.runner.blocks().take_fetched(), 2 + SUMS, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_a_small_build_side_serve_other_stages() {
    let world = World::with_memory(&[], 2, ByteSize::mib(256));
    let both = |other: JoinType| {
        LogicalPlanBuilder::from(joined(50_000, JoinType::Inner))
            .union(joined(50_000, other))
            .and_then(LogicalPlanBuilder::build)
            .expect("a union")
    };
    let expected = [answer(50_000), answer(50_000)].concat();
    assert_eq!(rows(&world.run(&both(JoinType::LeftSemi)).await), expected);
    assert_eq!(world.runner.blocks().take_fetched(), 2 + 2 * SUMS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_could_not_be_read_is_built_again() {
    let world = small_world();
    // The first fetch of the second stage is that of the build side.
    world.runner.blocks().refuse_next();
    assert_eq!(rows(&world.run(&joined(300_000, JoinType::Inner)).await), answer(300_000));
}

/// The tables of all stages of the job would not fit at once.
#[tokio::test(flavor = "multi_thread")]
async fn tables_of_stages_that_are_over_make_room() {
    let world = small_world();
    let counts = 300_000..300_006;
    let joins = counts.clone().map(|rows| joined(rows, JoinType::Inner));
    let all = joins.reduce(|one, other| {
        let union = LogicalPlanBuilder::from(one).union(other);
        union.and_then(LogicalPlanBuilder::build).expect("a union")
    });
    let found = rows(&world.run(&all.expect("a plan")).await);
    assert_eq!(found, counts.clone().flat_map(answer).collect::<Vec<_>>());
    let fetched = world.runner.blocks().take_fetched();
    assert_eq!(fetched, counts.count() * (2 + SUMS), "some joins were merges");
}
