//! Queueing: the request model against closed forms of queueing theory.
//!
//! Each case is simulated until the interval of every figure is narrow enough, and the closed form
//! must lie in it. The intervals hold together at 99.9 %: each of the `n` figures of the file gets
//! 1 − 0.001/n (Bonferroni). They come from batch means after a warm-up; see `estimate.rs`.

use rayon::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::{Checks, Outcome};

mod case;
mod estimate;
#[path = "../../harness/mod.rs"]
mod harness;
mod run;

use case::Case;
use estimate::{Estimate, Level};

/// The seed of every case. Ten others are tried with `AURELIUS_QUEUEING_SEED=all`.
const SEED: u64 = 42;

/// What may go wrong by chance, over all figures together.
const FAMILY_ERROR: f64 = 0.001;

/// Unoptimised tests are content with twice the width.
const WIDTH_FACTOR: f64 = if cfg!(debug_assertions) { 2.0 } else { 1.0 };

/// The most requests of a case: an interval that is still too wide then is a mismatch.
const MOST_REQUESTS: f64 = 1e9;

pub(crate) fn check(values: &[Value]) -> Result<Outcome, String> {
    let mut cases = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let case = Case::deserialize(value).map_err(|error| format!("case {}: {error}", index + 1));
        cases.push(case?);
    }
    let figures: usize = cases.iter().map(|case| case.expect.len()).sum();
    let level = Level::of_each(FAMILY_ERROR, figures);
    let runs: Vec<(&Case, u64)> =
        seeds()?.into_iter().flat_map(|seed| cases.iter().map(move |case| (case, seed))).collect();
    let answers: Vec<Checks> =
        runs.par_iter().map(|(case, seed)| check_case(case, level, *seed)).collect();
    let mut outcome = Outcome::default();
    for Checks(answers) in answers {
        outcome.checks += answers.len();
        outcome.mismatches.extend(answers.into_iter().filter(|it| !it.differences.is_empty()));
    }
    Ok(outcome)
}

/// The seeds to try: [`SEED`], those that `AURELIUS_QUEUEING_SEED` lists with commas, or with `all` ten others.
fn seeds() -> Result<Vec<u64>, String> {
    let Some(text) = std::env::var_os("AURELIUS_QUEUEING_SEED") else { return Ok(vec![SEED]) };
    let text = text.to_string_lossy();
    if text == "all" {
        return Ok((1..=10).collect());
    }
    let seeds = text.split(',').map(|seed| {
        seed.trim().parse().map_err(|_| format!("AURELIUS_QUEUEING_SEED: `{seed}` is no seed"))
    });
    seeds.collect()
}

fn check_case(case: &Case, level: Level, seed: u64) -> Checks {
    let mut run = run::Run::new(case, seed);
    let mut batches = estimate::FIRST_BATCHES;
    let most = MOST_REQUESTS / run.requests_per_batch();
    let estimates = loop {
        let rows = run.rows(batches);
        let estimates: Vec<Estimate> = case
            .expect
            .iter()
            .map(|(figure, expected)| estimate::of(case, figure, *expected, rows, level))
            .collect();
        let factor = estimates.iter().map(Estimate::longer).fold(0.0, f64::max);
        let count = estimate::count(batches);
        if factor <= 1.0 || count >= most {
            break estimates;
        }
        // Rather twice a bit more than once too much.
        batches = estimate::rounded((count * (factor * 0.9).clamp(1.05, 16.0)).min(most));
    };
    if std::env::var_os("AURELIUS_QUEUEING_WIDTHS").is_some() {
        run.tell(case, &estimates);
    }
    let mut checks = Checks::default();
    for ((figure, expected), estimate) in case.expect.iter().zip(&estimates) {
        checks.at(format!("{} ({}), {figure}", case.name, case.model));
        let got = estimate.to_string();
        let answer = if estimate.holds() { &got } else { &expected.to_string() };
        checks.compare("value in the interval", answer, &got);
        let narrow = estimate.longer() <= 1.0;
        checks.compare("the interval is narrow", &true, &narrow);
    }
    checks
}
