//! The resolver: what it knows, what it asks for, and what comes out.

use crate::scope::Scope;
use crate::{Context, Env, Facts, Result, missing, typed};
use datafusion::common::Column as DfColumn;
use datafusion::logical_expr::{Expr as DfExpr, LogicalPlan};
use plan::{Field, Relation};
use std::borrow::Cow;
use std::sync::Arc;

/// A plan, and what the program calls its columns.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub(crate) plan: LogicalPlan,
    pub(crate) scope: Scope,
    /// What stands below a select list, for names that it does not have.
    pub(crate) below: Option<Box<missing::Below>>,
}

impl Resolved {
    pub(crate) fn new(plan: LogicalPlan, scope: Scope) -> Self {
        Self { plan, scope, below: None }
    }
}

/// Metrics to be computed beside a relation.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Name of the observation.
    pub name: String,
    /// Yields one row, the metrics.
    pub metrics: Relation,
    /// Where it was met.
    pub env: Env,
}

/// A relation with a meaning.
#[derive(Debug)]
pub struct Finished {
    /// The plan; its columns are those of `schema`, in order.
    pub plan: LogicalPlan,
    /// What the program calls its columns, and their types.
    pub schema: Vec<Field>,
    /// Metrics asked for on the way.
    pub observed: Vec<Observed>,
}

/// Resolves one relation.
#[derive(Debug)]
pub struct Resolver<'a> {
    pub(crate) context: Cow<'a, Context>,
    pub(crate) facts: &'a Facts,
    /// Columns named so far.
    pub(crate) named: u64,
    pub(crate) env: Env,
    /// Scopes of the queries around this subquery, innermost last.
    pub(crate) outer: Vec<Scope>,
    /// Parameters of the lambdas around this expression, innermost last.
    pub(crate) lambdas: Vec<typed::LambdaScope>,
    /// Types of all columns named so far.
    pub(crate) types: typed::ColumnTypes,
    /// Whether an unknown value of the next expression counts as false.
    pub(crate) conjunct: bool,
    /// Whether a query of `WITH RECURSIVE` was found to name itself.
    pub(crate) names_itself: bool,
    /// Queries used as values, with the columns around them.
    pub(crate) scalars: Vec<((Relation, Env, Vec<String>), typed::Typed)>,
    /// Metrics asked for on the way.
    pub(crate) observed: Vec<Observed>,
    /// What is worth telling the user.
    pub(crate) warnings: Vec<String>,
}

impl<'a> Resolver<'a> {
    /// A resolver; `env` is what names mean where the relation stands, the session's own by default.
    pub fn new(context: &'a Context, facts: &'a Facts, env: Option<Env>) -> Self {
        let settings = env.as_ref().and_then(|env| env.settings.as_ref());
        let under = settings.and_then(|settings| context.under(settings).ok());
        Self {
            context: under.map_or(Cow::Borrowed(context), Cow::Owned),
            facts,
            named: 0,
            env: env.unwrap_or_else(|| Env::of_views(Arc::clone(&context.views))),
            outer: Vec::new(),
            lambdas: Vec::new(),
            types: typed::ColumnTypes::default(),
            conjunct: false,
            names_itself: false,
            scalars: Vec::new(),
            observed: Vec::new(),
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
        let resolved = self.exact(resolved)?;
        let plan = self.decorrelated(resolved.plan)?;
        Ok(Finished { plan, schema: fields, observed: self.observed })
    }

    /// A name for a new column.
    pub(crate) fn new_id(&mut self) -> String {
        self.named += 1;
        format!("#{}", self.named)
    }
}

/// A column of a plan, by its opaque name.
pub(crate) fn reference(id: &str) -> DfExpr {
    DfExpr::Column(DfColumn::new_unqualified(id))
}
