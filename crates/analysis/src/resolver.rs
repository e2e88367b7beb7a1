//! The resolver, with its state and result types.

use crate::python::Profiles;
use crate::scope::Scope;
use crate::{Context, Env, Facts, JoinStrategy, Result, missing, typed};
use datafusion::common::Column as DfColumn;
use datafusion::logical_expr::{Expr as DfExpr, LogicalPlan};
use plan::{Field, Relation};
use std::borrow::Cow;
use std::sync::Arc;

/// A plan, with the program's names of its columns.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub(crate) plan: LogicalPlan,
    pub(crate) scope: Scope,
    /// The input of the select list, for names that the list lacks.
    pub(crate) below: Option<Box<missing::Below>>,
}

impl Resolved {
    pub(crate) fn new(plan: LogicalPlan, scope: Scope) -> Self {
        Self { plan, scope, below: None }
    }
}

/// Metrics to compute alongside a relation.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Name of the observation.
    pub name: String,
    /// Relation that yields one row: the metrics.
    pub metrics: Relation,
    /// Environment of the observation.
    pub env: Env,
}

/// A resolved relation.
#[derive(Debug)]
pub struct Finished {
    /// The plan; its columns are those of `schema`, in order.
    pub plan: LogicalPlan,
    /// The plan by which relations are compared.
    pub resolved: Arc<LogicalPlan>,
    /// The program's names of the columns, and their types.
    pub schema: Vec<Field>,
    /// Metrics requested by the relation.
    pub observed: Vec<Observed>,
}

/// Resolves one relation.
#[derive(Debug)]
pub struct Resolver<'a> {
    pub(crate) context: Cow<'a, Context>,
    pub(crate) facts: &'a Facts,
    /// Number of columns created so far.
    pub(crate) named: u64,
    pub(crate) env: Env,
    /// Scopes of the enclosing queries, innermost last.
    pub(crate) outer: Vec<Scope>,
    /// Parameters of the enclosing lambdas, innermost last.
    pub(crate) lambdas: Vec<typed::LambdaScope>,
    /// Types of all columns created so far.
    pub(crate) types: typed::ColumnTypes,
    /// Whether null counts as false in the next expression.
    pub(crate) conjunct: bool,
    /// Whether a query of `WITH RECURSIVE` was found to refer to itself.
    pub(crate) names_itself: bool,
    /// Scalar subqueries, with the columns in scope.
    pub(crate) scalars: Vec<((Relation, Env, Vec<String>), typed::Typed)>,
    /// Metrics requested so far.
    pub(crate) observed: Vec<Observed>,
    /// Hints for tables of the enclosing `FROM` clause.
    pub(crate) hints: Vec<TableHint>,
    /// Numbers of the profiles of Python functions.
    pub(crate) profiles: Profiles,
    /// Warnings for the user.
    pub(crate) warnings: Vec<String>,
}

/// A hint for a table by name.
#[derive(Debug)]
pub(crate) struct TableHint {
    pub(crate) strategy: JoinStrategy,
    pub(crate) table: Vec<String>,
    /// Whether there is such a table.
    pub(crate) is_used: bool,
}

impl<'a> Resolver<'a> {
    /// Creates a resolver; `env` is the environment of the relation, by default the session's own.
    pub fn new(context: &'a Context, facts: &'a Facts, env: Option<Env>) -> Self {
        let settings = env.as_ref().and_then(|env| env.settings.as_ref());
        let under = settings.and_then(|settings| context.under(settings).ok());
        Self {
            context: under.map_or(Cow::Borrowed(context), Cow::Owned),
            facts,
            named: 0,
            env: env.unwrap_or_else(|| Env::of_views(context.views.clone())),
            outer: Vec::new(),
            lambdas: Vec::new(),
            types: typed::ColumnTypes::default(),
            conjunct: false,
            names_itself: false,
            scalars: Vec::new(),
            observed: Vec::new(),
            hints: Vec::new(),
            profiles: Profiles::default(),
            warnings: Vec::new(),
        }
    }

    /// Resolves a relation; the plan has exactly the columns of the schema, in order.
    pub fn finish(mut self, relation: &Relation) -> Result<Finished> {
        let resolved = self.relation(relation)?;
        for warning in self.warnings.drain(..) {
            tracing::warn!("{warning}");
        }
        let fields = resolved.scope.fields();
        let whole = Arc::new(resolved.plan.clone());
        let resolved = self.exact(resolved)?;
        let plan = self.with_file_columns(resolved.plan)?;
        let plan = self.decorrelated(plan)?;
        Ok(Finished { plan, resolved: whole, schema: fields, observed: self.observed })
    }

    /// A fresh id for a column.
    pub(crate) fn new_id(&mut self) -> String {
        self.named += 1;
        format!("#{}", self.named)
    }
}

/// A reference to a column of a plan by id.
pub(crate) fn reference(id: &str) -> DfExpr {
    DfExpr::Column(DfColumn::new_unqualified(id))
}
