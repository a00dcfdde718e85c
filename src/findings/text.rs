//! Figures as people read them: truncated where rounding up would lie, thousands set apart.

use crate::scenario::ThresholdSpec;
use crate::scenario::threshold::{Contains, catalogue};
use crate::units::convert::trunc_i64;

/// A share as a percentage of at most two decimals, truncated, so that 99.996 % is not told as 100:
/// `100%`, `78%`, `4.92%`, `<0.01%`.
#[must_use]
pub fn percent(share: f64) -> String {
    let hundredths = trunc_i64(share * 10_000.0 + 1e-7);
    if hundredths == 0 && share > 0.0 {
        return "<0.01%".to_owned();
    }
    if hundredths >= 1_000 || hundredths == 0 {
        format!("{}%", hundredths / 100)
    } else {
        format!("{}.{:02}%", hundredths / 100, hundredths % 100)
    }
}

/// A whole number with commas: `1,800`; the fraction is cut off.
#[must_use]
pub fn grouped(value: f64) -> String {
    let whole = trunc_i64(value);
    let digits = whole.unsigned_abs().to_string();
    let mut out = String::new();
    if whole < 0 {
        out.push('-');
    }
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How much of something is in use: `85% of its CPU limit`, and far beyond all of it `2,326 times its
/// places`.
#[must_use]
pub fn of_its(share: f64, what: &str) -> String {
    if share < 10.0 {
        format!("{:.0}% of its {what}", share * 100.0)
    } else {
        format!("{} times its {what}", grouped(share))
    }
}

/// `1 pod`, `36 pods`.
#[must_use]
pub fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// A rate: whole and grouped from 10 on, with one decimal below, two below 1.
#[must_use]
pub fn rate(per_second: f64) -> String {
    if per_second >= 10.0 {
        grouped(per_second + 1e-9)
    } else if per_second >= 1.0 {
        format!("{per_second:.1}")
    } else {
        format!("{per_second:.2}")
    }
}

/// Milliseconds with three figures: `0.8ms`, `12ms`, `340ms`, `4.99s`, `2m05s`; truncated.
#[must_use]
pub fn millis(ms: f64) -> String {
    let ms = ms + 1e-9;
    if ms < 10.0 {
        format!("{}.{}ms", trunc_i64(ms), trunc_i64(ms * 10.0) % 10)
    } else if ms < 1_000.0 {
        format!("{}ms", trunc_i64(ms))
    } else if ms < 60_000.0 {
        format!("{}.{:02}s", trunc_i64(ms / 1_000.0), trunc_i64(ms / 10.0) % 100)
    } else {
        let s = trunc_i64(ms / 1_000.0);
        format!("{}m{:02}s", s / 60, s % 60)
    }
}

/// Cores with one decimal, two below 1.
#[must_use]
pub fn cores(cores: f64) -> String {
    if cores < 1.0 { format!("{cores:.2}") } else { format!("{cores:.1}") }
}

/// A figure in the unit of the threshold's metric.
#[must_use]
pub fn threshold_figure(spec: &ThresholdSpec, value: f64) -> String {
    match catalogue::find(spec.metric().name()).map(|metric| metric.contains) {
        Some(Contains::Time) => millis(value),
        Some(Contains::Share) => percent(value),
        Some(Contains::Money) => format!("{value:.2}"),
        Some(Contains::Data | Contains::Number) | None => {
            if (value - libm::round(value)).abs() < 1e-9 || value >= 1_000.0 {
                grouped(value + 1e-9)
            } else {
                format!("{value:.2}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_round_up() {
        let rows = [
            (1.0, "100%"),
            (0.99996, "99%"),
            (0.78, "78%"),
            (0.0492, "4.92%"),
            (3e-5, "<0.01%"),
            (0.0, "0%"),
        ];
        for (share, text) in rows {
            assert_eq!(percent(share), text);
        }
    }

    #[test]
    fn times_are_cut_and_never_leave_their_unit_early() {
        let rows = [
            (0.84, "0.8ms"),
            (12.9, "12ms"),
            (999.9, "999ms"),
            (4_996.0, "4.99s"),
            (125_000.0, "2m05s"),
        ];
        for (ms, text) in rows {
            assert_eq!(millis(ms), text);
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(3_180_000.9), "3,180,000");
        assert_eq!(grouped(-1_800.0), "-1,800");
        assert_eq!(rate(133.3), "133");
        assert_eq!(rate(1.25), "1.2");
    }
}
