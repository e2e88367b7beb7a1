//! `listagg`: concatenation of strings or binary values, optionally ordered by keys.

use std::mem::size_of_val;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use datafusion::arrow::compute::{self, SortOptions};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::physical_expr::expressions::Literal;

use super::fold::{Fold, empty_list, list_of};
use crate::types::list;

/// `listagg(text, delimiter)`; if ordered, followed by the sort order of each key and the keys.
pub(super) const JOINED: Fold = Fold {
    name: "spark_listagg",
    returns: |_| DataType::Utf8,
    state: |types| columns(types).cloned().map(list).collect(),
    make: joined,
    groups: None,
    empty_is_list: false,
};

/// The same for binary values.
pub(super) const JOINED_BYTES: Fold =
    Fold { name: "spark_listagg_bytes", returns: |_| DataType::Binary, ..JOINED };

/// Encodes the sort order of a key as a letter.
pub(super) fn way(ascending: bool, nulls_first: bool) -> char {
    match (ascending, nulls_first) {
        (true, true) => 'a',
        (true, false) => 'A',
        (false, true) => 'd',
        (false, false) => 'D',
    }
}

/// The arguments that are not constant: the value and the keys.
fn columns<T>(args: &[T]) -> impl Iterator<Item = &T> {
    args.iter().take(1).chain(args.iter().skip(3))
}

fn joined(args: &AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
    let constant = |index: usize| {
        let Some(expr) = args.exprs.get(index) else { return Ok(None) };
        if let Some(literal) = expr.downcast_ref::<Literal>() {
            Ok(Some(literal.value().clone()))
        } else {
            exec_err!("argument {index} of {} must be a constant", args.name)
        }
    };
    let delimiter = match constant(1)? {
        Some(ScalarValue::Utf8(Some(text))) => text.into_bytes(),
        Some(ScalarValue::Binary(Some(bytes))) => bytes,
        _ => Vec::new(),
    };
    let ways = match constant(2)? {
        Some(ScalarValue::Utf8(Some(ways))) => ways,
        _ => String::new(),
    };
    let option = |way: char| SortOptions {
        descending: way.eq_ignore_ascii_case(&'d'),
        nulls_first: way.is_ascii_lowercase(),
    };
    let types = columns(args.expr_fields).map(|field| field.data_type().clone()).collect();
    let order = ways.chars().map(option).collect();
    Ok(Box::new(Joined { delimiter, order, types, rows: Vec::new() }))
}

#[derive(Debug)]
struct Joined {
    delimiter: Vec<u8>,
    order: Vec<SortOptions>,
    /// Types of the value and the keys.
    types: Vec<DataType>,
    /// Batches of values and keys, without null values.
    rows: Vec<Vec<ArrayRef>>,
}

impl Joined {
    fn add(&mut self, columns: Vec<ArrayRef>) -> Result<()> {
        let valid = compute::is_not_null(&columns[0])?;
        let columns = columns.iter().map(|column| Ok(compute::filter(column, &valid)?));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        if !columns[0].is_empty() {
            self.rows.push(columns);
        }
        Ok(())
    }

    fn column(&self, at: usize) -> Result<ArrayRef> {
        let parts: Vec<&dyn Array> = self.rows.iter().map(|rows| rows[at].as_ref()).collect();
        Ok(compute::concat(&parts)?)
    }

    /// The values in the requested order.
    fn ordered(&self) -> Result<ArrayRef> {
        let values = self.column(0)?;
        if self.order.is_empty() {
            return Ok(values);
        }
        let keys = (1..self.types.len()).map(|at| self.column(at)).collect::<Result<Vec<_>>>()?;
        let field = |(key, options): (&ArrayRef, &SortOptions)| {
            SortField::new_with_options(key.data_type().clone(), *options)
        };
        let fields = keys.iter().zip(&self.order).map(field).collect();
        let rows = RowConverter::new(fields)?.convert_columns(&keys)?;
        let mut order: Vec<usize> = (0..rows.num_rows()).collect();
        order.sort_by_key(|row| rows.row(*row));
        let order = UInt64Array::from_iter_values(order.into_iter().map(|row| row as u64));
        Ok(compute::take(&values, &order, None)?)
    }
}

impl Accumulator for Joined {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(columns(values).cloned().collect())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for row in 0..states[0].len() {
            let lists = states.iter().map(|state| state.as_list::<i32>().value(row));
            self.add(lists.collect())?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        if self.rows.is_empty() {
            return Ok(self.types.iter().map(empty_list).collect());
        }
        (0..self.types.len()).map(|at| list_of(&self.column(at)?)).collect()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let bytes = self.types[0] == DataType::Binary;
        if self.rows.is_empty() {
            return Ok(if bytes { ScalarValue::Binary(None) } else { ScalarValue::Utf8(None) });
        }
        let values = self.ordered()?;
        if bytes {
            let parts: Vec<&[u8]> = values.as_binary::<i32>().iter().flatten().collect();
            return Ok(ScalarValue::Binary(Some(parts.join(&self.delimiter[..]))));
        }
        let delimiter = String::from_utf8_lossy(&self.delimiter);
        let parts: Vec<&str> = values.as_string::<i32>().iter().flatten().collect();
        Ok(ScalarValue::from(parts.join(&delimiter)))
    }

    fn size(&self) -> usize {
        let arrays = self.rows.iter().flatten();
        size_of_val(self) + arrays.map(Array::get_array_memory_size).sum::<usize>()
    }
}
