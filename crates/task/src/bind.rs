//! Binding: turns a stage's template and a task's binding into an executable plan of one partition.
//! Every node is rebuilt, because nodes keep state of a run (hash tables, errors, metrics) that a
//! retry must not see; only the hash tables of broadcasts are shared.

use super::broadcast_joins::{BroadcastJoins, is_broadcast};
use super::runtime::TaskRuntime;
use super::{ShuffleReadExec, Wanted};
use crate::codec::Input;
use crate::nodes::{BranchExec, ConcatExec, LeafExec, LeafKind, ReadMode};
use crate::python::{PythonContext, PythonExec};
use arrow::ipc::reader::StreamReader;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};
use datafusion::physical_expr::Partitioning;
use datafusion::physical_plan::execution_plan::PlanProperties;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use model::{MapOutput, ShuffleId};
use sources::RangeExec;
use std::collections::HashMap;
use std::sync::Arc;

/// Map outputs by shuffle, ordered by map index.
pub(crate) type Outputs = HashMap<ShuffleId, Arc<[Arc<MapOutput>]>>;

/// Binds a plan. `inputs`, its task's binding, must be consumed completely.
pub(crate) fn bind(
    plan: &Arc<dyn ExecutionPlan>,
    inputs: &[Input],
    outputs: &Outputs,
    joins: &BroadcastJoins,
    (runtime, python): (&TaskRuntime, &Arc<PythonContext>),
) -> Result<Arc<dyn ExecutionPlan>> {
    let of_leaves = inputs.iter().filter(|input| !matches!(input, Input::Task(_)));
    let inputs = of_leaves.cloned().collect::<Vec<_>>().into_iter();
    let mut binder = Binder { inputs, outputs, joins, runtime, python };
    let bound = binder.bind(plan)?;
    match binder.inputs.next() {
        None => Ok(bound),
        Some(_) => Err(unfit()),
    }
}

struct Binder<'a> {
    inputs: std::vec::IntoIter<Input>,
    outputs: &'a Outputs,
    joins: &'a BroadcastJoins,
    runtime: &'a TaskRuntime,
    python: &'a Arc<PythonContext>,
}

/// Whether what a node derives from its child's properties is the same for another child.
fn is_alike(planned: &Arc<dyn ExecutionPlan>, bound: &Arc<dyn ExecutionPlan>) -> bool {
    let (planned, bound) = (planned.properties(), bound.properties());
    let says_nothing = |properties: &PlanProperties| {
        let known = &properties.eq_properties;
        known.eq_group().is_empty()
            && known.oeq_class().is_empty()
            && known.constraints().is_empty()
            && matches!(properties.partitioning, Partitioning::UnknownPartitioning(1))
    };
    let alike = || {
        planned.emission_type == bound.emission_type
            && planned.boundedness == bound.boundedness
            && planned.evaluation_type == bound.evaluation_type
            && planned.scheduling_type == bound.scheduling_type
            && planned.eq_properties.schema() == bound.eq_properties.schema()
    };
    Arc::ptr_eq(planned, bound) || (says_nothing(planned) && says_nothing(bound) && alike())
}

/// The error if template and binding belong to different stages.
fn unfit() -> DataFusionError {
    internal_datafusion_err!("the task's binding does not match its stage's template")
}

impl Binder<'_> {
    fn bind(&mut self, plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some(leaf) = plan.downcast_ref::<LeafExec>() {
            return self.leaf(leaf);
        }
        if let Some(union) = plan.downcast_ref::<BranchExec>() {
            let Some(Input::Branch(number)) = self.inputs.next() else { return Err(unfit()) };
            let branch = union.branch(number as usize).ok_or_else(unfit)?;
            let branch = self.bind(branch)?;
            let schema = plan.schema();
            if branch.schema() == schema {
                return Ok(branch);
            }
            return Ok(Arc::new(ConcatExec::new(
                schema,
                vec![branch],
                union.equivalences().clone(),
            )));
        }
        let children = plan.children();
        if let Some(concat) = plan.downcast_ref::<ConcatExec>() {
            let Some(Input::Copies(copies)) = self.inputs.next() else { return Err(unfit()) };
            let [child] = children[..] else { return Err(unfit()) };
            let copies: Result<Vec<_>> = (0..copies).map(|_| self.bind(child)).collect();
            let equivalences = concat.equivalences().clone();
            return Ok(Arc::new(ConcatExec::new(plan.schema(), copies?, equivalences)));
        }
        if let Some(python) = plan.downcast_ref::<PythonExec>() {
            let Some(Input::Number(number)) = self.inputs.next() else { return Err(unfit()) };
            let inputs = python.inputs().iter().map(|input| self.bind(input));
            let bound = python.clone().with_inputs(inputs.collect::<Result<_>>()?);
            return Ok(Arc::new(bound.bound(Arc::clone(self.python), number)));
        }
        if plan.downcast_ref::<HashJoinExec>().is_some_and(is_broadcast) {
            let [left, right] = children[..] else { return Err(unfit()) };
            let (left, right) = (self.bind(left)?, self.bind(right)?);
            return self.joins.bind(plan, left, right);
        }
        let bound: Vec<_> = children.iter().map(|child| self.bind(child)).collect::<Result<_>>()?;
        let are_alike =
            children.iter().zip(&bound).all(|(planned, bound)| is_alike(planned, bound));
        // What was derived for the template holds for each task: deriving it anew would take longer
        // than many a task.
        let mode = if are_alike {
            ChildrenPropertiesMode::Keep
        } else {
            ChildrenPropertiesMode::Recompute
        };
        let options = ReplaceChildrenOptions::new(mode);
        Arc::clone(plan).replace_children(bound, options)?.reset_state()
    }

    fn outputs_of(&self, shuffle: ShuffleId) -> Result<&[Arc<MapOutput>]> {
        let outputs = self.outputs.get(&shuffle).ok_or_else(|| {
            internal_datafusion_err!("the task got no map outputs of shuffle {shuffle}")
        })?;
        Ok(outputs)
    }

    fn leaf(&mut self, leaf: &LeafExec) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = leaf.schema();
        match (leaf.kind(), self.inputs.next()) {
            (LeafKind::Range, Some(Input::Run(run))) => {
                Ok(Arc::new(RangeExec::new(schema, vec![run])))
            }
            (LeafKind::Rows, Some(Input::Rows(bytes))) => {
                let reader = StreamReader::try_new(&bytes[..], None)?;
                let batches = reader
                    .map(|batch| crate::nodes::rename(batch?, &schema))
                    .collect::<Result<Vec<_>>>()?;
                Ok(MemorySourceConfig::try_new_exec(&[batches], schema, None)?)
            }
            (LeafKind::Source { name, spec }, Some(Input::Partition(bytes))) => {
                sources::planned(name)?.bind(spec, leaf.shape(), &bytes)
            }
            (LeafKind::Blocks { shuffle, mode: _ }, Some(Input::Output(map))) => {
                let output = self.outputs_of(*shuffle)?.get(map as usize).ok_or_else(unfit)?;
                Ok(self.read(leaf, std::slice::from_ref(output), (0, 1), ReadMode::Gather))
            }
            (
                LeafKind::Blocks { shuffle, mode: ReadMode::Gather },
                Some(Input::Part { readers, maps }),
            ) => {
                let maps = maps.0 as usize..maps.1 as usize;
                let outputs = self.outputs_of(*shuffle)?.get(maps).ok_or_else(unfit)?;
                Ok(self.read(leaf, outputs, readers, ReadMode::Gather))
            }
            (LeafKind::Blocks { shuffle, mode }, Some(Input::Blocks { from, to })) => {
                Ok(self.read(leaf, self.outputs_of(*shuffle)?, (from, to), *mode))
            }
            _ => Err(unfit()),
        }
    }

    /// A read of these reader partitions of map outputs, in the place of a leaf.
    fn read(
        &self,
        leaf: &LeafExec,
        outputs: &[Arc<MapOutput>],
        readers: (u32, u32),
        mode: ReadMode,
    ) -> Arc<dyn ExecutionPlan> {
        let streams = wanted(outputs, readers, mode);
        let source = Arc::clone(self.runtime.blocks());
        let read = ShuffleReadExec::new(leaf.schema(), streams, source, leaf.equivalences());
        Arc::new(match mode {
            ReadMode::Broadcast => read.broadcast(Arc::clone(self.runtime.broadcasts())),
            ReadMode::Gather | ReadMode::Ordered => read,
        })
    }
}

/// The non-empty blocks of these reader partitions, one list per stream of the read.
fn wanted(outputs: &[Arc<MapOutput>], readers: (u32, u32), mode: ReadMode) -> Vec<Vec<Wanted>> {
    let blocks = |output: &Arc<MapOutput>| {
        let output = Arc::clone(output);
        let block = move |reader| Wanted { output: Arc::clone(&output), reader };
        (readers.0..readers.1).map(block).filter(|block| block.bytes() > 0).collect::<Vec<_>>()
    };
    match mode {
        ReadMode::Gather | ReadMode::Broadcast => vec![outputs.iter().flat_map(blocks).collect()],
        ReadMode::Ordered => {
            let streams: Vec<_> = outputs.iter().map(blocks).filter(|s| !s.is_empty()).collect();
            // A merge needs at least one stream, even an empty one.
            if streams.is_empty() { vec![Vec::new()] } else { streams }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::Equivalences;
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_expr::PhysicalSortExpr;
    use datafusion::physical_expr::expressions::col;
    use datafusion::physical_plan::sorts::sort::SortExec;
    use sources::Run;

    fn numbers(column: &str) -> Arc<dyn ExecutionPlan> {
        let schema = Arc::new(Schema::new(vec![Field::new(column, DataType::Int64, false)]));
        Arc::new(RangeExec::new(schema, vec![Run { first: 0, step: 1, count: 1 }]))
    }

    fn leaf(shape: Arc<dyn ExecutionPlan>, equivalences: Equivalences) -> Arc<dyn ExecutionPlan> {
        Arc::new(LeafExec::new(LeafKind::Range, shape, equivalences))
    }

    #[test]
    fn what_was_derived_is_kept_only_if_it_would_be_derived_again() {
        let planned = leaf(numbers("a"), Equivalences::default());
        assert!(is_alike(&planned, &planned) && is_alike(&planned, &numbers("a")));
        assert!(!is_alike(&planned, &numbers("b")));
        let by = col("a", &numbers("a").schema()).unwrap();
        let sorted: Arc<dyn ExecutionPlan> =
            Arc::new(SortExec::new([PhysicalSortExpr::new_default(by)].into(), numbers("a")));
        assert!(!is_alike(&planned, &sorted) && !is_alike(&sorted, &planned));
        let runs = [Run { first: 0, step: 1, count: 1 }; 2];
        let several: Arc<dyn ExecutionPlan> =
            Arc::new(RangeExec::new(planned.schema(), runs.to_vec()));
        assert!(!is_alike(&planned, &several));
    }
}
