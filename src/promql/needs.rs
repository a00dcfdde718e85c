//! What an expression asks for before it is computed: metrics, time, and what is not computed here.

use std::collections::BTreeSet;

use promql_parser::label::MatchOp;
use promql_parser::parser::{AtModifier, Expr, Offset, VectorSelector};

use crate::promql::eval::{millis, name_of, offset_ms};
use crate::promql::{LOOKBACK_MS, MOST_STEPS, NAME, aggregate, calendar, functions};

/// Longer than any run, and far from where sums of instants end.
const FOREVER_MS: i64 = i64::MAX / 8;

/// The step of a subquery that states none, before it is known in which group it stands (ms): shorter
/// than groups usually are.
const USUAL_STEP_MS: i64 = 15_000;

/// A label that a selector insists on: that must be there for anything to be selected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelMatch {
    /// The metric.
    pub metric: String,
    /// The label.
    pub label: String,
}

/// What an expression asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Metrics by name.
    pub metrics: BTreeSet<String>,
    /// Labels without which nothing is selected.
    pub labels: BTreeSet<LabelMatch>,
    /// How far back its samples lie (ms).
    pub window_ms: i64,
    /// What is not computed here, each in a few words.
    pub unsupported: BTreeSet<String>,
    /// Functions of the calendar and instants of it: they need to know what the clock shows.
    pub calendar: BTreeSet<String>,
}

impl Needs {
    /// What an expression asks for.
    #[must_use]
    pub fn of(expression: &Expr) -> Self {
        let mut needs = Self { window_ms: LOOKBACK_MS, ..Self::default() };
        needs.walk(expression, 0);
        if steps(expression) > MOST_STEPS {
            needs.unsupported.insert(format!("a subquery of more than {MOST_STEPS} steps"));
        }
        needs
    }

    fn walk(&mut self, expression: &Expr, back_ms: i64) {
        match expression {
            Expr::Paren(it) => self.walk(&it.expr, back_ms),
            Expr::Unary(it) => self.walk(&it.expr, back_ms),
            Expr::Aggregate(it) => {
                let op = it.op.to_string();
                if !aggregate::SUPPORTED.contains(&op.as_str()) {
                    self.unsupported.insert(format!("aggregation {op}"));
                }
                self.walk(&it.expr, back_ms);
                it.param.iter().for_each(|param| self.walk(param, back_ms));
            }
            Expr::Binary(it) => {
                self.walk(&it.lhs, back_ms);
                self.walk(&it.rhs, back_ms);
                let modifier = it.modifier.as_ref();
                if modifier
                    .is_some_and(|it| it.fill_values.lhs.is_some() || it.fill_values.rhs.is_some())
                {
                    self.unsupported.insert("fill modifiers".to_owned());
                }
            }
            Expr::Subquery(it) => {
                self.at(it.at.as_ref());
                let back = self.reach(back_ms, it.offset.as_ref(), millis(it.range));
                self.walk(&it.expr, back);
            }
            Expr::MatrixSelector(it) => {
                self.selector(&it.vs, back_ms, millis(it.range));
            }
            Expr::VectorSelector(it) => self.selector(it, back_ms, LOOKBACK_MS),
            Expr::Call(it) => {
                let name = it.func.name;
                if calendar::FUNCTIONS.contains(&name) {
                    self.calendar.insert(format!("{name}()"));
                } else if !functions::OF_RANGES.contains(&name)
                    && !functions::OTHERS.contains(&name)
                    && !functions::ANGLES.contains(&name)
                {
                    self.unsupported.insert(format!("function {name}"));
                }
                it.args.args.iter().for_each(|argument| self.walk(argument, back_ms));
            }
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => {}
            Expr::Extension(_) => {
                self.unsupported.insert("an extension of PromQL".to_owned());
            }
        }
    }

    /// An instant of the calendar may lie anywhere in a run: nothing is forgotten then.
    fn at(&mut self, modifier: Option<&AtModifier>) {
        if let Some(AtModifier::At(_)) = modifier {
            self.calendar.insert("@".to_owned());
            self.window_ms = FOREVER_MS;
        }
    }

    /// The furthest instant that something `range_ms` long asks for.
    fn reach(&mut self, back_ms: i64, offset: Option<&Offset>, range_ms: i64) -> i64 {
        let back = back_ms.saturating_add(offset_ms(offset)).saturating_add(range_ms);
        self.window_ms = self.window_ms.max(back);
        back
    }

    fn selector(&mut self, selector: &VectorSelector, back_ms: i64, range_ms: i64) {
        self.at(selector.at.as_ref());
        self.reach(back_ms, selector.offset.as_ref(), range_ms);
        if !selector.matchers.or_matchers.is_empty() {
            self.unsupported.insert("alternative matchers".to_owned());
        }
        let Some(name) = name_of(selector) else {
            self.unsupported.insert("a selector that names no metric".to_owned());
            return;
        };
        self.metrics.insert(name.to_owned());
        for matcher in selector.matchers.matchers.iter().filter(|matcher| matcher.name != NAME) {
            let insists = match &matcher.op {
                MatchOp::Equal => !matcher.value.is_empty(),
                MatchOp::Re(pattern) => !pattern.is_match(""),
                MatchOp::NotEqual | MatchOp::NotRe(_) => false,
            };
            if insists {
                let (metric, label) = (name.to_owned(), matcher.name.clone());
                self.labels.insert(LabelMatch { metric, label });
            }
        }
    }
}

/// How often the innermost expression is computed for one value of this one: subqueries multiply.
fn steps(expression: &Expr) -> i64 {
    let mut own = 1;
    let inner: Vec<&Expr> = match expression {
        Expr::Paren(it) => vec![&it.expr],
        Expr::Unary(it) => vec![&it.expr],
        Expr::Aggregate(it) => [&it.expr].into_iter().chain(&it.param).map(|it| &**it).collect(),
        Expr::Binary(it) => vec![&it.lhs, &it.rhs],
        Expr::Subquery(it) => {
            own = millis(it.range) / it.step.map_or(USUAL_STEP_MS, millis).max(1);
            vec![&it.expr]
        }
        Expr::Call(it) => it.args.args.iter().map(|it| &**it).collect(),
        Expr::MatrixSelector(_)
        | Expr::VectorSelector(_)
        | Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::Extension(_) => Vec::new(),
    };
    own.max(1).saturating_mul(inner.into_iter().map(steps).max().unwrap_or(1))
}
