//! External facts that resolution asks for, and their answers.

use crate::Env;
use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use model::conf::BadSetting;
use plan::{Field, Relation, ScanOptions, SparkError};
use sources::SourceTable;

/// Why resolution stopped.
#[derive(Debug)]
pub enum Stop {
    /// The program is wrong.
    Error(Box<SparkError>),
    /// Something must be known first.
    Want(Box<Want>),
}

/// Result of resolution.
pub type Result<T> = std::result::Result<T, Stop>;

impl From<SparkError> for Stop {
    fn from(error: SparkError) -> Self {
        Self::Error(Box::new(error))
    }
}

impl From<BadSetting> for Stop {
    fn from(error: BadSetting) -> Self {
        SparkError::from(error).into()
    }
}

impl From<DataFusionError> for Stop {
    fn from(error: DataFusionError) -> Self {
        functions::spark_error(&error).into()
    }
}

/// A fact that resolution cannot go on without.
#[derive(Debug, Clone, PartialEq)]
pub enum Want {
    /// The files of a source.
    Files(ScanOptions),
    /// The rows of a relation, in the environment of its occurrence.
    Rows(Relation, Env),
    /// The files of a checkpoint.
    Checkpoint(String),
}

/// Answer to a want.
#[derive(Debug)]
pub enum Fact {
    /// A source whose files can be scanned.
    Files(SourceTable),
    /// Rows, with their schema.
    Rows {
        /// Their columns.
        schema: Vec<Field>,
        /// The rows.
        batches: Vec<RecordBatch>,
    },
}

/// All answers so far.
#[derive(Debug, Default)]
pub struct Facts(Vec<(Want, Fact)>);

impl Facts {
    /// Adds an answer.
    pub fn add(&mut self, want: Want, fact: Fact) {
        self.0.push((want, fact));
    }

    /// The files of all sources.
    pub fn files(&self) -> Vec<String> {
        let sources = self.0.iter().filter_map(|fact| match fact {
            (Want::Files(_), Fact::Files(source)) => Some(source),
            _ => None,
        });
        sources.flat_map(|source| source.files.iter().cloned()).collect()
    }

    pub(crate) fn get(&self, want: Want) -> Result<&Fact> {
        match self.0.iter().find(|(known, _)| *known == want) {
            Some((_, fact)) => Ok(fact),
            None => Err(Stop::Want(Box::new(want))),
        }
    }
}
