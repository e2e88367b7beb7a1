//! JSON text: path lookup, parsing to values of a type, and serialisation. The JSON format itself
//! is implemented in `formats`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, ListBuilder, NullBufferBuilder, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Int32Type};
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use errors::condition;
use formats::json::{
    Json, JsonForm, JsonReader, Kind, NotJson, Path, Root, Syntax, Tape, Value, field, look_up,
};
use formats::rows::Rows;
use formats::values::{Nested, readable};

use super::options::{Given, check_mode, packed, unpacked};
use crate::function::{Call, Function, kernel, with};
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::scalar::text::text_rows::{columns, structs};
use crate::{FunctionError, IntoExternal};

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    kernel(
        "get_json_object",
        "ss",
        Kernel::new("spark_get_json_object", returns::string, get).nulls(Nulls::Possible),
    ),
    kernel(
        "json_tuple",
        "ss",
        Kernel::new("spark_json_tuple", returns::string, |args| {
            let (texts, names) = (args.strings(0)?, args.strings(1)?);
            let mut looking = Looking::default();
            args.string_rows(|row| {
                let value = looking.at(texts.value(row));
                Ok(value.and_then(|value| field(value, names.value(row))))
            })
        })
        .nulls(Nulls::Possible),
    ),
    kernel(
        "json_array_length",
        "s",
        Kernel::new("spark_json_array_length", returns::int, |args| {
            let texts = args.strings(0)?;
            let mut looking = Looking::default();
            args.number_rows::<Int32Type>(|row| {
                let value = looking.at(texts.value(row)).filter(|v| v.kind() == Kind::Array);
                Ok(value.and_then(|value| i32::try_from(value.items().count()).ok()))
            })
        })
        .nulls(Nulls::Possible),
    ),
    kernel(
        "json_object_keys",
        "s",
        Kernel::new("spark_json_object_keys", returns::strings, keys).nulls(Nulls::Possible),
    ),
    with("from_json", "sa?a", from_json),
    with("to_json", "a?a", to_json),
];

pub(in crate::scalar) const KERNELS: &[Kernel] = &[FROM_JSON, TO_JSON];

/// Arguments: text, null of the result type, options.
const FROM_JSON: Kernel =
    Kernel::new("spark_from_json", |types, _| Ok(types[1].clone()), read).nulls(Nulls::Possible);
/// Arguments: value, options.
const TO_JSON: Kernel = Kernel::new("spark_to_json", returns::string, |args| {
    let form = JsonForm::new(&unpacked(args, 1)?).map_err(IntoExternal::into_external)?;
    let values = args.array(0)?;
    args.string_rows(|row| {
        let mut out = String::new();
        form.write(values.as_ref(), row, &mut out)?;
        Ok(Some(out))
    })
});

/// Parser for one text after another.
#[derive(Default)]
struct Looking {
    tape: Tape,
    syntax: Option<Syntax>,
}

impl Looking {
    /// The value of a text, if it is JSON.
    fn at<'a>(&'a mut self, text: &'a str) -> Option<Value<'a>> {
        let syntax = self.syntax.get_or_insert_with(Syntax::of_paths);
        self.tape.parse(text, syntax).unwrap_or(None)
    }
}

fn get(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, paths) = (args.strings(0)?, args.strings(1)?);
    let mut looking = Looking::default();
    // Usually all rows have the same path.
    let mut known = ("", None);
    args.string_rows(|row| {
        let path = paths.value(row);
        if path != known.0 {
            known = (path, Path::parse(path));
        }
        let Some(path) = &known.1 else { return Ok(None) };
        Ok(looking.at(texts.value(row)).and_then(|value| look_up(value, path)))
    })
}

/// Keys in the order of the text.
fn keys(args: &Args<'_>) -> Result<ArrayRef> {
    let texts = args.strings(0)?;
    let mut looking = Looking::default();
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in args.valid_rows() {
        let value = row.and_then(|row| looking.at(texts.value(row)));
        match value.filter(|value| value.kind() == Kind::Object) {
            Some(object) => out.append_value(object.fields().map(|(name, _)| Some(name))),
            None => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn to_json(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if !matches!(call.types[0], DataType::Struct(_) | DataType::List(_) | DataType::Map(..)) {
        return Err(invalid_schema(&call, 0));
    }
    let given = Given::of(&call, 1)?;
    let json = Json::new(&given.options(), call.defaults())?;
    json.records.check_written()?;
    call.replace_options(1, &packed(&json));
    Ok(call.apply(TO_JSON))
}

/// The second argument is a null of the schema's type; the resolver ensures this.
fn from_json(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if !matches!(call.types[1], DataType::Struct(_) | DataType::List(_) | DataType::Map(..)) {
        return Err(invalid_schema(&call, 1));
    }
    let given = Given::of(&call, 2)?;
    let json = Json::new(&given.options(), call.defaults())?;
    check_mode(&call, json.records.mode)?;
    if !readable(&call.types[1], Nested::Yes) {
        return Err(unread(&call.types[1]));
    }
    if let DataType::Struct(fields) = &call.types[1] {
        let columns = fields.iter().map(|field| (field.name().as_str(), field.data_type()));
        json.records.check_corrupt_column(columns)?;
    }
    call.replace_options(2, &packed(&json));
    Ok(call.apply(FROM_JSON))
}

fn invalid_schema(call: &Call<'_>, index: usize) -> FunctionError {
    let shown = format!("\"{}\"", crate::sql_type(&call.types[index]));
    FunctionError::Invalid {
        condition: condition::DATATYPE_MISMATCH_INVALID_JSON_SCHEMA,
        message: format!(
            "Cannot resolve \"{}\" due to data type mismatch: Input schema {shown} must be a struct, an array, a map or a variant.",
            call.name
        ),
        parameters: vec![("schema", shown)],
    }
}

/// The error for a type that cannot be parsed from JSON: map keys are text there.
fn unread(data_type: &DataType) -> FunctionError {
    let shown = format!("\"{}\"", crate::sql_type(data_type));
    FunctionError::Invalid {
        condition: condition::DATATYPE_MISMATCH_INVALID_JSON_MAP_KEY_TYPE,
        message: format!(
            "Cannot resolve \"from_json\" due to data type mismatch: Input schema {shown} can only contain STRING as a key type for a MAP."
        ),
        parameters: vec![("schema", shown)],
    }
}

fn read(args: &Args<'_>) -> Result<ArrayRef> {
    let json: Json = unpacked(args, 2)?;
    let (root, fields) = match args.returns {
        DataType::Struct(fields) => (Root::Row, fields.clone()),
        other => (Root::Value, Fields::from(vec![Field::new("value", other.clone(), true)])),
    };
    let corrupt = (root == Root::Row).then_some(json.records.corrupt_column.as_str());
    let (origins, schema) = columns(&fields, corrupt);
    let wanted = fields.iter().map(|field| field.name().as_str());
    let wanted = wanted.filter(|name| Some(*name) != corrupt);
    let mut reader = JsonReader::new(&json, root, wanted).map_err(IntoExternal::into_external)?;
    let mut rows = Rows::new(&origins, json.records.mode, schema)?;
    let mut valid = NullBufferBuilder::new(args.rows);
    for text in args.strings(0)? {
        let before = rows.len();
        if let Some(text) = text {
            reader.read(text.as_bytes(), &mut rows)?;
        }
        let is_there = rows.len() > before;
        if !is_there {
            rows.end_missing()?;
        }
        valid.append(is_there);
    }
    structs(&mut rows, fields, valid, root == Root::Row)
}

/// The error for a sample that is not JSON.
pub(in crate::scalar) fn not_json(
    call: &Call<'_>,
    text: &str,
) -> impl Fn(NotJson) -> FunctionError {
    let (name, text) = (call.name, text.to_owned());
    move |NotJson| FunctionError::Invalid {
        condition: condition::MALFORMED_RECORD_IN_PARSING_WITHOUT_SUGGESTION,
        message: format!(
            "Malformed records are detected in record parsing: {text}. Parse Mode: FAILFAST."
        ),
        parameters: vec![
            ("badRecord", text.clone()),
            ("failFastMode", "FAILFAST".to_owned()),
            ("funcName", format!("`{name}`")),
        ],
    }
}
