//! Alerts of a run: rules evaluated on what Prometheus would have scraped, and what was expected.
//!
//! Floor 7. [`AlertWatch`] is an observer: it keeps the samples that rules look back for and no more,
//! evaluates every group at its interval, and folds pending and firing alerts into spans. Times count
//! from the start of measuring and are negative during the warm-up.
//!
//! - `watch`: the observer.
//! - `requests`: requests as the counters and histograms of services and the ingress.
//! - [`outcome`]: what became of each rule and expectation.

pub mod outcome;
mod requests;
mod watch;

pub use outcome::{
    AlertInstance, AlertOutcome, AlertSpan, Alerted, ExpectationOutcome, State, firing, union,
};
pub use watch::AlertWatch;
