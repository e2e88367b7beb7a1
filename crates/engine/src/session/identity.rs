//! Equality of relations, and the relations that a session was asked to persist. Wherever one of
//! these is part of a query, its rows are stored when they are first computed, and read from then
//! on.

use super::Session;
use super::table::named_table;
use crate::{RunJob, physical};
use analysis::{CachedRelation, Caches, Purpose};
use model::Fingerprint;
use plan::{Relation, RelationKind, SparkError, StorageLevel};

/// A persisted relation.
#[derive(Debug, Clone)]
pub(super) struct Persisted {
    relation: Relation,
    /// Identity of the relation's result when it was persisted.
    identity: Fingerprint,
    level: StorageLevel,
    cached: CachedRelation,
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

    /// The caches that a plan for this purpose may read.
    pub(super) fn caches(&self, persisted: &[Persisted], purpose: Purpose) -> Caches {
        let caches = Caches::new(self.number());
        match purpose {
            // Relations are compared as if nothing were stored.
            Purpose::Schema => caches,
            Purpose::Run => caches.with(persisted.iter().map(|one| one.cached.clone())),
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
        let identity = self.identity(relation, run).await?;
        let Some(level) = level else {
            return self.give_up(|persisted| persisted.is(relation, Some(identity)), run).await;
        };
        let mut state = self.state();
        if !state.persisted.iter().any(|persisted| persisted.is(relation, Some(identity))) {
            state.caches += 1;
            let now = self.caches(&state.persisted, Purpose::Run);
            let cached = now.of_relation(relation.clone(), state.caches);
            let relation = relation.clone();
            state.persisted.push(Persisted { relation, identity, level, cached });
        }
        Ok(())
    }

    /// Gives up persisted relations.
    async fn give_up(
        &self,
        chosen: impl Fn(&Persisted) -> bool,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let gone: Vec<Persisted> =
            self.state().persisted.extract_if(.., |persisted| chosen(persisted)).collect();
        for persisted in gone {
            run.uncache(persisted.cached.cache).await?;
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
    pub(super) async fn uncache(
        &self,
        name: &[String],
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let relation = named_table(name);
        self.give_up(|persisted| persisted.is(&relation, None), run).await
    }

    /// Uncaches everything.
    pub(super) async fn uncache_all(&self, run: &dyn RunJob) -> Result<(), SparkError> {
        self.give_up(|_| true, run).await
    }
}
