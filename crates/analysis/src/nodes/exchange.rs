//! Logical exchange node: redistributes rows because the program asked for it. (Exchanges required
//! by operators are added by the physical planner.) DataFusion's own `Repartition` is not used,
//! because the optimizer drops it when it seems useless, whereas a partition count given by the
//! user is a promise.

use crate::Shown;
use datafusion::common::{DFSchemaRef, Result, plan_datafusion_err};
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use model::CacheId;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;

/// A number of partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Count {
    /// The program asked for it: it stays.
    Asked(u32),
    /// The setting for shuffles: readers may put small partitions together.
    Usual(u32),
}

impl Count {
    /// Number of partitions that are written.
    pub fn get(self) -> u32 {
        match self {
            Self::Asked(count) | Self::Usual(count) => count,
        }
    }
}

/// Distribution of rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// Round-robin over this many partitions: `repartition(n)`.
    RoundRobin(Count),
    /// By hash of the expressions.
    Hash(Vec<Expr>, Count),
    /// By range: at most this many partitions, whose bounds are found by sampling.
    Range(Vec<Sort>, Count),
    /// Combines neighbouring partitions without a shuffle, down to this many: `coalesce(n)`.
    Coalesce(u32),
    /// Each row goes to the partition whose number is the value of a column of type `int`.
    Numbered(Expr, u32),
    /// Partitions are groups of the input's, read one after the other, without a shuffle.
    Select(Vec<Vec<u32>>),
    /// The same partitions, stored as the rows of a cache when they are first computed.
    Keep(Kept),
}

/// A cache above a plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Kept {
    /// The cache.
    pub cache: CacheId,
    /// What is shown of a relation's cache, and its columns.
    shown: Option<(Shown, String)>,
}

impl Kept {
    /// The stored partitions of an RDD.
    pub(crate) fn of_rdd(cache: CacheId) -> Self {
        Self { cache, shown: None }
    }

    /// The cache of a relation with these columns, separated by commas.
    pub(crate) fn of_relation(cache: CacheId, shown: Shown, columns: String) -> Self {
        Self { cache, shown: Some((shown, columns)) }
    }

    /// The scan of a relation's cache, as Spark shows it.
    pub fn scan(&self) -> Option<String> {
        let (shown, columns) = self.shown.as_ref()?;
        Some(match &shown.table {
            Some(table) => format!("Scan In-memory table {table} [{columns}]"),
            None => format!("InMemoryTableScan [{columns}]"),
        })
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shown {
            Some((shown, columns)) => write!(f, "InMemoryRelation [{columns}], {}", shown.level),
            None => f.write_str("Keep"),
        }
    }
}

/// Redistributes the rows of `input`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Exchange {
    /// The rows to redistribute.
    pub input: LogicalPlan,
    /// Their distribution.
    pub target: Target,
}

impl PartialOrd for Exchange {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.input.partial_cmp(&other.input)
    }
}

impl UserDefinedLogicalNodeCore for Exchange {
    fn name(&self) -> &'static str {
        "Exchange"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        match &self.target {
            Target::Hash(keys, _) => keys.clone(),
            Target::Numbered(number, _) => vec![number.clone()],
            Target::Range(order, _) => order.iter().map(|key| key.expr.clone()).collect(),
            Target::RoundRobin(_) | Target::Coalesce(_) | Target::Select(_) | Target::Keep(_) => {
                Vec::new()
            }
        }
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::RoundRobin(n) => write!(f, "Exchange: round robin, {} partitions", n.get()),
            Target::Hash(_, n) => write!(f, "Exchange: hash, {} partitions", n.get()),
            Target::Range(_, n) => write!(f, "Exchange: range, {} partitions", n.get()),
            Target::Coalesce(n) => write!(f, "Coalesce: {n} partitions"),
            Target::Numbered(_, n) => write!(f, "Exchange: by number, {n} partitions"),
            Target::Select(groups) => write!(f, "Select: {} partitions", groups.len()),
            Target::Keep(kept) => write!(f, "{kept}"),
        }
    }

    /// Columns that are not used above are not shuffled. A cache has all of them, because others
    /// may need them.
    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        if matches!(self.target, Target::Keep(_)) {
            return None;
        }
        let mut columns = output_columns.to_vec();
        for key in self.expressions() {
            for column in key.column_refs() {
                columns.push(self.input.schema().maybe_index_of_column(column)?);
            }
        }
        columns.sort_unstable();
        columns.dedup();
        Some(vec![columns])
    }

    /// Filters are pushed below: rows that are not needed above are not shuffled, but cached.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        let fields = self.input.schema().fields().iter().map(|field| field.name().clone());
        fields.filter(|_| matches!(self.target, Target::Keep(_))).collect()
    }

    fn with_exprs_and_inputs(
        &self,
        exprs: Vec<Expr>,
        mut inputs: Vec<LogicalPlan>,
    ) -> Result<Self> {
        let target = match &self.target {
            Target::Hash(_, n) => Target::Hash(exprs, *n),
            Target::Numbered(_, n) => {
                let number = exprs.into_iter().next();
                Target::Numbered(number.ok_or_else(|| plan_datafusion_err!("no number"))?, *n)
            }
            Target::Range(order, n) => {
                let order =
                    order.iter().zip(exprs).map(|(key, expr)| key.with_expr(expr)).collect();
                Target::Range(order, *n)
            }
            other => other.clone(),
        };
        Ok(Self { input: inputs.swap_remove(0), target })
    }
}
