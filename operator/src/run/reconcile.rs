//! Reconciles one application: observes its children, lets `plan::pass` decide, and writes the result in its order.

use super::api::Written;
use super::attach::{Attachment, Peer};
use super::pods::Key;
use super::scope::{Scope, come_again};
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

/// Reasons why a pass was not carried out to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the API server: {0}")]
    Server(#[from] kube::Error),
    #[error("{0} is there already and belongs to something else")]
    Foreign(String),
    #[error(
        "secret {0} is gone or belongs to something else, and the driver asks for what was in it"
    )]
    TokenLost(String),
    #[error("secret {0} has no TLS identity, and the driver is encrypted")]
    NoIdentity(String),
    #[error("the API server refuses {0}: {1}")]
    Refused(String, String),
}

impl Scope {
    /// Reconciles an application once, and says when to come back to it.
    pub(super) async fn pass(
        self: &Arc<Self>,
        resource: &SparkApplication,
    ) -> Result<Action, Error> {
        let started = Instant::now();
        let outcome = self.pass_inner(resource).await;
        self.metrics.passed("application", started.elapsed(), outcome.is_ok());
        outcome
    }

    async fn pass_inner(self: &Arc<Self>, resource: &SparkApplication) -> Result<Action, Error> {
        let app = Application::read(resource, &self.settings);
        let with = |now| Circumstances { settings: &self.settings, now, fresh };
        let mut seen = if self.memories.is_to_look(&app.uid) {
            self.look(&app).await?
        } else {
            self.observe(&app)
        };
        let mut pass = plan::pass(&app, &seen, with(Timestamp::now()));
        if pass.look {
            seen = self.look(&app).await?;
            pass = plan::pass(&app, &seen, with(Timestamp::now()));
        }
        self.carry_out(resource, &app, &seen, pass).await
    }

    /// A snapshot of the children from the watch, which may be stale.
    fn observe(&self, app: &Application) -> Observed {
        let pods = self.pods.of(&Key::new(&app.namespace, &app.name));
        self.with_words(
            app,
            Observed::of_pods(&app.uid, &app.driver_name(), pods.iter().map(Arc::as_ref)),
        )
    }

    /// A snapshot of the children from the API server.
    async fn look(&self, app: &Application) -> Result<Observed, Error> {
        let pods = self.server.pods(app).await?;
        let seen = Observed::of_pods(&app.uid, &app.driver_name(), &pods);
        Ok(Observed { view: View::Live, ..self.with_words(app, seen) })
    }

    fn with_words(&self, app: &Application, seen: Observed) -> Observed {
        let (attached, refused) = self.memories.heard(&app.uid);
        let refused_executor = self.memories.refused_executor(&app.uid);
        let (secret_taken, token_lost) = self.memories.of_secret(&app.uid);
        Observed { secret_taken, token_lost, attached, refused, refused_executor, ..seen }
    }

    async fn carry_out(
        self: &Arc<Self>,
        resource: &SparkApplication,
        app: &Application,
        seen: &Observed,
        pass: Pass,
    ) -> Result<Action, Error> {
        let Pass { status, changes, tell, events, again, look: _ } = pass;
        let is_needed = status != app.status || !changes.is_empty();
        if is_needed && let Some(instead) = self.write_first(resource, &status).await? {
            return Ok(instead);
        }
        self.say(resource, events);
        let is_submission = status.driver_info.is_none();
        let submission = status.submission_id.clone().unwrap_or_default();
        let refused = self.make(app, changes, is_submission.then_some(&submission)).await?;
        if seen.name_taken {
            // The watch does not show whose pods are not ours.
            self.memories.look(&app.uid);
        }
        if let Some(facts) = tell {
            self.memories.tell(&app.uid, facts);
        }
        self.attach(app, seen, status.application_state.state, &submission).await?;
        self.memories.succeeded(&app.uid);
        Ok(come_again(refused, again))
    }

    /// Makes the changes. Those of one kind, side by side, are on their way at once; kinds keep their order. True if something could not
    /// be made: that is written down by the next pass.
    async fn make(
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
                None => self.remember_made(app, made),
                Some((name, problem)) => {
                    self.remember_not_made(app, (made, name), problem, submission)?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// What kept things of a kind from being made does so no more.
    fn remember_made(&self, app: &Application, made: Made) {
        match made {
            Made::Secret => self.memories.set_secret_taken(&app.uid, None),
            Made::Pod => self.memories.set_refused_executor(&app.uid, None),
            Made::Claim | Made::Nothing => {}
        }
    }

    /// Keeps for the next pass why something could not be made. An error, if only trying again can tell more.
    fn remember_not_made(
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
                self.memories.set_secret_taken(&app.uid, Some(now));
            }
            (Written::Foreign, Made::Pod, None) => {
                let message = format!("pod {name} is there already and belongs to something else");
                let reason = "NameTaken".to_owned();
                let refused = RefusedExecutor { reason, message, at: now };
                self.memories.set_refused_executor(&app.uid, Some(refused));
            }
            (Written::Foreign, ..) => {
                self.memories.look(&app.uid);
                return Err(Error::Foreign(name));
            }
            (Written::Refused(message), _, Some(submission)) => {
                let refused = Refused { submission: submission.clone(), message };
                self.memories.refused(&app.uid, refused);
            }
            (Written::Refused(message), Made::Nothing, None) => {
                return Err(Error::Refused(name, message));
            }
            (Written::Refused(message), _, None) => {
                let reason = "FailedCreate".to_owned();
                let refused = RefusedExecutor { reason, message, at: now };
                self.memories.set_refused_executor(&app.uid, Some(refused));
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

    /// Keeps a stream to the driver that counts, and to no other.
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
            self.memories.detach(&app.uid);
            return Ok(());
        };
        let peer = Peer { submission, address: names::dialled(address, self.settings.driver_port) };
        if self.memories.is_attached_to(&app.uid, &peer) {
            return Ok(());
        }
        let mut credentials = self.credentials(app).await?;
        match &credentials.identity {
            Some(_) if !encrypted => credentials.identity = None,
            None if encrypted => return Err(Error::NoIdentity(names::token_secret(&app.name))),
            Some(_) | None => {}
        }
        let (scope, key) = (Arc::downgrade(self), Key::new(&app.namespace, &app.name));
        let news = move || {
            if let Some(scope) = scope.upgrade() {
                scope.touch(key.clone());
            }
        };
        self.memories.attach(&app.uid, Attachment::open(peer, credentials, news));
        Ok(())
    }

    /// What the driver asks for, from the secret if it is not known yet.
    async fn credentials(&self, app: &Application) -> Result<Credentials, Error> {
        if let Some(known) = self.memories.credentials(&app.uid) {
            return Ok(known);
        }
        let found = self.server.credentials(app).await?;
        self.memories.set_token_lost(&app.uid, found.is_none());
        let found = found.ok_or_else(|| Error::TokenLost(names::token_secret(&app.name)))?;
        self.memories.keep_credentials(&app.uid, found.clone());
        Ok(found)
    }
}

/// What a change makes.
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

/// Secrets of a new application; its token is of 244 bits of chance.
fn fresh() -> Secrets {
    let half = || uuid::Uuid::new_v4().simple().to_string();
    let identity = proto::Identity::generate().expect("the machine gives random numbers");
    Secrets { token: (half() + &half()).into(), identity: identity.secret().into() }
}
