//! Failures in tasks, which are reported with their type.

use crate::harness::World;
use crate::local::LocalBlocks;
use analysis::{Count, Exchange, Target};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Extension, LogicalPlan, LogicalPlanBuilder, col, lit};
use errors::Exception;
use model::{
    Attempt, BlockProblem, Epoch, MapOutput, MapOutputId, StageId, TaskFailure, TaskId, Unreadable,
};
use shuffle::Catalogue;
use sources::RangeTable;
use std::sync::Arc;
use task::{BlockSource, Wanted};

fn shuffled() -> LogicalPlan {
    let table = RangeTable::new("id", (0, 1_000, 1), 2);
    let range = LogicalPlanBuilder::scan("range", provider_as_source(Arc::new(table)), None)
        .and_then(LogicalPlanBuilder::build)
        .expect("a range");
    let node = Exchange { input: range, target: Target::RoundRobin(Count::Asked(2)) };
    LogicalPlan::Extension(Extension { node: Arc::new(node) })
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_raised_by_data_keep_their_message() {
    let world = World::new(&[]);
    let plan = LogicalPlanBuilder::from(shuffled())
        .project([(lit(1i64) / (col("id") - lit(7i64))).alias("x")])
        .and_then(LogicalPlanBuilder::build)
        .expect("a plan");
    let job = world.plan(&plan).await;
    let error = engine::RunJob::run(&world.runner, job).await.expect_err("a division by zero");
    assert_eq!((error.exception, error.class()), (Exception::Arithmetic, "DIVIDE_BY_ZERO"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_cannot_be_read_is_a_fetch_failure_of_its_writer() {
    let world = World::new(&[]);
    let job = world.plan(&shuffled()).await;
    let task = TaskId { stage: StageId(0), partition: 1 };
    let output = MapOutput {
        id: MapOutputId { shuffle: job.stages[0].shuffle(), map: 1 },
        attempt: Attempt { task, number: 3 },
        epoch: Epoch(1),
        volume: model::VolumeId("elsewhere".to_owned()),
        block_bytes: vec![10, 10],
        rows: 2,
        row_checksum: 0,
    };
    let blocks = LocalBlocks::new(Catalogue::new([]));
    let wanted = [Wanted { output: Arc::new(output.clone()), reader: 0 }];
    let failure = blocks.fetch(&wanted).await.expect_err("nothing is there");
    let TaskFailure::FetchFailed { unreadable, .. } = failure else { panic!("{failure}") };
    assert_eq!(unreadable, [Unreadable::new(&output, BlockProblem::Unreachable)]);
}
