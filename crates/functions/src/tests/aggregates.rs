//! Aggregate functions, in one phase and in two.

use super::*;
use crate::{AggregateCall, Frame};
use datafusion::arrow::datatypes::Schema;
use datafusion::datasource::MemTable;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};

/// Rows of two columns, in three partitions, so that the aggregation runs in two phases.
fn table(x: &[ScalarValue], k: &[ScalarValue]) -> MemTable {
    let schema = Arc::new(Schema::new(vec![
        Field::new("x", x[0].data_type(), true),
        Field::new("k", k[0].data_type(), true),
    ]));
    let batch = |from: usize, to: usize| {
        let column =
            |values: &[ScalarValue]| ScalarValue::iter_to_array(values[from..to].to_vec()).unwrap();
        vec![RecordBatch::try_new(Arc::clone(&schema), vec![column(x), column(k)]).unwrap()]
    };
    let third = x.len() / 3;
    let parts = vec![batch(0, third), batch(third, 2 * third), batch(2 * third, x.len())];
    MemTable::try_new(Arc::clone(&schema), parts).unwrap()
}

async fn aggregated(
    name: &str,
    x: &[ScalarValue],
    extra: Vec<ScalarValue>,
    grouped: bool,
    distinct: bool,
) -> String {
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(3));
    let k = if extra.is_empty() { vec![i(1); x.len()] } else { x.to_vec() };
    let frame = session.read_table(Arc::new(table(x, &k))).unwrap();
    let ctx = Context::default();
    let types: Vec<_> =
        std::iter::once(x[0].data_type()).chain(extra.iter().map(ScalarValue::data_type)).collect();
    let args = std::iter::once(col("x"))
        .chain(extra.into_iter().map(|v| Expr::Literal(v, None)))
        .collect();
    let call = AggregateCall {
        name,
        args,
        types: &types,
        distinct,
        filter: None,
        order_by: vec![],
        ignore_nulls: false,
    };
    let expr = match Registry::new().aggregate(call, &ctx) {
        Ok(expr) => expr,
        Err(error) => return format!("! {}", error.describe(name, &[]).condition.class),
    };
    assert!(matches!(expr, Expr::AggregateFunction(_)));
    travel::travels(&expr);
    answer(frame, expr, grouped).await
}

/// The single result value of an aggregate.
async fn answer(frame: DataFrame, expr: Expr, grouped: bool) -> String {
    let keys = if grouped {
        vec![datafusion::logical_expr::binary_expr(
            col("k"),
            datafusion::logical_expr::Operator::IsNotDistinctFrom,
            col("k"),
        )]
    } else {
        vec![]
    };
    match frame
        .aggregate(keys, vec![expr.alias("r")])
        .unwrap()
        .select_columns(&["r"])
        .unwrap()
        .collect()
        .await
    {
        Ok(batches) => {
            let array = batches.iter().find(|b| b.num_rows() == 1).unwrap().column(0);
            format!("{} {}", simple_type(array.data_type()), show(array, "UTC").unwrap().value(0))
        }
        Err(error) => match crate::raised(&error) {
            Some(raised) => format!("! {}", raised.class()),
            None => error.to_string(),
        },
    }
}

/// Name, values, constant arguments, and the expected result.
type Case<'a> = (&'a str, &'a [ScalarValue], Vec<ScalarValue>, &'a str);

/// Compares results, in one phase and in two.
async fn check_all(cases: Vec<Case<'_>>) {
    for (name, values, extra, expected) in cases {
        for grouped in [false, true] {
            let found = aggregated(name, values, extra.clone(), grouped, false).await;
            if name.starts_with("collect") {
                // The order of the values is not guaranteed.
                let sorted = |text: &str| {
                    let mut chars: Vec<_> = text.chars().collect();
                    chars.sort_unstable();
                    chars
                };
                assert_eq!(sorted(&found), sorted(expected), "{name}");
                continue;
            }
            assert_eq!(found, expected, "{name} grouped: {grouped}");
        }
    }
}

#[tokio::test]
async fn aggregates_give_spark_s_answers() {
    let numbers = [i(1), i(2), ScalarValue::Int32(None), i(4), i(4), i(10)];
    let decimals = [dec(100, 15, 2), dec(200, 15, 2), dec(200, 15, 2)];
    let spread = [i(-10), i(-20), i(100), i(1000)];
    let large = [l(i64::MAX), l(1), l(1)];
    let nine = dec(10_i128.pow(38) - 1, 38, 0);
    let wide = [nine.clone(), nine, dec(1, 38, 0)];
    let back = [wide[0].clone(), dec(-1, 38, 0), dec(1, 38, 0)];
    let texts = [s("a"), s("b"), s("a")];
    let flags = [b(true), b(false), b(true)];
    let cases: Vec<Case<'_>> = vec![
        ("sum", &numbers, vec![], "bigint 21"),
        ("avg", &numbers, vec![], "double 4.2"),
        ("count", &numbers, vec![], "bigint 5"),
        ("min", &numbers, vec![], "int 1"),
        ("max", &numbers, vec![], "int 10"),
        ("sum", &decimals, vec![], "decimal(25,2) 5.00"),
        ("avg", &decimals, vec![], "decimal(19,6) 1.666667"),
        ("median", &numbers, vec![], "double 4.0"),
        ("percentile", &numbers, vec![d(0.25)], "double 2.0"),
        ("percentile_approx", &numbers, vec![d(0.5)], "int 4"),
        ("mode", &numbers, vec![], "int 4"),
        ("approx_count_distinct", &numbers, vec![], "bigint 4"),
        ("collect_list", &texts, vec![], "array<string> [a, b, a]"),
        ("collect_set", &texts, vec![], "array<string> [a, b]"),
        ("stddev_pop", &numbers, vec![], "double 3.124099870362662"),
        ("skewness", &spread, vec![], "double 1.1135657469022011"),
        ("kurtosis", &spread, vec![], "double -0.7014368047529627"),
        ("bool_and", &flags, vec![], "boolean false"),
        ("some", &flags, vec![], "boolean true"),
        ("count_if", &flags, vec![], "bigint 2"),
        ("bit_xor", &numbers, vec![], "int 9"),
        ("max_by", &texts, vec![i(1)], "string a"),
        ("product", &numbers, vec![], "double 320.0"),
        ("histogram_numeric", &texts, vec![i(1)], "! DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE"),
        (
            "histogram_numeric",
            &numbers,
            vec![i(9)],
            "array<struct<x:int,y:double>> [{1, 1.0}, {2, 1.0}, {4, 1.0}, {4, 1.0}, {10, 1.0}]",
        ),
        ("bitmap_construct_agg", &large, vec![], "! INVALID_BITMAP_POSITION"),
        ("sum", &large, vec![], "! ARITHMETIC_OVERFLOW"),
        ("try_sum", &large, vec![], "bigint NULL"),
        ("sum", &wide, vec![], "! ARITHMETIC_OVERFLOW"),
        ("try_sum", &wide, vec![], "decimal(38,0) NULL"),
        ("sum", &back, vec![], "decimal(38,0) 99999999999999999999999999999999999999"),
        ("percentile", &numbers, vec![d(1.5)], "! DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE"),
    ];
    check_all(cases).await;
    assert_eq!(aggregated("sum", &numbers, vec![], true, true).await, "bigint 17");
    assert_eq!(aggregated("count", &numbers, vec![], false, true).await, "bigint 4");
}

#[tokio::test]
async fn moments_bits_flags_and_texts() {
    let numbers = [i(1), i(2), ScalarValue::Int32(None), i(4), i(4), i(10)];
    let exact = [i(2), i(4), i(9)];
    let flags = [b(true), b(false), b(true)];
    let alike = [s("a"), s("a"), s("a")];
    let bits = [bin(&[0x10]), bin(&[0x31]), ScalarValue::Binary(None)];
    let bitmap = |first: &str| format!("binary [{first}{}]", " 00".repeat(4095));
    let (either, both) = (bitmap("31"), bitmap("10"));
    check_all(vec![
        ("bit_and", &numbers, vec![], "int 0"),
        ("bit_or", &numbers, vec![], "int 15"),
        ("mean", &numbers, vec![], "double 4.2"),
        ("try_avg", &numbers, vec![], "double 4.2"),
        ("std", &numbers, vec![], "double 3.492849839314596"),
        ("stddev", &numbers, vec![], "double 3.492849839314596"),
        ("stddev_samp", &numbers, vec![], "double 3.492849839314596"),
        ("var_pop", &exact, vec![], "double 8.666666666666666"),
        ("var_samp", &exact, vec![], "double 13.0"),
        ("variance", &exact, vec![], "double 13.0"),
        ("approx_percentile", &numbers, vec![d(0.5)], "int 4"),
        ("percentile_cont", &numbers, vec![d(0.25)], "double 2.0"),
        ("percentile_disc", &numbers, vec![d(0.25)], "double 2.0"),
        ("any", &flags, vec![], "boolean true"),
        ("bool_or", &flags, vec![], "boolean true"),
        ("every", &flags, vec![], "boolean false"),
        ("any_value", &alike, vec![], "string a"),
        ("first", &alike, vec![], "string a"),
        ("last", &alike, vec![], "string a"),
        ("array_agg", &alike, vec![], "array<string> [a, a, a]"),
        ("listagg", &alike, vec![s("-")], "string a-a-a"),
        ("string_agg", &alike, vec![], "string aaa"),
        ("bitmap_or_agg", &bits, vec![], &either),
        ("bitmap_and_agg", &bits, vec![], &both),
    ])
    .await;
}

#[tokio::test]
async fn aggregates_of_two_columns_give_spark_s_answers() {
    let int = |value: Option<i32>| ScalarValue::Int32(value);
    let x = [Some(1), Some(3), None, Some(5), Some(5), Some(7)].map(int);
    let y = [Some(2), Some(2), Some(9), None, Some(6), Some(6)].map(int);
    let types = [DataType::Int32, DataType::Int32];
    let cases = [
        ("corr", &y, "double 0.8944271909999159"),
        ("covar_pop", &y, "double 4.0"),
        ("covar_samp", &y, "double 5.333333333333333"),
        ("regr_avgx", &y, "double 4.0"),
        ("regr_avgy", &y, "double 4.0"),
        ("regr_count", &y, "bigint 4"),
        ("regr_intercept", &y, "double 0.0"),
        ("regr_r2", &x, "double 1.0"),
        ("regr_slope", &y, "double 1.0"),
        ("regr_sxx", &y, "double 16.0"),
        ("regr_sxy", &y, "double 16.0"),
        ("regr_syy", &y, "double 20.0"),
        ("min_by", &x, "int 1"),
    ];
    for (name, other, expected) in cases {
        let call = AggregateCall {
            name,
            args: vec![col("x"), col("k")],
            types: &types,
            distinct: false,
            filter: None,
            order_by: vec![],
            ignore_nulls: false,
        };
        let expr = Registry::new().aggregate(call, &Context::default()).unwrap();
        travel::travels(&expr);
        let frame = SessionContext::new().read_table(Arc::new(table(&x, other))).unwrap();
        assert_eq!(answer(frame, expr, false).await, expected, "{name}");
    }
}

#[test]
fn window_functions_have_spark_s_types() {
    let ctx = Context::default();
    let call = |name, args: Vec<Expr>, types| AggregateCall {
        name,
        args,
        types,
        distinct: false,
        filter: None,
        order_by: vec![],
        ignore_nulls: false,
    };
    let window = |call| {
        let window = Registry::new().window(call, Frame::whole(), &ctx)?;
        travel::window_travels(&window.function);
        Ok::<_, crate::FunctionError>(window)
    };
    let types = [DataType::Int32, DataType::Int32, DataType::Int64];
    let lag =
        call("lag", vec![col("x"), Expr::Literal(i(1), None), Expr::Literal(l(0), None)], &types);
    assert_eq!(window(lag).unwrap().args.len(), 2);
    let sum = window(call("sum", vec![col("x")], &types[..1])).unwrap();
    assert_eq!(sum.function.name(), "spark_sum");
    for name in ["row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile"] {
        assert_eq!(window(call(name, vec![], &[])).unwrap().function.name(), name);
    }
    for name in ["lag", "lead", "nth_value", "first_value", "last_value", "max", "avg"] {
        window(call(name, vec![col("x")], &types[..1])).unwrap();
    }
}
