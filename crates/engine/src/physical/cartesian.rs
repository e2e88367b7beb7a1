//! Joins of every row with every row that the program did not ask for as such, where a setting
//! refuses them.

use analysis::is_settled;
use datafusion::common::NullEquality;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan};
use errors::condition;
use plan::SparkError;

/// Refuses such a join in an optimized plan: only there it shows what its condition is.
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

/// Joins of the resolver's own hold nulls equal, and those of the optimizer have a query that is
/// used as a value on their right side.
fn is_implicit(join: &Join) -> bool {
    let keeps = matches!(
        join.join_type,
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full
    );
    let by_program = join.null_equality == NullEquality::NullEqualsNothing
        && !is_asked_for(&join.left)
        && !is_asked_for(&join.right);
    let of_both = |condition: &&Expr| {
        let columns = condition.column_refs();
        let of = |side: &LogicalPlan| columns.iter().any(|column| side.schema().has_column(column));
        of(&join.left) && of(&join.right)
    };
    let filter = join.filter.as_ref().map(split_conjunction).unwrap_or_default();
    keeps && by_program && join.on.is_empty() && !filter.iter().any(of_both)
}

/// Whether the program wrote `CROSS JOIN` here, or a query is used as a value.
fn is_asked_for(side: &LogicalPlan) -> bool {
    match side {
        LogicalPlan::SubqueryAlias(alias) => {
            alias.alias.table().starts_with("__scalar_sq") || is_asked_for(&alias.input)
        }
        LogicalPlan::Projection(projection) => is_asked_for(&projection.input),
        LogicalPlan::Filter(filter) => is_asked_for(&filter.input),
        other => is_settled(other),
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
