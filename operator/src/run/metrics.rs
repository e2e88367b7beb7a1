//! Prometheus metrics. No label has an application's name: there may be thousands.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::time::Duration;

/// The operator's metrics.
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

/// Values that are read when metrics are scraped.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    /// Applications by state.
    pub(super) applications: Vec<String>,
    /// Pending and running executors.
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
            "Duration of a pass over an application",
            metrics.pass_seconds.clone(),
        );
        registry.register("events", "Events of applications, by reason", metrics.events.clone());
        registry.register(
            "application_start_seconds",
            "Time from the creation of an application until its driver runs",
            metrics.start_seconds.clone(),
        );
        registry.register("applications", "Applications by state", metrics.applications.clone());
        registry.register("executors", "Executors by state", metrics.executors.clone());
        registry.register("attached_drivers", "Open streams to drivers", metrics.attached.clone());
        registry.register("leader", "1 if this replica is the leader", metrics.leads.clone());
        metrics
    }

    /// Records a pass over a resource of this kind.
    pub(super) fn record_pass(&self, kind: &'static str, time: Duration, well: bool) {
        let outcome = if well { "done" } else { "failed" };
        self.passes.get_or_create(&Outcome { kind, outcome }).inc();
        self.pass_seconds.observe(time.as_secs_f64());
    }

    /// Records an event of an application of this age.
    pub(super) fn record_event(&self, reason: &str, age: Option<Duration>) {
        self.events.get_or_create(&Reason { reason: reason.to_owned() }).inc();
        if let (Some(age), "SparkDriverRunning") = (age, reason) {
            self.start_seconds.observe(age.as_secs_f64());
        }
    }

    /// Records whether this replica leads.
    pub(super) fn set_leader(&self, leads: bool) {
        self.leads.set(leads.into());
    }

    /// All metrics in Prometheus's text format.
    pub(super) fn text(&self, gauges: &Gauges) -> Result<String, std::fmt::Error> {
        self.applications.clear();
        for state in &gauges.applications {
            self.applications.get_or_create(&InState { state: state.clone() }).inc();
        }
        let (pending, running) = gauges.executors;
        for (state, count) in [("PENDING", pending), ("RUNNING", running)] {
            self.executors.get_or_create(&InState { state: state.to_owned() }).set(count);
        }
        self.attached.set(i64::try_from(gauges.attached).unwrap_or(i64::MAX));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_values_are_in_the_text() {
        let metrics = Metrics::new();
        metrics.record_pass("application", Duration::from_millis(3), true);
        metrics.record_event("SparkDriverRunning", Some(Duration::from_millis(70)));
        metrics.set_leader(true);
        let applications = vec!["RUNNING".to_owned(), "RUNNING".to_owned(), "FAILED".to_owned()];
        let text =
            metrics.text(&Gauges { applications, executors: (1, 4), attached: 2 }).expect("text");
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
        let text = metrics.text(&Gauges::default()).expect("text");
        assert!(!text.contains(r#"applications{state="FAILED"}"#), "{text}");
    }
}
