//! What can never work, found before anything runs: rules over the documents of a release, each with
//! a stable code, a place, a reason and, where one is known, a fix.
//!
//! Floor 8, beside `findings`, which judges what happened in a run. A rule looks at a [`Subject`]:
//! decoded objects with their trees, and whatever else is given (cluster, service profiles,
//! requirements). It reports [`Diagnostic`]s, the same values as the reader of the documents does, so
//! that one page, one suppression and one set of outputs serve both. Rules use the figures and
//! the arithmetic of the simulated controllers and never an opinion of their own.

mod alerts;
mod autoscalers;
mod budgets;
mod capacity;
mod configuration;
mod constraints;
mod monitors;
mod network;
mod probes;
mod requirements;
mod resources;
mod rollouts;
mod scheduling;
mod selectors;
mod storage;
mod subject;
mod suppress;
mod table;
mod trial;

pub mod examples;
pub mod fix;
pub mod review;

pub use crate::input::codes::Code;
pub use crate::input::diagnostic::Severity;
pub use network::CallVerdict;
pub use review::{Finding, Help, Location, Review, Selection, review};
pub use subject::{Subject, WorkloadView};
pub use table::{Answer, Category};

use crate::input::diagnostic::{Diagnostic, Diagnostics};
use crate::input::material::Material;

/// A theme: rules that look at the same things.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    /// Its name, for lists.
    pub name: &'static str,
    /// Looks, and reports.
    pub check: fn(&Subject<'_>),
}

/// Every theme, in the order in which their findings are made; they are sorted by place afterwards.
pub const THEMES: &[Theme] = &[
    Theme { name: "resources", check: resources::check },
    Theme { name: "autoscalers", check: autoscalers::check },
    Theme { name: "budgets", check: budgets::check },
    Theme { name: "scheduling", check: scheduling::check },
    Theme { name: "constraints", check: constraints::check },
    Theme { name: "capacity", check: capacity::check },
    Theme { name: "requirements", check: requirements::check },
    Theme { name: "storage", check: storage::check },
    Theme { name: "network", check: network::check },
    Theme { name: "probes", check: probes::check },
    Theme { name: "rollouts", check: rollouts::check },
    Theme { name: "configuration", check: configuration::check },
    Theme { name: "selectors", check: selectors::check },
    Theme { name: "alerts", check: alerts::check },
];

/// Everything that the rules find in a material, sorted by place, without what reading it came to.
#[must_use]
pub fn check(material: &Material) -> Vec<Diagnostic> {
    check_with_calls(material).0
}

/// As [`check`], with the calls of the service graph, each judged by the NetworkPolicies.
fn check_with_calls(material: &Material) -> (Vec<Diagnostic>, Vec<CallVerdict>) {
    let diagnostics = Diagnostics::new();
    let subject = Subject::new(material, &diagnostics);
    for theme in THEMES {
        (theme.check)(&subject);
    }
    let calls = network::calls::verdicts(&subject);
    drop(subject);
    (diagnostics.sorted(), calls)
}

#[cfg(test)]
mod tests;
