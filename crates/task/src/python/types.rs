//! Arrow types on the way to a worker and back. Python's Arrow lacks one of ours, and what a worker
//! yields may be typed a little differently: other names inside of lists, large offsets.

use arrow::array::{Array, ArrayData, ArrayRef, make_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, IntervalUnit};
use datafusion::common::Result;
use std::sync::Arc;

/// The type that a worker gets for one of ours: months are plain numbers there.
pub(super) fn for_worker(data_type: &DataType) -> DataType {
    let of = |field: &FieldRef| -> FieldRef {
        let inner = for_worker(field.data_type());
        Arc::new(Field::new(field.name(), inner, field.is_nullable()))
    };
    match data_type {
        DataType::Interval(IntervalUnit::YearMonth) => DataType::Int32,
        DataType::List(element) => DataType::List(of(element)),
        DataType::Map(entries, sorted) => DataType::Map(of(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(of).collect::<Fields>()),
        other => other.clone(),
    }
}

/// The values under a type that differs at most in names, nullability, and months.
pub(super) fn retyped(array: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    Ok(make_array(retyped_data(array.to_data(), target)?))
}

fn retyped_data(data: ArrayData, target: &DataType) -> Result<ArrayData> {
    let children: Vec<&DataType> = match target {
        DataType::List(element) => vec![element.data_type()],
        DataType::Map(entries, _) => vec![entries.data_type()],
        DataType::Struct(fields) => fields.iter().map(|field| field.data_type()).collect(),
        _ => Vec::new(),
    };
    let inner = data.child_data().iter().cloned().zip(children);
    let inner = inner.map(|(child, target)| retyped_data(child, target)).collect::<Result<_>>()?;
    Ok(data.into_builder().data_type(target.clone()).child_data(inner).build()?)
}

/// Whether values of both types are held in the same way.
fn same_layout(one: &DataType, other: &DataType) -> bool {
    let fields = |one: &Fields, other: &Fields| {
        one.len() == other.len()
            && one.iter().zip(other).all(|(a, b)| same_layout(a.data_type(), b.data_type()))
    };
    match (one, other) {
        (DataType::Int32, DataType::Interval(IntervalUnit::YearMonth)) => true,
        (DataType::List(a), DataType::List(b)) | (DataType::Map(a, _), DataType::Map(b, _)) => {
            same_layout(a.data_type(), b.data_type())
        }
        (DataType::Struct(a), DataType::Struct(b)) => fields(a, b),
        (one, other) => one == other,
    }
}

/// What a worker yielded, as the plan holds it; an error if it is something else.
pub(super) fn from_worker(array: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    if same_layout(array.data_type(), target) {
        return retyped(array, target);
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    Ok(cast_with_options(array, target, &options)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, Int32Array, IntervalYearMonthArray, LargeStringArray, ListArray};
    use arrow::datatypes::Int32Type;

    #[test]
    fn months_travel_as_numbers_also_inside() {
        let months: ArrayRef = Arc::new(IntervalYearMonthArray::from(vec![Some(14), None]));
        let plain = for_worker(months.data_type());
        let sent = retyped(&months, &plain).unwrap();
        assert_eq!(sent.as_primitive::<Int32Type>(), &Int32Array::from(vec![Some(14), None]));
        assert_eq!(&from_worker(&sent, months.data_type()).unwrap(), &months);
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)])]);
        let lists: ArrayRef = Arc::new(lists);
        let element = Field::new("element", DataType::Interval(IntervalUnit::YearMonth), true);
        let target = DataType::List(Arc::new(element));
        let back = from_worker(&lists, &target).unwrap();
        assert_eq!(back.data_type(), &target);
    }

    #[test]
    fn other_widths_are_cast_and_other_values_refused() {
        let large: ArrayRef = Arc::new(LargeStringArray::from(vec!["a"]));
        assert_eq!(from_worker(&large, &DataType::Utf8).unwrap().data_type(), &DataType::Utf8);
        assert!(from_worker(&large, &DataType::Int32).is_err());
    }
}
