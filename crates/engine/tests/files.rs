//! Files: read with options, inference and partition directories, and written back.

use crate::harness::{World, rows};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use plan::{DataType, ScanOptions};
use sources::{ReadRequest, SourceTable};
use std::path::Path;
use std::sync::Arc;

fn scan(format: &str, path: &Path, options: &[(&str, &str)]) -> ScanOptions {
    ScanOptions {
        format: Some(format.to_owned()),
        paths: vec![path.display().to_string()],
        schema: None,
        options: options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    }
}

async fn open(scan: &ScanOptions, world: &World) -> Result<SourceTable, plan::SparkError> {
    let source = sources::source(scan.format.as_deref().expect("a format"))?;
    let runtime = world.state.runtime_env();
    source.open(ReadRequest { scan, conf: &world.conf, slots: 4, runtime }).await
}

fn table(source: &SourceTable) -> LogicalPlan {
    let columns = Some((0..source.schema.len()).collect());
    LogicalPlanBuilder::scan("files", provider_as_source(Arc::clone(&source.provider)), columns)
        .and_then(LogicalPlanBuilder::build)
        .expect("a scan")
}

fn shown(source: &SourceTable) -> Vec<String> {
    source.schema.iter().map(|field| format!("{} {}", field.name, field.data_type)).collect()
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    std::fs::write(path, text).expect("a file");
}

const FLIGHTS: &str =
    "DEST_COUNTRY_NAME,ORIGIN_COUNTRY_NAME,count\nUnited States,Romania,15\n\"A, B\",Ireland,\n";

#[tokio::test(flavor = "multi_thread")]
async fn csv_is_read_with_header_and_inference() {
    let world = World::new(&[]);
    let data = tempfile::tempdir().expect("a directory");
    let file = data.path().join("flights.csv");
    write(&file, FLIGHTS);
    let options = scan("csv", &file, &[("header", "true"), ("inferSchema", "true")]);
    let source = open(&options, &world).await.expect("the file is read");
    assert_eq!(
        shown(&source),
        ["DEST_COUNTRY_NAME string", "ORIGIN_COUNTRY_NAME string", "count int"]
    );
    let mut found = rows(&world.run(&table(&source)).await);
    found.sort();
    assert_eq!(found, ["A, B|Ireland|NULL", "United States|Romania|15"]);

    // Without inference everything is text; without a header the columns are numbered.
    let source = open(&scan("csv", &file, &[]), &world).await.expect("the file is read");
    assert_eq!(shown(&source), ["_c0 string", "_c1 string", "_c2 string"]);
    assert_eq!(rows(&world.run(&table(&source)).await).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_do_not_fit_a_given_type_are_null() {
    let world = World::new(&[]);
    let data = tempfile::tempdir().expect("a directory");
    let file = data.path().join("a.csv");
    write(&file, "1,x\ny,2015-01-02\n-,3\n");
    let mut options = scan("csv", &file, &[("nullValue", "-")]);
    let field = |name: &str, data_type| plan::Field::new(name, data_type, true);
    options.schema = Some(plan::SchemaOrText::Schema(vec![
        field("a", DataType::Integer),
        field("b", DataType::Date),
    ]));
    let source = open(&options, &world).await.expect("the file is read");
    let found = rows(&world.run(&table(&source)).await);
    assert_eq!(found, ["1|NULL", "NULL|2015-01-02", "NULL|NULL"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_read_with_its_fields_in_order_of_names() {
    let world = World::new(&[]);
    let data = tempfile::tempdir().expect("a directory");
    write(
        &data.path().join("1.json"),
        "{\"b\":\"x\",\"a\":1}\n{\"b\":null,\"a\":2,\"c\":{\"z\":true,\"y\":[1.5]}}\n",
    );
    let source = open(&scan("json", data.path(), &[]), &world).await.expect("the file is read");
    assert_eq!(shown(&source), ["a bigint", "b string", "c struct<y:array<double>,z:boolean>"]);
    assert_eq!(rows(&world.run(&table(&source)).await), ["1|x|NULL", "2|NULL|{y: [1.5], z: true}"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_names_are_columns() {
    let world = World::new(&[]);
    let data = tempfile::tempdir().expect("a directory");
    write(&data.path().join("year=2014/land=US/1.csv"), "1\n2\n");
    write(&data.path().join("year=2015/land=__HIVE_DEFAULT_PARTITION__/1.csv"), "3\n");
    let options = scan("csv", data.path(), &[("inferSchema", "true")]);
    let source = open(&options, &world).await.expect("the files are read");
    assert_eq!(shown(&source), ["_c0 int", "year int", "land string"]);
    let mut found = rows(&world.run(&table(&source)).await);
    found.sort();
    assert_eq!(found, ["1|2014|US", "2|2014|US", "3|2015|NULL"]);
}

#[tokio::test]
async fn unreadable_files_raise_the_conditions_of_spark() {
    let world = World::new(&[]);
    let data = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(data.path().join("empty")).expect("a directory");
    write(&data.path().join("a.csv.gz"), "x");
    write(&data.path().join("a.csv.bz2"), "x");
    let cases = [
        ("csv", "none", "PATH_NOT_FOUND"),
        ("parquet", "empty", "UNABLE_TO_INFER_SCHEMA"),
        ("csv", "empty", "UNABLE_TO_INFER_SCHEMA"),
        ("csv", "a.csv.bz2", "UNSUPPORTED_FEATURE"),
        ("parquet", "a.csv.gz", "FAILED_READ_FILE.NO_HINT"),
        ("orc", "empty", "UNSUPPORTED_FEATURE"),
    ];
    for (format, name, class) in cases {
        let options = scan(format, &data.path().join(name), &[]);
        let error = open(&options, &world).await.expect_err(name);
        assert_eq!(error.class(), class, "{format} {name}");
    }
}

/// The names below a directory, without the parts that differ from run to run.
fn names(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(path).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let shown = path.strip_prefix(directory).expect("below it").display().to_string();
                let (start, end) = shown.split_once("part-").unwrap_or((&shown, "_."));
                let extension = end.split_once('.').map_or("", |(_, extension)| extension);
                found.push(format!("{start}{extension}"));
            }
        }
    }
    found.sort();
    found
}

struct Target<'a> {
    world: &'a World,
    rows: LogicalPlan,
    schema: Vec<plan::Field>,
    path: std::path::PathBuf,
}

impl Target<'_> {
    async fn write(
        &self,
        format: &str,
        mode: plan::SaveMode,
        partition_by: &[&str],
    ) -> Result<(), plan::SparkError> {
        let write = plan::Write {
            input: plan::RelationKind::OneRow.into(),
            format: Some(format.to_owned()),
            target: plan::WriteTarget::Path(self.path.display().to_string()),
            mode,
            partition_by: partition_by.iter().map(ToString::to_string).collect(),
            options: vec![("header".to_owned(), "true".to_owned())],
            bucket_by: None,
            sort_by: Vec::new(),
        };
        let (state, conf, runner) = (&self.world.state, &self.world.conf, &self.world.runner);
        engine::write(state, conf, runner, (&self.rows, &self.schema), &write).await
    }

    async fn read(&self, format: &str) -> Vec<String> {
        let options = scan(format, &self.path, &[("header", "true"), ("inferSchema", "true")]);
        let source = open(&options, self.world).await.expect("the files are read");
        let mut rows = rows(&self.world.run(&table(&source)).await);
        rows.sort();
        rows
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn written_files_are_read_back_in_every_mode() {
    use plan::SaveMode::{Append, ErrorIfExists, Ignore, Overwrite};
    let world = World::new(&[("spark.sql.sources.partitionOverwriteMode", "dynamic")]);
    let data = tempfile::tempdir().expect("a directory");
    let csv = "id,land,year\n1,US,2014\n2,US,2015\n3,,2015\n";
    write(&data.path().join("in.csv"), csv);
    let options =
        scan("csv", &data.path().join("in.csv"), &[("header", "true"), ("inferSchema", "true")]);
    let source = open(&options, &world).await.expect("the file is read");
    let (rows, schema) = (table(&source), source.schema.clone());
    let mut target = Target { world: &world, rows, schema, path: data.path().join("plain") };
    let once = ["1|US|2014", "2|US|2015", "3|NULL|2015"];
    for format in ["parquet", "csv", "json"] {
        target.path = data.path().join(format);
        target.write(format, ErrorIfExists, &[]).await.expect("the first write");
        assert_eq!(target.read(format).await, once, "{format}");
    }
    let exists = target.write("json", ErrorIfExists, &[]).await.expect_err("it exists");
    assert_eq!(exists.class(), "PATH_ALREADY_EXISTS");
    target.write("json", Ignore, &[]).await.expect("nothing to do");
    assert_eq!(target.read("json").await, once);
    target.write("json", Append, &[]).await.expect("more rows");
    assert_eq!(target.read("json").await.len(), 6);
    target.write("json", Overwrite, &[]).await.expect("other rows");
    assert_eq!(target.read("json").await, once);
    assert_eq!(names(&target.path), ["_SUCCESS", "json"]);

    target.path = data.path().join("parts");
    target.write("parquet", ErrorIfExists, &["year", "land"]).await.expect("partitions");
    assert_eq!(
        names(&target.path),
        [
            "_SUCCESS",
            "year=2014/land=US/snappy.parquet",
            "year=2015/land=US/snappy.parquet",
            "year=2015/land=__HIVE_DEFAULT_PARTITION__/snappy.parquet",
        ]
    );
    assert_eq!(target.read("parquet").await, ["1|2014|US", "2|2015|US", "3|2015|NULL"]);
    // Only the written partitions are replaced.
    write(&target.path.join("year=2013/land=US/x.parquet"), "not Parquet, and left alone");
    target.write("parquet", Overwrite, &["year", "land"]).await.expect("partitions again");
    assert!(target.path.join("year=2013/land=US/x.parquet").exists());
    assert_eq!(names(&target.path).len(), 5);
    let all = target.write("parquet", Overwrite, &["id", "land", "year"]).await;
    assert_eq!(all.expect_err("no column is left").class(), "ALL_PARTITION_COLUMNS_NOT_ALLOWED");
}
