//! Normalisation of floating-point keys, so that grouping, joins, orders and windows compare them
//! like Spark. Spark has a rule of the same purpose (`NormalizeFloatingNumbers`). It runs last,
//! because `DataFusion`'s rules turn distinct rows, set operations and subqueries into groups and
//! joins.

use analysis::LocalSort;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Sort, WindowFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Expr, ExprSchemable, Extension, Filter, GroupingSet, Join, LogicalPlan,
    Sort as SortPlan, Window,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use functions::{comparison, is_comparison, normal_form};
use std::sync::Arc;

/// Normalises floating-point keys.
#[derive(Debug)]
pub(super) struct NormalizeFloatingKeys;

impl OptimizerRule for NormalizeFloatingKeys {
    fn name(&self) -> &'static str {
        "normal_keys"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Aggregate(aggregate) => grouped(aggregate),
            LogicalPlan::Filter(filter) => filtered(filter),
            LogicalPlan::Join(join) => joined(join),
            LogicalPlan::Window(window) => windowed(window),
            LogicalPlan::Sort(sort) => sorted(sort),
            LogicalPlan::Extension(extension) => sorted_within(extension),
            other => Ok(Transformed::no(other)),
        }
    }
}

/// The normalised expression, if it differs.
fn changed(expr: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    let data_type: DataType = expr.get_type(schema)?;
    let formed = normal_form(expr.clone(), &data_type);
    Ok((formed != *expr).then_some(formed))
}

/// The normalised expression, under the original name.
fn renamed(expr: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    let name = NamePreserver::new_for_projection().save(expr);
    Ok(changed(expr, schema)?.map(|formed| name.restore(formed)))
}

/// Replaces the expressions that change; returns whether any did.
fn replace(
    exprs: &mut [Expr],
    schema: &DFSchema,
    form: fn(&Expr, &DFSchema) -> Result<Option<Expr>>,
) -> Result<bool> {
    let mut any = false;
    for expr in exprs {
        if let Some(formed) = form(expr, schema)? {
            *expr = formed;
            any = true;
        }
    }
    Ok(any)
}

fn order(keys: &mut [Sort], schema: &DFSchema) -> Result<bool> {
    let mut any = false;
    for key in keys {
        any |= replace(std::slice::from_mut(&mut key.expr), schema, changed)?;
    }
    Ok(any)
}

fn grouped(mut aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let schema = aggregate.input.schema();
    let mut any = false;
    for key in &mut aggregate.group_expr {
        any |= match key {
            Expr::GroupingSet(GroupingSet::GroupingSets(sets)) => {
                let mut any = false;
                for set in sets {
                    any |= replace(set, schema, renamed)?;
                }
                any
            }
            Expr::GroupingSet(GroupingSet::Rollup(keys) | GroupingSet::Cube(keys)) => {
                replace(keys, schema, renamed)?
            }
            key => replace(std::slice::from_mut(key), schema, renamed)?,
        };
    }
    if !any {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let Aggregate { input, group_expr, aggr_expr, .. } = aggregate;
    Ok(Transformed::yes(LogicalPlan::Aggregate(Aggregate::try_new(input, group_expr, aggr_expr)?)))
}

fn joined(mut join: Join) -> Result<Transformed<LogicalPlan>> {
    let mut any = false;
    for (left, right) in &mut join.on {
        any |= replace(std::slice::from_mut(left), join.left.schema(), changed)?;
        any |= replace(std::slice::from_mut(right), join.right.schema(), changed)?;
    }
    if let Some(filter) = &join.filter {
        let both = join.left.schema().join(join.right.schema())?;
        let formed = compared(filter.clone(), &both)?;
        any |= formed.transformed;
        join.filter = Some(formed.data);
    }
    Ok(Transformed::new_transformed(LogicalPlan::Join(join), any))
}

fn filtered(filter: Filter) -> Result<Transformed<LogicalPlan>> {
    let formed = compared(filter.predicate.clone(), filter.input.schema())?;
    if !formed.transformed {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    }
    Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(formed.data, filter.input)?)))
}

/// Normalises comparisons in a condition, such as those that subqueries leave behind.
fn compared(condition: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    condition.transform_up(|expr| {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &expr else {
            return Ok(Transformed::no(expr));
        };
        if !is_comparison(*op) {
            return Ok(Transformed::no(expr));
        }
        let data_type: DataType = left.get_type(schema)?;
        let formed = comparison((**left).clone(), *op, (**right).clone(), &data_type);
        let changed = formed != expr;
        Ok(Transformed::new_transformed(formed, changed))
    })
}

fn windowed(mut window: Window) -> Result<Transformed<LogicalPlan>> {
    let mut any = false;
    for expr in &mut window.window_expr {
        let name = NamePreserver::new_for_projection().save(expr);
        let formed = expr.clone().transform_up(|expr| match expr {
            Expr::WindowFunction(mut function) => {
                let any = window_keys(&mut function, window.input.schema())?;
                Ok(Transformed::new_transformed(Expr::WindowFunction(function), any))
            }
            other => Ok(Transformed::no(other)),
        })?;
        if formed.transformed {
            *expr = name.restore(formed.data);
            any = true;
        }
    }
    if !any {
        return Ok(Transformed::no(LogicalPlan::Window(window)));
    }
    let Window { input, window_expr, .. } = window;
    Ok(Transformed::yes(LogicalPlan::Window(Window::try_new(window_expr, input)?)))
}

fn window_keys(function: &mut WindowFunction, schema: &DFSchema) -> Result<bool> {
    let keys = replace(&mut function.params.partition_by, schema, changed)?;
    Ok(order(&mut function.params.order_by, schema)? || keys)
}

fn sorted(mut sort: SortPlan) -> Result<Transformed<LogicalPlan>> {
    let any = order(&mut sort.expr, sort.input.schema())?;
    Ok(Transformed::new_transformed(LogicalPlan::Sort(sort), any))
}

/// Normalises a sort within partitions.
fn sorted_within(extension: Extension) -> Result<Transformed<LogicalPlan>> {
    let Some(sort) = extension.node.as_any().downcast_ref::<LocalSort>() else {
        return Ok(Transformed::no(LogicalPlan::Extension(extension)));
    };
    let mut sort = sort.clone();
    if !order(&mut sort.order, sort.input.schema())? {
        return Ok(Transformed::no(LogicalPlan::Extension(extension)));
    }
    let node = Arc::new(sort);
    Ok(Transformed::yes(LogicalPlan::Extension(Extension { node })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{Field, Schema};
    use datafusion::logical_expr::logical_plan::table_scan;
    use datafusion::logical_expr::{LogicalPlanBuilder, col};
    use datafusion::optimizer::OptimizerContext;

    /// The plan after applying the rule twice.
    fn formed(plan: LogicalPlan) -> String {
        let apply = |plan: LogicalPlan| {
            plan.transform_up(|plan| NormalizeFloatingKeys.rewrite(plan, &OptimizerContext::new()))
                .unwrap()
        };
        let once = apply(plan);
        let twice = apply(once.data.clone());
        assert!(!twice.transformed, "the rule is idempotent");
        once.data.display_indent().to_string()
    }

    fn table(name: &str) -> LogicalPlanBuilder {
        let fields =
            vec![Field::new("d", DataType::Float64, true), Field::new("i", DataType::Int64, true)];
        table_scan(Some(name), &Schema::new(fields), None).unwrap()
    }

    #[test]
    fn floating_keys_are_normalized() {
        let grouped = table("t").aggregate(vec![col("d"), col("i")], Vec::<Expr>::new()).unwrap();
        assert_eq!(
            formed(grouped.build().unwrap()),
            "Aggregate: groupBy=[[spark_normal(t.d) AS d, t.i]], aggr=[[]]\n  TableScan: t"
        );
        let sorted = table("t").sort(vec![col("d").sort(true, true)]).unwrap();
        assert!(formed(sorted.build().unwrap()).contains("Sort: spark_normal(t.d) ASC"));
        let right = table("u").build().unwrap();
        let keys = (vec!["t.d"], vec!["u.d"]);
        let kind = datafusion::logical_expr::JoinType::Inner;
        let joined = table("t").join(right, kind, keys, None).unwrap().build().unwrap();
        assert!(formed(joined).contains("spark_normal(t.d) = spark_normal(u.d)"));
    }

    #[test]
    fn other_keys_stay_as_they_are() {
        let grouped = table("t").aggregate(vec![col("i")], Vec::<Expr>::new()).unwrap();
        assert!(!formed(grouped.build().unwrap()).contains("spark_normal"));
    }
}
