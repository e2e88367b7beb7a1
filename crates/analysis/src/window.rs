//! Window functions, and the window nodes below their users.

use super::call::{function_error, never_null_aggregate, plain_name};
use super::column::Names;
use super::frame::OrderKey;
use super::typed::Typed;
use super::within_group::ResolvedCall;
use super::{Resolver, Result, error, reference};
use crate::python::{PythonWindows, is_python_window, with_bounds};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{Sort, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{Expr as DfExpr, LogicalPlan, Projection, Window, cast};
use errors::condition;
use functions::{AggregateCall, Frame, WindowCall};
use plan::{Expr, NullOrder, PythonCall, SortOrder, WindowSpec};
use std::sync::Arc;

impl Resolver<'_> {
    /// Resolves `function OVER (spec)`.
    pub(super) fn window(
        &mut self,
        function: &Expr,
        spec: &WindowSpec,
        names: Names<'_>,
    ) -> Result<Typed> {
        let call = match function {
            Expr::Function(call) => call,
            Expr::Python(call) => return self.python_window(call, spec, names),
            Expr::Alias { expr, .. } => return self.window(expr, spec, names),
            _ => return Err(error::unsupported("a window over this expression")),
        };
        let name = plain_name(&call.name);
        if let Some(function) = self.context.python.get(&name) {
            let function = Arc::clone(function);
            let call = PythonCall { function, args: call.args.clone(), distinct: call.distinct };
            return self.python_window(&call, spec, names);
        }
        let registry = &self.context.registry;
        if !registry.is_window(&name) && !registry.is_aggregate(&name) {
            return Err(no_window_function(&self.expression(function, names)?.name));
        }
        let ResolvedCall { args, texts, text, order_by: within_group } =
            self.resolve_call(&name, call, names)?;
        let (filter, text) = self.aggregate_filter(call, names, text)?;
        let (partition_by, order_by) = self.window_keys(spec, names)?;
        if self.context.registry.is_window(&name) && order_by.is_empty() {
            return Err(not_ordered(&name, &text));
        }
        let (frame, frame_text) = match name.as_str() {
            "lag" | "lead" if spec.frame.is_none() => (Frame::whole(), offset_text(&name, &args)),
            _ => self.frame(&name, (spec, &order_by), names)?,
        };
        let of_function = text.clone();
        let alone = order_by.is_empty() && spec.frame.is_none();
        if !alone && !within_group.is_empty() {
            return Err(ordered_twice(&text));
        }
        let text = format!("{text} OVER ({})", spec_text(&partition_by, &order_by, &frame_text));
        if call.distinct {
            return Err(distinct(&text));
        }
        let types: Vec<_> = args.iter().map(Typed::arrow).collect();
        let made = AggregateCall {
            name: &name,
            args: args.iter().map(|arg| arg.expr.clone()).collect(),
            types: &types,
            distinct: false,
            filter,
            order_by: within_group,
            ignore_nulls: call.ignore_nulls,
        };
        let made = self
            .context
            .registry
            .window(made, frame, &self.context.functions)
            .map_err(|failure| function_error(&failure, &of_function, &texts))?;
        let nullable = may_be_null(&name, &args);
        let partition_by = partition_by.into_iter().map(|key| key.expr).collect();
        let order_by = order_by.into_iter().map(|(key, ..)| key).collect();
        let expr = over(made, partition_by, order_by);
        // Spark counts rows in an `int`.
        let counts = matches!(name.as_str(), "row_number" | "rank" | "dense_rank" | "ntile");
        let expr = if counts { cast(expr, DataType::Int32) } else { expr };
        self.typed(expr, nullable, text)
    }

    /// The keys of a window's partitions, and those of their order.
    pub(crate) fn window_keys(
        &mut self,
        spec: &WindowSpec,
        names: Names<'_>,
    ) -> Result<(Vec<Typed>, Vec<OrderKey>)> {
        let partition_by = spec.partition_by.iter().map(|key| self.expression(key, names));
        let partition_by = partition_by.collect::<Result<_>>()?;
        let mut order_by = Vec::with_capacity(spec.order_by.len());
        for key in &spec.order_by {
            let value = self.expression(&key.expr, names)?;
            order_by.push((super::sort::key(value.expr.clone(), key), value, key.clone()));
        }
        Ok((partition_by, order_by))
    }

    /// Number of the row among those with equal keys, from 1, as a long.
    pub(super) fn row_number(&self, keys: &[String], order_by: Vec<Sort>) -> Result<Typed> {
        let expr = cast(self.row_number_over(keys, order_by)?, DataType::Int64);
        self.typed(expr, false, "row_number()".to_owned())
    }

    /// The same as `DataFusion` returns it, unsigned.
    pub(super) fn row_number_over(&self, keys: &[String], order_by: Vec<Sort>) -> Result<DfExpr> {
        let call = AggregateCall::new("row_number", Vec::new(), &[]);
        let made = self.context.registry.window(call, Frame::whole(), &self.context.functions);
        let made = made.map_err(|failure| function_error(&failure, "row_number()", &[]))?;
        Ok(over(made, keys.iter().map(|key| reference(key)).collect(), order_by))
    }

    /// Adds window nodes above `plan` for the window functions in the expressions, which then refer
    /// to their columns.
    pub(super) fn extract_windows(
        &mut self,
        mut plan: LogicalPlan,
        items: &mut [Typed],
    ) -> Result<LogicalPlan> {
        let mut found: Vec<DfExpr> = Vec::new();
        for item in items.iter() {
            item.expr.apply(|node| {
                if matches!(node, DfExpr::WindowFunction(_)) && !found.contains(node) {
                    found.push(node.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        if found.is_empty() {
            return Ok(plan);
        }
        let mut groups: Vec<(Vec<DfExpr>, Vec<Sort>, Vec<DfExpr>)> = Vec::new();
        let mut python: Vec<PythonWindows> = Vec::new();
        let mut named: Vec<(DfExpr, String)> = Vec::new();
        let mut computed: Vec<(DfExpr, String)> = Vec::new();
        for window in &found {
            let DfExpr::WindowFunction(mut function) = window.clone() else { continue };
            let data_type = self.type_of(window)?;
            let column = self.new_column("window", data_type, true);
            self.key_columns(&mut function.params, &mut computed)?;
            let (keys, order) =
                (function.params.partition_by.clone(), function.params.order_by.clone());
            let id = column.id.clone();
            let call = DfExpr::WindowFunction(function);
            if is_python_window(&call) {
                let same = |group: &&mut PythonWindows| group.keys == keys && group.order == order;
                let call = (window.clone(), column);
                if let Some(group) = python.iter_mut().find(same) {
                    group.calls.push(call);
                } else {
                    python.push(PythonWindows { keys, order, calls: vec![call] });
                }
            } else {
                let aliased = call.alias(&id);
                match groups.iter_mut().find(|(k, o, _)| *k == keys && *o == order) {
                    Some((_, _, group)) => group.push(aliased),
                    None => groups.push((keys, order, vec![aliased])),
                }
            }
            named.push((window.clone(), id));
        }
        if !computed.is_empty() {
            let columns = plan.schema().columns().into_iter().map(DfExpr::Column);
            let computed = computed.into_iter().map(|(key, id)| key.alias(id));
            let exprs = columns.chain(computed).collect();
            plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
        }
        for (keys, order, group) in groups {
            plan = LogicalPlan::Window(Window::try_new(group, Arc::new(plan))?);
            // Directly above the bounds of its frames, for which rows were distributed alike.
            let same = |windows: &PythonWindows| windows.keys == keys && windows.order == order;
            if let Some(at) = python.iter().position(same) {
                plan = self.above_windows(plan, with_bounds(python.remove(at), &named))?;
            }
        }
        for windows in python {
            plan = self.above_windows(plan, windows)?;
        }
        for item in items {
            let replaced = item.expr.clone().transform_down(|node| {
                Ok(match named.iter().find(|(window, _)| *window == node) {
                    Some((_, id)) => Transformed::yes(reference(id)),
                    None => Transformed::no(node),
                })
            })?;
            item.expr = replaced.data;
        }
        Ok(plan)
    }

    /// Columns instead of the keys of partitions, and of volatile keys of orders: who merges sorted
    /// rows must see the keys by which they were sorted.
    fn key_columns(
        &mut self,
        params: &mut WindowFunctionParams,
        computed: &mut Vec<(DfExpr, String)>,
    ) -> Result<()> {
        for key in &mut params.partition_by {
            *key = self.key_column(key, computed)?;
        }
        for key in params.order_by.iter_mut().filter(|key| key.expr.is_volatile()) {
            key.expr = self.key_column(&key.expr, computed)?;
        }
        Ok(())
    }

    /// A key as a column. A computed key is evaluated once, below the window.
    pub(super) fn key_column(
        &mut self,
        key: &DfExpr,
        computed: &mut Vec<(DfExpr, String)>,
    ) -> Result<DfExpr> {
        if matches!(key, DfExpr::Column(_)) {
            return Ok(key.clone());
        }
        if let Some((_, id)) = computed.iter().find(|(known, _)| known == key) {
            return Ok(reference(id));
        }
        let data_type = self.type_of(key)?;
        let id = self.new_column("key", data_type, true).id;
        computed.push((key.clone(), id.clone()));
        Ok(reference(&id))
    }
}

/// Applies a function to its window; the other clauses of the call belong to the function.
pub(crate) fn over(call: WindowCall, partition_by: Vec<DfExpr>, order_by: Vec<Sort>) -> DfExpr {
    DfExpr::WindowFunction(Box::new(WindowFunction {
        fun: call.function,
        params: WindowFunctionParams {
            args: call.args,
            partition_by,
            order_by,
            window_frame: call.frame,
            filter: None,
            null_treatment: None,
            distinct: false,
        },
    }))
}

/// The frame of `lag` and `lead`: the single row at their offset.
fn offset_text(name: &str, args: &[Typed]) -> String {
    let rows = args.get(1).and_then(|rows| super::rows::constant(rows.expr.clone()));
    let rows = match rows.and_then(|rows| rows.cast_to(&DataType::Int64).ok()) {
        Some(ScalarValue::Int64(Some(rows))) => rows,
        _ => 1,
    };
    let rows = if name == "lag" { -rows } else { rows };
    format!("ROWS BETWEEN {rows} FOLLOWING AND {rows} FOLLOWING")
}

/// Whether Spark declares the result of a window function nullable.
fn may_be_null(name: &str, args: &[Typed]) -> bool {
    match name {
        "row_number" | "rank" | "dense_rank" | "percent_rank" | "cume_dist" | "ntile" => false,
        "lag" | "lead" => {
            args.first().is_none_or(|a| a.nullable) || args.get(2).is_none_or(|d| d.nullable)
        }
        other => !never_null_aggregate(other),
    }
}

pub(crate) fn no_window_function(text: &str) -> super::Stop {
    let shown = format!("\"{text}\"");
    let message = format!("Expression {shown} not supported within a window function.");
    error::analysis(condition::UNSUPPORTED_EXPR_FOR_WINDOW, message, &[("sqlExpr", &shown)])
}

fn ordered_twice(text: &str) -> super::Stop {
    let shown = format!("\"{text}\"");
    let message = format!("Cannot specify ORDER BY or a window frame for {shown}.");
    let parameters = [("aggFunc", shown.as_str())];
    error::analysis(condition::INVALID_WINDOW_SPEC_FOR_AGGREGATION_FUNC, message, &parameters)
}

pub(crate) fn distinct(text: &str) -> super::Stop {
    let shown = format!("\"{text}\"");
    let message = format!("Distinct window functions are not supported: {shown}.");
    let parameters = [("windowExpr", shown.as_str())];
    error::analysis(condition::DISTINCT_WINDOW_FUNCTION_UNSUPPORTED, message, &parameters)
}

fn not_ordered(name: &str, text: &str) -> super::Stop {
    let message = format!(
        "Window function {name} requires the window to be ordered. You need to add an ORDER BY clause. For example: SELECT {text} OVER (PARTITION BY window_partition ORDER BY window_ordering) FROM table."
    );
    let parameters = [("wf_name", name), ("wf_expr", text)];
    error::analysis(condition::WINDOW_FUNCTION_FRAME_NOT_ORDERED, message, &parameters)
}

pub(crate) fn spec_text(partition_by: &[Typed], order_by: &[OrderKey], frame: &str) -> String {
    let mut parts = Vec::new();
    if !partition_by.is_empty() {
        let keys: Vec<_> = partition_by.iter().map(|key| key.name.as_str()).collect();
        parts.push(format!("PARTITION BY {}", keys.join(", ")));
    }
    if !order_by.is_empty() {
        let keys: Vec<_> =
            order_by.iter().map(|(_, value, key)| order_text(&value.name, key)).collect();
        parts.push(format!("ORDER BY {}", keys.join(", ")));
    }
    parts.push(frame.to_owned());
    parts.join(" ")
}

pub(super) fn order_text(name: &str, key: &SortOrder) -> String {
    let direction = if key.ascending { "ASC" } else { "DESC" };
    let first = match key.nulls {
        NullOrder::Default => key.ascending,
        NullOrder::First => true,
        NullOrder::Last => false,
    };
    format!("{name} {direction} NULLS {}", if first { "FIRST" } else { "LAST" })
}
