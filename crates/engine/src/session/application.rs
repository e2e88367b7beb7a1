//! What the owner of an application needs of its sessions: how they begin, and rows printed for a terminal.

use super::{Answer, Session, Shared, show};
use model::conf::{self, Conf};
use plan::SparkError;
use std::path::PathBuf;
use std::sync::Arc;

impl Shared {
    /// Fresh, for an application with these settings.
    pub fn for_application(conf: &Conf) -> Result<Self, SparkError> {
        let state = crate::session_state(conf)?;
        let warehouse = conf.get(&conf::WAREHOUSE_DIR)?;
        Ok(Self::new(state, Arc::new(functions::Registry::new()), PathBuf::from(warehouse)))
    }
}

impl Session {
    /// All rows of an answer as `show` prints them, with whole values.
    pub fn table(&self, answer: &Answer) -> Result<String, SparkError> {
        let time_zone = self.time_zone()?;
        let style = show::Style { rows: usize::MAX, truncate: 0, time_zone: &time_zone };
        show::table(&answer.schema, &answer.batches, style)
    }
}
