//! Expressions as the user wrote them: names instead of columns and functions.

use crate::{DataType, Field, PythonCall, Relation, TableArgument};

/// An unresolved expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A constant.
    Literal(Literal),
    /// A column, or a field of a struct column, by name. `plan_id` binds it to the relation with
    /// that id (`df["a"]`).
    Column {
        /// Parts of the name: `t.a.b` is `["t", "a", "b"]`.
        name: Vec<String>,
        /// The client's relation that it belongs to.
        plan_id: Option<i64>,
    },
    /// A hidden column, or a field of it: `df.metadataColumn("_metadata")`.
    MetadataColumn {
        /// Parts of the name.
        name: Vec<String>,
        /// The client's relation that it belongs to.
        plan_id: Option<i64>,
    },
    /// All columns whose name matches a Java regular expression (`df.colRegex`, or a quoted name in
    /// SQL).
    ColumnRegex {
        /// The pattern.
        pattern: String,
        /// As in `Column`.
        plan_id: Option<i64>,
    },
    /// `*` or `t.*` or `struct.*`; `except` lists columns to leave out (`* EXCEPT (a, b)`).
    Star {
        /// Qualifier; empty for `*`.
        target: Vec<String>,
        /// Columns to leave out.
        except: Vec<Vec<String>>,
        /// As in `Column`.
        plan_id: Option<i64>,
    },
    /// A call of a function or operator by name. Operators have Spark's names: `+ - * / % == <=> <
    /// <= > >= and or not in like rlike ilike between isnull isnotnull when if negative & | ^ ~
    /// ||`; the first argument of `in` is the value; `when` takes pairs of condition and value, and
    /// optionally an else value at the end.
    Function(FunctionCall),
    /// A new name (several for a generator). `metadata` is a JSON object for the resulting field.
    Alias {
        /// The named expression.
        expr: Box<Expr>,
        /// The name or, for a generator, names.
        names: Vec<String>,
        /// Metadata of the field.
        metadata: Option<String>,
    },
    /// `CAST`, `TRY_CAST`.
    Cast {
        /// The expression to cast.
        expr: Box<Expr>,
        /// Target type.
        to: DataType,
        /// Treatment of values that do not fit.
        mode: CastMode,
    },
    /// A sort key where an expression is expected (the arguments of `df.sort`).
    SortOrder(Box<SortOrder>),
    /// A window function call.
    Window {
        /// The function: an `Expr::Function`.
        function: Box<Expr>,
        /// Partitions, order and frame.
        spec: Box<WindowSpec>,
    },
    /// A lambda function: `x -> x + 1`. In its body, `sql` and `connect` turn the parameters into
    /// `LambdaVariable`s.
    Lambda {
        /// The body.
        body: Box<Expr>,
        /// Names of the parameters.
        parameters: Vec<String>,
    },
    /// A parameter of the enclosing lambda.
    LambdaVariable(String),
    /// `child[extraction]`, or `child.field` with a string literal: array element, map value, or
    /// struct field.
    ExtractValue {
        /// Array, map or struct.
        child: Box<Expr>,
        /// Index, key or field name.
        extraction: Box<Expr>,
    },
    /// `withField` (a value) or `dropFields` (none) on a struct.
    UpdateField {
        /// The struct.
        child: Box<Expr>,
        /// Path of the field.
        field: Vec<String>,
        /// The new value; `None` drops the field.
        value: Option<Box<Expr>>,
    },
    /// `name => value` in an argument list.
    NamedArgument {
        /// Parameter.
        name: String,
        /// The value.
        value: Box<Expr>,
    },
    /// A query used as a value. `SubqueryKind::In` holds the compared values.
    Subquery {
        /// Its use.
        kind: SubqueryKind,
        /// The query; `RelationKind::Reference` if the client sent it separately.
        query: Box<Relation>,
    },
    /// A call of a Python function sent along.
    Python(PythonCall),
    /// `TABLE(…)` as an argument of a table function.
    TableArgument(Box<TableArgument>),
    /// SQL text of one expression, to be parsed by `TextParser::expression`.
    Text(String),
    /// A named (`:name`) or positional (`?`, named by its index from 0) parameter of SQL text.
    Parameter(String),
}

/// A call by name.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionCall {
    /// Name as written; not case-sensitive. It may be qualified (`builtin.abs`): the last part
    /// counts.
    pub name: String,
    /// Arguments.
    pub args: Vec<Expr>,
    /// `DISTINCT` in an aggregate.
    pub distinct: bool,
    /// `IGNORE NULLS` in a window function or `first`/`last`.
    pub ignore_nulls: bool,
    /// `FILTER (WHERE …)` of an aggregate.
    pub filter: Option<Box<Expr>>,
    /// `WITHIN GROUP (ORDER BY …)`.
    pub within_group: Vec<SortOrder>,
}

/// A constant. Times are in Spark's internal representation.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the variants are Spark's own type names")]
pub enum Literal {
    /// Null of a type; `DataType::Null` if unknown.
    Null(DataType),
    Boolean(bool),
    Byte(i8),
    Short(i16),
    Integer(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    /// `unscaled / 10^scale`.
    Decimal {
        unscaled: i128,
        precision: u8,
        scale: i8,
    },
    String(String),
    Binary(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01 00:00 UTC.
    Timestamp(i64),
    /// Microseconds since 1970-01-01 00:00 on a clock without a zone.
    TimestampNtz(i64),
    /// Nanoseconds since midnight.
    Time(i64),
    /// Timestamp or date text in the session's zone: `TIMESTAMP '…'`. Kept as text until resolved.
    TimestampText(String),
    /// Number of months.
    YearMonthInterval(i32),
    /// Number of microseconds.
    DayTimeInterval(i64),
    CalendarInterval {
        months: i32,
        days: i32,
        microseconds: i64,
    },
    Array {
        element: DataType,
        values: Vec<Literal>,
    },
    Map {
        key: DataType,
        value: DataType,
        entries: Vec<(Literal, Literal)>,
    },
    Struct(Vec<(String, Literal)>),
}

impl Literal {
    /// The type of the constant, nullable inside only where it contains nulls.
    pub fn data_type(&self) -> DataType {
        let is_null = |value: &Self| matches!(value, Self::Null(_));
        match self {
            Self::Null(data_type) => data_type.clone(),
            Self::Boolean(_) => DataType::Boolean,
            Self::Byte(_) => DataType::Byte,
            Self::Short(_) => DataType::Short,
            Self::Integer(_) => DataType::Integer,
            Self::Long(_) => DataType::Long,
            Self::Float(_) => DataType::Float,
            Self::Double(_) => DataType::Double,
            Self::Decimal { precision, scale, .. } => {
                DataType::Decimal { precision: *precision, scale: *scale }
            }
            Self::String(_) => DataType::String,
            Self::Binary(_) => DataType::Binary,
            Self::Date(_) => DataType::Date,
            Self::Timestamp(_) | Self::TimestampText(_) => DataType::Timestamp,
            Self::TimestampNtz(_) => DataType::TimestampNtz,
            Self::Time(_) => DataType::Time(6),
            Self::YearMonthInterval(_) => DataType::YEAR_MONTH,
            Self::DayTimeInterval(_) => DataType::DAY_TIME,
            Self::CalendarInterval { .. } => DataType::CalendarInterval,
            Self::Array { element, values } => DataType::Array {
                element: Box::new(element.clone()),
                contains_null: values.iter().any(is_null),
            },
            Self::Map { key, value, entries } => DataType::Map {
                key: Box::new(key.clone()),
                value: Box::new(value.clone()),
                value_contains_null: entries.iter().any(|(_, value)| is_null(value)),
            },
            Self::Struct(fields) => DataType::Struct(
                fields
                    .iter()
                    .map(|(name, value)| Field::new(name, value.data_type(), is_null(value)))
                    .collect(),
            ),
        }
    }
}

/// A cast's treatment of values that do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CastMode {
    /// As the session says: an error in ANSI mode, null otherwise.
    Session,
    /// An error.
    Ansi,
    /// Null.
    Try,
}

/// One sort key.
#[derive(Debug, Clone, PartialEq)]
pub struct SortOrder {
    /// The key.
    pub expr: Expr,
    /// Whether the order is ascending.
    pub ascending: bool,
    /// Placement of nulls.
    pub nulls: NullOrder,
}

/// Placement of nulls in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullOrder {
    /// Spark's default: first when ascending, last when descending.
    Default,
    /// Before all values.
    First,
    /// After all values.
    Last,
}

/// `OVER (…)`.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowSpec {
    /// `PARTITION BY`.
    pub partition_by: Vec<Expr>,
    /// `ORDER BY`.
    pub order_by: Vec<SortOrder>,
    /// Frame; `None` is Spark's default for the order.
    pub frame: Option<WindowFrame>,
}

/// Rows that a window function sees.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowFrame {
    /// Rows or range.
    pub units: FrameUnits,
    /// First row.
    pub lower: FrameBound,
    /// Last row.
    pub upper: FrameBound,
}

/// Unit of a frame's bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameUnits {
    /// Rows.
    Rows,
    /// Differences between sort keys.
    Range,
}

/// A bound of a frame.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are SQL's own")]
pub enum FrameBound {
    UnboundedPreceding,
    UnboundedFollowing,
    CurrentRow,
    /// Rows or difference after the current row; negative for before.
    Offset(Box<Expr>),
}

/// Use of a subquery.
#[derive(Debug, Clone, PartialEq)]
pub enum SubqueryKind {
    /// Its single value.
    Scalar,
    /// Whether it has rows.
    Exists,
    /// Whether the values are among its rows.
    In(Vec<Expr>),
}

impl Expr {
    /// A column with a name of one part.
    pub fn column(name: impl Into<String>) -> Self {
        Self::Column { name: vec![name.into()], plan_id: None }
    }

    /// A plain call.
    pub fn call(name: impl Into<String>, args: Vec<Self>) -> Self {
        Self::Function(FunctionCall {
            name: name.into(),
            args,
            distinct: false,
            ignore_nulls: false,
            filter: None,
            within_group: Vec::new(),
        })
    }

    /// `expr AS name`.
    #[must_use]
    pub fn alias(self, name: impl Into<String>) -> Self {
        Self::Alias { expr: Box::new(self), names: vec![name.into()], metadata: None }
    }

    /// A string constant.
    pub fn string(value: impl Into<String>) -> Self {
        Self::Literal(Literal::String(value.into()))
    }

    /// An `int` constant.
    pub fn integer(value: i32) -> Self {
        Self::Literal(Literal::Integer(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_may_be_null_inside_only_where_it_is() {
        let array = |values: &[Option<i64>]| Literal::Array {
            element: DataType::Long,
            values: values
                .iter()
                .map(|value| value.map_or(Literal::Null(DataType::Long), Literal::Long))
                .collect(),
        };
        let typed =
            |contains_null| DataType::Array { element: Box::new(DataType::Long), contains_null };
        assert_eq!(array(&[Some(1)]).data_type(), typed(false));
        assert_eq!(array(&[Some(1), None]).data_type(), typed(true));
        let pair = Literal::Struct(vec![
            ("a".to_owned(), array(&[])),
            ("b".to_owned(), Literal::Null(DataType::Date)),
        ]);
        let fields =
            vec![Field::new("a", typed(false), false), Field::new("b", DataType::Date, true)];
        assert_eq!(pair.data_type(), DataType::Struct(fields.clone()));
        let everywhere = fields.into_iter().map(|field| Field {
            data_type: field.data_type.nullable_inside(),
            nullable: true,
            ..field
        });
        let everywhere = DataType::Struct(everywhere.collect());
        assert_eq!(pair.data_type().nullable_inside(), everywhere);
    }
}
