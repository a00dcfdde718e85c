//! Figures of runs as people read them, and as lines of JSON that read back as they were.

use serde_json::{Map, Value, json};

use crate::findings::text::{grouped, millis, percent};
use crate::sweep::figures::{Figures, Measure, Unit};
use crate::units::convert::trunc_i64;

/// A figure with its unit: `182ms`, `0.31%`, `412.0`, `$1,204`.
#[must_use]
pub fn shown(measure: Measure, value: f64) -> String {
    let signed = |text: String| if value < 0.0 { format!("-{text}") } else { text };
    let size = value.abs();
    match measure.unit() {
        Unit::Share => signed(percent(size)),
        Unit::Milliseconds => signed(millis(size)),
        Unit::Seconds => signed(millis(size * 1000.0)),
        Unit::Hours => format!("{value:.1}"),
        Unit::Money => signed(format!("${}", grouped(size + 1e-9))),
        Unit::Count if (value - libm::round(value)).abs() < 1e-9 => {
            trunc_i64(libm::round(value)).to_string()
        }
        Unit::Count => format!("{value:.1}"),
    }
}

/// A figure, or a dash for what was not measured.
#[must_use]
pub fn shown_or_dash(measure: Measure, value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| shown(measure, value))
}

/// The figures of a run as JSON, each under its key.
#[must_use]
pub fn to_json(figures: &Figures) -> Value {
    let mut map = Map::from_iter([
        ("replication".to_owned(), json!(figures.replication)),
        ("holds".to_owned(), json!(figures.holds)),
        ("met".to_owned(), json!(figures.met)),
        ("thresholds".to_owned(), json!(figures.thresholds)),
    ]);
    for measure in Measure::ALL {
        map.insert(measure.key().to_owned(), json!(figures.get(measure)));
    }
    map.into()
}

/// The figures that [`to_json`] wrote; `None` of anything else.
#[must_use]
pub fn from_json(value: &Value) -> Option<Figures> {
    let whole = |key: &str| value.get(key).and_then(Value::as_u64);
    let figure = |measure: Measure| match value.get(measure.key()) {
        Some(Value::Null) => Some(None),
        Some(figure) => figure.as_f64().map(Some),
        None => None,
    };
    Some(Figures {
        replication: whole("replication")?,
        holds: value.get("holds").and_then(Value::as_bool)?,
        met: u32::try_from(whole("met")?).ok()?,
        thresholds: u32::try_from(whole("thresholds")?).ok()?,
        values: Measure::ALL.into_iter().map(figure).collect::<Option<Vec<_>>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_back_as_they_were() {
        let mut values: Vec<Option<f64>> =
            (1_u32..=12).map(|n| Some(1.0 / f64::from(n) / 3.0)).collect();
        values[4] = None;
        let figures = Figures { replication: 7, met: 3, thresholds: 5, holds: false, values };
        let text = to_json(&figures).to_string();
        let back = serde_json::from_str(&text).ok().and_then(|value| from_json(&value));
        assert_eq!(back, Some(figures));
        let cut = serde_json::json!({"replication": 7});
        assert_eq!(from_json(&cut), None, "what lacks a figure is no result");
    }

    #[test]
    fn figures_carry_their_unit() {
        for (measure, value, text) in [
            (Measure::P99, 1_425.0, "1.42s"),
            (Measure::ObjectiveMiss, 0.0031, "0.31%"),
            (Measure::CostPerMonth, 1204.7, "$1,204"),
            (Measure::CostPerMonth, -3.2, "-$3"),
            (Measure::PodHours, 412.04, "412.0"),
            (Measure::TimeToScale, 58.4, "58.40s"),
            (Measure::Disruptions, 3.0, "3"),
            (Measure::Disruptions, 2.5, "2.5"),
        ] {
            assert_eq!(shown(measure, value), text);
        }
    }
}
