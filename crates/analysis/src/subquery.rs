//! Subqueries as values. The outer columns they use become outer references, which the optimizer
//! turns into joins.

use super::column::Names;
use super::typed::{Origin, Typed};
use super::{Resolved, Resolver, Result, error};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{ExprSchema, Spans};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::{Expr as DfExpr, LogicalPlan, Projection, Subquery};
use errors::condition;
use plan::{DataType, Expr, FunctionCall, Relation, SubqueryKind};
use std::sync::Arc;

impl Resolver<'_> {
    pub(super) fn subquery(
        &mut self,
        kind: &SubqueryKind,
        query: &Relation,
        names: Names<'_>,
        negated: bool,
    ) -> Result<Typed> {
        let conjunct = std::mem::replace(&mut self.conjunct, false);
        let mut outer = names.scope.clone();
        if let Some(below) = names.below {
            outer.hidden.extend(below.columns.iter().cloned());
            outer.frames.extend(below.frames.iter().cloned());
        }
        // The same query in another position, as a grouping key and in the select list, is the same
        // value.
        let used = || outer.all().map(|column| column.id.clone());
        let key = (query.clone(), self.env.clone(), used().collect::<Vec<_>>());
        if let (SubqueryKind::Scalar, Some((_, known))) =
            (kind, self.scalars.iter().find(|(known, _)| *known == key))
        {
            return Ok(known.clone());
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
            SubqueryKind::Scalar => {
                let typed = scalar(resolved)?;
                self.scalars.push((key, typed.clone()));
                Ok(typed)
            }
            SubqueryKind::In(values) => {
                self.conjunct = conjunct;
                let typed = self.in_subquery(values, resolved, names, negated);
                self.conjunct = false;
                typed
            }
        }
    }

    /// Pushes `NOT` of a conjunction or disjunction of subquery predicates down to these, as Spark
    /// does. It makes a difference: such a predicate is false when unknown.
    pub(super) fn negation(&mut self, call: &FunctionCall, names: Names<'_>) -> Result<Typed> {
        let Some(Expr::Function(inner)) = call.args.first() else {
            return Err(error::unsupported("NOT of this expression"));
        };
        let conjunct = std::mem::replace(&mut self.conjunct, false);
        let mut texts = Vec::new();
        for arg in &inner.args {
            texts.push(self.expression(arg, names)?.name);
        }
        let text = functions::sql_name("not", &[functions::sql_name(&inner.name, &texts)]);
        let pushed = match inner.name.as_str() {
            "not" => inner.args.first().cloned(),
            name => {
                let operator = if name == "and" { "or" } else { "and" };
                let parts = inner.args.iter().map(|arg| Expr::call("not", vec![arg.clone()]));
                Some(Expr::call(operator, parts.collect()))
            }
        };
        self.conjunct = conjunct;
        let pushed = pushed.ok_or_else(|| error::unsupported("NOT of nothing"))?;
        Ok(Typed { name: text, ..self.expression(&pushed, names)? })
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
                condition::DATATYPE_MISMATCH_IN_SUBQUERY_LENGTH_MISMATCH,
                message,
                &parameters,
            ));
        }
        // The join for `NOT IN` handles nulls correctly only if the subquery is uncorrelated.
        let made = subquery(resolved.plan.clone())?;
        let for_each = !made.outer_ref_columns.is_empty();
        let for_each = for_each && (negated || !super::decorrelate::is_selection(&resolved.plan));
        let ([value], true, false) = (values, self.conjunct, for_each) else {
            return self.in_tuples(values, resolved, names, negated);
        };
        self.conjunct = false;
        let value = self.expression(value, names)?;
        let column = resolved.scope.columns[0].clone();
        let types = [value.data_type.clone(), column.data_type.clone()];
        let Some(common) = self.common_type(&types) else {
            return Err(in_type_mismatch(&value.name, &types));
        };
        let mut plan = resolved.plan;
        if formats::types::to_arrow(&column.data_type) != formats::types::to_arrow(&common) {
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

impl Resolver<'_> {
    /// `(a, b) IN (query)`, or a single value: whether there is a row in which all columns are
    /// equal.
    fn in_tuples(
        &mut self,
        values: &[Expr],
        resolved: Resolved,
        names: Names<'_>,
        negated: bool,
    ) -> Result<Typed> {
        self.conjunct = false;
        let mut same: Option<Typed> = None;
        let mut texts = Vec::new();
        for (value, column) in values.iter().zip(resolved.scope.columns.clone()) {
            let value = self.expression(value, names)?;
            texts.push(value.name.clone());
            let types = [value.data_type.clone(), column.data_type.clone()];
            let Some(common) = self.common_type(&types) else {
                return Err(in_type_mismatch(&value.name, &types));
            };
            let value = self.coerced(value, &common)?;
            let value = Typed { expr: self.outer_expr(value.expr)?, ..value };
            let column = self.coerced(super::column::of_column(&column), &common)?;
            let equal = self.scalar("=", vec![column, value])?;
            same = Some(match same {
                None => equal,
                Some(before) => self.scalar("and", vec![before, equal])?,
            });
        }
        let Some(same) = same else { return Err(error::unsupported("IN without values")) };
        let values = match texts.as_slice() {
            [one] => one.clone(),
            _ => format!("({})", texts.join(", ")),
        };
        let text = format!("({values} IN (listquery()))");
        let text = if negated { format!("(NOT {text})") } else { text };
        // Spark asks whether such a row exists, and for `NOT IN` whether none can be one: the
        // answer is never unknown.
        let condition = if negated && same.nullable {
            let truth = self.literal(&plan::Literal::Boolean(true))?;
            self.scalar("coalesce", vec![same, truth])?
        } else {
            same
        };
        let plan = super::relation::filter(resolved.plan, condition.expr)?;
        let exists = DfExpr::Exists(Exists::new(subquery(plan)?, negated));
        Ok(Typed::boolean(exists, false, text))
    }

    /// Turns an expression of a query into one for use in its subquery.
    pub(super) fn outer_expr(&self, expr: DfExpr) -> Result<DfExpr> {
        let outer = expr.transform_down(|node| {
            let DfExpr::Column(column) = &node else { return Ok(Transformed::no(node)) };
            let field = Arc::clone(self.types.field_from_column(column)?);
            Ok(Transformed::yes(DfExpr::OuterReferenceColumn(field, column.clone())))
        })?;
        Ok(outer.data)
    }
}

/// Whether the `NOT` of this call is pushed down.
pub(super) fn is_pushed(call: &FunctionCall) -> bool {
    match call.args.as_slice() {
        [Expr::Function(inner)] if matches!(inner.name.as_str(), "and" | "or" | "not") => {
            inner.args.iter().any(holds_predicate)
        }
        _ => false,
    }
}

/// Whether the expression contains a subquery predicate.
fn holds_predicate(expr: &Expr) -> bool {
    match expr {
        Expr::Subquery { kind, .. } => !matches!(kind, SubqueryKind::Scalar),
        Expr::Function(call) if matches!(call.name.as_str(), "and" | "or" | "not") => {
            call.args.iter().any(holds_predicate)
        }
        _ => false,
    }
}

fn in_type_mismatch(value: &str, types: &[DataType; 2]) -> super::Stop {
    let (left, right) = (types[0].sql(), types[1].sql());
    let message = format!(
        "Cannot resolve \"({value} IN (listquery()))\" due to data type mismatch: The data type of one or more elements in the left hand side of an IN subquery is not compatible with the data type of the output of the subquery. Mismatched columns: [], left side: [\"{left}\"], right side: [\"{right}\"]."
    );
    error::analysis(condition::DATATYPE_MISMATCH_IN_SUBQUERY_DATA_TYPE_MISMATCH, message, &[])
}

fn scalar(resolved: Resolved) -> Result<Typed> {
    let [column] = resolved.scope.columns.as_slice() else {
        let count = resolved.scope.columns.len().to_string();
        let message = format!("Scalar subquery must return only one column, but got {count}.");
        let class =
            condition::INVALID_SUBQUERY_EXPRESSION_SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN;
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
        origin: Origin::Computed,
        aliased: false,
    })
}

/// A subquery with a list of the outer columns it uses.
pub(super) fn subquery(plan: LogicalPlan) -> Result<Subquery> {
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
