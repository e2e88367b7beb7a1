//! TPC-DS: all queries in Spark SQL, compared with plain DataFusion.

use crate::harness::rows;
use crate::session::{self, alike};
use crate::tpch::write_file;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use std::path::Path;
use tpcdsgen::config::{SessionBuilder, Table};
use tpcdsgen_arrow as arrow_of;

/// Small enough for a test, large enough that most queries have rows.
const SCALE: f64 = 0.1;

/// Writes each table as several files if it is large, so that scans have several partitions.
/// Returns the names.
fn write_tables(directory: &Path) -> Vec<&'static str> {
    macro_rules! tables {
        ($($name:literal: $table:ident, $arrow:ident, $parts:expr;)*) => {{
            $(for part in 1..=$parts {
                let session = SessionBuilder::new().with_scale_factor(SCALE).build();
                let session = session.expect("a scale");
                let count = session.get_scaling().get_row_count(Table::$table);
                let last = |part: i32| count * u64::from(part.unsigned_abs()) / $parts;
                let rows = arrow_of::$arrow::new(session)
                    .with_source_row_range(last(part - 1) + 1, last(part));
                let batches = rows.map(|batch| batch.expect("a batch"));
                write_file(&directory.join($name), part, batches);
            })*
            vec![$($name),*]
        }};
    }
    tables! {
        "call_center": CallCenter, CallCenterArrow, 1;
        "catalog_page": CatalogPage, CatalogPageArrow, 1;
        "catalog_returns": CatalogReturns, CatalogReturnsArrow, 3;
        "catalog_sales": CatalogSales, CatalogSalesArrow, 3;
        "customer": Customer, CustomerArrow, 3;
        "customer_address": CustomerAddress, CustomerAddressArrow, 1;
        "customer_demographics": CustomerDemographics, CustomerDemographicsArrow, 2;
        "date_dim": DateDim, DateDimArrow, 1;
        "household_demographics": HouseholdDemographics, HouseholdDemographicsArrow, 1;
        "income_band": IncomeBand, IncomeBandArrow, 1;
        "inventory": Inventory, InventoryArrow, 3;
        "item": Item, ItemArrow, 1;
        "promotion": Promotion, PromotionArrow, 1;
        "reason": Reason, ReasonArrow, 1;
        "ship_mode": ShipMode, ShipModeArrow, 1;
        "store": Store, StoreArrow, 1;
        "store_returns": StoreReturns, StoreReturnsArrow, 3;
        "store_sales": StoreSales, StoreSalesArrow, 3;
        "time_dim": TimeDim, TimeDimArrow, 1;
        "warehouse": Warehouse, WarehouseArrow, 1;
        "web_page": WebPage, WebPageArrow, 1;
        "web_returns": WebReturns, WebReturnsArrow, 3;
        "web_sales": WebSales, WebSalesArrow, 3;
        "web_site": WebSite, WebSiteArrow, 1;
    }
}

/// The text of a query.
fn query(number: u32) -> String {
    let queries = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/tpcds");
    let text = std::fs::read_to_string(queries.join(format!("q{number:02}.sql")));
    text.expect("the query is there")
}

/// Plain DataFusion, with Spark's order of nulls.
async fn single(tables: &[&str], directory: &Path) -> SessionContext {
    let nulls = "datafusion.sql_parser.default_null_ordering";
    let context = SessionContext::new_with_config(SessionConfig::new().set_str(nulls, "nulls_min"));
    for table in tables {
        let path = directory.join(table).display().to_string();
        let options = ParquetReadOptions::default();
        context.register_parquet(*table, path, options).await.expect("a table");
    }
    context
}

async fn world(partitions: u32, tables: &[&str], directory: &Path) -> session::World {
    let world = session::world(&partitions.to_string());
    for table in tables {
        let path = directory.join(table).display().to_string();
        let sql = format!("CREATE TEMPORARY VIEW {table} AS SELECT * FROM parquet.`{path}`");
        world.sql(&sql).await.expect("a view");
    }
    world
}

/// The rows of a query in DataFusion and in Spark SQL. They are sorted: a query may leave the order
/// of rows with equal keys open.
async fn answers(number: u32, single: &SessionContext, world: &session::World) -> [Vec<String>; 2] {
    let sql = query(number);
    let expected = single.sql(&sql).await.expect("the query is valid");
    let expected = rows(&expected.collect().await.expect("the query runs"));
    let mut answers = [expected, world.rows(&sql).await];
    for rows in &mut answers {
        rows.sort();
    }
    answers
}

/// Each query runs with one of the numbers of partitions: all with all would take too long.
#[tokio::test(flavor = "multi_thread")]
async fn tpcds_in_spark_sql_gives_the_answers_of_one_process() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let tables = write_tables(data.path());
    let single = single(&tables, data.path()).await;
    let mut worlds = Vec::new();
    for partitions in [1, 3, 16] {
        worlds.push(world(partitions, &tables, data.path()).await);
    }
    let (mut wrong, mut empty) = (Vec::new(), 0);
    for (number, world) in (1..=99).zip(worlds.iter().cycle()) {
        let [expected, actual] = answers(number, &single, world).await;
        empty += usize::from(expected.is_empty());
        let alike = actual.len() == expected.len()
            && actual.iter().zip(&expected).all(|(a, e)| alike(a, e));
        if !alike {
            let differ = actual.iter().zip(&expected).find(|(a, e)| !session::alike(a, e));
            wrong.push(format!(
                "query {number}: {} rows instead of {}, {differ:?}",
                actual.len(),
                expected.len()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(empty < 20, "{empty} queries have no rows at this scale");
}
