//! Rows as one number: a task's output is a hash of its input, so that a result shows whether
//! everything upstream was correct, and from which attempts it was made.

use model::{Fingerprint, MapOutputId, ProfileId, ShuffleId};
use scheduler::StageShape;
use std::collections::BTreeMap;

/// Whether every attempt of a stage's tasks yields the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Yes.
    Sure,
    /// No, and declared so. The row checksum does not show it.
    Random,
    /// No, but declared deterministic. The row checksum reveals it.
    Secret,
}

/// A map stage that jobs may contain.
#[derive(Debug, Clone)]
pub(crate) struct MapStage {
    pub(crate) shuffle: ShuffleId,
    pub(crate) partitions: u32,
    /// Indices of stages before it.
    pub(crate) parents: Vec<usize>,
    pub(crate) nature: Nature,
    /// Whether its tasks run all at once.
    pub(crate) barrier: bool,
    /// Slots that each of its tasks takes.
    pub(crate) task_slots: u32,
    pub(crate) profile: ProfileId,
}

impl MapStage {
    pub(crate) fn shape(&self, parents: Vec<usize>) -> StageShape {
        StageShape {
            shuffle: Some(self.shuffle),
            partitions: self.partitions,
            parents,
            deterministic: self.nature != Nature::Random,
            barrier: self.barrier,
            task_slots: self.task_slots,
            profile: self.profile,
            executor_slots: None,
        }
    }
}

/// The output of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) value: u64,
    /// The attempt of each map output that it is made from, directly or indirectly.
    pub(crate) made_of: BTreeMap<MapOutputId, u64>,
    /// Whether two attempts of the same map output went into it.
    pub(crate) mixed: bool,
}

impl Rows {
    /// The output of a task of stage `name`. `nonce` is 0 for a deterministic stage.
    pub(crate) fn make(name: u64, partition: u32, nonce: u64, inputs: &[Rows]) -> Self {
        let mut rows =
            Self { value: hash(&[name, u64::from(partition), nonce]), ..Self::default() };
        for input in inputs {
            rows.value = hash(&[rows.value, input.value]);
            rows.mixed |= input.mixed;
            rows.merge(&input.made_of);
        }
        rows
    }

    /// Adds the origins of another output.
    pub(crate) fn merge(&mut self, made_of: &BTreeMap<MapOutputId, u64>) {
        for (&id, &nonce) in made_of {
            self.mixed |= *self.made_of.entry(id).or_insert(nonce) != nonce;
        }
    }
}

/// The expected output of a task, computed from scratch. `made_of` names the attempts of random
/// stages.
pub(crate) fn expected(
    stages: &[MapStage],
    (name, partition): (u64, u32),
    parents: &[usize],
    made_of: &BTreeMap<MapOutputId, u64>,
) -> u64 {
    let mut value = hash(&[name, u64::from(partition), 0]);
    for &parent in parents {
        for map in 0..stages[parent].partitions {
            value = hash(&[value, expected_map(stages, parent, map, made_of)]);
        }
    }
    value
}

fn expected_map(
    stages: &[MapStage],
    index: usize,
    map: u32,
    made_of: &BTreeMap<MapOutputId, u64>,
) -> u64 {
    let stage = &stages[index];
    let nonce = match stage.nature {
        Nature::Sure => 0,
        Nature::Random | Nature::Secret => {
            made_of.get(&MapOutputId { shuffle: stage.shuffle, map }).copied().unwrap_or(0)
        }
    };
    let mut value = hash(&[name_of(stage.shuffle), u64::from(map), nonce]);
    for &parent in &stage.parents {
        for map in 0..stages[parent].partitions {
            value = hash(&[value, expected_map(stages, parent, map, made_of)]);
        }
    }
    value
}

/// The number that stands for a shuffle's stage in hashes.
pub(crate) fn name_of(shuffle: ShuffleId) -> u64 {
    u64::from(shuffle.0.0[0])
}

/// The shuffle of the map stage with this index.
pub(crate) fn shuffle(index: usize) -> ShuffleId {
    ShuffleId(Fingerprint([u8::try_from(index + 1).expect("few stages"); 32]))
}

fn hash(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9E37_79B9_7F4A_7C15, |hash, part| {
        let mixed = (hash ^ part).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ (mixed >> 29)
    })
}
