//! A bench on a terminal: a row a policy, then what can be told from chance.

use std::fmt::Write as _;

use crate::findings::text::plural;
use crate::report::bench::verdict_word;
use crate::report::figures::shown;
use crate::report::grid::text::columns;
use crate::sweep::Measure;
use crate::sweep::bench::{Bench, COMPARED, Pair, Standing};
use crate::sweep::paired::Verdict;

/// Measures with a column of their own.
const COLUMNS: [Measure; 8] = [
    Measure::ObjectiveMiss,
    Measure::P95,
    Measure::P99,
    Measure::TimeToScale,
    Measure::PodHours,
    Measure::NodeHours,
    Measure::CostPerMonth,
    Measure::Disruptions,
];

/// The text, each line ended by a newline.
#[must_use]
pub fn text(bench: &Bench) -> String {
    let standings = bench.standings();
    let runs: usize = bench.pairs.iter().flatten().map(|pair| pair.runs().len()).sum();
    let mut out = format!(
        "{} over {}, {} with common random numbers; means with 95 % intervals\n",
        plural_policies(bench.policies.len()),
        plural(bench.scenarios.len(), "scenario"),
        plural(runs, "run"),
    );
    let mut head = vec!["policy".to_owned()];
    head.extend(COLUMNS.iter().map(|it| it.name().to_owned()));
    head.extend(["relative", "holds", "best"].map(str::to_owned));
    let mut rows = vec![head];
    let base_cost = standings.first().and_then(|it| it.mean(Measure::CostPerMonth));
    for (name, standing) in bench.policies.iter().zip(&standings) {
        let mut row = vec![name.clone()];
        row.extend(COLUMNS.iter().map(|measure| with_interval(standing, *measure)));
        let cost = standing.mean(Measure::CostPerMonth).zip(base_cost);
        row.push(
            cost.filter(|(_, base)| base.mean > 0.0).map_or_else(
                || "-".to_owned(),
                |(own, base)| format!("{:.3}", own.mean / base.mean),
            ),
        );
        row.push(format!("{}/{}", standing.holds_in, bench.scenarios.len()));
        row.push(standing.best_in.to_string());
        rows.push(row);
    }
    out.push_str(&columns(&rows));
    conclusions(bench, &standings, &mut out);
    out
}

fn plural_policies(count: usize) -> String {
    if count == 1 { "1 policy".to_owned() } else { format!("{count} policies") }
}

/// `0.31% ±0.04`: the half width in the unit of the mean.
fn with_interval(standing: &Standing, measure: Measure) -> String {
    let Some(interval) = standing.mean(measure) else { return "-".to_owned() };
    let mean = shown(measure, interval.mean);
    match interval.half_width {
        Some(half) if half > 0.0 => format!("{mean} ±{}", shown(measure, half)),
        Some(_) | None => mean,
    }
}

fn conclusions(bench: &Bench, standings: &[Standing], out: &mut String) {
    let base = bench.policies.first().map_or("", String::as_str);
    if bench.policies.len() > 1 {
        let _ = writeln!(out, "\nAgainst {base} (paired, Holm over all comparisons, 5 % in all):");
    }
    for (name, standing) in bench.policies.iter().zip(standings).skip(1) {
        let mut words = Vec::new();
        for measure in COMPARED {
            let Some(difference) = standing.difference(measure) else { continue };
            if !matches!(difference.verdict, Verdict::Better | Verdict::Worse) {
                continue;
            }
            let sign = if difference.paired.difference.mean >= 0.0 { "+" } else { "" };
            let change = match difference.paired.relative() {
                Some((mean, ..)) => format!("{sign}{:.1}%", mean * 100.0),
                None => format!("{sign}{}", shown(measure, difference.paired.difference.mean)),
            };
            let word = verdict_word(difference.verdict);
            words.push(format!("{} {change} ({word})", measure.name()));
        }
        let said = if words.is_empty() { "no change".to_owned() } else { words.join(", ") };
        let _ = writeln!(out, "  {name}: {said}");
    }
    let free: Vec<&str> = bench
        .policies
        .iter()
        .zip(standings)
        .filter(|(_, standing)| standing.nondominated == Some(true))
        .map(|(name, _)| name.as_str())
        .collect();
    if !free.is_empty() {
        let _ = writeln!(out, "Not dominated (cost, misses): {}.", free.join(", "));
    }
    for (name, pairs) in bench.policies.iter().zip(&bench.pairs) {
        for (scenario, pair) in bench.scenarios.iter().zip(pairs) {
            if let Pair::Refused(reason) = pair {
                let _ = writeln!(out, "{name} does not run {scenario}: {reason}");
            }
        }
    }
}
