//! Who holds how much, and who may have more: the rules, without threads and time.

use datafusion::execution::memory_pool::{MemoryConsumer, human_readable_size};
use std::collections::BTreeMap;

/// Operators that hold more than this are named when memory runs out, at most.
const NAMED: usize = 5;

/// Operators by the beginning of the names with which they reserve memory.
const OPERATORS: [(&str, &str); 18] = [
    ("AggregateStream", "aggregation without groups"),
    ("BufferExec", "buffer"),
    ("CrossJoinExec", "cross join"),
    (MERGE, "merge of a sort"),
    ("ExternalSorter", "sort"),
    ("FinalHashAggregateStream", "aggregation"),
    ("GroupedHashAggregateStream", "aggregation"),
    ("HashJoinInput", "hash join"),
    ("NestedLoopJoin", "nested loop join"),
    ("OrderedFinalAggregateStream", "aggregation of sorted rows"),
    ("OrderedPartialAggregateStream", "aggregation of sorted rows"),
    ("ParquetSink", "writer of Parquet"),
    ("PartialHashAggregateStream", "partial aggregation"),
    ("SMJStream", "sort-merge join"),
    ("ShuffleWrite", "shuffle write"),
    ("SingleHashAggregateStream", "aggregation"),
    ("SortPreservingMergeExec", "merge of sorted rows"),
    ("TopK", "sort with a limit"),
];

/// Beginning of the name with which a sort reserves memory for merging what it has spilled.
const MERGE: &str = "ExternalSorterMerge";

/// Names of what is of no task: broadcasts.
const COMMON: [&str; 2] = ["HashJoinInput", super::BROADCAST_ROWS];

/// The answer to who asks for memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is theirs.
    Given,
    /// They have less than their least share; others hold the rest.
    Wait,
    /// There is no more for them.
    TooMuch,
}

/// The account.
#[derive(Debug)]
pub(super) struct State {
    size: usize,
    /// All that is held.
    used: usize,
    /// What is held for all tasks in common.
    common: usize,
    /// Attempts that run.
    running: usize,
    next: u64,
    shares: BTreeMap<u64, Share>,
}

/// What an attempt holds, apart from what is common.
#[derive(Debug, Default)]
struct Share {
    ended: bool,
    held: usize,
    /// The part of it that cannot be spilled.
    fixed: usize,
    /// Consumers that can spill.
    spillers: usize,
    /// Those that merge sorted rows.
    merges: usize,
    consumers: BTreeMap<usize, Consumer>,
}

#[derive(Debug)]
struct Consumer {
    name: String,
    held: usize,
}

impl State {
    pub(super) fn new(size: usize) -> Self {
        Self { size, used: 0, common: 0, running: 0, next: 0, shares: BTreeMap::new() }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn begin(&mut self) -> u64 {
        self.next += 1;
        self.running += 1;
        self.shares.insert(self.next, Share::default());
        self.next
    }

    pub(super) fn end(&mut self, task: u64) {
        let share = self.shares.get_mut(&task);
        if let Some(share) = share.filter(|share| !share.ended) {
            share.ended = true;
            self.running -= 1;
        }
    }

    /// Nothing is left of the attempt.
    pub(super) fn forget(&mut self, task: u64) {
        self.end(task);
        self.shares.remove(&task);
    }

    /// What a task may hold at most: an equal part.
    pub(super) fn most(&self) -> usize {
        self.size.saturating_sub(self.common) / self.running.max(1)
    }

    pub(super) fn register(&mut self, task: u64, consumer: &MemoryConsumer) {
        let Some(share) = self.shares.get_mut(&task) else { return };
        share.spillers += usize::from(consumer.can_spill());
        share.merges += usize::from(is_merge(consumer));
        let name = consumer.name().to_owned();
        share.consumers.insert(consumer.id(), Consumer { name, held: 0 });
    }

    pub(super) fn unregister(&mut self, task: u64, consumer: &MemoryConsumer) {
        let Some(share) = self.shares.get_mut(&task) else { return };
        share.spillers -= usize::from(consumer.can_spill());
        share.merges -= usize::from(is_merge(consumer));
        share.consumers.remove(&consumer.id());
    }

    pub(super) fn grow(&mut self, task: u64, consumer: &MemoryConsumer, bytes: usize) {
        self.used += bytes;
        if is_common(consumer) {
            self.common += bytes;
        }
        let Some(share) = self.shares.get_mut(&task) else { return };
        if let Some(consumer) = share.consumers.get_mut(&consumer.id()) {
            consumer.held += bytes;
        }
        if !is_common(consumer) {
            share.held += bytes;
            share.fixed += if consumer.can_spill() { 0 } else { bytes };
        }
    }

    pub(super) fn shrink(&mut self, task: u64, consumer: &MemoryConsumer, bytes: usize) {
        self.used -= bytes;
        if is_common(consumer) {
            self.common -= bytes;
        }
        let Some(share) = self.shares.get_mut(&task) else { return };
        if let Some(consumer) = share.consumers.get_mut(&consumer.id()) {
            consumer.held -= bytes;
        }
        if !is_common(consumer) {
            share.held -= bytes;
            share.fixed -= if consumer.can_spill() { 0 } else { bytes };
        }
    }

    /// Gives the memory to the consumer, if it may have it.
    pub(super) fn ask(&mut self, task: u64, consumer: &MemoryConsumer, bytes: usize) -> Answer {
        let answer = self.answer(task, consumer, bytes);
        if answer == Answer::Given {
            self.grow(task, consumer, bytes);
        }
        answer
    }

    fn answer(&self, task: u64, consumer: &MemoryConsumer, bytes: usize) -> Answer {
        let Some(share) = self.shares.get(&task) else { return Answer::TooMuch };
        let fits = |used: usize| used.saturating_add(bytes) <= self.size;
        if is_common(consumer) {
            return if fits(self.used) { Answer::Given } else { Answer::TooMuch };
        }
        let most = self.most();
        let own = share.consumers.get(&consumer.id()).map_or(0, |consumer| consumer.held);
        let held = if consumer.can_spill() {
            // Those of a task that can spill have equal parts of what the others of it leave.
            let part = most.saturating_sub(share.fixed) / share.spillers.max(1);
            if own.saturating_add(bytes) <= part {
                share.fixed + own
            } else if own == 0 && share.held.saturating_add(bytes) <= most {
                // It has nothing to spill: a batch may be larger than its part.
                share.held
            } else {
                return Answer::TooMuch;
            }
        } else {
            // A merge asks for more until it is refused, and can do with less. Who reads what it
            // merges needs some, too.
            let spared = if is_merge(consumer) { most / (share.merges + 1) } else { most };
            if own.saturating_add(bytes) > spared || share.held.saturating_add(bytes) > most {
                return Answer::TooMuch;
            }
            share.held
        };
        // Others of the same task that hold more than their part will spill when they want more.
        if fits(self.used - share.held + held) {
            Answer::Given
        } else if held.saturating_add(bytes) <= most / 2 {
            Answer::Wait
        } else {
            Answer::TooMuch
        }
    }

    /// Why there is no more for a consumer, in words.
    pub(super) fn refusal(&self, task: u64, consumer: &MemoryConsumer, bytes: usize) -> String {
        let size = human_readable_size;
        let mut holders: Vec<_> = match self.shares.get(&task) {
            Some(share) => share.consumers.values().filter(|one| one.held > 0).collect(),
            None => Vec::new(),
        };
        holders.sort_by_key(|one| std::cmp::Reverse(one.held));
        let holders: Vec<_> = holders
            .iter()
            .take(NAMED)
            .map(|one| format!("{} {}", operator(&one.name), size(one.held)))
            .collect();
        let holders = if holders.is_empty() { "nothing".to_owned() } else { holders.join(", ") };
        format!(
            "{} could not get {} more. The task holds: {holders}. Its share is {}: {} tasks share \
             {}, of which broadcasts hold {}. Raise spark.executor.memory, or let fewer tasks \
             share it with a smaller spark.executor.cores.",
            operator(consumer.name()),
            size(bytes),
            size(self.most()),
            self.running,
            size(self.size),
            size(self.common),
        )
    }
}

fn is_common(consumer: &MemoryConsumer) -> bool {
    COMMON.contains(&consumer.name())
}

fn is_merge(consumer: &MemoryConsumer) -> bool {
    consumer.name().starts_with(MERGE)
}

/// An operator by the name with which it reserves memory.
fn operator(name: &str) -> &str {
    let known = OPERATORS.iter().find(|(prefix, _)| name.starts_with(prefix));
    known.map_or(name, |(_, operator)| operator)
}
