//! Reconciles one application: observes its children, lets `plan::pass` decide, and writes the
//! result in its order.

use super::api::Written;
use super::context::{Context, requeue};
use super::driver_stream::{Attachment, Peer};
use super::pods::Key;
use crate::names;
use crate::observe::{Observed, Refused, RefusedExecutor, View};
use crate::plan::{self, Application, Change, Circumstances, Object, Pass, Secrets};
use crate::submission::SubmissionId;
use crd::{SparkApplication, State};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use proto::Credentials;
use std::sync::Arc;
use std::time::Instant;

/// Concurrent writes of one pass.
const WRITES: usize = 16;

/// Reasons why a pass was not completed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the API server: {0}")]
    Server(#[from] kube::Error),
    #[error("{0} already exists and has another owner")]
    Foreign(String),
    #[error("secret {0}, which holds the driver's credentials, is gone or has another owner")]
    TokenLost(String),
    #[error("secret {0} has no TLS identity, but the driver's connections are encrypted")]
    NoIdentity(String),
    #[error("the API server refuses {0}: {1}")]
    Refused(String, String),
}

impl Error {
    /// For a condition: without how the request was made.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Server(kube::Error::Api(status)) => status.message.clone(),
            _ => self.to_string(),
        }
    }
}

impl Context {
    /// Reconciles an application once and returns when to requeue it.
    pub(super) async fn pass(
        self: &Arc<Self>,
        resource: &SparkApplication,
    ) -> Result<Action, Error> {
        let started = Instant::now();
        let outcome = self.pass_inner(resource).await;
        self.metrics.record_pass("application", started.elapsed(), outcome.is_ok());
        outcome
    }

    async fn pass_inner(self: &Arc<Self>, resource: &SparkApplication) -> Result<Action, Error> {
        let app = Application::read(resource, &self.settings);
        let with = |now| Circumstances { settings: &self.settings, now, fresh };
        let mut seen = if self.soft_states.take_refresh(&app.uid) {
            self.observe_live(&app).await?
        } else {
            self.observe(&app)
        };
        let mut pass = plan::pass(&app, &seen, with(Timestamp::now()));
        if pass.refresh {
            seen = self.observe_live(&app).await?;
            pass = plan::pass(&app, &seen, with(Timestamp::now()));
        }
        self.carry_out(resource, &app, &seen, pass).await
    }

    /// A snapshot of the children from the watch, which may be stale.
    fn observe(&self, app: &Application) -> Observed {
        let pods = self.pods.of(&Key::new(&app.namespace, &app.name));
        self.with_reports(
            app,
            Observed::from_pods(&app.uid, &app.driver_name(), pods.iter().map(Arc::as_ref)),
        )
    }

    /// A snapshot of the children from the API server.
    async fn observe_live(&self, app: &Application) -> Result<Observed, Error> {
        let pods = self.server.pods(app).await?;
        let seen = Observed::from_pods(&app.uid, &app.driver_name(), &pods);
        Ok(Observed { view: View::Live, ..self.with_reports(app, seen) })
    }

    fn with_reports(&self, app: &Application, seen: Observed) -> Observed {
        let (attached, refused) = self.soft_states.reports(&app.uid);
        let refused_executor = self.soft_states.refused_executor(&app.uid);
        let (secret_taken, token_lost) = self.soft_states.token_secret(&app.uid);
        let obstacle = self.soft_states.obstacle(&app.uid);
        Observed { secret_taken, token_lost, attached, refused, refused_executor, obstacle, ..seen }
    }

    async fn carry_out(
        self: &Arc<Self>,
        resource: &SparkApplication,
        app: &Application,
        seen: &Observed,
        pass: Pass,
    ) -> Result<Action, Error> {
        let Pass { status, changes, facts, bounds, events, requeue_after, refresh: _ } = pass;
        let is_needed = status != app.status || !changes.is_empty();
        if is_needed && let Some(instead) = self.write_first(resource, &status).await? {
            return Ok(instead);
        }
        self.publish(resource, events);
        let is_submission = status.driver_info.is_none();
        let submission = status.submission_id.clone().unwrap_or_default();
        let refused = self.apply(app, changes, is_submission.then_some(&submission)).await?;
        if seen.name_taken {
            // The watch does not show pods of other owners.
            self.soft_states.request_refresh(&app.uid);
        }
        if let Some(facts) = facts {
            self.soft_states.send_facts(&app.uid, (bounds, facts));
        }
        self.attach(app, seen, status.application_state.state, &submission).await?;
        let overcome = self.soft_states.succeeded(&app.uid);
        Ok(requeue(refused || overcome, requeue_after))
    }

    /// Applies the changes in order; adjacent ones of the same kind run concurrently. Returns true
    /// if an object could not be created, which the next pass records.
    async fn apply(
        &self,
        app: &Application,
        changes: Vec<Change>,
        submission: Option<&String>,
    ) -> Result<bool, Error> {
        let mut changes = changes.into_iter().peekable();
        while let Some(first) = changes.next() {
            let kind = kind_of(&first);
            let made = match &first {
                Change::Create(Object::Secret(_)) => Made::Secret,
                Change::Create(Object::Claim(_)) => Made::Claim,
                Change::Create(Object::Pod(_)) => Made::Pod,
                _ => Made::Nothing,
            };
            let mut group = vec![first];
            while let Some(next) = changes.next_if(|next| kind_of(next) == kind) {
                group.push(next);
            }
            let writes =
                stream::iter(group).map(|change| self.change(app, change)).buffer_unordered(WRITES);
            let mut answers: Vec<(String, Written)> = writes.try_collect().await?;
            answers.retain(|(_, written)| *written != Written::Done);
            match answers.pop() {
                None => self.on_created(app, made),
                Some((name, problem)) => {
                    self.on_not_created(app, (made, name), problem, submission)?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Clears the remembered obstacle to creating objects of this kind.
    fn on_created(&self, app: &Application, made: Made) {
        match made {
            Made::Secret => self.soft_states.set_secret_taken(&app.uid, None),
            Made::Pod => self.soft_states.set_refused_executor(&app.uid, None),
            Made::Claim | Made::Nothing => {}
        }
    }

    /// Remembers for the next pass why an object could not be created; an error if only a retry can
    /// tell more.
    fn on_not_created(
        &self,
        app: &Application,
        (made, name): (Made, String),
        problem: Written,
        submission: Option<&String>,
    ) -> Result<(), Error> {
        let now = Timestamp::now();
        match (problem, made, submission) {
            (Written::Done, ..) => {}
            (Written::Foreign, Made::Secret, _) => {
                self.soft_states.set_secret_taken(&app.uid, Some(now));
            }
            (Written::Foreign, Made::Pod, None) => {
                let message = format!("pod {name} already exists and has another owner");
                let reason = "NameTaken".to_owned();
                let refused = RefusedExecutor { reason, message, at: now };
                self.soft_states.set_refused_executor(&app.uid, Some(refused));
            }
            (Written::Foreign, ..) => {
                self.soft_states.request_refresh(&app.uid);
                return Err(Error::Foreign(name));
            }
            (Written::Refused(message), _, Some(submission)) => {
                let refused = Refused { submission: submission.clone(), message };
                self.soft_states.refused(&app.uid, refused);
            }
            (Written::Refused(message), Made::Nothing, None) => {
                return Err(Error::Refused(name, message));
            }
            (Written::Refused(message), _, None) => {
                let reason = "FailedCreate".to_owned();
                let refused = RefusedExecutor { reason, message, at: now };
                self.soft_states.set_refused_executor(&app.uid, Some(refused));
            }
        }
        Ok(())
    }

    async fn change(&self, app: &Application, change: Change) -> Result<(String, Written), Error> {
        let name = match &change {
            Change::Create(Object::Secret(secret)) => secret.name_any(),
            Change::Create(Object::Claim(claim)) => claim.name_any(),
            Change::Create(Object::Pod(pod)) => pod.name_any(),
            Change::DeletePod { name, .. } | Change::Retire { name, .. } => name.clone(),
            Change::DeleteApplication => app.name.clone(),
        };
        tracing::info!(
            namespace = app.namespace,
            application = app.name,
            what = kind_of(&change),
            name
        );
        let written = self.server.change(app, change).await?;
        Ok((name, written))
    }

    /// Keeps a stream to the current driver, and to no other.
    async fn attach(
        self: &Arc<Self>,
        app: &Application,
        seen: &Observed,
        state: State,
        submission: &str,
    ) -> Result<(), Error> {
        let driver = seen.drivers.iter().find(|driver| driver.submission == submission);
        let reached = driver
            .filter(|driver| state.is_live() && driver.end().is_none())
            .and_then(|driver| Some((driver.address.as_ref()?, driver.encrypted)));
        let (Some((address, encrypted)), Ok(submission)) =
            (reached, submission.parse::<SubmissionId>())
        else {
            self.soft_states.detach(&app.uid);
            return Ok(());
        };
        let peer =
            Peer { submission, address: names::host_port(address, self.settings.driver_port) };
        if self.soft_states.is_attached_to(&app.uid, &peer) {
            return Ok(());
        }
        let mut credentials = self.credentials(app).await?;
        match &credentials.identity {
            Some(_) if !encrypted => credentials.identity = None,
            None if encrypted => return Err(Error::NoIdentity(names::token_secret(&app.name))),
            Some(_) | None => {}
        }
        let (context, key) = (Arc::downgrade(self), Key::new(&app.namespace, &app.name));
        let news = move || {
            if let Some(context) = context.upgrade() {
                context.enqueue(key.clone());
            }
        };
        self.soft_states.attach(&app.uid, Attachment::open(peer, credentials, news));
        Ok(())
    }

    /// The driver's credentials, read from the secret if they are not known yet.
    async fn credentials(&self, app: &Application) -> Result<Credentials, Error> {
        if let Some(known) = self.soft_states.credentials(&app.uid) {
            return Ok(known);
        }
        let found = self.server.credentials(app).await?;
        self.soft_states.set_token_lost(&app.uid, found.is_none());
        let found = found.ok_or_else(|| Error::TokenLost(names::token_secret(&app.name)))?;
        self.soft_states.keep_credentials(&app.uid, found.clone());
        Ok(found)
    }
}

/// Kind of object that a change creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Secret,
    Claim,
    Pod,
    Nothing,
}

fn kind_of(change: &Change) -> &'static str {
    match change {
        Change::Create(Object::Secret(_)) => "create secret",
        Change::Create(Object::Claim(_)) => "create claim",
        Change::Create(Object::Pod(_)) => "create pod",
        Change::DeletePod { .. } => "delete pod",
        Change::Retire { .. } => "retire pod",
        Change::DeleteApplication => "delete application",
    }
}

/// Secrets of a new application; its token has 244 random bits.
fn fresh() -> Secrets {
    let half = || uuid::Uuid::new_v4().simple().to_string();
    let identity = proto::Identity::generate().expect("the system provides randomness");
    Secrets { token: (half() + &half()).into(), identity: identity.secret().into() }
}
