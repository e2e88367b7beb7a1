//! Programs run by a session: Spark SQL and relations, resolved by Spark's rules, cut into stages
//! and run.

use crate::harness::rows;
use crate::local::LocalRunner;
use crate::tpch::{query, tables, write_tables};
use datafusion::prelude::SessionContext;
use engine::{Answer, Session, Shared, SqlOutcome};
use model::ByteSize;
use model::conf::Conf;
use plan::{Expr, Relation, RelationKind, SparkError};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A session, its runner, and the directory of both.
pub(crate) struct World {
    pub(crate) session: Session,
    pub(crate) runner: LocalRunner,
    pub(crate) directory: TempDir,
}

pub(crate) fn world(partitions: &str) -> World {
    world_with_memory(partitions, ByteSize::mib(1024))
}

/// Its tasks share this much memory.
pub(crate) fn world_with_memory(partitions: &str, memory: ByteSize) -> World {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let conf: Conf = [
        ("spark.sql.shuffle.partitions", partitions),
        ("spark.sql.session.timeZone", "UTC"),
        ("spark.default.parallelism", "4"),
    ]
    .into_iter()
    .collect();
    let state = engine::session_state(&conf).expect("a profile");
    let functions = Arc::new(functions::Registry::new());
    let shared = Shared::new(state, functions, directory.path().join("warehouse"));
    let session = Session::new(Arc::new(shared), Arc::new(sql::SparkParser), conf);
    let runner = LocalRunner::new(directory.path(), 4, memory);
    World { session, runner: runner.expect("a runner"), directory }
}

pub(crate) fn text(sql: &str) -> Relation {
    RelationKind::Sql { text: sql.to_owned(), arguments: Vec::new() }.into()
}

impl World {
    /// Like `spark.sql(…).collect()`.
    pub(crate) async fn sql(&self, sql: &str) -> Result<Answer, SparkError> {
        let relation = text(sql);
        match self.session.sql(&relation, &self.runner).await? {
            SqlOutcome::Rows(answer) => Ok(answer),
            SqlOutcome::Query => self.session.execute(&relation, &self.runner).await,
        }
    }

    /// The rows as `a|b`, in order.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        match self.sql(sql).await {
            Ok(answer) => rows(&answer.batches),
            Err(error) => vec![error.to_string()],
        }
    }

    pub(crate) async fn check(&self, cases: &[(&str, &[&str])]) {
        for (sql, expected) in cases {
            assert_eq!(self.rows(sql).await, *expected, "{sql}");
        }
    }
}

/// Whether two rows are equal, with numbers compared to the digits that both type systems keep.
pub(crate) fn alike(left: &str, right: &str) -> bool {
    let (left, right): (Vec<_>, Vec<_>) = (left.split('|').collect(), right.split('|').collect());
    left.len() == right.len()
        && left.iter().zip(&right).all(|(l, r)| match (l.parse::<f64>(), r.parse::<f64>()) {
            (Ok(l), Ok(r)) => (l - r).abs() <= 1e-3 + 1e-6 * l.abs(),
            _ => l == r,
        })
}

async fn check_tpch(partitions: &str) {
    let world = world(partitions);
    let data = world.directory.path().join("data");
    write_tables(&data);
    let single = SessionContext::new();
    tables(&single, &data).await;
    view_tables(&world, &data).await;
    let mut wrong = Vec::new();
    for number in 1..=22 {
        let sql = query(number);
        let expected = single.sql(&sql).await.expect("the query is valid");
        let mut expected = rows(&expected.collect().await.expect("the query runs"));
        let mut actual = world.rows(&sql).await;
        if !sql.contains("order by") {
            actual.sort();
            expected.sort();
        }
        let same = actual.len() == expected.len()
            && actual.iter().zip(&expected).all(|(a, e)| alike(a, e));
        if !same {
            let first = |rows: &[String]| rows.iter().take(2).cloned().collect::<Vec<_>>();
            wrong.push(format!(
                "query {number}: {:?} instead of {:?}",
                first(&actual),
                first(&expected)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn view_tables(world: &World, data: &Path) {
    for table in crate::tpch::TABLES {
        let path = data.join(table).display().to_string();
        let sql = format!("CREATE TEMPORARY VIEW {table} AS SELECT * FROM parquet.`{path}`");
        world.sql(&sql).await.expect("a view");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tpch_in_spark_sql_gives_the_answers_of_one_process() {
    check_tpch("3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_created_filled_read_and_dropped() {
    let world = world("2");
    world
        .check(&[
            ("CREATE TABLE pets (name STRING, age INT, kind STRING) USING parquet PARTITIONED BY (kind)", &[]),
            ("INSERT INTO pets VALUES ('Tom', 3, 'cat'), ('Rex', 5, 'dog')", &[]),
            ("INSERT INTO pets (kind, name) SELECT 'cat', 'Kit'", &[]),
            ("SELECT * FROM pets ORDER BY name", &["Kit|NULL|cat", "Rex|5|dog", "Tom|3|cat"]),
            ("SHOW TABLES", &["default|pets|false"]),
            ("SELECT count(*) FROM default.pets WHERE kind = 'cat'", &["2"]),
            ("CREATE TABLE old AS SELECT * FROM pets WHERE age > 3", &[]),
            ("SELECT name FROM old", &["Rex"]),
            ("DROP TABLE pets", &[]),
        ])
        .await;
    let error = world.sql("SELECT * FROM pets").await.expect_err("the table is gone");
    assert_eq!(error.class(), "TABLE_OR_VIEW_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn displayed_rows_and_statistics_are_those_of_spark() {
    let world = world("2");
    let input = text("SELECT id, id % 2 AS odd FROM range(30)");
    let show =
        RelationKind::ShowString { input: input.clone(), rows: 2, truncate: 20, vertical: false };
    let answer = world.session.execute(&show.into(), &world.runner).await.expect("it is shown");
    let expected = "+---+---+\n| id|odd|\n+---+---+\n|  0|  0|\n|  1|  1|\n+---+---+\nonly showing top 2 rows\n";
    assert_eq!(rows(&answer.batches), [expected]);

    let pivot = plan::Aggregate {
        input: input.clone(),
        grouping: plan::Grouping::By(vec![
            Expr::call("%", vec![Expr::column("id"), Expr::integer(3)]).alias("m"),
        ]),
        expressions: vec![Expr::call("count", vec![Expr::integer(1)])],
        with_keys: true,
        having: None,
        pivot: Some(plan::Pivot { column: Expr::column("odd"), values: Vec::new() }),
    };
    let order = vec![plan::SortOrder {
        expr: Expr::column("m"),
        ascending: true,
        nulls: plan::NullOrder::Default,
    }];
    let sorted =
        RelationKind::Sort { input: RelationKind::Aggregate(pivot).into(), order, global: true };
    let answer = world.session.execute(&sorted.into(), &world.runner).await.expect("it is pivoted");
    let names: Vec<_> = answer.schema.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["m", "0", "1"]);
    assert_eq!(rows(&answer.batches), ["0|5|5", "1|5|5", "2|5|5"]);

    let statistics = plan::Statistics::Describe { columns: vec!["id".to_owned()] };
    let describe = RelationKind::Statistics { input, statistics };
    let answer =
        world.session.execute(&describe.into(), &world.runner).await.expect("it is described");
    assert_eq!(rows(&answer.batches)[0], "count|30");
    assert_eq!(rows(&answer.batches)[1], "mean|14.5000");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_views_and_databases_have_the_scope_of_spark() {
    let world = world("2");
    world
        .check(&[
            ("CREATE TEMPORARY VIEW v AS SELECT 1 AS x", &[]),
            ("CREATE OR REPLACE TEMPORARY VIEW v AS SELECT 2 AS x", &[]),
            ("SELECT * FROM v", &["2"]),
            ("CREATE GLOBAL TEMPORARY VIEW g AS SELECT 7 AS x", &[]),
            ("SELECT * FROM global_temp.g", &["7"]),
            ("CREATE DATABASE d", &[]),
            ("USE d", &[]),
            ("SELECT current_database()", &["d"]),
            ("SHOW DATABASES", &["d", "default"]),
            ("SET spark.sql.shuffle.partitions = 5", &["spark.sql.shuffle.partitions|5"]),
            ("DROP VIEW v", &[]),
        ])
        .await;
    assert_eq!(world.session.setting("spark.sql.shuffle.partitions").as_deref(), Some("5"));
    let other = world.session.fork();
    other.set("spark.sql.shuffle.partitions", "6").expect("it may be set");
    assert_eq!(world.session.setting("spark.sql.shuffle.partitions").as_deref(), Some("5"));
    let error =
        world.session.set("spark.executor.memory", "2g").expect_err("it is fixed at the start");
    assert_eq!(error.class(), "CANNOT_MODIFY_CONFIG");
}

fn literal(value: i32) -> plan::Literal {
    plan::Literal::Integer(value)
}

fn names(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

/// The column names, then the rows ordered by their text.
async fn outcome(world: &World, kind: RelationKind) -> Vec<String> {
    match world.session.execute(&kind.into(), &world.runner).await {
        Ok(answer) => {
            let names: Vec<_> = answer.schema.iter().map(|field| field.name.clone()).collect();
            let mut rows = rows(&answer.batches);
            rows.sort();
            std::iter::once(names.join("|")).chain(rows).collect()
        }
        Err(error) => vec![error.to_string()],
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn data_frame_methods_transform_columns_and_rows() {
    let world = world("2");
    let t = || {
        text("SELECT * FROM VALUES (1, 'a', 1.5D), (2, 'b', NULL), (2, 'b', NULL) AS v(id, k, x)")
    };
    let id = || Expr::column("id");
    let turned = |column| plan::UnpivotRow { columns: vec![column], alias: None };
    let input = t;
    let cases: Vec<(&str, RelationKind, &[&str])> = vec![
        (
            "drop",
            RelationKind::Drop { input: t(), columns: vec![], names: names(&["x", "none"]) },
            &["id|k", "1|a", "2|b", "2|b"],
        ),
        (
            "with columns",
            RelationKind::WithColumns {
                input: t(),
                columns: vec![Expr::string("z").alias("K"), id().alias("n")],
            },
            &["id|K|x|n", "1|z|1.5000|1", "2|z|NULL|2", "2|z|NULL|2"],
        ),
        (
            "renamed",
            RelationKind::WithColumnsRenamed {
                input: t(),
                renames: vec![("ID".into(), "i".into())],
            },
            &["i|k|x", "1|a|1.5000", "2|b|NULL", "2|b|NULL"],
        ),
        (
            "fill",
            RelationKind::NaFill(plan::NaFill {
                input: t(),
                columns: vec![],
                values: vec![literal(0)],
            }),
            &["id|k|x", "1|a|1.5000", "2|b|0.0000", "2|b|0.0000"],
        ),
        (
            "drop null",
            RelationKind::NaDrop { input: t(), columns: vec![], min_non_nulls: None },
            &["id|k|x", "1|a|1.5000"],
        ),
        (
            "at least two",
            RelationKind::NaDrop { input: t(), columns: vec![], min_non_nulls: Some(2) },
            &["id|k|x", "1|a|1.5000", "2|b|NULL", "2|b|NULL"],
        ),
        (
            "replace",
            RelationKind::NaReplace {
                input: t(),
                columns: names(&["id"]),
                replacements: vec![(literal(2), literal(9))],
            },
            &["id|k|x", "1|a|1.5000", "9|b|NULL", "9|b|NULL"],
        ),
        (
            "distinct",
            RelationKind::Deduplicate { input: t(), columns: vec![] },
            &["id|k|x", "1|a|1.5000", "2|b|NULL"],
        ),
        (
            "by key",
            RelationKind::Deduplicate { input: t(), columns: names(&["k"]) },
            &["id|k|x", "1|a|1.5000", "2|b|NULL"],
        ),
        (
            "unpivot",
            RelationKind::Unpivot(plan::Unpivot {
                input: t(),
                ids: Some(vec![Expr::column("k")]),
                values: Some([id(), Expr::column("x")].map(turned).into()),
                variable_name: "name".into(),
                value_names: vec!["value".into()],
            }),
            &[
                "k|name|value",
                "a|id|1.0000",
                "a|x|1.5000",
                "b|id|2.0000",
                "b|id|2.0000",
                "b|x|NULL",
                "b|x|NULL",
            ],
        ),
        (
            "tail",
            RelationKind::Tail { input: text("SELECT id FROM range(5) ORDER BY id"), limit: 2 },
            &["id", "3", "4"],
        ),
        (
            "sample",
            RelationKind::Aggregate(plan::Aggregate {
                input: RelationKind::Sample(plan::Sample {
                    input: text("SELECT * FROM range(1000)"),
                    lower: 0.0,
                    upper: 1.0,
                    with_replacement: false,
                    seed: Some(3),
                })
                .into(),
                grouping: plan::Grouping::By(vec![]),
                expressions: vec![Expr::call(
                    "count",
                    vec![Expr::Star { target: vec![], except: vec![], plan_id: None }],
                )],
                with_keys: true,
                having: None,
                pivot: None,
            }),
            &["count(1)", "1000"],
        ),
        (
            "local sort",
            RelationKind::Sort {
                input: RelationKind::Repartition { input: t(), partitions: 3, shuffle: true }
                    .into(),
                order: vec![plan::SortOrder {
                    expr: id(),
                    ascending: true,
                    nulls: plan::NullOrder::Default,
                }],
                global: false,
            },
            &["id|k|x", "1|a|1.5000", "2|b|NULL", "2|b|NULL"],
        ),
        (
            "by hash and by range",
            RelationKind::RepartitionByExpression {
                input: RelationKind::RepartitionByExpression {
                    input: t(),
                    expressions: vec![id()],
                    partitions: Some(4),
                }
                .into(),
                expressions: vec![Expr::SortOrder(Box::new(plan::SortOrder {
                    expr: id(),
                    ascending: false,
                    nulls: plan::NullOrder::Default,
                }))],
                partitions: None,
            },
            &["id|k|x", "1|a|1.5000", "2|b|NULL", "2|b|NULL"],
        ),
        (
            "crosstab",
            RelationKind::Statistics {
                input: t(),
                statistics: plan::Statistics::Crosstab { left: "k".into(), right: "id".into() },
            },
            &["k_id|1|2", "a|1|0", "b|0|2"],
        ),
        (
            "covariance",
            RelationKind::Statistics {
                input: input(),
                statistics: plan::Statistics::Covariance { left: "id".into(), right: "id".into() },
            },
            &["cov", "0.3333"],
        ),
        (
            "hint",
            RelationKind::Hint { input: t(), name: "broadcast".into(), parameters: vec![] },
            &["id|k|x", "1|a|1.5000", "2|b|NULL", "2|b|NULL"],
        ),
        (
            "schema",
            RelationKind::ToSchema {
                input: t(),
                schema: vec![
                    plan::Field::new("K", plan::DataType::String, true),
                    plan::Field::new("id", plan::DataType::Long, true),
                ],
            },
            &["K|id", "a|1", "b|2", "b|2"],
        ),
        (
            "by name",
            RelationKind::SetOperation(plan::SetOperation {
                left: text("SELECT 1 AS a, 2 AS b"),
                right: text("SELECT 3 AS b, 4L AS c"),
                operator: plan::SetOperator::Union,
                all: true,
                by_name: true,
                allow_missing_columns: true,
            }),
            &["a|b|c", "1|2|NULL", "NULL|3|4"],
        ),
    ];
    let mut wrong = Vec::new();
    for (name, kind, expected) in cases {
        let found = outcome(&world, kind).await;
        if found != expected {
            wrong.push(format!("{name}: {found:?} instead of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
