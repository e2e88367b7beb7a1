//! Plans as text.

use super::Session;
use crate::RunJob;
use crate::physical::{self, kept};
use analysis::Purpose;
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan};
use plan::{ExplainMode, Relation, SparkError};
use std::fmt::{self, Display};

impl Session {
    /// The plans of a relation as text.
    pub async fn explain(
        &self,
        relation: &Relation,
        mode: ExplainMode,
        run: &dyn RunJob,
    ) -> Result<String, SparkError> {
        let analyzed = self.resolve(relation, Purpose::Show, None, run).await?;
        let conf = self.planning_conf();
        let state = &self.shared.state;
        let physical = physical::physical_plan(state, &analyzed.plan, &conf).await?;
        let physical = format!("== Physical Plan ==\n{}", Tree(physical.as_ref(), 0));
        if matches!(mode, ExplainMode::Simple | ExplainMode::Formatted | ExplainMode::Codegen) {
            return Ok(physical);
        }
        let optimized = physical::optimized_plan(state, &analyzed.plan, &conf)?;
        let optimized =
            format!("== Optimized Logical Plan ==\n{}\n\n{physical}", optimized.display_indent());
        if matches!(mode, ExplainMode::Cost) {
            return Ok(optimized);
        }
        // As in Spark, only what follows shows what is read from caches.
        let analyzed = self.analyze(relation, run).await?;
        let fields = analyzed.schema.iter();
        let names: Vec<_> =
            fields.map(|field| format!("{}: {}", field.name, field.data_type)).collect();
        Ok(format!(
            "== Parsed Logical Plan ==\n{relation:?}\n\n== Analyzed Logical Plan ==\n{}\n{}\n\n{optimized}",
            names.join(", "),
            analyzed.plan.display_indent(),
        ))
    }
}

/// A physical plan, indented by this many levels.
struct Tree<'a>(&'a dyn ExecutionPlan, usize);

impl Display for Tree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(plan, mut level) = *self;
        if let Some(scan) = kept(plan).and_then(analysis::Kept::scan) {
            writeln!(f, "{:1$}{scan}", "", 2 * level)?;
            level += 1;
        }
        write!(f, "{:1$}", "", 2 * level)?;
        plan.fmt_as(DisplayFormatType::Default, f)?;
        writeln!(f)?;
        plan.children()
            .into_iter()
            .try_for_each(|input| write!(f, "{}", Tree(input.as_ref(), level + 1)))
    }
}
