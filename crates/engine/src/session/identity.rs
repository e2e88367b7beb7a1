//! Which relations compute the same, and which of them the session was asked to keep. What was computed is found again by its
//! shuffles in either case: keeping is an answer to `storageLevel` and `isCached` so far.

use super::Session;
use super::table::named_table;
use crate::{RunJob, physical};
use model::Fingerprint;
use plan::{Relation, SparkError, StorageLevel};

/// A relation that the program asked to keep.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    relation: Relation,
    /// Of what the relation computed when it was kept.
    identity: Fingerprint,
    level: StorageLevel,
}

impl Kept {
    /// A relation is the same if it is written the same, also when its files have changed since, or if it computes the same.
    fn is(&self, relation: &Relation, identity: Option<Fingerprint>) -> bool {
        self.relation == *relation || Some(self.identity) == identity
    }
}

impl Session {
    /// The identity of what a relation computes: its plan's structure, and its inputs.
    async fn identity(
        &self,
        relation: &Relation,
        run: &dyn RunJob,
    ) -> Result<Fingerprint, SparkError> {
        let analyzed = Box::pin(self.analyze(relation, run)).await?;
        let conf = self.state().conf.clone();
        physical::plan_identity(&self.shared.state, &analyzed.plan, &conf, run).await
    }

    /// A number that is equal for relations that surely compute the same.
    pub async fn semantic_hash(
        &self,
        relation: &Relation,
        run: &dyn RunJob,
    ) -> Result<i32, SparkError> {
        let Fingerprint([a, b, c, d, ..]) = self.identity(relation, run).await?;
        Ok(i32::from_le_bytes([a, b, c, d]))
    }

    /// Whether two relations surely compute the same.
    pub async fn same_semantics(
        &self,
        left: &Relation,
        right: &Relation,
        run: &dyn RunJob,
    ) -> Result<bool, SparkError> {
        // Both are resolved in any case, so that a relation that makes no sense is an error.
        let (one, other) = (self.identity(left, run).await?, self.identity(right, run).await?);
        Ok(left == right || one == other)
    }

    /// Keeps a relation's rows at a level, or with `None` forgets them.
    pub async fn persist(
        &self,
        relation: &Relation,
        level: Option<StorageLevel>,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let identity = self.identity(relation, run).await?;
        let mut state = self.state();
        state.kept.retain(|kept| !kept.is(relation, Some(identity)));
        if let Some(level) = level {
            state.kept.push(Kept { relation: relation.clone(), identity, level });
        }
        Ok(())
    }

    /// How a relation is kept; the default level if it is not.
    pub async fn storage_level(
        &self,
        relation: &Relation,
        run: &dyn RunJob,
    ) -> Result<StorageLevel, SparkError> {
        let identity = self.identity(relation, run).await?;
        let state = self.state();
        let kept = state.kept.iter().find(|kept| kept.is(relation, Some(identity)));
        Ok(kept.map(|kept| kept.level).unwrap_or_default())
    }

    /// Forgets a table or view by its name, also one that is not there any more.
    pub(super) fn uncache(&self, name: &[String]) {
        let relation = named_table(name);
        self.state().kept.retain(|kept| !kept.is(&relation, None));
    }

    /// Forgets everything that is kept.
    pub(super) fn forget_all(&self) {
        self.state().kept.clear();
    }
}
