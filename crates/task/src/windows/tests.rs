//! Window functions give the same rows in little memory as in much.

use super::*;
use arrow::array::{AsArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::functions_aggregate::{count::count_udaf, sum::sum_udaf};
use datafusion::logical_expr::{
    WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition,
};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_plan::windows::create_window_expr;
use datafusion::prelude::SessionConfig;
use datafusion::scalar::ScalarValue;

/// Rows of a batch.
const ROWS: i64 = 100;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("key", DataType::Int64, false),
        Field::new("text", DataType::Utf8, true),
        Field::new("value", DataType::Int64, true),
    ]))
}

/// Rows with ascending keys, `of` consecutive ones with the same.
fn input(batches: i64, of: i64) -> Arc<dyn ExecutionPlan> {
    let batch = |at: i64| {
        let rows = at * ROWS..(at + 1) * ROWS;
        let keys: Int64Array = rows.clone().map(|row| row / of).collect();
        let texts: StringArray = rows.clone().map(|row| Some(format!("{row:064}"))).collect();
        let values: Int64Array = rows.collect();
        let columns: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(texts), Arc::new(values)];
        RecordBatch::try_new(schema(), columns).unwrap()
    };
    let batches = (0..batches).map(batch).collect();
    MemorySourceConfig::try_new_exec(&[batches], schema(), None).unwrap()
}

/// A window over the input: the sum and number of all values, and the sum of three neighbours.
fn window(input: Arc<dyn ExecutionPlan>, of_neighbours: bool) -> Arc<dyn ExecutionPlan> {
    let schema = schema();
    let (key, value) = (col("key", &schema).unwrap(), col("value", &schema).unwrap());
    let whole = |units| {
        let unbounded = || ScalarValue::UInt64(None);
        let (start, end) =
            (WindowFrameBound::Preceding(unbounded()), WindowFrameBound::Following(unbounded()));
        Arc::new(WindowFrame::new_bounds(units, start, end))
    };
    let near = || ScalarValue::UInt64(Some(1));
    let around = Arc::new(WindowFrame::new_bounds(
        WindowFrameUnits::Rows,
        WindowFrameBound::Preceding(near()),
        WindowFrameBound::Following(near()),
    ));
    let function = |function, name: &str, frame| {
        let function = WindowFunctionDefinition::AggregateUDF(function);
        let (args, keys) = ([Arc::clone(&value)], [Arc::clone(&key)]);
        let name = name.to_owned();
        let schema = Arc::clone(&schema);
        create_window_expr(&function, name, &args, &keys, &[], frame, schema, false, false, None)
            .unwrap()
    };
    let mut functions = vec![
        function(sum_udaf(), "sum", whole(WindowFrameUnits::Rows)),
        function(count_udaf(), "count", whole(WindowFrameUnits::Range)),
    ];
    if of_neighbours {
        functions.push(function(sum_udaf(), "near", around));
    }
    let sorted = [datafusion::physical_expr::PhysicalSortExpr::new_default(key)];
    let sort = datafusion::physical_plan::sorts::sort::SortExec::new(sorted.into(), input);
    Arc::new(WindowAggExec::try_new(functions, Arc::new(sort), true).unwrap())
}

/// Rows of a plan without its sorts, within this memory, and the bytes that it spilled.
fn run(plan: Arc<dyn ExecutionPlan>, memory: usize) -> Result<(Vec<RecordBatch>, usize)> {
    let plan = with_bounded_windows(plan)?;
    let unsorted = Arc::clone(plan.children()[0].children()[0]);
    let plan = plan.replaced(unsorted);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(memory)))
        .build_arc()?;
    let config = SessionConfig::new().with_batch_size(64);
    let context =
        Arc::new(TaskContext::default().with_session_config(config).with_runtime(runtime));
    let rows = plan.execute(0, Arc::clone(&context))?;
    let rows = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(rows.try_collect::<Vec<_>>())?;
    assert_eq!(context.memory_pool().reserved(), 0);
    let spilled = plan.metrics().and_then(|metrics| metrics.spilled_bytes()).unwrap_or(0);
    Ok((rows, spilled))
}

trait Replaced {
    /// The node with another input, whatever it requires of it.
    fn replaced(self, input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan>;
}

impl Replaced for Arc<dyn ExecutionPlan> {
    fn replaced(self, input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        use datafusion::physical_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
        let node = self.downcast_ref::<WindowsExec>().unwrap();
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep);
        let window = Arc::clone(&node.window).replace_children(vec![input], options).unwrap();
        let functions = Arc::clone(&node.functions);
        Arc::new(WindowsExec { window, functions, metrics: ExecutionPlanMetricsSet::new() })
    }
}

/// Checks the results of all rows, whose keys each have `of`.
fn check(batches: &[RecordBatch], total: i64, of: i64) {
    let mut row = 0;
    for batch in batches {
        let column = |at: usize| batch.column(at).as_primitive::<Int64Type>();
        for at in 0..batch.num_rows() {
            let first = row / of * of;
            let last = (first + of).min(total) - 1;
            let sum = |from: i64, to: i64| (from + to) * (to - from + 1) / 2;
            assert_eq!(column(0).value(at), row / of);
            assert_eq!(batch.column(1).as_string::<i32>().value(at), format!("{row:064}"));
            assert_eq!(column(3).value(at), sum(first, last), "the sum of row {row}");
            assert_eq!(column(4).value(at), last - first + 1, "the count of row {row}");
            if batch.num_columns() > 5 {
                let near = sum(first.max(row - 1), last.min(row + 1));
                assert_eq!(column(5).value(at), near, "the neighbours of row {row}");
            }
            row += 1;
        }
    }
    assert_eq!(row, total);
}

#[test]
fn partitions_of_any_size_are_computed_in_much_memory_and_in_little() {
    for of in [1, 7, 100, 250, 1000, 5000] {
        for (memory, near) in [(100i64 << 20, true), (64 << 10, false), (250 << 10, true)] {
            let (rows, spilled) =
                run(window(input(20, of), near), memory.try_into().unwrap()).unwrap();
            check(&rows, 20 * ROWS, of);
            // A row takes 84 bytes, and as many again when it is computed.
            let large = of.min(20 * ROWS) * 2 * 84 > memory;
            assert_eq!(spilled > 0, large, "{spilled} bytes of keys with {of} rows in {memory}");
        }
    }
}

#[test]
fn what_a_function_needs_of_all_rows_has_to_fit_and_the_error_says_so() {
    let error = run(window(input(20, 5000), true), 16 << 10).unwrap_err();
    assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{error}");
    assert!(error.to_string().contains(WINDOW), "{error}");
}
