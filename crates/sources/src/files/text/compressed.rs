//! Output of a text file, compressed or not.

use crate::upload::Upload;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use std::io::{self, BufWriter, Write};

/// Compression of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

/// Writer of a text file (see the module).
pub(super) enum Compressed {
    Plain(BufWriter<Upload>),
    Gzip(Box<GzEncoder<BufWriter<Upload>>>),
    Zstd(Box<zstd::Encoder<'static, BufWriter<Upload>>>),
}

impl Compressed {
    /// Starts a file.
    pub(super) fn new(out: Upload, compression: Compression) -> io::Result<Self> {
        let out = BufWriter::new(out);
        Ok(match compression {
            Compression::None => Self::Plain(out),
            Compression::Gzip => {
                Self::Gzip(Box::new(GzEncoder::new(out, flate2::Compression::default())))
            }
            Compression::Zstd => {
                let level = zstd::DEFAULT_COMPRESSION_LEVEL;
                Self::Zstd(Box::new(zstd::Encoder::new(out, level)?))
            }
        })
    }

    /// Completes the file.
    pub(super) fn finish(self) -> io::Result<()> {
        let out = match self {
            Self::Plain(out) => out,
            Self::Gzip(out) => out.finish()?,
            Self::Zstd(out) => out.finish()?,
        };
        out.into_inner().map_err(io::IntoInnerError::into_error)?.finish()
    }
}

impl Write for Compressed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Gzip(out) => out.write(bytes),
            Self::Zstd(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Gzip(out) => out.flush(),
            Self::Zstd(out) => out.flush(),
        }
    }
}
