//! Spark's data types, and Spark's three notations for them: simple string, JSON, tree.

use std::fmt::{self, Write};

/// A Spark data type. `Display` gives Spark's simple string (`bigint`, `struct<a:int>`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the variants are Spark's own type names")]
pub enum DataType {
    Null,
    Boolean,
    Byte,
    Short,
    Integer,
    Long,
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: i8,
    },
    String,
    Char(u32),
    Varchar(u32),
    Binary,
    Date,
    Timestamp,
    TimestampNtz,
    /// Time of day with this many fractional digits.
    Time(u8),
    YearMonthInterval {
        start: IntervalUnit,
        end: IntervalUnit,
    },
    DayTimeInterval {
        start: IntervalUnit,
        end: IntervalUnit,
    },
    CalendarInterval,
    Array {
        element: Box<DataType>,
        contains_null: bool,
    },
    Map {
        key: Box<DataType>,
        value: Box<DataType>,
        value_contains_null: bool,
    },
    Struct(Vec<Field>),
    Variant,
    /// A user-defined type, whose values are stored as another type's.
    UserDefined(Box<UserDefined>),
}

/// A user-defined type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserDefined {
    /// Its JVM class, if it has one.
    pub jvm_class: Option<String>,
    /// Module and name of its Python class.
    pub python_class: Option<String>,
    /// Its Python class, pickled, in Base64.
    pub serialized_class: Option<String>,
    /// The type that values are stored as.
    pub sql_type: DataType,
}

impl UserDefined {
    /// The name in `printSchema`: that of the JVM class, or of Spark's own class for all types
    /// defined in Python.
    fn name(&self) -> String {
        let Some(class) = &self.jvm_class else { return "pythonuserdefined".to_owned() };
        let simple = class.rsplit(['.', '$']).next().unwrap_or(class);
        let simple = simple.strip_suffix("Type").unwrap_or(simple);
        simple.strip_suffix("UDT").unwrap_or(simple).to_lowercase()
    }

    fn write_json(&self, out: &mut String) {
        out.push_str("{\"type\":\"udt\"");
        let parts = [
            ("class", &self.jvm_class),
            ("pyClass", &self.python_class),
            ("serializedClass", &self.serialized_class),
        ];
        for (key, value) in parts {
            if let Some(value) = value {
                let _ = write!(out, ",\"{key}\":");
                write_json_string(value, out);
            }
        }
        out.push_str(",\"sqlType\":");
        self.sql_type.write_json(out);
        out.push('}');
    }
}

/// A field of a struct or a column of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// Name as the user wrote it; duplicates are legal.
    pub name: String,
    /// Type of its values.
    pub data_type: DataType,
    /// Whether null is allowed.
    pub nullable: bool,
    /// Spark's metadata as a JSON object; `None` for the empty object.
    pub metadata: Option<String>,
}

impl Field {
    /// A field without metadata.
    pub fn new(name: impl Into<String>, data_type: DataType, nullable: bool) -> Self {
        Self { name: name.into(), data_type, nullable, metadata: None }
    }
}

/// A unit of an ANSI interval, from coarse to fine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum IntervalUnit {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl IntervalUnit {
    /// Name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
        }
    }
}

impl DataType {
    /// The default day-time interval, `interval day to second`.
    pub const DAY_TIME: Self =
        Self::DayTimeInterval { start: IntervalUnit::Day, end: IntervalUnit::Second };
    /// The default year-month interval, `interval year to month`.
    pub const YEAR_MONTH: Self =
        Self::YearMonthInterval { start: IntervalUnit::Year, end: IntervalUnit::Month };

    /// An array whose elements may be null.
    pub fn array(element: Self) -> Self {
        Self::Array { element: Box::new(element), contains_null: true }
    }

    /// The same type with nulls allowed everywhere inside.
    #[must_use]
    pub fn nullable_inside(self) -> Self {
        let all = |of: Box<Self>| Box::new(of.nullable_inside());
        match self {
            Self::Array { element, .. } => {
                Self::Array { element: all(element), contains_null: true }
            }
            Self::Map { key, value, .. } => {
                Self::Map { key: all(key), value: all(value), value_contains_null: true }
            }
            Self::Struct(fields) => {
                let field = |field: Field| {
                    let data_type = field.data_type.nullable_inside();
                    Field { data_type, nullable: true, ..field }
                };
                Self::Struct(fields.into_iter().map(field).collect())
            }
            other => other,
        }
    }

    /// Whether values are numbers.
    pub fn is_numeric(&self) -> bool {
        self.is_integral() || matches!(self, Self::Float | Self::Double | Self::Decimal { .. })
    }

    /// Whether values are integers of a machine width.
    pub fn is_integral(&self) -> bool {
        matches!(self, Self::Byte | Self::Short | Self::Integer | Self::Long)
    }

    /// The name in error messages: the simple string in upper case and quotes, `"BIGINT"`.
    pub fn sql(&self) -> String {
        match self {
            Self::Array { element, .. } => format!("ARRAY<{}>", element.sql()),
            Self::Map { key, value, .. } => format!("MAP<{}, {}>", key.sql(), value.sql()),
            Self::Struct(fields) => {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|f| format!("{}: {}", crate::quote_if_needed(&f.name), f.data_type.sql()))
                    .collect();
                format!("STRUCT<{}>", fields.join(", "))
            }
            Self::UserDefined(defined) => defined.sql_type.sql(),
            other => other.to_string().to_uppercase(),
        }
    }

    /// Spark's JSON form, as in a schema's `json()`.
    pub fn json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Self::Array { element, contains_null } => {
                out.push_str("{\"type\":\"array\",\"elementType\":");
                element.write_json(out);
                let _ = write!(out, ",\"containsNull\":{contains_null}}}");
            }
            Self::Map { key, value, value_contains_null } => {
                out.push_str("{\"type\":\"map\",\"keyType\":");
                key.write_json(out);
                out.push_str(",\"valueType\":");
                value.write_json(out);
                let _ = write!(out, ",\"valueContainsNull\":{value_contains_null}}}");
            }
            Self::Struct(fields) => write_struct_json(fields, out),
            Self::UserDefined(defined) => defined.write_json(out),
            simple => {
                let _ = write!(out, "\"{}\"", simple.type_name());
            }
        }
    }

    /// The name in JSON and in `printSchema`: `long` where the simple string is `bigint`.
    pub fn type_name(&self) -> String {
        match self {
            Self::Byte => "byte".into(),
            Self::Short => "short".into(),
            Self::Integer => "integer".into(),
            Self::Long => "long".into(),
            Self::Array { .. } => "array".into(),
            Self::Map { .. } => "map".into(),
            Self::Struct(_) => "struct".into(),
            other => other.to_string(),
        }
    }

    /// The schema as `printSchema` shows it; `depth_limit` of `None` shows all levels. `self` is a
    /// struct.
    pub fn tree(&self, depth_limit: Option<u32>) -> String {
        let mut out = String::from("root\n");
        if let Self::Struct(fields) = self {
            write_tree(fields, " |", depth_limit.unwrap_or(u32::MAX), &mut out);
        }
        out
    }
}

fn write_struct_json(fields: &[Field], out: &mut String) {
    out.push_str("{\"type\":\"struct\",\"fields\":[");
    for (i, field) in fields.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str("{\"name\":");
        write_json_string(&field.name, out);
        out.push_str(",\"type\":");
        field.data_type.write_json(out);
        let metadata = field.metadata.as_deref().unwrap_or("{}");
        let _ = write!(out, ",\"nullable\":{},\"metadata\":{metadata}}}", field.nullable);
    }
    out.push_str("]}");
}

fn write_json_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn write_tree(fields: &[Field], prefix: &str, depth: u32, out: &mut String) {
    if depth == 0 {
        return;
    }
    for field in fields {
        let name = field.data_type.type_name();
        let _ = writeln!(out, "{prefix}-- {}: {name} (nullable = {})", field.name, field.nullable);
        write_children(&field.data_type, &format!("{prefix}    |"), depth - 1, out);
    }
}

fn write_children(data_type: &DataType, prefix: &str, depth: u32, out: &mut String) {
    if depth == 0 {
        return;
    }
    match data_type {
        DataType::Struct(fields) => write_tree(fields, prefix, depth, out),
        DataType::Array { element, contains_null } => {
            let _ = writeln!(
                out,
                "{prefix}-- element: {} (containsNull = {contains_null})",
                element.type_name()
            );
            write_children(element, &format!("{prefix}    |"), depth - 1, out);
        }
        DataType::Map { key, value, value_contains_null } => {
            let deeper = format!("{prefix}    |");
            let _ = writeln!(out, "{prefix}-- key: {}", key.type_name());
            write_children(key, &deeper, depth - 1, out);
            let null = value_contains_null;
            let _ = writeln!(
                out,
                "{prefix}-- value: {} (valueContainsNull = {null})",
                value.type_name()
            );
            write_children(value, &deeper, depth - 1, out);
        }
        _ => {}
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("void"),
            Self::Boolean => f.write_str("boolean"),
            Self::Byte => f.write_str("tinyint"),
            Self::Short => f.write_str("smallint"),
            Self::Integer => f.write_str("int"),
            Self::Long => f.write_str("bigint"),
            Self::Float => f.write_str("float"),
            Self::Double => f.write_str("double"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::String => f.write_str("string"),
            Self::Char(length) => write!(f, "char({length})"),
            Self::Varchar(length) => write!(f, "varchar({length})"),
            Self::Binary => f.write_str("binary"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::TimestampNtz => f.write_str("timestamp_ntz"),
            Self::Time(precision) => write!(f, "time({precision})"),
            Self::YearMonthInterval { start, end } | Self::DayTimeInterval { start, end } => {
                if start == end {
                    write!(f, "interval {}", start.name())
                } else {
                    write!(f, "interval {} to {}", start.name(), end.name())
                }
            }
            Self::CalendarInterval => f.write_str("interval"),
            Self::Array { element, .. } => write!(f, "array<{element}>"),
            Self::Map { key, value, .. } => write!(f, "map<{key},{value}>"),
            Self::Struct(fields) => {
                f.write_str("struct<")?;
                for (i, field) in fields.iter().enumerate() {
                    if i > 0 {
                        f.write_char(',')?;
                    }
                    write!(f, "{}:{}", field.name, field.data_type)?;
                }
                f.write_char('>')
            }
            Self::Variant => f.write_str("variant"),
            Self::UserDefined(defined) => f.write_str(&defined.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_written_in_spark_s_three_ways() {
        let schema = DataType::Struct(vec![
            Field::new("id", DataType::Long, false),
            Field::new("tags", DataType::array(DataType::String), true),
        ]);
        assert_eq!(schema.to_string(), "struct<id:bigint,tags:array<string>>");
        assert_eq!(
            schema.json(),
            r#"{"type":"struct","fields":[{"name":"id","type":"long","nullable":false,"metadata":{}},{"name":"tags","type":{"type":"array","elementType":"string","containsNull":true},"nullable":true,"metadata":{}}]}"#
        );
        assert_eq!(
            schema.tree(None),
            "root\n |-- id: long (nullable = false)\n |-- tags: array (nullable = true)\n |    |-- element: string (containsNull = true)\n"
        );
    }
}
