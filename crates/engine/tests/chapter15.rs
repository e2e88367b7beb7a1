//! The program that a well-known book uses to explain jobs, stages and tasks.

use crate::harness::{World, rows};
use analysis::{Count, Exchange, Target};
use datafusion::datasource::provider_as_source;
use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::logical_expr::{Extension, LogicalPlan, LogicalPlanBuilder, col, lit};
use datafusion::prelude::JoinType;
use engine::{JobPlan, StagePlan};
use sources::RangeTable;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Columns are named as by the resolver; `first` is the next number.
fn program(first: u32) -> LogicalPlan {
    let names: Vec<String> = (first..first + 4).map(|number| format!("#{number}")).collect();
    let numbers = |name: &str, step: i64, partitions: u32| {
        let table = RangeTable::new(name, (2, 10_000_000, step), 8);
        let range = LogicalPlanBuilder::scan("range", provider_as_source(Arc::new(table)), None)
            .and_then(|range| range.project([quoted(name).alias(name)]))
            .and_then(LogicalPlanBuilder::build)
            .expect("a range");
        let node = Exchange { input: range, target: Target::RoundRobin(Count::Asked(partitions)) };
        LogicalPlanBuilder::from(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
    };
    let left = numbers(&names[0], 2, 5)
        .project([(quoted(&names[0]) * lit(5i64)).alias(&names[2])])
        .expect("a projection");
    let right = numbers(&names[1], 4, 6).build().expect("a range");
    let keys = |name: &String| vec![datafusion::common::Column::from_name(name)];
    left.join(right, JoinType::Inner, (keys(&names[2]), keys(&names[1])), None)
        .and_then(|join| {
            join.aggregate(Vec::<datafusion::prelude::Expr>::new(), [sum(quoted(&names[2]))])
        })
        .and_then(|sums| {
            let total = col(sums.schema().columns()[0].clone());
            sums.project([total.alias(&names[3])])
        })
        .and_then(LogicalPlanBuilder::build)
        .expect("a plan")
}

fn quoted(name: &str) -> datafusion::prelude::Expr {
    datafusion::prelude::Expr::Column(datafusion::common::Column::from_name(name))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stages_are_those_of_spark_and_run_once() {
    let world = World::new(&[
        ("spark.sql.autoBroadcastJoinThreshold", "-1"),
        ("spark.sql.adaptive.enabled", "false"),
    ]);
    let plan = program(0);
    let job = world.plan(&plan).await;
    let mut counts: Vec<u32> = job.stages.iter().map(StagePlan::partitions).collect();
    assert_eq!(counts.pop(), Some(1));
    counts.sort_unstable();
    assert_eq!(counts, [5, 6, 8, 8, 200]);

    assert_eq!(rows(&world.run(&plan).await), ["2500000000000"]);
    assert_eq!(world.runner.take_task_counts().iter().sum::<usize>(), 8 + 8 + 5 + 6 + 200 + 1);

    // The same action again, with columns numbered differently: only the result stage has work to
    // do.
    assert_eq!(rows(&world.run(&program(17)).await), ["2500000000000"]);
    assert_eq!(world.runner.take_task_counts(), [0, 0, 0, 0, 0, 1]);
}

/// What the program asked for stays, and so does what map stages write.
#[tokio::test(flavor = "multi_thread")]
async fn by_default_few_tasks_read_the_200_partitions() {
    let settings = [("spark.sql.autoBroadcastJoinThreshold", "-1")];
    let world = World::new(&settings);
    assert_eq!(rows(&world.run(&program(0)).await), ["2500000000000"]);
    let mut counts = world.runner.take_task_counts();
    counts.retain(|count| *count > 0);
    counts.sort_unstable();
    assert_eq!(counts, [1, 4, 5, 6, 8, 8]);

    assert_eq!(rows(&world.run(&program(17)).await), ["2500000000000"]);
    assert_eq!(world.runner.take_task_counts().into_iter().max(), Some(1));

    // Whether plans adapt or not, the stages below those that do are the same.
    let adapting = world.plan(&program(0)).await;
    let fixed = World::new(&[settings[0], ("spark.sql.adaptive.enabled", "false")]);
    let fixed = fixed.plan(&program(0)).await;
    let below = |job: &JobPlan| {
        let maps = job.stages.iter().take(4).map(StagePlan::shuffle);
        maps.collect::<BTreeSet<_>>()
    };
    assert_eq!(below(&adapting), below(&fixed));
}
