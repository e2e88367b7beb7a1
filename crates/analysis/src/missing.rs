//! Names missing from a select list: an ORDER BY or filter above it may still use the columns below
//! it, and aggregate functions of them.

use super::aggregate::Aggregation;
use super::column::Names;
use super::scope::{Column, Scope};
use super::typed::Typed;
use super::{Resolved, Resolver, Result, reference};
use datafusion::logical_expr::{Expr as DfExpr, LogicalPlan, Projection};
use std::sync::Arc;

/// Input of a select list.
#[derive(Debug, Clone)]
pub(crate) struct Below {
    pub(super) scope: Scope,
    pub(super) source: Source,
    pub(super) outputs: Vec<(Column, Typed)>,
    /// Conditions applied between the select list and this relation.
    pub(super) above: Vec<DfExpr>,
}

/// The plan below a select list.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Plan(LogicalPlan),
    Aggregation(Box<Aggregation>),
}

impl Resolved {
    /// Scopes in which names above this relation are looked up.
    pub(super) fn names(&self) -> Names<'_> {
        let below = self.below.as_deref();
        let grouping = below.and_then(|below| match &below.source {
            Source::Aggregation(aggregation) => aggregation.grouping.as_ref(),
            Source::Plan(_) => None,
        });
        Names { below: below.map(|below| &below.scope), grouping, ..Names::of(&self.scope) }
    }
}

impl Resolver<'_> {
    /// Makes the columns available that `items`, resolved with `Resolved::names`, use. The
    /// plan may then have more columns than its scope.
    pub(super) fn supply(&mut self, input: Resolved, items: &mut [Typed]) -> Result<Resolved> {
        let Some(mut below) = input.below.clone() else { return Ok(input) };
        let mut extra: Vec<String> = Vec::new();
        for item in items.iter_mut() {
            if let Source::Aggregation(aggregation) = &mut below.source {
                *item = self.grouped_item(aggregation, item.clone(), Some(&input.scope))?;
            }
            for column in item.expr.column_refs() {
                let id = column.name();
                if !input.scope.has_id(id) && !extra.iter().any(|known| known == id) {
                    extra.push(id.to_owned());
                }
            }
        }
        if extra.is_empty() {
            return Ok(input);
        }
        extra.sort();
        let plan = self.rebuild(&below, &extra)?;
        Ok(Resolved { plan, scope: input.scope, below: Some(below) })
    }

    /// Rebuilds the select list with additional columns of its input.
    pub(super) fn rebuild(&mut self, below: &Below, extra: &[String]) -> Result<LogicalPlan> {
        let plan = match &below.source {
            Source::Plan(plan) => plan.clone(),
            Source::Aggregation(aggregation) => aggregation.plan()?,
        };
        let mut items: Vec<Typed> = below.outputs.iter().map(|(_, item)| item.clone()).collect();
        let plan = self.extract_windows(plan, &mut items)?;
        let mut exprs: Vec<DfExpr> = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for ((column, _), item) in below.outputs.iter().zip(&items) {
            if seen.contains(&column.id.as_str()) {
                continue;
            }
            seen.push(&column.id);
            let same = item.id() == Some(column.id.as_str());
            exprs.push(if same { item.expr.clone() } else { item.expr.clone().alias(&column.id) });
        }
        exprs.extend(extra.iter().map(|id| reference(id)));
        let mut plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
        for condition in &below.above {
            plan = super::relation::filter(plan, condition.clone())?;
        }
        Ok(plan)
    }

    /// Reduces a plan to the columns of its scope, each once per name.
    pub(super) fn exact(&mut self, mut resolved: Resolved) -> Result<Resolved> {
        let ids = resolved.scope.columns.iter().map(|column| column.id.as_str());
        let fields = resolved.plan.schema().fields();
        if resolved.scope.hidden.is_empty()
            && ids.len() == fields.len()
            && ids.zip(fields).all(|(id, field)| id == field.name())
        {
            return Ok(resolved);
        }
        let mut exprs = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        for index in 0..resolved.scope.columns.len() {
            let column = resolved.scope.columns[index].clone();
            if seen.contains(&column.id) {
                let again =
                    self.new_column(&column.name, column.data_type.clone(), column.nullable);
                exprs.push(reference(&column.id).alias(&again.id));
                resolved.scope.columns[index].id = again.id;
            } else {
                exprs.push(reference(&column.id));
            }
            seen.push(column.id);
        }
        let projection = Projection::try_new(exprs, Arc::new(resolved.plan))?;
        let scope = Scope { hidden: Vec::new(), ..resolved.scope };
        Ok(Resolved::new(LogicalPlan::Projection(projection), scope))
    }
}
