//! All stages of jobs that have not ended, by id and by the shuffle that they write.

use crate::stage::{Kind, Stage};
use model::{ShuffleId, StageId};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct Stages {
    by_id: BTreeMap<StageId, Stage>,
    by_shuffle: BTreeMap<ShuffleId, StageId>,
    next: u64,
}

impl Stages {
    /// The id of the next new stage. Ids only grow, so parents, which are created first, have lower
    /// ones.
    pub(crate) fn next_id(&self) -> StageId {
        StageId(self.next)
    }

    pub(crate) fn insert(&mut self, stage: Stage) {
        debug_assert_eq!(stage.id, self.next_id());
        self.next += 1;
        if let Kind::Map { shuffle, .. } = stage.kind {
            self.by_shuffle.insert(shuffle, stage.id);
        }
        for parent in &stage.parents {
            if let Some(parent) = self.by_id.get_mut(parent) {
                parent.children.insert(stage.id);
            }
        }
        self.by_id.insert(stage.id, stage);
    }

    pub(crate) fn remove(&mut self, id: StageId) {
        let Some(stage) = self.by_id.remove(&id) else { return };
        if let Kind::Map { shuffle, .. } = stage.kind {
            self.by_shuffle.remove(&shuffle);
        }
        for parent in &stage.parents {
            if let Some(parent) = self.by_id.get_mut(parent) {
                parent.children.remove(&id);
            }
        }
    }

    pub(crate) fn get(&self, id: StageId) -> Option<&Stage> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: StageId) -> Option<&mut Stage> {
        self.by_id.get_mut(&id)
    }

    /// The stage that writes a shuffle, while a job has it.
    pub(crate) fn writer(&self, shuffle: ShuffleId) -> Option<StageId> {
        self.by_shuffle.get(&shuffle).copied()
    }

    pub(crate) fn is_complete(&self, id: StageId) -> bool {
        self.get(id).is_some_and(Stage::is_complete)
    }

    /// Whether something waits for the stage's output: its job, or a requested stage.
    pub(crate) fn is_needed(&self, id: StageId) -> bool {
        self.get(id).is_some_and(|stage| match stage.kind {
            Kind::Result { .. } => !stage.is_complete(),
            Kind::Map { .. } => {
                let is_awaited = !stage.awaited_by.is_empty() && !stage.is_complete();
                is_awaited
                    || stage
                        .children
                        .iter()
                        .any(|&child| self.get(child).is_some_and(Stage::is_requested))
            }
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Stage> {
        self.by_id.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stage> {
        self.by_id.values_mut()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty() && self.by_shuffle.is_empty()
    }
}
