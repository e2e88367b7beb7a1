//! Normal form of floating-point numbers: equal values have equal bits, and the bits sort like the
//! values. Spark has a single NaN, equal to itself and larger than all other values, and a single
//! zero. Arrow and `DataFusion` compare bits, which distinguish two zeros and sort a negative NaN
//! below all other values. So all values that are compared, grouped, joined or looked up are
//! normalised first, including those nested in arrays, maps and structs. All other values keep
//! their sign. Maps are grouped regardless of the order of their entries; no other operation
//! compares maps.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, ListArray, MapArray, PrimitiveArray, StructArray,
    UInt64Array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{self, SortOptions};
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use crate::FunctionError;
use crate::function::Call;
use crate::kernel::{Kernel, returns};

/// The kernels that normalise values.
pub(crate) const KERNELS: &[Kernel] = &[KEY, ORDERED];

const KEY: Kernel =
    Kernel::new("spark_normal", returns::first, |args| normal(args.array(0)?, Zeros::One));
const ORDERED: Kernel =
    Kernel::new("spark_normal_nan", returns::first, |args| normal(args.array(0)?, Zeros::Both));

/// Whether the sign of a zero is significant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zeros {
    /// Not significant: a zero loses its sign.
    One,
    /// Significant: a zero keeps its sign.
    Both,
}

/// Whether a type contains floating-point numbers.
pub(crate) fn has_floats(data_type: &DataType) -> bool {
    match data_type {
        DataType::Float32 | DataType::Float64 => true,
        DataType::List(field) | DataType::Map(field, _) => has_floats(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_floats(field.data_type())),
        _ => false,
    }
}

/// Whether a type contains maps.
fn has_maps(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) => true,
        DataType::List(field) => has_maps(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_maps(field.data_type())),
        _ => false,
    }
}

/// Whether normalisation may change values of the type.
fn has_forms(data_type: &DataType, zeros: Zeros) -> bool {
    has_floats(data_type) || (zeros == Zeros::One && has_maps(data_type))
}

/// Rejects arguments of types without an order.
pub(crate) fn ordered(call: &Call<'_>) -> std::result::Result<(), FunctionError> {
    match call.types.iter().find(|data_type| has_maps(data_type)) {
        None => Ok(()),
        Some(found) => {
            let data_type = found.clone();
            Err(FunctionError::NotOrderable { name: call.name.to_owned(), data_type })
        }
    }
}

/// Whether values of the type can be compared, and therefore made distinct and sorted.
pub fn is_orderable(data_type: &DataType) -> bool {
    !has_maps(data_type)
}

/// Normalises an expression of the given type. A caller that puts it into a plan preserves the name
/// of the original expression.
pub fn normal_form(expr: Expr, data_type: &DataType) -> Expr {
    wrapped(expr, data_type, KEY, Zeros::One)
}

/// Normalises an expression for ordering: NaNs are unified, zeros keep their sign.
pub(crate) fn ordered_form(expr: Expr, data_type: &DataType) -> Expr {
    wrapped(expr, data_type, ORDERED, Zeros::Both)
}

fn wrapped(expr: Expr, data_type: &DataType, kernel: Kernel, zeros: Zeros) -> Expr {
    if !has_forms(data_type, zeros) || is_normal(&expr, kernel) {
        return expr;
    }
    if let Expr::Literal(value, _) = &expr
        && let Ok(value) = value.to_array().and_then(|array| normal(&array, zeros))
        && let Ok(value) = ScalarValue::try_from_array(&value, 0)
    {
        return Expr::Literal(value, None);
    }
    kernel.udf().call(vec![expr])
}

fn is_normal(expr: &Expr, kernel: Kernel) -> bool {
    match expr {
        Expr::Alias(alias) => is_normal(&alias.expr, kernel),
        Expr::ScalarFunction(call) => call.func.name() == kernel.name,
        _ => false,
    }
}

/// Whether an operator compares two values by their order.
pub fn is_comparison(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// A comparison of two expressions of the same type.
///
/// An equality with an outer column is not normalised: `DataFusion` derives join and group keys
/// from its sides only if they are plain columns. A caller that turns such equalities into joins
/// normalises the sides then.
pub fn comparison(left: Expr, operator: Operator, right: Expr, of: &DataType) -> Expr {
    if operator == Operator::Eq && (left.contains_outer() || right.contains_outer()) {
        return Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)));
    }
    // Only one bit pattern equals an ordinary number, and such a filter can still be evaluated on
    // statistics.
    let is_equality = matches!(operator, Operator::Eq | Operator::IsNotDistinctFrom);
    let (left, right) = if is_equality && (is_ordinary(&left) || is_ordinary(&right)) {
        (left, right)
    } else {
        (normal_form(left, of), normal_form(right, of))
    };
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))
}

/// Whether the expression is a numeric constant other than zero and NaN.
pub(crate) fn is_ordinary(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Float64(Some(value)), _) => !value.is_nan() && *value != 0.0,
        Expr::Literal(ScalarValue::Float32(Some(value)), _) => !value.is_nan() && *value != 0.0,
        _ => false,
    }
}

/// Normalises values.
pub(crate) fn normal(array: &ArrayRef, zeros: Zeros) -> Result<ArrayRef> {
    if !has_forms(array.data_type(), zeros) {
        return Ok(Arc::clone(array));
    }
    Ok(match array.data_type() {
        DataType::Float32 => floats::<Float32Type>(
            array,
            |v| if v.is_nan() { f32::NAN } else { one_zero(v == 0.0, v, zeros) },
            |a, b| a.to_bits() == b.to_bits(),
        ),
        DataType::Float64 => floats::<Float64Type>(
            array,
            |v| if v.is_nan() { f64::NAN } else { one_zero(v == 0.0, v, zeros) },
            |a, b| a.to_bits() == b.to_bits(),
        ),
        DataType::List(field) => {
            let list = array.as_list::<i32>();
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            let values = normal(list.values(), zeros)?;
            Arc::new(ListArray::try_new(Arc::clone(field), offsets, values, nulls)?)
        }
        DataType::Map(field, sorted) => {
            let map = array.as_map();
            let nulls = map.nulls().cloned();
            let entries = structure(map.entries(), zeros)?;
            let (entries, offsets) = match zeros {
                Zeros::One => in_order(&entries, map.offsets())?,
                Zeros::Both => (entries, map.offsets().clone()),
            };
            Arc::new(MapArray::try_new(Arc::clone(field), offsets, entries, nulls, *sorted)?)
        }
        DataType::Struct(_) => Arc::new(structure(array.as_struct(), zeros)?),
        _ => Arc::clone(array),
    })
}

/// Sorts the entries of each map by key.
fn in_order(
    entries: &StructArray,
    offsets: &OffsetBuffer<i32>,
) -> Result<(StructArray, OffsetBuffer<i32>)> {
    let keys = RowConverter::new(vec![SortField::new(entries.column(0).data_type().clone())])?
        .convert_columns(&[Arc::clone(entries.column(0))])?;
    let mut places = Vec::with_capacity(entries.len());
    for span in offsets.windows(2) {
        let before = places.len();
        places.extend((span[0]..span[1]).filter_map(|at| u64::try_from(at).ok()));
        places[before..].sort_by_key(|at| keys.row(usize::try_from(*at).unwrap_or_default()));
    }
    let taken = compute::take(entries, &UInt64Array::from(places), None)?;
    Ok((taken.as_struct().clone(), OffsetBuffer::from_lengths(offsets.lengths())))
}

fn one_zero<T: Default>(is_zero: bool, value: T, zeros: Zeros) -> T {
    if is_zero && zeros == Zeros::One { T::default() } else { value }
}

fn floats<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    form: impl Fn(T::Native) -> T::Native,
    same_bits: impl Fn(T::Native, T::Native) -> bool,
) -> ArrayRef {
    let values = array.as_primitive::<T>();
    if values.values().iter().all(|value| same_bits(form(*value), *value)) {
        return Arc::clone(array);
    }
    let formed: PrimitiveArray<T> = values.unary(form);
    Arc::new(formed)
}

fn structure(array: &StructArray, zeros: Zeros) -> Result<StructArray> {
    let columns =
        array.columns().iter().map(|column| normal(column, zeros)).collect::<Result<Vec<_>>>()?;
    Ok(StructArray::try_new(array.fields().clone(), columns, array.nulls().cloned())?)
}

/// Converts values to rows that compare as Spark compares the values.
pub(crate) struct Comparable(RowConverter);

impl Comparable {
    /// For values of the given type, in ascending order with nulls first.
    pub(crate) fn new(data_type: &DataType) -> Result<Self> {
        Self::in_order(data_type, SortOptions::default())
    }

    /// For values of the given type, in the given order.
    pub(crate) fn in_order(data_type: &DataType, options: SortOptions) -> Result<Self> {
        let field = SortField::new_with_options(data_type.clone(), options);
        Ok(Self(RowConverter::new(vec![field])?))
    }

    /// The values as rows. Rows of several arrays can be compared with each other.
    pub(crate) fn rows(&self, values: &ArrayRef) -> Result<Rows> {
        Ok(self.0.convert_columns(&[normal(values, Zeros::One)?])?)
    }
}
