//! Operators: arithmetic, comparison, logical and bitwise.

use datafusion::arrow::datatypes::{DataType, IntervalUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator as Native};
use datafusion_spark::function::bitwise as native_bits;

use super::number::arithmetic::{Operator, Overflow, run, unary};
use super::time::temporal;
use crate::function::{Call, Function, with};
use crate::kernel::{Kernel, Nulls};
use crate::normal::{comparison, is_ordinary, normal_form, ordered};
use crate::types::{decimal_of, decimal_result, is_integral};
use crate::{CastMode, FunctionError};

pub(super) const FUNCTIONS: &[Function] = &[
    with("+", "a?a", |call| {
        if call.args.len() == 1 { positive(call) } else { session(call, Operator::Add) }
    }),
    with("-", "a?a", |call| {
        if call.args.len() == 1 { negative(call) } else { session(call, Operator::Subtract) }
    }),
    with("*", "aa", |call| session(call, Operator::Multiply)),
    with("/", "aa", |call| session(call, Operator::Divide)),
    with("%", "aa", |call| session(call, Operator::Remainder)),
    with("mod", "aa", |call| session(call, Operator::Remainder)),
    with("div", "aa", |call| session(call, Operator::Div)),
    with("pmod", "aa", |call| session(call, Operator::Pmod)),
    with("try_add", "aa", |call| arithmetic(call, Operator::Add, Overflow::Null)),
    with("try_subtract", "aa", |call| arithmetic(call, Operator::Subtract, Overflow::Null)),
    with("try_multiply", "aa", |call| arithmetic(call, Operator::Multiply, Overflow::Null)),
    with("try_divide", "aa", |call| arithmetic(call, Operator::Divide, Overflow::Null)),
    with("try_mod", "aa", |call| arithmetic(call, Operator::Remainder, Overflow::Null)),
    with("negative", "a", negative),
    with("positive", "a", positive),
    with("abs", "a", absolute),
    with("==", "aa", |call| compare(call, Native::Eq)),
    with("=", "aa", |call| compare(call, Native::Eq)),
    with("!=", "aa", |call| compare(call, Native::NotEq)),
    with("<>", "aa", |call| compare(call, Native::NotEq)),
    with("<", "aa", |call| compare(call, Native::Lt)),
    with("<=", "aa", |call| compare(call, Native::LtEq)),
    with(">", "aa", |call| compare(call, Native::Gt)),
    with(">=", "aa", |call| compare(call, Native::GtEq)),
    with("<=>", "aa", |call| compare(call, Native::IsNotDistinctFrom)),
    with("equal_null", "aa", |call| compare(call, Native::IsNotDistinctFrom)),
    with("and", "aa", |call| logic(call, Native::And)),
    with("or", "aa", |call| logic(call, Native::Or)),
    with("not", "B", |call| Ok(Expr::Not(Box::new(call.only())))),
    with("!", "B", |call| Ok(Expr::Not(Box::new(call.only())))),
    with("in", "aa*", is_in),
    with("between", "aaa", between),
    with("&", "aa", |call| bits(call, Native::BitwiseAnd)),
    with("|", "aa", |call| bits(call, Native::BitwiseOr)),
    with("^", "aa", |call| bits(call, Native::BitwiseXor)),
    with("~", "a", |mut call| {
        if call.types[0] == DataType::Utf8 {
            return Err(call.mismatch(0, "\"INTEGRAL\""));
        }
        call.fit("z")?;
        Ok(native_bits::bitwise_not().call(call.args))
    }),
];

pub(super) const KERNELS: &[Kernel] = &[
    ADD,
    ADD_WRAP,
    TRY_ADD,
    SUBTRACT,
    SUBTRACT_WRAP,
    TRY_SUBTRACT,
    MULTIPLY,
    MULTIPLY_WRAP,
    TRY_MULTIPLY,
    DIVIDE,
    DIVIDE_WRAP,
    TRY_DIVIDE,
    REMAINDER,
    REMAINDER_WRAP,
    TRY_REMAINDER,
    DIV,
    DIV_WRAP,
    PMOD,
    PMOD_WRAP,
    NEGATIVE,
    NEGATIVE_WRAP,
    ABS,
    ABS_WRAP,
];

macro_rules! arithmetic_kernels {
    ($($constant:ident = $name:literal $operator:ident $overflow:ident $symbol:literal $nulls:ident;)*) => {
        $(const $constant: Kernel = Kernel::new(
            $name,
            |types, _| Ok(result_type($symbol, types)),
            |args| run(args, Operator::$operator, Overflow::$overflow),
        ).nulls(Nulls::$nulls);)*
    };
}

arithmetic_kernels! {
    ADD = "spark_add" Add Fail "+" Strict;
    ADD_WRAP = "spark_add_wrap" Add Wrap "+" Possible;
    TRY_ADD = "spark_try_add" Add Null "+" Possible;
    SUBTRACT = "spark_subtract" Subtract Fail "-" Strict;
    SUBTRACT_WRAP = "spark_subtract_wrap" Subtract Wrap "-" Possible;
    TRY_SUBTRACT = "spark_try_subtract" Subtract Null "-" Possible;
    MULTIPLY = "spark_multiply" Multiply Fail "*" Strict;
    MULTIPLY_WRAP = "spark_multiply_wrap" Multiply Wrap "*" Possible;
    TRY_MULTIPLY = "spark_try_multiply" Multiply Null "*" Possible;
    DIVIDE = "spark_divide" Divide Fail "/" Strict;
    DIVIDE_WRAP = "spark_divide_wrap" Divide Wrap "/" Possible;
    TRY_DIVIDE = "spark_try_divide" Divide Null "/" Possible;
    REMAINDER = "spark_remainder" Remainder Fail "%" Strict;
    REMAINDER_WRAP = "spark_remainder_wrap" Remainder Wrap "%" Possible;
    TRY_REMAINDER = "spark_try_remainder" Remainder Null "%" Possible;
    DIV = "spark_div" Div Fail "div" Strict;
    DIV_WRAP = "spark_div_wrap" Div Wrap "div" Possible;
    PMOD = "spark_pmod" Pmod Fail "%" Strict;
    PMOD_WRAP = "spark_pmod_wrap" Pmod Wrap "%" Possible;
}

const NEGATIVE: Kernel = Kernel::new("spark_negative", crate::kernel::returns::first, |args| {
    unary(args, false, Overflow::Fail)
});
const NEGATIVE_WRAP: Kernel =
    Kernel::new("spark_negative_wrap", crate::kernel::returns::first, |args| {
        unary(args, false, Overflow::Wrap)
    });
const ABS: Kernel = Kernel::new("spark_abs", crate::kernel::returns::first, |args| {
    unary(args, true, Overflow::Fail)
});
const ABS_WRAP: Kernel = Kernel::new("spark_abs_wrap", crate::kernel::returns::first, |args| {
    unary(args, true, Overflow::Wrap)
});

fn result_type(symbol: &str, types: &[DataType]) -> DataType {
    match types {
        [DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)] => {
            let (precision, scale) = decimal_result(symbol, (*p1, *s1), (*p2, *s2));
            DataType::Decimal128(precision, scale)
        }
        [first, ..] => first.clone(),
        [] => DataType::Null,
    }
}

pub(super) fn kernel_of(operator: Operator, overflow: Overflow) -> Kernel {
    use Operator::{Add, Div, Divide, Multiply, Pmod, Remainder, Subtract};
    use Overflow::{Fail, Null, Wrap};
    match (operator, overflow) {
        (Add, Fail) => ADD,
        (Add, Wrap) => ADD_WRAP,
        (Add, Null) => TRY_ADD,
        (Subtract, Fail) => SUBTRACT,
        (Subtract, Wrap) => SUBTRACT_WRAP,
        (Subtract, Null) => TRY_SUBTRACT,
        (Multiply, Fail) => MULTIPLY,
        (Multiply, Wrap) => MULTIPLY_WRAP,
        (Multiply, Null) => TRY_MULTIPLY,
        (Divide, Fail) => DIVIDE,
        (Divide, Wrap) => DIVIDE_WRAP,
        (Divide, Null) => TRY_DIVIDE,
        (Remainder, Fail) => REMAINDER,
        (Remainder, Wrap) => REMAINDER_WRAP,
        (Remainder, Null) => TRY_REMAINDER,
        (Div, Fail) => DIV,
        (Div, Wrap | Null) => DIV_WRAP,
        (Pmod, Fail) => PMOD,
        (Pmod, Wrap | Null) => PMOD_WRAP,
    }
}

fn session(call: Call<'_>, operator: Operator) -> Result<Expr, FunctionError> {
    let overflow = if call.ctx.ansi { Overflow::Fail } else { Overflow::Wrap };
    arithmetic(call, operator, overflow)
}

fn arithmetic(
    mut call: Call<'_>,
    operator: Operator,
    overflow: Overflow,
) -> Result<Expr, FunctionError> {
    if call.types.iter().any(temporal::is_temporal) {
        return temporal::build(call, operator, overflow);
    }
    check_operands(&call, operator)?;
    to_numbers(&mut call, operator, overflow)?;
    let is_decimal = |t: &DataType| matches!(t, DataType::Decimal128(..));
    let is_float = |t: &DataType| matches!(t, DataType::Float32 | DataType::Float64);
    if call.types.iter().any(is_decimal) && !call.types.iter().any(is_float) {
        return decimal(call, operator, overflow);
    }
    if operator == Operator::Divide {
        call.cast(0, &DataType::Float64)?;
        call.cast(1, &DataType::Float64)?;
    } else if operator == Operator::Div {
        call.cast(0, &DataType::Int64)?;
        call.cast(1, &DataType::Int64)?;
    } else {
        call.unify(0)?;
    }
    if is_float(&call.types[0])
        && let Some(native) = native_operator(&call, operator)
    {
        return Ok(pair(call, native));
    }
    Ok(call.apply(kernel_of(operator, overflow)))
}

/// Rejects text operands where no other operand determines the numeric type.
fn check_operands(call: &Call<'_>, operator: Operator) -> Result<(), FunctionError> {
    let text = call.types.iter().find(|t| **t == DataType::Utf8);
    let only_text = call.types.iter().all(|t| matches!(t, DataType::Utf8 | DataType::Null));
    let required = if operator == Operator::Div && !divides_whole(call) {
        WHOLE_OR_INTERVAL
    } else if operator == Operator::Divide && call.ctx.ansi && only_text {
        "(\"DOUBLE\" or \"DECIMAL\")"
    } else if call.ctx.ansi && only_text {
        NUMERIC_OR_INTERVAL
    } else {
        return Ok(());
    };
    let Some(text) = text else { return Ok(()) };
    // The type to which Spark would have cast the text before its check failed.
    let actual = if call.ctx.ansi && only_text { text.clone() } else { DataType::Float64 };
    Err(FunctionError::OperandType { required: required.to_owned(), actual })
}

/// Casts text and null operands to numbers.
fn to_numbers(
    call: &mut Call<'_>,
    operator: Operator,
    overflow: Overflow,
) -> Result<(), FunctionError> {
    for index in 0..2 {
        let other = call.types[1 - index].clone();
        match &call.types[index] {
            DataType::Utf8 => {
                // In ANSI mode, text beside an integer becomes an integer; otherwise a double.
                let is_whole = call.ctx.ansi && is_integral(&other);
                let target = if is_whole { DataType::Int64 } else { DataType::Float64 };
                let mode = match overflow {
                    Overflow::Null => CastMode::Try,
                    _ => CastMode::session(call.ctx),
                };
                let text = std::mem::take(&mut call.args[index]);
                call.args[index] = crate::cast(text, &DataType::Utf8, &target, mode, call.ctx)?;
                call.types[index] = target;
            }
            DataType::Null => {
                let is_number = crate::types::is_numeric(&other);
                call.cast(index, &if is_number { other } else { DataType::Float64 })?;
            }
            own if crate::types::is_numeric(own) => {}
            _ if crate::types::is_numeric(&other) => {
                return Err(FunctionError::DifferingTypes {
                    name: sign(operator).to_owned(),
                    types: call.types.clone(),
                });
            }
            _ => return Err(call.mismatch(index, "\"NUMERIC\"")),
        }
    }
    Ok(())
}

const WHOLE_OR_INTERVAL: &str =
    "(\"BIGINT\" or \"DECIMAL\" or \"INTERVAL YEAR TO MONTH\" or \"INTERVAL DAY TO SECOND\")";
const NUMERIC_OR_INTERVAL: &str =
    "(\"NUMERIC\" or \"INTERVAL DAY TO SECOND\" or \"INTERVAL YEAR TO MONTH\" or \"INTERVAL\")";

/// Whether `div` accepts the arguments: text is an integer only beside one, in ANSI mode.
fn divides_whole(call: &Call<'_>) -> bool {
    let is_text = |t: &DataType| *t == DataType::Utf8;
    let is_whole = |t: &DataType| is_integral(t) || *t == DataType::Null;
    !call.types.iter().any(is_text) || (call.ctx.ansi && call.types.iter().any(is_whole))
}

/// The equivalent `DataFusion` operator for floating-point numbers; division only by a non-zero
/// constant.
fn native_operator(call: &Call<'_>, operator: Operator) -> Option<Native> {
    match operator {
        Operator::Add => Some(Native::Plus),
        Operator::Subtract => Some(Native::Minus),
        Operator::Multiply => Some(Native::Multiply),
        Operator::Divide => match call.args.get(1)? {
            Expr::Literal(ScalarValue::Float64(Some(divisor)), _) if *divisor != 0.0 => {
                Some(Native::Divide)
            }
            _ => None,
        },
        _ => None,
    }
}

fn decimal(
    mut call: Call<'_>,
    operator: Operator,
    overflow: Overflow,
) -> Result<Expr, FunctionError> {
    for index in 0..2 {
        let (precision, scale) = match (call.integer(index), &call.types[index]) {
            // A constant needs only as many digits as it has.
            (Some(value), data_type) if is_integral(data_type) => (digits(value), 0),
            (_, data_type) => decimal_of(data_type).unwrap_or((38, 18)),
        };
        call.cast(index, &DataType::Decimal128(precision, scale))?;
    }
    let symbol = sign(operator);
    let native = match operator {
        Operator::Add => Some(Native::Plus),
        Operator::Subtract => Some(Native::Minus),
        Operator::Multiply => Some(Native::Multiply),
        _ => None,
    };
    let (left, right) = (decimal_of(&call.types[0]), decimal_of(&call.types[1]));
    let (Some(left), Some(right)) = (left, right) else {
        return Err(call.mismatch(0, "\"NUMERIC\""));
    };
    let fits = match operator {
        Operator::Multiply => left.0 + right.0 < 38,
        _ => decimal_result(symbol, left, right).0 < 38,
    };
    if let (Some(native), true) = (native, fits) {
        return Ok(pair(call, native));
    }
    let is_div = operator == Operator::Div;
    let ctx = call.ctx;
    let (precision, scale) = decimal_result(symbol, left, right);
    let quotient = call.apply(kernel_of(operator, overflow));
    if is_div {
        let mode = CastMode::session(ctx);
        return crate::cast(
            quotient,
            &DataType::Decimal128(precision, scale),
            &DataType::Int64,
            mode,
            ctx,
        );
    }
    Ok(quotient)
}

fn digits(value: i64) -> u8 {
    u8::try_from(value.unsigned_abs().to_string().len()).unwrap_or(20)
}

fn pair(mut call: Call<'_>, operator: Native) -> Expr {
    let right = std::mem::take(&mut call.args[1]);
    let left = std::mem::take(&mut call.args[0]);
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))
}

fn sign(operator: Operator) -> &'static str {
    match operator {
        Operator::Add => "+",
        Operator::Subtract => "-",
        Operator::Multiply => "*",
        Operator::Divide => "/",
        Operator::Div => "div",
        Operator::Remainder | Operator::Pmod => "%",
    }
}

fn numeric_or_interval(call: &mut Call<'_>) -> Result<(), FunctionError> {
    match &call.types[0] {
        DataType::Utf8 | DataType::Null => call.cast(0, &DataType::Float64),
        DataType::Duration(_) | DataType::Interval(IntervalUnit::YearMonth) => Ok(()),
        other if crate::types::is_numeric(other) => Ok(()),
        _ => Err(call.mismatch(0, "(\"NUMERIC\" or \"INTERVAL\")")),
    }
}

fn negative(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    numeric_or_interval(&mut call)?;
    let kernel = if call.ctx.ansi { NEGATIVE } else { NEGATIVE_WRAP };
    if let Expr::Literal(value, _) = &call.args[0]
        && let Ok(value) = value.arithmetic_negate()
    {
        return Ok(Expr::Literal(value, None));
    }
    Ok(call.apply(kernel))
}

fn positive(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    numeric_or_interval(&mut call)?;
    Ok(call.only())
}

fn absolute(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    numeric_or_interval(&mut call)?;
    let kernel = if call.ctx.ansi { ABS } else { ABS_WRAP };
    Ok(call.apply(kernel))
}

fn compare(mut call: Call<'_>, operator: Native) -> Result<Expr, FunctionError> {
    ordered(&call)?;
    if !call.ctx.ansi && matches!(operator, Native::Eq | Native::IsNotDistinctFrom) {
        truth_as_number(&mut call)?;
    }
    let common = call.unify_compared()?;
    let right = std::mem::take(&mut call.args[1]);
    let left = std::mem::take(&mut call.args[0]);
    Ok(comparison(left, operator, right, &common))
}

/// Outside ANSI mode, a boolean is compared with a number as one or zero.
fn truth_as_number(call: &mut Call<'_>) -> Result<(), FunctionError> {
    for index in 0..2 {
        let other = call.types[1 - index].clone();
        if call.types[index] == DataType::Boolean && crate::types::is_numeric(&other) {
            // A decimal type may have no integer digits, as in `decimal(1, 1)`.
            let target = if decimal_of(&other).is_some() { DataType::Int32 } else { other };
            call.cast(index, &target)?;
        }
    }
    Ok(())
}

fn is_in(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if call.args.len() == 1 {
        return Ok(Expr::Literal(ScalarValue::from(false), None));
    }
    ordered(&call)?;
    let common = call.unify(0)?;
    if !call.args[1..].iter().all(is_ordinary) {
        call.args = call.args.into_iter().map(|arg| normal_form(arg, &common)).collect();
    }
    let list = call.args.split_off(1);
    Ok(Expr::InList(InList::new(Box::new(call.only()), list, false)))
}

fn between(call: Call<'_>) -> Result<Expr, FunctionError> {
    let side = |index: usize, operator: Native| {
        let args = vec![call.args[0].clone(), call.args[index].clone()];
        let types = vec![call.types[0].clone(), call.types[index].clone()];
        compare(Call { args, types, name: call.name, ctx: call.ctx }, operator)
    };
    Ok(side(1, Native::GtEq)?.and(side(2, Native::LtEq)?))
}

/// Text is cast to boolean in ANSI mode only.
fn logic(mut call: Call<'_>, operator: Native) -> Result<Expr, FunctionError> {
    if !call.ctx.ansi && call.types.contains(&DataType::Utf8) {
        return Err(FunctionError::DifferingTypes {
            name: call.name.to_owned(),
            types: call.types,
        });
    }
    call.fit("BB")?;
    Ok(pair(call, operator))
}

/// Text is cast to an integer in ANSI mode only.
fn bits(mut call: Call<'_>, operator: Native) -> Result<Expr, FunctionError> {
    if !call.ctx.ansi && call.types.contains(&DataType::Utf8) {
        return Err(FunctionError::DifferingTypes {
            name: call.name.to_owned(),
            types: call.types,
        });
    }
    call.fit("zz")?;
    call.unify(0)?;
    Ok(pair(call, operator))
}
