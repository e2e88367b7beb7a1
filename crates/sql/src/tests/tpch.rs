//! The TPC-H queries of `examples/tpch`.

use crate::SparkParser;
use plan::TextParser;

fn queries() -> Vec<(u32, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/tpch");
    (1..=22)
        .map(|n| (n, std::fs::read_to_string(format!("{folder}/q{n:02}.sql")).unwrap()))
        .collect()
}

#[test]
fn every_query_is_parsed() {
    for (n, text) in queries() {
        let parsed = SparkParser.statement(&text);
        assert!(parsed.is_ok(), "q{n:02}: {}", parsed.unwrap_err());
    }
}

#[test]
fn no_beginning_of_a_query_panics() {
    for (_, text) in queries() {
        for (end, _) in text.char_indices() {
            let _ = SparkParser.statement(&text[..end]);
        }
    }
}

#[test]
fn no_query_with_a_token_missing_panics() {
    for (_, text) in queries() {
        let words: Vec<&str> = text.split_inclusive([' ', '(', ')', ',']).collect();
        for missing in 0..words.len() {
            let rest: String =
                words.iter().enumerate().filter(|(i, _)| *i != missing).map(|(_, w)| *w).collect();
            let _ = SparkParser.statement(&rest);
        }
    }
}
