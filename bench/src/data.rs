//! TPC-H tables as Parquet files, made by the `tpchgen` crates: nothing is downloaded.

use anyhow::{Context, Result};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::path::Path;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow,
    RecordBatchIterator, RegionArrow, SupplierArrow,
};

/// The tables, in the order in which they are made.
pub(crate) const TABLES: [&str; 8] =
    ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"];

/// Rows of a Parquet row group: small enough that several tasks can share a file.
const ROW_GROUP_ROWS: usize = 250_000;

/// Writes all tables of a scale factor below `directory`, each as one file `<table>/part-0.parquet`. Does nothing if they are there.
pub(crate) fn write(scale: f64, directory: &Path) -> Result<()> {
    let finished = directory.join("_SUCCESS");
    if finished.exists() {
        return Ok(());
    }
    for table in TABLES {
        let path = directory.join(table).join("part-0.parquet");
        std::fs::create_dir_all(directory.join(table))?;
        write_table(rows(table, scale), &path)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(std::fs::write(finished, "")?)
}

fn rows(table: &str, scale: f64) -> Box<dyn RecordBatchIterator> {
    match table {
        "region" => Box::new(RegionArrow::new(RegionGenerator::new(scale, 1, 1))),
        "nation" => Box::new(NationArrow::new(NationGenerator::new(scale, 1, 1))),
        "supplier" => Box::new(SupplierArrow::new(SupplierGenerator::new(scale, 1, 1))),
        "customer" => Box::new(CustomerArrow::new(CustomerGenerator::new(scale, 1, 1))),
        "part" => Box::new(PartArrow::new(PartGenerator::new(scale, 1, 1))),
        "partsupp" => Box::new(PartSuppArrow::new(PartSuppGenerator::new(scale, 1, 1))),
        "orders" => Box::new(OrderArrow::new(OrderGenerator::new(scale, 1, 1))),
        _ => Box::new(LineItemArrow::new(LineItemGenerator::new(scale, 1, 1))),
    }
}

fn write_table(rows: Box<dyn RecordBatchIterator>, path: &Path) -> Result<()> {
    let schema = plain_strings(rows.schema());
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(path)?, SchemaRef::clone(&schema), Some(properties))?;
    for batch in rows {
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

/// The schema with plain strings where the generator has views, which other readers of the files do not know.
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
