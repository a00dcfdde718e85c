//! `-o github` of a run: an annotation for each threshold and expectation that does not hold, at its line.

use crate::findings::text::plural;
use crate::report::Report;
use crate::report::ci::{annotation, place};
use crate::report::verdicts::{Judged, Verdict, verdicts};

/// Annotations that a step shows of each level.
const SHOWN: usize = 10;

/// The commands, one a line, failures first; a notice when everything holds.
#[must_use]
pub fn github(report: &Report) -> String {
    let judged = verdicts(report);
    let mut text = String::new();
    for (level, verdict) in
        [("error", Verdict::Fails), ("warning", Verdict::Warns), ("notice", Verdict::Unknown)]
    {
        let found = judged.iter().filter(|it| it.verdict == verdict).take(SHOWN);
        found.for_each(|it| text.push_str(&at_its_line(level, it)));
    }
    if text.is_empty() {
        let message =
            format!("{} holds: {} passed", report.scenario, plural(judged.len(), "check"));
        return annotation("notice", "", "aurelius-sim", &message);
    }
    text
}

fn at_its_line(level: &str, judged: &Judged<'_>) -> String {
    let place = judged
        .location
        .map_or_else(String::new, |at| place(&at.path, &[("line", at.line), ("col", at.column)]));
    annotation(level, &place, &judged.name, &judged.told)
}
