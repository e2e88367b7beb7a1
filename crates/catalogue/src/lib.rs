//! Objects that SQL names refer to, in memory: the databases, tables and global views of an
//! application, and the views and variables of a session. The rows of a managed table are files in
//! a directory of the warehouse.

mod variable;

pub use variable::{Variables, variable_name};

use model::conf::Conf;
use plan::{Field, Relation};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

/// Name of the only catalogue.
pub const CATALOGUE: &str = "spark_catalog";
/// Name of the database that always exists.
pub const DEFAULT_DATABASE: &str = "default";
/// Name of the database whose views all sessions share.
pub const GLOBAL_TEMP: &str = "global_temp";

/// Temporary views by name. Clones are cheap, and are compared without a look at the views: each of
/// these holds the views before it, so that the comparison would take twice as long for each view.
#[derive(Debug, Clone, Default)]
pub struct ViewMap(Arc<BTreeMap<String, View>>);

impl ViewMap {
    /// The views, to be changed. Clones keep what they have.
    pub fn make_mut(&mut self) -> &mut BTreeMap<String, View> {
        Arc::make_mut(&mut self.0)
    }
}

impl Deref for ViewMap {
    type Target = BTreeMap<String, View>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl PartialEq for ViewMap {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

/// A temporary view.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The query behind the view.
    pub query: Relation,
    /// Column names; if empty, those of the query.
    pub columns: Vec<String>,
    /// The settings in effect at its creation, under which its query is resolved.
    pub conf: Arc<Conf>,
    /// The views that its query may refer to.
    pub visible: VisibleViews,
}

/// The views that the query of a view may refer to.
#[derive(Debug, Clone, PartialEq)]
pub enum VisibleViews {
    /// The views that existed at its creation: the query is a plan.
    AtCreation(ViewMap),
    /// The views that exist at its use: the query is SQL text.
    AtUse {
        /// The column names that the query had at creation; they stay the view's columns even if
        /// the query yields others later.
        columns: Vec<String>,
    },
}

/// A database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Name.
    pub name: String,
    /// Comment given by the user.
    pub comment: String,
    /// Directory of its managed tables.
    pub location: String,
    /// Tables and views by name.
    pub tables: BTreeMap<String, Table>,
}

/// A table or a persistent view.
#[derive(Debug, Clone)]
pub struct Table {
    /// Database.
    pub database: String,
    /// Name.
    pub name: String,
    /// Kind of table, or the view's query.
    pub kind: TableKind,
    /// Columns, with the partition columns last.
    pub schema: Vec<Field>,
    /// Format of its files.
    pub format: String,
    /// Directory of its files.
    pub location: String,
    /// Partition columns.
    pub partition_by: Vec<String>,
    /// Options of the format.
    pub options: Vec<(String, String)>,
    /// Table properties given by the user.
    pub properties: Vec<(String, String)>,
    /// Comment given by the user.
    pub comment: Option<String>,
}

/// Kind of a table or view.
#[derive(Debug, Clone, PartialEq)]
pub enum TableKind {
    /// A table whose files are deleted with it.
    Managed,
    /// A table whose files stay when it is dropped.
    External,
    /// A view.
    View {
        /// The query behind the view.
        query: Relation,
        /// Column names; if empty, those of the query.
        columns: Vec<String>,
        /// The settings in effect when it was created, under which its query is resolved.
        conf: Arc<Conf>,
    },
}

impl TableKind {
    /// Spark's name of the kind.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Managed => "MANAGED",
            Self::External => "EXTERNAL",
            Self::View { .. } => "VIEW",
        }
    }
}

impl Table {
    /// Catalogue, database and name.
    pub fn qualified_name(&self) -> Vec<String> {
        vec![CATALOGUE.to_owned(), self.database.clone(), self.name.clone()]
    }
}

/// All databases and global views of an application.
#[derive(Debug, Clone)]
pub struct Catalogue {
    databases: BTreeMap<String, Database>,
    global_views: BTreeMap<String, View>,
    warehouse: PathBuf,
}

impl Catalogue {
    /// A catalogue with only the default database.
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

    /// The directory of managed tables.
    pub fn warehouse(&self) -> &PathBuf {
        &self.warehouse
    }

    /// All databases, ordered by name.
    pub fn databases(&self) -> impl Iterator<Item = &Database> {
        self.databases.values()
    }

    /// Looks up a database, ignoring case.
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.get(&name.to_lowercase())
    }

    /// Looks up a database for a change.
    pub fn database_mut(&mut self, name: &str) -> Option<&mut Database> {
        self.databases.get_mut(&name.to_lowercase())
    }

    /// Adds a database; without a location, its directory is in the warehouse.
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

    /// Resolves a name of one to three parts to a database and a table name; `None` if it names
    /// another catalogue.
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

    /// Looks up a table or view by name.
    pub fn table(&self, name: &[String], current: &str) -> Option<&Table> {
        let (database, table) = Self::locate(name, current)?;
        self.databases.get(&database)?.tables.get(&table)
    }

    /// Looks up a global view.
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

    /// Removes a global view; returns whether it existed.
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

    #[test]
    fn many_views_are_compared_quickly_though_each_holds_those_before_it() {
        let mut views = ViewMap::default();
        for number in 0..60 {
            let view = View {
                query: plan::RelationKind::OneRow.into(),
                columns: Vec::new(),
                conf: Arc::default(),
                visible: VisibleViews::AtCreation(views.clone()),
            };
            views.make_mut().insert(format!("v{number}"), view);
        }
        let mut others = views.clone();
        let last = others.make_mut().remove("v59").expect("a view");
        assert_ne!(views, others);
        others.make_mut().insert("v59".to_owned(), last);
        assert_eq!(views, others);
    }
}
