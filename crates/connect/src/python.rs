//! Python functions in messages, and the relations that call them.

use crate::codec::decode;
use crate::context::Context;
use crate::error::{Required, invalid};
use crate::expression::expressions;
use crate::pb;
use crate::pb::common_inline_user_defined_data_source::DataSource as Source;
use crate::pb::common_inline_user_defined_function::Function;
use crate::pb::common_inline_user_defined_table_function::Function as Table;
use crate::rdd_pb;
use crate::relation::{input, relation};
use crate::types::data_type;
use errors::condition;
use plan::{
    DataType, Expr, PythonCall, PythonFunction, PythonMap, PythonTable, Relation, RelationKind,
    SparkError,
};
use std::collections::BTreeSet;
use std::sync::Arc;

type Result<T> = std::result::Result<T, SparkError>;

/// Prefix of the names of our messages in extensions.
pub(crate) const EXTENSIONS: &str = "type.googleapis.com/firesteel.connect.v1.";

/// The function of a message; functions in other languages are refused by name.
pub(crate) fn function(
    message: pb::CommonInlineUserDefinedFunction,
    context: Context<'_>,
) -> Result<(Arc<PythonFunction>, Vec<Expr>)> {
    let name = message.function_name;
    let of = match message.function.required("common_inline_user_defined_function.function")? {
        Function::PythonUdf(of) => of,
        Function::ScalarScalaUdf(_) => return Err(foreign("Scala", &name)),
        // There is no class path.
        Function::JavaUdf(of) => {
            let class = of.class_name;
            return Err(SparkError::analysis(
                condition::LEGACY_ERROR_TEMP_1329,
                format!("Can not load class {class}, please make sure it is on the classpath."),
                &[("className", &class)],
            ));
        }
    };
    let function = PythonFunction {
        name,
        eval_type: plan::EvalType(of.eval_type),
        command: Arc::from(of.command.as_ref()),
        output: data_type(of.output_type.required("python_udf.output_type")?, context)?,
        version: of.python_ver,
        deterministic: message.deterministic,
    };
    Ok((Arc::new(function), expressions(message.arguments, context)?))
}

/// The table function of a message, and its arguments.
pub(crate) fn table_function(
    message: pb::CommonInlineUserDefinedTableFunction,
    context: Context<'_>,
) -> Result<(Arc<PythonFunction>, Vec<Expr>)> {
    let function =
        message.function.required("common_inline_user_defined_table_function.function")?;
    let Table::PythonUdtf(of) = function;
    let function = PythonFunction {
        name: message.function_name,
        eval_type: plan::EvalType(of.eval_type),
        command: Arc::from(of.command.as_ref()),
        output: match of.return_type {
            Some(output) => match data_type(output, context)? {
                output @ DataType::Struct(_) => output,
                other => {
                    return Err(invalid(format!(
                        "Invalid Python user-defined table function return type. Expect a struct type, but got {}.",
                        other.sql().to_lowercase()
                    )));
                }
            },
            None => DataType::Null,
        },
        version: of.python_ver,
        deterministic: message.deterministic,
    };
    Ok((Arc::new(function), expressions(message.arguments, context)?))
}

/// The data source of a message.
pub(crate) fn data_source(
    message: pb::CommonInlineUserDefinedDataSource,
) -> Result<Arc<PythonFunction>> {
    let source = message.data_source.required("common_inline_user_defined_data_source.source")?;
    let Source::PythonDataSource(of) = source;
    Ok(Arc::new(PythonFunction {
        name: message.name,
        eval_type: plan::EvalType::NON_UDF,
        command: Arc::from(of.command.as_ref()),
        output: DataType::Null,
        version: of.python_ver,
        deterministic: false,
    }))
}

/// A call of a table function.
pub(crate) fn table(
    message: pb::CommonInlineUserDefinedTableFunction,
    context: Context<'_>,
) -> Result<RelationKind> {
    let (function, args) = table_function(message, context)?;
    Ok(RelationKind::PythonTable(PythonTable { function, args }))
}

fn foreign(language: &str, name: &str) -> SparkError {
    SparkError::unsupported(format_args!("The {language} user-defined function {name}"))
}

/// A call in an expression.
pub(crate) fn call(
    message: pb::CommonInlineUserDefinedFunction,
    context: Context<'_>,
) -> Result<Expr> {
    let distinct = message.is_distinct;
    let (function, args) = function(message, context)?;
    Ok(Expr::Python(PythonCall { function, args, distinct }))
}

/// `mapInPandas`, `mapInArrow`.
pub(crate) fn map_partitions(
    message: pb::MapPartitions,
    context: Context<'_>,
) -> Result<RelationKind> {
    let (function, _) = function(message.func.required("map_partitions.func")?, context)?;
    Ok(RelationKind::PythonMap(PythonMap {
        function,
        inputs: vec![input(message.input, "map_partitions.input", context)?],
        keys: Vec::new(),
        barrier: message.is_barrier.unwrap_or(false),
        profiles: context.profiles(message.profile_id)?,
    }))
}

/// `groupBy(…).applyInPandas`, `applyInArrow`.
pub(crate) fn group_map(message: pb::GroupMap, context: Context<'_>) -> Result<RelationKind> {
    let (function, _) = function(message.func.required("group_map.func")?, context)?;
    if !(function.eval_type.is_grouped_map()) {
        return Err(SparkError::unsupported("A grouped function with state"));
    }
    Ok(RelationKind::PythonMap(PythonMap {
        function,
        inputs: vec![input(message.input, "group_map.input", context)?],
        keys: vec![expressions(message.grouping_expressions, context)?],
        barrier: false,
        profiles: BTreeSet::new(),
    }))
}

/// `cogroup(…).applyInPandas`, `applyInArrow`.
pub(crate) fn cogroup_map(message: pb::CoGroupMap, context: Context<'_>) -> Result<RelationKind> {
    let (function, _) = function(message.func.required("co_group_map.func")?, context)?;
    let keys = vec![
        expressions(message.input_grouping_expressions, context)?,
        expressions(message.other_grouping_expressions, context)?,
    ];
    Ok(RelationKind::PythonMap(PythonMap {
        function,
        inputs: vec![
            input(message.input, "co_group_map.input", context)?,
            input(message.other, "co_group_map.other", context)?,
        ],
        keys,
        barrier: false,
        profiles: BTreeSet::new(),
    }))
}

/// One of our own relations (`rdd.proto`).
pub(crate) fn extension(message: prost_types::Any, context: Context<'_>) -> Result<RelationKind> {
    let name = message.type_url.strip_prefix(EXTENSIONS).unwrap_or_default();
    let value = bytes::Bytes::from(message.value);
    let inner = |bytes| -> Result<Relation> { relation(parsed(bytes)?, context) };
    Ok(match name {
        "LocalPartitions" => {
            let message: rdd_pb::LocalPartitions = parsed(value)?;
            let partitions = message.partitions.into_iter();
            let partition = |of: rdd_pb::local_partitions::Partition| {
                of.batches.into_iter().map(Vec::from).collect()
            };
            RelationKind::LocalPartitions { partitions: partitions.map(partition).collect() }
        }
        "SelectPartitions" => {
            let message: rdd_pb::SelectPartitions = parsed(value)?;
            let groups = message.groups.into_iter().map(|group| group.partitions).collect();
            RelationKind::SelectPartitions { input: inner(message.input)?, groups }
        }
        "ZipPartitions" => {
            let message: rdd_pb::ZipPartitions = parsed(value)?;
            let (function, _) = function(parsed(message.function)?, context)?;
            RelationKind::PythonMap(PythonMap {
                function,
                inputs: message.inputs.into_iter().map(inner).collect::<Result<_>>()?,
                keys: Vec::new(),
                barrier: message.barrier,
                profiles: context.profiles(message.profile_ids)?,
            })
        }
        "ShufflePartitions" => {
            let message: rdd_pb::ShufflePartitions = parsed(value)?;
            let (input, column) = (inner(message.input)?, message.column);
            RelationKind::ShufflePartitions { input, column, partitions: message.partitions }
        }
        "KeepPartitions" => {
            let message: rdd_pb::KeepPartitions = parsed(value)?;
            RelationKind::KeepPartitions { input: inner(message.input)?, level: message.level }
        }
        "CountPartitions" => {
            let message: rdd_pb::CountPartitions = parsed(value)?;
            RelationKind::CountPartitions { input: inner(message.input)? }
        }
        "StoredPartitions" => {
            let message: rdd_pb::StoredPartitions = parsed(value)?;
            RelationKind::StoredPartitions { plan_id: message.plan_id }
        }
        "ApplicationStatus" => RelationKind::ApplicationStatus,
        _ => {
            let what = format!("The relation extension {}", message.type_url);
            return Err(SparkError::unsupported(what));
        }
    })
}

pub(crate) fn parsed<M: prost::Message + Default>(bytes: bytes::Bytes) -> Result<M> {
    decode(bytes).map_err(|problem| invalid(format!("A message inside another: {problem}.")))
}
