//! Identity of relations: equal plans are equal regardless of how they were built, and any relevant
//! change makes a difference.

use crate::harness::rows;
use crate::session::{World, text, world};
use plan::{Relation, RelationKind, StorageLevel};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fmt::Write as _;

impl World {
    async fn same(&self, left: &str, right: &str) -> bool {
        let same = self.session.same_semantics(&text(left), &text(right), &self.runner).await;
        same.unwrap_or_else(|error| panic!("{left} and {right}: {error}"))
    }

    async fn hash(&self, sql: &str) -> i32 {
        let hash = self.session.semantic_hash(&text(sql), &self.runner).await;
        hash.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}

/// A query of random steps, each with a literal of its own. `names` renames columns; `changed` is
/// the step whose literal differs.
fn random_query(seed: u64, names: &str, changed: Option<usize>) -> String {
    let mut random = StdRng::seed_from_u64(seed);
    let mut query = format!("SELECT id AS {names}0, id % 5 AS {names}1 FROM range(0, 100, 1, 2)");
    for step in 0..4 {
        let choice = random.random_range(0..6);
        let literal = random.random_range(1..50) + i32::from(changed == Some(step)) * 100;
        let (a, b) = (format!("{names}0"), format!("{names}1"));
        let mut next = String::new();
        let _ = match choice {
            0 => write!(next, "SELECT {a}, {b} FROM ({query}) WHERE {a} > {literal}"),
            1 => write!(next, "SELECT {a} + {literal} AS {a}, {b} FROM ({query})"),
            2 => {
                write!(next, "SELECT sum({a}) + {literal} AS {a}, {b} FROM ({query}) GROUP BY {b}")
            }
            3 => write!(
                next,
                "SELECT l.{a}, r.id AS {b} FROM ({query}) l JOIN range({literal}) r ON l.{b} = r.id"
            ),
            4 => write!(
                next,
                "SELECT {a}, {b} FROM ({query}) UNION ALL SELECT id, {literal}L FROM range(3)"
            ),
            _ => write!(
                next,
                "SELECT sum({a}) OVER (PARTITION BY {b} ORDER BY {a}) + {literal} AS {a}, {b} FROM ({query})"
            ),
        };
        query = next;
    }
    query
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_plans_are_equal_and_a_change_of_one_literal_differs() {
    let world = world("3");
    for seed in 0..40 {
        let query = random_query(seed, "a", None);
        assert!(world.same(&query, &random_query(seed, "other", None)).await, "{query}");
        assert_eq!(world.hash(&query).await, world.hash(&query).await, "{query}");
        for step in 0..4 {
            let other = random_query(seed, "a", Some(step));
            assert!(!world.same(&query, &other).await, "{query}\nand\n{other}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_change_the_identity() {
    let world = world("3");
    for name in ["one", "two"] {
        let path = world.directory.path().join(name);
        let write = format!(
            "INSERT OVERWRITE DIRECTORY '{}' USING parquet SELECT id FROM range(3)",
            path.display()
        );
        world.sql(&write).await.expect("it writes");
    }
    let read = |name: &str| {
        format!("SELECT * FROM parquet.`{}`", world.directory.path().join(name).display())
    };
    let cases = [
        ("SELECT * FROM range(3)".to_owned(), "SELECT * FROM range(5)".to_owned(), false),
        ("SELECT * FROM range(3)".to_owned(), "SELECT * FROM range(0, 3)".to_owned(), true),
        ("VALUES (1), (2)".to_owned(), "VALUES (1), (3)".to_owned(), false),
        ("VALUES (1), (2)".to_owned(), "VALUES (1), (2)".to_owned(), true),
        (read("one"), read("one"), true),
        (read("one"), read("two"), false),
        ("SELECT '#1'".to_owned(), "SELECT '#2'".to_owned(), false),
        ("SELECT rand(1)".to_owned(), "SELECT rand(1)".to_owned(), true),
        ("SELECT rand(1)".to_owned(), "SELECT rand(2)".to_owned(), false),
        (
            "SELECT id, id + 1 FROM range(3)".to_owned(),
            "SELECT id + 1, id FROM range(3)".to_owned(),
            false,
        ),
    ];
    for (left, right, same) in cases {
        assert_eq!(world.same(&left, &right).await, same, "{left} and {right}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_change_rows_change_the_identity() {
    let world = world("3");
    let query = "SELECT cast(id AS timestamp) AS t, cast(cast(id AS string) AS int) FROM range(3)";
    let base = world.hash(query).await;
    for (key, value) in
        [("spark.sql.session.timeZone", "Asia/Tokyo"), ("spark.sql.ansi.enabled", "false")]
    {
        let before = world.session.setting(key);
        world.session.set(key, value).expect("it may be set");
        let shown =
            "SELECT hour(cast(id AS timestamp)), cast(cast(id AS string) AS int) FROM range(3)";
        let other = (world.hash(query).await, world.hash(shown).await);
        world.session.set(key, &before.expect("it has a value")).expect("it may be set");
        assert_ne!(other, (base, world.hash(shown).await), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persisted_relation_is_not_mistaken_for_similar_ones() {
    let world = world("3");
    let (persisted, equal, similar) = (
        text("SELECT id AS a FROM range(3)"),
        text("SELECT id AS x FROM range(3)"),
        text("SELECT id AS a FROM range(5)"),
    );
    let level = Some(StorageLevel::MEMORY_AND_DISK);
    world.session.persist(&persisted, level, &world.runner).await.expect("it is persisted");
    for (relation, expected) in [(&persisted, level), (&equal, level), (&similar, None)] {
        let found = world.session.storage_level(relation, &world.runner).await;
        assert_eq!(found, Ok(expected.unwrap_or_default()), "{relation:?}");
    }
    world.session.persist(&equal, None, &world.runner).await.expect("it is unpersisted");
    let found = world.session.storage_level(&persisted, &world.runner).await;
    assert_eq!(found, Ok(StorageLevel::default()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persisted_relation_is_computed_once_and_has_the_same_random_rows_for_all() {
    let world = world("3");
    let random = text("SELECT id, uuid() AS u FROM range(0, 100, 1, 4)");
    let sorted = async |relation: &Relation| {
        let answer = world.session.execute(relation, &world.runner).await.expect("it runs");
        let mut rows = rows(&answer.batches);
        rows.sort();
        (rows, world.runner.take_task_counts())
    };
    assert_ne!(sorted(&random).await.0, sorted(&random).await.0);
    let level = Some(StorageLevel::MEMORY_AND_DISK);
    world.session.persist(&random, level, &world.runner).await.expect("it is persisted");
    let (stored, tasks) = sorted(&random).await;
    assert_eq!(tasks, [4, 4]);
    assert_eq!(sorted(&random).await, (stored.clone(), vec![0, 4]));
    // Another query reads all of it, and drops what it does not need.
    let few = Relation::from(RelationKind::Limit {
        input: RelationKind::SubqueryAlias {
            input: random.clone(),
            alias: "r".to_owned(),
            columns: vec!["a".to_owned(), "b".to_owned()],
        }
        .into(),
        limit: plan::Expr::Literal(plan::Literal::Integer(1000)),
    });
    assert_eq!(sorted(&few).await.0, stored);
    world.session.persist(&random, None, &world.runner).await.expect("it is unpersisted");
    assert_ne!(sorted(&random).await.0, stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persisted_relation_is_found_again_whatever_else_is_persisted() {
    let world = world("3");
    let below = text("SELECT id, id % 7 AS k FROM range(0, 100, 1, 4)");
    let condition = plan::Expr::Text("k > 2".to_owned());
    let above: Relation = RelationKind::Filter { input: below.clone(), condition }.into();
    let tasks = async || {
        world.session.execute(&above, &world.runner).await.expect("it runs");
        world.runner.take_task_counts()
    };
    let persist = async |relation: &Relation, level: Option<StorageLevel>| {
        world.session.persist(relation, level, &world.runner).await.expect("it is persisted");
    };
    let level = Some(StorageLevel::MEMORY_AND_DISK);
    persist(&below, level).await;
    persist(&above, level).await;
    assert_eq!(tasks().await, [4, 4, 4]);
    persist(&below, None).await;
    assert_eq!(tasks().await, [0, 0, 4]);
    persist(&below, level).await;
    assert_eq!(tasks().await, [0, 0, 4]);
    persist(&above, None).await;
    // Equal rows have equal names: those of what was below are still there.
    assert_eq!(tasks().await, [0, 4]);
}
