//! Relations: messages to `plan::Relation`.

mod rows;
mod shape;
mod source;

use crate::catalog::catalog;
use crate::context::{Context, count, sorted};
use crate::error::{Required, invalid};
use crate::expression::{alias, expression, expressions, sort_order};
use crate::pb;
use crate::pb::relation::RelType;
use crate::python;
use crate::types::fields;
use plan::{Expr, FunctionCall, Relation, RelationKind, SparkError};

type Result<T> = std::result::Result<T, SparkError>;

/// Converts a message to a relation, with the client's id.
pub(crate) fn relation(message: pb::Relation, context: Context<'_>) -> Result<Relation> {
    let context = context.deeper()?;
    let plan_id = message.common.and_then(|c| c.plan_id);
    let kind = rel_type(message.rel_type.required("relation.rel_type")?, context)?;
    Ok(Relation { plan_id, kind: Box::new(kind) })
}

/// Converts a required message.
pub(crate) fn input(
    message: Option<Box<pb::Relation>>,
    field: &str,
    context: Context<'_>,
) -> Result<Relation> {
    relation(*message.required(field)?, context)
}

fn rel_type(message: RelType, context: Context<'_>) -> Result<RelationKind> {
    match message {
        RelType::Read(m) => source::read(m, context),
        RelType::Sql(m) => source::sql(m, context),
        RelType::LocalRelation(m) => source::local(m, context),
        RelType::CachedLocalRelation(m) => source::cached_local(&m, context),
        RelType::ChunkedCachedLocalRelation(m) => source::chunked_local(&m, context),
        RelType::CachedRemoteRelation(m) => Ok(RelationKind::CachedRemote(m.relation_id)),
        RelType::Range(m) => source::range(&m),
        RelType::WithRelations(m) => source::with_relations(*m, context),
        RelType::UnresolvedTableValuedFunction(m) => table_function(m, context),
        RelType::Catalog(m) => catalog(m, context),
        RelType::Project(m) => project(*m, context),
        RelType::Filter(m) => filter(*m, context),
        RelType::Join(m) => shape::join(*m, context),
        RelType::LateralJoin(m) => shape::lateral_join(*m, context),
        RelType::SetOp(m) => shape::set_operation(*m, context),
        RelType::Aggregate(m) => shape::aggregate(*m, context),
        RelType::Unpivot(m) => shape::unpivot(*m, context),
        RelType::Sort(m) => rows::sort(*m, context),
        RelType::Limit(m) => rows::limit(*m, context),
        RelType::Offset(m) => rows::offset(*m, context),
        RelType::Tail(m) => rows::tail(*m, context),
        RelType::Sample(m) => rows::sample(*m, context),
        RelType::Deduplicate(m) => rows::deduplicate(*m, context),
        RelType::Repartition(m) => rows::repartition(*m, context),
        RelType::RepartitionByExpression(m) => rows::repartition_by(*m, context),
        RelType::ShowString(m) => rows::show_string(*m, context),
        RelType::HtmlString(m) => rows::html_string(*m, context),
        RelType::Hint(m) => rows::hint(*m, context),
        RelType::SubqueryAlias(m) => subquery_alias(*m, context),
        RelType::ToDf(m) => to_df(*m, context),
        RelType::WithColumns(m) => with_columns(*m, context),
        RelType::WithColumnsRenamed(m) => renamed(*m, context),
        RelType::Drop(m) => drop_columns(*m, context),
        RelType::ToSchema(m) => to_schema(*m, context),
        RelType::CollectMetrics(m) => collect_metrics(*m, context),
        RelType::FillNa(m) => shape::fill_na(*m, context),
        RelType::DropNa(m) => shape::drop_na(*m, context),
        RelType::Replace(m) => shape::replace(*m, context),
        RelType::MapPartitions(m) => python::map_partitions(*m, context),
        RelType::GroupMap(m) => python::group_map(*m, context),
        RelType::CoGroupMap(m) => python::cogroup_map(*m, context),
        RelType::Extension(any) => python::extension(any, context),
        other => statistics_or_refused(other, context),
    }
}

fn statistics_or_refused(message: RelType, context: Context<'_>) -> Result<RelationKind> {
    let what = match message {
        RelType::Summary(m) => return shape::summary(*m, context),
        RelType::Describe(m) => return shape::describe(*m, context),
        RelType::Crosstab(m) => return shape::crosstab(*m, context),
        RelType::Cov(m) => return shape::covariance(*m, context),
        RelType::Corr(m) => return shape::correlation(*m, context),
        RelType::ApproxQuantile(m) => return shape::approx_quantile(*m, context),
        RelType::FreqItems(m) => return shape::freq_items(*m, context),
        RelType::SampleBy(m) => return shape::sample_by(*m, context),
        RelType::Transpose(m) => return shape::transpose(*m, context),
        RelType::AsOfJoin(m) => return shape::as_of_join(*m, context),
        RelType::NearestByJoin(m) => return shape::nearest_by_join(*m, context),
        RelType::WithWatermark(m) => return with_watermark(*m, context),
        RelType::ApplyInPandasWithState(_) => "applyInPandasWithState".to_owned(),
        RelType::CommonInlineUserDefinedTableFunction(m) => {
            return python::table(m, context);
        }
        RelType::CommonInlineUserDefinedDataSource(m) => format!("The data source {}", m.name),
        RelType::Parse(_) => "Reading CSV, JSON or XML from a DataFrame of text".to_owned(),
        RelType::Zip(_) => "zip".to_owned(),
        RelType::RelationChanges(m) => format!("The changes of {}", m.unparsed_identifier),
        RelType::MlRelation(_) => "Machine learning (MlRelation)".to_owned(),
        RelType::Unknown(_) => return Err(invalid("The kind of the relation is unknown.")),
        _ => return Err(invalid("The kind of the relation is unknown to this server.")),
    };
    Err(SparkError::unsupported(what))
}

fn project(message: pb::Project, context: Context<'_>) -> Result<RelationKind> {
    let expressions = expressions(message.expressions, context)?;
    // Without an input it is `SELECT 1`.
    let input = match message.input {
        Some(message) => relation(*message, context)?,
        None => RelationKind::OneRow.into(),
    };
    Ok(RelationKind::Project { input, expressions })
}

fn filter(message: pb::Filter, context: Context<'_>) -> Result<RelationKind> {
    Ok(RelationKind::Filter {
        input: input(message.input, "filter.input", context)?,
        condition: expression(message.condition.required("filter.condition")?, context)?,
    })
}

fn subquery_alias(message: pb::SubqueryAlias, context: Context<'_>) -> Result<RelationKind> {
    let input = input(message.input, "subquery_alias.input", context)?;
    if message.alias.is_empty() {
        return Err(crate::error::missing("subquery_alias.alias"));
    }
    Ok(RelationKind::SubqueryAlias { input, alias: message.alias, columns: Vec::new() })
}

fn to_df(message: pb::ToDf, context: Context<'_>) -> Result<RelationKind> {
    let input = input(message.input, "to_df.input", context)?;
    Ok(RelationKind::ToDf { input, names: message.column_names })
}

fn with_columns(message: pb::WithColumns, context: Context<'_>) -> Result<RelationKind> {
    let columns = message.aliases.into_iter().map(|a| alias(a, context)).collect::<Result<_>>()?;
    Ok(RelationKind::WithColumns {
        input: input(message.input, "with_columns.input", context)?,
        columns,
    })
}

fn renamed(message: pb::WithColumnsRenamed, context: Context<'_>) -> Result<RelationKind> {
    let renames = if message.renames.is_empty() {
        sorted(message.rename_columns_map)
    } else {
        message.renames.into_iter().map(|r| (r.col_name, r.new_col_name)).collect()
    };
    let input = input(message.input, "with_columns_renamed.input", context)?;
    Ok(RelationKind::WithColumnsRenamed { input, renames })
}

fn drop_columns(message: pb::Drop, context: Context<'_>) -> Result<RelationKind> {
    Ok(RelationKind::Drop {
        input: input(message.input, "drop.input", context)?,
        columns: expressions(message.columns, context)?,
        names: message.column_names,
    })
}

fn to_schema(message: pb::ToSchema, context: Context<'_>) -> Result<RelationKind> {
    Ok(RelationKind::ToSchema {
        input: input(message.input, "to_schema.input", context)?,
        schema: fields(message.schema.required("to_schema.schema")?, context)?,
    })
}

fn collect_metrics(message: pb::CollectMetrics, context: Context<'_>) -> Result<RelationKind> {
    Ok(RelationKind::CollectMetrics {
        input: input(message.input, "collect_metrics.input", context)?,
        name: message.name,
        metrics: expressions(message.metrics, context)?,
    })
}

/// Without a stream nothing is late: the column is only checked.
fn with_watermark(message: pb::WithWatermark, context: Context<'_>) -> Result<RelationKind> {
    let input = input(message.input, "with_watermark.input", context)?;
    Ok(RelationKind::Watermark { input, column: message.event_time })
}

fn table_function(
    message: pb::UnresolvedTableValuedFunction,
    context: Context<'_>,
) -> Result<RelationKind> {
    Ok(RelationKind::TableFunction(FunctionCall {
        name: message.function_name,
        args: expressions(message.arguments, context)?,
        distinct: false,
        ignore_nulls: false,
        filter: None,
        within_group: Vec::new(),
    }))
}
