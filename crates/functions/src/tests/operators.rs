//! Operators, mathematical functions, conditions, hashes.

use super::*;

#[test]
fn arithmetic_has_spark_s_types_and_errors() {
    check("+", &[i(1), i(2)], "int 3");
    check("+", &[i(1), l(2)], "bigint 3");
    check("+", &[i(1), s("2")], "bigint 3");
    check("+", &[i(i32::MAX), i(1)], "! ARITHMETIC_OVERFLOW");
    check_legacy("+", &[i(i32::MAX), i(1)], "int -2147483648");
    check("try_add", &[i(i32::MAX), i(1)], "int NULL");
    check("*", &[l(i64::MAX), l(2)], "! ARITHMETIC_OVERFLOW");
    let small = ScalarValue::Int8(Some(i8::MAX));
    check("+", &[small.clone(), small.clone()], "! BINARY_ARITHMETIC_OVERFLOW");
    check("try_add", &[small.clone(), small], "tinyint NULL");
    check("-", &[d(1.5), i(1)], "double 0.5");
    check("/", &[i(1), i(2)], "double 0.5");
    check("/", &[i(1), i(0)], "! DIVIDE_BY_ZERO");
    check("/", &[d(1.0), d(0.0)], "! DIVIDE_BY_ZERO");
    check_legacy("/", &[i(1), i(0)], "double NULL");
    check("try_divide", &[i(1), i(0)], "double NULL");
    check("%", &[i(7), i(0)], "! REMAINDER_BY_ZERO");
    check("%", &[i(-7), i(3)], "int -1");
    check("pmod", &[i(-7), i(3)], "int 2");
    check("div", &[i(7), i(2)], "bigint 3");
    check("+", &[i(1), N], "int NULL");
    check("negative", &[i(5)], "int -5");
    check("abs", &[i(-5)], "int 5");
    check("abs", &[i(i32::MIN)], "! ARITHMETIC_OVERFLOW");
}

#[test]
fn decimals_keep_spark_s_digits() {
    check_constant("-", &[i(1), dec(10, 15, 2)], "decimal(16,2) 0.90");
    check("*", &[dec(1050, 15, 2), dec(90, 16, 2)], "decimal(32,4) 9.4500");
    check("+", &[dec(150, 5, 2), dec(25, 3, 1)], "decimal(6,2) 4.00");
    check("/", &[dec(100, 15, 2), dec(300, 15, 2)], "decimal(33,18) 0.333333333333333333");
    check("/", &[dec(200, 5, 2), dec(300, 5, 2)], "decimal(13,8) 0.66666667");
    check("/", &[dec(100, 15, 2), dec(0, 15, 2)], "! DIVIDE_BY_ZERO");
    check("*", &[dec(123, 38, 2), dec(2, 38, 2)], "decimal(38,4) 0.0246");
    check("%", &[dec(750, 5, 2), dec(2, 1, 0)], "decimal(3,2) 1.50");
    check("*", &[dec(150, 5, 2), d(2.0)], "double 3.0");
}

#[test]
fn comparisons_cast_to_the_common_type() {
    check("==", &[i(1), l(1)], "boolean true");
    check("==", &[i(1), s("1")], "boolean true");
    check("==", &[i(1), s("x")], "! CAST_INVALID_INPUT");
    check("<=>", &[N, N], "boolean true");
    check("<", &[date("2024-01-01"), s("2024-02-01")], "boolean true");
    check("<", &[date("2024-01-01"), ts("2024-01-01 00:00:01")], "boolean true");
    check("and", &[b(true), N], "boolean NULL");
    check("not", &[b(true)], "boolean false");
    check("in", &[i(1), i(2), l(1)], "boolean true");
    check("between", &[i(2), i(1), l(3)], "boolean true");
    check("&", &[i(6), l(3)], "bigint 2");
    check("~", &[i(0)], "int -1");
    check("~", &[s("5")], "! DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE");
    check("&", &[s("6"), i(3)], "bigint 2");
    check_legacy("&", &[s("6"), i(3)], "! DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES");
    check("==", &[d(f64::NAN), d(f64::NAN)], "boolean true");
}

#[test]
fn conditions_choose() {
    check("when", &[b(false), i(1), l(2)], "bigint 2");
    check("when", &[b(false), i(1)], "int NULL");
    check("if", &[b(true), i(1), s("2")], "bigint 1");
    check("coalesce", &[N, i(3), l(4)], "bigint 3");
    check("nvl2", &[N, i(1), i(2)], "int 2");
    check("nullif", &[i(1), i(1)], "int NULL");
    check("greatest", &[i(1), N, l(3)], "bigint 3");
    check("least", &[i(1), d(0.5)], "double 0.5");
    check("isnan", &[d(f64::NAN)], "boolean true");
    check("isnull", &[N], "boolean true");
    check("zeroifnull", &[ScalarValue::Int32(None)], "int 0");
}

#[test]
fn mathematics() {
    check("sqrt", &[i(16)], "double 4.0");
    check("ln", &[d(0.0)], "double NULL");
    check("log", &[d(2.0), d(8.0)], "double 3.0");
    check("pow", &[i(2), i(10)], "double 1024.0");
    check("ceil", &[d(-0.1)], "bigint 0");
    check("ceil", &[dec(31411, 5, 4)], "decimal(2,0) 4");
    check("floor", &[d(-0.1)], "bigint -1");
    check("ceil", &[i(5)], "bigint 5");
    check_constant("round", &[d(2.5)], "double 3.0");
    check_constant("round", &[d(2.675), i(2)], "double 2.68");
    check_constant("round", &[i(25), i(-1)], "int 30");
    check_constant("round", &[i(-25), i(-1)], "int -30");
    check_constant("round", &[dec(12345, 5, 3), i(2)], "decimal(5,2) 12.35");
    check_constant("bround", &[d(2.5)], "double 2.0");
    check_constant("bround", &[i(25), i(-1)], "int 20");
    check("factorial", &[i(5)], "bigint 120");
    check("bin", &[i(13)], "string 1101");
    check("conv", &[s("100"), i(2), i(10)], "string 4");
    check("conv", &[i(-10), i(16), i(-10)], "string -16");
    check("hex", &[i(17)], "string 11");
    check("hex", &[s("Spark SQL")], "string 537061726B2053514C");
    check("shiftleft", &[i(2), i(1)], "int 4");
    check("shiftrightunsigned", &[i(-1), i(28)], "int 15");
    check("bit_count", &[i(7)], "int 3");
    check("bit_count", &[ScalarValue::Int8(Some(-1))], "int 64");
    check("bit_count", &[b(true)], "int 1");
    check("bit_count", &[N], "int NULL");
    check("bit_count", &[s("12")], "! DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE");
    check("signum", &[d(-40.0)], "double -1.0");
    check("width_bucket", &[d(5.3), d(0.2), d(10.6), i(5)], "bigint 3");
    check_constant("pi", &[], "double 3.141592653589793");
    check("rint", &[d(12.3456)], "double 12.0");
    check("greatest", &[i(10), i(9), i(2), i(4), i(3)], "int 10");
}

#[test]
fn hashes_are_spark_s() {
    check("hash", &[s("Spark"), ints(&[Some(123)]), i(2)], "int -1321691492");
    check("xxhash64", &[s("Spark"), ints(&[Some(123)]), i(2)], "bigint 5602566077635097486");
    check("md5", &[s("Spark")], "string 8cde774d6f7333752ed72cacddb05126");
    check("sha1", &[s("Spark")], "string 85f5955f4b27a9a4c2aab6ffe5d7189fc298b92c");
    check(
        "sha2",
        &[s("Spark"), i(256)],
        "string 529bc3b07127ecb7e53a4dcf1991d9152c24537d919178022b2c42657f79a26b",
    );
    check("crc32", &[s("Spark")], "bigint 1557323817");
    check("base64", &[s("Spark SQL")], "string U3BhcmsgU1FM");
    check("unbase64", &[s("U3BhcmsgU1FM")], "binary [53 70 61 72 6B 20 53 51 4C]");
    check("unhex", &[s("537061726B")], "binary [53 70 61 72 6B]");
    check("decode", &[bin(b"abc"), s("utf-8")], "string abc");
    check("decode", &[i(2), i(1), s("one"), i(2), s("two"), s("other")], "string two");
}

#[test]
fn random_numbers_are_spark_s() {
    crate::TaskState::new(0).enter();
    let found = call("rand", &[i(0)], false, &Context::default());
    // The first row of `rand(0)` in partition 0 is 0.7604953758285915, the second
    // 0.5234194256885571.
    assert_eq!(found, "double 0.5234194256885571");
    crate::TaskState::new(3).enter();
    assert_eq!(
        call("monotonically_increasing_id", &[], false, &Context::default()),
        "bigint 25769803777"
    );
    assert_eq!(call("spark_partition_id", &[], false, &Context::default()), "int 3");
    for (function, of_no_file) in [
        ("input_file_name", "string "),
        ("input_file_block_start", "bigint -1"),
        ("input_file_block_length", "bigint -1"),
    ] {
        assert_eq!(call(function, &[], false, &Context::default()), of_no_file);
    }
    check("raise_error", &[s("custom")], "! USER_RAISED_EXCEPTION");
    check("typeof", &[ints(&[])], "string array<int>");
}
