//! Header, verdict, thresholds, timeline, causes, money and the next command.

use rust_decimal::Decimal;

use crate::findings::text::{grouped, threshold_figure};
use crate::findings::{Severity, TimelineLine, code, timeline as chosen};
use crate::metrics::Aborted;
use crate::metrics::ThresholdResult;
use crate::metrics::cost::cents;
use crate::model::KUBERNETES;
use crate::report::assemble::assumptions;
use crate::report::text::layout::{Line, Page, Role};
use crate::report::text::{COLUMNS_MOST, Detail, Told};
use crate::scenario::ThresholdSpec;
use crate::scenario::threshold::{Severity as Gravity, Verdict};
use crate::units::convert::f64_from_u64;
use crate::units::{SimDuration, SimTime};

pub(super) fn header(told: &Told<'_>, page: &mut Page) {
    let scenario = told.case.scenario;
    let ran_in = told.ran_in.map_or_else(String::new, |took| format!(" in {took}"));
    let (version, name, seed) = (env!("CARGO_PKG_VERSION"), &scenario.name, told.seed);
    let planned = round_span(scenario.duration);
    let duration = match told.case.aborted {
        Some(Aborted { after, .. }) => format!("{} of {planned}", round_span(after)),
        None => planned,
    };
    let model = scenario.model.name();
    page.add(Line::new().with(
        Role::Quiet,
        format!(
            "aurelius-sim {version} · {name} · {duration} simulated{ran_in} · {model} · seed {seed} · \
             as Kubernetes {KUBERNETES}"
        ),
    ));
}

/// `45m`, `1h30m`, `2h` instead of `45m00s` and the like.
pub(super) fn round_span(span: SimDuration) -> String {
    let text = span.to_string();
    let text = text.strip_suffix("00s").filter(|short| short.ends_with('m')).unwrap_or(&text);
    text.strip_suffix("00m").filter(|short| short.ends_with('h')).unwrap_or(text).to_owned()
}

/// How many thresholds failed, measured nothing, and there are.
struct Counts {
    failed: usize,
    warned: usize,
    unmeasured: usize,
    all: usize,
}

fn counts(told: &Told<'_>) -> Counts {
    let mut counts =
        Counts { failed: 0, warned: 0, unmeasured: 0, all: told.case.thresholds.len() };
    for result in told.case.thresholds {
        let spec = &told.case.scenario.thresholds[result.threshold];
        match (result.verdict, spec.terms().severity) {
            (Verdict::Met(_), _) => {}
            (Verdict::Crossed(_), Gravity::Error) => counts.failed += 1,
            (Verdict::Crossed(_), Gravity::Warning) => counts.warned += 1,
            (Verdict::NoSamples, _) => counts.unmeasured += 1,
        }
    }
    counts
}

pub(super) fn verdict(told: &Told<'_>, page: &mut Page) {
    let name = &told.case.scenario.name;
    let Counts { failed, warned, unmeasured, all } = counts(told);
    let mut more = String::new();
    if warned > 0 {
        more.push_str(&format!(", {warned} only as a warning"));
    }
    if unmeasured > 0 {
        more.push_str(&format!(", {unmeasured} without a sample"));
    }
    let missed = told.alerts.expectations.iter().filter(|it| !it.holds).count();
    let expected = told.alerts.expectations.len();
    let mut parts = Vec::new();
    if all > 0 && failed + missed == 0 {
        parts.push(format!("{} of {all} thresholds passed{more}", all - warned - unmeasured));
    } else if all > 0 {
        parts.push(format!("{failed} of {all} thresholds failed{more}"));
    }
    match (expected, missed) {
        (0, _) => {}
        (_, 0) => parts.push(format!("{expected} of {expected} alerts as expected")),
        (_, _) => parts.push(format!("{missed} of {expected} alerts not as expected")),
    }
    let aborted = told.case.aborted;
    if let Some(Aborted { threshold, after }) = aborted {
        let spec = &told.case.scenario.thresholds[threshold];
        parts.push(format!("aborted after {} by {spec}", round_span(after)));
    }
    let judged = parts.join(", ");
    let line = Line::new();
    page.add(match (all + expected, failed + missed + usize::from(aborted.is_some())) {
        (0, _) => {
            line.with(Role::Doubtful, format!("? {name}: no thresholds, so nothing is judged"))
        }
        (_, 0) => line.with(Role::Good, format!("✓ {name} holds")).plain(format!(": {judged}")),
        (_, _) => {
            line.with(Role::Bad, format!("✗ {name} does not hold")).plain(format!(": {judged}"))
        }
    });
}

pub(super) fn thresholds(told: &Told<'_>, page: &mut Page) {
    if told.case.thresholds.is_empty() {
        return;
    }
    page.title("THRESHOLDS");
    let rows: Vec<[String; 3]> = told
        .case
        .thresholds
        .iter()
        .map(|result| {
            let spec = &told.case.scenario.thresholds[result.threshold];
            let (metric, expression) = (spec.metric().to_string(), spec.expression().to_string());
            [metric, expression, observed(spec, result)]
        })
        .collect();
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    for (result, [metric, expression, observed]) in told.case.thresholds.iter().zip(&rows) {
        let spec = &told.case.scenario.thresholds[result.threshold];
        let (role, mark) = match (result.verdict, spec.terms().severity) {
            (Verdict::Met(_), _) => (Role::Good, "✓ ok  "),
            (Verdict::Crossed(_), Gravity::Error) => (Role::Bad, "✗ FAIL"),
            (Verdict::Crossed(_), Gravity::Warning) => (Role::Doubtful, "! warn"),
            (Verdict::NoSamples, _) => (Role::Doubtful, "? none"),
        };
        let [first, second, third] = widths;
        page.add(
            Line::new()
                .with(role, format!("  {mark}  "))
                .plain(format!("{metric:<first$}  {expression:<second$}  {observed:<third$}  "))
                .with(Role::Quiet, remark(told, spec, result)),
        );
    }
}

fn observed(spec: &ThresholdSpec, result: &ThresholdResult) -> String {
    let method = spec.expression().method;
    result.observed().map_or_else(
        || format!("{method} unknown"),
        |value| format!("{method}={}", threshold_figure(spec, value)),
    )
}

/// `10× the limit; from 14m53s for 22m12s`, `156,614 of 3,180,000`.
fn remark(told: &Told<'_>, spec: &ThresholdSpec, result: &ThresholdResult) -> String {
    let mut parts = Vec::new();
    if let (Some(value), Verdict::Crossed(_)) = (result.observed(), result.verdict) {
        let times = value / spec.expression().value;
        if times >= 2.0 && times.is_finite() {
            parts.push(format!("{}× the limit", grouped(times + 0.000_001)));
        }
    }
    if let (Some(matching), Some(of)) = (result.matching, result.of) {
        let (matching, of) = (grouped(f64_from_u64(matching)), grouped(f64_from_u64(of)));
        parts.push(format!("{matching} of {of}"));
    }
    if result.verdict == Verdict::NoSamples {
        parts.push("nothing was measured".to_owned());
    }
    if let Some(first) = result.first_violation {
        let clock = told.case.history.clock();
        let from = clock.offset(clock.measured_from + first);
        parts.insert(0, format!("from {from} for {}", result.violated_for));
    }
    parts.join("; ")
}

pub(super) fn timeline(told: &Told<'_>, page: &mut Page, most: usize) {
    let failed = told.case.thresholds.iter().any(|result| !result.is_met(false));
    let notable = told.findings.iter().any(|finding| finding.severity > Severity::Info);
    let full = page.style().detail == Detail::Full;
    if told.findings.is_empty() || !(failed || notable || full) {
        return;
    }
    let lines = chosen(&told.case, told.findings, most);
    page.title("WHAT HAPPENED");
    let clock = told.case.history.clock();
    let time = |at: SimTime| clock.offset(at).to_string();
    let times = lines.iter().map(|line| time(line.at).chars().count()).max().unwrap_or(0);
    let longest = lines.iter().map(|line| line.message.chars().count()).max().unwrap_or(0);
    let messages = longest.min(42);
    for line in &lines {
        let TimelineLine { at, severity, message, note, .. } = line;
        let role = match severity {
            Severity::Info => Role::Plain,
            Severity::Warning => Role::Doubtful,
            Severity::Error => Role::Bad,
        };
        page.add(
            Line::new()
                .plain(format!("  {:>times$}  ", time(*at)))
                .with(role, format!("{message:<messages$}  "))
                .with(Role::Quiet, note),
        );
    }
}

/// One cause for thresholds with the same; three or four lines each in the compact form.
pub(super) fn causes(told: &Told<'_>, page: &mut Page) {
    let mut seen: Vec<&str> = Vec::new();
    for cause in told.causes {
        let sentence = cause.sentence.as_str();
        if seen.contains(&sentence) {
            continue;
        }
        seen.push(sentence);
        if page.style().detail == Detail::Compact && seen.len() > 3 {
            continue;
        }
        let of: Vec<&str> = told
            .causes
            .iter()
            .filter(|other| other.sentence == cause.sentence)
            .map(|other| told.case.scenario.thresholds[other.threshold].metric().name())
            .collect();
        let mut of = of;
        of.dedup();
        let alone = told.causes.iter().all(|other| other.sentence == cause.sentence);
        let lines = match (page.style().detail, alone) {
            (Detail::Compact | Detail::Oneline, true) => 4,
            (Detail::Compact | Detail::Oneline, false) => 3,
            (Detail::Full, _) => usize::MAX,
        };
        let first = Line::new().with(Role::Title, format!("  Cause ({}): ", of.join(", ")));
        page.add_wrapped(first, sentence, 4, lines);
    }
}

pub(super) fn cost(told: &Told<'_>, page: &mut Page) {
    let cost = told.cost;
    let money = |amount: Option<Decimal>| {
        amount.map_or_else(|| "unknown".to_owned(), |amount| thousands(cents(amount)))
    };
    let mut parts = vec![format!("nodes {}", money(cost.nodes_per_month()))];
    parts.push(format!("control plane {}", money(Some(cost.control_plane_per_month))));
    if !cost.volumes.is_empty() {
        parts.push(format!("volumes {}", money(cost.volumes_per_month())));
    }
    let currency = &cost.currency;
    let line = format!("{currency} {} a month ({})", money(cost.per_month()), parts.join(", "));
    let mut shares = Vec::new();
    if let Some(idle) = cost.idle_per_month() {
        shares.push(format!("{} of it idle", money(Some(idle))));
    }
    if let Some(each) = cost.per_million_requests {
        shares.push(format!("{} a million requests", money(Some(each))));
    }
    page.blank();
    page.add(Line::new().with(Role::Title, "  COST  ").plain(line));
    if !shares.is_empty() {
        page.add(Line::new().plain(format!("        {}", shares.join(", "))));
    }
    for unknown in &cost.unknown {
        page.add(
            Line::new().with(Role::Doubtful, format!("        no price is known of {unknown}")),
        );
    }
}

/// What the figures rest on, and what was read and decides nothing.
pub(super) fn assumed(told: &Told<'_>, page: &mut Page) {
    let scenario = told.case.scenario;
    page.title("ASSUMED");
    for sentence in assumptions::assumptions(scenario) {
        page.add_wrapped(Line::new().plain("  "), &sentence, 4, usize::MAX);
    }
    let outside = assumptions::not_simulated(scenario);
    if !outside.is_empty() {
        page.title("READ, NOT SIMULATED");
        page.add_wrapped(Line::new().plain("  "), &outside.join(", "), 4, usize::MAX);
    }
}

/// `1,234.50`.
pub(in crate::report) fn thousands(amount: Decimal) -> String {
    let text = format!("{amount:.2}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "00"));
    let whole: i64 = whole.parse().unwrap_or_default();
    format!("{}.{fraction}", grouped(crate::units::convert::f64_from_i64(whole)))
}

pub(super) fn next(told: &Told<'_>, page: &mut Page) {
    let asked = told.asked;
    let reason = told
        .causes
        .iter()
        .flat_map(|cause| &cause.findings)
        .filter_map(|position| told.findings.get(*position))
        .map(|finding| finding.code)
        .find(|code| code.id != code::THRESHOLD_CROSSED.id);
    let failed = counts(told).failed > 0 || !told.alerts.holds();
    page.blank();
    let command = if failed {
        format!("aurelius-sim run {asked} --summary full")
    } else {
        format!("aurelius-sim run {asked} -o svg=charts")
    };
    let next = |text: String| Line::new().with(Role::Title, "  Next: ").plain(text);
    let Some(code) = reason else {
        let mut lines = continued(&command, COLUMNS_MOST - "  Next: ".len()).into_iter();
        lines.next().into_iter().for_each(|first| page.add(next(first)));
        return lines.for_each(|line| page.add(Line::new().plain(format!("        {line}"))));
    };
    let explain = format!("aurelius-sim explain {}", code.id);
    let both = format!("{explain}, {command}");
    if "  Next: ".len() + both.chars().count() <= COLUMNS_MOST {
        page.add(next(both));
    } else {
        page.add(next(explain));
        for line in continued(&command, COLUMNS_MOST - "        ".len()) {
            page.add(Line::new().plain(format!("        {line}")));
        }
    }
}

/// A command on as many lines as it needs, broken before options so that a shell takes it as it stands;
/// one with quoted words stays whole.
fn continued(command: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if command.contains('\'') {
        return vec![command.to_owned()];
    }
    for (position, part) in command.split(" -").enumerate() {
        let part = if position == 0 { part.to_owned() } else { format!("-{part}") };
        match lines.last_mut() {
            Some(line) if line.chars().count() + part.chars().count() + 3 <= columns => {
                line.push(' ');
                line.push_str(&part);
            }
            Some(line) => {
                line.push_str(" \\");
                lines.push(format!("  {part}"));
            }
            None => lines.push(part),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::continued;

    #[test]
    fn a_long_command_is_broken_as_a_shell_reads_it() {
        let command = "aurelius-sim run --rps 200 --chart deploy/chart --values prod.yaml";
        assert_eq!(continued(command, 100), [command]);
        let broken = continued(command, 50);
        assert_eq!(
            broken,
            ["aurelius-sim run --rps 200 --chart deploy/chart \\", "  --values prod.yaml",]
        );
        assert!(broken.iter().all(|line| line.chars().count() <= 50), "{broken:?}");
        assert_eq!(broken.join("\n").replace(" \\\n ", ""), command);
        let quoted = "aurelius-sim run --rps 200 --set 'a= --b' --values prod.yaml";
        assert_eq!(continued(quoted, 20), [quoted]);
    }
}
