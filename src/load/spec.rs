//! One load of a scenario as validated.

use crate::load::check;
use crate::load::draft::{Executor, LoadDraft, LoadError, Spacing};
use crate::load::lower;
use crate::load::mix::Mix;
use crate::load::shape::Shape;
use crate::units::time::SimDuration;

/// A load that can run.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadSpec {
    draft: LoadDraft,
    /// The rate of an open load; `None` for a closed one.
    shape: Option<Shape>,
}

impl LoadSpec {
    /// Checks a draft and lowers its rate to a [`Shape`].
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of its fields.
    pub fn new(draft: LoadDraft) -> Result<Self, Vec<LoadError>> {
        let errors = check::check(&draft);
        if errors.is_empty() {
            let shape = lower::shape(&draft.executor);
            Ok(Self { draft, shape })
        } else {
            Err(errors)
        }
    }

    /// The load as written.
    pub(super) const fn draft(&self) -> &LoadDraft {
        &self.draft
    }

    /// Name of the load.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.draft.name
    }

    /// The classes of its iterations.
    #[must_use]
    pub const fn mix(&self) -> &Mix {
        &self.draft.mix
    }

    /// What drives it.
    #[must_use]
    pub const fn executor(&self) -> &Executor {
        &self.draft.executor
    }

    /// How arrivals lie within the rate.
    #[must_use]
    pub const fn spacing(&self) -> Spacing {
        self.draft.spacing
    }

    /// When it begins, counted from the start of the measured time.
    #[must_use]
    pub const fn start_time(&self) -> SimDuration {
        self.draft.start_time
    }

    /// How long iterations under way may go on when the load ends.
    #[must_use]
    pub const fn graceful_stop(&self) -> SimDuration {
        self.draft.graceful_stop
    }

    /// The rate of an open load, counted from its own beginning; `None` for a closed one.
    #[must_use]
    pub const fn shape(&self) -> Option<&Shape> {
        self.shape.as_ref()
    }

    /// When no further iteration starts, counted from the start of the measured time.
    #[must_use]
    pub fn ends_at(&self) -> SimDuration {
        self.start_time() + self.executor().duration()
    }

    /// When iterations still under way are cut off: the end and the graceful stop.
    #[must_use]
    pub fn cut_at(&self) -> SimDuration {
        self.ends_at() + self.graceful_stop()
    }

    /// Iterations a second offered at an instant, counted from the start of the measured time;
    /// `None` for a closed load, whose rate the system decides.
    #[must_use]
    pub fn offered_rate(&self, at: SimDuration) -> Option<f64> {
        let shape = self.shape()?;
        if at < self.start_time() {
            return Some(0.0);
        }
        Some(shape.rate_at(at.saturating_sub(self.start_time())))
    }
}
