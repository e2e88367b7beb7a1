//! Rows as one number: what a task yields is a hash of what it read. So a result shows whether everything below it was right, and
//! of which tries it was made.

use model::{Fingerprint, MapOutputId, ShuffleId};
use scheduler::StageShape;
use std::collections::BTreeMap;

/// Whether each try of a stage's tasks yields the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    /// It does.
    Sure,
    /// It does not, and says so. Its row checksum does not show it.
    Random,
    /// It does not, and says that it does. Its row checksum gives it away.
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
}

impl MapStage {
    pub(crate) fn shape(&self, parents: Vec<usize>) -> StageShape {
        StageShape {
            shuffle: Some(self.shuffle),
            partitions: self.partitions,
            parents,
            deterministic: self.nature != Nature::Random,
        }
    }
}

/// What a task yielded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) value: u64,
    /// Of which try of each map output it is made, directly or not.
    pub(crate) made_of: BTreeMap<MapOutputId, u64>,
    /// Whether two tries of the same map output went into it.
    pub(crate) mixed: bool,
}

impl Rows {
    /// What a task of stage `name` makes of its inputs. `nonce` is 0 for a stage that yields the same each time.
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

    /// Adds what something else was made of.
    pub(crate) fn merge(&mut self, made_of: &BTreeMap<MapOutputId, u64>) {
        for (&id, &nonce) in made_of {
            self.mixed |= *self.made_of.entry(id).or_insert(nonce) != nonce;
        }
    }
}

/// What a task must yield, computed from the start. `made_of` says which tries of random stages it was made of.
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
