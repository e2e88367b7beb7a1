//! Tests of text that is read as views.

use super::*;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use arrow::util::pretty::pretty_format_batches;
use datafusion::physical_plan::{collect, displayable};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use std::fs::File;

/// A table `t` of text with nulls, one partition.
async fn context(directory: &std::path::Path) -> SessionContext {
    let rows = 1000_i64;
    let text = |modulus: i64| {
        let values = (0..rows).map(|n| (n % 11 > 0).then(|| format!("text {}", n % modulus)));
        Arc::new(values.collect::<StringArray>()) as ArrayRef
    };
    let numbers: ArrayRef = Arc::new((0..rows).collect::<Int64Array>());
    let columns = [("n", numbers), ("a", text(7)), ("b", text(13)), ("c", text(500))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let path = directory.join("t.parquet");
    let file = File::create(&path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let mut config = SessionConfig::new().with_target_partitions(1);
    config.options_mut().execution.parquet.schema_force_view_types = false;
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    let context = SessionContext::new_with_config(config);
    let path = path.display().to_string();
    context.register_parquet("t", path, ParquetReadOptions::default()).await.unwrap();
    context
}

/// The columns of text that the scans of a plan yield as views.
fn views_of(plan: &Plan) -> Vec<String> {
    let below = plan.children().into_iter().flat_map(views_of);
    let schema = plan.schema();
    let own = schema.fields().iter().filter(|_| plan.children().is_empty());
    let own = own.filter(|field| *field.data_type() == DataType::Utf8View);
    let mut all: Vec<_> = own.map(|field| field.name().clone()).chain(below).collect();
    all.sort();
    all
}

#[tokio::test]
async fn text_that_is_only_looked_at_is_read_as_views_with_the_same_answers() {
    let directory = tempfile::tempdir().unwrap();
    let context = context(directory.path()).await;
    // Each query, and the columns that are views in it.
    let cases: [(&str, &[&str]); 15] = [
        ("SELECT n FROM t WHERE a = 'text 3'", &["a"]),
        ("SELECT n, a FROM t WHERE a IN ('text 3', 'text 4', 'no', 'x', 'y')", &["a"]),
        ("SELECT n, b FROM t WHERE a NOT IN ('text 3') AND b LIKE '%1%' AND n > 3", &["a", "b"]),
        ("SELECT n FROM t WHERE a = b", &["a", "b"]),
        ("SELECT n, b FROM t WHERE a < 'text 3' OR a IS NULL", &["a"]),
        ("SELECT n FROM t WHERE (a IS DISTINCT FROM 'text 3') AND b <> 'text 1'", &["a", "b"]),
        ("SELECT n FROM t WHERE upper(a) = 'TEXT 3' AND b = 'text 3'", &["b"]),
        ("SELECT n FROM t WHERE upper(a) = 'TEXT 3' AND a > 'text 2'", &[]),
        ("SELECT a, b, count(*), sum(n) FROM t GROUP BY a, b", &["a", "b"]),
        ("SELECT a, max(b) FROM t GROUP BY a", &["a"]),
        ("SELECT a, count(b), max(a) FROM t WHERE b > 'text 2' GROUP BY a", &["b"]),
        (
            "SELECT a, upper(c), count(*) FROM t WHERE c > 'text 2' GROUP BY a, upper(c)",
            &["a", "c"],
        ),
        (
            "SELECT c, min(n) FROM t WHERE c LIKE 'text 4%' AND b IS NOT NULL GROUP BY c",
            &["b", "c"],
        ),
        ("SELECT count(*) FROM t WHERE c ILIKE 'TEXT 4%'", &["c"]),
        ("SELECT n, a || b FROM t WHERE n > 4", &[]),
    ];
    for (query, expected) in cases {
        // A plan runs once.
        let planned =
            async || context.sql(query).await.unwrap().create_physical_plan().await.unwrap();
        let plan = planned().await;
        let viewed = with_text_views(planned().await).unwrap();
        assert_eq!(views_of(&viewed), expected, "{query}: {}", displayable(&*viewed).indent(true));
        assert_eq!(viewed.schema(), plan.schema(), "{query}");
        let rows = async |plan| {
            let batches = collect(plan, context.task_ctx()).await.unwrap();
            let shown = pretty_format_batches(&batches).unwrap().to_string();
            let mut lines: Vec<_> = shown.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(rows(viewed).await, rows(plan).await, "{query}");
    }
}
