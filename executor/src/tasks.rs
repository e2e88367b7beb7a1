//! The stages that this executor was told of, and the attempts that it runs. A pure state machine:
//! messages in, effects out. `slots` carries the effects out on threads and says when an attempt
//! ends.
//!
//! Promises: an attempt that arrives twice is started once; of each attempt one end is reported,
//! the first; those that run never take more slots than there are, and the others start in the
//! order in which they came.

use bytes::Bytes;
use model::executor::{
    BarrierAnswer, Hosts, Launch, Outcome, Places, Report, TaskEnd, Template, Work,
};
use model::{Attempt, MapOutput, ShuffleId, StageId, TaskFailure, TaskMetrics};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// The map outputs of a shuffle, complete and in order of the map index.
pub type Outputs = Arc<[Arc<MapOutput>]>;

/// Something that the executor is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Remember where the map outputs of a shuffle are fetched.
    Locate(Arc<Places>),
    /// Remove a map output, if it is still that of this attempt, so that another can commit in its
    /// place.
    Discard(MapOutput),
    /// Run an attempt. Its end is told to [`Tasks::ended`].
    Start(Start),
    /// Stop an attempt, which is an end like any other.
    Stop {
        /// The attempt.
        attempt: Attempt,
        /// Why, for people.
        reason: String,
    },
    /// Tell the driver that an attempt ended.
    Report(TaskEnd),
    /// Drop what was made of a stage's template.
    Forget(StageId),
    /// Tell an attempt that waits for the others of its barrier stage.
    Answer(BarrierAnswer),
    /// Copy a map output to the own volume, from these addresses. Its end is told to the driver.
    Move(Arc<MapOutput>, Vec<String>),
}

/// An attempt to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The attempt.
    pub attempt: Attempt,
    /// What it has in common with the other tasks of its stage.
    pub template: Arc<Template>,
    /// What its leaves read.
    pub binding: Bytes,
    /// The map outputs of each of the template's inputs.
    pub inputs: HashMap<ShuffleId, Outputs>,
    /// In a barrier stage: the hosts of all its tasks.
    pub hosts: Hosts,
}

/// What this executor has been told, and what it runs.
#[derive(Debug)]
pub struct Tasks {
    slots: u32,
    stages: BTreeMap<StageId, Stage>,
    outputs: BTreeMap<ShuffleId, Outputs>,
    /// Each with the slots that it takes.
    running: BTreeMap<Attempt, u32>,
    /// Attempts that wait for slots.
    waiting: VecDeque<Start>,
}

#[derive(Debug)]
struct Stage {
    template: Arc<Template>,
    /// Attempts that were launched.
    launched: BTreeSet<Attempt>,
}

impl Tasks {
    /// Nothing yet, on so many slots.
    pub fn new(slots: u32) -> Self {
        let (stages, outputs) = (BTreeMap::new(), BTreeMap::new());
        Self { slots, stages, outputs, running: BTreeMap::new(), waiting: VecDeque::new() }
    }

    /// Number of attempts that run now.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Takes a batch, in the order of its fields.
    pub fn take(&mut self, work: Work) -> Vec<Effect> {
        let Work { templates, places, discards, launches, cancels, forget, barriers, moves } = work;
        let mut effects = Vec::with_capacity(places.len() + discards.len() + launches.len());
        for template in templates {
            // One that is known may come again, with the properties of another job.
            let known = self.stages.remove(&template.stage);
            let launched = known.map(|stage| stage.launched).unwrap_or_default();
            self.stages.insert(template.stage, Stage { template, launched });
        }
        for places in places {
            let outputs = places.outputs.iter().map(|(output, _)| Arc::clone(output)).collect();
            self.outputs.insert(places.shuffle, outputs);
            effects.push(Effect::Locate(places));
        }
        effects.extend(discards.into_iter().map(Effect::Discard));
        effects.extend(launches.into_iter().filter_map(|launch| self.launch(launch)));
        effects.extend(self.ready().into_iter().map(Effect::Start));
        effects.extend(cancels.into_iter().filter_map(|cancel| self.cancel(cancel)));
        let waits = |answer: &BarrierAnswer| self.running.contains_key(&answer.attempt);
        effects.extend(barriers.into_iter().filter(waits).map(Effect::Answer));
        effects.extend(moves.into_iter().map(|(output, from)| Effect::Move(output, from)));
        self.forget(&forget);
        effects.extend(forget.into_iter().map(Effect::Forget));
        effects
    }

    fn launch(&mut self, Launch { attempt, binding, hosts }: Launch) -> Option<Effect> {
        let id = attempt.task.stage;
        let Some(stage) = self.stages.get_mut(&id) else {
            return Some(failed(attempt, hopeless(format!("{id} is not known here"))));
        };
        if !stage.launched.insert(attempt) {
            return None;
        }
        let known = |shuffle: &ShuffleId| Some((*shuffle, Arc::clone(self.outputs.get(shuffle)?)));
        let Some(inputs) = stage.template.inputs.iter().map(known).collect() else {
            let message = format!("the map outputs that {id} reads are not known here");
            return Some(failed(attempt, hopeless(message)));
        };
        let template = Arc::clone(&stage.template);
        self.waiting.push_back(Start { attempt, template, binding, inputs, hosts });
        None
    }

    /// The attempts to start now: those that have come first, as far as there are slots. One that
    /// takes more than there are runs alone.
    pub fn ready(&mut self) -> Vec<Start> {
        let mut ready = Vec::new();
        let mut taken: u32 = self.running.values().sum();
        while let Some(start) = self.waiting.front() {
            let slots = start.template.slots;
            if taken > 0 && taken + slots > self.slots {
                break;
            }
            taken += slots;
            self.running.insert(start.attempt, slots);
            ready.extend(self.waiting.pop_front());
        }
        ready
    }

    /// Stops an attempt that runs, or ends one that waits.
    fn cancel(&mut self, (attempt, reason): (Attempt, String)) -> Option<Effect> {
        if self.running.contains_key(&attempt) {
            return Some(Effect::Stop { attempt, reason });
        }
        let at = self.waiting.iter().position(|start| start.attempt == attempt)?;
        self.waiting.remove(at)?;
        Some(failed(attempt, TaskFailure::Killed { reason }))
    }

    /// Forgets stages, and the map outputs that only they read.
    fn forget(&mut self, stages: &[StageId]) {
        if stages.is_empty() {
            return;
        }
        for stage in stages {
            self.stages.remove(stage);
        }
        let read: BTreeSet<ShuffleId> =
            self.stages.values().flat_map(|stage| &stage.template.inputs).copied().collect();
        self.outputs.retain(|shuffle, _| read.contains(shuffle));
    }

    /// Takes note of the end of an attempt that was started. Returns it if it is the first of that
    /// attempt: the one to report. [`Tasks::ready`] starts what waited for its slots.
    pub fn ended(&mut self, end: TaskEnd) -> Option<TaskEnd> {
        self.running.remove(&end.attempt).map(|_| end)
    }
}

fn hopeless(message: String) -> TaskFailure {
    TaskFailure::Hopeless { message }
}

/// Reports an attempt that was not started.
fn failed(attempt: Attempt, failure: TaskFailure) -> Effect {
    let outcome = Outcome::Failed(failure);
    let (metrics, accumulators) = (TaskMetrics::default(), Vec::new());
    Effect::Report(TaskEnd { attempt, outcome, metrics, accumulators })
}

/// Takes from an end the rows that travel before it, in parts of at most `limit` bytes each.
pub fn split(end: &mut TaskEnd, limit: usize) -> Vec<Report> {
    let mut parts = Vec::new();
    if let Outcome::Yielded(rows) = &mut end.outcome {
        while rows.len() > limit {
            parts.push(Report::Part { attempt: end.attempt, bytes: rows.split_to(limit) });
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Epoch, Fingerprint, MapOutputId, Properties, TaskId, VolumeId};

    const INPUT: ShuffleId = ShuffleId(Fingerprint([1; 32]));
    const STAGE: StageId = StageId(4);

    fn attempt(partition: u32) -> Attempt {
        Attempt { task: TaskId { stage: STAGE, partition }, number: 0 }
    }

    fn output(map: u32) -> MapOutput {
        MapOutput {
            id: MapOutputId { shuffle: INPUT, map },
            attempt: Attempt { task: TaskId { stage: StageId(3), partition: map }, number: 0 },
            epoch: Epoch(1),
            volume: VolumeId("v".into()),
            block_bytes: vec![1],
            rows: 1,
            row_checksum: 1,
        }
    }

    fn template() -> Arc<Template> {
        Arc::new(Template {
            stage: STAGE,
            plan: "plan".into(),
            slots: 1,
            writes: None,
            inputs: vec![INPUT],
            properties: Properties::default(),
        })
    }

    fn places(maps: u32) -> Arc<Places> {
        let outputs = (0..maps).map(|map| (Arc::new(output(map)), Vec::new())).collect();
        Arc::new(Places { shuffle: INPUT, generation: maps.into(), outputs })
    }

    fn launches(partitions: &[u32]) -> Vec<Launch> {
        let launch = |partition: &u32| {
            let attempt = attempt(*partition);
            Launch { attempt, binding: "b".into(), hosts: None }
        };
        partitions.iter().map(launch).collect()
    }

    fn start(partition: u32, maps: u32) -> Effect {
        let outputs = (0..maps).map(output).map(Arc::new).collect();
        let inputs = HashMap::from([(INPUT, outputs)]);
        let (attempt, template) = (attempt(partition), template());
        Effect::Start(Start { attempt, template, binding: "b".into(), inputs, hosts: None })
    }

    fn end(partition: u32, outcome: Outcome) -> TaskEnd {
        let (metrics, accumulators) = (TaskMetrics::default(), Vec::new());
        TaskEnd { attempt: attempt(partition), outcome, metrics, accumulators }
    }

    /// An executor that knows the stage and runs its task 0.
    fn running() -> Tasks {
        let mut tasks = Tasks::new(4);
        let work = Work {
            templates: vec![template()],
            places: vec![places(1)],
            launches: launches(&[0]),
            ..Work::default()
        };
        assert_eq!(tasks.take(work), [Effect::Locate(places(1)), start(0, 1)]);
        tasks
    }

    #[test]
    fn an_attempt_that_arrives_twice_is_started_once() {
        let mut tasks = running();
        let again = || Work { launches: launches(&[0, 1]), ..Work::default() };
        assert_eq!(tasks.take(again()), [start(1, 1)]);
        tasks.ended(end(0, Outcome::Yielded("x".into()))).unwrap();
        assert_eq!(tasks.take(again()), []);
        assert_eq!(tasks.running(), 1);
    }

    #[test]
    fn a_template_that_comes_again_is_that_of_the_next_attempts() {
        let mut tasks = running();
        let mut other = Template::clone(&template());
        other.properties = [("k".to_owned(), "v".to_owned())].into_iter().collect();
        let other = Arc::new(other);
        let templates = vec![Arc::clone(&other)];
        let work = Work { templates, launches: launches(&[0, 1]), ..Work::default() };
        let Effect::Start(expected) = start(1, 1) else { unreachable!() };
        assert_eq!(tasks.take(work), [Effect::Start(Start { template: other, ..expected })]);
    }

    #[test]
    fn the_first_end_of_an_attempt_is_reported_and_no_other() {
        let mut tasks = running();
        let cancels = vec![(attempt(0), "why".to_owned()), (attempt(7), "why".to_owned())];
        let stop = Effect::Stop { attempt: attempt(0), reason: "why".into() };
        assert_eq!(tasks.take(Work { cancels, ..Work::default() }), [stop]);
        let killed = end(0, Outcome::Failed(TaskFailure::Killed { reason: "why".into() }));
        assert_eq!(tasks.ended(killed.clone()), Some(killed));
        assert_eq!(tasks.ended(end(0, Outcome::Yielded("x".into()))), None);
        assert_eq!(tasks.ended(end(7, Outcome::Yielded("x".into()))), None, "it never ran here");
    }

    #[test]
    fn only_attempts_that_run_are_told_that_a_barrier_is_complete() {
        let mut tasks = running();
        let messages = Ok(vec!["m".to_owned()]);
        let answer = |n| BarrierAnswer { attempt: attempt(n), messages: messages.clone() };
        let work = Work { barriers: vec![answer(0), answer(7)], ..Work::default() };
        assert_eq!(tasks.take(work), [Effect::Answer(answer(0))]);
    }

    #[test]
    fn an_attempt_cancelled_with_its_launch_is_stopped() {
        let mut tasks = running();
        let cancels = vec![(attempt(1), "why".to_owned())];
        let work =
            Work { launches: launches(&[1]), cancels, forget: vec![STAGE], ..Work::default() };
        let stop = Effect::Stop { attempt: attempt(1), reason: "why".into() };
        assert_eq!(tasks.take(work), [start(1, 1), stop, Effect::Forget(STAGE)]);
    }

    #[test]
    fn what_has_no_slot_yet_starts_in_its_turn() {
        let mut tasks = Tasks::new(2);
        let wide =
            Arc::new(Template { stage: StageId(5), slots: 2, ..Template::clone(&template()) });
        let of_wide = Attempt { task: TaskId { stage: StageId(5), partition: 0 }, number: 0 };
        let mut launched = launches(&[0, 1]);
        launched.push(Launch { attempt: of_wide, binding: "b".into(), hosts: None });
        launched.extend(launches(&[2, 3]));
        let work = Work {
            templates: vec![template(), wide],
            places: vec![places(1)],
            launches: launched,
            ..Work::default()
        };
        assert_eq!(tasks.take(work)[1..], [start(0, 1), start(1, 1)]);
        let ready = |tasks: &mut Tasks| -> Vec<Attempt> {
            tasks.ready().into_iter().map(|start| start.attempt).collect()
        };
        let mut ends = |partition| {
            tasks.ended(end(partition, Outcome::Yielded("x".into()))).unwrap();
            ready(&mut tasks)
        };
        // None passes the one that needs both.
        assert_eq!(ends(0), []);
        assert_eq!(ends(1), [of_wide]);
        let cancels = vec![(attempt(2), "why".to_owned())];
        let killed = failed(attempt(2), TaskFailure::Killed { reason: "why".into() });
        assert_eq!(tasks.take(Work { cancels, ..Work::default() }), [killed]);
        let last = TaskEnd { attempt: of_wide, ..end(0, Outcome::Yielded("x".into())) };
        tasks.ended(last).unwrap();
        assert_eq!(ready(&mut tasks), [attempt(3)]);
        assert_eq!(tasks.running(), 1);
    }

    #[test]
    fn what_is_to_be_copied_is_copied() {
        let moves = vec![(Arc::new(output(0)), vec!["h:1".to_owned()])];
        let copy = Effect::Move(Arc::new(output(0)), vec!["h:1".into()]);
        assert_eq!(Tasks::new(1).take(Work { moves, ..Work::default() }), [copy]);
    }

    #[test]
    fn newer_places_replace_the_older_and_discards_come_before_launches() {
        let mut tasks = running();
        let work = Work {
            places: vec![places(2)],
            discards: vec![output(0)],
            launches: launches(&[1]),
            ..Work::default()
        };
        let expected = [Effect::Locate(places(2)), Effect::Discard(output(0)), start(1, 2)];
        assert_eq!(tasks.take(work), expected);
    }

    #[test]
    fn what_cannot_be_started_fails_for_good() {
        let check = |tasks: &mut Tasks, words: &str| {
            let effects = tasks.take(Work { launches: launches(&[5]), ..Work::default() });
            assert_eq!(effects, [failed(attempt(5), hopeless(words.to_owned()))]);
            assert_eq!(tasks.running(), 0);
        };
        check(&mut Tasks::new(1), "stage-4 is not known here");
        let mut tasks = Tasks::new(1);
        tasks.take(Work { templates: vec![template()], ..Work::default() });
        check(&mut tasks, "the map outputs that stage-4 reads are not known here");
    }

    #[test]
    fn places_go_with_the_last_stage_that_reads_them() {
        let mut tasks = running();
        let second = Arc::new(Template { stage: StageId(9), ..Template::clone(&template()) });
        let work = Work { templates: vec![second], forget: vec![STAGE], ..Work::default() };
        assert_eq!(tasks.take(work), [Effect::Forget(STAGE)]);
        assert_eq!(tasks.outputs.len(), 1);
        tasks.take(Work { forget: vec![StageId(9)], ..Work::default() });
        assert!(tasks.outputs.is_empty() && tasks.stages.is_empty());
    }

    #[test]
    fn many_rows_travel_in_parts_and_the_last_with_the_end() {
        let mut yielded = end(0, Outcome::Yielded("abcdefgh".into()));
        let part = |bytes: &'static str| Report::Part { attempt: attempt(0), bytes: bytes.into() };
        assert_eq!(split(&mut yielded, 3), [part("abc"), part("def")]);
        assert_eq!(yielded, end(0, Outcome::Yielded("gh".into())));
        assert_eq!(split(&mut yielded, 3), []);
    }
}
