//! Narrowing of integers in shuffles to as few bytes as their values need: a `bigint` key below 2³¹
//! takes four bytes, and so does a price, instead of the sixteen of a decimal. This costs a
//! fraction of compression, and such columns are not worth compressing afterwards.
//!
//! A block's own schema has the narrowed types of its columns; the reader knows the full types.

use arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMicrosecondType, Int8Type, Int16Type, Int32Type,
    Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result, internal_err};
use std::sync::Arc;

/// The byte width that each column needs for the rows written so far.
#[derive(Debug)]
pub(super) struct Narrowing {
    full: SchemaRef,
    schema: SchemaRef,
    /// Width by column; `None` if the column cannot be narrowed.
    widths: Vec<Option<Width>>,
}

/// Width of a value in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    One,
    Two,
    Four,
    Eight,
    /// Width of the column's own type.
    Full,
}

impl Narrowing {
    /// Narrowing of rows with this schema, before any has been seen.
    pub(super) fn new(full: SchemaRef) -> Self {
        let widths: Vec<_> = full.fields().iter().map(|field| least(field.data_type())).collect();
        let schema = narrowed(&full, &widths);
        Self { full, schema, widths }
    }

    /// Schema of the narrowed rows.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Widens columns as needed for the values of a batch. Returns whether the schema changed.
    pub(super) fn make_room(&mut self, batch: &RecordBatch) -> bool {
        let mut changed = false;
        for (width, column) in self.widths.iter_mut().zip(batch.columns()) {
            let Some(width) = width else { continue };
            if *width == Width::Full {
                continue;
            }
            let needed = needed(column);
            if needed > *width {
                *width = needed;
                changed = true;
            }
        }
        if changed {
            self.schema = narrowed(&self.full, &self.widths);
        }
        changed
    }

    /// Narrows the rows of a batch that [`make_room`](Self::make_room) has seen.
    pub(super) fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        resized(batch, &self.schema, shrink)
    }
}

/// Converts narrowed rows to the types of `schema`; it is an error if a type is not a wider form of
/// the received one.
pub(super) fn widen(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.num_columns() != schema.fields().len() {
        return internal_err!(
            "received {} columns where {} are expected",
            batch.num_columns(),
            schema.fields().len()
        );
    }
    resized(batch, schema, grow)
}

/// The rows with each column converted to its type in `schema`.
fn resized(
    batch: &RecordBatch,
    schema: &SchemaRef,
    resize: fn(&ArrayRef, &DataType) -> Result<ArrayRef>,
) -> Result<RecordBatch> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| resize(column, field.data_type()));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// The initial width; `None` if the type is not narrowed.
fn least(data_type: &DataType) -> Option<Width> {
    match data_type {
        DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Date32
        | DataType::Decimal128(..)
        | DataType::Timestamp(TimeUnit::Microsecond, _)
        | DataType::Duration(TimeUnit::Microsecond) => Some(Width::One),
        _ => None,
    }
}

fn narrowed(full: &SchemaRef, widths: &[Option<Width>]) -> SchemaRef {
    let fields = full.fields().iter().zip(widths).map(|(field, width)| {
        let data_type = match width {
            Some(Width::One) => DataType::Int8,
            Some(Width::Two) => DataType::Int16,
            Some(Width::Four) => DataType::Int32,
            Some(Width::Eight) => DataType::Int64,
            Some(Width::Full) | None => return Arc::clone(field),
        };
        Arc::new(field.as_ref().clone().with_data_type(data_type))
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The width needed by all values of a column. The values behind nulls count, too: they are rarely
/// anything but zero.
fn needed(column: &ArrayRef) -> Width {
    match column.data_type() {
        DataType::Int16 => of::<Int16Type>(column, i64::from, Width::Two),
        DataType::Int32 => of::<Int32Type>(column, i64::from, Width::Four),
        DataType::Date32 => of::<Date32Type>(column, i64::from, Width::Four),
        DataType::Int64 => of::<Int64Type>(column, |v| v, Width::Eight),
        DataType::Timestamp(..) => of::<TimestampMicrosecondType>(column, |v| v, Width::Eight),
        DataType::Duration(..) => of::<DurationMicrosecondType>(column, |v| v, Width::Eight),
        DataType::Decimal128(..) => {
            let values = column.as_primitive::<Decimal128Type>().values();
            let wide = values.iter().any(|v| i128::from(low(*v)) != *v);
            if wide { Width::Full } else { of::<Decimal128Type>(column, low, Width::Full) }
        }
        _ => Width::Full,
    }
}

/// The width needed by a column whose own type has the width `own`.
fn of<T: ArrowPrimitiveType>(
    column: &ArrayRef,
    value: impl Fn(T::Native) -> i64,
    own: Width,
) -> Width {
    // A number and its complement, if it is negative, have the same highest significant bit.
    let bits = column.as_primitive::<T>().values().iter().fold(0, |bits, v| {
        let v = value(*v);
        bits | (v ^ (v >> 63))
    });
    let width = match bits {
        0..=0x7f => Width::One,
        0x80..=0x7fff => Width::Two,
        0x8000..=0x7fff_ffff => Width::Four,
        _ => Width::Eight,
    };
    if width >= own { Width::Full } else { width }
}

/// The low 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "the caller checks that nothing is lost")]
fn low(value: i128) -> i64 {
    value as i64
}

/// Converts a column's numbers to the narrowed type.
fn shrink(column: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    Ok(match column.data_type() {
        from if from == to => Arc::clone(column),
        DataType::Int16 => shrunk::<Int16Type>(column, to, i64::from),
        DataType::Int32 => shrunk::<Int32Type>(column, to, i64::from),
        DataType::Date32 => shrunk::<Date32Type>(column, to, i64::from),
        DataType::Int64 => shrunk::<Int64Type>(column, to, |v| v),
        DataType::Timestamp(..) => shrunk::<TimestampMicrosecondType>(column, to, |v| v),
        DataType::Duration(_) => shrunk::<DurationMicrosecondType>(column, to, |v| v),
        DataType::Decimal128(..) => shrunk::<Decimal128Type>(column, to, low),
        from => return internal_err!("cannot write a column of {from} as {to}"),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "the values were checked to fit")]
fn shrunk<T: ArrowPrimitiveType>(
    column: &ArrayRef,
    to: &DataType,
    value: impl Fn(T::Native) -> i64,
) -> ArrayRef {
    let column = column.as_primitive::<T>();
    match to {
        DataType::Int8 => Arc::new(column.unary::<_, Int8Type>(|v| value(v) as i8)),
        DataType::Int16 => Arc::new(column.unary::<_, Int16Type>(|v| value(v) as i16)),
        DataType::Int32 => Arc::new(column.unary::<_, Int32Type>(|v| value(v) as i32)),
        _ => Arc::new(column.unary::<_, Int64Type>(value)),
    }
}

/// Converts the numbers of a narrowed column to the type `to`.
#[expect(clippy::cast_possible_truncation, reason = "the values came from that type")]
fn grow(column: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let from = column.data_type();
    Ok(match to {
        _ if from == to => Arc::clone(column),
        _ if !matches!(
            from,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64
        ) =>
        {
            return internal_err!("cannot read a column of {from} as {to}");
        }
        DataType::Int16 => grown::<Int16Type>(column, to, |v| v as i16),
        DataType::Int32 => grown::<Int32Type>(column, to, |v| v as i32),
        DataType::Date32 => grown::<Date32Type>(column, to, |v| v as i32),
        DataType::Int64 => grown::<Int64Type>(column, to, |v| v),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            grown::<TimestampMicrosecondType>(column, to, |v| v)
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            grown::<DurationMicrosecondType>(column, to, |v| v)
        }
        DataType::Decimal128(..) => grown::<Decimal128Type>(column, to, i128::from),
        _ => return internal_err!("cannot read a column of {from} as {to}"),
    })
}

fn grown<T: ArrowPrimitiveType>(
    column: &ArrayRef,
    to: &DataType,
    value: impl Fn(i64) -> T::Native,
) -> ArrayRef {
    let array = match column.data_type() {
        DataType::Int8 => column.as_primitive::<Int8Type>().unary::<_, T>(|v| value(v.into())),
        DataType::Int16 => column.as_primitive::<Int16Type>().unary::<_, T>(|v| value(v.into())),
        DataType::Int32 => column.as_primitive::<Int32Type>().unary::<_, T>(|v| value(v.into())),
        _ => column.as_primitive::<Int64Type>().unary::<_, T>(value),
    };
    Arc::new(array.with_data_type(to.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, Int32Array, Int64Array, StringArray};
    use arrow::datatypes::Field;

    fn batch(schema: &SchemaRef, ids: Vec<Option<i64>>, price: i128) -> RecordBatch {
        let rows = ids.len();
        let prices = Decimal128Array::from(vec![price; rows])
            .with_data_type(schema.field(1).data_type().clone());
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(ids)),
            Arc::new(prices),
            Arc::new(StringArray::from(vec!["x"; rows])),
            Arc::new(Int32Array::from(vec![i32::MIN; rows])),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns).unwrap()
    }

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("price", DataType::Decimal128(38, 2), true),
            Field::new("text", DataType::Utf8, true),
            Field::new("least", DataType::Int32, true),
        ]))
    }

    #[test]
    fn columns_are_narrowed_to_their_largest_value_and_restored() {
        use DataType::{Decimal128, Int8, Int16, Int32, Int64};
        let schema = schema();
        let mut narrowing = Narrowing::new(Arc::clone(&schema));
        let cases = [
            (127, -128, Int8, Int8),
            (128, -129, Int16, Int16),
            (-32769, 1 << 30, Int32, Int32),
            (i64::from(i32::MIN), i128::from(i64::MIN), Int32, Int64),
            (1 << 31, i128::from(i64::MAX) + 1, Int64, Decimal128(38, 2)),
            // Columns stay as wide as they once were.
            (1, 1, Int64, Decimal128(38, 2)),
        ];
        for (id, price, id_type, price_type) in cases {
            let rows = batch(&schema, vec![Some(id), None, Some(0)], price);
            narrowing.make_room(&rows);
            let narrow = narrowing.apply(&rows).unwrap();
            let types =
                narrow.schema().fields().iter().map(|f| f.data_type().clone()).collect::<Vec<_>>();
            assert_eq!(types, [id_type, price_type, DataType::Utf8, Int32], "{id} {price}");
            assert_eq!(widen(&narrow, &schema).unwrap(), rows);
        }
    }

    #[test]
    fn a_block_of_other_types_is_refused() {
        let schema = schema();
        let other = Arc::new(Schema::new(vec![Field::new("id", DataType::Utf8, true)]));
        let rows = batch(&schema, vec![Some(1)], 1);
        let error = widen(&rows.project(&[0]).unwrap(), &other).unwrap_err();
        assert!(error.to_string().contains("cannot read a column of Int64 as Utf8"), "{error}");
        assert!(widen(&rows, &other).is_err());
    }
}
