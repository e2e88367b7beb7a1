//! Relations that select, order, move or print rows and keep their columns.

use super::{Expr, RelationKind, Result, count, expressions, input, sort_order};
use crate::context::Context;
use crate::error::invalid;
use crate::expression::whole_number;
use crate::pb;
use errors::Exception;
use plan::{HintArgument, Sample, SparkError};

pub(super) fn sort(message: pb::Sort, context: Context<'_>) -> Result<RelationKind> {
    let order = message.order.into_iter().map(|o| sort_order(o, context)).collect::<Result<_>>()?;
    Ok(RelationKind::Sort {
        input: input(message.input, "sort.input", context)?,
        order,
        global: message.is_global.unwrap_or(false),
    })
}

pub(super) fn limit(message: pb::Limit, context: Context<'_>) -> Result<RelationKind> {
    let input = input(message.input, "limit.input", context)?;
    Ok(RelationKind::Limit { input, limit: Expr::integer(message.limit) })
}

pub(super) fn offset(message: pb::Offset, context: Context<'_>) -> Result<RelationKind> {
    let input = input(message.input, "offset.input", context)?;
    Ok(RelationKind::Offset { input, offset: Expr::integer(message.offset) })
}

pub(super) fn tail(message: pb::Tail, context: Context<'_>) -> Result<RelationKind> {
    let input = input(message.input, "tail.input", context)?;
    Ok(RelationKind::Tail { input, limit: count(message.limit, "tail.limit")? })
}

pub(super) fn sample(message: pb::Sample, context: Context<'_>) -> Result<RelationKind> {
    Ok(RelationKind::Sample(Sample {
        input: input(message.input, "sample.input", context)?,
        lower: message.lower_bound,
        upper: message.upper_bound,
        with_replacement: message.with_replacement.unwrap_or(false),
        seed: message.seed,
    }))
}

pub(super) fn deduplicate(message: pb::Deduplicate, context: Context<'_>) -> Result<RelationKind> {
    if message.within_watermark.unwrap_or(false) {
        return Err(SparkError::unsupported("dropDuplicatesWithinWatermark"));
    }
    let all = message.all_columns_as_keys.unwrap_or(false);
    match (all, message.column_names.is_empty()) {
        (true, true) | (false, false) => Ok(RelationKind::Deduplicate {
            input: input(message.input, "deduplicate.input", context)?,
            columns: message.column_names,
        }),
        (true, false) => Err(invalid("Deduplicate on all columns or on a subset, not both.")),
        (false, true) => Err(invalid("Deduplicate needs all columns or a subset.")),
    }
}

pub(super) fn repartition(message: pb::Repartition, context: Context<'_>) -> Result<RelationKind> {
    Ok(RelationKind::Repartition {
        input: input(message.input, "repartition.input", context)?,
        partitions: partitions(message.num_partitions)?,
        shuffle: message.shuffle.unwrap_or(false),
    })
}

pub(super) fn repartition_by(
    message: pb::RepartitionByExpression,
    context: Context<'_>,
) -> Result<RelationKind> {
    Ok(RelationKind::RepartitionByExpression {
        input: input(message.input, "repartition_by_expression.input", context)?,
        expressions: expressions(message.partition_exprs, context)?,
        partitions: message.num_partitions.map(partitions).transpose()?,
    })
}

fn partitions(number: i32) -> Result<u32> {
    match u32::try_from(number) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(SparkError::plain(
            Exception::IllegalArgument,
            format!("requirement failed: Number of partitions ({number}) must be positive."),
        )),
    }
}

pub(super) fn show_string(message: pb::ShowString, context: Context<'_>) -> Result<RelationKind> {
    Ok(RelationKind::ShowString {
        input: input(message.input, "show_string.input", context)?,
        rows: count(message.num_rows.max(0), "show_string.num_rows")?,
        truncate: count(message.truncate.max(0), "show_string.truncate")?,
        vertical: message.vertical,
    })
}

pub(super) fn html_string(message: pb::HtmlString, context: Context<'_>) -> Result<RelationKind> {
    Ok(RelationKind::HtmlString {
        input: input(message.input, "html_string.input", context)?,
        rows: count(message.num_rows.max(0), "html_string.num_rows")?,
        truncate: count(message.truncate.max(0), "html_string.truncate")?,
    })
}

pub(super) fn hint(message: pb::Hint, context: Context<'_>) -> Result<RelationKind> {
    let parameters = expressions(message.parameters, context)?.into_iter().map(|parameter| {
        match whole_number(&parameter) {
            Some(number) => HintArgument::Number(number),
            None => HintArgument::Expr(parameter),
        }
    });
    Ok(RelationKind::Hint {
        parameters: parameters.collect(),
        input: input(message.input, "hint.input", context)?,
        name: message.name,
    })
}
