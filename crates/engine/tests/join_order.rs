//! Order of joins: small sides that were filtered are joined before large ones meet.

use crate::session::world;

/// Two tables of facts, and two that are small beside them.
const VIEWS: [&str; 4] = [
    "CREATE TEMPORARY VIEW sales AS
     SELECT id, id % 500 AS item, id % 100 AS day, id % 7 AS shop FROM range(0, 20000, 1, 4)",
    "CREATE TEMPORARY VIEW stock AS
     SELECT id % 500 AS item, id % 50 AS age, id % 9 AS shelf FROM range(0, 10000, 1, 4)",
    "CREATE TEMPORARY VIEW days AS SELECT id AS day, id % 4 AS quarter FROM range(0, 100, 1, 1)",
    "CREATE TEMPORARY VIEW shelves AS SELECT id AS shelf, id % 3 AS hall FROM range(0, 9, 1, 1)",
];

/// The rows of a query, and the views in the order of how deep they are in its physical plan.
async fn run(query: &str, threshold: &str) -> (Vec<String>, Vec<&'static str>) {
    let world = world("3");
    for statement in VIEWS {
        world.sql(statement).await.expect("a view");
    }
    let threshold = format!("SET spark.sql.autoBroadcastJoinThreshold = {threshold}");
    world.sql(&threshold).await.expect("a setting");
    let plan = world.rows(&format!("EXPLAIN {query}")).await.join("\n");
    let depth = |(name, range): (&'static str, &str)| {
        let line = plan.lines().find(|line| line.contains(range));
        let line = line.unwrap_or_else(|| panic!("{range} is not in {plan}"));
        (line.len() - line.trim_start().len(), name)
    };
    let ranges = [
        ("sales", " 20000 rows"),
        ("stock", " 10000 rows"),
        ("days", " 100 rows"),
        ("shelves", " 9 rows"),
    ];
    let mut depths: Vec<_> =
        ranges.into_iter().filter(|(name, _)| query.contains(name)).map(depth).collect();
    depths.sort_unstable();
    (world.rows(query).await, depths.into_iter().map(|(_, name)| name).collect())
}

/// A query, and its views from the first to be joined to the last.
const CASES: [(&str, &[&str]); 5] = [
    // The key is of the first table, of the second, or of a table that is joined later.
    (
        "SELECT count(*), sum(id) FROM sales JOIN stock USING (item) JOIN days USING (day)
         WHERE quarter = 1",
        &["stock", "sales", "days"],
    ),
    (
        "SELECT count(*), sum(id) FROM sales JOIN stock USING (item) JOIN shelves USING (shelf)
         WHERE hall = 1",
        &["sales", "stock", "shelves"],
    ),
    (
        "SELECT count(*), sum(id) FROM sales JOIN stock USING (item) JOIN shelves USING (shelf)
         JOIN days ON sales.day = days.day AND age < quarter + 40 WHERE quarter = 1 AND hall = 1",
        &["days", "sales", "stock", "shelves"],
    ),
    // What is not filtered, and what does not only drop rows, stays.
    (
        "SELECT count(*), sum(id), sum(quarter) FROM sales JOIN stock USING (item)
         JOIN days USING (day)",
        &["days", "sales", "stock"],
    ),
    (
        "SELECT count(*), sum(id), count(quarter) FROM sales JOIN stock USING (item)
         LEFT JOIN (SELECT * FROM days WHERE quarter = 1) d ON sales.day = d.day",
        &["days", "sales", "stock"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn filtered_sides_are_joined_before_large_ones_meet() {
    for (query, expected) in CASES {
        let (rows, order) = run(query, "4KB").await;
        assert_eq!(order, expected, "{query}");
        let (as_written, _) = run(query, "-1").await;
        assert_eq!(rows, as_written, "{query}");
    }
}
