//! Thresholds: what a run must meet, in k6's grammar.
//!
//! A threshold is an expression over a metric: `http_req_duration: ["p(95)<500"]`. Names, grammar,
//! types and supported methods are k6's (grafana/k6 `metrics/thresholds.go`,
//! `metrics/thresholds_parser.go`, `metrics/metric.go`), so that a k6 script's thresholds can be
//! used as they are. On top: values with a unit (`500ms`, `1%`), metrics of the cluster (`replicas`,
//! `cost_per_month`, …), `for`, `window` and `severity`.
//!
//! When it is evaluated: every [`EVALUATION_PERIOD`] of simulated time and once at the end. Only the
//! last evaluation decides, unless `abortOnFail` ends the run before.
//!
//! Three traps of k6 that are not copied. Without a single sample, at the end of a test,
//! - a trend, a counter and a gauge read as 0, so that `p(95)<500` is met by a test that measured
//!   nothing, while `count>100` is not;
//! - a rate is met, whatever it says;
//! - and nothing tells.
//!
//! Here the verdict is [`Verdict::NoSamples`], which is neither: the run warns, or fails if asked
//! to be strict.

pub mod catalogue;
pub mod expression;
pub mod selector;

use std::fmt;
use std::ops::Range;

pub use catalogue::{Contains, Metric, MetricKind};
pub use expression::{Expression, ExpressionError, Method, Operator, Unit};
pub use selector::{MetricSelector, SelectorError};

use crate::units::origin::Origin;
use crate::units::time::SimDuration;

/// How often thresholds are evaluated during a run, as k6 does (`thresholdsRate`
/// in `internal/metrics/engine/engine.go`).
pub const EVALUATION_PERIOD: SimDuration = SimDuration::from_secs(2);

/// What a threshold that is not met means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Severity {
    /// Reported; the run still counts as passed.
    Warning,
    /// The run has failed, as in k6.
    #[default]
    Error,
}

/// How a threshold is applied, beside what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// k6's `abortOnFail`: the run ends at the first evaluation that is not met.
    pub abort_on_fail: bool,
    /// k6's `delayAbortEval`: but not before more than this has passed; absent is at once.
    pub delay_abort_eval: Option<SimDuration>,
    /// Ours, `for`: it counts as crossed only after it was not met for so long without a break.
    pub sustained_for: Option<SimDuration>,
    /// Ours, `window`: judges the worst stretch of this length instead of the whole run.
    pub window: Option<SimDuration>,
    /// Ours, `severity`.
    pub severity: Severity,
}

/// A threshold as validated: the metric exists and supports the method.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdSpec {
    metric: MetricSelector,
    kind: MetricKind,
    expression: Expression,
    terms: Terms,
    origin: Origin,
}

/// Which of the two texts of a threshold an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The key: the metric and its tags.
    Metric,
    /// The value: the expression.
    Expression,
    /// The option of this name beside the expression.
    Option(&'static str),
}

/// Why two texts are no threshold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdError {
    /// The metric cannot be read.
    #[error(transparent)]
    Selector(#[from] SelectorError),
    /// The expression cannot be read.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// There is no such metric.
    #[error("unknown metric `{name}`{}", suggestion(*.nearest))]
    UnknownMetric {
        /// As written.
        name: String,
        /// The known metric that is spelled most alike.
        nearest: Option<&'static str>,
    },
    /// The metric is of a type that has no such method.
    #[error("`{metric}` is a {kind} and has no `{method}`; it has {supported}")]
    UnsupportedMethod {
        /// The metric.
        metric: &'static str,
        /// Its type.
        kind: MetricKind,
        /// The method, as k6 writes it.
        method: String,
        /// The methods that it has, in words.
        supported: String,
        /// Where the method stands in the expression (bytes).
        at: Range<usize>,
    },
    /// A duration or a percentage where the metric is measured in something else.
    #[error("{found} is {unit}, but `{metric}` is measured in {contains}")]
    UnitMismatch {
        /// The value as written.
        found: String,
        /// What its unit makes of it.
        unit: Unit,
        /// The metric.
        metric: &'static str,
        /// What it is measured in, in words.
        contains: Contains,
        /// Where the value stands in the expression (bytes).
        at: Range<usize>,
    },
    /// `for` or `window` of no length.
    #[error("`{0}` must be above zero")]
    EmptySpan(&'static str),
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}

impl ThresholdError {
    /// The text that the error is about, and the bytes of it that are wrong.
    #[must_use]
    pub fn place(&self) -> (Part, Range<usize>) {
        match self {
            Self::Selector(error) => (Part::Metric, error.at.clone()),
            Self::Expression(error) => (Part::Expression, error.at.clone()),
            Self::UnknownMetric { name, nearest: _ } => (Part::Metric, 0..name.len()),
            Self::UnsupportedMethod { at, .. } | Self::UnitMismatch { at, .. } => {
                (Part::Expression, at.clone())
            }
            Self::EmptySpan(name) => (Part::Option(name), 0..0),
        }
    }
}

/// What a metric measured, seen by a threshold. Implemented by whatever keeps samples; a window
/// or a tag selection is an implementor of its own.
pub trait MetricValue {
    /// The figure of a method: times in milliseconds, shares from 0 to 1, a counter's `rate` a
    /// second of the test, a gauge's `value` the last one. `None` when there was no sample.
    ///
    /// A percentile is interpolated linearly at `p·(n − 1)` of the sorted samples, as k6 does.
    fn value(&self, method: Method) -> Option<f64>;
}

/// What became of a threshold, with the figure that was compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// It holds.
    Met(f64),
    /// It does not.
    Crossed(f64),
    /// Nothing was measured that could be compared.
    NoSamples,
}

impl ThresholdSpec {
    /// Reads a threshold: `metric` is the key, `expression` the text under it.
    ///
    /// # Errors
    /// When one of them cannot be read, the metric is unknown, has no such method or is measured
    /// in another unit, or an option makes no sense.
    pub fn new(
        metric: &str,
        expression: &str,
        terms: Terms,
        origin: Origin,
    ) -> Result<Self, ThresholdError> {
        let metric: MetricSelector = metric.parse()?;
        let known = catalogue::find(metric.name()).ok_or_else(|| {
            let name = metric.name().to_owned();
            ThresholdError::UnknownMetric { nearest: catalogue::nearest(&name), name }
        })?;
        let parsed = expression::parse(expression)?;
        let method = parsed.expression.method;
        if !known.supports(method) {
            return Err(ThresholdError::UnsupportedMethod {
                metric: known.name,
                kind: known.kind,
                method: method.to_string(),
                supported: known.supported_methods().join(", "),
                at: parsed.method_at,
            });
        }
        if !known.accepts(parsed.unit) {
            return Err(ThresholdError::UnitMismatch {
                found: expression[parsed.value_at.clone()].to_owned(),
                unit: parsed.unit,
                metric: known.name,
                contains: known.contains,
                at: parsed.value_at,
            });
        }
        for (name, span) in [("for", terms.sustained_for), ("window", terms.window)] {
            if span.is_some_and(SimDuration::is_zero) {
                return Err(ThresholdError::EmptySpan(name));
            }
        }
        Ok(Self { metric, kind: known.kind, expression: parsed.expression, terms, origin })
    }

    /// The metric and its tags.
    #[must_use]
    pub const fn metric(&self) -> &MetricSelector {
        &self.metric
    }

    /// The type of the metric.
    #[must_use]
    pub const fn kind(&self) -> MetricKind {
        self.kind
    }

    /// What must hold.
    #[must_use]
    pub const fn expression(&self) -> Expression {
        self.expression
    }

    /// How it is applied.
    #[must_use]
    pub const fn terms(&self) -> Terms {
        self.terms
    }

    /// Where it is written.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Compares what was measured.
    #[must_use]
    pub fn evaluate(&self, measured: &impl MetricValue) -> Verdict {
        match measured.value(self.expression.method).filter(|value| !value.is_nan()) {
            Some(value) if self.expression.holds(value) => Verdict::Met(value),
            Some(value) => Verdict::Crossed(value),
            None => Verdict::NoSamples,
        }
    }

    /// Whether a verdict after `elapsed` of the run ends it (`runAll` in k6's
    /// `metrics/thresholds.go`: strictly after the delay).
    #[must_use]
    pub fn aborts(&self, verdict: Verdict, elapsed: SimDuration) -> bool {
        let crossed = match verdict {
            Verdict::Crossed(_) => true,
            Verdict::Met(_) | Verdict::NoSamples => false,
        };
        let due = self.terms.delay_abort_eval.is_none_or(|delay| delay < elapsed);
        self.terms.abort_on_fail && crossed && due
    }

    /// What k6 itself would say at the end without a sample, for files written in its formats: see
    /// the traps in the head of this module.
    #[must_use]
    pub fn holds_in_k6_without_samples(&self) -> bool {
        match self.kind {
            MetricKind::Rate => true,
            MetricKind::Counter | MetricKind::Gauge | MetricKind::Trend => {
                self.expression.holds(0.0)
            }
        }
    }
}

impl fmt::Display for ThresholdSpec {
    /// `http_req_duration{service:checkout}: p(95)<500`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.metric, self.expression)
    }
}

#[cfg(test)]
mod tests;
