//! Tables as Parquet files, made by generators: nothing is downloaded.

use crate::{tpcds, tpch};
use anyhow::{Context, Result};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchReader};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::path::Path;

/// A benchmark's tables.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Suite {
    Tpch,
    Tpcds,
}

/// A table's name and rows.
pub(crate) type Table = (&'static str, Box<dyn RecordBatchReader>);

/// Rows per Parquet row group: few enough that several tasks can share a file.
const ROW_GROUP_ROWS: usize = 250_000;

/// Writes all tables of a scale factor below `directory`, each as one file
/// `<table>/part-0.parquet`. Does nothing if they exist.
pub(crate) fn write(suite: Suite, scale: f64, directory: &Path) -> Result<()> {
    let finished = directory.join("_SUCCESS");
    if finished.exists() {
        return Ok(());
    }
    for (table, rows) in match suite {
        Suite::Tpch => tpch::tables(scale),
        Suite::Tpcds => tpcds::tables(scale)?,
    } {
        let path = directory.join(table).join("part-0.parquet");
        std::fs::create_dir_all(directory.join(table))?;
        write_table(rows, &path).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(std::fs::write(finished, "")?)
}

fn write_table(rows: Box<dyn RecordBatchReader>, path: &Path) -> Result<()> {
    let schema = plain_strings(&rows.schema());
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(path)?, SchemaRef::clone(&schema), Some(properties))?;
    for batch in rows {
        let batch = batch?;
        let columns = batch
            .columns()
            .iter()
            .zip(schema.fields())
            .map(|(column, field)| arrow::compute::cast(column, field.data_type()))
            .collect::<Result<Vec<_>, _>>()?;
        writer.write(&RecordBatch::try_new(SchemaRef::clone(&schema), columns)?)?;
    }
    writer.close()?;
    Ok(())
}

/// The schema with plain strings instead of the generator's views, which other readers of the files
/// do not know.
fn plain_strings(schema: &SchemaRef) -> SchemaRef {
    use arrow::datatypes::{DataType, Field, Schema};
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Utf8View => field.as_ref().clone().with_data_type(DataType::Utf8),
            _ => field.as_ref().clone(),
        })
        .collect();
    Schema::new(fields).into()
}
