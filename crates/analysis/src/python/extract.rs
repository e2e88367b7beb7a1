//! Moves calls of Python functions out of expressions into nodes below their operators, so that a
//! worker computes them for whole batches. Calls within calls, and all calls of an operator that do
//! not depend on each other otherwise, end up in one node.

use super::function::PythonPlace;
use super::node::{PythonNode, WorkerInput};
use arrow::datatypes::Field as ArrowField;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType, Result, plan_err};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, Filter, Join, LogicalPlan, Projection};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use formats::types;
use plan::{Field, WorkerArgument, WorkerCall, WorkerKind};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Ids from here are those of calls.
const FIRST_ID: u64 = 2_000_000_000;

/// The rule (see the module). It runs last, so that filters and projections have found their
/// places.
#[derive(Debug)]
pub struct ExtractPython;

impl OptimizerRule for ExtractPython {
    fn name(&self) -> &'static str {
        "extract_python"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let mut found = false;
        plan.apply_expressions(|expr| {
            found |= has_call(expr);
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        if !found || matches!(plan, LogicalPlan::TableScan(_)) {
            return Ok(Transformed::no(plan));
        }
        let ids = config.alias_generator();
        let new_id = || new_id(&ids.next(""));
        let plan = match plan {
            LogicalPlan::Join(join) => in_join(join, &new_id)?,
            plan => in_operator(plan, &new_id)?,
        };
        Ok(Transformed::yes(plan))
    }
}

/// An id from a unique alias (`_17`). Like those of other columns it is a number, so that it does
/// not count in identities of stages: equal calls have equal ones.
fn new_id(alias: &str) -> String {
    let number: u64 = alias.trim_start_matches('_').parse().expect("an alias ends with a number");
    format!("#{}", FIRST_ID + number)
}

/// Whether an expression calls a Python function for each row.
pub(crate) fn has_call(expr: &Expr) -> bool {
    let found = expr.exists(|expr| Ok(is_call(expr)));
    found.unwrap_or(false)
}

fn is_call(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(_)) && PythonPlace::of(expr).is_some()
}

/// Whether a node can compute the call: its arguments are free of calls, or such calls themselves.
fn is_extractable(expr: &Expr) -> bool {
    let Some((_, args)) = PythonPlace::of(expr).filter(|_| is_call(expr)) else { return false };
    args.iter().all(|arg| !has_call(arg) || is_extractable(arg))
}

/// An operator with one input.
fn in_operator(plan: LogicalPlan, new_id: &dyn Fn() -> String) -> Result<LogicalPlan> {
    let [input] = plan.inputs()[..] else {
        return plan_err!("Python functions are not supported in {}", plan.display());
    };
    let (input, schema) = (input.clone(), Arc::clone(plan.schema()));
    let exprs = plan.expressions();
    let names = NamePreserver::new(&plan);
    let saved: Vec<_> = exprs.iter().map(|expr| names.save(expr)).collect();
    let (input, exprs) = computed_above(input, exprs, new_id)?;
    let exprs = exprs.into_iter().zip(saved).map(|(expr, name)| name.restore(expr)).collect();
    let plan = plan.with_new_exprs(exprs, vec![input])?;
    with_columns_of(plan, &schema)
}

/// Nodes above `input` that compute the calls in the expressions, and the expressions without
/// calls.
fn computed_above(
    mut input: LogicalPlan,
    mut exprs: Vec<Expr>,
    new_id: &dyn Fn() -> String,
) -> Result<(LogicalPlan, Vec<Expr>)> {
    while exprs.iter().any(has_call) {
        let mut node = Extraction::default();
        exprs = exprs.into_iter().map(|expr| node.replace(expr, new_id)).collect::<Result<_>>()?;
        input = node.above(input)?;
    }
    Ok((input, exprs))
}

/// The plan with exactly the columns of `schema`.
fn with_columns_of(plan: LogicalPlan, schema: &DFSchema) -> Result<LogicalPlan> {
    if plan.schema().fields().len() == schema.fields().len() {
        return Ok(plan);
    }
    let columns = schema.iter().map(Column::from).map(Expr::Column).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?))
}

/// A join: calls over one side are computed below it; others, in the condition of an inner join,
/// above.
fn in_join(join: Join, new_id: &dyn Fn() -> String) -> Result<LogicalPlan> {
    let schema = Arc::clone(&join.schema);
    let Join {
        left, right, on, filter, join_type, join_constraint, null_equality, null_aware, ..
    } = join;
    let (of_left, of_right): (Vec<_>, Vec<_>) = on.into_iter().unzip();
    let (mut left, of_left) = computed_above(Arc::unwrap_or_clone(left), of_left, new_id)?;
    let (mut right, of_right) = computed_above(Arc::unwrap_or_clone(right), of_right, new_id)?;
    let (mut kept, mut above) = (Vec::new(), Vec::new());
    for condition in filter.iter().flat_map(datafusion::logical_expr::utils::split_conjunction) {
        let of = |plan: &LogicalPlan| {
            condition.column_refs().iter().all(|column| plan.schema().has_column(column))
        };
        let side = [&mut left, &mut right].into_iter().find(|plan| of(plan));
        if !has_call(condition) {
            kept.push(condition.clone());
        } else if let Some(side) = side {
            let (plan, exprs) = computed_above(side.clone(), vec![condition.clone()], new_id)?;
            *side = plan;
            kept.extend(exprs);
        } else if join_type == JoinType::Inner {
            above.push(condition.clone());
        } else {
            let shown = match join_type {
                JoinType::Left => "LEFT OUTER",
                JoinType::Right => "RIGHT OUTER",
                JoinType::Full => "FULL OUTER",
                JoinType::LeftSemi | JoinType::RightSemi => "LEFT SEMI",
                _ => "LEFT ANTI",
            };
            let error = plan::SparkError::new(
                errors::condition::UNSUPPORTED_FEATURE_PYTHON_UDF_IN_ON_CLAUSE,
                format!(
                    "The feature is not supported: Python UDF in the ON clause of a {shown} JOIN. In case of an INNER JOIN consider rewriting to a CROSS JOIN with a WHERE clause."
                ),
                &[("joinType", shown)],
            );
            return Err(datafusion::error::DataFusionError::External(Box::new(error)));
        }
    }
    let filter = datafusion::logical_expr::utils::conjunction(kept);
    let on = of_left.into_iter().zip(of_right).collect();
    let join = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        on,
        filter,
        join_type,
        join_constraint,
        null_equality,
        null_aware,
    )?;
    let mut plan = LogicalPlan::Join(join);
    if let Some(condition) = datafusion::logical_expr::utils::conjunction(above) {
        let filter = LogicalPlan::Filter(Filter::try_new(condition, Arc::new(plan))?);
        plan = in_operator(filter, new_id)?;
    }
    with_columns_of(plan, &schema)
}

/// The calls of one node.
#[derive(Default)]
struct Extraction {
    sent: WorkerInput,
    calls: Vec<WorkerCall>,
    /// What each call was, to recognise it again.
    taken: Vec<Expr>,
    /// Calls whose values are columns, and their ids.
    outputs: Vec<(usize, String)>,
}

impl Extraction {
    /// The expression with columns of the node in place of calls.
    fn replace(&mut self, expr: Expr, new_id: &dyn Fn() -> String) -> Result<Expr> {
        let replaced = expr.transform_down(|expr| {
            if !is_extractable(&expr) {
                return Ok(Transformed::no(expr));
            }
            let call = self.take(&expr)?;
            let known = self.outputs.iter().find(|(known, _)| *known == call);
            let id = known.map_or_else(new_id, |(_, id)| id.clone());
            if known.is_none() {
                self.outputs.push((call, id.clone()));
            }
            let column = Expr::Column(Column::new_unqualified(id));
            Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
        })?;
        Ok(replaced.data)
    }

    /// Adds a call; returns its index.
    fn take(&mut self, expr: &Expr) -> Result<usize> {
        let known = self.taken.iter().position(|taken| taken == expr);
        if let Some(known) = known.filter(|_| !expr.is_volatile()) {
            return Ok(known);
        }
        let Some((place, args)) = PythonPlace::of(expr) else {
            return plan_err!("not a call of a Python function: {expr}");
        };
        let mut arguments = Vec::with_capacity(args.len());
        for (arg, data_type) in args.iter().zip(&place.types) {
            arguments.push(if is_extractable(arg) {
                WorkerArgument::Function(self.take(arg)?)
            } else {
                WorkerArgument::Column(self.sent.add(arg.clone(), data_type.clone()))
            });
        }
        self.calls.push(place.worker_call(arguments));
        self.taken.push(expr.clone());
        Ok(self.taken.len() - 1)
    }

    /// The node, above an input.
    fn above(self, input: LogicalPlan) -> Result<LogicalPlan> {
        let outputs = self.outputs.iter().map(|(call, id)| {
            let output = &self.calls[*call].function.output;
            ArrowField::new(id, types::to_arrow(output), true)
        });
        let schema = PythonNode::beside(&input, outputs.collect())?;
        let fields = self.outputs.iter().map(|(call, _)| {
            let function = &self.calls[*call].function;
            Field::new(format!("_{call}"), function.output.clone(), true)
        });
        let fields = fields.collect();
        let node = PythonNode {
            kind: WorkerKind::Eval,
            inputs: vec![input],
            sent: vec![self.sent],
            calls: self.calls,
            outputs: self.outputs.iter().map(|(call, _)| *call).collect(),
            fields,
            barrier: false,
            profiles: BTreeSet::new(),
            schema,
        };
        Ok(node.plan())
    }
}
