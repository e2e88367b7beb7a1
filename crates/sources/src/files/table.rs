//! Files as a table of a plan, whose scan determines what each task reads.

use super::column::FileColumn;
use super::format::{FileReader, FileScan};
use super::listing::DataFile;
use super::split::{self, Sizes};
use arrow::array::{AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result, ScalarValue, Statistics};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use plan::ScanOptions;
use std::sync::Arc;

/// A table of files (see the module).
#[derive(Debug, Clone)]
pub(crate) struct FileTable {
    /// What was asked for.
    pub(crate) scan: ScanOptions,
    pub(crate) reader: Arc<dyn FileReader>,
    /// Columns of the files, then partition columns, then all of [`FileColumn`].
    pub(crate) schema: SchemaRef,
    /// Number of columns from the files.
    pub(crate) file_columns: usize,
    pub(crate) files: Vec<DataFile>,
    /// Partition values by file.
    pub(crate) values: Vec<Vec<ScalarValue>>,
    /// Statistics by file, for the columns of the files.
    pub(crate) statistics: Vec<Arc<Statistics>>,
    pub(crate) sizes: Sizes,
}

#[async_trait::async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters over columns that are constant within a file prune files. They are also evaluated
    /// above the scan, so that a filter that fails for some value fails there, with the query's
    /// error.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let of_files = |filter: &&Expr| {
            if self.is_of_files(filter) {
                TableProviderFilterPushDown::Inexact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        };
        Ok(filters.iter().map(of_files).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let columns = projection.unwrap_or(&all);
        let kept = self.kept(filters, session)?;
        let chosen = || kept.iter().map(|at| (&self.files[*at], &self.values[*at]));
        let chosen: Vec<_> = chosen().collect();
        let Some((first, _)) = chosen.first() else {
            return Ok(Arc::new(EmptyExec::new(Arc::new(self.schema.project(columns)?))));
        };
        // Of the columns that describe files, the reader gets only those that are read.
        let own = self.schema.fields().len() - FileColumn::ALL.len();
        let mut read: Vec<usize> = columns.iter().copied().filter(|at| *at >= own).collect();
        read.sort_unstable();
        read.dedup();
        let held: Vec<usize> = (0..own).chain(read.iter().copied()).collect();
        let place = |at: &usize| match read.binary_search(at) {
            Ok(place) => own + place,
            Err(_) => *at,
        };
        let columns: Vec<usize> = columns.iter().map(place).collect();
        let described: Vec<FileColumn> = read.iter().map(|at| FileColumn::ALL[at - own]).collect();
        self.reader.scan(FileScan {
            store: first.location.root(),
            schema: &Arc::new(self.schema.project(&held)?),
            file_columns: self.file_columns,
            columns: &columns,
            groups: split::partitions(&chosen, self.sizes, self.reader.splittable(), &described),
            statistics: self.of_all(&kept).project(Some(&held)),
            limit,
        })
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.of_all(&(0..self.files.len()).collect::<Vec<_>>()))
    }
}

/// The same files, each of which is one partition, in the order of their names.
pub fn file_by_file(table: &Arc<dyn TableProvider>) -> Arc<dyn TableProvider> {
    match table.downcast_ref::<FileTable>() {
        Some(files) => Arc::new(FileTable { sizes: files.sizes.by_file(), ..files.clone() }),
        None => Arc::clone(table),
    }
}

/// Whether two tables are of the same files, read in the same way; their listings may differ.
pub fn same_files(one: &dyn TableProvider, other: &dyn TableProvider) -> bool {
    let scan = |table: &dyn TableProvider| Some(table.downcast_ref::<FileTable>()?.scan.clone());
    scan(one).is_some_and(|one| Some(one) == scan(other))
}

impl FileTable {
    /// The columns that are constant within a file, with the values of each file.
    fn constants(&self) -> Vec<(FieldRef, Vec<ScalarValue>)> {
        let fields = self.schema.fields();
        let own = fields.len() - FileColumn::ALL.len();
        let of_directories =
            fields[self.file_columns..own].iter().enumerate().map(|(at, field)| {
                let values = self.values.iter().map(|row| row[at].clone());
                (Arc::clone(field), values.collect())
            });
        let described = fields[own..].iter().zip(FileColumn::ALL);
        let described = described.filter(|(_, column)| column.is_of_whole_file());
        let described = described.map(|(field, column)| {
            let values = self.files.iter().map(|file| column.value(file, (0, file.meta.size)));
            (Arc::clone(field), values.collect())
        });
        of_directories.chain(described).collect()
    }

    /// Whether a filter uses only columns that are constant within a file.
    fn is_of_files(&self, filter: &Expr) -> bool {
        let own = self.schema.fields().len() - FileColumn::ALL.len();
        let is_constant = |name: &str| {
            let at = self.schema.fields().iter().position(|field| field.name() == name);
            at.is_some_and(|at| {
                at >= self.file_columns
                    && at.checked_sub(own).is_none_or(|at| FileColumn::ALL[at].is_of_whole_file())
            })
        };
        let columns = filter.column_refs();
        !filter.is_volatile()
            && !columns.is_empty()
            && columns.iter().all(|column| is_constant(&column.name))
    }

    /// Indices of the files that remain after filtering. A filter that fails keeps all files.
    fn kept(&self, filters: &[Expr], session: &dyn Session) -> Result<Vec<usize>> {
        let mut kept: Vec<usize> = (0..self.files.len()).collect();
        let filters: Vec<&Expr> =
            filters.iter().filter(|filter| self.is_of_files(filter)).collect();
        if filters.is_empty() || self.files.is_empty() {
            return Ok(kept);
        }
        let (fields, values): (Vec<_>, Vec<_>) = self.constants().into_iter().unzip();
        let schema = Arc::new(Schema::new(fields));
        let columns = values.into_iter().map(ScalarValue::iter_to_array);
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.files.len()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)?;
        let schema = DFSchema::try_from(schema)?;
        for filter in filters {
            let filter = session.create_physical_expr(filter.clone(), &schema)?;
            let Ok(found) = filter.evaluate(&rows) else { continue };
            let found = found.into_array(rows.num_rows())?;
            let Some(found) = found.as_boolean_opt() else { continue };
            kept.retain(|at| arrow::array::Array::is_valid(found, *at) && found.value(*at));
        }
        Ok(kept)
    }

    /// Combined statistics of some files.
    fn of_all(&self, files: &[usize]) -> Statistics {
        let each = files.iter().map(|at| self.statistics[*at].as_ref());
        let of_files = &self.schema.fields()[..self.file_columns];
        let of_files = Schema::new(of_files.to_vec());
        let mut all = Statistics::try_merge_iter(each, &of_files)
            .unwrap_or_else(|_| Statistics::new_unknown(&of_files));
        let unknown = Statistics::new_unknown(&self.schema).column_statistics;
        all.column_statistics.extend_from_slice(&unknown[self.file_columns..]);
        all
    }
}
