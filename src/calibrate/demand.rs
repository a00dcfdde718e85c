//! The service-demand law: CPU in use is what the idle service uses and, for each operation, its rate times
//! its CPU per request.
//!
//! Rates that move together cannot be told apart by any regression. Then operations are taken together, the
//! sum is estimated, and it is shared out in proportion to what an undisturbed request of each takes; the
//! profile says so.

use super::{EndpointFit, Observed, undisturbed, windows};
use crate::fit::line::{self, Line};
use crate::fit::{Estimate, Refusal, mean, quantile};

/// Share of the variation that the law must explain.
const R_SQUARED_LEAST: f64 = 0.9;
/// A slope whose interval is wider than this on either side says nothing about its operation; the measure is
/// the slope itself, or what a request costs on average where the slope is less: little may be known to be little.
const VAGUE: f64 = 0.5;

/// CPU of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct CpuDemand {
    /// Cores without any request.
    pub idle: Estimate,
    /// CPU per request (core-seconds) by operation.
    pub operations: Vec<Demand>,
    /// R2.
    pub r_squared: f64,
    /// Instants that were compared.
    pub samples: usize,
    /// Time (s), measured cores, and cores by the law.
    pub course: Vec<(f64, f64, f64)>,
}

/// CPU per request of an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// Its name.
    pub name: String,
    /// Core-seconds.
    pub cpu: Estimate,
    /// The operations with which it was estimated together, itself among them; one alone is itself.
    pub together: Vec<String>,
}

impl CpuDemand {
    /// CPU per request of an operation.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&Demand> {
        self.operations.iter().find(|demand| demand.name == name)
    }
}

/// Operations that are estimated together.
struct Group {
    /// Positions of operations, and how a request of each is weighed.
    members: Vec<(usize, f64)>,
}

/// Regresses CPU on rates.
pub(super) fn demand(observed: &Observed, fits: &[EndpointFit]) -> Result<CpuDemand, Refusal> {
    let none = Refusal::TooFew { what: "samples of CPU", have: 0, need: 8 };
    let signal = observed.cpu.as_ref().ok_or(none)?;
    let table = Table::of(observed, signal)?;
    let weights = weights(observed, fits);
    let mut groups: Vec<Group> = (0..table.rates.len())
        .filter(|at| mean(&table.rates[*at]) > 0.0)
        .map(|at| Group { members: vec![(at, weights[at])] })
        .collect();
    if groups.is_empty() {
        return Err(Refusal::NoSpread("the rate of requests".to_owned()));
    }
    loop {
        let (columns, names) = table.columns(&groups, observed);
        let fitted = line::fit(&columns, &table.cpu, &names);
        let usual = mean(&table.cpu) / columns.iter().map(|column| mean(column)).sum::<f64>();
        if let Ok(line) = &fitted
            && (line.slopes.iter().all(|slope| told(slope, usual)) || groups.len() == 1)
        {
            return table.judged(line, &groups, observed);
        }
        if groups.len() == 1 {
            return Err(fitted.err().unwrap_or_else(|| Refusal::NoSpread(names.join(", "))));
        }
        merge(&mut groups, &columns);
    }
}

/// Whether a slope says something: it may be positive, and is known well enough.
fn told(slope: &Estimate, usual: f64) -> bool {
    let half = (slope.high - slope.low) / 2.0;
    slope.high > 0.0 && half <= VAGUE * slope.value.max(usual)
}

/// Takes the two groups together whose rates resemble each other most.
fn merge(groups: &mut Vec<Group>, columns: &[Vec<f64>]) {
    let mut best = (0, 1, f64::NEG_INFINITY);
    for right in 1..columns.len() {
        for left in 0..right {
            let alike = correlation(&columns[left], &columns[right]);
            if alike > best.2 {
                best = (left, right, alike);
            }
        }
    }
    let taken = groups.remove(best.1);
    groups[best.0].members.extend(taken.members);
}

/// Pearson's correlation; a column that stands still resembles every other a little.
fn correlation(left: &[f64], right: &[f64]) -> f64 {
    let (a, b) = (mean(left), mean(right));
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        left.iter().zip(right).map(|(x, y)| f(*x, *y)).sum()
    };
    let both = sum(&|x, y| (x - a) * (y - b));
    let spread = (sum(&|x, _| (x - a) * (x - a)) * sum(&|_, y| (y - b) * (y - b))).sqrt();
    if spread > 0.0 { both / spread } else { 0.0 }
}

/// How much one request of each operation weighs when it is not told apart from others: what it takes when
/// nothing is in its way. One that waits for something with places of its own (a GPU, a lock) spends that
/// time elsewhere: it weighs what the others do on average.
fn weights(observed: &Observed, fits: &[EndpointFit]) -> Vec<f64> {
    let own: Vec<Option<f64>> = observed
        .endpoints
        .iter()
        .zip(fits)
        .map(|(endpoint, fit)| {
            let elsewhere = fit.station.as_ref().is_ok_and(|station| station.count.is_some());
            if elsewhere { None } else { undisturbed(endpoint) }
        })
        .collect();
    let known: Vec<f64> = own.iter().flatten().copied().collect();
    let usual = if known.is_empty() { 1.0 } else { mean(&known) };
    own.into_iter().map(|weight| weight.unwrap_or(usual).max(1e-6)).collect()
}

/// CPU and the rates of all operations at the same instants.
struct Table {
    at: Vec<f64>,
    cpu: Vec<f64>,
    rates: Vec<Vec<f64>>,
}

impl Table {
    fn of(observed: &Observed, signal: &super::Signal) -> Result<Self, Refusal> {
        let counted = observed.endpoints.iter().any(|endpoint| !endpoint.rates.is_empty());
        let step = signal.step_s();
        let spans: Vec<Vec<(f64, f64)>> = observed
            .endpoints
            .iter()
            .map(|endpoint| endpoint.requests.iter().map(|it| (it.start_s, it.end_s)).collect())
            .collect();
        // Where an operation has a hole its rate is not known, and what it cost would be put on the others.
        let known = |at: f64| {
            let whole = |endpoint: &super::Endpoint| {
                let begun =
                    endpoint.rates.first().is_none_or(|(first, _)| at >= *first - step / 2.0);
                !begun || endpoint.rates.is_empty() || near(&endpoint.rates, at, step).is_some()
            };
            let any = || observed.endpoints.iter().any(|it| near(&it.rates, at, step).is_some());
            !counted || (observed.endpoints.iter().all(whole) && any())
        };
        let points: Vec<(f64, f64)> =
            signal.points.iter().copied().filter(|(at, _)| known(*at)).collect();
        if points.len() < 8 {
            let what = "instants with CPU and rates";
            return Err(Refusal::TooFew { what, have: points.len(), need: 8 });
        }
        let rate = |(endpoint, spans): (&super::Endpoint, &Vec<(f64, f64)>)| -> Vec<f64> {
            let at = points.iter().map(|(at, _)| {
                if counted {
                    near(&endpoint.rates, *at, step).unwrap_or(0.0)
                } else {
                    windows::rate(spans, at - step, *at)
                }
            });
            at.collect()
        };
        Ok(Self {
            at: points.iter().map(|point| point.0).collect(),
            cpu: points.iter().map(|point| point.1).collect(),
            rates: observed.endpoints.iter().zip(&spans).map(rate).collect(),
        })
    }

    fn columns(&self, groups: &[Group], observed: &Observed) -> (Vec<Vec<f64>>, Vec<String>) {
        let column = |group: &Group| -> Vec<f64> {
            let at = (0..self.cpu.len()).map(|row| {
                group.members.iter().map(|(at, weight)| weight * self.rates[*at][row]).sum()
            });
            at.collect()
        };
        let name = |group: &Group| {
            let names = group.members.iter().map(|(at, _)| observed.endpoints[*at].name.as_str());
            names.collect::<Vec<_>>().join(" + ")
        };
        (groups.iter().map(column).collect(), groups.iter().map(name).collect())
    }

    fn judged(
        &self,
        line: &Line,
        groups: &[Group],
        observed: &Observed,
    ) -> Result<CpuDemand, Refusal> {
        if line.r_squared < R_SQUARED_LEAST {
            let percent = 100.0 * line.r_squared.max(0.0);
            return Err(Refusal::Poor { model: "service-demand law", percent });
        }
        let (columns, _) = self.columns(groups, observed);
        let course = (0..self.cpu.len()).map(|row| {
            let values: Vec<f64> = columns.iter().map(|column| column[row]).collect();
            (self.at[row], self.cpu[row], line.at(&values))
        });
        let course = course.collect();
        let mut operations = Vec::new();
        for (group, slope) in groups.iter().zip(&line.slopes) {
            let together: Vec<String> =
                group.members.iter().map(|(at, _)| observed.endpoints[*at].name.clone()).collect();
            for (at, weight) in &group.members {
                operations.push(Demand {
                    name: observed.endpoints[*at].name.clone(),
                    cpu: slope.times(*weight),
                    together: together.clone(),
                });
            }
        }
        operations.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(CpuDemand {
            idle: line.intercept,
            operations,
            r_squared: line.r_squared,
            samples: self.cpu.len(),
            course,
        })
    }
}

/// The value at an instant, or at the nearest one half a step away.
fn near(points: &[(f64, f64)], at: f64, step: f64) -> Option<f64> {
    let after = points.partition_point(|point| point.0 < at);
    let candidates = [after.checked_sub(1), Some(after)];
    let nearest = candidates
        .into_iter()
        .flatten()
        .filter_map(|position| points.get(position))
        .min_by(|left, right| (left.0 - at).abs().total_cmp(&(right.0 - at).abs()))?;
    ((nearest.0 - at).abs() <= step / 2.0).then_some(nearest.1)
}

/// The largest and the median distance between law and measurement, as shares of what was measured, over the
/// instants at which at least a tenth of the peak was in use.
#[must_use]
pub fn misfit(demand: &CpuDemand) -> (f64, f64) {
    let peak = demand.course.iter().map(|point| point.1).fold(0.0, f64::max);
    let mut off: Vec<f64> = demand
        .course
        .iter()
        .filter(|(_, measured, _)| *measured >= peak / 10.0)
        .map(|(_, measured, law)| (law - measured).abs() / measured.max(1e-12))
        .collect();
    off.sort_by(f64::total_cmp);
    (off.last().copied().unwrap_or(0.0), quantile(&off, 0.5))
}
