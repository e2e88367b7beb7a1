//! What is counted, for Prometheus. No label has the name of an application: there may be thousands.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::time::Duration;

/// What is counted.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    passes: Family<Outcome, Counter>,
    pass_seconds: Histogram,
    events: Family<Reason, Counter>,
    start_seconds: Histogram,
    applications: Family<InState, Gauge>,
    executors: Family<InState, Gauge>,
    attached: Gauge,
    leads: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: String,
}

/// How the applications stand now.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Applications by state.
    pub(super) applications: Vec<String>,
    /// Executors that wait, and that run.
    pub(super) executors: (i64, i64),
    /// Open streams to drivers.
    pub(super) attached: usize,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("firesteel_operator"),
            passes: Family::default(),
            pass_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            events: Family::default(),
            start_seconds: Histogram::new(exponential_buckets(0.05, 2.0, 16)),
            applications: Family::default(),
            executors: Family::default(),
            attached: Gauge::default(),
            leads: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "passes",
            "Passes over applications and schedules",
            metrics.passes.clone(),
        );
        registry.register(
            "pass_seconds",
            "Time of a pass over an application",
            metrics.pass_seconds.clone(),
        );
        registry.register(
            "events",
            "What happened to applications, by the reason of the event",
            metrics.events.clone(),
        );
        registry.register(
            "application_start_seconds",
            "Time from the creation of an application until its driver runs",
            metrics.start_seconds.clone(),
        );
        registry.register("applications", "Applications by state", metrics.applications.clone());
        registry.register("executors", "Executors by state", metrics.executors.clone());
        registry.register("attached_drivers", "Open streams to drivers", metrics.attached.clone());
        registry.register(
            "leader",
            "1 if this operator is the one that works",
            metrics.leads.clone(),
        );
        metrics
    }

    /// A pass was made over a resource of this kind.
    pub(super) fn passed(&self, kind: &'static str, time: Duration, well: bool) {
        let outcome = if well { "done" } else { "failed" };
        self.passes.get_or_create(&Outcome { kind, outcome }).inc();
        self.pass_seconds.observe(time.as_secs_f64());
    }

    /// An event of an application of this age.
    pub(super) fn happened(&self, reason: &str, age: Option<Duration>) {
        self.events.get_or_create(&Reason { reason: reason.to_owned() }).inc();
        if let (Some(age), "SparkDriverRunning") = (age, reason) {
            self.start_seconds.observe(age.as_secs_f64());
        }
    }

    /// Whether this operator is the one that works.
    pub(super) fn leads(&self, leads: bool) {
        self.leads.set(leads.into());
    }

    /// All of it, as Prometheus reads it.
    pub(super) fn text(&self, standing: &Standing) -> Result<String, std::fmt::Error> {
        self.applications.clear();
        for state in &standing.applications {
            self.applications.get_or_create(&InState { state: state.clone() }).inc();
        }
        let (pending, running) = standing.executors;
        for (state, count) in [("PENDING", pending), ("RUNNING", running)] {
            self.executors.get_or_create(&InState { state: state.to_owned() }).set(count);
        }
        self.attached.set(i64::try_from(standing.attached).unwrap_or(i64::MAX));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_in_the_text() {
        let metrics = Metrics::new();
        metrics.passed("application", Duration::from_millis(3), true);
        metrics.happened("SparkDriverRunning", Some(Duration::from_millis(70)));
        metrics.leads(true);
        let applications = vec!["RUNNING".to_owned(), "RUNNING".to_owned(), "FAILED".to_owned()];
        let text =
            metrics.text(&Standing { applications, executors: (1, 4), attached: 2 }).expect("text");
        for line in [
            r#"firesteel_operator_passes_total{kind="application",outcome="done"} 1"#,
            r#"firesteel_operator_events_total{reason="SparkDriverRunning"} 1"#,
            "firesteel_operator_application_start_seconds_count 1",
            r#"firesteel_operator_applications{state="RUNNING"} 2"#,
            r#"firesteel_operator_executors{state="RUNNING"} 4"#,
            "firesteel_operator_attached_drivers 2",
            "firesteel_operator_leader 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        let text = metrics.text(&Standing::default()).expect("text");
        assert!(!text.contains(r#"applications{state="FAILED"}"#), "{text}");
    }
}
