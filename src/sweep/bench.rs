//! Policies over scenarios: every pair with the same seeds, and what the differences say.
//!
//! The first policy is the base. Every other one is compared with it on each measure over all
//! scenarios that both can run; the p-values of all comparisons are adjusted together (Holm). With a
//! precision, runs are made in rounds and a pair stops when its interval is narrow enough. The rule
//! looks at widths, not at signs, so that it does not stop because of a difference that chance made.

use crate::scenario::Scenario;
use crate::sweep::figures::{Figures, Measure};
use crate::sweep::interval::MeanInterval;
use crate::sweep::paired::{Paired, Verdict, holm, nondominated, over_strata};
use crate::sweep::{Progress, RunResult, SweepOptions, each, run};

/// Measures on which policies are compared.
pub const COMPARED: [Measure; 8] = [
    Measure::ObjectiveMiss,
    Measure::P95,
    Measure::P99,
    Measure::TimeToScale,
    Measure::PodHours,
    Measure::NodeHours,
    Measure::CostPerMonth,
    Measure::Disruptions,
];
/// Measures whose intervals have to be narrow before a pair stops early.
const NARROW: [Measure; 3] = [Measure::ObjectiveMiss, Measure::P95, Measure::CostPerMonth];
/// Runs of a round.
const ROUND: u64 = 5;

/// A policy over a scenario.
#[derive(Debug, Clone, PartialEq)]
pub enum Pair {
    /// The policy makes no scenario of it, with the reason.
    Refused(String),
    /// Its runs, by replication.
    Ran(Vec<Figures>),
}

impl Pair {
    /// Its runs; none when it was refused.
    #[must_use]
    pub fn runs(&self) -> &[Figures] {
        match self {
            Self::Refused(_) => &[],
            Self::Ran(runs) => runs,
        }
    }

    /// A measure of each run.
    #[must_use]
    pub fn figures(&self, measure: Measure) -> Vec<Option<f64>> {
        self.runs().iter().map(|run| run.get(measure)).collect()
    }

    /// Whether every run holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.runs().is_empty() && self.runs().iter().all(|run| run.holds)
    }
}

/// A computed bench.
#[derive(Debug, Clone, PartialEq)]
pub struct Bench {
    /// Names of the scenarios.
    pub scenarios: Vec<String>,
    /// Names of the policies; the first is the base.
    pub policies: Vec<String>,
    /// By policy, then by scenario.
    pub pairs: Vec<Vec<Pair>>,
    /// ISO 4217 code of the money.
    pub currency: String,
}

/// How a bench is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BenchOptions {
    /// Seed in place of each scenario's own.
    pub seed: Option<u64>,
    /// Runs of a pair at most.
    pub runs: u32,
    /// Half width, as a share of the base, at which a pair is known well enough.
    pub precision: Option<f64>,
    /// Whether a threshold without samples fails.
    pub strict: bool,
}

/// Runs every pair, on the threads at hand. `variants` are by policy, then by scenario: the scenario
/// under the policy, or why there is none.
#[must_use]
pub fn compute(
    variants: &[Vec<Result<Scenario, String>>],
    options: BenchOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Vec<Vec<Pair>> {
    compute_and_show(variants, options, progress, &|_, _, _| {})
}

/// Who sees every run as it ends, from any thread and in any order: the policy and the scenario by
/// position, what was run, and what came of it.
pub type Witness<'w> = dyn Fn((usize, usize), &Scenario, &RunResult) + Sync + 'w;

/// The same, with someone who sees every run, of which only the figures are kept.
#[must_use]
pub fn compute_and_show(
    variants: &[Vec<Result<Scenario, String>>],
    options: BenchOptions,
    progress: &(dyn Fn(Progress) + Sync),
    show: &Witness<'_>,
) -> Vec<Vec<Pair>> {
    let mut pairs: Vec<Vec<Pair>> = variants
        .iter()
        .map(|of_policy| {
            let fresh = |variant: &Result<Scenario, String>| match variant {
                Ok(_) => Pair::Ran(Vec::new()),
                Err(reason) => Pair::Refused(reason.clone()),
            };
            of_policy.iter().map(fresh).collect()
        })
        .collect();
    let unwatched =
        |variant: &Result<Scenario, String>| variant.as_ref().ok().map(Scenario::unwatched);
    let variants: Vec<Vec<Option<Scenario>>> =
        variants.iter().map(|of_policy| of_policy.iter().map(unwatched).collect()).collect();
    let all = u64::from(options.runs);
    let round = if options.precision.is_some() { ROUND } else { all };
    let mut from = 0;
    while from < all {
        let until = (from + round).min(all);
        let tasks: Vec<(usize, usize, u64)> = open_pairs(&pairs, options, from)
            .into_iter()
            .flat_map(|(policy, scenario)| (from..until).map(move |it| (policy, scenario, it)))
            .collect();
        if tasks.is_empty() {
            break;
        }
        let done = each(&tasks, |(policy, scenario, replication)| {
            let variant = variants[*policy][*scenario].as_ref().expect("refused pairs do not run");
            let seed = options.seed.unwrap_or(variant.seed);
            let result = run(variant, SweepOptions::single(seed), *replication, progress);
            progress(Progress::Finished);
            show((*policy, *scenario), variant, &result);
            Figures::of(variant, &result, options.strict)
        });
        for ((policy, scenario, _), figures) in tasks.into_iter().zip(done) {
            if let Pair::Ran(runs) = &mut pairs[policy][scenario] {
                runs.push(figures);
            }
        }
        from = until;
    }
    pairs
}

/// Pairs that need another round: those that are not known well enough, and their bases.
fn open_pairs(pairs: &[Vec<Pair>], options: BenchOptions, done: u64) -> Vec<(usize, usize)> {
    let scenarios = pairs.first().map_or(0, Vec::len);
    let mut open = Vec::new();
    for scenario in 0..scenarios {
        let base = &pairs[0][scenario];
        let wanted: Vec<usize> = (1..pairs.len())
            .filter(|policy| match &pairs[*policy][scenario] {
                Pair::Refused(_) => false,
                pair @ Pair::Ran(runs) => {
                    // A pair that stopped is behind the others and stays so.
                    u64::try_from(runs.len()).is_ok_and(|runs| runs == done)
                        && !is_narrow(base, pair, options.precision)
                }
            })
            .collect();
        let alone = pairs.len() == 1 && done == 0;
        if matches!(base, Pair::Ran(_)) && (alone || !wanted.is_empty()) {
            open.push((0, scenario));
        }
        open.extend(wanted.into_iter().map(|policy| (policy, scenario)));
    }
    open.sort_unstable();
    open
}

fn is_narrow(base: &Pair, pair: &Pair, precision: Option<f64>) -> bool {
    let Some(precision) = precision else { return false };
    if pair.runs().is_empty() {
        return false;
    }
    NARROW.into_iter().all(|measure| {
        let paired = Paired::of(&base.figures(measure), &pair.figures(measure));
        let Some(paired) = paired else { return true };
        let Some(half_width) = paired.difference.half_width else { return false };
        half_width <= precision * paired.base.abs().max(paired.candidate.abs())
    })
}

/// A policy against the base on a measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The differences of all pairs.
    pub paired: Paired,
    /// p-value, adjusted for all comparisons of the bench.
    pub adjusted: Option<f64>,
    /// What it says.
    pub verdict: Verdict,
}

/// What a bench says about a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Each measure of [`Measure::ALL`] over the scenarios it ran: the mean of their means.
    pub means: Vec<Option<MeanInterval>>,
    /// Against the base, by [`COMPARED`]; absent for the base itself and where nothing is common.
    pub differences: Vec<Option<Difference>>,
    /// Scenarios in which all its runs hold.
    pub holds_in: usize,
    /// Scenarios in which it is the cheapest of those whose runs all hold.
    pub best_in: usize,
    /// Scenarios it ran.
    pub ran_in: usize,
    /// Whether no other policy misses less and costs less; `None` when it did not run everywhere.
    pub nondominated: Option<bool>,
}

impl Standing {
    /// A measure.
    #[must_use]
    pub fn mean(&self, measure: Measure) -> Option<MeanInterval> {
        self.means.get(measure.position()).copied().flatten()
    }

    /// The difference of a measure to the base.
    #[must_use]
    pub fn difference(&self, measure: Measure) -> Option<&Difference> {
        let at = COMPARED.iter().position(|it| *it == measure)?;
        self.differences.get(at)?.as_ref()
    }
}

impl Bench {
    /// What the bench says about each policy.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        let differences = self.differences();
        let best = self.best();
        let mut standings: Vec<Standing> = self
            .pairs
            .iter()
            .zip(differences)
            .enumerate()
            .map(|(policy, (pairs, differences))| Standing {
                means: Measure::ALL.into_iter().map(|measure| mean(pairs, measure)).collect(),
                differences,
                holds_in: pairs.iter().filter(|pair| pair.holds()).count(),
                best_in: best.iter().filter(|best| best.contains(&policy)).count(),
                ran_in: pairs.iter().filter(|pair| !pair.runs().is_empty()).count(),
                nondominated: None,
            })
            .collect();
        let everywhere = |it: &Standing| it.ran_in == self.scenarios.len();
        let point = |it: &Standing| {
            let (miss, cost) = (it.mean(Measure::ObjectiveMiss)?, it.mean(Measure::CostPerMonth)?);
            Some((miss.mean, cost.mean))
        };
        let compared: Vec<(usize, (f64, f64))> = standings
            .iter()
            .enumerate()
            .filter(|(_, it)| everywhere(it))
            .filter_map(|(at, it)| Some((at, point(it)?)))
            .collect();
        let points: Vec<(f64, f64)> = compared.iter().map(|(_, point)| *point).collect();
        for ((at, _), free) in compared.iter().zip(nondominated(&points)) {
            standings[*at].nondominated = Some(free);
        }
        standings
    }

    /// By policy, then by [`COMPARED`].
    fn differences(&self) -> Vec<Vec<Option<Difference>>> {
        let Some(base) = self.pairs.first() else { return Vec::new() };
        let mut all: Vec<Vec<Option<Paired>>> = vec![vec![None; COMPARED.len()]];
        for pairs in &self.pairs[1..] {
            let of_measure = |measure: &Measure| {
                let strata: Vec<_> = base
                    .iter()
                    .zip(pairs)
                    .map(|(one, other)| (one.figures(*measure), other.figures(*measure)))
                    .collect();
                Paired::over(&strata)
            };
            all.push(COMPARED.iter().map(of_measure).collect());
        }
        let p_values: Vec<Option<f64>> =
            all.iter().flatten().map(|paired| paired.and_then(|it| it.p_value)).collect();
        let mut adjusted = holm(&p_values).into_iter();
        let judge = |(measure, paired): (&Measure, Option<Paired>), adjusted: Option<f64>| {
            paired.map(|paired| Difference {
                verdict: paired.verdict(adjusted, measure.more_is_better()),
                paired,
                adjusted,
            })
        };
        all.into_iter()
            .map(|of_policy| {
                let measured = COMPARED.iter().zip(of_policy);
                measured.map(|it| judge(it, adjusted.next().flatten())).collect()
            })
            .collect()
    }

    /// By scenario, the policies that are cheapest among those that hold.
    fn best(&self) -> Vec<Vec<usize>> {
        let cost = |policy: usize, scenario: usize| {
            let pair = &self.pairs[policy][scenario];
            let costs: Vec<f64> =
                pair.figures(Measure::CostPerMonth).into_iter().flatten().collect();
            MeanInterval::of(&costs).filter(|_| pair.holds()).map(|it| it.mean)
        };
        let of_scenario = |scenario: usize| {
            let costs: Vec<(usize, f64)> = (0..self.policies.len())
                .filter_map(|policy| Some((policy, cost(policy, scenario)?)))
                .collect();
            let least = costs.iter().map(|(_, cost)| *cost).fold(f64::INFINITY, f64::min);
            // Half a cent is no difference.
            let cheapest = costs.into_iter().filter(|(_, cost)| *cost < least + 0.005);
            cheapest.map(|(policy, _)| policy).collect()
        };
        (0..self.scenarios.len()).map(of_scenario).collect()
    }
}

/// The mean of the means of the scenarios.
fn mean(pairs: &[Pair], measure: Measure) -> Option<MeanInterval> {
    let strata: Vec<Vec<f64>> =
        pairs.iter().map(|pair| pair.figures(measure).into_iter().flatten().collect()).collect();
    over_strata(&strata).map(|(interval, _)| interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(cost: f64, misses: &[f64], holds: bool) -> Pair {
        let run = |(replication, miss): (usize, &f64)| {
            let mut values = vec![None; Measure::ALL.len()];
            values[Measure::CostPerMonth.position()] = Some(cost);
            values[Measure::ObjectiveMiss.position()] = Some(*miss);
            let replication = u64::try_from(replication).expect("it is small");
            Figures { replication, met: 0, thresholds: 0, holds, values }
        };
        Pair::Ran(misses.iter().enumerate().map(run).collect())
    }

    fn bench() -> Bench {
        let luck = [0.010, 0.020, 0.030, 0.015];
        let with = |more: f64| luck.map(|it| it + more);
        Bench {
            scenarios: vec!["day".to_owned(), "night".to_owned()],
            policies: ["as written", "dear", "poor", "same"].map(str::to_owned).to_vec(),
            pairs: vec![
                vec![pair(100.0, &luck, true), pair(50.0, &luck, true)],
                vec![pair(200.0, &[0.0, 0.001, 0.0, 0.0], true), pair(90.0, &with(-0.01), true)],
                vec![pair(100.0, &with(0.5), false), Pair::Refused("no".to_owned())],
                vec![pair(100.0, &luck, true), pair(50.0, &luck, true)],
            ],
            currency: "USD".to_owned(),
        }
    }

    #[test]
    fn policies_are_compared_with_the_base_over_common_scenarios() {
        let standings = bench().standings();
        let verdict = |policy: usize, measure| {
            standings[policy].difference(measure).map(|difference| difference.verdict)
        };
        assert_eq!(verdict(0, Measure::CostPerMonth), None, "the base is not its own rival");
        assert_eq!(verdict(1, Measure::CostPerMonth), Some(Verdict::Worse));
        assert_eq!(verdict(1, Measure::ObjectiveMiss), Some(Verdict::Better));
        assert_eq!(verdict(2, Measure::ObjectiveMiss), Some(Verdict::Worse));
        assert_eq!(verdict(2, Measure::CostPerMonth), Some(Verdict::NoChange));
        assert_eq!(verdict(3, Measure::ObjectiveMiss), Some(Verdict::NoChange));
        assert_eq!(verdict(1, Measure::P99), None, "nobody measured it");
        let free: Vec<Option<bool>> = standings.iter().map(|it| it.nondominated).collect();
        assert_eq!(free, [Some(true), Some(true), None, Some(true)]);
        let best: Vec<usize> = standings.iter().map(|it| it.best_in).collect();
        assert_eq!(best, [2, 0, 0, 2]);
        let cost = standings[1].mean(Measure::CostPerMonth).expect("it is known");
        assert!((cost.mean - 145.0).abs() < 1e-9, "the mean of the means of the scenarios");
    }

    #[test]
    fn pairs_stop_when_they_are_narrow_and_bases_go_on_for_the_others() {
        let options = BenchOptions { seed: None, runs: 20, precision: Some(0.1), strict: false };
        let pairs = bench().pairs;
        // `dear` varies in its misses, `poor` differs by a constant, `same` by nothing.
        assert_eq!(open_pairs(&pairs, options, 4), [(0, 0), (1, 0)]);
        let all = BenchOptions { precision: None, ..options };
        assert_eq!(open_pairs(&pairs, all, 4).len(), 7);
        assert_eq!(open_pairs(&pairs, all, 5), [], "pairs that stopped stay behind");
    }
}
