//! What tasks have added to the program's accumulators, for people: sums by stage, by executor and
//! by task. The accumulators themselves are the program's, which gets each update as it came.

use bytes::{Buf, Bytes};
use model::ExecutorId;
use model::executor::AccumulatorUpdate;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

/// Sums of one stage by executor and by task. What comes when there are so many only adds to those
/// of the stage, of which there are as many. The status of all listed jobs is one message.
const LIMIT: usize = 250;

/// What the tasks of one stage have added, by accumulator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Added {
    /// The sums by the program's id of the accumulator.
    pub accumulators: BTreeMap<i64, Sums>,
    /// Number of sums by executor and by task.
    parts: usize,
}

/// What was added to one accumulator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    pub total: Sum,
    pub by_executor: BTreeMap<ExecutorId, Sum>,
    /// By partition.
    pub by_task: BTreeMap<u32, Sum>,
}

/// A sum of updates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub updates: u64,
    value: Value,
}

/// The value of a sum, if all updates are numbers that can be read.
#[derive(Debug, Clone, Copy)]
enum Value {
    Integer(i128),
    Float(f64),
    Unknown,
}

impl Default for Value {
    fn default() -> Self {
        Self::Integer(0)
    }
}

impl PartialEq for Value {
    /// What is printed alike is equal, so not-a-number is, too.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Unknown, Self::Unknown) => true,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl fmt::Display for Sum {
    /// Formats the value; nothing if it is unknown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Value::Integer(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value:?}"),
            Value::Unknown => Ok(()),
        }
    }
}

impl Added {
    /// Adds what the task with this partition has added on an executor.
    pub(crate) fn add(&mut self, executor: ExecutorId, task: u32, updates: &[AccumulatorUpdate]) {
        for update in updates {
            let is_new = !self.accumulators.contains_key(&update.id);
            if is_new && self.accumulators.len() >= LIMIT {
                continue;
            }
            let value = read(&update.value);
            let sums = self.accumulators.entry(update.id).or_default();
            sums.total.add(value);
            // What is listed is complete; what comes when the list is full is not listed.
            add_part(&mut sums.by_executor, executor, value, &mut self.parts);
            add_part(&mut sums.by_task, task, value, &mut self.parts);
        }
    }
}

/// Adds to the part of a sum with this key, which is new if there is still room for it.
fn add_part<K: Ord>(by: &mut BTreeMap<K, Sum>, key: K, value: Value, parts: &mut usize) {
    match by.entry(key) {
        Entry::Occupied(part) => part.into_mut().add(value),
        Entry::Vacant(_) if *parts >= LIMIT => {}
        Entry::Vacant(place) => {
            *parts += 1;
            place.insert(Sum::default()).add(value);
        }
    }
}

impl Sum {
    fn add(&mut self, value: Value) {
        self.updates += 1;
        self.value = match (self.value, value) {
            (Value::Integer(a), Value::Integer(b)) => {
                a.checked_add(b).map_or(Value::Unknown, Value::Integer)
            }
            (Value::Float(a), Value::Float(b)) => Value::Float(a + b),
            (Value::Integer(a), Value::Float(b)) | (Value::Float(b), Value::Integer(a)) => {
                Value::Float(as_float(a) + b)
            }
            (Value::Unknown, _) | (_, Value::Unknown) => Value::Unknown,
        };
    }
}

#[expect(clippy::cast_precision_loss, reason = "a sum with floats is one, as in Python")]
fn as_float(value: i128) -> f64 {
    value as f64
}

/// Reads a pickled pair of an id and a plain number; other values are unknown.
fn read(pickled: &Bytes) -> Value {
    let mut rest = pickled.clone();
    let pair = (|| {
        (take(&mut rest, 1)?[0] == 0x80).then_some(())?;
        take(&mut rest, 1)?;
        if rest.first() == Some(&0x95) {
            take(&mut rest, 9)?;
        }
        number(&mut rest)?;
        let value = number(&mut rest)?;
        // The end of a pair, which may be kept for later.
        matches!(&rest[..], [0x86, b'.'] | [0x86, 0x94, b'.']).then_some(value)
    })();
    pair.unwrap_or(Value::Unknown)
}

fn take(rest: &mut Bytes, count: usize) -> Option<Bytes> {
    (rest.len() >= count).then(|| rest.split_to(count))
}

/// Reads the opcode of a number.
fn number(rest: &mut Bytes) -> Option<Value> {
    Some(match take(rest, 1)?[0] {
        b'K' => Value::Integer(take(rest, 1)?[0].into()),
        b'M' => Value::Integer(take(rest, 2)?.get_u16_le().into()),
        b'J' => Value::Integer(take(rest, 4)?.get_i32_le().into()),
        b'G' => Value::Float(take(rest, 8)?.get_f64()),
        0x8a => {
            let length = usize::from(take(rest, 1)?[0]);
            let bytes = take(rest, length)?;
            let is_negative = bytes.last().is_some_and(|last| *last >= 0x80);
            let mut all = if is_negative { [0xff; 16] } else { [0; 16] };
            all.get_mut(..length)?.copy_from_slice(&bytes);
            Value::Integer(i128::from_le_bytes(all))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_numbers_are_read_and_others_are_not() {
        // `pickle.dumps((7, value), 4)` without the frame, and its value.
        let cases: [(&[u8], &str); 10] = [
            (b"K\x05", "5"),
            (b"M,\x01", "300"),
            (b"J\xfd\xff\xff\xff", "-3"),
            (b"\x8a\x06\x00\x00\x00\x00\x00\x01", "1099511627776"),
            (b"\x8a\t\x00\x00\x00\x00\x00\x00\x00\x00\xc0", "-1180591620717411303424"),
            (b"\x8a\x00", "0"),
            (b"G?\xf8\x00\x00\x00\x00\x00\x00", "1.5"),
            (b"\x88", ""),
            (b"\x8c\x01x\x94", ""),
            (b"\x8a\x11\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x40", ""),
        ];
        for (value, expected) in cases {
            let frame: &[u8] = b"\x95\x07\x00\x00\x00\x00\x00\x00\x00";
            for start in [&b"\x80\x04"[..], &[b"\x80\x05", frame].concat()] {
                for end in [&b"\x86\x94."[..], b"\x86."] {
                    let pickled: Bytes = [start, b"K\x07", value, end].concat().into();
                    let mut sum = Sum::default();
                    sum.add(read(&pickled));
                    assert_eq!((sum.to_string().as_str(), sum.updates), (expected, 1), "{value:?}");
                    for length in 0..pickled.len() {
                        let cut = read(&pickled.slice(..length));
                        assert_eq!(cut, Value::Unknown, "{value:?} up to {length}");
                    }
                }
            }
        }
    }

    fn update(id: i64, value: u8) -> AccumulatorUpdate {
        let value = [&b"\x80\x04K\x07K"[..], &[value], b"\x86."].concat();
        AccumulatorUpdate { id, value: value.into() }
    }

    #[test]
    fn sums_are_kept_by_stage_executor_and_task() {
        let mut added = Added::default();
        let (one, two) = (ExecutorId(1), ExecutorId(2));
        added.add(one, 0, &[update(7, 3), update(8, 1)]);
        added.add(two, 1, &[update(7, 4)]);
        added.add(one, 1, &[update(7, 5)]);
        let shown = |sums: &Sums| {
            let executors = sums.by_executor.values().map(ToString::to_string);
            let tasks = sums.by_task.values().map(ToString::to_string);
            (sums.total.to_string(), executors.collect::<Vec<_>>(), tasks.collect::<Vec<_>>())
        };
        let strings = |texts: &[&str]| texts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let seven = shown(&added.accumulators[&7]);
        assert_eq!(seven, ("12".to_owned(), strings(&["8", "4"]), strings(&["3", "9"])));
        let eight = shown(&added.accumulators[&8]);
        assert_eq!(eight, ("1".to_owned(), strings(&["1"]), strings(&["1"])));
    }

    #[test]
    fn there_is_a_limit_on_what_is_kept() {
        let mut added = Added::default();
        for number in 0..3000 {
            added.add(ExecutorId(0), number, &[update(7, 1), update(number.into(), 1)]);
        }
        assert_eq!(added.accumulators.len(), LIMIT);
        let parts = added.accumulators.values();
        let parts = parts.map(|sums| sums.by_executor.len() + sums.by_task.len()).sum::<usize>();
        assert!(parts <= LIMIT, "{parts}");
        assert_eq!(added.accumulators[&7].total.updates, 3001);
    }
}
