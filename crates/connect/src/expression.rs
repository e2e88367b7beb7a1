//! Expressions: messages to `plan::Expr`. Nothing is resolved here; a name stays a name.

use crate::context::{Context, name_parts};
use crate::error::{Required, invalid};
use crate::literal::literal;
use crate::pb;
use crate::pb::expression::window::window_frame::{FrameType, frame_boundary::Boundary};
use crate::pb::expression::window::{WindowFrame as FrameMessage, window_frame::FrameBoundary};
use crate::pb::expression::{self as ex, ExprType};
use crate::pb::subquery_expression::SubqueryType;
use crate::types::data_type;
use plan::{
    CastMode, Expr, FrameBound, FrameUnits, FunctionCall, Literal, NullOrder, Relation,
    RelationKind, SortOrder, SparkError, SubqueryKind, TableArgument, WindowFrame, WindowSpec,
};

type Result<T> = std::result::Result<T, SparkError>;

/// Converts a message to an expression.
pub(crate) fn expression(message: pb::Expression, context: Context<'_>) -> Result<Expr> {
    let context = context.deeper()?;
    match message.expr_type.required("expression.expr_type")? {
        ExprType::Literal(value) => Ok(Expr::Literal(literal(value, context)?)),
        ExprType::UnresolvedAttribute(attribute) => column(attribute),
        ExprType::UnresolvedFunction(f) => {
            call(f.function_name, f.arguments, f.is_distinct, context)
        }
        ExprType::CallFunction(f) => call(f.function_name, f.arguments, false, context),
        ExprType::ExpressionString(text) => Ok(Expr::Text(text.expression)),
        ExprType::UnresolvedStar(star) => star_expr(star),
        ExprType::UnresolvedRegex(regex) => column_regex(regex),
        ExprType::Alias(named) => alias(*named, context),
        ExprType::Cast(message) => cast(*message, context),
        ExprType::SortOrder(order) => Ok(Expr::SortOrder(Box::new(sort_order(*order, context)?))),
        ExprType::LambdaFunction(lambda) => lambda_expr(*lambda, context),
        ExprType::UnresolvedNamedLambdaVariable(variable) => {
            Ok(Expr::LambdaVariable(variable.name_parts.join(".")))
        }
        ExprType::Window(message) => window(*message, context),
        ExprType::UnresolvedExtractValue(extract) => Ok(Expr::ExtractValue {
            child: boxed(extract.child, "unresolved_extract_value.child", context)?,
            extraction: boxed(extract.extraction, "unresolved_extract_value.extraction", context)?,
        }),
        ExprType::UpdateFields(update) => update_field(*update, context),
        ExprType::NamedArgumentExpression(argument) => Ok(Expr::NamedArgument {
            name: argument.key,
            value: boxed(argument.value, "named_argument_expression.value", context)?,
        }),
        ExprType::SubqueryExpression(message) => subquery(message, context),
        ExprType::CommonInlineUserDefinedFunction(f) => crate::python::call(f, context),
        ExprType::MergeAction(_) => Err(SparkError::unsupported("MERGE")),
        ExprType::TypedAggregateExpression(_) => {
            Err(SparkError::unsupported("A typed aggregate of Scala"))
        }
        ExprType::DirectShufflePartitionId(_) => {
            Err(SparkError::unsupported("repartitionById (DirectShufflePartitionID)"))
        }
        ExprType::Extension(any) => {
            Err(SparkError::unsupported(format_args!("The expression extension {}", any.type_url)))
        }
    }
}

/// Converts several messages, in order.
pub(crate) fn expressions(
    messages: Vec<pb::Expression>,
    context: Context<'_>,
) -> Result<Vec<Expr>> {
    messages.into_iter().map(|m| expression(m, context)).collect()
}

/// Converts a required message.
pub(crate) fn boxed(
    message: Option<Box<pb::Expression>>,
    field: &str,
    context: Context<'_>,
) -> Result<Box<Expr>> {
    Ok(Box::new(expression(*message.required(field)?, context)?))
}

fn column(message: ex::UnresolvedAttribute) -> Result<Expr> {
    let ex::UnresolvedAttribute { unparsed_identifier, plan_id, is_metadata_column } = message;
    let name = name_parts(&unparsed_identifier)?;
    Ok(if is_metadata_column.unwrap_or(false) {
        Expr::MetadataColumn { name, plan_id }
    } else {
        Expr::Column { name, plan_id }
    })
}

fn call(
    name: String,
    arguments: Vec<pb::Expression>,
    distinct: bool,
    context: Context<'_>,
) -> Result<Expr> {
    Ok(Expr::Function(FunctionCall {
        name,
        args: expressions(arguments, context)?,
        distinct,
        ignore_nulls: false,
        filter: None,
        within_group: Vec::new(),
    }))
}

fn star_expr(message: ex::UnresolvedStar) -> Result<Expr> {
    let target = match message.unparsed_target {
        None => Vec::new(),
        Some(target) => {
            let qualifier = target.strip_suffix(".*").ok_or_else(|| {
                invalid(format!("The target of a star must end with `.*`: {target}."))
            })?;
            name_parts(qualifier)?
        }
    };
    Ok(Expr::Star { target, except: Vec::new(), plan_id: message.plan_id })
}

/// A pattern is in backticks; without them it is a plain column, as in Spark.
fn column_regex(message: ex::UnresolvedRegex) -> Result<Expr> {
    let ex::UnresolvedRegex { col_name, plan_id } = message;
    let pattern = col_name.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    match pattern {
        Some(pattern) if !pattern.is_empty() => {
            Ok(Expr::ColumnRegex { pattern: pattern.to_owned(), plan_id })
        }
        _ if col_name.contains(".`") && col_name.ends_with('`') => {
            Err(SparkError::unsupported("A qualified column pattern (colRegex)"))
        }
        _ => Ok(Expr::Column { name: name_parts(&col_name)?, plan_id }),
    }
}

/// A name (several for a generator) and metadata.
pub(crate) fn alias(message: ex::Alias, context: Context<'_>) -> Result<Expr> {
    let ex::Alias { expr, name, metadata } = message;
    if name.is_empty() {
        return Err(crate::error::missing("alias.name"));
    }
    let metadata = metadata.filter(|m| !m.is_empty() && m.trim() != "{}");
    Ok(Expr::Alias { expr: boxed(expr, "alias.expr", context)?, names: name, metadata })
}

fn cast(message: ex::Cast, context: Context<'_>) -> Result<Expr> {
    let mode = match ex::cast::EvalMode::try_from(message.eval_mode) {
        Ok(ex::cast::EvalMode::Unspecified) => CastMode::Session,
        Ok(ex::cast::EvalMode::Ansi) => CastMode::Ansi,
        Ok(ex::cast::EvalMode::Try) => CastMode::Try,
        Ok(ex::cast::EvalMode::Legacy) => {
            return Err(SparkError::unsupported("A cast in legacy mode"));
        }
        Err(_) => return Err(invalid(format!("{} is not a cast mode.", message.eval_mode))),
    };
    let expr = boxed(message.expr, "cast.expr", context)?;
    let to = match message.cast_to_type.required("cast.cast_to_type")? {
        ex::cast::CastToType::Type(of) => data_type(of, context)?,
        ex::cast::CastToType::TypeStr(text) => context.session.parse_ddl(&text)?,
    };
    Ok(Expr::Cast { expr, to, mode })
}

/// One sort key.
pub(crate) fn sort_order(message: ex::SortOrder, context: Context<'_>) -> Result<SortOrder> {
    use ex::sort_order::{NullOrdering, SortDirection};
    let ascending = match SortDirection::try_from(message.direction) {
        Ok(SortDirection::Ascending | SortDirection::Unspecified) => true,
        Ok(SortDirection::Descending) => false,
        Err(_) => return Err(invalid(format!("{} is not a direction.", message.direction))),
    };
    let nulls = match NullOrdering::try_from(message.null_ordering) {
        Ok(NullOrdering::SortNullsUnspecified) => NullOrder::Default,
        Ok(NullOrdering::SortNullsFirst) => NullOrder::First,
        Ok(NullOrdering::SortNullsLast) => NullOrder::Last,
        Err(_) => {
            return Err(invalid(format!("{} is not an order of nulls.", message.null_ordering)));
        }
    };
    let expr = *boxed(message.child, "sort_order.child", context)?;
    Ok(SortOrder { expr, ascending, nulls })
}

fn lambda_expr(message: ex::LambdaFunction, context: Context<'_>) -> Result<Expr> {
    let parameters = message.arguments.into_iter().map(|a| a.name_parts.join(".")).collect();
    Ok(Expr::Lambda {
        body: boxed(message.function, "lambda_function.function", context)?,
        parameters,
    })
}

fn window(message: ex::Window, context: Context<'_>) -> Result<Expr> {
    let ex::Window { window_function, partition_spec, order_spec, frame_spec } = message;
    let order_by = order_spec.into_iter().map(|o| sort_order(o, context));
    let spec = WindowSpec {
        partition_by: expressions(partition_spec, context)?,
        order_by: order_by.collect::<Result<_>>()?,
        frame: frame_spec.map(|f| frame(*f, context)).transpose()?,
    };
    let function = boxed(window_function, "window.window_function", context)?;
    Ok(Expr::Window { function, spec: Box::new(spec) })
}

fn frame(message: FrameMessage, context: Context<'_>) -> Result<WindowFrame> {
    let units = match FrameType::try_from(message.frame_type) {
        Ok(FrameType::Row) => FrameUnits::Rows,
        Ok(FrameType::Range) => FrameUnits::Range,
        Ok(FrameType::Undefined) | Err(_) => {
            return Err(crate::error::missing("window.frame_spec.frame_type"));
        }
    };
    let lower = bound(message.lower, FrameBound::UnboundedPreceding, context)?;
    let upper = bound(message.upper, FrameBound::UnboundedFollowing, context)?;
    Ok(WindowFrame { units, lower, upper })
}

fn bound(
    message: Option<Box<FrameBoundary>>,
    unbounded: FrameBound,
    context: Context<'_>,
) -> Result<FrameBound> {
    let boundary = message.and_then(|b| b.boundary);
    Ok(match boundary.required("window.frame_spec.boundary")? {
        Boundary::CurrentRow(_) => FrameBound::CurrentRow,
        Boundary::Unbounded(_) => unbounded,
        Boundary::Value(value) => FrameBound::Offset(Box::new(expression(*value, context)?)),
    })
}

fn update_field(message: ex::UpdateFields, context: Context<'_>) -> Result<Expr> {
    let value = match message.value_expression {
        Some(value) => Some(Box::new(expression(*value, context)?)),
        None => None,
    };
    Ok(Expr::UpdateField {
        child: boxed(message.struct_expression, "update_fields.struct_expression", context)?,
        field: name_parts(&message.field_name)?,
        value,
    })
}

fn subquery(message: pb::SubqueryExpression, context: Context<'_>) -> Result<Expr> {
    let query: Relation = RelationKind::Reference(message.plan_id).into();
    let kind = match SubqueryType::try_from(message.subquery_type) {
        Ok(SubqueryType::Scalar) => SubqueryKind::Scalar,
        Ok(SubqueryType::Exists) => SubqueryKind::Exists,
        Ok(SubqueryType::In) => SubqueryKind::In(expressions(message.in_subquery_values, context)?),
        Ok(SubqueryType::TableArg) => {
            return table_argument(query, message.table_arg_options.unwrap_or_default(), context);
        }
        Ok(SubqueryType::Unknown) | Err(_) => {
            return Err(crate::error::missing("subquery_expression.subquery_type"));
        }
    };
    Ok(Expr::Subquery { kind, query: Box::new(query) })
}

fn table_argument(
    input: Relation,
    options: pb::subquery_expression::TableArgOptions,
    context: Context<'_>,
) -> Result<Expr> {
    let order_by = options.order_spec.into_iter();
    Ok(Expr::TableArgument(Box::new(TableArgument {
        input,
        partition_by: expressions(options.partition_spec, context)?,
        order_by: order_by.map(|order| sort_order(order, context)).collect::<Result<_>>()?,
        single_partition: options.with_single_partition.unwrap_or(false),
    })))
}

/// A literal integer, where one is expected.
pub(crate) fn whole_number(of: &Expr) -> Option<i64> {
    match of {
        Expr::Literal(Literal::Byte(n)) => Some(i64::from(*n)),
        Expr::Literal(Literal::Short(n)) => Some(i64::from(*n)),
        Expr::Literal(Literal::Integer(n)) => Some(i64::from(*n)),
        Expr::Literal(Literal::Long(n)) => Some(*n),
        _ => None,
    }
}
