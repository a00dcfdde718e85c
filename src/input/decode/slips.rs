//! Slips of units that have one meaning only: `500 m`, `0.5Gi `, `512MiB`, `"70%"` where the field
//! counts per cent. What is meant is offered as an edit; what could mean two things is not.

use crate::input::scalar::{BareNumber, duration as parse_duration};
use crate::units::quantity::Quantity;

/// A number at the start, and what follows it, blanks aside.
fn parted(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    let end = text.find(|c| !is_number(c)).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    number.parse::<f64>().ok().filter(|number| number.is_finite())?;
    Some((number, unit.trim()))
}

/// The quantity that was meant by a text that is none.
pub(super) fn quantity(text: &str) -> Option<String> {
    let (number, unit) = parted(text)?;
    let suffix = match unit {
        // The right suffixes, behind a blank or with one at the end.
        "n" | "u" | "m" | "k" | "M" | "G" | "T" | "P" | "E" | "Ki" | "Mi" | "Gi" | "Ti" | "Pi"
        | "Ei" | "" => unit,
        "KiB" | "kib" | "KIB" | "ki" | "KI" | "kiB" => "Ki",
        "MiB" | "mib" | "MIB" | "mi" | "MI" => "Mi",
        "GiB" | "gib" | "GIB" | "gi" | "GI" => "Gi",
        "TiB" | "tib" | "TIB" | "ti" | "TI" => "Ti",
        "PiB" | "pib" | "PIB" | "pi" | "PI" => "Pi",
        "kB" | "KB" => "k",
        "MB" => "M",
        "GB" => "G",
        "TB" => "T",
        "PB" => "P",
        "B" | "bytes" | "byte" => "",
        "core" | "cores" | "cpu" | "cpus" | "CPU" | "CPUs" | "vcpu" | "vcpus" | "vCPU"
        | "vCPUs" => "",
        "millicore" | "millicores" | "millicpu" | "mcpu" | "mCPU" | "mcore" | "mcores" => "m",
        _ => return None,
    };
    let meant = format!("{number}{suffix}");
    (meant != text && meant.parse::<Quantity>().is_ok()).then_some(meant)
}

/// The duration that was meant by a text that is none.
pub(super) fn duration(text: &str) -> Option<String> {
    let (number, unit) = parted(text)?;
    let suffix = match &*unit.to_ascii_lowercase() {
        "ns" => "ns",
        "us" | "microseconds" => "us",
        "ms" | "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        "w" | "week" | "weeks" => "w",
        _ => return None,
    };
    // `M` may be months.
    if unit == "M" {
        return None;
    }
    let meant = format!("{number}{suffix}");
    (meant != text && parse_duration(&meant, BareNumber::Refused).is_ok()).then_some(meant)
}

/// A whole number with a unit that the name of its field has already, and what to say of it.
pub(super) fn whole_number(field: &str, text: &str) -> Option<(String, &'static str)> {
    let (number, unit) = parted(text)?;
    let whole = number.parse::<i64>().ok()?.to_string();
    let per_cent = field.contains("tilization") || field.contains("ercent");
    let seconds = field.ends_with("Seconds");
    if unit == "%" && per_cent {
        return Some((whole, "the field is in per cent: write the number alone"));
    }
    if seconds && !unit.is_empty() {
        let nanos =
            parse_duration(&duration(text).unwrap_or_else(|| text.to_owned()), BareNumber::Refused);
        let nanos = nanos.ok().filter(|nanos| nanos % 1_000_000_000 == 0)?;
        let number = (nanos / 1_000_000_000).to_string();
        return Some((number, "the field is in seconds: write the number alone"));
    }
    (unit.is_empty() && text != whole).then_some((whole, "write the number alone"))
}

/// A percentage with a blank in it.
pub(super) fn percentage(text: &str) -> Option<String> {
    let (number, unit) = parted(text)?;
    let meant = format!("{number}%");
    (unit == "%" && meant != text).then_some(meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_mean_one_thing_is_offered() {
        for (text, meant) in [
            ("500 m", Some("500m")),
            ("0.5Gi ", Some("0.5Gi")),
            (" 1Gi", Some("1Gi")),
            ("512MiB", Some("512Mi")),
            ("512mi", Some("512Mi")),
            ("1 GB", Some("1G")),
            ("64K", None),
            ("2 cores", Some("2")),
            ("250 millicores", Some("250m")),
            ("500m", None),
            ("1g", None),
            ("half", None),
            ("0,5", None),
            ("", None),
            ("1.2.3Gi", None),
            ("-", None),
        ] {
            assert_eq!(quantity(text).as_deref(), meant, "{text}");
        }
        for (text, meant) in [
            ("30 s", Some("30s")),
            ("5min", Some("5m")),
            ("2 Hours", Some("2h")),
            ("1M", None),
            ("5", None),
            ("soon", None),
        ] {
            assert_eq!(duration(text).as_deref(), meant, "{text}");
        }
    }

    #[test]
    fn the_field_says_what_a_number_counts() {
        let number = |field, text| whole_number(field, text).map(|(number, _)| number);
        for (field, text, meant) in [
            ("averageUtilization", "70%", Some("70")),
            ("targetCPUUtilizationPercentage", "70 %", Some("70")),
            ("maxReplicas", "70%", None),
            ("periodSeconds", "10s", Some("10")),
            ("terminationGracePeriodSeconds", "2 min", Some("120")),
            ("periodSeconds", "500ms", None),
            ("port", "80 ", Some("80")),
            ("port", "http", None),
        ] {
            assert_eq!(number(field, text).as_deref(), meant, "{field} {text}");
        }
        assert_eq!(percentage("25 %").as_deref(), Some("25%"));
        assert_eq!(percentage("25%"), None);
    }
}
