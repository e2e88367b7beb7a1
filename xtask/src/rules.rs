//! The rules of the house that no compiler checks: every source file says what it is for, none is too long, no room depends on one
//! that it must not see, and nothing speaks of places that its readers do not have.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Lines of a file, without its tests.
const LONGEST_FILE: usize = 800;

/// Fails with all that breaks a rule.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut broken = Vec::new();
    for path in sources(root)? {
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?;
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        check_source(&name, &text, &mut broken);
    }
    let code = code(root)?;
    broken.extend(crate::conditions::unraised(root, &code)?);
    broken.extend(unread_keys(root, &code)?);
    crate::arrows::check(root, &mut broken)?;
    if !broken.is_empty() {
        bail!("{} rules of the house are broken:\n  {}", broken.len(), broken.join("\n  "));
    }
    Ok(())
}

fn check_source(file: &str, text: &str, broken: &mut Vec<String>) {
    if !text.starts_with("//!") {
        broken.push(format!("{file}: does not say in its first line what it is for (`//!`)"));
    }
    let is_test = file.ends_with("tests.rs") || file.contains("/tests/");
    let lines =
        text.find("#[cfg(test)]\nmod tests {").map_or(text, |start| &text[..start]).lines().count();
    if lines > LONGEST_FILE && !is_test {
        broken.push(format!("{file}: {lines} lines; {LONGEST_FILE} is the limit"));
    }
}

/// Where keys are declared.
const KEYS: &str = "crates/model/src/conf/keys.rs";

/// Everything that runs: the sources without tests, and without the two tables whose entries must be used by others.
fn code(root: &Path) -> Result<String> {
    let mut all = String::new();
    for path in sources(root)? {
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let is_test = name.contains("/tests/") || name.ends_with("tests.rs");
        if is_test
            || name == KEYS
            || name == "crates/errors/src/catalogue.rs"
            || name.starts_with("xtask")
        {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        all.push_str(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
    }
    Ok(all)
}

/// Keys that are declared as honoured and that no code names, neither by constant nor as text.
fn unread_keys(root: &Path, code: &str) -> Result<Vec<String>> {
    let keys =
        std::fs::read_to_string(root.join(KEYS)).with_context(|| format!("reading {KEYS}"))?;
    let honoured = |name: &str| {
        model::conf::declared(name).is_some_and(|key| key.effect == model::conf::Effect::Honoured)
    };
    let mut broken = Vec::new();
    for line in keys.lines() {
        // `    CONSTANT: Type = "spark.key", …`
        let Some((constant, rest)) = line.trim_start().split_once(": ") else { continue };
        let Some(name) = rest.split('"').nth(1).filter(|name| honoured(name)) else { continue };
        if !names(code, constant) && !code.contains(&format!("\"{name}\"")) {
            broken.push(format!("{KEYS}: {name} is declared as honoured, and no code reads it"));
        }
    }
    Ok(broken)
}

/// Whether a word stands in a text as a word of its own.
fn names(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
}

/// All Rust sources that people write.
fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut directories: Vec<PathBuf> =
        ["crates", "operator", "driver", "executor", "cli", "xtask", "bench"]
            .iter()
            .map(|room| root.join(room))
            .collect();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory)
            .with_context(|| format!("listing {}", directory.display()))?
        {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "generated" && name != "target" {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_long_or_says_nothing_is_named() {
        let mut broken = Vec::new();
        check_source("a.rs", &"fn f() {}\n".repeat(LONGEST_FILE + 1), &mut broken);
        assert_eq!(broken.len(), 2, "{broken:?}");
        broken.clear();
        check_source("a.rs", "//! Says it.\n", &mut broken);
        assert!(broken.is_empty());
    }
}
