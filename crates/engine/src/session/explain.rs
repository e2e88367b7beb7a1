//! Plans as text.

use super::Session;
use super::final_plan::FinalPlan;
use crate::RunJob;
use crate::physical::{self, is_shuffle, kept};
use analysis::Purpose;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan};
use functions::spark_error;
use model::CacheId;
use model::conf::{ADAPTIVE, Conf};
use plan::{ExplainMode, Relation, SparkError};
use std::collections::HashMap;
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
        let finals = self.final_plans(&physical, &conf, run).await?;
        let adaptive = conf.get(&ADAPTIVE)?;
        let tree = |level| Tree { plan: &physical, level, adaptive, finals: &finals };
        let physical = if adapts {
            format!("AdaptiveSparkPlan isFinalPlan=false\n{}", tree(1))
        } else {
            tree(0).to_string()
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

impl Session {
    /// How the rows of the caches in a plan were computed, of those that are stored.
    async fn final_plans(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        conf: &Conf,
        run: &dyn RunJob,
    ) -> Result<HashMap<CacheId, FinalPlan>, SparkError> {
        let mut caches = Vec::new();
        let found = plan.apply(|node| {
            if let Some(cache) = kept(node.as_ref()).filter(|it| it.scan().is_some()) {
                caches.push((Arc::clone(node), cache.cache));
            }
            Ok(TreeNodeRecursion::Continue)
        });
        found.map_err(|error| spark_error(&error))?;
        let mut finals = HashMap::new();
        for (node, cache) in caches {
            let state = &self.shared.state;
            if let Some(plan) = FinalPlan::of((&node, cache), state, conf, run).await? {
                finals.insert(cache, plan);
            }
        }
        Ok(finals)
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
struct Tree<'a> {
    plan: &'a Arc<dyn ExecutionPlan>,
    level: usize,
    /// Whether plans adapt.
    adaptive: bool,
    /// How the rows of caches were computed, of those that are stored.
    finals: &'a HashMap<CacheId, FinalPlan>,
}

impl Display for Tree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, mut level, adaptive, finals } = *self;
        let scan = kept(plan.as_ref()).and_then(|kept| Some((kept.cache, kept.scan()?)));
        let cache = scan.as_ref().map(|(cache, _)| *cache);
        if let Some((_, scan)) = scan {
            writeln!(f, "{:1$}{scan}", "", 2 * level)?;
            level += 1;
        }
        write!(f, "{:1$}", "", 2 * level)?;
        plan.fmt_as(DisplayFormatType::Default, f)?;
        writeln!(f)?;
        level += 1;
        for input in plan.children() {
            let adapts = adaptive && cache.is_some() && redistributes(input).unwrap_or(false);
            let done = cache.and_then(|cache| finals.get(&cache)).filter(|_| adapts);
            if adapts {
                let is_final = done.is_some();
                writeln!(f, "{:1$}AdaptiveSparkPlan isFinalPlan={is_final}", "", 2 * level)?;
                level += 1;
            }
            if let Some(done) = done {
                writeln!(f, "{:1$}== Final Plan ==", "", 2 * level)?;
                write!(f, "{}", done.shown(level))?;
                writeln!(f, "{:1$}== Initial Plan ==", "", 2 * level)?;
            }
            write!(f, "{}", Tree { plan: input, level, adaptive, finals })?;
        }
        Ok(())
    }
}
