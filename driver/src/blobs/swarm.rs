//! Who gets which piece of a blob from whom: each executor gets each piece once, and the driver
//! sends each piece once, if executors give it to each other. A pure state machine:
//! what executors say goes in, deliveries come out.

use std::collections::{BTreeMap, BTreeSet};

/// Pieces on their way to one executor at a time.
const COMING: usize = 4;
/// Pieces on their way from one executor at a time.
const UPLOADS: usize = 4;
/// Pieces on their way from the driver at a time.
const FROM_DRIVER: usize = 16;

/// Number of an executor's stream.
pub(crate) type HolderId = u64;

/// Who has a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The driver.
    Driver,
    /// An executor.
    Holder(HolderId),
}

/// A piece that an executor is to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The executor.
    pub to: HolderId,
    /// The piece.
    pub piece: usize,
    /// From whom.
    pub from: Source,
}

/// The executors that have a blob or want it.
#[derive(Debug)]
pub(crate) struct Swarm {
    /// Of each piece: who has it.
    pieces: Vec<Vec<HolderId>>,
    holders: BTreeMap<HolderId, Holder>,
}

#[derive(Debug, Default)]
struct Holder {
    /// By piece.
    has: Vec<bool>,
    /// What is on its way to it.
    coming: BTreeMap<usize, Source>,
    /// Pieces on their way from it.
    uploads: usize,
    /// Executors that did not give it something.
    refused_by: BTreeSet<HolderId>,
}

impl Holder {
    fn wants(&self, piece: usize) -> bool {
        !self.has[piece] && !self.coming.contains_key(&piece)
    }
}

impl Swarm {
    /// A blob of this many pieces that only the driver has.
    pub(crate) fn new(pieces: usize) -> Self {
        Self { pieces: vec![Vec::new(); pieces], holders: BTreeMap::new() }
    }

    /// The executors that have some of the blob, or will.
    pub(crate) fn holders(&self) -> impl Iterator<Item = HolderId> {
        self.holders.keys().copied()
    }

    /// An executor wants all pieces; what was on its way to it is not any more.
    pub(crate) fn want(&mut self, id: HolderId) -> Vec<Delivery> {
        let refused_by = self.holders.get(&id).map(|holder| holder.refused_by.clone());
        self.remove(id);
        self.add(id, false).refused_by = refused_by.unwrap_or_default();
        self.deliver()
    }

    /// As `want`, but the driver sends all of it, whoever else has it.
    pub(crate) fn want_from_driver(&mut self, id: HolderId) -> Vec<Delivery> {
        self.remove(id);
        let from = Source::Driver;
        let pieces = 0..self.pieces.len();
        self.add(id, false).coming = pieces.clone().map(|piece| (piece, from)).collect();
        pieces.map(|piece| Delivery { to: id, piece, from }).collect()
    }

    /// An executor brings the whole blob with it.
    pub(crate) fn bring(&mut self, id: HolderId) -> Vec<Delivery> {
        self.remove(id);
        self.add(id, true);
        self.pieces.iter_mut().for_each(|holders| holders.push(id));
        self.deliver()
    }

    /// An executor has a piece.
    pub(crate) fn got(&mut self, id: HolderId, piece: usize) -> Vec<Delivery> {
        self.arrived(id, piece);
        let Some(holder) = self.holders.get_mut(&id) else { return Vec::new() };
        match holder.has.get_mut(piece) {
            Some(has) if !*has => *has = true,
            _ => return Vec::new(),
        }
        self.pieces[piece].push(id);
        self.deliver()
    }

    /// An executor did not get a piece from another one, and is not sent there again.
    pub(crate) fn refused(&mut self, id: HolderId, piece: usize, by: HolderId) -> Vec<Delivery> {
        if let Some(holder) = self.holders.get_mut(&id) {
            holder.refused_by.insert(by);
        }
        self.arrived(id, piece);
        self.deliver()
    }

    /// An executor has gone.
    pub(crate) fn leave(&mut self, id: HolderId) -> Vec<Delivery> {
        self.remove(id);
        self.deliver()
    }

    /// A new holder of all pieces or of none.
    fn add(&mut self, id: HolderId, has: bool) -> &mut Holder {
        let has = vec![has; self.pieces.len()];
        self.holders.entry(id).insert_entry(Holder { has, ..Holder::default() }).into_mut()
    }

    fn remove(&mut self, id: HolderId) {
        let Some(gone) = self.holders.remove(&id) else { return };
        for source in gone.coming.into_values() {
            self.uploaded(source);
        }
        self.pieces.iter_mut().for_each(|holders| holders.retain(|holder| *holder != id));
        for holder in self.holders.values_mut() {
            holder.coming.retain(|_, source| *source != Source::Holder(id));
        }
    }

    /// A piece is no longer on its way.
    fn arrived(&mut self, id: HolderId, piece: usize) {
        let source = self.holders.get_mut(&id).and_then(|holder| holder.coming.remove(&piece));
        if let Some(source) = source {
            self.uploaded(source);
        }
    }

    fn uploaded(&mut self, source: Source) {
        if let Source::Holder(from) = source
            && let Some(from) = self.holders.get_mut(&from)
        {
            from.uploads -= 1;
        }
    }

    /// Gives one more piece to each executor in turn, until nobody can have more.
    fn deliver(&mut self) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        let ids: Vec<HolderId> = self.holders.keys().copied().collect();
        loop {
            let before = deliveries.len();
            for &to in &ids {
                if let Some((piece, from)) = self.next(to) {
                    let holder = self.holders.get_mut(&to).expect("it is there");
                    holder.coming.insert(piece, from);
                    if let Source::Holder(from) = from {
                        self.holders.get_mut(&from).expect("it is there").uploads += 1;
                    }
                    deliveries.push(Delivery { to, piece, from });
                }
            }
            if deliveries.len() == before {
                return deliveries;
            }
        }
    }

    /// The next piece for an executor: one that no executor has and none is sent, or else one that
    /// another executor has and can send; from the driver if none that has it gives it.
    fn next(&self, id: HolderId) -> Option<(usize, Source)> {
        let holder = self.holders.get(&id).filter(|holder| holder.coming.len() < COMING)?;
        let count = self.pieces.len();
        // Not all begin at the same piece.
        let start = usize::try_from(id).unwrap_or_default() * COMING % count.max(1);
        let wanted: Vec<usize> =
            (0..count).map(|at| (start + at) % count).filter(|at| holder.wants(*at)).collect();
        if wanted.is_empty() {
            return None;
        }
        let sent = self.sent_by_driver();
        let has_room = sent.len() < FROM_DRIVER;
        let new = |piece: &&usize| self.pieces[**piece].is_empty() && !sent.contains(piece);
        if let Some(piece) = wanted.iter().find(new).filter(|_| has_room) {
            return Some((*piece, Source::Driver));
        }
        let refused = |other: &HolderId| holder.refused_by.contains(other);
        let elsewhere = |piece: &usize| {
            let others = self.pieces[*piece].iter().filter(|other| !refused(other));
            let uploads = |other: &&HolderId| self.holders[other].uploads;
            let from = others.min_by_key(uploads).filter(|other| uploads(other) < UPLOADS)?;
            Some((*piece, Source::Holder(*from)))
        };
        let nowhere = |piece: &&usize| {
            let others = &self.pieces[**piece];
            !others.is_empty() && others.iter().all(refused)
        };
        wanted.iter().find_map(elsewhere).or_else(|| {
            let piece = wanted.iter().find(nowhere).filter(|_| has_room)?;
            Some((*piece, Source::Driver))
        })
    }

    /// The pieces on their way from the driver.
    fn sent_by_driver(&self) -> BTreeSet<usize> {
        let coming = self.holders.values().flat_map(|holder| &holder.coming);
        coming.filter(|(_, source)| **source == Source::Driver).map(|(piece, _)| *piece).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    fn from_driver(deliveries: &[Delivery]) -> Vec<(HolderId, usize)> {
        let of_driver = deliveries.iter().filter(|delivery| delivery.from == Source::Driver);
        of_driver.map(|delivery| (delivery.to, delivery.piece)).collect()
    }

    #[test]
    fn one_executor_gets_all_from_the_driver_a_few_at_a_time() {
        let mut swarm = Swarm::new(6);
        assert_eq!(from_driver(&swarm.want(3)), [(3, 0), (3, 1), (3, 2), (3, 3)]);
        assert_eq!(from_driver(&swarm.got(3, 1)), [(3, 4)]);
        assert_eq!(swarm.got(3, 1), [], "said twice");
        assert_eq!(swarm.got(3, 9), [], "there is no such piece");
        assert_eq!(from_driver(&swarm.got(3, 0)), [(3, 5)]);
    }

    #[test]
    fn what_one_has_others_get_from_it() {
        let mut swarm = Swarm::new(1);
        assert_eq!(from_driver(&swarm.want(0)), [(0, 0)]);
        assert_eq!(swarm.want(1), [], "it is on its way to another one");
        let delivery = Delivery { to: 1, piece: 0, from: Source::Holder(0) };
        assert_eq!(swarm.got(0, 0), [delivery]);
        assert_eq!(from_driver(&swarm.refused(1, 0, 0)), [(1, 0)], "nobody else has it");
        assert_eq!(swarm.got(1, 0), []);
    }

    #[test]
    fn who_goes_leaves_its_pieces_to_others() {
        let mut swarm = Swarm::new(1);
        swarm.want(0);
        swarm.want(1);
        assert_eq!(from_driver(&swarm.leave(0)), [(1, 0)]);
        swarm.got(1, 0);
        swarm.want(2);
        assert_eq!(from_driver(&swarm.leave(1)), [(2, 0)]);
        assert_eq!(swarm.holders().collect::<Vec<_>>(), [2]);
    }

    /// Executors that come, go, lose what they had and do not reach each other.
    struct World {
        rng: StdRng,
        swarm: Swarm,
        pieces: usize,
        has: BTreeMap<HolderId, BTreeSet<usize>>,
        coming: Vec<Delivery>,
        faults: bool,
        /// How often the driver sent each piece.
        sent: Vec<usize>,
    }

    impl World {
        fn take(&mut self, deliveries: Vec<Delivery>) {
            for delivery in deliveries {
                let Delivery { to, piece, from } = delivery;
                assert!(!self.has[&to].contains(&piece), "{to} has {piece} already");
                let same = |other: &&Delivery| other.to == to && other.piece == piece;
                assert_eq!(self.coming.iter().find(same), None);
                match from {
                    Source::Driver => self.sent[piece] += 1,
                    Source::Holder(from) => assert!(self.has[&from].contains(&piece)),
                }
                self.coming.push(delivery);
            }
            for id in self.has.keys() {
                let coming = self.coming.iter().filter(|delivery| delivery.to == *id).count();
                let from = |delivery: &&Delivery| delivery.from == Source::Holder(*id);
                assert!(coming <= COMING && self.coming.iter().filter(from).count() <= UPLOADS);
            }
        }

        fn want(&mut self, id: HolderId) {
            self.forget(id);
            self.has.insert(id, BTreeSet::new());
            let deliveries = self.swarm.want(id);
            self.take(deliveries);
        }

        fn forget(&mut self, id: HolderId) {
            let of = |delivery: &Delivery| delivery.to == id || delivery.from == Source::Holder(id);
            self.coming.retain(|delivery| !of(delivery));
        }

        fn step(&mut self) {
            if self.faults && self.rng.random_bool(0.1) {
                let id = self.rng.random_range(0..8);
                if self.rng.random_bool(0.3) {
                    // It gives up, and says so: nothing is on its way to it any more.
                    if self.has.contains_key(&id) {
                        self.has.remove(&id);
                        self.forget(id);
                        let deliveries = self.swarm.leave(id);
                        self.take(deliveries);
                        self.want(id);
                    }
                } else if self.rng.random_bool(0.5) {
                    self.want(id);
                } else if self.has.remove(&id).is_some() {
                    self.forget(id);
                    let deliveries = self.swarm.leave(id);
                    self.take(deliveries);
                }
            }
            if self.coming.is_empty() {
                return;
            }
            let next = self.rng.random_range(0..self.coming.len());
            let Delivery { to, piece, from } = self.coming.swap_remove(next);
            let deliveries = match from {
                Source::Holder(by) if self.faults && self.rng.random_bool(0.2) => {
                    self.swarm.refused(to, piece, by)
                }
                _ => {
                    self.has.get_mut(&to).unwrap().insert(piece);
                    self.swarm.got(to, piece)
                }
            };
            self.take(deliveries);
        }
    }

    #[test]
    fn everybody_gets_everything_whatever_happens() {
        for seed in 0..300 {
            let mut rng = StdRng::seed_from_u64(seed);
            let pieces = rng.random_range(0..40);
            let (sent, swarm) = (vec![0; pieces], Swarm::new(pieces));
            let (has, coming, faults) = (BTreeMap::new(), Vec::new(), seed % 2 == 1);
            let mut world = World { rng, swarm, pieces, has, coming, faults, sent };
            for id in 0..8 {
                world.want(id);
            }
            if faults {
                (0..300).for_each(|_| world.step());
                world.faults = false;
            }
            while !world.coming.is_empty() {
                world.step();
            }
            for (id, has) in &world.has {
                assert_eq!(has.len(), world.pieces, "seed {seed}: {id} lacks pieces");
            }
            if !faults {
                assert_eq!(world.sent, vec![1; pieces], "seed {seed}: what the driver sent");
            }
        }
    }
}
