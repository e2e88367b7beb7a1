//! What the meaning of a program depends on: settings, functions, the catalogue, and the names that
//! can be seen at a place of it.

use crate::scope::same_name;
use crate::{Result, leaf};
use catalogue::{Catalogue, Variables, ViewMap};
use model::conf::{self, Conf, MapKeyDedupPolicy};
use plan::{Expr, Relation, TextParser};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whether rows may be asked for while resolving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Only the schema is wanted: what must be computed first may be left empty.
    Schema,
    /// The plan will run.
    Run,
}

/// What resolving depends on.
#[derive(Debug, Clone)]
pub struct Context {
    /// The settings of the session.
    pub conf: Conf,
    /// Whether names that differ only in case differ.
    pub case_sensitive: bool,
    /// Partitions of an exchange that says no number.
    pub shuffle_partitions: u32,
    /// The functions.
    pub registry: Arc<functions::Registry>,
    /// What functions depend on.
    pub functions: functions::Context,
    /// Databases, tables and global views.
    pub catalogue: Arc<Catalogue>,
    /// Temporary views.
    pub views: ViewMap,
    /// Variables.
    pub variables: Variables,
    /// The current database.
    pub database: String,
    /// Reads SQL text.
    pub parser: Arc<dyn TextParser>,
    /// Task slots: the default parallelism.
    pub parallelism: u32,
    /// Why the plan is made.
    pub purpose: Purpose,
}

impl Context {
    /// The same under other settings, as far as these say what a program means.
    pub(crate) fn under(&self, conf: &Conf) -> Result<Self> {
        let mut context = self.clone();
        context.functions.ansi = conf.get(&conf::ANSI)?;
        let zone = conf.find(&conf::TIME_ZONE)?;
        context.functions.time_zone = zone.unwrap_or_else(crate::machine_zone);
        let policy = conf.get(&conf::MAP_KEY_DEDUP_POLICY)?;
        context.functions.last_key_wins = policy == MapKeyDedupPolicy::LastWin;
        context.case_sensitive = conf.get(&conf::CASE_SENSITIVE)?;
        context.conf = conf.clone();
        Ok(context)
    }

    /// Whether a name used matches a name declared.
    pub(crate) fn same(&self, left: &str, right: &str) -> bool {
        same_name(left, right, self.case_sensitive)
    }

    pub(crate) fn flag(&self, key: &conf::Key<bool>) -> Result<bool> {
        Ok(self.conf.get(key)?)
    }
}

/// What names mean at a place of the program.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Env {
    /// Views that can be seen; inside a view, those that could be seen where it was made.
    pub(crate) views: ViewMap,
    /// `WITH` names, innermost last.
    pub(crate) queries: Vec<leaf::NamedQuery>,
    /// Relations that `Reference` names.
    pub(crate) references: Arc<BTreeMap<i64, Relation>>,
    /// Arguments of the SQL text.
    pub(crate) arguments: Arc<Vec<(String, Expr)>>,
    /// Names of the views around, to notice one that contains itself.
    pub(crate) inside: Vec<String>,
    /// The settings of the view around, if there is one.
    pub(crate) settings: Option<Arc<Conf>>,
}

impl Env {
    /// Only these views.
    pub fn of_views(views: ViewMap) -> Self {
        Self { views, ..Self::default() }
    }
}
