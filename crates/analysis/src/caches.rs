//! The rows that a session has asked to be stored.

use model::CacheId;
use plan::{Relation, RelationKind};
use std::sync::Arc;

/// Numbers of caches of relations start here; those of RDDs are the ids of their relations.
const OF_RELATIONS: u64 = 1 << 63;

/// The caches of a session (see the module).
#[derive(Debug, Clone)]
pub struct Caches {
    session: u64,
    relations: Arc<Vec<CachedRelation>>,
}

/// A relation whose rows are stored.
#[derive(Debug, Clone)]
pub struct CachedRelation {
    relation: Relation,
    /// Its cache.
    pub cache: CacheId,
    /// Those that were there before. Its own plan reads these, also when they are given up, so that
    /// it stays the same and what is stored of it is found again.
    before: Arc<Vec<Self>>,
}

impl Caches {
    /// The caches of the session with this number, of which there are none yet.
    pub fn new(session: u64) -> Self {
        Self { session, relations: Arc::default() }
    }

    /// The cache of the RDD whose stored partitions are the relation with this id.
    pub fn of_rdd(&self, plan_id: i64) -> CacheId {
        CacheId { session: self.session, number: plan_id.cast_unsigned() & !OF_RELATIONS }
    }

    /// A cache of a relation with this number, made when there are these.
    pub fn of_relation(&self, relation: Relation, number: u64) -> CachedRelation {
        let cache = CacheId { session: self.session, number: OF_RELATIONS | number };
        CachedRelation { relation, cache, before: Arc::clone(&self.relations) }
    }

    /// The same session's caches, with these relations.
    #[must_use]
    pub fn with(self, relations: impl Iterator<Item = CachedRelation>) -> Self {
        Self { relations: Arc::new(relations.collect()), ..self }
    }

    /// The cache of a relation, and the caches that its own plan reads. A table is the same however
    /// often it is named; other relations are those of data frames.
    pub(crate) fn get(&self, relation: &Relation) -> Option<(CacheId, Self)> {
        let is = |cached: &Relation| match (cached.kind.as_ref(), relation.kind.as_ref()) {
            (RelationKind::Table { .. }, RelationKind::Table { .. }) => {
                cached.kind == relation.kind
            }
            _ => cached == relation,
        };
        let found = self.relations.iter().find(|cached| is(&cached.relation))?;
        let before = Self { session: self.session, relations: Arc::clone(&found.before) };
        Some((found.cache, before))
    }
}
