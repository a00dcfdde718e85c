//! A comparison as text, as a comment for a pull request, as JUnit and as annotations of GitHub.

use std::fmt::Write as _;

use quick_junit::{NonSuccessKind, Report as Junit, TestCase, TestCaseStatus, TestSuite};

use crate::findings::text::plural;
use crate::report::bench::comparison::{Compared, Comparison, Line, percent};
use crate::report::bench::verdict_word;
use crate::report::ci::{annotation, junit_document};
use crate::report::figures::shown;
use crate::report::grid::text::columns;
use crate::sweep::Measure;
use crate::sweep::figures::Unit;
use crate::sweep::paired::Verdict;

/// `+61.9% [+58.9, +65.3]`; of shares in points: `+0.021pp [+0.012, +0.031]`.
pub(in crate::report) fn change(line: &Line) -> String {
    let paired = &line.difference.paired;
    let difference = paired.difference;
    let signed = |value: f64| format!("{}{value:.1}", if value >= 0.0 { "+" } else { "" });
    let with_ends = |mean: String, low: f64, high: f64| match difference.half_width {
        Some(_) => format!("{mean} [{}, {}]", signed(low), signed(high)),
        None => mean,
    };
    if difference.mean.abs() <= 0.0 && difference.half_width.unwrap_or(0.0) <= 0.0 {
        return "0".to_owned();
    }
    if line.measure.unit() == Unit::Share {
        let points = |value: f64| value * 100.0;
        let sign = if difference.mean >= 0.0 { "+" } else { "" };
        let mean = format!("{sign}{:.3}pp", points(difference.mean));
        return match difference.half_width {
            Some(_) => {
                let (low, high) = (points(difference.low()), points(difference.high()));
                format!("{mean} [{low:+.3}, {high:+.3}]")
            }
            None => mean,
        };
    }
    match paired.relative() {
        Some((mean, low, high)) => with_ends(percent(mean), low * 100.0, high * 100.0),
        None => format!(
            "{}{}",
            if difference.mean >= 0.0 { "+" } else { "" },
            shown(line.measure, difference.mean)
        ),
    }
}

/// The terminal's text, each line ended by a newline.
#[must_use]
pub fn text(comparison: &Comparison) -> String {
    let mut out = format!("base       {}\ncandidate  {}\n", comparison.base, comparison.candidate);
    for line in &comparison.changes {
        let _ = writeln!(out, "  ~ {line}");
    }
    let scenarios = plural(comparison.scenarios.len(), "scenario");
    let _ = writeln!(out, "{scenarios} × 2 variants × {}\n", plural(comparison.runs, "run"));
    let head = ["scenario", "figure", "base", "candidate", "change (95 %, paired)", "verdict"];
    let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    for scenario in &comparison.scenarios {
        for line in &scenario.lines {
            let paired = &line.difference.paired;
            rows.push(vec![
                scenario.scenario.clone(),
                line.measure.name().to_owned(),
                shown(line.measure, paired.base),
                shown(line.measure, paired.candidate),
                change(line),
                verdict_word(line.difference.verdict).to_owned(),
            ]);
        }
        rows.push(vec![
            scenario.scenario.clone(),
            "holds in".to_owned(),
            of(scenario.base_holds),
            of(scenario.candidate_holds),
        ]);
    }
    out.push_str(&columns(&rows));
    for scenario in &comparison.scenarios {
        if let Some(reason) = &scenario.refused {
            let _ = writeln!(out, "{} was not run: {reason}", scenario.scenario);
        }
    }
    out.push('\n');
    if comparison.regressions.is_empty() {
        out.push_str("✓ no regression beyond the limits\n");
    }
    for regression in &comparison.regressions {
        let _ = writeln!(out, "✗ {}: {}", regression.scenario, regression.what);
    }
    out
}

fn of((passed, all): (usize, usize)) -> String {
    format!("{passed}/{all}")
}

/// A comment that the next run finds again by its first line.
#[must_use]
pub fn markdown(comparison: &Comparison) -> String {
    let mut out = format!("<!-- aurelius-sim:{} -->\n", comparison.name);
    let title = if comparison.regressions.is_empty() {
        if comparison.differs() {
            "✓ Capacity check: no regression"
        } else {
            "✓ Capacity check: no change"
        }
    } else {
        "✗ Capacity check: this change makes it worse"
    };
    let _ = writeln!(out, "### {title}\n");
    for regression in &comparison.regressions {
        let _ = writeln!(out, "- **{}**: {}", cell(&regression.scenario), cell(&regression.what));
    }
    if !comparison.regressions.is_empty() {
        out.push('\n');
    }
    let shown_measures = [
        Measure::ObjectiveMiss,
        Measure::P95,
        Measure::Failed,
        Measure::PodHours,
        Measure::NodeHours,
        Measure::CostPerMonth,
    ];
    out.push_str("| scenario |");
    shown_measures.iter().for_each(|it| out.push_str(&format!(" {} |", it.name())));
    out.push_str(" holds |\n|---|");
    shown_measures.iter().for_each(|_| out.push_str("---|"));
    out.push_str("---|\n");
    for scenario in &comparison.scenarios {
        let _ = write!(out, "| {} |", cell(&scenario.scenario));
        for measure in shown_measures {
            let line = scenario.lines.iter().find(|line| line.measure == measure);
            let text = line.map_or_else(|| "–".to_owned(), brief);
            let _ = write!(out, " {} |", cell(&text));
        }
        let (before, after) = (of(scenario.base_holds), of(scenario.candidate_holds));
        let holds = if before == after { after } else { format!("{before} → **{after}**") };
        let _ = writeln!(out, " {holds} |");
    }
    let _ = write!(
        out,
        "\n<details><summary>What was compared</summary>\n\nbase `{}`, candidate `{}`, {} each.\n",
        comparison.base,
        comparison.candidate,
        plural(comparison.runs, "run")
    );
    if !comparison.changes.is_empty() {
        out.push_str("\n```\n");
        for line in &comparison.changes {
            let _ = writeln!(out, "{}", line.replace("```", "'''"));
        }
        out.push_str("```\n");
    }
    out.push_str("\n</details>\n");
    out
}

/// `38ms → **61ms** (+61.9%)`, or one figure when nothing can be told.
fn brief(line: &Line) -> String {
    let paired = &line.difference.paired;
    let after = shown(line.measure, paired.candidate);
    if line.difference.verdict == Verdict::NoChange {
        return after;
    }
    let before = shown(line.measure, paired.base);
    match paired.relative() {
        Some((mean, ..)) => format!("{before} → **{after}** ({})", percent(mean)),
        None => format!("{before} → **{after}**"),
    }
}

/// Text inside a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;")
}

/// A test case for each figure of each scenario; a regression is a failure.
#[must_use]
pub fn junit(comparison: &Comparison) -> String {
    let mut report = Junit::new(format!("aurelius-sim compare {}", comparison.name));
    for scenario in &comparison.scenarios {
        let mut suite = TestSuite::new(scenario.scenario.clone());
        for line in &scenario.lines {
            let mut case = TestCase::new(line.measure.name(), TestCaseStatus::success());
            case.set_classname(scenario.scenario.clone());
            case.set_system_out(change(line));
            suite.add_test_case(case);
        }
        suite.add_test_case(limits(comparison, scenario));
        report.add_test_suite(suite);
    }
    junit_document(&report)
}

fn limits(comparison: &Comparison, scenario: &Compared) -> TestCase {
    let mine = comparison.regressions.iter().filter(|it| it.scenario == scenario.scenario);
    let what: Vec<&str> = mine.map(|it| it.what.as_str()).collect();
    let status = if what.is_empty() {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message(what.join("; "));
        status
    };
    let mut case = TestCase::new("limits", status);
    case.set_classname(scenario.scenario.clone());
    case
}

/// Annotations of GitHub Actions: an error for each regression, a notice when there is none.
#[must_use]
pub fn github(comparison: &Comparison) -> String {
    if comparison.regressions.is_empty() {
        let message =
            format!("no regression in {}", plural(comparison.scenarios.len(), "scenario"));
        return annotation("notice", "", "aurelius-sim", &message);
    }
    let regressions = comparison.regressions.iter();
    regressions.map(|it| annotation("error", "", &it.scenario, &it.what)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::bench::comparison::tests::bench;

    fn comparison() -> Comparison {
        let bench = bench(&[38.0, 40.0, 39.0, 41.0], &[58.0, 61.0, 60.0, 62.0]);
        let limits = ["p(95)>+10%".parse().expect("it is one")];
        let changes = vec!["minReplicas 6 → 3".to_owned()];
        Comparison::of(&bench, "capacity", changes, &limits)
    }

    #[test]
    fn each_form_says_the_regression() {
        let it = comparison();
        let text = text(&it);
        assert!(text.contains("~ minReplicas 6 → 3"), "{text}");
        assert!(text.contains("✗ peak: p(95) changed by +52.5%, limit +10%"), "{text}");
        assert!(text.contains("+52.5% ["), "{text}");
        let markdown = markdown(&it);
        assert!(markdown.starts_with("<!-- aurelius-sim:capacity -->\n### ✗"), "{markdown}");
        assert!(markdown.contains("| 39ms → **60ms** (+52.5%) |"), "{markdown}");
        assert_eq!(github(&it), "::error title=peak::p(95) changed by +52.5%25, limit +10%25\n");
        let junit = junit(&it);
        assert!(junit.contains("failures=\"1\""), "{junit}");
        assert!(junit.contains("p(95) changed by +52.5%, limit +10%"), "{junit}");
    }
}
