//! KEDA between none and one: the operator's part of a ScaledObject.
//!
//! Every polling interval KEDA asks the triggers whether they are active. It takes the last replicas
//! away after a quiet cooldown and brings the first ones back; from there to the maximum the
//! HorizontalPodAutoscaler that it makes decides, by KEDA's metrics (keda,
//! pkg/scaling/executor/scale_scaledobjects.go `RequestScale`, `scaleToZeroOrIdle`,
//! `scaleFromZeroOrIdle`; pkg/scaling/scale_handler.go).

pub mod formula;
pub mod triggers;

use std::sync::Arc;

use self::triggers::{Modifiers, Taken, TriggerSpec};
use crate::units::{SimDuration, SimTime};

/// What the operator reads of a ScaledObject.
#[derive(Debug, Clone, PartialEq)]
pub struct KedaSpec {
    /// `pollingInterval`.
    pub polling_interval: SimDuration,
    /// `cooldownPeriod`: how long triggers must be quiet before the last replicas go.
    pub cooldown_period: SimDuration,
    /// `initialCooldownPeriod`: how long after its creation an object does not scale to none.
    pub initial_cooldown_period: SimDuration,
    /// `idleReplicaCount`.
    pub idle_replicas: Option<i32>,
    /// `minReplicaCount`.
    pub min_replicas: i32,
    /// `fallback`.
    pub fallback: Option<Fallback>,
    /// What annotations hold still or force.
    pub annotations: Annotations,
    /// The triggers that KEDA serves, by the positions under which it is asked.
    pub triggers: Vec<TriggerSpec>,
    /// `advanced.scalingModifiers`.
    pub modifiers: Option<Modifiers>,
    /// Whether all its triggers are `cpu` or `memory`.
    pub resources_alone: bool,
}

impl Default for KedaSpec {
    /// The defaults of KEDA (scale_handler.go, scale_scaledobjects.go), without triggers.
    fn default() -> Self {
        Self {
            polling_interval: SimDuration::from_secs(30),
            cooldown_period: SimDuration::from_secs(300),
            initial_cooldown_period: SimDuration::ZERO,
            idle_replicas: None,
            min_replicas: 0,
            fallback: None,
            annotations: Annotations::default(),
            triggers: Vec::new(),
            modifiers: None,
            resources_alone: false,
        }
    }
}

/// What annotations of a ScaledObject hold still or force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Annotations {
    /// `autoscaling.keda.sh/paused-scale-in`: nothing is taken away.
    pub pause_scale_in: bool,
    /// `autoscaling.keda.sh/paused-scale-out`: nothing is added.
    pub pause_scale_out: bool,
    /// `autoscaling.keda.sh/force-activation`: as if a trigger were active.
    pub force_activation: bool,
}

/// `spec.fallback`: how many replicas a trigger asks for that fails again and again (keda,
/// pkg/fallback/fallback.go `GetMetricsWithFallback`, `doFallback`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fallback {
    /// `failureThreshold`: above so many failures in a row it holds.
    pub failure_threshold: u32,
    /// `replicas`.
    pub replicas: i32,
    /// `behavior`.
    pub behavior: FallbackBehavior,
}

/// `spec.fallback.behavior`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FallbackBehavior {
    /// `replicas`.
    Static,
    /// As many as there are.
    CurrentReplicas,
    /// As many as there are, but not fewer than `replicas`.
    CurrentReplicasIfHigher,
    /// As many as there are, but not more than `replicas`.
    CurrentReplicasIfLower,
    /// `nil` in the formula of `scalingModifiers`; `replicas` where that comes to `nil`.
    ScalingModifiers,
}

impl Fallback {
    /// The replicas it asks for where so many are wanted now.
    #[must_use]
    pub fn wanted(self, current: i32) -> i32 {
        match self.behavior {
            FallbackBehavior::Static | FallbackBehavior::ScalingModifiers => self.replicas,
            FallbackBehavior::CurrentReplicas => current,
            FallbackBehavior::CurrentReplicasIfHigher => current.max(self.replicas),
            FallbackBehavior::CurrentReplicasIfLower => current.min(self.replicas),
        }
    }
}

/// What the operator remembers of a ScaledObject (`status`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keda {
    created: SimTime,
    /// `status.lastActiveTime`.
    last_active: Option<SimTime>,
    /// `status.health`: failures in a row of each trigger, by position.
    failures: Vec<u32>,
    /// What the last poll found of triggers with `useCachedMetrics`.
    records: Vec<Option<Taken>>,
}

/// What the operator sees when it polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    /// Now.
    pub now: SimTime,
    /// `spec.replicas` of the target.
    pub replicas: i32,
    /// Whether any trigger is active.
    pub active: bool,
    /// Whether a trigger could not be asked.
    pub failed: bool,
}

/// What made an object active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because<'a> {
    /// The metrics of triggers.
    Triggers(&'a [Arc<str>]),
    /// The annotation `autoscaling.keda.sh/force-activation`.
    Forced,
}

/// What the operator does, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KedaDecision {
    /// Triggers became active: to `minReplicaCount`, or to one.
    Activate(i32),
    /// Triggers were quiet for the cooldown: to `idleReplicaCount`, or to none.
    Deactivate(i32),
    /// The target is below `minReplicaCount` although nothing is active.
    ToMinimum(i32),
    /// An annotation forbids what it would do.
    Paused,
    /// Quiet, but the cooldown is not over.
    CoolingDown,
    /// The HPA decides.
    LeftToHpa,
    /// A trigger could not be asked and nothing else is active.
    Failed,
}

impl KedaDecision {
    /// The size it writes, if it writes one.
    #[must_use]
    pub const fn replicas(self) -> Option<i32> {
        match self {
            Self::Activate(to) | Self::Deactivate(to) | Self::ToMinimum(to) => Some(to),
            Self::Paused | Self::CoolingDown | Self::LeftToHpa | Self::Failed => None,
        }
    }

    /// The reason of the event that KEDA writes, and its message: about which target
    /// (`apps/v1.Deployment default/worker`) and by the metrics of which triggers.
    #[must_use]
    pub fn event(self, from: i32, target: &str, by: Because<'_>) -> Option<(&'static str, String)> {
        match self {
            Self::Activate(to) => {
                let why = match by {
                    Because::Triggers(metrics) => {
                        let metrics: Vec<&str> = metrics.iter().map(|it| &**it).collect();
                        format!("triggered by {}", metrics.join(";"))
                    }
                    Because::Forced => "caused by forced activation annotation".to_owned(),
                };
                let message = format!("Scaled {target} from {from} to {to}, {why}");
                Some(("KEDAScaleTargetActivated", message))
            }
            Self::Deactivate(to) => {
                let message = format!("Deactivated {target} from {from} to {to}");
                Some(("KEDAScaleTargetDeactivated", message))
            }
            Self::ToMinimum(_)
            | Self::Paused
            | Self::CoolingDown
            | Self::LeftToHpa
            | Self::Failed => None,
        }
    }
}

impl Keda {
    /// A new object with so many triggers that KEDA serves.
    #[must_use]
    pub fn new(created: SimTime, triggers: usize) -> Self {
        Self {
            created,
            last_active: None,
            failures: vec![0; triggers],
            records: vec![None; triggers],
        }
    }

    /// The same object with another spec: failures stay with the triggers that `was` finds at a
    /// place of before (keda, controllers/keda/hpa.go `updateHealthStatus`).
    #[must_use]
    pub fn carried(self, triggers: usize, was: impl Fn(usize) -> Option<usize>) -> Self {
        let failures = (0..triggers).map(|at| was(at).map_or(0, |at| self.failures[at])).collect();
        Self { failures, records: vec![None; triggers], ..self }
    }

    /// One poll.
    pub fn poll(&mut self, spec: &KedaSpec, poll: Poll) -> KedaDecision {
        let Poll { now, replicas, active, failed } = poll;
        if active || spec.annotations.force_activation {
            let below = spec.idle_replicas.is_some() && replicas < spec.min_replicas;
            let from_zero_or_idle = below || replicas == 0;
            if from_zero_or_idle && spec.annotations.pause_scale_out {
                return KedaDecision::Paused;
            }
            // Beside a trigger that failed, an active one does not begin the cooldown anew.
            if from_zero_or_idle || !failed {
                self.last_active = Some(now);
            }
            return if from_zero_or_idle {
                KedaDecision::Activate(spec.min_replicas.max(1))
            } else {
                KedaDecision::LeftToHpa
            };
        }
        // A fallback to none leaves a failing object to the rules of a quiet one.
        if failed && spec.fallback.is_none_or(|fallback| fallback.replicas != 0) {
            return KedaDecision::Failed;
        }
        let above_idle = spec.idle_replicas.is_some_and(|idle| replicas > idle);
        let has_no_minimum = replicas > 0 && spec.min_replicas == 0;
        if above_idle || has_no_minimum {
            if spec.annotations.pause_scale_in {
                return KedaDecision::Paused;
            }
            // An object that was never active has nothing to cool down from. KEDA wants more than the
            // period to be over and keeps times by whole seconds, rounded down, so that a poll just as
            // long after the one before finds it over.
            let over = match self.last_active {
                None => now.since(self.created) >= spec.initial_cooldown_period,
                Some(last) => now.since(last) >= spec.cooldown_period,
            };
            return if over {
                KedaDecision::Deactivate(spec.idle_replicas.unwrap_or(0))
            } else {
                KedaDecision::CoolingDown
            };
        }
        if replicas < spec.min_replicas && spec.idle_replicas.is_none() {
            return KedaDecision::ToMinimum(spec.min_replicas);
        }
        KedaDecision::LeftToHpa
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use KedaDecision::{Activate, CoolingDown, Deactivate, Failed, LeftToHpa, Paused, ToMinimum};

    fn spec(min_replicas: i32, idle_replicas: Option<i32>) -> KedaSpec {
        KedaSpec { idle_replicas, min_replicas, ..KedaSpec::default() }
    }

    fn at(seconds: u64, replicas: i32, active: bool) -> Poll {
        Poll { now: SimTime::from_secs(seconds), replicas, active, failed: false }
    }

    /// Rows: minimum, idle, since when it was last active (never: none), replicas, active; decision.
    #[test]
    fn the_table_of_decisions() {
        type Row = (i32, Option<i32>, Option<u64>, i32, bool, KedaDecision);
        let rows: [Row; 18] = [
            // Activation: from none to one, or to the minimum; above that the HPA decides.
            (0, None, None, 0, true, Activate(1)),
            (3, None, None, 0, true, Activate(3)),
            (0, None, None, 1, true, LeftToHpa),
            (3, None, None, 2, true, LeftToHpa),
            (0, None, None, 40, true, LeftToHpa),
            // Quiet: the last replicas go after the cooldown, counted from the last active poll, however
            // many there are.
            (0, None, Some(0), 1, false, CoolingDown),
            (0, None, Some(299), 1, false, CoolingDown),
            (0, None, Some(300), 1, false, Deactivate(0)),
            (0, None, Some(301), 9, false, Deactivate(0)),
            (0, None, None, 5, false, Deactivate(0)),
            (0, None, Some(301), 0, false, LeftToHpa),
            // With a minimum KEDA never goes below it, and brings a target back to it.
            (2, None, Some(9_000), 2, false, LeftToHpa),
            (2, None, Some(9_000), 7, false, LeftToHpa),
            (2, None, Some(9_000), 1, false, ToMinimum(2)),
            // Idle replicas: below the minimum while quiet, at the minimum when active.
            (4, Some(1), Some(301), 4, false, Deactivate(1)),
            (4, Some(1), Some(299), 4, false, CoolingDown),
            (4, Some(1), Some(301), 1, false, LeftToHpa),
            (4, Some(1), None, 1, true, Activate(4)),
        ];
        for (row, (minimum, idle, quiet, replicas, active, expected)) in
            rows.into_iter().enumerate()
        {
            let spec = spec(minimum, idle);
            let mut keda = Keda::new(SimTime::ZERO, 1);
            if quiet.is_some() {
                keda.poll(&spec, at(1_000, minimum.max(1), true));
            }
            let now = 1_000 + quiet.unwrap_or(0);
            assert_eq!(keda.poll(&spec, at(now, replicas, active)), expected, "row {row}");
        }
    }

    #[test]
    fn a_new_object_waits_for_its_initial_cooldown() {
        let spec =
            KedaSpec { initial_cooldown_period: SimDuration::from_secs(120), ..spec(0, None) };
        let mut keda = Keda::new(SimTime::from_secs(100), 1);
        assert_eq!(keda.poll(&spec, at(219, 1, false)), CoolingDown);
        assert_eq!(keda.poll(&spec, at(220, 1, false)), Deactivate(0));
    }

    #[test]
    fn a_trigger_that_cannot_be_asked_takes_nothing_away() {
        let mut keda = Keda::new(SimTime::ZERO, 1);
        let failed = Poll { failed: true, ..at(9_000, 1, false) };
        assert_eq!(keda.poll(&spec(0, None), failed), Failed);
        let other_active = Poll { failed: true, ..at(9_000, 0, true) };
        assert_eq!(keda.poll(&spec(0, None), other_active), Activate(1));
    }

    #[test]
    fn an_active_trigger_beside_a_failed_one_does_not_begin_the_cooldown_anew() {
        let spec = spec(0, None);
        let mut keda = Keda::new(SimTime::ZERO, 2);
        keda.poll(&spec, at(100, 1, true));
        keda.poll(&spec, Poll { failed: true, ..at(390, 1, true) });
        assert_eq!(keda.poll(&spec, at(399, 1, false)), CoolingDown);
        assert_eq!(keda.poll(&spec, at(400, 1, false)), Deactivate(0));
    }

    #[test]
    fn a_fallback_to_none_leaves_a_failing_object_to_the_rules_of_a_quiet_one() {
        let fallback =
            Fallback { failure_threshold: 2, replicas: 4, behavior: FallbackBehavior::Static };
        let held = KedaSpec { fallback: Some(fallback), ..spec(0, None) };
        let failed = Poll { failed: true, ..at(9_000, 1, false) };
        let mut keda = Keda::new(SimTime::ZERO, 1);
        assert_eq!(keda.poll(&held, failed), Failed);
        let to_none = KedaSpec { fallback: Some(Fallback { replicas: 0, ..fallback }), ..held };
        assert_eq!(keda.poll(&to_none, failed), Deactivate(0));
    }

    #[test]
    fn fallbacks_look_at_what_is_wanted_now() {
        use FallbackBehavior as B;
        let rows = [
            (B::Static, 3, 5),
            (B::Static, 9, 5),
            (B::CurrentReplicas, 3, 3),
            (B::CurrentReplicasIfHigher, 3, 5),
            (B::CurrentReplicasIfHigher, 9, 9),
            (B::CurrentReplicasIfLower, 3, 3),
            (B::CurrentReplicasIfLower, 9, 5),
        ];
        for (behavior, current, expected) in rows {
            let fallback = Fallback { failure_threshold: 0, replicas: 5, behavior };
            assert_eq!(fallback.wanted(current), expected, "{behavior:?} {current}");
        }
    }

    #[test]
    fn annotations_hold_one_direction_or_force_the_first_replica() {
        let with = |annotations| KedaSpec { annotations, ..spec(0, None) };
        let default = Annotations::default();
        let mut keda = Keda::new(SimTime::ZERO, 1);
        let scale_in = with(Annotations { pause_scale_in: true, ..default });
        assert_eq!(keda.poll(&scale_in, at(9_000, 1, false)), Paused);
        assert_eq!(keda.poll(&scale_in, at(9_000, 0, true)), Activate(1));
        let scale_out = with(Annotations { pause_scale_out: true, ..default });
        assert_eq!(keda.poll(&scale_out, at(9_900, 0, true)), Paused);
        // What did not happen begins no cooldown.
        assert_eq!(keda.poll(&scale_out, at(9_901, 1, false)), Deactivate(0));
        let forced = with(Annotations { force_activation: true, ..default });
        assert_eq!(keda.poll(&forced, at(9_902, 0, false)), Activate(1));
    }
}
