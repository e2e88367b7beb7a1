//! Rows: of plans, by jobs, and of relations that are computed on the driver.

use super::{Analyzed, Answer, RowStream, Session, display};
use crate::RunJob;
use analysis::{Caches, Env, Fit, Purpose, fit_to, fitted};
use arrow::array::{Array, ArrayRef, Int64Array, StringArray};
use arrow::datatypes::{Field as ArrowField, Fields, Schema};
use arrow::record_batch::RecordBatch;
use formats::types;
use futures::{StreamExt, TryStreamExt, stream};
use model::conf;
use plan::{DataType, Expr, Field, Literal, Relation, RelationKind, SparkError, Statement};
use std::sync::Arc;

impl From<Answer> for RowStream {
    fn from(answer: Answer) -> Self {
        let batches = stream::iter(answer.batches).map(Ok).boxed();
        Self { schema: answer.schema, batches }
    }
}

impl Answer {
    /// An answer without rows and columns.
    pub(crate) fn nothing() -> Self {
        Self { schema: Vec::new(), batches: Vec::new() }
    }

    /// One row with one string.
    pub(super) fn text(column: &str, text: String) -> Result<Self, SparkError> {
        Self::strings(&[(column, false)], vec![vec![Some(text)]])
    }

    /// Rows of strings; each column has a name and a nullability.
    pub(super) fn strings(
        columns: &[(&str, bool)],
        rows: Vec<Vec<Option<String>>>,
    ) -> Result<Self, SparkError> {
        let schema: Vec<Field> = columns
            .iter()
            .map(|(name, nullable)| Field::new(*name, DataType::String, *nullable))
            .collect();
        let arrays = (0..columns.len())
            .map(|index| {
                let texts = rows.iter().map(|row| row[index].as_deref());
                Arc::new(texts.collect::<StringArray>()) as ArrayRef
            })
            .collect();
        Self::columns(schema, arrays)
    }

    /// Rows from arrays, one per field.
    pub(super) fn columns(schema: Vec<Field>, arrays: Vec<ArrayRef>) -> Result<Self, SparkError> {
        let held = |(field, array): (&Field, &ArrayRef)| {
            ArrowField::new(&field.name, array.data_type().clone(), true)
        };
        let fields: Fields = schema.iter().zip(&arrays).map(held).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays);
        let batch = batch.map_err(|error| {
            SparkError::internal(format!("the rows of an answer are invalid: {error}"))
        })?;
        let batches = fitted(&[batch], &types::schema_to_arrow(&schema))?;
        Ok(Self { schema, batches })
    }

    /// Number of rows.
    pub fn row_count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

impl Session {
    /// The rows of a relation in a given environment.
    pub(super) async fn rows_of(
        &self,
        relation: &Relation,
        env: Option<Env>,
        run: &dyn RunJob,
    ) -> Result<Answer, SparkError> {
        if let Some(answer) = self.on_driver(relation, env.as_ref(), run).await? {
            return Ok(answer);
        }
        let analyzed = self.resolve(relation, Purpose::Run, env, run).await?;
        self.observe(&analyzed, run).await?;
        self.compute(analyzed, run).await
    }

    /// As `rows_of`, without having all rows in memory.
    pub(super) async fn stream_of(
        &self,
        relation: &Relation,
        run: &dyn RunJob,
    ) -> Result<RowStream, SparkError> {
        if let Some(answer) = self.on_driver(relation, None, run).await? {
            return Ok(answer.into());
        }
        let analyzed = self.resolve(relation, Purpose::Run, None, run).await?;
        self.observe(&analyzed, run).await?;
        let conf = self.planning_conf();
        let job = crate::plan_job(&self.shared.state, &analyzed.plan, &conf, run).await?;
        let rows = run.rows(job).await?;
        let mut fit = Fit::new(&types::schema_to_arrow(&analyzed.schema));
        let mut seen = rows.read();
        while let Some(batch) = seen.try_next().await? {
            fit.see(&batch)?;
        }
        let schema = fit.schema();
        let fitted = move |batch: RecordBatch| std::future::ready(fit_to(&batch, &schema));
        let batches = rows.read().try_filter(|batch| std::future::ready(batch.num_rows() > 0));
        Ok(RowStream { schema: analyzed.schema, batches: batches.and_then(fitted).boxed() })
    }

    /// Runs a plan as one job.
    pub(super) async fn compute(
        &self,
        analyzed: Analyzed,
        run: &dyn RunJob,
    ) -> Result<Answer, SparkError> {
        let conf = self.planning_conf();
        let job = crate::plan_job(&self.shared.state, &analyzed.plan, &conf, run).await?;
        let partitions = run.run(job).await?;
        let arrow = types::schema_to_arrow(&analyzed.schema);
        let mut batches: Vec<RecordBatch> = partitions.into_iter().flatten().collect();
        batches.retain(|batch| batch.num_rows() > 0);
        Ok(Answer { batches: fitted(&batches, &arrow)?, schema: analyzed.schema })
    }

    /// Computes relations that are derived from other rows on the driver; `None` for other
    /// relations.
    async fn on_driver(
        &self,
        relation: &Relation,
        env: Option<&Env>,
        run: &dyn RunJob,
    ) -> Result<Option<Answer>, SparkError> {
        match relation.kind.as_ref() {
            RelationKind::ShowString { input, rows, truncate, vertical } => {
                let zone = self.time_zone()?;
                let style = display::Style {
                    rows: *rows as usize,
                    truncate: *truncate as usize,
                    time_zone: &zone,
                };
                let answer = self.first_rows(input, *rows, env, run).await?;
                let print = if *vertical { display::vertical } else { display::table };
                let text = print(&answer.schema, &answer.batches, style)?;
                Answer::text("show_string", text).map(Some)
            }
            RelationKind::HtmlString { input, rows, truncate } => {
                let zone = self.time_zone()?;
                let style = display::Style {
                    rows: *rows as usize,
                    truncate: *truncate as usize,
                    time_zone: &zone,
                };
                let answer = self.first_rows(input, *rows, env, run).await?;
                let text = display::html(&answer.schema, &answer.batches, style)?;
                Answer::text("html_string", text).map(Some)
            }
            RelationKind::Tail { input, limit } => {
                let answer = Box::pin(self.rows_of(input, env.cloned(), run)).await?;
                Ok(Some(tail(answer, *limit as usize)))
            }
            RelationKind::CountPartitions { input } => {
                let analyzed = self.resolve(input, Purpose::Run, env.cloned(), run).await?;
                let conf = self.planning_conf();
                let count = crate::count_partitions(&self.shared.state, &analyzed.plan, &conf, run);
                let count = i64::try_from(count.await?).unwrap_or(i64::MAX);
                let schema = vec![Field::new("count", DataType::Long, false)];
                let counts: ArrayRef = Arc::new(Int64Array::from(vec![count]));
                Answer::columns(schema, vec![counts]).map(Some)
            }
            RelationKind::StoredPartitions { plan_id } => {
                let cache = Caches::new(self.number()).of_rdd(*plan_id);
                let (partitions, bytes) = run.stored(cache).await?;
                let column = |name: &str| Field::new(name, DataType::Long, false);
                let value = |number: u64| -> ArrayRef {
                    Arc::new(Int64Array::from(vec![i64::try_from(number).unwrap_or(i64::MAX)]))
                };
                let schema = vec![column("partitions"), column("bytes")];
                Answer::columns(schema, vec![value(partitions), value(bytes)]).map(Some)
            }
            RelationKind::ApplicationStatus => {
                Answer::text("status", run.application_status().await?).map(Some)
            }
            _ => match self.statement_of(relation)? {
                Some(Statement::Command(command)) => {
                    let answer = Box::pin(self.command(&command, run)).await?;
                    Ok(Some(answer.unwrap_or_else(Answer::nothing)))
                }
                Some(Statement::Query(_)) | None => Ok(None),
            },
        }
    }

    /// The first rows: one more than requested, to know whether there are more.
    async fn first_rows(
        &self,
        input: &Relation,
        rows: u32,
        env: Option<&Env>,
        run: &dyn RunJob,
    ) -> Result<Answer, SparkError> {
        let limit = Expr::Literal(Literal::Long(i64::from(rows) + 1));
        let limited = RelationKind::Limit { input: input.clone(), limit }.into();
        Box::pin(self.rows_of(&limited, env.cloned(), run)).await
    }

    /// The session's time zone.
    pub(super) fn time_zone(&self) -> Result<String, SparkError> {
        let zone = self.state().conf.find(&conf::TIME_ZONE)?;
        Ok(zone.unwrap_or_else(analysis::machine_zone))
    }
}

/// The last rows.
fn tail(mut answer: Answer, wanted: usize) -> Answer {
    let mut surplus = answer.row_count().saturating_sub(wanted);
    let mut kept = Vec::new();
    for batch in answer.batches.drain(..) {
        let skipped = surplus.min(batch.num_rows());
        surplus -= skipped;
        if skipped < batch.num_rows() {
            kept.push(batch.slice(skipped, batch.num_rows() - skipped));
        }
    }
    answer.batches = kept;
    answer
}
