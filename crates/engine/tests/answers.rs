//! Answers where DataFusion's own rules would differ from Spark's: subqueries as values, pivots,
//! orders within groups, views.

use crate::session::{World, world};

async fn shops() -> World {
    let world = world("2");
    for text in [
        "create temporary view shop as select * from values (1, 'x'), (2, 'y'), (3, null) as shop(id, n)",
        "create temporary view sale as select * from values (1, 5), (1, 7), (2, null) as sale(shop, amount)",
    ] {
        world.sql(text).await.expect("a view");
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scalar_subquery_is_computed_for_each_row() {
    let world = shops().await;
    let cases = [
        ("count(*) from sale where shop = id", "2 1 0"),
        ("count(*) from sale where shop = id group by shop", "2 1 NULL"),
        ("count(*) is null from sale where shop = id", "false false false"),
        ("concat('n', count(amount)) from sale where shop = id", "n2 n0 n0"),
        ("count(*) from sale where shop = id having count(*) > 1", "2 NULL NULL"),
        ("count(*) from sale where shop = id having count(*) = 0", "NULL NULL 0"),
        ("count(*) from (select count(*) as n from sale where shop = id) where n = 0", "0 0 1"),
        ("coalesce(sum(amount), -1) from sale where shop = id", "12 -1 -1"),
        ("sum(amount) from sale where shop = id", "12 NULL NULL"),
        ("collect_list(amount) from sale where shop = id", "[5, 7] [] []"),
        ("max(amount) from sale where shop < id", "NULL 7 7"),
        ("amount from sale where shop = id order by amount desc limit 1", "7 NULL NULL"),
        ("amount from sale where shop = id order by amount desc limit 1 offset 1", "5 NULL NULL"),
        ("max(c) from (select count(*) c from sale where shop = id group by amount)", "1 1 NULL"),
        (
            "sum(c) from (select count(*) c from sale where shop = id union all select 10)",
            "12 11 10",
        ),
        (
            "a.amount from sale a join sale b on a.shop = b.shop where a.shop = id and a.amount > b.amount",
            "7 NULL NULL",
        ),
        ("(select count(*) from sale where shop = s.id) from shop s where s.id = shop.id", "2 1 0"),
        (
            "min(s.id) from shop s where s.id > shop.id and exists (select 1 from sale where shop = s.id)",
            "2 NULL NULL",
        ),
        ("id + 1", "2 3 4"),
        ("1 where id = 2", "NULL 1 NULL"),
        ("max(shop) from sale having count(*) > 10", "NULL NULL NULL"),
    ];
    for (query, expected) in cases {
        let rows = world.rows(&format!("select (select {query}) from shop order by id")).await;
        assert_eq!(rows.join(" "), expected, "{query}");
    }
    world
        .check(&[
            ("select n, sum((select count(*) from sale where shop = id)) from shop group by n order by n", &["NULL|0", "x|2", "y|1"]),
            ("select (select count(*) from sale where shop = id) m, count(*) from shop group by 1 order by 1", &["0|1", "1|1", "2|1"]),
            ("select id, case when id > 1 then (select count(*) from sale where shop = id) else -1 end from shop order by id", &["1|-1", "2|1", "3|0"]),
        ])
        .await;
    for query in ["select amount from sale", "select amount from sale where shop = id"] {
        let error = world.sql(&format!("select ({query}) from shop")).await.expect_err(query);
        assert!(error.to_string().contains("SCALAR_SUBQUERY_TOO_MANY_ROWS"), "{query}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_with_a_subquery_is_evaluated_for_each_row() {
    let world = shops().await;
    let cases = [
        ("(select count(*) from sale where shop = id) = 0", "3"),
        ("exists (select count(*) from sale where shop = id)", "1 2 3"),
        ("exists (select shop from sale where shop = id group by shop having count(*) > 1)", "1"),
        ("exists (select 1 from sale where shop = id limit 0)", ""),
        ("exists (select 1 from sale where shop = id offset 1)", "1"),
        ("not exists (select 1 from sale where shop = id offset 1)", "2 3"),
        ("id not in (select amount from sale where shop = id)", "1 3"),
        ("5 not in (select amount from sale where shop = id)", "3"),
        ("n not in (select 'q' from sale where shop = id)", "1 2 3"),
        ("0 in (select count(*) from sale where shop = id)", "3"),
        ("7 in (select amount from sale where shop = id order by amount desc limit 1)", "1"),
        ("5 in (select amount from sale where shop = id order by amount desc limit 1)", ""),
        ("6 not in (select amount from sale) or id = 1", "1"),
        ("(n in (select 'x' from sale)) is null", ""),
    ];
    for (condition, expected) in cases {
        let rows = world.rows(&format!("select id from shop where {condition} order by id")).await;
        assert_eq!(rows.join(" "), expected, "{condition}");
    }
    world
        .check(&[
            ("select id, exists (select 1 from sale where shop = id), exists (select 1 from sale) from shop order by id", &["1|true|true", "2|true|true", "3|false|true"]),
            ("select id, 5 in (select amount from sale where shop = id), 5 not in (select amount from sale where shop = id) from shop order by id", &["1|true|false", "2|false|false", "3|false|true"]),
            ("select a.id, b.id from shop a left join shop b on a.id = b.id and b.id in (select shop from sale) order by 1", &["1|1", "2|2", "3|NULL"]),
            ("select a.id from shop a join shop b on a.id = b.id and exists (select 1 from sale where shop = a.id) order by 1", &["1", "2"]),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pivot_groups_by_the_columns_that_it_does_not_use() {
    let world = world("2");
    world
        .sql("create temporary view pv as select * from values ('a', 'x', 1), ('a', null, 2), ('b', 'y', 4), ('b', 'y', 5) as pv(g, p, v)")
        .await
        .expect("a view");
    world
        .check(&[
            ("select * from pv pivot (sum(v) as s, avg(v) for p in ('x', 'y')) order by g", &["a|1|1.0000|NULL|NULL", "b|NULL|NULL|9|4.5000"]),
            ("select * from pv pivot (sum(v) + 1 as s, 1 = 1 t for p in ('x')) order by g", &["a|2|true", "b|NULL|NULL"]),
            ("select * from (select p, v from pv) pivot (sum(v) for p in ('x', 'y'))", &["1|9"]),
            // Where Spark can hold the results in arrays, a group without rows yields null;
            // otherwise it yields the function's value over no rows.
            ("select * from (select g, p from pv) pivot (count(*) for p in ('x', 'y')) order by g", &["a|1|NULL", "b|NULL|2"]),
            ("select * from pv pivot (count(v) c, collect_list(v) l for p in ('x', 'y')) order by g", &["a|1|[1]|0|[]", "b|0|[]|2|[4, 5]"]),
            ("select * from pv pivot (first(v) f, collect_list(v) l for p in ('y')) order by g", &["a|NULL|[]", "b|4|[4, 5]"]),
        ])
        .await;
    let error =
        world.sql("select * from pv pivot (v + 1 for p in ('x'))").await.expect_err("refused");
    assert_eq!(error.class(), "_LEGACY_ERROR_TEMP_1006", "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_unpivoted_from_one_row_stay_together() {
    let world = world("2");
    world
        .check(&[
            (
                "select * from (values (1, 10, 20), (2, 30, null)) as t(id, a, b) unpivot include nulls (val for nm in (a, b))",
                &["1|a|10", "1|b|20", "2|a|30", "2|b|NULL"],
            ),
            (
                "select * from (values (1, 10, 20), (2, 30, null)) as t(id, a, b) unpivot ((p, q) for nm in ((a, b) as ab, (b, a)))",
                &["1|ab|10|20", "1|b_a|20|10", "2|ab|30|NULL", "2|b_a|NULL|30"],
            ),
            ("select inline(array(named_struct('a', 1, 'b', 'x'), null))", &["1|x", "NULL|NULL"]),
            ("select s.f from (select if(id = 1, named_struct('f', id), null) s from range(2)) order by 1", &["NULL", "1"]),
            ("select a.f, filter(a, x -> x.f > 1).f from (select array(named_struct('f', 1), null, named_struct('f', 2)) a)", &["[1, NULL, 2]|[2]"]),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregate_functions_respect_the_order_within_groups() {
    let world = world("2");
    world
        .sql("create temporary view t as select * from values (1, 'a', 10), (1, 'c', 20), (1, 'b', 20), (2, null, 5), (2, 'a', null), (1, 'b', 40) as t(g, s, x)")
        .await
        .expect("a view");
    let cases = [
        ("percentile_cont(0.25) within group (order by x)", "17.5000 5.0000"),
        ("percentile_cont(0.25) within group (order by x desc)", "25.0000 5.0000"),
        (
            "percentile_disc(array(0.1, 0.9)) within group (order by x desc)",
            "[40.0, 10.0] [5.0, 5.0]",
        ),
        ("mode() within group (order by x)", "20 5"),
        ("mode() within group (order by s desc)", "b a"),
        ("listagg(s, ', ') within group (order by s)", "a, b, b, c a"),
        ("listagg(s, ', ') within group (order by x desc, s)", "b, b, c, a a"),
        ("listagg(distinct s) within group (order by s desc)", "cba a"),
        ("listagg(x, '-') within group (order by x) filter (where x < 40)", "10-20-20 5"),
        ("listagg(cast(s as binary), x'2d') within group (order by s)", "612d622d622d63 61"),
    ];
    for (call, expected) in cases {
        let rows = world.rows(&format!("select {call} from t group by g order by g")).await;
        assert_eq!(rows.join(" "), expected, "{call}");
    }
    let refused = [
        ("percentile_cont(x, 0.5)", "WRONG_NUM_ARGS.WITHOUT_SUGGESTION"),
        ("percentile_cont(0.5)", "INVALID_WITHIN_GROUP_EXPRESSION.WITHIN_GROUP_MISSING"),
        (
            "percentile_cont(0.5) within group (order by x, g)",
            "INVALID_WITHIN_GROUP_EXPRESSION.WRONG_NUM_ORDERINGS",
        ),
        ("percentile_cont(1.5) within group (order by x)", "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE"),
        ("percentile_cont(null) within group (order by x)", "DATATYPE_MISMATCH.UNEXPECTED_NULL"),
        (
            "listagg(distinct s) within group (order by x)",
            "INVALID_WITHIN_GROUP_EXPRESSION.MISMATCH_WITH_DISTINCT_INPUT",
        ),
        ("listagg(s, s)", "DATATYPE_MISMATCH.NON_FOLDABLE_INPUT"),
        ("sum(x) within group (order by x)", "INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX"),
        (
            "upper(s) within group (order by x)",
            "INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX",
        ),
    ];
    for (call, class) in refused {
        let error = world.sql(&format!("select {call} from t")).await.expect_err(call);
        assert_eq!(error.class(), class, "{call}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_defined_by_text_resolves_its_names_when_it_is_used() {
    let world = world("2");
    let run = async |text: &str| {
        world.sql(text).await.map(|_| ()).map_err(|error| error.class().to_owned())
    };
    assert_eq!(run("create temp view base as select 1 as x").await, Ok(()));
    assert_eq!(run("create temp view v as select * from base").await, Ok(()));
    assert_eq!(run("create or replace temp view base as select 2 as y, 3 as x").await, Ok(()));
    assert_eq!(world.rows("select * from v").await, ["3"]);
    assert_eq!(run("create or replace temp view base as select 2 as y").await, Ok(()));
    assert_eq!(run("select * from v").await, Err("INCOMPATIBLE_VIEW_SCHEMA_CHANGE".to_owned()));
    assert_eq!(
        run("create or replace temp view base as select * from v").await,
        Err("INCOMPATIBLE_VIEW_SCHEMA_CHANGE".to_owned())
    );
    assert_eq!(
        run("create or replace temp view base as select * from base").await,
        Err("RECURSIVE_VIEW".to_owned())
    );
    assert_eq!(run("drop view base").await, Ok(()));
    assert_eq!(run("select * from v").await, Err("TABLE_OR_VIEW_NOT_FOUND".to_owned()));
    // And under the settings in effect at its creation.
    assert_eq!(run("set spark.sql.ansi.enabled = false").await, Ok(()));
    assert_eq!(run("create temp view lax as select 1 / 0 as a").await, Ok(()));
    assert_eq!(run("set spark.sql.ansi.enabled = true").await, Ok(()));
    assert_eq!(
        world.rows("select a is null, (select count(*) from lax) from lax").await,
        ["true|1"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn implicit_cross_joins_are_refused_if_a_setting_says_so() {
    let world = world("2");
    world.sql("set spark.sql.crossJoin.enabled = false").await.expect("a setting");
    let a_and_b = "select count(*) from range(2) a";
    let cases = [
        (", range(2) b", None),
        ("join range(2) b on a.id = 1", None),
        ("left join range(2) b on true", None),
        (", range(2) b where a.id = 1 and b.id = 1", None),
        ("cross join range(2) b", Some("4")),
        ("cross join range(2) b where a.id = 1", Some("2")),
        (", range(2) b where a.id = b.id", Some("2")),
        (", range(2) b where a.id < b.id", Some("1")),
        ("left semi join range(2) b", Some("2")),
        ("where a.id < (select max(id) from range(2))", Some("1")),
        ("where exists (select 1 from range(2) b where b.id = a.id limit 1)", Some("2")),
    ];
    for (rest, expected) in cases {
        let rows = world.sql(&format!("{a_and_b} {rest}")).await;
        match expected {
            Some(count) => {
                let rows = crate::harness::rows(&rows.expect(rest).batches);
                assert_eq!(rows, [count], "{rest}");
            }
            None => assert_eq!(rows.expect_err(rest).class(), "_LEGACY_ERROR_TEMP_1211", "{rest}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_may_use_the_grouping_of_a_select_list_without_it() {
    let world = shops().await;
    world
        .check(&[
            ("select shop, count(*) from sale group by rollup(shop) order by grouping(shop) desc, shop", &["NULL|3", "1|2", "2|1"]),
            ("select shop s, count(*) from sale group by cube(shop) order by grouping_id(), s desc", &["2|1", "1|2", "NULL|3"]),
        ])
        .await;
}
