//! Cuts a physical plan into stages.
//!
//! Every exchange becomes a cut, so that none is left inside a stage. An operator that needs all
//! rows in one place gets a cut below it, with its limit pushed into the map side. A build side
//! needed by every task is a shuffle with a single reader that all tasks read; if a join does not
//! allow this, its probe side is gathered in one task. A task runs one branch of a union. Streams
//! to be merged stay separate.
//!
//! A map stage whose sizes decide how its readers are put together is run as soon as it is cut, so
//! cutting waits for jobs (`adaptive`).

mod joins;
mod sizes;

use super::adaptive::Adaptive;
use super::build_side::needs_one_probe;
use super::exchange::{ExchangeExec, Parts, Routing};
use super::leaf::{leaf, shape};
use super::piece::{Piece, Spread, add_new, assemble, coalesce, limit, select};
use super::stage::{Purpose, Stages};
use super::stored::StoredExec;
use crate::{JobPlan, RunJob, ShuffleSizes, StageOutput};
use datafusion::physical_expr::{Distribution, LexOrdering, Partitioning};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::UnionExec;
use functions::spark_error;
use futures::future::{BoxFuture, try_join_all};
use model::CacheId;
use model::conf::Conf;
use plan::SparkError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use task::codec::Input;
use task::nodes::{BranchExec, Equivalences, LeafExec, LeafKind, ReadMode, SampleExec};
use task::python::PythonExec;

type Plan = Arc<dyn ExecutionPlan>;

/// Cuts a plan into stages, the last of which yields its rows. If the plan adapts to the sizes of
/// map stages, `jobs` runs these.
pub(crate) async fn cut(
    plan: &Plan,
    conf: &Conf,
    purpose: Purpose,
    jobs: &dyn RunJob,
) -> Result<JobPlan, SparkError> {
    cut_within(plan, (conf, purpose), None, jobs).await
}

/// As `cut`, for a plan of rows that a cache stores.
pub(crate) async fn cut_within(
    plan: &Plan,
    (conf, purpose): (&Conf, Purpose),
    cache: Option<CacheId>,
    jobs: &dyn RunJob,
) -> Result<JobPlan, SparkError> {
    let adaptive = match purpose {
        Purpose::Run => Adaptive::of(conf, jobs.slots())?,
        Purpose::Compare => None,
    };
    let stages = Mutex::new(Stages::new(conf, purpose)?);
    let (sizes, running, held) = (Mutex::default(), Mutex::default(), Mutex::default());
    let cutter = Cutter { stages, sizes, running, held, jobs, adaptive };
    let cached = cache.map(nonce);
    let piece = cutter.settled(cutter.cut(plan, cached).await?);
    let mut stages = cutter.stages();
    let last = stages.add(piece, StageOutput::Rows, cached)?;
    Ok(stages.job(last))
}

/// The number of the cache that a part of a plan belongs to.
type Cached = Option<uuid::Uuid>;

struct Cutter<'a> {
    stages: Mutex<Stages>,
    /// What is known of the shuffles of finished stages.
    sizes: Mutex<HashMap<usize, ShuffleSizes>>,
    /// Held while a stage is run, which several parts of a plan may read.
    running: Mutex<HashMap<usize, Arc<tokio::sync::Mutex<()>>>>,
    /// The checkpoints met so far.
    held: Mutex<HashMap<CacheId, Piece>>,
    jobs: &'a dyn RunJob,
    /// What is decided by the sizes of finished stages; `None` if plans do not adapt.
    adaptive: Option<Adaptive>,
}

/// What the part of a plan above another one wants of the latter's tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Nothing.
    Free,
    /// Rows with equal keys are in one task.
    Keyed,
    /// The same, and the tasks match those of another part.
    Aligned,
}

impl Cutter<'_> {
    fn stages(&self) -> MutexGuard<'_, Stages> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part of a plan whose tasks need not match those of another part.
    fn cut<'b>(
        &'b self,
        plan: &'b Plan,
        cached: Cached,
    ) -> BoxFuture<'b, Result<Piece, SparkError>> {
        self.part(plan, cached, Place::Free)
    }

    /// Inputs of a node are cut at the same time, because their stages may have to run.
    fn part<'b>(
        &'b self,
        plan: &'b Plan,
        cached: Cached,
        place: Place,
    ) -> BoxFuture<'b, Result<Piece, SparkError>> {
        Box::pin(async move {
            if let Some(exchange) = plan.downcast_ref::<RepartitionExec>() {
                let input = self.cut(exchange.input(), cached).await?;
                return self.repartition(input, exchange, cached).await;
            }
            if let Some(exchange) = plan.downcast_ref::<CoalescePartitionsExec>() {
                let input = self.cut(exchange.input(), cached).await?;
                return self.gather(input, exchange.fetch(), cached);
            }
            if let Some(merge) = plan.downcast_ref::<SortPreservingMergeExec>() {
                let input = self.cut(merge.input(), cached).await?;
                return self.merge(input, (merge.expr(), merge.fetch()), cached);
            }
            if let Some(exchange) = plan.downcast_ref::<ExchangeExec>() {
                return self.explicit_exchange(plan, exchange, cached).await;
            }
            if plan.is::<UnionExec>() {
                return self.union(plan, cached).await;
            }
            if let Some(stored) = plan.downcast_ref::<StoredExec>() {
                return self.stored(stored).await;
            }
            if plan.children().is_empty() {
                return leaf(plan);
            }
            if let Some(sample) = plan.downcast_ref::<SampleExec>() {
                return self.sample(sample, cached).await;
            }
            let mut piece = self.operator(plan, cached, place).await?;
            if let Some(python) = piece.plan.downcast_ref::<PythonExec>() {
                piece.plan = Arc::new(python.clone().templated(shape(plan)));
                for (number, inputs) in (0..).zip(&mut piece.tasks) {
                    inputs.insert(0, Input::Number(number));
                }
            }
            Ok(piece)
        })
    }

    /// An operator, whose tasks are those of its inputs.
    async fn operator(
        &self,
        plan: &Plan,
        cached: Cached,
        place: Place,
    ) -> Result<Piece, SparkError> {
        if let Some(joined) = self.adaptive_join(plan, (cached, place)).await? {
            return Ok(joined);
        }
        let requirements = plan.input_distribution_requirements().into_per_child();
        let pieces = self.inputs(plan, &requirements, (cached, place)).await?;
        let mut inputs = Vec::with_capacity(requirements.len());
        for (mut input, requirement) in pieces.into_iter().zip(&requirements) {
            if matches!(requirement, Distribution::SinglePartition) && input.tasks.len() > 1 {
                input = self.gather(input, limit_of(plan), cached)?;
            }
            inputs.push(input);
        }
        if needs_one_probe(plan.as_ref())
            && let Some(probe) = inputs.pop()
        {
            inputs.push(self.gather(probe, None, cached)?);
        }
        let count = inputs.iter().map(|input| input.tasks.len()).max().unwrap_or(1);
        for (input, requirement) in inputs.iter_mut().zip(&requirements) {
            if input.tasks.len() == count {
                continue;
            }
            if !matches!(requirement, Distribution::SinglePartition) {
                return Err(SparkError::internal(format!(
                    "the inputs of {} have {} and {count} partitions",
                    plan.name(),
                    input.tasks.len()
                )));
            }
            let single = std::mem::replace(input, Piece::placeholder(plan));
            *input = self.broadcast(single, count, cached)?;
        }
        assemble(plan, inputs, count)
    }

    /// The inputs of an operator. Small ones that all are in one task already are not distributed
    /// anew by their keys.
    async fn inputs(
        &self,
        plan: &Plan,
        requirements: &[Distribution],
        (cached, place): (Cached, Place),
    ) -> Result<Vec<Piece>, SparkError> {
        let is_single = |of: &Distribution| matches!(of, Distribution::SinglePartition);
        let is_any = |of: &Distribution| matches!(of, Distribution::UnspecifiedDistribution);
        let beside = requirements.iter().filter(|of| !is_single(of)).count() > 1;
        if beside && requirements.iter().all(is_any) {
            // Partitions are put side by side as they are: each input has as many as if it were
            // read alone.
            let children = plan.children();
            let pieces = children.iter().map(|child| self.cut(child, cached));
            let pieces = try_join_all(pieces).await?;
            return Ok(pieces.into_iter().map(|piece| self.settled(piece)).collect());
        }
        let children = plan.children().into_iter().zip(requirements);
        let exchanges = children.clone().map(|(child, requirement)| {
            child.downcast_ref::<RepartitionExec>().filter(|_| !is_single(requirement))
        });
        let exchanges: Vec<_> = exchanges.collect();
        let below = children.zip(&exchanges).map(|((child, requirement), exchange)| {
            let within = match requirement {
                _ if is_single(requirement) || exchange.is_some() => Place::Free,
                _ if beside => Place::Aligned,
                of if is_any(of) => place,
                _ => place.max(Place::Keyed),
            };
            self.part(exchange.map_or(child, RepartitionExec::input), cached, within)
        });
        let pieces = try_join_all(below).await?;
        if place < Place::Aligned && exchanges.iter().all(Option::is_some) {
            let small = pieces.iter().map(|piece| self.small(piece));
            if let Some(small) = small.collect() {
                return Ok(small);
            }
        }
        let distributed = pieces.into_iter().zip(exchanges).map(|(piece, exchange)| async move {
            match exchange {
                Some(exchange) => self.repartition(piece, exchange, cached).await,
                None => Ok(piece),
            }
        });
        try_join_all(distributed).await
    }

    async fn repartition(
        &self,
        input: Piece,
        exchange: &RepartitionExec,
        cached: Cached,
    ) -> Result<Piece, SparkError> {
        let partitioning = exchange.partitioning();
        let readers = partitioning.partition_count();
        if input.tasks.len() == 1 && readers == 1 {
            return Ok(input);
        }
        let order = match exchange.properties().output_ordering() {
            Some(order) if exchange.preserve_order() && input.tasks.len() > 1 => {
                Some(order.clone())
            }
            _ => None,
        };
        let Some(order) = order else {
            let piece =
                self.shuffle(input, Some(partitioning.clone()), ReadMode::Gather, cached)?;
            return self.measured(piece).await;
        };
        let mode = ReadMode::Ordered;
        let mut piece = self.shuffle(input, Some(partitioning.clone()), mode, cached)?;
        piece.plan = Arc::new(SortPreservingMergeExec::new(order, piece.plan));
        Ok(piece)
    }

    /// An explicit exchange, which is never removed. A partition count that the program asked for
    /// is a promise.
    async fn explicit_exchange(
        &self,
        plan: &Plan,
        exchange: &ExchangeExec,
        cached: Cached,
    ) -> Result<Piece, SparkError> {
        let [child] = plan.children()[..] else {
            return Err(SparkError::internal("an exchange needs exactly one input"));
        };
        if let Routing::Keep(kept) = exchange.routing() {
            return self.keep(child, kept.cache).await;
        }
        let input = self.cut(child, cached).await?;
        match exchange.routing() {
            Routing::Coalesce(count) => Ok(coalesce(self.settled(input), *count)),
            Routing::Select(groups) => select(self.settled(input), groups),
            routing => match routing.carried() {
                Some(partitioning) => {
                    let piece =
                        self.shuffle(input, Some(partitioning), ReadMode::Gather, cached)?;
                    match routing {
                        Routing::Hash(_, Parts::UpTo(_)) | Routing::RoundRobin(Parts::UpTo(_)) => {
                            self.measured(piece).await
                        }
                        _ => Ok(piece),
                    }
                }
                None => Err(SparkError::internal("a range partitioning has no bounds yet")),
            },
        }
    }

    /// A sample, of which each task takes its part.
    async fn sample(&self, sample: &SampleExec, cached: Cached) -> Result<Piece, SparkError> {
        let [child] = sample.children()[..] else {
            return Err(SparkError::internal("a sample needs exactly one input"));
        };
        let input = self.settled(self.cut(child, cached).await?);
        let tasks = u32::try_from(input.tasks.len()).unwrap_or(u32::MAX);
        let plan = Arc::new(sample.divided(tasks, Arc::clone(&input.plan)));
        Ok(Piece { plan, ..input })
    }

    /// Gathers all rows in one task.
    fn gather(
        &self,
        input: Piece,
        fetch: Option<usize>,
        cached: Cached,
    ) -> Result<Piece, SparkError> {
        let limited = limit(self.settled(input), fetch);
        if limited.tasks.len() == 1 {
            return Ok(limited);
        }
        let gathered = self.shuffle(limited, None, ReadMode::Gather, cached)?;
        Ok(limit(gathered, fetch))
    }

    /// Merges all rows in one task by order; each input is sorted.
    fn merge(
        &self,
        input: Piece,
        (order, fetch): (&LexOrdering, Option<usize>),
        cached: Cached,
    ) -> Result<Piece, SparkError> {
        let limited = limit(self.settled(input), fetch);
        if limited.tasks.len() == 1 {
            return Ok(limited);
        }
        let mut merged = self.shuffle(limited, None, ReadMode::Ordered, cached)?;
        let merge = SortPreservingMergeExec::new(order.clone(), merged.plan).with_fetch(fetch);
        merged.plan = Arc::new(merge);
        Ok(merged)
    }

    /// Broadcasts a piece with a single task to `count` tasks.
    fn broadcast(&self, input: Piece, count: usize, cached: Cached) -> Result<Piece, SparkError> {
        let is_read = |plan: &Plan| plan.downcast_ref::<LeafExec>().and_then(LeafExec::broadcast);
        let mut read = match is_read(&input.plan) {
            Some(_) => input,
            None => self.shuffle(input, None, ReadMode::Broadcast, cached)?,
        };
        if let Some(leaf) = is_read(&read.plan) {
            read.plan = Arc::new(leaf);
        }
        let mut stages = self.stages();
        read.parents.iter().for_each(|stage| stages.broadcasts(*stage));
        let inputs = read.tasks.pop().unwrap_or_default();
        Ok(Piece { tasks: vec![inputs; count], spread: Spread::Shared, ..read })
    }

    /// Ends a stage with a shuffle, and begins the piece that reads it. Without a partitioning, it
    /// has one reader.
    fn shuffle(
        &self,
        input: Piece,
        partitioning: Option<Partitioning>,
        mode: ReadMode,
        cached: Cached,
    ) -> Result<Piece, SparkError> {
        let input = self.settled(input);
        let (shape, equivalences) = (shape(&input.plan), Equivalences::of(&input.plan));
        let readers = partitioning.as_ref().map_or(1, Partitioning::partition_count);
        let readers = u32::try_from(readers)
            .map_err(|_| SparkError::unsupported("a shuffle with 2^32 readers"))?;
        let plan = match partitioning {
            Some(partitioning) => {
                let carrier = RepartitionExec::try_new(input.plan, partitioning);
                Arc::new(carrier.map_err(|error| spark_error(&error))?)
            }
            None => input.plan,
        };
        let output = StageOutput::Shuffle { readers };
        let mut stages = self.stages();
        let stage = stages.add(Piece { plan, ..input }, output, cached)?;
        let kind = LeafKind::Blocks { shuffle: stages.shuffle(stage), mode };
        let tasks = (0..readers).map(|from| vec![Input::Blocks { from, to: from + 1 }]).collect();
        let leaf = LeafExec::new(kind, shape, equivalences.across());
        Ok(Piece { plan: Arc::new(leaf), tasks, parents: vec![stage], spread: Spread::Fixed })
    }

    /// Stores the rows of each task, which the task with the same number reads. Rows that are drawn
    /// at random are the same for all jobs that read the cache.
    async fn keep(&self, input: &Plan, cache: CacheId) -> Result<Piece, SparkError> {
        let cached = Some(nonce(cache));
        let input = self.settled(self.cut(input, cached).await?);
        let count = u32::try_from(input.tasks.len()).unwrap_or(u32::MAX);
        let mut piece = self.shuffle(input, None, ReadMode::Gather, cached)?;
        if let [stage] = piece.parents[..] {
            self.stages().keep(cache, stage);
        }
        piece.tasks = (0..count).map(|map| vec![Input::Output(map)]).collect();
        Ok(piece)
    }

    /// The rows of a checkpoint, which is cut once however often it is read.
    async fn stored(&self, stored: &StoredExec) -> Result<Piece, SparkError> {
        let held = || self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(piece) = held().get(&stored.cache) {
            return Ok(piece.clone());
        }
        let piece = if stored.is_kept {
            self.keep(&stored.plan, stored.cache).await?
        } else {
            self.cut(&stored.plan, Some(nonce(stored.cache))).await?
        };
        Ok(held().entry(stored.cache).or_insert(piece).clone())
    }

    async fn union(&self, plan: &Plan, cached: Cached) -> Result<Piece, SparkError> {
        let children = plan.children();
        let pieces = children.iter().map(|child| self.cut(child, cached));
        let mut branches = Vec::new();
        let mut tasks = Vec::new();
        let mut parents = Vec::new();
        for (number, branch) in (0u32..).zip(try_join_all(pieces).await?) {
            let branch = self.settled(branch);
            tasks.extend(branch.tasks.into_iter().map(|inputs| {
                let mut all = vec![Input::Branch(number)];
                all.extend(inputs);
                all
            }));
            add_new(&mut parents, branch.parents);
            branches.push(branch.plan);
        }
        let plan = BranchExec::new(branches, shape(plan), Equivalences::of(plan));
        Ok(Piece { plan: Arc::new(plan), tasks, parents, spread: Spread::Fixed })
    }
}

/// What makes the random rows of a cache its own.
fn nonce(cache: CacheId) -> uuid::Uuid {
    uuid::Uuid::from_u64_pair(cache.session, cache.number)
}

/// Limit on the rows that an operator needs from its input.
fn limit_of(plan: &Plan) -> Option<usize> {
    let limit = plan.downcast_ref::<GlobalLimitExec>()?;
    limit.fetch()?.checked_add(limit.skip())
}
