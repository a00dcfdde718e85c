//! One figure on the page: as SVG, as a sentence, as a table and as data for the script.

use crate::report::html::write::{Table, clock, escaped, short};
use crate::report::svg::{Colour, Dash, Figure, Join, alone};

/// Instants of a chart that scripts draw, at most.
const POINTS: usize = 420;
/// Instants of a chart as SVG, at most: more than its pixels tell nothing.
const DRAWN: usize = 280;
/// The part of both that a chart with bands has: each of its instants holds three figures.
const BANDED: usize = 2;
/// Rows of the table behind a chart, at most.
const ROWS: usize = 16;

/// Charts of a page.
#[derive(Debug, Default)]
pub(super) struct Charts {
    /// As data for the script, one text each.
    data: Vec<String>,
    /// The longest time axis (s).
    span_s: f64,
}

/// Figures with one time axis: their charts zoom together and share a cursor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group<'a> {
    /// Which of the page.
    pub(super) number: usize,
    /// Length of the time axis (s).
    pub(super) span_s: f64,
    /// What the scenario did to the cluster, and when (s).
    pub(super) marks: &'a [(f64, String)],
}

impl Charts {
    /// Draws figures; their HTML.
    pub(super) fn draw<'f>(
        &mut self,
        group: &Group<'_>,
        figures: impl Iterator<Item = &'f Figure>,
    ) -> String {
        let mut html = String::new();
        self.span_s = self.span_s.max(group.span_s);
        for figure in figures {
            let number = self.data.len();
            let instants: Vec<f64> = group.marks.iter().map(|(at, _)| *at).collect();
            let banded = figure.series.iter().any(|series| !series.spread.is_empty());
            let part = if banded { BANDED } else { 1 };
            let drawn = thinned(figure, DRAWN / part);
            let picture = themed(&alone(&drawn, group.span_s, &instants));
            let reading = reading(figure);
            let title = escaped(&format!("{} ({})", figure.title, figure.unit));
            let picture = described(&picture, &title, &escaped(&reading));
            html.push_str(&format!(
                "<figure id=\"chart-{number}\"><figcaption>{title}</figcaption>\n{picture}\n\
                 <div class=\"live\" aria-label=\"{title}, interactive\"></div>\n<p class=\"quiet\">{}</p>\n\
                 <details><summary>Figures</summary><p class=\"tools\" hidden><button class=\"tool\" \
                 type=\"button\" data-csv=\"{number}\">Download CSV</button></p>{}</details></figure>\n",
                escaped(&reading),
                table(figure),
            ));
            self.data.push(chart_json(number, group.number, &thinned(figure, POINTS / part)));
        }
        if !group.marks.is_empty() {
            let listed: Vec<String> = group
                .marks
                .iter()
                .map(|(at, text)| format!("{} {}", clock(*at), escaped(text)))
                .collect();
            let listed = listed.join("; ");
            html.insert_str(0, &format!("<p class=\"quiet\">Dotted lines: {listed}</p>\n"));
        }
        html
    }

    /// The data of all charts; `None` without any.
    pub(super) fn json(&self, name: &str, marks: &[(f64, String)]) -> Option<String> {
        if self.data.is_empty() {
            return None;
        }
        let marks: Vec<String> =
            marks.iter().map(|(at, text)| format!("[{},{}]", short(*at), quoted(text))).collect();
        Some(format!(
            "{{\"name\":{},\"span\":{},\"marks\":[{}],\"charts\":[{}]}}",
            quoted(name),
            short(self.span_s),
            marks.join(","),
            self.data.join(",")
        ))
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
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
        let spread = std::mem::take(&mut series.spread);
        series.spread = chosen.iter().filter_map(|at| spread.get(*at).copied()).collect();
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

fn chart_json(id: usize, group: usize, figure: &Figure) -> String {
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
                "{{\"name\":{},\"colour\":\"{}\",\"dash\":\"{dash}\",\"step\":{},\"y\":[{}]{}}}",
                quoted(&series.name),
                on_both(series.colour),
                series.join == Join::Step,
                y.join(","),
                spread_json(series),
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
        "{{\"id\":\"{id}\",\"group\":{group},\"title\":{},\"unit\":{},\"top\":{top},\"band\":{band},\"limits\":[{}],\
         \"x\":[{}],\"series\":[{}]}}",
        quoted(&figure.title),
        quoted(&figure.unit),
        limits.join(","),
        x.join(","),
        series.join(",")
    )
}

/// `,"lo":[…],"hi":[…]`, or nothing of a single run.
fn spread_json(series: &crate::report::svg::Series) -> String {
    if series.spread.is_empty() {
        return String::new();
    }
    let edge = |of: fn((f64, f64)) -> f64| {
        let values = series.spread.iter();
        let values: Vec<String> = values
            .map(|spread| spread.map_or_else(|| "null".to_owned(), |ends| short(of(ends))))
            .collect();
        values.join(",")
    };
    format!(",\"lo\":[{}],\"hi\":[{}]", edge(|ends| ends.0), edge(|ends| ends.1))
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
    use crate::report::svg::Series;
    use crate::units::convert::f64_from_usize;

    #[test]
    fn thinning_keeps_spikes_and_ends() {
        let mut figure = Figure::new("x", "y");
        let value = |n: usize| if n == 777 { 50.0 } else { 1.0 };
        figure.series.push(Series {
            name: "s".to_owned(),
            points: (0..2000).map(|n| (f64_from_usize(n), Some(value(n)))).collect(),
            spread: Vec::new(),
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
