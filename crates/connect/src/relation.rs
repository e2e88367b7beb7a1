//! Relations: messages to `plan::Relation`.

mod rows;
mod shape;
mod source;

use crate::catalog::catalog;
use crate::expression::{alias, expression, expressions, sort_order};
use crate::pb;
use crate::pb::relation::RelType;
use crate::reader::{Reader, Required, count, invalid, sorted};
use crate::types::fields;
use plan::{Expr, FunctionCall, Relation, RelationKind, SparkError};

type Result<T> = std::result::Result<T, SparkError>;

/// Converts a message to a relation, with the client's id.
pub(crate) fn relation(message: pb::Relation, reader: Reader<'_>) -> Result<Relation> {
    let reader = reader.deeper()?;
    let plan_id = message.common.and_then(|c| c.plan_id);
    let kind = rel_type(message.rel_type.required("relation.rel_type")?, reader)?;
    Ok(Relation { plan_id, kind: Box::new(kind) })
}

/// Converts a required message.
pub(crate) fn input(
    message: Option<Box<pb::Relation>>,
    field: &str,
    reader: Reader<'_>,
) -> Result<Relation> {
    relation(*message.required(field)?, reader)
}

fn rel_type(message: RelType, reader: Reader<'_>) -> Result<RelationKind> {
    match message {
        RelType::Read(m) => source::read(m, reader),
        RelType::Sql(m) => source::sql(m, reader),
        RelType::LocalRelation(m) => source::local(m, reader),
        RelType::CachedLocalRelation(m) => source::cached_local(&m, reader),
        RelType::ChunkedCachedLocalRelation(m) => source::chunked_local(&m, reader),
        RelType::CachedRemoteRelation(m) => Ok(RelationKind::CachedRemote(m.relation_id)),
        RelType::Range(m) => source::range(&m),
        RelType::WithRelations(m) => source::with_relations(*m, reader),
        RelType::UnresolvedTableValuedFunction(m) => table_function(m, reader),
        RelType::Catalog(m) => catalog(m, reader),
        RelType::Project(m) => project(*m, reader),
        RelType::Filter(m) => filter(*m, reader),
        RelType::Join(m) => shape::join(*m, reader),
        RelType::LateralJoin(m) => shape::lateral_join(*m, reader),
        RelType::SetOp(m) => shape::set_operation(*m, reader),
        RelType::Aggregate(m) => shape::aggregate(*m, reader),
        RelType::Unpivot(m) => shape::unpivot(*m, reader),
        RelType::Sort(m) => rows::sort(*m, reader),
        RelType::Limit(m) => rows::limit(*m, reader),
        RelType::Offset(m) => rows::offset(*m, reader),
        RelType::Tail(m) => rows::tail(*m, reader),
        RelType::Sample(m) => rows::sample(*m, reader),
        RelType::Deduplicate(m) => rows::deduplicate(*m, reader),
        RelType::Repartition(m) => rows::repartition(*m, reader),
        RelType::RepartitionByExpression(m) => rows::repartition_by(*m, reader),
        RelType::ShowString(m) => rows::show_string(*m, reader),
        RelType::HtmlString(m) => rows::html_string(*m, reader),
        RelType::Hint(m) => rows::hint(*m, reader),
        RelType::SubqueryAlias(m) => subquery_alias(*m, reader),
        RelType::ToDf(m) => to_df(*m, reader),
        RelType::WithColumns(m) => with_columns(*m, reader),
        RelType::WithColumnsRenamed(m) => renamed(*m, reader),
        RelType::Drop(m) => drop_columns(*m, reader),
        RelType::ToSchema(m) => to_schema(*m, reader),
        RelType::CollectMetrics(m) => collect_metrics(*m, reader),
        RelType::FillNa(m) => shape::fill_na(*m, reader),
        RelType::DropNa(m) => shape::drop_na(*m, reader),
        RelType::Replace(m) => shape::replace(*m, reader),
        other => statistics_or_refused(other, reader),
    }
}

fn statistics_or_refused(message: RelType, reader: Reader<'_>) -> Result<RelationKind> {
    let what = match message {
        RelType::Summary(m) => return shape::summary(*m, reader),
        RelType::Describe(m) => return shape::describe(*m, reader),
        RelType::Crosstab(m) => return shape::crosstab(*m, reader),
        RelType::Cov(m) => return shape::covariance(*m, reader),
        RelType::Corr(m) => return shape::correlation(*m, reader),
        RelType::ApproxQuantile(m) => return shape::approx_quantile(*m, reader),
        RelType::FreqItems(m) => return shape::freq_items(*m, reader),
        RelType::SampleBy(m) => return shape::sample_by(*m, reader),
        RelType::Transpose(m) => return shape::transpose(*m, reader),
        RelType::AsOfJoin(m) => return shape::as_of_join(*m, reader),
        RelType::NearestByJoin(m) => return shape::nearest_by_join(*m, reader),
        RelType::WithWatermark(m) => return with_watermark(*m, reader),
        RelType::MapPartitions(_) => "MapPartitions (mapInPandas, mapInArrow)".to_owned(),
        RelType::GroupMap(_) => "GroupMap (applyInPandas, applyInArrow)".to_owned(),
        RelType::CoGroupMap(_) => "CoGroupMap (cogroup)".to_owned(),
        RelType::ApplyInPandasWithState(_) => "applyInPandasWithState".to_owned(),
        RelType::CommonInlineUserDefinedTableFunction(m) => {
            format!("The user-defined table function {}", m.function_name)
        }
        RelType::CommonInlineUserDefinedDataSource(m) => format!("The data source {}", m.name),
        RelType::Parse(_) => "Reading CSV, JSON or XML from a DataFrame of text".to_owned(),
        RelType::Zip(_) => "zip".to_owned(),
        RelType::RelationChanges(m) => format!("The changes of {}", m.unparsed_identifier),
        RelType::MlRelation(_) => "Machine learning (MlRelation)".to_owned(),
        RelType::Extension(any) => format!("The relation extension {}", any.type_url),
        RelType::Unknown(_) => return Err(invalid("The kind of the relation is unknown.")),
        _ => return Err(invalid("The kind of the relation is unknown to this server.")),
    };
    Err(SparkError::unsupported(what))
}

fn project(message: pb::Project, reader: Reader<'_>) -> Result<RelationKind> {
    let expressions = expressions(message.expressions, reader)?;
    // Without an input it is `SELECT 1`.
    let input = match message.input {
        Some(message) => relation(*message, reader)?,
        None => RelationKind::OneRow.into(),
    };
    Ok(RelationKind::Project { input, expressions })
}

fn filter(message: pb::Filter, reader: Reader<'_>) -> Result<RelationKind> {
    Ok(RelationKind::Filter {
        input: input(message.input, "filter.input", reader)?,
        condition: expression(message.condition.required("filter.condition")?, reader)?,
    })
}

fn subquery_alias(message: pb::SubqueryAlias, reader: Reader<'_>) -> Result<RelationKind> {
    let input = input(message.input, "subquery_alias.input", reader)?;
    if message.alias.is_empty() {
        return Err(crate::reader::missing("subquery_alias.alias"));
    }
    Ok(RelationKind::SubqueryAlias { input, alias: message.alias, columns: Vec::new() })
}

fn to_df(message: pb::ToDf, reader: Reader<'_>) -> Result<RelationKind> {
    let input = input(message.input, "to_df.input", reader)?;
    Ok(RelationKind::ToDf { input, names: message.column_names })
}

fn with_columns(message: pb::WithColumns, reader: Reader<'_>) -> Result<RelationKind> {
    let columns = message.aliases.into_iter().map(|a| alias(a, reader)).collect::<Result<_>>()?;
    Ok(RelationKind::WithColumns {
        input: input(message.input, "with_columns.input", reader)?,
        columns,
    })
}

fn renamed(message: pb::WithColumnsRenamed, reader: Reader<'_>) -> Result<RelationKind> {
    let renames = if message.renames.is_empty() {
        sorted(message.rename_columns_map)
    } else {
        message.renames.into_iter().map(|r| (r.col_name, r.new_col_name)).collect()
    };
    let input = input(message.input, "with_columns_renamed.input", reader)?;
    Ok(RelationKind::WithColumnsRenamed { input, renames })
}

fn drop_columns(message: pb::Drop, reader: Reader<'_>) -> Result<RelationKind> {
    Ok(RelationKind::Drop {
        input: input(message.input, "drop.input", reader)?,
        columns: expressions(message.columns, reader)?,
        names: message.column_names,
    })
}

fn to_schema(message: pb::ToSchema, reader: Reader<'_>) -> Result<RelationKind> {
    Ok(RelationKind::ToSchema {
        input: input(message.input, "to_schema.input", reader)?,
        schema: fields(message.schema.required("to_schema.schema")?, reader)?,
    })
}

fn collect_metrics(message: pb::CollectMetrics, reader: Reader<'_>) -> Result<RelationKind> {
    Ok(RelationKind::CollectMetrics {
        input: input(message.input, "collect_metrics.input", reader)?,
        name: message.name,
        metrics: expressions(message.metrics, reader)?,
    })
}

/// Without a stream nothing is late: the column is only checked.
fn with_watermark(message: pb::WithWatermark, reader: Reader<'_>) -> Result<RelationKind> {
    let input = input(message.input, "with_watermark.input", reader)?;
    Ok(RelationKind::Watermark { input, column: message.event_time })
}

fn table_function(
    message: pb::UnresolvedTableValuedFunction,
    reader: Reader<'_>,
) -> Result<RelationKind> {
    Ok(RelationKind::TableFunction(FunctionCall {
        name: message.function_name,
        args: expressions(message.arguments, reader)?,
        distinct: false,
        ignore_nulls: false,
        filter: None,
        within_group: Vec::new(),
    }))
}
