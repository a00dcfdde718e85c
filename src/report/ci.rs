//! What CI systems read, in their own grammar: JUnit's document and GitHub's workflow commands.

use quick_junit::Report;

/// The document of a JUnit report.
///
/// The count of skipped cases is left out of its outermost element: the writer puts it there, and the
/// schema that Jenkins reads by knows it in suites only.
///
/// # Panics
/// Never: the report is written into memory.
#[must_use]
pub(super) fn junit_document(report: &Report) -> String {
    without_skipped(&report.to_string().expect("a report of plain texts can be written"))
}

fn without_skipped(text: &str) -> String {
    let Some(start) = text.find("<testsuites") else { return text.to_owned() };
    let end = text[start..].find('>').map_or(text.len(), |at| start + at);
    let Some(at) = text[start..end].find(" skipped=\"").map(|at| start + at) else {
        return text.to_owned();
    };
    let value = at + " skipped=\"".len();
    let close = text[value..end].find('"').map_or(end, |close| value + close + 1);
    format!("{}{}", &text[..at], &text[close..])
}

/// One annotation of GitHub Actions, as a line (docs.github.com, "Workflow commands"). `level` is `error`,
/// `warning` or `notice`; `place` is what comes before the title, as [`place`] writes it, or nothing.
#[must_use]
pub(super) fn annotation(level: &str, place: &str, title: &str, message: &str) -> String {
    format!("::{level} {place}title={}::{}\n", property(title), data(message))
}

/// Where an annotation points: a file, and more properties such as `line=3`.
#[must_use]
pub(super) fn place(file: &str, more: &[(&str, u32)]) -> String {
    let mut text = format!("file={},", property(file.strip_prefix("./").unwrap_or(file)));
    for (name, value) in more {
        text.push_str(&format!("{name}={value},"));
    }
    text
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
