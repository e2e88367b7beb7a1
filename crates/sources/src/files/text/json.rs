//! JSON records out of files.

use super::lines::Lines;
use crate::Location;
use formats::json::{Json, JsonTypes};
use plan::{Field, SparkError};
use std::io;

/// The columns that the files hold.
pub(crate) fn infer(files: &[Location], json: &Json) -> Result<Vec<Field>, SparkError> {
    let mut types = JsonTypes::new(json)?;
    let mut sample = json.records.sample();
    for file in files {
        let mut failed = None;
        let read = each(file, json, &mut |record| {
            if sample.takes() {
                failed = types.add(record).err();
            }
            failed.is_none()
        });
        read.map_err(|error| file.denied(&error))?;
        if let Some(error) = failed {
            return Err(error);
        }
    }
    types.finish()
}

/// Shows each record of a file until that is enough.
fn each(file: &Location, json: &Json, show: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut lines = Lines::open(file, None, json.records.line_sep.as_deref())?;
    if json.records.multi_line {
        show(lines.whole()?);
        return Ok(());
    }
    while let Some(line) = lines.next()? {
        if !show(line) {
            break;
        }
    }
    Ok(())
}
