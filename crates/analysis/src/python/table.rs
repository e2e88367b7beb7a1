//! Python table functions: their arguments, among them tables, and what their `analyze` method
//! says.

use super::node::WorkerInput;
use crate::column::Names;
use crate::facts::{Fact, Want};
use crate::scope::Scope;
use crate::typed::Typed;
use crate::{Resolved, Resolver, Result, error, leaf, rows, sort};
use arrow::array::{Array, AsArray};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use errors::condition;
use model::conf::SEVERAL_TABLE_ARGUMENTS;
use plan::{
    AnalyzedArgument, DataType, Expr, Field, Literal, NullOrder, PythonAnalysis, PythonFunction,
    PythonTable, Relation, RelationKind, SortOrder, SparkError, TableArgument, WorkerArgument,
    WorkerCall, WorkerKind, WorkerOrder,
};
use serde::Deserialize;
use std::sync::Arc;

/// An argument of a call.
struct Argument {
    keyword: Option<String>,
    value: Value,
}

enum Value {
    /// A value, and the expression as the program has it.
    Plain(Box<Typed>, Expr),
    /// The table with this number.
    Table(usize),
}

/// A table whose rows a function gets.
struct Table {
    plan: LogicalPlan,
    scope: Scope,
    columns: Vec<Typed>,
    keys: Vec<Typed>,
    order: Vec<(Typed, SortOrder)>,
    single_partition: bool,
}

/// The answer of a worker to a call of `analyze`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Error { error: String },
    Analysis(Analysis),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Analysis {
    schema: serde_json::Value,
    with_single_partition: bool,
    partition_by: Vec<String>,
    order_by: Vec<OrderBy>,
    select: Vec<Selected>,
    pickled: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderBy {
    name: String,
    ascending: bool,
    nulls_first: Option<bool>,
}

#[derive(Deserialize)]
struct Selected {
    name: String,
    alias: String,
}

impl Resolver<'_> {
    /// Resolves a call of a Python table function.
    pub(crate) fn python_table(&mut self, call: &PythonTable) -> Result<Resolved> {
        let function = &call.function;
        let (args, mut tables) = self.table_arguments(function, &call.args)?;
        let mut worker_call = WorkerCall::new(function, Vec::new(), Vec::new());
        let mut output = function.output.clone();
        if output == DataType::Null {
            let analysis = self.analysis(function, &args, &tables)?;
            output = schema_of_analysis(&analysis)?;
            worker_call.analyzed = formats::base64::decode(&analysis.pickled).map(Arc::from);
            self.require(&function.name, analysis, tables.first_mut())?;
        }
        let DataType::Struct(fields) = output else {
            let (name, output) = (&function.name, output.sql());
            return Err(error::unsupported(format!("{name} that yields {output} instead of rows")));
        };
        let mut sent = WorkerInput::default();
        for Argument { keyword, value } in args {
            worker_call.keywords.push(keyword);
            worker_call.args.push(match value {
                Value::Plain(value, _) => {
                    WorkerArgument::Column(sent.add(value.expr, value.data_type))
                }
                Value::Table(at) => {
                    let row = self.row_of(&tables[at])?;
                    WorkerArgument::Table(sent.add(row.expr, row.data_type))
                }
            });
        }
        let mut plan = LogicalPlanBuilder::from(LogicalPlan::EmptyRelation(leaf::one_row()));
        for (at, table) in tables.into_iter().enumerate() {
            let input = LogicalPlanBuilder::from(table.plan);
            plan = if at == 0 { input } else { plan.cross_join(input.build()?)? };
            if !table.keys.is_empty() {
                let first = table.columns.len();
                worker_call.partition_fields = (first..first + table.keys.len()).collect();
            }
            sent.single_partition |= table.single_partition;
            let keys = table.keys.into_iter();
            sent.keys = keys.map(|key| sent.add(key.expr, key.data_type)).collect();
            for (value, order) in table.order {
                let key = sort::key(value.expr.clone(), &order);
                let (descending, nulls_first) = (!key.asc, key.nulls_first);
                let column = sent.add(value.expr, value.data_type);
                sent.order.push(WorkerOrder { column, descending, nulls_first });
            }
        }
        self.rows_of_call(WorkerKind::Table, (plan.build()?, sent), worker_call, fields)
    }

    fn table_arguments(
        &mut self,
        function: &PythonFunction,
        args: &[Expr],
    ) -> Result<(Vec<Argument>, Vec<Table>)> {
        let (mut made, mut tables): (Vec<Argument>, Vec<Table>) = (Vec::new(), Vec::new());
        for arg in &self.parsed(args)? {
            let (keyword, arg) = match arg {
                Expr::NamedArgument { name, value } => (Some(name.clone()), value.as_ref()),
                arg => (None, arg),
            };
            check_keyword(&function.name, &made, keyword.as_deref())?;
            let value = if let Expr::TableArgument(arg) = arg {
                tables.push(self.table_argument(arg)?);
                Value::Table(tables.len() - 1)
            } else {
                let value = self.expression(arg, Names::of(&Scope::default()))?;
                Value::Plain(Box::new(value), arg.clone())
            };
            made.push(Argument { keyword, value });
        }
        if tables.len() > 1 && !self.context.flag(&SEVERAL_TABLE_ARGUMENTS)? {
            let count = tables.len().to_string();
            let message = format!(
                "There are too many table arguments for table-valued function. It allows one table argument, but got: {count}. If you want to allow it, please set \"{}\" to \"true\"",
                SEVERAL_TABLE_ARGUMENTS.name
            );
            let class = condition::TABLE_VALUED_FUNCTION_TOO_MANY_TABLE_ARGUMENTS;
            return Err(error::analysis(class, message, &[("num", &count)]));
        }
        let is_partitioned = |table: &Table| table.single_partition || !table.keys.is_empty();
        if tables.len() > 1 && tables.iter().any(is_partitioned) {
            return Err(error::unsupported(
                "PARTITION BY and WITH SINGLE PARTITION of several tables",
            ));
        }
        Ok((made, tables))
    }

    fn table_argument(&mut self, argument: &TableArgument) -> Result<Table> {
        let input = self.relation(&argument.input)?;
        let Resolved { plan, scope, .. } = self.exact(input)?;
        let columns = scope.columns.iter().map(crate::column::of_column).collect();
        let (keys, order) = (Vec::new(), Vec::new());
        let single_partition = argument.single_partition;
        let mut table = Table { plan, scope, columns, keys, order, single_partition };
        self.partition(&mut table, &argument.partition_by, &argument.order_by)?;
        Ok(table)
    }

    fn partition(&mut self, table: &mut Table, keys: &[Expr], order: &[SortOrder]) -> Result<()> {
        let names = Names::of(&table.scope);
        for key in &self.parsed(keys)? {
            table.keys.push(self.expression(key, names)?);
        }
        for key in order {
            table.order.push((self.expression(&key.expr, names)?, key.clone()));
        }
        Ok(())
    }

    /// The columns of a table and its keys as a struct.
    fn row_of(&mut self, table: &Table) -> Result<Typed> {
        let keys = table.keys.iter().enumerate();
        let keys = keys.map(|(at, key)| (format!("partition_by_{at}"), key));
        let columns = table.columns.iter().map(|column| (column.name.clone(), column));
        let (mut args, mut fields) = (Vec::new(), Vec::new());
        for (name, value) in columns.chain(keys) {
            fields.push(Field { name: name.clone(), ..value.field() });
            args.push(self.literal(&Literal::String(name))?);
            args.push(value.clone());
        }
        let row = self.scalar("named_struct", args)?;
        Ok(Typed { data_type: DataType::Struct(fields), nullable: false, ..row })
    }

    /// What `analyze` says about a call.
    fn analysis(
        &mut self,
        function: &Arc<PythonFunction>,
        args: &[Argument],
        tables: &[Table],
    ) -> Result<Analysis> {
        let arg = |arg: &Argument| match &arg.value {
            Value::Plain(value, expr) => AnalyzedArgument {
                keyword: arg.keyword.clone(),
                data_type: value.data_type.clone(),
                is_table: false,
                constant: rows::constant(value.expr.clone()).map(|_| expr.clone()),
            },
            Value::Table(at) => AnalyzedArgument {
                keyword: arg.keyword.clone(),
                data_type: DataType::Struct(tables[*at].columns.iter().map(Typed::field).collect()),
                is_table: true,
                constant: None,
            },
        };
        let args = args.iter().map(arg).collect();
        let analysis = PythonAnalysis { function: Arc::clone(function), args };
        let relation: Relation = RelationKind::PythonAnalysis(analysis).into();
        let fact = self.facts.get(Want::Rows(relation, self.env.clone()))?;
        let Fact::Rows { batches, .. } = fact else { return Err(failed("it was not called")) };
        let text = batches.first().and_then(|batch| batch.column(0).as_string_opt::<i32>());
        let text = text.filter(|text| text.len() == 1).map_or("", |text| text.value(0));
        match serde_json::from_str(text) {
            Ok(Answer::Analysis(analysis)) => Ok(analysis),
            Ok(Answer::Error { error }) => Err(failed(&error)),
            Err(problem) => Err(failed(&problem.to_string())),
        }
    }

    /// Applies what `analyze` wants of the table.
    fn require(&mut self, name: &str, wanted: Analysis, table: Option<&mut Table>) -> Result<()> {
        let is_partitioned = wanted.with_single_partition || !wanted.partition_by.is_empty();
        if wanted.with_single_partition && !wanted.partition_by.is_empty() {
            return Err(invalid(
                name,
                "the 'with_single_partition' field cannot be assigned to true if the 'partition_by' list is non-empty",
            ));
        }
        if !wanted.order_by.is_empty() && !is_partitioned {
            return Err(invalid(
                name,
                "the 'order_by' field cannot be non-empty unless the 'with_single_partition' field is set to true or the 'partition_by' list is non-empty",
            ));
        }
        let Some(table) = table else { return Ok(()) };
        if is_partitioned && (table.single_partition || !table.keys.is_empty()) {
            return Err(incompatible(name));
        }
        if !wanted.select.is_empty() {
            table.columns = self.selected(&wanted.select, &table.scope)?;
        }
        table.single_partition |= wanted.with_single_partition;
        let keys: Vec<Expr> = wanted.partition_by.into_iter().map(Expr::Text).collect();
        let order = wanted.order_by.into_iter().map(|order| SortOrder {
            expr: Expr::Text(order.name),
            ascending: order.ascending,
            nulls: match order.nulls_first {
                None => NullOrder::Default,
                Some(true) => NullOrder::First,
                Some(false) => NullOrder::Last,
            },
        });
        self.partition(table, &keys, &order.collect::<Vec<_>>())
    }

    fn selected(&mut self, selected: &[Selected], scope: &Scope) -> Result<Vec<Typed>> {
        let mut columns = Vec::with_capacity(selected.len());
        for Selected { name, alias } in selected {
            let parsed = self.context.parser.expression(name).map_err(SparkError::from)?;
            let mut value = self.expression(&parsed, Names::of(scope))?;
            if !alias.is_empty() {
                value.name.clone_from(alias);
            } else if value.id().is_none() && !value.aliased {
                let class = condition::UDTF_INVALID_REQUESTED_SELECTED_EXPRESSION_FROM_ANALYZE_METHOD_REQUIRES_ALIAS;
                let shown = value.name;
                let message = format!(
                    "Failed to evaluate the user-defined table function because its 'analyze' method returned a requested 'select' expression ({shown}) that does not include a corresponding alias; please update the UDTF to specify an alias there and then try the query again."
                );
                return Err(error::analysis(class, message, &[("expression", &shown)]));
            }
            columns.push(value);
        }
        Ok(columns)
    }

    /// Resolves a call of `analyze`.
    pub(crate) fn python_analysis(&mut self, call: &PythonAnalysis) -> Result<Resolved> {
        let mut sent = WorkerInput::default();
        let mut worker_call = WorkerCall::new(&call.function, Vec::new(), Vec::new());
        for argument in &call.args {
            let value = match &argument.constant {
                Some(value) => self.expression(value, Names::of(&Scope::default()))?,
                None => self.literal(&Literal::Null(argument.data_type.clone()))?,
            };
            let at = sent.add(value.expr, argument.data_type.clone());
            worker_call.keywords.push(argument.keyword.clone());
            worker_call.args.push(match argument {
                AnalyzedArgument { is_table: true, .. } => WorkerArgument::Table(at),
                AnalyzedArgument { constant: Some(_), .. } => WorkerArgument::Constant(at),
                _ => WorkerArgument::Column(at),
            });
        }
        let fields = vec![Field::new("analysis", DataType::String, false)];
        let input = LogicalPlan::EmptyRelation(leaf::one_row());
        self.rows_of_call(WorkerKind::Analyze, (input, sent), worker_call, fields)
    }
}

fn schema_of_analysis(analysis: &Analysis) -> Result<DataType> {
    DataType::from_json(&analysis.schema.to_string())
        .map_err(|problem| failed(&format!("its schema cannot be read: {problem}")))
}

/// Positional arguments come first, and each keyword once.
fn check_keyword(function: &str, before: &[Argument], keyword: Option<&str>) -> Result<()> {
    let routine = plan::quote_name(function);
    let mut keywords = before.iter().rev().filter_map(|argument| argument.keyword.as_deref());
    match (keyword, keywords.next()) {
        (None, Some(last)) => {
            let last = plan::quote_name(last);
            let message = format!(
                "Cannot invoke routine {routine} because it contains positional argument(s) following the named argument assigned to {last}; please rearrange them so the positional arguments come first and then retry the query again."
            );
            let parameters = [("routineName", routine.as_str()), ("parameterName", &last)];
            Err(error::analysis(condition::UNEXPECTED_POSITIONAL_ARGUMENT, message, &parameters))
        }
        (Some(keyword), Some(last)) if last == keyword || keywords.any(|name| name == keyword) => {
            let keyword = plan::quote_name(keyword);
            let message = format!(
                "Call to routine {routine} is invalid because it includes multiple argument assignments to the same parameter name {keyword}. More than one named argument referred to the same parameter. Please assign a value only once."
            );
            let class =
                condition::DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT_DOUBLE_NAMED_ARGUMENT_REFERENCE;
            let parameters = [("routineName", routine.as_str()), ("parameterName", &keyword)];
            Err(error::analysis(class, message, &parameters))
        }
        _ => Ok(()),
    }
}

fn failed(problem: &str) -> crate::Stop {
    let message = format!("Failed to analyze the Python user defined table function: {problem}");
    let class = condition::TABLE_VALUED_FUNCTION_FAILED_TO_ANALYZE_IN_PYTHON;
    error::analysis(class, message, &[("msg", problem)])
}

fn invalid(function: &str, reason: &str) -> crate::Stop {
    let message = format!(
        "Failed to evaluate the table function {function} because its table metadata was invalid; {reason}."
    );
    let class = condition::TABLE_VALUED_FUNCTION_REQUIRED_METADATA_INVALID;
    error::analysis(class, message, &[("functionName", function), ("reason", reason)])
}

fn incompatible(function: &str) -> crate::Stop {
    let wanted = "specified its own required partitioning of the input table";
    let given = "specified the WITH SINGLE PARTITION or PARTITION BY clause; please remove these clauses and retry the query again.";
    let message = format!(
        "Failed to evaluate the table function {function} because its table metadata {wanted}, but the function call {given}."
    );
    let parameters = [
        ("functionName", function),
        ("requestedMetadata", wanted),
        ("invalidFunctionCallProperty", given),
    ];
    let class = condition::TABLE_VALUED_FUNCTION_REQUIRED_METADATA_INCOMPATIBLE_WITH_CALL;
    error::analysis(class, message, &parameters)
}
