//! Columns that describe the file a row was read from. A table of files has them after its own
//! columns; they cost nothing unless a plan reads them.

use super::listing::DataFile;
use datafusion::common::ScalarValue;
use formats::types;
use plan::{DataType, Field};

/// A column that describes the file of a row, or the part of it that a task reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileColumn {
    /// The file's URI: `file:///data/a.csv`.
    Uri,
    /// The file's URI as `_metadata` has it: `file:/data/a.csv`.
    Path,
    /// The last part of the URI.
    Name,
    /// Size in bytes.
    Size,
    /// Offset of the part that a task reads.
    BlockStart,
    /// Length of that part in bytes.
    BlockLength,
    /// Time of the last modification.
    ModificationTime,
}

impl FileColumn {
    /// All of them, in the order in which a table has them.
    pub const ALL: [Self; 7] = [
        Self::Uri,
        Self::Path,
        Self::Name,
        Self::Size,
        Self::BlockStart,
        Self::BlockLength,
        Self::ModificationTime,
    ];

    /// The column's name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uri => "#file_uri",
            Self::Path => "#file_path",
            Self::Name => "#file_name",
            Self::Size => "#file_size",
            Self::BlockStart => "#file_block_start",
            Self::BlockLength => "#file_block_length",
            Self::ModificationTime => "#file_modification_time",
        }
    }

    /// Spark's type.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Uri | Self::Path | Self::Name => DataType::String,
            Self::Size | Self::BlockStart | Self::BlockLength => DataType::Long,
            Self::ModificationTime => DataType::Timestamp,
        }
    }

    /// The column in the schema of a table.
    pub(super) fn field(self) -> Field {
        Field::new(self.name(), self.data_type(), false)
    }

    /// Whether all rows of a file have the same value, however the file is split.
    pub(super) fn is_of_whole_file(self) -> bool {
        !matches!(self, Self::BlockStart | Self::BlockLength)
    }

    /// The value for rows that are read from these bytes of a file.
    pub(super) fn value(self, file: &DataFile, (start, end): (u64, u64)) -> ScalarValue {
        let number = |bytes: u64| ScalarValue::from(bytes.cast_signed());
        let text = |text: String| ScalarValue::Utf8(Some(text));
        match self {
            Self::Uri => text(file.location.uri()),
            Self::Path => text(file.location.encoded()),
            Self::Name => {
                let path = file.location.encoded();
                text(path.rsplit('/').next().unwrap_or_default().to_owned())
            }
            Self::Size => number(file.meta.size),
            Self::BlockStart => number(start),
            Self::BlockLength => number(end - start),
            Self::ModificationTime => {
                // Spark knows the time to the millisecond.
                let time = file.meta.last_modified.timestamp_millis() * 1_000;
                ScalarValue::TimestampMicrosecond(Some(time), Some(types::TIMESTAMP_ZONE.into()))
            }
        }
    }
}
