//! Data types in Spark's DDL notation: `decimal(10,2)`, `array<struct<a:int, b string not null>>`,
//! and bare lists of fields.

use crate::error::{self, Parsed};
use crate::parser::{Cursor, Input, is_word};
use plan::{DataType, Field, IntervalUnit};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;
use std::fmt::Write;

/// Limit on the nesting of types.
const MAX_DEPTH: usize = 100;

/// One type, or a list of fields without `struct<…>` around it.
pub(crate) fn type_or_fields(input: &mut Input<'_>) -> Parsed<DataType> {
    let parser = &mut input.parser;
    // In a list of fields the first name is followed by a type; a type's name is only followed by
    // `(` or `<`.
    let fields = match (&parser.at(0).token, &parser.at(1).token) {
        (Token::Word(_), Token::Colon) => true,
        (Token::Word(first), Token::Word(_)) => {
            let simple =
                first.quote_style.is_none() && first.value.eq_ignore_ascii_case("interval");
            let zoned = is_word(&parser.at(0).token, "timestamp")
                && ["WITH", "WITHOUT"].iter().any(|word| is_word(&parser.at(1).token, word));
            !(simple && unit(parser, 1).is_some() || zoned)
        }
        _ => false,
    };
    if fields { self::fields(parser).map(DataType::Struct) } else { data_type(parser) }
}

/// `name type [NOT NULL] [COMMENT 'text'], …`.
pub(crate) fn fields(parser: &mut Parser<'_>) -> Parsed<Vec<Field>> {
    let mut types = Types { parser, half_closed: false, depth: 0 };
    let mut fields = vec![types.field()?];
    while types.parser.consume_token(&Token::Comma) {
        fields.push(types.field()?);
    }
    types.finish(fields)
}

/// One type.
pub(crate) fn data_type(parser: &mut Parser<'_>) -> Parsed<DataType> {
    let mut types = Types { parser, half_closed: false, depth: 0 };
    let data_type = types.data_type()?;
    types.finish(data_type)
}

struct Types<'p, 'a> {
    parser: &'p mut Parser<'a>,
    /// Whether the first half of the `>>` before the next token was consumed.
    half_closed: bool,
    depth: usize,
}

impl Types<'_, '_> {
    fn finish<T>(&self, value: T) -> Parsed<T> {
        if self.half_closed { Err(self.parser.wrong()) } else { Ok(value) }
    }

    fn data_type(&mut self) -> Parsed<DataType> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(error::too_complex());
        }
        let start = self.parser.at(0).span.start;
        let name = match &self.parser.at(0).token {
            Token::Word(word) if word.quote_style.is_none() => word.value.to_lowercase(),
            _ => return Err(self.parser.wrong()),
        };
        self.parser.advance_token();
        let data_type = match name.as_str() {
            "decimal" | "dec" | "numeric" => self.decimal()?,
            "char" | "character" => DataType::Char(self.length()?),
            "varchar" => DataType::Varchar(self.length()?),
            "time" => DataType::Time(self.time_precision()?),
            "timestamp" => self.timestamp(),
            "interval" => self.interval()?,
            "array" => {
                self.open()?;
                let element = Box::new(self.data_type()?);
                self.close()?;
                DataType::Array { element, contains_null: true }
            }
            "map" => {
                self.open()?;
                let key = Box::new(self.data_type()?);
                self.parser.need_token(&Token::Comma)?;
                let value = Box::new(self.data_type()?);
                self.close()?;
                DataType::Map { key, value, value_contains_null: true }
            }
            "struct" => DataType::Struct(self.struct_fields()?),
            name => simple(name).ok_or_else(|| error::unknown_type(name, start))?,
        };
        if data_type == DataType::String && self.parser.take(&["COLLATE"]) {
            return Err(error::unsupported("COLLATE"));
        }
        self.depth -= 1;
        Ok(data_type)
    }

    fn decimal(&mut self) -> Parsed<DataType> {
        if !self.parser.consume_token(&Token::LParen) {
            return Ok(DataType::Decimal { precision: 10, scale: 0 });
        }
        let precision = self.small(38)?;
        let scale =
            if self.parser.consume_token(&Token::Comma) { self.small(precision)? } else { 0 };
        self.parser.need_token(&Token::RParen)?;
        Ok(DataType::Decimal { precision, scale: i8::try_from(scale).unwrap_or(i8::MAX) })
    }

    /// A number of at most `most`.
    fn small(&mut self, most: u8) -> Parsed<u8> {
        let at = self.parser.at(0).clone();
        let number = self.parser.number()?;
        u8::try_from(number).ok().filter(|n| *n <= most).ok_or_else(|| error::syntax(&at))
    }

    fn length(&mut self) -> Parsed<u32> {
        self.parser.need_token(&Token::LParen)?;
        let length = self.parser.number()?;
        self.parser.need_token(&Token::RParen)?;
        Ok(length)
    }

    fn time_precision(&mut self) -> Parsed<u8> {
        if !self.parser.consume_token(&Token::LParen) {
            return Ok(6);
        }
        let precision = self.small(6)?;
        self.parser.need_token(&Token::RParen)?;
        Ok(precision)
    }

    fn timestamp(&mut self) -> DataType {
        if self.parser.take(&["WITHOUT", "TIME", "ZONE"]) {
            return DataType::TimestampNtz;
        }
        self.parser.take(&["WITH", "LOCAL", "TIME", "ZONE"]);
        DataType::Timestamp
    }

    /// The units after `interval`; without units it is the calendar interval.
    fn interval(&mut self) -> Parsed<DataType> {
        let Some(start) = unit(self.parser, 0) else { return Ok(DataType::CalendarInterval) };
        self.parser.advance_token();
        let end = if self.parser.take(&["TO"]) {
            let Some(end) = unit(self.parser, 0) else { return Err(self.parser.wrong()) };
            self.parser.advance_token();
            end
        } else {
            start
        };
        let year_month = |u| u <= IntervalUnit::Month;
        if start > end || year_month(start) != year_month(end) {
            return Err(self.parser.wrong());
        }
        Ok(if year_month(start) {
            DataType::YearMonthInterval { start, end }
        } else {
            DataType::DayTimeInterval { start, end }
        })
    }

    fn struct_fields(&mut self) -> Parsed<Vec<Field>> {
        if self.parser.consume_token(&Token::Neq) {
            return Ok(Vec::new());
        }
        self.open()?;
        if self.parser.at(0).token == Token::Gt {
            self.close()?;
            return Ok(Vec::new());
        }
        let mut fields = vec![self.field()?];
        while !self.half_closed && self.parser.consume_token(&Token::Comma) {
            fields.push(self.field()?);
        }
        self.close()?;
        Ok(fields)
    }

    fn field(&mut self) -> Parsed<Field> {
        let name = self.parser.ident()?;
        let _ = self.parser.consume_token(&Token::Colon);
        let data_type = self.data_type()?;
        let mut field = Field::new(name, data_type, true);
        if self.half_closed {
            return Ok(field);
        }
        loop {
            if self.parser.take(&["NOT", "NULL"]) {
                field.nullable = false;
            } else if self.parser.take(&["COMMENT"]) {
                let comment = json_string(&self.parser.string()?);
                field.metadata = Some(format!("{{\"comment\":{comment}}}"));
            } else {
                return Ok(field);
            }
        }
    }

    fn open(&mut self) -> Parsed<()> {
        self.parser.need_token(&Token::Lt)
    }

    /// `>`, or half of a `>>`.
    fn close(&mut self) -> Parsed<()> {
        if self.half_closed {
            self.half_closed = false;
            return Ok(());
        }
        if self.parser.consume_token(&Token::ShiftRight) {
            self.half_closed = true;
            return Ok(());
        }
        self.parser.need_token(&Token::Gt)
    }
}

/// A type that is one word.
fn simple(name: &str) -> Option<DataType> {
    Some(match name {
        "boolean" => DataType::Boolean,
        "tinyint" | "byte" => DataType::Byte,
        "smallint" | "short" => DataType::Short,
        "int" | "integer" => DataType::Integer,
        "bigint" | "long" => DataType::Long,
        "float" | "real" => DataType::Float,
        "double" => DataType::Double,
        "date" => DataType::Date,
        "timestamp_ltz" => DataType::Timestamp,
        "timestamp_ntz" => DataType::TimestampNtz,
        "string" => DataType::String,
        "binary" => DataType::Binary,
        "void" | "null" => DataType::Null,
        "variant" => DataType::Variant,
        _ => return None,
    })
}

/// The interval unit that is the n-th token ahead.
fn unit(parser: &Parser<'_>, n: usize) -> Option<IntervalUnit> {
    let units = [
        IntervalUnit::Year,
        IntervalUnit::Month,
        IntervalUnit::Day,
        IntervalUnit::Hour,
        IntervalUnit::Minute,
        IntervalUnit::Second,
    ];
    units.into_iter().find(|unit| is_word(&parser.at(n).token, unit.name()))
}

/// A text as a JSON string.
fn json_string(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                // Writing to a `String` cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
