//! Windows: every aggregate over every kind of frame, and the other clauses of a call, in tasks
//! whose plans were encoded.

use crate::session::{World, world};

/// Calls of aggregate functions over the columns of `t`, whose results do not depend on the order
/// of rows.
const AGGREGATES: &[&str] = &[
    "count(*)",
    "count(x)",
    "count_if(x > 40)",
    "sum(x)",
    "sum(d)",
    "sum(n)",
    "try_sum(x)",
    "avg(x)",
    "avg(d)",
    "avg(n)",
    "min(x)",
    "max(d)",
    "min(s)",
    "sort_array(collect_list(x))",
    "sort_array(collect_set(s))",
    "stddev_samp(x)",
    "stddev_pop(x)",
    "var_samp(d)",
    "var_pop(d)",
    "corr(x, i)",
    "covar_samp(x, i)",
    "covar_pop(x, i)",
    "regr_avgx(x, i)",
    "regr_avgy(x, i)",
    "regr_count(x, i)",
    "regr_intercept(x, i)",
    "regr_r2(x, i)",
    "regr_slope(x, i)",
    "regr_sxx(x, i)",
    "regr_sxy(x, i)",
    "regr_syy(x, i)",
    "skewness(x)",
    "kurtosis(x)",
    "approx_count_distinct(s)",
    "percentile(x, 0.3)",
    "percentile(x, array(0.25, 0.5))",
    "percentile_approx(x, 0.5)",
    "median(x)",
    "mode(x, true)",
    "bool_and(x > 5)",
    "bool_or(x > 90)",
    "bit_and(x)",
    "bit_or(x)",
    "bit_xor(x)",
    "max_by(s, i)",
    "min_by(x, i)",
    "max_by(x, i, 2)",
    "product(1 + x / 1000)",
    "histogram_numeric(x, 100)",
    "bitmap_construct_agg(bitmap_bit_position(x))",
];

/// Frames, and the rows of `o` that are in the frame of a row of `t`, both ordered by `i`, which
/// has a gap every tenth row.
const FRAMES: &[(&str, &str)] = &[
    ("rows between 2 preceding and 1 following", "o.r between t.r - 2 and t.r + 1"),
    ("rows between 5 preceding and 2 preceding", "o.r between t.r - 5 and t.r - 2"),
    ("rows between 3 following and 4 following", "o.r between t.r + 3 and t.r + 4"),
    ("rows between unbounded preceding and 3 preceding", "o.r <= t.r - 3"),
    ("rows between current row and unbounded following", "o.r >= t.r"),
    ("range between 4 preceding and 2 following", "o.i between t.i - 4 and t.i + 2"),
    ("range between 1 following and 6 following", "o.i between t.i + 1 and t.i + 6"),
    ("range between unbounded preceding and 3 preceding", "o.i <= t.i - 3"),
];

async fn with_rows(world: &World, count: u32) {
    let text = format!(
        "create or replace temporary view t as
         select *, row_number() over (order by i) as r from (
           select cast(id + div(id, 10) * 3 as int) as i, pmod(id, 2) as g,
             if(id % 7 = 3, null, cast(pmod(id * 37, 101) as int)) as x,
             if(id % 5 = 1, null, pmod(id * 53, 97) / 4.0D) as d,
             cast(pmod(id * 71, 89) as decimal(38, 4)) as n,
             if(id % 6 = 2, null, chr(cast(97 + id % 4 as int))) as s
           from range({count}))"
    );
    world.sql(&text).await.expect("a view");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_aggregate_is_computed_over_every_frame_from_its_rows_alone() {
    let world = world("2");
    with_rows(&world, 40).await;
    for (frame, rows) in FRAMES {
        let over = |call: &&str| match call.strip_prefix("sort_array(") {
            Some(rest) => {
                format!("sort_array({} over (order by i {frame}))", &rest[..rest.len() - 1])
            }
            None => format!("{call} over (order by i {frame})"),
        };
        let windows: Vec<String> = AGGREGATES.iter().map(over).collect();
        let windowed = format!("select i, {} from t order by i", windows.join(", "));
        let calls: Vec<String> = AGGREGATES.iter().map(|call| of_other(call)).collect();
        let joined = format!(
            "select t.i, {} from t left join t o on {rows} group by t.i order by t.i",
            calls.join(", ")
        );
        let (windowed, joined) = (world.rows(&windowed).await, world.rows(&joined).await);
        assert_eq!(windowed.len(), 40, "{frame}: {windowed:?}");
        for (window, join) in windowed.iter().zip(&joined) {
            let columns = window.split('|').zip(join.split('|')).skip(1).zip(AGGREGATES);
            for ((window, join), call) in columns {
                let same = match (window.parse::<f64>(), join.parse::<f64>()) {
                    (Ok(a), Ok(b)) => (a - b).abs() <= 1e-3,
                    _ => false,
                };
                assert!(same || window == join, "{call} {frame}: {window} instead of {join}");
            }
        }
    }
}

/// The call over the columns of `o`, only for rows that exist in `o`.
fn of_other(call: &str) -> String {
    let (outer, call) = match call.strip_prefix("sort_array(") {
        Some(rest) => (true, &rest[..rest.len() - 1]),
        None => (false, call),
    };
    let mut out = String::new();
    let bytes: Vec<char> = call.chars().collect();
    for (at, c) in bytes.iter().enumerate() {
        let alone = |at: Option<&char>| !at.is_some_and(|c| c.is_alphanumeric() || *c == '_');
        let is_column = "xdnsi".contains(*c)
            && alone(at.checked_sub(1).and_then(|at| bytes.get(at)))
            && alone(bytes.get(at + 1));
        if is_column {
            out.push_str("o.");
        }
        out.push(*c);
    }
    let filtered = format!("{out} filter (where o.i is not null)");
    if outer { format!("sort_array({filtered})") } else { filtered }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_frame_is_assembled_from_parts() {
    let world = world("1");
    with_rows(&world, 3_000).await;
    // Compared with the difference of running sums, which are exact for integers.
    let wrong = "select count(*) from (
        select sum(x) over (order by r rows between 1499 preceding and current row) as s,
          sum(x) over (order by r) as upto,
          r from t) a
        left join (select r + 1500 as r, sum(x) over (order by r) as before from t) b on a.r = b.r
        where s <> upto - coalesce(before, 0)";
    let values = "select sum(size(l)), max(size(l)), sum(l[size(l) - 1]) from (
        select collect_list(x) over (order by r rows between 1499 preceding and current row) as l from t where x is not null)";
    let last = "select sum(least(r, 1500)), 1500, sum(x) from (
        select x, row_number() over (order by r) as r from t where x is not null)";
    assert_eq!(world.rows(wrong).await, ["0"]);
    assert_eq!(world.rows(values).await, world.rows(last).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_leave_a_frame_leave_no_trace() {
    let world = world("2");
    world
        .check(&[
            (
                "select sum(d) over (order by i rows between 1 preceding and current row) from values
                 (1, 1e20D), (2, 1.0D), (3, 2.0D), (4, double('NaN')), (5, 3.0D), (6, 4.0D) as t(i, d) order by i",
                &["1e20", "1e20", "3.0000", "NaN", "NaN", "7.0000"],
            ),
            (
                "select avg(d) over (order by i rows between 1 preceding and current row) from values
                 (1, double('Infinity')), (2, 1.0D), (3, 2.0D) as t(i, d) order by i",
                &["inf", "inf", "1.5000"],
            ),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_ignored_nulls_are_encoded_with_the_function() {
    let world = world("2");
    world
        .sql("create temporary view n as select * from values (1, null), (2, 'b'), (3, null), (4, 'd'), (5, null) as n(i, s)")
        .await
        .expect("a view");
    let frame = "order by i rows between unbounded preceding and current row";
    let cases = [
        (format!("sum(i) filter (where i > 2) over ({frame})"), "NULL NULL 3 7 12"),
        ("count(s) filter (where i <> 2) over ()".to_owned(), "1 1 1 1 1"),
        ("first(s) filter (where i > 2) over (order by i)".to_owned(), "NULL NULL NULL NULL NULL"),
        (format!("nth_value(s, 2) ignore nulls over ({frame})"), "NULL NULL NULL d d"),
        (format!("nth_value(s, 2) over ({frame})"), "NULL b b b b"),
        (format!("last_value(s) ignore nulls over ({frame})"), "NULL b b d d"),
        (
            "first(s, true) over (order by i rows between 1 following and unbounded following)"
                .to_owned(),
            "b d d NULL NULL",
        ),
        ("any_value(s) ignore nulls over ()".to_owned(), "b b b b b"),
        ("lead(s) ignore nulls over (order by i)".to_owned(), "b d d NULL NULL"),
        ("lead(s, -1) ignore nulls over (order by i)".to_owned(), "NULL NULL b b d"),
        ("lag(s, 2, 'none') ignore nulls over (order by i)".to_owned(), "none none none none b"),
        ("lead(i, 1, i * 100) over (order by i)".to_owned(), "2 3 4 5 500"),
        ("lag(s, 0, 'x') over (order by i)".to_owned(), "NULL b NULL d NULL"),
        ("lag(i, 1, 1.5) over (order by i)".to_owned(), "1 1 2 3 4"),
        (
            "percentile_cont(0.5) within group (order by i desc) over ()".to_owned(),
            "3.0000 3.0000 3.0000 3.0000 3.0000",
        ),
        (
            "listagg(s, ',') within group (order by s desc) over ()".to_owned(),
            "d,b d,b d,b d,b d,b",
        ),
    ];
    for (call, expected) in cases {
        let rows = world.rows(&format!("select {call} from n order by i")).await;
        assert_eq!(rows.join(" "), expected, "{call}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constant_key_partitions_like_any_other() {
    let world = world("3");
    world
        .sql("create temporary view e as select * from values ('u', 1, 10), ('u', 5, 30), ('u', 9, 20), ('w', 2, 1) as e(uid, dt, x)")
        .await
        .expect("a view");
    world
        .check(&[
            ("select dt, row_number() over (partition by uid order by dt desc) from e where uid = 'u' order by dt", &["1|3", "5|2", "9|1"]),
            ("select dt, sum(x) over (partition by uid order by dt) from e where uid = 'u' order by dt", &["1|10", "5|40", "9|60"]),
            ("select dt, lag(x) over (partition by uid order by dt) from e where uid = 'u' order by dt", &["1|NULL", "5|10", "9|30"]),
            ("select x, rank() over (partition by uid, dt order by x) from e where uid = 'u' and dt = 5", &["30|1"]),
            ("select dt, count(*) over (partition by upper(uid) order by dt) from e where upper(uid) = 'U' order by dt", &["1|1", "5|2", "9|3"]),
            ("select a.dt, row_number() over (partition by a.uid, b.uid order by a.dt) from e a join e b on a.uid = b.uid and a.dt = b.dt where b.uid = 'u' order by 1", &["1|1", "5|2", "9|3"]),
            ("select g, row_number() over (partition by g order by dt) from (select 'k' as g, dt from e union all select 'k', dt from e) order by 2", &["k|1", "k|2", "k|3", "k|4", "k|5", "k|6", "k|7", "k|8"]),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_by_values_have_the_bounds_of_spark() {
    let world = world("2");
    let v = "values (1, 1.0D), (1, 2.0D), (3, 3.0D), (null, 4.0D), (6, 5.0D) as t(k, v) order by v";
    let dates = "values (date'2024-01-01', 1), (date'2024-01-31', 2), (date'2024-02-29', 3), (null, 4) as t(k, v) order by v";
    let cases = [
        (format!("select cast(sum(v) over (order by k) as int) from {v}"), "7 7 10 4 15"),
        (format!("select cast(sum(v) over (order by k nulls last) as int) from {v}"), "3 3 6 15 11"),
        (format!("select cast(sum(v) over (order by k desc range between 2 preceding and current row) as int) from {v}"), "6 6 3 4 5"),
        (format!("select cast(sum(v) over (order by k range between 1 following and 3 following) as int) from {v}"), "3 3 5 4 NULL"),
        (format!("select count(*) over (order by k range between unbounded preceding and 2 following) from {v}"), "4 4 4 1 5"),
        (format!("select count(*) over (order by k range between -1 preceding and 1 following) from {v}"), "0 0 0 1 0"),
        (format!("select sum(v) over (order by k range between interval '1' month preceding and current row) from {dates}"), "1 3 5 4"),
        (format!("select sum(v) over (order by k range between interval 30 days preceding and current row) from {dates}"), "1 3 5 4"),
        (format!("select sum(v) over (order by k desc range between 30 preceding and current row) from {dates}"), "3 5 3 4"),
        ("select count(*) over (order by k range between 0.25 preceding and 0.25 following) from values (1.0), (1.2), (2.1) as t(k) order by k".to_owned(), "2 2 1"),
        ("select count(*) over (order by k range between 1 preceding and 1 following) from values (9223372036854775806), (9223372036854775807) as t(k)".to_owned(), "2 2"),
        ("select count(*) over (order by k range between interval '90' minute preceding and current row) from values (timestamp'2024-01-01 00:00:00'), (timestamp'2024-01-01 01:30:00'), (timestamp'2024-01-01 03:00:01') as t(k) order by k".to_owned(), "1 2 1"),
    ];
    for (text, expected) in cases {
        assert_eq!(world.rows(&text).await.join(" "), expected, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_spark_refuses_are_refused() {
    let world = world("2");
    let cases = [
        (
            "sum(k) over (order by k, v range between 1 preceding and current row)",
            "DATATYPE_MISMATCH.RANGE_FRAME_MULTI_ORDER",
        ),
        (
            "sum(k) over (range between 1 preceding and current row)",
            "DATATYPE_MISMATCH.RANGE_FRAME_WITHOUT_ORDER",
        ),
        (
            "sum(k) over (order by d range between interval '2' hour preceding and current row)",
            "DATATYPE_MISMATCH.RANGE_FRAME_INVALID_TYPE",
        ),
        (
            "sum(k) over (order by k rows between 1 following and 1 preceding)",
            "DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_WRONG_COMPARISON",
        ),
        (
            "sum(k) over (order by k rows between 1.5 preceding and current row)",
            "DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_UNACCEPTED_TYPE",
        ),
        (
            "sum(k) over (order by k rows between unbounded following and 1 following)",
            "DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_INVALID_BOUND",
        ),
        ("count(distinct k) over ()", "DISTINCT_WINDOW_FUNCTION_UNSUPPORTED"),
        ("sum(k) ignore nulls over ()", "INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX"),
        (
            "row_number() filter (where k > 1) over (order by k)",
            "INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX",
        ),
        ("lag(k) over ()", "WINDOW_FUNCTION_FRAME_NOT_ORDERED"),
        ("nth_value(k, 0) over (order by k)", "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE"),
        ("nth_value(k, k) over (order by k)", "DATATYPE_MISMATCH.NON_FOLDABLE_INPUT"),
        ("upper(v) over (order by k)", "UNSUPPORTED_EXPR_FOR_WINDOW"),
        (
            "listagg(v) within group (order by v) over (order by k)",
            "INVALID_WINDOW_SPEC_FOR_AGGREGATION_FUNC",
        ),
    ];
    for (call, class) in cases {
        let text = format!("select {call} from values (1, 'a', date'2024-01-01') as t(k, v, d)");
        let error = world.sql(&text).await.expect_err(call);
        assert_eq!(error.class(), class, "{call}: {error}");
    }
}
