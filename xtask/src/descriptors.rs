//! Descriptors of DataFusion's plan messages, from the `.proto` files shipped with the linked
//! version: the engine uses them to walk plans.

use anyhow::{Context, Result};
use prost::Message;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The `.proto` files: crate, file, and the name by which others import it.
const FILES: [(&str, &str, &str); 2] = [
    ("datafusion-proto-models", "datafusion.proto", "datafusion.proto"),
    (
        "datafusion-proto-common",
        "datafusion_common.proto",
        "datafusion/proto-common/proto/datafusion_common.proto",
    ),
];

/// A `FileDescriptorSet` with the messages of physical plans.
pub(crate) fn of_plans(root: &Path) -> Result<Vec<u8>> {
    let metadata = metadata(root)?;
    let scratch = std::env::temp_dir().join(format!("firesteel-plans-{}", std::process::id()));
    for (package, file, imported) in FILES {
        let from = directory(&metadata, package)?.join("proto").join(file);
        let to = scratch.join(imported);
        std::fs::create_dir_all(to.parent().context("a file has a directory")?)?;
        std::fs::copy(&from, &to).with_context(|| format!("copying {}", from.display()))?;
    }
    let described = protox::compile(["datafusion.proto"], [&scratch]);
    std::fs::remove_dir_all(&scratch)?;
    let mut described = described.context("compiling DataFusion's .proto files")?;
    described.file.iter_mut().for_each(|file| file.source_code_info = None);
    Ok(described.encode_to_vec())
}

fn metadata(root: &Path) -> Result<serde_json::Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("running cargo metadata")?;
    serde_json::from_slice(&output.stdout).context("parsing the output of cargo metadata")
}

/// The source directory of a package.
fn directory(metadata: &serde_json::Value, package: &str) -> Result<PathBuf> {
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let found = packages.find(|known| known["name"] == package);
    let manifest = found.and_then(|known| known["manifest_path"].as_str());
    let manifest = manifest.with_context(|| format!("{package} is not among the dependencies"))?;
    Ok(Path::new(manifest).parent().context("a manifest has a directory")?.to_owned())
}
