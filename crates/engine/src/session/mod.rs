//! A Spark session on the driver: settings, views and the current database; it resolves a program's
//! plans, runs them as jobs, and executes commands. Names and functions are resolved in `analysis`;
//! plans become stages in `physical`.

mod alter;
mod catalogue_request;
mod checkpoint;
mod command;
mod describe;
mod display;
mod error;
mod explain;
mod final_plan;
mod identity;
mod insert;
mod observe;
mod parsed;
mod rows;
mod settings;
mod show;
mod show_extended;
mod source;
mod source_write;
mod table;
#[cfg(test)]
mod tests;
mod variable;
mod view;
mod write;

use crate::{BatchStream, RunJob};
use analysis::{
    CachedRelation, Checkpoints, Context, Env, Fact, Facts, Finished, Observed, Purpose,
    PythonFunctions, Resolver, Stop, Want,
};
use arrow::record_batch::RecordBatch;
use catalogue::{Catalogue, Variables, ViewMap};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use futures::future::try_join_all;
use model::AddedFile;
use model::conf::{self, Conf};
use parsed::Remembering;
use plan::{DataType, Field, Relation, RelationKind, SparkError, Statement, TextParser};
use sources::ReadRequest;
use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// State shared by all sessions of an application.
#[derive(Debug)]
pub struct Shared {
    /// DataFusion's session state with our profile: optimizer, execution options, object stores.
    pub state: SessionState,
    /// Spark's functions.
    pub functions: Arc<functions::Registry>,
    /// Databases, tables and global temporary views.
    catalogue: Mutex<Arc<Catalogue>>,
}

impl Shared {
    /// Fresh state, with a catalogue whose managed tables are under `warehouse`.
    pub fn new(
        state: SessionState,
        functions: Arc<functions::Registry>,
        warehouse: PathBuf,
    ) -> Self {
        Self { state, functions, catalogue: Mutex::new(Arc::new(Catalogue::new(warehouse))) }
    }

    /// Fresh state for an application with these settings.
    pub fn for_application(conf: &Conf) -> Result<Self, SparkError> {
        let state = crate::session_state(conf)?;
        let warehouse = conf.get(&conf::WAREHOUSE_DIR)?;
        Ok(Self::new(state, Arc::new(functions::Registry::new()), PathBuf::from(warehouse)))
    }

    /// The current catalogue.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&lock(&self.catalogue))
    }

    /// Changes the catalogue.
    pub(crate) fn change_catalogue<T>(&self, change: impl FnOnce(&mut Catalogue) -> T) -> T {
        change(Arc::make_mut(&mut lock(&self.catalogue)))
    }
}

/// A relation with resolved names, types and functions.
#[derive(Debug, Clone)]
pub struct Analyzed {
    /// Spark's schema. Names may repeat.
    pub schema: Vec<Field>,
    /// The plan. Its columns have opaque names, in the order of `schema`.
    pub plan: LogicalPlan,
    /// The plan by which relations are compared.
    pub(crate) resolved: Arc<LogicalPlan>,
    /// The files it reads, as URIs.
    pub files: Vec<String>,
    /// Metrics to compute when it runs.
    pub(crate) observed: Vec<Observed>,
}

impl Analyzed {
    /// The schema as one type.
    pub fn data_type(&self) -> DataType {
        DataType::Struct(self.schema.clone())
    }
}

/// Rows, with the column names that the program expects.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Spark's schema.
    pub schema: Vec<Field>,
    /// The rows. The columns of each batch have the names in `schema`.
    pub batches: Vec<RecordBatch>,
}

/// Rows that are read batch by batch, with the column names that the program expects.
pub struct RowStream {
    /// Spark's schema.
    pub schema: Vec<Field>,
    /// The rows. All batches have one Arrow schema, with the names in `schema`.
    pub batches: BatchStream,
}

impl fmt::Debug for RowStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// Outcome of the text given to `spark.sql`.
#[derive(Debug, Clone)]
pub enum SqlOutcome {
    /// A query, checked but not run.
    Query,
    /// A command that was run, with its rows (possibly none, without columns).
    Rows(Answer),
}

/// A session.
#[derive(Debug)]
pub struct Session {
    shared: Arc<Shared>,
    parser: Arc<dyn TextParser>,
    /// By which its caches are told from those of others.
    number: u64,
    state: Mutex<State>,
    /// The query that was checked last.
    checked: Mutex<Option<Checked>>,
    /// Held while a checkpoint is written.
    checkpointing: tokio::sync::Mutex<()>,
}

/// State of a single session.
#[derive(Debug, Clone)]
struct State {
    /// The given settings.
    conf: Conf,
    /// The initial settings, which `RESET` restores.
    initial: Conf,
    /// The current database.
    database: String,
    /// Temporary views.
    views: ViewMap,
    /// Variables.
    variables: Variables,
    /// Python functions registered by name.
    python: PythonFunctions,
    /// Files that the program has added.
    files: Vec<AddedFile>,
    /// Persisted relations.
    persisted: Vec<CachedRelation>,
    /// Relations whose rows are held.
    checkpoints: Arc<Checkpoints>,
    /// Number of relations that were persisted.
    caches: u64,
    /// How often any of the above has changed.
    changes: u64,
}

/// A query of `spark.sql` that was found right. Its schema, which clients ask for next, is known as
/// long as the session and the catalogue are what they were.
#[derive(Debug)]
struct Checked {
    query: Relation,
    changes: u64,
    catalogue: Arc<Catalogue>,
    analyzed: Analyzed,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panicking thread leaves consistent state behind: every change is a single assignment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// Creates a session with the settings of its application.
    pub fn new(shared: Arc<Shared>, parser: Arc<dyn TextParser>, conf: Conf) -> Self {
        let state = State {
            initial: conf.clone(),
            conf,
            database: catalogue::DEFAULT_DATABASE.to_owned(),
            views: ViewMap::default(),
            variables: Variables::default(),
            python: PythonFunctions::default(),
            files: Vec::new(),
            persisted: Vec::new(),
            checkpoints: Arc::default(),
            caches: 0,
            changes: 0,
        };
        Self {
            shared,
            parser: Arc::new(Remembering::new(parser)),
            number: rand::random(),
            state: Mutex::new(state),
            checked: Mutex::default(),
            checkpointing: tokio::sync::Mutex::default(),
        }
    }

    /// A copy with the same settings and views.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            parser: Arc::clone(&self.parser),
            number: rand::random(),
            state: Mutex::new(self.state().clone()),
            checked: Mutex::default(),
            checkpointing: tokio::sync::Mutex::default(),
        }
    }

    /// The number in the ids of its caches.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The state shared with other sessions.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The state, to read.
    fn state(&self) -> impl Deref<Target = State> {
        lock(&self.state)
    }

    /// The state, to change.
    fn change(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        state.changes += 1;
        state
    }

    /// Adds a file for functions that run from now on.
    pub fn add_file(&self, file: AddedFile) {
        let mut state = self.change();
        if !state.files.contains(&file) {
            state.files.push(file);
        }
    }

    /// The settings with which plans are made: with the files that functions find.
    fn planning_conf(&self) -> Conf {
        let state = self.state();
        let mut conf = state.conf.clone();
        if !state.files.is_empty() {
            let files = serde_json::to_string(&state.files).unwrap_or_default();
            conf.set(AddedFile::SETTING, files);
        }
        conf
    }

    /// Resolves a relation to its schema and plan. Runs jobs only if the schema depends on data (as
    /// for a pivot).
    pub async fn analyze(
        &self,
        relation: &Relation,
        run: &dyn RunJob,
    ) -> Result<Analyzed, SparkError> {
        if let Some(known) = self.checked(relation) {
            return Ok(known);
        }
        self.resolve(relation, Purpose::Schema, None, run).await
    }

    /// What is known of the query that was checked last. As in Spark, it keeps its schema while
    /// files are written; names that are given anew lead to another query.
    fn checked(&self, query: &Relation) -> Option<Analyzed> {
        let known = lock(&self.checked).take_if(|known| known.query == *query)?;
        let is_current = known.changes == self.state().changes
            && Arc::ptr_eq(&known.catalogue, &self.shared.catalogue());
        is_current.then_some(known.analyzed)
    }

    /// Computes the rows of a relation.
    pub async fn execute(
        &self,
        relation: &Relation,
        run: &dyn RunJob,
    ) -> Result<Answer, SparkError> {
        self.rows_of(relation, None, run).await
    }

    /// Computes the rows of a relation, for a reader that takes them one after the other.
    pub async fn stream(
        &self,
        relation: &Relation,
        run: &dyn RunJob,
    ) -> Result<RowStream, SparkError> {
        self.stream_of(relation, run).await
    }

    /// Runs `spark.sql`: a query is only checked, a command is executed.
    pub async fn sql(
        &self,
        relation: &Relation,
        run: &dyn RunJob,
    ) -> Result<SqlOutcome, SparkError> {
        match self.statement_of(relation)? {
            Some(Statement::Command(command)) => {
                let answer = self.command(&command, run).await?;
                Ok(SqlOutcome::Rows(answer.unwrap_or_else(Answer::nothing)))
            }
            Some(Statement::Query(_)) | None => {
                let (changes, catalogue) = (self.state().changes, self.shared.catalogue());
                let analyzed = self.resolve(relation, Purpose::Schema, None, run).await?;
                let query = relation.clone();
                let checked = Checked { query, changes, catalogue, analyzed };
                *lock(&self.checked) = Some(checked);
                Ok(SqlOutcome::Query)
            }
        }
    }

    /// Parses the statement in a relation of SQL text.
    pub(super) fn statement_of(
        &self,
        relation: &Relation,
    ) -> Result<Option<Statement>, SparkError> {
        match relation.kind.as_ref() {
            RelationKind::Sql { text, arguments } => {
                let statement = self.parser.statement(text)?;
                if matches!(statement, Statement::Command(_)) && !arguments.is_empty() {
                    return Err(SparkError::unsupported("arguments of a command"));
                }
                Ok(Some(statement))
            }
            RelationKind::WithReferences { input, .. } => self.statement_of(input),
            RelationKind::Statement(statement) => Ok(Some((**statement).clone())),
            _ => Ok(None),
        }
    }

    /// Parses a type from DDL text.
    pub fn parse_ddl(&self, text: &str) -> Result<DataType, SparkError> {
        Ok(self.parser.data_type(text)?)
    }

    /// Whether the relation can be computed without executors.
    pub async fn is_local(
        &self,
        relation: &Relation,
        run: &dyn RunJob,
    ) -> Result<bool, SparkError> {
        let analyzed = self.analyze(relation, run).await?;
        Ok(matches!(
            relation.kind.as_ref(),
            RelationKind::Local { .. } | RelationKind::Statement(_)
        ) || matches!(analyzed.plan, LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_)))
    }

    /// The files that a relation reads.
    pub async fn input_files(
        &self,
        relation: &Relation,
        run: &dyn RunJob,
    ) -> Result<Vec<String>, SparkError> {
        let files = self.analyze(relation, run).await?.files;
        Ok(files.iter().map(|file| sources::encoded(file)).collect())
    }

    fn context(&self, purpose: Purpose, run: &dyn RunJob) -> Result<Context, SparkError> {
        let state = self.state().clone();
        let conf = &state.conf;
        let functions = functions::Context {
            now_micros: chrono::Utc::now().timestamp_micros(),
            seed: rand::random(),
            user: std::env::var("USER").unwrap_or_else(|_| "root".to_owned()),
            catalog: catalogue::CATALOGUE.to_owned(),
            database: state.database.clone(),
            ..functions::Context::default()
        };
        let parallelism = conf.find(&conf::DEFAULT_PARALLELISM)?;
        Ok(Context {
            case_sensitive: conf.get(&conf::CASE_SENSITIVE)?,
            shuffle_partitions: crate::physical::initial_partitions(conf)?,
            registry: Arc::clone(&self.shared.functions),
            functions: analysis::functions_under(conf, functions)?,
            catalogue: self.shared.catalogue(),
            views: state.views,
            variables: state.variables,
            python: state.python,
            caches: self.caches(&state.persisted, purpose),
            checkpoints: state.checkpoints,
            database: state.database,
            parser: Arc::clone(&self.parser),
            parallelism: parallelism.unwrap_or_else(|| run.slots()).max(1),
            conf: state.conf,
            purpose,
        })
    }

    /// Resolves a relation, fetching the facts it asks for.
    async fn resolve(
        &self,
        relation: &Relation,
        purpose: Purpose,
        env: Option<Env>,
        run: &dyn RunJob,
    ) -> Result<Analyzed, SparkError> {
        let context = self.context(purpose, run)?;
        let mut facts = Facts::default();
        loop {
            // Every attempt numbers its calls alike, so that equal programs have equal plans.
            context.functions.call_sites.store(0, Ordering::Relaxed);
            match Resolver::new(&context, &facts, env.clone()).finish(relation) {
                Ok(Finished { plan, resolved, schema, observed }) => {
                    let plan = Box::pin(self.with_readers(plan, run)).await?;
                    let files = facts.files();
                    return Ok(Analyzed { schema, plan, resolved, files, observed });
                }
                Err(Stop::Error(error)) => return Err(*error),
                Err(Stop::Want(wants)) => {
                    let fetched = wants.iter().map(|want| self.fetch(want, &context.conf, run));
                    let fetched = Box::pin(try_join_all(fetched)).await?;
                    wants.into_iter().zip(fetched).for_each(|(want, fact)| facts.add(want, fact));
                }
            }
        }
    }

    async fn fetch(&self, want: &Want, conf: &Conf, run: &dyn RunJob) -> Result<Fact, SparkError> {
        match want {
            Want::Files(options) => {
                let default = conf.get(&conf::DEFAULT_SOURCE)?;
                let source = sources::source(options.format.as_deref().unwrap_or(&default))?;
                let runtime = self.shared.state.runtime_env();
                let slots = run.slots();
                let read = ReadRequest { scan: options, conf, slots, runtime };
                Ok(Fact::Files(source.open(read).await?))
            }
            Want::Checkpoint(id) => self.written_checkpoint(id, run).await.map(Fact::Files),
            Want::Rows(relation, env) => {
                let answer = self.rows_of(relation, Some(env.clone()), run).await?;
                Ok(Fact::Rows { schema: answer.schema, batches: answer.batches })
            }
        }
    }
}
