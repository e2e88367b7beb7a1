//! The rows of a node: its inputs on the way to a worker, and what the worker yields.

use super::PythonContext;
use super::beside::Passed;
use super::cogroups::CoGroups;
use super::exec::{grouping, sent_schema};
use super::groups::Grouping;
use super::spec::{PythonSpec, Sent};
use super::types::{from_worker, retyped};
use super::workers::{FromWorker, PythonTask, ToWorker};
use crate::failure::{self, FetchError};
use crate::writer::sliced_bytes;
use arrow::array::{ArrayRef, AsArray, RecordBatchOptions};
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, exec_err};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use model::TaskFailure;
use model::conf::ARROW_MAX_RECORDS;
use plan::WorkerKind;
use std::ops::Range;
use std::sync::Arc;

/// Rows of a batch that a worker gets at most, unless the session says otherwise: Spark's default.
const MAX_ROWS: usize = 10_000;

/// Bytes of a batch that a worker gets at most, unless it is a single row: it has several copies of
/// each, and so has Python. Large rows would be too many at once.
const MAX_BYTES: usize = 4 << 20;

/// What a worker reads, as an input of [`PythonWorkers::run`](super::PythonWorkers::run).
pub(super) type Feed = BoxStream<'static, Result<ToWorker, TaskFailure>>;

/// Runs the work of a node on its inputs.
pub(super) fn output(
    (spec, number): (Arc<PythonSpec>, u32),
    context: Arc<PythonContext>,
    inputs: Vec<SendableRecordBatchStream>,
    schema: SchemaRef,
    pool: &Arc<dyn MemoryPool>,
) -> SendableRecordBatchStream {
    let passed = passed(&spec, pool);
    let made = Arc::clone(&schema);
    let rows = stream::once(async move {
        let Some(inputs) = with_rows(&spec, inputs).await? else {
            return Ok(stream::empty().boxed());
        };
        let schemas = spec.sent.iter().zip(&inputs);
        let schemas: Vec<_> =
            schemas.map(|(sent, input)| sent_schema(sent, &input.schema())).collect();
        let feed = feed(&spec, inputs, &schemas, &passed)?;
        let (header, blobs) = spec.header(&context, number);
        let task = PythonTask { header, blobs, inputs: schemas };
        let yielded = context.workers.run(task, feed);
        let rows =
            yielded.map_err(|error| DataFusionError::from(FetchError(error))).map(move |item| {
                match item? {
                    FromWorker::Batch(batch) => completed(&spec, &passed, &batch, &made),
                    FromWorker::Finished { accumulators } => {
                        context.add(accumulators);
                        // What is left here was never answered.
                        if spec.kind.is_row_wise() && passed.rows() > 0 {
                            return exec_err!("a Python worker yielded fewer rows than it got");
                        }
                        Ok(Vec::new())
                    }
                }
            });
        let rows = rows.map_ok(|batches| stream::iter(batches.into_iter().map(Ok)));
        Ok::<_, DataFusionError>(rows.try_flatten().boxed())
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows.try_flatten()))
}

/// Where the columns wait that stay as they are.
fn passed(spec: &PythonSpec, pool: &Arc<dyn MemoryPool>) -> Passed {
    if spec.kind != WorkerKind::Lateral {
        return Passed::default();
    }
    let names: Vec<&str> = spec.calls.iter().map(|call| &*call.function.name).collect();
    let consumer = format!("rows that the table function {} has not answered", names.join(", "));
    Passed::within(MemoryConsumer::new(consumer).register(pool))
}

/// The inputs, unless there is nothing to do for a worker. Starting one costs more than most tasks
/// do, and a function that maps single rows or groups cannot tell.
async fn with_rows(
    spec: &PythonSpec,
    inputs: Vec<SendableRecordBatchStream>,
) -> Result<Option<Vec<SendableRecordBatchStream>>> {
    let keyless = spec.sent.iter().all(|sent| sent.keys.is_empty());
    if spec.kind == WorkerKind::Map || spec.kind == WorkerKind::Aggregate && keyless {
        return Ok(Some(inputs));
    }
    let mut any = false;
    let mut started = Vec::with_capacity(inputs.len());
    for mut input in inputs {
        let schema = input.schema();
        let mut first = None;
        while let Some(batch) = input.next().await {
            let batch = batch?;
            if batch.num_rows() > 0 {
                first = Some(Ok(batch));
                break;
            }
        }
        any |= first.is_some();
        let rows = stream::iter(first).chain(input);
        started.push(Box::pin(RecordBatchStreamAdapter::new(schema, rows)) as _);
    }
    Ok(any.then_some(started))
}

fn feed(
    spec: &Arc<PythonSpec>,
    mut inputs: Vec<SendableRecordBatchStream>,
    schemas: &[SchemaRef],
    passed: &Passed,
) -> Result<Feed> {
    if spec.kind == WorkerKind::CoGroup {
        let groups = CoGroups::new(spec, inputs, schemas)?;
        return Ok(groups.feed().map_err(|error| failure::of(&error)).boxed());
    }
    let max_rows = max_rows(spec);
    let feeds = inputs.drain(..).enumerate().map(|(at, rows)| {
        let sender = Sender {
            spec: Arc::clone(spec),
            input: at,
            schema: Arc::clone(&schemas[at]),
            grouping: grouping(spec, at),
            passed: spec.kind.keeps_columns().then(|| passed.clone()),
        };
        let end = ToWorker::End { input: u8::try_from(at).unwrap_or(u8::MAX) };
        sender.feed(rows, max_rows).chain(stream::once(async { Ok(end) }))
    });
    // A function may read its inputs in any order: all are offered.
    let feeds: Vec<_> = feeds.map(StreamExt::boxed).collect();
    Ok(stream::select_all(feeds).map_err(|error| failure::of(&error)).boxed())
}

fn max_rows(spec: &PythonSpec) -> usize {
    let given = spec.settings.iter().find(|(key, _)| key == ARROW_MAX_RECORDS.name);
    let number = given.and_then(|(_, value)| value.parse::<i64>().ok());
    match number.map(usize::try_from) {
        None => MAX_ROWS,
        // Zero and less: no limit.
        Some(Err(_) | Ok(0)) => usize::MAX,
        Some(Ok(rows)) => rows,
    }
}

/// One input on its way.
struct Sender {
    spec: Arc<PythonSpec>,
    input: usize,
    schema: SchemaRef,
    grouping: Option<Grouping>,
    passed: Option<Passed>,
}

impl Sender {
    fn feed(
        mut self,
        rows: SendableRecordBatchStream,
        max_rows: usize,
    ) -> impl Stream<Item = Result<ToWorker>> + Send {
        let pieces = rows.map_ok(move |batch| {
            let count = batch.num_rows();
            // Groups are batches of their own in Python, whatever the size of ours.
            let step = match &self.grouping {
                Some(_) => count,
                None => max_rows.min(MAX_BYTES / (sliced_bytes(&batch) / count.max(1)).max(1)),
            };
            let step = step.max(1);
            let starts = (0..count).step_by(step);
            let pieces = starts.map(|at| self.piece(&batch.slice(at, step.min(count - at))));
            stream::iter(pieces.collect::<Vec<_>>())
        });
        pieces.try_flatten()
    }

    fn piece(&mut self, batch: &RecordBatch) -> Result<ToWorker> {
        let groups = self.grouping.as_mut().map(|grouping| grouping.starts(batch)).transpose()?;
        if let Some(passed) = &self.passed {
            let columns: Vec<usize> = (0..self.spec.passed).collect();
            passed.push(batch.project(&columns)?)?;
        }
        let sent = sent_batch(&self.spec.sent[self.input], batch, &self.schema)?;
        let input = u8::try_from(self.input).unwrap_or(u8::MAX);
        Ok(ToWorker::Batch { input, batch: sent, groups })
    }
}

/// The columns that a worker gets of a batch.
pub(super) fn sent_batch(
    sent: &Sent,
    batch: &RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let columns = sent.columns.iter().zip(schema.fields());
    let columns = columns.map(|(at, field)| retyped(batch.column(*at), field.data_type()));
    with_rows_of(columns.collect::<Result<_>>()?, schema, batch.num_rows())
}

fn with_rows_of(columns: Vec<ArrayRef>, schema: &SchemaRef, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// What a worker yielded as rows of the node: beside the columns that stayed, if any do.
fn completed(
    spec: &PythonSpec,
    passed: &Passed,
    yielded: &RecordBatch,
    schema: &SchemaRef,
) -> Result<Vec<RecordBatch>> {
    let stays = if spec.kind.keeps_columns() { spec.passed } else { 0 };
    let numbered = spec.kind == WorkerKind::Lateral;
    let fields = &schema.fields()[stays..];
    let expected = fields.len() + usize::from(numbered);
    if yielded.num_columns() != expected {
        let columns = yielded.num_columns();
        return exec_err!("a Python worker yielded {columns} columns instead of {expected}");
    }
    let made = &yielded.columns()[usize::from(numbered)..];
    let columns = made.iter().zip(fields);
    let columns = columns.map(|(column, field)| from_worker(column, field.data_type()));
    let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
    if !spec.kind.keeps_columns() {
        return Ok(vec![with_rows_of(columns, schema, yielded.num_rows())?]);
    }
    let beside = |stayed: &RecordBatch, rows: Range<usize>| {
        let parts = columns.iter().map(|column| column.slice(rows.start, rows.len()));
        let all = stayed.columns().iter().cloned().chain(parts).collect();
        with_rows_of(all, schema, rows.len())
    };
    if numbered {
        let numbers = yielded.column(0).as_primitive_opt::<Int64Type>();
        let Some(numbers) = numbers else {
            return exec_err!("a Python worker yielded rows without their numbers");
        };
        let found = passed.numbered(numbers)?.into_iter();
        return found.map(|(stayed, rows)| beside(&stayed, rows)).collect();
    }
    let mut batches = Vec::new();
    let (mut at, rows) = (0, yielded.num_rows());
    while at < rows {
        let Some(stayed) = passed.take(rows - at) else {
            return exec_err!("a Python worker yielded more rows than it got");
        };
        batches.push(beside(&stayed, at..at + stayed.num_rows())?);
        at += stayed.num_rows();
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::PythonWorkers;
    use arrow::array::Int64Array;
    use arrow::datatypes::{DataType as ArrowType, Field as ArrowField, Schema};
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use model::{Attempt, StageId, TaskId};
    use plan::{DataType, EvalType, Field, PythonFunction, WorkerArgument, WorkerCall};
    use std::collections::BTreeSet;

    /// Rows of a batch.
    const ROWS: i64 = 100;

    /// Yields one row for each that it got: at once, or when it has seen them all.
    #[derive(Debug)]
    struct Numbering {
        at_once: bool,
    }

    impl PythonWorkers for Numbering {
        fn run(
            &self,
            _: PythonTask,
            input: Feed,
        ) -> BoxStream<'static, Result<FromWorker, TaskFailure>> {
            let at_once = self.at_once;
            let rows = stream::unfold((input, 0, 0), move |(mut input, mut from, mut to)| {
                Box::pin(async move {
                    loop {
                        match input.next().await {
                            Some(Ok(ToWorker::Batch { batch, .. })) => {
                                to += i64::try_from(batch.num_rows()).unwrap();
                                if !at_once {
                                    continue;
                                }
                            }
                            Some(Err(failure)) => return Some((Err(failure), (input, to, to))),
                            Some(Ok(_)) | None if from == to => return None,
                            Some(Ok(_)) | None => {}
                        }
                        let item = Ok(FromWorker::Batch(numbers(from..to)));
                        from = to;
                        return Some((item, (input, from, to)));
                    }
                })
            });
            let end = FromWorker::Finished { accumulators: Vec::new() };
            rows.chain(stream::iter([Ok(end)])).boxed()
        }
    }

    fn numbers(rows: Range<i64>) -> RecordBatch {
        let column: ArrayRef = Arc::new(rows.clone().collect::<Int64Array>());
        RecordBatch::try_from_iter([("row", Arc::clone(&column)), ("n", column)]).unwrap()
    }

    fn lateral() -> PythonSpec {
        let function = PythonFunction {
            name: "slow".to_owned(),
            eval_type: EvalType::TABLE,
            command: Arc::from(&b"class"[..]),
            output: DataType::Null,
            version: String::new(),
            deterministic: false,
        };
        let call = WorkerCall {
            profile: None,
            function: Arc::new(function),
            args: vec![WorkerArgument::Column(0)],
            keywords: vec![None],
            frame: None,
            partition_fields: Vec::new(),
            analyzed: None,
        };
        let long = |name: &str| Field::new(name, DataType::Long, true);
        let sent = Sent {
            columns: vec![0],
            fields: vec![long("a")],
            keys: Vec::new(),
            order: Vec::new(),
            single_partition: false,
            arguments: Vec::new(),
        };
        PythonSpec {
            kind: WorkerKind::Lateral,
            calls: vec![call],
            outputs: Vec::new(),
            sent: vec![sent],
            fields: vec![long("n")],
            passed: 1,
            settings: Vec::new(),
            barrier: false,
            profiles: BTreeSet::new(),
        }
    }

    /// The number of rows that come out, with this memory for rows that wait.
    fn joined(at_once: bool, pool: &Arc<dyn MemoryPool>) -> Result<usize, TaskFailure> {
        let task = TaskId { stage: StageId(0), partition: 0 };
        let context = PythonContext {
            workers: Arc::new(Numbering { at_once }),
            attempt: Attempt { task, number: 0 },
            tasks: 1,
            files: "/".into(),
            properties: model::Properties::default(),
            hosts: None,
            updates: std::sync::Mutex::default(),
        };
        let field = |name: &str| ArrowField::new(name, ArrowType::Int64, true);
        let input = Arc::new(Schema::new(vec![field("a")]));
        let batches = (0..10).map(|at| {
            let column = (at * ROWS..(at + 1) * ROWS).collect::<Int64Array>();
            Ok(RecordBatch::try_from_iter([("a", Arc::new(column) as ArrayRef)])?)
        });
        let rows = stream::iter(batches.collect::<Vec<_>>());
        let input = Box::pin(RecordBatchStreamAdapter::new(input, rows));
        let schema = Arc::new(Schema::new(vec![field("a"), field("n")]));
        let work = (Arc::new(lateral()), 0);
        let rows = output(work, Arc::new(context), vec![input], schema, pool);
        let batches = futures::executor::block_on(rows.try_collect::<Vec<_>>());
        let batches = batches.map_err(|error| failure::of(&error))?;
        Ok(batches.iter().map(RecordBatch::num_rows).sum())
    }

    #[test]
    fn rows_that_a_table_function_does_not_answer_take_memory_of_the_task() {
        let pool = |batches: usize| -> Arc<dyn MemoryPool> {
            Arc::new(GreedyMemoryPool::new(batches * 8 * usize::try_from(ROWS).unwrap()))
        };
        let (small, large) = (pool(3), pool(10));
        assert_eq!(joined(true, &small).unwrap(), 1000);
        assert_eq!(joined(false, &large).unwrap(), 1000);
        let failure = joined(false, &small).unwrap_err();
        assert!(failure::is_out_of_memory(&failure), "{failure}");
        let words = "rows that the table function slow has not answered";
        assert!(failure.to_string().contains(words), "{failure}");
        assert_eq!((small.reserved(), large.reserved()), (0, 0));
    }
}
