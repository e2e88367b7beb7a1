//! Patterns with the semantics of `java.util.regex`. Those that the `regex` crate supports run in
//! time linear in the text; look-around, back-references and atomic groups run by backtracking with
//! a limited number of steps, so that no pattern can block a task forever.

mod replacement;
mod syntax;

use errors::condition;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::ops::Range;

use datafusion::common::{DataFusionError, Result};

pub(in crate::scalar) use replacement::{Replacement, malformed as malformed_replacement};
use syntax::{End, translate};

use crate::run_time_error;

/// Maximum number of backtracking steps per search.
const STEPS: usize = 5_000_000;

/// Compiled patterns of a batch, usually one.
pub(in crate::scalar) struct Cache {
    function: &'static str,
    patterns: HashMap<String, Pattern>,
}

impl Cache {
    /// Creates a cache for a function, whose name is used in errors.
    pub(in crate::scalar) fn new(function: &'static str) -> Self {
        Self { function, patterns: HashMap::new() }
    }

    pub(in crate::scalar) fn get(&mut self, pattern: &str) -> Result<&Pattern> {
        if !self.patterns.contains_key(pattern) {
            let compiled = Pattern::new(pattern, self.function)?;
            self.patterns.insert(pattern.to_owned(), compiled);
        }
        Ok(&self.patterns[pattern])
    }
}

/// Byte ranges of a match and its groups; the first is the whole match.
pub(in crate::scalar) type Groups = Vec<Option<Range<usize>>>;

/// A compiled pattern.
#[derive(Debug)]
pub(in crate::scalar) struct Pattern {
    source: String,
    function: &'static str,
    engine: Engine,
    /// A second engine for texts with a final line terminator, if the pattern can match before it.
    ending: Option<OnceCell<Engine>>,
}

#[derive(Debug)]
enum Engine {
    Linear(regex::Regex),
    Backtracking(Box<fancy_regex::Regex>),
}

impl Engine {
    fn new(text: &str) -> Option<Self> {
        if let Ok(regex) = regex::Regex::new(text) {
            return Some(Self::Linear(regex));
        }
        let regex = fancy_regex::RegexBuilder::new(text).backtrack_limit(STEPS).build().ok()?;
        Some(Self::Backtracking(Box::new(regex)))
    }
}

impl Pattern {
    fn new(source: &str, function: &'static str) -> Result<Self> {
        let malformed = || malformed(source, function);
        let translated = translate(source, End::OfText).map_err(|_| malformed())?;
        let engine = Engine::new(&translated.text).ok_or_else(malformed)?;
        let ending = translated.has_end.then(OnceCell::new);
        Ok(Self { source: source.to_owned(), function, engine, ending })
    }

    /// The engine for a given text.
    fn engine(&self, text: &str) -> Result<&Engine> {
        let Some(ending) = &self.ending else { return Ok(&self.engine) };
        if !text.ends_with(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
            return Ok(&self.engine);
        }
        if let Some(engine) = ending.get() {
            return Ok(engine);
        }
        let translated = translate(&self.source, End::BeforeLastBreak).ok();
        let engine = translated.and_then(|translated| Engine::new(&translated.text));
        let engine = engine.ok_or_else(|| malformed(&self.source, self.function))?;
        Ok(ending.get_or_init(|| engine))
    }

    /// The number of groups, excluding the whole match.
    pub(in crate::scalar) fn groups(&self) -> usize {
        match &self.engine {
            Engine::Linear(regex) => regex.captures_len() - 1,
            Engine::Backtracking(regex) => regex.captures_len() - 1,
        }
    }

    /// The number of a named group.
    fn group(&self, name: &str) -> Option<usize> {
        match &self.engine {
            Engine::Linear(regex) => regex.capture_names().position(|n| n == Some(name)),
            Engine::Backtracking(regex) => regex.capture_names().position(|n| n == Some(name)),
        }
    }

    /// Whether the pattern matches anywhere.
    pub(in crate::scalar) fn is_match(&self, text: &str) -> Result<bool> {
        match self.engine(text)? {
            Engine::Linear(regex) => Ok(regex.is_match(text)),
            Engine::Backtracking(regex) => regex.is_match(text).map_err(|_| self.too_long()),
        }
    }

    /// The first match.
    pub(in crate::scalar) fn find(&self, text: &str) -> Result<Option<Range<usize>>> {
        self.find_at(text, 0)
    }

    fn find_at(&self, text: &str, from: usize) -> Result<Option<Range<usize>>> {
        match self.engine(text)? {
            Engine::Linear(regex) => Ok(regex.find_at(text, from).map(|m| m.range())),
            Engine::Backtracking(regex) => match regex.find_from_pos(text, from) {
                Ok(found) => Ok(found.map(|m| m.start()..m.end())),
                Err(_) => Err(self.too_long()),
            },
        }
    }

    /// The first match at or after an offset, with its groups.
    pub(in crate::scalar) fn groups_at(&self, text: &str, from: usize) -> Result<Option<Groups>> {
        match self.engine(text)? {
            Engine::Linear(regex) => Ok(regex
                .captures_at(text, from)
                .map(|found| found.iter().map(|group| group.map(|g| g.range())).collect())),
            Engine::Backtracking(regex) => match regex.captures_from_pos(text, from) {
                Ok(found) => Ok(found.map(|found| {
                    found.iter().map(|group| group.map(|g| g.start()..g.end())).collect()
                })),
                Err(_) => Err(self.too_long()),
            },
        }
    }

    /// Calls `found` for each match until it returns false. After an empty match, the search
    /// continues one character later.
    pub(in crate::scalar) fn each(
        &self,
        text: &str,
        mut found: impl FnMut(Groups) -> Result<bool>,
    ) -> Result<()> {
        let mut from = 0;
        while let Some(groups) = self.groups_at(text, from)? {
            let whole = groups.first().cloned().flatten().unwrap_or(from..from);
            if !found(groups)? {
                break;
            }
            match after(text, &whole) {
                Some(next) => from = next,
                None => break,
            }
        }
        Ok(())
    }

    /// The number of matches.
    pub(in crate::scalar) fn count(&self, text: &str) -> Result<usize> {
        let (mut from, mut count) = (0, 0);
        while let Some(whole) = self.find_at(text, from)? {
            count += 1;
            match after(text, &whole) {
                Some(next) => from = next,
                None => break,
            }
        }
        Ok(count)
    }

    /// Java's `split`: an empty match at the start yields no part; trailing empty parts are kept.
    /// An empty pattern splits into characters. A limit of 0 or less means no limit.
    pub(in crate::scalar) fn split<'t>(&self, text: &'t str, limit: i32) -> Result<Vec<&'t str>> {
        let limit = usize::try_from(limit).ok().filter(|l| *l > 0).unwrap_or(usize::MAX);
        if self.source.is_empty() && !text.is_empty() {
            return Ok(characters(text, limit));
        }
        let (mut parts, mut start, mut from) = (Vec::new(), 0, 0);
        while parts.len() + 1 < limit {
            let Some(whole) = self.find_at(text, from)? else { break };
            if whole.end > 0 {
                parts.push(&text[start..whole.start]);
                start = whole.end;
            }
            match after(text, &whole) {
                Some(next) => from = next,
                None => break,
            }
        }
        parts.push(&text[start..]);
        Ok(parts)
    }

    fn too_long(&self) -> DataFusionError {
        run_time_error(
            condition::INVALID_PARAMETER_VALUE_PATTERN,
            format!(
                "The value of parameter(s) `regexp` in `{}` is invalid: '{}'. A search takes more than {STEPS} steps.",
                self.function, self.source
            ),
        )
    }
}

fn malformed(source: &str, function: &str) -> DataFusionError {
    run_time_error(
        condition::INVALID_PARAMETER_VALUE_PATTERN,
        format!("The value of parameter(s) `regexp` in `{function}` is invalid: '{source}'."),
    )
}

/// The offset at which the search continues after a match; `None` at the end of the text.
fn after(text: &str, whole: &Range<usize>) -> Option<usize> {
    if whole.start < whole.end {
        return Some(whole.end);
    }
    let next = text[whole.end..].chars().next()?;
    Some(whole.end + next.len_utf8())
}

/// Splits text into characters; the last part contains the rest.
fn characters(text: &str, limit: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if parts.len() + 1 == limit {
            parts.push(rest);
            break;
        }
        let (part, after) = rest.split_at(c.len_utf8());
        parts.push(part);
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests;
