//! Kubernetes quantities (`250m`, `1.5Gi`, `1e3`), exact to one billionth of a unit.
//!
//! A quantity is a number and the family of suffixes it was written in. The number is kept as an
//! integer count of billionths, so nothing is lost that Kubernetes itself keeps; what is finer is
//! rounded away from zero, as Kubernetes does. The family decides how the number is printed.
//!
//! Source of the rules: apimachinery, `pkg/api/resource` (`quantity.go`, `suffix.go`).
//!
//! ```
//! use aurelius_sim::units::quantity::Quantity;
//! let memory: Quantity = "1.5Gi".parse().expect("a valid quantity");
//! assert_eq!(memory.to_string(), "1536Mi");
//! assert_eq!(memory.value_ceil(), 1_610_612_736);
//! let typo = "512K".parse::<Quantity>().expect_err("an upper-case K is no suffix");
//! assert!(typo.to_string().contains("`k`"));
//! ```

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Billionths in one unit.
const NANO_PER_UNIT: i128 = 1_000_000_000;

/// Billionths in one thousandth.
const NANO_PER_MILLI: i128 = 1_000_000;

/// The largest magnitude of a quantity that Kubernetes does not keep in its short form: 2^63 - 1
/// units. Binary quantities and numbers of more than [`SHORT_DIGITS`] digits are cut off here.
const CAP_NANO: i128 = 9_223_372_036_854_775_807 * NANO_PER_UNIT;

/// Number of significant digits up to which Kubernetes keeps a decimal quantity in its short form,
/// which has no upper limit.
const SHORT_DIGITS: usize = 18;

/// The family of suffixes in which a quantity is written and printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `n u m k M G T P E`: powers of a thousand.
    DecimalSi,
    /// `Ki Mi Gi Ti Pi Ei`: powers of 1024.
    BinarySi,
    /// `e3`, `E-6`: powers of ten.
    DecimalExponent,
}

/// An exact Kubernetes quantity. Two quantities are equal when their numbers are; the family only
/// matters for printing.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    /// The number, in billionths of a unit.
    nano: i128,
    /// How it is printed.
    format: Format,
}

impl Quantity {
    /// A whole number of units.
    pub fn from_units(units: i64, format: Format) -> Self {
        Self { nano: i128::from(units) * NANO_PER_UNIT, format }
    }

    /// A whole number of thousandths, the form in which controllers compute.
    pub fn from_milli(milli: i64, format: Format) -> Self {
        Self { nano: i128::from(milli) * NANO_PER_MILLI, format }
    }

    /// A whole number of billionths, the form in which CPU usage is measured.
    pub fn from_nano(nano: i64, format: Format) -> Self {
        Self { nano: i128::from(nano), format }
    }

    /// The number in billionths, exactly.
    pub fn nano(self) -> i128 {
        self.nano
    }

    /// The family in which it is printed.
    pub fn format(self) -> Format {
        self.format
    }

    /// Whether the number is zero.
    pub fn is_zero(self) -> bool {
        self.nano == 0
    }

    /// Whether the number is greater than zero.
    pub fn is_positive(self) -> bool {
        self.nano > 0
    }

    /// Whole units, rounded away from zero, cut off at the ends of `i64` (`Quantity.Value`).
    pub fn value_ceil(self) -> i64 {
        saturate(divide_away_from_zero(self.nano, NANO_PER_UNIT))
    }

    /// Whole thousandths, rounded away from zero, cut off at the ends of `i64`
    /// (`Quantity.MilliValue`). One billionth of a core is therefore one millicore.
    pub fn milli_value_ceil(self) -> i64 {
        saturate(divide_away_from_zero(self.nano, NANO_PER_MILLI))
    }

    /// Whether the number is a whole count of units; half a byte is not.
    pub fn is_whole(self) -> bool {
        self.nano % NANO_PER_UNIT == 0
    }

    /// The nearest double that Kubernetes computes (`Quantity.AsApproximateFloat64`): the canonical
    /// mantissa times a power of a thousand. It may differ from the closest double in the last
    /// place (`0.35` gives 0.35000000000000003), and decisions at the edge of a tolerance show it.
    #[expect(clippy::cast_precision_loss, reason = "the approximation is what the rule asks for")]
    pub fn approximate_f64(self) -> f64 {
        let (mantissa, exponent) = self.canonical_decimal();
        let power = match exponent {
            -9 => 1e-9,
            -6 => 1e-6,
            -3 => 1e-3,
            0 => 1.0,
            3 => 1e3,
            6 => 1e6,
            9 => 1e9,
            12 => 1e12,
            15 => 1e15,
            _ => 1e18,
        };
        mantissa as f64 * power
    }

    /// Mantissa and exponent (a multiple of three, at most 18) with the fewest digits.
    fn canonical_decimal(self) -> (i128, i32) {
        if self.nano == 0 {
            return (0, 0);
        }
        let (mut mantissa, mut exponent) = (self.nano, -9);
        while exponent < 18 && mantissa % 1000 == 0 {
            mantissa /= 1000;
            exponent += 3;
        }
        (mantissa, exponent)
    }

    /// Mantissa and power of 1024, when the binary family can show the number without loss.
    fn canonical_binary(self) -> Option<(i128, usize)> {
        let units = self.nano / NANO_PER_UNIT;
        if !self.is_whole() || units.unsigned_abs() < 1024 {
            return None;
        }
        let (mut mantissa, mut power) = (units, 0);
        while power + 1 < BINARY_SUFFIXES.len() && mantissa % 1024 == 0 {
            mantissa /= 1024;
            power += 1;
        }
        Some((mantissa, power))
    }
}

/// Suffixes by power of 1024.
const BINARY_SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// Suffixes by power of a thousand, from billionths on.
const DECIMAL_SUFFIXES: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nano == other.nano
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nano.cmp(&other.nano)
    }
}

impl fmt::Display for Quantity {
    /// The canonical form: no fraction, and the largest suffix of the family that loses nothing.
    /// The binary family steps back to the decimal one for fractions and below 1024.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.format == Format::BinarySi
            && let Some((mantissa, power)) = self.canonical_binary()
        {
            return write!(f, "{mantissa}{}", BINARY_SUFFIXES[power]);
        }
        let (mantissa, exponent) = self.canonical_decimal();
        if self.format == Format::DecimalExponent {
            return match exponent {
                0 => write!(f, "{mantissa}"),
                _ => write!(f, "{mantissa}e{exponent}"),
            };
        }
        let suffix = DECIMAL_SUFFIXES
            .iter()
            .find(|(_, power)| *power == exponent)
            .map_or("", |(suffix, _)| suffix);
        write!(f, "{mantissa}{suffix}")
    }
}

/// Why a text is not a quantity. `Display` says what is wrong and, where a guess is safe, what to
/// write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Nothing was written.
    #[error("a quantity is empty; write a number such as `250m`, `2` or `512Mi`")]
    Empty,
    /// White space in front, behind or inside.
    #[error("a quantity has no blanks; write `{without_blanks}`")]
    Blank {
        /// The same text without white space.
        without_blanks: String,
    },
    /// No digit where the number should be.
    #[error("`{text}` does not begin with a number")]
    NoNumber {
        /// The whole text.
        text: String,
    },
    /// What follows the number is no suffix.
    #[error("`{suffix}` is no quantity suffix{}", hint_clause(hint.as_deref()))]
    UnknownSuffix {
        /// The text behind the number.
        suffix: String,
        /// A suffix that was probably meant.
        hint: Option<String>,
    },
    /// `e` without the digits of an exponent.
    #[error("the exponent `{suffix}` has no digits; write for example `e3`")]
    NoExponent {
        /// The text behind the number.
        suffix: String,
    },
    /// Larger than anything that can be counted here.
    #[error("`{text}` is too large; a quantity stays below 10^29")]
    TooLarge {
        /// The whole text.
        text: String,
    },
}

fn hint_clause(hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("; write {hint}"),
        None => "; known are n u m k M G T P E, Ki Mi Gi Ti Pi Ei and exponents such as e3".into(),
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Empty);
        }
        if text.contains(char::is_whitespace) {
            let without_blanks: String = text.split_whitespace().collect();
            return Err(match without_blanks.is_empty() {
                true => QuantityError::Empty,
                false => QuantityError::Blank { without_blanks },
            });
        }
        let (negative, unsigned) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, rest) = split_digits(unsigned);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(behind) => split_digits(behind),
            None => ("", rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(QuantityError::NoNumber { text: text.to_owned() });
        }
        let unit = parse_suffix(suffix)?;
        let format = unit.format();
        let digits = Digits { whole, fraction };
        let magnitude = match (digits.times(unit), digits.is_capped(format)) {
            (Some(nano), true) => nano.min(CAP_NANO),
            (Some(nano), false) => nano,
            (None, true) => CAP_NANO,
            (None, false) => return Err(QuantityError::TooLarge { text: text.to_owned() }),
        };
        Ok(Self { nano: if negative { -magnitude } else { magnitude }, format })
    }
}

/// The digits of a number before and behind its point.
#[derive(Clone, Copy)]
struct Digits<'a> {
    whole: &'a str,
    fraction: &'a str,
}

impl Digits<'_> {
    /// Whether Kubernetes cuts such a quantity off at 2^63 - 1.
    fn is_capped(self, format: Format) -> bool {
        let significant = self.whole.trim_start_matches('0').len() + self.fraction.len();
        format == Format::BinarySi || significant > SHORT_DIGITS
    }

    /// Billionths in this many units, rounded up; `None` when they cannot be counted.
    fn times(self, unit: Unit) -> Option<i128> {
        match unit {
            Unit::Decimal(exponent) | Unit::Exponent(exponent) => {
                self.shifted(exponent.saturating_add(9))
            }
            Unit::Binary(power) => self.scaled(NANO_PER_UNIT << (10 * power)),
        }
    }

    /// The number times ten to the power of `places`, rounded up.
    fn shifted(self, places: i32) -> Option<i128> {
        let digits = || self.whole.bytes().chain(self.fraction.bytes());
        if digits().all(|digit| digit == b'0') {
            return Some(0);
        }
        if let Ok(places) = u32::try_from(places) {
            return self.scaled(10_i128.checked_pow(places)?);
        }
        // The point moves left. Behind it only "not zero" counts, so no zeros are put in between.
        let places = usize::try_from(places.unsigned_abs()).unwrap_or(usize::MAX);
        let (whole, moved) = self.whole.split_at(self.whole.len().saturating_sub(places));
        let fraction = moved.to_owned() + self.fraction;
        Digits { whole, fraction: &fraction }.scaled(1)
    }

    /// The number times `factor`, rounded up; `None` on overflow.
    fn scaled(self, factor: i128) -> Option<i128> {
        let digit = |byte: u8| i128::from(byte - b'0');
        let whole = self
            .whole
            .bytes()
            .try_fold(0_i128, |sum, byte| sum.checked_mul(10)?.checked_add(digit(byte)))?
            .checked_mul(factor)?;
        // From the last digit to the first: the floor of what stands behind the point, and whether
        // something was cut off.
        let mut floor = 0_i128;
        let mut inexact = false;
        for byte in self.fraction.bytes().rev() {
            let sum = digit(byte).checked_mul(factor)?.checked_add(floor)?;
            floor = sum / 10;
            inexact |= sum % 10 != 0;
        }
        whole.checked_add(floor)?.checked_add(i128::from(inexact))
    }
}

/// What stands behind the number.
#[derive(Clone, Copy)]
enum Unit {
    /// Power of ten of a decimal suffix.
    Decimal(i32),
    /// Power of 1024.
    Binary(usize),
    /// Power of ten, written as an exponent.
    Exponent(i32),
}

impl Unit {
    fn format(self) -> Format {
        match self {
            Self::Decimal(_) => Format::DecimalSi,
            Self::Binary(_) => Format::BinarySi,
            Self::Exponent(_) => Format::DecimalExponent,
        }
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn parse_suffix(suffix: &str) -> Result<Unit, QuantityError> {
    if let Some((_, exponent)) = DECIMAL_SUFFIXES.iter().find(|(name, _)| *name == suffix) {
        return Ok(Unit::Decimal(*exponent));
    }
    if let Some(power) = BINARY_SUFFIXES.iter().position(|name| *name == suffix) {
        return Ok(Unit::Binary(power));
    }
    let unknown = || QuantityError::UnknownSuffix {
        suffix: suffix.to_owned(),
        hint: suggest(suffix).map(ToOwned::to_owned),
    };
    let exponent = suffix.strip_prefix(['e', 'E']).ok_or_else(unknown)?;
    let (negative, digits) = match exponent.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, exponent.strip_prefix('+').unwrap_or(exponent)),
    };
    if digits.is_empty() {
        return Err(QuantityError::NoExponent { suffix: suffix.to_owned() });
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(unknown());
    }
    let magnitude = digits.parse::<i32>().unwrap_or(i32::MAX);
    Ok(Unit::Exponent(if negative { -magnitude } else { magnitude }))
}

/// The suffix that was probably meant, in the words of an error text.
fn suggest(suffix: &str) -> Option<&'static str> {
    Some(match suffix.to_ascii_lowercase().as_str() {
        "k" | "kb" => "`k` (1000) or `Ki` (1024)",
        "ki" | "kib" => "`Ki`",
        "mb" => "`M` (1000^2) or `Mi` (1024^2)",
        "mi" | "mib" => "`Mi`",
        "g" | "gb" => "`G` (1000^3) or `Gi` (1024^3)",
        "gi" | "gib" => "`Gi`",
        "t" | "tb" => "`T` (1000^4) or `Ti` (1024^4)",
        "ti" | "tib" => "`Ti`",
        "p" | "pb" => "`P` (1000^5) or `Pi` (1024^5)",
        "pi" | "pib" => "`Pi`",
        "eb" => "`E` (1000^6) or `Ei` (1024^6)",
        "ei" | "eib" => "`Ei`",
        "i" => "`Ki`, `Mi` or `Gi`",
        "b" => "the number of bytes without a suffix",
        _ => return None,
    })
}

fn divide_away_from_zero(number: i128, divisor: i128) -> i128 {
    let quotient = number / divisor;
    match number % divisor {
        0 => quotient,
        _ => quotient + number.signum(),
    }
}

fn saturate(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quantity(text: &str) -> Quantity {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn canonical_forms() {
        for (text, canonical) in [
            ("1.5", "1500m"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("1000M", "1G"),
            ("1000m", "1"),
            (".001Ki", "1024m"),
            (".000000000001Ki", "2n"),
            ("1.1Gi", "1181116006400m"),
            ("1e3", "1e3"),
            ("1500e0", "1500"),
            ("1.5e-3", "1500e-6"),
            ("-1.5Gi", "-1536Mi"),
            ("0Ki", "0"),
            ("1023Ki", "1023Ki"),
            ("1023", "1023"),
            ("0.5Ki", "512"),
            ("1E", "1E"),
            ("1E3", "1e3"),
            ("1e+3", "1e3"),
            ("2.", "2"),
            ("+.5", "500m"),
            ("0.0000000001", "1n"),
            ("-0.0000000001", "-1n"),
            ("1e-20", "1e-9"),
            ("123456789e-12", "123457e-9"),
            ("0e999999999999", "0"),
            ("100E", "100E"),
            ("10Ei", "9223372036854775807"),
            ("-10Ei", "-9223372036854775807"),
            ("99999999999999999999", "9223372036854775807"),
            ("5000", "5k"),
            ("2053167Ki", "2053167Ki"),
        ] {
            assert_eq!(quantity(text).to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity() {
        for text in [
            "1.1.M", "1+1.0M", "0.1mi", "0.1am", "aoeu", ".5i", "1i", "-3.01i", "-3.01e-", " 1",
            "1 ", "", "1K", "1KB", "1Mb", ".", "-", "+-1", "1e", "1e3x", "0x10", "1e60", "١",
        ] {
            assert!(text.parse::<Quantity>().is_err(), "`{text}` must be refused");
        }
    }

    #[test]
    fn errors_name_the_fault_and_the_fix() {
        for (text, message) in [
            ("512K", "`K` is no quantity suffix; write `k` (1000) or `Ki` (1024)"),
            ("1Mb", "`Mb` is no quantity suffix; write `M` (1000^2) or `Mi` (1024^2)"),
            ("0.1mi", "`mi` is no quantity suffix; write `Mi`"),
            ("1 Gi", "a quantity has no blanks; write `1Gi`"),
            ("aoeu", "`aoeu` does not begin with a number"),
            ("-3.01e-", "the exponent `e-` has no digits; write for example `e3`"),
            ("1e60", "`1e60` is too large; a quantity stays below 10^29"),
        ] {
            let error = text.parse::<Quantity>().expect_err("the text is no quantity");
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn whole_numbers_round_away_from_zero() {
        assert_eq!(quantity("100000001n").milli_value_ceil(), 101);
        assert_eq!(quantity("-100000001n").milli_value_ceil(), -101);
        assert_eq!(quantity("1Gi").milli_value_ceil(), 1_073_741_824_000);
        assert_eq!(quantity("1m").value_ceil(), 1);
        assert_eq!(quantity("100E").value_ceil(), i64::MAX);
    }

    #[test]
    fn doubles_carry_the_noise_of_the_original() {
        for (text, bits) in [
            ("0.35", 0.350_000_000_000_000_03_f64),
            ("0.7", 0.700_000_000_000_000_1),
            ("0.05", 0.05),
            ("0.1", 0.1),
            ("1", 1.0),
            ("2", 2.0),
        ] {
            assert_eq!(quantity(text).approximate_f64().to_bits(), bits.to_bits(), "{text}");
        }
        let lower = 1.0 - quantity("0.07").approximate_f64();
        assert_eq!(lower.to_bits(), 0.929_999_999_999_999_9_f64.to_bits());
    }

    proptest! {
        #[test]
        fn printing_and_reading_give_the_same(milli in any::<i64>(), family in 0..3_usize) {
            let format = [Format::DecimalSi, Format::BinarySi, Format::DecimalExponent][family];
            // Above 2^63 - 1 units Kubernetes cuts off, so thousandths stay inside.
            let printed = Quantity::from_milli(milli, format);
            let read = quantity(&printed.to_string());
            prop_assert_eq!(read, printed);
            prop_assert_eq!(read.to_string(), printed.to_string());
            prop_assert_eq!(read.milli_value_ceil(), milli);
        }

        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "[-+.0-9eEinumkKMGTP ]{0,24}|.{0,12}") {
            // Beyond the cap the short form of a number may be kept and its long form cut off.
            if let Ok(read) = text.parse::<Quantity>() && read.nano().abs() <= CAP_NANO {
                let canonical = read.to_string();
                prop_assert_eq!(quantity(&canonical), read);
                prop_assert_eq!(quantity(&canonical).to_string(), canonical);
            }
        }

        #[test]
        fn suffixes_multiply(number in 0..1_000_000_i64) {
            for (suffix, units) in [("k", 1000), ("Ki", 1024), ("M", 1_000_000), ("Gi", 1 << 30)] {
                prop_assert_eq!(quantity(&format!("{number}{suffix}")).value_ceil(), number * units);
            }
        }
    }
}
