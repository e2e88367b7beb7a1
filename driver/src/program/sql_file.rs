//! A program that is a file of SQL statements: run one after the other in one session, their rows
//! printed as tables.

use crate::backend::{Session, Sessions};
use crate::error::Error;
use crate::settings::Program;
use plan::SparkError;
use std::io::Write;

/// Runs the statements up to the first that fails. Returns the exit code: 1 if one failed, which is
/// told on standard error with its place.
pub(crate) async fn run_sql_file(program: &Program, sessions: &Sessions) -> Result<i32, Error> {
    let file = &program.file;
    let name = program.name.clone().unwrap_or_else(|| file.display().to_string());
    let failed = |source| Error::Read { file: file.to_owned(), source };
    let text = tokio::fs::read_to_string(file).await.map_err(failed)?;
    // Some editors put a byte order mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let session = sessions.open();
    for statement in sql::split_statements(text) {
        if let Err(error) = run(&session, statement.text).await {
            let place = format!("{name}, line {}", statement.line);
            tell(&place, &error);
            return Ok(1);
        }
    }
    Ok(0)
}

async fn run(session: &Session, text: &str) -> Result<(), SparkError> {
    if let Some(answer) = session.run_sql(text).await? {
        let table = session.table(&answer)?;
        // A reader that has had enough closes the pipe: the statements run all the same.
        let _ = std::io::stdout().write_all(table.as_bytes());
    }
    Ok(())
}

fn tell(place: &str, error: &SparkError) {
    let mut stderr = std::io::stderr().lock();
    // Without a standard error there is nobody to tell.
    let _ = writeln!(stderr, "{place}: {error}");
    for cause in &error.causes {
        let _ = writeln!(stderr, "  caused by: {cause}");
    }
}
