//! Containers that die and are started again in place.
//!
//! A pod's process is one container: a death takes its server, the requests inside are cut, and the
//! pod is not ready from that instant. New requests go elsewhere at once; in a live cluster some
//! would be refused until the endpoint is withdrawn.

use std::collections::BTreeMap;

use crate::cluster::{ConditionStatus, Occurrence};
use crate::control::crash_loop::BackOff;
use crate::model::Event;
use crate::model::event::PodStep;
use crate::model::id::PodId;
use crate::model::observer::Observer;
use crate::model::record::Death;
use crate::sim::Run;
use crate::units::{SimDuration, SimTime};

/// The containers of all pods.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    lives: BTreeMap<PodId, Life>,
}

#[derive(Debug, Default)]
struct Life {
    back_off: BackOff,
    /// When the present process is found ready.
    ready: Option<SimTime>,
    /// When a probe ends the present process, and which.
    death: Option<(SimTime, Death)>,
}

impl Restarts {
    pub(super) fn forget(&mut self, pod: PodId) {
        self.lives.remove(&pod);
    }
}

impl<O: Observer> Run<'_, O> {
    /// The process of a pod began: either its readiness comes, or a probe kills it before.
    pub(super) fn container_started(
        &mut self,
        now: SimTime,
        id: PodId,
        ready_after: SimDuration,
        death: Option<(SimDuration, Death)>,
    ) {
        let life = self.restarts.lives.entry(id).or_default();
        life.death = death.map(|(after, why)| (now + after, why));
        life.ready = death.is_none().then_some(now + ready_after);
        match death {
            Some((after, _)) => self.schedule(after, Event::Pod(id, PodStep::ProbeFailed)),
            None => self.schedule(ready_after, Event::Pod(id, PodStep::BecameReady)),
        }
    }

    /// Whether a readiness that was foreseen is that of the process that runs now.
    pub(super) fn is_due_ready(&self, now: SimTime, id: PodId) -> bool {
        self.restarts.lives.get(&id).is_some_and(|life| life.ready == Some(now))
    }

    /// A probe has failed too often, if it is still that process.
    pub(super) fn probe_failed(&mut self, now: SimTime, id: PodId) {
        let death = self.restarts.lives.get(&id).and_then(|life| life.death);
        if let Some((_, why)) = death.filter(|(at, _)| *at == now) {
            self.container_dies(now, id, why);
        }
    }

    /// The process of a pod is killed; the kubelet starts it again after its back-off.
    pub(super) fn container_dies(&mut self, now: SimTime, id: PodId, why: Death) {
        self.stop_server(now, id);
        let life = self.restarts.lives.entry(id).or_default();
        (life.ready, life.death) = (None, None);
        let again_after = life.back_off.exited(now).since(now);
        self.occur(now, Occurrence::ContainerDied { pod: id, why, again_after });
        self.occur(now, Occurrence::PodReady(id, ConditionStatus::False));
        self.schedule(again_after, Event::Pod(id, PodStep::ContainersRestarted));
    }
}
