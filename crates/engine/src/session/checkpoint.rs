//! Checkpoints of relations: rows that are held in the place of what they were computed from. Local
//! ones are stored like those of a cache, reliable ones in files of the checkpoint directory.

use super::{Answer, Session};
use crate::RunJob;
use crate::physical::{self, StoredTable};
use analysis::{Caches, Checkpoint, Purpose};
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, lit};
use errors::Exception;
use functions::spark_error;
use model::conf::{CHECKPOINT_DIR, Conf};
use plan::{
    DataType, Field, Relation, RelationKind, SaveMode, ScanOptions, SchemaOrText, SparkError,
    Write, WriteTarget,
};
use sources::{ReadRequest, SourceTable};
use std::sync::Arc;
use uuid::Uuid;

/// The format of files in the checkpoint directory.
const FORMAT: &str = "parquet";

impl Session {
    /// Makes a checkpoint of a relation and returns its id. Reliable ones are written below
    /// `directory`, or that of the settings.
    pub async fn checkpoint(
        &self,
        checkpoint: &plan::Checkpoint,
        directory: Option<&str>,
        run: &dyn RunJob,
    ) -> Result<String, SparkError> {
        let analyzed = self.resolve(&checkpoint.input, Purpose::Run, None, run).await?;
        let conf = self.planning_conf();
        let number = {
            let mut state = self.change();
            state.caches += 1;
            state.caches
        };
        let directory = if checkpoint.local {
            None
        } else {
            let base = self.checkpoint_directory(directory, &conf)?;
            Some(format!("{base}/frame-{number}"))
        };
        self.observe(&analyzed, run).await?;
        let plan = physical::fixed_plan(&self.shared.state, &analyzed.plan, &conf, run).await?;
        let cache = Caches::new(self.number()).numbered(number);
        let table = StoredTable::new(plan, (cache, checkpoint.local), Checkpoint::held);
        let id = Uuid::new_v4().to_string();
        let made =
            Checkpoint { table: Arc::new(table), schema: analyzed.schema, pending: directory };
        self.change_checkpoints(|all| all.insert(id.clone(), made));
        if checkpoint.eager
            && let Err(error) = self.materialize(&id, checkpoint.local, run).await
        {
            self.drop_checkpoint(&id, run).await?;
            return Err(error);
        }
        Ok(id)
    }

    /// Computes the rows of a checkpoint now.
    async fn materialize(
        &self,
        id: &str,
        is_local: bool,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        if is_local {
            let relation: Relation = RelationKind::CachedRemote(id.to_owned()).into();
            Box::pin(self.compute_all(&relation, run)).await
        } else {
            self.written_checkpoint(id, run).await.map(drop)
        }
    }

    /// Forgets a checkpoint. Files in the checkpoint directory stay, as in Spark.
    pub(super) async fn drop_checkpoint(
        &self,
        id: &str,
        run: &dyn RunJob,
    ) -> Result<Option<Answer>, SparkError> {
        let gone = self.change_checkpoints(|all| all.remove(id));
        let table = gone.as_ref().and_then(|gone| gone.table.downcast_ref::<StoredTable>());
        if let Some(table) = table {
            run.uncache(table.cache()).await?;
        }
        Ok(None)
    }

    /// The files of a reliable checkpoint, which are written if they are not there yet.
    pub(super) async fn written_checkpoint(
        &self,
        id: &str,
        run: &dyn RunJob,
    ) -> Result<SourceTable, SparkError> {
        // Two queries may want the same checkpoint at once.
        let _one = self.checkpointing.lock().await;
        let checkpoint = self.state().checkpoints.get(id).cloned();
        let Some(Checkpoint { table, schema, pending: Some(directory) }) = checkpoint else {
            return Err(SparkError::internal("a checkpoint is written that is not pending"));
        };
        let conf = self.planning_conf();
        let (rows, fields) = writable(table, &schema).map_err(|error| spark_error(&error))?;
        let write = Write {
            input: RelationKind::CachedRemote(id.to_owned()).into(),
            format: Some(FORMAT.to_owned()),
            target: WriteTarget::Path(directory.clone()),
            mode: SaveMode::ErrorIfExists,
            partition_by: Vec::new(),
            options: Vec::new(),
            bucket_by: None,
            sort_by: Vec::new(),
        };
        crate::write(&self.shared.state, &conf, run, (&rows, &fields), &write).await?;
        let scan = ScanOptions {
            format: Some(FORMAT.to_owned()),
            paths: vec![directory],
            schema: Some(SchemaOrText::Schema(fields)),
            options: Vec::new(),
        };
        let runtime = self.shared.state.runtime_env();
        let read = ReadRequest { scan: &scan, conf: &conf, slots: run.slots(), runtime };
        let mut source = sources::source(FORMAT)?.open(read).await?;
        source.provider = sources::file_by_file(&source.provider);
        let table = Arc::clone(&source.provider);
        let written = Checkpoint { table, schema, pending: None };
        self.change_checkpoints(|all| all.insert(id.to_owned(), written));
        Ok(source)
    }

    fn checkpoint_directory(&self, given: Option<&str>, conf: &Conf) -> Result<String, SparkError> {
        if let Some(given) = given {
            return Ok(given.to_owned());
        }
        let base = conf.find(&CHECKPOINT_DIR)?.ok_or_else(|| {
            let message = "Checkpoint directory has not been set in the SparkContext";
            SparkError::plain(Exception::Spark, message)
        })?;
        Ok(format!("{}/{}", base.trim_end_matches('/'), Uuid::from_u64_pair(self.number(), 0)))
    }

    fn change_checkpoints<T>(&self, change: impl FnOnce(&mut analysis::Checkpoints) -> T) -> T {
        change(Arc::make_mut(&mut self.change().checkpoints))
    }
}

/// The rows of a checkpoint as they are written, and their columns. Files have at least one.
fn writable(
    table: Arc<dyn TableProvider>,
    schema: &[Field],
) -> datafusion::common::Result<(LogicalPlan, Vec<Field>)> {
    let name = TableReference::bare("checkpoint");
    let rows = LogicalPlanBuilder::scan(name, provider_as_source(table), None)?;
    if schema.is_empty() {
        let rows = rows.project([lit(true).alias(Checkpoint::held(0))])?.build()?;
        return Ok((rows, vec![Field::new(Checkpoint::held(0), DataType::Boolean, false)]));
    }
    let held = |(at, field): (usize, &Field)| Field { name: Checkpoint::held(at), ..field.clone() };
    Ok((rows.build()?, schema.iter().enumerate().map(held).collect()))
}
