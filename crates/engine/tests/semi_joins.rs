//! Semi and anti joins of sides that both repeat a few keys: their pairs of rows are too many to be
//! enumerated.

use crate::session::world;
use std::time::Duration;

/// More than enough for the rows, far too little for the pairs.
const LIMIT: Duration = Duration::from_mins(1);

const COUNT: u32 = 300_000;

async fn check(broadcast: &str) {
    let world = world("3");
    let threshold = format!("SET spark.sql.autoBroadcastJoinThreshold = {broadcast}");
    world.sql(&threshold).await.expect("a setting");
    for (view, from) in [("a", 0), ("b", 1)] {
        let view = format!(
            "CREATE TEMPORARY VIEW {view} AS SELECT id, id % 2 + {from} AS k FROM range(0, {COUNT}, 1, 4)"
        );
        world.sql(&view).await.expect("a view");
    }
    // `a` has the keys 0 and 1, `b` 1 and 2.
    let cases = [
        ("k in (select k from b)", "150000"),
        ("exists (select 1 from b where b.k = a.k)", "150000"),
        ("not exists (select 1 from b where b.k = a.k)", "150000"),
        ("k not in (select k from b)", "150000"),
        ("k in (select k from b) or id = 0", "150001"),
        ("exists (select 1 from b where b.k = a.k and b.k <> a.id)", "149999"),
        ("k in (select distinct k from b)", "150000"),
    ];
    for (condition, expected) in cases {
        let query = format!("SELECT count(*) FROM a WHERE {condition}");
        let rows = tokio::time::timeout(LIMIT, world.rows(&query)).await;
        assert_eq!(rows.expect("the pairs are not enumerated"), [expected], "{condition}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn few_keys_are_found_quickly_in_a_broadcast_side() {
    check("1g").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn few_keys_are_found_quickly_in_a_shuffled_side() {
    check("-1").await;
}
