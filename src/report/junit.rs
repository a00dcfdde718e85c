//! `-o junit` of a run: a case for each threshold and each expectation of alerts.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Junit, TestCase, TestCaseStatus, TestSuite};

use crate::report::Report;
use crate::report::ci::junit_document;
use crate::report::verdicts::{Judged, Verdict, verdicts};

/// The report: what failed is a failure, what only warns or had no samples is skipped with its reason.
///
/// # Panics
/// Never: the report is written into memory.
#[must_use]
pub fn junit(report: &Report) -> String {
    let mut suite = TestSuite::new(report.path.as_str());
    suite.set_time(Duration::from_secs_f64(report.duration_s.max(0.0)));
    for judged in verdicts(report) {
        suite.add_test_case(case(&judged));
    }
    let mut document = Junit::new(format!("aurelius-sim run {}", report.scenario));
    document.add_test_suite(suite);
    junit_document(&document)
}

fn case(judged: &Judged<'_>) -> TestCase {
    let status = match judged.verdict {
        Verdict::Holds => TestCaseStatus::success(),
        Verdict::Fails => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_message(judged.told.as_str())
                .set_type(judged.kind)
                .set_description(judged.told.as_str());
            status
        }
        Verdict::Warns | Verdict::Unknown => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(judged.told.as_str());
            status
        }
    };
    let mut case = TestCase::new(judged.name.as_str(), status);
    case.set_classname(judged.kind).set_time(Duration::ZERO);
    if judged.verdict == Verdict::Holds {
        case.set_system_out(judged.told.as_str());
    }
    case
}
