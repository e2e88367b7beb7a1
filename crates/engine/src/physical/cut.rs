//! Cuts a physical plan into stages.
//!
//! Every exchange becomes a cut, so that none is left inside a stage. An operator that needs all
//! rows in one place gets a cut below it, with its limit pushed into the map side. A build side
//! needed by every task is a shuffle with a single reader that all tasks read; if a join does not
//! allow this, its probe side is gathered in one task. A task runs one branch of a union. Streams
//! to be merged stay separate.

use super::build_side::needs_one_probe;
use super::exchange::{ExchangeExec, Routing};
use super::leaf::{leaf, shape};
use super::stage::{Piece, Purpose, Stages};
use crate::{JobPlan, StageOutput};
use datafusion::error::DataFusionError;
use datafusion::physical_expr::{Distribution, LexOrdering, Partitioning};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use errors::Exception;
use functions::spark_error;
use model::conf::Conf;
use model::{CacheId, ShuffleId};
use plan::SparkError;
use std::sync::Arc;
use task::codec::Input;
use task::nodes::{BranchExec, ConcatExec, Equivalences, LeafExec, LeafKind, ReadMode};
use task::python::PythonExec;

type Plan = Arc<dyn ExecutionPlan>;

/// Cuts a plan into stages, the last of which yields its rows.
pub(crate) fn cut(plan: &Plan, conf: &Conf, purpose: Purpose) -> Result<JobPlan, SparkError> {
    let mut cutter = Cutter { stages: Stages::new(conf, purpose)?, kept: Vec::new() };
    let piece = cutter.cut(plan)?;
    let count = u32::try_from(piece.tasks.len()).unwrap_or(u32::MAX);
    cutter.stages.add(piece, StageOutput::Rows)?;
    let (stages, kept) = (cutter.stages.into_stages(), cutter.kept);
    let result_partitions = (0..count).collect();
    Ok(JobPlan { stages, result_partitions, single_attempt: false, kept })
}

struct Cutter {
    stages: Stages,
    /// The caches met so far, with their shuffles.
    kept: Vec<(CacheId, ShuffleId)>,
}

impl Cutter {
    fn cut(&mut self, plan: &Plan) -> Result<Piece, SparkError> {
        if let Some(exchange) = plan.downcast_ref::<RepartitionExec>() {
            return self.repartition(exchange);
        }
        if let Some(exchange) = plan.downcast_ref::<CoalescePartitionsExec>() {
            let input = self.cut(exchange.input())?;
            return self.gather(input, exchange.fetch());
        }
        if let Some(merge) = plan.downcast_ref::<SortPreservingMergeExec>() {
            let input = self.cut(merge.input())?;
            return self.merge(input, merge.expr(), merge.fetch());
        }
        if let Some(exchange) = plan.downcast_ref::<ExchangeExec>() {
            return self.explicit_exchange(plan, exchange);
        }
        if plan.is::<UnionExec>() {
            return self.union(plan);
        }
        if plan.children().is_empty() {
            return leaf(plan);
        }
        let mut piece = self.operator(plan)?;
        if let Some(python) = piece.plan.downcast_ref::<PythonExec>() {
            piece.plan = Arc::new(python.clone().templated(shape(plan)));
            for (number, inputs) in (0..).zip(&mut piece.tasks) {
                inputs.insert(0, Input::Number(number));
            }
        }
        Ok(piece)
    }

    /// An operator, whose tasks are those of its inputs.
    fn operator(&mut self, plan: &Plan) -> Result<Piece, SparkError> {
        let requirements = plan.input_distribution_requirements().into_per_child();
        let mut inputs = Vec::with_capacity(requirements.len());
        for (child, requirement) in plan.children().into_iter().zip(&requirements) {
            let mut input = self.cut(child)?;
            if matches!(requirement, Distribution::SinglePartition) && input.tasks.len() > 1 {
                input = self.gather(input, limit_of(plan))?;
            }
            inputs.push(input);
        }
        if needs_one_probe(plan.as_ref())
            && let Some(probe) = inputs.pop()
        {
            inputs.push(self.gather(probe, None)?);
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
            *input = self.broadcast(single, count)?;
        }
        assemble(plan, inputs, count)
    }

    fn repartition(&mut self, exchange: &RepartitionExec) -> Result<Piece, SparkError> {
        let input = self.cut(exchange.input())?;
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
        let mode = if order.is_some() { ReadMode::Ordered } else { ReadMode::Gather };
        let mut piece = self.shuffle(input, Some(partitioning.clone()), mode)?;
        if let Some(order) = order {
            piece.plan = Arc::new(SortPreservingMergeExec::new(order, piece.plan));
        }
        Ok(piece)
    }

    /// An explicit exchange, which is never removed: its partition count is a promise.
    fn explicit_exchange(
        &mut self,
        plan: &Plan,
        exchange: &ExchangeExec,
    ) -> Result<Piece, SparkError> {
        let [child] = plan.children()[..] else {
            return Err(SparkError::internal("an exchange needs exactly one input"));
        };
        if let Routing::Keep(cache) = exchange.routing() {
            return self.keep(child, *cache);
        }
        let input = self.cut(child)?;
        match exchange.routing() {
            Routing::Coalesce(count) => Ok(coalesce(input, *count)),
            Routing::Select(groups) => select(input, groups),
            routing => match routing.carried() {
                Some(partitioning) => self.shuffle(input, Some(partitioning), ReadMode::Gather),
                None => Err(SparkError::internal("a range partitioning has no bounds yet")),
            },
        }
    }

    /// Gathers all rows in one task.
    fn gather(&mut self, input: Piece, fetch: Option<usize>) -> Result<Piece, SparkError> {
        let limited = limit(input, fetch);
        if limited.tasks.len() == 1 {
            return Ok(limited);
        }
        let gathered = self.shuffle(limited, None, ReadMode::Gather)?;
        Ok(limit(gathered, fetch))
    }

    /// Merges all rows in one task by order; each input is sorted.
    fn merge(
        &mut self,
        input: Piece,
        order: &LexOrdering,
        fetch: Option<usize>,
    ) -> Result<Piece, SparkError> {
        let limited = limit(input, fetch);
        if limited.tasks.len() == 1 {
            return Ok(limited);
        }
        let mut merged = self.shuffle(limited, None, ReadMode::Ordered)?;
        let merge = SortPreservingMergeExec::new(order.clone(), merged.plan).with_fetch(fetch);
        merged.plan = Arc::new(merge);
        Ok(merged)
    }

    /// Broadcasts a piece with a single task to `count` tasks.
    fn broadcast(&mut self, input: Piece, count: usize) -> Result<Piece, SparkError> {
        let is_read = |plan: &Plan| plan.downcast_ref::<LeafExec>().and_then(LeafExec::broadcast);
        let mut read = match is_read(&input.plan) {
            Some(_) => input,
            None => self.shuffle(input, None, ReadMode::Broadcast)?,
        };
        if let Some(leaf) = is_read(&read.plan) {
            read.plan = Arc::new(leaf);
        }
        read.parents.iter().for_each(|stage| self.stages.broadcasts(*stage));
        let inputs = read.tasks.pop().unwrap_or_default();
        Ok(Piece { tasks: vec![inputs; count], ..read })
    }

    /// Ends a stage with a shuffle, and begins the piece that reads it. Without a partitioning, it
    /// has one reader.
    fn shuffle(
        &mut self,
        input: Piece,
        partitioning: Option<Partitioning>,
        mode: ReadMode,
    ) -> Result<Piece, SparkError> {
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
        let stage = self.stages.add(Piece { plan, ..input }, StageOutput::Shuffle { readers })?;
        let kind = LeafKind::Blocks { shuffle: self.stages.shuffle(stage), mode };
        let tasks = (0..readers).map(|from| vec![Input::Blocks { from, to: from + 1 }]).collect();
        let leaf = LeafExec::new(kind, shape, equivalences.across());
        Ok(Piece { plan: Arc::new(leaf), tasks, parents: vec![stage] })
    }

    /// Stores the rows of each task, which the task with the same number reads. Rows that are drawn
    /// at random are the same for all jobs that read the cache.
    fn keep(&mut self, input: &Plan, cache: CacheId) -> Result<Piece, SparkError> {
        let nonce = uuid::Uuid::from_u64_pair(cache.session, cache.number);
        let around = self.stages.set_nonce(Some(nonce));
        let input = self.cut(input);
        let stored = input.and_then(|input| {
            let count = u32::try_from(input.tasks.len()).unwrap_or(u32::MAX);
            Ok((self.shuffle(input, None, ReadMode::Gather)?, count))
        });
        self.stages.set_nonce(around);
        let (mut piece, count) = stored?;
        if let [stage] = piece.parents[..] {
            self.kept.push((cache, self.stages.shuffle(stage)));
        }
        piece.tasks = (0..count).map(|map| vec![Input::Output(map)]).collect();
        Ok(piece)
    }

    fn union(&mut self, plan: &Plan) -> Result<Piece, SparkError> {
        let mut branches = Vec::new();
        let mut tasks = Vec::new();
        let mut parents = Vec::new();
        for (number, child) in (0u32..).zip(plan.children()) {
            let branch = self.cut(child)?;
            tasks.extend(branch.tasks.into_iter().map(|inputs| {
                let mut all = vec![Input::Branch(number)];
                all.extend(inputs);
                all
            }));
            add_new(&mut parents, branch.parents);
            branches.push(branch.plan);
        }
        let plan = BranchExec::new(branches, shape(plan), Equivalences::of(plan));
        Ok(Piece { plan: Arc::new(plan), tasks, parents })
    }
}

impl Piece {
    /// A temporary placeholder for a piece that is being replaced.
    fn placeholder(plan: &Plan) -> Self {
        Self { plan: Arc::clone(plan), tasks: Vec::new(), parents: Vec::new() }
    }
}

/// Puts an operator above the plans of its inputs; a task reads what the corresponding tasks of the
/// inputs read.
fn assemble(plan: &Plan, inputs: Vec<Piece>, count: usize) -> Result<Piece, SparkError> {
    let mut tasks = vec![Vec::new(); count];
    let mut parents = Vec::new();
    let mut children = Vec::with_capacity(inputs.len());
    for input in inputs {
        for (task, part) in tasks.iter_mut().zip(input.tasks) {
            task.extend(part);
        }
        add_new(&mut parents, input.parents);
        children.push(input.plan);
    }
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    let plan = Arc::clone(plan)
        .replace_children(children, options)
        .map_err(|error: DataFusionError| spark_error(&error))?;
    Ok(Piece { plan, tasks, parents })
}

fn add_new(parents: &mut Vec<usize>, more: Vec<usize>) {
    for parent in more {
        if !parents.contains(&parent) {
            parents.push(parent);
        }
    }
}

/// Limits the rows of each task.
fn limit(input: Piece, fetch: Option<usize>) -> Piece {
    match fetch {
        Some(fetch) if input.plan.fetch().is_none_or(|known| known > fetch) => {
            Piece { plan: Arc::new(LocalLimitExec::new(input.plan, fetch)), ..input }
        }
        _ => input,
    }
}

/// Limit on the rows that an operator needs from its input.
fn limit_of(plan: &Plan) -> Option<usize> {
    let limit = plan.downcast_ref::<GlobalLimitExec>()?;
    limit.fetch()?.checked_add(limit.skip())
}

/// Combines neighbouring tasks, so that at most `count` remain.
fn coalesce(input: Piece, count: usize) -> Piece {
    let before = input.tasks.len();
    let count = count.max(1);
    if before <= count {
        return input;
    }
    let groups = (0..count).map(|i| i * before / count..(i + 1) * before / count);
    regrouped(input, groups)
}

/// Tasks that each do the work of a group of the input's, one after the other.
fn select(input: Piece, groups: &[Vec<u32>]) -> Result<Piece, SparkError> {
    let count = input.tasks.len();
    if let Some(missing) = groups.iter().flatten().find(|task| **task as usize >= count) {
        return Err(SparkError::plain(
            Exception::IllegalArgument,
            format!(
                "There is no partition {missing}: the partitions are numbered from 0 to {}.",
                count - 1
            ),
        ));
    }
    let single = groups.iter().all(|group| group.len() == 1);
    if single {
        // Nothing is put together, so nothing is added to the plan.
        let tasks = groups.iter().flatten().map(|task| input.tasks[*task as usize].clone());
        return Ok(Piece { tasks: tasks.collect(), ..input });
    }
    let groups = groups.iter().map(|group| group.iter().map(|task| *task as usize));
    Ok(regrouped(input, groups))
}

fn regrouped<G>(input: Piece, groups: impl Iterator<Item = G>) -> Piece
where
    G: Iterator<Item = usize>,
{
    let group = |group: G| {
        let members: Vec<_> = group.map(|task| &input.tasks[task]).collect();
        let copies = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let mut all = vec![Input::Copies(copies)];
        all.extend(members.into_iter().flatten().cloned());
        all
    };
    let tasks = groups.map(group).collect();
    let (schema, equivalences) = (input.plan.schema(), Equivalences::of(&input.plan).across());
    let plan = Arc::new(ConcatExec::new(schema, vec![Arc::clone(&input.plan)], equivalences));
    Piece { plan, tasks, parents: input.parents }
}
