//! `thresholds`: k6's forms around k6's grammar, which [`crate::scenario::threshold`] reads.

use std::ops::Range;

use super::codes::{self, Code};
use super::decode::{Name, Value};
use super::diagnostic::Diagnostic;
use super::source::Span;
use crate::scenario::threshold::{Part, Severity, Terms, ThresholdError, ThresholdSpec};

/// All entries of `thresholds`: a metric with its tags as key; text, a list of texts, or a list of
/// mappings as value.
pub(super) fn thresholds(value: &Value<'_>) -> Option<Vec<ThresholdSpec>> {
    let mut all = Vec::new();
    let mut complete = true;
    for (name, entry) in value.entries()? {
        let items = if entry.node().scalar().is_some() {
            vec![entry]
        } else {
            let items = entry.items();
            if items.as_ref().is_some_and(Vec::is_empty) {
                entry.report(entry.error(codes::INVALID_VALUE, "must have at least one threshold"));
            }
            complete &= items.as_ref().is_some_and(|items| !items.is_empty());
            items.unwrap_or_default()
        };
        for item in items {
            match threshold(&item, name) {
                Some(spec) => all.push(spec),
                None => complete = false,
            }
        }
    }
    complete.then_some(all)
}

fn threshold(item: &Value<'_>, metric: Name<'_>) -> Option<ThresholdSpec> {
    let (expression, span, terms) = written(item)?;
    let error = match ThresholdSpec::new(metric.text, expression, terms, item.origin()) {
        Ok(spec) => return Some(spec),
        Err(error) => error,
    };
    let (part, at) = error.place();
    let span = match part {
        Part::Metric => within(metric.span, metric.text, &at),
        Part::Expression => within(span, expression, &at),
        Part::Option(_) => item.node().span,
    };
    let message = format!("{}{error}", item.prefix());
    let mut told = Diagnostic::error(code(&error), message).primary(span, "");
    if let Some(hint) = hint(&error) {
        told = told.help(hint);
    }
    item.report(told);
    None
}

/// The expression, where it stands, and the terms beside it.
fn written<'a>(item: &Value<'a>) -> Option<(&'a str, Span, Terms)> {
    if item.node().scalar().is_some() {
        return Some((item.string()?, item.node().span, Terms::default()));
    }
    let fields = item.fields()?;
    let expression = fields.required("threshold");
    let abort_on_fail = fields.read_or("abortOnFail", false, Value::boolean);
    let delay_abort_eval = fields.read("delayAbortEval", Value::k6_duration);
    let sustained_for = fields.read("for", Value::duration);
    let window = fields.read("window", Value::duration);
    let severity = fields.read_or("severity", Severity::Error, severity);
    fields.finish("a threshold");
    let expression = expression?;
    let terms = Terms {
        abort_on_fail: abort_on_fail?,
        delay_abort_eval: delay_abort_eval?,
        sustained_for: sustained_for?,
        window: window?,
        severity: severity?,
    };
    Some((expression.string()?, expression.node().span, terms))
}

fn severity(value: &Value<'_>) -> Option<Severity> {
    value.word(&[("error", Severity::Error), ("warning", Severity::Warning)])
}

/// The bytes `at` of a scalar's text as a place in its file; the whole scalar when the text is not
/// written as it reads (escapes, folded lines).
fn within(scalar: Span, text: &str, at: &Range<usize>) -> Span {
    let written = usize::try_from(scalar.end - scalar.start).expect("u32 fits");
    let quotes = match written.checked_sub(text.len()) {
        Some(0) => 0,
        Some(2) => 1,
        Some(_) | None => return scalar,
    };
    let place = |offset: usize| {
        let offset = u32::try_from(offset).expect("a scalar is shorter than 4 GiB");
        (scalar.start + quotes + offset).min(scalar.end)
    };
    if at.is_empty() {
        return scalar;
    }
    Span { start: place(at.start), end: place(at.end), ..scalar }
}

fn code(error: &ThresholdError) -> Code {
    match error {
        ThresholdError::UnknownMetric { .. } => codes::UNKNOWN_METRIC,
        ThresholdError::Selector(_)
        | ThresholdError::Expression(_)
        | ThresholdError::UnsupportedMethod { .. }
        | ThresholdError::UnitMismatch { .. }
        | ThresholdError::EmptySpan(_) => codes::INVALID_THRESHOLD,
    }
}

fn hint(error: &ThresholdError) -> Option<String> {
    match error {
        ThresholdError::Expression(_) => {
            Some("the form is METHOD OPERATOR NUMBER: p(95)<500, rate<0.01, max<5".to_owned())
        }
        ThresholdError::Selector(_) => {
            Some("the form is METRIC or METRIC{tag:value,tag:value}".to_owned())
        }
        ThresholdError::UnknownMetric { .. }
        | ThresholdError::UnsupportedMethod { .. }
        | ThresholdError::UnitMismatch { .. }
        | ThresholdError::EmptySpan(_) => None,
    }
}
