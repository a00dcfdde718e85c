//! Rate limits: how far the size may move at once.
//!
//! Source: kube-controller-manager, `horizontal.go` (`convertDesiredReplicasWithRules`,
//! `convertDesiredReplicasWithBehaviorRate`, `calculateScaleUpLimitWithScalingRules`,
//! `calculateScaleDownLimitWithBehaviors`, `storeScaleEvent`, `markScaleEventsOutdated`).

use std::cmp::Ordering;

use super::arithmetic::int32_unguarded;
use super::conditions::ConditionReason;
use super::config::SECOND_NS;
use super::decision::{Limit, PolicyLimit};
use super::spec::{PolicyKind, ScalingPolicy, SelectPolicy};

/// Without behavior the size may at most double at once …
const LEGACY_FACTOR: f64 = 2.0;
/// … or go to this (replicas), whichever is more.
const LEGACY_MINIMUM: f64 = 4.0;

/// A change of size that happened.
#[derive(Debug, Clone, Copy)]
struct ScaleEvent {
    change: i32,
    at_ns: i64,
    outdated: bool,
}

/// The changes of one direction.
#[derive(Debug, Clone, Default)]
struct ScaleEvents {
    list: Vec<ScaleEvent>,
}

impl ScaleEvents {
    /// Sum of the changes younger than a period; readers look at the time only, not at the mark.
    fn within(&self, period_seconds: i32, now_ns: i64) -> i32 {
        let cutoff_ns = now_ns.saturating_sub(seconds(period_seconds));
        self.list
            .iter()
            .filter(|event| event.at_ns > cutoff_ns)
            .fold(0, |sum, event| sum.wrapping_add(event.change))
    }

    /// Stores a change over the last outdated one. Outdated is what is older than the longest
    /// period of this direction's policies, even when the other direction still asks for it.
    fn store(&mut self, change: i32, policies: &[ScalingPolicy], now_ns: i64) {
        let longest = policies.iter().map(|policy| policy.period_seconds).max().unwrap_or(0);
        let cutoff_ns = now_ns.saturating_sub(seconds(longest));
        for event in &mut self.list {
            event.outdated |= event.at_ns < cutoff_ns;
        }
        let entry = ScaleEvent { change, at_ns: now_ns, outdated: false };
        match self.list.iter_mut().rev().find(|event| event.outdated) {
            Some(slot) => *slot = entry,
            None => self.list.push(entry),
        }
    }
}

/// The changes of size that policies count.
#[derive(Debug, Clone, Default)]
pub(super) struct ScaleHistory {
    up: ScaleEvents,
    down: ScaleEvents,
}

/// One direction's rules, with defaults filled in.
#[derive(Debug, Clone, Copy)]
pub(super) struct DirectionRules<'s> {
    pub(super) select: SelectPolicy,
    pub(super) policies: &'s [ScalingPolicy],
}

/// Lowest and highest size the HPA may set (replicas).
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) min: i32,
    pub(super) max: i32,
}

impl ScaleHistory {
    /// Remembers a change that was written.
    pub(super) fn store(
        &mut self,
        from: i32,
        to: i32,
        up: DirectionRules<'_>,
        down: DirectionRules<'_>,
        now_ns: i64,
    ) {
        if to > from {
            self.up.store(to.wrapping_sub(from), up.policies, now_ns);
        } else {
            self.down.store(from.wrapping_sub(to), down.policies, now_ns);
        }
    }

    /// Applies the rate of the direction together with minimum and maximum.
    pub(super) fn limit(
        &self,
        current: i32,
        stabilized: i32,
        rules: [DirectionRules<'_>; 2],
        bounds: Bounds,
        now_ns: i64,
    ) -> (i32, Limit) {
        let [up, down] = rules;
        match stabilized.cmp(&current) {
            Ordering::Greater => {
                let policies = self.policy_limits(current, up, up_limit, now_ns);
                let rate = select(policies.iter(), up, current, Ordering::Greater).max(current);
                let (cap, reason) = upper_cap(rate, bounds.max);
                let limited = stabilized > cap;
                limit(stabilized, limited.then_some((cap, reason)), policies, Some(rate))
            }
            Ordering::Less => {
                let policies = self.policy_limits(current, down, down_limit, now_ns);
                let rate = select(policies.iter(), down, current, Ordering::Less).min(current);
                let (floor, reason) = match bounds.min < rate {
                    true => (rate, ConditionReason::ScaleDownLimit),
                    false => (bounds.min, ConditionReason::TooFewReplicas),
                };
                let limited = stabilized < floor;
                limit(stabilized, limited.then_some((floor, reason)), policies, Some(rate))
            }
            Ordering::Equal => limit(stabilized, None, Vec::new(), None),
        }
    }

    /// What each policy allows. The size at the start of its period undoes the changes of both
    /// directions since.
    fn policy_limits(
        &self,
        current: i32,
        rules: DirectionRules<'_>,
        allowed: fn(ScalingPolicy, i32) -> i32,
        now_ns: i64,
    ) -> Vec<PolicyLimit> {
        if rules.select == SelectPolicy::Disabled {
            return Vec::new();
        }
        rules
            .policies
            .iter()
            .map(|&policy| {
                let added = self.up.within(policy.period_seconds, now_ns);
                let removed = self.down.within(policy.period_seconds, now_ns);
                let start = current.wrapping_sub(added).wrapping_add(removed);
                PolicyLimit { policy, added, removed, limit: allowed(policy, start) }
            })
            .collect()
    }
}

/// Without behavior: at most double or to 4, no limit downwards.
pub(super) fn legacy_limit(current: i32, stabilized: i32, bounds: Bounds) -> (i32, Limit) {
    let rate = int32_unguarded((LEGACY_FACTOR * f64::from(current)).max(LEGACY_MINIMUM));
    let (cap, reason) = upper_cap(rate, bounds.max);
    let limiter = if stabilized < bounds.min {
        Some((bounds.min, ConditionReason::TooFewReplicas))
    } else {
        (stabilized > cap).then_some((cap, reason))
    };
    limit(stabilized, limiter, Vec::new(), Some(rate))
}

fn upper_cap(rate: i32, max: i32) -> (i32, ConditionReason) {
    match max > rate {
        true => (rate, ConditionReason::ScaleUpLimit),
        false => (max, ConditionReason::TooManyReplicas),
    }
}

fn limit(
    stabilized: i32,
    limiter: Option<(i32, ConditionReason)>,
    policies: Vec<PolicyLimit>,
    rate: Option<i32>,
) -> (i32, Limit) {
    let (replicas, reason) = limiter.unwrap_or((stabilized, ConditionReason::DesiredWithinRange));
    (replicas, Limit { policies, rate, reason })
}

fn up_limit(policy: ScalingPolicy, start: i32) -> i32 {
    match policy.kind {
        PolicyKind::Pods => start.wrapping_add(policy.value),
        PolicyKind::Percent => {
            let growth = 1.0 + f64::from(policy.value) / 100.0;
            int32_unguarded((f64::from(start) * growth).ceil())
        }
    }
}

/// The percentage is cut off toward zero, which allows the larger change.
fn down_limit(policy: ScalingPolicy, start: i32) -> i32 {
    match policy.kind {
        PolicyKind::Pods => start.wrapping_sub(policy.value),
        PolicyKind::Percent => {
            int32_unguarded(f64::from(start) * (1.0 - f64::from(policy.value) / 100.0))
        }
    }
}

/// The policy that counts: the one of the largest change unless the smallest is asked for.
fn select<'p>(
    policies: impl Iterator<Item = &'p PolicyLimit>,
    rules: DirectionRules<'_>,
    current: i32,
    direction: Ordering,
) -> i32 {
    let limits = policies.map(|policy| policy.limit);
    let upwards = direction == Ordering::Greater;
    let chosen = match (rules.select, upwards) {
        (SelectPolicy::Disabled, _) => None,
        (SelectPolicy::Max, true) | (SelectPolicy::Min, false) => limits.max(),
        (SelectPolicy::Min, true) | (SelectPolicy::Max, false) => limits.min(),
    };
    chosen.unwrap_or(current)
}

fn seconds(count: i32) -> i64 {
    i64::from(count) * SECOND_NS
}
