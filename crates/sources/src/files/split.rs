//! Division of files among tasks: by size, like Spark.

use super::column::FileColumn;
use super::listing::DataFile;
use super::text::is_compressed;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::scalar::ScalarValue;
use model::conf::{Conf, DEFAULT_PARALLELISM, MAX_PARTITION_BYTES, OPEN_COST};
use plan::SparkError;

/// Parameters for dividing files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    max_bytes: u64,
    open_cost: u64,
    parallelism: u64,
    /// Whether each file is one partition, in the order of the files.
    by_file: bool,
}

impl Sizes {
    /// The same, but for one partition per file.
    pub(crate) fn by_file(self) -> Self {
        Self { by_file: true, ..self }
    }

    pub(crate) fn new(conf: &Conf, slots: u32) -> Result<Self, SparkError> {
        let parallelism = conf.find(&DEFAULT_PARALLELISM)?.unwrap_or(slots);
        Ok(Self {
            max_bytes: conf.get(&MAX_PARTITION_BYTES)?.0.max(1),
            open_cost: conf.get(&OPEN_COST)?.0,
            parallelism: u64::from(parallelism.max(1)),
            by_file: false,
        })
    }

    /// Maximum size of a partition: small enough to keep all slots busy, but not below the cost of
    /// opening a file.
    fn split_bytes(self, files: &[(&DataFile, &Vec<ScalarValue>)]) -> u64 {
        let total: u64 = files.iter().map(|(file, _)| file.meta.size + self.open_cost).sum();
        self.max_bytes.min(self.open_cost.max(total / self.parallelism)).max(1)
    }
}

/// Divides files, with their partition values, into partitions. The values of `described` follow
/// those of the partition columns.
pub(crate) fn partitions(
    files: &[(&DataFile, &Vec<ScalarValue>)],
    sizes: Sizes,
    splittable: Splittable,
    described: &[FileColumn],
) -> Vec<FileGroup> {
    let most = sizes.split_bytes(files);
    let mut parts: Vec<(u64, PartitionedFile)> = Vec::new();
    for (file, values) in files {
        let bytes = |start: u64, end: u64| {
            let described = described.iter().map(|column| column.value(file, (start, end)));
            let values = values.iter().cloned().chain(described);
            PartitionedFile::new_from_meta(file.meta.clone())
                .with_partition_values(values.collect())
        };
        let compressed = splittable == Splittable::Yes && is_compressed(file.location.name());
        let is_whole = sizes.by_file || file.meta.size <= most;
        if compressed || splittable == Splittable::No || is_whole {
            parts.push((file.meta.size, bytes(0, file.meta.size)));
            continue;
        }
        let mut start = 0;
        while start < file.meta.size {
            let end = file.meta.size.min(start + most);
            let range = bytes(start, end).with_range(start.cast_signed(), end.cast_signed());
            parts.push((end - start, range));
            start = end;
        }
    }
    if sizes.by_file {
        return parts.into_iter().map(|(_, part)| FileGroup::new(vec![part])).collect();
    }
    // Largest first; files of equal size keep their order.
    parts.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    let mut groups: Vec<FileGroup> = Vec::new();
    let mut group = Vec::new();
    let mut bytes = 0;
    for (size, part) in parts {
        if bytes + size > most && !group.is_empty() {
            groups.push(FileGroup::new(std::mem::take(&mut group)));
            bytes = 0;
        }
        bytes += size + sizes.open_cost;
        group.push(part);
    }
    if !group.is_empty() {
        groups.push(FileGroup::new(group));
    }
    groups
}

/// Whether a file can be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Splittable {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Location;
    use chrono::DateTime;
    use datafusion::execution::runtime_env::RuntimeEnv;
    use object_store::ObjectMeta;

    #[test]
    fn files_are_split_and_combined_by_size() {
        let runtime = RuntimeEnv::default();
        let sizes = Sizes { max_bytes: 100, open_cost: 10, parallelism: 2, by_file: false };
        // file sizes, whether they can be split, sizes of the parts by partition
        let by_file = sizes.by_file();
        let cases: [(&[u64], (Sizes, Splittable), &[&[u64]]); 6] = [
            (&[250], (sizes, Splittable::Yes), &[&[100], &[100], &[50]]),
            (&[250], (sizes, Splittable::No), &[&[250]]),
            (&[30, 30, 30], (sizes, Splittable::Yes), &[&[30], &[30], &[30]]),
            (&[5, 5, 5, 5], (sizes, Splittable::Yes), &[&[5, 5], &[5, 5]]),
            (&[], (sizes, Splittable::Yes), &[]),
            (&[5, 250, 30], (by_file, Splittable::Yes), &[&[5], &[250], &[30]]),
        ];
        for (files, (sizes, splittable), expected) in cases {
            let found = |(i, size): (usize, &u64)| {
                let location = Location::parse(&format!("/{i}"), &runtime).unwrap();
                let meta = ObjectMeta {
                    location: location.path().clone(),
                    last_modified: DateTime::UNIX_EPOCH,
                    size: *size,
                    e_tag: None,
                    version: None,
                };
                DataFile { location, meta, partition: Vec::new() }
            };
            let found: Vec<DataFile> = files.iter().enumerate().map(found).collect();
            let none = Vec::new();
            let chosen: Vec<_> = found.iter().map(|file| (file, &none)).collect();
            let described = [FileColumn::BlockStart, FileColumn::BlockLength];
            let groups = partitions(&chosen, sizes, splittable, &described);
            let bytes = |file: &PartitionedFile| {
                let whole = file.object_meta.size;
                file.range.as_ref().map_or(whole, |r| (r.end - r.start).cast_unsigned())
            };
            let actual: Vec<Vec<u64>> =
                groups.iter().map(|group| group.files().iter().map(bytes).collect()).collect();
            assert_eq!(actual, expected, "{files:?}");
            for file in groups.iter().flat_map(FileGroup::files) {
                let start = file.range.as_ref().map_or(0, |range| range.start);
                let length = bytes(file).cast_signed();
                assert_eq!(file.partition_values, [start.into(), length.into()], "{files:?}");
            }
        }
    }
}
