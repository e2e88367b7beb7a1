//! Rules that no compiler checks: every source file states its purpose, none is too long, comments
//! fit into 100 columns, and no room depends on one that it must not see.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Limit on the lines of a file, without its tests.
const MAX_FILE_LINES: usize = 800;

/// Limit on the columns of a comment.
const MAX_COMMENT_COLUMNS: usize = 100;

/// State machines of rooms that have clocks and channels elsewhere: time is their argument, and
/// their wishes are their results.
const PURE: &[&str] = &["driver/src/core/", "executor/src/tasks.rs"];

/// Fails with everything that breaks a rule.
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
        let count = broken.len();
        let rules = if count == 1 { "rule is" } else { "rules are" };
        bail!("{count} {rules} broken:\n  {}", broken.join("\n  "));
    }
    Ok(())
}

fn check_source(file: &str, text: &str, broken: &mut Vec<String>) {
    if !text.starts_with("//!") {
        broken.push(format!("{file}: its first line does not state its purpose (`//!`)"));
    }
    let is_test = file.ends_with("tests.rs") || file.contains("/tests/");
    if PURE.iter().any(|room| file.starts_with(room)) {
        let words = ["tokio", "Instant", "SystemTime", "mpsc", "oneshot"];
        for word in words.into_iter().filter(|word| names(text, word)) {
            broken.push(format!("{file}: is pure, and must not know {word}"));
        }
    }
    let lines =
        text.find("#[cfg(test)]\nmod tests {").map_or(text, |start| &text[..start]).lines().count();
    if lines > MAX_FILE_LINES && !is_test {
        broken.push(format!("{file}: {lines} lines; the limit is {MAX_FILE_LINES}"));
    }
    let long = text.lines().zip(1..).filter(|(line, _)| is_long_comment(line));
    broken.extend(long.map(|(_, number)| {
        format!("{file}:{number}: a comment beyond column {MAX_COMMENT_COLUMNS}")
    }));
}

/// Whether a line has a comment that is too long and can be wrapped: tables and links cannot.
fn is_long_comment(line: &str) -> bool {
    let is_comment = |(before, _): &(&str, &str)| before.matches('"').count().is_multiple_of(2);
    line.chars().count() > MAX_COMMENT_COLUMNS
        && line.split_once("//").filter(is_comment).is_some_and(|(_, comment)| {
            let text = comment.trim_start_matches(['/', '!', ' ']);
            !text.starts_with('|') && !text.contains("://")
        })
}

/// The file that declares the keys.
const KEYS: &str = "crates/model/src/conf/keys.rs";

/// All code that runs: the sources without tests, and without the two tables whose entries must be
/// used elsewhere.
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

/// Keys that are declared as honoured but never used, neither by constant nor as text.
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
            broken.push(format!("{KEYS}: {name} is declared as honoured, but no code reads it"));
        }
    }
    Ok(broken)
}

/// Whether a text contains this word as a whole word.
fn names(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
}

/// All Rust sources that are written by hand.
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
    fn a_file_that_is_too_long_or_has_no_purpose_is_reported() {
        let mut broken = Vec::new();
        check_source("a.rs", &"fn f() {}\n".repeat(MAX_FILE_LINES + 1), &mut broken);
        assert_eq!(broken.len(), 2, "{broken:?}");
        broken.clear();
        check_source("a.rs", "//! A purpose.\n", &mut broken);
        assert!(broken.is_empty());
    }

    #[test]
    fn a_comment_that_is_too_long_is_reported_with_its_line() {
        let long = "long ".repeat(20);
        let cases = [
            (format!("/// {long}"), true),
            (format!("let a = 1; // {long}"), true),
            (format!("let a = \"// {long}\";"), false),
            (format!("/// | {long} |"), false),
            (format!("/// [a link](https://example.org/{long})"), false),
            ("/// short".to_owned(), false),
        ];
        for (line, is_long) in cases {
            let mut broken = Vec::new();
            check_source("cli/src/a.rs", &format!("//! A purpose.\n{line}\n"), &mut broken);
            assert_eq!(broken.len(), usize::from(is_long), "{line}: {broken:?}");
            assert!(broken.iter().all(|problem| problem.starts_with("cli/src/a.rs:2: ")));
        }
    }
}
