//! What a program calls the columns of a plan, and how a name is looked up by Spark's rules.

use plan::{DataType, Field};
use std::sync::Arc;

/// Whether two names are the same.
pub(crate) fn same_name(left: &str, right: &str, case_sensitive: bool) -> bool {
    if case_sensitive { left == right } else { left.to_lowercase() == right.to_lowercase() }
}

/// A column that a program can name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    /// Name; others may have the same.
    pub(crate) name: String,
    /// The column's name in the plan.
    pub(crate) id: String,
    /// Table or alias it belongs to, in parts; empty if none.
    pub(crate) qualifier: Vec<String>,
    pub(crate) data_type: DataType,
    pub(crate) nullable: bool,
    pub(crate) metadata: Option<String>,
}

impl Column {
    pub(crate) fn field(&self) -> Field {
        Field {
            name: self.name.clone(),
            data_type: self.data_type.clone(),
            nullable: self.nullable,
            metadata: self.metadata.clone(),
        }
    }

    /// The name with its qualifier, in backticks.
    pub(crate) fn qualified(&self) -> String {
        let parts = self.qualifier.iter().chain([&self.name]);
        parts.map(|part| plan::quote_name(part)).collect::<Vec<_>>().join(".")
    }
}

/// A relation of the program below this one: `df["a"]` is looked up in its columns.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) plan_id: i64,
    /// How many operators stand between.
    pub(crate) depth: u32,
    pub(crate) columns: Arc<Vec<Column>>,
}

/// The columns of a relation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// What `*` is. Two may have the same id.
    pub(crate) columns: Vec<Column>,
    /// Columns that the plan still has but `*` has not: the other side's key of a `USING` join.
    pub(crate) hidden: Vec<Column>,
    /// Relations below.
    pub(crate) frames: Vec<Frame>,
}

/// What a name may mean.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// Nothing.
    Nothing,
    /// This column; the names that follow are fields within it.
    One(&'a Column, &'a [String]),
    /// Several columns.
    Many(Vec<&'a Column>),
}

impl Scope {
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self { columns, hidden: Vec::new(), frames: Vec::new() }
    }

    pub(crate) fn fields(&self) -> Vec<Field> {
        self.columns.iter().map(Column::field).collect()
    }

    /// A scope of other columns above the same relations.
    pub(crate) fn above(&self, columns: Vec<Column>) -> Self {
        Self { columns, hidden: Vec::new(), frames: self.frames.clone() }
    }

    /// Makes the relation nameable by `plan_id`.
    pub(crate) fn enter(&mut self, plan_id: Option<i64>) {
        for frame in &mut self.frames {
            frame.depth += 1;
        }
        if let Some(plan_id) = plan_id {
            let columns = self.columns.iter().chain(&self.hidden).cloned().collect();
            self.frames.push(Frame { plan_id, depth: 0, columns: Arc::new(columns) });
        }
    }

    /// All columns that the plan has.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().chain(&self.hidden)
    }

    pub(crate) fn has_id(&self, id: &str) -> bool {
        self.all().any(|column| column.id == id)
    }

    /// Looks a name up. A qualifier is preferred to a struct's name.
    pub(crate) fn find<'a>(&'a self, name: &'a [String], case_sensitive: bool) -> Found<'a> {
        let same = |a: &str, b: &str| same_name(a, b, case_sensitive);
        for qualifier_length in (1..name.len().min(4)).rev() {
            let (qualifier, rest) = name.split_at(qualifier_length);
            let matches = |column: &&Column| {
                ends_with(&column.qualifier, qualifier, same) && same(&column.name, &rest[0])
            };
            match pick(self.columns.iter().filter(matches).collect(), &rest[1..]) {
                Found::Nothing => {}
                found => return found,
            }
            match pick(self.hidden.iter().filter(matches).collect(), &rest[1..]) {
                Found::Nothing => {}
                found => return found,
            }
        }
        let Some((first, rest)) = name.split_first() else { return Found::Nothing };
        pick(self.columns.iter().filter(|column| same(&column.name, first)).collect(), rest)
    }

    /// Columns whose qualifier ends with `target`.
    pub(crate) fn qualified_by(&self, target: &[String], case_sensitive: bool) -> Vec<&Column> {
        let same = |a: &str, b: &str| same_name(a, b, case_sensitive);
        let belongs = |column: &&Column| ends_with(&column.qualifier, target, same);
        let mut found: Vec<&Column> = self.columns.iter().filter(belongs).collect();
        if found.is_empty() {
            found = self.hidden.iter().filter(belongs).collect();
        }
        found
    }

    /// The frames with an id that are nearest.
    pub(crate) fn nearest_frames(&self, plan_id: i64) -> Vec<&Frame> {
        let with_id = self.frames.iter().filter(|frame| frame.plan_id == plan_id);
        let Some(depth) = with_id.clone().map(|frame| frame.depth).min() else { return Vec::new() };
        with_id.filter(|frame| frame.depth == depth).collect()
    }
}

fn pick<'a>(mut found: Vec<&'a Column>, rest: &'a [String]) -> Found<'a> {
    let mut seen: Vec<&str> = Vec::new();
    found.retain(|column| {
        let fresh = !seen.contains(&column.id.as_str());
        seen.push(&column.id);
        fresh
    });
    match found.len() {
        0 => Found::Nothing,
        1 => Found::One(found[0], rest),
        _ => Found::Many(found),
    }
}

fn ends_with(whole: &[String], end: &[String], same: impl Fn(&str, &str) -> bool) -> bool {
    whole.len() >= end.len()
        && whole[whole.len() - end.len()..].iter().zip(end).all(|(a, b)| same(a, b))
}
