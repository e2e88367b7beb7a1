//! The values of a column, as they come out of text one by one.

use arrow::array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, DurationMicrosecondBuilder,
    Float32Builder, Float64Builder, Int8Builder, Int16Builder, Int32Builder, Int64Builder,
    IntervalYearMonthBuilder, NullBufferBuilder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, ListArray, MapArray, NullArray, StringArray,
    StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::filter;
use arrow::datatypes::{DataType, FieldRef, Fields, IntervalUnit, TimeUnit};
use arrow::error::ArrowError;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Whether values of a type can be read from text; `nested` says whether the format has arrays and
/// the like.
pub fn readable(data_type: &DataType, nested: Nested) -> bool {
    match data_type {
        DataType::List(item) => nested == Nested::Yes && readable(item.data_type(), nested),
        DataType::Struct(fields) => {
            nested == Nested::Yes && fields.iter().all(|field| readable(field.data_type(), nested))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) => {
                nested == Nested::Yes
                    && matches!(pair.first().map(|key| key.data_type()), Some(DataType::Utf8))
                    && pair.get(1).is_some_and(|value| readable(value.data_type(), nested))
            }
            _ => false,
        },
        simple => Values::new(simple).is_some(),
    }
}

/// Whether a format has values inside values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nested {
    /// It has arrays, maps and structs.
    Yes,
    /// It has only simple values.
    No,
}

/// See the module.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is named after the Spark type of its values")]
pub enum Values {
    Null(usize),
    Boolean(BooleanBuilder),
    Byte(Int8Builder),
    Short(Int16Builder),
    Int(Int32Builder),
    Long(Int64Builder),
    Float(Float32Builder),
    Double(Float64Builder),
    Decimal(Decimal128Builder, (u8, i8)),
    Text(StringBuilder),
    Binary(BinaryBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    TimestampNtz(TimestampMicrosecondBuilder),
    DayTime(DurationMicrosecondBuilder),
    YearMonth(IntervalYearMonthBuilder),
    List(Box<List>),
    Struct(Box<Struct>),
    Map(Box<Map>),
}

/// Values of arrays.
#[derive(Debug)]
pub struct List {
    field: FieldRef,
    pub(crate) items: Values,
    ends: Ends,
}

/// Values of structs.
#[derive(Debug)]
pub struct Struct {
    fields: Fields,
    /// By name, which of the fields it is.
    pub(crate) names: HashMap<String, usize>,
    /// Where the fields of the value at hand are, for whoever reads it.
    pub(crate) found: Vec<Option<usize>>,
    pub(crate) children: Vec<Values>,
    pub(crate) valid: NullBufferBuilder,
}

/// Values of maps with keys of text.
#[derive(Debug)]
pub struct Map {
    entries: FieldRef,
    pub(crate) keys: StringBuilder,
    pub(crate) items: Values,
    ends: Ends,
}

/// Where each array or map ends among the items of all.
#[derive(Debug)]
struct Ends {
    offsets: Vec<i32>,
    valid: NullBufferBuilder,
    /// Items of values that turned out not to fit; they are taken out in the end.
    gaps: Vec<Range<usize>>,
    /// Items in gaps.
    lost: usize,
}

impl Ends {
    fn new() -> Self {
        let valid = NullBufferBuilder::new(0);
        Self { offsets: vec![0], valid, gaps: Vec::new(), lost: 0 }
    }

    fn push(&mut self, items: usize, valid: bool) {
        // A batch ends long before it holds so many.
        self.offsets.push(i32::try_from(items - self.lost).unwrap_or(i32::MAX));
        self.valid.append(valid);
    }

    /// Forgets the items since the last end.
    fn forget(&mut self, items: usize) {
        let last = self.offsets.last().map_or(0, |end| usize::try_from(*end).unwrap_or_default());
        let gap = last + self.lost..items;
        self.lost += gap.len();
        self.gaps.push(gap);
    }

    fn finish(&mut self) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
        let offsets = std::mem::replace(&mut self.offsets, vec![0]);
        self.lost = 0;
        (OffsetBuffer::new(ScalarBuffer::from(offsets)), self.valid.finish())
    }

    /// Items without those in gaps.
    fn without_gaps(&mut self, items: ArrayRef) -> Result<ArrayRef, ArrowError> {
        let gaps = std::mem::take(&mut self.gaps);
        if gaps.is_empty() {
            return Ok(items);
        }
        let mut kept = vec![true; items.len()];
        gaps.into_iter().flatten().for_each(|at| kept[at] = false);
        filter(&items, &BooleanArray::from(kept))
    }
}

impl List {
    pub(crate) fn end(&mut self, valid: bool) {
        self.ends.push(self.items.len(), valid);
    }

    pub(crate) fn forget(&mut self) {
        self.ends.forget(self.items.len());
    }
}

impl Map {
    pub(crate) fn end(&mut self, valid: bool) {
        self.ends.push(self.items.len(), valid);
    }

    pub(crate) fn forget(&mut self) {
        self.ends.forget(self.items.len());
    }
}

impl Values {
    /// None yet, of a type. Nothing if such values are not read from text.
    pub fn new(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Null => Self::Null(0),
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int8 => Self::Byte(Int8Builder::new()),
            DataType::Int16 => Self::Short(Int16Builder::new()),
            DataType::Int32 => Self::Int(Int32Builder::new()),
            DataType::Int64 => Self::Long(Int64Builder::new()),
            DataType::Float32 => Self::Float(Float32Builder::new()),
            DataType::Float64 => Self::Double(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => {
                let builder = Decimal128Builder::new().with_data_type(data_type.clone());
                Self::Decimal(builder, (*precision, *scale))
            }
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::Binary => Self::Binary(BinaryBuilder::new()),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let builder = TimestampMicrosecondBuilder::new().with_data_type(data_type.clone());
                if zone.is_some() { Self::Timestamp(builder) } else { Self::TimestampNtz(builder) }
            }
            DataType::Duration(TimeUnit::Microsecond) => {
                Self::DayTime(DurationMicrosecondBuilder::new())
            }
            DataType::Interval(IntervalUnit::YearMonth) => {
                Self::YearMonth(IntervalYearMonthBuilder::new())
            }
            DataType::List(field) => Self::List(Box::new(List {
                field: Arc::clone(field),
                items: Self::new(field.data_type())?,
                ends: Ends::new(),
            })),
            DataType::Struct(fields) => {
                let names = (0..).zip(fields).map(|(at, field)| (field.name().clone(), at));
                let children = fields.iter().map(|field| Self::new(field.data_type()));
                Self::Struct(Box::new(Struct {
                    fields: fields.clone(),
                    names: names.collect(),
                    found: Vec::new(),
                    children: children.collect::<Option<_>>()?,
                    valid: NullBufferBuilder::new(0),
                }))
            }
            DataType::Map(entries, _) => {
                let DataType::Struct(pair) = entries.data_type() else { return None };
                Self::Map(Box::new(Map {
                    entries: Arc::clone(entries),
                    keys: StringBuilder::new(),
                    items: Self::new(pair.get(1)?.data_type())?,
                    ends: Ends::new(),
                }))
            }
            _ => return None,
        })
    }

    fn len(&self) -> usize {
        use arrow::array::ArrayBuilder;
        match self {
            Self::Null(count) => *count,
            Self::Boolean(builder) => builder.len(),
            Self::Byte(builder) => builder.len(),
            Self::Short(builder) => builder.len(),
            Self::Int(builder) => builder.len(),
            Self::Long(builder) => builder.len(),
            Self::Float(builder) => builder.len(),
            Self::Double(builder) => builder.len(),
            Self::Decimal(builder, _) => builder.len(),
            Self::Text(builder) => builder.len(),
            Self::Binary(builder) => builder.len(),
            Self::Date(builder) => builder.len(),
            Self::Timestamp(builder) | Self::TimestampNtz(builder) => builder.len(),
            Self::DayTime(builder) => builder.len(),
            Self::YearMonth(builder) => builder.len(),
            Self::List(list) => list.ends.offsets.len() - 1,
            Self::Struct(inner) => inner.valid.len(),
            Self::Map(map) => map.ends.offsets.len() - 1,
        }
    }

    /// Appends a null.
    pub fn push_null(&mut self) {
        match self {
            Self::Null(count) => *count += 1,
            Self::Boolean(builder) => builder.append_null(),
            Self::Byte(builder) => builder.append_null(),
            Self::Short(builder) => builder.append_null(),
            Self::Int(builder) => builder.append_null(),
            Self::Long(builder) => builder.append_null(),
            Self::Float(builder) => builder.append_null(),
            Self::Double(builder) => builder.append_null(),
            Self::Decimal(builder, _) => builder.append_null(),
            Self::Text(builder) => builder.append_null(),
            Self::Binary(builder) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Timestamp(builder) | Self::TimestampNtz(builder) => builder.append_null(),
            Self::DayTime(builder) => builder.append_null(),
            Self::YearMonth(builder) => builder.append_null(),
            Self::List(list) => list.end(false),
            Self::Struct(inner) => {
                inner.children.iter_mut().for_each(Self::push_null);
                inner.valid.append_null();
            }
            Self::Map(map) => map.end(false),
        }
    }

    /// The values so far; none are left.
    pub fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Null(count) => Arc::new(NullArray::new(std::mem::take(count))),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Byte(builder) => Arc::new(builder.finish()),
            Self::Short(builder) => Arc::new(builder.finish()),
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::Long(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Double(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder, _) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Binary(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) | Self::TimestampNtz(builder) => Arc::new(builder.finish()),
            Self::DayTime(builder) => Arc::new(builder.finish()),
            Self::YearMonth(builder) => Arc::new(builder.finish()),
            Self::List(list) => {
                let items = list.items.finish()?;
                let items = list.ends.without_gaps(items)?;
                let (offsets, valid) = list.ends.finish();
                Arc::new(ListArray::try_new(Arc::clone(&list.field), offsets, items, valid)?)
            }
            Self::Struct(inner) => {
                let columns = inner.children.iter_mut().map(Self::finish);
                let columns = columns.collect::<Result<Vec<_>, _>>()?;
                let rows = inner.valid.len();
                let valid = inner.valid.finish();
                let fields = inner.fields.clone();
                Arc::new(StructArray::try_new_with_length(fields, columns, valid, rows)?)
            }
            Self::Map(map) => {
                let DataType::Struct(pair) = map.entries.data_type().clone() else {
                    return Err(ArrowError::SchemaError("a map without entries".to_owned()));
                };
                let keys: StringArray = map.keys.finish();
                let columns = vec![Arc::new(keys) as ArrayRef, map.items.finish()?];
                let entries: ArrayRef = Arc::new(StructArray::try_new(pair, columns, None)?);
                let entries = map.ends.without_gaps(entries)?.as_struct().clone();
                let (offsets, valid) = map.ends.finish();
                let field = Arc::clone(&map.entries);
                Arc::new(MapArray::try_new(field, offsets, entries, valid, false)?)
            }
        })
    }
}
