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
    Want(Vec<Want>),
}

/// Both of two independent parts, resolved in this order. What either wants to know is asked for at
/// once, so that resolution need not start again for each.
pub(crate) fn both<R, T>(
    resolver: &mut R,
    one: impl FnOnce(&mut R) -> Result<T>,
    other: impl FnOnce(&mut R) -> Result<T>,
) -> Result<(T, T)> {
    match one(resolver) {
        Ok(one) => Ok((one, other(resolver)?)),
        Err(Stop::Want(mut wants)) => {
            if let Err(Stop::Want(more)) = other(resolver) {
                let new = more.into_iter().filter(|want| !wants.contains(want));
                wants.extend(new.collect::<Vec<_>>());
            }
            Err(Stop::Want(wants))
        }
        Err(error) => Err(error),
    }
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
            None => Err(Stop::Want(vec![want])),
        }
    }
}
