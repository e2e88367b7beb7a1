//! Between the messages of driver and executors and the words of `model::executor`, both ways.

use crate::{BadField, VERSION, pb, shuffle_bytes, shuffle_id};
use model::executor::{
    AccumulatorUpdate, BarrierAnswer, Hosts, Launch, Outcome, Places, Registration, Report,
    TaskEnd, Template, ToExecutor, Work,
};
use model::{Attempt, ExecutorId, MapOutput, ProfileId, StageId, TaskId, VolumeId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

impl From<Registration> for pb::Register {
    fn from(registration: Registration) -> Self {
        let Registration { executor, host, profile, slots, block_address, volumes, private } =
            registration;
        Self {
            executor: executor.0,
            host,
            slots,
            block_address,
            version: VERSION.to_owned(),
            volumes: volumes.into_iter().map(pb::Inventory::from).collect(),
            process_id: std::process::id(),
            private: private.into_iter().map(|volume| volume.0).collect(),
            profile: profile.0,
        }
    }
}

/// Does not look at the version: whoever answers can say more about that than which field is bad.
impl TryFrom<pb::Register> for Registration {
    type Error = BadField;

    fn try_from(register: pb::Register) -> Result<Self, BadField> {
        let pb::Register {
            executor,
            host,
            slots,
            block_address,
            version: _,
            volumes,
            process_id: _,
            private,
            profile,
        } = register;
        if slots == 0 {
            return Err(BadField("Register.slots"));
        }
        let volumes = volumes.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?;
        let private = private.into_iter().map(VolumeId).collect();
        let (executor, profile) = (ExecutorId(executor), ProfileId(profile));
        Ok(Self { executor, host, profile, slots, block_address, volumes, private })
    }
}

impl From<ToExecutor> for pb::to_executor::Message {
    fn from(message: ToExecutor) -> Self {
        match message {
            ToExecutor::Welcome { heartbeat, timeout } => {
                let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
                let (heartbeat_ms, timeout_ms) = (millis(heartbeat), millis(timeout));
                Self::Welcome(pb::Welcome { heartbeat_ms, timeout_ms })
            }
            ToExecutor::Work(work) => Self::Work(work.into()),
            ToExecutor::Leave { reason, forget } => Self::Leave(pb::Leave { reason, forget }),
        }
    }
}

impl TryFrom<pb::to_executor::Message> for ToExecutor {
    type Error = BadField;

    fn try_from(message: pb::to_executor::Message) -> Result<Self, BadField> {
        use pb::to_executor::Message;
        Ok(match message {
            Message::Welcome(pb::Welcome { heartbeat_ms, timeout_ms }) => {
                let (heartbeat, timeout) =
                    (Duration::from_millis(heartbeat_ms), Duration::from_millis(timeout_ms));
                Self::Welcome { heartbeat, timeout }
            }
            Message::Work(work) => Self::Work(work.try_into()?),
            Message::Leave(pb::Leave { reason, forget }) => Self::Leave { reason, forget },
        })
    }
}

impl From<Work> for pb::Work {
    fn from(work: Work) -> Self {
        let Work { templates, places, discards, launches, cancels, forget, barriers, moves } = work;
        let mut by_stage: BTreeMap<u64, pb::Launch> = BTreeMap::new();
        for Launch { attempt, binding, hosts } in launches {
            let pb::Attempt { stage, partition, number } = attempt.into();
            let launch = by_stage.entry(stage).or_insert_with(|| pb::Launch {
                stage,
                tasks: Vec::new(),
                hosts: hosts.map(|hosts| hosts.to_vec()).unwrap_or_default(),
            });
            launch.tasks.push(pb::launch::Task { partition, number, binding });
        }
        let cancel =
            |(attempt, reason): (Attempt, _)| pb::Cancel { attempt: Some(attempt.into()), reason };
        Self {
            stages: templates.iter().map(|template| (&**template).into()).collect(),
            outputs: places.iter().map(|places| (&**places).into()).collect(),
            launches: by_stage.into_values().collect(),
            cancels: cancels.into_iter().map(cancel).collect(),
            forget: forget.into_iter().map(|stage| stage.0).collect(),
            discards: discards.into_iter().map(pb::MapOutput::from).collect(),
            barriers: barriers.into_iter().map(pb::BarrierAnswer::from).collect(),
            moves: moves.iter().map(pb::map_outputs::Located::from).collect(),
        }
    }
}

impl TryFrom<pb::Work> for Work {
    type Error = BadField;

    fn try_from(work: pb::Work) -> Result<Self, BadField> {
        let pb::Work { stages, outputs, launches, cancels, forget, discards, barriers, moves } =
            work;
        let templates = stages.into_iter().map(|stage| stage.try_into().map(Arc::new));
        let places = outputs.into_iter().map(|outputs| outputs.try_into().map(Arc::new));
        let cancel = |pb::Cancel { attempt, reason }| {
            Ok((attempt.ok_or(BadField("Cancel.attempt"))?.into(), reason))
        };
        Ok(Self {
            templates: templates.collect::<Result<_, _>>()?,
            places: places.collect::<Result<_, _>>()?,
            discards: discards.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            launches: launches.into_iter().flat_map(launches_of).collect(),
            cancels: cancels.into_iter().map(cancel).collect::<Result<_, _>>()?,
            forget: forget.into_iter().map(StageId).collect(),
            barriers: barriers.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            moves: moves.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        })
    }
}

impl From<BarrierAnswer> for pb::BarrierAnswer {
    fn from(BarrierAnswer { attempt, messages }: BarrierAnswer) -> Self {
        let (messages, error) = match messages {
            Ok(messages) => (messages, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        Self { attempt: Some(attempt.into()), messages, error }
    }
}

impl TryFrom<pb::BarrierAnswer> for BarrierAnswer {
    type Error = BadField;

    fn try_from(answer: pb::BarrierAnswer) -> Result<Self, BadField> {
        let pb::BarrierAnswer { attempt, messages, error } = answer;
        let attempt = attempt.ok_or(BadField("BarrierAnswer.attempt"))?.into();
        Ok(Self { attempt, messages: error.map_or(Ok(messages), Err) })
    }
}

fn launches_of(launch: pb::Launch) -> impl Iterator<Item = Launch> {
    let pb::Launch { stage, tasks, hosts } = launch;
    let stage = StageId(stage);
    let hosts: Hosts = (!hosts.is_empty()).then(|| hosts.into());
    tasks.into_iter().map(move |pb::launch::Task { partition, number, binding }| Launch {
        attempt: Attempt { task: TaskId { stage, partition }, number },
        binding,
        hosts: hosts.clone(),
    })
}

impl From<&Template> for pb::Stage {
    fn from(Template { stage, plan, slots, writes, inputs, properties }: &Template) -> Self {
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Self {
            stage: stage.0,
            template: plan.clone(),
            shuffle: writes.map(|(shuffle, _)| shuffle_bytes(shuffle)).unwrap_or_default(),
            readers: writes.map_or(0, |(_, readers)| readers),
            inputs: inputs.iter().copied().map(shuffle_bytes).collect(),
            properties: properties.iter().map(owned).collect(),
            slots: *slots,
        }
    }
}

impl TryFrom<pb::Stage> for Template {
    type Error = BadField;

    fn try_from(stage: pb::Stage) -> Result<Self, BadField> {
        let pb::Stage { stage, template, shuffle, readers, inputs, properties, slots } = stage;
        if slots == 0 {
            return Err(BadField("Stage.slots"));
        }
        let writes = if shuffle.is_empty() {
            None
        } else {
            Some((shuffle_id(&shuffle, "Stage.shuffle")?, readers))
        };
        let inputs = inputs.iter().map(|input| shuffle_id(input, "Stage.inputs"));
        Ok(Self {
            stage: StageId(stage),
            plan: template,
            slots,
            writes,
            inputs: inputs.collect::<Result<_, _>>()?,
            properties: properties.into_iter().collect(),
        })
    }
}

impl From<&Places> for pb::MapOutputs {
    fn from(Places { shuffle, generation, outputs }: &Places) -> Self {
        Self {
            shuffle: shuffle_bytes(*shuffle),
            generation: *generation,
            outputs: outputs.iter().map(pb::map_outputs::Located::from).collect(),
        }
    }
}

impl TryFrom<pb::MapOutputs> for Places {
    type Error = BadField;

    fn try_from(outputs: pb::MapOutputs) -> Result<Self, BadField> {
        let pb::MapOutputs { shuffle, generation, outputs } = outputs;
        Ok(Self {
            shuffle: shuffle_id(&shuffle, "MapOutputs.shuffle")?,
            generation,
            outputs: outputs.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        })
    }
}

type Located = (Arc<MapOutput>, Vec<String>);

impl From<&Located> for pb::map_outputs::Located {
    fn from((output, addresses): &Located) -> Self {
        Self { output: Some(MapOutput::clone(output).into()), addresses: addresses.clone() }
    }
}

impl TryFrom<pb::map_outputs::Located> for Located {
    type Error = BadField;

    fn try_from(located: pb::map_outputs::Located) -> Result<Self, BadField> {
        let pb::map_outputs::Located { output, addresses } = located;
        let output = output.ok_or(BadField("Located.output"))?.try_into()?;
        Ok((Arc::new(output), addresses))
    }
}

impl From<Report> for pb::from_executor::Message {
    fn from(report: Report) -> Self {
        match report {
            Report::Heartbeat { running_tasks, progress } => {
                let progress = progress.into_iter().map(|(attempt, metrics)| pb::TaskProgress {
                    attempt: Some(attempt.into()),
                    metrics: Some(metrics.into()),
                });
                let progress = progress.collect();
                Self::Heartbeat(pb::Heartbeat { running_tasks, memory_used_bytes: 0, progress })
            }
            Report::Ends(ends) => {
                Self::Ends(pb::TaskEnds { ends: ends.into_iter().map(pb::TaskEnd::from).collect() })
            }
            Report::Part { attempt, bytes } => {
                Self::Part(pb::RowsPart { attempt: Some(attempt.into()), bytes })
            }
            Report::Barrier { attempt, message } => {
                Self::Barrier(pb::Barrier { attempt: Some(attempt.into()), message })
            }
            Report::Moved { output, copy } => {
                let (copy, problem) = match copy {
                    Ok(copy) => (Some(copy.into()), String::new()),
                    Err(problem) => (None, problem),
                };
                Self::Moved(pb::Moved { output: Some(output.into()), copy, problem })
            }
            Report::Decommission { reason } => Self::Decommission(pb::Decommission { reason }),
        }
    }
}

impl TryFrom<pb::from_executor::Message> for Report {
    type Error = BadField;

    fn try_from(message: pb::from_executor::Message) -> Result<Self, BadField> {
        use pb::from_executor::Message;
        Ok(match message {
            Message::Register(_) => return Err(BadField("register")),
            Message::Heartbeat(pb::Heartbeat { running_tasks, memory_used_bytes: _, progress }) => {
                let progress = progress.into_iter().map(|pb::TaskProgress { attempt, metrics }| {
                    let attempt = attempt.ok_or(BadField("TaskProgress.attempt"))?.into();
                    Ok((attempt, metrics.unwrap_or_default().into()))
                });
                Self::Heartbeat { running_tasks, progress: progress.collect::<Result<_, _>>()? }
            }
            Message::Ends(pb::TaskEnds { ends }) => {
                Self::Ends(ends.into_iter().map(TaskEnd::try_from).collect::<Result<_, _>>()?)
            }
            Message::Part(pb::RowsPart { attempt, bytes }) => {
                let attempt = attempt.ok_or(BadField("RowsPart.attempt"))?.into();
                Self::Part { attempt, bytes }
            }
            Message::Barrier(pb::Barrier { attempt, message }) => {
                let attempt = attempt.ok_or(BadField("Barrier.attempt"))?.into();
                Self::Barrier { attempt, message }
            }
            Message::Moved(pb::Moved { output, copy, problem }) => {
                let output = output.ok_or(BadField("Moved.output"))?.try_into()?;
                let copy = copy.map(MapOutput::try_from).transpose()?.ok_or(problem);
                Self::Moved { output, copy }
            }
            Message::Decommission(pb::Decommission { reason }) => Self::Decommission { reason },
        })
    }
}

impl From<TaskEnd> for pb::TaskEnd {
    fn from(TaskEnd { attempt, outcome, metrics, accumulators }: TaskEnd) -> Self {
        use pb::task_end::Outcome as Pb;
        let outcome = match outcome {
            Outcome::Wrote(output) => Pb::MapOutput(output.into()),
            Outcome::Yielded(rows) => {
                Pb::Rows(pb::Rows { place: Some(pb::rows::Place::Inline(rows)) })
            }
            Outcome::Failed(failure) => Pb::Failure(failure.into()),
        };
        Self {
            attempt: Some(attempt.into()),
            outcome: Some(outcome),
            metrics: Some(metrics.into()),
            accumulators: accumulators
                .into_iter()
                .map(|AccumulatorUpdate { id, value }| pb::AccumulatorUpdate { id, value })
                .collect(),
        }
    }
}

impl TryFrom<pb::TaskEnd> for TaskEnd {
    type Error = BadField;

    fn try_from(end: pb::TaskEnd) -> Result<Self, BadField> {
        use pb::task_end::Outcome as Pb;
        let pb::TaskEnd { attempt, outcome, metrics, accumulators } = end;
        let outcome = match outcome.ok_or(BadField("TaskEnd.outcome"))? {
            Pb::MapOutput(output) => Outcome::Wrote(output.try_into()?),
            Pb::Rows(pb::Rows { place }) => {
                let pb::rows::Place::Inline(rows) = place.ok_or(BadField("Rows.place"))?;
                Outcome::Yielded(rows)
            }
            Pb::Failure(failure) => Outcome::Failed(failure.try_into()?),
        };
        Ok(Self {
            attempt: attempt.ok_or(BadField("TaskEnd.attempt"))?.into(),
            outcome,
            metrics: metrics.unwrap_or_default().into(),
            accumulators: accumulators
                .into_iter()
                .map(|pb::AccumulatorUpdate { id, value }| AccumulatorUpdate { id, value })
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Epoch, Fingerprint, MapOutputId, ShuffleId, TaskFailure, TaskMetrics};

    const SHUFFLE: ShuffleId = ShuffleId(Fingerprint([7; 32]));

    fn attempt(stage: u64, partition: u32) -> Attempt {
        Attempt { task: TaskId { stage: StageId(stage), partition }, number: 2 }
    }

    fn output() -> MapOutput {
        MapOutput {
            id: MapOutputId { shuffle: SHUFFLE, map: 17 },
            attempt: attempt(3, 17),
            epoch: Epoch(4),
            volume: VolumeId("v".into()),
            block_bytes: vec![0, 5],
            rows: 9,
            row_checksum: 1,
        }
    }

    #[test]
    fn a_registration_survives_the_wire() {
        let registration = Registration {
            executor: ExecutorId(3),
            host: "h".into(),
            profile: ProfileId(2),
            slots: 4,
            block_address: "h:1".into(),
            volumes: vec![(VolumeId("v".into()), vec![output()])],
            private: [VolumeId("v".into())].into(),
        };
        let sent = pb::Register::from(registration.clone());
        assert_eq!(sent.version, VERSION);
        assert_eq!(Registration::try_from(sent.clone()), Ok(registration));
        let no_slots = pb::Register { slots: 0, ..sent };
        assert_eq!(Registration::try_from(no_slots), Err(BadField("Register.slots")));
    }

    #[test]
    fn what_an_executor_is_told_survives_the_wire() {
        let template = |stage: u64, writes, inputs| {
            let properties = [("k".to_owned(), stage.to_string())].into_iter().collect();
            let (stage, plan, slots) = (StageId(stage), "plan".into(), 2);
            Arc::new(Template { stage, plan, slots, writes, inputs, properties })
        };
        let launch = |stage, partition| Launch {
            attempt: attempt(stage, partition),
            binding: "b".into(),
            hosts: (stage == 2).then(|| ["h:1".to_owned(), "h:2".to_owned()].into()),
        };
        let answer = |partition, messages| {
            let attempt = attempt(2, partition);
            BarrierAnswer { attempt, messages }
        };
        let work = Work {
            templates: vec![
                template(1, Some((SHUFFLE, 5)), Vec::new()),
                template(2, None, vec![SHUFFLE]),
            ],
            places: vec![Arc::new(Places {
                shuffle: SHUFFLE,
                generation: 6,
                outputs: vec![(Arc::new(output()), vec!["h:1".into()])],
            })],
            discards: vec![output()],
            launches: vec![launch(1, 8), launch(1, 3), launch(2, 0)],
            cancels: vec![(attempt(1, 9), "why".into())],
            forget: vec![StageId(0)],
            barriers: vec![
                answer(0, Ok(vec!["a".into(), String::new()])),
                answer(1, Err("why".into())),
            ],
            moves: vec![(Arc::new(output()), vec!["h:1".into()])],
        };
        let (heartbeat, timeout) = (Duration::from_millis(10), Duration::from_mins(2));
        for message in [
            ToExecutor::Welcome { heartbeat, timeout },
            ToExecutor::Work(work.clone()),
            ToExecutor::Leave { reason: "over".into(), forget: true },
        ] {
            let sent = pb::to_executor::Message::from(message.clone());
            assert_eq!(ToExecutor::try_from(sent), Ok(message));
        }
        let mut bad = pb::Work::from(work);
        bad.outputs[0].outputs[0].output = None;
        assert_eq!(Work::try_from(bad), Err(BadField("Located.output")));
    }

    #[test]
    fn what_an_executor_says_survives_the_wire() {
        let end = |outcome| TaskEnd {
            attempt: attempt(1, 2),
            outcome,
            metrics: TaskMetrics { run_nanos: 3, ..TaskMetrics::default() },
            accumulators: vec![AccumulatorUpdate { id: -1, value: "added".into() }],
        };
        for report in [
            Report::Heartbeat {
                running_tasks: 3,
                progress: vec![(
                    attempt(1, 2),
                    TaskMetrics { input_rows: 7, ..TaskMetrics::default() },
                )],
            },
            Report::Part { attempt: attempt(1, 2), bytes: "rows".into() },
            Report::Decommission { reason: "told".into() },
            Report::Moved { output: output(), copy: Ok(output()) },
            Report::Moved { output: output(), copy: Err("why".into()) },
            Report::Ends(vec![
                end(Outcome::Wrote(output())),
                end(Outcome::Yielded("rest".into())),
                end(Outcome::Failed(TaskFailure::CommitDenied)),
            ]),
        ] {
            let sent = pb::from_executor::Message::from(report.clone());
            assert_eq!(Report::try_from(sent), Ok(report));
        }
        let bad = pb::from_executor::Message::Register(pb::Register::default());
        assert_eq!(Report::try_from(bad), Err(BadField("register")));
    }
}
