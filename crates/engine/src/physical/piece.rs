//! Pieces of a plan being cut: the template above the last cut with the inputs of its tasks, and
//! what is done to them.

use super::adaptive::even_groups;
use super::stage::is_deterministic;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use errors::Exception;
use functions::spark_error;
use plan::SparkError;
use std::sync::Arc;
use task::codec::Input;
use task::nodes::{ConcatExec, Equivalences};

type Plan = Arc<dyn ExecutionPlan>;

/// Part of a plan being cut: the template above the last cut, and the inputs of its leaves by task.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    pub(crate) tasks: Vec<Vec<Input>>,
    /// The stages it reads, in order of first use.
    pub(crate) parents: Vec<usize>,
    pub(crate) spread: Spread,
}

impl Piece {
    /// A temporary placeholder for a piece that is being replaced.
    pub(crate) fn placeholder(plan: &Plan) -> Self {
        let spread = Spread::Fixed;
        Self { plan: Arc::clone(plan), tasks: Vec::new(), parents: Vec::new(), spread }
    }
}

/// What is known of the tasks of a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Their number stays: the program asked for it, or nothing is known of their sizes.
    Fixed,
    /// All read the same.
    Shared,
    /// Each reads the reader partition of its number, of shuffles that hold so many bytes for it.
    /// Neighbours may become one task.
    Sized(Vec<u64>),
}

impl Spread {
    /// Of tasks that read what the tasks of both read.
    pub(crate) fn beside(self, other: Self) -> Self {
        match (self, other) {
            (Self::Fixed, _) | (_, Self::Fixed) => Self::Fixed,
            (Self::Shared, known) | (known, Self::Shared) => known,
            (Self::Sized(some), Self::Sized(more)) => {
                Self::Sized(some.into_iter().zip(more).map(|(a, b)| a + b).collect())
            }
        }
    }
}

/// The inputs of one task that does the work of neighbours, from `first` to `last`.
pub(crate) fn together(number: u32, first: &[Input], last: &[Input]) -> Vec<Input> {
    let input = |(first, last): (&Input, &Input)| match (first, last) {
        (Input::Blocks { from, .. }, Input::Blocks { to, .. }) => {
            Input::Blocks { from: *from, to: *to }
        }
        (Input::Number(_), _) => Input::Number(number),
        (shared, _) => shared.clone(),
    };
    first.iter().zip(last).map(input).collect()
}

/// Puts an operator above the plans of its inputs; a task reads what the corresponding tasks of the
/// inputs read.
pub(crate) fn assemble(plan: &Plan, inputs: Vec<Piece>, count: usize) -> Result<Piece, SparkError> {
    let mut tasks = vec![Vec::new(); count];
    let mut parents = Vec::new();
    let mut children = Vec::with_capacity(inputs.len());
    let mut spread = Spread::Shared;
    for input in inputs {
        spread = spread.beside(input.spread);
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
    Ok(Piece { plan, tasks, parents, spread })
}

pub(crate) fn add_new(parents: &mut Vec<usize>, more: Vec<usize>) {
    for parent in more {
        if !parents.contains(&parent) {
            parents.push(parent);
        }
    }
}

/// Limits the rows of each task.
pub(crate) fn limit(input: Piece, fetch: Option<usize>) -> Piece {
    match fetch {
        Some(fetch) if input.plan.fetch().is_none_or(|known| known > fetch) => {
            Piece { plan: Arc::new(LocalLimitExec::new(input.plan, fetch)), ..input }
        }
        _ => input,
    }
}

/// Combines neighbouring tasks, so that at most `count` remain.
pub(crate) fn coalesce(input: Piece, count: usize) -> Piece {
    let before = input.tasks.len();
    let count = count.max(1);
    if before <= count {
        return input;
    }
    regrouped(input, even_groups(before, count))
}

/// Tasks that each do the work of a group of the input's, one after the other.
pub(crate) fn select(input: Piece, groups: &[Vec<u32>]) -> Result<Piece, SparkError> {
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
        // Nothing is put together, so nothing is added to the plan. What depends on the number of
        // the partition, such as random numbers, is as if all were computed.
        let numbered = !is_deterministic(&input.plan).map_err(|error| spark_error(&error))?;
        let task = |number: &u32| {
            let mut inputs = input.tasks[*number as usize].clone();
            if numbered {
                inputs.insert(0, Input::Task(*number));
            }
            inputs
        };
        let tasks = groups.iter().flatten().map(task).collect();
        return Ok(Piece { tasks, ..input });
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
    Piece { plan, tasks, parents: input.parents, spread: Spread::Fixed }
}
