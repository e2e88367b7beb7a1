//! Lists the files of `python/` that the binary contains.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../python");
    let root = root.canonicalize()?;
    let mut list = String::from("&[\n");
    for (directory, prefix) in [("site", ""), ("firesteel", "firesteel/")] {
        for file in files(&root.join(directory))? {
            let name = file.strip_prefix(root.join(directory)).map_err(io::Error::other)?;
            let name = format!("{prefix}{}", name.display());
            let _ =
                writeln!(list, "    ({name:?}, include_str!({:?})),", file.display().to_string());
        }
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("python_files.rs"), list)
}

/// The Python files below a directory, in a fixed order.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    println!("cargo::rerun-if-changed={}", directory.display());
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut found = Vec::new();
    for path in entries.iter().map(fs::DirEntry::path) {
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "py") {
            found.push(path);
        }
    }
    Ok(found)
}
