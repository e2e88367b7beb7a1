//! Statements other than queries.

use super::short;
use crate::SparkParser;
use plan::{
    Alteration, CatalogRequest, Command, CreateTable, DataType, ExplainMode, Expr, Field, Relation,
    RelationKind, ReplaceMode, SaveMode, ScanOptions, SchemaOrText, Statement, TextParser, View,
    Write, WriteTarget,
};

fn check(cases: Vec<(&str, Command)>) {
    for (text, expected) in cases {
        let got = SparkParser.statement(text);
        assert_eq!(got, Ok(Statement::Command(expected)), "{text}");
    }
}

fn names(names: &str) -> Vec<String> {
    names.split('.').map(str::to_owned).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn one() -> Relation {
    RelationKind::Project {
        input: RelationKind::OneRow.into(),
        expressions: vec![Expr::integer(1)],
    }
    .into()
}

#[expect(clippy::unnecessary_wraps, reason = "the cases read better")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn view() -> View {
    View {
        name: names("v"),
        query: one(),
        columns: Vec::new(),
        replace: ReplaceMode::Fail,
        temporary: true,
        global: false,
        by_name: true,
    }
}

#[test]
fn views_are_created() {
    let scan = ScanOptions {
        format: some("csv"),
        paths: vec!["/tmp/x".into()],
        schema: None,
        options: pairs(&[("header", "true"), ("sep", ";")]),
    };
    let typed = SchemaOrText::Schema(vec![Field::new("a", DataType::Integer, true)]);
    check(vec![
        ("create temp view v as select 1", Command::CreateView(view())),
        (
            "CREATE OR REPLACE GLOBAL TEMPORARY VIEW v (a, b COMMENT 'x') AS SELECT 1",
            Command::CreateView(View {
                columns: vec!["a".into(), "b".into()],
                replace: ReplaceMode::Replace,
                global: true,
                ..view()
            }),
        ),
        (
            "create view if not exists db.v comment 'x' tblproperties ('a' = 'b') as select 1",
            Command::CreateView(View {
                name: names("db.v"),
                replace: ReplaceMode::Keep,
                temporary: false,
                ..view()
            }),
        ),
        (
            "create temporary view v using csv options (path '/tmp/x', header true, 'sep' ';')",
            Command::CreateView(View { query: RelationKind::Scan(scan.clone()).into(), ..view() }),
        ),
        (
            "create temporary view v (a int) using csv options (path = '/tmp/x', header 'true', sep = ';')",
            Command::CreateView(View {
                query: RelationKind::Scan(ScanOptions { schema: Some(typed), ..scan }).into(),
                ..view()
            }),
        ),
    ]);
}

fn table() -> CreateTable {
    CreateTable {
        name: names("t"),
        replace: ReplaceMode::Fail,
        schema: Vec::new(),
        format: None,
        options: Vec::new(),
        location: None,
        partition_by: Vec::new(),
        comment: None,
        properties: Vec::new(),
        query: None,
    }
}

#[test]
fn tables_are_created() {
    let schema =
        vec![Field::new("a", DataType::Integer, false), Field::new("b", DataType::String, true)];
    check(vec![
        (
            "create table if not exists t (a int not null, b string) using parquet options (x '1') \
             partitioned by (b) location '/w' comment 'c' tblproperties ('p' = '2')",
            Command::CreateTable(CreateTable {
                replace: ReplaceMode::Keep,
                schema: schema.clone(),
                format: some("parquet"),
                options: pairs(&[("x", "1")]),
                partition_by: vec!["b".into()],
                location: some("/w"),
                comment: some("c"),
                properties: pairs(&[("p", "2")]),
                ..table()
            }),
        ),
        (
            "create table t using json as select 1",
            Command::CreateTable(CreateTable {
                format: some("json"),
                query: Some(one()),
                ..table()
            }),
        ),
        (
            "create or replace table t (a int not null) partitioned by (b string)",
            Command::CreateTable(CreateTable {
                replace: ReplaceMode::Replace,
                schema,
                partition_by: vec!["b".into()],
                ..table()
            }),
        ),
        (
            "create table t (select 1)",
            Command::CreateTable(CreateTable { query: Some(one()), ..table() }),
        ),
    ]);
}

#[test]
fn rows_are_inserted() {
    let insert = |overwrite, columns: &[&str], partition| Command::Insert {
        table: names("t"),
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        input: one(),
        overwrite,
        by_name: false,
        partition,
    };
    let values =
        RelationKind::Values { rows: vec![vec![Expr::integer(1)], vec![Expr::integer(2)]] };
    check(vec![
        ("insert into t select 1", insert(false, &[], Vec::new())),
        ("insert into table t (a, b) (select 1)", insert(false, &["a", "b"], Vec::new())),
        (
            "insert overwrite t partition (d = 'x', e) select 1",
            insert(true, &[], vec![("d".into(), Some(Expr::string("x"))), ("e".into(), None)]),
        ),
        (
            "insert into t values (1), (2)",
            Command::Insert {
                table: names("t"),
                columns: Vec::new(),
                input: values.into(),
                overwrite: false,
                by_name: false,
                partition: Vec::new(),
            },
        ),
        (
            "insert into t by name select 1",
            Command::Insert {
                table: names("t"),
                columns: Vec::new(),
                input: one(),
                overwrite: false,
                by_name: true,
                partition: Vec::new(),
            },
        ),
        (
            "insert overwrite directory '/out' using csv options (header 'true') select 1",
            Command::Write(Write {
                input: one(),
                format: some("csv"),
                target: WriteTarget::Path("/out".into()),
                mode: SaveMode::Overwrite,
                partition_by: Vec::new(),
                options: pairs(&[("header", "true")]),
                bucket_by: None,
                sort_by: Vec::new(),
            }),
        ),
    ]);
}

#[test]
fn databases_tables_and_views_are_dropped_and_emptied() {
    let database =
        |if_exists, cascade| Command::DropDatabase { name: names("d"), if_exists, cascade };
    check(vec![
        (
            "create database if not exists d comment 'c' location '/l' with dbproperties (a 'b')",
            Command::CreateDatabase {
                name: names("d"),
                if_not_exists: true,
                comment: some("c"),
                location: some("/l"),
            },
        ),
        ("drop schema if exists d cascade", database(true, true)),
        ("drop namespace d restrict", database(false, false)),
        (
            "drop table if exists a.b purge",
            Command::DropTable { name: names("a.b"), if_exists: true, purge: true },
        ),
        ("drop view v", Command::DropView { name: names("v"), if_exists: false }),
        ("truncate table t", Command::TruncateTable { name: names("t") }),
    ]);
}

#[test]
fn the_session_is_changed() {
    let set = |key: &str, value| Command::Set { key: some(key), value };
    check(vec![
        ("use d", Command::UseDatabase { name: names("d") }),
        ("use namespace a.b", Command::UseDatabase { name: names("a.b") }),
        ("use database", Command::UseDatabase { name: names("database") }),
        ("use catalog c", Command::UseCatalog { name: "c".into() }),
        ("set catalog 'c'", Command::UseCatalog { name: "c".into() }),
        ("set", Command::Set { key: None, value: None }),
        ("set -v", Command::Set { key: None, value: None }),
        ("set spark.sql.shuffle.partitions", set("spark.sql.shuffle.partitions", None)),
        ("SET spark.sql.shuffle.partitions = 3;", set("spark.sql.shuffle.partitions", some("3"))),
        ("-- a comment\nset a.b=x y 'z'", set("a.b", some("x y 'z'"))),
        ("set `a.b`=1", set("a.b", some("1"))),
        ("set time zone 'UTC'", Command::SetTimeZone { zone: "UTC".into() }),
        ("set time zone local", Command::SetTimeZone { zone: "LOCAL".into() }),
        (
            "set time zone interval '-08:30' hour to minute",
            Command::SetTimeZone { zone: "-08:30".into() },
        ),
        ("reset", Command::Reset { key: None }),
        ("reset a.b", Command::Reset { key: some("a.b") }),
        (
            "cache table t options ('storageLevel' = 'DISK_ONLY')",
            Command::CacheTable {
                name: names("t"),
                query: None,
                lazy: false,
                level: Some("DISK_ONLY".into()),
            },
        ),
        (
            "cache lazy table t as select 1",
            Command::CacheTable { name: names("t"), query: Some(one()), lazy: true, level: None },
        ),
        ("uncache table if exists t", Command::UncacheTable { name: names("t"), if_exists: true }),
        ("clear cache", Command::ClearCache),
        ("refresh table a.b", Command::RefreshTable { name: names("a.b") }),
        ("refresh '/p'", Command::Catalog(CatalogRequest::RefreshByPath { path: "/p".into() })),
    ]);
}

#[test]
fn things_are_described_and_shown() {
    let table = |extended, column| Command::DescribeTable { name: names("t"), extended, column };
    let functions = |pattern| Command::ShowFunctions { pattern };
    check(vec![
        ("desc t", table(false, None)),
        ("describe table extended t", table(true, None)),
        ("describe formatted t a.b", table(true, some("a.b"))),
        ("describe query select 1", Command::DescribeQuery { query: one() }),
        ("desc select 1", Command::DescribeQuery { query: one() }),
        (
            "describe function extended abs",
            Command::DescribeFunction { name: "abs".into(), extended: true },
        ),
        (
            "describe database extended d",
            Command::DescribeDatabase { name: names("d"), extended: true },
        ),
        ("show tables", Command::ShowTables { database: None, pattern: None }),
        (
            "show table extended in a like '*'",
            Command::ShowTableExtended { database: Some(names("a")), pattern: "*".to_owned() },
        ),
        (
            "show tables in a.b like 't*'",
            Command::ShowTables { database: Some(names("a.b")), pattern: some("t*") },
        ),
        ("show views from d", Command::ShowViews { database: Some(names("d")), pattern: None }),
        ("show databases 'd*'", Command::ShowDatabases { pattern: some("d*") }),
        ("show schemas", Command::ShowDatabases { pattern: None }),
        ("show columns in t from d", Command::ShowColumns { table: names("d.t") }),
        ("show functions", functions(None)),
        ("show user functions like 'a*'", functions(some("a*"))),
        ("show create table t", Command::ShowCreateTable { name: names("t") }),
        ("show catalogs", Command::ShowCatalogs { pattern: None }),
        ("show current namespace", Command::ShowCurrentNamespace),
    ]);
}

#[test]
fn statements_are_explained() {
    let explain = |mode, statement| Command::Explain { mode, statement: Box::new(statement) };
    let query = || Statement::Query(one());
    check(vec![
        ("explain select 1", explain(ExplainMode::Simple, query())),
        ("explain extended select 1", explain(ExplainMode::Extended, query())),
        ("explain codegen select 1", explain(ExplainMode::Codegen, query())),
        ("explain cost select 1", explain(ExplainMode::Cost, query())),
        (
            "explain formatted clear cache",
            explain(ExplainMode::Formatted, Statement::Command(Command::ClearCache)),
        ),
    ]);
    short::check(&[("explain from t", "Explain(Simple, Table(t))")], |text| {
        Ok(short::statement(&SparkParser.statement(text)?))
    });
}

#[test]
fn tables_and_views_are_altered() {
    let alter = |view, change| Command::Alter { name: names("d.t"), view, change };
    let field = Field::new("x", DataType::Integer, true);
    let unset = |if_exists| Alteration::UnsetProperties { keys: vec!["a".into()], if_exists };
    check(vec![
        ("alter table d.t rename to u", alter(false, Alteration::Rename { to: names("u") })),
        ("alter view d.t rename to u", alter(true, Alteration::Rename { to: names("u") })),
        (
            "alter table d.t add columns (x int)",
            alter(false, Alteration::AddColumns(vec![field.clone()])),
        ),
        ("alter table d.t add column x int", alter(false, Alteration::AddColumns(vec![field]))),
        (
            "alter table d.t set tblproperties ('a' = 'b')",
            alter(false, Alteration::SetProperties(pairs(&[("a", "b")]))),
        ),
        ("alter table d.t unset tblproperties ('a')", alter(false, unset(false))),
        ("alter table d.t unset tblproperties if exists ('a')", alter(false, unset(true))),
        ("alter table d.t set location '/x'", alter(false, Alteration::SetLocation("/x".into()))),
        ("alter view d.t as select 1", alter(true, Alteration::Query(one()))),
        (
            "alter table d.t drop column x",
            alter(false, Alteration::ChangeColumns { operation: "DROP COLUMN" }),
        ),
        ("show tblproperties t", Command::ShowProperties { name: names("t"), key: None }),
        (
            "show tblproperties t ('a.b')",
            Command::ShowProperties { name: names("t"), key: some("a.b") },
        ),
        ("show partitions t", Command::ShowPartitions { name: names("t") }),
        (
            "analyze table t compute statistics for columns a, b",
            Command::AnalyzeTable { name: names("t") },
        ),
    ]);
}

#[test]
fn variables_are_declared_set_and_dropped() {
    let declared = |data_type, default, replace| Command::DeclareVariable {
        name: names("x"),
        data_type,
        default,
        replace,
    };
    let one_as =
        |expressions| RelationKind::Project { input: RelationKind::OneRow.into(), expressions };
    check(vec![
        ("declare x int", declared(Some(DataType::Integer), None, false)),
        ("declare variable x default 1", declared(None, Some(Expr::integer(1)), false)),
        (
            "declare or replace variable x int = 1",
            declared(Some(DataType::Integer), Some(Expr::integer(1)), true),
        ),
        (
            "set var x = 1, session.y = 2",
            Command::SetVariable {
                names: vec![names("x"), names("session.y")],
                value: one_as(vec![Expr::integer(1), Expr::integer(2)]).into(),
            },
        ),
        (
            "set variable (x, y) = (select 1)",
            Command::SetVariable { names: vec![names("x"), names("y")], value: one() },
        ),
        (
            "drop temporary variable if exists x",
            Command::DropVariable { name: names("x"), if_exists: true },
        ),
        (
            "execute immediate 'select :a' into x using 1 as a",
            Command::ExecuteImmediate {
                text: Expr::string("select :a"),
                into: vec![names("x")],
                using: vec![(some("a"), Expr::integer(1))],
            },
        ),
    ]);
}
