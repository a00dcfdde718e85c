//! What a controller of live objects answers.

use crate::model::{Action, Reason};
use crate::units::SimDuration;

/// What a controller wants done, and why; also when it wants nothing.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Decision {
    /// What is to be done, in this order.
    pub actions: Vec<Action>,
    /// Why.
    pub reason: Reason,
    /// When to look again at the latest although nothing happens; zero when what was just decided
    /// asks for another look.
    pub look_again: Option<SimDuration>,
}

impl Decision {
    /// Wants nothing, and why.
    pub fn nothing(reason: Reason) -> Self {
        Self { actions: Vec::new(), reason, look_again: None }
    }

    /// Adds what another controller of the same object decided. The first reason that is not
    /// [`Reason::InSync`] stands.
    pub fn merge(&mut self, other: Self) {
        self.actions.extend(other.actions);
        if self.reason == Reason::InSync {
            self.reason = other.reason;
        }
        self.look_again = earlier(self.look_again, other.look_again);
    }
}

/// The earlier of two re-checks.
#[must_use]
pub fn earlier(one: Option<SimDuration>, other: Option<SimDuration>) -> Option<SimDuration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
