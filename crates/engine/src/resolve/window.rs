//! Window functions: Spark's default frames, and window nodes put below what uses them.

use super::call::{function_error, never_null_aggregate, plain_name};
use super::column::Names;
use super::expression::Typed;
use super::{Resolver, Result, error, reference};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{NullTreatment, Sort, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Expr as DfExpr, LogicalPlan, Window, WindowFrame, WindowFrameBound, WindowFrameUnits, cast,
};
use errors::condition;
use functions::AggregateCall;
use plan::{Expr, FrameBound, FrameUnits, NullOrder, SortOrder, WindowSpec};
use std::sync::Arc;

impl Resolver<'_> {
    /// `function OVER (spec)`.
    pub(super) fn window(
        &mut self,
        function: &Expr,
        spec: &WindowSpec,
        names: Names<'_>,
    ) -> Result<Typed> {
        let call = match function {
            Expr::Function(call) => call,
            Expr::Alias { expr, .. } => return self.window(expr, spec, names),
            _ => return Err(error::unsupported("a window over this expression")),
        };
        let name = plain_name(&call.name);
        let (args, texts) = self.aggregate_arguments(&name, call, names)?;
        let text = super::call::aggregate_text(&name, call, &texts);
        let (filter, text) = self.aggregate_filter(call, names, text)?;
        let types: Vec<_> = args.iter().map(Typed::arrow).collect();
        let made = AggregateCall {
            name: &name,
            args: args.iter().map(|arg| arg.expr.clone()).collect(),
            types: &types,
            distinct: call.distinct,
            filter,
            order_by: Vec::new(),
            ignore_nulls: call.ignore_nulls,
        };
        let made = self
            .context
            .registry
            .window(made, &self.context.functions)
            .map_err(|failure| function_error(&failure, &text, &texts))?;
        let mut partition_by = Vec::new();
        for key in &spec.partition_by {
            partition_by.push(self.expression(key, names)?);
        }
        let mut order_by = Vec::new();
        for key in &spec.order_by {
            let value = self.expression(&key.expr, names)?;
            order_by.push((super::sort::key(value.expr.clone(), key), value, key.clone()));
        }
        let is_ranking = self.context.registry.is_window(&name);
        if is_ranking && order_by.is_empty() && name != "nth_value" {
            let message = format!(
                "Window function {name} requires the window to be ordered. You need to add an ORDER BY clause. For example: SELECT {text} OVER (PARTITION BY window_partition ORDER BY window_ordering) FROM table."
            );
            let parameters = [("wf_name", name.as_str()), ("wf_expr", &text)];
            let unordered = condition::WINDOW_FUNCTION_FRAME_NOT_ORDERED;
            return Err(error::analysis(unordered, message, &parameters));
        }
        let (frame, frame_text) = self.frame(&name, spec, is_ranking, names)?;
        let text = format!("{text} OVER ({})", spec_text(&partition_by, &order_by, &frame_text));
        let nullable = match name.as_str() {
            "row_number" | "rank" | "dense_rank" | "percent_rank" | "cume_dist" | "ntile" => false,
            "lag" | "lead" => {
                args.first().is_none_or(|a| a.nullable) || args.get(2).is_none_or(|d| d.nullable)
            }
            other => !never_null_aggregate(other),
        };
        let expr = DfExpr::WindowFunction(Box::new(WindowFunction {
            fun: made.function,
            params: WindowFunctionParams {
                args: made.args,
                partition_by: partition_by.into_iter().map(|key| key.expr).collect(),
                order_by: order_by.into_iter().map(|(key, _, _)| key).collect(),
                window_frame: frame,
                filter: made.filter.map(Box::new),
                null_treatment: made.ignore_nulls.then_some(NullTreatment::IgnoreNulls),
                distinct: made.distinct,
            },
        }));
        // Spark counts rows in an `int`.
        let counts = matches!(name.as_str(), "row_number" | "rank" | "dense_rank" | "ntile");
        let expr = if counts { cast(expr, DataType::Int32) } else { expr };
        self.typed(expr, nullable, text)
    }

    /// The number of each row among those with the same keys, from 1, as a long.
    pub(super) fn row_number(&self, keys: &[String], order_by: Vec<Sort>) -> Result<Typed> {
        let call = AggregateCall {
            name: "row_number",
            args: Vec::new(),
            types: &[],
            distinct: false,
            filter: None,
            order_by: Vec::new(),
            ignore_nulls: false,
        };
        let made = self.context.registry.window(call, &self.context.functions);
        let made = made.map_err(|failure| function_error(&failure, "row_number()", &[]))?;
        let start = WindowFrameBound::Preceding(ScalarValue::Null);
        let expr = DfExpr::WindowFunction(Box::new(WindowFunction {
            fun: made.function,
            params: WindowFunctionParams {
                args: Vec::new(),
                partition_by: keys.iter().map(|key| reference(key)).collect(),
                order_by,
                window_frame: rows(start, WindowFrameBound::CurrentRow),
                filter: None,
                null_treatment: None,
                distinct: false,
            },
        }));
        self.typed(cast(expr, DataType::Int64), false, "row_number()".to_owned())
    }

    /// The frame, and how Spark writes it. Ranking functions see rows up to their own; others, without a frame, all rows of
    /// the partition, or with an order those up to the last one equal to their own.
    fn frame(
        &mut self,
        name: &str,
        spec: &WindowSpec,
        is_ranking: bool,
        names: Names<'_>,
    ) -> Result<(WindowFrame, String)> {
        let ordered = !spec.order_by.is_empty();
        let start = WindowFrameBound::Preceding(ScalarValue::Null);
        let end = WindowFrameBound::Following(ScalarValue::Null);
        let Some(frame) = &spec.frame else {
            let (units, upper) = match name {
                "lag" => {
                    return Ok((
                        rows(start, end),
                        "ROWS BETWEEN -1 FOLLOWING AND -1 FOLLOWING".into(),
                    ));
                }
                "lead" => {
                    return Ok((
                        rows(start, end),
                        "ROWS BETWEEN 1 FOLLOWING AND 1 FOLLOWING".into(),
                    ));
                }
                _ if !ordered => (WindowFrameUnits::Rows, end),
                "row_number" | "rank" | "dense_rank" | "percent_rank" | "ntile" => {
                    (WindowFrameUnits::Rows, WindowFrameBound::CurrentRow)
                }
                _ => (WindowFrameUnits::Range, WindowFrameBound::CurrentRow),
            };
            let text = frame_text(units, &start, &upper);
            return Ok((WindowFrame::new_bounds(units, start, upper), text));
        };
        let units = match frame.units {
            FrameUnits::Rows => WindowFrameUnits::Rows,
            FrameUnits::Range => WindowFrameUnits::Range,
        };
        let lower = self.bound(&frame.lower, frame.units, names)?;
        let upper = self.bound(&frame.upper, frame.units, names)?;
        if is_ranking && matches!(name, "lag" | "lead") {
            return Err(error::analysis(
                condition::LEGACY_ERROR_TEMP_1036,
                format!("Cannot specify window frame for {name} function."),
                &[],
            ));
        }
        let text = frame_text(units, &lower, &upper);
        Ok((WindowFrame::new_bounds(units, lower, upper), text))
    }

    fn bound(
        &mut self,
        bound: &FrameBound,
        units: FrameUnits,
        names: Names<'_>,
    ) -> Result<WindowFrameBound> {
        let offset = match bound {
            FrameBound::UnboundedPreceding => {
                return Ok(WindowFrameBound::Preceding(ScalarValue::Null));
            }
            FrameBound::UnboundedFollowing => {
                return Ok(WindowFrameBound::Following(ScalarValue::Null));
            }
            FrameBound::CurrentRow => return Ok(WindowFrameBound::CurrentRow),
            FrameBound::Offset(offset) => self.expression(offset, names)?,
        };
        let Some(value) = super::rows::constant(offset.expr) else {
            let shown = format!("\"{}\"", offset.name);
            let message =
                format!("The bound of a window frame must be a constant, but it is {shown}.");
            return Err(error::analysis(
                condition::DATATYPE_MISMATCH_SPECIFIED_WINDOW_FRAME_WITHOUT_FOLDABLE,
                message,
                &[("expression", &shown)],
            ));
        };
        let negative = value.to_string().starts_with('-');
        let magnitude = if negative { value.arithmetic_negate()? } else { value };
        let is_zero = magnitude == ScalarValue::new_zero(&magnitude.data_type())?;
        if is_zero {
            return Ok(WindowFrameBound::CurrentRow);
        }
        let magnitude = match units {
            FrameUnits::Rows => magnitude.cast_to(&DataType::UInt64)?,
            FrameUnits::Range => magnitude,
        };
        Ok(if negative {
            WindowFrameBound::Preceding(magnitude)
        } else {
            WindowFrameBound::Following(magnitude)
        })
    }

    /// Puts window nodes above `plan` for the window functions in the expressions, which then name their columns.
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
        let mut groups: Vec<(&[DfExpr], &[Sort], Vec<DfExpr>)> = Vec::new();
        let mut named: Vec<(&DfExpr, String)> = Vec::new();
        for window in &found {
            let DfExpr::WindowFunction(function) = window else { continue };
            let data_type = self.type_of(window)?;
            let column = self.new_column("window", data_type, true);
            let aliased = window.clone().alias(&column.id);
            let params = &function.params;
            let (keys, order) = (params.partition_by.as_slice(), params.order_by.as_slice());
            match groups.iter_mut().find(|(k, o, _)| *k == keys && *o == order) {
                Some((_, _, group)) => group.push(aliased),
                None => groups.push((keys, order, vec![aliased])),
            }
            named.push((window, column.id));
        }
        for (_, _, group) in groups {
            plan = LogicalPlan::Window(Window::try_new(group, Arc::new(plan))?);
        }
        for item in items {
            let replaced = item.expr.clone().transform_down(|node| {
                Ok(match named.iter().find(|(window, _)| **window == node) {
                    Some((_, id)) => Transformed::yes(reference(id)),
                    None => Transformed::no(node),
                })
            })?;
            item.expr = replaced.data;
        }
        Ok(plan)
    }
}

fn rows(lower: WindowFrameBound, upper: WindowFrameBound) -> WindowFrame {
    WindowFrame::new_bounds(WindowFrameUnits::Rows, lower, upper)
}

fn frame_text(
    units: WindowFrameUnits,
    lower: &WindowFrameBound,
    upper: &WindowFrameBound,
) -> String {
    let bound = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::Preceding(value) if value.is_null() => "UNBOUNDED PRECEDING".to_owned(),
        WindowFrameBound::Following(value) if value.is_null() => "UNBOUNDED FOLLOWING".to_owned(),
        WindowFrameBound::CurrentRow => "CURRENT ROW".to_owned(),
        // Spark writes a distance before the row as a negative one after it.
        WindowFrameBound::Preceding(value) => format!("-{value} FOLLOWING"),
        WindowFrameBound::Following(value) => format!("{value} FOLLOWING"),
    };
    let units = if units == WindowFrameUnits::Rows { "ROWS" } else { "RANGE" };
    format!("{units} BETWEEN {} AND {}", bound(lower), bound(upper))
}

fn spec_text(partition_by: &[Typed], order_by: &[(Sort, Typed, SortOrder)], frame: &str) -> String {
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

fn order_text(name: &str, key: &SortOrder) -> String {
    let direction = if key.ascending { "ASC" } else { "DESC" };
    let first = match key.nulls {
        NullOrder::Default => key.ascending,
        NullOrder::First => true,
        NullOrder::Last => false,
    };
    format!("{name} {direction} NULLS {}", if first { "FIRST" } else { "LAST" })
}
