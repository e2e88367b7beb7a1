//! Conversions between messages and `model`. From the wire: `TryFrom`, which names the bad field.
//! To the wire: `From`, which destructures its argument, so that a new field breaks the build.

use crate::pb;
use model::{
    Attempt, BlockProblem, ByteSize, Epoch, ExecutorRequest, Fingerprint, MapOutput, MapOutputId,
    ProfileId, RaisedError, ShuffleId, StageId, TaskFailure, TaskId, TaskMetrics, Unreadable,
    VolumeId,
};
use std::num::NonZeroU32;

/// A message field is missing or invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("field {0} is missing or malformed")]
pub struct BadField(pub &'static str);

impl From<BadField> for tonic::Status {
    fn from(bad: BadField) -> Self {
        Self::invalid_argument(bad.to_string())
    }
}

/// Reads a shuffle's id from its 32 bytes; `field` names their field.
///
/// # Errors
/// If there are not 32 bytes.
pub fn shuffle_id(bytes: &[u8], field: &'static str) -> Result<ShuffleId, BadField> {
    bytes.try_into().map(|bytes| ShuffleId(Fingerprint(bytes))).map_err(|_| BadField(field))
}

/// A shuffle's id as its 32 bytes.
pub fn shuffle_bytes(ShuffleId(Fingerprint(bytes)): ShuffleId) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(&bytes)
}

/// A wish for executors of a resource profile.
pub fn profile_wish(
    profile: ProfileId,
    request: &ExecutorRequest,
    executors: u32,
) -> pb::ProfileWish {
    let ExecutorRequest { cores, memory, memory_overhead, python_memory, off_heap } = *request;
    let bytes = |size: Option<ByteSize>| size.map(|size| size.0);
    pb::ProfileWish {
        profile: profile.0,
        executors,
        cores: cores.map_or(0, NonZeroU32::get),
        memory_bytes: bytes(memory),
        memory_overhead_bytes: bytes(memory_overhead),
        python_memory_bytes: bytes(python_memory),
        off_heap_bytes: bytes(off_heap),
    }
}

/// What such a wish says of an executor.
pub fn profile_request(wish: &pb::ProfileWish) -> (ProfileId, ExecutorRequest) {
    let request = ExecutorRequest {
        cores: NonZeroU32::new(wish.cores),
        memory: wish.memory_bytes.map(ByteSize),
        memory_overhead: wish.memory_overhead_bytes.map(ByteSize),
        python_memory: wish.python_memory_bytes.map(ByteSize),
        off_heap: wish.off_heap_bytes.map(ByteSize),
    };
    (ProfileId(wish.profile), request)
}

impl From<Attempt> for pb::Attempt {
    fn from(Attempt { task: TaskId { stage, partition }, number }: Attempt) -> Self {
        Self { stage: stage.0, partition, number }
    }
}

impl From<pb::Attempt> for Attempt {
    fn from(pb::Attempt { stage, partition, number }: pb::Attempt) -> Self {
        Self { task: TaskId { stage: StageId(stage), partition }, number }
    }
}

impl From<MapOutput> for pb::MapOutput {
    fn from(output: MapOutput) -> Self {
        let MapOutput { id, attempt, epoch, volume, block_bytes, rows, row_checksum } = output;
        let MapOutputId { shuffle, map } = id;
        Self {
            shuffle: shuffle_bytes(shuffle),
            map,
            attempt: Some(attempt.into()),
            epoch: epoch.0,
            volume: volume.0,
            block_bytes,
            rows,
            row_checksum,
        }
    }
}

impl TryFrom<pb::MapOutput> for MapOutput {
    type Error = BadField;

    fn try_from(output: pb::MapOutput) -> Result<Self, BadField> {
        let pb::MapOutput { shuffle, map, attempt, epoch, volume, block_bytes, rows, row_checksum } =
            output;
        Ok(Self {
            id: MapOutputId { shuffle: shuffle_id(&shuffle, "MapOutput.shuffle")?, map },
            attempt: attempt.ok_or(BadField("MapOutput.attempt"))?.into(),
            epoch: Epoch(epoch),
            volume: volume_id(volume, "MapOutput.volume")?,
            block_bytes,
            rows,
            row_checksum,
        })
    }
}

fn volume_id(text: String, field: &'static str) -> Result<VolumeId, BadField> {
    if text.is_empty() { Err(BadField(field)) } else { Ok(VolumeId(text)) }
}

/// A volume and the map outputs on it.
impl TryFrom<pb::Inventory> for (VolumeId, Vec<MapOutput>) {
    type Error = BadField;

    fn try_from(pb::Inventory { volume, outputs }: pb::Inventory) -> Result<Self, BadField> {
        let outputs = outputs.into_iter().map(MapOutput::try_from).collect::<Result<_, _>>()?;
        Ok((volume_id(volume, "Inventory.volume")?, outputs))
    }
}

impl From<(VolumeId, Vec<MapOutput>)> for pb::Inventory {
    fn from((VolumeId(volume), outputs): (VolumeId, Vec<MapOutput>)) -> Self {
        Self { volume, outputs: outputs.into_iter().map(pb::MapOutput::from).collect() }
    }
}

impl From<TaskMetrics> for pb::TaskMetrics {
    fn from(metrics: TaskMetrics) -> Self {
        let TaskMetrics {
            run_nanos,
            input_bytes,
            input_rows,
            shuffle_read_bytes,
            shuffle_read_rows,
            shuffle_write_bytes,
            output_rows,
            spilled_bytes,
        } = metrics;
        Self {
            run_nanos,
            input_bytes,
            input_rows,
            shuffle_read_bytes,
            shuffle_read_rows,
            shuffle_write_bytes,
            output_rows,
            spilled_bytes,
        }
    }
}

impl From<pb::TaskMetrics> for TaskMetrics {
    fn from(metrics: pb::TaskMetrics) -> Self {
        let pb::TaskMetrics {
            run_nanos,
            input_bytes,
            input_rows,
            shuffle_read_bytes,
            shuffle_read_rows,
            shuffle_write_bytes,
            output_rows,
            spilled_bytes,
        } = metrics;
        Self {
            run_nanos,
            input_bytes,
            input_rows,
            shuffle_read_bytes,
            shuffle_read_rows,
            shuffle_write_bytes,
            output_rows,
            spilled_bytes,
        }
    }
}

impl From<BlockProblem> for pb::unreadable::Problem {
    fn from(problem: BlockProblem) -> Self {
        match problem {
            BlockProblem::Missing => Self::Missing,
            BlockProblem::Damaged => Self::Damaged,
            BlockProblem::Unreachable => Self::Unreachable,
        }
    }
}

impl TryFrom<pb::unreadable::Problem> for BlockProblem {
    type Error = BadField;

    fn try_from(problem: pb::unreadable::Problem) -> Result<Self, BadField> {
        match problem {
            pb::unreadable::Problem::Missing => Ok(Self::Missing),
            pb::unreadable::Problem::Damaged => Ok(Self::Damaged),
            pb::unreadable::Problem::Unreachable => Ok(Self::Unreachable),
            pb::unreadable::Problem::Unspecified => Err(BadField("Unreadable.problem")),
        }
    }
}

impl From<TaskFailure> for pb::Failure {
    fn from(failure: TaskFailure) -> Self {
        use pb::failure::Kind;
        let kind = match failure {
            TaskFailure::FetchFailed { unreadable, message } => {
                let unreadable = unreadable.into_iter().map(pb::Unreadable::from).collect();
                Kind::FetchFailed(pb::FetchFailed { unreadable, message })
            }
            TaskFailure::ExecutorLost { app_caused, reason } => {
                Kind::ExecutorLost(pb::failure::Lost { app_caused, reason })
            }
            TaskFailure::Raised(error) => Kind::Raised(error.into()),
            TaskFailure::Killed { reason } => Kind::Killed(reason),
            TaskFailure::CommitDenied => Kind::CommitDenied(pb::failure::Denied {}),
            TaskFailure::Fenced { fence } => Kind::Fenced(fence.0),
            TaskFailure::Hopeless { message } => Kind::Hopeless(message),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<pb::Failure> for TaskFailure {
    type Error = BadField;

    fn try_from(pb::Failure { kind }: pb::Failure) -> Result<Self, BadField> {
        use pb::failure::Kind;
        Ok(match kind.ok_or(BadField("Failure.kind"))? {
            Kind::FetchFailed(failed) => failed.try_into()?,
            Kind::Raised(raised) => Self::Raised(raised.into()),
            Kind::Killed(reason) => Self::Killed { reason },
            Kind::CommitDenied(pb::failure::Denied {}) => Self::CommitDenied,
            Kind::Fenced(fence) => Self::Fenced { fence: Epoch(fence) },
            Kind::Hopeless(message) => Self::Hopeless { message },
            Kind::ExecutorLost(pb::failure::Lost { app_caused, reason }) => {
                Self::ExecutorLost { app_caused, reason }
            }
        })
    }
}

impl From<RaisedError> for pb::Raised {
    fn from(RaisedError { class, exception, message, parameters }: RaisedError) -> Self {
        let parameter = |(name, value)| pb::raised::Parameter { name, value };
        let parameters = parameters.into_iter().map(parameter).collect();
        Self { class, message, exception, parameters }
    }
}

impl From<pb::Raised> for RaisedError {
    fn from(pb::Raised { class, message, exception, parameters }: pb::Raised) -> Self {
        let parameter = |pb::raised::Parameter { name, value }| (name, value);
        let parameters = parameters.into_iter().map(parameter).collect();
        Self { class, exception, message, parameters }
    }
}

impl TryFrom<pb::FetchFailed> for TaskFailure {
    type Error = BadField;

    fn try_from(
        pb::FetchFailed { unreadable, message }: pb::FetchFailed,
    ) -> Result<Self, BadField> {
        if unreadable.is_empty() {
            return Err(BadField("FetchFailed.unreadable"));
        }
        let unreadable = unreadable.into_iter().map(Unreadable::try_from).collect::<Result<_, _>>();
        Ok(Self::FetchFailed { unreadable: unreadable?, message })
    }
}

impl From<Unreadable> for pb::Unreadable {
    fn from(Unreadable { output, written_by, volume, problem }: Unreadable) -> Self {
        let MapOutputId { shuffle, map } = output;
        Self {
            shuffle: shuffle_bytes(shuffle),
            map,
            written_by: Some(written_by.into()),
            volume: volume.0,
            problem: pb::unreadable::Problem::from(problem).into(),
        }
    }
}

impl TryFrom<pb::Unreadable> for Unreadable {
    type Error = BadField;

    fn try_from(unreadable: pb::Unreadable) -> Result<Self, BadField> {
        let pb::Unreadable { shuffle, map, written_by, volume, problem } = unreadable;
        let problem = pb::unreadable::Problem::try_from(problem)
            .map_err(|_| BadField("Unreadable.problem"))?;
        Ok(Self {
            output: MapOutputId { shuffle: shuffle_id(&shuffle, "Unreadable.shuffle")?, map },
            written_by: written_by.ok_or(BadField("Unreadable.written_by"))?.into(),
            volume: volume_id(volume, "Unreadable.volume")?,
            problem: problem.try_into()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> Attempt {
        Attempt { task: TaskId { stage: StageId(3), partition: 17 }, number: 2 }
    }

    fn output() -> MapOutput {
        MapOutput {
            id: MapOutputId { shuffle: ShuffleId(Fingerprint([7; 32])), map: 17 },
            attempt: attempt(),
            epoch: Epoch(4),
            volume: VolumeId("v".into()),
            block_bytes: vec![0, 5, 1 << 40],
            rows: 9,
            row_checksum: u64::MAX,
        }
    }

    #[test]
    fn a_map_output_survives_the_wire() {
        assert_eq!(MapOutput::try_from(pb::MapOutput::from(output())), Ok(output()));
        let inventory = (VolumeId("v".into()), vec![output()]);
        assert_eq!(pb::Inventory::from(inventory.clone()).try_into(), Ok(inventory));
    }

    #[test]
    fn metrics_survive_the_wire_and_add_up() {
        let mut metrics = TaskMetrics {
            run_nanos: 1,
            input_bytes: 2,
            input_rows: 3,
            shuffle_read_bytes: 4,
            shuffle_read_rows: 5,
            shuffle_write_bytes: 6,
            output_rows: 7,
            spilled_bytes: u64::MAX,
        };
        assert_eq!(TaskMetrics::from(pb::TaskMetrics::from(metrics)), metrics);
        metrics += metrics;
        assert_eq!((metrics.shuffle_read_rows, metrics.spilled_bytes), (10, u64::MAX));
    }

    #[test]
    fn a_failure_survives_the_wire() {
        let fetch = |problems: &[BlockProblem]| TaskFailure::FetchFailed {
            unreadable: problems.iter().map(|is| Unreadable::new(&output(), *is)).collect(),
            message: "gone".into(),
        };
        let cases = [
            fetch(&[BlockProblem::Missing]),
            fetch(&[BlockProblem::Damaged, BlockProblem::Unreachable, BlockProblem::Missing]),
            TaskFailure::ExecutorLost { app_caused: true, reason: "OOMKilled".into() },
            TaskFailure::Raised(RaisedError {
                class: Some("DIVIDE_BY_ZERO".into()),
                exception: Some("Arithmetic".into()),
                message: "x / 0".into(),
                parameters: vec![("config".into(), "ansi".into())],
            }),
            TaskFailure::raised(String::new()),
            TaskFailure::Killed { reason: "cancelled".into() },
            TaskFailure::CommitDenied,
            TaskFailure::Fenced { fence: Epoch(2) },
            TaskFailure::Hopeless { message: "no such plan".into() },
        ];
        for case in cases {
            assert_eq!(TaskFailure::try_from(pb::Failure::from(case.clone())), Ok(case));
        }
    }

    #[test]
    fn a_bad_field_is_named() {
        let good = pb::MapOutput::from(output());
        let check = |bad: pb::MapOutput, field| {
            assert_eq!(MapOutput::try_from(bad), Err(BadField(field)));
        };
        check(pb::MapOutput { shuffle: vec![1; 31].into(), ..good.clone() }, "MapOutput.shuffle");
        check(pb::MapOutput { attempt: None, ..good.clone() }, "MapOutput.attempt");
        check(pb::MapOutput { volume: String::new(), ..good }, "MapOutput.volume");
        assert_eq!(
            TaskFailure::try_from(pb::Failure { kind: None }),
            Err(BadField("Failure.kind"))
        );
        let good = pb::Unreadable::from(Unreadable::new(&output(), BlockProblem::Damaged));
        let check = |unreadable, field| {
            let failed = pb::FetchFailed { unreadable, message: String::new() };
            assert_eq!(TaskFailure::try_from(failed), Err(BadField(field)));
        };
        check(vec![], "FetchFailed.unreadable");
        // Whichever field it is.
        for (bad, field) in [
            (pb::Unreadable { problem: 0, ..good.clone() }, "Unreadable.problem"),
            (pb::Unreadable { problem: 9, ..good.clone() }, "Unreadable.problem"),
            (pb::Unreadable { shuffle: vec![1; 33].into(), ..good.clone() }, "Unreadable.shuffle"),
            (pb::Unreadable { written_by: None, ..good.clone() }, "Unreadable.written_by"),
            (pb::Unreadable { volume: String::new(), ..good.clone() }, "Unreadable.volume"),
        ] {
            check(vec![good.clone(), bad], field);
        }
    }
}
