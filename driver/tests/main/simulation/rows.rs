//! Rows as one number: what a task yields is a hash of what it read. So a result shows whether
//! everything below it was right, and of which tries of stages that cannot be repeated it was made.

use bytes::{Buf, BufMut, Bytes};
use model::{Fingerprint, ShuffleId};
use std::collections::BTreeMap;
use std::time::Duration;

/// A map stage that jobs may contain.
#[derive(Debug, Clone)]
pub(crate) struct MapStage {
    pub(crate) shuffle: ShuffleId,
    pub(crate) partitions: u32,
    /// Indices of stages before it.
    pub(crate) parents: Vec<usize>,
    /// Whether each try of its tasks yields other rows.
    pub(crate) random: bool,
    /// Whether its tasks run all at once, and wait for each other.
    pub(crate) barrier: bool,
    /// How long it may take.
    pub(crate) time_limit: Option<Duration>,
}

/// Which try of each task of random stages something was made of, by the stage's name and the
/// task's partition.
pub(crate) type MadeOf = BTreeMap<(u64, u32), u64>;

/// What a task yielded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) value: u64,
    pub(crate) made_of: MadeOf,
    /// Whether two tries of the same task went into it.
    pub(crate) mixed: bool,
}

impl Rows {
    /// What a task of stage `name` makes of its inputs. `nonce` is 0 for a stage that yields the
    /// same each time.
    pub(crate) fn make(name: u64, partition: u32, nonce: u64, inputs: &[Self]) -> Self {
        let mut rows =
            Self { value: hash(&[name, u64::from(partition), nonce]), ..Self::default() };
        for input in inputs {
            rows.value = hash(&[rows.value, input.value]);
            rows.mixed |= input.mixed;
            rows.merge(&input.made_of);
        }
        if nonce > 0 {
            rows.made_of.insert((name, partition), nonce);
        }
        rows
    }

    /// Adds what something else was made of.
    pub(crate) fn merge(&mut self, made_of: &MadeOf) {
        for (&task, &nonce) in made_of {
            self.mixed |= *self.made_of.entry(task).or_insert(nonce) != nonce;
        }
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = Vec::new();
        bytes.put_u64(self.value);
        bytes.put_u8(self.mixed.into());
        for (&(name, partition), &nonce) in &self.made_of {
            bytes.put_u64(name);
            bytes.put_u32(partition);
            bytes.put_u64(nonce);
        }
        bytes.into()
    }

    /// `None` if something is missing or too much.
    pub(crate) fn decode(mut bytes: Bytes) -> Option<Self> {
        let (value, mixed) = (bytes.try_get_u64().ok()?, bytes.try_get_u8().ok()? == 1);
        let mut made_of = BTreeMap::new();
        while bytes.has_remaining() {
            let task = (bytes.try_get_u64().ok()?, bytes.try_get_u32().ok()?);
            made_of.insert(task, bytes.try_get_u64().ok()?);
        }
        Some(Self { value, made_of, mixed })
    }
}

/// What a task must yield, computed from the start. `made_of` says which tries of random stages it
/// was made of.
pub(crate) fn expected(
    stages: &[MapStage],
    (name, partition): (u64, u32),
    parents: &[usize],
    made_of: &MadeOf,
) -> u64 {
    let nonce = made_of.get(&(name, partition)).copied().unwrap_or(0);
    let mut value = hash(&[name, u64::from(partition), nonce]);
    for &parent in parents {
        let stage = &stages[parent];
        for map in 0..stage.partitions {
            let task = (name_of(parent), map);
            value = hash(&[value, expected(stages, task, &stage.parents, made_of)]);
        }
    }
    value
}

/// The number that stands for a map stage in hashes.
pub(crate) fn name_of(index: usize) -> u64 {
    index as u64 + 1
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
