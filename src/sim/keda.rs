//! KEDA: triggers are asked, the operator decides about the first and the last replica.

use std::sync::Arc;

use crate::control::keda::triggers::{COMPOSITE, Read, Sight, served_milli};
use crate::control::keda::{Because, Keda, Poll};
use crate::model::id::{HpaId, WorkloadId};
use crate::model::observer::Observer;
use crate::model::record::{About, Record};
use crate::model::{Action, Event};
use crate::scenario::scaled_object::{ScaledObject, Trigger, TriggerSource};
use crate::sim::Run;
use crate::sim::custom_metrics::whole_milli;
use crate::units::SimTime;
use crate::units::convert::{count_i32, f64_from_i64};

/// The ScaledObject that stands behind an HPA.
#[derive(Debug)]
pub(super) struct Living {
    /// Its position among the scenario's.
    position: usize,
    state: Keda,
    /// When it is polled next: a beat of another time is not its own.
    due: SimTime,
}

impl<O: Observer> Run<'_, O> {
    /// Every ScaledObject that is there is polled at once (keda, pkg/scaling/scale_handler.go
    /// `startScaleLoop`).
    pub(super) fn start_keda(&mut self) {
        let objects = &self.scenario.scaled_objects;
        let first = objects.iter().enumerate().filter(|(_, object)| object.upgrade.is_none());
        let first: Vec<(HpaId, usize)> = first.map(|(at, object)| (object.hpa, at)).collect();
        for (hpa, position) in first {
            self.write_keda(hpa, Some(position));
        }
    }

    /// The ScaledObject of an HPA that the upgrade of an event writes: `None` is a plain HPA.
    pub(super) fn upgraded_keda(&self, event: usize, hpa: HpaId) -> Option<usize> {
        let mut objects = self.scenario.scaled_objects.iter();
        objects.position(|object| object.hpa == hpa && object.upgrade == Some(event))
    }

    /// The position of the ScaledObject behind an HPA.
    pub(super) fn keda_position(&self, hpa: HpaId) -> Option<usize> {
        self.keda[hpa.index()].as_ref().map(|living| living.position)
    }

    /// A ScaledObject is written, or taken from behind its HPA. A spec that changed begins a new loop,
    /// which polls at once; what its status holds stays.
    pub(super) fn write_keda(&mut self, hpa: HpaId, position: Option<usize>) {
        let Some(position) = position else {
            self.keda[hpa.index()] = None;
            return;
        };
        let object = &self.scenario.scaled_objects[position];
        let now = self.queue.now();
        let triggers = object.triggers.len();
        let before = self.keda[hpa.index()].take();
        let state = match before {
            Some(living) => {
                let old = &self.scenario.scaled_objects[living.position];
                if old.is_same(object) {
                    self.keda[hpa.index()] = Some(Living { position, ..living });
                    return;
                }
                let metric = |of: &ScaledObject, at: usize| Arc::clone(&of.triggers[at].metric);
                living.state.carried(triggers, |at| {
                    let name = metric(object, at);
                    old.triggers.iter().position(|trigger| trigger.metric == name)
                })
            }
            None => Keda::new(now, triggers),
        };
        self.keda[hpa.index()] = Some(Living { position, state, due: now });
        self.queue.schedule(now, Event::Keda(hpa).rank(), Event::Keda(hpa));
    }

    /// One poll of the ScaledObject of an HPA.
    pub(super) fn poll_keda(&mut self, now: SimTime, id: HpaId) {
        let scenario = self.scenario;
        let target = scenario.hpas[id.index()].target;
        let Some(living) = self.keda[id.index()].as_ref().filter(|living| living.due == now) else {
            // The object was deleted, or written anew with another beat.
            return;
        };
        let object = &scenario.scaled_objects[living.position];
        if self.cluster.workload(target).exists {
            self.decide_keda(now, id, object, target);
        }
        let next = now + object.spec.polling_interval;
        if let Some(living) = &mut self.keda[id.index()] {
            living.due = next;
        }
        self.schedule(object.spec.polling_interval, Event::Keda(id));
    }

    fn decide_keda(&mut self, now: SimTime, id: HpaId, object: &ScaledObject, target: WorkloadId) {
        let (reads, sight) = (self.reads(now, object), self.sight(target));
        let Some(living) = &mut self.keda[id.index()] else { return };
        let look = living.state.look(&object.spec, sight, &reads);
        let replicas = sight.replicas;
        let poll = Poll { now, replicas, active: look.active, failed: look.failed };
        let decision = living.state.poll(&object.spec, poll);
        if let Some(replicas) = decision.replicas() {
            self.apply(now, &Action::ScaleWorkload { workload: target, replicas });
        }
        let mut metrics: Vec<Arc<str>> =
            look.by.iter().map(|at| Arc::clone(&object.triggers[*at].metric)).collect();
        if object.spec.modifiers.is_some() {
            metrics = vec![Arc::from(COMPOSITE)];
        }
        let by = if object.spec.annotations.force_activation {
            Because::Forced
        } else {
            Because::Triggers(&metrics)
        };
        if let Some((event, message)) = decision.event(replicas, &object.target, by) {
            let about = About::ScaledObject(Arc::clone(&object.name));
            self.records.push(Record::Announced { about, event, message: message.into() });
        }
    }

    /// What KEDA answered the HPA of this sync about one of its metrics, in thousandths; `None` when it
    /// is not KEDA's.
    pub(super) fn keda_answer(&self, metric: &str) -> Option<Option<i64>> {
        let found = self.keda_answers.iter().find(|(name, _)| **name == *metric);
        found.map(|(_, answer)| *answer)
    }

    /// An HPA asks KEDA for every metric that is KEDA's: failures count as those of polls.
    pub(super) fn hpa_asks_keda(&mut self, now: SimTime, id: HpaId, target: WorkloadId) {
        self.keda_answers.clear();
        let workload = self.cluster.workload(target);
        let Some(position) = self.keda_position(id) else { return };
        // At none the HPA is switched off and asks nothing.
        if !workload.exists || workload.replicas == 0 {
            return;
        }
        let object = &self.scenario.scaled_objects[position];
        let (reads, sight) = (self.reads(now, object), self.sight(target));
        let Some(Living { state, .. }) = &mut self.keda[id.index()] else { return };
        if object.spec.modifiers.is_some() {
            let answer = state.answer_composite(&object.spec, sight, &reads);
            self.keda_answers.push((Arc::from(COMPOSITE), answer));
            return;
        }
        for (at, read) in reads.iter().enumerate() {
            let answer = state.answer(&object.spec, sight, at, *read);
            self.keda_answers.push((Arc::clone(&object.triggers[at].metric), answer));
        }
    }

    fn sight(&self, target: WorkloadId) -> Sight {
        let pods = self.cluster.pods_of(target);
        let ready = pods.filter(|pod| pod.is_active() && pod.is_ready()).count();
        Sight { replicas: self.cluster.workload(target).replicas, ready: count_i32(ready) }
    }

    fn reads(&self, now: SimTime, object: &ScaledObject) -> Vec<Read> {
        object.triggers.iter().map(|trigger| self.read(now, trigger)).collect()
    }

    /// What the source of a trigger says: KEDA asks it when it is asked itself.
    fn read(&self, now: SimTime, trigger: &Trigger) -> Read {
        let value = match &trigger.source {
            TriggerSource::Waiting(station) => Some(f64::from(self.services.waiting(*station))),
            TriggerSource::Inside(station) => Some(f64::from(self.services.inside(*station))),
            TriggerSource::InHands(station) => {
                let inside = self.services.inside(*station);
                Some(f64::from(inside.saturating_sub(self.services.waiting(*station))))
            }
            TriggerSource::Lag(station, partitions) => {
                // Activity is about the whole lag, whatever the partitions allow.
                let lag = i64::from(self.services.inside(*station));
                let milli = served_milli(f64_from_i64(partitions.served(lag)));
                return Read { milli: Some(milli), active: f64_from_i64(lag) > trigger.activation };
            }
            TriggerSource::Metric { at, nothing_is_zero } => {
                let quantity = self.scenario.custom_metrics[*at].quantity;
                let milli = whole_milli(&self.custom_metrics[*at], quantity);
                let value = milli.map(|milli| f64_from_i64(milli) / 1_000.0);
                value.or(nothing_is_zero.then_some(0.0))
            }
            TriggerSource::Cron { windows, replicas } => {
                // Within its window a schedule is active whatever it asks for.
                let within = is_within(windows, now);
                let value = if within { f64_from_i64(*replicas) } else { 0.0 };
                return Read { milli: Some(served_milli(value)), active: within };
            }
            TriggerSource::Unmeasured => None,
        };
        Read {
            milli: value.map(served_milli),
            active: value.is_some_and(|value| value > trigger.activation),
        }
    }
}

fn is_within(windows: &[(SimTime, SimTime)], now: SimTime) -> bool {
    windows.iter().any(|(from, until)| *from <= now && now < *until)
}
