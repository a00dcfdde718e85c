//! Thresholds judged: the verdict, how far from the limit, since when and for how long violated.

use crate::metrics::course::{CoursePoint, News};
use crate::metrics::measurements::Measurements;
use crate::metrics::value::MetricView;
use crate::scenario::Scenario;
use crate::scenario::threshold::{Expression, MetricKind, Operator, ThresholdSpec, Verdict};
use crate::units::{SimDuration, SimTime};

/// What became of a threshold in one run.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdResult {
    /// Position among the scenario's thresholds.
    pub threshold: usize,
    /// Whether it holds, with the figure that was compared.
    pub verdict: Verdict,
    /// Distance to the limit as a share of the limit: positive is to spare, -8.98 is almost ten
    /// times the limit. `None` without samples, for `==` and `!=`, and for a limit of zero.
    pub margin: Option<f64>,
    /// When it was first violated, counted from the start of measuring.
    pub first_violation: Option<SimDuration>,
    /// For how long in all.
    pub violated_for: SimDuration,
    /// Of a rate: how many samples were true …
    pub matching: Option<u64>,
    /// … of how many.
    pub of: Option<u64>,
    /// Its figure over time, an entry for each sampling interval.
    pub course: Vec<CoursePoint>,
}

impl ThresholdResult {
    /// The figure that was compared.
    #[must_use]
    pub const fn observed(&self) -> Option<f64> {
        match self.verdict {
            Verdict::Met(value) | Verdict::Crossed(value) => Some(value),
            Verdict::NoSamples => None,
        }
    }

    /// Whether it is met. Without samples it is neither met nor crossed: it counts as met with a
    /// warning, or as not met when one is strict.
    #[must_use]
    pub const fn is_met(&self, strict: bool) -> bool {
        match self.verdict {
            Verdict::Met(_) => true,
            Verdict::Crossed(_) => false,
            Verdict::NoSamples => !strict,
        }
    }
}

/// Judges every threshold of a scenario.
///
/// The plain threshold is k6's: the figure of the whole measured time decides. With `window` the
/// worst full window decides. With `for` it counts as crossed only when the figure of interval
/// after interval (or window after window) violated it for so long without a break; the figure told
/// is then the worst of that stretch.
///
/// Since when and for how long is told from the figure of each interval alone, because the figure of
/// the whole time hardly recovers; only a counter's `count` is compared as it adds up. The
/// resolution is the sampling interval.
#[must_use]
pub fn judge(scenario: &Scenario, measured: &Measurements) -> Vec<ThresholdResult> {
    let judged = scenario.thresholds.iter().enumerate();
    judged.map(|(position, spec)| judge_one(scenario, measured, position, spec)).collect()
}

/// Whether a threshold with `abortOnFail` ends the run at this instant; what was measured remembers
/// which.
pub fn abort(scenario: &Scenario, measured: &mut Measurements, at: SimTime) -> bool {
    let Some(news) = measured.come_to(at) else { return false };
    let aborting = aborting(scenario, measured, news);
    if let Some(threshold) = aborting {
        measured.abort(threshold);
    }
    aborting.is_some()
}

/// The first threshold that ends a run which has come so far. Gauges, `window` and `for` are judged
/// by what was sampled, so only when there is a new sample.
fn aborting(scenario: &Scenario, measured: &Measurements, news: News) -> Option<usize> {
    let elapsed = measured.measured();
    let sampled = news == News::Sampled;
    let mut specs = scenario.thresholds.iter().enumerate();
    let aborting = specs.find(|(position, spec)| {
        let terms = spec.terms();
        if !terms.abort_on_fail {
            return false;
        }
        let verdict = if terms.sustained_for.is_some() || terms.window.is_some() {
            sampled.then(|| judge_one(scenario, measured, *position, spec).verdict)
        } else {
            let compared = sampled || spec.kind() != MetricKind::Gauge;
            compared.then(|| spec.evaluate(&MetricView::new(scenario, measured, spec.metric())))
        };
        verdict.is_some_and(|verdict| spec.aborts(verdict, elapsed))
    });
    aborting.map(|(position, _)| position)
}

fn judge_one(
    scenario: &Scenario,
    measured: &Measurements,
    position: usize,
    spec: &ThresholdSpec,
) -> ThresholdResult {
    let view = MetricView::new(scenario, measured, spec.metric());
    let course = match measured.course(position) {
        Some(course) => course.to_vec(),
        None => view.gauge_course(spec.expression().method, spec.terms().window),
    };
    let violations = Violations::of(spec, &course);
    let verdict = match (spec.terms().sustained_for, spec.terms().window) {
        (Some(needed), _) => match violations.longest {
            Some((longest, worst)) if longest >= needed => Verdict::Crossed(worst),
            Some(_) | None => milder(spec, &view),
        },
        (None, Some(_)) => worst_of(spec, &course),
        (None, None) => spec.evaluate(&view),
    };
    let counts = view.share_counts();
    ThresholdResult {
        threshold: position,
        verdict,
        margin: observed(verdict).and_then(|value| margin(spec.expression(), value)),
        first_violation: violations.first,
        violated_for: violations.total,
        matching: counts.map(|(matching, _)| matching),
        of: counts.map(|(_, of)| of),
        course,
    }
}

/// A threshold with `for` that was never violated for long enough is met, whatever the figure of
/// the whole time.
fn milder(spec: &ThresholdSpec, view: &MetricView<'_>) -> Verdict {
    match spec.evaluate(view) {
        Verdict::Met(value) | Verdict::Crossed(value) => Verdict::Met(value),
        Verdict::NoSamples => Verdict::NoSamples,
    }
}

/// The verdict of the worst window.
fn worst_of(spec: &ThresholdSpec, course: &[CoursePoint]) -> Verdict {
    let expression = spec.expression();
    let figures = course.iter().filter_map(|point| point.current);
    let worst = figures.reduce(|left, right| worse(expression, left, right));
    match worst {
        Some(value) if expression.holds(value) => Verdict::Met(value),
        Some(value) => Verdict::Crossed(value),
        None => Verdict::NoSamples,
    }
}

/// The one of two figures that is nearer to violating, or violates more.
fn worse(expression: Expression, left: f64, right: f64) -> f64 {
    match expression.operator {
        Operator::Less | Operator::LessOrEqual => left.max(right),
        Operator::Greater | Operator::GreaterOrEqual => left.min(right),
        Operator::Equal | Operator::StrictlyEqual | Operator::NotEqual => {
            if expression.holds(left) { right } else { left }
        }
    }
}

const fn observed(verdict: Verdict) -> Option<f64> {
    match verdict {
        Verdict::Met(value) | Verdict::Crossed(value) => Some(value),
        Verdict::NoSamples => None,
    }
}

fn margin(expression: Expression, observed: f64) -> Option<f64> {
    let limit = expression.value;
    let spare = match expression.operator {
        Operator::Less | Operator::LessOrEqual => limit - observed,
        Operator::Greater | Operator::GreaterOrEqual => observed - limit,
        Operator::Equal | Operator::StrictlyEqual | Operator::NotEqual => return None,
    };
    (limit.abs() > 0.0).then(|| spare / limit.abs())
}

/// When and how long a threshold was violated.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Violations {
    first: Option<SimDuration>,
    total: SimDuration,
    /// The longest stretch without a break, and the worst figure in it.
    longest: Option<(SimDuration, f64)>,
}

impl Violations {
    fn of(spec: &ThresholdSpec, course: &[CoursePoint]) -> Self {
        let expression = spec.expression();
        // A count of one interval says nothing about a limit for the whole run.
        let adds_up = spec.kind() == MetricKind::Counter
            && expression.method == crate::scenario::threshold::Method::Count;
        let mut violations = Self::default();
        let mut stretch: Option<(SimDuration, f64)> = None;
        for point in course {
            let figure = if adds_up { point.total } else { point.current };
            let Some(value) = figure.filter(|value| !expression.holds(*value)) else {
                stretch = None;
                continue;
            };
            let span = point.to.saturating_sub(point.from);
            violations.first.get_or_insert(point.from);
            violations.total += span;
            let (length, worst) = stretch.map_or((span, value), |(length, worst)| {
                (length + span, worse(expression, worst, value))
            });
            stretch = Some((length, worst));
            if violations.longest.is_none_or(|(longest, _)| length > longest) {
                violations.longest = stretch;
            }
        }
        violations
    }
}
