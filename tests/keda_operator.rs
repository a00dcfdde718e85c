//! KEDA's operator beside a second telling of its rules, over random objects and polls.
//!
//! The second telling follows keda's pkg/scaling/executor/scale_scaledobjects.go (`RequestScale`,
//! `scaleToZeroOrIdle`, `scaleFromZeroOrIdle`), pkg/scaling/scale_handler.go (`getScaledObjectState`,
//! `GetScaledObjectMetrics`) and pkg/fallback/fallback.go branch by branch, with clocks as real ones: polls
//! fall between seconds, and what the status keeps of times are whole seconds.

use aurelius_sim::control::keda::formula::Formula;
use aurelius_sim::control::keda::triggers::{Modifiers, Read, Sight, TriggerSpec};
use aurelius_sim::control::keda::{Annotations, Fallback, FallbackBehavior, Keda, KedaSpec, Poll};
use aurelius_sim::units::convert::{f64_from_i64, round_i64};
use aurelius_sim::units::{SimDuration, SimTime};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

const CASES: u32 = 10_000;
/// Polls begin so far behind a whole second.
const PHASE_S: f64 = 0.35;
/// An object is so much older than its first poll.
const RECONCILED_S: f64 = 0.2;

/// What the second telling keeps: `status` of the object and the metrics cache.
#[derive(Default)]
struct Status {
    created_s: f64,
    last_active_s: Option<f64>,
    failures: Vec<i64>,
    /// Value and error of each metric in the cache.
    cache: Vec<Option<Result<f64, ()>>>,
}

/// One metric after fallbacks: its value, whether it is that of a fallback, whether it is `nil`.
struct Got {
    value: f64,
    fallback: bool,
    nil: bool,
}

fn with_fallback(
    spec: &KedaSpec,
    status: &mut Status,
    at: usize,
    raw: Result<f64, ()>,
    sight: Sight,
) -> Result<Got, ()> {
    let valid =
        spec.fallback.filter(|_| spec.modifiers.as_ref().is_none_or(|it| it.target_is_whole));
    let Some(fallback) = valid else {
        return raw.map(|value| Got { value, fallback: false, nil: false });
    };
    if let Ok(value) = raw {
        status.failures[at] = 0;
        return Ok(Got { value, fallback: false, nil: false });
    }
    status.failures[at] += 1;
    if status.failures[at] <= i64::from(fallback.failure_threshold) {
        return Err(());
    }
    let current = f64::from(sight.replicas);
    let stated = f64::from(fallback.replicas);
    let mut replicas = match fallback.behavior {
        FallbackBehavior::ScalingModifiers => {
            return Ok(Got { value: -1.0, fallback: false, nil: true });
        }
        FallbackBehavior::Static => stated,
        FallbackBehavior::CurrentReplicas => current,
        FallbackBehavior::CurrentReplicasIfHigher => {
            if current > stated {
                current
            } else {
                stated
            }
        }
        FallbackBehavior::CurrentReplicasIfLower => {
            if current < stated {
                current
            } else {
                stated
            }
        }
    };
    let (target, by_value) = match &spec.modifiers {
        Some(modifiers) => (modifiers.target, modifiers.of_whole),
        None => (spec.triggers[at].target, spec.triggers[at].of_whole),
    };
    if by_value {
        if sight.ready == 0 {
            return Err(());
        }
        replicas /= f64::from(sight.ready);
    }
    let milli = (target * 1_000.0 * replicas).trunc();
    Ok(Got { value: milli / 1_000.0, fallback: true, nil: false })
}

/// `HandleScalingModifiers` for the formula `(a ?? 7) + b` or `a + b`.
fn composite(all: &[Result<Got, ()>], with_nil: bool) -> Option<f64> {
    let got = |at: usize| all[at].as_ref().ok();
    if let Some(fallen) = all.iter().flatten().find(|got| got.fallback) {
        return Some(fallen.value);
    }
    let value = |at: usize| got(at).filter(|got| !got.nil).map(|got| got.value);
    let sum = if with_nil { value(0).unwrap_or(7.0) + value(1)? } else { value(0)? + value(1)? };
    Some((sum * 1_000.0).trunc() / 1_000.0)
}

fn state(
    spec: &KedaSpec,
    status: &mut Status,
    reads: &[Read],
    sight: Sight,
    with_nil: bool,
) -> (bool, bool) {
    let (mut active, mut failed) = (false, false);
    let mut all = Vec::new();
    for (at, read) in reads.iter().enumerate() {
        let raw = read.milli.map(|milli| f64_from_i64(milli) / 1_000.0).ok_or(());
        let got = with_fallback(spec, status, at, raw, sight);
        match &got {
            Ok(got) => active |= got.fallback || read.active && read.milli.is_some(),
            Err(()) => failed = true,
        }
        if spec.triggers[at].cached {
            status.cache[at] = Some(got.as_ref().map(|got| got.value).map_err(|_| ()));
        }
        all.push(got);
    }
    if let Some(modifiers) = &spec.modifiers {
        active =
            !failed && composite(&all, with_nil).is_some_and(|value| value > modifiers.activation);
    }
    if spec.resources_alone && !failed {
        active = true;
    }
    (active, failed)
}

/// `RequestScale`: the size that is written, if one is.
fn request_scale(
    spec: &KedaSpec,
    status: &mut Status,
    (now_s, current): (f64, i32),
    (active, failed): (bool, bool),
) -> Option<i32> {
    let minimum = spec.min_replicas;
    if active || spec.annotations.force_activation {
        if spec.idle_replicas.is_some() && current < minimum || current == 0 {
            if spec.annotations.pause_scale_out {
                return None;
            }
            status.last_active_s = Some(now_s.floor());
            return Some(if minimum > 0 { minimum } else { 1 });
        }
        if !failed {
            status.last_active_s = Some(now_s.floor());
        }
        return None;
    }
    match spec.fallback {
        Some(fallback) if failed && fallback.replicas != 0 => return None,
        None if failed => return None,
        Some(_) | None => {}
    }
    if spec.idle_replicas.is_some_and(|idle| current > idle) || current > 0 && minimum == 0 {
        if spec.annotations.pause_scale_in {
            return None;
        }
        let over = match status.last_active_s {
            None => status.created_s + spec.initial_cooldown_period.as_secs_f64() < now_s,
            Some(last) => last + spec.cooldown_period.as_secs_f64() < now_s,
        };
        return over.then(|| spec.idle_replicas.unwrap_or(minimum));
    }
    (spec.idle_replicas.is_none() && current < minimum).then_some(minimum)
}

fn hpa_asks(
    spec: &KedaSpec,
    status: &mut Status,
    reads: &[Read],
    sight: Sight,
    with_nil: bool,
) -> Vec<Option<i64>> {
    let mut take = |at: usize, read: Read| {
        let raw = match status.cache[at].filter(|_| spec.triggers[at].cached) {
            Some(record) => record,
            None => read.milli.map(|milli| f64_from_i64(milli) / 1_000.0).ok_or(()),
        };
        with_fallback(spec, status, at, raw, sight)
    };
    let all: Vec<Result<Got, ()>> =
        reads.iter().enumerate().map(|(at, read)| take(at, *read)).collect();
    let milli = |value: f64| round_i64(value * 1_000.0);
    if spec.modifiers.is_none() {
        return all.iter().map(|got| got.as_ref().ok().map(|got| milli(got.value))).collect();
    }
    let fallen = all.iter().flatten().any(|got| got.fallback);
    if !fallen && all.iter().any(Result::is_err) {
        return vec![None];
    }
    vec![composite(&all, with_nil).map(milli)]
}

fn drawn(random: &mut Pcg64Mcg) -> (KedaSpec, bool) {
    let behaviors = [
        FallbackBehavior::Static,
        FallbackBehavior::CurrentReplicas,
        FallbackBehavior::CurrentReplicasIfHigher,
        FallbackBehavior::CurrentReplicasIfLower,
        FallbackBehavior::ScalingModifiers,
    ];
    let with_formula = random.random_bool(0.4);
    let with_nil = with_formula && random.random_bool(0.5);
    let count = if with_formula { 2 } else { random.random_range(0..=3) };
    let triggers = (0..count).map(|at| TriggerSpec {
        name: Some(["a", "b", "c"][at].into()),
        target: f64::from(random.random_range(1..=40)) / 4.0,
        of_whole: random.random_bool(0.3),
        cached: random.random_bool(0.3),
    });
    let triggers: Vec<TriggerSpec> = triggers.collect();
    let fallback = random.random_bool(0.5).then(|| Fallback {
        failure_threshold: random.random_range(0..=3),
        replicas: random.random_range(0..=6),
        behavior: behaviors[random.random_range(0..if with_nil { 5 } else { 4 })],
    });
    let target = f64::from(random.random_range(1..=12)) / 2.0;
    let formula = if with_nil { "(a ?? 7) + b" } else { "a + b" };
    let modifiers = with_formula.then(|| Modifiers {
        formula: Formula::compile(formula, &["a", "b"]).expect("it is one"),
        target,
        target_is_whole: target.fract() < 0.1,
        activation: f64::from(random.random_range(0..=8)),
        of_whole: random.random_bool(0.3),
    });
    let min_replicas = random.random_range(0..=4);
    let idle =
        (min_replicas > 0 && random.random_bool(0.4)).then(|| random.random_range(0..min_replicas));
    let seconds =
        |random: &mut Pcg64Mcg, most| SimDuration::from_secs(random.random_range(0..=most) * 5);
    let spec = KedaSpec {
        polling_interval: SimDuration::from_secs(5),
        cooldown_period: seconds(random, 12),
        initial_cooldown_period: seconds(random, 6),
        idle_replicas: idle,
        min_replicas,
        fallback,
        annotations: Annotations {
            pause_scale_in: random.random_bool(0.1),
            pause_scale_out: random.random_bool(0.1),
            force_activation: random.random_bool(0.05),
        },
        resources_alone: triggers.is_empty(),
        triggers,
        modifiers,
    };
    (spec, with_nil)
}

fn reads(random: &mut Pcg64Mcg, count: usize) -> Vec<Read> {
    let read = |_| {
        let milli = random.random_bool(0.75).then(|| random.random_range(0..=8_i64) * 500);
        Read { milli, active: milli.is_some_and(|milli| milli > 1_000) }
    };
    (0..count).map(read).collect()
}

#[test]
fn the_operator_decides_as_its_second_telling_does() {
    let seed = 20_261_124;
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let (mut written, mut answered, mut fallen) = (0, 0, 0);
    for case in 0..CASES {
        let (spec, with_nil) = drawn(&mut random);
        let count = spec.triggers.len();
        let mut keda = Keda::new(SimTime::ZERO, count);
        let mut status = Status {
            created_s: (PHASE_S - RECONCILED_S).floor(),
            failures: vec![0; count],
            cache: vec![None; count],
            ..Status::default()
        };
        let mut replicas = random.random_range(0..=6);
        for beat in 0..12_u32 {
            let now_s = beat * 5;
            let sight = Sight { replicas, ready: random.random_range(0..=replicas) };
            let found = reads(&mut random, count);
            let at = format!("seed {seed}, case {case}, beat {beat}: {spec:?} {found:?} {sight:?}");
            let look = keda.look(&spec, sight, &found);
            let now = SimTime::from_secs(u64::from(now_s));
            let poll = Poll { now, replicas, active: look.active, failed: look.failed };
            let decision = keda.poll(&spec, poll).replicas();
            let expected = state(&spec, &mut status, &found, sight, with_nil);
            assert_eq!((look.active, look.failed), expected, "{at}");
            let clock = f64::from(now_s) + PHASE_S;
            let scaled = request_scale(&spec, &mut status, (clock, replicas), expected);
            assert_eq!(decision, scaled, "{at}");
            written += u32::from(decision.is_some());
            replicas = decision.unwrap_or(replicas);
            if replicas > 0 && random.random_bool(0.7) {
                let found = reads(&mut random, count);
                let answers = if spec.modifiers.is_some() {
                    vec![keda.answer_composite(&spec, sight, &found)]
                } else {
                    let each = found.iter().enumerate();
                    each.map(|(at, read)| keda.answer(&spec, sight, at, *read)).collect()
                };
                let expected = hpa_asks(&spec, &mut status, &found, sight, with_nil);
                assert_eq!(answers, expected, "{at}; asked {found:?}");
                answered += answers.iter().flatten().count();
                fallen += answers
                    .iter()
                    .zip(&found)
                    .filter(|(it, read)| it.is_some() && read.milli.is_none())
                    .count();
                replicas = (replicas + random.random_range(-1..=2)).clamp(1, 9);
            }
        }
    }
    // The cases are about something.
    assert!(
        written > 4_000 && answered > 50_000 && fallen > 2_000,
        "{written} {answered} {fallen}"
    );
}
