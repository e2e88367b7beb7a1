//! Resource profiles: the messages to values, and the numbers by which plans name them.

use crate::backend::Session;
use crate::error::invalid;
use crate::pb;
use errors::Exception;
use model::{ByteSize, ExecutorRequest, ResourceProfile};
use plan::SparkError;
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

type Result<T> = std::result::Result<T, SparkError>;

/// The number of the profile that every application has: what its settings say.
const DEFAULT: i32 = 0;

/// Limit on the profiles of an application.
const MAX_PROFILES: usize = 1_000;

/// The profiles of an application, in the order of their numbers, which begin at 1.
#[derive(Debug, Default)]
pub(crate) struct Profiles(Mutex<Vec<ResourceProfile>>);

impl Profiles {
    /// The number of a profile; equal ones have the same.
    pub(crate) fn add(&self, profile: ResourceProfile) -> Result<i32> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match known.iter().position(|one| *one == profile) {
            Some(place) => place,
            None if known.len() >= MAX_PROFILES => {
                let words = format!("An application may have {MAX_PROFILES} resource profiles.");
                return Err(SparkError::plain(Exception::Spark, words));
            }
            None => {
                known.push(profile);
                known.len() - 1
            }
        };
        i32::try_from(place + 1).map_err(|_| invalid("Too many resource profiles."))
    }

    /// The profiles with these numbers.
    pub(crate) fn get(
        &self,
        ids: impl IntoIterator<Item = i32>,
    ) -> Result<BTreeSet<ResourceProfile>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |id: i32| {
            let place = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
            let found = place.and_then(|place| known.get(place)).copied();
            let words = || format!("ResourceProfileId {id} not found!");
            found.ok_or_else(|| SparkError::plain(Exception::Spark, words()))
        };
        ids.into_iter().filter(|id| *id != DEFAULT).map(one).collect()
    }
}

/// A profile that executors of the application can meet. What Spark refuses is refused in its
/// words.
pub(crate) fn profile(
    message: pb::ResourceProfile,
    session: &dyn Session,
) -> Result<ResourceProfile> {
    let refused = |words: &str| Err(SparkError::plain(Exception::Spark, words));
    let pb::ResourceProfile { executor_resources, task_resources } = message;
    let setting = |key: &str| session.setting(key).unwrap_or_default();
    let is_dynamic = setting("spark.dynamicAllocation.enabled").trim() == "true";
    let master = setting("spark.master");
    let is_local = master.starts_with("local") && !master.starts_with("local-cluster");
    if !executor_resources.is_empty() && (is_local || !is_dynamic) {
        return refused(
            "ResourceProfiles are only supported on YARN and Kubernetes and Standalone with \
             dynamic allocation enabled.",
        );
    }
    if is_local && !is_dynamic {
        return refused(
            "TaskResourceProfiles are only supported for Standalone, Yarn and Kubernetes cluster \
             for now when dynamic allocation is disabled.",
        );
    }
    let mut executor = ExecutorRequest::default();
    for (name, request) in executor_resources {
        let amount = u64::try_from(request.amount).ok().filter(|amount| *amount > 0);
        let Some(amount) = amount else {
            let words = format!(
                "The amount of the executor resource {name} must be positive: {}.",
                request.amount
            );
            return Err(SparkError::plain(Exception::IllegalArgument, words));
        };
        let memory = Some(ByteSize(amount.saturating_mul(ByteSize::mib(1).0)));
        match name.as_str() {
            "cores" => executor.cores = cores(&name, amount)?,
            "memory" => executor.memory = memory,
            "memoryOverhead" => executor.memory_overhead = memory,
            "pyspark.memory" => executor.python_memory = memory,
            "offHeap" => executor.off_heap = memory,
            _ => return Err(SparkError::unsupported(format_args!("The executor resource {name}"))),
        }
    }
    let mut task_cpus = None;
    let mut others = BTreeSet::new();
    for (name, request) in task_resources {
        if name != "cpus" {
            others.insert(name);
            continue;
        }
        let amount = request.amount;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        let whole = (amount.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&amount))
            .then_some(amount as u64);
        let Some(whole) = whole else {
            let words =
                format!("The number of cpus per task must be a positive whole number: {amount}.");
            return Err(SparkError::plain(Exception::IllegalArgument, words));
        };
        task_cpus = cores(&name, whole)?;
    }
    if !others.is_empty() {
        let others = Vec::from_iter(others).join(", ");
        return refused(&format!(
            "No executor resource configs were specified for the following task configs: {others}"
        ));
    }
    Ok(ResourceProfile { task_cpus, executor })
}

fn cores(name: &str, amount: u64) -> Result<Option<NonZeroU32>> {
    let number = u32::try_from(amount).ok().and_then(NonZeroU32::new);
    let words = || format!("The amount of the resource {name} is too large: {amount}.");
    number.map(Some).ok_or_else(|| SparkError::plain(Exception::IllegalArgument, words()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_profiles_have_the_same_number_and_unknown_numbers_are_refused() {
        let profiles = Profiles::default();
        let two = ResourceProfile { task_cpus: NonZeroU32::new(2), ..ResourceProfile::default() };
        let three = ResourceProfile { task_cpus: NonZeroU32::new(3), ..two };
        let added = [two, three, two].map(|profile| profiles.add(profile).unwrap());
        assert_eq!(added, [1, 2, 1]);
        assert_eq!(profiles.get([2, 1, 0]).unwrap(), BTreeSet::from([two, three]));
        for unknown in [3, -1] {
            let error = profiles.get([unknown]).unwrap_err().to_string();
            assert!(error.contains(&format!("ResourceProfileId {unknown} not found!")), "{error}");
        }
    }
}
