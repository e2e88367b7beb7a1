//! Strings combined with other types, with and without ANSI mode.

use super::*;

#[test]
fn text_is_compared_as_the_other_side() {
    let huge = s("3000000000");
    check(">", &[huge.clone(), i(1)], "boolean true");
    check("=", &[s("1.5"), i(1)], "! CAST_INVALID_INPUT");
    check("=", &[s("1.10"), dec(11, 2, 1)], "boolean true");
    check("=", &[b(true), s("y")], "boolean true");
    check("=", &[b(true), i(1)], "! DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES");
    check("=", &[ints(&[Some(1)]), strs(&["1"])], "! DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES");
    check_legacy(">", &[huge.clone(), i(1)], "boolean NULL");
    check_legacy(">", &[huge, l(1)], "boolean true");
    check_legacy("=", &[s("1.5"), i(1)], "boolean true");
    check_legacy(">", &[s("1.5"), i(1)], "boolean false");
    check_legacy("=", &[s("one"), i(1)], "boolean NULL");
    check_legacy("=", &[s("1.10"), dec(11, 2, 1)], "boolean true");
    check_legacy("=", &[date("2024-01-01"), s("2024-1-1")], "boolean true");
    check_legacy("=", &[s("a"), b(true)], "boolean NULL");
    check_legacy("=", &[bin(b"a"), s("a")], "boolean true");
    check_legacy("=", &[i(2), b(true)], "boolean false");
    check_legacy("<=>", &[b(true), dec(10, 2, 1)], "boolean true");
    check_legacy("<", &[i(1), b(true)], "! DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES");
    check_legacy("in", &[s("1.0"), i(1), i(2)], "boolean false");
    check_legacy("between", &[s("1"), i(0), i(2)], "boolean true");
    check_legacy("nullif", &[i(1), s("1.0")], "int NULL");
}

#[test]
fn text_counts_as_a_number() {
    check("+", &[s("1"), i(1)], "bigint 2");
    check("+", &[s("1"), dec(15, 2, 1)], "double 2.5");
    check("+", &[s("1"), s("2")], "! DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE");
    check("try_add", &[s("x"), i(1)], "bigint NULL");
    check("div", &[s("7"), i(2)], "bigint 3");
    check("div", &[s("7"), dec(25, 2, 1)], "! DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE");
    check_legacy("+", &[s("1"), i(1)], "double 2.0");
    check_legacy("+", &[s("x"), i(1)], "double NULL");
    check_legacy("-", &[s("3"), s("1")], "double 2.0");
    check_legacy("div", &[s("7"), i(2)], "! DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE");
}

#[test]
fn text_has_a_common_type_with_others_where_spark_says() {
    check("coalesce", &[s("1"), i(0)], "bigint 1");
    check("greatest", &[i(1), s("2")], "! DATATYPE_MISMATCH.DATA_DIFF_TYPES");
    check(
        "array_contains",
        &[ints(&[Some(1)]), s("1")],
        "! DATATYPE_MISMATCH.ARRAY_FUNCTION_DIFF_TYPES",
    );
    check(
        "array_union",
        &[ints(&[Some(1)]), strs(&["1"])],
        "! DATATYPE_MISMATCH.BINARY_ARRAY_DIFF_TYPES",
    );
    check("if", &[s("true"), i(1), i(2)], "! DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE");
    check("not", &[s("true")], "boolean false");
    check_legacy("coalesce", &[s("1"), i(0)], "string 1");
    check_legacy("and", &[b(true), s("true")], "! DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES");
    check_legacy("elt", &[i(5), s("a")], "string NULL");
    check_legacy("next_day", &[date("2024-01-01"), s("xx")], "date NULL");
    check_legacy("not", &[s("true")], "! DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE");
    check_legacy("greatest", &[i(1), s("2")], "! DATATYPE_MISMATCH.DATA_DIFF_TYPES");
}

#[test]
fn casts_outside_of_ansi_mode_wrap_or_give_null() {
    let cases = [
        (dec(2007, 4, 1), DataType::Int8, "tinyint -56"),
        (dec(99_999_999_999, 11, 1), DataType::Int32, "int 1410065407"),
        (dec(123_456_789_012_345_678_905, 21, 1), DataType::Int32, "int -350287150"),
        (l(3_000_000_000), DataType::Int32, "int -1294967296"),
        (d(1e20), DataType::Int32, "int 2147483647"),
        (d(f64::NAN), DataType::Int32, "int 0"),
        (s("1.9"), DataType::Int32, "int 1"),
        (s("x"), DataType::Int32, "int NULL"),
        (s("3000000000"), DataType::Int32, "int NULL"),
        (s("1234.56"), DataType::Decimal128(5, 2), "decimal(5,2) NULL"),
        (s("1.005"), DataType::Decimal128(3, 2), "decimal(3,2) 1.01"),
        (d(1e10), DataType::Decimal128(5, 2), "decimal(5,2) NULL"),
        (s("abc"), DataType::Date32, "date NULL"),
        (b(true), crate::types::timestamp(), "timestamp 1970-01-01 00:00:00.000001"),
        (date("2024-01-01"), DataType::Int32, "int NULL"),
    ];
    for (value, to, expected) in cases {
        check_cast(value, &to, CastMode::Legacy, expected);
    }
}
