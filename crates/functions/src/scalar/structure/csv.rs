//! `from_csv` and `to_csv`: a struct as one line of text. The CSV format itself is implemented in
//! `formats`.

use datafusion::arrow::array::{ArrayRef, AsArray, NullBufferBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::Expr;
use errors::condition;
use formats::csv::{Csv, CsvForm, CsvReader};
use formats::rows::Rows;

use super::options::{Given, check_mode, is_nested, packed, unpacked};
use crate::function::{Call, Function, with};
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::scalar::text::text_rows::{columns, structs};
use crate::{FunctionError, IntoExternal};

pub(in crate::scalar) const FUNCTIONS: &[Function] =
    &[with("from_csv", "sa?a", from_csv), with("to_csv", "S?a", to_csv)];

pub(in crate::scalar) const KERNELS: &[Kernel] = &[FROM_CSV, TO_CSV];

/// Arguments: text, null of the result type, options.
const FROM_CSV: Kernel =
    Kernel::new("spark_from_csv", |types, _| Ok(types[1].clone()), read).nulls(Nulls::Possible);
/// Arguments: struct, options.
const TO_CSV: Kernel = Kernel::new("spark_to_csv", returns::string, write);

fn from_csv(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    let DataType::Struct(fields) = &call.types[1] else {
        return Err(call.mismatch(1, "\"STRUCT\""));
    };
    if let Some(field) = fields.iter().find(|field| is_nested(field.data_type())) {
        let name = format!("\"{}\"", crate::sql_type(field.data_type()));
        return Err(FunctionError::Invalid {
            condition: condition::UNSUPPORTED_DATATYPE,
            message: format!("Unsupported data type {name}."),
            parameters: vec![("typeName", name)],
        });
    }
    let given = Given::of(&call, 2)?;
    let csv = Csv::read(&given.options(), call.defaults())?;
    check_mode(&call, csv.records.mode)?;
    let columns = fields.iter().map(|field| (field.name().as_str(), field.data_type()));
    csv.records.check_corrupt_column(columns)?;
    call.replace_options(2, &packed(&csv));
    Ok(call.apply(FROM_CSV))
}

fn read(args: &Args<'_>) -> Result<ArrayRef> {
    let DataType::Struct(fields) = args.returns else { return internal_err!("CSV is a struct") };
    let csv: Csv = unpacked(args, 2)?;
    let corrupt = csv.records.corrupt_column.as_str();
    let (origins, schema) = columns(fields, Some(corrupt));
    let mut rows = Rows::new(&origins, csv.records.mode, schema)?;
    let width = rows.width();
    let mut reader = CsvReader::new(&csv, width, &rows).map_err(IntoExternal::into_external)?;
    let mut valid = NullBufferBuilder::new(args.rows);
    for text in args.strings(0)? {
        match text.map(str::as_bytes) {
            None => rows.end_missing()?,
            Some(line) if line.is_empty() || csv.comment == line.first().copied() => {
                rows.end_blank(line)?;
            }
            Some(line) => reader.read(line, &mut rows)?,
        }
        valid.append(text.is_some());
    }
    structs(&mut rows, fields.clone(), valid, true)
}

fn to_csv(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    let given = Given::of(&call, 1)?;
    let csv = Csv::written(&given.options(), call.defaults())?;
    csv.records.check_written()?;
    call.replace_options(1, &packed(&csv));
    Ok(call.apply(TO_CSV))
}

fn write(args: &Args<'_>) -> Result<ArrayRef> {
    let mut form = CsvForm::new(&unpacked(args, 1)?).map_err(IntoExternal::into_external)?;
    let structs = args.array(0)?.as_struct();
    args.string_rows(|row| {
        let mut line = String::new();
        form.write(structs.columns(), row, &mut line)?;
        Ok(Some(line))
    })
}
