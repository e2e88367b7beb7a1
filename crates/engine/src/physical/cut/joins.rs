//! Hash joins that adapt to what their sides hold: a small side is broadcast, or of the other side
//! only rows with its keys are distributed; a side without rows may be all there is to know; and a
//! partition far larger than the others is divided.

use super::{Cached, Cutter, Place, Plan};
use crate::physical::adaptive::{Adaptive, Skew};
use crate::physical::build_side::yields_build_rows;
use crate::physical::leaf::{bare, shape};
use crate::physical::piece::{Piece, Spread, assemble, together};
use arrow::datatypes::SchemaRef;
use datafusion::common::JoinType;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::joins::{HashJoinExec, HashJoinExecBuilder, PartitionMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use functions::spark_error;
use futures::future::try_join;
use plan::SparkError;
use std::ops::Range;
use std::sync::Arc;
use task::codec::Input;

/// A side that is expected to be so many times too large is not measured first: the other one would
/// wait for it in vain.
const HOPELESS: u64 = 64;

/// What a side is expected to hold, in bytes; what looks most worth while comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Expected {
    /// As little as is broadcast.
    Small(u64),
    Unknown,
    Large(u64),
}

/// A side of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Left,
    Right,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    /// What belongs to this side, and then what belongs to the other one; and back.
    fn first<T>(self, left: T, right: T) -> (T, T) {
        match self {
            Self::Left => (left, right),
            Self::Right => (right, left),
        }
    }

    /// Whether a join may have this side in every task.
    fn may_be_broadcast(self, kind: JoinType) -> bool {
        match self {
            Self::Left => !yields_build_rows(kind),
            Self::Right => kind.supports_swap() && !yields_build_rows(kind.swap()),
        }
    }

    /// Whether parts of this side may be joined by themselves, each with all of the other side.
    fn may_be_divided(self, kind: JoinType) -> bool {
        match self {
            Self::Left => !yields_build_rows(kind.swap()),
            Self::Right => !yields_build_rows(kind),
        }
    }

    /// Whether each row that a join yields has one of this side: it yields nothing if the side has
    /// no rows, and rows of the other side with other keys do not matter.
    fn is_needed(self, kind: JoinType) -> bool {
        match kind {
            JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi => true,
            JoinType::Left | JoinType::LeftAnti | JoinType::LeftMark => self == Self::Left,
            JoinType::Right | JoinType::RightAnti | JoinType::RightMark => self == Self::Right,
            JoinType::Full => false,
        }
    }
}

/// A join whose sides are both distributed by their keys.
struct Distributed<'a> {
    plan: &'a Plan,
    join: &'a HashJoinExec,
    left: &'a RepartitionExec,
    right: &'a RepartitionExec,
}

impl<'a> Distributed<'a> {
    fn of(plan: &'a Plan) -> Option<Self> {
        let join = plan.downcast_ref::<HashJoinExec>()?;
        let is_distributed = *join.partition_mode() == PartitionMode::Partitioned;
        let (left, right) = (exchange(join.left())?, exchange(join.right())?);
        is_distributed.then_some(Self { plan, join, left, right })
    }

    fn exchange(&self, side: Side) -> &'a RepartitionExec {
        match side {
            Side::Left => self.left,
            Side::Right => self.right,
        }
    }

    /// The join of sides whose tasks match.
    fn joined(&self, left: Piece, right: Piece) -> Result<Piece, SparkError> {
        let count = left.tasks.len();
        if right.tasks.len() != count {
            return Err(SparkError::internal("the sides of a join have different partitions"));
        }
        let sides = [(left, self.join.left()), (right, self.join.right())];
        let sides = sides.map(|(piece, side)| {
            if side.is::<AggregateExec>() { assemble(side, vec![piece], count) } else { Ok(piece) }
        });
        assemble(self.plan, sides.into_iter().collect::<Result<_, _>>()?, count)
    }

    /// The side to look at first: that it is small would save most.
    fn promising(&self, adaptive: &Adaptive, place: Place) -> Option<Side> {
        if adaptive.broadcast == 0 {
            return None;
        }
        let kind = *self.join.join_type();
        let hopeless = adaptive.broadcast.saturating_mul(HOPELESS);
        let sides = [Side::Left, Side::Right].into_iter().filter_map(|side| {
            let is_broadcast = place == Place::Free && side.may_be_broadcast(kind);
            if !is_broadcast && !side.is_needed(kind) {
                return None;
            }
            let input = self.exchange(side).input();
            let known = StatisticsContext::new().compute(input.as_ref(), &StatisticsArgs::new());
            let bytes = known.ok().and_then(|known| known.total_byte_size.get_value().copied());
            let expected = match bytes.map(|bytes| bytes as u64) {
                Some(bytes) if bytes <= adaptive.broadcast => Expected::Small(bytes),
                Some(bytes) if bytes > hopeless => return None,
                Some(bytes) => Expected::Large(bytes),
                None => Expected::Unknown,
            };
            Some((expected, !is_broadcast, side))
        });
        sides.min().map(|(.., side)| side)
    }

    /// The rows of one side whose keys the other one has, before they are grouped.
    fn matching(&self, (side, build): (Side, Piece), probe: Piece) -> Result<Piece, SparkError> {
        let count = probe.tasks.len();
        if let Some(groups) =
            probe.plan.downcast_ref::<AggregateExec>().filter(|it| keeps_columns(it))
        {
            let input = Piece { plan: Arc::clone(groups.input()), ..probe.clone() };
            return assemble(&probe.plan, vec![self.matching((side, build), input)?], count);
        }
        let on = self.join.on().iter().map(|(left, right)| {
            let (build, probe) = side.first(left, right);
            (Arc::clone(build), Arc::clone(probe))
        });
        let plans = (Arc::clone(&build.plan), Arc::clone(&probe.plan));
        let join = HashJoinExecBuilder::new(plans.0, plans.1, on.collect(), JoinType::RightSemi)
            .with_partition_mode(PartitionMode::CollectLeft)
            .with_null_equality(self.join.null_equality())
            .build_exec()
            .map_err(|error| spark_error(&error))?;
        assemble(&join, vec![build, probe], count)
    }
}

/// Whether an aggregate only drops rows that are there before: its columns are those of its input.
fn keeps_columns(groups: &AggregateExec) -> bool {
    let group = groups.group_expr();
    let mut columns = group.expr().iter().enumerate();
    let is_same = |(place, (expr, _)): (usize, &(Arc<dyn PhysicalExpr>, String))| {
        expr.downcast_ref::<Column>().is_some_and(|column| column.index() == place)
    };
    groups.aggr_expr().is_empty() && group.is_single() && columns.all(is_same)
}

/// The exchange that a side of a join is. Rows of a side of which only the existence matters may be
/// grouped above it.
fn exchange(side: &Plan) -> Option<&RepartitionExec> {
    match side.downcast_ref::<AggregateExec>() {
        Some(groups)
            if *groups.mode() == AggregateMode::Partial && groups.aggr_expr().is_empty() =>
        {
            groups.input().downcast_ref()
        }
        _ => side.downcast_ref(),
    }
}

/// What a shuffle holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    rows: u64,
    bytes: u64,
}

impl Held {
    /// Memory that the rows take at least, as far as that is known.
    fn memory(self, schema: &SchemaRef) -> u64 {
        let widths = schema.fields().iter().filter_map(|field| field.data_type().primitive_width());
        self.bytes.max(self.rows.saturating_mul(widths.sum::<usize>() as u64))
    }
}

/// What one task joins.
#[derive(Debug, PartialEq, Eq)]
enum Share {
    /// Partitions.
    Whole(Range<usize>),
    /// Of one partition: what some maps wrote, on each side.
    Part(usize, Range<u32>, Range<u32>),
}

impl Cutter<'_> {
    /// A hash join of distributed sides, adapted to what they hold; `None` for other operators.
    pub(super) async fn adaptive_join(
        &self,
        plan: &Plan,
        (cached, place): (Cached, Place),
    ) -> Result<Option<Piece>, SparkError> {
        let Some(adaptive) = &self.adaptive else { return Ok(None) };
        let Some(sides) = Distributed::of(plan) else { return Ok(None) };
        let kind = *sides.join.join_type();
        let below = |side| self.cut(sides.exchange(side).input(), cached);
        let (left, right) = try_join(below(Side::Left), below(Side::Right)).await?;
        if place < Place::Aligned
            && let (Some(left), Some(right)) = (self.small(&left), self.small(&right))
        {
            return sides.joined(left, right).map(Some);
        }
        let lacks_rows = |piece: &Piece, side: Side| {
            let held = || self.held(piece).is_some_and(|held| held.rows == 0);
            side.is_needed(kind) && (piece.plan.is::<EmptyExec>() || held())
        };
        let no_rows = || Ok(Some(no_rows(plan, (sides.left, place))));
        if lacks_rows(&left, Side::Left) || lacks_rows(&right, Side::Right) {
            return no_rows();
        }
        let distribute = |piece, side| self.repartition(piece, sides.exchange(side), cached);
        let (left, right) = if let Some(side) = sides.promising(adaptive, place) {
            let (one, mut other) = side.first(left, right);
            let one = distribute(one, side).await?;
            if lacks_rows(&one, side) {
                return no_rows();
            }
            let memory = self.held(&one).map(|held| held.memory(&one.plan.schema()));
            if memory.is_some_and(|bytes| bytes <= adaptive.broadcast) {
                if place == Place::Free && side.may_be_broadcast(kind) {
                    return self.broadcast_join(&sides, side, (one, other), cached).map(Some);
                }
                let build = self.in_every_task(one.clone(), other.tasks.len(), cached)?;
                other = sides.matching((side, build), other)?;
            }
            side.first(one, distribute(other, side.other()).await?)
        } else {
            try_join(distribute(left, Side::Left), distribute(right, Side::Right)).await?
        };
        if lacks_rows(&left, Side::Left) || lacks_rows(&right, Side::Right) {
            return no_rows();
        }
        let (left, right) = match &adaptive.skew {
            Some(skew) if place == Place::Free => self.divided(kind, skew, (left, right)),
            _ => (left, right),
        };
        sides.joined(left, right).map(Some)
    }

    /// What the shuffle holds that a piece reads, if it was measured.
    fn held(&self, piece: &Piece) -> Option<Held> {
        let (Spread::Sized(bytes), [stage]) = (&piece.spread, &piece.parents[..]) else {
            return None;
        };
        let rows = self.sizes().get(stage)?.rows;
        Some(Held { rows, bytes: bytes.iter().sum() })
    }

    /// The join with all of one side, a shuffle, in every task of the other side.
    fn broadcast_join(
        &self,
        sides: &Distributed<'_>,
        side: Side,
        (build, probe): (Piece, Piece),
        cached: Cached,
    ) -> Result<Piece, SparkError> {
        let mode = PartitionMode::CollectLeft;
        let join = match side {
            Side::Left => sides.join.builder().with_partition_mode(mode).build_exec(),
            Side::Right => sides.join.swap_inputs(mode),
        };
        let join = join.map_err(|error| spark_error(&error))?;
        let count = probe.tasks.len();
        let inputs = vec![self.in_every_task(build, count, cached)?, probe];
        match join.downcast_ref::<ProjectionExec>() {
            Some(order) => {
                let joined = assemble(order.input(), inputs, count)?;
                assemble(&join, vec![joined], count)
            }
            None => assemble(&join, inputs, count),
        }
    }

    /// All partitions of a shuffle, read by each of so many tasks.
    fn in_every_task(
        &self,
        mut piece: Piece,
        count: usize,
        cached: Cached,
    ) -> Result<Piece, SparkError> {
        if let (Some(first), Some(last)) = (piece.tasks.first(), piece.tasks.last()) {
            piece.tasks = vec![together(0, first, last)];
        }
        self.broadcast(piece, count, cached)
    }

    /// The sides of a join, with the partitions divided that are far larger than the others.
    fn divided(
        &self,
        kind: JoinType,
        skew: &Skew,
        (left, right): (Piece, Piece),
    ) -> (Piece, Piece) {
        let (Spread::Sized(of_left), Spread::Sized(of_right)) = (&left.spread, &right.spread)
        else {
            return (left, right);
        };
        let maps = |piece: &Piece| {
            let sizes = self.sizes();
            piece.parents.first().and_then(|stage| sizes.get(stage)).map_or(1, |held| held.maps)
        };
        let parts = |side: Side, sizes: &[u64], maps| {
            let divided = side.may_be_divided(kind).then(|| skew.parts(sizes, maps));
            divided.unwrap_or_else(|| vec![1; sizes.len()])
        };
        let (left_maps, right_maps) = (maps(&left), maps(&right));
        let left_parts = parts(Side::Left, of_left, left_maps);
        let right_parts = parts(Side::Right, of_right, right_maps);
        if left_parts.iter().chain(&right_parts).all(|parts| *parts == 1) {
            return (left, right);
        }
        let sums: Vec<u64> = of_left.iter().zip(of_right).map(|(l, r)| l + r).collect();
        let mut shares = Vec::new();
        let mut from = 0;
        let whole = |shares: &mut Vec<Share>, range: Range<usize>| {
            if !range.is_empty() {
                let groups = self.groups(&sums[range.clone()]).into_iter();
                let start = range.start;
                shares.extend(groups.map(|g| Share::Whole(start + g.start..start + g.end)));
            }
        };
        for partition in 0..sums.len() {
            let (of_left, of_right) = (left_parts[partition], right_parts[partition]);
            if of_left == 1 && of_right == 1 {
                continue;
            }
            whole(&mut shares, from..partition);
            from = partition + 1;
            for one in ranges(left_maps, of_left) {
                let others = ranges(right_maps, of_right);
                shares.extend(others.map(|other| Share::Part(partition, one.clone(), other)));
            }
        }
        whole(&mut shares, from..sums.len());
        (shared(left, &shares, Side::Left), shared(right, &shares, Side::Right))
    }
}

/// So many maps in so many ranges.
fn ranges(maps: u32, parts: u32) -> impl Iterator<Item = Range<u32>> {
    let at = move |part: u32| {
        u32::try_from(u64::from(maps) * u64::from(part) / u64::from(parts)).unwrap_or(maps)
    };
    (0..parts).map(move |part| at(part)..at(part + 1))
}

/// One side of what the tasks join.
fn shared(piece: Piece, shares: &[Share], side: Side) -> Piece {
    let task = |(number, share): (u32, &Share)| match share {
        Share::Whole(group) => {
            let group = &piece.tasks[group.clone()];
            match (group.first(), group.last()) {
                (Some(first), Some(last)) => together(number, first, last),
                _ => Vec::new(),
            }
        }
        Share::Part(partition, left, right) => {
            let maps = if side == Side::Left { left } else { right };
            let part = |input: &Input| match input {
                Input::Blocks { from, to } => {
                    Input::Part { readers: (*from, *to), maps: (maps.start, maps.end) }
                }
                other => other.clone(),
            };
            piece.tasks[*partition].iter().map(part).collect()
        }
    };
    let tasks = (0..).zip(shares).map(task).collect();
    Piece { tasks, spread: Spread::Fixed, ..piece }
}

/// No rows, in as many tasks as what is above expects.
fn no_rows(plan: &Plan, (exchange, place): (&RepartitionExec, Place)) -> Piece {
    let mut piece = bare(shape(plan), plan);
    let count = match place {
        Place::Aligned => exchange.partitioning().partition_count(),
        Place::Free | Place::Keyed => 1,
    };
    piece.tasks = vec![Vec::new(); count];
    Piece { spread: Spread::Shared, ..piece }
}
