//! KEDA: triggers are asked, the operator decides about the first and the last replica.

use std::sync::Arc;

use crate::control::hpa::MetricSpec;
use crate::control::keda::{Keda, KedaSpec, Poll};
use crate::model::id::{HpaId, WorkloadId};
use crate::model::observer::Observer;
use crate::model::record::{About, Record};
use crate::model::{Action, Event};
use crate::scenario::scaled_object::{ScaledObject, Trigger, TriggerSource};
use crate::sim::Run;
use crate::sim::custom_metrics::whole_milli;
use crate::units::SimTime;
use crate::units::convert::{count_i32, f64_from_i64, round_i64, trunc_i64};

impl<O: Observer> Run<'_, O> {
    /// Every ScaledObject is polled for the first time one interval after it was made.
    pub(super) fn start_keda(&mut self) {
        for position in 0..self.scenario.scaled_objects.len() {
            let ScaledObject { hpa, spec, triggers, .. } = &self.scenario.scaled_objects[position];
            self.keda.push(Keda::new(SimTime::ZERO, triggers.len()));
            let (hpa, KedaSpec { polling_interval, .. }) = (*hpa, *spec);
            self.schedule(polling_interval, Event::Keda(hpa));
        }
    }

    /// One poll of the ScaledObject of an HPA.
    pub(super) fn poll_keda(&mut self, now: SimTime, id: HpaId) {
        let scenario = self.scenario;
        let found = scenario.scaled_objects.iter().position(|object| object.hpa == id);
        let position = found.expect("only ScaledObjects are polled");
        let object = &scenario.scaled_objects[position];
        let values: Vec<Option<f64>> =
            object.triggers.iter().map(|trigger| self.trigger_value(now, trigger)).collect();
        self.count_answers(position, &values);
        // A fallback answers in the place of its trigger, which counts as active then.
        let fallen: Vec<bool> = (0..values.len())
            .map(|at| values[at].is_none() && self.fallback_milli(position, at).is_some())
            .collect();
        let is_active = |(trigger, value): (&Trigger, &Option<f64>)| match &trigger.source {
            // Within its window a schedule is active whatever it asks for.
            TriggerSource::Cron { windows, .. } => is_within(windows, now),
            TriggerSource::Waiting(_)
            | TriggerSource::Inside(_)
            | TriggerSource::Metric(_)
            | TriggerSource::Unmeasured => value.is_some_and(|value| value > trigger.activation),
        };
        // With CPU and memory alone there is nothing to activate by (scale_handler.go).
        let active =
            object.triggers.is_empty() || object.triggers.iter().zip(&values).any(is_active);
        let active = active || fallen.contains(&true);
        let target = scenario.hpas[id.index()].target;
        let workload = self.cluster.workload(target);
        if workload.exists {
            let replicas = workload.replicas;
            let failed =
                values.iter().zip(&fallen).any(|(value, fallen)| value.is_none() && !fallen);
            let poll = Poll { now, replicas, active, failed };
            let decision = self.keda[position].poll(&object.spec, poll);
            if let Some(replicas) = decision.replicas() {
                self.apply(now, &Action::ScaleWorkload { workload: target, replicas });
            }
            if let Some((event, message)) = decision.event(replicas) {
                let about = About::ScaledObject(Arc::clone(&object.name));
                self.records.push(Record::Announced { about, event, message: message.into() });
            }
        }
        self.schedule(object.spec.polling_interval, Event::Keda(id));
    }

    /// What KEDA answers the HPA of a workload about one of its metrics, in thousandths; `None` when
    /// it is not KEDA's.
    pub(super) fn keda_answer(
        &self,
        now: SimTime,
        target: WorkloadId,
        metric: &str,
    ) -> Option<Option<i64>> {
        let scenario = self.scenario;
        let position = self.scaled_object_of(target)?;
        let triggers = &scenario.scaled_objects[position].triggers;
        let at = triggers.iter().position(|trigger| *trigger.metric == *metric)?;
        let value = self.trigger_value(now, &triggers[at]);
        let value = value.map(|value| round_i64(value * 1_000.0));
        Some(value.or_else(|| self.fallback_milli(position, at)))
    }

    /// The HPA of a workload is about to ask KEDA for every metric: failures count as those of polls.
    pub(super) fn hpa_asks_keda(&mut self, now: SimTime, target: WorkloadId) {
        let workload = self.cluster.workload(target);
        // At none the HPA is switched off and asks nothing.
        if !workload.exists || workload.replicas == 0 {
            return;
        }
        let Some(position) = self.scaled_object_of(target) else { return };
        let triggers = &self.scenario.scaled_objects[position].triggers;
        let values: Vec<Option<f64>> =
            triggers.iter().map(|trigger| self.trigger_value(now, trigger)).collect();
        self.count_answers(position, &values);
    }

    fn scaled_object_of(&self, target: WorkloadId) -> Option<usize> {
        let scenario = self.scenario;
        let mut objects = scenario.scaled_objects.iter();
        objects.position(|object| scenario.hpas[object.hpa.index()].target == target)
    }

    fn count_answers(&mut self, position: usize, values: &[Option<f64>]) {
        for (at, value) in values.iter().enumerate() {
            self.keda[position].asked(at, value.is_some());
        }
    }

    /// What KEDA answers for a trigger that failed too often: the target, times the replicas of the
    /// fallback; for a target of the whole, by the pods that are ready, of which there must be one
    /// (keda, pkg/fallback/fallback.go `doFallback`).
    fn fallback_milli(&self, position: usize, at: usize) -> Option<i64> {
        let object = &self.scenario.scaled_objects[position];
        let fallback = self.keda[position].fallback(&object.spec, at)?;
        let hpa = &self.scenario.hpas[object.hpa.index()];
        let wanted = f64::from(fallback.wanted(self.cluster.workload(hpa.target).replicas));
        let name = &object.triggers[at].metric;
        let target = hpa.spec.metrics.iter().find_map(|metric| match metric {
            MetricSpec::External { metric, target } if *metric.name == **name => Some(target),
            MetricSpec::External { .. }
            | MetricSpec::Resource { .. }
            | MetricSpec::ContainerResource { .. }
            | MetricSpec::Pods { .. }
            | MetricSpec::Object { .. } => None,
        })?;
        if let Some(each) = target.average_value {
            return Some(trunc_i64(each.approximate_f64() * 1_000.0 * wanted));
        }
        let ready =
            self.cluster.pods_of(hpa.target).filter(|pod| pod.is_active() && pod.is_ready());
        let ready = count_i32(ready.count());
        let whole = target.value?.approximate_f64();
        (ready > 0).then(|| trunc_i64(whole * 1_000.0 * (wanted / f64::from(ready))))
    }

    /// The value of a trigger: KEDA asks its source when it is asked itself.
    fn trigger_value(&self, now: SimTime, trigger: &Trigger) -> Option<f64> {
        match &trigger.source {
            TriggerSource::Waiting(station) => Some(f64::from(self.services.waiting(*station))),
            TriggerSource::Inside(station) => Some(f64::from(self.services.inside(*station))),
            TriggerSource::Metric(position) => {
                let quantity = self.scenario.custom_metrics[*position].quantity;
                let milli = whole_milli(&self.custom_metrics[*position], quantity)?;
                Some(f64_from_i64(milli) / 1_000.0)
            }
            TriggerSource::Cron { windows, replicas } => {
                Some(if is_within(windows, now) { f64_from_i64(*replicas) } else { 1.0 })
            }
            TriggerSource::Unmeasured => None,
        }
    }
}

fn is_within(windows: &[(SimTime, SimTime)], now: SimTime) -> bool {
    windows.iter().any(|(from, until)| *from <= now && now < *until)
}
