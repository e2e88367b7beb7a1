//! Arrays, maps, structs.

use super::*;

#[test]
fn arrays() {
    let array = ints(&[Some(3), Some(1), None, Some(3)]);
    check("array", &[i(1), l(2)], "array<bigint> [1, 2]");
    check("size", std::slice::from_ref(&array), "int 4");
    check("array_contains", &[array.clone(), i(3)], "boolean true");
    check("array_contains", &[array.clone(), i(9)], "boolean NULL");
    check("array_position", &[array.clone(), i(1)], "bigint 2");
    check("array_remove", &[array.clone(), i(3)], "array<int> [1, NULL]");
    check("array_distinct", std::slice::from_ref(&array), "array<int> [3, 1, NULL]");
    check("sort_array", std::slice::from_ref(&array), "array<int> [NULL, 1, 3, 3]");
    check("sort_array", &[array.clone(), b(false)], "array<int> [3, 3, 1, NULL]");
    check("array_sort", std::slice::from_ref(&array), "array<int> [1, 3, 3, NULL]");
    check("array_max", std::slice::from_ref(&array), "int 3");
    check("array_min", std::slice::from_ref(&array), "int 1");
    check("array_compact", std::slice::from_ref(&array), "array<int> [3, 1, 3]");
    check("array_append", &[array.clone(), N], "array<int> [3, 1, NULL, 3, NULL]");
    check(
        "array_union",
        &[ints(&[Some(1), Some(2)]), ints(&[Some(1), Some(3)])],
        "array<int> [1, 2, 3]",
    );
    check(
        "array_intersect",
        &[ints(&[Some(1), Some(2)]), ints(&[Some(1), Some(3)])],
        "array<int> [1]",
    );
    check(
        "array_except",
        &[ints(&[Some(1), Some(2)]), ints(&[Some(1), Some(3)])],
        "array<int> [2]",
    );
    check("arrays_overlap", &[ints(&[Some(1), Some(2)]), ints(&[Some(2)])], "boolean true");
    check("array_join", &[strs(&["hello", "world"]), s(" ")], "string hello world");
    check("array_repeat", &[s("123"), i(2)], "array<string> [123, 123]");
    check("slice", &[array.clone(), i(-2), i(2)], "array<int> [NULL, 3]");
    check("element_at", &[array.clone(), i(2)], "int 1");
    check("element_at", &[array.clone(), i(9)], "! INVALID_ARRAY_INDEX_IN_ELEMENT_AT");
    check("try_element_at", &[array.clone(), i(9)], "int NULL");
    check("get", &[array.clone(), i(0)], "int 3");
    check("[]", &[array, i(4)], "! INVALID_ARRAY_INDEX");
    check("sequence", &[i(1), i(5)], "array<int> [1, 2, 3, 4, 5]");
    check("sequence", &[i(5), i(1), i(-2)], "array<int> [5, 3, 1]");
    check(
        "sequence",
        &[date("2018-01-01"), date("2018-03-01"), ScalarValue::IntervalYearMonth(Some(1))],
        "array<date> [2018-01-01, 2018-02-01, 2018-03-01]",
    );
}

#[test]
fn maps_and_structs() {
    check("map", &[s("a"), i(1), s("b"), i(2)], "map<string,int> {a -> 1, b -> 2}");
    check("map", &[s("a"), i(1), s("a"), i(2)], "! DUPLICATED_MAP_KEY");
    check("map_from_arrays", &[strs(&["a"]), ints(&[Some(1)])], "map<string,int> {a -> 1}");
    check("str_to_map", &[s("a:1,b:2,c")], "map<string,string> {a -> 1, b -> 2, c -> NULL}");
    check_constant(
        "named_struct",
        &[s("x"), i(1), s("y"), s("b")],
        "struct<x:int,y:string> {1, b}",
    );
}

#[test]
fn maps_are_looked_up() {
    let ctx = Context::default();
    let registry = Registry::new();
    let literal = |v: ScalarValue| Expr::Literal(v, None);
    let map_type = crate::types::map(DataType::Utf8, DataType::Int32);
    let args = vec![literal(s("a")), literal(i(1)), literal(s("b")), literal(i(2))];
    let types: Vec<_> = vec![DataType::Utf8, DataType::Int32, DataType::Utf8, DataType::Int32];
    let map = registry.scalar("map", args, &types, &ctx).unwrap();
    let cases = [
        ("element_at", vec![literal(s("b"))], vec![DataType::Utf8], "int 2"),
        ("[]", vec![literal(s("z"))], vec![DataType::Utf8], "int NULL"),
        ("map_keys", vec![], vec![], "array<string> [a, b]"),
        ("map_values", vec![], vec![], "array<int> [1, 2]"),
        ("map_contains_key", vec![literal(s("a"))], vec![DataType::Utf8], "boolean true"),
        ("map_entries", vec![], vec![], "array<struct<key:string,value:int>> [{a, 1}, {b, 2}]"),
        ("size", vec![], vec![], "int 2"),
    ];
    for (name, args, types, expected) in cases {
        let args = [vec![map.clone()], args].concat();
        let types = [vec![map_type.clone()], types].concat();
        let expr = registry.scalar(name, args, &types, &ctx).unwrap();
        assert_eq!(shown(&expr, &[], &ctx), expected, "{name}");
    }
}

#[test]
fn functions_take_functions() {
    use datafusion::logical_expr::expr::LambdaVariable;
    let ctx = Context::default();
    let registry = Registry::new();
    let array = ints(&[Some(1), None, Some(3)]);
    let cases = [
        ("transform", "+", DataType::Int32, "array<int> [2, NULL, 4]"),
        ("filter", ">", DataType::Boolean, "array<int> [3]"),
        ("exists", ">", DataType::Boolean, "boolean true"),
        ("forall", "<", DataType::Boolean, "boolean false"),
    ];
    for (name, operator, result, expected) in cases {
        let types = registry.lambda_parameters(name, &[array.data_type()], (1, 1)).unwrap();
        let field = Arc::new(Field::new("v", types[0].clone(), true));
        let variable = Expr::LambdaVariable(LambdaVariable::new("v".to_owned(), Some(field)));
        let one = Expr::Literal(i(1), None);
        let body = registry
            .scalar(operator, vec![variable, one], &[types[0].clone(), DataType::Int32], &ctx)
            .unwrap();
        let lambda = datafusion::logical_expr::lambda(["v"], body);
        let expr = registry
            .higher_order(name, vec![col("c0"), lambda], &[array.data_type(), result], &ctx)
            .unwrap();
        assert_eq!(shown(&expr, std::slice::from_ref(&array), &ctx), expected, "{name}");
    }
}
