//! Generates files, and checks rules that the compiler cannot.

mod arrows;
mod conditions;
mod descriptors;
mod generate;
mod rules;

use anyhow::{Result, bail};
use std::path::Path;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in the workspace");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["generate"] => generate::write(root),
        ["generate", "--check"] => generate::check(root),
        ["check"] => rules::check(root),
        ["conditions", published] => conditions::compare(root, Path::new(published)),
        _ => bail!("usage: cargo xtask generate [--check] | check | conditions FILE"),
    }
}
