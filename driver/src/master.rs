//! `spark.master`, and the executors that an application wants.

use model::conf::{self, BadSetting, Conf, Problem};
use model::{ByteSize, ExecutorRequest};
use std::num::NonZeroU32;

/// Where executors run on one machine: the value of `spark.master`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Master {
    /// Executor processes.
    pub executors: u32,
    /// Task slots of each.
    pub cores: u32,
    /// Memory of each; `None` takes `spark.executor.memory`.
    pub memory: Option<ByteSize>,
    /// Failures of a task that fail its job: 1 for `local`, or as said (`local[4,2]`). `None` takes
    /// `spark.task.maxFailures`.
    pub max_failures: Option<u32>,
}

impl Master {
    /// Reads `local`, `local[N]`, `local[*]`, `local[N,F]` or
    /// `local-cluster[executors,cores,memoryMiB]`. `None` is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, inner) = match text.trim().split_once('[') {
            Some((kind, rest)) => (kind, rest.strip_suffix(']')?),
            None if text.trim() == "local" => ("local", "1"),
            None => return None,
        };
        let parts: Vec<&str> = inner.split(',').map(str::trim).collect();
        let number = |part: &str| part.parse::<u32>().ok().filter(|n| *n > 0);
        let cores = |part: &str| if part == "*" { Some(machine_cores()) } else { number(part) };
        let local = Self { executors: 1, cores: 1, memory: None, max_failures: Some(1) };
        match (kind, parts.as_slice()) {
            ("local", [n]) => Some(Self { cores: cores(n)?, ..local }),
            ("local", [n, failures]) => {
                Some(Self { cores: cores(n)?, max_failures: Some(number(failures)?), ..local })
            }
            ("local-cluster", [executors, n, mib]) => Some(Self {
                executors: number(executors)?,
                cores: number(n)?,
                memory: Some(ByteSize::mib(number(mib)?.into())),
                max_failures: None,
            }),
            _ => None,
        }
    }

    /// Whether a value of `spark.master` is a single executor of this machine.
    pub(crate) fn is_local(text: &str) -> bool {
        Self::parse(text).is_some() && !text.trim().starts_with("local-cluster")
    }
}

fn machine_cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX))
}

/// The executors that an application wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Executor processes.
    pub executors: u32,
    /// Cores of each.
    pub cores: u32,
    /// Cores that one task takes; never more than `cores`.
    pub task_cpus: NonZeroU32,
    /// Memory of each.
    pub memory: ByteSize,
}

impl Wanted {
    /// From `spark.master` if it names this machine, else from `spark.executor.*`.
    pub(crate) fn from_conf(conf: &Conf) -> Result<Self, BadSetting> {
        let wanted = Self::executors(conf)?;
        let Self { cores, task_cpus, .. } = wanted;
        if cores < task_cpus.get() {
            let words = format!(
                "The number of cores per executor (={cores}) has to be >= the number of cpus per task = {task_cpus}."
            );
            let (key, value) = (conf::TASK_CPUS.name.to_owned(), task_cpus.to_string());
            return Err(BadSetting { key, value, problem: Problem::Requirement(words) });
        }
        Ok(wanted)
    }

    fn executors(conf: &Conf) -> Result<Self, BadSetting> {
        let task_cpus = conf.get(&conf::TASK_CPUS)?;
        let memory = conf.get(&conf::EXECUTOR_MEMORY)?;
        let master = conf.get(&conf::MASTER)?;
        if let Some(master) = Master::parse(&master) {
            let Master { executors, cores, memory: own, max_failures: _ } = master;
            let memory = own.unwrap_or(memory);
            return Ok(Self { executors, cores, task_cpus, memory });
        }
        if master.starts_with("local") {
            let words = "On one machine a master is local, local[N], local[*], local[N,F] or \
                         local-cluster[executors,cores,memoryMiB].";
            let problem = Problem::Requirement(words.to_owned());
            return Err(BadSetting { key: conf::MASTER.name.to_owned(), value: master, problem });
        }
        let executors = conf.get(&conf::EXECUTOR_INSTANCES)?;
        let cores = conf.get(&conf::EXECUTOR_CORES)?.max(1);
        Ok(Self { executors, cores, task_cpus, memory })
    }

    /// Cores of an executor for a resource profile.
    pub(crate) fn cores_for(self, request: &ExecutorRequest) -> u32 {
        request.cores.map_or(self.cores, NonZeroU32::get)
    }

    /// Task slots of all of them.
    pub(crate) fn slots(self) -> u32 {
        self.executors.saturating_mul(self.slots_of(self.cores))
    }

    /// Task slots of an executor with so many cores.
    pub(crate) fn slots_of(self, cores: u32) -> u32 {
        cores / self.task_cpus
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_is_read_as_spark_reads_it() {
        let local = |cores| Master { executors: 1, cores, memory: None, max_failures: Some(1) };
        let memory = Some(ByteSize::mib(512));
        let cases = [
            ("local", Some(local(1))),
            ("local[4]", Some(local(4))),
            ("local[*]", Some(local(machine_cores()))),
            ("local[4,2]", Some(Master { max_failures: Some(2), ..local(4) })),
            (
                "local-cluster[2, 3, 512]",
                Some(Master { executors: 2, memory, max_failures: None, ..local(3) }),
            ),
            ("local[0]", None),
            ("local[", None),
            ("local-cluster", None),
            ("local-cluster[2,3]", None),
            ("yarn", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Master::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn the_wish_comes_from_the_master_or_from_the_executor_settings() {
        let wanted = |pairs: &[(&str, &str)]| Wanted::from_conf(&pairs.iter().copied().collect());
        let check = |pairs: &[(&str, &str)], executors, cores, mib| {
            let memory = ByteSize::mib(mib);
            let task_cpus = NonZeroU32::MIN;
            let expected = Wanted { executors, cores, task_cpus, memory };
            assert_eq!(wanted(pairs), Ok(expected), "{pairs:?}");
        };
        check(&[("spark.master", "local[3]"), ("spark.executor.memory", "2g")], 1, 3, 2048);
        check(&[("spark.master", "local-cluster[2,1,512]")], 2, 1, 512);
        check(&[("spark.master", "k8s://x"), ("spark.executor.cores", "4")], 2, 4, 1024);
        assert_eq!(wanted(&[("spark.master", "local[x]")]).unwrap_err().key, "spark.master");

        let two_each =
            wanted(&[("spark.master", "local-cluster[3,5,512]"), ("spark.task.cpus", "2")]);
        assert_eq!(two_each.map(Wanted::slots), Ok(6));
        let too_many = wanted(&[("spark.master", "local[1]"), ("spark.task.cpus", "2")]);
        assert_eq!(too_many.unwrap_err().key, "spark.task.cpus");
    }
}
