//! Who may talk to whom: calls, ingress backends, scrapes and names, each held against the
//! NetworkPolicies.

mod addresses;
pub(super) mod calls;
pub(super) mod edge;
mod policies;
pub(super) mod ports;

use crate::checks::subject::Subject;

pub use calls::CallVerdict;

pub(super) fn check(subject: &Subject<'_>) {
    edge::backends_exist(subject);
    if !subject.material.extras.policies.is_empty() {
        calls::check(subject);
        edge::backends_reachable(subject);
        edge::scrapes(subject);
        edge::names(subject);
    }
}
