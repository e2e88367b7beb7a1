//! What SQL names stand for: the databases, tables and global views of an application and the
//! views and variables of a session, in memory. The rows of a managed table lie in a directory of
//! the warehouse.

mod variable;

pub use variable::{Variables, variable_name};

use model::conf::Conf;
use plan::{Field, Relation};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The one catalogue's name.
pub const CATALOGUE: &str = "spark_catalog";
/// The database that is always there.
pub const DEFAULT_DATABASE: &str = "default";
/// The database of views that all sessions see.
pub const GLOBAL_TEMP: &str = "global_temp";

/// Temporary views by name.
pub type ViewMap = Arc<BTreeMap<String, View>>;

/// A temporary view.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// What it shows.
    pub query: Relation,
    /// Names of its columns; empty keeps those of the query.
    pub columns: Vec<String>,
    /// The settings that held when it was made, under which its query means what it means.
    pub conf: Arc<Conf>,
    /// Which views its query sees.
    pub seen: Seen,
}

/// Which views the query of a view sees.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// Those that were there when it was made: the query is a plan.
    WhenMade(ViewMap),
    /// Those that are there when it is used: the query is a text.
    WhenUsed {
        /// The names of the columns that the query had, which are the view's columns whatever the
        /// query has later.
        taken: Vec<String>,
    },
}

/// A database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Name.
    pub name: String,
    /// What the user said about it.
    pub comment: String,
    /// Directory of its managed tables.
    pub location: String,
    /// Tables and views by name.
    pub tables: BTreeMap<String, Table>,
}

/// A table or a view that is not temporary.
#[derive(Debug, Clone)]
pub struct Table {
    /// Database.
    pub database: String,
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: TableKind,
    /// Columns, those it is partitioned by last.
    pub schema: Vec<Field>,
    /// Format of its files.
    pub format: String,
    /// Directory of its files.
    pub location: String,
    /// Columns it is partitioned by.
    pub partition_by: Vec<String>,
    /// Options of the format.
    pub options: Vec<(String, String)>,
    /// Properties that the user gave it.
    pub properties: Vec<(String, String)>,
    /// What the user said about it.
    pub comment: Option<String>,
}

/// What stands under a name.
#[derive(Debug, Clone, PartialEq)]
pub enum TableKind {
    /// Files that go when the table goes.
    Managed,
    /// Files that stay.
    External,
    /// A query.
    View {
        /// What it shows.
        query: Relation,
        /// Names of its columns; empty keeps those of the query.
        columns: Vec<String>,
    },
}

impl TableKind {
    /// Spark's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Managed => "MANAGED",
            Self::External => "EXTERNAL",
            Self::View { .. } => "VIEW",
        }
    }
}

impl Table {
    /// Catalogue, database, name.
    pub fn qualified_name(&self) -> Vec<String> {
        vec![CATALOGUE.to_owned(), self.database.clone(), self.name.clone()]
    }
}

/// All databases and global views.
#[derive(Debug, Clone)]
pub struct Catalogue {
    databases: BTreeMap<String, Database>,
    global_views: BTreeMap<String, View>,
    warehouse: PathBuf,
}

impl Catalogue {
    /// Only the default database.
    pub fn new(warehouse: PathBuf) -> Self {
        let location = format!("file:{}", warehouse.display());
        let default = Database {
            name: DEFAULT_DATABASE.to_owned(),
            comment: "default database".to_owned(),
            location,
            tables: BTreeMap::new(),
        };
        let databases = BTreeMap::from([(DEFAULT_DATABASE.to_owned(), default)]);
        Self { databases, global_views: BTreeMap::new(), warehouse }
    }

    /// Directory of managed tables.
    pub fn warehouse(&self) -> &PathBuf {
        &self.warehouse
    }

    /// All databases, in order of name.
    pub fn databases(&self) -> impl Iterator<Item = &Database> {
        self.databases.values()
    }

    /// A database; names have no case.
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.get(&name.to_lowercase())
    }

    /// A database, to change it.
    pub fn database_mut(&mut self, name: &str) -> Option<&mut Database> {
        self.databases.get_mut(&name.to_lowercase())
    }

    /// Adds a database, whose directory lies in the warehouse unless a place is given.
    pub fn add_database(&mut self, name: &str, comment: String, location: Option<String>) {
        let name = name.to_lowercase();
        let location =
            location.unwrap_or_else(|| format!("file:{}/{name}.db", self.warehouse.display()));
        let tables = BTreeMap::new();
        self.databases.insert(name.clone(), Database { name, comment, location, tables });
    }

    /// Removes a database.
    pub fn remove_database(&mut self, name: &str) {
        self.databases.remove(&name.to_lowercase());
    }

    /// Database and table that a name of one to three parts means; `None` if it names another catalogue.
    pub fn locate(name: &[String], current: &str) -> Option<(String, String)> {
        match name {
            [table] => Some((current.to_lowercase(), table.to_lowercase())),
            [database, table] => Some((database.to_lowercase(), table.to_lowercase())),
            [catalogue, database, table] if catalogue.eq_ignore_ascii_case(CATALOGUE) => {
                Some((database.to_lowercase(), table.to_lowercase()))
            }
            _ => None,
        }
    }

    /// A table or view by its name.
    pub fn table(&self, name: &[String], current: &str) -> Option<&Table> {
        let (database, table) = Self::locate(name, current)?;
        self.databases.get(&database)?.tables.get(&table)
    }

    /// A view that all sessions see.
    pub fn global_view(&self, name: &str) -> Option<&View> {
        self.global_views.get(&name.to_lowercase())
    }

    /// All global views.
    pub fn global_views(&self) -> impl Iterator<Item = (&String, &View)> {
        self.global_views.iter()
    }

    /// Adds or replaces a global view.
    pub fn set_global_view(&mut self, name: &str, view: View) {
        self.global_views.insert(name.to_lowercase(), view);
    }

    /// Removes a global view; says whether it was there.
    pub fn remove_global_view(&mut self, name: &str) -> bool {
        self.global_views.remove(&name.to_lowercase()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_a_table_of_the_current_or_the_named_database() {
        let cases: [(&[&str], Option<(&str, &str)>); 4] = [
            (&["T"], Some(("here", "t"))),
            (&["D", "t"], Some(("d", "t"))),
            (&["spark_catalog", "d", "t"], Some(("d", "t"))),
            (&["other", "d", "t"], None),
        ];
        for (name, expected) in cases {
            let name: Vec<String> = name.iter().map(ToString::to_string).collect();
            let expected = expected.map(|(d, t)| (d.to_owned(), t.to_owned()));
            assert_eq!(Catalogue::locate(&name, "here"), expected);
        }
    }
}
