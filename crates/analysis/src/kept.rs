//! Relations whose rows are stored by a cache.

use super::relation::exchanged;
use super::scope::Column;
use super::{Resolved, Resolver, Result};
use crate::CachedRelation;
use crate::equality::{without_caches, without_effect};
use crate::nodes::{Count, Exchange, Kept, LocalSort, Target};
use datafusion::logical_expr::expr::Sort as SortKey;
use datafusion::logical_expr::{
    ExprSchemable, Extension, LogicalPlan, Projection, Sort, UserDefinedLogicalNode,
};
use plan::Relation;
use std::sync::Arc;

impl Resolver<'_> {
    /// A relation whose rows are stored.
    pub(super) fn cached(
        &mut self,
        relation: &Relation,
        cached: &CachedRelation,
    ) -> Result<Resolved> {
        let around = std::mem::replace(&mut self.context.to_mut().caches, cached.before());
        let resolved = self.kind(relation);
        self.context.to_mut().caches = around;
        kept(resolved?, cached, self.context.shuffle_partitions)
    }

    /// A relation whose rows are stored if those of an equal one are. What its own plan reads is
    /// what that of the other does.
    pub(super) fn equal_cached(
        &mut self,
        relation: &Relation,
        resolved: Resolved,
    ) -> Result<Resolved> {
        let Some(cached) = self.context.caches.of_plan(&resolved.plan) else { return Ok(resolved) };
        if without_effect(&resolved.plan).1 == Some(cached.cache) {
            return Ok(resolved);
        }
        let before = cached.before();
        if !self.context.caches.include(&before) {
            return self.cached(relation, &cached);
        }
        let plan = without_caches(resolved.plan, &|cache| before.has(cache))?;
        kept(Resolved { plan, ..resolved }, &cached, self.context.shuffle_partitions)
    }
}

/// A relation whose rows are stored, in up to so many partitions if they are sorted.
fn kept(mut resolved: Resolved, cached: &CachedRelation, partitions: u32) -> Result<Resolved> {
    resolved.plan = sorted_by_range(resolved.plan, partitions)?;
    let column = |column: &Column| format!("{}{}", column.name, column.id);
    let columns: Vec<String> = resolved.scope.columns.iter().map(column).collect();
    let kept = Kept::of_relation(cached.cache, cached.shown().clone(), columns.join(", "));
    // What is looked up below a select list is not in the cache.
    let below = resolved.below.take();
    Ok(Resolved { below, ..exchanged(resolved, Target::Keep(kept)) })
}

/// The same rows in the same order. What a sort yields is divided by range and sorted there, so
/// that it stays in several partitions.
fn sorted_by_range(plan: LogicalPlan, partitions: u32) -> Result<LogicalPlan> {
    Ok(match plan {
        LogicalPlan::Projection(projection) => {
            let input = sorted_by_range(Arc::unwrap_or_clone(projection.input), partitions)?;
            LogicalPlan::Projection(Projection::try_new(projection.expr, Arc::new(input))?)
        }
        LogicalPlan::Sort(Sort { expr: order, input, fetch: None })
            if is_divisible(&order, &input)? =>
        {
            let input = Arc::unwrap_or_clone(input);
            let target = Target::Range(order.clone(), Count::Usual(partitions));
            let input = extension(Exchange { input, target });
            extension(LocalSort { input, order })
        }
        plan => plan,
    })
}

fn extension(node: impl UserDefinedLogicalNode + 'static) -> LogicalPlan {
    LogicalPlan::Extension(Extension { node: Arc::new(node) })
}

/// Whether bounds of these keys can be compared as rows are: values within values might not be.
fn is_divisible(order: &[SortKey], input: &LogicalPlan) -> Result<bool> {
    for key in order {
        if key.expr.get_type(input.schema())?.is_nested() {
            return Ok(false);
        }
    }
    Ok(true)
}
