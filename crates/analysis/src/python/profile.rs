//! Numbers of profiles. A program asks for a profile by the number of the call, so each call of a
//! function in a query has one. It is the same in all actions on a frame, whose profiles are added
//! up; calls in frames of their own have others, even if the frames are equal.

use crate::{Resolver, Result};
use model::conf::{DATA_SOURCE_PROFILER, UDF_PROFILER};
use std::collections::BTreeMap;

/// Calls of a frame whose numbers are not those of another one.
const PER_FRAME: u64 = 1_000;

/// The calls numbered so far.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    /// The frame that is being resolved, by the client's number; 0 outside of all frames.
    frame: u64,
    /// The number of calls in each frame.
    calls: BTreeMap<u64, u64>,
}

impl Profiles {
    /// Enters a frame, if there is one; returns the one around it.
    pub(crate) fn enter(&mut self, frame: Option<i64>) -> u64 {
        let frame = frame.map_or(self.frame, i64::cast_unsigned);
        std::mem::replace(&mut self.frame, frame)
    }

    /// Returns to the frame around.
    pub(crate) fn leave(&mut self, around: u64) {
        self.frame = around;
    }

    fn next(&mut self) -> u64 {
        let calls = self.calls.entry(self.frame).or_default();
        *calls += 1;
        self.frame.wrapping_mul(PER_FRAME).wrapping_add(*calls - 1)
    }
}

impl Resolver<'_> {
    /// The number for the profile of the next call, if the session has turned a profiler on.
    pub(super) fn profile(&mut self) -> Result<Option<u64>> {
        let of_functions = self.context.conf.find(&UDF_PROFILER)?;
        let of_sources = self.context.conf.find(&DATA_SOURCE_PROFILER)?;
        Ok(of_functions.or(of_sources).map(|_| self.profiles.next()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_a_frame_are_numbered_from_the_number_of_the_frame() {
        let mut profiles = Profiles::default();
        let top = profiles.enter(Some(7));
        let first = profiles.next();
        let around = profiles.enter(Some(3));
        let below = (profiles.next(), profiles.next());
        profiles.leave(around);
        // A relation without a number, such as SQL text, belongs to the frame around it.
        let around = profiles.enter(None);
        let inside = profiles.next();
        profiles.leave(around);
        profiles.leave(top);
        assert_eq!((first, below, inside, profiles.next()), (7_000, (3_000, 3_001), 7_001, 0));
    }
}
