//! The rules that the simulation must see broken.

/// A broken rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Discarded outputs are not deleted.
    DiscardIsSkipped,
    /// Stale fetch failures are applied to the registered output.
    StaleFetchFailuresCount,
    /// Only the first output that a reader names is lost.
    OneOutputIsLostAtATime,
    /// A result stage is launched before its inputs are complete.
    ParentsAreNotAwaited,
    /// Each result is delivered twice.
    ResultsAreDeliveredTwice,
    /// Reports are compared by task, not by attempt.
    AttemptsAreNotCompared,
    /// Lost executors are not reported.
    LostExecutorsAreForgotten,
    /// Non-deterministic stages are treated as deterministic.
    RandomStagesAreTrusted,
    /// Row checksums are not compared.
    ChecksumsAreIgnored,
    /// Rolled-back outputs are used again.
    RolledBackOutputsReturn,
    /// Held stages are never released.
    DeadlinesAreMissed,
    /// Executors get one task more than they have slots.
    SlotsAreExceeded,
    /// A job that finishes after one of its tasks failed is not reported.
    JobsEndSilently,
    /// One block that cannot be reached costs everything on its volume, though others can reach it:
    /// it runs again without need.
    OneBlockCostsItsVolume,
    /// Stages that yield the same rows each time are treated as if they did not: all of them run
    /// again without need.
    SureStagesAreMistrusted,
    /// Jobs of single attempts are run like others.
    SingleAttemptsAreRepeated,
    /// Tasks of barrier stages are launched one by one.
    BarriersAreIgnored,
    /// The peers of a failed barrier task are not cancelled.
    PeersOfBarriersStay,
    /// Outputs that the program has given up stay.
    ReleasesAreForgotten,
    /// They go although a job uses them.
    ReleasesWaitForNobody,
    /// The result of a second attempt is delivered too.
    LosersAreDelivered,
    /// An attempt that was cancelled, because another one was first, counts as failed.
    LosersFail,
    /// The second attempt is launched where the first one is.
    CopiesStayAtHome,
    /// A task is launched again where it failed.
    ExclusionsAreForgotten,
    /// An executor is replaced that runs something.
    BusyExecutorsAreReplaced,
    /// Tasks wait for ever for a slot near their input.
    WaitsNeverEnd,
    /// Tasks are launched as soon as an executor is there.
    StartIsNotAwaited,
    /// A task takes one slot, whatever its stage says.
    TasksAreSmall,
    /// A task runs on any executor, whatever kind its stage asks for.
    ProfilesAreIgnored,
    /// More tasks wait at an executor than may.
    TooManyTasksWait,
}

impl Bug {
    pub(crate) const ALL: [Self; 30] = [
        Self::DiscardIsSkipped,
        Self::StaleFetchFailuresCount,
        Self::OneOutputIsLostAtATime,
        Self::ParentsAreNotAwaited,
        Self::ResultsAreDeliveredTwice,
        Self::AttemptsAreNotCompared,
        Self::LostExecutorsAreForgotten,
        Self::RandomStagesAreTrusted,
        Self::ChecksumsAreIgnored,
        Self::RolledBackOutputsReturn,
        Self::DeadlinesAreMissed,
        Self::SlotsAreExceeded,
        Self::JobsEndSilently,
        Self::OneBlockCostsItsVolume,
        Self::SureStagesAreMistrusted,
        Self::SingleAttemptsAreRepeated,
        Self::BarriersAreIgnored,
        Self::PeersOfBarriersStay,
        Self::ReleasesAreForgotten,
        Self::ReleasesWaitForNobody,
        Self::LosersAreDelivered,
        Self::LosersFail,
        Self::CopiesStayAtHome,
        Self::ExclusionsAreForgotten,
        Self::BusyExecutorsAreReplaced,
        Self::WaitsNeverEnd,
        Self::StartIsNotAwaited,
        Self::TasksAreSmall,
        Self::ProfilesAreIgnored,
        Self::TooManyTasksWait,
    ];
}
