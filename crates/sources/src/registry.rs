//! Registry of all sources, by name.

use crate::files::{CSV, Files, JSON, PARQUET, TEXT};
use crate::noop::Noop;
use crate::{Source, Split};
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::physical_plan::ExecutionPlan;
use errors::condition;
use plan::SparkError;
use std::sync::Arc;

/// All sources. A new one is a folder and a line here.
static SOURCES: &[&dyn Source] = &[&Files(PARQUET), &Files(CSV), &Files(JSON), &Files(TEXT), &Noop];

/// Spark's own sources that are not supported yet.
const UNSUPPORTED: [&str; 12] = [
    "orc",
    "avro",
    "xml",
    "binaryfile",
    "jdbc",
    "delta",
    "iceberg",
    "kafka",
    "rate",
    "socket",
    "image",
    "libsvm",
];

/// Those of them that are not part of Spark.
const ADDED: [&str; 4] = ["avro", "delta", "iceberg", "kafka"];

/// Other sources of Spark, which only streams use.
const OF_STREAMS: [&str; 2] = ["console", "memory"];

/// Looks up the source that a program names: `csv`, `CSV`, or the name of Spark's class.
pub fn source(name: &str) -> Result<&'static dyn Source, SparkError> {
    let last = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase();
    if let Some(found) = named(&last) {
        return Ok(found);
    }
    if UNSUPPORTED.contains(&last.as_str()) {
        return Err(SparkError::unsupported(format!("the data source `{name}`")));
    }
    let message = format!(
        "Failed to find the data source: {name}. Make sure the provider name is correct and the package is properly registered and compatible with your Spark version."
    );
    Err(SparkError::new(condition::DATA_SOURCE_NOT_FOUND, message, &[("provider", name)]))
}

/// Whether a name is that of a source of Spark's own, supported or not.
pub fn is_built_in(name: &str) -> bool {
    let name = name.to_lowercase();
    named(&name).is_some()
        || OF_STREAMS.contains(&name.as_str())
        || (UNSUPPORTED.contains(&name.as_str()) && !ADDED.contains(&name.as_str()))
}

/// Looks up a source by the [`Source::name`] in a plan.
pub fn planned(name: &str) -> Result<&'static dyn Source> {
    named(name)
        .ok_or_else(|| internal_datafusion_err!("a plan names an unknown data source {name}"))
}

/// Splits a scan with the source that it belongs to; `None` if it belongs to none.
pub fn split(scan: &Arc<dyn ExecutionPlan>) -> Result<Option<(&'static str, Split)>> {
    for source in SOURCES {
        if let Some(split) = source.split(scan)? {
            return Ok(Some((source.name(), split)));
        }
    }
    Ok(None)
}

/// The source that a table of files names, as in ``csv.`/data` ``.
pub fn source_of_path(name: &str) -> Option<&'static dyn Source> {
    named(&name.to_lowercase()).filter(|source| source.reads_paths())
}

/// A source by its exact name.
fn named(name: &str) -> Option<&'static dyn Source> {
    SOURCES.iter().copied().find(|source| source.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_found_by_name_and_unsupported_ones_differ_from_unknown_ones() {
        for name in ["parquet", "CSV", "org.apache.spark.sql.execution.datasources.json"] {
            assert!(source(name).is_ok(), "{name}");
        }
        assert_eq!(source("orc").unwrap_err().class(), "UNSUPPORTED_FEATURE");
        for (name, built_in) in [("CSV", true), ("jdbc", true), ("console", true), ("delta", false)]
        {
            assert_eq!(is_built_in(name), built_in, "{name}");
        }
        assert_eq!(source("nothing").unwrap_err().class(), "DATA_SOURCE_NOT_FOUND");
    }
}
