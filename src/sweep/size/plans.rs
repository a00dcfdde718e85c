//! From scenarios to three plans, and the proof of the one that is asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::figures::{Amount, Field, Figures, Owner, now};
use super::guess::{Boldness, Reasoned, budgets, guess};
use super::outlook;
use super::parts::{Part, cores_of};
use super::search::{Search, Tried, without_bounds};
use super::trial::{Trial, trial};
use super::{Finding, Plan, PlanKind, PlanOutcome, Proof, ServiceVerdict, SizeOptions, Sizing};
use crate::cluster::api::WorkloadKind;
use crate::model::id::WorkloadId;
use crate::scenario::{Scenario, ServiceModel};
use crate::units::convert::count_u32;

/// Times that a plan is repaired after a proof that failed.
const PROOFS_MOST: u32 = 6;
/// A run of so many events is short enough to lower figures by requests, too.
const CHEAP_EVENTS: u64 = 3_000_000;
/// Seeds that a lowered figure must hold with.
const LOWERED_RUNS: u32 = 5;

pub(super) fn sizing(
    written: &[Scenario],
    ties: &[Vec<super::Figure>],
    options: &SizeOptions,
    progress: &(dyn Fn(&str) + Sync),
) -> Sizing {
    let search = Search::new(written, ties, options);
    progress("what the load needs when nothing is bounded");
    let sets = [Figures::default(), without_bounds(search.first(), &search.parts)];
    let mut both = search.try_all(&sets);
    let free = both.pop().expect("two were asked for");
    let today = both.pop().expect("two were asked for");
    progress("the smallest change and the recommended figures");
    let (smallest, recommended) =
        rayon::join(|| smallest(&search, &today), || bold(&search, &free, Boldness::RECOMMENDED));
    let cheapest = || cheapest(&search, &free, &recommended);
    let prove = |plan: &(Reasoned, Tried)| {
        let mut plan = plan.clone();
        let proof = proven(&search, &mut plan, options, progress);
        (plan, proof)
    };
    // While one plan is proven by requests, the search by rates goes on: neither needs the other.
    let (found, proof, chosen) = match options.plan {
        PlanKind::Smallest => {
            let ((proven, proof), cheapest) = rayon::join(|| prove(&smallest), cheapest);
            ([proven, recommended, cheapest], proof, 0)
        }
        PlanKind::Recommended => {
            let ((proven, proof), cheapest) = rayon::join(|| prove(&recommended), cheapest);
            ([smallest, proven, cheapest], proof, 1)
        }
        PlanKind::Cheapest => {
            let (proven, proof) = prove(&cheapest());
            ([smallest, recommended, proven], proof, 2)
        }
    };
    let mut found = found;
    // What the proof allowed to lower may lie below what the search by rates had found meanwhile.
    if chosen == 1 && found[1].1.holds() && found[1].1.cost() < found[2].1.cost() {
        found[2] = found[1].clone();
    }
    progress("how far it carries");
    let (plan, tried) = &found[chosen];
    let outlook = outlook::outlook(&search, &plan.figures, &today, tried);
    let services = verdicts(&search, &today, &plan.figures);
    let kinds = [PlanKind::Smallest, PlanKind::Recommended, PlanKind::Cheapest];
    let plans = kinds.into_iter().zip(found).enumerate().map(|(at, (kind, (plan, tried)))| {
        let changes = plan.figures.changes(search.first());
        let kept = |figure: &&super::Figure| changes.0.contains_key(*figure);
        let reasons = plan.reasons.iter().filter(|(figure, _)| kept(figure));
        Plan {
            kind,
            reasons: reasons.map(|(figure, text)| (figure.clone(), text.clone())).collect(),
            changes,
            outcome: outcome(&search, &tried),
            proof: (at == chosen).then(|| proof.clone()),
        }
    });
    Sizing {
        scenarios: written.iter().map(|scenario| Arc::clone(&scenario.name)).collect(),
        currency: Arc::clone(&search.first().prices.currency),
        by_rates: search.rates.iter().all(|it| it.model != ServiceModel::Requests),
        today: outcome(&search, &today),
        plans: plans.collect(),
        chosen,
        services,
        unmeasured: unmeasured(search.first()),
        headroom: outlook.headroom,
        tolerance: outlook.tolerance,
        needs: outlook.needs,
    }
}

/// Today's figures with as little changed as makes them hold.
fn smallest(search: &Search<'_>, today: &Tried) -> (Reasoned, Tried) {
    let (mut plan, mut tried) = search.repair(Reasoned::default(), today.clone());
    if !tried.holds() {
        return (plan, tried);
    }
    // A step that turned out not to be needed is taken back, the latest first.
    let all: Vec<super::Figure> = plan.figures.0.keys().rev().cloned().collect();
    for figure in all {
        if plan.figures.0.len() < 2 {
            break;
        }
        let mut less = plan.clone();
        less.figures.0.remove(&figure);
        less.reasons.remove(&figure);
        let result = search.try_figures(&less.figures);
        if result.holds() {
            (plan, tried) = (less, result);
        }
    }
    (plan, tried)
}

/// Figures by the closed form, mended, and lowered as far as it saves something.
fn bold(search: &Search<'_>, free: &Tried, bold: Boldness) -> (Reasoned, Tried) {
    let scenario = search.first();
    let mut plan = Reasoned::default();
    for (at, part) in search.parts.iter().enumerate() {
        guess(scenario, part, &free.used(at), bold, &mut plan);
        budgets(scenario, part, &mut plan);
    }
    search.tie(&mut plan);
    let mut tried = search.try_figures(&plan.figures);
    search.settle(&mut plan, &tried);
    search.pool_bounds(&mut plan, &tried, bold);
    tried = search.try_figures(&plan.figures);
    let (mut plan, mut tried) = search.repair(plan, tried);
    if search.settle(&mut plan, &tried) {
        tried = search.try_figures(&plan.figures);
    }
    let (plan, tried) = search.machine_types(plan, tried);
    let (plan, tried) = search.repair(plan, tried);
    let (plan, tried) = search.minimise(plan, tried);
    search.trim(plan, tried)
}

/// The recommended figures with margins given up, unless that costs more or fails.
fn cheapest(
    search: &Search<'_>,
    free: &Tried,
    recommended: &(Reasoned, Tried),
) -> (Reasoned, Tried) {
    let scenario = search.first();
    let mut guessed = Reasoned::default();
    for (at, part) in search.parts.iter().enumerate() {
        guess(scenario, part, &free.used(at), Boldness::CHEAPEST, &mut guessed);
    }
    let mut plan = recommended.0.clone();
    for (figure, amount) in guessed.figures.0 {
        // What the search found to be enough pods is enough here.
        let counts = matches!(figure.field, Field::MinReplicas | Field::Replicas);
        let before = plan.figures.amount(scenario, &figure);
        if !counts || before.is_none_or(|before| amount < before) {
            let because = guessed.reasons.get(&figure).cloned().unwrap_or_default();
            plan.set(figure, amount, because);
        }
    }
    search.tie(&mut plan);
    let mut tried = search.try_figures(&plan.figures);
    if search.settle(&mut plan, &tried) {
        tried = search.try_figures(&plan.figures);
    }
    let (mut plan, tried) = search.repair(plan, tried);
    search.pool_bounds(&mut plan, &tried, Boldness::CHEAPEST);
    let tried = search.try_figures(&plan.figures);
    let (plan, tried) = search.minimise(plan, tried);
    let found = search.trim(plan, tried);
    if found.1.holds() && found.1.cost() <= recommended.1.cost() {
        found
    } else {
        recommended.clone()
    }
}

/// Proves a plan by the scenarios as they are written; mends it and proves it again where it fails.
fn proven(
    search: &Search<'_>,
    plan: &mut (Reasoned, Tried),
    options: &SizeOptions,
    progress: &(dyn Fn(&str) + Sync),
) -> Proof {
    let mut repaired = 0;
    let mut strides = BTreeMap::new();
    loop {
        progress(&format!("the proof, {} seeds", options.runs));
        let trials = prove(search, &plan.0.figures, options.runs);
        let passes = trials.iter().filter(|seed| seed.holds()).count();
        let all_hold =
            trials.len() == crate::units::convert::index(options.runs) && passes == trials.len();
        let failing = trials.iter().find(|seed| !seed.holds());
        let mended = failing.filter(|_| repaired < PROOFS_MOST).and_then(|seed| {
            let at = *search.pressed(seed).first()?;
            search.more_of(&plan.0, at, &seed.used(at), &mut strides)
        });
        if let Some(mut mended) = mended {
            search.settle(&mut mended, &trials[0]);
            search.tie(&mut mended);
            plan.1 = search.try_figures(&mended.figures);
            plan.0 = mended;
            repaired += 1;
            continue;
        }
        let events: u64 =
            trials.first().map_or(0, |seed| seed.trials.iter().map(|it| it.events).sum());
        // The smallest change lowers nothing that it need not touch.
        let lowers = options.plan != PlanKind::Smallest && events < CHEAP_EVENTS;
        if all_hold && lowers && lower_by_requests(search, plan, options) {
            // What was lowered is proven like everything else.
            progress("the proof of what was lowered");
            let trials = prove(search, &plan.0.figures, options.runs);
            return proof(&trials, options.runs, repaired);
        }
        return proof(&trials, options.runs, repaired);
    }
}

fn proof(trials: &[Tried], runs: u32, repaired: u32) -> Proof {
    let mut failed = BTreeMap::new();
    for text in trials.iter().flat_map(|seed| &seed.trials).flat_map(|trial| &trial.failed) {
        let name = text.rsplit_once(": ").map_or(text.as_str(), |(name, _)| name);
        *failed.entry(name.to_owned()).or_insert(0) += 1;
    }
    let passes = count_u32(trials.iter().filter(|seed| seed.holds()).count());
    Proof { passes, runs, failed, repaired }
}

/// Every scenario as it is written with so many seeds, by seed. A proof that fails with one of the first
/// two seeds ends there.
fn prove(search: &Search<'_>, figures: &Figures, runs: u32) -> Vec<Tried> {
    let scenarios: Vec<Scenario> =
        search.written.iter().map(|scenario| figures.apply(&scenario.unwatched())).collect();
    let seeds = |from: u64, until: u64| -> Vec<Tried> {
        let jobs: Vec<(u64, usize)> = (from..until)
            .flat_map(|seed| (0..scenarios.len()).map(move |case| (seed, case)))
            .collect();
        let trials: Vec<Trial> = jobs
            .into_par_iter()
            .map(|(seed, case)| trial(&scenarios[case], seed, search.options.strict))
            .collect();
        trials.chunks(scenarios.len()).map(|chunk| Tried { trials: chunk.to_vec() }).collect()
    };
    let runs = u64::from(runs);
    let mut all = seeds(0, runs.min(2));
    if all.iter().all(Tried::holds) {
        all.extend(seeds(runs.min(2), runs));
    }
    all
}

/// Where runs are short, figures that rates see as needed are lowered by requests, too: the two models
/// differ a little, and the scenario as it is written decides.
fn lower_by_requests(
    search: &Search<'_>,
    plan: &mut (Reasoned, Tried),
    options: &SizeOptions,
) -> bool {
    let mut changed = false;
    loop {
        let lowered = search.lowered(&plan.0, &plan.1).into_iter();
        let next = lowered.filter_map(|candidate| {
            let seeds = prove(search, &candidate.figures, options.runs.min(LOWERED_RUNS));
            if !seeds.iter().all(Tried::holds) {
                return None;
            }
            let tried = search.try_figures(&candidate.figures);
            // Of pods the proof decides; nodes, which the outlook looks at by rates, must hold there, too.
            let nodes = |it: &Figures| {
                let pools = it.0.iter().filter(|(figure, _)| is_pool(&figure.owner));
                pools.map(|(figure, amount)| (figure.clone(), amount.clone())).collect::<Vec<_>>()
            };
            let pods = nodes(&candidate.figures) == nodes(&plan.0.figures);
            let holds = pods || tried.holds() || !plan.1.holds();
            (holds && super::search::saves(&plan.1, &tried)).then_some((candidate, tried))
        });
        let Some(next) = next.take(1).next() else { return changed };
        *plan = next;
        changed = true;
    }
}

fn outcome(search: &Search<'_>, tried: &Tried) -> PlanOutcome {
    let several = search.written.len() > 1;
    let failed = tried.trials.iter().zip(search.written).flat_map(|(trial, scenario)| {
        trial.failed.iter().map(move |text| {
            if several { format!("{}: {text}", scenario.name) } else { text.clone() }
        })
    });
    let nodes = |of: fn(&super::trial::PoolUse) -> u32| {
        tried.trials.iter().map(move |trial| trial.pools.iter().map(of).sum::<u32>())
    };
    let most = search.pressed(tried).into_iter().map(|at| (at, tried.used(at)));
    let most = most.max_by(|a, b| a.1.pressure.total_cmp(&b.1.pressure).then(b.0.cmp(&a.0)));
    PlanOutcome {
        holds: tried.holds(),
        failed: failed.collect(),
        cost: tried.cost(),
        nodes: (
            nodes(|pool| pool.nodes.0).min().unwrap_or(0),
            nodes(|pool| pool.nodes.1).max().unwrap_or(0),
        ),
        pressed: most
            .map(|(at, used)| (Arc::clone(&search.parts[at].service), used.pressed, used.pressure)),
    }
}

/// Each service against what a plan makes of it.
fn verdicts(search: &Search<'_>, today: &Tried, figures: &Figures) -> Vec<ServiceVerdict> {
    let verdict = |(at, part): (usize, &Part)| {
        let used = today.used(at);
        let mut owners = vec![part.owner.clone(), part.container.clone()];
        owners.extend(part.hpa.iter().map(|scaling| scaling.owner.clone()));
        owners.extend(part.budgets.iter().cloned());
        let moved =
            |raised: bool| {
                figures.0.iter().any(|(figure, amount)| {
                    let before = now(search.first(), figure);
                    owners.contains(&figure.owner)
                        && before.is_some_and(|before| {
                            if raised { before < *amount } else { before > *amount }
                        })
                })
            };
        let finding = match (moved(true), moved(false)) {
            (true, _) if used.pressure > 0.9 || used.pinned => Finding::Underprovisioned,
            (_, true) => Finding::Overprovisioned,
            (true, false) => Finding::Underprovisioned,
            (false, false) => Finding::Optimized,
        };
        let request = cores_of(search.first(), &part.container, Field::CpuRequest);
        let request = request.map(|own| own + part.beside.0.as_cores());
        ServiceVerdict {
            service: Arc::clone(&part.service),
            owner: part.owner.clone(),
            owners,
            finding,
            used_of_request: request.filter(|it| *it > 0.0).map(|it| used.cores_of_pod / it),
            pressure: used.pressure,
        }
    };
    search.parts.iter().enumerate().map(verdict).collect()
}

/// Workloads that no service profile speaks of, those of every node aside.
fn unmeasured(scenario: &Scenario) -> Vec<String> {
    let all = scenario.workloads.iter().enumerate();
    let unknown = all.filter(|(at, workload)| {
        let counts = matches!(
            workload.kind,
            WorkloadKind::Deployment { .. }
                | WorkloadKind::StatefulSet { .. }
                | WorkloadKind::ReplicaSet
        );
        counts && scenario.services.station_of(WorkloadId::at(*at)).is_none()
    });
    unknown.map(|(_, workload)| workload.to_string()).collect()
}

/// How risky it is to set a figure: raising is not, another machine type is a little; what is lowered is as risky as it is then full.
#[must_use]
pub fn risk(now: &Amount, next: &Amount, used_share: Option<f64>) -> &'static str {
    // Another machine is neither more nor less: what lies together on a node changes.
    if matches!(next, Amount::Machine(_)) {
        return "Medium";
    }
    if next >= now {
        return "VeryLow";
    }
    match used_share {
        Some(share) if share > 0.9 => "High",
        Some(share) if share > 0.7 => "Medium",
        Some(_) => "Low",
        None => "Medium",
    }
}

/// The owner of a figure of a pool.
#[must_use]
pub fn is_pool(owner: &Owner) -> bool {
    owner.kind == "NodePool"
}
