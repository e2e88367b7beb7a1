//! Rows parsed by `formats` as values of a function: one struct per text.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, NullBufferBuilder, StructArray};
use datafusion::arrow::datatypes::{Field, Fields, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, internal_err};
use formats::rows::{Origin, Rows};

/// The origin of each column of a struct, and the schema for reading them.
pub(in crate::scalar) fn columns(
    fields: &Fields,
    corrupt: Option<&str>,
) -> (Vec<Origin>, Arc<Schema>) {
    let mut position = 0;
    let origin = |field: &Arc<Field>| {
        if corrupt == Some(field.name()) {
            return Origin::Corrupt;
        }
        position += 1;
        Origin::Field(position - 1)
    };
    let origins = fields.iter().map(origin).collect();
    // Any value may be missing.
    let nullable = fields.iter().map(|field| field.as_ref().clone().with_nullable(true));
    (origins, Arc::new(Schema::new(nullable.collect::<Fields>())))
}

/// The rows as one array: structs, or the values of the only column.
pub(in crate::scalar) fn structs(
    rows: &mut Rows,
    fields: Fields,
    mut valid: NullBufferBuilder,
    are_structs: bool,
) -> Result<ArrayRef> {
    let count = rows.len();
    let given = |_, _| Err(ArrowError::SchemaError("no values are given".to_owned()));
    let Some(batch) = rows.finish(given)? else { return internal_err!("there are no rows") };
    if !are_structs {
        return Ok(Arc::clone(batch.column(0)));
    }
    let columns = batch.columns().to_vec();
    let structs = StructArray::try_new_with_length(fields, columns, valid.finish(), count)?;
    Ok(Arc::new(structs))
}
