//! Equality of relations, and the relations that a session was asked to persist. Results are found
//! again by their shuffles in any case: so far, persisting only affects `storageLevel` and
//! `isCached`.

use super::Session;
use super::table::named_table;
use crate::{RunJob, physical};
use model::Fingerprint;
use plan::{Relation, SparkError, StorageLevel};

/// A persisted relation.
#[derive(Debug, Clone)]
pub(super) struct Persisted {
    relation: Relation,
    /// Identity of the relation's result when it was persisted.
    identity: Fingerprint,
    level: StorageLevel,
}

impl Persisted {
    /// Whether this is the given relation: it is written the same (even if its files have changed
    /// since) or computes the same.
    fn is(&self, relation: &Relation, identity: Option<Fingerprint>) -> bool {
        self.relation == *relation || Some(self.identity) == identity
    }
}

impl Session {
    /// The identity of a relation's result: the structure of its plan, and its inputs.
    async fn identity(
        &self,
        relation: &Relation,
        run: &dyn RunJob,
    ) -> Result<Fingerprint, SparkError> {
        let analyzed = Box::pin(self.analyze(relation, run)).await?;
        let conf = self.planning_conf();
        physical::plan_identity(&self.shared.state, &analyzed.plan, &conf, run).await
    }

    /// A number that is equal for relations known to compute the same.
    pub async fn semantic_hash(
        &self,
        relation: &Relation,
        run: &dyn RunJob,
    ) -> Result<i32, SparkError> {
        let Fingerprint([a, b, c, d, ..]) = self.identity(relation, run).await?;
        Ok(i32::from_le_bytes([a, b, c, d]))
    }

    /// Whether two relations are known to compute the same.
    pub async fn same_semantics(
        &self,
        left: &Relation,
        right: &Relation,
        run: &dyn RunJob,
    ) -> Result<bool, SparkError> {
        // Both are resolved in any case, so that an invalid relation is an error.
        let (one, other) = (self.identity(left, run).await?, self.identity(right, run).await?);
        Ok(left == right || one == other)
    }

    /// Persists a relation at a level; `None` removes it.
    pub async fn persist(
        &self,
        relation: &Relation,
        level: Option<StorageLevel>,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let identity = self.identity(relation, run).await?;
        let mut state = self.state();
        state.persisted.retain(|persisted| !persisted.is(relation, Some(identity)));
        if let Some(level) = level {
            state.persisted.push(Persisted { relation: relation.clone(), identity, level });
        }
        Ok(())
    }

    /// The storage level of a relation; the default level if it is not persisted.
    pub async fn storage_level(
        &self,
        relation: &Relation,
        run: &dyn RunJob,
    ) -> Result<StorageLevel, SparkError> {
        let identity = self.identity(relation, run).await?;
        let state = self.state();
        let persisted =
            state.persisted.iter().find(|persisted| persisted.is(relation, Some(identity)));
        Ok(persisted.map(|persisted| persisted.level).unwrap_or_default())
    }

    /// Uncaches a table or view by name, even if it no longer exists.
    pub(super) fn uncache(&self, name: &[String]) {
        let relation = named_table(name);
        self.state().persisted.retain(|persisted| !persisted.is(&relation, None));
    }

    /// Uncaches everything.
    pub(super) fn uncache_all(&self) {
        self.state().persisted.clear();
    }
}
