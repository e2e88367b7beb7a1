//! Physical planning of Python functions: a projection computes what a worker gets, and a node that
//! feeds the worker is put above it.

use analysis::PythonNode;
use arrow::datatypes::Schema;
use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use std::sync::Arc;
use task::python::{PythonExec, PythonSpec, Sent};

/// Plans a `PythonNode`.
#[derive(Debug)]
pub(super) struct PythonPlanner;

#[async_trait::async_trait]
impl ExtensionPlanner for PythonPlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        logical: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<PythonNode>() else { return Ok(None) };
        let (mut fed, mut sent) = (Vec::new(), Vec::new());
        for ((input, of), rows) in node.sent.iter().zip(logical).zip(inputs) {
            let exprs = input
                .exprs
                .iter()
                .map(|expr| planner.create_physical_expr(expr, of.schema(), session, context));
            let exprs = exprs.collect::<Result<Vec<_>>>()?;
            let (rows, columns) = with_columns(rows, exprs, node.kind.keeps_columns())?;
            fed.push(rows);
            sent.push(Sent {
                columns,
                fields: input.fields.clone(),
                keys: input.keys.clone(),
                order: input.order.clone(),
                single_partition: input.single_partition,
                arguments: input.arguments.clone(),
            });
        }
        let inside = inputs.first().map_or(0, |input| input.schema().fields().len());
        let passed = fed.first().map_or(0, |rows| rows.schema().fields().len());
        let spec = PythonSpec {
            kind: node.kind,
            calls: node.calls.clone(),
            outputs: node.outputs.clone(),
            sent,
            fields: node.fields.clone(),
            passed: if node.kind.keeps_columns() { passed } else { 0 },
            settings: settings(session),
            barrier: node.barrier,
            profiles: node.profiles.clone(),
        };
        let schema: Arc<Schema> = Arc::clone(node.schema.inner());
        let (true, Some(rows)) = (node.kind.keeps_columns(), fed.first()) else {
            return Ok(Some(Arc::new(PythonExec::new(Arc::new(spec), fed, schema))));
        };
        // As the physical plan has them: nullability may be known better.
        let stay = rows.schema().fields().iter().cloned().collect::<Vec<_>>();
        let made = schema.fields().iter().skip(inside).cloned();
        let all = Arc::new(Schema::new(stay.into_iter().chain(made).collect::<Vec<_>>()));
        let python = PythonExec::new(Arc::new(spec), fed, Arc::clone(&all));
        if passed == inside {
            return Ok(Some(Arc::new(python)));
        }
        // All columns below stay in their places, as the optimizer expects of a node that keeps
        // their order; what only the worker needed goes here.
        let wanted = (0..inside).chain(passed..all.fields().len());
        let wanted = wanted.map(|at| {
            let name = all.field(at).name();
            (Arc::new(Column::new(name, at)) as Arc<dyn PhysicalExpr>, name.clone())
        });
        let rows = ProjectionExec::try_new(wanted.collect::<Vec<_>>(), Arc::new(python))?;
        Ok(Some(Arc::new(rows)))
    }
}

/// Rows with the values of these expressions, and where they are. `all`: all columns of the input
/// stay, as the first ones.
fn with_columns(
    rows: &Arc<dyn ExecutionPlan>,
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    all: bool,
) -> Result<(Arc<dyn ExecutionPlan>, Vec<usize>)> {
    let plain = |expr: &Arc<dyn PhysicalExpr>| expr.downcast_ref::<Column>().map(Column::index);
    if let Some(columns) = exprs.iter().map(plain).collect::<Option<Vec<_>>>() {
        return Ok((Arc::clone(rows), columns));
    }
    let schema = rows.schema();
    let named = |at: usize| {
        let column = Arc::new(Column::new(schema.field(at).name(), at)) as Arc<dyn PhysicalExpr>;
        (column, schema.field(at).name().clone())
    };
    let mut projected: Vec<_> =
        if all { (0..schema.fields().len()).map(named).collect() } else { Vec::new() };
    let mut columns = Vec::with_capacity(exprs.len());
    for expr in exprs {
        if let Some(column) = plain(&expr).filter(|_| all) {
            columns.push(column);
        } else {
            columns.push(projected.len());
            // A name like those of columns, so that its number does not count in identities.
            projected.push((expr, format!("#{}", 1_000_000_000 + columns.len())));
        }
    }
    let rows = ProjectionExec::try_new(projected, Arc::clone(rows))?;
    Ok((Arc::new(rows), columns))
}

/// Settings of the session that Python functions depend on.
fn settings(session: &dyn Session) -> Vec<(String, String)> {
    let known = session.config().get_extension::<super::profile::PythonSettings>();
    known.map(|settings| settings.0.clone()).unwrap_or_default()
}
