//! Options of reads and writes of files.

use plan::SparkError;

pub(crate) use formats::options::{Options, bad};

/// Refuses unsupported options that all formats share.
pub(crate) fn check_common(options: &Options<'_>) -> Result<(), SparkError> {
    options.refuse(&[("ignoreCorruptFiles", &["false"]), ("ignoreMissingFiles", &["false"])])
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::csv::Csv;
    use formats::records::Defaults;

    #[test]
    fn options_are_case_insensitive_and_unsupported_ones_are_refused() {
        let given = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let defaults = Defaults { time_zone: "UTC", corrupt_column: "bad" };
        let read = given(&[("HEADER", "True"), ("delimiter", "\\t"), ("mode", "permissive")]);
        let csv = Csv::read(&Options(&read), defaults).unwrap();
        assert!(csv.header);
        assert_eq!((csv.delimiter.as_str(), csv.escape), ("\t", b'\\'));
        let refused = [
            ("header", "maybe"),
            ("encoding", "UTF-16"),
            ("lineSep", ""),
            ("quote", "ab"),
            ("maxColumns", "7"),
            ("dateFormat", "{"),
            ("samplingRatio", "0"),
        ];
        for refused in refused {
            assert!(Csv::read(&Options(&given(&[refused])), defaults).is_err(), "{refused:?}");
        }
    }
}
