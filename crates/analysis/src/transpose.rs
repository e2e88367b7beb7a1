//! Transposition: rows become columns. Their number must be known, so the rows are fetched first.

use super::column::{Names, of_column};
use super::{Fact, Resolved, Resolver, Result, Want, error};
use arrow::array::{ArrayRef, StringArray};
use arrow::compute::{cast, concat, concat_batches};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use errors::condition;
use plan::{
    CastMode, DataType, Expr, Field, Literal, NullOrder, Relation, RelationKind, SortOrder,
    SparkError,
};
use std::sync::Arc;

/// Maximum number of rows.
const MAX_VALUES: usize = 500;

impl Resolver<'_> {
    pub(super) fn transpose(&mut self, input: &Relation, index: Option<&Expr>) -> Result<Resolved> {
        let columns = self.relation(input)?;
        let Some(first) = columns.scope.columns.first() else {
            return self.empty(&[Field::new("key", DataType::String, false)]);
        };
        let index = match index {
            Some(index) => self.expression(index, Names::of(&columns.scope))?,
            None => of_column(first),
        };
        let columns = &columns.scope.columns;
        let Some(at) = columns.iter().position(|column| Some(column.id.as_str()) == index.id())
        else {
            return Err(invalid_index("Index column must be a column of the frame"));
        };
        if matches!(
            index.data_type,
            DataType::Array { .. } | DataType::Map { .. } | DataType::Struct(_)
        ) {
            let kind = index.data_type.to_string();
            return Err(invalid_index(&format!(
                "Index column must be of atomic type, but found: {kind}"
            )));
        }
        let mut others: Vec<Field> = columns.iter().map(super::scope::Column::field).collect();
        others.remove(at);
        let types: Vec<DataType> = others.iter().map(|field| field.data_type.clone()).collect();
        let common = match self.common_type(&types) {
            Some(common) => common,
            None if types.is_empty() => DataType::String,
            None => return Err(no_common_type(&types)),
        };
        let wanted = cells(input, columns.len(), at, &common);
        let Fact::Rows { batches, .. } = self.facts.get(Want::Rows(wanted, self.env.clone()))?
        else {
            return Err(SparkError::internal("got files instead of rows").into());
        };
        let batches = batches.clone();
        let (schema, batch) = transposed(&batches, &others, &common)?;
        self.rows(&schema, &batch.into_iter().collect::<Vec<_>>())
    }
}

/// The index as text, then the other columns in their common type, ordered by the index.
fn cells(input: &Relation, width: usize, index: usize, common: &DataType) -> Relation {
    let name = |at: usize| format!("c{at}");
    let names = (0..width).map(name).collect();
    let numbered: Relation = RelationKind::ToDf { input: input.clone(), names }.into();
    let key = || Expr::column(name(index));
    let condition = Expr::call("isnotnull", vec![key()]);
    let known: Relation = RelationKind::Filter { input: numbered, condition }.into();
    let order = vec![SortOrder { expr: key(), ascending: true, nulls: NullOrder::Default }];
    let sorted: Relation = RelationKind::Sort { input: known, order, global: true }.into();
    let most = i32::try_from(MAX_VALUES + 1).unwrap_or(i32::MAX);
    let first: Relation =
        RelationKind::Limit { input: sorted, limit: Expr::Literal(Literal::Integer(most)) }.into();
    let cast = |expr, to: &DataType, at: usize| {
        let mode = CastMode::Session;
        Expr::Cast { expr: Box::new(expr), to: to.clone(), mode }.alias(name(at))
    };
    let mut expressions = vec![cast(key(), &DataType::String, index)];
    let others = (0..width).filter(|at| *at != index);
    expressions.extend(others.map(|at| cast(Expr::column(name(at)), common, at)));
    RelationKind::Project { input: first, expressions }.into()
}

/// A row for each column except the index, a column for each row.
fn transposed(
    batches: &[RecordBatch],
    others: &[Field],
    common: &DataType,
) -> Result<(Vec<Field>, Option<RecordBatch>)> {
    let mut schema = vec![Field::new("key", DataType::String, false)];
    let whole = match batches.first() {
        Some(first) => concat_batches(&first.schema(), batches).map_err(failed)?,
        None => return Ok((schema, keys_only(others))),
    };
    if whole.num_rows() > MAX_VALUES {
        let message = format!(
            "Number of rows exceeds the allowed limit of {MAX_VALUES} for TRANSPOSE. If this was intended, set \"spark.sql.transposeMaxValues\" to at least the current row count."
        );
        let most = MAX_VALUES.to_string();
        let parameters = [("maxValues", most.as_str()), ("config", "spark.sql.transposeMaxValues")];
        return Err(error::analysis(condition::TRANSPOSE_EXCEED_ROW_LIMIT, message, &parameters));
    }
    let mut arrays: Vec<ArrayRef> = vec![key_column(others)];
    let names = functions::show(whole.column(0), "UTC")?;
    let held = formats::types::to_arrow(common);
    let columns = whole.columns()[1..].iter().map(|column| cast(column, &held));
    let columns = columns.collect::<std::result::Result<Vec<_>, _>>().map_err(failed)?;
    for row in 0..whole.num_rows() {
        schema.push(Field::new(names.value(row), common.clone(), true));
        let values: Vec<ArrayRef> = columns.iter().map(|column| column.slice(row, 1)).collect();
        let values: Vec<_> = values.iter().map(AsRef::as_ref).collect();
        arrays.push(match values.as_slice() {
            [] => arrow::array::new_empty_array(&held),
            values => concat(values).map_err(failed)?,
        });
    }
    let batch = RecordBatch::try_new(formats::types::schema_in_plans(&schema), arrays);
    Ok((schema, Some(batch.map_err(failed)?)))
}

fn failed(error: ArrowError) -> SparkError {
    SparkError::internal(format!("invalid rows of a transposition: {error}"))
}

fn key_column(others: &[Field]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(others.iter().map(|field| &field.name)))
}

fn keys_only(others: &[Field]) -> Option<RecordBatch> {
    let schema = [Field::new("key", DataType::String, false)];
    RecordBatch::try_new(formats::types::schema_in_plans(&schema), vec![key_column(others)]).ok()
}

fn invalid_index(reason: &str) -> super::Stop {
    let message = format!("Invalid index column for TRANSPOSE because: {reason}");
    error::analysis(condition::TRANSPOSE_INVALID_INDEX_COLUMN, message, &[("reason", reason)])
}

fn no_common_type(types: &[DataType]) -> super::Stop {
    let shown = |data_type: &DataType| format!("\"{}\"", data_type.sql());
    let first = shown(&types[0]);
    let other = types.iter().map(shown).find(|other| *other != first).unwrap_or_default();
    let message = format!(
        "Transpose requires non-index columns to share a least common type, but {first} and {other} do not."
    );
    let parameters = [("dt1", first.as_str()), ("dt2", &other)];
    error::analysis(condition::TRANSPOSE_NO_LEAST_COMMON_TYPE, message, &parameters)
}
