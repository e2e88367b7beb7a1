//! Strings and regular expressions.

use super::*;

#[test]
fn strings() {
    check("upper", &[s("SparkSql")], "string SPARKSQL");
    check("initcap", &[s("sPark sql")], "string Spark Sql");
    check("length", &[s("Spark SQL ")], "int 10");
    check("length", &[s("größe")], "int 5");
    check("length", &[bin(b"xy")], "int 2");
    check("octet_length", &[s("ö")], "int 2");
    check("concat", &[s("a"), i(1), s("c")], "string a1c");
    check("concat", &[s("a"), N], "string NULL");
    check("concat", &[ints(&[Some(1)]), ints(&[None, Some(2)])], "array<int> [1, NULL, 2]");
    check("concat_ws", &[s("/"), s("foo"), N, strs(&["a", "b"])], "string foo/a/b");
    check("substring", &[s("Spark SQL"), i(5)], "string k SQL");
    check("substring", &[s("Spark SQL"), i(-3)], "string SQL");
    check("substring", &[s("Spark SQL"), i(5), i(1)], "string k");
    check("substring", &[s("Spark SQL"), i(0), i(2)], "string Sp");
    check("left", &[s("Spark SQL"), i(3)], "string Spa");
    check("right", &[s("Spark SQL"), i(3)], "string SQL");
    check("trim", &[s("    SparkSQL   ")], "string SparkSQL");
    check("ltrim", &[s("  a ")], "string a ");
    check("ltrim", &[s("x"), s("xxax")], "string ax");
    check("btrim", &[s("xxax"), s("x")], "string a");
    check("lpad", &[s("hi"), i(5), s("??")], "string ???hi");
    check("rpad", &[s("hi"), i(1), s("??")], "string h");
    check("lpad", &[s("hi"), i(5)], "string    hi");
    check("repeat", &[s("123"), i(2)], "string 123123");
    check("reverse", &[s("Spark SQL")], "string LQS krapS");
    check("reverse", &[ints(&[Some(2), Some(1)])], "array<int> [1, 2]");
    check("instr", &[s("SparkSQL"), s("SQL")], "int 6");
    check("locate", &[s("bar"), s("foobarbar"), i(5)], "int 7");
    check("replace", &[s("ABCabc"), s("abc"), s("DEF")], "string ABCDEF");
    check("translate", &[s("AaBbCc"), s("abc"), s("123")], "string A1B2C3");
    check("overlay", &[s("Spark SQL"), s("_"), i(6)], "string Spark_SQL");
    check("overlay", &[s("Spark SQL"), s("ANSI "), i(7), i(0)], "string Spark ANSI SQL");
    check("substring_index", &[s("www.apache.org"), s("."), i(2)], "string www.apache");
    check("substring_index", &[s("www.apache.org"), s("."), i(-1)], "string org");
    check("split_part", &[s("11.12.13"), s("."), i(-1)], "string 13");
    check("split_part", &[s("11.12.13"), s("."), i(i32::MIN)], "string ");
    check("substring_index", &[s("www.apache.org"), s("."), i(i32::MIN)], "string www.apache.org");
    check("elt", &[i(i32::MIN), s("a")], "! INVALID_ARRAY_INDEX");
    check("find_in_set", &[s("ab"), s("abc,b,ab,c,def")], "int 3");
    check("levenshtein", &[s("kitten"), s("sitting")], "int 3");
    check("soundex", &[s("Miller")], "string M460");
    check("ascii", &[s("222")], "int 50");
    check("chr", &[i(65)], "string A");
    check("startswith", &[s("Spark SQL"), s("Spark")], "boolean true");
    check("contains", &[s("Spark SQL"), s("SQL")], "boolean true");
    check("elt", &[i(1), s("scala"), s("java")], "string scala");
    check(
        "format_string",
        &[s("Hello World %d %s"), i(100), s("days")],
        "string Hello World 100 days",
    );
    check(
        "format_string",
        &[s("%05.1f|%-4s|%,d|%x"), d(3.25), s("ab"), i(1_234_567), i(255)],
        "string 003.3|ab  |1,234,567|ff",
    );
    check("format_number", &[d(12_332.123_456), i(4)], "string 12,332.1235");
    check("space", &[i(2)], "string   ");
    check("luhn_check", &[s("8112189876")], "boolean true");
    check("upper", &[i(1)], "string 1");
}

#[test]
fn patterns() {
    check("like", &[s("Spark"), s("_park")], "boolean true");
    check("ilike", &[s("Spark"), s("_PARK")], "boolean true");
    check_constant(
        "like",
        &[s("%SystemDrive%/Users"), s("/%SystemDrive/%//Users%"), s("/")],
        "boolean true",
    );
    check("rlike", &[s("abc123"), s("\\d+")], "boolean true");
    check("regexp_replace", &[s("100-200"), s("(\\d+)"), s("num")], "string num-num");
    check("regexp_replace", &[s("ab"), s("(a)(b)"), s("$2$1")], "string ba");
    check("regexp_extract", &[s("100-200"), s("(\\d+)-(\\d+)"), i(1)], "string 100");
    check(
        "regexp_extract",
        &[s("100-200"), s("(\\d+)"), i(2)],
        "! INVALID_PARAMETER_VALUE.REGEX_GROUP_INDEX",
    );
    check(
        "regexp_extract_all",
        &[s("100-200, 300-400"), s("(\\d+)-(\\d+)"), i(1)],
        "array<string> [100, 300]",
    );
    check("regexp_count", &[s("Steven Jones and Stephen Smith"), s("Ste(v|ph)en")], "int 2");
    check("split", &[s("oneAtwoBthreeC"), s("[ABC]")], "array<string> [one, two, three, ]");
    check("split", &[s("oneAtwoBthreeC"), s("[ABC]"), i(2)], "array<string> [one, twoBthreeC]");
    check("rlike", &[s("a"), s("(")], "! INVALID_PARAMETER_VALUE.PATTERN");
}

#[test]
fn json() {
    check("get_json_object", &[s("{\"a\":\"b\"}"), s("$.a")], "string b");
    check("get_json_object", &[s("[{\"a\":{\"b\":1.5}}]"), s("$[0].a.b")], "string 1.5");
    check(
        "get_json_object",
        &[s("[{\"a\":\"b\"},{\"a\":\"c\"}]"), s("$[*].a")],
        "string [\"b\",\"c\"]",
    );
    check(
        "get_json_object",
        &[s("{\"z\":{\"y\":1.50, \"x\":[\"q\\\"\"]}}"), s("$.z")],
        "string {\"y\":1.5,\"x\":[\"q\\\"\"]}",
    );
    check("get_json_object", &[s(&"[".repeat(100_000)), s("$.a")], "string NULL");
    check("get_json_object", &[s("nonsense"), s("$.a")], "string NULL");
    check("json_array_length", &[s("[1,2,3]")], "int 3");
    check("json_object_keys", &[s("{\"b\":1,\"a\":2}")], "array<string> [b, a]");
    check("to_json", &[ints(&[Some(1), None])], "string [1,null]");
    let instant = ts("2015-08-26 10:00:00.123456");
    let instants =
        ScalarValue::new_list_nullable(std::slice::from_ref(&instant), &instant.data_type());
    let expected = "string [\"2015-08-26T10:00:00.123Z\"]";
    check("to_json", &[ScalarValue::List(instants)], expected);
}

#[test]
fn text_and_bytes_are_padded_compared_and_reversed() {
    check("lpad", &[s("ab"), i(4), bin(b"x")], "string xxab");
    check("rpad", &[bin(b"ab"), i(3)], "binary [61 62 00]");
    check("reverse", &[bin(b"\xfe\xca")], "binary [CA FE]");
    check("startswith", &[bin(b"\xfe\xca"), bin(b"\xfe")], "boolean true");
    check("contains", &[bin(b"abc"), s("bc")], "boolean true");
    check("endswith", &[s("abc"), s("bc")], "boolean true");
}

#[test]
fn a_pattern_may_be_a_column() {
    check("like", &[s("a%c"), s("a\\%_")], "boolean true");
    check("like", &[s("abc"), s("a\\%_")], "boolean false");
    let (text, pattern) = (s("A%c"), s("a/%_"));
    let args = vec![col("c0"), col("c1"), Expr::Literal(s("/"), None)];
    let types = [DataType::Utf8, DataType::Utf8, DataType::Utf8];
    let ctx = Context::default();
    let expr = Registry::new().scalar("ilike", args, &types, &ctx).unwrap();
    assert_eq!(shown(&expr, &[text, pattern], &ctx), "boolean true");
}

#[test]
fn json_is_looked_into_as_spark_does() {
    let text = s(r#"{"a":{"b":[{"c":"x"},{"c":null},{"d":2}]},"s":"t"}"#);
    let cases = [
        ("$.s", "string t"),
        ("$.a.b[0].c", "string x"),
        ("$.a.b[*].c", r#"string "x""#),
        ("$.a.b[*].d", "string 2"),
        ("$.a.b.c", "string NULL"),
        ("$.a.b[1].c", "string NULL"),
        ("$.a.b[2]", r#"string {"d":2}"#),
    ];
    for (path, expected) in cases {
        check("get_json_object", &[text.clone(), s(path)], expected);
    }
    check("get_json_object", &[s("{'k': 'a\\u00e9\\n'}"), s("$.k")], "string aé\n");
}

fn from_json(text: &str, data_type: DataType, expected: &str) {
    let null = ScalarValue::try_from(&data_type).unwrap();
    check_constant("from_json", &[s(text), null], expected);
}

#[test]
fn json_becomes_values_of_a_type() {
    let fields = vec![
        Field::new("a", DataType::Int32, true),
        Field::new("b", list(DataType::Utf8), true),
        Field::new("c", DataType::Float64, true),
    ];
    let row = || DataType::Struct(fields.clone().into());
    let prefix = "struct<a:int,b:array<string>,c:double>";
    let cases = [
        (r#"{"a":1,"b":["x",2,null],"c":1.5,"d":0}"#, "{1, [x, 2, NULL], 1.5}"),
        (r#"{"a":"1","b":"x","c":"NaN"}"#, "{NULL, NULL, NaN}"),
        (r#"{"a":1.5,"c":2}"#, "{NULL, NULL, 2.0}"),
        (r#"{"a":1,"a":2}"#, "{2, NULL, NULL}"),
        ("[{\"a\":7}]", "{NULL, NULL, NULL}"),
        ("no json", "{NULL, NULL, NULL}"),
        ("", "NULL"),
        ("null", "{NULL, NULL, NULL}"),
    ];
    for (text, expected) in cases {
        from_json(text, row(), &format!("{prefix} {expected}"));
    }
    from_json("[1,2]", list(DataType::Int64), "array<bigint> [1, 2]");
    from_json("[1,\"x\"]", list(DataType::Int64), "array<bigint> NULL");
    let map = crate::types::map(DataType::Utf8, DataType::Date32);
    from_json(r#"{"k":"2024-02-29"}"#, map, "map<string,date> {k -> 2024-02-29}");
    from_json("1", DataType::Int32, "! DATATYPE_MISMATCH.INVALID_JSON_SCHEMA");
}

#[test]
fn a_string_longer_than_an_array_is_an_error() {
    check("repeat", &[s("ab"), i(i32::MAX)], "! ");
}
