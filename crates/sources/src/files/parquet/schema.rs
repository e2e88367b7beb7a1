//! The Spark schema of a Parquet file: as stored by its writer, if that was Spark or Firesteel,
//! otherwise derived from the file's types by Spark's rules. Metadata of other writers is ignored.

use super::footer::Footer;
use ::parquet::basic::Type;
use ::parquet::schema::types::ColumnDescriptor;
use arrow::datatypes::{DataType as Arrow, Field as ArrowField, Fields, Schema, TimeUnit};
use errors::condition;
use formats::types;
use plan::{DataType, Field, SparkError};
use std::sync::Arc;

/// Key of the Spark schema, in JSON, in the metadata of a file.
pub(super) const KEY: &str = "org.apache.spark.sql.parquet.row.metadata";

/// The columns of a file.
fn columns(footer: &Footer) -> Result<Vec<Field>, SparkError> {
    if let Some(written) = written(footer) {
        return Ok(written);
    }
    let descriptor = footer.metadata().parquet_schema();
    let mut leaves = descriptor.columns().iter().map(AsRef::as_ref);
    let fields = footer.metadata().schema().fields().iter();
    let fields = fields.map(|field| column(field, &mut leaves)).collect::<Result<Fields, _>>()?;
    types::schema_from_arrow(&Schema::new(fields))
}

fn written(footer: &Footer) -> Option<Vec<Field>> {
    let pairs = footer.metadata().metadata().file_metadata().key_value_metadata()?;
    let text = pairs.iter().find(|pair| pair.key == KEY)?.value.as_deref()?;
    match DataType::from_json(text) {
        Ok(DataType::Struct(fields)) => Some(fields),
        _ => None,
    }
}

/// The field with timestamps as Spark reads them. `leaves` are the remaining leaf columns of the
/// file, in order.
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
            // INT96 values are always instants.
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

/// The error for a type that Spark does not read.
fn illegal(parquet_type: &str) -> SparkError {
    SparkError::analysis(
        condition::PARQUET_TYPE_ILLEGAL,
        format!("Illegal Parquet type: {parquet_type}."),
        &[("parquetType", parquet_type)],
    )
}

/// Merges the columns of files: those of the first, then additional ones of the others.
pub(super) fn merged(footers: Vec<Footer>) -> Result<Vec<Field>, SparkError> {
    let mut fields: Vec<Field> = Vec::new();
    for footer in footers {
        for field in columns(&footer)? {
            match fields.iter_mut().find(|known| known.name.eq_ignore_ascii_case(&field.name)) {
                Some(known) => merge(known, field)?,
                None => fields.push(field),
            }
        }
    }
    // Other files may lack the column.
    Ok(fields.into_iter().map(|field| Field { nullable: true, ..field }).collect())
}

/// Widens a column so that it can hold the values of another file.
fn merge(known: &mut Field, other: Field) -> Result<(), SparkError> {
    match (&mut known.data_type, other.data_type) {
        (DataType::Struct(fields), DataType::Struct(others)) => {
            for other in others {
                match fields.iter_mut().find(|known| known.name.eq_ignore_ascii_case(&other.name)) {
                    Some(known) => merge(known, other)?,
                    None => fields.push(Field { nullable: true, ..other }),
                }
            }
            Ok(())
        }
        (
            DataType::Array { element, contains_null },
            DataType::Array { element: other, contains_null: also },
        ) => {
            let mut inner = Field::new("element", (**element).clone(), true);
            merge(&mut inner, Field::new("element", *other, true))?;
            **element = inner.data_type;
            *contains_null |= also;
            Ok(())
        }
        (known, other) if *known == other => Ok(()),
        (left, right) => {
            let (left, right) = (left.sql(), right.sql());
            let message = format!(
                "Failed merging schemas: the column {} is \"{left}\" in one file and \"{right}\" in another.",
                plan::quote_name(&known.name)
            );
            Err(SparkError::new(
                condition::CANNOT_MERGE_SCHEMAS,
                message,
                &[("left", left.as_str()), ("right", right.as_str())],
            ))
        }
    }
}
