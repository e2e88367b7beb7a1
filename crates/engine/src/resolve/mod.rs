//! Gives a program's plan its meaning: names become columns, function names functions, Spark's type rules become casts. The result is a
//! `DataFusion` plan in which every column has an opaque name of its own (`#17`), beside a `Scope` that knows what the program calls it.
//!
//! Resolving is a synchronous function over what is known. What must first be asked of the world (the schema of files, the values of a pivot)
//! stops it with a `Want`; the session fetches it, adds it to the `Facts`, and resolves again.

mod aggregate;
mod call;
mod column;
mod decorrelate;
mod error;
mod expression;
mod frame;
mod generate;
mod join;
mod lateral;
mod leaf;
mod literal;
mod local_sort;
mod missing;
mod nearest;
mod nullability;
mod nulls;
mod observe;
mod orderable;
mod pivot;
mod place;
mod project;
mod recursive;
mod relation;
mod reshape;
mod rows;
mod sample;
mod schema_text;
mod scope;
mod set;
mod shape;
mod sort;
mod statistics;
mod subquery;
mod time_window;
mod transpose;
mod unpivot;
mod window;
mod within_group;

pub use local_sort::LocalSort;

pub(crate) use error::{quoted, table_not_found};
pub(crate) use local_sort::LocalSortPlanner;
pub(crate) use rows::fitted;
pub(crate) use scope::same_name;

use crate::files::Source;
use crate::session::{Catalogue, Variables, ViewMap};
use arrow::record_batch::RecordBatch;
use datafusion::common::Column as DfColumn;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr as DfExpr, LogicalPlan};
use model::conf::{self, BadSetting, Conf, MapKeyDedupPolicy};
use plan::{Expr, Field, Relation, ScanOptions, SparkError, TextParser};
use scope::Scope;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why resolving stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The program is wrong.
    Error(Box<SparkError>),
    /// Something must be known first.
    Want(Box<Want>),
}

pub(crate) type Result<T> = std::result::Result<T, Stop>;

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
        crate::physical::spark_error(&error).into()
    }
}

/// Something that must be known before resolving can go on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Want {
    /// The files of a source.
    Files(ScanOptions),
    /// The rows of a relation, in the environment it was met in.
    Rows(Relation, Env),
}

/// What a want was answered with.
#[derive(Debug)]
pub(crate) enum Fact {
    /// Files that can be scanned.
    Files(Source),
    /// Rows, with their schema.
    Rows { schema: Vec<Field>, batches: Vec<RecordBatch> },
}

/// All wants answered so far.
#[derive(Debug, Default)]
pub(crate) struct Facts(Vec<(Want, Fact)>);

impl Facts {
    pub(crate) fn add(&mut self, want: Want, fact: Fact) {
        self.0.push((want, fact));
    }

    /// The files of all sources.
    pub(crate) fn files(&self) -> Vec<String> {
        let sources = self.0.iter().filter_map(|(_, fact)| match fact {
            Fact::Files(source) => Some(source),
            Fact::Rows { .. } => None,
        });
        sources.flat_map(|source| source.files.iter().cloned()).collect()
    }

    fn get(&self, want: Want) -> Result<&Fact> {
        match self.0.iter().find(|(known, _)| *known == want) {
            Some((_, fact)) => Ok(fact),
            None => Err(Stop::Want(Box::new(want))),
        }
    }
}

/// Whether rows may be asked for while resolving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Only the schema is wanted: what must be computed first may be left empty.
    Schema,
    /// The plan will run.
    Run,
}

/// What resolving depends on.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) conf: Conf,
    pub(crate) case_sensitive: bool,
    pub(crate) shuffle_partitions: u32,
    pub(crate) registry: Arc<functions::Registry>,
    pub(crate) functions: functions::Context,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) views: ViewMap,
    pub(crate) variables: Variables,
    pub(crate) database: String,
    pub(crate) parser: Arc<dyn TextParser>,
    /// Task slots: the default parallelism.
    pub(crate) parallelism: u32,
    pub(crate) purpose: Purpose,
}

impl Context {
    /// The same under other settings, as far as these say what a program means.
    fn under(&self, conf: &Conf) -> Result<Self> {
        let mut context = self.clone();
        context.functions.ansi = conf.get(&conf::ANSI)?;
        let zone = conf.find(&conf::TIME_ZONE)?;
        context.functions.time_zone = zone.unwrap_or_else(crate::session::machine_zone);
        let policy = conf.get(&conf::MAP_KEY_DEDUP_POLICY)?;
        context.functions.last_key_wins = policy == MapKeyDedupPolicy::LastWin;
        context.case_sensitive = conf.get(&conf::CASE_SENSITIVE)?;
        context.conf = conf.clone();
        Ok(context)
    }

    /// Whether a name used matches a name declared.
    fn same(&self, left: &str, right: &str) -> bool {
        same_name(left, right, self.case_sensitive)
    }

    fn flag(&self, key: &conf::Key<bool>) -> Result<bool> {
        Ok(self.conf.get(key)?)
    }
}

/// A plan, and what the program calls its columns.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub(crate) plan: LogicalPlan,
    pub(crate) scope: Scope,
    /// What stands below a select list, for names that it does not have.
    below: Option<Box<missing::Below>>,
}

impl Resolved {
    fn new(plan: LogicalPlan, scope: Scope) -> Self {
        Self { plan, scope, below: None }
    }
}

/// What names mean at a place of the program.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Env {
    /// Views that can be seen; inside a view, those that could be seen where it was made.
    views: ViewMap,
    /// `WITH` names, innermost last.
    queries: Vec<leaf::NamedQuery>,
    /// Relations that `Reference` names.
    references: Arc<BTreeMap<i64, Relation>>,
    /// Arguments of the SQL text.
    arguments: Arc<Vec<(String, Expr)>>,
    /// Names of the views around, to notice one that contains itself.
    inside: Vec<String>,
    /// The settings of the view around, if there is one.
    settings: Option<Arc<Conf>>,
}

impl Env {
    pub(crate) fn of_views(views: ViewMap) -> Self {
        Self { views, ..Self::default() }
    }
}

/// Metrics to be computed beside a relation.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    /// Name of the observation.
    pub(crate) name: String,
    /// Yields one row, the metrics.
    pub(crate) metrics: Relation,
    /// Where it was met.
    pub(crate) env: Env,
}

/// A relation with a meaning.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) plan: LogicalPlan,
    pub(crate) schema: Vec<Field>,
    pub(crate) observed: Vec<Observed>,
}

/// Resolves one relation.
#[derive(Debug)]
pub(crate) struct Resolver<'a> {
    context: Cow<'a, Context>,
    facts: &'a Facts,
    /// Columns named so far.
    named: u64,
    env: Env,
    /// Scopes of the queries around this subquery, innermost last.
    outer: Vec<Scope>,
    /// Parameters of the lambdas around this expression, innermost last.
    lambdas: Vec<expression::LambdaScope>,
    /// Types of all columns named so far.
    types: expression::ColumnTypes,
    /// Whether an unknown value of the next expression counts as false.
    conjunct: bool,
    /// Queries used as values, with the columns around them.
    scalars: Vec<((Relation, Env, Vec<String>), expression::Typed)>,
    /// Metrics asked for on the way.
    observed: Vec<Observed>,
    /// What is worth telling the user.
    pub(crate) warnings: Vec<String>,
}

impl<'a> Resolver<'a> {
    /// A resolver; `env` is what names mean where the relation stands, the session's own by default.
    pub(crate) fn new(context: &'a Context, facts: &'a Facts, env: Option<Env>) -> Self {
        let settings = env.as_ref().and_then(|env| env.settings.as_ref());
        let under = settings.and_then(|settings| context.under(settings).ok());
        Self {
            context: under.map_or(Cow::Borrowed(context), Cow::Owned),
            facts,
            named: 0,
            env: env.unwrap_or_else(|| Env::of_views(Arc::clone(&context.views))),
            outer: Vec::new(),
            lambdas: Vec::new(),
            types: expression::ColumnTypes::default(),
            conjunct: false,
            scalars: Vec::new(),
            observed: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Resolves a relation; the plan has exactly the columns of the schema, in order.
    pub(crate) fn finish(mut self, relation: &Relation) -> Result<Finished> {
        let resolved = self.relation(relation)?;
        for warning in self.warnings.drain(..) {
            tracing::warn!("{warning}");
        }
        let fields = resolved.scope.fields();
        let resolved = self.exact(resolved)?;
        let plan = self.decorrelated(resolved.plan)?;
        Ok(Finished { plan, schema: fields, observed: self.observed })
    }

    /// A name for a new column.
    fn new_id(&mut self) -> String {
        self.named += 1;
        format!("#{}", self.named)
    }
}

/// A column of a plan, by its opaque name.
fn reference(id: &str) -> DfExpr {
    DfExpr::Column(DfColumn::new_unqualified(id))
}
