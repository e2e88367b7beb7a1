//! Sort orders.

use super::typed::Typed;
use super::{Resolved, Resolver, Result, error};
use crate::nodes::LocalSort;
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{
    Expr as DfExpr, Extension, LogicalPlan, Projection, Sort as SortPlan,
};
use plan::{Expr, Literal, NullOrder, Relation, SortOrder};
use std::sync::Arc;

/// A sort key, with Spark's default for nulls.
pub(super) fn key(expr: DfExpr, order: &SortOrder) -> Sort {
    let nulls_first = match order.nulls {
        NullOrder::Default => order.ascending,
        NullOrder::First => true,
        NullOrder::Last => false,
    };
    Sort::new(expr, order.ascending, nulls_first)
}

impl Resolver<'_> {
    pub(super) fn sort(
        &mut self,
        input: &Relation,
        order: &[SortOrder],
        global: bool,
    ) -> Result<Resolved> {
        let input = self.relation(input)?;
        let mut values = Vec::new();
        let mut orders = Vec::new();
        for key in order {
            for value in self.order_values(&key.expr, &input)? {
                values.push(value);
                orders.push(key);
            }
        }
        super::orderable::sortable(&values)?;
        let narrow = input.scope.clone();
        let input = self.supply(input, &mut values)?;
        if let Some(wrong) =
            values.iter().find(|value| super::aggregate::has_aggregate(&value.expr))
        {
            return Err(error::missing_aggregation(&wrong.name, true));
        }
        let mut items = values;
        let plan = self.extract_windows(input.plan, &mut items)?;
        let plan = self.extract_volatile(plan, &mut items)?;
        let keys = items.into_iter().zip(orders).map(|(value, order)| key(value.expr, order));
        let keys: Vec<Sort> = keys.collect();
        let plan = if keys.is_empty() {
            plan
        } else if global {
            LogicalPlan::Sort(SortPlan { expr: keys, input: Arc::new(plan), fetch: None })
        } else {
            let node = LocalSort { input: plan, order: keys };
            LogicalPlan::Extension(Extension { node: Arc::new(node) })
        };
        // Drop the columns that were added for the order.
        Self::exact_or_hidden(Resolved::new(plan, narrow))
    }

    /// The values of a sort key: an expression, the position of a column, or all columns.
    fn order_values(&mut self, key: &Expr, input: &Resolved) -> Result<Vec<Typed>> {
        let by_ordinal = self.context.flag(&model::conf::ORDER_BY_ORDINAL)?;
        match key {
            Expr::Literal(Literal::Integer(position)) if by_ordinal => {
                let columns = &input.scope.columns;
                let index = usize::try_from(*position).ok().and_then(|p| p.checked_sub(1));
                match index.and_then(|index| columns.get(index)) {
                    Some(column) => Ok(vec![super::column::of_column(column)]),
                    None => Err(error::position_out_of_range(
                        "ORDER",
                        i64::from(*position),
                        columns.len(),
                    )),
                }
            }
            Expr::Column { name, plan_id: None }
                if name.len() == 1
                    && name[0].eq_ignore_ascii_case("all")
                    && !input.scope.columns.iter().any(|c| self.context.same(&c.name, "all")) =>
            {
                Ok(input.scope.columns.iter().map(super::column::of_column).collect())
            }
            Expr::Star { .. } | Expr::ColumnRegex { .. } => self.expand(key, input.names()),
            key => Ok(vec![self.expression(key, input.names())?]),
        }
    }

    /// Volatile keys become columns: who sorts the rows and who merges or distributes them must see
    /// the same values.
    fn extract_volatile(&mut self, plan: LogicalPlan, keys: &mut [Typed]) -> Result<LogicalPlan> {
        let mut computed = Vec::new();
        for key in keys.iter_mut().filter(|key| key.expr.is_volatile()) {
            key.expr = self.key_column(&key.expr, &mut computed)?;
        }
        if computed.is_empty() {
            return Ok(plan);
        }
        let columns = plan.schema().columns().into_iter().map(DfExpr::Column);
        let computed = computed.into_iter().map(|(key, id)| key.alias(id));
        let exprs = columns.chain(computed).collect();
        Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?))
    }

    /// Drops columns that are not in the scope, unless they are only hidden.
    pub(super) fn exact_or_hidden(resolved: Resolved) -> Result<Resolved> {
        let known = |name: &str| resolved.scope.has_id(name);
        if resolved.plan.schema().fields().iter().all(|field| known(field.name())) {
            return Ok(resolved);
        }
        let exprs = super::aggregate::unique(resolved.scope.all());
        let plan = Projection::try_new(exprs, Arc::new(resolved.plan))?;
        Ok(Resolved::new(LogicalPlan::Projection(plan), resolved.scope))
    }
}
