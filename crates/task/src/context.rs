//! The functions that plans may name in a task, and the options that tasks run with.

use datafusion::config::ExecutionOptions;
use datafusion::execution::{SessionStateBuilder, TaskContext};
use datafusion::prelude::SessionConfig;
use std::sync::LazyLock;

/// A session state with the functions of DataFusion and Spark, and the options of tasks.
pub fn session_state_builder() -> SessionStateBuilder {
    let mut config = SessionConfig::new();
    isolate(&mut config.options_mut().execution);
    SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .with_scalar_functions(functions::all_udfs())
        .with_higher_order_functions(functions::all_higher_order())
        .with_aggregate_functions(functions::all_udafs())
        .with_window_functions(functions::all_udwfs())
}

/// Sets the options of a task, which computes one partition independently of all others.
fn isolate(options: &mut ExecutionOptions) {
    // Otherwise a task that polls its one partition would also read the files of all others.
    options.enable_file_stream_work_stealing = false;
    // The limit is per partition, and an executor runs many.
    options.sort_pushdown_buffer_capacity = 16 << 20;
    options.parquet.schema_force_view_types = false;
}

/// The functions that a plan may name.
pub(crate) fn functions_context() -> &'static TaskContext {
    static CONTEXT: LazyLock<TaskContext> =
        LazyLock::new(|| TaskContext::from(&session_state_builder().build()));
    &CONTEXT
}
