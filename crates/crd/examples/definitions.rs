//! Writes everything that is generated from this room to standard output, as one JSON object from
//! names to texts: the files with the custom resource definitions, and `settings`, a table for the
//! documentation. `cargo xtask generate` runs this program and so needs no Kubernetes types itself.

use std::collections::BTreeMap;
use std::io::Write as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut files = BTreeMap::new();
    for definition in crd::definitions() {
        files.insert(definition.file, definition.yaml()?);
    }
    let rows = crd::POD_KEYS.iter().map(|key| {
        let default =
            if key.default == "-" { "-".to_owned() } else { format!("`{}`", key.default) };
        format!("| `{}` | {default} | {} |\n", key.name, key.doc)
    });
    files.insert("settings", rows.collect());
    let text = serde_json::to_string(&files)?;
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}
