//! Check for implicit cross joins, for sessions with a setting that forbids them.

use analysis::is_barrier;
use datafusion::common::NullEquality;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan};
use errors::condition;
use plan::SparkError;

/// Refuses implicit cross joins in an optimized plan: the optimizer has already moved conditions
/// into the joins.
pub(super) fn check(plan: &LogicalPlan) -> Result<(), SparkError> {
    let mut found: Option<SparkError> = None;
    let walked = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Join(join) = node
            && is_implicit(join)
        {
            found = Some(refused(join));
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    walked.map_err(|error| functions::spark_error(&error))?;
    found.map_or(Ok(()), Err)
}

/// Joins added by the resolver treat nulls as equal; those added by the optimizer have a scalar
/// subquery on their right side.
fn is_implicit(join: &Join) -> bool {
    let keeps = matches!(
        join.join_type,
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full
    );
    let by_program = join.null_equality == NullEquality::NullEqualsNothing
        && !is_explicit(&join.left)
        && !is_explicit(&join.right);
    let of_both = |condition: &&Expr| {
        let columns = condition.column_refs();
        let of = |side: &LogicalPlan| columns.iter().any(|column| side.schema().has_column(column));
        of(&join.left) && of(&join.right)
    };
    let filter = join.filter.as_ref().map(split_conjunction).unwrap_or_default();
    keeps && by_program && join.on.is_empty() && !filter.iter().any(of_both)
}

/// Whether this side belongs to an explicit `CROSS JOIN`, or is a scalar subquery.
fn is_explicit(side: &LogicalPlan) -> bool {
    match side {
        LogicalPlan::SubqueryAlias(alias) => {
            alias.alias.table().starts_with("__scalar_sq") || is_explicit(&alias.input)
        }
        LogicalPlan::Projection(projection) => is_explicit(&projection.input),
        LogicalPlan::Filter(filter) => is_explicit(&filter.input),
        other => is_barrier(other),
    }
}

fn refused(join: &Join) -> SparkError {
    let kind = match join.join_type {
        JoinType::Left => "LEFT OUTER",
        JoinType::Right => "RIGHT OUTER",
        JoinType::Full => "FULL OUTER",
        _ => "INNER",
    };
    let shown = |side: &LogicalPlan| side.display_indent().to_string();
    let (left, right) = (shown(&join.left), shown(&join.right));
    let message = format!(
        "Detected implicit cartesian product for {kind} join between logical plans\n{left}\nand\n{right}\nJoin condition is missing or trivial.\nEither: use the CROSS JOIN syntax to allow cartesian products between these\nrelations, or: enable implicit cartesian products by setting the configuration\nvariable spark.sql.crossJoin.enabled=true."
    );
    let parameters = [("joinType", kind), ("leftPlan", left.as_str()), ("rightPlan", &right)];
    SparkError::analysis(condition::LEGACY_ERROR_TEMP_1211, message, &parameters)
}
