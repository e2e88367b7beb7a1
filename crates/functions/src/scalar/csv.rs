//! `from_csv` and `to_csv`: a struct as one line of text.

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Date32Type, Fields, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Expr;

use super::json_read::{Read, values_of};
use super::json_value::Json;
use super::options::Options;
use crate::FunctionError;
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::registry::{Call, Function, with};
use crate::text_file::{TimePatterns, TimeText};
use crate::types::is_integral;

pub(super) const FUNCTIONS: &[Function] =
    &[with("from_csv", "sa?a", from_csv), with("to_csv", "S?a", to_csv)];

pub(super) const KERNELS: &[Kernel] = &[FROM_CSV, TO_CSV];

/// Text, null of the type, zone, mode, name of the corrupt column, patterns of dates and of timestamps, what stands for null, the dialect.
const FROM_CSV: Kernel =
    Kernel::new("spark_from_csv", |types, _| Ok(types[1].clone()), read).nulls(Nulls::Possible);
/// Struct, zone, patterns of dates and of timestamps, what stands for null, the dialect.
const TO_CSV: Kernel = Kernel::new("spark_to_csv", returns::string, write);

/// Options that say how text in CSV is read.
pub(super) const READ_OPTIONS: &[&str] = &[
    "sep",
    "delimiter",
    "quote",
    "escape",
    "mode",
    "columnnameofcorruptrecord",
    "nullvalue",
    "dateformat",
    "timestampformat",
    "timezone",
    "ignoreleadingwhitespace",
    "ignoretrailingwhitespace",
];

fn from_csv(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    let DataType::Struct(fields) = &call.types[1] else {
        return Err(call.mismatch(1, "\"STRUCT\""));
    };
    if fields.iter().any(|field| is_nested(field.data_type())) {
        let what = "from_csv to a type that holds others".to_owned();
        return Err(FunctionError::Unsupported { what });
    }
    let options = Options::of(&call, 2)?;
    options.only(call.name, READ_OPTIONS)?;
    let mode = options.get("mode").unwrap_or("PERMISSIVE").to_ascii_uppercase();
    if !matches!(mode.as_str(), "PERMISSIVE" | "FAILFAST") {
        return Err(FunctionError::Invalid {
            condition: condition::PARSE_MODE_UNSUPPORTED,
            message: format!(
                "The function `from_csv` doesn't support the {mode} mode. Acceptable modes are PERMISSIVE and FAILFAST."
            ),
            parameters: vec![("funcName", "`from_csv`".to_owned()), ("mode", mode)],
        });
    }
    let dialect = Dialect::of(&options)?.packed();
    call.args.truncate(2);
    call.types.truncate(2);
    for text in [
        options.get("timezone").unwrap_or(&call.ctx.time_zone),
        &mode,
        options.get("columnnameofcorruptrecord").unwrap_or("_corrupt_record"),
        options.get("dateformat").unwrap_or_default(),
        options.get("timestampformat").unwrap_or_default(),
        options.get("nullvalue").unwrap_or_default(),
        &dialect,
    ] {
        call.push(ScalarValue::from(text));
    }
    Ok(call.apply(FROM_CSV))
}

fn is_nested(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::List(_) | DataType::Map(..) | DataType::Struct(_) | DataType::Binary
    )
}

fn read(args: &Args<'_>) -> Result<ArrayRef> {
    let DataType::Struct(fields) = args.returns else { return internal_err!("CSV is a struct") };
    let corrupt = args.constant_string(4)?;
    let fields: Vec<_> =
        fields.iter().map(|field| (field.name() != corrupt).then_some(field)).collect();
    let null = args.constant_string(7)?;
    let dialect = Dialect::unpacked(args.constant_string(8)?);
    values_of(args, |text| {
        let words = dialect.split(text);
        let wanted = fields.iter().flatten();
        let fits = wanted.clone().count() == words.len();
        let value = |(field, word): (&&Arc<_>, String)| {
            let field: &arrow::datatypes::Field = field;
            let value = match field.data_type() {
                _ if word == null => Json::Other("null".to_owned()),
                DataType::Boolean => Json::Other(word.to_ascii_lowercase()),
                other if is_integral(other) || is_fraction(other) => number(word),
                _ => Json::Text(word),
            };
            (field.name().clone(), value)
        };
        let object = Json::Object(wanted.zip(words).map(value).collect());
        if fits { Read::Value(object) } else { Read::Odd(object) }
    })
}

fn is_fraction(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float32 | DataType::Float64 | DataType::Decimal128(..))
}

/// A word that is to be a number; `null` would be none.
fn number(word: String) -> Json {
    if word == "null" { Json::Text(word) } else { Json::Other(word) }
}

fn to_csv(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    let options = Options::of(&call, 1)?;
    let known = [
        "sep",
        "delimiter",
        "quote",
        "escape",
        "quoteall",
        "nullvalue",
        "dateformat",
        "timestampformat",
        "timezone",
        "ignoreleadingwhitespace",
        "ignoretrailingwhitespace",
    ];
    options.only(call.name, &known)?;
    let dialect = Dialect {
        trims_start: options.flag("ignoreleadingwhitespace", true),
        trims_end: options.flag("ignoretrailingwhitespace", true),
        ..Dialect::of(&options)?
    };
    call.args.truncate(1);
    call.types.truncate(1);
    for text in [
        options.get("timezone").unwrap_or(&call.ctx.time_zone),
        options.get("dateformat").unwrap_or("yyyy-MM-dd"),
        options.get("timestampformat").unwrap_or("yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]"),
        options.get("nullvalue").unwrap_or_default(),
        &dialect.packed(),
    ] {
        call.push(ScalarValue::from(text));
    }
    Ok(call.apply(TO_CSV))
}

fn write(args: &Args<'_>) -> Result<ArrayRef> {
    let (zone, date, timestamp) =
        (args.constant_string(1)?, args.constant_string(2)?, args.constant_string(3)?);
    // What a clock shows has no zone that could be written.
    let local = timestamp.replace("[XXX]", "");
    let patterns =
        TimePatterns { date: Some(date), timestamp: Some(timestamp), timestamp_ntz: Some(&local) };
    let Ok(times) = TimeText::new(zone, patterns) else {
        return Err(crate::run_time_error(
            condition::INVALID_DATETIME_PATTERN,
            format!("Unrecognized datetime pattern: {date} or {timestamp}."),
        ));
    };
    let null = args.constant_string(4)?;
    let dialect = Dialect::unpacked(args.constant_string(5)?);
    let structs = args.array(0)?.as_struct();
    let fields: &Fields = structs.fields();
    args.string_rows(|row| {
        let mut line = String::new();
        for (at, column) in structs.columns().iter().enumerate() {
            if at > 0 {
                line.push_str(&dialect.separator);
            }
            if column.is_null(row) || *column.data_type() == DataType::Null {
                line.push_str(null);
                continue;
            }
            let mut text = String::new();
            match fields[at].data_type() {
                DataType::Date32 => {
                    times.write_date(column.as_primitive::<Date32Type>().value(row), &mut text);
                }
                DataType::Timestamp(_, zone) => {
                    let micros = column.as_primitive::<TimestampMicrosecondType>().value(row);
                    times.write_timestamp(micros, zone.is_some(), &mut text);
                }
                _ => times.write_other(column.as_ref(), row, &mut text)?,
            }
            dialect.write(&text, &mut line);
        }
        Ok(Some(line))
    })
}

/// How fields stand in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dialect {
    separator: String,
    quote: char,
    escape: char,
    quotes_all: bool,
    trims_start: bool,
    trims_end: bool,
}

impl Dialect {
    pub(super) fn of(options: &Options) -> Result<Self, FunctionError> {
        let one = |name: &str, default: char| {
            let text = options.get(name).unwrap_or_default();
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (None, _) if options.get(name).is_none() => Ok(default),
                (None, _) => Ok('\0'),
                (Some(c), None) => Ok(c),
                _ => Err(FunctionError::Invalid {
                    condition: condition::INVALID_PARAMETER_VALUE,
                    message: format!("The option {name} must be one character, not '{text}'."),
                    parameters: vec![("parameter", format!("`{name}`"))],
                }),
            }
        };
        let separator = options.get("sep").or_else(|| options.get("delimiter")).unwrap_or(",");
        let separator = separator.replace("\\t", "\t");
        if separator.is_empty() {
            return Err(FunctionError::Invalid {
                condition: condition::INVALID_DELIMITER_VALUE_EMPTY_STRING,
                message: "Invalid value for delimiter. Delimiter cannot be empty string."
                    .to_owned(),
                parameters: Vec::new(),
            });
        }
        Ok(Self {
            separator,
            quote: one("quote", '"')?,
            escape: one("escape", '\\')?,
            quotes_all: options.flag("quoteall", false),
            trims_start: options.flag("ignoreleadingwhitespace", false),
            trims_end: options.flag("ignoretrailingwhitespace", false),
        })
    }

    /// As one text, which travels as an argument.
    fn packed(&self) -> String {
        let flag = |flag: bool| if flag { '1' } else { '0' };
        let flags = [flag(self.quotes_all), flag(self.trims_start), flag(self.trims_end)];
        let chars = flags.into_iter().chain([self.quote, self.escape]);
        chars.chain(self.separator.chars()).collect()
    }

    fn unpacked(text: &str) -> Self {
        let mut chars = text.chars();
        let mut next = || chars.next().unwrap_or('0');
        let (quotes_all, trims_start, trims_end) = (next() == '1', next() == '1', next() == '1');
        let (quote, escape) = (next(), next());
        Self { separator: chars.collect(), quote, escape, quotes_all, trims_start, trims_end }
    }

    /// The fields of a line.
    pub(super) fn split(&self, line: &str) -> Vec<String> {
        let mut fields = Vec::new();
        let mut rest = line;
        loop {
            let (field, after) = self.field(rest);
            fields.push(field);
            match after {
                Some(after) => rest = after,
                None => return fields,
            }
        }
    }

    /// The first field, and what comes behind the separator after it.
    fn field<'a>(&self, text: &'a str) -> (String, Option<&'a str>) {
        let quoted = if self.trims_start { text.trim_start_matches(' ') } else { text };
        if self.quote != '\0'
            && let Some(body) = quoted.strip_prefix(self.quote)
            && let Some(found) = self.quoted(body)
        {
            return found;
        }
        let (field, after) = match text.split_once(self.separator.as_str()) {
            Some((field, after)) => (field, Some(after)),
            None => (text, None),
        };
        (self.trimmed(field).to_owned(), after)
    }

    /// A field up to its closing quote; nothing if there is none before a separator or the end.
    fn quoted<'a>(&self, body: &'a str) -> Option<(String, Option<&'a str>)> {
        let mut field = String::new();
        let mut chars = body.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            if c == self.escape && next.is_some_and(|n| n == self.quote || n == self.escape) {
                field.extend(next);
                chars.next();
            } else if c == self.quote {
                let rest = &body[at + c.len_utf8()..];
                let behind = if self.trims_end { rest.trim_start_matches(' ') } else { rest };
                if behind.is_empty() {
                    return Some((field, None));
                }
                if let Some(after) = behind.strip_prefix(self.separator.as_str()) {
                    return Some((field, Some(after)));
                }
                field.push(c);
            } else {
                field.push(c);
            }
        }
        None
    }

    fn trimmed<'a>(&self, text: &'a str) -> &'a str {
        let text = if self.trims_start { text.trim_start_matches(|c| c <= ' ') } else { text };
        if self.trims_end { text.trim_end_matches(|c| c <= ' ') } else { text }
    }

    fn write(&self, text: &str, line: &mut String) {
        let text = self.trimmed(text);
        let special = text.is_empty()
            || text.contains(&self.separator)
            || text.contains(['\n', '\r', self.quote]);
        if self.quote == '\0' || !(special || self.quotes_all) {
            line.push_str(text);
            return;
        }
        line.push(self.quote);
        for c in text.chars() {
            if c == self.quote || (c == self.escape && self.escape != self.quote) {
                line.push(self.escape);
            }
            line.push(c);
        }
        line.push(self.quote);
    }
}
