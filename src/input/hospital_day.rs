//! The executor `hospital-day`: imaging studies as a hospital asks for them, by the hour of the week.

use chrono::Datelike;

use super::decode::{Fields, Value};
use super::load::{Surroundings, span};
use super::recordings::civil_ns;
use crate::load::Executor;
use crate::load::draft::{Bursts, LevelSource};
use crate::load::hospital::Hospital;
use crate::units::SimDuration;

/// Counts of visits are a little more uneven than Poisson's: an index of dispersion of 1.1.
pub(super) const SPACING: Bursts = Bursts { index_of_dispersion: 1.1, swing: 0.8 };

/// Share of emergencies among all studies, unless stated (an assumption).
const EMERGENCY: f64 = 0.3;
/// Share of planned CT studies outside of office hours (Carroll 2003), unless stated.
const OUT_OF_HOURS: f64 = 0.4;

const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// `studiesPerDay`, `emergency`, `outOfHours`, and `weekday` where the scenario's start does not say.
pub(super) fn hospital_day(
    fields: &Fields<'_>,
    begin: SimDuration,
    around: Surroundings<'_>,
) -> Option<Executor> {
    let studies_per_day =
        fields.required("studiesPerDay").and_then(|value| value.number(0.001..=1e9));
    let emergency = fields.read_or("emergency", EMERGENCY, Value::share);
    let out_of_hours = fields.read_or("outOfHours", OUT_OF_HOURS, Value::share);
    let words: Vec<(&str, usize)> = DAYS.into_iter().zip(0..).collect();
    let weekday =
        fields.read_or("weekday", around.weekday.unwrap_or(0), |value| value.word(&words));
    let duration = span(fields, begin, around);
    let hospital = Hospital {
        studies_per_day: studies_per_day?,
        emergency: emergency?,
        out_of_hours: out_of_hours?,
    };
    let clock = around.time_of_day + begin;
    let levels = hospital.levels(weekday?, clock, duration?);
    Some(Executor::Step { levels, source: LevelSource::Hospital })
}

/// The day of the week of a date and time, counted from Monday.
pub(super) fn weekday(start: &str) -> Option<usize> {
    let instant = chrono::DateTime::from_timestamp_nanos(civil_ns(start)?);
    usize::try_from(instant.weekday().num_days_from_monday()).ok()
}
