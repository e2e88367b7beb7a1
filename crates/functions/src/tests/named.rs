//! Functions that no other test file covers, by name.

use super::*;

#[test]
fn operators() {
    check("!", &[b(true)], "boolean false");
    check("<<", &[i(3), i(33)], "int 6");
    check(">>", &[l(-8), i(1)], "bigint -4");
    check(">>>", &[i(-8), i(1)], "int 2147483644");
    check("<=", &[i(2), d(2.0)], "boolean true");
    check("<>", &[s("a"), s("b")], "boolean true");
    check("^", &[i(6), i(3)], "int 5");
    check("|", &[i(6), i(3)], "int 7");
    check("or", &[b(false), N], "boolean NULL");
    check("or", &[b(true), N], "boolean true");
    check("||", &[s("a"), i(1)], "string a1");
    check("||", &[bin(b"a"), bin(b"b")], "binary [61 62]");
    check("mod", &[i(-7), i(3)], "int -1");
    check("positive", &[dec(-15, 2, 1)], "decimal(2,1) -1.5");
    check("isnotnull", &[N], "boolean false");
    check("nvl", &[ScalarValue::Int32(None), d(2.5)], "double 2.5");
}

#[test]
fn types_are_functions() {
    check("boolean", &[s("yes")], "boolean true");
    check("tinyint", &[d(-3.9)], "tinyint -3");
    check("smallint", &[i(32_768)], "! CAST_OVERFLOW");
    check("int", &[s(" 12 ")], "int 12");
    check("bigint", &[b(true)], "bigint 1");
    check("float", &[s("0.1")], "float 0.1");
    check("double", &[s("1e3")], "double 1000.0");
    check("decimal", &[d(2.5)], "decimal(10,0) 3");
    check("string", &[d(1e7)], "string 1.0E7");
    check("binary", &[s("a")], "binary [61]");
    check("timestamp", &[s("2024-02-29 12:00:00")], "timestamp 2024-02-29 12:00:00");
}

#[test]
fn numbers() {
    check("e", &[], "double 2.718281828459045");
    check("exp", &[d(2.0)], "double 7.38905609893065");
    check("hypot", &[d(3.0), d(4.0)], "double 5.0");
    check("log10", &[d(1000.0)], "double 3.0");
    check("log10", &[d(0.0)], "double NULL");
}

#[test]
fn text() {
    check("char", &[l(321)], "string A");
    check("char", &[ScalarValue::Int64(None)], "string NULL");
    check("chr", &[l(-1)], "string ");
    check("char_length", &[s("größe")], "int 5");
    check("character_length", &[s("")], "int 0");
    check("len", &[bin(b"ab")], "int 2");
    check("lower", &[s("ÀB")], "string àb");
    check("position", &[s("b"), s("abcb"), i(3)], "int 4");
    check("regexp", &[s("abc"), s("b.")], "boolean true");
    check("regexp_instr", &[s("user@spark"), s("@[^.]*")], "int 5");
    check("rtrim", &[s("a  ")], "string a");
    check("rtrim", &[s("x"), s("axx")], "string a");
    check("substr", &[s("Spark"), i(-5), i(i32::MAX)], "string Spark");
    check("substr", &[s("größe"), i(-9), i(7)], "string grö");
    check("substr", &[bin(b"abc"), i(2)], "binary [62 63]");
    check("encode", &[s("é"), s("utf-16be")], "binary [00 E9]");
    check("json_tuple", &[s("{\"a\":1.50}"), s("a")], "string 1.5");
    check("json_tuple", &[s("{\"a\":1.50}"), s("b")], "string NULL");
}

#[test]
fn collections() {
    let arrays = [ints(&[Some(1), None]), strs(&["a"])];
    let zipped = call("arrays_zip", &arrays, true, &Context::default());
    assert!(zipped.ends_with(" [{1, a}, {NULL, NULL}]"), "{zipped}");
    check_constant("struct", &[i(1), s("a")], "struct<col1:int,col2:string> {1, a}");
    check("dayofmonth", &[date("2024-02-29")], "int 29");
}

#[test]
fn maps() {
    let map = |key: i32, value: &str| {
        let (keys, values) = (ints(&[Some(key)]), strs(&[value]));
        made("map_from_arrays", &[keys, values])
    };
    check("map_concat", &[map(1, "a"), map(2, "b")], "map<int,string> {1 -> a, 2 -> b}");
    let entries = made("map_entries", &[map(1, "a")]);
    check("map_from_entries", &[entries], "map<int,string> {1 -> a}");
}

/// The result of a function for the given values.
fn made(name: &str, values: &[ScalarValue]) -> ScalarValue {
    let types: Vec<_> = values.iter().map(ScalarValue::data_type).collect();
    let args = values.iter().map(|v| Expr::Literal(v.clone(), None)).collect();
    let expr = Registry::new().scalar(name, args, &types, &Context::default()).unwrap();
    ScalarValue::try_from_array(&evaluate(&expr, values).unwrap(), 0).unwrap()
}

#[test]
fn of_the_session() {
    check("current_catalog", &[], "string spark_catalog");
    check("current_database", &[], "string default");
    check("version", &[], "string 4.2.0");
    let ctx = Context { user: "ada".to_owned(), ..Context::default() };
    check_in("user", &[], "string ada", &ctx, true);
    let ctx = Context { now_micros: 1_500_000, ..Context::default() };
    for name in ["now", "current_timestamp"] {
        check_in(name, &[], "timestamp 1970-01-01 00:00:01.5", &ctx, true);
    }
}

#[test]
fn of_chance() {
    // The second row of partition 0.
    assert_eq!(call("randn", &[l(7)], false, &Context::default()), "double -0.32537852999017897");
    let ids = ["uuid", "uuid"].map(|name| call(name, &[], true, &Context::default()));
    assert_ne!(ids[0], ids[1]);
    assert!(ids.iter().all(|id| id.len() == "string ".len() + 36), "{ids:?}");
}
