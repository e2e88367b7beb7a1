//! The scheduler with one rule broken, by changing its input or output. The simulation must notice.

use crate::ahead;
use crate::bugs::Bug;
use crate::copies;
use crate::failures;
use crate::starts::gate;
use crate::waits;
use model::{
    Attempt, BlockProblem, Epoch, ExecutorId, MapOutput, ProfileId, ShuffleId, StageId,
    TaskFailure, TaskId, Unreadable,
};
use scheduler::{
    Command, DiscardReason, Event, JobFailure, LaunchAhead, Limits, LocalityWait, PoolOrder,
    PoolRules, Scheduler, Sharing, TaskState,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Pools that jobs name; the first and the last have no rules of their own.
pub(crate) const POOLS: [&str; 4] = ["", "heavy", "sure", "other"];

/// A scheduler, possibly with a bug.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) scheduler: Scheduler,
    bug: Option<Bug>,
    /// Where attempts were launched.
    homes: BTreeMap<Attempt, ExecutorId>,
}

impl Subject {
    /// In every other epoch, jobs share the slots by pools.
    pub(crate) fn new((epoch, excludes): (Epoch, bool), now: Duration, bug: Option<Bug>) -> Self {
        let rules = |(name, order, weight, min_share): (&str, PoolOrder, u32, u32)| {
            (name.to_owned(), PoolRules { order, weight, min_share })
        };
        let pools = [(POOLS[1], PoolOrder::Fifo, 2, 0), (POOLS[2], PoolOrder::Fair, 1, 2)];
        let sharing = match epoch.0 % 2 {
            0 => Sharing::Fifo,
            _ => Sharing::Fair(pools.map(rules).into()),
        };
        let exclusion =
            (excludes && bug != Some(Bug::ExclusionsAreForgotten)).then_some(failures::RULES);
        let for_ever = Duration::from_hours(1);
        let wait = match bug {
            Some(Bug::WaitsNeverEnd) => LocalityWait { executor: for_ever, host: for_ever },
            _ => waits::RULES,
        };
        let ahead = match bug {
            Some(Bug::TooManyTasksWait) => LaunchAhead { depth: 9, ..ahead::RULES },
            _ => ahead::RULES,
        };
        let limits = Limits { unreached_wait: Duration::from_millis(500), ..Limits::default() };
        let scheduler = Scheduler::new(epoch, limits)
            .with_sharing(sharing)
            .with_speculation(Some(copies::RULES))
            .with_exclusion(exclusion)
            .with_locality_wait(wait)
            .with_launch_ahead(Some(ahead))
            .with_start_gate(gate(epoch, now).filter(|_| bug != Some(Bug::StartIsNotAwaited)));
        Self { scheduler, bug, homes: BTreeMap::new() }
    }

    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.scheduler.next_deadline().filter(|_| self.bug != Some(Bug::DeadlinesAreMissed))
    }

    pub(crate) fn handle(&mut self, now: Duration, event: Event) -> Vec<Command> {
        let Some(event) = self.change_event(event) else { return Vec::new() };
        let released = match event {
            Event::ShuffleReleased { shuffle } => Some(shuffle),
            _ => None,
        };
        // A clock that stands still: no deadline is ever due.
        let now = if self.bug == Some(Bug::DeadlinesAreMissed) { Duration::ZERO } else { now };
        let mistake = self.mistake_of_loser(&event);
        let mut commands = self.scheduler.handle(now, event);
        commands.extend(mistake);
        self.change_commands(now, &mut commands);
        if let (Some(shuffle), Some(Bug::ReleasesWaitForNobody)) = (released, self.bug) {
            let reason = DiscardReason::Released;
            let outputs = self.scheduler.map_outputs(shuffle).cloned();
            commands.extend(outputs.map(|output| Command::Discard { output, reason }));
        }
        commands
    }

    fn change_event(&self, mut event: Event) -> Option<Event> {
        let Some(bug) = self.bug else { return Some(event) };
        match (bug, &mut event) {
            (Bug::LostExecutorsAreForgotten, Event::ExecutorLost { .. }) => return None,
            (Bug::ReleasesAreForgotten, Event::ShuffleReleased { .. }) => return None,
            (
                Bug::StaleFetchFailuresCount,
                Event::TaskFailed { failure: TaskFailure::FetchFailed { unreadable, .. }, .. },
            ) => unreadable.iter_mut().for_each(|named| self.make_registered(named)),
            (
                Bug::OneOutputIsLostAtATime,
                Event::TaskFailed { failure: TaskFailure::FetchFailed { unreadable, .. }, .. },
            ) => unreadable.truncate(1),
            (Bug::RandomStagesAreTrusted, Event::JobSubmitted { shape, .. }) => {
                shape.stages.iter_mut().for_each(|stage| stage.deterministic = true);
            }
            (Bug::SingleAttemptsAreRepeated, Event::JobSubmitted { shape, .. }) => {
                shape.single_attempt = false;
            }
            (Bug::TasksAreSmall, Event::JobSubmitted { shape, .. }) => {
                shape.stages.iter_mut().for_each(|stage| stage.task_slots = 1);
            }
            (Bug::ProfilesAreIgnored, Event::JobSubmitted { shape, .. }) => {
                shape.stages.iter_mut().for_each(|stage| stage.profile = ProfileId::DEFAULT);
            }
            (Bug::BarriersAreIgnored, Event::JobSubmitted { shape, .. }) => {
                shape.stages.iter_mut().for_each(|stage| stage.barrier = false);
            }
            (Bug::SureStagesAreMistrusted, Event::JobSubmitted { shape, .. }) => {
                let maps = shape.stages.iter_mut().filter(|stage| stage.shuffle.is_some());
                maps.for_each(|stage| stage.deterministic = false);
            }
            (
                Bug::OneBlockCostsItsVolume,
                Event::TaskFailed { failure: TaskFailure::FetchFailed { unreadable, .. }, .. },
            ) => unreadable.extend(self.neighbours(unreadable)),
            (Bug::ChecksumsAreIgnored, Event::MapFinished { output, .. }) => {
                output.row_checksum = 0;
            }
            (Bug::SlotsAreExceeded, Event::ExecutorRegistered { slots, .. }) => *slots += 1,
            (
                Bug::AttemptsAreNotCompared,
                Event::MapFinished { attempt, .. } | Event::ResultFinished { attempt, .. },
            ) => self.make_current(attempt),
            _ => {}
        }
        Some(event)
    }

    /// Passes an output off as the registered one.
    fn make_registered(&self, named: &mut Unreadable) {
        let mut outputs = self.scheduler.map_outputs(named.output.shuffle);
        if let Some(current) = outputs.find(|current| current.id == named.output) {
            (named.written_by, named.volume) = (current.attempt, current.volume.clone());
        }
    }

    /// Outputs of the same shuffles on the volumes of those that cannot be reached.
    fn neighbours(&self, unreadable: &[Unreadable]) -> Vec<Unreadable> {
        let unreachable = |named: &&Unreadable| named.problem == BlockProblem::Unreachable;
        let beside = |named: &Unreadable| {
            let outputs = self.scheduler.map_outputs(named.output.shuffle);
            let volume = named.volume.clone();
            outputs
                .filter(move |output| output.volume == volume)
                .map(|output| Unreadable::new(output, BlockProblem::Unreachable))
                .collect::<Vec<_>>()
        };
        unreadable.iter().filter(unreachable).flat_map(beside).collect()
    }

    /// Passes an attempt off as the running one.
    fn make_current(&self, attempt: &mut Attempt) {
        let stage = self.scheduler.stage(attempt.task.stage);
        let mut running =
            stage.into_iter().flat_map(|stage| stage.attempts(attempt.task.partition));
        *attempt = running.next().unwrap_or(*attempt);
    }

    fn change_commands(&mut self, now: Duration, commands: &mut Vec<Command>) {
        match self.bug {
            Some(Bug::DiscardIsSkipped) => {
                commands.retain(|command| !matches!(command, Command::Discard { .. }));
            }
            Some(Bug::ResultsAreDeliveredTwice) => {
                let is_delivery = |c: &&Command| matches!(c, Command::DeliverResult { .. });
                let again: Vec<Command> = commands.iter().filter(is_delivery).cloned().collect();
                commands.splice(0..0, again);
            }
            Some(Bug::PeersOfBarriersStay) => commands.retain(|command| match command {
                Command::Cancel { attempt, .. } => {
                    let stage = self.scheduler.stage(attempt.task.stage);
                    !stage.is_some_and(scheduler::Stage::is_barrier)
                }
                _ => true,
            }),
            Some(Bug::BusyExecutorsAreReplaced) => {
                let launch = commands.iter().find_map(|command| match command {
                    Command::Launch { executor, .. } => Some(*executor),
                    _ => None,
                });
                let reason = String::new();
                commands.extend(launch.map(|executor| Command::Replace { executor, reason }));
            }
            Some(Bug::CopiesStayAtHome) => {
                for command in commands {
                    let Command::Launch { attempt, executor } = command else { continue };
                    let first = self.first_of(*attempt);
                    *executor = first
                        .and_then(|first| self.homes.get(&first))
                        .copied()
                        .unwrap_or(*executor);
                    self.homes.insert(*attempt, *executor);
                }
            }
            Some(Bug::JobsEndSilently) => commands.retain(|command| match command {
                Command::JobFinished { job } => {
                    self.scheduler.progress(*job).iter().all(|stage| stage.failed == 0)
                }
                _ => true,
            }),
            Some(Bug::ParentsAreNotAwaited) => {
                let changed = commands.iter().find_map(|command| match command {
                    Command::StageChanged { stage } => Some(*stage),
                    _ => None,
                });
                commands.extend(changed.and_then(|stage| self.hasty_launch(stage)));
            }
            Some(Bug::RolledBackOutputsReturn) => {
                let outputs: Vec<MapOutput> = commands.iter().filter_map(rolled_back).collect();
                if !outputs.is_empty() {
                    commands.retain(|command| rolled_back(command).is_none());
                    let found = Event::MapOutputsFound { outputs };
                    commands.extend(self.scheduler.handle(now, found));
                }
            }
            _ => {}
        }
    }

    /// What is done wrong at the end of an attempt when another one of its task was first.
    fn mistake_of_loser(&self, event: &Event) -> Option<Command> {
        let (Event::ResultFinished { attempt, .. } | Event::TaskFailed { attempt, .. }) = event
        else {
            return None;
        };
        let attempt = *attempt;
        let stage = self.scheduler.stage(attempt.task.stage)?;
        let partition = attempt.task.partition;
        let (job, _) = stage.jobs().next()?;
        if stage.task(partition) != Some(TaskState::Done) {
            return None;
        }
        match (self.bug?, event) {
            (Bug::LosersAreDelivered, Event::ResultFinished { .. }) => {
                Some(Command::DeliverResult { job, partition, attempt })
            }
            (
                Bug::LosersFail,
                Event::TaskFailed { failure: TaskFailure::Killed { reason }, .. },
            ) => {
                let (failures, executor) = (4, ExecutorId(0));
                let failure = TaskFailure::raised(reason.clone());
                let failure = JobFailure::TaskFailed { attempt, failures, executor, failure };
                Some(Command::JobFailed { job, failure })
            }
            _ => None,
        }
    }

    /// The first attempt of the task of a second one.
    fn first_of(&self, attempt: Attempt) -> Option<Attempt> {
        let stage = self.scheduler.stage(attempt.task.stage)?;
        stage.attempts(attempt.task.partition).find(|first| first.number < attempt.number)
    }

    fn hasty_launch(&self, stage: StageId) -> Option<Command> {
        let stage = self.scheduler.stage(stage)?;
        let incomplete =
            |&&parent: &&StageId| self.scheduler.stage(parent).is_some_and(|p| !p.is_complete());
        stage.parents().iter().find(incomplete)?;
        let task = TaskId { stage: stage.id(), partition: 0 };
        let attempt = Attempt { task, number: 1000 };
        Some(Command::Launch { attempt, executor: ExecutorId(0) })
    }
}

/// The output rolled back by a command, as a valid output.
fn rolled_back(command: &Command) -> Option<MapOutput> {
    match command {
        Command::Discard { output, reason: DiscardReason::RolledBack } => {
            Some(MapOutput { epoch: Epoch(u64::MAX), ..output.clone() })
        }
        _ => None,
    }
}

/// The registered outputs, in short form.
pub(crate) fn outputs(scheduler: &Scheduler, shuffle: ShuffleId) -> Vec<(u32, Epoch, Attempt)> {
    let outputs = scheduler.map_outputs(shuffle);
    outputs.map(|output| (output.id.map, output.epoch, output.attempt)).collect()
}
