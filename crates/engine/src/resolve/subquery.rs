//! Queries used as values. What they use of the query around them becomes outer references, which the optimizer turns into joins.

use super::column::Names;
use super::expression::Typed;
use super::{Resolved, Resolver, Result, error};
use datafusion::common::Spans;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::{Expr as DfExpr, LogicalPlan, Projection, Subquery};
use plan::{DataType, Expr, Relation, SubqueryKind};
use std::sync::Arc;

impl Resolver<'_> {
    pub(super) fn subquery(
        &mut self,
        kind: &SubqueryKind,
        query: &Relation,
        names: Names<'_>,
        negated: bool,
    ) -> Result<Typed> {
        let mut outer = names.scope.clone();
        if let Some(below) = names.below {
            outer.hidden.extend(below.columns.iter().cloned());
            outer.frames.extend(below.frames.iter().cloned());
        }
        self.outer.push(outer);
        let resolved = self.relation(query);
        let resolved = resolved.and_then(|resolved| self.exact(resolved));
        self.outer.pop();
        let resolved = resolved?;
        match kind {
            SubqueryKind::Exists => {
                let subquery = subquery(resolved.plan)?;
                let expr = DfExpr::Exists(Exists::new(subquery, negated));
                let text = if negated { "(NOT exists())" } else { "exists()" };
                Ok(Typed::boolean(expr, false, text.to_owned()))
            }
            SubqueryKind::Scalar => scalar(resolved),
            SubqueryKind::In(values) => self.in_subquery(values, resolved, names, negated),
        }
    }

    fn in_subquery(
        &mut self,
        values: &[Expr],
        resolved: Resolved,
        names: Names<'_>,
        negated: bool,
    ) -> Result<Typed> {
        let width = resolved.scope.columns.len();
        if values.len() != width {
            let (left, right) = (values.len().to_string(), width.to_string());
            let message = format!(
                "Cannot resolve \"IN\" due to data type mismatch: The number of columns in the left hand side of an IN subquery does not match the number of columns in the output of subquery. Left hand side columns(length: {left}), right hand side columns(length: {right})."
            );
            let parameters = [("leftLength", left.as_str()), ("rightLength", &right)];
            return Err(error::analysis(
                "DATATYPE_MISMATCH.IN_SUBQUERY_LENGTH_MISMATCH",
                message,
                &parameters,
            ));
        }
        let [value] = values else {
            return Err(error::unsupported("IN with several values and a subquery"));
        };
        let value = self.expression(value, names)?;
        let column = resolved.scope.columns[0].clone();
        let types = [value.data_type.clone(), column.data_type.clone()];
        let Some(common) = self.common_type(&types) else {
            let (left, right) = (types[0].sql(), types[1].sql());
            let message = format!(
                "Cannot resolve \"({} IN (listquery()))\" due to data type mismatch: The data type of one or more elements in the left hand side of an IN subquery is not compatible with the data type of the output of the subquery. Mismatched columns: [], left side: [\"{left}\"], right side: [\"{right}\"].",
                value.name
            );
            return Err(error::analysis(
                "DATATYPE_MISMATCH.IN_SUBQUERY_DATA_TYPE_MISMATCH",
                message,
                &[],
            ));
        };
        let mut plan = resolved.plan;
        if crate::types::to_arrow(&column.data_type) != crate::types::to_arrow(&common) {
            let cast = self.coerced(super::column::of_column(&column), &common)?;
            let id = self.new_column("value", common.clone(), true).id;
            let exprs = vec![cast.expr.alias(&id)];
            plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
        }
        let nullable = value.nullable || column.nullable;
        let text = format!("({} IN (listquery()))", value.name);
        let text = if negated { format!("(NOT {text})") } else { text };
        let value = self.coerced(value, &common)?;
        let expr = InSubquery::new(Box::new(value.expr), subquery(plan)?, negated);
        Ok(Typed::boolean(DfExpr::InSubquery(expr), nullable, text))
    }
}

fn scalar(resolved: Resolved) -> Result<Typed> {
    let [column] = resolved.scope.columns.as_slice() else {
        let count = resolved.scope.columns.len().to_string();
        let message = format!("Scalar subquery must return only one column, but got {count}.");
        let class =
            "INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN";
        return Err(error::analysis(class, message, &[("number", &count)]));
    };
    let data_type: DataType = column.data_type.clone();
    let expr = DfExpr::ScalarSubquery(subquery(resolved.plan)?);
    Ok(Typed {
        expr,
        data_type,
        nullable: true,
        name: "scalarsubquery()".to_owned(),
        metadata: None,
        qualifier: Vec::new(),
        aliased: false,
    })
}

/// The query with a list of what it uses of the query around it.
fn subquery(plan: LogicalPlan) -> Result<Subquery> {
    let mut outer: Vec<DfExpr> = Vec::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|inner| {
                if matches!(inner, DfExpr::OuterReferenceColumn(..)) && !outer.contains(inner) {
                    outer.push(inner.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(Subquery { subquery: Arc::new(plan), outer_ref_columns: outer, spans: Spans::new() })
}
