//! What the core promises, checked at every effect: to whom what is told, and in which order.
//!
//! The mirror is kept from the outside: of what the core was told (`hear`), and of what it says
//! (`check`). It knows nothing of the state inside.

use super::allocation::Allocation;
use super::caches::Caches;
use super::reruns::{AHEAD, Reruns};
use super::retention::Retained;
use driver::core::Effect;
use driver::message::{Connection, Fact, FromManager, Message};
use model::executor::{Outcome, Places, Registration, Report, Template, ToExecutor, Work};
use model::{
    Attempt, Epoch, ExecutorId, MapOutput, MapOutputId, Properties, ShuffleId, StageId, VolumeId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// One stream of one executor that the core has accepted and not closed.
#[derive(Debug, Default)]
pub(crate) struct Link {
    slots: usize,
    pub(crate) volumes: BTreeSet<VolumeId>,
    templates: BTreeMap<StageId, Arc<Template>>,
    places: BTreeMap<ShuffleId, Arc<Places>>,
    /// Attempts that were told and whose end was not heard.
    pub(crate) in_flight: BTreeSet<Attempt>,
    /// Attempts whose end was heard in this turn.
    just_ended: BTreeSet<Attempt>,
    /// Attempts that have come to sending their rows: they take no slot any more.
    computed: BTreeSet<Attempt>,
    /// Whether its loss is explained by something that the core was told.
    is_going: bool,
    is_stuck: bool,
    pub(crate) has_left: bool,
}

/// What is known of the past, as far as it binds the future.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    /// Partitions of each shuffle's stage.
    pub(crate) partitions: BTreeMap<ShuffleId, usize>,
    turn: u64,
    pub(crate) now: Duration,
    /// Whether executors are excluded on which tasks fail, and how many were replaced for that.
    pub(crate) excludes: bool,
    pub(crate) replaced: u64,
    pub(crate) registrations: BTreeMap<Connection, Registration>,
    pub(crate) links: BTreeMap<Connection, Link>,
    /// Executors that have registered under an id that was not used up.
    arrived: BTreeSet<ExecutorId>,
    accepted: BTreeSet<ExecutorId>,
    /// Those that have ended, as the manager says.
    ended: BTreeSet<ExecutorId>,
    /// The turn in which the core was told that an executor will end.
    pub(crate) retired: BTreeMap<ExecutorId, u64>,
    /// Each with the properties of the job for which it was told last.
    told_templates: BTreeMap<(Connection, StageId), Properties>,
    /// Tickets of jobs that have ended, and when.
    over: BTreeMap<String, u64>,
    launched: BTreeSet<Attempt>,
    discarded: BTreeSet<Stored>,
    /// Those of this turn.
    pub(crate) discarding: BTreeSet<Stored>,
    pub(crate) manager: Option<u64>,
    has_ended: bool,
    /// Executors that were given up because nothing was heard of them.
    pub(crate) silent: u64,
    pub(crate) reruns: Reruns,
    pub(crate) caches: Caches,
    pub(crate) retained: Retained,
    pub(crate) allocation: Allocation,
}

impl Promises {
    pub(crate) fn begin_turn(&mut self, now: Duration) {
        self.turn += 1;
        self.allocation.now = now;
        self.now = now;
        self.links.values_mut().for_each(|link| link.just_ended.clear());
    }

    /// Takes note of what the core is about to be told.
    pub(crate) fn hear(&mut self, message: &Message) {
        match message {
            Message::ExecutorAttached { serial, registration } => {
                let connection = Connection { executor: registration.executor, serial: *serial };
                self.registrations.insert(connection, registration.clone());
                // What it brings counts from here on: before what others say later in this turn.
                let is_new = !self.ended.contains(&registration.executor);
                if is_new && self.arrived.insert(registration.executor) {
                    self.reruns.note_found(registration);
                }
            }
            Message::ExecutorSaid { connection, report } => self.hear_report(*connection, report),
            Message::ExecutorClosed { connection, .. } => {
                if let Some(link) = self.links.get_mut(connection) {
                    link.is_going = true;
                }
            }
            Message::ExecutorStuck { connection } => {
                if let Some(link) = self.links.get_mut(connection) {
                    (link.is_going, link.is_stuck) = (true, true);
                }
            }
            Message::ManagerAttached { serial } => self.manager = self.manager.max(Some(*serial)),
            Message::ManagerClosed { serial } => {
                self.manager.take_if(|present| present == serial);
            }
            Message::ManagerSaid { serial, fact: FromManager::Executors(facts) } => {
                if self.manager == Some(*serial) {
                    for (executor, fact) in facts {
                        self.hear_fact(*executor, fact);
                    }
                }
            }
            Message::Submit(submission) => {
                self.allocation.submitted(submission);
                self.note_removed_unseen(submission);
                let wanted_again = self.caches.submitted(submission);
                self.reruns.note_given_up(&wanted_again);
            }
            Message::Uncache { cache } => self.caches.uncached(*cache),
            Message::SessionClosed { .. } => self.caches.session_closed(),
            Message::ManagerSaid { .. }
            | Message::ExecutorYields { .. }
            | Message::Abandon { .. }
            | Message::Unwatch { .. }
            | Message::Asked { .. }
            | Message::End { .. } => {}
        }
    }

    fn hear_report(&mut self, connection: Connection, report: &Report) {
        match report {
            Report::Decommission { .. } if self.links.contains_key(&connection) => {
                self.retired.entry(connection.executor).or_insert(self.turn);
            }
            Report::Ends(ends) => {
                for end in ends {
                    let Some(link) = self.links.get_mut(&connection) else { continue };
                    if link.in_flight.remove(&end.attempt) {
                        self.allocation.note_active(connection);
                        link.just_ended.insert(end.attempt);
                        if let Outcome::Wrote(output) = &end.outcome {
                            self.allocation.note_output(output);
                            self.caches.heard(output, |it| is_in(it, &self.discarded));
                        }
                        self.reruns.note_end(end, &self.links);
                    }
                }
            }
            Report::Part { attempt, .. } => {
                if let Some(link) = self.links.get_mut(&connection) {
                    link.computed.insert(*attempt);
                }
            }
            Report::Moved { output, copy } => {
                self.hear_moved(connection, (output, copy.as_ref().ok()));
            }
            Report::Decommission { .. } | Report::Barrier { .. } | Report::Heartbeat { .. } => {}
        }
    }

    fn hear_fact(&mut self, executor: ExecutorId, fact: &Fact) {
        match fact {
            Fact::Starting | Fact::Running => {}
            Fact::Leaving { .. } => {
                self.retired.entry(executor).or_insert(self.turn);
            }
            Fact::Ended { lost_volumes, .. } => {
                self.ended.insert(executor);
                self.reruns.note_lost_volumes(lost_volumes);
                for (connection, link) in &mut self.links {
                    link.volumes.retain(|volume| !lost_volumes.contains(volume));
                    link.is_going |= connection.executor == executor;
                }
            }
        }
    }

    /// Checks what the core wants at the end of a turn. `is_silent` says whether an executor was
    /// quiet so long that it may be given up.
    pub(crate) fn check(
        &mut self,
        effects: &[Effect],
        is_silent: impl Fn(Connection) -> bool,
    ) -> Result<(), String> {
        self.note_ends(effects);
        self.discarding = effects.iter().flat_map(discards).collect();
        self.note_removed();
        let mut worked = BTreeSet::new();
        let mut launches = Vec::new();
        let closed: BTreeSet<Connection> = effects.iter().filter_map(closed).collect();
        let ends = effects.contains(&Effect::Ended);
        for effect in effects {
            let checked = match effect {
                Effect::Accept { connection } => self.accept(*connection),
                Effect::Refuse { connection, .. } => self.refuse(*connection),
                Effect::TellExecutor { connection, message: ToExecutor::Work(work) } => {
                    if !worked.insert(*connection) {
                        return Err(format!("work twice in one turn: {effect:?}"));
                    }
                    self.check_work(*connection, work, &mut launches)
                }
                Effect::TellExecutor { connection, message: ToExecutor::Leave { .. } } => {
                    self.leave(*connection, ends || closed.contains(connection))
                }
                Effect::TellExecutor { connection, message: ToExecutor::Welcome { .. } } => {
                    self.link(*connection).map(drop)
                }
                Effect::CloseExecutor { connection } => self.close(*connection, &is_silent),
                Effect::EndJob { ticket, .. } => {
                    self.over.insert(ticket.to_string(), self.turn);
                    Ok(())
                }
                Effect::Ended => {
                    let again = std::mem::replace(&mut self.has_ended, true);
                    if again { Err("it ends twice".to_owned()) } else { Ok(()) }
                }
                Effect::TellManager { serial, .. } if self.manager != Some(*serial) => {
                    Err("an older stream of the manager is used".to_owned())
                }
                Effect::TellManager { .. }
                | Effect::CloseManager { .. }
                | Effect::ShowProgress { .. }
                | Effect::Answer { .. }
                | Effect::WantEnd { .. } => Ok(()),
            };
            checked.map_err(|error| format!("{error}\nat {effect:?}"))?;
        }
        if self.links.values().any(|link| link.is_stuck) {
            return Err("an executor is kept that missed what it was told".to_owned());
        }
        self.check_number(effects)?;
        self.discarded.append(&mut self.discarding);
        if self.excludes {
            self.reruns.check_exclusion(&launches)?;
        }
        self.reruns.check(self.now, &launches)
    }

    fn link(&mut self, connection: Connection) -> Result<&mut Link, String> {
        self.links.get_mut(&connection).ok_or("a stream that is not open is used".to_owned())
    }

    fn accept(&mut self, connection: Connection) -> Result<(), String> {
        let registration = self.registrations.get(&connection).ok_or("nobody registered")?;
        if !self.accepted.insert(connection.executor) {
            return Err("an id is accepted twice".to_owned());
        }
        let lost = |volume: &&VolumeId| !self.reruns.is_lost(volume);
        let volumes = registration.volumes.iter().map(|(volume, _)| volume);
        let slots = registration.slots as usize;
        let link =
            Link { slots, volumes: volumes.filter(lost).cloned().collect(), ..Link::default() };
        for output in registration.volumes.iter().flat_map(|(_, outputs)| outputs) {
            self.allocation.note_output(output);
            self.caches.heard(output, |it| is_in(it, &self.discarded));
        }
        self.links.insert(connection, link);
        self.allocation.note_active(connection);
        Ok(())
    }

    fn refuse(&self, connection: Connection) -> Result<(), String> {
        let id = &connection.executor;
        let used_up = self.accepted.contains(id) || self.ended.contains(id);
        if used_up { Ok(()) } else { Err("an executor is refused that is new".to_owned()) }
    }

    fn leave(&mut self, connection: Connection, is_over: bool) -> Result<(), String> {
        let retired = self.retired.contains_key(&connection.executor) || self.excludes;
        let link = self.link(connection)?;
        let is_idle = link.in_flight.is_empty();
        if !is_over && !retired {
            self.check_release(connection)?;
        } else if !is_over && !is_idle {
            return Err("an executor that is needed is sent away".to_owned());
        }
        if !is_over {
            self.check_moved(connection)?;
        }
        self.link(connection)?.has_left = true;
        Ok(())
    }

    fn close(
        &mut self,
        connection: Connection,
        is_silent: impl Fn(Connection) -> bool,
    ) -> Result<(), String> {
        let link = self.links.remove(&connection).ok_or("a stream is closed twice")?;
        self.reruns.drop_attempts(link.in_flight.iter().chain(&link.just_ended));
        let replaced = self.excludes && link.has_left && link.in_flight.is_empty();
        if replaced && !link.is_going {
            self.replaced += 1;
            return Ok(());
        }
        self.silent += u64::from(!link.is_going);
        if link.is_going || is_silent(connection) {
            Ok(())
        } else {
            Err("an executor is given up that is there".to_owned())
        }
    }

    fn check_work(
        &mut self,
        connection: Connection,
        work: &Work,
        launches: &mut Vec<Launched>,
    ) -> Result<(), String> {
        if work.is_empty() {
            return Err("work without anything to do".to_owned());
        }
        let retired = self.retired.get(&connection.executor).is_some_and(|turn| *turn < self.turn);
        let discarded = &self.discarded;
        let Some(link) = self.links.get_mut(&connection) else {
            return Err("a stream that is not open is used".to_owned());
        };
        for template in &work.templates {
            let properties = template.properties.clone();
            let before = self.told_templates.insert((connection, template.stage), properties);
            if before.is_some_and(|before| before == template.properties) {
                return Err("a template is told twice".to_owned());
            }
            link.templates.insert(template.stage, Arc::clone(template));
        }
        for places in &work.places {
            link.places.insert(places.shuffle, Arc::clone(places));
        }
        self.allocation.note_moves(&work.moves);
        for launch in &work.launches {
            let attempt = launch.attempt;
            if retired || link.has_left {
                return Err("an executor that will leave gets a task".to_owned());
            }
            let template =
                link.templates.get(&attempt.task.stage).ok_or("a launch before its template")?;
            let mut tickets = template.properties.iter().map(|(_, ticket)| ticket);
            let is_over = |ticket| self.over.get(ticket).is_some_and(|turn| *turn < self.turn);
            if tickets.any(is_over) {
                return Err(format!("{attempt} has the properties of a job that is over"));
            }
            for input in &template.inputs {
                let places = link.places.get(input).ok_or("a launch before its places")?;
                check_places(places, self.partitions[input], discarded)?;
            }
            if !self.launched.insert(attempt) {
                return Err("an attempt is launched twice".to_owned());
            }
            link.in_flight.insert(attempt);
            self.allocation.note_launch(connection);
            let cancelled = work.cancels.iter().any(|(cancelled, _)| *cancelled == attempt);
            let writes = template.writes.map(|(shuffle, _)| shuffle);
            let executor = connection.executor;
            let is_final = writes.is_none() && template.inputs.is_empty();
            launches.push(Launched { attempt, executor, writes, cancelled, is_final });
        }
        let is_out = |attempt: &&Attempt| {
            !link.computed.contains(attempt) && !self.reruns.cancelled.contains(attempt)
        };
        if link.in_flight.iter().filter(is_out).count() > link.slots * (1 + AHEAD.depth as usize) {
            return Err("more tasks than slots, and may wait".to_owned());
        }
        let cancelled = work.cancels.iter().map(|(attempt, _)| attempt);
        self.reruns.cancelled.extend(cancelled.clone().copied());
        self.reruns.drop_attempts(cancelled);
        for stage in &work.forget {
            link.templates.remove(stage).ok_or("a stage is forgotten that was not told")?;
        }
        let Link { templates, places, .. } = link;
        let read = |shuffle: &ShuffleId| templates.values().any(|t| t.inputs.contains(shuffle));
        places.retain(|shuffle, _| read(shuffle));
        Ok(())
    }

    pub(crate) fn is_discarded(&self, output: &MapOutput) -> bool {
        is_in(output, &self.discarded) || is_in(output, &self.discarding)
    }

    /// At the end everybody was sent away.
    pub(crate) fn check_all_left(&self) -> Result<(), String> {
        match self.links.iter().find(|(_, link)| !link.has_left) {
            Some((connection, _)) => Err(format!("{connection:?} was not sent away")),
            None => Ok(()),
        }
    }

    /// At rest nothing runs, and nobody keeps a template for jobs that are over.
    pub(crate) fn check_rest(&self) -> Result<(), String> {
        for (connection, link) in &self.links {
            if !link.in_flight.is_empty() {
                return Err(format!("{connection:?} still runs {:?}", link.in_flight));
            }
            if !link.templates.is_empty() {
                return Err(format!("{connection:?} keeps templates that nobody needs"));
            }
        }
        Ok(())
    }
}

/// A launch that was told in this turn.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) attempt: Attempt,
    pub(crate) executor: ExecutorId,
    /// The shuffle that it writes.
    pub(crate) writes: Option<ShuffleId>,
    /// Whether it was cancelled in the same breath.
    pub(crate) cancelled: bool,
    /// Whether its stage yields results and reads nothing, so that it runs once.
    pub(crate) is_final: bool,
}

/// An output where it is: of one that was moved, the file that stays behind is discarded alone.
type Stored = (MapOutputId, Epoch, Attempt, VolumeId);

fn stored(output: &MapOutput) -> Stored {
    (output.id, output.epoch, output.attempt, output.volume.clone())
}

/// The places of a shuffle name each of its outputs once, in order, and none that was discarded in
/// an earlier turn.
fn check_places(
    places: &Places,
    partitions: usize,
    discarded: &BTreeSet<Stored>,
) -> Result<(), String> {
    let maps = places.outputs.iter().map(|(output, _)| output.id.map as usize);
    if !maps.eq(0..partitions) {
        return Err("places that are not whole".to_owned());
    }
    if places.outputs.iter().any(|(output, _)| is_in(output, discarded)) {
        return Err("a launch reads a map output that was discarded".to_owned());
    }
    Ok(())
}

fn is_in(output: &MapOutput, discarded: &BTreeSet<Stored>) -> bool {
    discarded.contains(&stored(output))
}

fn closed(effect: &Effect) -> Option<Connection> {
    match effect {
        Effect::CloseExecutor { connection } => Some(*connection),
        _ => None,
    }
}

fn discards(effect: &Effect) -> Vec<Stored> {
    match effect {
        Effect::TellExecutor { message: ToExecutor::Work(work), .. } => {
            work.discards.iter().map(stored).collect()
        }
        _ => Vec::new(),
    }
}
