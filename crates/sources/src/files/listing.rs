//! Finding files: paths, globs, directories, and the values that directory names give to partition columns.

use super::options::{Options, bad};
use chrono::{DateTime, Utc};
use errors::{Exception, condition};
use functions::{TimePatterns, TimeText};
use plan::SparkError;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where Spark puts rows whose partition value is null.
pub(crate) const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// A data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) modified: DateTime<Utc>,
    /// Names and values of the directories between the path that was asked for and the file; `None` is null.
    pub(crate) partition: Vec<(String, Option<String>)>,
}

/// Which files a program wants, beside their paths.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// The directory below which names of directories are values.
    base: Option<PathBuf>,
    /// All files below a directory, whose names say nothing.
    recursive: bool,
    names: Vec<glob::Pattern>,
    before: Option<DateTime<Utc>>,
    after: Option<DateTime<Utc>>,
}

impl Wanted {
    /// From the options of a read. `zone` is that of times without one.
    pub(crate) fn new(options: &Options<'_>, zone: &str) -> Result<Self, SparkError> {
        let name = options.get(&["pathGlobFilter"]).map_or_else(Vec::new, alternatives);
        let pattern = |text: String| {
            let bad = |_| bad("pathGlobFilter", &text, "is not a pattern of names");
            glob::Pattern::new(&text).map_err(bad)
        };
        let times = TimeText::new(zone, TimePatterns::default())
            .map_err(|zone| bad("timeZone", zone, "is not a time zone"))?;
        let time = |key: &str| -> Result<Option<DateTime<Utc>>, SparkError> {
            let Some(text) = options.get(&[key]) else { return Ok(None) };
            let found = times.timestamp(text).and_then(DateTime::from_timestamp_micros);
            found.map(Some).ok_or_else(|| bad(key, text, "is not a timestamp"))
        };
        Ok(Self {
            base: options.get(&["basePath"]).map(local).transpose()?,
            recursive: options.flag("recursiveFileLookup")?,
            names: name.into_iter().map(pattern).collect::<Result<_, _>>()?,
            before: time("modifiedBefore")?,
            after: time("modifiedAfter")?,
        })
    }

    fn takes(&self, file: &Found) -> bool {
        let name = file.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        (self.names.is_empty() || self.names.iter().any(|pattern| pattern.matches(name)))
            && self.before.is_none_or(|before| file.modified < before)
            && self.after.is_none_or(|after| file.modified > after)
    }

    /// The values that the directories from the base to a path give.
    fn values(&self, root: &Path) -> Result<Vec<(String, Option<String>)>, SparkError> {
        let Some(base) = &self.base else { return Ok(Vec::new()) };
        let Ok(between) = root.strip_prefix(base) else {
            let (base, root) = (base.display(), root.display());
            let message = format!("Wrong basePath {base} for the root path: {root}");
            return Err(SparkError::plain(Exception::IllegalArgument, message));
        };
        let directories = if root.is_dir() { Some(between) } else { between.parent() };
        let names = directories.into_iter().flat_map(Path::iter).filter_map(|name| name.to_str());
        Ok(names.filter_map(value_of).collect())
    }
}

/// All data files under some paths, in order of path. Names that begin with `_` or `.` are hidden.
pub(crate) fn list(paths: &[String], wanted: &Wanted) -> Result<Vec<Found>, SparkError> {
    let mut found = Vec::new();
    for path in paths {
        for root in expand(path)? {
            let meta = fs::metadata(&root).map_err(|error| unreadable(&root, &error))?;
            let mut values = wanted.values(&root)?;
            if meta.is_dir() {
                walk(&root, &mut values, &mut found)?;
            } else {
                found.push(file(root, &meta, &values));
            }
        }
    }
    found.retain(|file| wanted.takes(file));
    if wanted.recursive {
        for file in &mut found {
            file.partition.clear();
        }
    }
    Ok(found)
}

/// The value that the name of a directory gives to a column.
fn value_of(name: &str) -> Option<(String, Option<String>)> {
    let (key, value) = name.split_once('=')?;
    let value = unescaped(value);
    Some((unescaped(key), (value != NULL_PARTITION).then_some(value)))
}

/// The directory or file that a path of Spark's names on this machine.
pub fn local(path: &str) -> Result<PathBuf, SparkError> {
    let plain = match path.split_once(':') {
        Some(("file", rest)) => rest.strip_prefix("//").unwrap_or(rest),
        Some((scheme, rest)) if rest.starts_with("//") => {
            return Err(SparkError::unsupported(format!("the file system `{scheme}`")));
        }
        _ => path,
    };
    std::path::absolute(plain).map_err(|error| unreadable(Path::new(plain), &error))
}

fn expand(path: &str) -> Result<Vec<PathBuf>, SparkError> {
    let plain = local(path)?;
    if plain.exists() {
        return Ok(vec![plain]);
    }
    let text = plain.display().to_string();
    let mut all = Vec::new();
    if text.contains(['*', '?', '[', '{']) {
        for pattern in alternatives(&text) {
            let matches = glob::glob(&pattern).map_err(|error| {
                let text = error.to_string();
                SparkError::plain(Exception::Analysis, format!("Illegal file pattern: {text}"))
            })?;
            all.extend(matches.filter_map(Result::ok).filter(|path| !is_hidden(path)));
        }
        all.sort();
        all.dedup();
    }
    if all.is_empty() { Err(path_not_found(&plain)) } else { Ok(all) }
}

/// A pattern with `{a,b}` as the patterns that it stands for.
fn alternatives(pattern: &str) -> Vec<String> {
    let Some((before, rest)) = pattern.split_once('{') else { return vec![pattern.to_owned()] };
    let Some((inside, after)) = rest.split_once('}') else { return vec![pattern.to_owned()] };
    inside.split(',').flat_map(|one| alternatives(&format!("{before}{one}{after}"))).collect()
}

fn walk(
    directory: &Path,
    partition: &mut Vec<(String, Option<String>)>,
    found: &mut Vec<Found>,
) -> Result<(), SparkError> {
    let entries = fs::read_dir(directory)
        .and_then(|entries| entries.map(|e| Ok(e?.path())).collect::<io::Result<Vec<_>>>());
    let mut entries = entries.map_err(|error| unreadable(directory, &error))?;
    entries.sort();
    for path in entries {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if is_hidden(&path) {
            continue;
        }
        let meta = fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
        if !meta.is_dir() {
            found.push(file(path, &meta, partition));
            continue;
        }
        let depth = partition.len();
        partition.extend(value_of(name));
        walk(&path, partition, found)?;
        partition.truncate(depth);
    }
    Ok(())
}

/// Whether a path is no data. `_col=1` is a partition, although it begins as a hidden name does.
fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
}

fn file(path: PathBuf, meta: &fs::Metadata, partition: &[(String, Option<String>)]) -> Found {
    let modified = meta.modified().map_or(DateTime::UNIX_EPOCH, DateTime::from);
    Found { path, size: meta.len(), modified, partition: partition.to_vec() }
}

/// Characters that Spark does not put into a directory name.
const ESCAPED: &str = "\"#%'*/:=?\\{[]^\u{7f}";

/// A partition value as a part of a directory name.
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

/// Spark's error for a path without files.
pub(crate) fn path_not_found(path: &Path) -> SparkError {
    let shown = format!("file:{}", path.display());
    SparkError::analysis(
        condition::PATH_NOT_FOUND,
        format!("Path does not exist: {shown}."),
        &[("path", shown.as_str())],
    )
}

/// A path that the operating system does not let us use.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> SparkError {
    if error.kind() == io::ErrorKind::NotFound {
        return path_not_found(path);
    }
    let message = format!("file:{}: {error}", path.display());
    SparkError::plain(Exception::Spark, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_names_give_partition_values_and_hidden_names_are_skipped() {
        let root = tempfile::tempdir().unwrap();
        let files = ["year=2015/c=a%3Ab/1.csv", "year=2014/c=__HIVE_DEFAULT_PARTITION__/2.csv"];
        for name in files.iter().chain(&["_SUCCESS", "_temporary/x/3.csv", "year=2014/.4.csv"]) {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let list = |path: String| list(&[path], &Wanted::default());
        let found = list(root.path().display().to_string()).unwrap();
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
        assert_eq!(list(pattern).unwrap().len(), 2);
        let missing = list(root.path().join("none").display().to_string()).unwrap_err();
        assert_eq!(missing.class(), "PATH_NOT_FOUND");
        assert_eq!(list("s3a://bucket/x".to_owned()).unwrap_err().class(), "UNSUPPORTED_FEATURE");
    }

    #[test]
    fn a_value_survives_in_a_directory_name() {
        for value in ["a", "a/b", "100%", "x=y", "2015-01-01 00:00:00"] {
            assert_eq!(unescaped(&escaped(value)), value);
        }
    }
}
