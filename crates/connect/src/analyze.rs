//! `AnalyzePlan`: questions about a relation that are answered without running it.

use crate::command;
use crate::context::count;
use crate::error::{Required, invalid};
use crate::json_type;
use crate::pb;
use crate::pb::analyze_plan_request::Analyze;
use crate::pb::analyze_plan_response as answer;
use crate::pb::analyze_plan_response::Result as Answer;
use crate::relation::relation;
use crate::session::OpenSession;
use crate::types::data_type_message;
use plan::{ExplainMode, SparkError, StorageLevel};

type Result<T> = std::result::Result<T, SparkError>;

/// The Spark version whose behaviour is implemented; clients compare it with their own.
const SPARK_VERSION: &str = "4.2.0";

/// Answers one question.
pub(crate) async fn analyze(question: Option<Analyze>, open: &OpenSession) -> Result<Answer> {
    let context = open.context();
    let session = &open.session;
    Ok(match question.required("analyze_plan.analyze")? {
        Analyze::Schema(q) => {
            let schema = session.schema(&command::root(q.plan, context)?).await?;
            Answer::Schema(answer::Schema { schema: Some(data_type_message(&schema)) })
        }
        Analyze::Explain(q) => {
            let mode = explain_mode(q.explain_mode)?;
            let explain_string = session.explain(&command::root(q.plan, context)?, mode).await?;
            Answer::Explain(answer::Explain { explain_string })
        }
        Analyze::TreeString(q) => {
            let depth = q.level.map(|level| count(level, "tree_string.level")).transpose()?;
            let schema = session.schema(&command::root(q.plan, context)?).await?;
            Answer::TreeString(answer::TreeString { tree_string: schema.tree(depth) })
        }
        Analyze::IsLocal(q) => {
            let is_local = session.is_local(&command::root(q.plan, context)?).await?;
            Answer::IsLocal(answer::IsLocal { is_local })
        }
        Analyze::IsStreaming(q) => {
            // Streaming relations are refused, so the relation is never streaming.
            command::root(q.plan, context)?;
            Answer::IsStreaming(answer::IsStreaming { is_streaming: false })
        }
        Analyze::InputFiles(q) => {
            let files = session.input_files(&command::root(q.plan, context)?).await?;
            Answer::InputFiles(answer::InputFiles { files })
        }
        Analyze::SparkVersion(_) => {
            Answer::SparkVersion(answer::SparkVersion { version: SPARK_VERSION.to_owned() })
        }
        Analyze::DdlParse(q) => {
            let parsed = session.parse_ddl(&q.ddl_string)?;
            Answer::DdlParse(answer::DdlParse { parsed: Some(data_type_message(&parsed)) })
        }
        Analyze::JsonToDdl(q) => {
            let ddl_string = json_type::ddl(&json_type::parse(&q.json_string)?);
            Answer::JsonToDdl(answer::JsonToDdl { ddl_string })
        }
        other => return analyze_kept(other, open).await,
    })
}

/// Answers questions about the identity of relations and their storage levels.
async fn analyze_kept(question: Analyze, open: &OpenSession) -> Result<Answer> {
    let context = open.context();
    let session = &open.session;
    Ok(match question {
        Analyze::SameSemantics(q) => {
            let one = command::root(q.target_plan, context)?;
            let other = command::root(q.other_plan, context)?;
            let result = session.same_semantics(&one, &other).await?;
            Answer::SameSemantics(answer::SameSemantics { result })
        }
        Analyze::SemanticHash(q) => {
            let result = session.semantic_hash(&command::root(q.plan, context)?).await?;
            Answer::SemanticHash(answer::SemanticHash { result })
        }
        Analyze::Persist(q) => {
            let of = relation(q.relation.required("persist.relation")?, context)?;
            let level = match q.storage_level {
                Some(message) => storage_level(message)?,
                None => StorageLevel::MEMORY_AND_DISK,
            };
            session.persist(&of, Some(level)).await?;
            Answer::Persist(answer::Persist {})
        }
        Analyze::Unpersist(q) => {
            let of = relation(q.relation.required("unpersist.relation")?, context)?;
            session.persist(&of, None).await?;
            Answer::Unpersist(answer::Unpersist {})
        }
        Analyze::GetStorageLevel(q) => {
            let of = relation(q.relation.required("get_storage_level.relation")?, context)?;
            let storage_level = Some(level_message(session.storage_level(&of).await?));
            Answer::GetStorageLevel(answer::GetStorageLevel { storage_level })
        }
        _ => return Err(invalid("The kind of the question is unknown to this server.")),
    })
}

fn storage_level(message: pb::StorageLevel) -> Result<StorageLevel> {
    Ok(StorageLevel {
        use_disk: message.use_disk,
        use_memory: message.use_memory,
        use_off_heap: message.use_off_heap,
        deserialized: message.deserialized,
        replication: count(message.replication, "storage_level.replication")?,
    })
}

fn level_message(level: StorageLevel) -> pb::StorageLevel {
    let StorageLevel { use_disk, use_memory, use_off_heap, deserialized, replication } = level;
    pb::StorageLevel {
        use_disk,
        use_memory,
        use_off_heap,
        deserialized,
        replication: i32::try_from(replication).unwrap_or(i32::MAX),
    }
}

fn explain_mode(number: i32) -> Result<ExplainMode> {
    use crate::pb::analyze_plan_request::explain::ExplainMode as Mode;
    Ok(match Mode::try_from(number) {
        Ok(Mode::Simple | Mode::Unspecified) => ExplainMode::Simple,
        Ok(Mode::Extended) => ExplainMode::Extended,
        Ok(Mode::Codegen) => ExplainMode::Codegen,
        Ok(Mode::Cost) => ExplainMode::Cost,
        Ok(Mode::Formatted) => ExplainMode::Formatted,
        Err(_) => return Err(invalid(format!("{number} is not a mode of explain."))),
    })
}
