//! A backtest told: as text, JSON, CSV and pictures. The page is `html::backtest`.

pub mod text;

use serde_json::{Value, json};

use crate::backtest::{Backtest, Course, Divergence, Outcome};
use crate::report::explain::sync_text;
use crate::report::svg::{self, Colour, Dash, Figure, Join, Series};
use crate::trace::Clock;

/// One figure over time for each course: every policy over the record.
#[must_use]
pub fn figures(tested: &Backtest) -> Vec<Figure> {
    let Some(first) = tested.outcomes.first() else { return Vec::new() };
    first.courses.iter().map(|course| figure(tested, course)).collect()
}

fn figure(tested: &Backtest, course: &Course) -> Figure {
    let join = if course.steps { Join::Step } else { Join::Line };
    let points = |times: &[f64], values: &[Option<f64>]| -> Vec<(f64, Option<f64>)> {
        times.iter().copied().zip(values.iter().copied()).collect()
    };
    let mut figure = Figure::new(course.what.clone(), course.unit);
    for (outcome, colour) in tested.outcomes.iter().zip(Colour::CYCLE) {
        let Some(own) = outcome.courses.iter().find(|it| it.what == course.what) else { continue };
        figure.series.push(Series {
            name: outcome.policy.clone(),
            points: points(&own.times_s, &own.simulated),
            spread: Vec::new(),
            colour,
            dash: Dash::Solid,
            join,
        });
    }
    figure.series.push(Series {
        name: "recorded".to_owned(),
        points: points(&course.times_s, &course.recorded),
        spread: Vec::new(),
        colour: Colour::Black,
        dash: Dash::Dotted,
        join,
    });
    figure
}

/// All courses of a day, one above the other.
#[must_use]
pub fn picture(tested: &Backtest) -> String {
    svg::panels_of(&figures(tested))
}

/// Days as JSON.
#[must_use]
pub fn json(days: &[Backtest]) -> String {
    let days: Vec<Value> = days.iter().map(day_json).collect();
    let value = json!({
        "kind": "Backtest",
        "version": env!("CARGO_PKG_VERSION"),
        "days": days,
    });
    let mut text = serde_json::to_string_pretty(&value).expect("plain values are JSON");
    text.push('\n');
    text
}

/// A day as JSON.
#[must_use]
pub fn day_json(tested: &Backtest) -> Value {
    let clock = clock(tested);
    let outcomes: Vec<Value> =
        tested.outcomes.iter().map(|outcome| outcome_json(clock, outcome)).collect();
    json!({"name": tested.name, "policies": outcomes, "assumptions": tested.notes})
}

fn outcome_json(clock: Clock, outcome: &Outcome) -> Value {
    let metrics = outcome.courses.iter().map(|course| {
        let errors = course.errors().map(|errors| {
            json!({
                "instants": errors.instants,
                "equal": errors.equal,
                "recorded_mean": errors.recorded,
                "simulated_mean": errors.simulated,
                "mae": errors.mean_absolute,
                "bias": errors.bias,
                "p95_error": errors.p95,
                "max_error": errors.most,
            })
        });
        json!({"metric": course.what, "unit": course.unit, "errors": errors})
    });
    let totals = outcome.totals.iter().map(|total| {
        json!({
            "total": total.what,
            "unit": total.unit,
            "recorded": total.recorded,
            "simulated": total.simulated,
            "relative": total.relative(),
        })
    });
    let differing = outcome.divergences.iter().map(|it| divergence_json(clock, it));
    json!({
        "policy": outcome.policy,
        "metrics": metrics.collect::<Vec<_>>(),
        "totals": totals.collect::<Vec<_>>(),
        "decisions": differing.collect::<Vec<_>>(),
        "decisions_healed": outcome.healed,
    })
}

fn divergence_json(clock: Clock, it: &Divergence) -> Value {
    json!({
        "of": it.of,
        "t_s": it.at_s,
        "until_s": it.until_s,
        "recorded": [it.recorded.0, it.recorded.1],
        "simulated": [it.simulated.0, it.simulated.1],
        "cause": it.cause,
        "sync": it.ours.as_ref().map(|sync| sync_text(clock, sync)),
    })
}

/// Every instant of every course: `day,policy,metric,t_s,recorded,simulated`.
#[must_use]
pub fn csv(days: &[Backtest]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut row = |cells: [&str; 6]| {
        writer.write_record(cells).expect("memory takes any row, and rows have equal lengths");
    };
    row(["day", "policy", "metric", "t_s", "recorded", "simulated"]);
    let cell = |value: Option<f64>| value.map_or_else(String::new, |it| it.to_string());
    for day in days {
        for outcome in &day.outcomes {
            for course in &outcome.courses {
                let values = course.recorded.iter().zip(&course.simulated);
                for (at, (recorded, simulated)) in course.times_s.iter().zip(values) {
                    row([
                        &day.name,
                        &outcome.policy,
                        &course.what,
                        &at.to_string(),
                        &cell(*recorded),
                        &cell(*simulated),
                    ]);
                }
            }
        }
    }
    let bytes = writer.into_inner().expect("memory can always be flushed");
    String::from_utf8(bytes).expect("rows are text")
}

/// Times of decisions as the day counts them.
pub(crate) const fn clock(tested: &Backtest) -> Clock {
    Clock { measured_from: tested.begin }
}
