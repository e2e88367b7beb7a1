//! Aggregates by Python functions: each becomes a node of its own, whose worker gets whole groups.

use super::function::PythonPlace;
use super::node::{PythonNode, WorkerInput};
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;
use errors::condition;
use formats::types;
use plan::{Field, SparkError, WorkerArgument, WorkerKind};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The rule (see the module).
#[derive(Debug)]
pub struct PythonAggregates;

impl AnalyzerRule for PythonAggregates {
    fn name(&self) -> &'static str {
        "python_aggregates"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let changed = plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Aggregate(aggregate) if aggregate.aggr_expr.iter().any(is_python) => {
                Ok(Transformed::yes(node(aggregate)?))
            }
            plan => Ok(Transformed::no(plan)),
        })?;
        Ok(changed.data)
    }
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        expr => expr,
    }
}

fn is_python(expr: &Expr) -> bool {
    PythonPlace::of(unaliased(expr)).is_some()
}

fn node(aggregate: Aggregate) -> Result<LogicalPlan> {
    let Aggregate { input, group_expr, aggr_expr, schema, .. } = aggregate;
    let mut sent = WorkerInput { keys: (0..group_expr.len()).collect(), ..WorkerInput::default() };
    for (at, key) in group_expr.iter().enumerate() {
        if matches!(key, Expr::GroupingSet(_)) {
            return Err(refused(SparkError::unsupported(
                "A Python aggregate function with GROUPING SETS, ROLLUP or CUBE",
            )));
        }
        let data_type = types::from_arrow(&key.get_type(input.schema())?).map_err(refused)?;
        sent.fields.push(Field::new(format!("_{at}"), data_type, true));
        sent.exprs.push(unaliased(key).clone());
    }
    let mut fields = sent.fields.clone();
    let mut calls = Vec::with_capacity(aggr_expr.len());
    for expr in &aggr_expr {
        let Some((place, args)) = PythonPlace::of(unaliased(expr)) else {
            return Err(mixed(&aggr_expr));
        };
        let arguments = args.iter().zip(&place.types);
        let arguments = arguments.map(|(arg, data_type)| sent.add(arg.clone(), data_type.clone()));
        let arguments = arguments.map(WorkerArgument::Column).collect();
        let output = place.function.output.clone();
        fields.push(Field::new(format!("_{}", fields.len()), output, true));
        calls.push(place.worker_call(arguments));
    }
    let node = PythonNode {
        kind: WorkerKind::Aggregate,
        inputs: vec![Arc::unwrap_or_clone(input)],
        sent: vec![sent],
        outputs: (0..calls.len()).collect(),
        calls,
        fields,
        barrier: false,
        profiles: BTreeSet::new(),
        schema,
    };
    Ok(node.plan())
}

/// The error if functions of Python and others aggregate the same groups.
fn mixed(functions: &[Expr]) -> DataFusionError {
    let python = functions.iter().filter_map(|expr| PythonPlace::of(unaliased(expr)));
    let names: Vec<_> = python.map(|(place, _)| plan::quote_name(&place.function.name)).collect();
    let names = names.join(", ");
    refused(SparkError::new(
        condition::INVALID_PANDAS_UDF_PLACEMENT,
        format!(
            "The group aggregate pandas UDF {names} cannot be invoked together with as other, non-pandas aggregate functions."
        ),
        &[("functionList", &names)],
    ))
}

fn refused(error: SparkError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
