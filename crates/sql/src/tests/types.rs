//! Data types.

use super::short;
use crate::SparkParser;
use plan::{DataType, Field, TextParser};

#[test]
fn every_type_name_is_known() {
    let read = |text: &str| Ok(SparkParser.data_type(text)?.to_string());
    let cases = [
        ("BOOLEAN", "boolean"),
        ("byte", "tinyint"),
        ("tinyint", "tinyint"),
        ("short", "smallint"),
        ("integer", "int"),
        ("int", "int"),
        ("long", "bigint"),
        ("real", "float"),
        ("double", "double"),
        ("decimal", "decimal(10,0)"),
        ("dec(5)", "decimal(5,0)"),
        ("numeric(10, 2)", "decimal(10,2)"),
        ("string", "string"),
        ("char(3)", "char(3)"),
        ("varchar(7)", "varchar(7)"),
        ("binary", "binary"),
        ("date", "date"),
        ("time(3)", "time(3)"),
        ("timestamp", "timestamp"),
        ("timestamp_ltz", "timestamp"),
        ("timestamp_ntz", "timestamp_ntz"),
        ("timestamp without time zone", "timestamp_ntz"),
        ("interval", "interval"),
        ("interval day", "interval day"),
        ("interval year to month", "interval year to month"),
        ("interval hour to second", "interval hour to second"),
        ("void", "void"),
        ("variant", "variant"),
        ("array<int>", "array<int>"),
        ("array<array<array<int>>>", "array<array<array<int>>>"),
        ("map<string, array<int>>", "map<string,array<int>>"),
        ("struct<a:int, b string>", "struct<a:int,b:string>"),
        ("struct<a: array<struct<b: int>>>", "struct<a:array<struct<b:int>>>"),
        ("struct<>", "struct<>"),
        ("a int, b array<string>", "struct<a:int,b:array<string>>"),
        ("a: int", "struct<a:int>"),
        ("`a b` int", "struct<a b:int>"),
        ("interval int", "struct<interval:int>"),
    ];
    short::check(&cases, read);
}

#[test]
fn fields_keep_nullability_and_comment() {
    let mut field = Field::new("a", DataType::Integer, false);
    field.metadata = Some(r#"{"comment":"it \"is\""}"#.to_owned());
    let parsed = SparkParser.data_type("struct<a: int not null comment 'it \"is\"'>");
    assert_eq!(parsed, Ok(DataType::Struct(vec![field])));
}

#[test]
fn what_is_no_type_is_refused() {
    let cases = [
        "",
        "foo",
        "decimal(39)",
        "decimal(2,3)",
        "array",
        "array<int",
        "array<int>>",
        "map<int>",
        "a int b",
        "int)",
        "interval month to day",
    ];
    for text in cases {
        assert!(SparkParser.data_type(text).is_err(), "{text}");
    }
    let nested = "array<".repeat(1_000) + "int" + &">".repeat(1_000);
    assert_eq!(
        SparkParser.data_type(&nested).unwrap_err().condition.class,
        "FAILED_TO_PARSE_TOO_COMPLEX"
    );
}
