//! What the operator is told at its start, as far as passes need it.

use std::time::Duration;

/// Settings of the operator.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Image of applications that name none.
    pub image: Option<String>,
    /// Port on which drivers are reached by executors and the operator.
    pub driver_port: u16,
    /// Port of Spark Connect in the driver's pod.
    pub connect_port: u16,
    /// After its grace period: how long a pod may be ending before it is removed without its node's word.
    pub removed_by_force_after: Duration,
    /// How many executors one pass creates at most; the next pass follows at once.
    pub executors_per_pass: usize,
    /// How often an application is looked at when nothing happens.
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
