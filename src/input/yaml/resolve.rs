//! The meaning of plain scalars in the two dialects.

use super::events::NodeTag;
use super::{Dialect, ScalarValue};

/// The meaning of a scalar; quoted and block scalars are text.
pub(super) fn resolve(
    text: &str,
    plain: bool,
    tag: Option<&NodeTag>,
    dialect: Dialect,
) -> ScalarValue {
    match tag {
        Some(NodeTag::NonSpecific | NodeTag::Foreign(_)) => ScalarValue::Text,
        Some(NodeTag::Own(own)) => forced(own, text, dialect),
        None if !plain => ScalarValue::Text,
        None => match dialect {
            Dialect::Yaml11 => yaml11(text),
            Dialect::Core => core(text),
        },
    }
}

/// A tag of YAML's own overrides the quotes: `!!int "3"` is a number, `!!str 3` is text.
fn forced(own: &str, text: &str, dialect: Dialect) -> ScalarValue {
    if own == "str" {
        return ScalarValue::Text;
    }
    let value = match dialect {
        Dialect::Yaml11 => yaml11(text),
        Dialect::Core => core(text),
    };
    match (own, value) {
        ("float", ScalarValue::Integer(_)) => float(text).map_or(value, ScalarValue::Float),
        _ => value,
    }
}

/// go-yaml v2, resolve.go `resolve` and its table, with Go's `strconv.ParseInt` in base 0.
fn yaml11(text: &str) -> ScalarValue {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return ScalarValue::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return ScalarValue::Boolean(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return ScalarValue::Boolean(false);
        }
        _ => {}
    }
    if let Some(special) = special_float(text) {
        return ScalarValue::Float(special);
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return ScalarValue::Text;
    }
    // A leading point goes straight to the float parser in go-yaml, before underscores are removed.
    let plain = if text.starts_with('.') { text.to_owned() } else { text.replace('_', "") };
    go_integer(&plain)
        .map(ScalarValue::Integer)
        .or_else(|| float(&plain).map(ScalarValue::Float))
        .unwrap_or(ScalarValue::Text)
}

/// The core schema of YAML 1.2.2, section 10.3.2.
fn core(text: &str) -> ScalarValue {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return ScalarValue::Null,
        "true" | "True" | "TRUE" => return ScalarValue::Boolean(true),
        "false" | "False" | "FALSE" => return ScalarValue::Boolean(false),
        _ => {}
    }
    if let Some(special) = special_float(text) {
        return ScalarValue::Float(special);
    }
    let octal = text.strip_prefix("0o").and_then(|digits| digits_of(digits, 8));
    let hexadecimal = || text.strip_prefix("0x").and_then(|digits| digits_of(digits, 16));
    octal
        .or_else(hexadecimal)
        .or_else(|| signed(text, |digits| digits_of(digits, 10)))
        .map(ScalarValue::Integer)
        .or_else(|| float(text).map(ScalarValue::Float))
        .unwrap_or(ScalarValue::Text)
}

fn special_float(text: &str) -> Option<f64> {
    match text {
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// A whole number as Go reads it in base 0: `0x`, `0o`, `0b` in either case, and a leading zero for
/// octal.
fn go_integer(text: &str) -> Option<i128> {
    signed(text, |digits| {
        let prefixed = |lower, upper, radix| {
            let rest = digits.strip_prefix(lower).or_else(|| digits.strip_prefix(upper))?;
            Some(digits_of(rest, radix))
        };
        prefixed("0x", "0X", 16)
            .or_else(|| prefixed("0o", "0O", 8))
            .or_else(|| prefixed("0b", "0B", 2))
            .unwrap_or_else(|| match digits.strip_prefix('0') {
                Some(rest) if !rest.is_empty() => digits_of(rest, 8),
                _ => digits_of(digits, 10),
            })
    })
}

/// A number with an optional sign, within the range of `i64` and `u64`.
fn signed(text: &str, parse: impl Fn(&str) -> Option<i128>) -> Option<i128> {
    let value = match text.strip_prefix('-') {
        Some(rest) => -parse(rest)?,
        None => parse(text.strip_prefix('+').unwrap_or(text))?,
    };
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value).then_some(value)
}

/// Digits alone: no sign, no underscore.
fn digits_of(digits: &str, radix: u32) -> Option<i128> {
    let digits_only = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    digits_only.then(|| i128::from_str_radix(digits, radix).ok())?
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, the same in go-yaml and in the core
/// schema.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digits = !whole.is_empty() || !fraction.is_empty();
    let exponent_holds = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    let holds = has_digits && all_digits(whole) && all_digits(fraction) && exponent_holds;
    holds.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use ScalarValue::{Boolean, Float, Integer, Null, Text};

    #[test]
    fn the_dialects_differ_where_kubernetes_does() {
        // Text, in Kubernetes manifests and Helm values, in our own documents.
        let table = [
            ("yes", Boolean(true), Text),
            ("Off", Boolean(false), Text),
            ("y", Boolean(true), Text),
            ("N", Boolean(false), Text),
            ("True", Boolean(true), Boolean(true)),
            ("tRue", Text, Text),
            ("~", Null, Null),
            ("NULL", Null, Null),
            ("0755", Integer(493), Integer(755)),
            ("-0755", Integer(-493), Integer(-755)),
            ("0o17", Integer(15), Integer(15)),
            ("0x1F", Integer(31), Integer(31)),
            ("0X1f", Integer(31), Text),
            ("0b11", Integer(3), Text),
            ("-0b11", Integer(-3), Text),
            ("1_000", Integer(1000), Text),
            ("08", Float(8.0), Integer(8)),
            ("1e3", Float(1000.0), Float(1000.0)),
            ("1.", Float(1.0), Float(1.0)),
            (".5", Float(0.5), Float(0.5)),
            ("+12", Integer(12), Integer(12)),
            ("12:30:45", Text, Text),
            ("2001-01-01", Text, Text),
            ("18446744073709551615", Integer(i128::from(u64::MAX)), Integer(i128::from(u64::MAX))),
            (
                "18446744073709551616",
                Float(18_446_744_073_709_552_000.0),
                Float(18_446_744_073_709_552_000.0),
            ),
            ("-.inf", Float(f64::NEG_INFINITY), Float(f64::NEG_INFINITY)),
            ("1e", Text, Text),
            (".", Text, Text),
            ("-", Text, Text),
            ("0x", Text, Text),
            ("1.2.3", Text, Text),
            ("512Mi", Text, Text),
            ("inf", Text, Text),
        ];
        for (text, in_kubernetes, in_ours) in table {
            assert_eq!(resolve(text, true, None, Dialect::Yaml11), in_kubernetes, "{text}");
            assert_eq!(resolve(text, true, None, Dialect::Core), in_ours, "{text}");
            assert_eq!(resolve(text, false, None, Dialect::Yaml11), Text, "{text} in quotes");
        }
    }

    #[test]
    fn tags_override_the_looks() {
        let tag = |own: &str| NodeTag::Own(own.to_owned());
        assert_eq!(resolve("3", true, Some(&tag("str")), Dialect::Core), Text);
        assert_eq!(resolve("3", false, Some(&tag("int")), Dialect::Core), Integer(3));
        assert_eq!(resolve("3", true, Some(&tag("float")), Dialect::Core), Float(3.0));
        assert_eq!(resolve("3", true, Some(&NodeTag::NonSpecific), Dialect::Core), Text);
    }
}
