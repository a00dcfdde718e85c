//! Charts: the figures of `-o svg` and a few more, each as SVG, as a table and as data for the script.

use rust_decimal::prelude::ToPrimitive;

use crate::findings::Case;
use crate::metrics::cost::rate_per_hour;
use crate::report::html::Shown;
use crate::report::html::write::{Table, clock, escaped, short};
use crate::report::svg::{Colour, Dash, Figure, Join, Series, alone, figures, marks};

/// Instants of a chart that scripts draw, at most.
const POINTS: usize = 420;
/// Instants of a chart as SVG, at most: more than its pixels tell nothing.
const DRAWN: usize = 280;
/// Rows of the table behind a chart, at most.
const ROWS: usize = 16;

/// All charts.
pub(super) struct Drawn {
    /// As HTML.
    pub(super) figures: String,
    /// As JSON.
    pub(super) data: String,
}

pub(super) fn charts(shown: &Shown<'_>) -> Drawn {
    let case = shown.case;
    let mut all = figures(case);
    // Replicas that stood still are in the table of workloads.
    all.retain(|(name, figure)| !name.starts_with("replicas-") || moves(figure));
    all.push(("cpu".to_owned(), cpu(case)));
    all.push(("pods".to_owned(), pods(case)));
    all.push(("cost-rate".to_owned(), cost(shown)));
    all.retain(|(name, figure)| name == "load" || !figure.is_empty());
    let span_s = case.scenario.duration.as_secs_f64();
    let mut html = String::new();
    let mut data: Vec<String> = Vec::new();
    for (number, (_, figure)) in all.iter().enumerate() {
        let picture = themed(&alone(case, &thinned(figure, DRAWN)));
        let reading = reading(figure);
        let title = escaped(&format!("{} ({})", figure.title, figure.unit));
        let picture = described(&picture, &title, &escaped(&reading));
        html.push_str(&format!(
            "<figure id=\"chart-{number}\"><figcaption>{title}</figcaption>\n{picture}\n\
             <div class=\"live\" aria-label=\"{title}, interactive\"></div>\n<p class=\"quiet\">{}</p>\n\
             <details><summary>Figures</summary>{}</details></figure>\n",
            escaped(&reading),
            table(figure),
        ));
        data.push(chart_json(number, &thinned(figure, POINTS)));
    }
    let marks: Vec<String> =
        marks(case).iter().map(|(at, text)| format!("[{},{}]", short(*at), quoted(text))).collect();
    let name = quoted(&case.scenario.name);
    let data = format!(
        "{{\"name\":{name},\"span\":{},\"marks\":[{}],\"charts\":[{}]}}",
        short(span_s),
        marks.join(","),
        data.join(",")
    );
    if !marks.is_empty() {
        let listed: Vec<String> = self::marks(case)
            .iter()
            .map(|(at, text)| format!("{} {}", clock(*at), escaped(text)))
            .collect();
        html.insert_str(
            0,
            &format!("<p class=\"quiet\">Dotted lines: {}</p>\n", listed.join("; ")),
        );
    }
    Drawn { figures: html, data }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn line(
    case: &Case<'_>,
    name: &str,
    (colour, dash, join): (Colour, Dash, Join),
    value: impl Fn(usize) -> Option<f64>,
) -> Series {
    let times = case.series.times.iter().enumerate();
    let points = times.map(|(at, time)| (time.as_secs_f64(), value(at))).collect();
    Series { name: name.to_owned(), points, colour, dash, join }
}

/// Cores of all workloads together.
fn cpu(case: &Case<'_>) -> Figure {
    let mut figure = Figure::new("CPU of all workloads: used, requested, limits", "cores");
    let sum = |at: usize, of: fn(&crate::model::observer::WorkloadSample) -> f64| {
        let samples = case.series.workloads.iter().filter_map(|samples| samples.get(at));
        Some(samples.map(of).sum::<f64>())
    };
    figure.series = vec![
        line(case, "limits", (Colour::Grey, Dash::Dotted, Join::Step), |at| {
            sum(at, |s| s.cpu_limit_cores)
        }),
        line(case, "requested", (Colour::Vermillion, Dash::Dashed, Join::Step), |at| {
            sum(at, |s| s.cpu_requested_cores)
        }),
        line(case, "used", (Colour::Blue, Dash::Solid, Join::Line), |at| sum(at, |s| s.cpu_cores)),
    ];
    figure
}

/// Pods by how far they are.
fn pods(case: &Case<'_>) -> Figure {
    let mut figure = Figure::new("Pods: wanted, ready, without a node", "count");
    let sum = |at: usize, of: fn(&crate::model::observer::WorkloadSample) -> f64| {
        let samples = case.series.workloads.iter().filter_map(|samples| samples.get(at));
        Some(samples.map(of).sum::<f64>())
    };
    let look = |colour, dash| (colour, dash, Join::Step);
    figure.series = vec![
        line(case, "active", look(Colour::Vermillion, Dash::Dashed), |at| {
            sum(at, |s| f64::from(s.active))
        }),
        line(case, "pending", look(Colour::Black, Dash::Dotted), |at| {
            case.series.pods_pending.get(at).map(|count| f64::from(*count))
        }),
        line(case, "ready", look(Colour::Blue, Dash::Solid), |at| sum(at, |s| f64::from(s.ready))),
    ];
    figure
}

/// What everything costs per hour, and the part of the nodes that no pod asks for.
fn cost(shown: &Shown<'_>) -> Figure {
    let case = shown.case;
    let unit = format!("{} an hour", shown.report.cost.currency);
    let mut figure = Figure::new("Cost rate, and its idle part", unit);
    let rates = rate_per_hour(case.scenario, shown.measured);
    let idle = |at: usize| {
        let samples = case.series.pools.iter().filter_map(|samples| samples.get(at));
        let mut sum = 0.0;
        for sample in samples.filter(|sample| sample.nodes > 0) {
            let paid = sample.paid_per_hour?.to_f64()?;
            let shares = [
                (sample.cpu_requested_cores, sample.cpu_allocatable_cores),
                (sample.memory_requested_bytes, sample.memory_allocatable_bytes),
                (
                    crate::units::convert::f64_from_i64(sample.gpus_requested),
                    crate::units::convert::f64_from_i64(sample.gpus_allocatable),
                ),
            ];
            let asked = shares.iter().filter(|(_, all)| *all > 0.0).map(|(part, all)| part / all);
            sum += paid * (1.0 - asked.fold(0.0, f64::max)).max(0.0);
        }
        Some(sum)
    };
    figure.series = vec![
        line(case, "idle", (Colour::Orange, Dash::Dashed, Join::Step), idle),
        line(case, "all", (Colour::Blue, Dash::Solid, Join::Step), |at| {
            rates.get(at).copied().flatten()?.to_f64()
        }),
    ];
    figure
}

/// Whether any series of a figure has two values.
fn moves(figure: &Figure) -> bool {
    figure.series.iter().any(|series| {
        let mut known = series.points.iter().filter_map(|(_, value)| *value);
        known.next().is_some_and(|first| known.any(|value| (value - first).abs() > 1e-9))
    })
}

/// The instants that show the extremes of every series within each of a number of spans.
fn chosen(figure: &Figure, most: usize) -> Vec<usize> {
    let count = figure.series.first().map_or(0, |series| series.points.len());
    if count <= most {
        return (0..count).collect();
    }
    let per_span = 2 * figure.series.len().max(1);
    let spans = (most / per_span).max(1);
    let mut chosen = std::collections::BTreeSet::from([0, count - 1]);
    for span in 0..spans {
        let (from, to) = (span * count / spans, (span + 1) * count / spans);
        for series in &figure.series {
            let known = (from..to).filter_map(|at| Some((at, series.points[at].1?)));
            let by_value = |one: &(usize, f64), other: &(usize, f64)| one.1.total_cmp(&other.1);
            chosen.extend(known.clone().min_by(by_value).map(|(at, _)| at));
            chosen.extend(known.max_by(by_value).map(|(at, _)| at));
        }
    }
    chosen.into_iter().collect()
}

fn thinned(figure: &Figure, most: usize) -> Figure {
    let chosen = chosen(figure, most);
    let mut thin = figure.clone();
    for series in &mut thin.series {
        series.points = chosen.iter().map(|at| series.points[*at]).collect();
    }
    thin
}

/// What a chart says, in a sentence: each series at first, at most and at the end.
fn reading(figure: &Figure) -> String {
    let mut parts = Vec::new();
    for series in figure.series.iter().rev() {
        let known = || series.points.iter().filter_map(|(at, value)| Some((*at, (*value)?)));
        let (Some(first), Some(last)) = (known().next(), known().next_back()) else { continue };
        let most = known().fold(first, |most, next| if next.1 > most.1 { next } else { most });
        parts.push(format!(
            "{} {} at first, at most {} at {}, {} at the end",
            series.name,
            short(first.1),
            short(most.1),
            clock(most.0),
            short(last.1)
        ));
    }
    parts.join("; ")
}

fn table(figure: &Figure) -> String {
    let heads: Vec<String> =
        figure.series.iter().map(|series| format!("#{}", series.name)).collect();
    let mut columns = vec!["Time"];
    columns.extend(heads.iter().map(String::as_str));
    let mut table = Table::new(&columns);
    let count = figure.series.first().map_or(0, |series| series.points.len());
    let step = count.div_ceil(ROWS).max(1);
    for at in (0..count).step_by(step) {
        let mut cells = vec![clock(figure.series[0].points[at].0)];
        let values = figure.series.iter().map(|series| series.points[at].1);
        cells.extend(values.map(|value| value.map_or_else(|| "–".to_owned(), short)));
        table.row(&cells);
    }
    let note = if step > 1 {
        format!("<p class=\"quiet\">One of every {step} instants, {count} in all.</p>")
    } else {
        String::new()
    };
    format!("{note}{}", table.finish())
}

fn chart_json(id: usize, figure: &Figure) -> String {
    let empty = Vec::new();
    let points = figure.series.first().map_or(&empty, |series| &series.points);
    let x: Vec<String> = points.iter().map(|(at, _)| short(*at)).collect();
    let series: Vec<String> = figure
        .series
        .iter()
        .map(|series| {
            let y: Vec<String> = series
                .points
                .iter()
                .map(|(_, value)| value.map_or_else(|| "null".to_owned(), short))
                .collect();
            let dash = match series.dash {
                Dash::Solid => "solid",
                Dash::Dashed => "dashed",
                Dash::Dotted => "dotted",
            };
            format!(
                "{{\"name\":{},\"colour\":\"{}\",\"dash\":\"{dash}\",\"step\":{},\"y\":[{}]}}",
                quoted(&series.name),
                on_both(series.colour),
                series.join == Join::Step,
                y.join(",")
            )
        })
        .collect();
    let limits: Vec<String> = figure
        .limits
        .iter()
        .map(|(name, value)| format!("[{},{}]", quoted(name), short(*value)))
        .collect();
    let band = figure.band.as_ref().map_or_else(
        || "null".to_owned(),
        |(name, least, most)| format!("[{},{},{}]", quoted(name), short(*least), short(*most)),
    );
    let top = figure.top.map_or_else(|| "null".to_owned(), short);
    format!(
        "{{\"id\":\"{id}\",\"title\":{},\"unit\":{},\"top\":{top},\"band\":{band},\"limits\":[{}],\
         \"x\":[{}],\"series\":[{}]}}",
        quoted(&figure.title),
        quoted(&figure.unit),
        limits.join(","),
        x.join(","),
        series.join(",")
    )
}

/// A colour that has a contrast of three to one on white and on black.
pub(super) const fn on_both(colour: Colour) -> &'static str {
    match colour {
        Colour::Black => "ink",
        Colour::Blue => "#0A84C6",
        Colour::Vermillion => "#D55E00",
        Colour::Green => "#00946C",
        Colour::Purple => "#B8609A",
        Colour::Orange => "#B97C00",
        Colour::Sky => "#2F8FCB",
        Colour::Grey => "#7A838C",
    }
}

/// The picture without its own background, in colours that read on light and dark.
fn themed(svg: &str) -> String {
    const LOOKS: [(&str, &str); 11] = [
        ("\"#FFFFFF\"", "\"none\""),
        ("\"#282828\"", "\"currentColor\""),
        ("\"#5F5F5F\"", "\"currentColor\""),
        ("\"#000000\"", "\"currentColor\""),
        ("\"#E2E2E2\"", "\"#8A939C\" stroke-opacity=\"0.3\""),
        ("\"#E4F0F8\"", "\"#0072B2\" fill-opacity=\"0.12\""),
        ("\"#0072B2\"", "\"#0A84C6\""),
        ("\"#009E73\"", "\"#00946C\""),
        ("\"#CC79A7\"", "\"#B8609A\""),
        ("\"#E69F00\"", "\"#B97C00\""),
        ("\"#56B4E9\"", "\"#2F8FCB\""),
    ];
    LOOKS.iter().fold(svg.to_owned(), |svg, (from, to)| svg.replace(from, to))
}

/// The picture with a name and a sentence for those who do not see it.
fn described(svg: &str, title: &str, reading: &str) -> String {
    let Some((open, rest)) = svg.split_once('>') else { return String::new() };
    format!("{open} role=\"img\"><title>{title}</title><desc>{reading}</desc>{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::convert::f64_from_usize;

    #[test]
    fn thinning_keeps_spikes_and_ends() {
        let mut figure = Figure::new("x", "y");
        let value = |n: usize| if n == 777 { 50.0 } else { 1.0 };
        figure.series.push(Series {
            name: "s".to_owned(),
            points: (0..2000).map(|n| (f64_from_usize(n), Some(value(n)))).collect(),
            colour: Colour::Blue,
            dash: Dash::Solid,
            join: Join::Line,
        });
        let thin = thinned(&figure, 100);
        let points = &thin.series[0].points;
        assert!(points.len() <= 102, "{}", points.len());
        assert!(
            points
                .iter()
                .any(|(at, value)| (at - 777.0).abs() < 0.5
                    && value.is_some_and(|value| value > 49.0))
        );
        let ends = points[0].0 + points[points.len() - 1].0;
        assert!((ends - 1999.0).abs() < 0.5, "{ends}");
        assert!(reading(&figure).contains("at most 50 at 12m57s"), "{}", reading(&figure));
    }
}
