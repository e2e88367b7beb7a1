//! Settings that take one of a few words.

use super::{Problem, Value};

/// Declares an enum whose values are words, in any case. A word behind `refused` is one of Spark's that is not served.
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
    /// Order in which jobs get slots.
    SchedulerMode {
        /// The job that was submitted first goes first.
        Fifo = "FIFO"
    } refused "FAIR"
);

choice!(
    /// What becomes of a key that comes twice in a new map.
    MapKeyDedupPolicy {
        /// It is an error.
        Exception = "EXCEPTION",
        /// The last value stays.
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
        /// Bytes as they are.
        None = "none"
    } refused "snappy", "lzf"
);

choice!(
    /// Where the volumes of executors on one machine are.
    VolumeLayout {
        /// All executors have one volume.
        Shared = "shared",
        /// Each executor has its own.
        Own = "own"
    }
);

choice!(
    /// What an overwrite of a partitioned table removes.
    PartitionOverwriteMode {
        /// Every partition.
        Static = "STATIC",
        /// Partitions of which there are new rows.
        Dynamic = "DYNAMIC"
    }
);

choice!(
    /// What the type name `TIMESTAMP` means.
    TimestampType {
        /// An instant, shown in the session's time zone.
        Ltz = "TIMESTAMP_LTZ"
    } refused "TIMESTAMP_NTZ"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_in_any_case_and_others_are_told_what_there_is() {
        assert_eq!(MapKeyDedupPolicy::parse(" last_win"), Ok(MapKeyDedupPolicy::LastWin));
        assert_eq!(MapKeyDedupPolicy::FORM, "EXCEPTION, LAST_WIN");
        let known = Problem::NotOneOf(&["EXCEPTION", "LAST_WIN"]);
        assert_eq!(MapKeyDedupPolicy::parse("FIRST"), Err(known));
    }

    #[test]
    fn a_word_of_spark_that_is_not_served_is_refused_as_such() {
        assert_eq!(SchedulerMode::parse("fair"), Err(Problem::NotServed(&["FIFO"])));
        assert_eq!(SchedulerMode::parse("LIFO"), Err(Problem::NotOneOf(&["FIFO"])));
    }
}
