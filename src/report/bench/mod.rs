//! Benches and comparisons on paper.
//!
//! [`text`] and [`pareto`] tell what a bench says of policies; [`comparison`] tells two variants of
//! scenarios side by side, in every form that a pull request wants. All are pure functions of a
//! [`Bench`].

pub mod comparison;
pub mod forms;
pub mod pareto;
pub mod text;

use serde_json::{Value, json};

use crate::report::figures::to_json;
use crate::sweep::Measure;
use crate::sweep::bench::{Bench, COMPARED, Difference, Pair};
use crate::sweep::interval::MeanInterval;
use crate::sweep::paired::Verdict;

/// Where the form is written down.
pub const SCHEMA: &str = "https://aurelius.dev/schema/bench.v1.json";

/// What a verdict is called.
#[must_use]
pub const fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::NoChange => "no change",
        Verdict::Unknown => "one run",
    }
}

fn interval(interval: MeanInterval) -> Value {
    json!({
        "mean": interval.mean,
        "low": interval.half_width.map(|_| interval.low()),
        "high": interval.half_width.map(|_| interval.high()),
    })
}

fn difference(difference: &Difference) -> Value {
    let paired = difference.paired;
    json!({
        "base": paired.base,
        "candidate": paired.candidate,
        "difference": interval(paired.difference),
        "p": paired.p_value,
        "p_adjusted": difference.adjusted,
        "verdict": verdict_word(difference.verdict),
    })
}

/// The whole bench as one JSON document: what it says, and every run it says it from.
#[must_use]
pub fn json(bench: &Bench, inputs: &[(String, String)]) -> String {
    let standings = bench.standings();
    let policies: Vec<Value> = bench
        .policies
        .iter()
        .zip(&standings)
        .zip(&bench.pairs)
        .map(|((name, standing), pairs)| {
            let means: serde_json::Map<String, Value> = Measure::ALL
                .into_iter()
                .filter_map(|it| Some((it.key().to_owned(), interval(standing.mean(it)?))))
                .collect();
            let differences: serde_json::Map<String, Value> = COMPARED
                .into_iter()
                .filter_map(|it| Some((it.key().to_owned(), difference(standing.difference(it)?))))
                .collect();
            let runs = bench.scenarios.iter().zip(pairs).map(|(scenario, pair)| match pair {
                Pair::Refused(reason) => json!({"scenario": scenario, "refused": reason}),
                Pair::Ran(runs) => json!({
                    "scenario": scenario, "runs": runs.iter().map(to_json).collect::<Vec<_>>(),
                }),
            });
            json!({
                "policy": name,
                "means": means,
                "against_base": differences,
                "holds_in": standing.holds_in,
                "best_in": standing.best_in,
                "not_dominated": standing.nondominated,
                "scenarios": runs.collect::<Vec<_>>(),
            })
        })
        .collect();
    let inputs: Vec<Value> =
        inputs.iter().map(|(path, sha256)| json!({"path": path, "sha256": sha256})).collect();
    let document = json!({
        "schema": SCHEMA,
        "tool": {"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")},
        "inputs": inputs,
        "base": bench.policies.first(),
        "currency": bench.currency,
        "scenarios": bench.scenarios,
        "policies": policies,
    });
    let mut text = serde_json::to_string_pretty(&document).expect("plain values are JSON");
    text.push('\n');
    text
}
