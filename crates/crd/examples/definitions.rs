//! Writes the definitions of the custom resources to its output, as one JSON object from file names to texts. `cargo xtask generate` runs
//! it, and so needs none of the types of Kubernetes itself.

use std::collections::BTreeMap;
use std::io::Write as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut files = BTreeMap::new();
    for definition in crd::definitions() {
        files.insert(definition.file, definition.yaml()?);
    }
    let text = serde_json::to_string(&files)?;
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}
