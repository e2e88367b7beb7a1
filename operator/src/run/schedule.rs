//! Reconciles one schedule as `reconcile` does an application: observes its runs, lets
//! `schedule::pass` decide, and writes the result in its order.

use super::api::Written;
use super::context::{Context, requeue};
use super::reconcile::Error;
use crate::observe::View;
use crate::schedule::{self, RefusedRun, Runs, ScheduleChange, SchedulePass, ScheduledApplication};
use crd::{ScheduledSparkApplication, SparkApplication};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use std::sync::Arc;
use std::time::Instant;

impl Context {
    /// Reconciles a schedule once and returns when to requeue it.
    pub(super) async fn schedule_pass(
        self: &Arc<Self>,
        resource: &ScheduledSparkApplication,
    ) -> Result<Action, Error> {
        let started = Instant::now();
        let outcome = self.schedule_pass_inner(resource).await;
        self.metrics.record_pass("schedule", started.elapsed(), outcome.is_ok());
        outcome
    }

    async fn schedule_pass_inner(
        self: &Arc<Self>,
        resource: &ScheduledSparkApplication,
    ) -> Result<Action, Error> {
        let schedule = ScheduledApplication::read(resource, &self.settings);
        let pass_over =
            |seen: &Runs| schedule::pass(&schedule, seen, &self.settings, Timestamp::now());
        let mut pass = pass_over(&self.observe_runs(&schedule));
        if pass.refresh {
            let seen = self.observe_runs_live(&schedule).await?;
            pass = pass_over(&seen);
        }
        self.carry_out_schedule(resource, &schedule, pass).await
    }

    /// A snapshot of the runs from the watches, which may be stale.
    fn observe_runs(&self, schedule: &ScheduledApplication) -> Runs {
        let applications = self.applications.state();
        let applications = applications.iter().filter_map(|app| app.0.as_ref().ok());
        let applications =
            applications.filter(|app| app.namespace().as_ref() == Some(&schedule.namespace));
        let pods = self.pods.of_names_with_prefix(&schedule.namespace, &schedule.name);
        let seen = Runs::of(schedule, applications, pods.iter().map(Arc::as_ref));
        Runs { refused: self.refused_run(&schedule.uid), ..seen }
    }

    /// A snapshot of the runs from the API server.
    async fn observe_runs_live(&self, schedule: &ScheduledApplication) -> Result<Runs, Error> {
        let applications: Vec<SparkApplication> =
            self.server.applications_in(&schedule.namespace).await?;
        let pods = self.server.drivers_in(&schedule.namespace).await?;
        let seen = Runs::of(schedule, &applications, &pods);
        Ok(Runs { refused: self.refused_run(&schedule.uid), view: View::Live, ..seen })
    }

    async fn carry_out_schedule(
        &self,
        resource: &ScheduledSparkApplication,
        schedule: &ScheduledApplication,
        pass: SchedulePass,
    ) -> Result<Action, Error> {
        let SchedulePass { status, changes, events, requeue_after, refresh: _ } = pass;
        let is_needed = status != schedule.status || !changes.is_empty();
        if is_needed && let Some(instead) = self.write_first(resource, &status).await? {
            return Ok(instead);
        }
        self.publish(resource, events);
        let mut refused = false;
        for change in changes {
            refused |= self.change_run(schedule, change).await?;
        }
        self.soft_states.succeeded(&schedule.uid);
        Ok(requeue(refused, requeue_after))
    }

    /// Makes a change; returns true if the API server refused a run.
    async fn change_run(
        &self,
        schedule: &ScheduledApplication,
        change: ScheduleChange,
    ) -> Result<bool, Error> {
        match change {
            ScheduleChange::Create(run) => {
                let name = run.name_any();
                tracing::info!(
                    namespace = schedule.namespace,
                    schedule = schedule.name,
                    what = "create run",
                    name
                );
                let refused = match self.server.create_run(schedule, &run).await? {
                    // The next pass sees an application of another owner that has this name.
                    Written::Done | Written::Foreign => None,
                    Written::Refused(message) => {
                        Some(RefusedRun { name, message, at: Timestamp::now() })
                    }
                };
                let is_refused = refused.is_some();
                self.set_refused_run(&schedule.uid, refused);
                Ok(is_refused)
            }
            ScheduleChange::Delete { name, uid, version } => {
                tracing::info!(
                    namespace = schedule.namespace,
                    schedule = schedule.name,
                    what = "delete run",
                    name
                );
                self.server.delete_run(&schedule.namespace, &name, uid, version).await?;
                Ok(false)
            }
        }
    }
}
