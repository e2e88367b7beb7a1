//! Python functions of the program: their calls in expressions, and functions over rows.

mod aggregate;
mod extract;
mod filters;
mod function;
mod node;
mod profile;
mod scan;
mod source;
mod table;
mod window;

pub use aggregate::PythonAggregates;
pub use extract::ExtractPython;
pub(crate) use extract::has_call;
pub use node::{PythonNode, WorkerInput};
pub(crate) use profile::Profiles;
pub use scan::SourceScan;
pub use source::{SourceAnswer, source_options};
pub(crate) use window::{PythonWindows, is_python_window, with_bounds};

use crate::call::check_aggregated;
use crate::column::Names;
use crate::scope::{Column, Scope};
use crate::typed::Typed;
use crate::{Resolved, Resolver, Result, error, reference};
use datafusion::common::{DFSchema, DFSchemaRef};
use datafusion::logical_expr::LogicalPlan;
use errors::condition;
use formats::types;
use function::PythonPlace;
use plan::{
    DataType, EvalType, Expr, Field, FunctionCall, PythonCall, PythonFunction, PythonMap,
    WorkerCall, WorkerKind,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Functions by lower-case name.
type Named = Arc<BTreeMap<String, Arc<PythonFunction>>>;

/// Python functions and data sources that a session registered. Each kind has names of its own.
#[derive(Debug, Clone, Default)]
pub struct PythonFunctions {
    of_values: Named,
    of_tables: Named,
    sources: Named,
}

impl PythonFunctions {
    /// The function of values with a lower-case name.
    pub fn get(&self, name: &str) -> Option<&Arc<PythonFunction>> {
        self.of_values.get(name)
    }

    /// The table function with a lower-case name.
    pub fn table(&self, name: &str) -> Option<&Arc<PythonFunction>> {
        self.of_tables.get(name)
    }

    /// The data source with a name in any case.
    pub fn source(&self, name: &str) -> Option<&Arc<PythonFunction>> {
        self.sources.get(&name.to_lowercase())
    }

    /// Registers a data source under its name.
    pub fn register_source(&mut self, source: &Arc<PythonFunction>) {
        let name = source.name.to_lowercase();
        Arc::make_mut(&mut self.sources).insert(name, Arc::clone(source));
    }

    /// Registers a function under a lower-case name.
    pub fn register(&mut self, name: String, function: &Arc<PythonFunction>) {
        let is_table = function.eval_type.is_table();
        let all = if is_table { &mut self.of_tables } else { &mut self.of_values };
        Arc::make_mut(all).insert(name, Arc::clone(function));
    }
}

impl Resolver<'_> {
    /// Resolves a call of a Python function in an expression.
    pub(crate) fn python_call(&mut self, call: &PythonCall, names: Names<'_>) -> Result<Typed> {
        let function = &call.function;
        let kind = function.eval_type;
        if !kind.is_scalar() && !kind.is_aggregate() {
            return Err(error::unsupported(format!(
                "The Python function {} in an expression",
                function.name
            )));
        }
        let names = if kind.is_aggregate() { names.of_arguments() } else { names };
        let (mut args, mut keywords) = (Vec::new(), Vec::new());
        for arg in &self.parsed(&call.args)? {
            let (keyword, arg) = match arg {
                Expr::NamedArgument { name, value } => (Some(name.clone()), value.as_ref()),
                arg => (None, arg),
            };
            for arg in self.expand(arg, names)? {
                args.push(arg);
                keywords.push(keyword.clone());
            }
        }
        let texts: Vec<String> = args.iter().map(|arg| arg.name.clone()).collect();
        let text = format!("{}({})", function.name, texts.join(", "));
        if kind.is_aggregate() {
            check_aggregated(&text, &args)?;
        }
        let arg_types = args.iter().map(|arg| arg.data_type.clone()).collect();
        let profile = self.profile()?;
        let place = PythonPlace::new(Arc::clone(function), arg_types, keywords, profile);
        let exprs = args.into_iter().map(|arg| arg.expr).collect();
        let expr = if kind.is_aggregate() { place.aggregate(exprs) } else { place.call(exprs) };
        let mut made = self.typed(expr, true, text)?;
        made.data_type = function.output.clone();
        Ok(made)
    }

    /// Resolves a call by name, if the session has registered a Python function under it.
    pub(crate) fn registered(
        &mut self,
        name: &str,
        call: &FunctionCall,
        names: Names<'_>,
    ) -> Option<Result<Typed>> {
        let python = &self.context.python;
        let Some(function) = python.get(name).map(Arc::clone) else {
            let is_table = python.table(name).is_some() && !self.context.registry.is_scalar(name);
            return is_table.then(|| Err(no_scalar(&call.name)));
        };
        let (args, distinct) = (call.args.clone(), call.distinct);
        Some(self.python_call(&PythonCall { function, args, distinct }, names))
    }

    /// Resolves a Python function over rows.
    pub(crate) fn python_map(&mut self, map: &PythonMap) -> Result<Resolved> {
        let function = &map.function;
        let DataType::Struct(fields) = &function.output else {
            return Err(error::unsupported(format!(
                "{} that yields {} instead of rows",
                function.name,
                function.output.sql()
            )));
        };
        let kind = match function.eval_type {
            kind if kind.is_map() => WorkerKind::Map,
            kind if kind.is_grouped_map() => WorkerKind::Group,
            kind if kind.is_cogrouped_map() => WorkerKind::CoGroup,
            EvalType(number) => {
                return Err(error::unsupported(format!("A Python function of type {number}")));
            }
        };
        let (mut inputs, mut sent, mut scopes) = (Vec::new(), Vec::new(), Vec::new());
        for (at, input) in map.inputs.iter().enumerate() {
            let input = self.relation(input)?;
            let input = self.exact(input)?;
            let keys = map.keys.get(at).map_or(&[][..], Vec::as_slice);
            sent.push(self.worker_input(&input, keys)?);
            inputs.push(input.plan);
            scopes.push(input.scope);
        }
        let (columns, schema) = self.declared(fields)?;
        let call = WorkerCall { profile: self.profile()?, ..whole(function) };
        let node = PythonNode::of_call(kind, (inputs, sent), call, fields.clone(), schema);
        let (barrier, profiles) = (map.barrier, map.profiles.clone());
        let plan = PythonNode { barrier, profiles, ..node }.plan();
        let scope = match scopes.pop() {
            Some(scope) => scope.above(columns),
            None => Scope::new(columns),
        };
        Ok(Resolved::new(plan, scope))
    }

    /// All columns of an input, and the keys that are none of them.
    fn worker_input(&mut self, input: &Resolved, keys: &[Expr]) -> Result<WorkerInput> {
        let columns = &input.scope.columns;
        let mut made = WorkerInput {
            exprs: columns.iter().map(|column| reference(&column.id)).collect(),
            fields: input.scope.fields(),
            arguments: (0..columns.len()).collect(),
            ..WorkerInput::default()
        };
        for key in &self.parsed(keys)? {
            for key in self.expand(key, Names::of(&input.scope))? {
                let known = made.exprs.iter().position(|expr| *expr == key.expr);
                if known.is_none() {
                    made.fields.push(key.field());
                    made.exprs.push(key.expr);
                }
                made.keys.push(known.unwrap_or(made.exprs.len() - 1));
            }
        }
        Ok(made)
    }

    /// The rows of one call in a worker, with columns of their own.
    fn rows_of_call(
        &mut self,
        kind: WorkerKind,
        (input, sent): (LogicalPlan, WorkerInput),
        call: WorkerCall,
        fields: Vec<Field>,
    ) -> Result<Resolved> {
        let (columns, schema) = self.declared(&fields)?;
        let node = PythonNode::of_call(kind, (vec![input], vec![sent]), call, fields, schema);
        Ok(Resolved::new(node.plan(), Scope::new(columns)))
    }

    /// New columns for these fields, and the schema that they are in a plan.
    fn declared(&mut self, fields: &[Field]) -> Result<(Vec<Column>, DFSchemaRef)> {
        let column = |field: &Field| {
            let mut made = self.new_column(&field.name, field.data_type.clone(), field.nullable);
            made.metadata.clone_from(&field.metadata);
            made
        };
        let columns: Vec<Column> = fields.iter().map(column).collect();
        let held = columns.iter().map(|column| {
            types::field_to_arrow(&column.field()).with_name(&column.id).with_nullable(true)
        });
        let schema = arrow::datatypes::Schema::new(held.collect::<Vec<_>>());
        Ok((columns, Arc::new(DFSchema::try_from(schema)?)))
    }
}

fn no_scalar(name: &str) -> crate::Stop {
    let shown = plan::quote_name(name);
    let message = format!(
        "{shown} appears as a scalar expression here, but the function was defined as a table function. Please update the query to move the function call into the FROM clause, or redefine {shown} as a scalar function instead."
    );
    error::analysis(condition::NOT_A_SCALAR_FUNCTION, message, &[("functionName", &shown)])
}

/// A call that gets rows.
fn whole(function: &Arc<PythonFunction>) -> WorkerCall {
    WorkerCall::new(function, Vec::new(), Vec::new())
}
