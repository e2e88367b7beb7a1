//! Equality of resolved plans, whatever their columns are called.

use crate::Caches;
use crate::PythonNode;
use crate::nodes::{Exchange, Target};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::datasource::memory::PartitionData;
use datafusion::datasource::{MemTable, TableProvider, source_as_provider};
use datafusion::logical_expr::{
    EmptyRelation, Expr, Extension, LogicalPlan, Projection, Subquery, TableScan, TableSource,
};
use model::CacheId;
use std::collections::HashMap;
use std::sync::Arc;

/// The names of one plan's columns, by those of another's.
type Names = HashMap<Column, Column>;

/// Whether two plans are the same operators with the same expressions over the same inputs. Names
/// of columns do not count, nor do caches of relations and select lists of all columns, which
/// change no rows; nor which files there are at a path.
#[recursive::recursive]
pub fn same_plan(one: &LogicalPlan, other: &LogicalPlan) -> bool {
    let (one, other) = (without_effect(one).0, without_effect(other).0);
    let (inputs, others) = (one.inputs(), other.inputs());
    std::mem::discriminant(one) == std::mem::discriminant(other)
        && inputs.len() == others.len()
        && same_columns(one.schema(), other.schema())
        && inputs.iter().zip(&others).all(|(a, b)| same_columns(a.schema(), b.schema()))
        && same_node(one, other).unwrap_or(false)
        && inputs.iter().zip(&others).all(|(a, b)| same_plan(a, b))
}

/// The plan without the caches that are not chosen.
pub(crate) fn without_caches(
    plan: LogicalPlan,
    stays: &dyn Fn(CacheId) -> bool,
) -> Result<LogicalPlan> {
    let stripped = plan.transform_up_with_subqueries(|plan| match cache_of(&plan) {
        Some((cache, input)) if !stays(cache) => Ok(Transformed::yes(input.clone())),
        _ => Ok(Transformed::no(plan)),
    })?;
    Ok(stripped.data)
}

/// If a plan is a relation's cache: which one, and the rows that it stores.
fn cache_of(plan: &LogicalPlan) -> Option<(CacheId, &LogicalPlan)> {
    let LogicalPlan::Extension(Extension { node }) = plan else { return None };
    let Exchange { input, target } = node.as_any().downcast_ref::<Exchange>()?;
    match target {
        Target::Keep(kept) if Caches::is_of_relation(kept.cache) => Some((kept.cache, input)),
        _ => None,
    }
}

/// The plan below caches of relations and projections to all columns, and the first such cache.
pub(crate) fn without_effect(mut plan: &LogicalPlan) -> (&LogicalPlan, Option<CacheId>) {
    let mut first = None;
    loop {
        match (cache_of(plan), plan) {
            (Some((cache, input)), _) => {
                first = first.or(Some(cache));
                plan = input;
            }
            (None, LogicalPlan::Projection(projection)) if is_of_all(projection) => {
                plan = &projection.input;
            }
            _ => return (plan, first),
        }
    }
}

/// Whether a projection is to all columns of its input, in order.
fn is_of_all(projection: &Projection) -> bool {
    let columns = projection.input.schema().columns();
    projection.expr.len() == columns.len()
        && projection
            .expr
            .iter()
            .zip(&columns)
            .all(|(expr, column)| expr.try_as_col() == Some(column))
}

fn same_columns(one: &DFSchema, other: &DFSchema) -> bool {
    let (one, other) = (one.fields(), other.fields());
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(a, b)| (a.data_type(), a.is_nullable()) == (b.data_type(), b.is_nullable()))
}

/// Whether two operators are the same, apart from their inputs.
fn same_node(one: &LogicalPlan, other: &LogicalPlan) -> Result<bool> {
    let names = names(one, other);
    let (exprs, others) = (one.expressions(), other.expressions());
    if exprs.len() != others.len() {
        return Ok(false);
    }
    for (expr, other) in exprs.iter().zip(others) {
        let (expr, queries) = without_subqueries(expr.clone())?;
        let (other, others) = without_subqueries(renamed(other, &names)?)?;
        let are_same = expr == other
            && queries.len() == others.len()
            && queries.iter().zip(&others).all(|(a, b)| same_subquery(a, b));
        if !are_same {
            return Ok(false);
        }
    }
    match (one, other) {
        (LogicalPlan::TableScan(one), LogicalPlan::TableScan(other)) => same_scan(one, other),
        (LogicalPlan::EmptyRelation(one), LogicalPlan::EmptyRelation(other)) => {
            Ok(one.produce_one_row == other.produce_one_row)
        }
        (LogicalPlan::Union(_), LogicalPlan::Union(_)) => Ok(true),
        _ => {
            // What remains are the fields of the operator itself.
            let inputs: Vec<LogicalPlan> = one.inputs().into_iter().map(stub).collect();
            let one = one.with_new_exprs(exprs.clone(), inputs.clone())?;
            let other = other.with_new_exprs(exprs, inputs)?;
            Ok(match (PythonNode::of(&one), PythonNode::of(&other)) {
                (Some(one), Some(other)) => one.is_same(other),
                _ => one == other,
            })
        }
    }
}

/// An operator without rows in the place of an input.
fn stub(input: &LogicalPlan) -> LogicalPlan {
    let schema = Arc::clone(input.schema());
    LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema })
}

/// The names of the columns of an operator and of its inputs, by those of another operator.
fn names(one: &LogicalPlan, other: &LogicalPlan) -> Names {
    let mut names = Names::new();
    let inputs = one.inputs().into_iter().zip(other.inputs());
    for (one, other) in inputs.chain([(one, other)]) {
        names.extend(other.schema().columns().into_iter().zip(one.schema().columns()));
    }
    names
}

fn renamed(expr: Expr, names: &Names) -> Result<Expr> {
    let renamed = expr.transform_up(|expr| match expr {
        Expr::Column(column) => {
            let known = names.get(&column).cloned();
            Ok(Transformed::yes(Expr::Column(known.unwrap_or(column))))
        }
        Expr::Alias(mut alias) => {
            let column = Column::new(alias.relation.clone(), alias.name.clone());
            if let Some(known) = names.get(&column) {
                alias.name.clone_from(&known.name);
                alias.relation.clone_from(&known.relation);
            }
            Ok(Transformed::yes(Expr::Alias(alias)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(renamed.data)
}

/// The expression with nothing in the place of its subqueries, and these.
fn without_subqueries(expr: Expr) -> Result<(Expr, Vec<Subquery>)> {
    let mut found = Vec::new();
    let mut take = |query: &mut Subquery| {
        let nothing = Arc::new(LogicalPlan::EmptyRelation(crate::leaf::one_row()));
        let empty = Subquery {
            subquery: nothing,
            outer_ref_columns: Vec::new(),
            spans: query.spans.clone(),
        };
        found.push(std::mem::replace(query, empty));
    };
    let expr = expr.transform_up(|mut expr| {
        match &mut expr {
            Expr::ScalarSubquery(query) => take(query),
            Expr::Exists(exists) => take(&mut exists.subquery),
            Expr::InSubquery(within) => take(&mut within.subquery),
            Expr::SetComparison(comparison) => take(&mut comparison.subquery),
            _ => return Ok(Transformed::no(expr)),
        }
        Ok(Transformed::yes(expr))
    })?;
    Ok((expr.data, found))
}

/// Whether two subqueries are the same; correlated ones are compared by name.
fn same_subquery(one: &Subquery, other: &Subquery) -> bool {
    one.outer_ref_columns == other.outer_ref_columns && same_plan(&one.subquery, &other.subquery)
}

fn same_scan(one: &TableScan, other: &TableScan) -> Result<bool> {
    Ok(one.projection == other.projection
        && one.fetch == other.fetch
        && same_source(&one.source, &other.source)?)
}

fn same_source(one: &Arc<dyn TableSource>, other: &Arc<dyn TableSource>) -> Result<bool> {
    let (one, other) = (source_as_provider(one)?, source_as_provider(other)?);
    let rows = |table: &Arc<dyn TableProvider>| {
        let partitions = &table.downcast_ref::<MemTable>()?.batches;
        let read = |partition: &PartitionData| Some(partition.try_read().ok()?.clone());
        partitions.iter().map(read).collect::<Option<Vec<_>>>()
    };
    Ok(Arc::ptr_eq(&one, &other)
        || sources::same_files(one.as_ref(), other.as_ref())
        || sources::same_range(one.as_ref(), other.as_ref())
        || rows(&one).is_some_and(|one| Some(one) == rows(&other)))
}
