//! Alert expressions of any kind over series of any kind: computed or refused, never broken.
//!
//! The same generators run for an hour with `HOSTILE_CASES=2000000`; here they run for seconds.

use aurelius_sim::promql::{Evaluation, LOOKBACK_MS, Labels, NAME, Needs, Storage, parse};
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

#[path = "hostile/mod.rs"]
mod hostile;

use hostile::{cases, each_seed};

fn one<'a>(dice: &mut Pcg64Mcg, of: &[&'a str]) -> &'a str {
    of[dice.random_range(0..of.len())]
}

const NAMES: [&str; 5] = ["up", "http_requests_total", "latency_bucket", "m:r", "nothing"];
const LABELS: [&str; 4] = ["job", "le", "code", "pod"];
const SPANS: [&str; 7] = ["1s", "5m", "1h", "1ms", "300y", "1d2h3m", "0s"];
const NUMBERS: [&str; 10] =
    ["0", "1", "-1", "0.99", "1e308", "-1e308", "NaN", "Inf", "-Inf", "9007199254740993"];
const AGGREGATES: [&str; 9] =
    ["sum", "avg", "min", "max", "count", "stddev", "group", "topk", "quantile"];
const FUNCTIONS: [&str; 26] = [
    "rate",
    "increase",
    "irate",
    "delta",
    "deriv",
    "predict_linear",
    "avg_over_time",
    "max_over_time",
    "quantile_over_time",
    "absent",
    "absent_over_time",
    "changes",
    "resets",
    "clamp",
    "clamp_max",
    "ceil",
    "exp",
    "ln",
    "histogram_quantile",
    "label_replace",
    "label_join",
    "round",
    "scalar",
    "vector",
    "time",
    "hour",
];
const OPERATORS: [&str; 15] = [
    "+", "-", "*", "/", "%", "^", "==", "!=", ">", "< bool", "and", "or", "unless", ">= bool",
    "atan2",
];
const MATCHINGS: [&str; 6] = [
    "",
    "",
    " on (job) ",
    " ignoring (le) ",
    " on (job) group_left ",
    " ignoring (code) group_right (pod) ",
];

/// An expression that mostly is one; now and then arguments are not what a function wants.
fn expression(dice: &mut Pcg64Mcg, depth: u32) -> String {
    let kind = if depth == 0 { dice.random_range(0..3) } else { dice.random_range(0..8) };
    match kind {
        0 => one(dice, &NUMBERS).to_owned(),
        1 | 2 => selector(dice),
        3 | 4 => {
            let (left, right) = (expression(dice, depth - 1), expression(dice, depth - 1));
            format!("({left}) {} {} ({right})", one(dice, &OPERATORS), one(dice, &MATCHINGS))
        }
        5 => {
            let inner = expression(dice, depth - 1);
            let first = if dice.random_bool(0.3) { "2, " } else { "" };
            format!("{} by ({}) ({first}{inner})", one(dice, &AGGREGATES), one(dice, &LABELS))
        }
        6 => {
            let count = dice.random_range(0..3);
            let mut given: Vec<String> = (0..count).map(|_| expression(dice, depth - 1)).collect();
            if dice.random_bool(0.6) {
                let offset = if dice.random_bool(0.2) { " offset -3m" } else { "" };
                given.push(format!("{}[{}]{offset}", selector(dice), one(dice, &SPANS)));
            }
            format!("{}({})", one(dice, &FUNCTIONS), given.join(", "))
        }
        _ => {
            let inner = expression(dice, depth - 1);
            let (span, step) = (one(dice, &SPANS), one(dice, &SPANS));
            format!("{}(({inner})[{span}:{step}])", one(dice, &FUNCTIONS))
        }
    }
}

fn selector(dice: &mut Pcg64Mcg) -> String {
    let matches =
        ["", "{job=\"a\"}", "{code=~\"5..\"}", "{le!~\"(\"}", "{pod=~\"(a+)+b\"}", "{job=\"\"}"];
    let modifiers = ["", "", "", " offset 1m", " @ 60", " @ end()"];
    format!("{}{}{}", one(dice, &NAMES), one(dice, &matches), one(dice, &modifiers))
}

/// A few series with holes, resets and values that are no numbers.
fn storage(dice: &mut Pcg64Mcg) -> Storage {
    let mut storage = Storage::default();
    let values = [0.0, 1.0, -1.0, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 3.5, 1e-300];
    for source in 0..dice.random_range(0..5) {
        let name = one(dice, &NAMES);
        let labels = Labels::of([
            (NAME, name),
            ("job", one(dice, &["a", "b", ""])),
            ("le", one(dice, &["0.1", "+Inf", "x", "5"])),
        ]);
        for minute in 0..dice.random_range(0..8_i64) {
            let value = values[dice.random_range(0..values.len())];
            let shown = dice.random_bool(0.8).then(|| (labels.clone(), value));
            storage.take(minute * 60_000, source, shown);
        }
    }
    storage
}

#[test]
fn alert_expressions_of_any_kind_are_computed_or_refused() {
    each_seed(cases(3_000), |_, dice| {
        let mut text = expression(dice, 3);
        for _ in 0..dice.random_range(0..3) {
            // A slip of the keyboard: a letter less or one too many.
            let at = dice.random_range(0..text.len());
            if text.is_char_boundary(at) && dice.random_bool(0.5) {
                text.insert_str(
                    at,
                    one(dice, &["(", ")", "[", "ä", "\"", " ", "by", "5", "\0", "{"]),
                );
            }
        }
        let Ok(parsed) = parse(&text) else { return };
        if !Needs::of(&parsed).unsupported.is_empty() {
            return;
        }
        let storage = storage(dice);
        let evaluation = Evaluation {
            storage: &storage,
            lookback_ms: LOOKBACK_MS,
            step_ms: 60_000,
            epoch_s: 0.0,
        };
        let _ = evaluation.value(&parsed, dice.random_range(0..600_000));
    });
}
