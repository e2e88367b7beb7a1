//! The rows that a session has asked to be stored.

use crate::equality::same_plan;
use datafusion::logical_expr::LogicalPlan;
use model::CacheId;
use plan::{Relation, RelationKind, StorageLevel};
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
    /// Its plan as it was resolved when it was persisted, without caches. Whatever has an equal
    /// plan reads the stored rows.
    plan: Arc<LogicalPlan>,
    /// Its cache.
    pub cache: CacheId,
    shown: Shown,
    /// Those that were there before. Its own plan reads these, also when they are given up, so that
    /// it stays the same and what is stored of it is found again.
    before: Arc<Vec<Self>>,
}

/// What `explain` shows of a cache.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shown {
    /// The level that the program asked for.
    pub level: StorageLevel,
    /// The table or view that was cached by name.
    pub table: Option<String>,
}

impl Caches {
    /// The caches of the session with this number, of which there are none yet.
    pub fn new(session: u64) -> Self {
        Self { session, relations: Arc::default() }
    }

    /// The session, for people.
    pub(crate) fn session(&self) -> String {
        format!("{:016x}", self.session)
    }

    /// The cache of the RDD whose stored partitions are the relation with this id.
    pub fn of_rdd(&self, plan_id: i64) -> CacheId {
        CacheId { session: self.session, number: plan_id.cast_unsigned() & !OF_RELATIONS }
    }

    /// Whether this is the cache of a relation.
    pub(crate) fn is_of_relation(cache: CacheId) -> bool {
        cache.number & OF_RELATIONS != 0
    }

    /// The cache with this number, which is not one of an RDD.
    pub fn numbered(&self, number: u64) -> CacheId {
        CacheId { session: self.session, number: OF_RELATIONS | number }
    }

    /// A cache of a relation with this plan and number, made when there are these.
    pub fn of_relation(
        &self,
        (relation, plan): (Relation, Arc<LogicalPlan>),
        shown: Shown,
        number: u64,
    ) -> CachedRelation {
        let cache = self.numbered(number);
        CachedRelation { relation, plan, cache, shown, before: Arc::clone(&self.relations) }
    }

    /// The same session's caches, with these relations.
    #[must_use]
    pub fn with(self, relations: impl Iterator<Item = CachedRelation>) -> Self {
        Self { relations: Arc::new(relations.collect()), ..self }
    }

    /// The cache of a relation.
    pub(crate) fn get(&self, relation: &Relation) -> Option<CachedRelation> {
        self.relations.iter().find(|cached| cached.is_of(relation)).cloned()
    }

    /// The cache of a plan: the first that was made of an equal one.
    pub(crate) fn of_plan(&self, plan: &LogicalPlan) -> Option<CachedRelation> {
        self.relations.iter().find(|cached| same_plan(&cached.plan, plan)).cloned()
    }

    /// Whether all caches of `others` are among these.
    pub(crate) fn include(&self, others: &Self) -> bool {
        others.relations.iter().all(|cached| self.has(cached.cache))
    }

    /// Whether this is one of the caches.
    pub(crate) fn has(&self, cache: CacheId) -> bool {
        self.relations.iter().any(|cached| cached.cache == cache)
    }
}

impl CachedRelation {
    /// Whether this is the same relation. A table is the same however often it is named; other
    /// relations are those of data frames.
    fn is_of(&self, relation: &Relation) -> bool {
        match (self.relation.kind.as_ref(), relation.kind.as_ref()) {
            (cached @ RelationKind::Table { .. }, kind @ RelationKind::Table { .. }) => {
                cached == kind
            }
            _ => self.relation == *relation,
        }
    }

    /// Whether a relation, with a plan if it has one, is the same or equal.
    pub fn is(&self, relation: &Relation, plan: Option<&LogicalPlan>) -> bool {
        self.is_of(relation) || plan.is_some_and(|plan| same_plan(&self.plan, plan))
    }

    /// The level that the program asked for.
    pub fn level(&self) -> StorageLevel {
        self.shown.level
    }

    pub(crate) fn shown(&self) -> &Shown {
        &self.shown
    }

    /// The caches that its own plan reads.
    pub(crate) fn before(&self) -> Caches {
        Caches { session: self.cache.session, relations: Arc::clone(&self.before) }
    }
}
