//! What the tests of formats share: options, columns by letters, and rows as text.

use crate::options::Options;
use crate::records::{Defaults, Mode};
use crate::rows::{Origin, Rows};
use crate::text::{Style, write_value};
use crate::types::{list, map, timestamp};
use arrow::array::StructArray;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// What a session says by default.
pub(crate) const DEFAULTS: Defaults<'_> = Defaults { time_zone: "UTC", corrupt_column: "bad" };

/// Options that are made into what a format knows.
pub(crate) fn with<T>(pairs: &[(&str, &str)], make: impl FnOnce(&Options<'_>) -> T) -> T {
    let pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    make(&Options(&pairs))
}

/// A type by a letter; in upper case arrays of it.
pub(crate) fn type_of(letter: char) -> DataType {
    match letter {
        'i' => DataType::Int32,
        'l' => DataType::Int64,
        'd' => DataType::Float64,
        'n' => DataType::Decimal128(5, 2),
        's' => DataType::Utf8,
        'b' => DataType::Boolean,
        'x' => DataType::Binary,
        'a' => DataType::Date32,
        't' => timestamp(),
        'm' => map(DataType::Utf8, DataType::Int32),
        'r' => DataType::Struct(vec![Field::new("x", DataType::Int32, true)].into()),
        upper => list(type_of(upper.to_ascii_lowercase())),
    }
}

/// Columns `a`, `b` … by their letters, and after them one for records that are not well formed.
pub(crate) fn columns(letters: &str) -> (Vec<Origin>, SchemaRef) {
    let names = "abcdefgh".chars().map(String::from);
    let fields = letters.chars().zip(names).map(|(c, name)| Field::new(name, type_of(c), true));
    let fields = fields.chain([Field::new("bad", DataType::Utf8, true)]);
    let count = letters.chars().count();
    let origins = (0..count).map(Origin::Field).chain([Origin::Corrupt]).collect();
    (origins, Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

/// No rows yet, of columns by their letters.
pub(crate) fn no_rows(letters: &str, mode: Mode) -> Rows {
    let (origins, schema) = columns(letters);
    Rows::new(&origins, mode, schema).expect("every letter is a type that is read")
}

/// The rows as a cast writes structs, one behind the other.
pub(crate) fn shown(rows: &mut Rows) -> String {
    let batch = rows.finish(|_, _| unreachable!("no column is given")).expect("columns fit");
    let Some(batch) = batch else { return String::new() };
    let structs = StructArray::from(batch);
    let style = Style::of_casts(crate::calendar::Zone::Fixed(0));
    let mut out = String::new();
    for row in 0..arrow::array::Array::len(&structs) {
        write_value(&structs, row, &style, &mut out).expect("every type has a text");
    }
    out
}
