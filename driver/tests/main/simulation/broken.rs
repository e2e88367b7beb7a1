//! The core, and executors, with one rule broken, by changing what goes in or what comes out. The
//! simulation must notice.

use super::reruns::{AHEAD, EXCLUSION, LOCALITY_WAIT, SPECULATION};
use super::world::TIMEOUT;
use driver::core::{Core, Effect, Rules};
use driver::message::{Answer, Connection, Fact, FromManager, Message, ToManager};
use model::executor::{AccumulatorUpdate, Outcome, Report, Template, ToExecutor, Work};
use model::{Attempt, Epoch, ExecutorId, ShuffleId, StageId, TaskFailure, TaskId, VolumeId};
use scheduler::{Limits, Retention, Scheduler};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The places of map outputs are told after the launches that read them.
    PlacesComeAfterLaunches,
    /// The places of map outputs are told once, and not again when they change.
    PlacesAreNotRefreshed,
    /// A template is told with each launch.
    TemplatesAreRepeated,
    /// A stage has the properties of its first job for ever.
    PropertiesStay,
    /// Templates are not told.
    TemplatesAreOmitted,
    /// Nobody is told to forget templates.
    TemplatesAreKept,
    /// What an executor says over a stream that is closed counts, for whatever attempt of the task
    /// runs now.
    LateEndsAreBelieved,
    /// Executors that will leave get work.
    RetiredExecutorsWork,
    /// An executor whose id is used up is taken in again.
    UsedIdsComeBack,
    /// An executor that does not read its stream is kept.
    StuckExecutorsAreKept,
    /// Executors count as silent although it was the driver that stood still.
    SilenceIsNotExcused,
    /// Failed jobs are not answered.
    FailuresAreNotAnswered,
    /// Jobs are answered twice.
    AnswersAreRepeated,
    /// Rows that come before the end of their attempt are dropped.
    PartsAreDropped,
    /// Cancels are not told.
    CancelsAreOmitted,
    /// An attempt that arrives twice is run twice.
    RepeatedLaunchesRun,
    /// Each end of an attempt is passed on.
    SecondEndsAreReported,
    /// Everything on an executor's volume counts as lost with the executor: it runs again without
    /// need.
    VolumesGoWithTheirExecutor,
    /// Jobs of single attempts are run like others.
    SingleAttemptsAreRepeated,
    /// Attempts that wait for each other are not answered.
    BarriersStayClosed,
    /// Barriers are answered with the messages of too few.
    BarriersOpenEarly,
    /// What the program has given up is kept.
    GivenUpIsKept,
    /// A driver whose executors are fenced off runs its tasks again and again.
    SupersededDriversGoOn,
    /// Readers do not compare checksums: what is damaged is served.
    DamagedBlocksAreServed,
    /// Of a cache more partitions count as stored than are.
    MissingPartitionsCountAsStored,
    /// Executors are released with which needed outputs are lost.
    HoldersAreReleased,
    /// More executors are wanted than there are tasks for.
    TooManyAreWanted,
    /// Executors that are of no use are kept.
    IdleExecutorsAreKept,
    /// Copies of outputs of executors that leave are not used.
    MovedOutputsAreForgotten,
    /// Executors leave while their outputs are moved.
    MovesAreNotAwaited,
    /// What a result task has added to accumulators counts although another attempt was first.
    LosersAdd,
    /// A task is launched again where it failed.
    ExclusionsAreForgotten,
    /// Outputs that no job uses stay for ever.
    OutputsOutlastTheirTime,
    /// They go at once.
    OutputsGoTooEarly,
}

impl Bug {
    pub(crate) const ALL: [Self; 34] = [
        Self::PlacesComeAfterLaunches,
        Self::PlacesAreNotRefreshed,
        Self::TemplatesAreRepeated,
        Self::PropertiesStay,
        Self::TemplatesAreOmitted,
        Self::TemplatesAreKept,
        Self::LateEndsAreBelieved,
        Self::RetiredExecutorsWork,
        Self::UsedIdsComeBack,
        Self::StuckExecutorsAreKept,
        Self::SilenceIsNotExcused,
        Self::FailuresAreNotAnswered,
        Self::AnswersAreRepeated,
        Self::PartsAreDropped,
        Self::CancelsAreOmitted,
        Self::RepeatedLaunchesRun,
        Self::SecondEndsAreReported,
        Self::VolumesGoWithTheirExecutor,
        Self::SingleAttemptsAreRepeated,
        Self::BarriersStayClosed,
        Self::BarriersOpenEarly,
        Self::GivenUpIsKept,
        Self::SupersededDriversGoOn,
        Self::DamagedBlocksAreServed,
        Self::MissingPartitionsCountAsStored,
        Self::HoldersAreReleased,
        Self::TooManyAreWanted,
        Self::IdleExecutorsAreKept,
        Self::MovedOutputsAreForgotten,
        Self::MovesAreNotAwaited,
        Self::LosersAdd,
        Self::ExclusionsAreForgotten,
        Self::OutputsOutlastTheirTime,
        Self::OutputsGoTooEarly,
    ];
}

/// A core, perhaps with a bug.
#[derive(Debug)]
pub(crate) struct Subject {
    core: Core,
    bug: Option<Bug>,
    /// What bugs need to know: the volumes of executors, what is told, and which attempt of each
    /// task runs where.
    volumes: BTreeMap<ExecutorId, VolumeId>,
    connections: BTreeMap<VolumeId, Connection>,
    templates: BTreeMap<StageId, Arc<Template>>,
    told: BTreeSet<(Connection, StageId)>,
    places: BTreeSet<(Connection, ShuffleId)>,
    current: BTreeMap<TaskId, (Connection, Attempt)>,
    closed: BTreeSet<Connection>,
    yielded: BTreeSet<TaskId>,
    lost: Vec<AccumulatorUpdate>,
    woken: Duration,
}

impl Subject {
    pub(crate) fn new(mut rules: Rules, excludes: bool, bug: Option<Bug>) -> Self {
        match bug {
            Some(Bug::OutputsOutlastTheirTime) => rules.retention = None,
            Some(Bug::OutputsGoTooEarly) => {
                let (time, least) = (Some(Duration::ZERO), Duration::ZERO);
                rules.retention = Some(Retention { time, bytes: None, least });
            }
            _ => {}
        }
        let limits = Limits { max_result_bytes: rules.max_result_bytes, ..Limits::default() };
        let excludes = excludes && bug != Some(Bug::ExclusionsAreForgotten);
        let scheduler = Scheduler::new(Epoch(1), limits)
            .with_speculation(Some(SPECULATION))
            .with_exclusion(excludes.then_some(EXCLUSION))
            .with_locality_wait(LOCALITY_WAIT)
            .with_launch_ahead(Some(AHEAD));
        Self {
            core: Core::new(rules, scheduler),
            bug,
            volumes: BTreeMap::new(),
            connections: BTreeMap::new(),
            templates: BTreeMap::new(),
            told: BTreeSet::new(),
            places: BTreeSet::new(),
            current: BTreeMap::new(),
            closed: BTreeSet::new(),
            yielded: BTreeSet::new(),
            lost: Vec::new(),
            woken: Duration::ZERO,
        }
    }

    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.core.next_deadline()
    }

    pub(crate) fn wake(&mut self, now: Duration) {
        if self.bug == Some(Bug::SilenceIsNotExcused) {
            // As if it had looked at its clock all the time.
            while self.woken < now {
                self.core.wake(self.woken);
                self.woken += TIMEOUT / 8;
            }
        }
        self.woken = now;
        self.core.wake(now);
    }

    #[expect(clippy::too_many_lines, reason = "a table of bugs reads best in one piece")]
    pub(crate) fn handle(&mut self, now: Duration, mut message: Message) {
        if let Message::ExecutorAttached { registration, serial } = &message
            && let Some((volume, _)) = registration.volumes.first()
        {
            let connection = Connection { executor: registration.executor, serial: *serial };
            self.connections.insert(volume.clone(), connection);
            self.volumes.insert(registration.executor, volume.clone());
        }
        if let Message::ExecutorSaid { report: Report::Ends(ends), .. } = &message {
            let yielded = ends.iter().filter(|end| matches!(end.outcome, Outcome::Yielded(_)));
            for end in yielded {
                if !self.yielded.insert(end.attempt.task) {
                    self.lost.extend(end.accumulators.iter().cloned());
                }
            }
        }
        let dropped = match (self.bug, &mut message) {
            (
                Some(Bug::MovedOutputsAreForgotten),
                Message::ExecutorSaid { report: Report::Moved { copy, .. }, .. },
            ) => {
                *copy = Err("forgotten".to_owned());
                false
            }
            (Some(Bug::HoldersAreReleased), Message::ExecutorAttached { registration, .. }) => {
                registration.private.clear();
                false
            }
            (Some(Bug::StuckExecutorsAreKept), Message::ExecutorStuck { .. }) => true,
            (Some(Bug::SingleAttemptsAreRepeated), Message::Submit(submission)) => {
                submission.plan.single_attempt = false;
                false
            }
            (Some(Bug::GivenUpIsKept), Message::Uncache { .. } | Message::SessionClosed { .. }) => {
                true
            }
            (
                Some(Bug::PartsAreDropped),
                Message::ExecutorSaid { report: Report::Part { .. }, .. },
            ) => true,
            (
                Some(Bug::RetiredExecutorsWork),
                Message::ExecutorSaid { report: report @ Report::Decommission { .. }, .. },
            ) => {
                *report = Report::Heartbeat { running_tasks: 0, progress: Vec::new() };
                false
            }
            (
                Some(Bug::LateEndsAreBelieved),
                Message::ExecutorSaid { connection, report: Report::Ends(ends) },
            ) if self.closed.contains(connection) => {
                if let Some(end) = ends.first_mut()
                    && !matches!(end.outcome, Outcome::Failed(_))
                    && let Some((current, attempt)) = self.current.get(&end.attempt.task)
                {
                    (*connection, end.attempt) = (*current, *attempt);
                }
                false
            }
            (
                Some(Bug::SupersededDriversGoOn),
                Message::ExecutorSaid { report: Report::Ends(ends), .. },
            ) => {
                for end in ends {
                    if matches!(end.outcome, Outcome::Failed(TaskFailure::Fenced { .. })) {
                        end.outcome = Outcome::Failed(TaskFailure::CommitDenied);
                    }
                }
                false
            }
            (
                Some(Bug::VolumesGoWithTheirExecutor),
                Message::ManagerSaid { fact: FromManager::Executors(facts), .. },
            ) => {
                for (executor, fact) in facts {
                    if let Fact::Ended { lost_volumes, .. } = fact {
                        lost_volumes.extend(self.volumes.get(executor).cloned());
                    }
                }
                false
            }
            _ => false,
        };
        if !dropped {
            self.core.handle(now, message);
        }
    }

    pub(crate) fn settle(&mut self, now: Duration) -> Vec<Effect> {
        let effects = self.core.settle(now);
        for effect in &effects {
            match effect {
                Effect::CloseExecutor { connection } => drop(self.closed.insert(*connection)),
                Effect::TellExecutor { connection, message: ToExecutor::Work(work) } => {
                    for launch in &work.launches {
                        let task = launch.attempt.task;
                        self.current.insert(task, (*connection, launch.attempt));
                    }
                }
                _ => {}
            }
        }
        effects.into_iter().flat_map(|effect| self.change(effect)).collect()
    }

    fn change(&mut self, effect: Effect) -> Vec<Effect> {
        match (self.bug, effect) {
            (Some(Bug::UsedIdsComeBack), Effect::Refuse { connection, .. }) => {
                vec![Effect::Accept { connection }]
            }
            (Some(Bug::IdleExecutorsAreKept), effect) if is_release(&effect) => Vec::new(),
            (
                Some(Bug::TooManyAreWanted),
                Effect::TellManager {
                    serial,
                    message: ToManager::Wish { executors, cores, memory_bytes, release, profiles },
                },
            ) => {
                let executors = executors + 1;
                let message = ToManager::Wish { executors, cores, memory_bytes, release, profiles };
                vec![Effect::TellManager { serial, message }]
            }
            (Some(Bug::FailuresAreNotAnswered), Effect::EndJob { end: Err(_), .. }) => Vec::new(),
            (
                Some(Bug::MissingPartitionsCountAsStored),
                Effect::Answer { ticket, answer: Answer::Stored(mut stored) },
            ) => {
                stored.partitions += 1;
                vec![Effect::Answer { ticket, answer: Answer::Stored(stored) }]
            }
            (Some(Bug::AnswersAreRepeated), effect @ Effect::EndJob { .. }) => {
                vec![effect.clone(), effect]
            }
            (
                Some(Bug::MovesAreNotAwaited),
                Effect::TellExecutor { connection, message: ToExecutor::Work(work) },
            ) if !work.moves.is_empty() => {
                let source = self.connections[&work.moves[0].0.volume];
                let leave = ToExecutor::Leave { reason: String::new(), forget: false };
                let message = ToExecutor::Work(work);
                vec![
                    Effect::TellExecutor { connection, message },
                    Effect::TellExecutor { connection: source, message: leave },
                ]
            }
            (
                Some(Bug::LosersAdd),
                Effect::EndJob { ticket, end: end @ Ok(_), mut accumulators },
            ) => {
                accumulators.append(&mut self.lost);
                vec![Effect::EndJob { ticket, end, accumulators }]
            }
            (_, Effect::TellExecutor { connection, message: ToExecutor::Work(work) }) => self
                .change_work(connection, work)
                .into_iter()
                .filter(|work| !work.is_empty())
                .map(|work| Effect::TellExecutor { connection, message: ToExecutor::Work(work) })
                .collect(),
            (_, effect) => vec![effect],
        }
    }

    fn change_work(&mut self, connection: Connection, mut work: Work) -> Vec<Work> {
        match self.bug {
            Some(Bug::PlacesComeAfterLaunches) => {
                let places = std::mem::take(&mut work.places);
                return vec![work, Work { places, ..Work::default() }];
            }
            Some(Bug::PlacesAreNotRefreshed) => {
                work.places.retain(|places| self.places.insert((connection, places.shuffle)));
            }
            Some(Bug::TemplatesAreRepeated) => {
                let known = |template: &Arc<Template>| (template.stage, Arc::clone(template));
                self.templates.extend(work.templates.iter().map(known));
                let stages: BTreeSet<StageId> =
                    work.launches.iter().map(|launch| launch.attempt.task.stage).collect();
                work.templates = stages.iter().map(|id| Arc::clone(&self.templates[id])).collect();
            }
            Some(Bug::PropertiesStay) => {
                work.templates.retain(|template| self.told.insert((connection, template.stage)));
            }
            Some(Bug::TemplatesAreOmitted) => work.templates.clear(),
            Some(Bug::TemplatesAreKept) => work.forget.clear(),
            Some(Bug::CancelsAreOmitted) => work.cancels.clear(),
            Some(Bug::BarriersStayClosed) => work.barriers.clear(),
            Some(Bug::BarriersOpenEarly) => {
                let messages = work.barriers.iter_mut().filter_map(|it| it.messages.as_mut().ok());
                messages.for_each(|messages| drop(messages.pop()));
            }
            _ => {}
        }
        vec![work]
    }
}

/// Whether an executor is told to leave although the application goes on.
fn is_release(effect: &Effect) -> bool {
    matches!(effect, Effect::TellExecutor { message: ToExecutor::Leave { forget: false, .. }, .. })
}
