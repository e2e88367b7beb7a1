//! Access to a field of a struct, or of each struct in an array. A field of a null struct is null,
//! whatever value is stored there.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, StructArray, make_array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Expr;

use crate::kernel::{Args, Kernel, Nulls};

use crate::types::{element, list};

pub(in crate::scalar) const KERNELS: &[Kernel] = &[FIELD];

const FIELD: Kernel = Kernel::new("spark_field", of_type, field).nulls(Nulls::Possible);

/// The named field of a struct, or an array of that field of each struct in an array.
pub fn field_of(value: Expr, name: &str) -> Expr {
    FIELD.udf().call(vec![value, Expr::Literal(ScalarValue::from(name), None)])
}

fn of_type(types: &[DataType], constants: &[Option<&ScalarValue>]) -> Result<DataType> {
    let Some(Some(ScalarValue::Utf8(Some(name)))) = constants.get(1) else {
        return internal_err!("the name of a field must be a constant");
    };
    let of = |data_type: &DataType| match data_type {
        DataType::Struct(fields) => fields.find(name).map(|(_, field)| field.data_type().clone()),
        _ => None,
    };
    let found = match types.first() {
        Some(DataType::List(element)) => of(element.data_type()).map(list),
        Some(other) => of(other),
        None => None,
    };
    if let Some(found) = found { Ok(found) } else { internal_err!("there is no field {name}") }
}

fn field(args: &Args<'_>) -> Result<ArrayRef> {
    let (value, name) = (args.array(0)?, args.constant_string(1)?);
    let Some(lists) = value.as_list_opt::<i32>() else {
        return masked(value, name);
    };
    let values = masked(lists.values(), name)?;
    let (element, offsets) = (element(values.data_type().clone()), lists.offsets().clone());
    Ok(Arc::new(ListArray::try_new(element, offsets, values, lists.nulls().cloned())?))
}

/// The field, null where its struct is null.
fn masked(structs: &ArrayRef, name: &str) -> Result<ArrayRef> {
    let found =
        structs.as_struct_opt().and_then(|structs| Some((structs, structs.column_by_name(name)?)));
    let Some((structs, column)) = found else {
        return internal_err!("there is no field {name}");
    };
    under(structs, column)
}

fn under(structs: &StructArray, column: &ArrayRef) -> Result<ArrayRef> {
    if structs.null_count() == 0 || *column.data_type() == DataType::Null {
        return Ok(Arc::clone(column));
    }
    let nulls = NullBuffer::union(structs.nulls(), column.nulls());
    Ok(make_array(column.to_data().into_builder().nulls(nulls).build()?))
}
