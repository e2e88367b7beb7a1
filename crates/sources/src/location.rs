//! Locations in object stores: what programs write as paths.

use datafusion::datasource::listing::PartitionedFile;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use errors::{Exception, condition};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path as StorePath;
use object_store::{Error as StoreError, ObjectStore, PutPayload};
use object_store::{GetOptions, GetRange, GetResultPayload, ObjectMeta, ObjectStoreExt};
use plan::SparkError;
use std::fmt::{self, Write as _};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Handle;

/// A file, or a directory of files, in an object store.
///
/// Object stores have no directories: a location is a directory if there are files below it. On a
/// local disk directories are real: they may be empty, and are removed with their contents.
#[derive(Debug, Clone)]
pub struct Location {
    store: Arc<dyn ObjectStore>,
    root: ObjectStoreUrl,
    path: StorePath,
}

impl PartialEq for Location {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root && self.path == other.path
    }
}

impl fmt::Display for Location {
    /// Formats the location like Spark: `file:/data/a.csv`, `s3a://bucket/a.csv`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_local() {
            write!(f, "file:/{}", self.path)
        } else {
            write!(f, "{}{}", self.root, self.path)
        }
    }
}

/// Direct children of a directory.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    pub(crate) directories: Vec<Location>,
    pub(crate) files: Vec<ObjectMeta>,
}

impl Location {
    /// Parses a program's path: a URL, or a path on the local disk. A relative path starts at the
    /// process's working directory.
    pub fn parse(text: &str, runtime: &RuntimeEnv) -> Result<Self, SparkError> {
        let (root, path) = match text.split_once(':') {
            Some(("file", rest)) => (ObjectStoreUrl::local_filesystem(), absolute(rest)?),
            Some((scheme, rest)) if rest.starts_with("//") => {
                let (host, path) = rest[2..].split_once('/').unwrap_or((&rest[2..], ""));
                let root = ObjectStoreUrl::parse(format!("{scheme}://{host}"));
                let path = StorePath::parse(path).map_err(|error| illegal(text, &error))?;
                (root.map_err(|error| illegal(text, &error))?, path)
            }
            _ => (ObjectStoreUrl::local_filesystem(), absolute(text)?),
        };
        let Ok(store) = runtime.object_store(&root) else {
            let scheme = text.split(':').next().unwrap_or_default();
            return Err(SparkError::unsupported(format!("the file system `{scheme}`")));
        };
        Ok(Self { store, root, path })
    }

    /// The location of a scanned file, whose store has this URL.
    pub(crate) fn of_file(
        root: &ObjectStoreUrl,
        file: &PartitionedFile,
        runtime: &RuntimeEnv,
    ) -> datafusion::common::Result<Self> {
        let path = file.object_meta.location.clone();
        Ok(Self { store: runtime.object_store(root)?, root: root.clone(), path })
    }

    /// The store's URL.
    pub(crate) fn root(&self) -> &ObjectStoreUrl {
        &self.root
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    pub(crate) fn path(&self) -> &StorePath {
        &self.path
    }

    /// The URL, as parsed by [`Location::parse`].
    pub fn url(&self) -> String {
        if self.is_local() { format!("file:///{}", self.path) } else { self.to_string() }
    }

    /// The URI of the file, as `input_file_name()` returns it.
    pub(crate) fn uri(&self) -> String {
        encoded(&self.url())
    }

    /// The location as it is displayed, with the escapes of a URI.
    pub(crate) fn encoded(&self) -> String {
        encoded(&self.to_string())
    }

    /// The last component of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.filename().unwrap_or_default()
    }

    /// Another location in the same store.
    pub(crate) fn at(&self, path: StorePath) -> Self {
        Self { path, ..self.clone() }
    }

    /// A location below this one; `below` is used as it is, without escaping.
    pub(crate) fn join(&self, below: &str) -> Result<Self, SparkError> {
        let text = format!("{}/{below}", self.path);
        let path = StorePath::parse(text.trim_matches('/'));
        Ok(self.at(path.map_err(|error| illegal(below, &error))?))
    }

    /// The names between an ancestor and this location; `None` if it is not an ancestor.
    pub(crate) fn below(&self, base: &Self) -> Option<Vec<String>> {
        if self.root != base.root {
            return None;
        }
        let parts = self.path.prefix_match(&base.path)?;
        Some(parts.map(|part| part.as_ref().to_owned()).collect())
    }

    /// Whether this is the other location, or is below it.
    pub fn is_in(&self, other: &Self) -> bool {
        self.below(other).is_some()
    }

    fn is_local(&self) -> bool {
        self.root.as_str().starts_with("file:")
    }

    /// The path on the local disk, if the location is there.
    fn on_disk(&self) -> Option<PathBuf> {
        self.is_local().then(|| Path::new("/").join(self.path.as_ref()))
    }

    /// Whether the file or directory exists.
    pub(crate) async fn exists(&self) -> Result<bool, SparkError> {
        if let Some(path) = self.on_disk() {
            return Ok(tokio::fs::try_exists(&path).await.unwrap_or(false));
        }
        if self.meta().await?.is_some() {
            return Ok(true);
        }
        let first = self.store.list(Some(&self.path)).next().await;
        Ok(first.transpose().map_err(|error| self.unreadable(&error))?.is_some())
    }

    /// Size and modification time of the file; `None` if it does not exist.
    pub(crate) async fn meta(&self) -> Result<Option<ObjectMeta>, SparkError> {
        if self.on_disk().is_some_and(|path| path.is_dir()) {
            return Ok(None);
        }
        match self.store.head(&self.path).await {
            Ok(meta) => Ok(Some(meta)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    /// The direct children.
    pub(crate) async fn entries(&self) -> Result<Entries, SparkError> {
        let listed = self.store.list_with_delimiter(Some(&self.path)).await;
        let listed = listed.map_err(|error| self.unreadable(&error))?;
        let directories = listed.common_prefixes.into_iter().map(|path| self.at(path));
        Ok(Entries { directories: directories.collect(), files: listed.objects })
    }

    /// Creates the directory, if directories are real.
    pub async fn make_directory(&self) -> Result<(), SparkError> {
        let Some(path) = self.on_disk() else { return Ok(()) };
        tokio::fs::create_dir_all(path).await.map_err(|error| self.denied(&error))
    }

    /// Writes a small file in one request.
    pub(crate) async fn put(&self, bytes: PutPayload) -> Result<(), SparkError> {
        let put = self.store.put(&self.path, bytes).await;
        put.map(drop).map_err(|error| self.unreadable(&error))
    }

    /// Moves a file within its store. Readers see it at exactly one of the two locations.
    pub(crate) async fn rename(&self, to: &Self) -> Result<(), SparkError> {
        let renamed = self.store.rename(&self.path, &to.path).await;
        renamed.map_err(|error| to.unreadable(&error))
    }

    /// Moves a directory with its contents within its store.
    pub async fn move_directory(&self, to: &Self) -> Result<(), SparkError> {
        if let (Some(from), Some(to)) = (self.on_disk(), to.on_disk()) {
            return tokio::fs::rename(from, to).await.map_err(|error| self.denied(&error));
        }
        let inside: Vec<_> = self
            .store
            .list(Some(&self.path))
            .try_collect()
            .await
            .map_err(|error| self.unreadable(&error))?;
        for meta in inside {
            let file = self.at(meta.location);
            let below = file.below(self).unwrap_or_default().join("/");
            file.rename(&to.join(&below)?).await?;
        }
        Ok(())
    }

    /// Removes the directory with its contents, if it exists.
    pub async fn remove_directory(&self) -> Result<(), SparkError> {
        if self.exists().await? { self.remove().await } else { Ok(()) }
    }

    /// Removes the file, or the directory with its contents.
    pub(crate) async fn remove(&self) -> Result<(), SparkError> {
        if let Some(path) = self.on_disk() {
            let removed = if path.is_dir() {
                tokio::fs::remove_dir_all(&path).await
            } else {
                tokio::fs::remove_file(&path).await
            };
            return removed.map_err(|error| self.denied(&error));
        }
        let inside = self.store.list(Some(&self.path)).map_ok(|meta| meta.location);
        let own = futures::stream::iter(self.meta().await?.map(|meta| Ok(meta.location)));
        let removed = self.store.delete_stream(own.chain(inside).boxed());
        removed.try_for_each(|_| async { Ok(()) }).await.map_err(|error| self.unreadable(&error))
    }

    /// Removes the directory if it is empty.
    pub(crate) async fn remove_if_empty(&self) {
        if let Some(path) = self.on_disk() {
            // Another write may be in progress there.
            let _ = tokio::fs::remove_dir(path).await;
        }
    }

    /// The bytes of the file from an offset on, for a thread that may block.
    pub(crate) fn open(&self, from: u64) -> io::Result<Box<dyn Read + Send>> {
        let range = (from > 0).then_some(GetRange::Offset(from));
        let options = GetOptions { range, ..GetOptions::default() };
        let handle = Handle::current();
        let got = handle.block_on(self.store.get_opts(&self.path, options)).map_err(io_error)?;
        Ok(match got.payload {
            GetResultPayload::File(mut file, _) => {
                file.seek(SeekFrom::Start(got.range.start))?;
                Box::new(file)
            }
            GetResultPayload::Stream(stream) => {
                let stream = stream.map_err(io_error).boxed();
                Box::new(Chunks { stream, handle, current: bytes::Bytes::new() })
            }
        })
    }

    /// Converts a failure of a store for the program.
    pub(crate) fn unreadable(&self, error: &StoreError) -> SparkError {
        match error {
            StoreError::NotFound { .. } => self.not_found(),
            _ => SparkError::plain(Exception::Spark, format!("{self}: {error}")),
        }
    }

    /// Converts an I/O failure for the program.
    pub(crate) fn denied(&self, error: &io::Error) -> SparkError {
        match error.kind() {
            io::ErrorKind::NotFound => self.not_found(),
            _ => SparkError::plain(Exception::Spark, format!("{self}: {error}")),
        }
    }

    /// Spark's error for a path without files.
    pub(crate) fn not_found(&self) -> SparkError {
        let shown = self.to_string();
        let message = format!("Path does not exist: {shown}.");
        SparkError::analysis(condition::PATH_NOT_FOUND, message, &[("path", shown.as_str())])
    }
}

/// Adapts a stream of chunks to `Read`.
struct Chunks {
    stream: futures::stream::BoxStream<'static, io::Result<bytes::Bytes>>,
    handle: Handle,
    current: bytes::Bytes,
}

impl Read for Chunks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.handle.block_on(self.stream.next()) {
                Some(chunk) => self.current = chunk?,
                None => return Ok(0),
            }
        }
        let count = out.len().min(self.current.len());
        out[..count].copy_from_slice(&self.current.split_to(count));
        Ok(count)
    }
}

/// Converts a failure of a store to an I/O error.
pub(crate) fn io_error(error: StoreError) -> io::Error {
    let kind = match &error {
        StoreError::NotFound { .. } => io::ErrorKind::NotFound,
        StoreError::PermissionDenied { .. } => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// Escapes a URL like Java's `URI`: all characters but letters, digits and those with a meaning in
/// a path. Letters of all scripts stay as they are.
pub fn encoded(url: &str) -> String {
    let mut out = String::with_capacity(url.len());
    for c in url.chars() {
        let stays = if c.is_ascii() {
            c.is_ascii_alphanumeric() || "_-!.~'()*,;:$&+=@/".contains(c)
        } else {
            !c.is_control() && !c.is_whitespace()
        };
        if stays {
            out.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// Converts a path on the local disk to one of a store.
fn absolute(text: &str) -> Result<StorePath, SparkError> {
    let plain = text.strip_prefix("//").unwrap_or(text);
    let path = std::path::absolute(plain).map_err(|error| illegal(text, &error))?;
    let mut straight = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(straight.pop()),
            part => straight.push(part),
        }
    }
    StorePath::from_absolute_path(straight).map_err(|error| illegal(text, &error))
}

fn illegal(text: &str, error: &dyn fmt::Display) -> SparkError {
    SparkError::plain(Exception::IllegalArgument, format!("the path `{text}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_url_or_a_path_on_the_local_disk() {
        let runtime = RuntimeEnv::default();
        let root = ObjectStoreUrl::parse("memory://bucket").unwrap();
        runtime
            .register_object_store(root.as_ref(), Arc::new(object_store::memory::InMemory::new()));
        let cases = [
            ("/a/b=1%20x/c d", "file:/a/b=1%20x/c d"),
            ("file:/a//b/../c", "file:/a/c"),
            ("file:///a", "file:/a"),
            ("memory://bucket/x/y", "memory://bucket/x/y"),
            ("memory://bucket", "memory://bucket/"),
        ];
        for (text, shown) in cases {
            let location = Location::parse(text, &runtime).unwrap();
            assert_eq!(location.to_string(), shown);
            assert_eq!(Location::parse(&location.url(), &runtime).unwrap(), location);
        }
        let unknown = Location::parse("s3a://bucket/x", &runtime).unwrap_err();
        assert_eq!(unknown.class(), "UNSUPPORTED_FEATURE");
    }

    #[test]
    fn a_uri_is_escaped_as_spark_escapes_it() {
        // What Spark 4.2 returns for files with these names.
        let cases = [
            ("a b", "a%20b"),
            ("c+d", "c+d"),
            ("e%20f", "e%2520f"),
            ("g#h", "g%23h"),
            ("ö", "ö"),
            ("q\"<>", "q%22%3C%3E"),
            ("k&k=(x),;'!~@$]^|`", "k&k=(x),;'!~@$%5D%5E%7C%60"),
        ];
        for (name, expected) in cases {
            let base = Location::parse("/t x", &RuntimeEnv::default()).unwrap();
            let file = base.at(StorePath::parse(format!("t x/{name}")).unwrap());
            assert_eq!(file.uri(), format!("file:///t%20x/{expected}"));
            assert_eq!(file.encoded(), format!("file:/t%20x/{expected}"));
        }
    }

    #[test]
    fn a_location_below_another_keeps_its_name_as_it_is() {
        let base = Location::parse("/data", &RuntimeEnv::default()).unwrap();
        let below = base.join("day=10%3A00/a#b.csv").unwrap();
        assert_eq!(below.on_disk().unwrap(), Path::new("/data/day=10%3A00/a#b.csv"));
        assert_eq!(below.below(&base).unwrap(), ["day=10%3A00", "a#b.csv"]);
        assert!(!base.is_in(&below) && below.is_in(&base) && base.is_in(&base));
    }
}
