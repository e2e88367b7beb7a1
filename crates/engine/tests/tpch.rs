//! TPC-H: all queries with several numbers of shuffle partitions, compared with plain DataFusion.

use crate::harness::{World, rows};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use std::fs::File;
use std::path::Path;
use tpchgen::generators as made;
use tpchgen_arrow as arrow_of;

/// Small enough for a test, large enough that every query has rows.
const SCALE: f64 = 0.01;

pub(crate) const TABLES: [&str; 8] =
    ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"];

/// Writes each table as several files, so that scans have several partitions.
pub(crate) fn write_tables(directory: &Path) {
    macro_rules! table {
        ($name:literal, $generator:ident, $arrow:ident, $parts:expr) => {
            for part in 1..=$parts {
                let rows = made::$generator::new(SCALE, part, $parts);
                write_file(&directory.join($name), part, arrow_of::$arrow::new(rows));
            }
        };
    }
    table!("customer", CustomerGenerator, CustomerArrow, 2);
    table!("lineitem", LineItemGenerator, LineItemArrow, 4);
    table!("orders", OrderGenerator, OrderArrow, 3);
    table!("part", PartGenerator, PartArrow, 2);
    table!("partsupp", PartSuppGenerator, PartSuppArrow, 2);
    table!("supplier", SupplierGenerator, SupplierArrow, 1);
    table!("nation", NationGenerator, NationArrow, 1);
    table!("region", RegionGenerator, RegionArrow, 1);
}

pub(crate) fn write_file(directory: &Path, part: i32, batches: impl Iterator<Item = RecordBatch>) {
    std::fs::create_dir_all(directory).expect("a directory");
    let file = File::create(directory.join(format!("{part}.parquet"))).expect("a file");
    let mut batches = batches.peekable();
    let schema = batches.peek().expect("a table has rows").schema();
    let mut writer = ArrowWriter::try_new(file, schema, None).expect("a writer");
    batches.for_each(|batch| writer.write(&batch).expect("a batch is written"));
    writer.close().expect("the file is finished");
}

pub(crate) async fn tables(context: &SessionContext, directory: &Path) {
    for table in TABLES {
        let path = directory.join(table);
        context
            .register_parquet(table, path.display().to_string(), ParquetReadOptions::default())
            .await
            .expect("a table");
    }
}

/// The text of a query, as shown to users.
pub(crate) fn query(number: u32) -> String {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tpch");
    let text = std::fs::read_to_string(examples.join(format!("q{number:02}.sql")));
    text.expect("the query is there")
}

async fn parsed(context: &SessionContext, sql: &str) -> LogicalPlan {
    context.state().create_logical_plan(sql).await.expect("the query has a plan")
}

/// Compares all queries under some settings with plain DataFusion.
async fn check(settings: &[(&str, &str)]) {
    let data = tempfile::tempdir().expect("a temporary directory");
    write_tables(data.path());
    let single = SessionContext::new();
    tables(&single, data.path()).await;
    let world = World::new(settings);
    let cut = SessionContext::new_with_state(world.state.clone());
    tables(&cut, data.path()).await;
    let mut wrong = Vec::new();
    for number in 1..=22 {
        let sql = &query(number);
        let expected = single.sql(sql).await.expect("the query is valid");
        let expected = rows(&expected.collect().await.expect("the query runs"));
        let mut actual = rows(&world.run(&parsed(&cut, sql).await).await);
        let mut expected = expected;
        if !sql.contains("order by") {
            actual.sort();
            expected.sort();
        }
        if actual != expected {
            wrong.push(format!("query {number}: {actual:?} instead of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{settings:?}: {}", wrong.join("\n"));
}

const NO_BROADCASTS: (&str, &str) = ("spark.sql.autoBroadcastJoinThreshold", "-1");
const FIXED: (&str, &str) = ("spark.sql.adaptive.enabled", "false");
/// Plans adapt, and several tasks read even the smallest of shuffles.
const SPREAD: (&str, &str) = ("spark.sql.adaptive.coalescePartitions.minPartitionSize", "1b");

fn partitions(count: &str) -> (&str, &str) {
    ("spark.sql.shuffle.partitions", count)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_are_those_of_one_process_with_one_partition() {
    check(&[partitions("1"), FIXED]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_are_those_of_one_process_with_three_partitions() {
    check(&[partitions("3"), FIXED]).await;
    check(&[partitions("3"), SPREAD]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_are_those_of_one_process_with_sixteen_partitions() {
    check(&[partitions("16"), FIXED]).await;
    check(&[partitions("16"), SPREAD]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_are_those_of_one_process_by_default() {
    check(&[]).await;
}

/// Some tables are small beside others: those that are filtered are joined first.
#[tokio::test(flavor = "multi_thread")]
async fn the_answers_are_those_of_one_process_with_few_broadcasts() {
    let small = ("spark.sql.autoBroadcastJoinThreshold", "30KB");
    check(&[partitions("4"), small, SPREAD]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_are_those_of_one_process_without_broadcasts() {
    check(&[partitions("3"), NO_BROADCASTS, FIXED]).await;
    check(&[partitions("16"), NO_BROADCASTS, SPREAD]).await;
}
