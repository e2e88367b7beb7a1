//! Floating-point numbers as keys: a single zero, and a single NaN that is larger than all others.

use super::*;

fn dbls(values: &[f64]) -> ScalarValue {
    let values: Vec<_> = values.iter().map(|v| d(*v)).collect();
    ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Float64))
}

fn lists(values: &[&[f64]]) -> ScalarValue {
    let values: Vec<_> = values.iter().map(|v| dbls(v)).collect();
    ScalarValue::List(ScalarValue::new_list_nullable(&values, &list(DataType::Float64)))
}

fn f(value: f32) -> ScalarValue {
    ScalarValue::from(value)
}

const NAN: f64 = f64::NAN;

#[test]
fn comparisons_know_one_zero_and_one_nan() {
    for (name, left, right, expected) in [
        ("=", 0.0, -0.0, true),
        ("=", NAN, -NAN, true),
        ("<=>", NAN, NAN, true),
        ("<", -0.0, 0.0, false),
        (">", NAN, f64::INFINITY, true),
        (">", -NAN, 1.0, true),
        ("<", -NAN, 1.0, false),
        ("!=", -NAN, NAN, false),
        ("=", 1.5, 1.5, true),
        ("=", 1.5, NAN, false),
    ] {
        check(name, &[d(left), d(right)], &format!("boolean {expected}"));
    }
    check("=", &[f(0.0), f(-0.0)], "boolean true");
    check("=", &[dbls(&[-0.0]), dbls(&[0.0])], "boolean true");
    check("<", &[dbls(&[-0.0]), dbls(&[0.0])], "boolean false");
    check("between", &[d(-0.0), d(0.0), d(0.0)], "boolean true");
    check("in", &[d(-0.0), d(1.0), d(0.0)], "boolean true");
    check("in", &[d(NAN), d(1.0), d(-NAN)], "boolean true");
    check("nullif", &[d(-0.0), d(0.0)], "double NULL");
    check("greatest", &[d(1.0), d(-NAN)], "double NaN");
    check("least", &[d(1.0), d(-NAN)], "double 1.0");
    check("hash", &[d(-0.0)], "int -1670924195");
    check("xxhash64", &[d(-NAN)], "bigint -3127944061524951246");
    check("decode", &[d(-0.0), d(0.0), s("a"), s("b")], "string a");
}

#[test]
fn elements_are_equal_as_values_are() {
    check("array_distinct", &[dbls(&[-0.0, 0.0, NAN, -NAN])], "array<double> [0.0, NaN]");
    check(
        "array_distinct",
        &[lists(&[&[-0.0], &[0.0], &[NAN], &[-NAN]])],
        "array<array<double>> [[0.0], [NaN]]",
    );
    check("array_union", &[dbls(&[-0.0]), dbls(&[0.0])], "array<double> [0.0]");
    check("array_intersect", &[dbls(&[-0.0]), dbls(&[0.0])], "array<double> [0.0]");
    check("array_except", &[dbls(&[-0.0]), dbls(&[0.0])], "array<double> []");
    check("arrays_overlap", &[dbls(&[-0.0]), dbls(&[0.0])], "boolean true");
    check("array_contains", &[dbls(&[-NAN]), d(NAN)], "boolean true");
    check("array_contains", &[lists(&[&[-0.0]]), dbls(&[0.0])], "boolean true");
    check("array_position", &[dbls(&[1.0, -0.0]), d(0.0)], "bigint 2");
    check("array_remove", &[dbls(&[-0.0, 1.0]), d(0.0)], "array<double> [1.0]");
    check("array_max", &[dbls(&[-0.0, 0.0])], "double -0.0");
    check("array_max", &[dbls(&[1.0, -NAN])], "double NaN");
    check("array_min", &[dbls(&[0.0, -0.0])], "double 0.0");
    check("sort_array", &[dbls(&[0.0, -0.0, -NAN, 1.0])], "array<double> [0.0, -0.0, 1.0, NaN]");
    check("sort_array", &[dbls(&[-0.0, 0.0]), b(false)], "array<double> [-0.0, 0.0]");
}

#[test]
fn maps_have_one_key_for_zero() {
    check("map", &[d(-0.0), i(1)], "map<double,int> {0.0 -> 1}");
    check("map", &[d(0.0), i(1), d(-0.0), i(2)], "! DUPLICATED_MAP_KEY");
    check("map", &[d(NAN), i(1), d(-NAN), i(2)], "! DUPLICATED_MAP_KEY");
    check(
        "map_from_arrays",
        &[dbls(&[0.0, -0.0]), ints(&[Some(1), Some(2)])],
        "! DUPLICATED_MAP_KEY",
    );
    let keys = [dbls(&[-0.0]), ints(&[Some(1)])];
    check("map_from_arrays", &keys, "map<double,int> {-0.0 -> 1}");
}

#[test]
fn maps_are_grouped_only() {
    let one = call("map", &[s("a"), i(1), s("b"), i(2)], false, &Context::default());
    assert_eq!(one, "map<string,int> {a -> 1, b -> 2}");
    let map = ScalarValue::try_from(crate::types::map(DataType::Utf8, DataType::Int32)).unwrap();
    for name in ["=", "<=>", "<", "in", "greatest", "nullif"] {
        check(name, &[map.clone(), map.clone()], "! DATATYPE_MISMATCH.INVALID_ORDERING_TYPE");
    }
    check("hash", &[map], "! DATATYPE_MISMATCH.HASH_MAP_TYPE");
}
