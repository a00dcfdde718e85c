//! How far figures carry: more load, a lost node or zone, and what is needed from the quietest instant
//! to the busiest.

use std::sync::Arc;

use rayon::prelude::*;
use rust_decimal::Decimal;

use super::figures::Figures;
use super::search::{Search, Tried};
use super::trial::{Trial, trial};
use crate::findings::text::of_its;
use crate::metrics::cost::cents;
use crate::model::id::PoolId;
use crate::model::observer::PoolSample;
use crate::scenario::profile::HOURS_PER_MONTH;
use crate::scenario::{DisruptionSpec, DisruptionTarget, Scenario};
use crate::units::convert::{f64_from_u64, round_i64};
use crate::units::{Origin, SimDuration};

/// Loads that are tried first, as multiples of the scenario's.
const FACTORS: [f64; 4] = [1.15, 1.4, 1.8, 2.5];
/// Tries between the last that holds and the first that does not.
const BETWEEN: u32 = 3;
/// Loads that are tried in a proof of headroom at most.
const PROVED_MOST: u32 = 5;
/// Multiples this close are told as where it holds and where it fails.
const CLOSE: f64 = 0.06;
/// How long a machine or zone is away.
const AWAY: SimDuration = SimDuration::from_secs(20 * 60);

/// How much more load figures carry.
#[derive(Debug, Clone, PartialEq)]
pub struct Headroom {
    /// The largest multiple of the load that holds; 0 when the load itself does not.
    pub holds_at: f64,
    /// The smallest that was seen to fail; `None` when none was.
    pub fails_at: Option<f64>,
    /// The thresholds that fail first.
    pub failed: Vec<String>,
    /// The service that is hardest pressed there, its resource and the share in use.
    pub binds: Option<(Arc<str>, String)>,
    /// Seeds of the scenarios as they are written that say so; `None`: the model of the search says so.
    pub proven: Option<u32>,
}

/// What happens when something fails at the peak.
#[derive(Debug, Clone, PartialEq)]
pub struct Tolerance {
    /// What fails: `a node of general`, `zone us-east-1b`.
    pub lost: String,
    /// Whether every threshold of the scenario still holds, today and with the plan.
    pub holds: [bool; 2],
    /// What does not, today and with the plan.
    pub failed: [Vec<String>; 2],
    /// Seeds of the scenario as it is written that say so; `None`: the model of the search says so.
    pub proven: Option<u32>,
}

/// What is needed at some time.
#[derive(Debug, Clone, PartialEq)]
pub struct Need {
    /// Whether with today's figures; otherwise with the plan's.
    pub today: bool,
    /// When: `least`, `typical`, `peak`, `peak, zone b lost`.
    pub when: String,
    /// Cores that pods request.
    pub cores: f64,
    /// Memory that pods request (bytes).
    pub memory: f64,
    /// GPUs that pods request.
    pub gpus: i64,
    /// Storage that is claimed (bytes).
    pub storage: f64,
    /// Nodes.
    pub nodes: u32,
    /// Nodes, control plane and volumes for a month of such hours; `None` when a price is unknown.
    pub cost_per_month: Option<Decimal>,
}

pub(super) struct Outlook {
    pub(super) headroom: [Headroom; 2],
    pub(super) tolerance: Vec<Tolerance>,
    pub(super) needs: Vec<Need>,
}

pub(super) fn outlook(
    search: &Search<'_>,
    figures: &Figures,
    today: &Tried,
    planned: &Tried,
) -> Outlook {
    let none = Figures::default();
    let both =
        || rayon::join(|| headroom(search, &none, today), || headroom(search, figures, planned));
    let ((mut now, mut then), (mut tolerance, zone)) =
        rayon::join(both, || tolerance(search, figures));
    let runs = search.options.outlook_runs;
    if runs > 0 {
        now = prove_headroom(search, &none, now, runs);
        then = prove_headroom(search, figures, then, runs);
        prove_tolerance(search, figures, &mut tolerance, runs);
    }
    let headroom = [now, then];
    let mut needs = needs(search.first(), &planned.trials[0]);
    if let Some((zone, trial)) = zone
        && let Some(mut need) = needs_at(search.first(), &trial, "peak")
    {
        need.when = format!("peak, {zone} lost");
        needs.push(need);
    }
    // Whoever keeps what is written needs what that asks for.
    if !figures.changes(search.first()).0.is_empty() {
        let as_written = self::needs(search.first(), &today.trials[0]);
        needs.extend(as_written.into_iter().map(|need| Need { today: true, ..need }));
    }
    Outlook { headroom, tolerance, needs }
}

fn loaded(scenario: &Scenario, factor: f64) -> Scenario {
    let mut scenario = scenario.clone();
    for load in &mut scenario.loads {
        *load = load.scaled(factor);
    }
    scenario
}

fn headroom(search: &Search<'_>, figures: &Figures, at_one: &Tried) -> Headroom {
    if !at_one.holds() {
        return describe(search, 0.0, Some((1.0, at_one.clone())));
    }
    let with = |factor: f64| Tried {
        trials: search
            .rates
            .iter()
            .map(|scenario| {
                trial(&loaded(&figures.apply(scenario), factor), 0, search.options.strict)
            })
            .collect(),
    };
    let tried: Vec<Tried> = FACTORS.par_iter().map(|factor| with(*factor)).collect();
    let first = tried.iter().position(|tried| !tried.holds());
    let Some(first) = first else {
        return describe(search, FACTORS[FACTORS.len() - 1], None);
    };
    let mut low = if first == 0 { 1.0 } else { FACTORS[first - 1] };
    let (mut high, mut failing) = (FACTORS[first], tried[first].clone());
    // Both threads look between at once: thirds instead of halves.
    for _ in 1..BETWEEN {
        let step = (high - low) / 3.0;
        let factors = [low + step, low + 2.0 * step];
        let tried: Vec<Tried> = factors.par_iter().map(|factor| with(*factor)).collect();
        match tried.iter().position(|tried| !tried.holds()) {
            Some(0) => (high, failing) = (factors[0], tried[0].clone()),
            Some(_) => (low, high, failing) = (factors[0], factors[1], tried[1].clone()),
            None => low = factors[1],
        }
    }
    describe(search, low, Some((high, failing)))
}

fn describe(search: &Search<'_>, holds_at: f64, failing: Option<(f64, Tried)>) -> Headroom {
    let Some((fails_at, tried)) = failing else {
        return Headroom {
            holds_at,
            fails_at: None,
            failed: Vec::new(),
            binds: None,
            proven: None,
        };
    };
    let mut failed: Vec<String> =
        tried.trials.iter().flat_map(|trial| trial.failed.iter().cloned()).collect();
    failed.dedup();
    let at = search.pressed(&tried).first().copied();
    let binds = at.map(|at| {
        let used = tried.used(at);
        let what = if used.pinned {
            format!("maxReplicas; {}", of_its(used.pressure, used.pressed))
        } else {
            of_its(used.pressure, used.pressed)
        };
        (Arc::clone(&search.parts[at].service), what)
    });
    Headroom { holds_at, fails_at: Some(fails_at), failed, binds, proven: None }
}

/// The scenarios as they are written under so much load, with so many seeds: the first seed that fails,
/// or the last.
fn seeds_at(search: &Search<'_>, figures: &Figures, factor: f64, runs: u32) -> Tried {
    let written: Vec<Scenario> =
        search.written.iter().map(|it| loaded(&figures.apply(it), factor)).collect();
    let seeds: Vec<u64> = (0..u64::from(runs)).collect();
    let tried: Vec<Tried> = seeds
        .par_iter()
        .map(|seed| Tried {
            trials: written.iter().map(|it| trial(it, *seed, search.options.strict)).collect(),
        })
        .collect();
    let failing = tried.iter().find(|tried| !tried.holds()).cloned();
    failing.or_else(|| tried.last().cloned()).unwrap_or(Tried { trials: Vec::new() })
}

/// What rates say of more load, asked of the scenarios as they are written: from there down until every
/// seed holds, and up until one fails.
fn prove_headroom(search: &Search<'_>, figures: &Figures, guess: Headroom, runs: u32) -> Headroom {
    let with = |factor: f64| seeds_at(search, figures, factor, runs);
    let said = |headroom: Headroom| Headroom { proven: Some(runs), ..headroom };
    let at_one = with(1.0);
    if !at_one.holds() {
        return said(describe(search, 0.0, Some((1.0, at_one))));
    }
    let mut low = 1.0;
    let mut failing: Option<(f64, Tried)> = None;
    let mut next = if guess.holds_at > 1.0 { guess.holds_at } else { FACTORS[0] };
    for _ in 0..PROVED_MOST {
        let tried = with(next);
        if tried.holds() {
            low = next;
        } else {
            failing = Some((next, tried));
        }
        next = match &failing {
            Some((high, _)) if high - low <= CLOSE => break,
            Some((high, _)) => f64::midpoint(low, *high),
            // Where rates fail, or a step beyond what held.
            None => guess.fails_at.filter(|at| *at > low).unwrap_or(low * FACTORS[0]),
        };
        if next > FACTORS[FACTORS.len() - 1] {
            break;
        }
    }
    said(describe(search, low, failing))
}

/// Every loss, asked of the first scenario as it is written.
fn prove_tolerance(search: &Search<'_>, figures: &Figures, all: &mut [Tolerance], runs: u32) {
    let Some(written) = search.written.first() else { return };
    let none = Figures::default();
    for ((_, target), tolerance) in losses(search.first()).into_iter().zip(all) {
        for (side, figures) in [&none, figures].into_iter().enumerate() {
            let mut scenario = figures.apply(written);
            lose(&mut scenario, peak(search.first()), target.clone());
            let seeds: Vec<u64> = (0..u64::from(runs)).collect();
            let trials: Vec<Trial> = seeds
                .par_iter()
                .map(|seed| trial(&scenario, *seed, search.options.strict))
                .collect();
            let failing = trials.iter().find(|trial| !trial.holds);
            tolerance.holds[side] = failing.is_none();
            tolerance.failed[side] = failing.map(|trial| trial.failed.clone()).unwrap_or_default();
        }
        tolerance.proven = Some(runs);
    }
}

fn lose(scenario: &mut Scenario, at: SimDuration, target: DisruptionTarget) {
    let origin = Origin::implied("sizing: what fails at the peak");
    scenario.disruptions.push(DisruptionSpec { at, target, origin });
    scenario.disruptions.sort_by_key(|disruption| disruption.at);
}

/// Instant at which the most is offered.
fn peak(scenario: &Scenario) -> SimDuration {
    const STEPS: u64 = 400;
    let step = SimDuration::from_nanos(scenario.duration.as_nanos() / STEPS);
    let offered = |at: SimDuration| crate::findings::demand::offered_rate(scenario, at);
    let all = (0..STEPS).map(|number| step * number);
    let best = all.fold((SimDuration::ZERO, f64::MIN), |best, at| {
        // The middle of a plateau is as busy as its start, and what went before has shown by then.
        if offered(at) > best.1 { (at, offered(at)) } else { best }
    });
    best.0
}

/// What can be lost: one node of each pool that serves, and the zone with the most nodes.
fn losses(scenario: &Scenario) -> Vec<(String, DisruptionTarget)> {
    let mut losses = Vec::new();
    for (at, pool) in scenario.pools.iter().enumerate() {
        let system = pool.taints.iter().any(|taint| &*taint.key == "CriticalAddonsOnly");
        if pool.node_pool.is_some() || system || pool.max == 0 {
            continue;
        }
        let target = DisruptionTarget::FailNode {
            pool: PoolId::at(at),
            count: 1,
            duration: None,
            running: None,
            deleted: Some(SimDuration::from_secs(60)),
            node: None,
        };
        losses.push((format!("one node of {}", pool.name), target));
    }
    let zones = scenario.pools.iter().flat_map(|pool| &pool.zones);
    let mut zones: Vec<&Arc<str>> = zones.collect();
    zones.sort();
    zones.dedup();
    if let [_, zone, ..] = zones.as_slice() {
        let target = DisruptionTarget::FailZone { zone: Arc::clone(zone), duration: Some(AWAY) };
        losses.push((format!("zone {zone}"), target));
    }
    losses
}

/// Each loss at the peak of the first scenario, and the trial in which the zone was lost.
fn tolerance(search: &Search<'_>, figures: &Figures) -> (Vec<Tolerance>, Option<(String, Trial)>) {
    let losses = losses(search.first());
    let none = Figures::default();
    let at = peak(search.first());
    let jobs: Vec<(usize, &Figures)> =
        (0..losses.len()).flat_map(|loss| [(loss, &none), (loss, figures)]).collect();
    let trials: Vec<Trial> = jobs
        .par_iter()
        .map(|(loss, figures)| {
            let mut scenario = figures.apply(search.first());
            lose(&mut scenario, at, losses[*loss].1.clone());
            trial(&scenario, 0, search.options.strict)
        })
        .collect();
    let mut zone = None;
    let tolerances = losses.iter().zip(trials.chunks(2)).map(|((lost, target), pair)| {
        if matches!(target, DisruptionTarget::FailZone { .. }) {
            zone = Some((lost.clone(), pair[1].clone()));
        }
        Tolerance {
            lost: lost.clone(),
            holds: [pair[0].holds, pair[1].holds],
            failed: [pair[0].failed.clone(), pair[1].failed.clone()],
            proven: None,
        }
    });
    let tolerances = tolerances.collect();
    (tolerances, zone)
}

fn needs(scenario: &Scenario, trial: &Trial) -> Vec<Need> {
    ["least", "typical", "peak"].iter().filter_map(|when| needs_at(scenario, trial, when)).collect()
}

/// Requests and nodes at the instant with the fewest, the median or the most requested cores.
fn needs_at(scenario: &Scenario, trial: &Trial, when: &str) -> Option<Need> {
    let instants = trial.pools.iter().map(|pool| pool.samples.len()).min()?;
    let at = |instant: usize| trial.pools.iter().map(move |pool| &pool.samples[instant]);
    let cores = |instant: &usize| -> f64 { at(*instant).map(|it| it.cpu_requested_cores).sum() };
    let mut order: Vec<usize> = (0..instants).collect();
    order.sort_by(|a, b| cores(a).total_cmp(&cores(b)).then(a.cmp(b)));
    let instant = match when {
        "least" => *order.first()?,
        "typical" => *order.get(order.len() / 2)?,
        _ => *order.last()?,
    };
    let sum = |of: fn(&PoolSample) -> f64| at(instant).map(of).sum::<f64>();
    let paid: Option<Decimal> = at(instant)
        .map(|sample| if sample.nodes == 0 { Some(Decimal::ZERO) } else { sample.paid_per_hour })
        .sum();
    let fixed = trial.fixed_per_month;
    let month =
        paid.zip(fixed).map(|(paid, fixed)| cents(paid * Decimal::from(HOURS_PER_MONTH) + fixed));
    Some(Need {
        today: false,
        when: when.to_owned(),
        cores: sum(|it| it.cpu_requested_cores),
        memory: sum(|it| it.memory_requested_bytes),
        gpus: at(instant).map(|it| it.gpus_requested).sum(),
        storage: trial.storage_bytes,
        nodes: at(instant).map(|it| it.nodes).sum(),
        cost_per_month: month.filter(|_| !scenario.pools.is_empty()),
    })
}

/// A multiple as people say it: `1.40 x`, in hundredths so that equal figures look equal.
#[must_use]
pub fn multiple(factor: f64) -> f64 {
    f64_from_u64(u64::try_from(round_i64(factor * 100.0)).unwrap_or(0)) / 100.0
}
