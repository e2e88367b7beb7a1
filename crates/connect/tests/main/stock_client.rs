//! PySpark's own client against the service. Needs a Python with `pyspark-client`, named by
//! `FIRESTEEL_PYTHON`.

use crate::fake::{Fake, RAISED, serve};
use errors::{Exception, condition};
use std::fmt::Write as _;
use std::io::Write as _;

#[tokio::test(flavor = "multi_thread")]
async fn the_stock_client_is_served() {
    run("stock_client.py", String::new()).await;
}

/// Every condition becomes the exception that PySpark has for it, with its class and its state.
#[tokio::test(flavor = "multi_thread")]
async fn the_stock_client_knows_every_condition() {
    let mut table = format!("{RAISED}\n");
    for known in condition::ALL {
        let (class, exception) = (known.class, python_exception(known.exception));
        let state = known.sql_state.unwrap_or("None");
        let _ = writeln!(table, "{class}\t{state}\t{exception}");
    }
    run("conditions.py", table).await;
}

/// PySpark's name of an exception.
fn python_exception(exception: Exception) -> &'static str {
    match exception {
        Exception::Analysis
        | Exception::NoSuchTable
        | Exception::NoSuchDatabase
        | Exception::TableExists
        | Exception::TempTableExists => "AnalysisException",
        Exception::Parse => "ParseException",
        Exception::IllegalArgument => "IllegalArgumentException",
        Exception::Arithmetic => "ArithmeticException",
        Exception::ArrayIndex => "ArrayIndexOutOfBoundsException",
        Exception::DateTime => "DateTimeException",
        Exception::NumberFormat => "NumberFormatException",
        Exception::Unsupported => "UnsupportedOperationException",
        Exception::Python => "PythonException",
        Exception::Runtime => "SparkRuntimeException",
        Exception::NoSuchElement => "SparkNoSuchElementException",
        Exception::InvalidPlan => "InvalidPlanInput",
        // PySpark has no name for Spark's exceptions of sessions and cursors.
        Exception::Sql => "UnknownException",
        Exception::Spark | Exception::Internal => "SparkException",
    }
}

/// Runs a program with the stock client against a server of its own; `input` is its standard input.
async fn run(program: &str, input: String) {
    let Some(python) = std::env::var_os("FIRESTEEL_PYTHON") else {
        eprintln!("skipped: FIRESTEEL_PYTHON names no Python with pyspark-client");
        return;
    };
    let address = serve(Fake::default(), None).await;
    let script = format!("{}/tests/main/{program}", env!("CARGO_MANIFEST_DIR"));
    let client = tokio::task::spawn_blocking(move || {
        let mut client = std::process::Command::new(python);
        client.arg(script).arg(address).stdin(std::process::Stdio::piped());
        client.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut client = client.spawn()?;
        client.stdin.take().expect("it is piped").write_all(input.as_bytes())?;
        client.wait_with_output()
    });
    let output = client.await.expect("no panic").expect("Python starts");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
