//! The days of a hospital: how many imaging studies are asked for in each hour of a week.
//!
//! Two parts. *Emergency* studies follow the visits of an emergency department by the hour (arrivals of a
//! university hospital in Iowa), with its busy Mondays. *Planned* ones follow office hours, Monday to Friday
//! from 8 to 17 with its two plateaux, and a part of them comes out of hours (Carroll 2003: CT 40 %, MRI 50 %,
//! ultrasound 18 %).

use crate::load::draft::Level;
use crate::load::rate::Rate;
use crate::units::convert::f64_from_usize;
use crate::units::time::SimDuration;

/// Hours of a week.
const WEEK: usize = 168;

/// Visits of an emergency department by the hour of the day, over their mean.
const VISITS: [f64; 24] = [
    0.68, 0.58, 0.48, 0.40, 0.34, 0.33, 0.37, 0.53, 0.84, 1.11, 1.29, 1.39, 1.41, 1.40, 1.41, 1.44,
    1.49, 1.50, 1.44, 1.39, 1.28, 1.15, 0.97, 0.80,
];

/// The same by the day of the week from Monday on: Monday and Saturday as recorded, the others alike.
const DAYS: [f64; 7] = [1.08, 0.99, 0.99, 0.99, 0.99, 0.97, 0.99];

/// Office hours from 8 to 17: full from 9 to 12 and from 13 to 16, half in the hours between and around
/// (an assumption about the shape; the share of these hours together is recorded).
const OFFICE: [f64; 9] = [0.5, 1.0, 1.0, 1.0, 0.5, 1.0, 1.0, 1.0, 0.5];
const OPENS: usize = 8;

/// A hospital's demand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hospital {
    /// Studies a day, as a mean over the week.
    pub studies_per_day: f64,
    /// The emergency department's share of them, 0 to 1.
    pub emergency: f64,
    /// Share of the planned studies outside of office hours, 0 to 1.
    pub out_of_hours: f64,
}

impl Hospital {
    /// Studies in each hour of the week, from Monday at midnight on.
    #[must_use]
    pub fn hours(&self) -> [f64; WEEK] {
        let week = self.studies_per_day * 7.0;
        let visits: f64 = VISITS.iter().sum::<f64>() * DAYS.iter().sum::<f64>();
        let office = 5.0 * OFFICE.iter().sum::<f64>();
        let closed = f64_from_usize(WEEK - 5 * OFFICE.len());
        std::array::from_fn(|hour| {
            let (day, hour) = (hour / 24, hour % 24);
            let emergency = self.emergency * VISITS[hour] * DAYS[day] / visits;
            let at_work = if day < 5 { OFFICE.get(hour.wrapping_sub(OPENS)) } else { None };
            let planned = match at_work {
                Some(weight) => (1.0 - self.out_of_hours) * weight / office,
                None => self.out_of_hours / closed,
            };
            week * (emergency + (1.0 - self.emergency) * planned)
        })
    }

    /// The levels of a load that begins at an hour of a day of the week (from Monday on) and lasts so long.
    #[must_use]
    pub fn levels(&self, weekday: usize, clock: SimDuration, duration: SimDuration) -> Vec<Level> {
        const HOUR: SimDuration = SimDuration::from_secs(3_600);
        let hours = self.hours();
        let mut at =
            SimDuration::from_secs(86_400) * u64::try_from(weekday % 7).unwrap_or(0) + clock;
        let mut left = duration;
        let mut levels = Vec::new();
        while !left.is_zero() {
            let into = SimDuration::from_nanos(at.as_nanos() % HOUR.as_nanos());
            let length = HOUR.saturating_sub(into).min(left);
            let hour = usize::try_from(at.as_nanos() / HOUR.as_nanos()).unwrap_or(0) % WEEK;
            levels.push(Level { duration: length, rate: Rate::new(hours[hour], HOUR) });
            at += length;
            left = left.saturating_sub(length);
        }
        levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CT: Hospital = Hospital { studies_per_day: 220.0, emergency: 0.3, out_of_hours: 0.4 };

    #[test]
    fn a_week_has_its_studies_and_its_shares() {
        let hours = CT.hours();
        assert!((hours.iter().sum::<f64>() - 7.0 * 220.0).abs() < 1e-9);
        // Without emergencies the recorded multipliers of CT come out: 2.24 within office hours and
        // 0.55 outside of them.
        let planned = Hospital { emergency: 0.0, ..CT }.hours();
        let flat = planned.iter().sum::<f64>() / 168.0;
        let office: f64 =
            (0..5).flat_map(|day| 24 * day + 8..24 * day + 17).map(|h| planned[h]).sum();
        assert!((office / 45.0 / flat - 2.24).abs() < 0.01, "{}", office / 45.0 / flat);
        assert!((planned[6 * 24 + 12] / flat - 0.55).abs() < 0.01);
        // Monday's emergencies are 8 % above the mean.
        let visits = Hospital { emergency: 1.0, ..CT }.hours();
        let monday: f64 = visits[..24].iter().sum();
        assert!((monday / 220.0 - 1.08).abs() < 1e-9);
    }

    #[test]
    fn levels_follow_the_clock_over_midnight_and_the_weekend() {
        let half = SimDuration::from_secs(1_800);
        let levels = CT.levels(6, SimDuration::from_secs(23 * 3_600) + half, half * 4);
        let hours = CT.hours();
        let told: Vec<(u64, f64)> = levels
            .iter()
            .map(|it| (it.duration.as_nanos() / 1_000_000_000, it.rate.count()))
            .collect();
        assert_eq!(told, [(1_800, hours[167]), (3_600, hours[0]), (1_800, hours[1])]);
    }
}
