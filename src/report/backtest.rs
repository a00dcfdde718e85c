//! A backtest as a picture: recorded and simulated sizes, and the demand behind them.

use crate::backtest::Step;
use crate::report::svg::{self, Colour, Dash, Figure, Join, Series};

/// Sizes of all policies above the demand.
#[must_use]
pub fn picture(name: &str, results: &[(String, Vec<Step>)]) -> String {
    let Some((_, first)) = results.first() else { return String::new() };
    let begin = first.first().map_or(0.0, |step| step.at_s);
    let points = |steps: &[Step], of: &dyn Fn(&Step) -> f64| -> Vec<(f64, Option<f64>)> {
        steps.iter().map(|step| (step.at_s - begin, Some(of(step)))).collect()
    };
    let mut sizes = Figure::new(format!("Replicas of {name}"), "pods");
    for ((policy, steps), colour) in results.iter().zip(Colour::CYCLE) {
        sizes.series.push(Series {
            name: policy.clone(),
            points: points(steps, &|step| f64::from(step.simulated)),
            spread: Vec::new(),
            colour,
            dash: Dash::Solid,
            join: Join::Step,
        });
    }
    sizes.series.push(Series {
        name: "recorded".to_owned(),
        points: points(first, &|step| f64::from(step.recorded)),
        spread: Vec::new(),
        colour: Colour::Black,
        dash: Dash::Dotted,
        join: Join::Step,
    });
    let mut demand = Figure::new("CPU in use", "cores");
    demand.series.push(Series {
        name: "recorded".to_owned(),
        points: points(first, &|step| step.cores),
        spread: Vec::new(),
        colour: Colour::Black,
        dash: Dash::Solid,
        join: Join::Line,
    });
    svg::panels_of(&[sizes, demand])
}
