//! Two variants of scenarios side by side: what changed, by how much, and whether that is a
//! regression.

use std::str::FromStr;

use crate::sweep::Measure;
use crate::sweep::bench::{Bench, Difference, Pair};
use crate::sweep::paired::{Paired, Verdict, holm};

/// Measures that a comparison tells, in this order.
pub const TOLD: [Measure; 9] = [
    Measure::ObjectiveMiss,
    Measure::P95,
    Measure::P99,
    Measure::Failed,
    Measure::TimeToScale,
    Measure::PodHours,
    Measure::NodeHours,
    Measure::CostPerMonth,
    Measure::Disruptions,
];

/// What counts as a regression: `p(95)>+10%`, `failed>+0.5pp`, `cost>+50`, `thresholds`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// A measure may change by so much.
    Change {
        /// Which.
        measure: Measure,
        /// Whether growing or falling is worse.
        grows: bool,
        /// By how much, above zero.
        by: f64,
        /// Whether that is a share of the base.
        relative: bool,
    },
    /// A scenario that held has to hold.
    Thresholds,
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "thresholds" {
            return Ok(Self::Thresholds);
        }
        let wrong = |problem: &str| {
            Err(format!(
                "`{text}`: {problem}; write `p(95)>+10%`, `margin<-5%`, `failed>+0.5pp`, `cost>+50` \
                 or `thresholds`"
            ))
        };
        let Some(at) = text.find(['>', '<']) else { return wrong("there is no `>` or `<`") };
        let grows = text[at..].starts_with('>');
        let Some(measure) = Measure::named(&text[..at]) else {
            let known: Vec<&str> = TOLD.into_iter().map(Measure::name).collect();
            return wrong(&format!("`{}` is none of {}", text[..at].trim(), known.join(", ")));
        };
        let change = text[at + 1..].trim();
        let (number, unit) = match change.strip_suffix("pp") {
            Some(number) => (number, "pp"),
            None => change.strip_suffix('%').map_or((change, ""), |number| (number, "%")),
        };
        let Ok(number) = number.trim().parse::<f64>() else {
            return wrong(&format!("`{change}` is no change"));
        };
        if !number.is_finite() || (number < 0.0) == grows && number.abs() > 0.0 {
            return wrong("`>` goes with a change upwards, `<` with one downwards");
        }
        let by = if unit.is_empty() { number.abs() } else { number.abs() / 100.0 };
        Ok(Self::Change { measure, grows, by, relative: unit == "%" })
    }
}

/// A measure of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Which.
    pub measure: Measure,
    /// Base and candidate, and what their difference says.
    pub difference: Difference,
}

/// A scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// Its name.
    pub scenario: String,
    /// Its measures that both have.
    pub lines: Vec<Line>,
    /// Runs of the base that hold, and all of them.
    pub base_holds: (usize, usize),
    /// Runs of the candidate that hold, and all of them.
    pub candidate_holds: (usize, usize),
    /// Why one of the variants did not run.
    pub refused: Option<String>,
}

/// A regression.
#[derive(Debug, Clone, PartialEq)]
pub struct Regression {
    /// The scenario.
    pub scenario: String,
    /// In words: `p(95) grew by 61.9 %, limit +10 %`.
    pub what: String,
}

/// A comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Its name, by which a comment is found again.
    pub name: String,
    /// What the base is.
    pub base: String,
    /// What the candidate is.
    pub candidate: String,
    /// What differs between the inputs, in words.
    pub changes: Vec<String>,
    /// Runs of each variant of each scenario.
    pub runs: usize,
    /// The scenarios.
    pub scenarios: Vec<Compared>,
    /// What is worse than it may be.
    pub regressions: Vec<Regression>,
}

impl Comparison {
    /// Of a bench with two policies, base and candidate.
    #[must_use]
    pub fn of(bench: &Bench, name: &str, changes: Vec<String>, limits: &[Limit]) -> Self {
        let (base, candidate) = (&bench.pairs[0], &bench.pairs[1]);
        let paired: Vec<Vec<(Measure, Paired)>> = base
            .iter()
            .zip(candidate)
            .map(|(base, candidate)| {
                let of = |measure: Measure| {
                    let paired = Paired::of(&base.figures(measure), &candidate.figures(measure));
                    Some((measure, paired?))
                };
                TOLD.into_iter().filter_map(of).collect()
            })
            .collect();
        let p_values: Vec<Option<f64>> =
            paired.iter().flatten().map(|(_, paired)| paired.p_value).collect();
        let mut adjusted = holm(&p_values).into_iter();
        let mut scenarios = Vec::new();
        for ((name, lines), (base, candidate)) in
            bench.scenarios.iter().zip(paired).zip(base.iter().zip(candidate))
        {
            let lines = lines.into_iter().map(|(measure, paired)| {
                let adjusted = adjusted.next().flatten();
                let verdict = paired.verdict(adjusted, measure.more_is_better());
                Line { measure, difference: Difference { paired, adjusted, verdict } }
            });
            let refused =
                [("base", base), ("candidate", candidate)].into_iter().find_map(|(which, pair)| {
                    match pair {
                        Pair::Refused(reason) => Some(format!("{which}: {reason}")),
                        Pair::Ran(_) => None,
                    }
                });
            scenarios.push(Compared {
                scenario: name.clone(),
                lines: lines.collect(),
                base_holds: holds(base),
                candidate_holds: holds(candidate),
                refused,
            });
        }
        let regressions = scenarios
            .iter()
            .flat_map(|scenario| limits.iter().filter_map(|limit| judge(scenario, *limit)))
            .collect();
        Self {
            name: name.to_owned(),
            base: bench.policies[0].clone(),
            candidate: bench.policies[1].clone(),
            changes,
            runs: base.iter().map(|pair| pair.runs().len()).max().unwrap_or(0),
            scenarios,
            regressions,
        }
    }

    /// Whether anything can be told to differ.
    #[must_use]
    pub fn differs(&self) -> bool {
        let told = |line: &Line| line.difference.verdict != Verdict::NoChange;
        self.scenarios.iter().any(|it| {
            it.lines.iter().any(told) || it.base_holds != it.candidate_holds || it.refused.is_some()
        })
    }
}

fn holds(pair: &Pair) -> (usize, usize) {
    (pair.runs().iter().filter(|run| run.holds).count(), pair.runs().len())
}

/// What a limit says of a scenario. A change beyond it counts when it can be told from chance; of a
/// single run nothing can, and it counts as it is. A variant that does not run at all is worse than
/// any limit.
fn judge(scenario: &Compared, limit: Limit) -> Option<Regression> {
    let regression = |what: String| Regression { scenario: scenario.scenario.clone(), what };
    if let Some(reason) = scenario.refused.as_deref().filter(|it| it.starts_with("candidate")) {
        return Some(regression(reason.to_owned()));
    }
    match limit {
        Limit::Thresholds => {
            let (before, after) = (scenario.base_holds, scenario.candidate_holds);
            let held = before.1 > 0 && before.0 == before.1;
            (held && after.0 < after.1).then(|| {
                regression(format!(
                    "thresholds held in all runs, now in {} of {}",
                    after.0, after.1
                ))
            })
        }
        Limit::Change { measure, grows, by, relative } => {
            let line = scenario.lines.iter().find(|line| line.measure == measure)?;
            let paired = &line.difference.paired;
            let mean = paired.difference.mean;
            let change = match (relative, paired.relative()) {
                (true, Some((share, ..))) => share,
                // Any growth from nothing is beyond every share.
                (true, None) if mean.abs() > 0.0 => f64::INFINITY * mean.signum(),
                (true, None) => 0.0,
                (false, _) => mean,
            };
            let beyond = if grows { change > by } else { change < -by };
            let told = match line.difference.verdict {
                Verdict::Better | Verdict::Worse | Verdict::Unknown => true,
                Verdict::NoChange => false,
            };
            (beyond && told).then(|| {
                let sign = if grows { "+" } else { "-" };
                let (found, limit) = if relative {
                    (percent(change), format!("{sign}{}", trimmed(by * 100.0, "%")))
                } else {
                    let shown = crate::report::figures::shown;
                    let signed = |value: f64| {
                        let plus = if value >= 0.0 { "+" } else { "" };
                        format!("{plus}{}", shown(measure, value))
                    };
                    (signed(change), signed(if grows { by } else { -by }))
                };
                regression(format!("{} changed by {found}, limit {limit}", measure.name()))
            })
        }
    }
}

fn trimmed(value: f64, unit: &str) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{unit}")
}

/// A change as a signed share of the base.
#[must_use]
pub fn percent(share: f64) -> String {
    if share.is_infinite() {
        return "from nothing".to_owned();
    }
    format!("{}{:.1}%", if share >= 0.0 { "+" } else { "" }, share * 100.0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::sweep::Figures;

    #[test]
    fn limits_are_read_or_say_what_is_wrong() {
        let limit = |text: &str| text.parse::<Limit>();
        let change =
            |measure, grows, by, relative| Ok(Limit::Change { measure, grows, by, relative });
        assert_eq!(limit("p(95)>+10%"), change(Measure::P95, true, 0.1, true));
        assert_eq!(limit(" cost > 50"), change(Measure::CostPerMonth, true, 50.0, false));
        assert_eq!(limit("failed>+0.5pp"), change(Measure::Failed, true, 0.005, false));
        assert_eq!(limit("margin<-5%"), change(Measure::Margin, false, 0.05, true));
        assert_eq!(limit("cost>0%"), change(Measure::CostPerMonth, true, 0.0, true));
        assert_eq!(limit("thresholds"), Ok(Limit::Thresholds));
        for wrong in ["p(95)", "p(96)>1%", "p(95)>x", "p(95)>-10%", "cost<5", "cost>NaN", ""] {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
    }

    pub(crate) fn bench(base: &[f64], candidate: &[f64]) -> Bench {
        let pair = |figures: &[f64]| {
            let run = |(replication, p95): (usize, &f64)| {
                let mut values = vec![None; Measure::ALL.len()];
                values[Measure::P95.position()] = Some(*p95);
                values[Measure::CostPerMonth.position()] = Some(600.0);
                let replication = u64::try_from(replication).expect("it is small");
                Figures { replication, met: 1, thresholds: 1, holds: *p95 < 60.0, values }
            };
            Pair::Ran(figures.iter().enumerate().map(run).collect())
        };
        Bench {
            scenarios: vec!["peak".to_owned()],
            policies: vec!["main".to_owned(), "change".to_owned()],
            pairs: vec![vec![pair(base)], vec![pair(candidate)]],
            currency: "USD".to_owned(),
        }
    }

    #[test]
    fn a_regression_is_beyond_its_limit_and_beyond_chance() {
        let limits: Vec<Limit> =
            ["p(95)>+10%", "thresholds"].map(|it| it.parse().expect("it is one")).to_vec();
        let judged = |base: &[f64], candidate: &[f64]| {
            let comparison =
                Comparison::of(&bench(base, candidate), "capacity", Vec::new(), &limits);
            let what: Vec<String> = comparison.regressions.into_iter().map(|it| it.what).collect();
            what
        };
        let base = [38.0, 40.0, 39.0, 41.0];
        let worse = [58.0, 61.0, 60.0, 62.0];
        assert_eq!(
            judged(&base, &worse),
            ["p(95) changed by +52.5%, limit +10%", "thresholds held in all runs, now in 1 of 4"]
        );
        assert_eq!(judged(&base, &[40.0, 42.0, 41.0, 43.0]), [""; 0], "within the limit");
        assert_eq!(judged(&base, &[20.0, 70.0, 25.0, 59.0]).len(), 1, "chance: thresholds alone");
        assert_eq!(judged(&base, &base), [""; 0]);
        assert_eq!(judged(&[38.0], &[59.0]).len(), 1, "of one run a change counts as it is");
    }
}
