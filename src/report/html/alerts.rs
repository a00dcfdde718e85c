//! Alerts as bars on one time axis, with a table behind them.

use crate::report::html::write::{Table, clock, escaped, instant, place};
use crate::report::{AlertEntry, Report, SpanEntry};
use crate::units::convert::f64_from_usize;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 230.0;
const ROW: f64 = 22.0;
/// Series of one alert that are listed.
const LISTED: usize = 12;

pub(super) fn alerts(report: &Report) -> String {
    if report.alerts.is_empty() {
        return String::new();
    }
    let mut html = expectations(report);
    let shown: Vec<&AlertEntry> =
        report.alerts.iter().filter(|it| it.not_evaluated.is_empty()).collect();
    if !shown.is_empty() {
        html.push_str(&bars(&shown, report.duration_s));
    }
    let mut table = Table::new(&[
        "Alert",
        "Severity",
        "First fires",
        "#Fires for",
        "#Pending for",
        "Rule",
        "Written at",
    ]);
    for alert in &report.alerts {
        let rule = format!(
            "<code class=\"wrap\">{}</code>{}{}",
            escaped(&alert.expression),
            if alert.hold_s > 0.0 {
                format!(" <span class=\"quiet\">for {}</span>", clock(alert.hold_s))
            } else {
                String::new()
            },
            remarks(alert),
        );
        let lasted = |seconds: f64| if seconds > 0.0 { clock(seconds) } else { "–".to_owned() };
        table.row(&[
            format!("<strong>{}</strong>", escaped(&alert.name)),
            escaped(alert.severity.as_deref().unwrap_or("–")),
            alert.first_fired_s.map_or_else(|| "never".to_owned(), instant),
            lasted(alert.firing_s),
            lasted(alert.pending_s),
            rule,
            place(alert.location.as_ref()),
        ]);
    }
    html.push_str(&table.finish());
    html
}

fn remarks(alert: &AlertEntry) -> String {
    let mut out = String::new();
    if let Some(summary) = &alert.summary {
        out.push_str(&format!("<br><span class=\"quiet\">{}</span>", escaped(summary)));
    }
    if !alert.not_evaluated.is_empty() {
        let why = escaped(&alert.not_evaluated.join("; "));
        out.push_str(&format!("<br><em class=\"warn\">not evaluated: {why}</em>"));
    }
    if let Some((sentence, times)) = &alert.failed {
        out.push_str(&format!(
            "<br><em class=\"warn\">{times} evaluations failed: {}</em>",
            escaped(sentence)
        ));
    }
    let firing: Vec<String> = alert
        .instances
        .iter()
        .filter(|it| !it.firing.is_empty())
        .map(|it| format!("<li><code class=\"wrap\">{}</code></li>", escaped(&it.labels)))
        .collect();
    if !firing.is_empty() {
        let count = firing.len();
        let more = count.saturating_sub(LISTED);
        let rest = if more > 0 { format!("<li>and {more} more</li>") } else { String::new() };
        let listed = firing[..count.min(LISTED)].concat();
        out.push_str(&format!(
            "<details><summary>{count} series fire</summary><ul>{listed}{rest}</ul></details>"
        ));
    }
    out
}

fn expectations(report: &Report) -> String {
    if report.expectations.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["", "Alert", "Expected", "Came", "Written at"]);
    for entry in &report.expectations {
        let (class, word) = if entry.ok { ("good", "✓ ok") } else { ("bad", "✗ FAIL") };
        let labels: Vec<String> =
            entry.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(", ")) };
        table.row(&[
            format!("<span class=\"{class}\">{word}</span>"),
            format!("<code>{}{}</code>", escaped(&entry.alert), escaped(&labels)),
            escaped(&entry.expected),
            escaped(&entry.told),
            place(entry.location.as_ref()),
        ]);
    }
    table.finish()
}

/// One row for each rule: pending hatched, firing full.
fn bars(alerts: &[&AlertEntry], span_s: f64) -> String {
    let height = 34.0 + ROW * f64_from_usize(alerts.len());
    let mut svg = format!(
        "<figure><figcaption>Pending (outlined) and firing (filled)</figcaption>\n<svg \
         xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\">\
         <title>Alerts over time</title><desc>The table below says the same.</desc>"
    );
    let x =
        |seconds: f64| LEFT + (seconds / span_s.max(1.0)).clamp(0.0, 1.0) * (WIDTH - LEFT - 10.0);
    for (row, alert) in alerts.iter().enumerate() {
        let y = 4.0 + ROW * f64_from_usize(row);
        svg.push_str(&format!(
            "<text x=\"{}\" y=\"{}\" fill=\"currentColor\" text-anchor=\"end\">{}</text>\
             <line x1=\"{LEFT}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"#8A939C\" stroke-opacity=\"0.3\"/>",
            LEFT - 8.0,
            y + 13.0,
            escaped(&alert.name),
            y + 18.0,
            WIDTH - 10.0,
            y + 18.0,
        ));
        let mut rectangle = |span: &SpanEntry, look: &str, word: &str| {
            if span.until_s < 0.0 {
                return;
            }
            let (from, until) = (x(span.from_s), x(span.until_s));
            svg.push_str(&format!(
                "<rect x=\"{from:.1}\" y=\"{}\" width=\"{:.1}\" height=\"14\" {look}><title>{} {word} from {} \
                 to {}</title></rect>",
                y + 2.0,
                (until - from).max(1.5),
                escaped(&alert.name),
                clock(span.from_s),
                clock(span.until_s),
            ));
        };
        let pending =
            "fill=\"#B97C00\" fill-opacity=\"0.15\" stroke=\"#B97C00\" stroke-dasharray=\"3 2\"";
        alert.pending.iter().for_each(|span| rectangle(span, pending, "pending"));
        alert.firing.iter().for_each(|span| rectangle(span, "fill=\"#D55E00\"", "fires"));
    }
    for part in 0..=4_u32 {
        let seconds = span_s * f64::from(part) / 4.0;
        svg.push_str(&format!(
            "<text x=\"{:.1}\" y=\"{}\" fill=\"currentColor\" text-anchor=\"{}\">{}</text>",
            x(seconds),
            height - 8.0,
            match part {
                0 => "start",
                4 => "end",
                _ => "middle",
            },
            clock(seconds)
        ));
    }
    svg.push_str("</svg></figure>\n");
    svg
}
