//! Aggregates by Python functions over windows. The frames of the rows are window functions of
//! ours; above these, a node feeds a worker with the rows of each partition.

use super::function::PythonPlace;
use super::node::{PythonNode, WorkerInput};
use crate::column::Names;
use crate::scope::Column;
use crate::typed::Typed;
use crate::window::{distinct, no_window_function, over, spec_text};
use crate::{Resolver, Result, error, reference};
use arrow::datatypes::Field as ArrowField;
use datafusion::logical_expr::expr::{Sort, WindowFunctionParams};
use datafusion::logical_expr::{
    Expr as DfExpr, LogicalPlan, WindowFrame, WindowFunctionDefinition,
};
use formats::types;
use functions::{Frame, FrameBound, FrameEdge, WindowCall, frame_bound, normal_form};
use plan::{Field, PythonCall, WindowSpec, WorkerArgument, WorkerKind, WorkerOrder};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Calls over windows with equal partitions and order.
#[derive(Debug)]
pub(crate) struct PythonWindows {
    pub(crate) keys: Vec<DfExpr>,
    pub(crate) order: Vec<Sort>,
    /// The calls, and the columns for their values.
    pub(crate) calls: Vec<(DfExpr, Column)>,
}

/// Whether an expression is a call of a Python function over a window.
pub(crate) fn is_python_window(expr: &DfExpr) -> bool {
    place(expr).is_some()
}

/// The function of a call over a window, and its arguments; after them come the two bounds of the
/// frame and the row's own number in its partition, unless the frame is the whole partition.
fn place(expr: &DfExpr) -> Option<(&PythonPlace, &WindowFunctionParams)> {
    let DfExpr::WindowFunction(call) = expr else { return None };
    let WindowFunctionDefinition::AggregateUDF(function) = &call.fun else { return None };
    Some((function.inner().downcast_ref::<PythonPlace>()?, &call.params))
}

impl Resolver<'_> {
    /// Resolves a call of a Python function over a window.
    pub(crate) fn python_window(
        &mut self,
        call: &PythonCall,
        spec: &WindowSpec,
        names: Names<'_>,
    ) -> Result<Typed> {
        let function = &call.function;
        let resolved = self.python_call(call, names)?;
        if !function.eval_type.is_aggregate() {
            return Err(no_window_function(&resolved.name));
        }
        if function.eval_type.is_iterator_aggregate() {
            let what = format!("The Python function {} over a window", function.name);
            return Err(error::unsupported(what));
        }
        let Some((place, args)) = PythonPlace::of(&resolved.expr) else {
            return Err(no_window_function(&resolved.name));
        };
        let (partition_by, order_by) = self.window_keys(spec, names)?;
        let (frame, frame_text) = self.frame(&function.name, (spec, &order_by), names)?;
        let window = spec_text(&partition_by, &order_by, &frame_text);
        let text = format!("{} OVER ({window})", resolved.name);
        if call.distinct {
            return Err(distinct(&text));
        }
        let partition_by: Vec<DfExpr> = partition_by.into_iter().map(|key| key.expr).collect();
        let order_by: Vec<Sort> = order_by.into_iter().map(|(key, ..)| key).collect();
        let mut args = args.to_vec();
        if (&frame.lower, &frame.upper) != (&FrameEdge::Unbounded, &FrameEdge::Unbounded) {
            let row =
                Frame { lower: FrameEdge::Rows(0), upper: FrameEdge::Rows(0), ..frame.clone() };
            let bounds = [
                frame_bound(frame.clone(), FrameBound::Begin),
                frame_bound(frame, FrameBound::End),
                frame_bound(row, FrameBound::Begin),
            ];
            for bound in bounds {
                args.push(over(bound, partition_by.clone(), order_by.clone()));
            }
        }
        let function = WindowFunctionDefinition::AggregateUDF(Arc::new(place.clone().into()));
        let made = WindowCall { function, args, frame: WindowFrame::new(None) };
        let expr = over(made, partition_by, order_by);
        let mut made = self.typed(expr, true, text)?;
        made.data_type = call.function.output.clone();
        Ok(made)
    }

    /// Adds a node above `plan` for calls over one window.
    pub(crate) fn above_windows(
        &mut self,
        plan: LogicalPlan,
        windows: PythonWindows,
    ) -> Result<LogicalPlan> {
        let mut sent = WorkerInput::default();
        let mut keys = Vec::with_capacity(windows.keys.len());
        for key in windows.keys {
            let data_type = self.type_of(&key)?;
            let key = normal_form(key, &types::to_arrow(&data_type));
            keys.push(sent.add(key, data_type));
        }
        let mut order = Vec::with_capacity(windows.order.len());
        for Sort { expr, asc, nulls_first } in windows.order {
            let data_type = self.type_of(&expr)?;
            let expr = normal_form(expr, &types::to_arrow(&data_type));
            order.push(WorkerOrder {
                column: sent.add(expr, data_type),
                descending: !asc,
                nulls_first,
            });
        }
        let (mut calls, mut fields, mut made) = (Vec::new(), Vec::new(), Vec::new());
        for (expr, column) in windows.calls {
            let Some((place, params)) = place(&expr) else { continue };
            let (args, bounds) = params.args.split_at(place.types.len());
            let args = args.iter().zip(&place.types);
            let args = args.map(|(arg, data_type)| sent.add(arg.clone(), data_type.clone()));
            let args = args.map(WorkerArgument::Column).collect();
            let mut call = place.worker_call(args);
            if let [begin, end, row] = bounds {
                let mut bound = |bound: &DfExpr| sent.add(bound.clone(), plan::DataType::Long);
                call.frame = Some([bound(begin), bound(end)]);
                // Rows with equal keys must have the order that the bounds are of.
                let column = bound(row);
                order = vec![WorkerOrder { column, descending: false, nulls_first: true }];
            }
            calls.push(call);
            fields.push(Field::new(format!("_{}", fields.len()), column.data_type.clone(), true));
            made.push(ArrowField::new(&column.id, types::to_arrow(&column.data_type), true));
        }
        let schema = PythonNode::beside(&plan, made)?;
        let sent = WorkerInput { keys, order, ..sent };
        let node = PythonNode {
            kind: WorkerKind::Window,
            inputs: vec![plan],
            sent: vec![sent],
            outputs: (0..calls.len()).collect(),
            calls,
            fields,
            barrier: false,
            profiles: BTreeSet::new(),
            schema,
        };
        Ok(node.plan())
    }
}

/// The calls with columns in place of the window functions in their arguments.
pub(crate) fn with_bounds(mut windows: PythonWindows, named: &[(DfExpr, String)]) -> PythonWindows {
    for (call, _) in &mut windows.calls {
        let DfExpr::WindowFunction(function) = call else { continue };
        for arg in &mut function.params.args {
            if let Some((_, id)) = named.iter().find(|(window, _)| window == arg) {
                *arg = reference(id);
            }
        }
    }
    windows
}
