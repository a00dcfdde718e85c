//! What triggers answer, and what KEDA makes of it: fallbacks in the place of those that fail, one
//! number of several where a formula says so, and whether the object is active.
//!
//! The operator asks when it polls (keda, pkg/scaling/scale_handler.go `getScaledObjectState`), the HPA
//! through KEDA's metrics server when it syncs (`GetScaledObjectMetrics`); failures count on both ways
//! (pkg/fallback/fallback.go `GetMetricsWithFallback`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::formula::Formula;
use super::{Fallback, FallbackBehavior, Keda, KedaSpec};
use crate::units::convert::{f64_from_i64, trunc_i64};

/// The name under which KEDA serves what a formula comes to (`CompositeMetricName`).
pub const COMPOSITE: &str = "composite-metric";

/// What KEDA knows of a trigger beside its source.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerSpec {
    /// `name`, by which formulas know it.
    pub name: Option<Arc<str>>,
    /// The target of its metric.
    pub target: f64,
    /// Whether the target is of type Value, so that fallbacks are shared out over ready pods.
    pub of_whole: bool,
    /// `useCachedMetrics`: the HPA gets what the last poll found.
    pub cached: bool,
}

/// `spec.advanced.scalingModifiers`.
#[derive(Debug, Clone, PartialEq)]
pub struct Modifiers {
    /// `formula`.
    pub formula: Formula,
    /// `target`.
    pub target: f64,
    /// Whether `target` is written as a whole number: fallbacks hold only then (fallback.go
    /// `HasValidFallback`).
    pub target_is_whole: bool,
    /// `activationTarget`, 0 when absent.
    pub activation: f64,
    /// `metricType: Value`.
    pub of_whole: bool,
}

/// What the source of a trigger says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// Its value in thousandths, not below 0; `None` when it could not be asked.
    pub milli: Option<i64>,
    /// Whether it is above its activation.
    pub active: bool,
}

/// What KEDA sees of the target when it falls back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// `spec.replicas`.
    pub replicas: i32,
    /// Pods that are ready.
    pub ready: i32,
}

/// What the operator makes of all triggers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// Whether the object is active.
    pub active: bool,
    /// Whether a trigger failed without a fallback in its place.
    pub failed: bool,
    /// The triggers that make it active, by position; none where a formula does.
    pub by: Vec<usize>,
}

/// One trigger after fallbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Failed,
    Answered(i64),
    Fallback(i64),
    /// A formula sees `nil` (`behavior: scalingModifiers`).
    Nil,
}

/// Values are served with three digits, and nothing below zero (pkg/scalers/scaler.go
/// `GenerateMetricInMili`, `quantityFromFloat64`).
#[must_use]
pub fn served_milli(value: f64) -> i64 {
    if !value.is_finite() || value <= 0.0 {
        return 0;
    }
    // Rounded as a decimal text: multiplying first would round another number.
    format!("{value:.3}").replace('.', "").parse().unwrap_or(i64::MAX)
}

impl KedaSpec {
    /// The fallback, where it is valid.
    fn valid_fallback(&self) -> Option<Fallback> {
        let whole = self.modifiers.as_ref().is_none_or(|it| it.target_is_whole);
        self.fallback.filter(|_| whole)
    }

    /// What a fallback answers in the place of a trigger: the target times its replicas, for a target of
    /// the whole shared out over the pods that are ready, of which there must be one (`doFallback`).
    fn fallback_milli(&self, at: usize, fallback: Fallback, sight: Sight) -> Option<i64> {
        let (target, of_whole) = match &self.modifiers {
            Some(modifiers) => (modifiers.target, modifiers.of_whole),
            None => (self.triggers[at].target, self.triggers[at].of_whole),
        };
        let mut replicas = f64::from(fallback.wanted(sight.replicas));
        if of_whole {
            if sight.ready == 0 {
                return None;
            }
            replicas /= f64::from(sight.ready);
        }
        Some(trunc_i64(target * 1_000.0 * replicas))
    }
}

impl Keda {
    /// The operator asks all triggers.
    pub fn look(&mut self, spec: &KedaSpec, sight: Sight, reads: &[Read]) -> Look {
        let mut look = Look::default();
        let mut all = Vec::with_capacity(reads.len());
        for (at, read) in reads.iter().enumerate() {
            let taken = self.take(spec, sight, at, *read);
            match taken {
                Taken::Failed => look.failed = true,
                Taken::Answered(_) if read.active => look.by.push(at),
                Taken::Fallback(_) => look.by.push(at),
                Taken::Answered(_) | Taken::Nil => {}
            }
            if spec.triggers[at].cached {
                self.records[at] = Some(taken);
            }
            all.push(taken);
        }
        look.active = !look.by.is_empty();
        if let Some(modifiers) = &spec.modifiers {
            look.by.clear();
            let value = if look.failed { None } else { composite(spec, modifiers, &all) };
            look.active =
                value.is_some_and(|milli| f64_from_i64(milli) / 1_000.0 > modifiers.activation);
        }
        // With CPU and memory alone there is nothing to activate by.
        look.active |= spec.resources_alone && !look.failed;
        look
    }

    /// The HPA asks for the metric of a trigger, in thousandths.
    pub fn answer(&mut self, spec: &KedaSpec, sight: Sight, at: usize, read: Read) -> Option<i64> {
        match self.take_for_hpa(spec, sight, at, read) {
            Taken::Failed => None,
            Taken::Answered(milli) | Taken::Fallback(milli) => Some(milli),
            Taken::Nil => Some(-1_000),
        }
    }

    /// The HPA asks for what the formula comes to, in thousandths.
    pub fn answer_composite(
        &mut self,
        spec: &KedaSpec,
        sight: Sight,
        reads: &[Read],
    ) -> Option<i64> {
        let asked = reads.iter().enumerate();
        let all: Vec<Taken> =
            asked.map(|(at, read)| self.take_for_hpa(spec, sight, at, *read)).collect();
        let fallen = all.iter().any(|taken| matches!(taken, Taken::Fallback(_)));
        if !fallen && all.contains(&Taken::Failed) {
            return None;
        }
        composite(spec, spec.modifiers.as_ref()?, &all)
    }

    /// What the HPA gets of a trigger: for a cached one what the last poll left, which counts as an
    /// answer even where it is that of a fallback.
    fn take_for_hpa(&mut self, spec: &KedaSpec, sight: Sight, at: usize, read: Read) -> Taken {
        let record = self.records[at].filter(|_| spec.triggers[at].cached);
        let read = match record {
            None => read,
            Some(Taken::Failed) => Read { milli: None, ..read },
            Some(Taken::Answered(milli) | Taken::Fallback(milli)) => {
                Read { milli: Some(milli), ..read }
            }
            Some(Taken::Nil) => Read { milli: Some(-1_000), ..read },
        };
        self.take(spec, sight, at, read)
    }

    fn take(&mut self, spec: &KedaSpec, sight: Sight, at: usize, read: Read) -> Taken {
        let fallback = spec.valid_fallback();
        if let Some(milli) = read.milli {
            if fallback.is_some() {
                self.failures[at] = 0;
            }
            return Taken::Answered(milli);
        }
        let Some(fallback) = fallback else { return Taken::Failed };
        self.failures[at] = self.failures[at].saturating_add(1);
        if self.failures[at] <= fallback.failure_threshold {
            return Taken::Failed;
        }
        if fallback.behavior == FallbackBehavior::ScalingModifiers {
            return Taken::Nil;
        }
        spec.fallback_milli(at, fallback, sight).map_or(Taken::Failed, Taken::Fallback)
    }
}

/// What the triggers come to together: the fallback of one of them, else the formula, in thousandths
/// (formula.go `HandleScalingModifiers`).
fn composite(spec: &KedaSpec, modifiers: &Modifiers, all: &[Taken]) -> Option<i64> {
    let fallen = all.iter().find_map(|taken| match taken {
        Taken::Fallback(milli) => Some(*milli),
        Taken::Failed | Taken::Answered(_) | Taken::Nil => None,
    });
    if fallen.is_some() {
        return fallen;
    }
    let named = spec.triggers.iter().zip(all).filter_map(|(trigger, taken)| {
        let value = match taken {
            Taken::Answered(milli) => Some(f64_from_i64(*milli) / 1_000.0),
            Taken::Failed | Taken::Fallback(_) | Taken::Nil => None,
        };
        Some((trigger.name.as_deref()?, value))
    });
    let values: BTreeMap<&str, Option<f64>> = named.collect();
    let value = match modifiers.formula.evaluate(&values).ok()? {
        Some(value) => value,
        None => f64::from(spec.fallback?.replicas) * modifiers.target,
    };
    // No number is too small for any target: the HPA comes to its minimum.
    Some(if value.is_finite() { trunc_i64(value * 1_000.0) } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(name: &str, target: f64) -> TriggerSpec {
        TriggerSpec { name: Some(name.into()), target, of_whole: false, cached: false }
    }

    fn spec(triggers: Vec<TriggerSpec>) -> KedaSpec {
        KedaSpec { triggers, ..KedaSpec::default() }
    }

    fn modified(formula: &str, triggers: Vec<TriggerSpec>) -> KedaSpec {
        let names: Vec<Arc<str>> = triggers.iter().filter_map(|it| it.name.clone()).collect();
        let names: Vec<&str> = names.iter().map(|it| &**it).collect();
        let modifiers = Modifiers {
            formula: Formula::compile(formula, &names).expect("it is a formula"),
            target: 5.0,
            target_is_whole: true,
            activation: 2.0,
            of_whole: false,
        };
        KedaSpec { modifiers: Some(modifiers), ..spec(triggers) }
    }

    const SIGHT: Sight = Sight { replicas: 3, ready: 2 };
    const BROKEN: Read = Read { milli: None, active: false };

    fn read(milli: i64) -> Read {
        Read { milli: Some(milli), active: milli > 0 }
    }

    fn fallback(failure_threshold: u32, behavior: FallbackBehavior) -> Option<Fallback> {
        Some(Fallback { failure_threshold, replicas: 4, behavior })
    }

    fn keda(spec: &KedaSpec) -> Keda {
        Keda::new(crate::units::SimTime::ZERO, spec.triggers.len())
    }

    #[test]
    fn a_fallback_holds_after_more_failures_than_the_threshold() {
        let two = spec(vec![trigger("a", 5.0), trigger("b", 1.0)]);
        let two = KedaSpec { fallback: fallback(2, FallbackBehavior::Static), ..two };
        let mut keda = keda(&two);
        let answers: Vec<Option<i64>> = [BROKEN, BROKEN, BROKEN, read(7), BROKEN]
            .into_iter()
            .map(|read| keda.answer(&two, SIGHT, 0, read))
            .collect();
        assert_eq!(answers, [None, None, Some(20_000), Some(7), None]);
        // Polls and syncs count together, each trigger for itself.
        keda.answer(&two, SIGHT, 0, BROKEN);
        let look = keda.look(&two, SIGHT, &[BROKEN, read(0)]);
        assert_eq!(look, Look { active: true, failed: false, by: vec![0] });
        let look = keda.look(&two, SIGHT, &[read(0), BROKEN]);
        assert_eq!(look, Look { active: false, failed: true, by: vec![] });
    }

    #[test]
    fn a_fallback_of_the_whole_is_shared_out_over_ready_pods() {
        let whole = TriggerSpec { of_whole: true, ..trigger("a", 9.0) };
        let spec =
            KedaSpec { fallback: fallback(0, FallbackBehavior::Static), ..spec(vec![whole]) };
        let mut keda = keda(&spec);
        assert_eq!(keda.answer(&spec, SIGHT, 0, BROKEN), Some(18_000));
        assert_eq!(keda.answer(&spec, Sight { ready: 0, ..SIGHT }, 0, BROKEN), None);
    }

    #[test]
    fn the_hpa_gets_what_the_last_poll_left_in_the_cache() {
        let cached = TriggerSpec { cached: true, ..trigger("a", 5.0) };
        let spec =
            KedaSpec { fallback: fallback(1, FallbackBehavior::Static), ..spec(vec![cached]) };
        let mut keda = keda(&spec);
        assert_eq!(keda.answer(&spec, SIGHT, 0, read(1)), Some(1), "nothing is cached yet");
        keda.look(&spec, SIGHT, &[read(2)]);
        assert_eq!(keda.answer(&spec, SIGHT, 0, read(3)), Some(2));
        keda.look(&spec, SIGHT, &[BROKEN]);
        // The failure of the poll counts again, so the fallback holds, though the source is well.
        assert_eq!(keda.answer(&spec, SIGHT, 0, read(3)), Some(20_000));
        keda.look(&spec, SIGHT, &[BROKEN]);
        assert_eq!(keda.answer(&spec, SIGHT, 0, BROKEN), Some(20_000));
        // What a fallback left counts as an answer, so that the next failure is the first one.
        let look = keda.look(&spec, SIGHT, &[BROKEN]);
        assert!(look.failed && !look.active);
    }

    #[test]
    fn a_formula_stands_for_all_triggers_and_has_its_own_activation() {
        let sum = modified("a + b", vec![trigger("a", 1.0), trigger("b", 1.0)]);
        let mut keda = keda(&sum);
        let look = keda.look(&sum, SIGHT, &[read(1_000), read(1_000)]);
        assert!(!look.active, "2 is not above 2");
        assert!(keda.look(&sum, SIGHT, &[read(1_000), read(1_001)]).active);
        assert_eq!(keda.answer_composite(&sum, SIGHT, &[read(1_500), read(700)]), Some(2_200));
        assert_eq!(keda.answer_composite(&sum, SIGHT, &[read(1_500), BROKEN]), None);
        let look = keda.look(&sum, SIGHT, &[read(9_000), BROKEN]);
        assert!(look.failed && !look.active, "no formula over a hole");
        let held = KedaSpec { fallback: fallback(0, FallbackBehavior::Static), ..sum };
        assert_eq!(keda.answer_composite(&held, SIGHT, &[read(1_500), BROKEN]), Some(20_000));
        let nowhere = modified("a / 0", vec![trigger("a", 1.0)]);
        let mut keda = Keda::new(crate::units::SimTime::ZERO, 1);
        assert_eq!(keda.answer_composite(&nowhere, SIGHT, &[read(1)]), Some(0));
    }

    #[test]
    fn a_formula_may_take_failed_triggers_for_nil() {
        let first = modified("a ?? b", vec![trigger("a", 1.0), trigger("b", 1.0)]);
        let behavior = FallbackBehavior::ScalingModifiers;
        let first = KedaSpec { fallback: fallback(1, behavior), ..first };
        let mut keda = keda(&first);
        let asked = [BROKEN, read(3_000)];
        assert_eq!(keda.answer_composite(&first, SIGHT, &asked), None, "not above the threshold");
        assert_eq!(keda.answer_composite(&first, SIGHT, &asked), Some(3_000));
        let none = [BROKEN, BROKEN];
        assert_eq!(keda.answer_composite(&first, SIGHT, &none), None);
        assert_eq!(keda.answer_composite(&first, SIGHT, &none), Some(20_000), "4 times the target");
    }

    #[test]
    fn cpu_and_memory_alone_are_always_active() {
        let alone = KedaSpec { resources_alone: true, ..spec(Vec::new()) };
        assert!(keda(&alone).look(&alone, SIGHT, &[]).active);
    }

    #[test]
    fn values_are_served_in_thousandths_and_not_below_zero() {
        let served = [1.2345, 0.0004, -3.0, f64::NAN, f64::INFINITY].map(served_milli);
        assert_eq!(served, [1_234, 0, 0, 0, 0]);
    }
}
