//! Readers of single values: text, booleans, numbers, words of a fixed set.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Value, nearest, slips};
use crate::input::codes;
use crate::input::yaml::{Scalar, ScalarValue};
use crate::units::convert::trunc_i64;

impl<'a> Value<'a> {
    /// Text. A number or boolean is refused with the advice to quote it.
    #[must_use]
    pub fn string(&self) -> Option<&'a str> {
        self.learn(|shape| {
            shape.types.insert("string");
        });
        let Some(scalar) = self.node.scalar() else { return self.wrong_type("text") };
        match scalar.value {
            ScalarValue::Text => Some(&scalar.text),
            ScalarValue::Null => self.wrong_type("text"),
            ScalarValue::Boolean(_) | ScalarValue::Integer(_) | ScalarValue::Float(_) => {
                let message = format!("must be text, not {}", self.node.describe());
                let error = self.error(codes::WRONG_TYPE, &message);
                let quoted = format!("\"{}\"", scalar.text);
                self.report(error.fix("put it in quotes", self.node.span, quoted));
                None
            }
        }
    }

    /// Text as a shared string.
    #[must_use]
    pub fn shared(&self) -> Option<Arc<str>> {
        self.string().map(Arc::from)
    }

    /// Text that is not empty.
    #[must_use]
    pub fn non_empty(&self) -> Option<&'a str> {
        let text = self.string()?;
        if text.is_empty() {
            self.report(self.error(codes::INVALID_VALUE, "must not be empty"));
            return None;
        }
        if text.chars().any(is_invisible) {
            let message = "must not contain control characters or marks of direction";
            self.report(self.error(codes::INVALID_VALUE, message));
            return None;
        }
        Some(text)
    }

    /// A boolean. In quotes it is text and refused.
    #[must_use]
    pub fn boolean(&self) -> Option<bool> {
        self.learn(|shape| {
            shape.types.insert("boolean");
        });
        match self.node.scalar().map(|scalar| (scalar.value, &*scalar.text)) {
            Some((ScalarValue::Boolean(truth), _)) => Some(truth),
            Some((ScalarValue::Text, text @ ("true" | "false"))) => {
                let error = self.error(codes::WRONG_TYPE, "must be a boolean, not text");
                self.report(error.fix("remove the quotes", self.node.span, text));
                None
            }
            _ => self.wrong_type("`true` or `false`"),
        }
    }

    /// A whole number within a range. `3.0` is whole, as the API server has it.
    #[must_use]
    pub fn integer<T>(&self, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i128> + Into<i128> + Copy + Display,
    {
        let (low, high): (i128, i128) = ((*range.start()).into(), (*range.end()).into());
        self.learn(|shape| {
            shape.types.insert("integer");
            let (below, above) = shape.bounds.unwrap_or((low, high));
            shape.bounds = Some((below.min(low), above.max(high)));
        });
        let number = match self.node.scalar().map(|scalar| scalar.value) {
            Some(ScalarValue::Integer(number)) => number,
            Some(ScalarValue::Float(number)) if is_whole(number) => i128::from(trunc_i64(number)),
            Some(ScalarValue::Text) if self.quoted_number() => {
                return self.unquote("a whole number");
            }
            Some(ScalarValue::Text) => return self.no_whole_number(),
            _ => return self.wrong_type("a whole number"),
        };
        let value = (low..=high).contains(&number).then(|| T::try_from(number).ok()).flatten();
        if value.is_none() {
            let wide = high >= i128::from(i32::MAX);
            let bounds = match (number < low, wide) {
                (true, true) => format!("at least {low}"),
                (_, false) => format!("between {low} and {high}"),
                (false, true) => format!("at most {high}"),
            };
            self.report(self.error(codes::OUT_OF_RANGE, &format!("is {number}, must be {bounds}")));
        }
        value
    }

    /// A finite number within a range.
    #[must_use]
    pub fn number(&self, range: RangeInclusive<f64>) -> Option<f64> {
        self.learn(|shape| {
            shape.types.insert("number");
        });
        let number = match self.node.scalar() {
            Some(Scalar { value: ScalarValue::Float(number), .. }) if number.is_finite() => *number,
            Some(Scalar { value: ScalarValue::Integer(number), .. }) => {
                number.to_string().parse().expect("digits of a whole number are a number")
            }
            Some(Scalar { value: ScalarValue::Text, .. }) if self.quoted_number() => {
                return self.unquote("a number");
            }
            _ => return self.wrong_type("a number"),
        };
        if range.contains(&number) {
            return Some(number);
        }
        let (low, high) = (range.start(), range.end());
        let bounds = match (*high < f64::MAX, low.is_finite()) {
            (true, true) => format!("between {low} and {high}"),
            (true, false) => format!("at most {high}"),
            (false, _) => format!("at least {low}"),
        };
        self.report(self.error(codes::OUT_OF_RANGE, &format!("is {number}, must be {bounds}")));
        None
    }

    /// One of a fixed set of words, each with its meaning.
    #[must_use]
    pub fn word<T: Clone>(&self, words: &[(&str, T)]) -> Option<T> {
        self.learn(|shape| {
            let spoken = words.iter().map(|(word, _)| *word).filter(|word| !word.is_empty());
            shape.words.extend(spoken.map(str::to_owned));
        });
        let text = self.string()?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Some(meaning.clone());
        }
        let spoken = words.iter().map(|(word, _)| *word).filter(|word| !word.is_empty());
        let known: Vec<&str> = spoken.collect();
        let message = format!("is `{text}`, must be one of {}", known.join(", "));
        let mut error = self.error(codes::INVALID_VALUE, &message);
        if let Some(near) = nearest(text, known.iter().copied()) {
            error = error.replace("a similar value exists", self.node.span, near);
        }
        self.report(error);
        None
    }

    /// Whether this is text that would be a number without its quotes.
    fn quoted_number(&self) -> bool {
        self.node.text().is_some_and(|text| text.parse::<f64>().is_ok_and(f64::is_finite))
    }

    fn unquote<T>(&self, wanted: &str) -> Option<T> {
        let text = self.node.text().unwrap_or_default();
        let error = self.error(codes::WRONG_TYPE, &format!("must be {wanted}, not text"));
        self.report(error.fix("remove the quotes", self.node.span, text));
        None
    }

    /// What a text that is neither a number nor a percentage was meant to be, where it is `25 %` or
    /// a number in quotes.
    #[must_use]
    pub fn meant_share(&self) -> Option<String> {
        let text = self.node.text()?;
        let number = || text.trim().parse::<i32>().ok().map(|number| number.to_string());
        slips::percentage(text).or_else(number)
    }

    /// Text where a whole number is wanted, perhaps a number with a unit.
    fn no_whole_number<T>(&self) -> Option<T> {
        let text = self.node.text().unwrap_or_default();
        let path = self.path();
        let field = path.rsplit('.').next().unwrap_or_default();
        let Some((number, help)) = slips::whole_number(field, text) else {
            return self.wrong_type("a whole number");
        };
        let message = format!("must be a whole number, not text `{text}`");
        let error = self.error(codes::WRONG_TYPE, &message);
        self.report(error.fix(help, self.node.span, number));
        None
    }
}

/// Whether a float is a whole number that `i64` holds.
fn is_whole(number: f64) -> bool {
    number.abs() < 9e18 && libm::fmod(number, 1.0).abs() < f64::MIN_POSITIVE
}

/// Characters that would steer a terminal or turn a line round where a name is shown.
fn is_invisible(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
