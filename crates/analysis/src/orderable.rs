//! Types whose values cannot be compared: maps, and types that contain them.

use super::scope::Column;
use super::typed::Typed;
use super::{Result, error};
use errors::condition;
use functions::is_orderable;
use plan::DataType;

fn compares(data_type: &DataType) -> bool {
    is_orderable(&formats::types::to_arrow(data_type))
}

/// Refuses columns whose values cannot be compared for equality.
pub(super) fn distinguishable<'c>(mut columns: impl Iterator<Item = &'c Column>) -> Result<()> {
    let Some(column) = columns.find(|column| !compares(&column.data_type)) else {
        return Ok(());
    };
    let name = plan::quote_name(&column.name);
    let kind = format!("\"{}\"", column.data_type.sql());
    let message = format!(
        "The feature is not supported: Cannot have MAP type columns in DataFrame which calls set operations (INTERSECT, EXCEPT, etc.), but the type of column {name} is {kind}."
    );
    Err(error::analysis(
        condition::UNSUPPORTED_FEATURE_SET_OPERATION_ON_MAP_TYPE,
        message,
        &[("colName", &name), ("dataType", &kind)],
    ))
}

/// Refuses values that cannot be sorted.
pub(super) fn sortable(values: &[Typed]) -> Result<()> {
    let Some(value) = values.iter().find(|value| !compares(&value.data_type)) else {
        return Ok(());
    };
    let (text, kind) = (format!("\"{}\"", value.name), format!("\"{}\"", value.data_type.sql()));
    let message = format!(
        "Cannot resolve {text} due to data type mismatch: The `sortorder` does not support ordering on type {kind}."
    );
    Err(error::analysis(
        condition::DATATYPE_MISMATCH_INVALID_ORDERING_TYPE,
        message,
        &[("sqlExpr", &text), ("functionName", "`sortorder`"), ("dataType", &kind)],
    ))
}
