//! Frames whose rows are held in the place of what they were computed from.

use super::leaf::{scan, scanned};
use super::scope::{Column, Scope};
use super::{Fact, Purpose, Resolved, Resolver, Result, Want};
use datafusion::catalog::TableProvider;
use datafusion::logical_expr::{LogicalPlan, Projection};
use errors::condition;
use plan::{Field, SparkError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The checkpoints of a session, by the ids that programs have for them.
pub type Checkpoints = BTreeMap<String, Checkpoint>;

/// The rows of a frame.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Reads the rows; the columns are called as [`Self::held`] says.
    pub table: Arc<dyn TableProvider>,
    /// Spark's schema.
    pub schema: Vec<Field>,
    /// The directory to which the rows are written before a query reads them.
    pub pending: Option<String>,
}

impl Checkpoint {
    /// The name of a column where it is held.
    pub fn held(at: usize) -> String {
        format!("column{at}")
    }
}

impl Resolver<'_> {
    /// The rows of a checkpoint.
    pub(super) fn checkpointed(&mut self, id: &str) -> Result<Resolved> {
        let Some(checkpoint) = self.context.checkpoints.get(id).cloned() else {
            return Err(self.not_found(id));
        };
        let table = if checkpoint.pending.is_some() && self.context.purpose == Purpose::Run {
            match self.facts.get(Want::Checkpoint(id.to_owned()))? {
                Fact::Files(source) => Arc::clone(&source.provider),
                Fact::Rows { .. } => {
                    return Err(SparkError::internal("got rows instead of a checkpoint").into());
                }
            }
        } else {
            checkpoint.table
        };
        let columns: Vec<Column> =
            checkpoint.schema.iter().map(|field| self.column_of_field(field)).collect();
        let plan = scan("checkpoint", table)?;
        let exprs = columns.iter().enumerate();
        let exprs =
            exprs.map(|(at, column)| scanned("checkpoint", &Checkpoint::held(at), &column.id));
        let plan = Projection::try_new(exprs.collect(), Arc::new(plan))?;
        Ok(Resolved::new(LogicalPlan::Projection(plan), Scope::new(columns)))
    }

    fn not_found(&self, id: &str) -> super::Stop {
        let session = self.context.caches.session();
        let message = format!(
            "The Spark Connect plan is invalid. No DataFrame with id {id} is found in the session {session}"
        );
        let class = condition::CONNECT_INVALID_PLAN_DATAFRAME_NOT_FOUND;
        SparkError::new(class, message, &[("dfId", id), ("sessionId", &session)]).into()
    }
}
