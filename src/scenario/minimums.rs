//! Minimums of autoscalers that change over time, and what policies that look back ask for.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::control::helm_wait::Rule;
use crate::control::hpa::HpaSpec;
use crate::model::id::HpaId;
use crate::scenario::{DisruptionSpec, DisruptionTarget, RolloutSpec, Scenario, WaitSpec};
use crate::units::{Origin, SimDuration};

/// Predictive scaling by a seasonal forecast: a day is taken to be as the one before it, and the
/// minimum of an HPA follows what that day used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// Share of the requested CPU that is to be used.
    pub target: f64,
    /// How far ahead of the use pods shall be there.
    pub lead: SimDuration,
    /// How often the minimum is written.
    pub every: SimDuration,
}

/// Requests that follow usage, by the rule of the Vertical Pod Autoscaler.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rightsize {
    /// Percentile of the usage of a pod.
    pub percentile: f64,
    /// Share that is put on top.
    pub margin: f64,
}

/// A minimum: from when (since measuring began), of which HPA, and how many replicas.
pub type Minimum = (SimDuration, HpaId, i32);

/// The spec of an HPA that the release of a moment has.
fn in_force(scenario: &Scenario, at: SimDuration, id: HpaId) -> &HpaSpec {
    let upgrades = scenario.disruptions.iter().filter(|disruption| disruption.at <= at);
    let mut written = upgrades.filter_map(|disruption| {
        let DisruptionTarget::Rollout(spec) = &disruption.target else { return None };
        spec.position?;
        spec.hpas.iter().find(|(hpa, _)| *hpa == id).map(|(_, spec)| spec)
    });
    written.next_back().unwrap_or(&scenario.hpas[id.index()].spec)
}

/// Writes minimums into a scenario as a CronJob with `kubectl patch` would. Each is bounded by the
/// maximum of its HPA.
pub fn write_minimums(scenario: &mut Scenario, name: &str, steps: &[Minimum]) {
    let mut at_once: BTreeMap<SimDuration, Vec<(HpaId, HpaSpec)>> = BTreeMap::new();
    for (at, id, least) in steps {
        let mut spec = in_force(scenario, *at, *id).clone();
        spec.min_replicas = Some((*least).clamp(1, spec.max_replicas));
        at_once.entry(*at).or_default().push((*id, spec));
    }
    let wait = WaitSpec {
        timeout: SimDuration::from_secs(300),
        rule: Rule::Watcher,
        for_jobs: false,
        roll_back: false,
    };
    for (at, hpas) in at_once {
        let mut rollout = RolloutSpec::new("schedule", wait);
        rollout.what = Arc::from(format!("minReplicas by {name}"));
        rollout.hpas = hpas;
        rollout.hooks = Some(Vec::new());
        rollout.keeps_others = true;
        let origin = Origin { file: Arc::from(format!("policy {name}")), line: 0, column: 0 };
        let target = DisruptionTarget::Rollout(Arc::new(rollout));
        scenario.disruptions.push(DisruptionSpec { at, target, origin });
    }
    scenario.disruptions.sort_by_key(|disruption| disruption.at);
}
