//! Plans as text.

use super::Session;
use crate::RunJob;
use crate::physical::{self, is_shuffle, kept};
use analysis::Purpose;
use datafusion::common::tree_node::TreeNode;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan};
use functions::spark_error;
use model::conf::ADAPTIVE;
use plan::{ExplainMode, Relation, SparkError};
use std::fmt::{self, Display};
use std::sync::Arc;

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
        // As in Spark, a plan that nobody has run yet shows how it begins.
        let adapts = conf.get(&ADAPTIVE)? && redistributes(&physical)?;
        let physical = if adapts {
            format!("AdaptiveSparkPlan isFinalPlan=false\n{}", Tree(physical.as_ref(), 1))
        } else {
            Tree(physical.as_ref(), 0).to_string()
        };
        let physical = format!("== Physical Plan ==\n{physical}");
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

/// Whether rows of a plan go from stage to stage.
fn redistributes(plan: &Arc<dyn ExecutionPlan>) -> Result<bool, SparkError> {
    let exchanges = plan.exists(|node| {
        Ok(node.is::<RepartitionExec>()
            || node.is::<CoalescePartitionsExec>()
            || node.is::<SortPreservingMergeExec>()
            || is_shuffle(node.as_ref()))
    });
    exchanges.map_err(|error| spark_error(&error))
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
