//! What a run measured: distributions, counts, series, node-hours and money, warm-up removed.
//!
//! Floor 7. [`Measurements`] is an observer that folds what it hears; its memory depends on the
//! scenario and on the number of sampling instants, never on the number of requests. Names are not
//! kept: ids are positions in the [`crate::scenario::Scenario`], which the questions are asked with.
//!
//! - [`measurements`]: the folding.
//! - [`series`], [`tally`], [`calls`]: what it folds into.
//! - [`value`]: any metric of the threshold catalogue, by tags.
//! - [`judge`]: thresholds, with when they were first violated and for how long.
//! - [`cost`]: money, from node-hours, control plane and volumes.
//! - [`little`]: Little's law of each station, a check of the whole machinery.

pub mod calls;
pub mod cost;
mod course;
pub mod judge;
pub mod little;
pub mod measurements;
pub mod node_time;
pub mod placed;
pub mod scaling;
pub mod series;
pub mod start_up;
pub mod tally;
pub mod value;
mod watch;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use calls::{CallFigures, EndCounts, IterationFigures};
pub use cost::Cost;
pub use course::{Aborted, CoursePoint};
pub use judge::ThresholdResult;
pub use little::LittleLaw;
pub use measurements::{Measurements, StationFigures};
pub use series::{CallsPoint, Series, StationPoint, TrafficPoint};
pub use tally::{Precision, Tally};
pub use value::MetricView;
