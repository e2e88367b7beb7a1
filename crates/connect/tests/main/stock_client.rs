//! PySpark's own client against the service. Needs a Python with `pyspark-client`, named by `FIRESTEEL_PYTHON`.

use crate::fake::{Fake, serve};

#[tokio::test(flavor = "multi_thread")]
async fn the_stock_client_is_served() {
    let Some(python) = std::env::var_os("FIRESTEEL_PYTHON") else {
        println!("skipped: FIRESTEEL_PYTHON names no Python with pyspark-client");
        return;
    };
    let address = serve(Fake::default(), None).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/main/stock_client.py");
    let client = tokio::task::spawn_blocking(move || {
        std::process::Command::new(python).arg(script).arg(address).output()
    });
    let output = client.await.expect("no panic").expect("Python starts");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
