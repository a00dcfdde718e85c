//! HorizontalPodAutoscaler: how many replicas a workload should have, as kube-controller-manager
//! 1.36 decides it.
//!
//! Every 15 seconds [`Hpa::sync`] looks at an [`HpaObservation`] and answers with an
//! [`HpaDecision`], which also says why: what each metric showed, which pods counted, which window
//! or policy held the size back. It never changes anything outside its own memory.
//!
//! The way through one sync (`horizontal.go`, `reconcileAutoscaler`):
//!
//! 1. The scale is read. At size 0 set by hand autoscaling rests; outside minimum and maximum the
//!    size is corrected at once, without metrics.
//! 2. Each metric proposes a size ([`MetricSpec`] lists the five kinds); the largest wins. While
//!    any metric fails, the size does not shrink.
//! 3. Older recommendations hold the size back (stabilization), then a rate limit together with
//!    minimum and maximum. Without `behavior` there are older rules for both.
//! 4. The scale is written if the size differs, and the change is remembered for the policies.
//!
//! Doubles are computed in the controller's order of operations, and integers are cut off and
//! wrap as in Go on amd64, because decisions at an edge show the difference.
//!
//! ```
//! use aurelius_sim::control::hpa::{
//!     Hpa, HpaConfig, HpaObservation, HpaSpec, MetricIdentifier, MetricSpec, MetricTarget,
//!     Reading, Scale, ScaleUpdate, SelectorCheck,
//! };
//! let metric = MetricIdentifier { name: "queue_length".to_owned(), selector: None };
//! let target = MetricTarget::average_value("100".parse().expect("a quantity"));
//! let mut hpa = Hpa::new(HpaSpec {
//!     min_replicas: None,
//!     max_replicas: 10,
//!     metrics: vec![MetricSpec::External { metric, target }],
//!     behavior: None,
//! });
//! let decision = hpa.sync(
//!     &HpaConfig::default(),
//!     &HpaObservation {
//!         now_ns: 0,
//!         scale: Some(Scale { spec_replicas: 2, status_replicas: 2 }),
//!         selector: SelectorCheck::Valid,
//!         pods: &[],
//!         pod_metrics: &[],
//!         readings: &[Reading::Series(&[350_000])],
//!         scale_update: ScaleUpdate::Succeeds,
//!     },
//! );
//! assert_eq!(decision.desired_replicas, Some(4));
//! let reason = decision.rescale.expect("the size changed");
//! assert_eq!(reason.to_string(), "external metric queue_length(nil) above target");
//! ```

use std::sync::Arc;

mod arithmetic;
mod conditions;
mod config;
mod decision;
mod metrics;
mod observation;
mod policy;
mod replica_calculator;
mod spec;
mod stabilize;
mod told;
mod validate;

pub use conditions::{Condition, ConditionKind, ConditionReason};
pub use config::{FeatureGate, HpaConfig};
pub use decision::{
    DecisionPath, HeldBy, HpaDecision, HpaEvent, IgnoredWhy, Limit, MetricDecision, MetricFailure,
    MetricProposal, MetricStatus, MetricsFailed, NoProposal, Normalization, PodPart, PodVerdict,
    PolicyLimit, RescaleReason, Stabilization, UnreadyWhy, Window,
};
pub use observation::{
    Amounts, ConditionStatus, ContainerAmounts, HpaObservation, ObservedPod, PodLifecycle,
    PodMetrics, PodPhase, PodValue, Reading, ReadyCondition, Scale, ScaleUpdate, SelectorCheck,
};
pub use spec::{
    Behavior, DescribedObject, HpaSpec, LabelRequirement, LabelSelector, MetricIdentifier,
    MetricSpec, MetricTarget, PolicyKind, ResourceName, ScalingPolicy, ScalingRules, SelectPolicy,
    TargetKind,
};
pub use validate::{Fault, Violation};

use config::SECOND_NS;
use metrics::{Evaluation, failure_reason};
use policy::{Bounds, DirectionRules, ScaleHistory, legacy_limit};
use replica_calculator::Tolerances;
use stabilize::{Recommendations, Windows};

/// A HorizontalPodAutoscaler alive: its specification, what the controller remembers of it, and
/// its status.
#[derive(Debug, Clone)]
pub struct Hpa {
    /// With defaults filled in.
    spec: HpaSpec,
    /// Label of each metric.
    labels: Vec<Arc<str>>,
    recommendations: Recommendations,
    history: ScaleHistory,
    conditions: conditions::Conditions,
    status: HpaStatus,
}

/// The figures in the status of an HPA.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HpaStatus {
    /// Size found at the last sync that got far enough, before it was changed (replicas).
    pub current_replicas: i32,
    /// Size asked for by then (replicas).
    pub desired_replicas: i32,
    /// When the scale was last written (ns).
    pub last_scale_ns: Option<i64>,
}

/// A size asked for, and why.
struct Wish {
    replicas: i32,
    reason: RescaleReason,
}

/// Which way a sync takes, decided before any metric is read.
enum Branch {
    Disabled,
    AboveMaximum,
    BelowMinimum,
    Metrics,
}

impl Hpa {
    /// A new HPA without memory. Defaults are filled in here.
    pub fn new(spec: HpaSpec) -> Self {
        let spec = spec.with_defaults();
        Self {
            labels: labels(&spec),
            spec,
            recommendations: Recommendations::default(),
            history: ScaleHistory::default(),
            conditions: conditions::Conditions::default(),
            status: HpaStatus::default(),
        }
    }

    /// The specification in force, with defaults filled in.
    pub fn spec(&self) -> &HpaSpec {
        &self.spec
    }

    /// The status figures.
    pub fn status(&self) -> HpaStatus {
        self.status
    }

    /// The conditions in the status.
    pub fn conditions(&self) -> &[Condition] {
        self.conditions.list()
    }

    /// The user edits the object. What the controller remembers stays.
    pub fn replace_spec(&mut self, spec: HpaSpec) {
        self.spec = spec.with_defaults();
        self.labels = labels(&self.spec);
    }

    /// The controller restarts or its leader changes: recommendations and scale events are gone,
    /// the status stays.
    pub fn forget_memory(&mut self) {
        self.recommendations = Recommendations::default();
        self.history = ScaleHistory::default();
    }

    /// One reconciliation (`reconcileAutoscaler`).
    pub fn sync<'a>(&mut self, config: &HpaConfig, seen: &HpaObservation<'a>) -> HpaDecision<'a> {
        let current = seen.scale.map(|scale| scale.spec_replicas);
        let mut decision = HpaDecision {
            current_replicas: current,
            desired_replicas: current,
            rescale: None,
            path: DecisionPath::ScaleUnreadable,
            metrics: Vec::new(),
            conditions: Vec::new(),
            events: Vec::new(),
        };
        match seen.scale {
            None => {
                decision.events.push(HpaEvent::FailedGetScale);
                self.able_to_scale(false, ConditionReason::FailedGetScale, seen.now_ns);
            }
            Some(scale) => self.reconcile(config, seen, scale, &mut decision),
        }
        decision.conditions = self.conditions.list().to_vec();
        decision
    }

    fn reconcile<'a>(
        &mut self,
        config: &HpaConfig,
        seen: &HpaObservation<'a>,
        scale: Scale,
        decision: &mut HpaDecision<'a>,
    ) {
        let current = scale.spec_replicas;
        self.able_to_scale(true, ConditionReason::SucceededGetScale, seen.now_ns);
        self.recommendations.record_initial(current, seen.now_ns);
        let wish = match self.branch(config, current) {
            Branch::Disabled => {
                decision.path = DecisionPath::Disabled;
                self.scaling_active(false, ConditionReason::ScalingDisabled, seen.now_ns);
                if config.scale_to_zero == FeatureGate::Off {
                    self.conditions.remove(ConditionKind::ScaledToZero);
                }
                Some(Wish { replicas: 0, reason: RescaleReason::NotGiven })
            }
            Branch::AboveMaximum => {
                decision.path = DecisionPath::AboveMaximum;
                let replicas = self.spec.max_replicas;
                Some(Wish { replicas, reason: RescaleReason::AboveMaximum })
            }
            Branch::BelowMinimum => {
                decision.path = DecisionPath::BelowMinimum;
                let replicas = self.bounds().min;
                Some(Wish { replicas, reason: RescaleReason::BelowMinimum })
            }
            Branch::Metrics => self.wish_of_metrics(config, seen, scale, decision),
        };
        let Some(wish) = wish else {
            self.status.current_replicas = current;
            return;
        };
        if wish.replicas == current {
            self.status.current_replicas = current;
            self.status.desired_replicas = current;
            return;
        }
        self.rescale(config, seen, current, wish, decision);
    }

    /// Chooses the way. At size 0 metrics are only read if the HPA itself went there.
    fn branch(&self, config: &HpaConfig, current: i32) -> Branch {
        let Bounds { min, max } = self.bounds();
        let wakes_up =
            self.went_to_zero(config) && (min != 0 || self.spec.has_object_or_external_metric());
        if current == 0 && !wakes_up {
            Branch::Disabled
        } else if current == 0 {
            Branch::Metrics
        } else if current > max {
            Branch::AboveMaximum
        } else if current < min {
            Branch::BelowMinimum
        } else {
            Branch::Metrics
        }
    }

    fn went_to_zero(&self, config: &HpaConfig) -> bool {
        config.scale_to_zero == FeatureGate::On
            && self.conditions.is_true(ConditionKind::ScaledToZero)
    }

    /// Metrics, stabilization and limits; `None` when there is no usable proposal.
    fn wish_of_metrics<'a>(
        &mut self,
        config: &HpaConfig,
        seen: &HpaObservation<'a>,
        scale: Scale,
        decision: &mut HpaDecision<'a>,
    ) -> Option<Wish> {
        let current = scale.spec_replicas;
        let (proposal, winner) = match self.proposal(config, seen, scale, decision) {
            Ok(proposal) => proposal,
            Err(no_proposal) => {
                decision
                    .events
                    .push(HpaEvent::FailedComputeMetricsReplicas { cause: no_proposal.clone() });
                decision.path = DecisionPath::NoProposal(no_proposal);
                return None;
            }
        };
        self.scaling_active(true, ConditionReason::ValidMetricFound, seen.now_ns);
        let mut reason = match proposal.cmp(&current) {
            std::cmp::Ordering::Greater => {
                let label = winner.map_or_else(|| "".into(), |index| self.labels[index].clone());
                RescaleReason::MetricAboveTarget(label)
            }
            std::cmp::Ordering::Less => RescaleReason::AllMetricsBelowTarget,
            std::cmp::Ordering::Equal => RescaleReason::NotGiven,
        };
        let mut normalization = self.normalize(config, proposal, current, seen.now_ns);
        normalization.winner = winner;
        // The HPA itself went to 0 and the minimum was raised since: no rate limit may keep the
        // size below the minimum.
        let min = self.bounds().min;
        if current == 0 && min != 0 && self.went_to_zero(config) && normalization.replicas < min {
            normalization.replicas = min;
            if reason == RescaleReason::NotGiven {
                reason = RescaleReason::BelowMinimum;
            }
        }
        let replicas = normalization.replicas;
        decision.path = DecisionPath::Proposed(normalization);
        Some(Wish { replicas, reason })
    }

    /// The largest valid proposal and whose it is (`computeReplicasForMetrics`).
    fn proposal<'a>(
        &mut self,
        config: &HpaConfig,
        seen: &HpaObservation<'a>,
        scale: Scale,
        decision: &mut HpaDecision<'a>,
    ) -> Result<(i32, Option<usize>), NoProposal> {
        self.check_selector(seen, decision)?;
        let evaluation = Evaluation { config, seen, scale, tolerances: self.tolerances(config) };
        let (mut best, mut winner) = (0, None);
        let (mut invalid, mut first_failure) = (0, None);
        for (index, metric) in self.spec.metrics.iter().enumerate() {
            let answer = evaluation.metric(index, metric, &self.labels[index]);
            match &answer.outcome {
                // While the best is 0 every later metric takes its place.
                Ok(proposal) if best == 0 || proposal.replicas > best => {
                    (best, winner) = (proposal.replicas, Some(index));
                }
                Ok(_) => {}
                Err(failure) => {
                    invalid += 1;
                    let reason = failure_reason(metric);
                    first_failure.get_or_insert(reason);
                    let failure = failure.clone();
                    decision.events.push(HpaEvent::FailedMetric { reason, failure });
                }
            }
            decision.metrics.push(answer);
        }
        let total = self.spec.metrics.len();
        if let Some(reason) = first_failure
            && (invalid == total || best < scale.spec_replicas)
        {
            self.scaling_active(false, reason, seen.now_ns);
            let suppressed_proposal = (invalid < total).then_some(best);
            let failed = MetricsFailed { invalid, total, reason, suppressed_proposal };
            return Err(NoProposal::Metrics(failed));
        }
        // Only a proposal above zero gives its name to the reason.
        Ok((best.max(0), winner.filter(|_| best > 0)))
    }

    fn check_selector(
        &mut self,
        seen: &HpaObservation<'_>,
        decision: &mut HpaDecision<'_>,
    ) -> Result<(), NoProposal> {
        let (event, reason) = match seen.selector {
            SelectorCheck::Valid => return Ok(()),
            SelectorCheck::Missing => {
                (HpaEvent::SelectorRequired, ConditionReason::InvalidSelector)
            }
            SelectorCheck::Invalid => (HpaEvent::InvalidSelector, ConditionReason::InvalidSelector),
            SelectorCheck::Ambiguous => {
                (HpaEvent::AmbiguousSelector, ConditionReason::AmbiguousSelector)
            }
        };
        decision.events.push(event);
        self.scaling_active(false, reason, seen.now_ns);
        Err(NoProposal::Selector(seen.selector))
    }

    /// Stabilization, then limits (`normalizeDesiredReplicas`,
    /// `normalizeDesiredReplicasWithBehaviors`).
    fn normalize(
        &mut self,
        config: &HpaConfig,
        proposal: i32,
        current: i32,
        now_ns: i64,
    ) -> Normalization {
        let bounds = self.bounds();
        let flag_ns = config.downscale_stabilization_ns;
        let (stabilization, (replicas, limit)) = match rules_of(&self.spec) {
            None => {
                let steady = self.recommendations.stabilize_legacy(proposal, flag_ns, now_ns);
                (steady, legacy_limit(current, steady.replicas, bounds))
            }
            Some(rules) => {
                let window = |rules: Option<&ScalingRules>, unset| {
                    rules
                        .and_then(|rules| rules.stabilization_window_seconds)
                        .map_or(unset, |seconds| i64::from(seconds) * SECOND_NS)
                };
                let behavior = self.spec.behavior.as_ref();
                let windows = Windows {
                    up_ns: window(behavior.and_then(|behavior| behavior.scale_up.as_ref()), 0),
                    down_ns: window(
                        behavior.and_then(|behavior| behavior.scale_down.as_ref()),
                        // The controller counts its flag in whole seconds here.
                        flag_ns / SECOND_NS * SECOND_NS,
                    ),
                };
                let steady = self
                    .recommendations
                    .stabilize_with_behavior(proposal, current, windows, now_ns);
                let limited = self.history.limit(current, steady.replicas, rules, bounds, now_ns);
                (steady, limited)
            }
        };
        let able = match stabilization.held_by.map(|held| held.window) {
            None => ConditionReason::ReadyForNewScale,
            Some(Window::ScaleUp) => ConditionReason::ScaleUpStabilized,
            Some(Window::ScaleDown) => ConditionReason::ScaleDownStabilized,
        };
        self.able_to_scale(true, able, now_ns);
        let limited = replicas != stabilization.replicas;
        self.condition(ConditionKind::ScalingLimited, limited, limit.reason, now_ns);
        Normalization { proposal, winner: None, stabilization, limit, replicas }
    }

    /// Writes the scale and remembers the change.
    fn rescale(
        &mut self,
        config: &HpaConfig,
        seen: &HpaObservation<'_>,
        current: i32,
        wish: Wish,
        decision: &mut HpaDecision<'_>,
    ) {
        let (now_ns, Wish { replicas, reason }) = (seen.now_ns, wish);
        self.status.current_replicas = current;
        if seen.scale_update == ScaleUpdate::Fails {
            decision.events.push(HpaEvent::FailedRescale { new_size: replicas, reason });
            self.able_to_scale(false, ConditionReason::FailedUpdateScale, now_ns);
            return;
        }
        let event = HpaEvent::SuccessfulRescale { new_size: replicas, reason: reason.clone() };
        decision.events.push(event);
        decision.desired_replicas = Some(replicas);
        decision.rescale = Some(reason);
        self.able_to_scale(true, ConditionReason::SucceededRescale, now_ns);
        if let Some([up, down]) = rules_of(&self.spec) {
            self.history.store(current, replicas, up, down, now_ns);
        }
        self.status.desired_replicas = replicas;
        self.status.last_scale_ns = Some(now_ns);
        if config.scale_to_zero == FeatureGate::Off {
            self.conditions.remove(ConditionKind::ScaledToZero);
            return;
        }
        let to_zero = current > 0
            && replicas == 0
            && self.bounds().min == 0
            && self.spec.has_object_or_external_metric();
        let reason = match to_zero {
            true => ConditionReason::ScaledToZero,
            false => ConditionReason::NotScaledToZero,
        };
        self.condition(ConditionKind::ScaledToZero, to_zero, reason, now_ns);
    }

    fn bounds(&self) -> Bounds {
        Bounds { min: self.spec.min_replicas.unwrap_or(1), max: self.spec.max_replicas }
    }

    /// Each direction's own tolerance, else the flag's (`tolerancesForHpa`).
    fn tolerances(&self, config: &HpaConfig) -> Tolerances {
        let own = |rules: Option<&ScalingRules>| match config.configurable_tolerance {
            FeatureGate::Off => config.tolerance,
            FeatureGate::On => rules
                .and_then(|rules| rules.tolerance)
                .map_or(config.tolerance, |tolerance| tolerance.approximate_f64()),
        };
        let behavior = self.spec.behavior.as_ref();
        Tolerances {
            down: own(behavior.and_then(|behavior| behavior.scale_down.as_ref())),
            up: own(behavior.and_then(|behavior| behavior.scale_up.as_ref())),
        }
    }

    fn able_to_scale(&mut self, holds: bool, reason: ConditionReason, now_ns: i64) {
        self.condition(ConditionKind::AbleToScale, holds, reason, now_ns);
    }

    fn scaling_active(&mut self, holds: bool, reason: ConditionReason, now_ns: i64) {
        self.condition(ConditionKind::ScalingActive, holds, reason, now_ns);
    }

    fn condition(
        &mut self,
        kind: ConditionKind,
        holds: bool,
        reason: ConditionReason,
        now_ns: i64,
    ) {
        let status = if holds { ConditionStatus::True } else { ConditionStatus::False };
        self.conditions.set(kind, status, reason, now_ns);
    }
}

fn labels(spec: &HpaSpec) -> Vec<Arc<str>> {
    spec.metrics.iter().map(|metric| metric.label().into()).collect()
}

/// The rules upwards and downwards; `None` without behavior.
fn rules_of(spec: &HpaSpec) -> Option<[DirectionRules<'_>; 2]> {
    let behavior = spec.behavior.as_ref()?;
    Some([&behavior.scale_up, &behavior.scale_down].map(|rules| {
        let rules = rules.as_ref();
        DirectionRules {
            select: rules.and_then(|rules| rules.select_policy).unwrap_or(SelectPolicy::Max),
            policies: rules.and_then(|rules| rules.policies.as_deref()).unwrap_or(&[]),
        }
    }))
}

#[cfg(test)]
mod tests;
