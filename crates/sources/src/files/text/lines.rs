//! Line-by-line input of text files, which holds no more than a line and a buffer in memory.

use crate::Location;
use flate2::read::MultiGzDecoder;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

/// Bytes read at a time.
const CHUNK: usize = 256 << 10;

/// UTF-8 byte order mark, which some programs put at the start of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether a file is compressed, judging by its name.
pub(crate) fn is_compressed(name: &str) -> bool {
    extension(name)
        .is_some_and(|end| ["gz", "bz2", "zst", "xz", "lz4", "snappy", "deflate"].contains(&end))
}

/// Whether the compression of a file is supported.
pub(crate) fn is_known(name: &str) -> bool {
    matches!(extension(name), Some("gz" | "zst"))
}

fn extension(name: &str) -> Option<&str> {
    Path::new(name).extension().and_then(|end| end.to_str())
}

/// Input from a file or a part of it.
pub(crate) struct Lines {
    input: Box<dyn Read + Send>,
    separator: Option<Vec<u8>>,
    buffer: Vec<u8>,
    /// Range of unread bytes in the buffer.
    from: usize,
    to: usize,
    /// Position of `from` in the file, and the end of the part.
    at: u64,
    stop: u64,
    ended: bool,
}

impl Lines {
    /// Opens a file, or the part of it between two offsets.
    pub(crate) fn open(
        file: &Location,
        part: Option<(u64, u64)>,
        separator: Option<&str>,
    ) -> io::Result<Self> {
        let (start, stop) = part.unwrap_or((0, u64::MAX));
        let separator = separator.map(|text| text.as_bytes().to_vec());
        // A line that starts exactly at the part's start is recognised by the separator before it.
        let back = separator.as_ref().map_or(1, Vec::len) as u64;
        let at = start.saturating_sub(back);
        let input: Box<dyn Read + Send> = match extension(file.name()) {
            Some("gz") => Box::new(MultiGzDecoder::new(io::BufReader::new(file.open(0)?))),
            Some("zst") => Box::new(zstd::Decoder::new(file.open(0)?)?),
            _ => file.open(at)?,
        };
        let (buffer, ended) = (vec![0; CHUNK], false);
        let mut lines = Self { input, separator, buffer, from: 0, to: 0, at, stop, ended };
        if start > 0 {
            lines.skip_line()?;
        } else {
            while lines.rest().len() < BYTE_ORDER_MARK.len() && lines.more()? {}
            if lines.rest().starts_with(BYTE_ORDER_MARK) {
                lines.take(BYTE_ORDER_MARK.len());
            }
        }
        Ok(lines)
    }

    /// The buffered bytes that are not consumed yet.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.buffer[self.from..self.to]
    }

    /// Consumes bytes.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.from += bytes;
        self.at += bytes as u64;
    }

    /// Reads more bytes after `rest`. Returns false at the end of the file.
    pub(crate) fn more(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.to == self.buffer.len() {
            if self.from > 0 {
                self.buffer.copy_within(self.from..self.to, 0);
                self.to -= self.from;
                self.from = 0;
            }
            if self.to > self.buffer.len() / 2 {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        loop {
            match self.input.read(&mut self.buffer[self.to..]) {
                Ok(0) => self.ended = true,
                Ok(count) => self.to += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(!self.ended);
        }
    }

    /// Reads the rest of the file.
    pub(crate) fn whole(&mut self) -> io::Result<&[u8]> {
        while self.more()? {}
        Ok(self.rest())
    }

    /// The next line of the part, without its separator.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if self.at >= self.stop {
            return Ok(None);
        }
        Ok(self.line()?.map(|line| &self.buffer[line]))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        self.line().map(drop)
    }

    fn line(&mut self) -> io::Result<Option<Range<usize>>> {
        let mut seen = 0;
        loop {
            if let Some((length, end)) = self.line_end(seen) {
                let line = self.from..self.from + length;
                self.take(length + end);
                return Ok(Some(line));
            }
            // A separator may have started already.
            let begun = self.separator.as_ref().map_or(1, Vec::len) - 1;
            seen = self.rest().len().saturating_sub(begun.max(1));
            if !self.more()? {
                if let Some((length, end)) = self.line_end(seen) {
                    let line = self.from..self.from + length;
                    self.take(length + end);
                    return Ok(Some(line));
                }
                let line = self.from..self.to;
                self.take(line.len());
                return Ok((!line.is_empty()).then_some(line));
            }
        }
    }

    /// Length of the first line and of its separator, if complete.
    fn line_end(&self, seen: usize) -> Option<(usize, usize)> {
        let rest = self.rest();
        if let Some(separator) = &self.separator {
            if let [byte] = separator[..] {
                return rest[seen..].iter().position(|b| *b == byte).map(|at| (seen + at, 1));
            }
            let found = rest[seen..].windows(separator.len()).position(|w| w == separator);
            return found.map(|at| (seen + at, separator.len()));
        }
        let at = seen + rest[seen..].iter().position(|b| *b == b'\n' || *b == b'\r')?;
        if rest[at] == b'\n' {
            return Some((at, 1));
        }
        match rest.get(at + 1) {
            Some(b'\n') => Some((at, 2)),
            Some(_) => Some((at, 1)),
            // Whether a newline follows is unknown until more is read.
            None => self.ended.then_some((at, 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::execution::runtime_env::RuntimeEnv;
    use std::fs::File;
    use std::io::Write;

    fn lines(path: &Path, part: Option<(u64, u64)>, separator: Option<&str>) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _entered = runtime.enter();
        let file = path.display().to_string();
        let file = Location::parse(&file, &RuntimeEnv::default()).unwrap();
        let mut lines = Lines::open(&file, part, separator).unwrap();
        let mut out = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            out.push(String::from_utf8_lossy(line).into_owned());
        }
        out
    }

    #[test]
    fn every_line_is_in_one_part_wherever_the_file_is_split() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.txt");
        let cases: [(&[u8], Option<&str>, &[&str]); 6] = [
            (b"one\ntwo\r\nthree\rfour", None, &["one", "two", "three", "four"]),
            (b"\n\na\n\n", None, &["", "", "a", ""]),
            (b"a\r\n\r\nb\r", None, &["a", "", "b"]),
            (b"", None, &[]),
            (b"a;b\nc;;", Some(";"), &["a", "b\nc", ""]),
            (b"\xef\xbb\xbfa\nb", None, &["a", "b"]),
        ];
        for (text, separator, expected) in cases {
            std::fs::write(&path, text).unwrap();
            assert_eq!(lines(&path, None, separator), expected);
            let size = text.len() as u64;
            for first in 1..size.max(1) {
                let mut all = lines(&path, Some((0, first)), separator);
                all.extend(lines(&path, Some((first, size)), separator));
                // A byte order mark at the start is not a line, even if the split is inside it.
                if !text.starts_with(BYTE_ORDER_MARK) {
                    assert_eq!(all, expected, "{text:?} cut at {first}");
                }
            }
        }
        std::fs::write(&path, b"a||b|c||").unwrap();
        assert_eq!(lines(&path, None, Some("||")), ["a", "b|c"]);
    }

    #[test]
    fn lines_longer_than_the_buffer_and_compressed_ones_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let long = "x".repeat(CHUNK + 7);
        let text = format!("{long}\r\n{long}\nend");
        let path = directory.path().join("a.txt.gz");
        let file = File::create(&path).unwrap();
        let level = flate2::Compression::fast();
        let mut writer = flate2::write::GzEncoder::new(file, level);
        writer.write_all(text.as_bytes()).unwrap();
        writer.finish().unwrap();
        assert_eq!(lines(&path, None, None), [long.as_str(), &long, "end"]);
        let plain = directory.path().join("a.txt");
        std::fs::write(&plain, &text).unwrap();
        assert_eq!(lines(&plain, None, None), [long.as_str(), &long, "end"]);
    }
}
