//! Settings of dynamic allocation: whether the number of executors follows the tasks that there
//! are, and how.

use crate::master::Master;
use model::conf::{self, BadSetting, Conf, Problem};
use std::time::Duration;

/// Rules by which the number of executors follows the tasks. The words are Spark's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AllocationRules {
    /// Executors at the start, within the bounds.
    pub initial: u32,
    /// Least number of executors.
    pub min: u32,
    /// Largest number of executors.
    pub max: u32,
    /// Share of the executors wanted that would give each task a slot.
    pub ratio: f64,
    /// Time that tasks wait before the first executor is added.
    pub backlog_timeout: Duration,
    /// Time after which more are added.
    pub sustained_backlog_timeout: Duration,
    /// Time without a task after which an executor is released.
    pub idle_timeout: Duration,
    /// The same for one with which cached partitions would be lost; `None` keeps it.
    pub cached_idle_timeout: Option<Duration>,
    /// Whether executors are kept with which map outputs would be lost.
    pub shuffle_tracking: bool,
    /// Time without a task for which they are kept if no job needs the outputs; `None` for ever.
    pub shuffle_timeout: Option<Duration>,
}

impl AllocationRules {
    /// The rules, if dynamic allocation is on. It never is with a master `local`.
    pub(crate) fn from_conf(conf: &Conf) -> Result<Option<Self>, BadSetting> {
        let master = conf.get(&conf::MASTER)?;
        if Master::is_local(&master) || !conf.get(&conf::DYNAMIC_ALLOCATION)? {
            return Ok(None);
        }
        let rules = Self::read(conf, Master::parse(&master))?;
        rules.check(conf).map(|()| Some(rules))
    }

    fn read(conf: &Conf, master: Option<Master>) -> Result<Self, BadSetting> {
        let min = conf.get(&conf::DYNAMIC_MIN_EXECUTORS)?;
        let max = conf.find(&conf::DYNAMIC_MAX_EXECUTORS)?.unwrap_or(u32::MAX);
        let given = conf.find(&conf::DYNAMIC_INITIAL_EXECUTORS)?;
        // The number of a `local-cluster` stands in for settings that are not given.
        let initial = match (given, master) {
            (None, Some(master)) => master.executors.clamp(min, max.max(min)),
            (given, _) => given.unwrap_or(min),
        };
        let instances = match conf.given(conf::EXECUTOR_INSTANCES.name) {
            Some(_) => conf.get(&conf::EXECUTOR_INSTANCES)?,
            None => 0,
        };
        let backlog_timeout = conf.get(&conf::DYNAMIC_BACKLOG_TIMEOUT)?;
        let sustained = conf.find(&conf::DYNAMIC_SUSTAINED_BACKLOG_TIMEOUT)?;
        Ok(Self {
            initial: min.max(initial).max(instances),
            min,
            max,
            ratio: conf.get(&conf::DYNAMIC_RATIO)?,
            backlog_timeout,
            sustained_backlog_timeout: sustained.unwrap_or(backlog_timeout),
            idle_timeout: conf.get(&conf::DYNAMIC_IDLE_TIMEOUT)?,
            cached_idle_timeout: conf.find(&conf::DYNAMIC_CACHED_IDLE_TIMEOUT)?,
            shuffle_tracking: conf.get(&conf::DYNAMIC_SHUFFLE_TRACKING)?,
            shuffle_timeout: conf.find(&conf::DYNAMIC_SHUFFLE_TIMEOUT)?,
        })
    }

    /// What Spark requires, in its words.
    fn check(&self, conf: &Conf) -> Result<(), BadSetting> {
        let Self { initial, min, max, ratio, .. } = *self;
        let (of_min, of_max) = (conf::DYNAMIC_MIN_EXECUTORS.name, conf::DYNAMIC_MAX_EXECUTORS.name);
        let require = |holds: bool, key: &str, words: String| {
            let value = conf.effective(key).unwrap_or_default().to_owned();
            let bad =
                BadSetting { key: key.to_owned(), value, problem: Problem::Requirement(words) };
            if holds { Ok(()) } else { Err(bad) }
        };
        require(max > 0, of_max, format!("{of_max} cannot be 0!"))?;
        let words = format!("{of_min} ({min}) must be less than or equal to {of_max} ({max})!");
        require(min <= max, of_min, words)?;
        let of_initial = conf::DYNAMIC_INITIAL_EXECUTORS.name;
        let words = format!(
            "initial executor number {initial} must between min executor number {min} and max executor number {max}"
        );
        require(initial <= max, of_initial, words)?;
        let of_ratio = conf::DYNAMIC_RATIO.name;
        let words = format!("{of_ratio} must be > 0 and <= 1.0");
        require(ratio > 0.0 && ratio <= 1.0, of_ratio, words)?;
        let timeouts = [
            (conf::DYNAMIC_BACKLOG_TIMEOUT.name, self.backlog_timeout),
            (conf::DYNAMIC_SUSTAINED_BACKLOG_TIMEOUT.name, self.sustained_backlog_timeout),
        ];
        for (key, timeout) in timeouts {
            require(!timeout.is_zero(), key, format!("{key} must be > 0!"))?;
        }
        let words = "Dynamic allocation of executors requires one of the following conditions: 1) enabling external \
                     shuffle service through spark.shuffle.service.enabled. 2) enabling shuffle tracking through \
                     spark.dynamicAllocation.shuffleTracking.enabled. 3) enabling shuffle blocks decommission through \
                     spark.decommission.enabled and spark.storage.decommission.shuffleBlocks.enabled. 4) (Experimental) configuring \
                     spark.shuffle.sort.io.plugin.class to use a custom ShuffleDataIO who's ShuffleDriverComponents \
                     supports reliable storage.";
        let moves = conf.get(&conf::DECOMMISSION)? && conf.get(&conf::DECOMMISSION_SHUFFLES)?;
        require(
            self.shuffle_tracking || moves,
            conf::DYNAMIC_SHUFFLE_TRACKING.name,
            words.to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(pairs: &[(&str, &str)]) -> Result<Option<AllocationRules>, BadSetting> {
        let on = [("spark.dynamicAllocation.enabled", "true")];
        AllocationRules::from_conf(&on.into_iter().chain(pairs.iter().copied()).collect())
    }

    const CLUSTER: (&str, &str) = ("spark.master", "local-cluster[3,2,512]");
    const PODS: (&str, &str) = ("spark.master", "k8s");

    #[test]
    fn the_defaults_are_those_of_spark() {
        let expected = AllocationRules {
            initial: 0,
            min: 0,
            max: u32::MAX,
            ratio: 1.0,
            backlog_timeout: Duration::from_secs(1),
            sustained_backlog_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_mins(1),
            cached_idle_timeout: None,
            shuffle_tracking: true,
            shuffle_timeout: None,
        };
        assert_eq!(rules(&[PODS]), Ok(Some(expected)));
        assert_eq!(AllocationRules::from_conf(&Conf::default()), Ok(None));
        assert_eq!(rules(&[("spark.master", "local[4]")]), Ok(None));
    }

    #[test]
    fn the_initial_number_is_the_greatest_of_three() {
        let initial = |pairs: &[(&str, &str)]| rules(pairs).unwrap().unwrap().initial;
        let of_initial = "spark.dynamicAllocation.initialExecutors";
        let of_min = "spark.dynamicAllocation.minExecutors";
        assert_eq!(initial(&[PODS, (of_initial, "3"), (of_min, "2")]), 3);
        assert_eq!(initial(&[PODS, (of_initial, "3"), (of_min, "4")]), 4);
        assert_eq!(initial(&[PODS, (of_min, "1"), ("spark.executor.instances", "7")]), 7);
        assert_eq!(initial(&[CLUSTER]), 3);
        assert_eq!(initial(&[CLUSTER, (of_initial, "1")]), 1);
        assert_eq!(initial(&[CLUSTER, ("spark.dynamicAllocation.maxExecutors", "2")]), 2);
    }

    #[test]
    fn without_tracking_shuffles_are_to_be_moved() {
        let off = ("spark.dynamicAllocation.shuffleTracking.enabled", "false");
        let moved = rules(&[PODS, off, ("spark.decommission.enabled", "true")]);
        assert!(!moved.unwrap().unwrap().shuffle_tracking);
    }

    #[test]
    fn rules_that_contradict_each_other_are_refused_in_the_words_of_spark() {
        let of_max = "spark.dynamicAllocation.maxExecutors";
        let of_min = "spark.dynamicAllocation.minExecutors";
        let cases = [
            (vec![(of_max, "0")], "cannot be 0!"),
            (vec![(of_min, "3"), (of_max, "2")], "(3) must be less than or equal to"),
            (
                vec![("spark.dynamicAllocation.initialExecutors", "3"), (of_max, "2")],
                "initial executor number 3 must between",
            ),
            (vec![("spark.dynamicAllocation.executorAllocationRatio", "0")], "must be > 0"),
            (vec![("spark.dynamicAllocation.schedulerBacklogTimeout", "0s")], "must be > 0!"),
            (vec![("spark.dynamicAllocation.shuffleTracking.enabled", "false")], "requires one"),
        ];
        for (mut pairs, words) in cases {
            pairs.push(PODS);
            let error = rules(&pairs).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
