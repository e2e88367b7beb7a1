//! `DROP` and `TRUNCATE`.

use crate::error::Parsed;
use crate::parser::{Cursor, Input};
use plan::Command;

pub(super) fn drop(input: &mut Input<'_>) -> Parsed<Command> {
    input.parser.need(&["DROP"])?;
    if input.parser.take(&["TABLE"]) {
        let if_exists = super::if_exists(input);
        let name = input.parser.name()?;
        let purge = input.parser.take(&["PURGE"]);
        return Ok(Command::DropTable { name, if_exists, purge });
    }
    if input.parser.take(&["VIEW"]) {
        let if_exists = super::if_exists(input);
        return Ok(Command::DropView { name: input.parser.name()?, if_exists });
    }
    if ["TEMPORARY", "TEMP", "VARIABLE"].iter().any(|word| input.parser.sees(&[word])) {
        return super::variable::drop(input);
    }
    if super::takes_database(input) {
        let if_exists = super::if_exists(input);
        let name = input.parser.name()?;
        let cascade = input.parser.take(&["CASCADE"]);
        let _ = !cascade && input.parser.take(&["RESTRICT"]);
        return Ok(Command::DropDatabase { name, if_exists, cascade });
    }
    super::unsupported_statement(input, "DROP")
}

pub(super) fn truncate(input: &mut Input<'_>) -> Parsed<Command> {
    input.parser.need(&["TRUNCATE", "TABLE"])?;
    let name = input.parser.name()?;
    if input.parser.sees(&["PARTITION"]) {
        return super::unsupported_statement(input, "TRUNCATE TABLE …");
    }
    Ok(Command::TruncateTable { name })
}
