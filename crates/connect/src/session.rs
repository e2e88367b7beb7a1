//! Sessions by user and id: opened at their first request, with a server-side id that lasts as long
//! as the session.

use crate::artifacts::Artifacts;
use crate::backend::{Backend, Session, SessionKey};
use crate::context::Context;
use crate::error;
use crate::execution::{Execution, StopRequest};
use crate::pb;
use crate::pb::get_status_response::operation_status::OperationState;
use crate::resources::Profiles;
use crate::status::status;
use errors::Exception;
use plan::SparkError;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tonic::Status;

type Result<T> = std::result::Result<T, SparkError>;

/// Limit on open sessions.
const MAX_SESSIONS: usize = 1_000;
/// Limit on released sessions that are remembered.
const MAX_RELEASED: usize = 1_000;
/// Lifetime of a session without requests and operations.
const IDLE: Duration = Duration::from_hours(1);
/// Limit on unreleased operations of a session.
const MAX_EXECUTIONS: usize = 1_000;
/// Limit on ended operations of a session whose state is remembered.
const MAX_ENDED: usize = 1_000;
/// Limit on failures of a session kept for `FetchErrorDetails`.
const MAX_ERRORS: usize = 64;

/// All sessions.
pub(crate) struct Sessions {
    backend: Arc<dyn Backend>,
    /// Of all sessions: a program may use a profile in several.
    profiles: Arc<Profiles>,
    table: Mutex<SessionTable>,
}

#[derive(Default)]
struct SessionTable {
    open: HashMap<SessionKey, Arc<OnceCell<Arc<OpenSession>>>>,
    released: VecDeque<SessionKey>,
}

/// An open session.
pub(crate) struct OpenSession {
    pub(crate) key: SessionKey,
    /// Sent in every response: if it changes, the client knows that its session is lost.
    pub(crate) server_id: String,
    pub(crate) session: Arc<dyn Session>,
    pub(crate) artifacts: Artifacts,
    pub(crate) profiles: Arc<Profiles>,
    records: Mutex<Records>,
}

struct Records {
    executions: BTreeMap<String, Arc<Execution>>,
    ended: VecDeque<(String, OperationState)>,
    errors: VecDeque<(String, SparkError)>,
    last_used: Instant,
}

/// The caller of a request.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) key: SessionKey,
    pub(crate) observed: Option<String>,
}

impl Caller {
    pub(crate) fn new(
        user: Option<pb::UserContext>,
        session_id: String,
        observed: Option<String>,
    ) -> Result<Self> {
        if uuid::Uuid::parse_str(&session_id).is_err() {
            return Err(error::bad_handle(&session_id));
        }
        let user_id = user.map(|u| u.user_id).unwrap_or_default();
        let observed = observed.filter(|id| !id.is_empty());
        Ok(Self { key: SessionKey { user_id, session_id }, observed })
    }
}

impl Sessions {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend, profiles: Arc::default(), table: Mutex::default() }
    }

    /// The caller's session, opened if necessary.
    pub(crate) async fn get_or_open(&self, caller: &Caller) -> Result<Arc<OpenSession>> {
        let (cell, idle) = {
            let mut table = lock(&self.table);
            table.refuse_released(&caller.key)?;
            if caller.observed.is_some() && !table.open.contains_key(&caller.key) {
                return Err(error::session_changed(&caller.key.session_id));
            }
            let idle = table.make_room(&caller.key)?;
            (Arc::clone(table.open.entry(caller.key.clone()).or_default()), idle)
        };
        for session in idle {
            session.end().await;
        }
        let open = cell.get_or_try_init(|| async {
            let session = self.backend.open(&caller.key).await?;
            Ok::<_, SparkError>(Arc::new(OpenSession::new(
                &caller.key,
                session,
                Artifacts::default(),
                Arc::clone(&self.profiles),
            )))
        });
        let open = match open.await {
            Ok(open) => Arc::clone(open),
            Err(error) => {
                self.forget_if_empty(&caller.key);
                return Err(error);
            }
        };
        open.observe(caller)?;
        Ok(open)
    }

    /// The caller's session, if it is open.
    pub(crate) fn get(&self, caller: &Caller) -> Result<Arc<OpenSession>> {
        let open = {
            let table = lock(&self.table);
            table.refuse_released(&caller.key)?;
            table.open.get(&caller.key).and_then(|cell| cell.get()).map(Arc::clone)
        };
        let open = open.ok_or_else(|| error::session_not_found(&caller.key.session_id))?;
        open.observe(caller)?;
        Ok(open)
    }

    /// Ends a session and cancels its operations. Returns its server-side id if it was open.
    pub(crate) async fn release(&self, key: &SessionKey, allow_reconnect: bool) -> Option<String> {
        let cell = {
            let mut table = lock(&self.table);
            if !allow_reconnect {
                table.released.push_back(key.clone());
                if table.released.len() > MAX_RELEASED {
                    table.released.pop_front();
                }
            }
            table.open.remove(key)
        };
        let open = cell.and_then(|cell| cell.get().map(Arc::clone))?;
        open.end().await;
        Some(open.server_id.clone())
    }

    /// Copies a session to a new id.
    pub(crate) async fn fork(
        &self,
        from: &OpenSession,
        session_id: String,
    ) -> Result<Arc<OpenSession>> {
        let key = SessionKey { user_id: from.key.user_id.clone(), session_id };
        {
            let mut table = lock(&self.table);
            table.refuse_released(&key)?;
            if table.open.contains_key(&key) {
                return Err(error::session_exists(&key.session_id));
            }
            if table.open.len() >= MAX_SESSIONS {
                return Err(too_many("sessions", MAX_SESSIONS));
            }
            table.open.entry(key.clone()).or_default();
        }
        let session = match from.session.fork(&key).await {
            Ok(session) => session,
            Err(error) => {
                self.forget_if_empty(&key);
                return Err(error);
            }
        };
        let open = Arc::new(OpenSession::new(
            &key,
            session,
            from.artifacts.fork(),
            Arc::clone(&self.profiles),
        ));
        let taken = {
            let table = lock(&self.table);
            table.open.get(&key).is_none_or(|cell| cell.set(Arc::clone(&open)).is_err())
        };
        if taken {
            // Another request has used or released the new id meanwhile.
            open.session.close().await;
            return Err(error::session_exists(&key.session_id));
        }
        Ok(open)
    }

    fn forget_if_empty(&self, key: &SessionKey) {
        let mut table = lock(&self.table);
        if table.open.get(key).is_some_and(|cell| cell.get().is_none()) {
            table.open.remove(key);
        }
    }
}

impl SessionTable {
    fn refuse_released(&self, key: &SessionKey) -> Result<()> {
        if self.released.contains(key) {
            return Err(error::session_closed(&key.session_id));
        }
        Ok(())
    }

    /// Removes idle sessions before a new one is added.
    fn make_room(&mut self, key: &SessionKey) -> Result<Vec<Arc<OpenSession>>> {
        if self.open.contains_key(key) {
            return Ok(Vec::new());
        }
        let is_idle =
            |cell: &OnceCell<Arc<OpenSession>>| cell.get().is_some_and(|open| open.is_idle());
        let idle: Vec<_> = self.open.extract_if(|_, cell| is_idle(cell)).collect();
        if self.open.len() >= MAX_SESSIONS {
            return Err(too_many("sessions", MAX_SESSIONS));
        }
        Ok(idle.iter().filter_map(|(_, cell)| cell.get().map(Arc::clone)).collect())
    }
}

impl OpenSession {
    fn new(
        key: &SessionKey,
        session: Arc<dyn Session>,
        artifacts: Artifacts,
        profiles: Arc<Profiles>,
    ) -> Self {
        let records = Records {
            executions: BTreeMap::new(),
            ended: VecDeque::new(),
            errors: VecDeque::new(),
            last_used: Instant::now(),
        };
        Self {
            key: key.clone(),
            server_id: uuid::Uuid::new_v4().to_string(),
            session,
            artifacts,
            profiles,
            records: Mutex::new(records),
        }
    }

    /// Context for message conversions.
    pub(crate) fn context(&self) -> Context<'_> {
        Context::new(&*self.session, &self.artifacts, &self.profiles)
    }

    /// The status of a failure, which is kept for `FetchErrorDetails`.
    pub(crate) fn fail(&self, error: SparkError) -> Status {
        let id = uuid::Uuid::new_v4().to_string();
        let status = status(&error, Some(&id));
        let mut records = lock(&self.records);
        records.errors.push_back((id, error));
        if records.errors.len() > MAX_ERRORS {
            records.errors.pop_front();
        }
        status
    }

    /// A failure by its id.
    pub(crate) fn error(&self, id: &str) -> Option<SparkError> {
        let records = lock(&self.records);
        records.errors.iter().find(|(key, _)| key == id).map(|(_, error)| error.clone())
    }

    /// An unreleased operation.
    pub(crate) fn execution(&self, id: &str) -> Option<Arc<Execution>> {
        lock(&self.records).executions.get(id).map(Arc::clone)
    }

    /// All unreleased operations.
    pub(crate) fn executions(&self) -> Vec<Arc<Execution>> {
        lock(&self.records).executions.values().map(Arc::clone).collect()
    }

    /// Adds an operation, or returns the existing one with its id.
    pub(crate) fn add(&self, execution: Arc<Execution>) -> Result<Option<Arc<Execution>>> {
        let mut records = lock(&self.records);
        let id = &execution.identity.id;
        if let Some(there) = records.executions.get(id) {
            return Ok(Some(Arc::clone(there)));
        }
        if records.executions.len() >= MAX_EXECUTIONS {
            // An operation whose client has gone without releasing it makes room.
            let oldest = records.executions.values().filter_map(|e| Some((e.idle_since()?, e)));
            match oldest.min_by_key(|(since, _)| *since) {
                Some((_, execution)) => execution.request_stop(StopRequest::Release),
                None => return Err(too_many("operations", MAX_EXECUTIONS)),
            }
        }
        records.executions.insert(id.clone(), execution);
        Ok(None)
    }

    /// Removes an operation and remembers how it ended.
    pub(crate) fn remove(&self, execution: &Arc<Execution>) {
        let mut records = lock(&self.records);
        let id = &execution.identity.id;
        if records.executions.get(id).is_some_and(|there| Arc::ptr_eq(there, execution)) {
            records.executions.remove(id);
            records.ended.push_back((id.clone(), execution.status()));
            if records.ended.len() > MAX_ENDED {
                records.ended.pop_front();
            }
        }
    }

    /// Released operations and how they ended.
    pub(crate) fn ended(&self) -> Vec<(String, OperationState)> {
        lock(&self.records).ended.iter().cloned().collect()
    }

    /// Final state of a released operation.
    pub(crate) fn ended_as(&self, id: &str) -> Option<OperationState> {
        lock(&self.records).ended.iter().rev().find(|(key, _)| key == id).map(|(_, state)| *state)
    }

    fn observe(&self, caller: &Caller) -> Result<()> {
        lock(&self.records).last_used = Instant::now();
        match &caller.observed {
            Some(observed) if *observed != self.server_id => {
                Err(error::session_changed(&caller.key.session_id))
            }
            _ => Ok(()),
        }
    }

    fn is_idle(&self) -> bool {
        let records = lock(&self.records);
        records.executions.is_empty() && records.last_used.elapsed() >= IDLE
    }

    async fn end(&self) {
        for execution in self.executions() {
            execution.request_stop(StopRequest::Release);
        }
        self.session.close().await;
    }
}

fn too_many(what: &str, limit: usize) -> SparkError {
    SparkError::plain(Exception::Spark, format!("There are more than {limit} {what}."))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Maps and queues are consistent after every single operation, so a panic elsewhere does not
    // corrupt them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
