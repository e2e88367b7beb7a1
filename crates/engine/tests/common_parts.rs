//! Parts that a query has more than once.

use crate::broadcast::write_numbers;
use crate::session::world;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_query_uses_twice_is_computed_once() {
    let sums = "SELECT n % 10 AS k, sum(n) AS s, count(*) AS c FROM numbers GROUP BY n % 10";
    let ranks = "SELECT k, s, c, lag(s) OVER (ORDER BY k) AS l FROM sums";
    for (query, expected) in [
        (
            "SELECT count(*), sum(a.s + b.s) FROM sums a JOIN sums b ON a.k = b.k + 1",
            "9|26999730000",
        ),
        (
            "SELECT sum(a.l), max(b.s) FROM ranks a JOIN ranks b ON a.k = b.k + 1",
            "13499730000|1500090000",
        ),
        ("SELECT count(*) FROM sums WHERE s > (SELECT avg(s) FROM sums)", "5"),
        ("SELECT sum(s) FROM (SELECT s FROM sums UNION ALL SELECT s + 1 FROM sums)", "29999700010"),
    ] {
        let world = world("3");
        let files = world.directory.path().join("numbers");
        std::fs::create_dir_all(&files).expect("a directory");
        for part in 0..3 {
            write_numbers(&files.join(format!("{part}.parquet")));
        }
        let numbers = format!("SELECT n FROM parquet.`{}`", files.display());
        let with = format!("WITH numbers AS ({numbers}), sums AS ({sums}), ranks AS ({ranks})");
        assert_eq!(world.rows(&format!("{with} {query}")).await, [expected], "{query}");
        assert_eq!(world.runner.take_input_rows(), 300_000, "{query}");
    }
}
