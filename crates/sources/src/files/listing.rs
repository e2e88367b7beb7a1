//! Listing of files: paths, globs, directories, and the partition values in directory names.

use super::options::{Options, bad};
use crate::Location;
use chrono::{DateTime, Utc};
use datafusion::execution::runtime_env::RuntimeEnv;
use errors::Exception;
use formats::text::{TimePatterns, TimeText};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::ObjectMeta;
use object_store::path::Path as StorePath;
use plan::SparkError;
use std::fmt::Write;

/// Directories listed concurrently.
const LISTINGS: usize = 16;

/// Spark's directory name for rows with a null partition value.
pub(crate) const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// A data file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DataFile {
    pub(crate) location: Location,
    /// Size and modification time.
    pub(crate) meta: ObjectMeta,
    /// Names and values of the directories between the requested path and the file; `None` is null.
    pub(crate) partition: Vec<(String, Option<String>)>,
}

/// Filter for files, apart from their paths.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileFilter {
    /// The directory below which directory names are partition values.
    base: Option<Location>,
    /// Whether to list all files below a directory, ignoring partition values.
    recursive: bool,
    names: Vec<glob::Pattern>,
    before: Option<DateTime<Utc>>,
    after: Option<DateTime<Utc>>,
}

impl FileFilter {
    /// Parses the options of a read. `zone` is the default time zone.
    pub(crate) fn new(
        options: &Options<'_>,
        zone: &str,
        runtime: &RuntimeEnv,
    ) -> Result<Self, SparkError> {
        let name = options.get(&["pathGlobFilter"]).map_or_else(Vec::new, alternatives);
        let pattern = |text: String| {
            let bad = |_| bad("pathGlobFilter", &text, "is not a glob pattern");
            glob::Pattern::new(&text).map_err(bad)
        };
        let times = TimeText::new(zone, TimePatterns::default())?;
        let time = |key: &str| -> Result<Option<DateTime<Utc>>, SparkError> {
            let Some(text) = options.get(&[key]) else { return Ok(None) };
            let parsed = times.timestamp(text).and_then(DateTime::from_timestamp_micros);
            parsed.map(Some).ok_or_else(|| bad(key, text, "is not a timestamp"))
        };
        let base = options.get(&["basePath"]).map(|path| Location::parse(path, runtime));
        Ok(Self {
            base: base.transpose()?,
            recursive: options.flag("recursiveFileLookup")?,
            names: name.into_iter().map(pattern).collect::<Result<_, _>>()?,
            before: time("modifiedBefore")?,
            after: time("modifiedAfter")?,
        })
    }

    fn accepts(&self, file: &DataFile) -> bool {
        let (name, modified) = (file.location.name(), file.meta.last_modified);
        (self.names.is_empty() || self.names.iter().any(|pattern| pattern.matches(name)))
            && self.before.is_none_or(|before| modified < before)
            && self.after.is_none_or(|after| modified > after)
    }

    /// The partition values given by the directories from the base to a root path.
    fn values(&self, root: &Location, is_file: bool) -> Result<Values, SparkError> {
        let Some(base) = &self.base else { return Ok(Vec::new()) };
        let Some(mut between) = root.below(base) else {
            let message = format!("Wrong basePath {base} for the root path: {root}");
            return Err(SparkError::plain(Exception::IllegalArgument, message));
        };
        if is_file {
            between.pop();
        }
        Ok(between.iter().filter_map(|name| value_of(name)).collect())
    }
}

/// Names and values from directory names.
type Values = Vec<(String, Option<String>)>;

/// All data files under some paths, ordered by path. Names that start with `_` or `.` are hidden.
pub(crate) async fn list(
    paths: &[String],
    wanted: &FileFilter,
    runtime: &RuntimeEnv,
) -> Result<Vec<DataFile>, SparkError> {
    let mut found = Vec::new();
    for path in paths {
        for root in expand(path, runtime).await? {
            let meta = root.meta().await?;
            let partition = wanted.values(&root, meta.is_some())?;
            match meta {
                Some(meta) => found.push(DataFile { location: root, meta, partition }),
                None => found.extend(walk(root, partition).await?),
            }
        }
    }
    found.retain(|file| wanted.accepts(file));
    if wanted.recursive {
        for file in &mut found {
            file.partition.clear();
        }
    }
    Ok(found)
}

/// Parses a directory name as a column and its value.
fn value_of(name: &str) -> Option<(String, Option<String>)> {
    let (key, value) = name.split_once('=')?;
    let value = unescaped(value);
    Some((unescaped(key), (value != NULL_PARTITION).then_some(value)))
}

/// The locations that a path refers to: itself, or the matches of a glob pattern.
async fn expand(path: &str, runtime: &RuntimeEnv) -> Result<Vec<Location>, SparkError> {
    let plain = Location::parse(path, runtime)?;
    if plain.exists().await? {
        return Ok(vec![plain]);
    }
    let mut all = Vec::new();
    if path.contains(['*', '?', '[', '{']) {
        for pattern in alternatives(path) {
            all.extend(matches(&pattern, runtime).await?);
        }
        all.sort_by(|a, b| a.path().cmp(b.path()));
        all.dedup();
    }
    if all.is_empty() { Err(plain.not_found()) } else { Ok(all) }
}

/// The locations that match a glob pattern, found name by name.
async fn matches(pattern: &str, runtime: &RuntimeEnv) -> Result<Vec<Location>, SparkError> {
    let whole = Location::parse(pattern, runtime)?;
    let mut found = vec![whole.at(StorePath::default())];
    for name in whole.path().parts() {
        let name = name.as_ref();
        let mut next = Vec::new();
        if !name.contains(['*', '?', '[']) {
            for place in found {
                next.push(place.join(name)?);
            }
            found = next;
            continue;
        }
        let pattern = glob::Pattern::new(name).map_err(|error| {
            SparkError::plain(Exception::Analysis, format!("Illegal file pattern: {error}"))
        })?;
        for place in found {
            let entries = place.entries().await?;
            let files = entries.files.into_iter().map(|meta| place.at(meta.location));
            let visible =
                |place: &Location| !is_hidden(place.name()) && pattern.matches(place.name());
            next.extend(entries.directories.into_iter().chain(files).filter(visible));
        }
        found = next;
    }
    let mut existing = Vec::new();
    for place in found {
        // Names after the last wildcard need not exist.
        if place.exists().await? {
            existing.push(place);
        }
    }
    Ok(existing)
}

/// Expands the alternatives `{a,b}` in a pattern.
fn alternatives(pattern: &str) -> Vec<String> {
    let Some((before, rest)) = pattern.split_once('{') else { return vec![pattern.to_owned()] };
    let Some((inside, after)) = rest.split_once('}') else { return vec![pattern.to_owned()] };
    inside.split(',').flat_map(|one| alternatives(&format!("{before}{one}{after}"))).collect()
}

/// All data files below a directory, ordered by path.
fn walk(
    directory: Location,
    partition: Values,
) -> BoxFuture<'static, Result<Vec<DataFile>, SparkError>> {
    async move {
        let entries = directory.entries().await?;
        let mut below = Vec::new();
        for meta in entries.files {
            let location = directory.at(meta.location.clone());
            let partition = partition.clone();
            below.push((
                location.name().to_owned(),
                Entry::File(DataFile { location, meta, partition }),
            ));
        }
        for place in entries.directories {
            let mut partition = partition.clone();
            partition.extend(value_of(place.name()));
            below.push((place.name().to_owned(), Entry::Directory(place, partition)));
        }
        below.retain(|(name, _)| !is_hidden(name));
        below.sort_by(|(a, _), (b, _)| a.cmp(b));
        let files = stream::iter(below).map(|(_, entry)| async {
            match entry {
                Entry::File(file) => Ok(vec![file]),
                Entry::Directory(place, partition) => walk(place, partition).await,
            }
        });
        files.buffered(LISTINGS).try_concat().await
    }
    .boxed()
}

enum Entry {
    File(DataFile),
    Directory(Location, Values),
}

/// Whether a name is hidden. `_col=1` is a partition, although it starts like a hidden name.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
}

/// Characters that Spark escapes in directory names.
const ESCAPED: &str = "\"#%'*/:=?\\{[]^\u{7f}";

/// Escapes a partition value for a directory name.
pub(crate) fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if c.is_ascii_control() || ESCAPED.contains(c) {
            let _ = write!(out, "%{:02X}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn directory_names_give_partition_values_and_hidden_names_are_skipped() {
        let root = tempfile::tempdir().unwrap();
        let files = ["year=2015/c=a%3Ab/1.csv", "year=2014/c=__HIVE_DEFAULT_PARTITION__/2.csv"];
        for name in files.iter().chain(&["_SUCCESS", "_temporary/x/3.csv", "year=2014/.4.csv"]) {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let runtime = RuntimeEnv::default();
        let list = async |path: String| list(&[path], &FileFilter::default(), &runtime).await;
        let found = list(root.path().display().to_string()).await.unwrap();
        let pair = |key: &str, value: Option<&str>| (key.to_owned(), value.map(str::to_owned));
        let partitions: Vec<_> = found.into_iter().map(|file| file.partition).collect();
        assert_eq!(
            partitions,
            [
                [pair("year", Some("2014")), pair("c", None)],
                [pair("year", Some("2015")), pair("c", Some("a:b"))],
            ]
        );
        let pattern = format!("file:{}/year={{2014,2015}}/*", root.path().display());
        assert_eq!(list(pattern).await.unwrap().len(), 2);
        let missing = list(root.path().join("none").display().to_string()).await.unwrap_err();
        assert_eq!(missing.class(), "PATH_NOT_FOUND");
        let unserved = list("s3a://bucket/x".to_owned()).await.unwrap_err();
        assert_eq!(unserved.class(), "UNSUPPORTED_FEATURE");
    }

    #[test]
    fn a_value_survives_in_a_directory_name() {
        for value in ["a", "a/b", "100%", "x=y", "2015-01-01 00:00:00"] {
            assert_eq!(unescaped(&escaped(value)), value);
        }
    }
}
