//! Functions of PromQL.

use promql_parser::label::MatchOp;
use promql_parser::parser::{Call, Expr, VectorSelector};

use crate::promql::eval::{Evaluation, Sample, Value, each};
use crate::promql::{Error, Labels, NAME, calendar, histogram};

/// Functions of a range without another argument.
pub(super) const OF_RANGES: [&str; 18] = [
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "avg_over_time",
    "sum_over_time",
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "last_over_time",
    "first_over_time",
    "present_over_time",
    "stdvar_over_time",
    "stddev_over_time",
];

/// The other functions that are computed.
pub(super) const OTHERS: [&str; 27] = [
    "quantile_over_time",
    "predict_linear",
    "absent",
    "absent_over_time",
    "histogram_quantile",
    "abs",
    "ceil",
    "floor",
    "exp",
    "ln",
    "log2",
    "log10",
    "sqrt",
    "sgn",
    "round",
    "clamp",
    "clamp_min",
    "clamp_max",
    "vector",
    "scalar",
    "time",
    "timestamp",
    "sort",
    "sort_desc",
    "pi",
    "label_replace",
    "label_join",
];

/// Functions of angles (rad), and to and from degrees.
pub(super) const ANGLES: [&str; 14] = [
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "deg", "rad", "sin", "sinh",
    "tan", "tanh",
];

pub(super) fn call(on: &Evaluation<'_>, call: &Call, at_ms: i64) -> Result<Value, Error> {
    let name = call.func.name;
    let arguments = &call.args.args;
    let argument = |at: usize| {
        let found = arguments.get(at).map(|argument| &**argument);
        found.ok_or_else(|| Error(format!("{name} lacks an argument")))
    };
    if OF_RANGES.contains(&name) {
        return over(on, name, argument(0)?, 0.0, at_ms);
    }
    Ok(match name {
        "quantile_over_time" => {
            let q = on.scalar(argument(0)?, at_ms)?;
            return over(on, name, argument(1)?, q, at_ms);
        }
        "predict_linear" => {
            let seconds = on.scalar(argument(1)?, at_ms)?;
            return over(on, name, argument(0)?, seconds, at_ms);
        }
        "time" => Value::Scalar(on.seconds(at_ms)),
        "pi" => Value::Scalar(std::f64::consts::PI),
        "vector" => {
            let value = on.scalar(argument(0)?, at_ms)?;
            Value::Vector(vec![Sample { labels: Labels::default(), value }])
        }
        "scalar" => match on.vector(argument(0)?, at_ms)?.as_slice() {
            [only] => Value::Scalar(only.value),
            _ => Value::Scalar(f64::NAN),
        },
        "absent" => {
            let there = on.vector(argument(0)?, at_ms)?;
            Value::Vector(absent(there.is_empty(), argument(0)?))
        }
        "absent_over_time" => {
            let there = on.matrix(argument(0)?, at_ms)?;
            Value::Vector(absent(there.series.is_empty(), argument(0)?))
        }
        "timestamp" => Value::Vector(timestamps(on, argument(0)?, at_ms)?),
        "histogram_quantile" => {
            let q = on.scalar(argument(0)?, at_ms)?;
            Value::Vector(histogram::quantiles(q, &on.vector(argument(1)?, at_ms)?))
        }
        "sort" | "sort_desc" => {
            let mut samples = on.vector(argument(0)?, at_ms)?;
            samples.sort_by(|one, other| one.value.total_cmp(&other.value));
            if name == "sort_desc" {
                samples.reverse();
            }
            Value::Vector(samples)
        }
        _ if calendar::FUNCTIONS.contains(&name) => {
            let of = match arguments.first() {
                Some(argument) => on.vector(argument, at_ms)?,
                None => vec![Sample { labels: Labels::default(), value: on.seconds(at_ms) }],
            };
            Value::Vector(each(of, |seconds| calendar::part(name, seconds)))
        }
        "label_replace" | "label_join" => Value::Vector(relabelled(on, name, arguments, at_ms)?),
        _ => {
            let samples = on.vector(argument(0)?, at_ms)?;
            let number = |at: usize| argument(at).and_then(|it| on.scalar(it, at_ms));
            return pointwise(name, samples, number);
        }
    })
}

fn over(
    on: &Evaluation<'_>,
    name: &str,
    range: &Expr,
    parameter: f64,
    at_ms: i64,
) -> Result<Value, Error> {
    let matrix = on.matrix(range, at_ms)?;
    let keeps_name = matches!(name, "last_over_time" | "first_over_time");
    let values = matrix.windows().filter_map(|(labels, window)| {
        let value = window.of(name, parameter, at_ms)?;
        let labels = if keeps_name { labels.clone() } else { labels.nameless() };
        Some(Sample { labels, value })
    });
    Ok(Value::Vector(values.collect()))
}

fn pointwise(
    name: &str,
    samples: Vec<Sample>,
    number: impl Fn(usize) -> Result<f64, Error>,
) -> Result<Value, Error> {
    Ok(Value::Vector(match name {
        "abs" => each(samples, f64::abs),
        "ceil" => each(samples, libm::ceil),
        "floor" => each(samples, libm::floor),
        "exp" => each(samples, libm::exp),
        "ln" => each(samples, libm::log),
        "log2" => each(samples, libm::log2),
        "log10" => each(samples, libm::log10),
        "sqrt" => each(samples, libm::sqrt),
        "sgn" => each(samples, |value| {
            if value > 0.0 {
                1.0
            } else if value < 0.0 {
                -1.0
            } else {
                value
            }
        }),
        "round" => {
            // Halves go up; the default is to whole numbers.
            let inverse = 1.0 / number(1).unwrap_or(1.0);
            each(samples, |value| libm::floor(value * inverse + 0.5) / inverse)
        }
        "clamp_min" => {
            let least = number(1)?;
            each(samples, |value| f64::max(value, least))
        }
        "clamp_max" => {
            let most = number(1)?;
            each(samples, |value| f64::min(value, most))
        }
        "clamp" => {
            let (least, most) = (number(1)?, number(2)?);
            if most < least {
                Vec::new()
            } else {
                each(samples, |value| f64::max(least, f64::min(most, value)))
            }
        }
        _ => match angle(name) {
            Some(function) => each(samples, function),
            None => return Err(Error(format!("function {name}"))),
        },
    }))
}

fn angle(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "acos" => libm::acos,
        "acosh" => libm::acosh,
        "asin" => libm::asin,
        "asinh" => libm::asinh,
        "atan" => libm::atan,
        "atanh" => libm::atanh,
        "cos" => libm::cos,
        "cosh" => libm::cosh,
        "deg" => f64::to_degrees,
        "rad" => f64::to_radians,
        "sin" => libm::sin,
        "sinh" => libm::sinh,
        "tan" => libm::tan,
        "tanh" => libm::tanh,
        _ => return None,
    })
}

fn timestamps(on: &Evaluation<'_>, of: &Expr, at_ms: i64) -> Result<Vec<Sample>, Error> {
    if let Expr::VectorSelector(selector) = of {
        return Ok(on.taken_at(selector, at_ms));
    }
    let now = on.seconds(at_ms);
    Ok(each(on.vector(of, at_ms)?, |_| now))
}

/// One element with the labels that the selector's equalities state, when there is nothing
/// (functions.go `createLabelsForAbsentFunction`).
fn absent(nothing: bool, of: &Expr) -> Vec<Sample> {
    if !nothing {
        return Vec::new();
    }
    let selector: Option<&VectorSelector> = if let Expr::VectorSelector(selector) = of {
        Some(selector)
    } else if let Expr::MatrixSelector(selector) = of {
        Some(&selector.vs)
    } else {
        None
    };
    let mut labels = Labels::default();
    let mut twice: Vec<&str> = Vec::new();
    for matcher in selector.iter().flat_map(|selector| &selector.matchers.matchers) {
        if matcher.name == NAME {
            continue;
        }
        let stated = !labels.get(&matcher.name).is_empty();
        if matches!(matcher.op, MatchOp::Equal) && !stated {
            labels.set(&matcher.name, &matcher.value);
        } else {
            twice.push(&matcher.name);
        }
    }
    vec![Sample { labels: labels.without(&twice), value: 1.0 }]
}

fn relabelled(
    on: &Evaluation<'_>,
    name: &str,
    arguments: &[Box<Expr>],
    at_ms: i64,
) -> Result<Vec<Sample>, Error> {
    let [of, texts @ ..] = arguments else { return Err(Error(format!("{name} lacks arguments"))) };
    let mut samples = on.vector(of, at_ms)?;
    let texts: Vec<String> =
        texts.iter().map(|text| on.text(text, at_ms)).collect::<Result<_, _>>()?;
    match (name, texts.as_slice()) {
        ("label_replace", [to, replacement, from, pattern]) => {
            let pattern = regex::Regex::new(&format!("^(?s:{pattern})$")).map_err(|_| {
                Error(format!("invalid regular expression in label_replace(): {pattern}"))
            })?;
            for sample in &mut samples {
                let value = sample.labels.get(from).to_owned();
                if let Some(found) = pattern.captures(&value) {
                    let mut text = String::new();
                    found.expand(replacement, &mut text);
                    sample.labels.set(to, &text);
                }
            }
        }
        ("label_join", [to, separator, from @ ..]) => {
            for sample in &mut samples {
                let values: Vec<&str> = from.iter().map(|name| sample.labels.get(name)).collect();
                let text = values.join(separator);
                sample.labels.set(to, &text);
            }
        }
        _ => return Err(Error(format!("{name} lacks arguments"))),
    }
    let mut seen = std::collections::BTreeSet::new();
    if !samples.iter().all(|sample| seen.insert(sample.labels.clone())) {
        return Err(Error("vector cannot contain metrics with the same labelset".to_owned()));
    }
    Ok(samples)
}
