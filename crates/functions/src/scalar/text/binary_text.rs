//! `to_binary`: decodes text in a given encoding to bytes.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use errors::condition;

use crate::function::{Call, Function, with};
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::scalar::hash::{unbase64, unhex};
use crate::{FunctionError, run_time_error};

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    with("to_binary", "s?s", |call| build(call, HEX, BASE64)),
    with("try_to_binary", "s?s", |call| build(call, TRY_HEX, TRY_BASE64)),
];

pub(in crate::scalar) const KERNELS: &[Kernel] = &[HEX, TRY_HEX, BASE64, TRY_BASE64];

const HEX: Kernel =
    Kernel::new("spark_binary_of_hex", returns::binary, |args| decoded(args, unhex, Some("HEX")));
const TRY_HEX: Kernel =
    Kernel::new("spark_try_binary_of_hex", returns::binary, |args| decoded(args, unhex, None))
        .nulls(Nulls::Possible);
const BASE64: Kernel = Kernel::new("spark_binary_of_base64", returns::binary, |args| {
    decoded(args, unbase64, Some("BASE64"))
});
const TRY_BASE64: Kernel = Kernel::new("spark_try_binary_of_base64", returns::binary, |args| {
    decoded(args, unbase64, None)
})
.nulls(Nulls::Possible);

fn build(mut call: Call<'_>, hex: Kernel, base64: Kernel) -> Result<Expr, FunctionError> {
    call.default(2, ScalarValue::from("hex"));
    let format = call.string(1).map(str::to_lowercase);
    if format.is_none() && matches!(&call.args[1], Expr::Literal(value, _) if value.is_null()) {
        return Ok(Expr::Literal(ScalarValue::Binary(None), None));
    }
    call.args.truncate(1);
    call.types.truncate(1);
    match format.as_deref() {
        Some("hex") => Ok(call.apply(hex)),
        Some("base64") => Ok(call.apply(base64)),
        Some("utf-8" | "utf8") => {
            call.cast(0, &DataType::Binary)?;
            Ok(call.only())
        }
        _ => Err(FunctionError::Invalid {
            condition: condition::DATATYPE_MISMATCH_INVALID_ARG_VALUE,
            message: format!(
                "Cannot resolve \"{}\" due to data type mismatch: The `fmt` value must to be a \"case-insensitive STRING\" literal of 'hex', 'utf-8', 'utf8', or 'base64'.",
                call.name
            ),
            parameters: vec![("inputName", "`fmt`".to_owned())],
        }),
    }
}

fn decoded(
    args: &Args<'_>,
    decode: fn(&str) -> Option<Vec<u8>>,
    fails: Option<&str>,
) -> datafusion::common::Result<ArrayRef> {
    let texts = args.strings(0)?;
    args.binary_rows(|row| match (decode(texts.value(row)), fails) {
        (None, Some(format)) => Err(run_time_error(
            condition::CONVERSION_INVALID_INPUT,
            format!(
                "The value '{}' (\"STRING\") cannot be converted to \"BINARY\" because it is malformed. Correct the value as per the syntax, or change its format. Use `try_to_binary` to tolerate malformed input and return NULL instead. The format is {format}.",
                texts.value(row)
            ),
        )),
        (bytes, _) => Ok(bytes),
    })
}
