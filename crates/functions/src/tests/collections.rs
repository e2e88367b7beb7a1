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

/// A call of a higher-order function over columns; its lambda applies a binary operator to its
/// first parameter and a constant or another parameter.
struct Taken<'a> {
    name: &'a str,
    values: Vec<ScalarValue>,
    /// Argument index, number of parameters, operator, and right operand.
    lambda: (usize, usize, &'a str, Right),
}

enum Right {
    Constant(ScalarValue),
    Parameter(usize),
}

impl Taken<'_> {
    fn shown(&self, ctx: &Context) -> String {
        let Self { name, values, lambda: (place, arity, operator, right) } = self;
        let registry = Registry::new();
        let types: Vec<_> = values.iter().map(ScalarValue::data_type).collect();
        let parameters = match registry.lambda_parameters(name, &types, (*place, *arity)) {
            Ok(parameters) => parameters,
            Err(error) => return format!("! {}", error.describe(name, &[]).condition.class),
        };
        let names: Vec<String> = (0..*arity).map(|at| format!("p{at}")).collect();
        let variable = |at: usize| {
            let field = Arc::new(Field::new(&names[at], parameters[at].clone(), true));
            Expr::LambdaVariable(datafusion::logical_expr::expr::LambdaVariable::new(
                names[at].clone(),
                Some(field),
            ))
        };
        let (right, right_type) = match right {
            Right::Constant(value) => (Expr::Literal(value.clone(), None), value.data_type()),
            Right::Parameter(at) => (variable(*at), parameters[*at].clone()),
        };
        let body_types = [parameters[0].clone(), right_type];
        let body = registry.scalar(operator, vec![variable(0), right], &body_types, ctx).unwrap();
        let result = body_type(&body);
        let mut args: Vec<_> = (0..values.len()).map(|at| col(format!("c{at}"))).collect();
        let mut types = types;
        args.insert(*place, datafusion::logical_expr::lambda(names, body));
        types.insert(*place, result);
        match registry.higher_order(name, args, &types, ctx) {
            Ok(expr) => shown(&expr, values, ctx),
            Err(error) => format!("! {}", error.describe(name, &[]).condition.class),
        }
    }
}

fn body_type(body: &Expr) -> DataType {
    datafusion::logical_expr::ExprSchemable::get_type(body, &DFSchema::empty()).unwrap()
}

#[test]
fn functions_take_functions() {
    let numbers = || ints(&[Some(1), None, Some(3)]);
    let sums = || ints(&[Some(3), Some(1), Some(2)]);
    let nothing = || ScalarValue::try_from(list(DataType::Int32)).unwrap();
    let one = || Right::Constant(i(1));
    let other = || Right::Parameter(1);
    let cases = [
        ("transform", vec![numbers()], (1, 1, "+", one()), "array<int> [2, NULL, 4]"),
        ("transform", vec![sums()], (1, 2, "*", other()), "array<int> [0, 1, 4]"),
        ("transform", vec![nothing()], (1, 1, "+", one()), "array<int> NULL"),
        ("filter", vec![numbers()], (1, 1, ">", one()), "array<int> [3]"),
        ("filter", vec![sums()], (1, 2, ">", other()), "array<int> [3]"),
        ("filter", vec![sums()], (1, 1, "+", one()), "! DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE"),
        ("exists", vec![numbers()], (1, 1, ">", one()), "boolean true"),
        ("exists", vec![numbers()], (1, 1, "<", one()), "boolean NULL"),
        ("forall", vec![numbers()], (1, 1, "<", one()), "boolean false"),
        ("forall", vec![numbers()], (1, 1, ">=", one()), "boolean NULL"),
        ("aggregate", vec![sums(), i(10)], (2, 2, "+", other()), "int 16"),
        ("reduce", vec![numbers(), i(10)], (2, 2, "+", other()), "int NULL"),
        ("aggregate", vec![nothing(), i(10)], (2, 2, "+", other()), "int NULL"),
        (
            "aggregate",
            vec![sums(), l(10)],
            (2, 2, "==", other()),
            "! DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
        ),
        (
            "zip_with",
            vec![numbers(), ints(&[Some(5)])],
            (2, 2, "+", other()),
            "array<int> [6, NULL, NULL]",
        ),
        ("array_sort", vec![sums()], (1, 2, "-", other()), "array<int> [1, 2, 3]"),
        ("array_sort", vec![numbers()], (1, 2, "-", other()), "! COMPARATOR_RETURNS_NULL"),
        ("transform", vec![i(1)], (1, 1, "+", one()), "! DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE"),
        (
            "transform",
            vec![sums()],
            (1, 3, "+", one()),
            "! INVALID_LAMBDA_FUNCTION_CALL.NUM_ARGS_MISMATCH",
        ),
    ];
    for (name, values, lambda, expected) in cases {
        let shown = Taken { name, values, lambda }.shown(&Context::default());
        assert_eq!(shown, expected, "{name}");
    }
}

fn numbered(entries: &[(i32, i32)]) -> ScalarValue {
    let side = |of: fn(&(i32, i32)) -> i32| {
        let values: Vec<_> = entries.iter().map(|entry| Some(of(entry))).collect();
        ints(&values)
    };
    let call = [side(|e| e.0), side(|e| e.1)];
    let types: Vec<_> = call.iter().map(ScalarValue::data_type).collect();
    let args = call.iter().map(|v| Expr::Literal(v.clone(), None)).collect();
    let expr =
        Registry::new().scalar("map_from_arrays", args, &types, &Context::default()).unwrap();
    ScalarValue::try_from_array(&evaluate(&expr, &[]).unwrap(), 0).unwrap()
}

#[test]
fn functions_of_maps_take_functions() {
    let map = || numbered(&[(1, 10), (2, 20)]);
    let other = || Right::Parameter(1);
    let cases = [
        ("map_filter", vec![map()], (1, 2, ">", Right::Constant(i(1))), "map<int,int> {2 -> 20}"),
        ("transform_values", vec![map()], (1, 2, "+", other()), "map<int,int> {1 -> 11, 2 -> 22}"),
        ("transform_keys", vec![map()], (1, 2, "+", other()), "map<int,int> {11 -> 10, 22 -> 20}"),
        ("transform_keys", vec![map()], (1, 2, "-", Right::Parameter(0)), "! DUPLICATED_MAP_KEY"),
        (
            "map_zip_with",
            vec![map(), numbered(&[(2, 5), (3, 7)])],
            (2, 3, "+", Right::Parameter(2)),
            "map<int,int> {1 -> NULL, 2 -> 7, 3 -> 10}",
        ),
    ];
    for (name, values, lambda, expected) in cases {
        let shown = Taken { name, values, lambda }.shown(&Context::default());
        assert_eq!(shown, expected, "{name}");
    }
    let last_wins = Context { last_key_wins: true, ..Context::default() };
    let lambda = (1, 2, "-", Right::Parameter(0));
    let shown = Taken { name: "transform_keys", values: vec![map()], lambda }.shown(&last_wins);
    assert_eq!(shown, "map<int,int> {0 -> 20}");
}

#[test]
fn the_last_of_equal_keys_wins_where_the_session_says_so() {
    let ctx = Context { last_key_wins: true, ..Context::default() };
    let pairs = [s("a"), i(1), s("b"), i(2), s("a"), i(3)];
    check_in("map", &pairs, "map<string,int> {a -> 3, b -> 2}", &ctx, true);
    check_in("map", &[N, i(1)], "! NULL_MAP_KEY", &ctx, true);
    check_in("str_to_map", &[s("a:1,a:2")], "map<string,string> {a -> 2}", &ctx, true);
}

#[test]
fn a_null_inside_makes_a_flat_array_null() {
    let nested = |inner: &[ScalarValue]| {
        let data_type = list(DataType::Int32);
        ScalarValue::List(ScalarValue::new_list_nullable(inner, &data_type))
    };
    let null = ScalarValue::try_from(list(DataType::Int32)).unwrap();
    check("flatten", &[nested(&[ints(&[Some(1)]), ints(&[None])])], "array<int> [1, NULL]");
    check("flatten", &[nested(&[ints(&[Some(1)]), null])], "array<int> NULL");
    check("array_repeat", &[N, i(2)], "array<void> [NULL, NULL]");
    check("array_repeat", &[s("a"), i(-1)], "array<string> []");
    check("array_repeat", &[i(1), i(i32::MAX)], "! COLLECTION_SIZE_LIMIT_EXCEEDED.PARAMETER");
    check("array_repeat", &[strs(&["a"]), i(1)], "array<array<string>> [[a]]");
}
