//! Map outputs that are moved from executors that leave.

use crate::event::{Command, DiscardReason};
use crate::scheduler::Scheduler;
use model::{MapOutput, Unreadable, VolumeId};

impl Scheduler {
    /// An output has a copy on another volume, by the same attempt: it is read there from now on.
    pub(crate) fn on_map_output_moved(&mut self, copy: MapOutput) {
        if !self.executors.is_mounted(&copy.volume) {
            return; // lost again
        }
        let reads = self.shuffles.output(copy.id);
        let is_same = |it: &MapOutput| (it.attempt, it.epoch) == (copy.attempt, copy.epoch);
        if reads.is_some_and(is_same) {
            self.shuffles.relocate(copy);
        } else if reads.is_none_or(|other| other.volume != copy.volume) {
            // It was discarded meanwhile. Its file would stand where another attempt's should.
            let reason = DiscardReason::RolledBack;
            self.agenda.commands.push(Command::Discard { output: copy, reason });
        }
    }

    /// Whether all of these were out of reach because their executor leaves.
    pub(crate) fn are_on_leaving_volumes(&self, unreadable: &[Unreadable]) -> bool {
        unreadable.iter().all(|it| self.executors.is_leaving(&it.volume))
    }

    /// The registered outputs on a volume.
    pub fn outputs_on(&self, volume: &VolumeId) -> impl Iterator<Item = &MapOutput> {
        let outputs = self.shuffles.on(volume).flat_map(|shuffle| self.shuffles.outputs(shuffle));
        outputs.filter(move |output| output.volume == *volume)
    }
}
