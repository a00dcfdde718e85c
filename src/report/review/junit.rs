//! JUnit: a suite a file, a case a rule and object; passes are cases without a failure.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::word;
use crate::checks::{Finding, Review, Severity};
use crate::report::ci::junit_document;

/// The report. Warnings fail too when `strict`; else they and notes are cases that pass, with their
/// words in `system-out`.
///
/// # Panics
/// Never: the report is written into memory.
#[must_use]
pub fn junit(review: &Review, fails: Severity) -> String {
    let mut report = Report::new("aurelius-sim");
    let mut by_file: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for file in &review.inputs {
        by_file.insert(&file.path, Vec::new());
    }
    for finding in review.findings.iter().chain(&review.suppressed) {
        let file = finding.place.as_ref().map_or("documents", |place| &*place.file);
        by_file.entry(file).or_default().push(finding);
    }
    for (file, findings) in by_file {
        let mut suite = TestSuite::new(file);
        suite.set_time(std::time::Duration::ZERO);
        if findings.is_empty() {
            let mut case = TestCase::new("no findings", TestCaseStatus::success());
            case.set_classname("validate").set_time(std::time::Duration::ZERO);
            suite.add_test_case(case);
        }
        for finding in findings {
            suite.add_test_case(case(finding, fails));
        }
        report.add_test_suite(suite);
    }
    report.set_time(std::time::Duration::ZERO);
    junit_document(&report)
}

fn case(finding: &Finding, fails: Severity) -> TestCase {
    let subject = if finding.object.is_empty() { "document" } else { &finding.object };
    let path = if finding.path.is_empty() { String::new() } else { format!(" {}", finding.path) };
    let name = format!("{} {subject}{path}", finding.code);
    let text = told(finding);
    let status = if finding.suppression.is_some() {
        let mut status = TestCaseStatus::skipped();
        status.set_message(finding.suppression.clone().unwrap_or_default());
        status
    } else if finding.severity <= fails {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status
            .set_message(finding.message.as_str())
            .set_type(word(finding.severity))
            .set_description(text.as_str());
        status
    } else {
        TestCaseStatus::success()
    };
    let passed = matches!(status, TestCaseStatus::Success { .. });
    let mut case = TestCase::new(name, status);
    case.set_classname(finding.code.entry().slug).set_time(std::time::Duration::ZERO);
    if passed {
        case.set_system_out(text);
    }
    case
}

fn told(finding: &Finding) -> String {
    let mut lines = Vec::new();
    if let Some(place) = &finding.place {
        lines.push(format!("{}:{}:{}: {}", place.file, place.line, place.column, finding.message));
    } else {
        lines.push(finding.message.clone());
    }
    lines.extend(finding.notes.iter().map(|note| format!("note: {note}")));
    lines.extend(finding.helps.iter().map(|help| format!("help: {}", help.text)));
    lines.join("\n")
}
