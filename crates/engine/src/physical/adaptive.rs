//! Adaptive execution: the sizes of finished map stages decide how many tasks read them, and how
//! joins are computed.
//!
//! A map stage always writes as many blocks as were planned, and its fingerprint says so. Its
//! readers put neighbouring partitions together, so that no task is started for next to nothing.

use model::conf::{
    ADAPTIVE, ADAPTIVE_BROADCAST, ADVISORY_PARTITION_SIZE, AUTO_BROADCAST, ByteSizeOrOff,
    COALESCE_INITIAL_PARTITIONS, COALESCE_MIN_PARTITIONS, COALESCE_MIN_SIZE,
    COALESCE_PARALLELISM_FIRST, COALESCE_PARTITIONS, Conf, DEFAULT_PARALLELISM, SHUFFLE_PARTITIONS,
    SKEW_FACTOR, SKEW_JOIN, SKEW_THRESHOLD,
};
use plan::SparkError;
use std::ops::Range;

/// How much a group of equally many partitions may exceed the average before sizes decide.
const UNEVEN: u64 = 4;

/// Number of partitions of a shuffle, before small ones are put together.
pub(crate) fn initial_partitions(conf: &Conf) -> Result<u32, SparkError> {
    let coalesces = conf.get(&ADAPTIVE)? && conf.get(&COALESCE_PARTITIONS)?;
    let initial = match conf.find(&COALESCE_INITIAL_PARTITIONS)? {
        Some(initial) if coalesces => initial,
        _ => conf.get(&SHUFFLE_PARTITIONS)?,
    };
    Ok(initial.get())
}

/// What is decided by sizes.
#[derive(Debug, Clone)]
pub(crate) struct Adaptive {
    /// How partitions are put together; `None` if they are not.
    pub(crate) coalescing: Option<Coalescing>,
    /// Size up to which a side of a join is broadcast, in bytes; 0 if none is.
    pub(crate) broadcast: u64,
    /// How partitions of joins are divided; `None` if they are not.
    pub(crate) skew: Option<Skew>,
}

impl Adaptive {
    /// By the settings of a session whose executors have this many slots; `None` if plans do not
    /// adapt.
    pub(crate) fn of(conf: &Conf, slots: u32) -> Result<Option<Self>, SparkError> {
        if !conf.get(&ADAPTIVE)? {
            return Ok(None);
        }
        let broadcast = match conf.find(&ADAPTIVE_BROADCAST)? {
            Some(limit) => limit,
            None => conf.get(&AUTO_BROADCAST)?,
        };
        let broadcast = match broadcast {
            ByteSizeOrOff::Off => 0,
            ByteSizeOrOff::UpTo(size) => size.0,
        };
        Ok(Some(Self {
            coalescing: Coalescing::of(conf, slots)?,
            broadcast,
            skew: Skew::of(conf)?,
        }))
    }
}

/// Which partitions of a join are divided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Skew {
    /// They are so many times as large as the median one.
    factor: f64,
    /// They are larger than this, in bytes.
    threshold: u64,
    /// Size of a part, in bytes.
    advisory: u64,
}

impl Skew {
    fn of(conf: &Conf) -> Result<Option<Self>, SparkError> {
        if !conf.get(&SKEW_JOIN)? {
            return Ok(None);
        }
        Ok(Some(Self {
            factor: conf.get(&SKEW_FACTOR)?,
            threshold: conf.get(&SKEW_THRESHOLD)?.0,
            advisory: conf.get(&ADVISORY_PARTITION_SIZE)?.0,
        }))
    }

    /// How many parts to make of each partition, of what so many maps wrote.
    pub(crate) fn parts(&self, sizes: &[u64], maps: u32) -> Vec<u32> {
        let mut sorted = sizes.to_vec();
        sorted.sort_unstable();
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "sizes are compared by a factor")]
        let is_far = |size: u64| size as f64 > median as f64 * self.factor;
        let is_skewed = |size: u64| size > self.threshold && is_far(size);
        let (sum, count) = sizes
            .iter()
            .filter(|size| !is_skewed(**size))
            .fold((0_u64, 0_u64), |(sum, count), size| (sum + size, count + 1));
        // As large as the others, if these are larger than advised.
        let target = sum.checked_div(count).unwrap_or(0).max(self.advisory).max(1);
        let parts = |size: u64| u32::try_from(size.div_ceil(target)).unwrap_or(u32::MAX);
        let of = |size: &u64| if is_skewed(*size) { parts(*size).clamp(1, maps.max(1)) } else { 1 };
        sizes.iter().map(of).collect()
    }
}

/// How partitions are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Coalescing {
    /// Size that a task should read, if that leaves enough tasks.
    pub(crate) advisory: u64,
    /// Size below which more tasks do not pay.
    pub(crate) smallest: u64,
    /// Number of tasks up to which `advisory` gives way, but not `smallest`.
    pub(crate) tasks: u64,
}

impl Coalescing {
    /// By the settings of a session whose executors have this many slots; `None` if it is off.
    pub(crate) fn of(conf: &Conf, slots: u32) -> Result<Option<Self>, SparkError> {
        if !conf.get(&ADAPTIVE)? || !conf.get(&COALESCE_PARTITIONS)? {
            return Ok(None);
        }
        let tasks = match conf.find(&COALESCE_MIN_PARTITIONS)? {
            Some(tasks) => tasks.get(),
            None if conf.get(&COALESCE_PARALLELISM_FIRST)? => {
                conf.find(&DEFAULT_PARALLELISM)?.unwrap_or(slots)
            }
            None => 1,
        };
        Ok(Some(Self {
            advisory: conf.get(&ADVISORY_PARTITION_SIZE)?.0,
            smallest: conf.get(&COALESCE_MIN_SIZE)?.0,
            tasks: u64::from(tasks.max(1)),
        }))
    }

    /// The number of tasks that read so many bytes, of at most `most`. At least one.
    pub(crate) fn count(&self, total: u64, most: usize) -> usize {
        let size = total.div_ceil(self.tasks).min(self.advisory).max(self.smallest).max(1);
        let count = usize::try_from(total.div_ceil(size)).unwrap_or(usize::MAX);
        count.clamp(1, most.max(1))
    }

    /// Groups of neighbouring partitions of these sizes, one per task. Never empty.
    pub(crate) fn groups(&self, sizes: &[u64]) -> Vec<Range<usize>> {
        let total: u64 = sizes.iter().sum();
        let count = self.count(total, sizes.len());
        let even: Vec<_> = even_groups(sizes.len(), count).collect();
        // As long as it makes no difference, the exact sizes have no say in what a task reads: so
        // the same query on nearly the same data has the same tasks.
        let average = total / count as u64;
        let largest = even.iter().map(|group| sizes[group.clone()].iter().sum::<u64>()).max();
        if largest.unwrap_or(0) <= average + average / UNEVEN {
            return even;
        }
        by_size(sizes, total, count)
    }
}

/// So many groups of neighbours, as equal in number as possible.
pub(crate) fn even_groups(length: usize, count: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).map(move |group| group * length / count..(group + 1) * length / count)
}

/// At most `count` groups, each of which ends where its share of the total is reached.
fn by_size(sizes: &[u64], total: u64, count: usize) -> Vec<Range<usize>> {
    let mut groups = Vec::with_capacity(count);
    let (mut from, mut sum) = (0, 0);
    for (partition, size) in sizes.iter().enumerate() {
        // What is larger than a share is a group of its own.
        let share = total / count as u64;
        if *size > share && from < partition && groups.len() + 1 < count {
            groups.push(from..partition);
            from = partition;
        }
        sum += size;
        let reached = sum >= share.saturating_mul(groups.len() as u64 + 1);
        if reached && groups.len() + 1 < count && partition + 1 < sizes.len() {
            groups.push(from..partition + 1);
            from = partition + 1;
        }
    }
    groups.push(from..sizes.len());
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn coalescing(tasks: u64) -> Coalescing {
        Coalescing { advisory: 64 * MB, smallest: MB, tasks }
    }

    fn lengths(groups: &[Range<usize>]) -> Vec<usize> {
        groups.iter().map(Range::len).collect()
    }

    #[test]
    fn next_to_nothing_is_one_task() {
        assert_eq!(lengths(&coalescing(8).groups(&[10; 200])), [200]);
        assert_eq!(lengths(&coalescing(8).groups(&[0; 200])), [200]);
        assert_eq!(lengths(&coalescing(8).groups(&[])), [0]);
    }

    #[test]
    fn all_slots_have_work_if_there_is_enough() {
        assert_eq!(lengths(&coalescing(4).groups(&[MB / 10; 200])), [50; 4]);
        assert_eq!(coalescing(16).groups(&[MB / 40; 200]).len(), 5);
    }

    #[test]
    fn tasks_are_of_the_advisory_size_if_there_is_more() {
        assert_eq!(lengths(&coalescing(2).groups(&[16 * MB; 200])), [4; 50]);
        assert_eq!(lengths(&coalescing(2).groups(&[100 * MB; 20])), [1; 20]);
    }

    #[test]
    fn small_differences_do_not_move_a_boundary() {
        let mut sizes = [MB; 200];
        sizes[20..40].fill(MB + MB / 3);
        assert_eq!(lengths(&coalescing(2).groups(&sizes)).first(), Some(&50));
    }

    #[test]
    fn what_is_far_larger_than_the_median_is_divided() {
        let skew = Skew { factor: 5.0, threshold: 256 * MB, advisory: 64 * MB };
        assert_eq!(skew.parts(&[MB, MB, 640 * MB, MB], 100), [1, 1, 10, 1]);
        assert_eq!(skew.parts(&[MB, MB, 640 * MB, MB], 3), [1, 1, 3, 1]);
        assert_eq!(skew.parts(&[MB, MB, 256 * MB, MB], 100), [1; 4]);
        assert_eq!(skew.parts(&[200 * MB, 200 * MB, 900 * MB], 100), [1; 3]);
        assert_eq!(skew.parts(&[200 * MB, 200 * MB, 1200 * MB], 100), [1, 1, 6]);
        assert_eq!(skew.parts(&[], 100), [0; 0]);
    }

    #[test]
    fn large_partitions_are_alone() {
        let mut sizes = [MB / 100; 200];
        sizes[7] = 100 * MB;
        let groups = coalescing(4).groups(&sizes);
        assert!(groups.contains(&(7..8)), "{groups:?}");
        let together: usize = lengths(&groups).iter().sum();
        assert_eq!(together, 200);
    }
}
