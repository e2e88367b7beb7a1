//! CSV records out of files.

use super::lines::Lines;
use crate::Location;
use formats::csv::{Csv, CsvReader, CsvTypes, Extent, Record, is_record};
use formats::rows::{Rows, check_length};
use plan::{Field, SparkError};
use std::io;

/// The columns that the files hold; none if no file has a line.
pub(crate) fn infer(files: &[Location], csv: &Csv) -> Result<Vec<Field>, SparkError> {
    let mut types = None;
    for file in files {
        let first = each(file, csv, &mut |record, input| {
            types = Some(CsvTypes::new(csv, record, input));
            false
        });
        first.map_err(|error| file.denied(&error))?;
        if types.is_some() {
            break;
        }
    }
    let Some(mut types) = types.transpose()? else { return Ok(Vec::new()) };
    let mut sample = csv.records.sample();
    for file in files.iter().filter(|_| csv.infer) {
        let mut is_header = csv.header;
        let read = each(file, csv, &mut |record, input| {
            if !std::mem::take(&mut is_header) && sample.takes() {
                types.add(record, input);
            }
            true
        });
        read.map_err(|error| file.denied(&error))?;
    }
    Ok(types.finish())
}

/// Shows each record of a file, with the input that its fields are in, until that is enough.
fn each(
    file: &Location,
    csv: &Csv,
    show: &mut dyn FnMut(&Record, &[u8]) -> bool,
) -> io::Result<()> {
    let mut lines = Lines::open(file, None, csv.records.line_sep.as_deref())?;
    let mut record = Record::default();
    if csv.records.multi_line {
        while let Some(length) = next_record(&mut record, csv, &mut lines)? {
            if !show(&record, lines.rest()) {
                break;
            }
            lines.take(length);
        }
        return Ok(());
    }
    while let Some(line) = lines.next()? {
        if is_record(line, csv) {
            record.parse(csv, line, Extent::Line);
            if !show(&record, line) {
                break;
            }
        }
    }
    Ok(())
}

/// Reads the next record of several lines; says how long it is in the rest of the input. Nothing at
/// the end.
fn next_record(record: &mut Record, csv: &Csv, lines: &mut Lines) -> io::Result<Option<usize>> {
    let mut extent = Extent::Lines;
    loop {
        let rest = lines.rest();
        if rest.is_empty() && extent == Extent::LastLines {
            return Ok(None);
        }
        let is_comment = rest.first().is_some_and(|first| csv.comment == Some(*first));
        let length = if is_comment {
            let end = rest.iter().position(|b| *b == b'\n').map(|at| at + 1);
            end.or((extent == Extent::LastLines).then_some(rest.len()))
        } else if rest.is_empty() {
            None
        } else {
            record.parse(csv, rest, extent)
        };
        match length {
            Some(length) if is_comment || record.is_blank() => lines.take(length),
            Some(length) => return Ok(Some(length)),
            None if !lines.more()? => extent = Extent::LastLines,
            None => {}
        }
    }
}

/// Passes over the header, if a file has one.
pub(super) fn skip_header(reader: &mut CsvReader, lines: &mut Lines) -> io::Result<()> {
    let (record, csv) = reader.record();
    if !csv.header {
        return Ok(());
    }
    if csv.records.multi_line {
        if let Some(length) = next_record(record, csv, lines)? {
            lines.take(length);
        }
        return Ok(());
    }
    while let Some(line) = lines.next()? {
        if is_record(line, csv) {
            break;
        }
    }
    Ok(())
}

/// Reads the next record that is neither blank nor a comment. False at the end.
pub(super) fn read(
    reader: &mut CsvReader,
    lines: &mut Lines,
    rows: &mut Rows,
) -> Result<bool, arrow::error::ArrowError> {
    let (record, csv) = reader.record();
    if csv.records.multi_line {
        let Some(length) = next_record(record, csv, lines)? else { return Ok(false) };
        let found = &lines.rest()[..length];
        check_length(found)?;
        // The line end is no part of the record.
        let text = found.strip_suffix(b"\n").unwrap_or(found);
        reader.push(text.strip_suffix(b"\r").unwrap_or(text), rows)?;
        lines.take(length);
        return Ok(true);
    }
    while let Some(line) = lines.next()? {
        if is_record(line, reader.record().1) {
            reader.read(line, rows)?;
            return Ok(true);
        }
    }
    Ok(false)
}
