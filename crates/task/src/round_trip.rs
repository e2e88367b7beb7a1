//! Check that a plan survives its encoding unchanged. If the encoding silently dropped something,
//! answers would be wrong, so such a plan is refused.

use crate::codec::Codec;
use crate::context::functions_context;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, not_impl_err};
use datafusion::physical_expr::window::{SlidingAggregateWindowExpr, StandardWindowExpr};
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::windows::PlainAggregateWindowExpr;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan, WindowExpr};
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;
use std::fmt::{self, Write};
use std::sync::Arc;

/// Refuses a plan that changes when encoded and decoded; the error names the node that would
/// change.
pub fn check(plan: &Arc<dyn ExecutionPlan>, message: &PhysicalPlanNode) -> Result<()> {
    let back = message.try_into_physical_plan(functions_context(), &Codec)?;
    compare(plan, &back)
}

fn compare(plan: &Arc<dyn ExecutionPlan>, back: &Arc<dyn ExecutionPlan>) -> Result<()> {
    let (before, after) = (description(plan)?, description(back)?);
    let (children, others) = (plan.children(), back.children());
    if before != after || children.len() != others.len() {
        let name = plan.name();
        tracing::error!("{name} differs after decoding:\n{before}\n{after}");
        return not_impl_err!("{name} cannot be encoded without loss in a distributed plan");
    }
    children.into_iter().zip(others).try_for_each(|(child, other)| compare(child, other))
}

/// Full description of a node, without its children.
fn description(plan: &Arc<dyn ExecutionPlan>) -> Result<String> {
    let failed = |_: fmt::Error| DataFusionError::Internal("a plan cannot be displayed".to_owned());
    let mut text = String::new();
    let schema = plan.schema();
    writeln!(text, "{} {}", plan.name(), Shown(plan.as_ref())).map_err(failed)?;
    writeln!(text, "{schema:?}").map_err(failed)?;
    plan.apply_expressions(&mut |expr| {
        writeln!(text, "{expr:?}").map_err(failed)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    if let Some(window) = plan.downcast_ref::<WindowAggExec>() {
        describe_windows(&mut text, window.window_expr()).map_err(failed)?;
    } else if let Some(window) = plan.downcast_ref::<BoundedWindowAggExec>() {
        describe_windows(&mut text, window.window_expr()).map_err(failed)?;
        writeln!(text, "{:?}", window.input_order_mode).map_err(failed)?;
    } else if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        for function in aggregate.aggr_expr() {
            let (name, distinct) = (function.fun().name(), function.is_distinct());
            let (nulls, reversed) = (function.ignore_nulls(), function.is_reversed());
            let (order, field) = (function.order_bys(), function.field());
            writeln!(text, "{name} {distinct} {nulls} {reversed} {order:?} {field:?}")
                .map_err(failed)?;
        }
        writeln!(text, "{:?}", aggregate.filter_expr()).map_err(failed)?;
    }
    Ok(without_derived(&text))
}

fn describe_windows(text: &mut String, exprs: &[Arc<dyn WindowExpr>]) -> fmt::Result {
    for expr in exprs {
        let (keys, order) = (expr.partition_by(), expr.order_by());
        writeln!(text, "{} {keys:?} {order:?} {:?}", expr.name(), expr.get_window_frame())?;
        let any = expr.as_any();
        if let Some(standard) = any.downcast_ref::<StandardWindowExpr>() {
            writeln!(text, "{:?}", standard.get_standard_func_expr())?;
            continue;
        }
        let growing = any.downcast_ref::<PlainAggregateWindowExpr>();
        let function = match growing.map(PlainAggregateWindowExpr::get_aggregate_expr) {
            Some(function) => function,
            None => match any.downcast_ref::<SlidingAggregateWindowExpr>() {
                Some(sliding) => sliding.get_aggregate_expr(),
                None => continue,
            },
        };
        let (name, distinct) = (function.fun().name(), function.is_distinct());
        writeln!(text, "{name} {distinct} {} {:?}", function.ignore_nulls(), expr.expressions())?;
    }
    Ok(())
}

/// Removes from a description what decoding derives anew from the children: nullability, and the
/// names of cast targets.
fn without_derived(text: &str) -> String {
    const TARGET: &str = "target_field: Field { name: ";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(TARGET) {
        let (before, named) = rest.split_at(at + TARGET.len());
        out.push_str(before);
        rest = named.find(", data_type: ").map_or("", |end| &named[end..]);
    }
    out.push_str(rest);
    let found_anew = [", nullable: true", ", explicit_target: true", ", explicit_target: false"];
    found_anew.iter().fold(out, |text, part| text.replace(part, ""))
}

/// Displays a node like `EXPLAIN VERBOSE`.
struct Shown<'a>(&'a dyn ExecutionPlan);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_as(DisplayFormatType::Verbose, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;
    use datafusion::prelude::SessionContext;

    async fn checked(sql: &str) -> Result<()> {
        let context = SessionContext::new_with_state(crate::session_state_builder().build());
        let plan = context.sql(sql).await?.create_physical_plan().await?;
        check(&plan, &codec::plan_message(Arc::clone(&plan))?)
    }

    #[tokio::test]
    async fn a_plan_that_encoding_would_change_is_refused_by_name() {
        let values = "(values (1, 2), (3, null)) as t(a, b)";
        let whole = [
            format!("select a, sum(b) filter (where a > 1) from {values} group by a"),
            format!("select distinct a + 1 from {values} where b in (1, 2) order by 1 limit 3"),
            format!(
                "select t.a from {values} left join (values (1)) as u(c) on t.a = u.c and t.b > u.c"
            ),
            format!("select row_number() over (partition by a order by b) from {values}"),
            format!("select sum(a) over (order by b) from {values}"),
        ];
        for sql in whole {
            assert!(checked(&sql).await.is_ok(), "{sql}: {:?}", checked(&sql).await);
        }
        // DataFusion's encoding of window functions has no field for this.
        let lossy = format!("select first_value(b) ignore nulls over (order by a) from {values}");
        let error = checked(&lossy).await.unwrap_err().to_string();
        assert!(error.contains("BoundedWindowAggExec cannot be encoded without loss"), "{error}");
    }

    #[test]
    fn derived_properties_are_not_compared() {
        let cast = "CastExpr { target_field: Field { name: \"#1\", data_type: Int32, nullable: true }, explicit_target: true }";
        let back = "CastExpr { target_field: Field { name: \"\", data_type: Int32 }, explicit_target: false }";
        assert_eq!(without_derived(cast), without_derived(back));
        assert_ne!(without_derived(cast), without_derived(&back.replace("Int32", "Int64")));
    }
}
