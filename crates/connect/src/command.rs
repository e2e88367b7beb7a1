//! Plans and commands: messages to the work that the backend is asked to do.

use crate::backend::Work;
use crate::codec::decode;
use crate::context::{Context, count, name_parts, sorted};
use crate::error::{Required, invalid, missing};
use crate::pb;
use crate::pb::command::CommandType;
use crate::pb::plan::OpType;
use crate::pb::write_operation::save_table::TableSaveMethod;
use crate::pb::write_operation::{SaveMode as ModeMessage, SaveType};
use crate::pb::write_operation_v2::Mode as ModeV2;
use crate::python::{EXTENSIONS, parsed};
use crate::rdd_pb;
use crate::relation::relation;
use crate::resources;
use errors::condition;
use model::ResourceProfile;
use plan::{
    Command, CreateTable, Relation, ReplaceMode, SaveMode, SparkError, View, Write, WriteTarget,
};
use std::io::Read;

type Result<T> = std::result::Result<T, SparkError>;

/// Size limit of an unpacked plan, in bytes.
const MAX_PLAN_BYTES: u64 = 512 << 20;

/// A parsed request. `echo` is the relation that a client gets back if its SQL text is a query.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) work: Asked,
    pub(crate) echo: Option<pb::Relation>,
}

/// What a request asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Work of the backend.
    Work(Box<Work>),
    /// The driver's resources other than cores and memory. It has none: settings for them are
    /// unknown.
    Resources,
    /// The number of a resource profile.
    Profile(ResourceProfile),
    /// The end of a blob.
    DropBlob {
        /// Its hash.
        hash: String,
        /// Whether the driver drops it, too.
        forever: bool,
    },
}

/// The message inside a plan, decompressed if necessary.
pub(crate) fn unpack(plan: Option<pb::Plan>) -> Result<OpType> {
    match plan.and_then(|p| p.op_type).required("plan.op_type")? {
        OpType::CompressedOperation(message) => decompress(&message),
        other => Ok(other),
    }
}

fn decompress(message: &pb::plan::CompressedOperation) -> Result<OpType> {
    use pb::plan::compressed_operation::OpType as Of;
    if message.compression_codec() != pb::CompressionCodec::Zstd {
        return Err(cannot_parse("its compression is not zstd"));
    }
    let mut plain = Vec::new();
    let unpacked = zstd::stream::read::Decoder::new(message.data.as_ref())
        .and_then(|decoder| decoder.take(MAX_PLAN_BYTES + 1).read_to_end(&mut plain));
    if let Err(error) = unpacked {
        return Err(cannot_parse(&error.to_string()));
    }
    if u64::try_from(plain.len()).unwrap_or(u64::MAX) > MAX_PLAN_BYTES {
        return Err(SparkError::new(
            condition::CONNECT_INVALID_PLAN_PLAN_SIZE_LARGER_THAN_MAX,
            format!("The plan size is larger than max ({MAX_PLAN_BYTES} bytes)."),
            &[("planSize", "unknown"), ("maxPlanSize", &MAX_PLAN_BYTES.to_string())],
        ));
    }
    let plain = bytes::Bytes::from(plain);
    let of = match message.op_type() {
        Of::Relation => decode(plain).map(OpType::Root),
        Of::Command => decode(plain).map(OpType::Command),
        Of::Unspecified => return Err(missing("plan.compressed_operation.op_type")),
    };
    of.map_err(|why| cannot_parse(&why))
}

/// The client turns off its compression when it sees this class.
fn cannot_parse(why: &str) -> SparkError {
    SparkError::new(
        condition::CONNECT_INVALID_PLAN_CANNOT_PARSE,
        format!("Cannot decompress or parse the input plan ({why})"),
        &[("errorMsg", why)],
    )
}

/// Parses a request to execute.
pub(crate) fn request(plan: OpType, context: Context<'_>) -> Result<Request> {
    let work = match plan {
        OpType::Root(message) => Work::Query(relation(message, context)?),
        OpType::Command(message) => match message.command_type.required("command.command_type")? {
            CommandType::SqlCommand(message) => return sql(message, context),
            CommandType::GetResourcesCommand(_) => {
                return Ok(Request { work: Asked::Resources, echo: None });
            }
            CommandType::CreateResourceProfileCommand(message) => {
                let profile =
                    message.profile.required("create_resource_profile_command.profile")?;
                let profile = resources::profile(profile, context.session)?;
                return Ok(Request { work: Asked::Profile(profile), echo: None });
            }
            CommandType::Extension(any) if any.type_url == format!("{EXTENSIONS}DropBlob") => {
                let rdd_pb::DropBlob { hash, forever } = parsed(any.value.into())?;
                return Ok(Request { work: Asked::DropBlob { hash, forever }, echo: None });
            }
            CommandType::CheckpointCommand(message) => {
                let input = message.relation.required("checkpoint_command.relation")?;
                let input = relation(input, context)?;
                let (local, eager) = (message.local, message.eager);
                Work::Checkpoint(plan::Checkpoint { input, local, eager })
            }
            other => Work::Command(command(other, context)?),
        },
        OpType::CompressedOperation(_) => {
            return Err(invalid("A compressed plan inside a compressed plan."));
        }
    };
    Ok(Request { work: Asked::Work(Box::new(work)), echo: None })
}

/// The relation of a request that accepts nothing else.
pub(crate) fn root(plan: Option<pb::Plan>, context: Context<'_>) -> Result<Relation> {
    match unpack(plan)? {
        OpType::Root(message) => relation(message, context),
        OpType::Command(_) | OpType::CompressedOperation(_) => {
            Err(invalid("A command cannot be analysed; a relation is needed."))
        }
    }
}

#[expect(deprecated, reason = "clients before 4.0 send the text in the command itself")]
fn sql(message: pb::SqlCommand, context: Context<'_>) -> Result<Request> {
    let pb::SqlCommand { sql, args, pos_args, named_arguments, pos_arguments, input } = message;
    let echo = input.unwrap_or_else(|| pb::Relation {
        common: None,
        rel_type: Some(pb::relation::RelType::Sql(pb::Sql {
            query: sql,
            args,
            pos_args,
            named_arguments,
            pos_arguments,
        })),
    });
    let work = Work::Sql(relation(echo.clone(), context)?);
    Ok(Request { work: Asked::Work(Box::new(work)), echo: Some(echo) })
}

fn command(message: CommandType, context: Context<'_>) -> Result<Command> {
    let what = match message {
        CommandType::WriteOperation(m) => return write(m, context),
        CommandType::WriteOperationV2(m) => return write_v2(m, context),
        CommandType::CreateDataframeView(m) => return create_view(m, context),
        CommandType::RemoveCachedRemoteRelationCommand(m) => {
            let relation = m.relation.required("remove_cached_remote_relation_command.relation")?;
            return Ok(Command::DropCheckpoint(relation.relation_id));
        }
        CommandType::RegisterFunction(f) => {
            return Ok(Command::RegisterPython(crate::python::function(f, context)?.0));
        }
        CommandType::RegisterTableFunction(f) => {
            return Ok(Command::RegisterPython(crate::python::table_function(f, context)?.0));
        }
        CommandType::RegisterDataSource(source) => {
            return Ok(Command::RegisterSource(crate::python::data_source(source)?));
        }
        CommandType::WriteStreamOperationStart(_) => "Streaming (writeStream)".to_owned(),
        CommandType::StreamingQueryCommand(_) => "A streaming query".to_owned(),
        CommandType::StreamingQueryManagerCommand(_) => {
            "Streaming queries (spark.streams)".to_owned()
        }
        CommandType::StreamingQueryListenerBusCommand(_) => {
            "A listener of streaming queries".to_owned()
        }
        CommandType::MergeIntoTableCommand(m) => {
            format!("MERGE INTO {}", m.target_table_name)
        }
        CommandType::MlCommand(_) => "Machine learning (MlCommand)".to_owned(),
        CommandType::ExecuteExternalCommand(m) => format!("The external command {}", m.command),
        CommandType::PipelineCommand(_) => "Declarative pipelines".to_owned(),
        CommandType::Extension(any) => format!("The command extension {}", any.type_url),
        CommandType::SqlCommand(_)
        | CommandType::GetResourcesCommand(_)
        | CommandType::CreateResourceProfileCommand(_)
        | CommandType::CheckpointCommand(_) => {
            return Err(invalid("A question where a command is needed."));
        }
    };
    Err(SparkError::unsupported(what))
}

fn create_view(message: pb::CreateDataFrameViewCommand, context: Context<'_>) -> Result<Command> {
    let query = message.input.required("create_dataframe_view.input")?;
    Ok(Command::CreateView(View {
        name: name_parts(&message.name)?,
        query: relation(query, context)?,
        columns: Vec::new(),
        replace: if message.replace { ReplaceMode::Replace } else { ReplaceMode::Fail },
        temporary: true,
        global: message.is_global,
        by_name: false,
    }))
}

fn write(message: pb::WriteOperation, context: Context<'_>) -> Result<Command> {
    if !message.clustering_columns.is_empty() {
        return Err(SparkError::unsupported("clusterBy of a writer"));
    }
    if message.with_schema_evolution {
        return Err(SparkError::unsupported("withSchemaEvolution of a writer"));
    }
    let mode = match ModeMessage::try_from(message.mode) {
        Ok(ModeMessage::Unspecified | ModeMessage::ErrorIfExists) => SaveMode::ErrorIfExists,
        Ok(ModeMessage::Append) => SaveMode::Append,
        Ok(ModeMessage::Overwrite) => SaveMode::Overwrite,
        Ok(ModeMessage::Ignore) => SaveMode::Ignore,
        Err(_) => return Err(invalid(format!("{} is not a save mode.", message.mode))),
    };
    let bucket_by = match message.bucket_by {
        Some(b) => Some((count(b.num_buckets, "bucket_by.num_buckets")?, b.bucket_column_names)),
        None => None,
    };
    Ok(Command::Write(Write {
        target: write_target(message.save_type)?,
        input: relation(message.input.required("write_operation.input")?, context)?,
        format: message.source.filter(|s| !s.is_empty()),
        mode,
        partition_by: message.partitioning_columns,
        options: sorted(message.options),
        bucket_by,
        sort_by: message.sort_column_names,
    }))
}

fn write_target(message: Option<SaveType>) -> Result<WriteTarget> {
    let table = match message {
        None => return Ok(WriteTarget::None),
        Some(SaveType::Path(path)) => return Ok(WriteTarget::Path(path)),
        Some(SaveType::Table(table)) => table,
    };
    let name = name_parts(&table.table_name)?;
    match TableSaveMethod::try_from(table.save_method) {
        Ok(TableSaveMethod::SaveAsTable) => Ok(WriteTarget::Table(name)),
        Ok(TableSaveMethod::InsertInto) => Ok(WriteTarget::InsertInto(name)),
        Ok(TableSaveMethod::Unspecified) | Err(_) => {
            Err(missing("write_operation.table.save_method"))
        }
    }
}

/// `df.writeTo(table)`.
fn write_v2(message: pb::WriteOperationV2, context: Context<'_>) -> Result<Command> {
    let replace = match ModeV2::try_from(message.mode) {
        Ok(ModeV2::Create) => ReplaceMode::Fail,
        Ok(ModeV2::CreateOrReplace) => ReplaceMode::Replace,
        Ok(ModeV2::Append) => return append_v2(message, context),
        Ok(ModeV2::Replace) => return Err(SparkError::unsupported("writeTo(…).replace()")),
        Ok(ModeV2::Overwrite) => return Err(SparkError::unsupported("writeTo(…).overwrite()")),
        Ok(ModeV2::OverwritePartitions) => {
            return Err(SparkError::unsupported("writeTo(…).overwritePartitions()"));
        }
        Ok(ModeV2::Unspecified) | Err(_) => return Err(missing("write_operation_v2.mode")),
    };
    refuse_v2_extras(&message)?;
    let partition_by =
        message.partitioning_columns.into_iter().map(|column| match crate::expression::expression(
            column, context,
        )? {
            plan::Expr::Column { mut name, .. } if name.len() == 1 => Ok(name.remove(0)),
            _ => Err(SparkError::unsupported("A partition transform (partitionedBy)")),
        });
    Ok(Command::CreateTable(CreateTable {
        name: name_parts(&message.table_name)?,
        replace,
        schema: Vec::new(),
        format: message.provider,
        options: sorted(message.options),
        location: None,
        partition_by: partition_by.collect::<Result<_>>()?,
        comment: None,
        properties: sorted(message.table_properties),
        query: Some(relation(message.input.required("write_operation_v2.input")?, context)?),
    }))
}

/// Like `saveAsTable` in append mode: columns are matched by name.
fn append_v2(message: pb::WriteOperationV2, context: Context<'_>) -> Result<Command> {
    refuse_v2_extras(&message)?;
    Ok(Command::Write(Write {
        input: relation(message.input.required("write_operation_v2.input")?, context)?,
        format: message.provider,
        target: WriteTarget::Table(name_parts(&message.table_name)?),
        mode: SaveMode::Append,
        partition_by: Vec::new(),
        options: sorted(message.options),
        bucket_by: None,
        sort_by: Vec::new(),
    }))
}

fn refuse_v2_extras(message: &pb::WriteOperationV2) -> Result<()> {
    if !message.clustering_columns.is_empty() {
        return Err(SparkError::unsupported("clusterBy of writeTo"));
    }
    if message.with_schema_evolution {
        return Err(SparkError::unsupported("withSchemaEvolution of writeTo"));
    }
    Ok(())
}
