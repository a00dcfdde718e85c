//! Grammars of the small texts in documents: durations, rates, percentages, money.
//!
//! Each reader takes the text alone and returns a number of stated unit or an error that says what
//! is wrong with it. Places and advice are added by the decoder.

use rust_decimal::Decimal;

use crate::input::codes::{self, Code};

/// What a bare number means as a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BareNumber {
    /// Nothing: the unit is required.
    Refused,
    /// Milliseconds, as k6 has it.
    Milliseconds,
}

/// Why a text is no duration, rate, percentage or amount of money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScalarError {
    /// A number without unit where one is required.
    #[error("a duration needs a unit")]
    MissingUnit,
    /// A unit that does not exist.
    #[error("`{0}` is no unit of time (ns, us, ms, s, m, h, d, w)")]
    UnknownUnit(String),
    /// The unit of time of a rate does not exist.
    #[error("`{0}` is no unit of a rate (/s, /m, /min, /h, /d)")]
    UnknownRateUnit(String),
    /// A duration below zero.
    #[error("a duration must not be negative")]
    NegativeDuration,
    /// A rate, percentage or amount below zero.
    #[error("must not be negative")]
    Negative,
    /// Beyond 584 years, or beyond what the number can hold.
    #[error("too large")]
    TooLarge,
    /// Not of the form at all.
    #[error("not of the form {0}")]
    Malformed(&'static str),
}

impl ScalarError {
    /// The code under which the error is reported.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::MissingUnit => codes::DURATION_WITHOUT_UNIT,
            Self::NegativeDuration => codes::NEGATIVE_DURATION,
            Self::UnknownUnit(_) => codes::INVALID_DURATION,
            Self::Malformed(form) if *form == DURATION_FORM => codes::INVALID_DURATION,
            Self::Malformed(_) | Self::UnknownRateUnit(_) | Self::Negative | Self::TooLarge => {
                codes::INVALID_MEASURE
            }
        }
    }
}

const DURATION_FORM: &str = "`250us`, `300ms`, `1.5s`, `2m`, `1h30m` or `1d12h`";
const RATE_FORM: &str = "`200/s`, `1.5/s` or `12k/min`";
const PERCENT_FORM: &str = "`60%`";
const MONEY_FORM: &str = "`$0.10`";

/// A duration in nanoseconds: Go's syntax with days and weeks. `0` needs no unit.
///
/// # Errors
/// When the text is no duration, is negative, or lasts longer than 584 years.
pub fn duration(text: &str, bare: BareNumber) -> Result<u64, ScalarError> {
    if let Some(rest) = text.strip_prefix('-') {
        let nanos = duration(rest, bare)?;
        return if nanos == 0 { Ok(0) } else { Err(ScalarError::NegativeDuration) };
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    let (number, unit) = split_number(text).ok_or(ScalarError::Malformed(DURATION_FORM))?;
    if unit.is_empty() {
        return match bare {
            BareNumber::Milliseconds => number.times(1_000_000),
            BareNumber::Refused if number.is_zero() => Ok(0),
            BareNumber::Refused => Err(ScalarError::MissingUnit),
        };
    }
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, tail) = split_number(rest).ok_or(ScalarError::Malformed(DURATION_FORM))?;
        let length = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, after) = tail.split_at(length);
        let nanos = unit_nanos(unit).ok_or_else(|| match unit {
            "" => ScalarError::MissingUnit,
            _ => ScalarError::UnknownUnit(unit.to_owned()),
        })?;
        total = total.checked_add(number.times(nanos)?).ok_or(ScalarError::TooLarge)?;
        rest = after;
    }
    Ok(total)
}

fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        "w" => 604_800_000_000_000,
        _ => return None,
    })
}

/// An unsigned decimal number, kept exactly: `whole + fraction / 10^digits`.
#[derive(Clone, Copy, Debug)]
struct Number {
    whole: u64,
    fraction: u64,
    digits: u32,
}

impl Number {
    fn is_zero(self) -> bool {
        self.whole == 0 && self.fraction == 0
    }

    /// The number times `unit`, the rest below one cut off as Go does.
    fn times(self, unit: u64) -> Result<u64, ScalarError> {
        let whole = u128::from(self.whole) * u128::from(unit);
        let fraction = u128::from(self.fraction) * u128::from(unit) / 10_u128.pow(self.digits);
        u64::try_from(whole + fraction).map_err(|_| ScalarError::TooLarge)
    }
}

/// A number at the start of a text, and what follows it. Digits beyond the eighteenth after the
/// point are dropped: they are below a nanosecond in any unit.
fn split_number(text: &str) -> Option<(Number, &str)> {
    let digits_end = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (whole, rest) = text.split_at(digits_end(text));
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(after) => after.split_at(digits_end(after)),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let fraction = &fraction[..fraction.len().min(18)];
    let parse = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse().ok() };
    // A whole part beyond 64 bits is too large in every unit.
    let whole = parse(whole).unwrap_or(u64::MAX);
    let digits = u32::try_from(fraction.len()).expect("at most eighteen digits are kept");
    Some((Number { whole, fraction: parse(fraction)?, digits }, rest))
}

/// A rate as written: so many events in each unit of time (ns).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WrittenRate {
    /// Events in a unit.
    pub count: f64,
    /// The unit (ns).
    pub unit_nanos: u64,
}

/// A rate: a number, optionally in thousands (`k`) or millions (`M`), per unit of time.
///
/// # Errors
/// When the text is no rate or is negative.
pub fn rate(text: &str) -> Result<WrittenRate, ScalarError> {
    let malformed = ScalarError::Malformed(RATE_FORM);
    let (amount, unit) = text.split_once('/').ok_or_else(|| malformed.clone())?;
    let unit_nanos = match unit.trim() {
        "s" | "sec" => unit_nanos("s"),
        "m" | "min" => unit_nanos("m"),
        "h" | "hour" => unit_nanos("h"),
        "d" | "day" => unit_nanos("d"),
        _ => None,
    };
    let unit_nanos =
        unit_nanos.ok_or_else(|| ScalarError::UnknownRateUnit(format!("/{}", unit.trim())))?;
    let amount = amount.trim();
    let (amount, factor) = match amount.strip_suffix('k') {
        Some(thousands) => (thousands, 1e3),
        None => amount.strip_suffix('M').map_or((amount, 1.0), |millions| (millions, 1e6)),
    };
    let count = decimal(amount).ok_or(malformed)?.and_then_positive()? * factor;
    Ok(WrittenRate { count, unit_nanos })
}

/// A percentage as a fraction: `60%` is 0.6. It may exceed 100%.
///
/// # Errors
/// When the text is no percentage or is negative.
pub fn percent(text: &str) -> Result<f64, ScalarError> {
    let malformed = ScalarError::Malformed(PERCENT_FORM);
    let number = text.strip_suffix('%').map(str::trim_end).and_then(decimal).ok_or(malformed)?;
    Ok(number.and_then_positive()? / 100.0)
}

/// An amount of money in US dollars: `$0.10`, or the number alone.
///
/// # Errors
/// When the text is no amount or is negative.
pub fn money(text: &str) -> Result<Decimal, ScalarError> {
    let malformed = || ScalarError::Malformed(MONEY_FORM);
    let (sign, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let rest = rest.strip_prefix('$').unwrap_or(rest);
    if !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') || rest.contains('_') {
        return Err(malformed());
    }
    let amount: Decimal = rest.parse().map_err(|_| malformed())?;
    if sign && !amount.is_zero() { Err(ScalarError::Negative) } else { Ok(amount) }
}

/// A finite number with its sign still to be judged.
struct Signed(f64);

impl Signed {
    fn and_then_positive(self) -> Result<f64, ScalarError> {
        if self.0 < 0.0 { Err(ScalarError::Negative) } else { Ok(self.0) }
    }
}

/// Digits with an optional sign, point and exponent; not `inf`, `nan` or hexadecimal.
fn decimal(text: &str) -> Option<Signed> {
    let allowed = |c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | 'e' | 'E');
    let holds = text.chars().all(allowed) && text.contains(|c: char| c.is_ascii_digit());
    let number: f64 = holds.then(|| text.parse().ok())??;
    number.is_finite().then_some(Signed(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn strict(text: &str) -> Result<u64, ScalarError> {
        duration(text, BareNumber::Refused)
    }

    #[test]
    fn durations_are_exact() {
        let table = [
            ("250us", 250_000),
            ("0.1us", 100),
            ("300ms", 300_000_000),
            ("1.5s", 1_500_000_000),
            ("2m", 120 * SECOND),
            ("1h30m", 5_400 * SECOND),
            ("1d12h", 129_600 * SECOND),
            ("2w", 1_209_600 * SECOND),
            (".5s", 500_000_000),
            ("1.s", SECOND),
            ("0", 0),
            ("-0s", 0),
            ("0.3333333333333333333333s", 333_333_333),
            ("1.000000001s", 1_000_000_001),
        ];
        for (text, nanos) in table {
            assert_eq!(strict(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn wrong_durations_say_what_is_wrong() {
        let malformed = ScalarError::Malformed(DURATION_FORM);
        let table = [
            ("5", ScalarError::MissingUnit),
            ("1h30", ScalarError::MissingUnit),
            ("5 s", ScalarError::UnknownUnit(" s".to_owned())),
            ("5sec", ScalarError::UnknownUnit("sec".to_owned())),
            ("5S", ScalarError::UnknownUnit("S".to_owned())),
            ("-5m", ScalarError::NegativeDuration),
            ("", malformed.clone()),
            ("s", malformed.clone()),
            (".s", malformed.clone()),
            ("5m-3s", ScalarError::UnknownUnit("m-".to_owned())),
            ("600y", ScalarError::UnknownUnit("y".to_owned())),
            ("31000w", ScalarError::TooLarge),
            ("99999999999999999999s", ScalarError::TooLarge),
        ];
        for (text, error) in table {
            assert_eq!(strict(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_bare_number_is_milliseconds_for_k6_only() {
        assert_eq!(duration("1500", BareNumber::Milliseconds), Ok(1_500_000_000));
        assert_eq!(duration("0.5", BareNumber::Milliseconds), Ok(500_000));
        assert_eq!(duration("10s", BareNumber::Milliseconds), Ok(10 * SECOND));
    }

    #[test]
    fn rates_percentages_and_money() {
        let rated = |count, seconds| Ok(WrittenRate { count, unit_nanos: seconds * SECOND });
        assert_eq!(rate("200/s"), rated(200.0, 1));
        assert_eq!(rate("12k/min"), rated(12_000.0, 60));
        assert_eq!(rate("0.5M/h"), rated(500_000.0, 3_600));
        assert_eq!(rate("200"), Err(ScalarError::Malformed(RATE_FORM)));
        assert_eq!(rate("-1/s"), Err(ScalarError::Negative));
        assert_eq!(rate("1/week"), Err(ScalarError::UnknownRateUnit("/week".to_owned())));
        assert_eq!(rate("inf/s"), Err(ScalarError::Malformed(RATE_FORM)));
        assert_eq!(percent("60%"), Ok(0.6));
        assert_eq!(percent("250 %"), Ok(2.5));
        assert_eq!(percent("60"), Err(ScalarError::Malformed(PERCENT_FORM)));
        assert_eq!(money("$0.10"), Ok(Decimal::new(10, 2)));
        assert_eq!(money("12"), Ok(Decimal::from(12)));
        assert_eq!(money("-$1"), Err(ScalarError::Negative));
        for wrong in ["", "$", "1€", "$1_000", "one", "$-1"] {
            assert_eq!(money(wrong), Err(ScalarError::Malformed(MONEY_FORM)), "{wrong}");
        }
    }
}
