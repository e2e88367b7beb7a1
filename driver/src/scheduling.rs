//! The rules by which tasks are placed and tried again, as the settings say.

use crate::master::{Master, Wanted};
use model::Epoch;
use model::conf::{self, BadSetting, Conf, Problem};
use scheduler::{
    Capacity, Efficiency, Exclusion, LaunchAhead, Limits, LocalityWait, Scheduler, Speculation,
    StartGate,
};

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
        .with_locality_wait(locality_wait(conf)?)
        .with_launch_ahead(Some(LaunchAhead::default()))
        .with_start_gate(start_gate(conf, wanted)?))
}

fn limits(conf: &Conf, (wanted, dynamic): (Wanted, bool)) -> Result<Limits, BadSetting> {
    let master = Master::parse(&conf.get(&conf::MASTER)?);
    let executors = Some(wanted.executors).filter(|_| !dynamic);
    let capacity = Some(Capacity { executors, slots: wanted.cores });
    let said = master.and_then(|master| master.max_failures);
    Ok(Limits {
        task_max_failures: said.unwrap_or(conf.get(&conf::TASK_MAX_FAILURES)?),
        stage_max_consecutive_attempts: conf.get(&conf::STAGE_MAX_CONSECUTIVE_ATTEMPTS)?,
        max_result_bytes: max_result_bytes(conf)?,
        capacity,
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
    let efficiency = Efficiency {
        rate_multiplier: conf.get(&conf::SPECULATION_RATE)?,
        long_run_factor: conf.get(&conf::SPECULATION_LONG_RUN)?,
    };
    let rules = Speculation {
        interval: conf.get(&conf::SPECULATION_INTERVAL)?,
        multiplier: conf.get(&conf::SPECULATION_MULTIPLIER)?,
        quantile: conf.get(&conf::SPECULATION_QUANTILE)?,
        min_runtime: conf.get(&conf::SPECULATION_MIN_RUNTIME)?,
        duration_threshold: conf.find(&conf::SPECULATION_THRESHOLD)?,
        executor_slots: wanted.cores,
        efficiency: conf.get(&conf::SPECULATION_EFFICIENCY)?.then_some(efficiency),
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

/// What the first tasks wait for. Executors on one machine come at once, and `local` has one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no number is negative, and none is greater than that of executors"
)]
fn start_gate(conf: &Conf, wanted: Wanted) -> Result<Option<StartGate>, BadSetting> {
    let master = conf.get(&conf::MASTER)?;
    let until = conf.get(&conf::START_WAIT)?;
    let by_default = if Master::parse(&master).is_some() { 0.0 } else { 0.8 };
    let ratio = conf.find(&conf::START_RATIO)?.unwrap_or(by_default).clamp(0.0, 1.0);
    let executors = (f64::from(wanted.executors) * ratio).ceil() as usize;
    let waits = executors > 0 && !until.is_zero() && !Master::is_local(&master);
    Ok(waits.then_some(StartGate { executors, until }))
}

fn locality_wait(conf: &Conf) -> Result<LocalityWait, BadSetting> {
    let wait = conf.get(&conf::LOCALITY_WAIT)?;
    Ok(LocalityWait {
        executor: conf.find(&conf::LOCALITY_WAIT_PROCESS)?.unwrap_or(wait),
        host: conf.find(&conf::LOCALITY_WAIT_NODE)?.unwrap_or(wait),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocation::AllocationRules;

    fn gate(pairs: &[(&str, &str)]) -> Option<usize> {
        let conf: Conf = pairs.iter().copied().collect();
        let mut wanted = Wanted::from_conf(&conf).unwrap();
        if let Some(allocation) = AllocationRules::from_conf(&conf).unwrap() {
            wanted.executors = allocation.initial;
        }
        start_gate(&conf, wanted).unwrap().map(|gate| gate.executors)
    }

    #[test]
    fn the_first_tasks_wait_for_executors_where_spark_s_do() {
        let (instances, ratio) =
            ("spark.executor.instances", "spark.scheduler.minRegisteredResourcesRatio");
        let (pods, cluster) =
            (("spark.master", "k8s://x"), ("spark.master", "local-cluster[4,1,512]"));
        let dynamic = ("spark.dynamicAllocation.enabled", "true");
        assert_eq!(gate(&[pods, (instances, "10")]), Some(8));
        assert_eq!(gate(&[pods, (instances, "2")]), Some(2));
        assert_eq!(gate(&[pods, (instances, "10"), (ratio, "0.25")]), Some(3));
        assert_eq!(gate(&[pods, (instances, "10"), (ratio, "7")]), Some(10));
        assert_eq!(gate(&[pods, (instances, "10"), (ratio, "0")]), None);
        assert_eq!(gate(&[pods, dynamic]), None, "there is none at the start");
        let initial = ("spark.dynamicAllocation.initialExecutors", "5");
        assert_eq!(gate(&[pods, dynamic, initial]), Some(4));
        assert_eq!(gate(&[cluster]), None);
        assert_eq!(gate(&[cluster, (ratio, "1")]), Some(4));
        assert_eq!(gate(&[("spark.master", "local[4]"), (ratio, "1")]), None);
        let no_time = ("spark.scheduler.maxRegisteredResourcesWaitingTime", "0s");
        assert_eq!(gate(&[pods, no_time]), None);
    }

    #[test]
    fn a_local_master_tries_a_task_once_and_others_as_often_as_the_setting_says() {
        let tries = |master| {
            let conf: Conf =
                [("spark.master", master), ("spark.task.maxFailures", "7")].into_iter().collect();
            let wanted = Wanted::from_conf(&conf).unwrap();
            limits(&conf, (wanted, false)).unwrap().task_max_failures
        };
        let masters =
            ["local", "local[4]", "local[*]", "local[4,3]", "local-cluster[1,1,9]", "k8s"];
        assert_eq!(masters.map(tries), [1, 1, 1, 3, 7, 7]);
    }

    #[test]
    fn efficiency_counts_unless_it_is_off() {
        let efficiency = |pairs: &[(&str, &str)]| {
            let on = [("spark.speculation", "true"), ("spark.master", "local[2]")];
            let conf: Conf = on.into_iter().chain(pairs.iter().copied()).collect();
            speculation(&conf, Wanted::from_conf(&conf).unwrap()).unwrap().unwrap().efficiency
        };
        let by_default = Efficiency { rate_multiplier: 0.75, long_run_factor: 2.0 };
        assert_eq!(efficiency(&[]), Some(by_default));
        assert_eq!(efficiency(&[("spark.speculation.efficiency.enabled", "false")]), None);
    }
}
