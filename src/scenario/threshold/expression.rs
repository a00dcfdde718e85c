//! The expression of a threshold: `method operator value`.
//!
//! The grammar of k6 (`parseThresholdExpression` in `metrics/thresholds_parser.go`):
//!
//! ```text
//! expression = method space* operator space* number
//! method     = count | rate | value | avg | min | max | med | p(number), 0 to 100
//! operator   = > | >= | < | <= | == | === | !=
//! ```
//!
//! A number may also carry a unit, of time (`500ms`, `1m30s`; k6 counts times in milliseconds) or
//! `%`. It is shown without, as k6 would write it. Infinity, not-a-number and hexadecimal digits,
//! which k6's parser lets through, are refused.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Which figure of a metric is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Sum of a counter.
    Count,
    /// Of a counter: its sum by the seconds of the test. Of a rate: the share that is true.
    Rate,
    /// Last value of a gauge.
    Value,
    /// Mean.
    Avg,
    /// Smallest.
    Min,
    /// Largest.
    Max,
    /// Median.
    Med,
    /// Percentile, 0 to 100.
    Percentile(f64),
}

/// How the figure is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `==`
    Equal,
    /// `===`, which for numbers is the same as `==`
    StrictlyEqual,
    /// `!=`
    NotEqual,
}

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expression {
    /// Of what.
    pub method: Method,
    /// How it is compared.
    pub operator: Operator,
    /// With what: milliseconds for times, 0 to 1 for shares.
    pub value: f64,
}

/// The unit that a value was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// None: k6's own form.
    None,
    /// A unit of time.
    Time,
    /// `%`
    Percent,
}

/// An expression with where its parts stand in its text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parsed {
    pub(crate) expression: Expression,
    pub(crate) unit: Unit,
    pub(crate) method_at: Range<usize>,
    pub(crate) value_at: Range<usize>,
}

/// Why a text is no expression, and where in it (bytes).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct ExpressionError {
    /// The bytes that are wrong; empty at the end of the text when something is missing.
    pub at: Range<usize>,
    /// What is wrong, and what was expected.
    pub problem: Problem,
}

const METHODS: &str = "count, rate, value, avg, min, max, med or p(N)";
const OPERATORS: &str = ">, >=, <, <=, ==, === or !=";
const UNITS: &str = "ns, us, ms, s, m, h, d or %";

/// What can be wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It does not begin with a word.
    #[error("expected {METHODS}, found {0}")]
    NoMethod(String),
    /// The word is no method.
    #[error("unknown method `{0}`; expected {METHODS}")]
    UnknownMethod(String),
    /// `p95`.
    #[error("a percentile is written `p({0})`")]
    PercentileWithoutParentheses(String),
    /// What stands in `p(…)` is no percentage.
    #[error("expected a number from 0 to 100 in p(…), found {0}")]
    Percentile(String),
    /// `p(` without `)`.
    #[error("expected `)` after the percentile")]
    Unclosed,
    /// No operator after the method.
    #[error("expected {OPERATORS}, found {0}")]
    Operator(String),
    /// No number after the operator.
    #[error("expected a number such as 500, 500ms or 1%, found {0}")]
    Value(String),
    /// A number with letters behind it.
    #[error("unknown unit `{0}`; expected {UNITS}")]
    Unit(String),
    /// More after the value.
    #[error("expected the end of the expression, found {0}")]
    Trailing(String),
}

impl Expression {
    /// Whether a figure satisfies it.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        let ordering = value.partial_cmp(&self.value);
        match self.operator {
            Operator::Greater => ordering == Some(Ordering::Greater),
            Operator::GreaterOrEqual => ordering.is_some_and(Ordering::is_ge),
            Operator::Less => ordering == Some(Ordering::Less),
            Operator::LessOrEqual => ordering.is_some_and(Ordering::is_le),
            Operator::Equal | Operator::StrictlyEqual => ordering == Some(Ordering::Equal),
            Operator::NotEqual => ordering != Some(Ordering::Equal),
        }
    }
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        parse(text).map(|parsed| parsed.expression)
    }
}

/// Reads an expression from left to right.
pub(crate) fn parse(text: &str) -> Result<Parsed, ExpressionError> {
    let mut scanner = Scanner { text, position: 0 };
    scanner.skip_space();
    let start = scanner.position;
    let method = scanner.method()?;
    let method_at = start..scanner.position;
    scanner.skip_space();
    let operator = scanner.operator()?;
    scanner.skip_space();
    let start = scanner.position;
    let (value, unit) = scanner.value()?;
    let value_at = start..scanner.position;
    scanner.skip_space();
    if !scanner.rest().is_empty() {
        let at = scanner.position..text.trim_ascii_end().len();
        return Err(ExpressionError { problem: Problem::Trailing(quote(&text[at.clone()])), at });
    }
    let expression = Expression { method, operator, value };
    Ok(Parsed { expression, unit, method_at, value_at })
}

fn quote(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { format!("`{text}`") }
}

struct Scanner<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.position..]
    }

    fn skip_space(&mut self) {
        self.take(|c| c.is_ascii_whitespace());
    }

    /// Takes the longest run of such characters.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.position += length;
        &rest[..length]
    }

    /// An error from `start` to where the scanner stands.
    fn error(&self, start: usize, problem: Problem) -> ExpressionError {
        ExpressionError { at: start..self.position, problem }
    }

    fn method(&mut self) -> Result<Method, ExpressionError> {
        let start = self.position;
        let word = self.take(|c| c.is_alphanumeric() || c == '_' || c == '.');
        let method = match word {
            "count" => Method::Count,
            "rate" => Method::Rate,
            "value" => Method::Value,
            "avg" => Method::Avg,
            "min" => Method::Min,
            "max" => Method::Max,
            "med" => Method::Med,
            "p" if self.rest().starts_with('(') => return self.percentile(),
            "" => {
                let found = self.take(|c| !c.is_ascii_whitespace());
                return Err(self.error(start, Problem::NoMethod(quote(found))));
            }
            _ => {
                let number = word.strip_prefix('p').filter(|rest| percentage(rest).is_some());
                return Err(self.error(
                    start,
                    number.map_or_else(
                        || Problem::UnknownMethod(word.to_owned()),
                        |number| Problem::PercentileWithoutParentheses(number.to_owned()),
                    ),
                ));
            }
        };
        Ok(method)
    }

    /// `(95)`, the opening parenthesis seen.
    fn percentile(&mut self) -> Result<Method, ExpressionError> {
        self.position += 1;
        let start = self.position;
        let Some(length) = self.rest().find(')') else {
            self.position = self.text.len();
            return Err(self.error(self.position, Problem::Unclosed));
        };
        let inside = &self.rest()[..length];
        self.position += length;
        let number = percentage(inside)
            .ok_or_else(|| self.error(start, Problem::Percentile(quote(inside))))?;
        self.position += 1;
        Ok(Method::Percentile(number))
    }

    fn operator(&mut self) -> Result<Operator, ExpressionError> {
        let start = self.position;
        let symbols = self.take(|c| "<>=!".contains(c));
        Ok(match symbols {
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            "==" => Operator::Equal,
            "===" => Operator::StrictlyEqual,
            "!=" => Operator::NotEqual,
            "" => {
                let found = self.take(|c| !c.is_ascii_whitespace());
                return Err(self.error(start, Problem::Operator(quote(found))));
            }
            _ => return Err(self.error(start, Problem::Operator(quote(symbols)))),
        })
    }

    /// `500`, `1%`, `500ms`, `1m30s`.
    fn value(&mut self) -> Result<(f64, Unit), ExpressionError> {
        let (number, unit) = self.part()?;
        let (mut value, unit) = match unit {
            PartUnit::None => return Ok((number, Unit::None)),
            PartUnit::Percent => return Ok((number, Unit::Percent)),
            PartUnit::Time => (number, Unit::Time),
        };
        // The further parts of a duration follow without a space, and without a sign.
        while self.rest().starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            let start = self.position;
            let (number, unit) = self.part()?;
            if unit != PartUnit::Time {
                let found = quote(&self.text[start..self.position]);
                return Err(self.error(start, Problem::Trailing(found)));
            }
            value += number;
        }
        Ok((value, unit))
    }

    /// A number with its unit, the number in k6's measure.
    fn part(&mut self) -> Result<(f64, PartUnit), ExpressionError> {
        let start = self.position;
        let digits = self.number();
        if digits.is_empty() {
            let found = self.take(|c| !c.is_ascii_whitespace());
            return Err(self.error(start, Problem::Value(quote(found))));
        }
        let unit_start = self.position;
        let name = self.take(|c| c.is_alphabetic() || c == '%');
        // Powers of ten are put into the text, so that 0.7% is 0.007 to the last bit.
        let (shift, factor, unit) = match name {
            "" => (0, 1.0, PartUnit::None),
            "%" => (-2, 1.0, PartUnit::Percent),
            "ns" => (-6, 1.0, PartUnit::Time),
            "us" | "µs" | "μs" => (-3, 1.0, PartUnit::Time),
            "ms" => (0, 1.0, PartUnit::Time),
            "s" => (3, 1.0, PartUnit::Time),
            "m" => (3, 60.0, PartUnit::Time),
            "h" => (3, 3_600.0, PartUnit::Time),
            "d" => (3, 86_400.0, PartUnit::Time),
            _ => return Err(self.error(unit_start, Problem::Unit(name.to_owned()))),
        };
        shifted(digits, shift)
            .map(|number| (number * factor, unit))
            .filter(|(number, _)| number.is_finite())
            .ok_or_else(|| self.error(start, Problem::Value(quote(digits))))
    }

    /// Sign, digits, fraction and exponent; empty when there is no digit.
    fn number(&mut self) -> &'a str {
        let start = self.position;
        if self.rest().starts_with(['+', '-']) {
            self.position += 1;
        }
        let whole = self.take(|c| c.is_ascii_digit()).len();
        let mut fraction = 0;
        if self.rest().starts_with('.') {
            self.position += 1;
            fraction = self.take(|c| c.is_ascii_digit()).len();
        }
        if whole + fraction == 0 {
            self.position = start;
            return "";
        }
        let before_exponent = self.position;
        if self.rest().starts_with(['e', 'E']) {
            self.position += 1;
            if self.rest().starts_with(['+', '-']) {
                self.position += 1;
            }
            if self.take(|c| c.is_ascii_digit()).is_empty() {
                self.position = before_exponent;
            }
        }
        &self.text[start..self.position]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PartUnit {
    None,
    Time,
    Percent,
}

/// A decimal number times a power of ten, rounded once.
fn shifted(digits: &str, shift: i32) -> Option<f64> {
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    format!("{mantissa}e{}", exponent.checked_add(shift)?).parse().ok()
}

/// A plain number from 0 to 100.
fn percentage(text: &str) -> Option<f64> {
    let mut scanner = Scanner { text, position: 0 };
    let digits = scanner.number();
    let number: f64 = digits.parse().ok()?;
    (digits.len() == text.len() && (0.0..=100.0).contains(&number)).then_some(number)
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.method, self.operator, self.value)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::Rate => "rate",
            Self::Value => "value",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Med => "med",
            Self::Percentile(number) => return write!(f, "p({number})"),
        })
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "==",
            Self::StrictlyEqual => "===",
            Self::NotEqual => "!=",
        })
    }
}

impl fmt::Display for Unit {
    /// Reads on after "is".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "a plain number",
            Self::Time => "a duration",
            Self::Percent => "a percentage",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_k6_accepts_reads_the_same_and_is_shown_as_k6_writes_it() {
        let rows = [
            ("count>20", "count>20"),
            ("rate<0.01", "rate<0.01"),
            ("  value >= 3 ", "value>=3"),
            ("avg\t<=\t1e3", "avg<=1000"),
            ("min!=0", "min!=0"),
            ("max==-1.5", "max==-1.5"),
            ("med===.5", "med===0.5"),
            ("p(95)<500", "p(95)<500"),
            ("p(99.9)<2000", "p(99.9)<2000"),
            ("p(0)>0", "p(0)>0"),
            ("p(100)<+7", "p(100)<7"),
        ];
        for (text, shown) in rows {
            let parsed = parse(text).unwrap();
            assert_eq!(
                (parsed.expression.to_string(), parsed.unit),
                (shown.to_owned(), Unit::None)
            );
        }
    }

    #[test]
    fn units_become_the_measure_of_k6() {
        let rows = [
            ("p(95)<500ms", "p(95)<500", Unit::Time),
            ("p(95)<1.5s", "p(95)<1500", Unit::Time),
            ("p(95)<1m30s", "p(95)<90000", Unit::Time),
            ("avg<2h", "avg<7200000", Unit::Time),
            ("avg<1d", "avg<86400000", Unit::Time),
            ("avg<250us", "avg<0.25", Unit::Time),
            ("avg<10ns", "avg<0.00001", Unit::Time),
            ("rate<1%", "rate<0.01", Unit::Percent),
            ("rate<0.7%", "rate<0.007", Unit::Percent),
            ("rate<1e1%", "rate<0.1", Unit::Percent),
        ];
        for (text, shown, unit) in rows {
            let parsed = parse(text).unwrap();
            assert_eq!((parsed.expression.to_string(), parsed.unit), (shown.to_owned(), unit));
        }
    }

    /// Text, the part that is marked, the message.
    #[test]
    fn errors_say_where_and_what_was_expected() {
        let methods = "count, rate, value, avg, min, max, med or p(N)";
        let operators = ">, >=, <, <=, ==, === or !=";
        let number = "expected a number such as 500, 500ms or 1%";
        let rows = [
            ("", "", format!("expected {methods}, found nothing")),
            ("<500", "<500", format!("expected {methods}, found `<500`")),
            ("foo>20", "foo", format!("unknown method `foo`; expected {methods}")),
            ("p>20", "p", format!("unknown method `p`; expected {methods}")),
            ("p95<500", "p95", "a percentile is written `p(95)`".to_owned()),
            ("p99.9<500", "p99.9", "a percentile is written `p(99.9)`".to_owned()),
            ("p()<1", "", "expected a number from 0 to 100 in p(…), found nothing".to_owned()),
            ("p(101)<1", "101", "expected a number from 0 to 100 in p(…), found `101`".to_owned()),
            ("p(-1)<1", "-1", "expected a number from 0 to 100 in p(…), found `-1`".to_owned()),
            ("p(NaN)<1", "NaN", "expected a number from 0 to 100 in p(…), found `NaN`".to_owned()),
            ("p(9 )<1", "9 ", "expected a number from 0 to 100 in p(…), found `9 `".to_owned()),
            ("p(99<500", "", "expected `)` after the percentile".to_owned()),
            ("count!20", "!", format!("expected {operators}, found `!`")),
            ("count = 20", "=", format!("expected {operators}, found `=`")),
            ("count", "", format!("expected {operators}, found nothing")),
            ("count 20", "20", format!("expected {operators}, found `20`")),
            ("count>abc", "abc", format!("{number}, found `abc`")),
            ("count>", "", format!("{number}, found nothing")),
            ("count>Inf", "Inf", format!("{number}, found `Inf`")),
            ("count>1e999", "1e999", format!("{number}, found `1e999`")),
            (
                "avg<5sec",
                "sec",
                "unknown unit `sec`; expected ns, us, ms, s, m, h, d or %".to_owned(),
            ),
            ("avg<5 ms", "ms", "expected the end of the expression, found `ms`".to_owned()),
            ("avg<1s5", "5", "expected the end of the expression, found `5`".to_owned()),
            (
                "avg<5 && max<9 ",
                "&& max<9",
                "expected the end of the expression, found `&& max<9`".to_owned(),
            ),
        ];
        for (text, marked, message) in rows {
            let error = parse(text).unwrap_err();
            assert_eq!((&text[error.at.clone()], error.to_string()), (marked, message), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_marked_at_the_end() {
        for (text, at) in [("p(99<500", 8), ("count>", 6), ("count", 5)] {
            assert_eq!(parse(text).unwrap_err().at, at..at, "{text}");
        }
    }

    #[test]
    fn operators_compare_as_numbers_do() {
        let rows = [
            (">", [false, false, true]),
            (">=", [false, true, true]),
            ("<", [true, false, false]),
            ("<=", [true, true, false]),
            ("==", [false, true, false]),
            ("===", [false, true, false]),
            ("!=", [true, false, true]),
        ];
        for (operator, expected) in rows {
            let expression: Expression = format!("avg{operator}5").parse().unwrap();
            assert_eq!(
                [4.0, 5.0, 6.0].map(|value| expression.holds(value)),
                expected,
                "{operator}"
            );
        }
    }

    fn any_method() -> impl Strategy<Value = Method> {
        prop_oneof![
            Just(Method::Count),
            Just(Method::Rate),
            Just(Method::Value),
            Just(Method::Avg),
            Just(Method::Min),
            Just(Method::Max),
            Just(Method::Med),
            (0.0..=100.0).prop_map(Method::Percentile),
        ]
    }

    fn any_operator() -> impl Strategy<Value = Operator> {
        prop_oneof![
            Just(Operator::Greater),
            Just(Operator::GreaterOrEqual),
            Just(Operator::Less),
            Just(Operator::LessOrEqual),
            Just(Operator::Equal),
            Just(Operator::StrictlyEqual),
            Just(Operator::NotEqual),
        ]
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_the_same(
            method in any_method(), operator in any_operator(),
            value in prop_oneof![proptest::num::f64::NORMAL, -1e6..1e6]
        ) {
            let expression = Expression { method, operator, value };
            prop_assert_eq!(expression.to_string().parse::<Expression>().unwrap(), expression);
        }

        /// Any text is an expression or an error that points into it.
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,20}|p?[(a-z0-9.)]{0,6}[<>=! ]{0,3}[0-9a-z%.µ-]{0,8}") {
            if let Err(error) = parse(&text) {
                prop_assert!(text.get(error.at.clone()).is_some(), "{error:?}");
            }
        }
    }
}
