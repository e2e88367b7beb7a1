//! The types of JSON values: all fields of all records, each of the type that holds all its values,
//! in the order of their names.

use super::Json;
use super::tape::{Kind, NotJson, Tape, Value};
use crate::records::Mode;
use crate::text::TimeText;
use errors::{SparkError, condition};
use plan::{DataType, Field};
use std::collections::HashSet;

/// The types of values that were seen.
#[derive(Debug)]
pub struct JsonTypes {
    rules: Rules,
    tape: Tape,
    /// The fields of all records, in the order of their names.
    known: Vec<Field>,
}

impl JsonTypes {
    /// Nothing was seen yet.
    pub fn new(json: &Json) -> Result<Self, SparkError> {
        let rules = Rules { json: json.clone(), times: json.records.times()? };
        Ok(Self { rules, tape: Tape::default(), known: Vec::new() })
    }

    /// Adds the fields of a record.
    pub fn add(&mut self, record: &[u8]) -> Result<(), SparkError> {
        let text = String::from_utf8_lossy(record);
        let Self { rules, tape, known } = self;
        let root = match tape.parse(&text, &rules.json.syntax) {
            Ok(None) => return Ok(()),
            Ok(Some(root)) => root,
            Err(_) => return rules.corrupt(known),
        };
        let mut one = |value: Value<'_>| match value.kind() {
            Kind::Object => {
                rules.add_fields(known, value);
                Ok(())
            }
            Kind::Null => Ok(()),
            _ => rules.corrupt(known),
        };
        let is_row = |value: Value<'_>| matches!(value.kind(), Kind::Object | Kind::Null);
        match root.kind() {
            Kind::Array if root.items().all(is_row) => root.items().try_for_each(one),
            _ => one(root),
        }
    }

    /// The columns of all records.
    pub fn finish(self) -> Result<Vec<Field>, SparkError> {
        let Some(DataType::Struct(fields)) = self.rules.settled(DataType::Struct(self.known))
        else {
            return Ok(Vec::new());
        };
        distinct(&fields)?;
        Ok(fields)
    }

    /// The type of one value, whatever it is.
    pub fn of(&mut self, text: &str) -> Result<DataType, NotJson> {
        let Some(root) = self.tape.parse(text, &self.rules.json.syntax)? else {
            return Ok(DataType::String);
        };
        let is_object = root.kind() == Kind::Object;
        let found = self.rules.settled(self.rules.of(root));
        let nothing = if is_object { DataType::Struct(Vec::new()) } else { DataType::String };
        Ok(found.unwrap_or(nothing))
    }
}

/// Refuses columns of the same name, which have no case.
fn distinct(fields: &[Field]) -> Result<(), SparkError> {
    let mut seen = HashSet::new();
    for field in fields {
        let lower = field.name.to_lowercase();
        if seen.contains(&lower) {
            let name = format!("`{lower}`");
            let message = format!(
                "The column {name} already exists. Choose another name or rename the existing column."
            );
            let parameters = [("columnName", name.as_str())];
            return Err(SparkError::new(condition::COLUMN_ALREADY_EXISTS, message, &parameters));
        }
        seen.insert(lower);
        if let DataType::Struct(inner) = &field.data_type {
            distinct(inner)?;
        }
    }
    Ok(())
}

#[derive(Debug)]
struct Rules {
    json: Json,
    times: TimeText,
}

impl Rules {
    /// A record that is none.
    fn corrupt(&self, known: &mut Vec<Field>) -> Result<(), SparkError> {
        let records = &self.json.records;
        match records.mode {
            Mode::Permissive => {
                let name = &records.corrupt_column;
                if let Err(at) = known.binary_search_by(|field| field.name.cmp(name)) {
                    known.insert(at, Field::new(name, DataType::String, true));
                }
                Ok(())
            }
            Mode::DropMalformed => Ok(()),
            Mode::FailFast => {
                let message =
                    "Malformed records are detected in schema inference. Parse Mode: FAILFAST.";
                Err(SparkError::new(
                    condition::MALFORMED_RECORD_IN_PARSING_WITHOUT_SUGGESTION,
                    message,
                    &[("failFastMode", "FAILFAST")],
                ))
            }
        }
    }

    /// Adds the fields of an object. A name that is there twice is two fields.
    fn add_fields(&self, known: &mut Vec<Field>, object: Value<'_>) {
        let mut seen = vec![false; known.len()];
        for (name, value) in object.fields() {
            let mut at = known.partition_point(|field| field.name.as_str() < name);
            let same = |at: usize, known: &[Field]| known.get(at).is_some_and(|f| f.name == name);
            while same(at, known) && seen[at] {
                at += 1;
            }
            if same(at, known) {
                seen[at] = true;
                self.widen(&mut known[at].data_type, value);
            } else {
                seen.insert(at, true);
                known.insert(at, Field::new(name, self.of(value), true));
            }
        }
    }

    /// Makes a type hold one more value.
    fn widen(&self, known: &mut DataType, value: Value<'_>) {
        match (&mut *known, value.kind()) {
            (DataType::String, _) | (_, Kind::Null) => {}
            (DataType::Struct(fields), Kind::Object) => self.add_fields(fields, value),
            (DataType::Array { element, .. }, Kind::Array) => {
                value.items().for_each(|item| self.widen(element, item));
            }
            _ => {
                let found = self.of(value);
                if *known != found {
                    *known = common(std::mem::replace(known, DataType::Null), found);
                }
            }
        }
    }

    /// The type of one value.
    fn of(&self, value: Value<'_>) -> DataType {
        match value.kind() {
            Kind::Null => DataType::Null,
            Kind::True | Kind::False if self.json.primitives_as_string => DataType::String,
            Kind::True | Kind::False => DataType::Boolean,
            Kind::Integer | Kind::Fraction if self.json.primitives_as_string => DataType::String,
            Kind::Integer => integer(value.text()),
            Kind::Fraction if self.json.prefers_decimal => {
                decimal(value.text()).unwrap_or(DataType::Double)
            }
            Kind::Fraction => DataType::Double,
            Kind::Text | Kind::Unescaped => self.of_text(value.text()),
            Kind::Object => {
                let mut fields = Vec::new();
                self.add_fields(&mut fields, value);
                DataType::Struct(fields)
            }
            Kind::Array => {
                let mut element = DataType::Null;
                value.items().for_each(|item| self.widen(&mut element, item));
                DataType::array(element)
            }
        }
    }

    fn of_text(&self, text: &str) -> DataType {
        // Some programs write an empty text where they mean null.
        if text.is_empty() {
            return DataType::Null;
        }
        let number = || decimal(text).filter(|_| self.json.prefers_decimal);
        if let Some(number) = number() {
            return number;
        }
        if self.json.infer_timestamp && self.times.timestamp(text).is_some() {
            return DataType::Timestamp;
        }
        DataType::String
    }

    /// A type without what has no values: null becomes text, a struct without fields nothing.
    fn settled(&self, data_type: DataType) -> Option<DataType> {
        match data_type {
            DataType::Null => (!self.json.drop_all_null).then_some(DataType::String),
            DataType::Array { element, contains_null } => self
                .settled(*element)
                .map(|element| DataType::Array { element: Box::new(element), contains_null }),
            DataType::Struct(fields) => {
                let kept = fields.into_iter().filter(|field| !field.name.is_empty());
                let kept = kept.filter_map(|field| {
                    let data_type = self.settled(field.data_type)?;
                    Some(Field { data_type, ..Field::new(field.name, DataType::Null, true) })
                });
                let fields: Vec<Field> = kept.collect();
                (!fields.is_empty()).then_some(DataType::Struct(fields))
            }
            other => Some(other),
        }
    }
}

fn integer(text: &str) -> DataType {
    if text.parse::<i64>().is_ok() {
        return DataType::Long;
    }
    decimal(text).unwrap_or(DataType::Double)
}

/// The decimal type of a number as it is written.
fn decimal(text: &str) -> Option<DataType> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let significant = i32::try_from(digits.trim_start_matches('0').len().max(1)).ok()?;
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let precision = significant.max(scale);
    // A scale below zero is no type of SQL's; the zeros count as digits.
    let (precision, scale) =
        if scale < 0 { (precision.checked_sub(scale)?, 0) } else { (precision, scale) };
    if precision > 38 {
        return None;
    }
    Some(DataType::Decimal {
        precision: u8::try_from(precision).ok()?,
        scale: i8::try_from(scale).ok()?,
    })
}

/// The type that holds the values of both.
fn common(left: DataType, right: DataType) -> DataType {
    use DataType::{Array, Decimal, Double, Long, Null, Struct};
    match (left, right) {
        (left, right) if left == right => left,
        (Null, other) | (other, Null) => other,
        (Long | Decimal { .. }, Double) | (Double, Long | Decimal { .. }) => Double,
        (Long, Decimal { precision, scale }) | (Decimal { precision, scale }, Long) => {
            decimals((20, 0), (precision, scale))
        }
        (Decimal { precision, scale }, Decimal { precision: others, scale: other }) => {
            decimals((precision, scale), (others, other))
        }
        (Struct(left), Struct(right)) => Struct(merged(left, right)),
        (Array { element: left, .. }, Array { element: right, .. }) => {
            DataType::array(common(*left, *right))
        }
        // Whatever differs otherwise is kept as text.
        _ => DataType::String,
    }
}

/// The decimal type that holds the values of both; a double if there is none.
fn decimals(left: (u8, i8), right: (u8, i8)) -> DataType {
    let whole = |(precision, scale): (u8, i8)| i16::from(precision) - i16::from(scale);
    let scale = left.1.max(right.1);
    let precision = whole(left).max(whole(right)) + i16::from(scale);
    match u8::try_from(precision) {
        Ok(precision) if precision <= 38 => DataType::Decimal { precision, scale },
        _ => DataType::Double,
    }
}

fn merged(mut a: Vec<Field>, b: Vec<Field>) -> Vec<Field> {
    for field in b {
        match a.binary_search_by(|known| known.name.cmp(&field.name)) {
            Ok(at) => {
                let known = std::mem::replace(&mut a[at].data_type, DataType::Null);
                a[at].data_type = common(known, field.data_type);
            }
            Err(at) => a.insert(at, field),
        }
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{DEFAULTS, with};

    fn check(options: &[(&str, &str)], lines: &[&str], expected: &str) {
        let json = with(options, |options| Json::new(options, DEFAULTS)).unwrap();
        let mut types = JsonTypes::new(&json).unwrap();
        for line in lines {
            types.add(line.as_bytes()).unwrap();
        }
        let found = DataType::Struct(types.finish().unwrap()).to_string();
        assert_eq!(found, expected, "{lines:?}");
    }

    #[test]
    fn fields_have_the_type_that_holds_all_their_values() {
        let none: &[(&str, &str)] = &[];
        check(none, &[r#"{"b":1,"a":"x"}"#, r#"{"b":2.5}"#], "struct<a:string,b:double>");
        check(none, &[r#"{"a":1}"#, r#"{"a":true}"#], "struct<a:string>");
        check(none, &[r#"{"a":null}"#, r#"{"a":""}"#], "struct<a:string>");
        check(
            none,
            &[r#"{"a":{"x":1}}"#, r#"{"a":{"y":[1.5]}}"#],
            "struct<a:struct<x:bigint,y:array<double>>>",
        );
        check(none, &[r#"{"a":[]}"#, r#"{"a":[null,1]}"#], "struct<a:array<bigint>>");
        check(none, &[r#"{"a":{"x":1}}"#, r#"{"a":7}"#], "struct<a:string>");
        check(none, &[r#"{"a":{}}"#, r#"{"b":1}"#], "struct<b:bigint>");
        check(none, &[r#"{"a":12345678901234567890}"#], "struct<a:decimal(20,0)>");
        check(none, &[r#"{"a":"2015-01-01"}"#], "struct<a:string>");
        check(none, &[r#"{"a":1}"#, "nonsense"], "struct<a:bigint,bad:string>");
        check(none, &[r#"[{"a":1},{"b":2}]"#], "struct<a:bigint,b:bigint>");
        check(none, &["", "null"], "struct<>");
        check(none, &[r#"[{"a":1},2]"#], "struct<bad:string>");
        check(&[("mode", "DROPMALFORMED")], &[r#"{"a":1}"#, "nonsense"], "struct<a:bigint>");
        check(
            &[("primitivesAsString", "true")],
            &[r#"{"a":1,"b":true}"#],
            "struct<a:string,b:string>",
        );
        check(
            &[("prefersDecimal", "true")],
            &[r#"{"a":1.25}"#, r#"{"a":100.5}"#],
            "struct<a:decimal(5,2)>",
        );
        check(
            &[("inferTimestamp", "true")],
            &[r#"{"a":"2015-01-01T10:00:00"}"#],
            "struct<a:timestamp>",
        );
        check(&[("dropFieldIfAllNull", "true")], &[r#"{"a":null,"b":1}"#], "struct<b:bigint>");
    }

    #[test]
    fn one_value_has_a_type_whatever_it_is() {
        let cases = [
            ("1", "bigint"),
            ("null", "string"),
            (" ", "string"),
            ("[]", "array<string>"),
            ("{}", "struct<>"),
            (r#"[1,"x"]"#, "array<string>"),
            (r#"{"a":1,"a":"x","A":true}"#, "struct<A:boolean,a:bigint,a:string>"),
            (r#"{"a":1}x"#, "struct<a:bigint>"),
        ];
        let json = with(&[], |options| Json::new(options, DEFAULTS)).unwrap();
        let mut types = JsonTypes::new(&json).unwrap();
        for (text, expected) in cases {
            assert_eq!(types.of(text).unwrap().to_string(), expected, "{text}");
        }
        assert_eq!(types.of("nonsense"), Err(NotJson));
        types.add(br#"{"a":1,"A":2}"#).unwrap();
        assert_eq!(types.finish().unwrap_err().class(), "COLUMN_ALREADY_EXISTS");
    }
}
