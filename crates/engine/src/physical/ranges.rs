//! Bounds of range partitionings: a job samples the keys, and the sample is divided into parts of
//! equal weight.

use super::exchange::{ExchangeExec, Routing};
use super::stage::Purpose;
use super::{cut, spark_error};
use crate::RunJob;
use arrow::array::AsArray;
use arrow::compute::SortOptions;
use arrow::datatypes::Float64Type;
use arrow::record_batch::RecordBatch;
use datafusion::common::utils::{compare_rows, get_row_at_idx};
use datafusion::common::{Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::physical_expr::{LexOrdering, RangePartitioning, SplitPoint};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, ExecutionPlan, ExecutionPlanProperties, ReplaceChildrenOptions,
};
use futures::future::BoxFuture;
use model::conf::Conf;
use plan::SparkError;
use std::cmp::Ordering;
use std::sync::Arc;
use task::nodes::SampleExec;

/// Sample size per target partition and in total, and the oversampling factor for partitions of
/// uneven size. As in Spark.
const SAMPLE_PER_PARTITION: usize = 20;
const SAMPLE_TOTAL: usize = 1_000_000;
const OVERSAMPLING: usize = 3;

/// Computes the bounds of every range exchange in a plan, inner exchanges first.
pub(crate) fn with_bounds<'a>(
    plan: Arc<dyn ExecutionPlan>,
    conf: &'a Conf,
    jobs: &'a dyn RunJob,
) -> BoxFuture<'a, Result<Arc<dyn ExecutionPlan>, SparkError>> {
    Box::pin(async move {
        let before: Vec<_> = plan.children().into_iter().map(Arc::clone).collect();
        let mut children = Vec::with_capacity(before.len());
        for child in &before {
            children.push(with_bounds(Arc::clone(child), conf, jobs).await?);
        }
        if let Some(exchange) = plan.downcast_ref::<ExchangeExec>()
            && let Routing::Range(order, partitions) = exchange.routing()
            && let [input] = &children[..]
        {
            let bounds = bounds(input, order, *partitions, conf, jobs).await?;
            let routing = Routing::Bounded(bounds);
            return Ok(Arc::new(ExchangeExec::new(Arc::clone(input), routing)) as _);
        }
        if children.iter().zip(&before).all(|(new, old)| Arc::ptr_eq(new, old)) {
            return Ok(plan);
        }
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        plan.replace_children(children, options).map_err(|error| spark_error(&error))
    })
}

async fn bounds(
    input: &Arc<dyn ExecutionPlan>,
    order: &LexOrdering,
    partitions: usize,
    conf: &Conf,
    jobs: &dyn RunJob,
) -> Result<RangePartitioning, SparkError> {
    let fail = |error: DataFusionError| spark_error(&error);
    let keys = order.iter().enumerate().map(|(i, key)| (Arc::clone(&key.expr), format!("key{i}")));
    let keys =
        ProjectionExec::try_new(keys.collect::<Vec<_>>(), Arc::clone(input)).map_err(fail)?;
    let tasks = input.output_partitioning().partition_count().max(1);
    let wanted = (SAMPLE_PER_PARTITION * partitions).min(SAMPLE_TOTAL);
    let rows = u32::try_from((OVERSAMPLING * wanted).div_ceil(tasks)).unwrap_or(u32::MAX);
    let sample: Arc<dyn ExecutionPlan> = Arc::new(SampleExec::new(Arc::new(keys), rows));
    let sample = jobs.run(cut::cut(&sample, conf, Purpose::Run, jobs).await?).await?;
    let options: Vec<SortOptions> = order.iter().map(|key| key.options).collect();
    let points = points(&sample.concat(), &options, partitions).map_err(fail)?;
    RangePartitioning::try_new(order.clone(), points).map_err(fail)
}

/// Chooses fewer split points than there are partitions, in strictly ascending order.
fn points(
    sample: &[RecordBatch],
    options: &[SortOptions],
    partitions: usize,
) -> Result<Vec<SplitPoint>> {
    let mut rows: Vec<(Vec<ScalarValue>, f64)> = Vec::new();
    for batch in sample {
        let Some((weights, keys)) = batch.columns().split_last() else { continue };
        let weights = weights.as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            rows.push((get_row_at_idx(keys, row)?, weights.value(row)));
        }
    }
    let compare = |a: &[ScalarValue], b: &[ScalarValue]| compare_rows(a, b, options);
    // Keys of one type are comparable; a failed comparison would only make the parts uneven.
    rows.sort_by(|(a, _), (b, _)| compare(a, b).unwrap_or(Ordering::Equal));
    let total: f64 = rows.iter().map(|(_, weight)| weight).sum();
    let step = total / f64::from(u32::try_from(partitions.max(1)).unwrap_or(u32::MAX));
    let mut points: Vec<SplitPoint> = Vec::new();
    let (mut weight, mut target) = (0.0, step);
    for (key, of_row) in rows {
        let is_new = match points.last() {
            Some(last) => compare(&key, last.values())? == Ordering::Greater,
            None => weight > 0.0,
        };
        if weight >= target && is_new && points.len() + 1 < partitions {
            points.push(SplitPoint::new(key));
            target += step;
        }
        weight += of_row;
    }
    Ok(points)
}
