//! Settings of the operator, as far as passes need them.

use std::time::Duration;

/// Settings of the operator.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Default image, for applications that do not set one.
    pub image: Option<String>,
    /// Port on which executors and the operator reach drivers.
    pub driver_port: u16,
    /// Port of Spark Connect in the driver's pod.
    pub connect_port: u16,
    /// Time after its grace period that a pod may still be terminating before it is deleted by
    /// force.
    pub removed_by_force_after: Duration,
    /// Limit on the executors created by one pass; the next pass follows at once.
    pub executors_per_pass: usize,
    /// Interval at which an application is reconciled when nothing happens.
    pub resync: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            image: None,
            driver_port: 7078,
            connect_port: 15002,
            removed_by_force_after: Duration::from_mins(1),
            executors_per_pass: 100,
            resync: Duration::from_mins(5),
        }
    }
}
