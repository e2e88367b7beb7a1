//! Queries.

use super::short;
use crate::SparkParser;
use plan::TextParser;

fn check(cases: &[(&str, &str)]) {
    short::check(cases, |text| Ok(short::statement(&SparkParser.statement(text)?)));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn clauses_of_a_select_nest_in_order() {
    check(&[
        ("select 1;", "Project(OneRow, [1])"),
        ("select a, b x from t", "Project(Table(t), [a, b as x])"),
        (
            "select distinct a from t where b > 1",
            "Distinct(Project(Filter(Table(t), >(b, 1)), [a]))",
        ),
        (
            "select a, sum(b) from t group by a having sum(b) > 1",
            "Aggregate(Table(t), [a], [a, sum(b)], having >(sum(b), 1))",
        ),
        (
            "select sum(b) from t having sum(b) > 1",
            "Aggregate(Table(t), [], [sum(b)], having >(sum(b), 1))",
        ),
        ("select a from t group by all", "Aggregate(Table(t), all, [a])"),
        ("select a from t group by 1, rollup(b)", "Aggregate(Table(t), sets[(1, b), (1)], [a])"),
        ("select a from t group by rollup(a, b)", "Aggregate(Table(t), rollup[a, b], [a])"),
        ("select a from t group by a, b with cube", "Aggregate(Table(t), cube[a, b], [a])"),
        (
            "select a from t group by a, b grouping sets ((a, b), (a), ())",
            "Aggregate(Table(t), sets[(a, b), (a), ()], [a])",
        ),
        (
            "select a from t group by grouping sets ((a), ())",
            "Aggregate(Table(t), sets[(a), ()], [a])",
        ),
        (
            "select a from t group by rollup((a, b), c)",
            "Aggregate(Table(t), sets[(a, b, c), (a, b), ()], [a])",
        ),
        (
            "select a from t order by a desc nulls first, b limit 3 offset 2",
            "Limit(Offset(Sort(Project(Table(t), [a]), [a desc nulls first, b]), 2), 3)",
        ),
        ("select a from t limit all", "Project(Table(t), [a])"),
        ("select a from t order by all", "Sort(Project(Table(t), [a]), [ALL])"),
        ("select a from t sort by a", "SortWithin(Project(Table(t), [a]), [a])"),
        (
            "select a from t distribute by a sort by b desc",
            "SortWithin(Distribute(Project(Table(t), [a]), [a]), [b desc])",
        ),
        (
            "select a from t cluster by a limit 1",
            "Limit(SortWithin(Distribute(Project(Table(t), [a]), [a]), [a]), 1)",
        ),
        (
            "select a, sum(b) from t group by a having sum(b) > 1 sort by a",
            "SortWithin(Aggregate(Table(t), [a], [a, sum(b)], having >(sum(b), 1)), [a])",
        ),
        (
            "select sum(a) over w from t window w as (partition by b)",
            "Project(Table(t), [sum(a) over [b|]])",
        ),
        (
            "select sum(a) over (w rows current row) from t window w as (order by b)",
            "Project(Table(t), [sum(a) over [|b rows CurrentRow..CurrentRow]])",
        ),
        (
            "select /*+ BROADCAST(t), REPARTITION(3, a) */ * from t",
            "Hint(Hint(Project(Table(t), [*]), REPARTITION[3, a]), BROADCAST[t])",
        ),
        ("select /* none */ 1 -- end\n", "Project(OneRow, [1])"),
        ("select values, table from t", "Project(Table(t), [values, table])"),
        ("from t select a where b", "Project(Filter(Table(t), b), [a])"),
        ("from t", "Table(t)"),
        ("table t", "Project(Table(t), [*])"),
        (
            "(table a.b) union all table c",
            "Union all(Project(Table(a.b), [*]), Project(Table(c), [*]))",
        ),
    ]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn tables_and_joins_nest_to_the_left() {
    check(&[
        ("select * from a, b", "Project(Inner(Table(a), Table(b)), [*])"),
        (
            "select * from a join b on a.x = b.x left join c using (x, y)",
            "Project(LeftOuter(Inner(Table(a), Table(b), on ==(a.x, b.x)), Table(c), using x y), [*])",
        ),
        (
            "select * from a right outer join b on x full join c on y",
            "Project(FullOuter(RightOuter(Table(a), Table(b), on x), Table(c), on y), [*])",
        ),
        (
            "select * from a cross join b left semi join c on x left anti join d on y",
            "Project(LeftAnti(LeftSemi(Cross(Table(a), Table(b)), Table(c), on x), Table(d), on y), [*])",
        ),
        (
            "select * from a semi join c on x anti join d on y",
            "Project(LeftAnti(LeftSemi(Table(a), Table(c), on x), Table(d), on y), [*])",
        ),
        ("select * from a natural join b", "Project(Inner(Table(a), Table(b), natural), [*])"),
        (
            "select * from a natural left join b",
            "Project(LeftOuter(Table(a), Table(b), natural), [*])",
        ),
        (
            "select * from a join (b join c on x) on y",
            "Project(Inner(Table(a), Inner(Table(b), Table(c), on x), on y), [*])",
        ),
        ("select * from (select 1) as s(a)", "Project(Project(OneRow, [1]) as s(a), [*])"),
        ("select * from (select 1)", "Project(Project(OneRow, [1]), [*])"),
        ("select * from table", "Project(Table(table), [*])"),
        (
            "select * from table join table t",
            "Project(Inner(Table(table), Table(table) as t), [*])",
        ),
        ("select * from a x", "Project(Table(a) as x, [*])"),
        ("select * from parquet.`/tmp/a b`", "Project(Table(parquet./tmp/a b), [*])"),
        ("select * from range(1, 10)", "Project(TableFunction(range(1, 10)), [*])"),
        ("select * from f(table(a.b))", "Project(TableFunction(f(table{Table(a.b)}[|])), [*])"),
        (
            "select * from f(1, t => table(select 1) partition by (x, y) order by (z desc, y), 2)",
            "Project(TableFunction(f(1, t => table{Project(OneRow, [1])}[x, y|z desc, y], 2)), [*])",
        ),
        (
            "select * from f(table(a) with single partition sort by x + 1)",
            "Project(TableFunction(f(table{Table(a)}[|+(x, 1)] single)), [*])",
        ),
        (
            "select * from f(table(a) distribute by x % 2)",
            "Project(TableFunction(f(table{Table(a)}[%(x, 2)|])), [*])",
        ),
        ("select * from range(10) as r(n)", "Project(TableFunction(range(10)) as r(n), [*])"),
        (
            "select * from a, lateral (select a.x)",
            "Project(LateralInner(Table(a), Project(OneRow, [a.x])), [*])",
        ),
        (
            "select * from a left join lateral explode(a.x) e on true",
            "Project(LateralLeftOuter(Table(a), TableFunction(explode(a.x)) as e, on true), [*])",
        ),
        (
            "select * from t lateral view explode(x) e as c where c > 1",
            "Project(Filter(View(Table(t), explode(x), e(c)), >(c, 1)), [*])",
        ),
        (
            "select * from t lateral view outer explode(x) e lateral view posexplode(y) f as a, b",
            "Project(View(View outer(Table(t), explode(x), e()), posexplode(y), f(a b)), [*])",
        ),
        (
            "select * from t lateral view explode(x) e order by 1",
            "Sort(Project(View(Table(t), explode(x), e()), [*]), [1])",
        ),
        (
            "select * from values (1, 'a'), (2, 'b') as t(x, y)",
            "Project(Values([1, 'a'], [2, 'b']) as t(x y), [*])",
        ),
        ("select * from values 1, 2 + 3 t", "Project(Values([1], [+(2, 3)]) as t, [*])"),
        ("values (1), (2)", "Values([1], [2])"),
        ("values 1, date '1970-01-02', array(1, 2)", "Values([1], [date 1], [array(1, 2)])"),
        (
            "select * from t tablesample (10 percent) repeatable (7) as s",
            "Project(Sample(Table(t), 0.1, Some(7)) as s, [*])",
        ),
        ("select * from t tablesample (5 rows)", "Project(Limit(Table(t), 5), [*])"),
        (
            "select * from t tablesample (bucket 1 out of 4)",
            "Project(Sample(Table(t), 0.25, None), [*])",
        ),
        (
            "select * from t pivot (sum(a) as s for b in ('x', 'y' as z))",
            "Project(Aggregate(Table(t), all, [sum(a) as s], pivot b 2), [*])",
        ),
    ]);
}

#[test]
fn queries_combine() {
    check(&[
        (
            "select 1 union select 2 union all select 3",
            "Union all(Union(Project(OneRow, [1]), Project(OneRow, [2])), Project(OneRow, [3]))",
        ),
        (
            "select 1 union select 2 intersect select 3",
            "Union(Project(OneRow, [1]), Intersect(Project(OneRow, [2]), Project(OneRow, [3])))",
        ),
        (
            "select 1 except all select 2 minus select 3",
            "Except(Except all(Project(OneRow, [1]), Project(OneRow, [2])), Project(OneRow, [3]))",
        ),
        (
            "select 1 a union by name select 2 a",
            "Union by name(Project(OneRow, [1 as a]), Project(OneRow, [2 as a]))",
        ),
        (
            "select 1 union all select 2 order by 1 limit 1",
            "Limit(Sort(Union all(Project(OneRow, [1]), Project(OneRow, [2])), [1]), 1)",
        ),
        (
            "select 1 union all select a from t sort by a",
            "SortWithin(Union all(Project(OneRow, [1]), Project(Table(t), [a])), [a])",
        ),
        (
            "(select 1 limit 1) union (select 2)",
            "Union(Limit(Project(OneRow, [1]), 1), Project(OneRow, [2]))",
        ),
        (
            "with a as (select 1), b(x) as (select * from a) select * from b",
            "With(a = Project(OneRow, [1]), b = Project(Table(a), [*]) as b(x); Project(Table(b), [*]))",
        ),
        (
            "with recursive r as (select 1 n union all select n + 1 from r) select * from r",
            "With(recursive r = Union all(Project(OneRow, [1 as n]), Project(Table(r), [+(n, 1)])); Project(Table(r), [*]))",
        ),
        (
            "with a (select 1) select * from a",
            "With(a = Project(OneRow, [1]); Project(Table(a), [*]))",
        ),
        (
            "select (with a as (select 1) select * from a)",
            "Project(OneRow, [scalar{With(a = Project(OneRow, [1]); Project(Table(a), [*]))}])",
        ),
    ]);
}
