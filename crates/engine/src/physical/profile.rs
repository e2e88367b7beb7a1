//! The session profile: DataFusion's options for isolated tasks. Its defaults assume that all
//! partitions of a plan run concurrently in one process; several of them give wrong answers or hang
//! when each partition is a separate task.

use super::adaptive::initial_partitions;
use super::build_side::SafeBuildSides;
use super::distinct::GroupDistinctValues;
use super::filter_side::DistinctFilterSides;
use super::floating_keys::NormalizeFloatingKeys;
use super::hints::JoinHints;
use super::join_order::FilteredSidesFirst;
use super::marks::DropBarriers;
use super::planner::Planner;
use super::ranges::KnownBounds;
use analysis::{AddBarriers, ExtractPython, PythonAggregates};
use datafusion::config::ConfigOptions;
use datafusion::execution::SessionState;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use model::conf::{
    AUTO_BROADCAST, ByteSizeOrOff, Conf, EXECUTOR_CORES, PYSPARK_MEMORY, TASK_CPUS, TIME_ZONE,
};
use plan::SparkError;
use std::sync::Arc;

/// Assumed size of a row where only the number of rows is known.
const BYTES_PER_ROW: usize = 100;

/// DataFusion's session state with our profile and Spark's functions.
pub fn session_state(conf: &Conf) -> Result<SessionState, SparkError> {
    let mut builder = task::session_state_builder();
    let config = builder.config().get_or_insert_default();
    apply(config.options_mut(), conf)?;
    config.set_extension(Arc::<KnownBounds>::default());
    let builder = builder
        .with_query_planner(Arc::new(Planner))
        .with_analyzer_rule(Arc::new(PythonAggregates))
        .with_analyzer_rule(Arc::new(AddBarriers))
        .with_optimizer_rule(Arc::new(GroupDistinctValues))
        .with_optimizer_rule(Arc::new(NormalizeFloatingKeys))
        .with_optimizer_rule(Arc::new(ExtractPython))
        .with_physical_optimizer_rules(physical_rules());
    Ok(builder.build())
}

/// The same state with the settings of a session.
pub(crate) fn configured(state: &SessionState, conf: &Conf) -> Result<SessionState, SparkError> {
    let mut state = state.clone();
    apply(state.config_mut().options_mut(), conf)?;
    state.config_mut().set_extension(Arc::new(PythonSettings::of(conf)?));
    Ok(state)
}

/// The settings that Python workers read, for the planner: keys and values, ordered by key.
#[derive(Debug)]
pub(crate) struct PythonSettings(pub(crate) Vec<(String, String)>);

impl PythonSettings {
    fn of(conf: &Conf) -> Result<Self, SparkError> {
        let mut settings = conf.of_python();
        let cpus = conf.get(&TASK_CPUS)?.get();
        if cpus > 1 {
            settings.push((TASK_CPUS.name.to_owned(), cpus.to_string()));
        }
        if let Some(memory) = conf.find(&PYSPARK_MEMORY)? {
            // Each of the workers that run at once gets its part.
            let cores = u64::from(conf.get(&EXECUTOR_CORES)?.max(1));
            settings.push((PYSPARK_MEMORY.name.to_owned(), (memory.0 / cores).to_string()));
        }
        if conf.given(TIME_ZONE.name).is_none() {
            settings.push((TIME_ZONE.name.to_owned(), analysis::machine_zone()));
        }
        Ok(Self(settings))
    }
}

fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let place = rules.iter().position(|known| known.name() == "join_selection").unwrap_or(0);
    rules.insert(place, Arc::new(FilteredSidesFirst));
    let mut add_after = |name: &str, rule: Arc<dyn PhysicalOptimizerRule + Send + Sync>| {
        let place = rules.iter().position(|known| known.name() == name).map_or(0, |i| i + 1);
        rules.insert(place, rule);
    };
    // The rule that picks build sides, and the one that adds exchanges.
    add_after("join_selection", Arc::new(SafeBuildSides));
    add_after("join_selection", Arc::new(JoinHints));
    add_after("EnsureRequirements", Arc::new(DistinctFilterSides));
    rules.push(Arc::new(DropBarriers));
    rules
}

fn apply(options: &mut ConfigOptions, conf: &Conf) -> Result<(), SparkError> {
    let partitions = initial_partitions(conf)?;
    let broadcast = match conf.get(&AUTO_BROADCAST)? {
        ByteSizeOrOff::Off => 0,
        ByteSizeOrOff::UpTo(size) => usize::try_from(size.0).unwrap_or(usize::MAX),
    };
    let execution = &mut options.execution;
    // This also caps how far a scan is split; our own listing splits files, by size.
    execution.target_partitions = partitions.max(1) as usize;
    options.sql_parser.map_string_types_to_utf8view = false;

    let optimizer = &mut options.optimizer;
    // Producer and consumer of a dynamic filter end up in different stages; joins would wait
    // forever.
    optimizer.enable_dynamic_filter_pushdown = false;
    optimizer.enable_join_dynamic_filter_pushdown = false;
    optimizer.enable_topk_dynamic_filter_pushdown = false;
    optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    // Its result is in a slot that only one process can see.
    optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    optimizer.enable_round_robin_repartition = false;
    optimizer.repartition_file_scans = false;
    // A task can be bound to one branch of a union, but not of an interleaving.
    optimizer.prefer_existing_union = true;
    // What it pushes into a scan is not part of the plan's encoding.
    optimizer.enable_sort_pushdown = false;
    optimizer.hash_join_single_partition_threshold = broadcast;
    optimizer.hash_join_single_partition_threshold_rows = broadcast / BYTES_PER_ROW;
    Ok(())
}
