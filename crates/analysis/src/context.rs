//! The context that resolution depends on: settings, functions, the catalogue, and the names
//! visible at a given place of a program.

use crate::python::PythonFunctions;
use crate::scope::same_name;
use crate::{Caches, Checkpoints, Result, leaf};
use catalogue::{Catalogue, Variables, ViewMap};
use model::conf::{self, Conf, MapKeyDedupPolicy};
use plan::{Expr, Relation, SparkError, TextParser};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whether resolution may ask for rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Only the schema is needed: relations that would have to be computed first may be left empty.
    Schema,
    /// The plan will be shown: nothing has to be written before.
    Show,
    /// The plan will be run.
    Run,
}

/// Everything that resolution depends on, besides facts.
#[derive(Debug, Clone)]
pub struct Context {
    /// The settings of the session.
    pub conf: Conf,
    /// Whether names are case-sensitive.
    pub case_sensitive: bool,
    /// Number of partitions of an exchange that does not give one.
    pub shuffle_partitions: u32,
    /// The registered functions.
    pub registry: Arc<functions::Registry>,
    /// Settings that functions depend on.
    pub functions: functions::Context,
    /// Databases, tables and global views.
    pub catalogue: Arc<Catalogue>,
    /// Temporary views.
    pub views: ViewMap,
    /// Variables.
    pub variables: Variables,
    /// Python functions that the session registered.
    pub python: PythonFunctions,
    /// Rows that the session has asked to be stored.
    pub caches: Caches,
    /// Frames whose rows are held.
    pub checkpoints: Arc<Checkpoints>,
    /// The current database.
    pub database: String,
    /// Parses SQL text.
    pub parser: Arc<dyn TextParser>,
    /// Number of task slots: the default parallelism.
    pub parallelism: u32,
    /// Purpose of the plan.
    pub purpose: Purpose,
}

/// The context of functions with the values of these settings.
pub fn functions_under(
    conf: &Conf,
    context: functions::Context,
) -> std::result::Result<functions::Context, SparkError> {
    Ok(functions::Context {
        ansi: conf.get(&conf::ANSI)?,
        time_zone: conf.find(&conf::TIME_ZONE)?.unwrap_or_else(crate::machine_zone),
        last_key_wins: conf.get(&conf::MAP_KEY_DEDUP_POLICY)? == MapKeyDedupPolicy::LastWin,
        corrupt_column: conf.get(&conf::CORRUPT_COLUMN)?,
        ..context
    })
}

impl Context {
    /// The same context with other settings, as far as these affect the meaning of a program.
    pub(crate) fn under(&self, conf: &Conf) -> Result<Self> {
        let mut context = self.clone();
        context.functions = functions_under(conf, context.functions)?;
        context.case_sensitive = conf.get(&conf::CASE_SENSITIVE)?;
        context.conf = conf.clone();
        Ok(context)
    }

    /// Whether a name refers to a declared one.
    pub(crate) fn same(&self, left: &str, right: &str) -> bool {
        same_name(left, right, self.case_sensitive)
    }

    pub(crate) fn flag(&self, key: &conf::Key<bool>) -> Result<bool> {
        Ok(self.conf.get(key)?)
    }
}

/// The meaning of names at a given place of the program.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Env {
    /// Visible views; inside a view, those visible at its creation.
    pub(crate) views: ViewMap,
    /// `WITH` names, innermost last.
    pub(crate) queries: Vec<leaf::NamedQuery>,
    /// Relations that `Reference` names.
    pub(crate) references: Arc<BTreeMap<i64, Relation>>,
    /// Arguments of the SQL text.
    pub(crate) arguments: Arc<Vec<(String, Expr)>>,
    /// Names of the enclosing views, to detect a view that contains itself.
    pub(crate) inside: Vec<String>,
    /// The settings of the enclosing view, if there is one.
    pub(crate) settings: Option<Arc<Conf>>,
}

impl Env {
    /// An environment with only these views.
    pub fn of_views(views: ViewMap) -> Self {
        Self { views, ..Self::default() }
    }
}
