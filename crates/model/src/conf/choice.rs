//! Settings with a few permitted words.

use super::{Problem, Value};

/// Declares an enum whose values are words, in any case. Words after `refused` are Spark's, but not
/// supported.
macro_rules! choice {
    ($(#[$attribute:meta])* $name:ident { $($(#[$of_variant:meta])* $variant:ident = $word:literal),* } $(refused $($refused:literal),*)?) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$of_variant])* $variant),*
        }

        impl Value for $name {
            const FORM: &'static str = choice!(@form $($word),*);
            const WORDS: &'static [&'static str] = &[$($word),*];

            fn parse(text: &str) -> Result<Self, Problem> {
                const REFUSED: &[&str] = &[$($($refused),*)?];
                let text = text.trim();
                $(if text.eq_ignore_ascii_case($word) {
                    return Ok(Self::$variant);
                })*
                let refused = REFUSED.iter().any(|word| text.eq_ignore_ascii_case(word));
                Err(if refused { Problem::NotServed(Self::WORDS) } else { Problem::NotOneOf(Self::WORDS) })
            }
        }
    };
    (@form $first:literal $(, $word:literal)*) => { concat!($first $(, ", ", $word)*) };
}

choice!(
    /// The order in which jobs get slots.
    SchedulerMode {
        /// First in, first out.
        Fifo = "FIFO",
        /// By pools.
        Fair = "FAIR"
    }
);

choice!(
    /// The treatment of a duplicate key in a new map.
    MapKeyDedupPolicy {
        /// An error.
        Exception = "EXCEPTION",
        /// The last value is kept.
        LastWin = "LAST_WIN"
    }
);

choice!(
    /// Compression of shuffle blocks.
    BlockCompression {
        /// LZ4 frames.
        Lz4 = "lz4",
        /// Zstandard.
        Zstd = "zstd",
        /// No compression.
        None = "none"
    } refused "snappy", "lzf"
);

choice!(
    /// The volumes of executors on one machine.
    VolumeLayout {
        /// All executors share one volume.
        Shared = "shared",
        /// Each executor has its own volume.
        Own = "own"
    }
);

choice!(
    /// When shuffles outlive the application.
    Retain {
        /// Never.
        Never = "never",
        /// If it has failed.
        OnFailure = "onFailure",
        /// Always.
        Always = "always"
    }
);

choice!(
    /// The partitions that an overwrite of a partitioned table deletes.
    PartitionOverwriteMode {
        /// All partitions.
        Static = "STATIC",
        /// Partitions with new rows.
        Dynamic = "DYNAMIC"
    }
);

choice!(
    /// What is measured of Python functions.
    PythonProfiler {
        /// Time and numbers of calls.
        Perf = "perf",
        /// Memory, by line.
        Memory = "memory"
    }
);

choice!(
    /// The meaning of the type name `TIMESTAMP`.
    TimestampType {
        /// An instant, shown in the session's time zone.
        Ltz = "TIMESTAMP_LTZ"
    } refused "TIMESTAMP_NTZ"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_in_any_case_and_errors_list_the_valid_ones() {
        assert_eq!(MapKeyDedupPolicy::parse(" last_win"), Ok(MapKeyDedupPolicy::LastWin));
        assert_eq!(MapKeyDedupPolicy::FORM, "EXCEPTION, LAST_WIN");
        let known = Problem::NotOneOf(&["EXCEPTION", "LAST_WIN"]);
        assert_eq!(MapKeyDedupPolicy::parse("FIRST"), Err(known));
    }

    #[test]
    fn an_unsupported_word_of_spark_is_refused_as_such() {
        let served = Problem::NotServed(&["lz4", "zstd", "none"]);
        assert_eq!(BlockCompression::parse("Snappy"), Err(served));
        let known = Problem::NotOneOf(&["FIFO", "FAIR"]);
        assert_eq!(SchedulerMode::parse("LIFO"), Err(known));
    }
}
