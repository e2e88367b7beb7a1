//! The promise that nothing is launched before enough executors are there, or the time is over.

use model::{Attempt, Epoch};
use scheduler::StartGate;
use std::time::Duration;

/// What the first tasks of an epoch wait for: in every other one, three executors.
pub(crate) fn gate(epoch: Epoch, now: Duration) -> Option<StartGate> {
    let until = now + Duration::from_millis(400);
    epoch.0.is_multiple_of(2).then_some(StartGate { executors: 3, until })
}

/// What is still waited for.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    gate: Option<StartGate>,
    /// Events at which executors were there, but too few.
    pub(crate) held: u64,
}

impl Starts {
    pub(crate) fn new(gate: Option<StartGate>) -> Self {
        Self { gate, held: 0 }
    }

    /// Takes note of the executors that are there before the commands of an event.
    pub(crate) fn note(&mut self, now: Duration, there: usize) {
        self.gate.take_if(|gate| there >= gate.executors || now >= gate.until);
        self.held += u64::from(self.gate.is_some() && there > 0);
    }

    pub(crate) fn check_launch(&self, attempt: Attempt) -> Result<(), String> {
        match self.gate {
            Some(gate) => Err(format!("{attempt} is launched, and {gate:?} is not there")),
            None => Ok(()),
        }
    }
}
