//! All formats on a store that is not a file system: anything that bypasses the store would be
//! missing.

use crate::{ReadRequest, Sink, SourceTable, WriteRequest, source};
use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use arrow::util::pretty::pretty_format_batches;
use bytes::Bytes;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::collect;
use datafusion::prelude::{SessionContext, col, lit};
use futures::TryStreamExt;
use model::conf::Conf;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use plan::{
    DataType, Field, Relation, RelationKind, SaveMode, ScanOptions, SparkError, Write, WriteTarget,
};
use std::sync::Arc;

/// A session, and its only bucket.
struct World {
    context: SessionContext,
    store: Arc<InMemory>,
    conf: Conf,
}

const TARGET: &str = "memory://bucket/data";

impl World {
    fn new() -> Self {
        let (context, store) = (SessionContext::new(), Arc::new(InMemory::new()));
        let root = ObjectStoreUrl::parse("memory://bucket").unwrap();
        context.runtime_env().register_object_store(root.as_ref(), Arc::clone(&store) as _);
        Self { context, store, conf: Conf::default() }
    }

    async fn open(&self, format: &str) -> Result<SourceTable, SparkError> {
        let scan = ScanOptions {
            format: Some(format.to_owned()),
            paths: vec![TARGET.to_owned()],
            schema: None,
            options: vec![("header".to_owned(), "true".to_owned())],
        };
        let runtime = &self.context.runtime_env();
        source(format)?.open(ReadRequest { scan: &scan, conf: &self.conf, slots: 2, runtime }).await
    }

    /// The rows that remain after filtering, read task by task.
    async fn read(&self, format: &str, filter: Option<&str>) -> (usize, String) {
        let table = self.open(format).await.unwrap();
        let state = self.context.state();
        let filters: Vec<_> = filter.map(|land| col("land").eq(lit(land))).into_iter().collect();
        let scan = table.provider.scan(&state, None, &filters, None).await.unwrap();
        let (name, split) = crate::split(&scan).unwrap().unwrap();
        assert_eq!(name, format);
        let mut rows = Vec::new();
        for partition in &split.partitions {
            let source = crate::planned(name).unwrap();
            let bound = source.bind(&split.spec, &split.shape, partition).unwrap();
            rows.extend(collect(bound, self.context.task_ctx()).await.unwrap());
        }
        (split.partitions.len(), pretty_format_batches(&rows).unwrap().to_string())
    }

    /// Writes rows like one task, then commits or aborts.
    async fn write(&self, what: (&str, &[&str]), mode: SaveMode, commits: bool) {
        let (sink, words) = self.begin(what, mode).await;
        if commits {
            sink.commit(&[words]).await.unwrap();
        } else {
            sink.abort().await;
        }
    }

    /// Writes rows like one task. The job is neither committed nor aborted.
    async fn begin(&self, (format, by): (&str, &[&str]), mode: SaveMode) -> (Box<dyn Sink>, Bytes) {
        let write = Write {
            input: Relation::from(RelationKind::OneRow),
            format: Some(format.to_owned()),
            target: WriteTarget::Path(TARGET.to_owned()),
            mode,
            partition_by: by.iter().map(ToString::to_string).collect(),
            options: vec![("header".to_owned(), "true".to_owned())],
            bucket_by: None,
            sort_by: Vec::new(),
        };
        let rows = rows(format);
        let schema = formats::types::schema_from_arrow(&rows.schema()).unwrap();
        let (conf, runtime) = (&self.conf, &self.context.runtime_env());
        let request = WriteRequest { write: &write, schema: &schema, conf, runtime };
        let source = source(format).unwrap();
        let sink = source.sink(request).await.unwrap().unwrap();
        sink.begin().await.unwrap();
        let schema: SchemaRef = rows.schema();
        let mut task = source.task_sink(&sink.task(), schema, &self.context.task_ctx()).unwrap();
        let work = move || {
            task.write(&rows).unwrap();
            task.commit().unwrap()
        };
        (sink, tokio::task::spawn_blocking(work).await.unwrap())
    }

    /// Names of all objects, without the parts that differ from run to run.
    async fn names(&self) -> Vec<String> {
        let all: Vec<_> = self.store.list(None).try_collect().await.unwrap();
        let name = |meta: &object_store::ObjectMeta| {
            let path = meta.location.to_string();
            let (directory, file) = path.rsplit_once('/').unwrap_or(("", &path));
            match file.split_once('-').and_then(|(_, rest)| rest.rsplit_once("-c")) {
                Some((_, end)) => format!("{directory}/part-c{end}"),
                None => path,
            }
        };
        let mut names: Vec<String> = all.iter().map(name).collect();
        names.sort();
        names
    }
}

fn rows(format: &str) -> RecordBatch {
    let lands: StringArray = ["US", "DE", "US"].into_iter().map(Some).collect();
    if format == "text" {
        return RecordBatch::try_from_iter([("value", Arc::new(lands) as _)]).unwrap();
    }
    let numbers = Int64Array::from(vec![1, 2, 3]);
    let columns = [("n", Arc::new(numbers) as _), ("land", Arc::new(lands) as _)];
    RecordBatch::try_from_iter(columns).unwrap()
}

#[tokio::test]
async fn every_format_is_written_to_and_read_from_a_store() {
    for (format, end) in
        [("parquet", "snappy.parquet"), ("csv", "csv"), ("json", "json"), ("text", "txt")]
    {
        let world = World::new();
        let missing = world.open(format).await.unwrap_err();
        assert_eq!(missing.class(), "PATH_NOT_FOUND", "{format}");
        world.write((format, &[]), SaveMode::ErrorIfExists, true).await;
        let one = ["data/_SUCCESS".to_owned(), format!("data/part-c000.{end}")];
        assert_eq!(world.names().await, one);
        let (tasks, found) = world.read(format, None).await;
        assert_eq!((tasks, found.matches("US").count()), (1, 2), "{format}: {found}");

        // An aborted write leaves nothing; an overwrite removes what existed; an append does not.
        world.write((format, &[]), SaveMode::Overwrite, false).await;
        assert_eq!(world.names().await, one);
        world.write((format, &[]), SaveMode::Append, true).await;
        assert_eq!(world.names().await.len(), 3, "{format}");
        world.write((format, &[]), SaveMode::Overwrite, true).await;
        assert_eq!(world.names().await, one, "{format}");
    }
}

#[tokio::test]
async fn a_successor_removes_what_a_lost_driver_left_and_keeps_it_from_committing() {
    let mut world = World::new();
    let text = ("csv", [].as_slice());
    world.conf.set("spark.app.id", "app");
    world.conf.set("spark.app.attempt.id", "1");
    let (lost, words) = world.begin(text, SaveMode::Overwrite).await;
    // Another write of the same driver, or of another application, is in progress.
    world.write(text, SaveMode::Append, true).await;
    world.conf.set("spark.app.id", "app2");
    world.conf.set("spark.app.attempt.id", "2");
    world.write(text, SaveMode::Append, true).await;
    assert!(world.names().await.iter().any(|name| name.starts_with("data/_temporary/app.1.")));

    world.conf.set("spark.app.id", "app");
    world.write(text, SaveMode::Overwrite, true).await;
    let one = ["data/_SUCCESS", "data/part-c000.csv"];
    assert_eq!(world.names().await, one);
    let refused = lost.commit(&[words]).await.unwrap_err();
    assert!(refused.message.contains("_temporary/app.1."), "{refused}");
    assert_eq!(world.names().await, one);
}

#[tokio::test]
async fn a_filter_over_directory_names_leaves_files_out() {
    for format in ["parquet", "csv", "json"] {
        let world = World::new();
        world.write((format, &["land"]), SaveMode::ErrorIfExists, true).await;
        let table = world.open(format).await.unwrap();
        let fields: Vec<&Field> = table.schema.iter().collect();
        assert_eq!((fields[1].name.as_str(), &fields[1].data_type), ("land", &DataType::String));
        assert_eq!(table.files.len(), 2);
        let (_, all) = world.read(format, None).await;
        assert!(all.contains("DE") && all.contains("US"), "{all}");
        let (_, some) = world.read(format, Some("DE")).await;
        assert!(some.contains("DE") && !some.contains("US"), "{some}");
    }
}

#[tokio::test]
async fn a_corrupt_footer_is_an_error_that_names_the_file() {
    let world = World::new();
    let text: &[u8] = b"PAR1 this is no parquet file PAR1";
    for text in [text, b"PAR1", b"\0\0\0\0PAR1", &[0; 100]] {
        let path = object_store::path::Path::from("data/part-0.parquet");
        world.store.put_opts(&path, text.to_vec().into(), Default::default()).await.unwrap();
        let error = world.open("parquet").await.unwrap_err();
        assert_eq!(error.class(), "FAILED_READ_FILE.NO_HINT");
        assert!(error.message.contains("memory://bucket/data/part-0.parquet"), "{error}");
    }
}
