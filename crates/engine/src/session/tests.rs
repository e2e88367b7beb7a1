//! SQL text and hand-made plans, resolved and then run by `DataFusion` in one process.

use super::{Answer, Session, Shared};
use crate::{JobPlan, RunJob};
use analysis::Purpose;
use arrow::record_batch::RecordBatch;
use datafusion::prelude::SessionContext;
use model::conf::Conf;
use plan::{
    DataType, Expr, Join, JoinCondition, JoinType, Relation, RelationKind, SparkError, Statement,
    TextParser,
};
use std::sync::Arc;

/// A runner that fails every job: planning needs none here.
#[derive(Debug)]
struct NoJobs;

#[async_trait::async_trait]
impl RunJob for NoJobs {
    async fn run(&self, _: JobPlan) -> Result<Vec<Vec<RecordBatch>>, SparkError> {
        Err(SparkError::internal("planning ran a job"))
    }

    async fn uncache(&self, _: model::CacheId) -> Result<(), SparkError> {
        Ok(())
    }

    async fn stored(&self, _: model::CacheId) -> Result<(u64, u64), SparkError> {
        Ok((0, 0))
    }

    async fn sizes(&self, _: model::ShuffleId) -> Result<crate::ShuffleSizes, SparkError> {
        Ok(crate::ShuffleSizes::default())
    }

    async fn application_status(&self) -> Result<String, SparkError> {
        Ok("{}".to_owned())
    }

    fn detached(&self) -> Arc<dyn RunJob> {
        Arc::new(Self)
    }

    fn slots(&self) -> u32 {
        2
    }
}

pub(super) fn session() -> Session {
    let conf = Conf::from_iter([
        ("spark.sql.shuffle.partitions", "2"),
        ("spark.sql.session.timeZone", "UTC"),
    ]);
    let state = crate::session_state(&conf).unwrap();
    let functions = Arc::new(functions::Registry::new());
    let shared = Shared::new(state, functions, std::env::temp_dir().join("warehouse"));
    let session = Session::new(Arc::new(shared), Arc::new(sql::SparkParser), conf);
    view(
        &session,
        "t",
        "SELECT * FROM VALUES (1, 'a', 10), (2, 'b', 20), (3, 'a', NULL) AS v(id, k, n)",
    );
    view(&session, "u", "SELECT * FROM VALUES (1, 'x'), (3, 'y'), (4, 'z') AS v(id, w)");
    view(&session, "s", "SELECT array(1, 2) AS l, named_struct('f', 7, 'g', 'h') AS st");
    session
}

pub(super) fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn view(session: &Session, name: &str, text: &str) {
    let command = format!("CREATE OR REPLACE TEMPORARY VIEW {name} AS {text}");
    let Ok(Statement::Command(command)) = sql::SparkParser.statement(&command) else {
        panic!("not a command: {command}");
    };
    block(session.command(&command, &NoJobs)).unwrap();
}

fn query(text: &str) -> Relation {
    RelationKind::Sql { text: text.to_owned(), arguments: Vec::new() }.into()
}

async fn rows(session: &Session, relation: &Relation) -> Result<Answer, SparkError> {
    let analyzed = session.resolve(relation, Purpose::Run, None, &NoJobs).await?;
    let context = SessionContext::new_with_state(session.shared.state.clone());
    let frame = context
        .execute_logical_plan(analyzed.plan)
        .await
        .map_err(|error| functions::spark_error(&error))?;
    let batches = frame.collect().await.map_err(|error| functions::spark_error(&error))?;
    Ok(Answer { schema: analyzed.schema, batches })
}

/// Column names, then rows, as `a|b / 1|2 / …`.
fn shown(answer: &Answer) -> String {
    let mut lines =
        vec![answer.schema.iter().map(|field| field.name.clone()).collect::<Vec<_>>().join("|")];
    for batch in &answer.batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| functions::show(column, "UTC").unwrap()).collect();
        for row in 0..batch.num_rows() {
            lines
                .push(columns.iter().map(|column| column.value(row)).collect::<Vec<_>>().join("|"));
        }
    }
    lines.join(" / ")
}

/// Runs each text and compares; shows all failures.
fn check(cases: &[(&str, &str)]) {
    let session = session();
    let mut wrong = Vec::new();
    for (text, expected) in cases {
        let found = match block(rows(&session, &query(text))) {
            Ok(answer) => shown(&answer),
            Err(error) => format!("{}: {}", error.class(), error.message),
        };
        if found != *expected {
            wrong.push(format!("{text}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Resolves each text, which must fail with a condition and parameters.
fn check_errors(cases: &[(&str, &str, &[(&str, &str)])]) {
    let session = session();
    for (text, class, parameters) in cases {
        let error = block(session.analyze(&query(text), &NoJobs)).expect_err(text);
        assert_eq!(error.class(), *class, "{text}: {}", error.message);
        for (name, value) in *parameters {
            let found = error.parameters.iter().find(|(known, _)| known == name);
            assert_eq!(found.map(|(_, v)| v.as_str()), Some(*value), "{text}: {name}");
        }
    }
}

#[test]
fn the_schema_of_a_query_that_was_just_checked_is_known_until_something_changes() {
    let session = session();
    let of_view = query("SELECT * FROM changing");
    let schema = || {
        let analyzed = block(session.analyze(&of_view, &NoJobs)).unwrap();
        analyzed.schema.iter().map(|field| field.name.clone()).collect::<Vec<_>>().join(",")
    };
    let check = || assert!(block(session.sql(&of_view, &NoJobs)).is_ok());
    view(&session, "changing", "SELECT 1 AS a");
    check();
    let known = session.checked(&of_view).expect("it was checked");
    assert_eq!(known.schema[0].name, "a");
    assert!(session.checked(&of_view).is_none(), "it is asked for once");
    check();
    assert!(session.checked(&query("SELECT 1")).is_none());
    assert_eq!(schema(), "a");
    check();
    view(&session, "changing", "SELECT 1 AS b");
    assert_eq!(schema(), "b");
    check();
    session.set("spark.sql.ansi.enabled", "false").unwrap();
    assert!(session.checked(&of_view).is_none());
    check();
    session.shared.change_catalogue(|_| ());
    assert!(session.checked(&of_view).is_none(), "tables may have changed");
}

#[test]
fn column_names_are_those_of_spark() {
    check(&[
        ("SELECT id * 5 FROM t WHERE id = 1", "(id * 5) / 5"),
        ("SELECT count(*), sum(n) FROM t", "count(1)|sum(n) / 3|30"),
        (
            "SELECT CAST(id AS STRING), CAST(id + 1 AS STRING) FROM t WHERE id = 1",
            "id|CAST((id + 1) AS STRING) / 1|2",
        ),
        ("SELECT 1, 'x', NULL", "1|x|NULL / 1|x|NULL"),
        ("SELECT t.id, T.K FROM t WHERE t.id = 2", "id|K / 2|b"),
        ("SELECT st.f, st['g'], l[0] FROM s", "f|st.g|l[0] / 7|h|1"),
        ("SELECT st.* FROM s", "f|g / 7|h"),
        ("SELECT count(DISTINCT k) FROM t", "count(DISTINCT k) / 2"),
    ]);
}

#[test]
fn a_select_list_may_use_its_own_aliases_and_an_order_dropped_columns() {
    check(&[
        ("SELECT id + 1 AS a, a * 2 AS b FROM t WHERE id = 1", "a|b / 2|4"),
        ("SELECT k FROM t ORDER BY id DESC", "k / a / b / a"),
        ("SELECT id AS x FROM t ORDER BY x DESC LIMIT 1", "x / 3"),
        ("SELECT id FROM t ORDER BY 1 DESC LIMIT 1", "id / 3"),
        ("SELECT k, id, id FROM t ORDER BY n DESC NULLS LAST LIMIT 1", "k|id|id / b|2|2"),
        ("SELECT id FROM t ORDER BY n", "id / 3 / 1 / 2"),
    ]);
}

#[test]
fn grouping_is_by_expression_position_alias_and_set() {
    check(&[
        ("SELECT k, sum(n) FROM t GROUP BY k ORDER BY k", "k|sum(n) / a|10 / b|20"),
        ("SELECT upper(k) AS u, count(*) FROM t GROUP BY u ORDER BY 1", "u|count(1) / A|2 / B|1"),
        ("SELECT k, count(*) AS c FROM t GROUP BY 1 HAVING c > 1", "k|c / a|2"),
        ("SELECT k FROM t GROUP BY k ORDER BY count(*) DESC", "k / a / b"),
        ("SELECT k, sum(id) + 1 FROM t GROUP BY ALL ORDER BY k", "k|(sum(id) + 1) / a|5 / b|3"),
        (
            "SELECT k, id, count(*), grouping_id() FROM t WHERE id < 3 GROUP BY ROLLUP (k, id) ORDER BY k NULLS LAST, id NULLS LAST",
            "k|id|count(1)|grouping_id() / a|1|1|0 / a|NULL|1|1 / b|2|1|0 / b|NULL|1|1 / NULL|NULL|2|3",
        ),
        ("SELECT sum(n) FILTER (WHERE k = 'b') AS s FROM t", "s / 20"),
        ("SELECT count(*) FROM t HAVING count(*) > 5", "count(1)"),
    ]);
}

#[test]
fn joins_of_all_kinds_match_the_right_rows() {
    check(&[
        ("SELECT t.id, w FROM t JOIN u ON t.id = u.id ORDER BY 1", "id|w / 1|x / 3|y"),
        ("SELECT * FROM t JOIN u USING (id) ORDER BY id", "id|k|n|w / 1|a|10|x / 3|a|NULL|y"),
        (
            "SELECT id, w FROM t FULL JOIN u USING (id) ORDER BY id",
            "id|w / 1|x / 2|NULL / 3|y / 4|z",
        ),
        (
            "SELECT t.id, u.id FROM t LEFT JOIN u USING (id) ORDER BY 1",
            "id|id / 1|1 / 2|NULL / 3|3",
        ),
        ("SELECT id FROM t LEFT SEMI JOIN u ON t.id = u.id ORDER BY id", "id / 1 / 3"),
        ("SELECT id FROM t LEFT ANTI JOIN u USING (id)", "id / 2"),
        ("SELECT count(*) FROM t NATURAL JOIN u", "count(1) / 2"),
        ("SELECT count(*) FROM t a CROSS JOIN t b", "count(1) / 9"),
        ("SELECT a.id, b.id FROM t a JOIN t b ON a.id = b.id + 1 ORDER BY 1", "id|id / 2|1 / 3|2"),
    ]);
}

#[test]
fn subqueries_may_use_outer_columns() {
    check(&[
        (
            "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id) ORDER BY id",
            "id / 1 / 3",
        ),
        ("SELECT id FROM t WHERE id NOT IN (SELECT id FROM u)", "id / 2"),
        ("SELECT id FROM t WHERE NOT EXISTS (SELECT * FROM u WHERE u.id = t.id)", "id / 2"),
        ("SELECT id FROM t WHERE id = (SELECT max(id) FROM t)", "id / 3"),
        (
            "SELECT id FROM t WHERE n > (SELECT avg(x.n) - 1 FROM t x WHERE x.k = t.k) ORDER BY id",
            "id / 1 / 2",
        ),
        ("SELECT (SELECT count(*) FROM u) AS c FROM t WHERE id = 1", "c / 3"),
    ]);
}

#[test]
fn set_operations_widen_types() {
    check(&[
        ("SELECT 1 AS a UNION ALL SELECT 2L ORDER BY a", "a / 1 / 2"),
        ("SELECT k FROM t UNION SELECT 'a' ORDER BY 1", "k / a / b"),
        ("SELECT id FROM t INTERSECT SELECT id FROM u ORDER BY 1", "id / 1 / 3"),
        ("SELECT k FROM t EXCEPT ALL SELECT 'a' ORDER BY 1", "k / a / b"),
        ("SELECT id FROM t EXCEPT SELECT id FROM u", "id / 2"),
    ]);
}

#[test]
fn windows_have_the_default_frames_of_spark() {
    check(&[
        (
            "SELECT id, row_number() OVER (PARTITION BY k ORDER BY id) AS r FROM t ORDER BY id",
            "id|r / 1|1 / 2|1 / 3|2",
        ),
        ("SELECT id, sum(id) OVER (ORDER BY k) AS s FROM t ORDER BY id", "id|s / 1|4 / 2|6 / 3|4"),
        (
            "SELECT id, lag(id) OVER (ORDER BY id) AS p FROM t ORDER BY id",
            "id|p / 1|NULL / 2|1 / 3|2",
        ),
        (
            "SELECT id, sum(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM t ORDER BY id",
            "id|s / 1|1 / 2|3 / 3|5",
        ),
        ("SELECT k, sum(sum(id)) OVER () AS s FROM t GROUP BY k ORDER BY k", "k|s / a|6 / b|6"),
    ]);
}

#[test]
fn generators_make_rows() {
    check(&[
        ("SELECT explode(l) FROM s", "col / 1 / 2"),
        ("SELECT st.f, explode(l) AS e FROM s", "f|e / 7|1 / 7|2"),
        ("SELECT posexplode(l) AS (p, e) FROM s", "p|e / 0|1 / 1|2"),
        ("SELECT e FROM s LATERAL VIEW explode(l) x AS e ORDER BY x.e DESC", "e / 2 / 1"),
        ("SELECT stack(2, 1, 'a', 2, 'b')", "col0|col1 / 1|a / 2|b"),
        ("SELECT inline(array(named_struct('a', 1, 'b', 'x')))", "a|b / 1|x"),
        ("SELECT id FROM range(3)", "id / 0 / 1 / 2"),
    ]);
}

#[test]
fn named_queries_shadow_tables_and_each_other() {
    check(&[
        ("WITH t AS (SELECT 9 AS id) SELECT id FROM t", "id / 9"),
        (
            "WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS x FROM a) SELECT a.x, b.x FROM a, b",
            "x|x / 1|2",
        ),
        ("WITH a AS (SELECT 1 AS x) SELECT l.x, r.x FROM a l JOIN a r ON l.x = r.x", "x|x / 1|1"),
    ]);
}

#[test]
fn mistakes_raise_the_conditions_of_spark() {
    check_errors(&[
        (
            "SELECT idd FROM t",
            "UNRESOLVED_COLUMN.WITH_SUGGESTION",
            &[("objectName", "`idd`"), ("proposal", "`id`, `k`, `n`")],
        ),
        ("SELECT x", "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", &[("objectName", "`x`")]),
        ("SELECT * FROM nope", "TABLE_OR_VIEW_NOT_FOUND", &[("relationName", "`nope`")]),
        (
            "SELECT id FROM t JOIN u ON t.id = u.id",
            "AMBIGUOUS_REFERENCE",
            &[("name", "`id`"), ("referenceNames", "[`t`.`id`, `u`.`id`]")],
        ),
        ("SELECT k, id FROM t GROUP BY k", "MISSING_AGGREGATION", &[("expression", "\"id\"")]),
        ("SELECT nofunc(1)", "UNRESOLVED_ROUTINE", &[("routineName", "`nofunc`")]),
        ("SELECT 1 UNION SELECT 1, 2", "NUM_COLUMNS_MISMATCH", &[("operator", "UNION")]),
        (
            "SELECT array(1) UNION SELECT 1",
            "INCOMPATIBLE_COLUMN_TYPE",
            &[("columnOrdinalNumber", "first")],
        ),
        (
            "SELECT k FROM t GROUP BY 3",
            "GROUP_BY_POS_OUT_OF_RANGE",
            &[("index", "3"), ("size", "1")],
        ),
        ("SELECT k FROM t WHERE id", "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", &[]),
        ("SELECT k FROM t WHERE count(*) > 1", "INVALID_WHERE_CONDITION", &[]),
        ("SELECT st.nope FROM s", "FIELD_NOT_FOUND", &[("fieldName", "`nope`")]),
    ]);
}

#[test]
fn a_column_of_a_data_frame_is_found_through_the_operators_above_it() {
    let session = session();
    let of =
        |plan_id, name: &str| Expr::Column { name: vec![name.to_owned()], plan_id: Some(plan_id) };
    let frame = |plan_id| Relation { plan_id: Some(plan_id), ..query("SELECT * FROM t") };
    let filtered = Relation {
        plan_id: Some(2),
        kind: Box::new(RelationKind::Filter {
            input: frame(1),
            condition: Expr::call(">", vec![of(1, "id"), Expr::integer(1)]),
        }),
    };
    let condition = Expr::call("==", vec![of(1, "id"), of(2, "id")]);
    let joined: Relation = RelationKind::Join(Join {
        left: frame(1),
        right: filtered,
        kind: JoinType::Inner,
        condition: JoinCondition::On(condition),
    })
    .into();
    let expressions = vec![of(1, "k"), of(2, "id")];
    let chosen: Relation = RelationKind::Project { input: joined, expressions }.into();
    let order = vec![plan::SortOrder {
        expr: of(1, "id"),
        ascending: false,
        nulls: plan::NullOrder::Default,
    }];
    let sorted = RelationKind::Sort { input: chosen, order, global: true }.into();
    assert_eq!(shown(&block(rows(&session, &sorted)).unwrap()), "k|id / a|3 / b|2");

    let renamed =
        RelationKind::ToDf { input: frame(1), names: vec!["a".into(), "b".into(), "c".into()] };
    let stale = RelationKind::Project { input: renamed.into(), expressions: vec![of(7, "id")] };
    let error = block(session.analyze(&stale.into(), &NoJobs)).unwrap_err();
    assert_eq!(error.class(), "CANNOT_RESOLVE_DATAFRAME_COLUMN");
}

#[test]
fn the_schema_says_what_may_be_null() {
    let session = session();
    let cases = [
        ("SELECT id, id + 1 AS x FROM range(2)", "struct<id:bigint,x:bigint>", [false, false]),
        (
            "SELECT count(*) AS c, sum(id) AS s FROM range(2)",
            "struct<c:bigint,s:bigint>",
            [false, true],
        ),
        (
            "SELECT a.id AS l, b.id AS r FROM range(2) a LEFT JOIN range(3) b ON a.id = b.id",
            "struct<l:bigint,r:bigint>",
            [false, true],
        ),
    ];
    for (text, schema, nullable) in cases {
        let analyzed = block(session.analyze(&query(text), &NoJobs)).unwrap();
        assert_eq!(DataType::Struct(analyzed.schema.clone()).to_string(), schema);
        assert_eq!(
            analyzed.schema.iter().map(|f| f.nullable).collect::<Vec<_>>(),
            nullable,
            "{text}"
        );
    }
}
