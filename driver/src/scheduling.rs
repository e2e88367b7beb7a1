//! The rules by which tasks are placed and tried again, as the settings say.

use crate::master::{Master, Wanted};
use model::Epoch;
use model::conf::{self, BadSetting, Conf};
use scheduler::{Limits, Scheduler, Speculation};

/// A scheduler with the rules of the settings.
pub(crate) fn scheduler(
    epoch: Epoch,
    conf: &Conf,
    wanted: Wanted,
) -> Result<Scheduler, BadSetting> {
    let scheduler = Scheduler::new(epoch, limits(conf, wanted)?);
    Ok(scheduler.with_speculation(speculation(conf, wanted)?))
}

fn limits(conf: &Conf, wanted: Wanted) -> Result<Limits, BadSetting> {
    let master = Master::parse(&conf.get(&conf::MASTER)?);
    let said = master.and_then(|master| master.max_failures);
    Ok(Limits {
        task_max_failures: said.unwrap_or(conf.get(&conf::TASK_MAX_FAILURES)?),
        stage_max_consecutive_attempts: conf.get(&conf::STAGE_MAX_CONSECUTIVE_ATTEMPTS)?,
        max_result_bytes: max_result_bytes(conf)?,
        slots: Some(wanted.slots()),
        ..Limits::default()
    })
}

/// 0 is Spark's way to say that there is no limit.
pub(crate) fn max_result_bytes(conf: &Conf) -> Result<Option<u64>, BadSetting> {
    Ok(Some(conf.get(&conf::MAX_RESULT_SIZE)?.0).filter(|bytes| *bytes > 0))
}

fn speculation(conf: &Conf, wanted: Wanted) -> Result<Option<Speculation>, BadSetting> {
    let rules = Speculation {
        interval: conf.get(&conf::SPECULATION_INTERVAL)?,
        multiplier: conf.get(&conf::SPECULATION_MULTIPLIER)?,
        quantile: conf.get(&conf::SPECULATION_QUANTILE)?,
        min_runtime: conf.get(&conf::SPECULATION_MIN_RUNTIME)?,
        duration_threshold: conf.find(&conf::SPECULATION_THRESHOLD)?,
        executor_slots: wanted.slots_of(wanted.cores),
    };
    Ok(conf.get(&conf::SPECULATION)?.then_some(rules))
}
