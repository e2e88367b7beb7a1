//! Joins whose build side all tasks have: what an executor fetches and builds for them.

use crate::harness::{World, rows};
use crate::session::world;
use datafusion::arrow::array::Int64Array;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{JoinType, NullEquality};
use datafusion::datasource::provider_as_source;
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, col, lit};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use model::ByteSize;
use sources::RangeTable;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

fn range(name: &str, to: i64, partitions: u32) -> LogicalPlanBuilder {
    let table = RangeTable::new(name, (0, to, 1), partitions);
    LogicalPlanBuilder::scan(name, provider_as_source(Arc::new(table)), None).expect("a range")
}

/// A million rows in 12 tasks, each with those of `build` that are less than `below`, from two
/// tasks.
fn joined(rows: i64, kind: JoinType) -> LogicalPlan {
    let build = range("b", rows, 2).build().expect("a range");
    let on = (vec!["a"], vec!["b"]);
    let join = range("a", 1_000_000, 12).join_detailed(
        build,
        kind,
        on,
        None,
        NullEquality::NullEqualsNothing,
    );
    let columns = [sum(col("a")), count(lit(1))];
    join.and_then(|join| join.aggregate(Vec::<Expr>::new(), columns))
        .and_then(LogicalPlanBuilder::build)
        .expect("a join")
}

fn answer(rows: i64) -> Vec<String> {
    vec![format!("{}|{rows}", rows * (rows - 1) / 2)]
}

/// Blocks that are fetched besides the build side's: the partial sums of the tasks that probe.
const SUMS: usize = 12;

/// 24 MiB, so that a build side of 300,000 rows is not among those whose rows are kept.
fn small_world() -> World {
    World::with_memory(&[], 2, ByteSize::mib(24))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_built_once_for_all_tasks() {
    let world = small_world();
    for kind in [JoinType::Inner, JoinType::LeftSemi] {
        assert_eq!(rows(&world.run(&joined(300_000, kind)).await), answer(300_000), "{kind}");
        assert_eq!(world.runner.blocks().take_fetched(), 2 + SUMS, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_a_small_build_side_serve_other_stages() {
    let world = World::with_memory(&[], 2, ByteSize::mib(256));
    let union = LogicalPlanBuilder::from(joined(50_000, JoinType::LeftSemi))
        .union(joined(50_000, JoinType::LeftAnti))
        .and_then(LogicalPlanBuilder::build)
        .expect("a union");
    let others = format!("{}|950000", (50_000..1_000_000_i64).sum::<i64>());
    let expected = [answer(50_000), vec![others]].concat();
    assert_eq!(rows(&world.run(&union).await), expected);
    assert_eq!(world.runner.blocks().take_fetched(), 2 + 2 * SUMS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_could_not_be_read_is_built_again() {
    let world = small_world();
    // The first fetch of the second stage is that of the build side.
    world.runner.blocks().refuse_next();
    assert_eq!(rows(&world.run(&joined(300_000, JoinType::Inner)).await), answer(300_000));
}

/// The tables of all stages of the job would not fit at once.
#[tokio::test(flavor = "multi_thread")]
async fn tables_of_stages_that_are_over_make_room() {
    let world = small_world();
    let counts = 300_000..300_006;
    let joins = counts.clone().map(|rows| joined(rows, JoinType::Inner));
    let all = joins.reduce(|one, other| {
        let union = LogicalPlanBuilder::from(one).union(other);
        union.and_then(LogicalPlanBuilder::build).expect("a union")
    });
    let found = rows(&world.run(&all.expect("a plan")).await);
    assert_eq!(found, counts.clone().flat_map(answer).collect::<Vec<_>>());
    let fetched = world.runner.blocks().take_fetched();
    assert_eq!(fetched, counts.count() * (2 + SUMS), "some joins were merges");
}

/// Writes `0..100_000` in order, in row groups of 1,000.
pub(crate) fn write_numbers(path: &Path) {
    let numbers = Arc::new(Int64Array::from_iter_values(0..100_000));
    let batch = RecordBatch::try_from_iter([("n", numbers as _)]).expect("a batch");
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(1_000)).build();
    let file = File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a file");
    writer.write(&batch).expect("the batch is written");
    writer.close().expect("the file is finished");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_groups_without_a_key_of_the_build_side_are_not_read() {
    let world = world("3");
    let file = world.directory.path().join("numbers.parquet");
    write_numbers(&file);
    let keys = "(SELECT id FROM range(5500, 6500))";
    let cases = [
        ("JOIN {keys} ON id = n", "1000", 2_000),
        ("LEFT SEMI JOIN {keys} ON id = n", "1000", 2_000),
        ("LEFT ANTI JOIN {keys} ON id = n", "99000", 100_000),
        ("LEFT JOIN {keys} ON id = n", "100000", 100_000),
    ];
    for (join, expected, read) in cases {
        let join = join.replace("{keys}", keys);
        let query = format!("SELECT count(n) FROM parquet.`{}` {join}", file.display());
        assert_eq!(world.rows(&query).await, [expected], "{join}");
        assert_eq!(world.runner.take_input_rows(), read, "{join}");
    }
    // What is computed below a join or a filter counts the rows that it drops, too.
    let below = [
        "SELECT *, monotonically_increasing_id() AS at FROM parquet.`{file}`",
        "SELECT *, rand(7) AS at FROM parquet.`{file}`",
        "SELECT *, count(*) OVER () AS at FROM parquet.`{file}`",
        "SELECT *, row_number() OVER (ORDER BY n) AS at FROM parquet.`{file}`",
        "SELECT max(n) - 94499 AS n, count(*) AS at FROM parquet.`{file}`",
        "SELECT n, n AS at FROM parquet.`{file}` LIMIT 3000",
        "SELECT n, n AS at FROM parquet.`{file}` ORDER BY n LIMIT 3000",
    ];
    for below in below {
        let below = below.replace("{file}", &file.display().to_string());
        let all = world.rows(&format!("SELECT n, at FROM ({below})")).await;
        let wanted = |row: &String| row.starts_with("5500|") || row.starts_with("5501|");
        let expected: Vec<String> = all.into_iter().filter(wanted).collect();
        let joined = format!(
            "SELECT n, at FROM ({below}) JOIN (SELECT id FROM range(5500, 5502)) ON id = n"
        );
        assert_eq!(world.rows(&joined).await, expected, "{below}");
        let filtered = format!("SELECT n, at FROM ({below}) WHERE n IN (5500, 5501)");
        assert_eq!(world.rows(&filtered).await, expected, "{below}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_task_counts_the_rows_that_it_reads() {
    let world = world("3");
    let files = world.directory.path().join("numbers");
    std::fs::create_dir_all(&files).expect("a directory");
    for file in 0..3 {
        write_numbers(&files.join(format!("{file}.parquet")));
    }
    let query = format!("SELECT sum(n) FROM parquet.`{}` WHERE n >= 50000", files.display());
    assert_eq!(world.rows(&query).await, ["11249925000"]);
    assert_eq!(world.runner.take_input_rows(), 150_000);
}
