//! The program's names for the columns of a plan, and their lookup by Spark's rules.

use plan::{DataType, Field};
use std::sync::Arc;

/// Whether two names are equal.
pub(crate) fn same_name(left: &str, right: &str, case_sensitive: bool) -> bool {
    if case_sensitive { left == right } else { left.to_lowercase() == right.to_lowercase() }
}

/// A column that a program can refer to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    /// Name, which need not be unique.
    pub(crate) name: String,
    /// Name of the column in the plan.
    pub(crate) id: String,
    /// Qualifier of the column (table or alias), in parts; empty if there is none.
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

    /// The qualified name, in backticks.
    pub(crate) fn qualified(&self) -> String {
        let parts = self.qualifier.iter().chain([&self.name]);
        parts.map(|part| plan::quote_name(part)).collect::<Vec<_>>().join(".")
    }
}

/// A relation of the program below this one, in whose columns `df["a"]` is looked up.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) plan_id: i64,
    /// Number of operators in between.
    pub(crate) depth: u32,
    /// Its scope at that time, without frames.
    pub(crate) scope: Arc<Scope>,
}

impl Frame {
    /// Its columns, also hidden ones.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &Column> {
        self.scope.all()
    }

    /// Looks up a name; what `*` omits, only if nothing else has it.
    pub(crate) fn find<'a>(&'a self, name: &'a [String], case_sensitive: bool) -> Found<'a> {
        match self.scope.find(name, case_sensitive) {
            Found::Nothing => {
                let same = |a: &str, b: &str| same_name(a, b, case_sensitive);
                let Some((first, rest)) = name.split_first() else { return Found::Nothing };
                let hidden = self.scope.hidden.iter();
                pick(hidden.filter(|column| same(&column.name, first)).collect(), rest)
            }
            found => found,
        }
    }
}

/// The columns of a relation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// The columns of `*`. Several may have the same id.
    pub(crate) columns: Vec<Column>,
    /// Columns of the plan that `*` omits: the other side's key of a `USING` join.
    pub(crate) hidden: Vec<Column>,
    /// The column `_metadata` of each scan of files below, as far as it can be named here. Its id
    /// is that of the scan; the plan has no such column (see `file_columns`).
    pub(crate) metadata: Vec<Column>,
    /// Relations below.
    pub(crate) frames: Vec<Frame>,
}

/// Result of a lookup.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// No column.
    Nothing,
    /// One column; the remaining names are nested fields.
    One(&'a Column, &'a [String]),
    /// Several columns.
    Many(Vec<&'a Column>),
}

impl Scope {
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self { columns, ..Self::default() }
    }

    pub(crate) fn fields(&self) -> Vec<Field> {
        self.columns.iter().map(Column::field).collect()
    }

    /// A scope with other columns above the same relations.
    pub(crate) fn above(&self, columns: Vec<Column>) -> Self {
        Self { columns, frames: self.frames.clone(), ..Self::default() }
    }

    /// Makes the relation addressable by `plan_id`.
    pub(crate) fn enter(&mut self, plan_id: Option<i64>) {
        for frame in &mut self.frames {
            frame.depth += 1;
        }
        if let Some(plan_id) = plan_id {
            let (columns, hidden) = (self.columns.clone(), self.hidden.clone());
            let metadata = self.metadata.clone();
            let scope = Arc::new(Self { columns, hidden, metadata, frames: Vec::new() });
            self.frames.push(Frame { plan_id, depth: 0, scope });
        }
    }

    /// All columns of the plan, including hidden ones.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().chain(&self.hidden)
    }

    pub(crate) fn has_id(&self, id: &str) -> bool {
        self.all().any(|column| column.id == id)
    }

    /// Looks up a name. Qualifiers take precedence over structs.
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

    /// Looks up a name among the columns `_metadata`.
    pub(crate) fn find_metadata<'a>(
        &'a self,
        name: &'a [String],
        case_sensitive: bool,
    ) -> Found<'a> {
        let same = |a: &str, b: &str| same_name(a, b, case_sensitive);
        for qualifier_length in (0..name.len().min(4)).rev() {
            let (qualifier, rest) = name.split_at(qualifier_length);
            let matches = |column: &&Column| {
                ends_with(&column.qualifier, qualifier, same) && same(&column.name, &rest[0])
            };
            match pick(self.metadata.iter().filter(matches).collect(), &rest[1..]) {
                Found::Nothing => {}
                found => return found,
            }
        }
        Found::Nothing
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

    /// The nearest frames with an id.
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
