//! Leaf relations: tables, files, SQL text, ranges, local data; and relations that carry others
//! along.

use super::{Result, expression, relation};
use crate::context::{Context, count, name_parts, sorted};
use crate::error::{Required, invalid};
use crate::ipc;
use crate::literal::literal;
use crate::pb;
use crate::pb::read::ReadType;
use bytes::Bytes;
use plan::{Expr, Relation, RelationKind, ScanOptions, SchemaOrText, SparkError};
use prost::Message;

pub(super) fn read(message: pb::Read, context: Context<'_>) -> Result<RelationKind> {
    if message.is_streaming {
        return Err(SparkError::unsupported("Streaming (readStream)"));
    }
    match message.read_type.required("read.read_type")? {
        ReadType::NamedTable(table) => Ok(RelationKind::Table {
            name: name_parts(&table.unparsed_identifier)?,
            options: sorted(table.options),
        }),
        ReadType::DataSource(source) => scan(source, context),
    }
}

fn scan(message: pb::read::DataSource, context: Context<'_>) -> Result<RelationKind> {
    if !message.predicates.is_empty() {
        return Err(SparkError::unsupported("Reading JDBC by predicates"));
    }
    if let Some(name) = message.source_name {
        return Err(SparkError::unsupported(format_args!("The source name {name}")));
    }
    let schema = match message.schema.filter(|s| !s.is_empty()) {
        Some(text) => Some(SchemaOrText::Schema(context.schema_text(&text)?)),
        None => None,
    };
    Ok(RelationKind::Scan(ScanOptions {
        format: message.format.filter(|f| !f.is_empty()),
        paths: message.paths,
        schema,
        options: sorted(message.options),
    }))
}

#[expect(deprecated, reason = "clients before 4.0 send arguments as literals")]
pub(super) fn sql(message: pb::Sql, context: Context<'_>) -> Result<RelationKind> {
    let pb::Sql { query, args, pos_args, named_arguments, pos_arguments } = message;
    let mut arguments = Vec::new();
    for (name, argument) in sorted(named_arguments) {
        arguments.push((name, expression(argument, context)?));
    }
    for (name, argument) in sorted(args) {
        arguments.push((name, Expr::Literal(literal(argument, context)?)));
    }
    let by_position = !pos_arguments.is_empty() || !pos_args.is_empty();
    if by_position && !arguments.is_empty() {
        return Err(invalid("Arguments of SQL text are given by name or by position, not both."));
    }
    let positions = pos_arguments.into_iter().map(|a| expression(a, context));
    let literals = pos_args.into_iter().map(|a| Ok(Expr::Literal(literal(a, context)?)));
    for (index, argument) in positions.chain(literals).enumerate() {
        arguments.push((index.to_string(), argument?));
    }
    Ok(RelationKind::Sql { text: query, arguments })
}

pub(super) fn range(message: &pb::Range) -> Result<RelationKind> {
    if message.step == 0 {
        return Err(invalid("`range.step` must not be 0."));
    }
    let partitions =
        message.num_partitions.map(|n| count(n, "range.num_partitions")).transpose()?;
    if partitions == Some(0) {
        return Err(invalid("`range.num_partitions` must not be 0."));
    }
    let start = message.start.unwrap_or(0);
    Ok(RelationKind::Range { start, end: message.end, step: message.step, partitions })
}

pub(super) fn local(message: pb::LocalRelation, context: Context<'_>) -> Result<RelationKind> {
    let schema = match message.schema.filter(|s| !s.is_empty()) {
        Some(text) => Some(context.schema_text(&text)?),
        None => None,
    };
    match (message.data, schema) {
        (Some(data), schema) => {
            Ok(RelationKind::Local { data: data.into(), schema: schema.map(SchemaOrText::Schema) })
        }
        (None, Some(schema)) => Ok(RelationKind::Empty { schema }),
        (None, None) => Err(crate::error::missing("local_relation.data")),
    }
}

/// A whole `LocalRelation` sent as an artifact.
pub(super) fn cached_local(
    message: &pb::CachedLocalRelation,
    context: Context<'_>,
) -> Result<RelationKind> {
    let blob = cached(&message.hash, context)?;
    let inner = pb::LocalRelation::decode(blob)
        .map_err(|e| invalid(format!("The artifact {} is not local data: {e}.", message.hash)))?;
    local(inner, context)
}

/// Arrow streams and a schema sent as artifacts.
pub(super) fn chunked_local(
    message: &pb::ChunkedCachedLocalRelation,
    context: Context<'_>,
) -> Result<RelationKind> {
    let chunks = message.data_hashes.iter().map(|hash| cached(hash, context));
    let chunks: Vec<Bytes> = chunks.collect::<Result<_>>()?;
    let schema = match &message.schema_hash {
        Some(hash) => {
            let text = cached(hash, context)?;
            let text = std::str::from_utf8(&text)
                .map_err(|_| invalid(format!("The artifact {hash} is not a schema.")))?;
            Some(context.schema_text(text)?)
        }
        None => None,
    };
    match (chunks.is_empty(), schema) {
        (true, Some(schema)) => Ok(RelationKind::Empty { schema }),
        (true, None) => Err(crate::error::missing("chunked_cached_local_relation.dataHashes")),
        (false, schema) => Ok(RelationKind::Local {
            data: ipc::concatenate(&chunks)?,
            schema: schema.map(SchemaOrText::Schema),
        }),
    }
}

fn cached(hash: &str, context: Context<'_>) -> Result<Bytes> {
    context.artifacts.get(&format!("cache/{hash}")).ok_or_else(|| {
        invalid(format!("Local data with the hash {hash} was not sent to this session."))
    })
}

/// Relations sent along with a root. For SQL text they are views that it names; otherwise
/// `Reference` refers to them.
pub(super) fn with_relations(
    message: pb::WithRelations,
    context: Context<'_>,
) -> Result<RelationKind> {
    let root = relation(*message.root.required("with_relations.root")?, context)?;
    let references = message.references.into_iter().map(|r| relation(r, context));
    let references: Vec<Relation> = references.collect::<Result<_>>()?;
    let named = |r: &Relation| matches!(*r.kind, RelationKind::SubqueryAlias { .. });
    if !matches!(*root.kind, RelationKind::Sql { .. }) || !references.iter().all(named) {
        return Ok(RelationKind::WithReferences { input: root, references });
    }
    let named = references.into_iter().filter_map(|reference| match *reference.kind {
        RelationKind::SubqueryAlias { input, alias, .. } => Some((alias, input)),
        _ => None,
    });
    Ok(RelationKind::With { named: named.collect(), input: root, recursive: false })
}
