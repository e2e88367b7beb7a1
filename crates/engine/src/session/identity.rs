//! Equality of relations, and the relations that a session was asked to persist. Wherever one of
//! these is part of a query, its rows are stored when they are first computed, and read from then
//! on.

use super::Session;
use super::table::named_table;
use crate::{RunJob, physical};
use analysis::{CachedRelation, Caches, Purpose, Shown};
use model::Fingerprint;
use plan::{Relation, RelationKind, SparkError, StorageLevel};

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

    /// The caches that a plan for this purpose may read.
    pub(super) fn caches(&self, persisted: &[CachedRelation], purpose: Purpose) -> Caches {
        let caches = Caches::new(self.number());
        match purpose {
            // Relations are compared as if nothing were stored.
            Purpose::Schema => caches,
            Purpose::Show | Purpose::Run => caches.with(persisted.iter().cloned()),
        }
    }

    /// Persists a relation at a level, unless it is; `None` gives it up.
    pub async fn persist(
        &self,
        relation: &Relation,
        level: Option<StorageLevel>,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        if let (RelationKind::KeepPartitions { .. }, Some(id)) =
            (relation.kind.as_ref(), relation.plan_id)
        {
            // The partitions of an RDD, which are stored wherever the program says so.
            return match level {
                Some(_) => Ok(()),
                None => run.uncache(Caches::new(self.number()).of_rdd(id)).await,
            };
        }
        match level {
            Some(level) => self.cache(relation, Shown { level, table: None }, run).await,
            None => self.unpersist(relation, run).await,
        }
    }

    /// Persists a relation, unless an equal one is.
    pub(super) async fn cache(
        &self,
        relation: &Relation,
        shown: Shown,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let plan = Box::pin(self.analyze(relation, run)).await?.resolved;
        let mut state = self.change();
        if state.persisted.iter().any(|persisted| persisted.is(relation, Some(&plan))) {
            tracing::warn!("Asked to cache already cached data.");
            return Ok(());
        }
        state.caches += 1;
        let now = self.caches(&state.persisted, Purpose::Run);
        let cached = now.of_relation((relation.clone(), plan), shown, state.caches);
        state.persisted.push(cached);
        Ok(())
    }

    /// Gives up a relation, or the equal one that is persisted.
    async fn unpersist(&self, relation: &Relation, run: &dyn RunJob) -> Result<(), SparkError> {
        let plan = Box::pin(self.analyze(relation, run)).await?.resolved;
        self.give_up(|persisted| persisted.is(relation, Some(&plan)), run).await
    }

    /// Gives up persisted relations.
    async fn give_up(
        &self,
        chosen: impl Fn(&CachedRelation) -> bool,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let gone: Vec<CachedRelation> =
            self.change().persisted.extract_if(.., |persisted| chosen(persisted)).collect();
        for persisted in gone {
            run.uncache(persisted.cache).await?;
        }
        Ok(())
    }

    /// The storage level of a relation; the default level if it is not persisted.
    pub async fn storage_level(
        &self,
        relation: &Relation,
        run: &dyn RunJob,
    ) -> Result<StorageLevel, SparkError> {
        let plan = Box::pin(self.analyze(relation, run)).await?.resolved;
        let state = self.state();
        let persisted = state.persisted.iter().find(|one| one.is(relation, Some(&plan)));
        Ok(persisted.map(CachedRelation::level).unwrap_or_default())
    }

    /// Uncaches a table or view by name, even if it no longer exists.
    pub(super) async fn uncache(
        &self,
        name: &[String],
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let relation = named_table(name);
        let plan = Box::pin(self.analyze(&relation, run)).await.ok().map(|found| found.resolved);
        self.give_up(|persisted| persisted.is(&relation, plan.as_deref()), run).await
    }

    /// Uncaches everything.
    pub(super) async fn uncache_all(&self, run: &dyn RunJob) -> Result<(), SparkError> {
        self.give_up(|_| true, run).await
    }
}
