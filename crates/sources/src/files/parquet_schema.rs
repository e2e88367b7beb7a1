//! The Spark schema of a Parquet file: what its writer, if it was Spark or we, put down beside the rows, or else what Spark makes of the
//! types of the file. What other writers put down for themselves does not count.

use arrow::datatypes::{DataType as Arrow, Field as ArrowField, Fields, Schema, TimeUnit};
use errors::condition;
use formats::types;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::Type;
use parquet::schema::types::ColumnDescriptor;
use plan::{DataType, Field, SparkError};
use std::sync::Arc;

/// Under this key a file holds its Spark schema in JSON.
pub(super) const SCHEMA_KEY: &str = "org.apache.spark.sql.parquet.row.metadata";

/// The columns of a file.
pub(super) fn columns(footer: &ArrowReaderMetadata) -> Result<Vec<Field>, SparkError> {
    if let Some(written) = written(footer) {
        return Ok(written);
    }
    let descriptor = footer.parquet_schema();
    let mut leaves = descriptor.columns().iter().map(AsRef::as_ref);
    let fields = footer.schema().fields().iter();
    let fields = fields.map(|field| column(field, &mut leaves)).collect::<Result<Fields, _>>()?;
    types::schema_from_arrow(&Schema::new(fields))
}

fn written(footer: &ArrowReaderMetadata) -> Option<Vec<Field>> {
    let pairs = footer.metadata().file_metadata().key_value_metadata()?;
    let text = pairs.iter().find(|pair| pair.key == SCHEMA_KEY)?.value.as_deref()?;
    match DataType::from_json(text) {
        Ok(DataType::Struct(fields)) => Some(fields),
        _ => None,
    }
}

/// The field with its timestamps as Spark reads them. `leaves` are the columns of the file from here on, in order.
fn column<'f>(
    field: &ArrowField,
    leaves: &mut impl Iterator<Item = &'f ColumnDescriptor>,
) -> Result<Arc<ArrowField>, SparkError> {
    let data_type = match field.data_type() {
        Arrow::List(element) => Arrow::List(column(element, leaves)?),
        Arrow::LargeList(element) => Arrow::LargeList(column(element, leaves)?),
        Arrow::FixedSizeList(element, size) => {
            Arrow::FixedSizeList(column(element, leaves)?, *size)
        }
        Arrow::Map(entries, sorted) => Arrow::Map(column(entries, leaves)?, *sorted),
        Arrow::Struct(fields) => {
            let fields = fields.iter().map(|field| column(field, leaves));
            Arrow::Struct(fields.collect::<Result<Fields, _>>()?)
        }
        data_type => match (leaves.next(), data_type) {
            // These always were instants.
            (Some(leaf), _) if leaf.physical_type() == Type::INT96 => {
                Arrow::Timestamp(TimeUnit::Microsecond, Some(types::TIMESTAMP_ZONE.into()))
            }
            (_, Arrow::Timestamp(TimeUnit::Nanosecond, zone)) => {
                return Err(illegal(&format!("INT64 (TIMESTAMP(NANOS,{}))", zone.is_some())));
            }
            (_, data_type) => data_type.clone(),
        },
    };
    Ok(Arc::new(field.clone().with_data_type(data_type)))
}

/// A type that Spark does not read.
fn illegal(parquet_type: &str) -> SparkError {
    SparkError::analysis(
        condition::PARQUET_TYPE_ILLEGAL,
        format!("Illegal Parquet type: {parquet_type}."),
        &[("parquetType", parquet_type)],
    )
}
