//! One pass over one application, carried out: observed, decided by `plan::pass`, written in its order.

use super::api::Written;
use super::attach::{Attachment, Peer};
use super::pods::Key;
use super::scope::Scope;
use crate::names;
use crate::observe::{Observed, Refused, RefusedExecutor, View};
use crate::plan::{self, Application, Change, Circumstances, Object, Pass};
use crate::submission::SubmissionId;
use crd::{SparkApplication, State};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After a write over an old version: the watch will show the new one any moment.
pub(super) const CONFLICT_WAIT: Duration = Duration::from_millis(100);
/// Writes of one pass that are on their way at once.
const WRITES: usize = 16;

/// Why a pass was not carried out to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the API server: {0}")]
    Server(#[from] kube::Error),
    #[error("{0} is there already and belongs to something else")]
    Foreign(String),
    #[error("the API server refuses {0}: {1}")]
    Refused(String, String),
}

impl Scope {
    /// Carries out a pass.
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
        let token = fresh_token();
        let with = |now| Circumstances { settings: &self.settings, now, fresh_token: &token };
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

    /// What the watch has shown.
    fn observe(&self, app: &Application) -> Observed {
        let pods = self.pods.of(&Key::new(&app.namespace, &app.name));
        self.with_words(
            app,
            Observed::of_pods(&app.uid, &app.driver_name(), pods.iter().map(Arc::as_ref)),
        )
    }

    /// What the API server says now.
    async fn look(&self, app: &Application) -> Result<Observed, Error> {
        let pods = self.server.pods(app).await?;
        let seen = Observed::of_pods(&app.uid, &app.driver_name(), &pods);
        Ok(Observed { view: View::Live, ..self.with_words(app, seen) })
    }

    fn with_words(&self, app: &Application, seen: Observed) -> Observed {
        let (attached, refused) = self.memories.heard(&app.uid);
        let refused_executor = self.memories.refused_executor(&app.uid);
        Observed { attached, refused, refused_executor, ..seen }
    }

    async fn carry_out(
        self: &Arc<Self>,
        resource: &SparkApplication,
        app: &Application,
        seen: &Observed,
        pass: Pass,
    ) -> Result<Action, Error> {
        let Pass { status, changes, tell, events, again, look: _ } = pass;
        if status != app.status || !changes.is_empty() {
            let version = resource.resource_version().unwrap_or_default();
            match self.server.write_status(app, &version, &status).await {
                Ok(()) => {}
                Err(kube::Error::Api(said)) if said.is_conflict() => {
                    return Ok(Action::requeue(CONFLICT_WAIT));
                }
                // It was deleted in the meantime; what belongs to it goes with it.
                Err(kube::Error::Api(said)) if said.is_not_found() => {
                    return Ok(Action::await_change());
                }
                Err(error) => return Err(error.into()),
            }
        }
        for event in events {
            self.metrics.happened(&event.reason, age_of(resource));
            self.publish(resource.object_ref(&()), event);
        }
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
        Ok(match again {
            _ if refused => Action::requeue(Duration::ZERO),
            Some(wait) => Action::requeue(wait),
            None => Action::await_change(),
        })
    }

    /// Makes the changes. Those of one kind, side by side, are on their way at once; kinds keep their order. True if the API server
    /// will not make what a submission needs: that is written down by the next pass.
    async fn make(
        &self,
        app: &Application,
        changes: Vec<Change>,
        submission: Option<&String>,
    ) -> Result<bool, Error> {
        let mut changes = changes.into_iter().peekable();
        while let Some(first) = changes.next() {
            let kind = kind_of(&first);
            let mut group = vec![first];
            while let Some(next) = changes.next_if(|next| kind_of(next) == kind) {
                group.push(next);
            }
            let writes =
                stream::iter(group).map(|change| self.change(app, change)).buffer_unordered(WRITES);
            let mut answers: Vec<(String, Written)> = writes.try_collect().await?;
            answers.retain(|(_, written)| *written != Written::Done);
            let Some((name, problem)) = answers.pop() else {
                if kind == "create pod" {
                    self.memories.set_refused_executor(&app.uid, None);
                }
                continue;
            };
            let Written::Refused(message) = problem else {
                self.memories.look(&app.uid);
                return Err(Error::Foreign(name));
            };
            let Some(submission) = submission else {
                if !kind.starts_with("create") {
                    return Err(Error::Refused(name, message));
                }
                let refused = RefusedExecutor { message, at: Timestamp::now() };
                self.memories.set_refused_executor(&app.uid, Some(refused));
                return Ok(true);
            };
            self.memories.refused(&app.uid, Refused { submission: submission.clone(), message });
            return Ok(true);
        }
        Ok(false)
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
        let live = matches!(state, State::Submitted | State::Running | State::Unknown);
        let driver = seen.drivers.iter().find(|driver| driver.submission == submission);
        let address = driver
            .filter(|driver| live && driver.end().is_none())
            .and_then(|driver| driver.address.as_ref());
        let (Some(address), Ok(submission)) = (address, submission.parse::<SubmissionId>()) else {
            self.memories.detach(&app.uid);
            return Ok(());
        };
        let peer = Peer { submission, address: names::dialled(address, self.settings.driver_port) };
        if self.memories.is_attached_to(&app.uid, &peer) {
            return Ok(());
        }
        let token = match self.memories.token(&app.uid) {
            Some(token) => token,
            None => match self.server.token(app).await? {
                Some(token) => {
                    self.memories.keep_token(&app.uid, token.clone());
                    token
                }
                None => return Err(Error::Foreign(names::token_secret(&app.name))),
            },
        };
        let (scope, key) = (Arc::downgrade(self), Key::new(&app.namespace, &app.name));
        let news = move || {
            if let Some(scope) = scope.upgrade() {
                scope.touch(key.clone());
            }
        };
        self.memories.attach(&app.uid, Attachment::open(peer, token, news));
        Ok(())
    }
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

fn age_of(resource: &SparkApplication) -> Option<Duration> {
    let created = resource.creation_timestamp()?.0;
    Duration::try_from(Timestamp::now().duration_since(created)).ok()
}

/// A token that nobody else has: 244 bits of chance.
fn fresh_token() -> String {
    let half = || uuid::Uuid::new_v4().simple().to_string();
    half() + &half()
}
