//! Bounds of range partitionings: a job samples the keys, and the sample is divided into parts of
//! equal weight. The bounds are remembered for the rows of equal identity, so that a later job
//! finds the same partitions.

use super::adaptive::Coalescing;
use super::exchange::{ExchangeExec, Parts, Routing};
use super::stage::Purpose;
use super::{cut, spark_error};
use crate::{JobPlan, RunJob};
use arrow::array::{ArrayRef, AsArray};
use arrow::compute::{SortOptions, concat_batches, sum};
use arrow::datatypes::Float64Type;
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use datafusion::common::utils::get_row_at_idx;
use datafusion::common::{Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    LexOrdering, PhysicalExpr, PhysicalSortExpr, RangePartitioning, SplitPoint,
};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use futures::future::BoxFuture;
use model::conf::Conf;
use model::{CacheId, Fingerprint};
use plan::SparkError;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use task::nodes::SampleExec;

/// Sample size per target partition and in total, and the oversampling factor for partitions of
/// uneven size. As in Spark.
const SAMPLE_PER_PARTITION: usize = 20;
const SAMPLE_TOTAL: usize = 1_000_000;
const OVERSAMPLING: usize = 3;

/// How many partitionings a session remembers.
const REMEMBERED: usize = 1000;

/// The bounds that a session has computed.
#[derive(Debug, Default)]
pub(crate) struct KnownBounds(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    bounds: HashMap<Wanted, Vec<SplitPoint>>,
    oldest: VecDeque<Wanted>,
}

/// What bounds depend on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Wanted {
    /// The identity of the sampled keys.
    sample: Fingerprint,
    order: Vec<SortOptions>,
    parts: Parts,
    coalescing: Option<Coalescing>,
}

impl KnownBounds {
    fn get(&self, wanted: &Wanted) -> Option<Vec<SplitPoint>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bounds.get(wanted).cloned()
    }

    fn add(&self, wanted: Wanted, points: &[SplitPoint]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.bounds.insert(wanted.clone(), points.to_vec()).is_none() {
            known.oldest.push_back(wanted);
        }
        if known.oldest.len() > REMEMBERED
            && let Some(oldest) = known.oldest.pop_front()
        {
            known.bounds.remove(&oldest);
        }
    }
}

/// Computes bounds, by jobs.
pub(crate) struct Sampler<'a> {
    pub(crate) conf: &'a Conf,
    pub(crate) jobs: &'a dyn RunJob,
    pub(crate) known: Arc<KnownBounds>,
}

impl Sampler<'_> {
    /// Computes the bounds of every range exchange in a plan, inner exchanges first.
    pub(crate) async fn with_bounds(
        &self,
        plan: Arc<dyn ExecutionPlan>,
    ) -> Result<Arc<dyn ExecutionPlan>, SparkError> {
        self.resolve(plan, None).await
    }

    /// As `with_bounds`, for the part of a plan that a cache stores.
    fn resolve(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        cache: Option<CacheId>,
    ) -> BoxFuture<'_, Result<Arc<dyn ExecutionPlan>, SparkError>> {
        Box::pin(async move {
            let routing = plan.downcast_ref::<ExchangeExec>().map(ExchangeExec::routing);
            let within = match routing {
                Some(Routing::Keep(kept)) => Some(kept.cache),
                _ => cache,
            };
            let before: Vec<_> = plan.children().into_iter().map(Arc::clone).collect();
            let mut children = Vec::with_capacity(before.len());
            for child in &before {
                children.push(self.resolve(Arc::clone(child), within).await?);
            }
            if let Some(Routing::Range(order, parts)) = routing
                && let [input] = &children[..]
            {
                let bounds = self.bounds(input, order, *parts, within).await?;
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
        &self,
        input: &Arc<dyn ExecutionPlan>,
        order: &LexOrdering,
        parts: Parts,
        cache: Option<CacheId>,
    ) -> Result<RangePartitioning, SparkError> {
        let coalescing = Coalescing::of(self.conf, self.jobs.slots())?;
        let job = self.sampling(input, order, parts.most(), cache).await?;
        let sample = job.stages.last().expect("a job has a result stage").fingerprint;
        let options = order.iter().map(|key| key.options).collect();
        let wanted = Wanted { sample, order: options, parts, coalescing };
        let partitioned =
            |points| RangePartitioning::try_new(order.clone(), points).map_err(|e| spark_error(&e));
        if let Some(points) = self.known.get(&wanted) {
            return partitioned(points);
        }
        let sample = self.jobs.run(job).await?.concat();
        let points = points_of(&sample, order, (parts, coalescing))?;
        self.known.add(wanted, &points);
        partitioned(points)
    }

    /// The job that samples the keys.
    async fn sampling(
        &self,
        input: &Arc<dyn ExecutionPlan>,
        order: &LexOrdering,
        partitions: usize,
        cache: Option<CacheId>,
    ) -> Result<JobPlan, SparkError> {
        let fail = |error: DataFusionError| spark_error(&error);
        let schema = input.schema();
        let columns = schema.fields().iter().enumerate().map(|(at, field)| {
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), at));
            (column, field.name().clone())
        });
        let keys =
            order.iter().enumerate().map(|(i, key)| (Arc::clone(&key.expr), format!("key{i}")));
        let exprs: Vec<_> = columns.chain(keys).collect();
        let rows = ProjectionExec::try_new(exprs, Arc::clone(input)).map_err(fail)?;
        let wanted = (SAMPLE_PER_PARTITION * partitions).min(SAMPLE_TOTAL);
        let wanted = u32::try_from(OVERSAMPLING * wanted).unwrap_or(u32::MAX);
        let keys = u32::try_from(order.len()).unwrap_or(u32::MAX);
        // Its tasks divide it, once their number is known.
        let sample = SampleExec::new(Arc::new(rows), wanted, keys);
        let sample: Arc<dyn ExecutionPlan> = Arc::new(sample);
        cut::cut_within(&sample, (self.conf, Purpose::Run), cache, self.jobs).await
    }
}

/// The split points of a sample. Up to a number of partitions, there are as many as tasks would
/// read rows of this size.
fn points_of(
    sample: &[RecordBatch],
    order: &LexOrdering,
    (parts, coalescing): (Parts, Option<Coalescing>),
) -> Result<Vec<SplitPoint>, SparkError> {
    let Some(first) = sample.first() else { return Ok(Vec::new()) };
    let sample =
        concat_batches(&first.schema(), sample).map_err(|error| spark_error(&error.into()))?;
    let Some((keys, [rows, bytes])) = sample.columns().split_last_chunk() else {
        return Err(SparkError::internal("a sample has two measures"));
    };
    let partitions = match (parts, coalescing) {
        (Parts::UpTo(most), Some(coalescing)) => coalescing.count(total(bytes), most),
        (Parts::UpTo(most), None) | (Parts::Exactly(most), _) => most,
    };
    let weights = rows.as_primitive::<Float64Type>().values();
    points(keys, weights, order, partitions).map_err(|error| spark_error(&error))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts saturate")]
fn total(bytes: &ArrayRef) -> u64 {
    sum(bytes.as_primitive::<Float64Type>()).unwrap_or(0.0).ceil() as u64
}

/// Chooses fewer split points than there are partitions, in strictly ascending order. Keys are
/// compared as rows are when they are routed.
fn points(
    keys: &[ArrayRef],
    weights: &[f64],
    order: &LexOrdering,
    partitions: usize,
) -> Result<Vec<SplitPoint>> {
    let field = |(key, column): (&PhysicalSortExpr, &ArrayRef)| {
        SortField::new_with_options(column.data_type().clone(), key.options)
    };
    let rows = RowConverter::new(order.iter().zip(keys).map(field).collect())?;
    let rows = rows.convert_columns(keys)?;
    let mut sorted: Vec<usize> = (0..rows.num_rows()).collect();
    sorted.sort_by(|a, b| rows.row(*a).cmp(&rows.row(*b)));
    let total: f64 = weights.iter().sum();
    let step = total / f64::from(u32::try_from(partitions.max(1)).unwrap_or(u32::MAX));
    let mut chosen: Vec<usize> = Vec::new();
    let (mut weight, mut target) = (0.0, step);
    for &row in &sorted {
        // Nothing is below the least key, so that it is no bound.
        let is_new = rows.row(row) > rows.row(chosen.last().copied().unwrap_or(sorted[0]));
        if weight >= target && is_new && chosen.len() + 1 < partitions {
            chosen.push(row);
            target += step;
        }
        weight += weights[row];
    }
    let point = |row: usize| -> Result<SplitPoint> {
        let values: Vec<ScalarValue> = get_row_at_idx(keys, row)?;
        Ok(SplitPoint::new(values))
    };
    chosen.into_iter().map(point).collect()
}
