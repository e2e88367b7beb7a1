//! Conversion of values to the shape of a type: struct fields are matched by name, whatever their
//! position; missing fields are null.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, new_null_array,
};
use datafusion::arrow::datatypes::{DataType, FieldRef, Fields};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Expr;

use crate::kernel::{Kernel, Nulls};

pub(in crate::scalar) const KERNELS: &[Kernel] = &[SHAPED, SHAPED_BY_CASE];

const SHAPED: Kernel =
    Kernel::new("spark_shaped", of_second, |args| shaped(args.array(0)?, args.returns, false))
        .nulls(Nulls::Possible);
const SHAPED_BY_CASE: Kernel = Kernel::new("spark_shaped_by_case", of_second, |args| {
    shaped(args.array(0)?, args.returns, true)
})
.nulls(Nulls::Possible);

/// The value with the fields of type `to`, whose other types are those of the value.
pub fn in_shape(value: Expr, to: &DataType, case_sensitive: bool) -> Result<Expr> {
    let kernel = if case_sensitive { SHAPED_BY_CASE } else { SHAPED };
    let of_type = Expr::Literal(ScalarValue::try_from(to)?, None);
    Ok(kernel.udf().call(vec![value, of_type]))
}

/// Returns the type of the second argument, which is passed for its type only.
fn of_second(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(types.get(1).cloned().unwrap_or(DataType::Null))
}

fn shaped(value: &ArrayRef, to: &DataType, case_sensitive: bool) -> Result<ArrayRef> {
    if value.data_type() == to {
        return Ok(Arc::clone(value));
    }
    Ok(match (value.data_type(), to) {
        (DataType::Struct(_), DataType::Struct(fields)) => {
            Arc::new(in_fields(value.as_struct(), fields, case_sensitive)?)
        }
        (DataType::List(_), DataType::List(element)) => {
            let lists = value.as_list::<i32>();
            let values = shaped(lists.values(), element.data_type(), case_sensitive)?;
            let (offsets, nulls) = (lists.offsets().clone(), lists.nulls().cloned());
            Arc::new(ListArray::try_new(Arc::clone(element), offsets, values, nulls)?)
        }
        (DataType::Map(..), DataType::Map(entries, sorted)) => {
            let maps = value.as_map();
            let DataType::Struct(fields) = entries.data_type() else {
                return internal_err!("a map has no entries");
            };
            let both = [maps.keys(), maps.values()];
            let both = both.into_iter().zip(fields);
            let both =
                both.map(|(column, field)| shaped(column, field.data_type(), case_sensitive));
            let pairs = StructArray::try_new(fields.clone(), both.collect::<Result<_>>()?, None)?;
            let (offsets, nulls) = (maps.offsets().clone(), maps.nulls().cloned());
            Arc::new(MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls, *sorted)?)
        }
        (from, to) => return internal_err!("{from} has not the shape of {to}"),
    })
}

fn in_fields(value: &StructArray, fields: &Fields, case_sensitive: bool) -> Result<StructArray> {
    let same = |name: &str, field: &FieldRef| {
        name == field.name()
            || !case_sensitive && name.to_lowercase() == field.name().to_lowercase()
    };
    let column =
        |field: &FieldRef| match value.column_names().iter().position(|name| same(name, field)) {
            Some(at) => shaped(value.column(at), field.data_type(), case_sensitive),
            None => Ok(new_null_array(field.data_type(), value.len())),
        };
    let columns = fields.iter().map(column).collect::<Result<Vec<_>>>()?;
    Ok(StructArray::try_new_with_length(
        fields.clone(),
        columns,
        value.nulls().cloned(),
        value.len(),
    )?)
}
