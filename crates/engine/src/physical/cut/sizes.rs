//! What finished map stages hold, and the tasks that follow from it. A map stage whose sizes are
//! wanted is run as soon as it is cut.

use super::Cutter;
use crate::physical::adaptive::even_groups;
use crate::physical::piece::{Piece, Spread, together};
use crate::{ShuffleSizes, StagePlan};
use errors::Exception;
use plan::SparkError;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, MutexGuard, PoisonError};

/// How often a map stage may be complete, and lose outputs before its sizes are known.
const MEASUREMENTS: u32 = 4;

impl Cutter<'_> {
    /// What is known of the shuffles of finished stages.
    pub(super) fn sizes(&self) -> MutexGuard<'_, HashMap<usize, ShuffleSizes>> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A piece as one task, if it reads so little that more do not pay.
    pub(super) fn small(&self, piece: &Piece) -> Option<Piece> {
        let coalescing = self.adaptive.as_ref()?.coalescing.as_ref()?;
        let Spread::Sized(sizes) = &piece.spread else { return None };
        let bytes: u64 = sizes.iter().sum();
        let (first, last) = (piece.tasks.first()?, piece.tasks.last()?);
        (bytes <= coalescing.smallest).then(|| Piece {
            tasks: vec![together(0, first, last)],
            spread: Spread::Sized(vec![bytes]),
            ..piece.clone()
        })
    }

    /// Runs the stage that a piece reads by reader partition, to know the sizes of these.
    pub(super) async fn measured(&self, piece: Piece) -> Result<Piece, SparkError> {
        let ([stage], Some(_)) = (&piece.parents[..], &self.adaptive) else {
            return Ok(piece);
        };
        // Rows that each job draws anew have other sizes in each: readers that take partitions one
        // by one, by several jobs, would find them divided differently.
        if !self.stages().is_repeatable(*stage) {
            return Ok(piece);
        }
        let mut sizes = self.run(*stage).await?.bytes;
        sizes.resize(piece.tasks.len(), 0);
        Ok(Piece { spread: Spread::Sized(sizes), ..piece })
    }

    /// Runs a map stage, unless that has been done; returns what it wrote.
    async fn run(&self, stage: usize) -> Result<ShuffleSizes, SparkError> {
        let lock = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(running.entry(stage).or_default())
        };
        let _running = lock.lock().await;
        if let Some(known) = self.sizes().get(&stage) {
            return Ok(known.clone());
        }
        let (job, shuffle) = {
            let stages = self.stages();
            (stages.job(stage), stages.shuffle(stage))
        };
        let maps = job.stages.last().map_or(0, StagePlan::partitions);
        for _ in 0..MEASUREMENTS {
            self.jobs.run(job.clone()).await?;
            let written = self.jobs.sizes(shuffle).await?;
            if written.maps == maps {
                return Ok(self.sizes().entry(stage).or_insert(written).clone());
            }
            // Some outputs were lost in between.
        }
        let message = "The outputs of a map stage are lost again and again";
        Err(SparkError::plain(Exception::Spark, message))
    }

    /// Groups of neighbouring partitions of these sizes, one per task.
    pub(super) fn groups(&self, sizes: &[u64]) -> Vec<Range<usize>> {
        match self.adaptive.as_ref().and_then(|adaptive| adaptive.coalescing) {
            Some(coalescing) => coalescing.groups(sizes),
            None => even_groups(sizes.len(), sizes.len()).collect(),
        }
    }

    /// The piece with the tasks that it is to have: small neighbours are put together.
    pub(super) fn settled(&self, piece: Piece) -> Piece {
        let Spread::Sized(sizes) = &piece.spread else {
            return Piece { spread: Spread::Fixed, ..piece };
        };
        let groups = self.groups(sizes).into_iter();
        let groups = groups.filter_map(|group| piece.tasks[group].split_first());
        let tasks = (0..)
            .zip(groups)
            .map(|(number, (first, rest))| together(number, first, rest.last().unwrap_or(first)));
        Piece { tasks: tasks.collect(), spread: Spread::Fixed, ..piece }
    }
}
