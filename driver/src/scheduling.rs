//! The rules by which tasks are placed and tried again, as the settings say.

use crate::master::{Master, Wanted};
use model::Epoch;
use model::conf::{self, BadSetting, Conf, Problem};
use scheduler::{Exclusion, Limits, LocalityWait, Scheduler, Speculation};

/// A scheduler with the rules of the settings. `dynamic`: whether the number of executors follows
/// the tasks.
pub(crate) fn scheduler(
    epoch: Epoch,
    conf: &Conf,
    (wanted, dynamic): (Wanted, bool),
) -> Result<Scheduler, BadSetting> {
    let scheduler = Scheduler::new(epoch, limits(conf, (wanted, dynamic))?);
    Ok(scheduler
        .with_speculation(speculation(conf, wanted)?)
        .with_exclusion(exclusion(conf)?)
        .with_locality_wait(locality_wait(conf)?))
}

fn limits(conf: &Conf, (wanted, dynamic): (Wanted, bool)) -> Result<Limits, BadSetting> {
    let master = Master::parse(&conf.get(&conf::MASTER)?);
    let said = master.and_then(|master| master.max_failures);
    Ok(Limits {
        task_max_failures: said.unwrap_or(conf.get(&conf::TASK_MAX_FAILURES)?),
        stage_max_consecutive_attempts: conf.get(&conf::STAGE_MAX_CONSECUTIVE_ATTEMPTS)?,
        max_result_bytes: max_result_bytes(conf)?,
        slots: Some(wanted.slots()).filter(|_| !dynamic),
        dynamic,
        ignore_leaving: conf.get(&conf::IGNORE_DECOMMISSION_FETCH_FAILURE)?,
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

fn exclusion(conf: &Conf) -> Result<Option<Exclusion>, BadSetting> {
    if !conf.get(&conf::EXCLUDE)? {
        return Ok(None);
    }
    let number = |key| conf.get(key).map(|number: u32| number as usize);
    let task_attempts_per_host = conf.get(&conf::EXCLUDE_TASK_PER_NODE)?;
    let max_failures = conf.get(&conf::TASK_MAX_FAILURES)?;
    if task_attempts_per_host >= max_failures {
        let (node, failures) = (conf::EXCLUDE_TASK_PER_NODE.name, conf::TASK_MAX_FAILURES.name);
        let words = format!(
            "{node} ( = {task_attempts_per_host}) was >= {failures} ( = {max_failures} ). Though \
             excludeOnFailure is enabled, with this configuration, Spark will not be robust to one \
             bad node. Decrease {node}, increase {failures}, or disable excludeOnFailure with {}",
            conf::EXCLUDE.name
        );
        let (key, value) = (node.to_owned(), task_attempts_per_host.to_string());
        return Err(BadSetting { key, value, problem: Problem::Requirement(words) });
    }
    Ok(Some(Exclusion {
        task_attempts_per_executor: conf.get(&conf::EXCLUDE_TASK_PER_EXECUTOR)?,
        task_attempts_per_host,
        stage_tasks_per_executor: number(&conf::EXCLUDE_STAGE_PER_EXECUTOR)?,
        stage_executors_per_host: number(&conf::EXCLUDE_STAGE_PER_NODE)?,
        tasks_per_executor: number(&conf::EXCLUDE_PER_EXECUTOR)?,
        executors_per_host: number(&conf::EXCLUDE_PER_NODE)?,
        timeout: conf.get(&conf::EXCLUDE_TIMEOUT)?,
        replaces: conf.get(&conf::EXCLUDE_KILL)?,
        counts_fetch_failures: conf.get(&conf::EXCLUDE_FETCH_FAILURE)?,
        unschedulable_timeout: conf.get(&conf::UNSCHEDULABLE_TIMEOUT)?,
    }))
}

fn locality_wait(conf: &Conf) -> Result<LocalityWait, BadSetting> {
    let wait = conf.get(&conf::LOCALITY_WAIT)?;
    Ok(LocalityWait {
        executor: conf.find(&conf::LOCALITY_WAIT_PROCESS)?.unwrap_or(wait),
        host: conf.find(&conf::LOCALITY_WAIT_NODE)?.unwrap_or(wait),
    })
}
