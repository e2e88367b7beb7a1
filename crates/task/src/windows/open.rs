//! The window partition that a task is reading: its rows, in memory or spilled.

use super::{beside, needed, ranges};
use arrow::array::{ArrayRef, new_null_array};
use arrow::compute::{concat, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::execution::SpillFile;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::Accumulator;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::window::{PlainAggregateWindowExpr, WindowExpr};
use datafusion::physical_plan::{SendableRecordBatchStream, SpillManager};
use futures::TryStreamExt;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// The rows of the partition that is not complete.
pub(super) struct Open {
    functions: Arc<[Arc<dyn WindowExpr>]>,
    spill: SpillManager,
    /// Rows in memory: the last ones.
    pub(super) batches: Vec<RecordBatch>,
    /// The keys of the last row.
    key: Vec<ArrayRef>,
    /// What of a partition is not in `batches`.
    spilled: Option<Spilled>,
    /// For `batches`.
    memory: MemoryReservation,
    /// For what remains of rows that are spilled.
    kept: MemoryReservation,
}

/// What is known of rows that are on the disk.
struct Spilled {
    files: VecDeque<Arc<dyn SpillFile>>,
    /// What each function needs of them.
    needs: Vec<Need>,
    /// The columns for those that need rows.
    columns: Vec<RecordBatch>,
}

/// What a function needs to know of the rows of a partition.
enum Need {
    /// Their aggregate, which is the result of all of them.
    Aggregate(Box<dyn Accumulator>),
    /// All values of its columns.
    Columns,
}

impl Open {
    pub(super) fn new(
        functions: &Arc<[Arc<dyn WindowExpr>]>,
        spill: SpillManager,
        (memory, kept): (MemoryReservation, MemoryReservation),
    ) -> Self {
        let functions = Arc::clone(functions);
        Self { functions, spill, batches: vec![], key: vec![], spilled: None, memory, kept }
    }

    /// Takes the partition out; another one may begin. Its memory goes with it.
    pub(super) fn take(&mut self) -> Self {
        let empty = Self::new(
            &self.functions,
            self.spill.clone(),
            (self.memory.new_empty(), self.kept.new_empty()),
        );
        std::mem::replace(self, empty)
    }

    pub(super) fn is_spilled(&self) -> bool {
        self.spilled.is_some()
    }

    /// Whether the first of the rows with these keys belongs to the partition. To one without rows
    /// everything does.
    pub(super) fn continues(&self, keys: &[ArrayRef]) -> Result<bool> {
        if self.batches.is_empty() && self.spilled.is_none() {
            return Ok(true);
        }
        let both = self.key.iter().zip(keys);
        let both = both.map(|(last, key)| Ok(concat(&[last.as_ref(), key.slice(0, 1).as_ref()])?));
        let both = both.collect::<Result<Vec<_>>>()?;
        Ok(ranges(&both, 2)?.len() == 1)
    }

    /// Adds rows, whose last has this key.
    pub(super) fn add(&mut self, batch: RecordBatch, key: Vec<ArrayRef>) -> Result<()> {
        self.key = key;
        let fits = self.memory.try_grow(needed(&batch)).is_ok();
        self.batches.push(batch);
        if fits { Ok(()) } else { self.spill() }
    }

    /// Moves the rows to the disk.
    fn spill(&mut self) -> Result<()> {
        let mut spilled = match self.spilled.take() {
            Some(spilled) => spilled,
            None => Spilled::new(&self.functions)?,
        };
        let batches = std::mem::take(&mut self.batches);
        let file = self.spill.spill_record_batch_and_finish(&batches, "Windows")?;
        spilled.files.extend(file);
        // Their memory is free for what remains of them.
        self.memory.free();
        spilled.note(&self.functions, &batches, &self.kept)?;
        self.spilled = Some(spilled);
        Ok(())
    }

    /// The rows of a partition that was spilled, with their results.
    pub(super) fn replay(mut self) -> Result<Replay> {
        self.spill()?;
        let Some(mut spilled) = self.spilled.take() else {
            return internal_err!("a partition in memory is not read again");
        };
        let results = spilled.results(&self.functions, &self.kept)?;
        Ok(Replay {
            spill: self.spill,
            files: spilled.files,
            current: None,
            results,
            at: 0,
            _kept: self.kept,
        })
    }
}

impl Spilled {
    fn new(functions: &[Arc<dyn WindowExpr>]) -> Result<Self> {
        let needs = functions.iter().map(need).collect::<Result<_>>()?;
        Ok(Self { files: VecDeque::new(), needs, columns: Vec::new() })
    }

    /// Takes what the functions need of these rows.
    fn note(
        &mut self,
        functions: &[Arc<dyn WindowExpr>],
        batches: &[RecordBatch],
        kept: &MemoryReservation,
    ) -> Result<()> {
        let used = self.used(functions);
        for batch in batches {
            for (function, need) in functions.iter().zip(&mut self.needs) {
                if let Need::Aggregate(accumulator) = need {
                    accumulator.update_batch(&function.evaluate_args(batch)?)?;
                }
            }
            if let Some(used) = &used {
                let columns = batch.project(&used.iter().copied().collect::<Vec<_>>())?;
                kept.try_grow(needed(&columns))?;
                self.columns.push(columns);
            }
        }
        Ok(())
    }

    /// The columns that the functions use which need rows; `None` if there are no such functions.
    fn used(&self, functions: &[Arc<dyn WindowExpr>]) -> Option<BTreeSet<usize>> {
        let of_rows = functions.iter().zip(&self.needs);
        let of_rows = of_rows.filter(|(_, need)| matches!(need, Need::Columns));
        let mut of_rows = of_rows.map(|(function, _)| function).peekable();
        of_rows.peek()?;
        let used = of_rows.flat_map(|function| {
            let all = function.all_expressions();
            let all = all.args.into_iter().chain(all.partition_by_exprs).chain(all.order_by_exprs);
            all.flat_map(|expr| collect_columns(&expr)).map(|column| column.index())
        });
        Some(used.collect())
    }

    fn results(
        &mut self,
        functions: &[Arc<dyn WindowExpr>],
        kept: &MemoryReservation,
    ) -> Result<Vec<Computed>> {
        let all = match (self.used(functions), self.columns.first()) {
            (Some(used), Some(first)) => {
                Some(in_places(&used, &concat_batches(&first.schema(), &self.columns)?)?)
            }
            _ => None,
        };
        self.columns.clear();
        let results = functions.iter().zip(&mut self.needs).map(|(function, need)| match need {
            Need::Aggregate(accumulator) => Ok(Computed::Same(accumulator.evaluate()?)),
            Need::Columns => {
                let Some(columns) = &all else {
                    return internal_err!("a window function has no columns");
                };
                let result = function.evaluate(columns)?;
                kept.try_grow(result.get_array_memory_size())?;
                Ok(Computed::Each(result))
            }
        });
        results.collect()
    }
}

fn need(function: &Arc<dyn WindowExpr>) -> Result<Need> {
    let frame = function.get_window_frame();
    let whole = frame.start_bound.is_unbounded() && frame.end_bound.is_unbounded();
    match function.as_any().downcast_ref::<PlainAggregateWindowExpr>() {
        // The filter of an aggregate is among its arguments here.
        Some(plain) if whole => {
            Ok(Need::Aggregate(plain.get_aggregate_expr().create_accumulator()?))
        }
        _ => Ok(Need::Columns),
    }
}

/// Some columns in their places; nulls, which take no memory, in those of the others.
fn in_places(used: &BTreeSet<usize>, columns: &RecordBatch) -> Result<RecordBatch> {
    let (rows, schema) = (columns.num_rows(), columns.schema());
    let last = used.last().copied().unwrap_or(0);
    let unused = Arc::new(Field::new("unused", DataType::Null, true));
    let mut fields = vec![unused; last + 1];
    let mut arrays = vec![new_null_array(&DataType::Null, rows); last + 1];
    for (found, at) in used.iter().enumerate() {
        fields[*at] = Arc::clone(&schema.fields()[found]);
        arrays[*at] = Arc::clone(columns.column(found));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
}

/// What a function yields for the rows of a partition.
enum Computed {
    Same(ScalarValue),
    Each(ArrayRef),
}

/// The rows of a partition, read again from the disk.
pub(super) struct Replay {
    spill: SpillManager,
    files: VecDeque<Arc<dyn SpillFile>>,
    current: Option<SendableRecordBatchStream>,
    results: Vec<Computed>,
    /// Number of the next row.
    at: usize,
    _kept: MemoryReservation,
}

impl Replay {
    pub(super) async fn next(&mut self, schema: &SchemaRef) -> Result<Option<RecordBatch>> {
        let Some(batch) = self.rows().await? else { return Ok(None) };
        let (at, count) = (self.at, batch.num_rows());
        self.at += count;
        let results = self.results.iter().map(|result| match result {
            Computed::Same(value) => value.to_array_of_size(count),
            Computed::Each(values) => Ok(values.slice(at, count)),
        });
        beside(&batch, &results.collect::<Result<Vec<_>>>()?, 0, schema).map(Some)
    }

    async fn rows(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(current) = &mut self.current {
                if let Some(batch) = current.try_next().await? {
                    return Ok(Some(batch));
                }
                self.current = None;
            }
            let Some(file) = self.files.pop_front() else { return Ok(None) };
            self.current = Some(self.spill.read_spill_as_stream_unbuffered(file, None)?);
        }
    }
}
