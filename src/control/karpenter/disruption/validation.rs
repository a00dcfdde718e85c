//! A second look before nodes go: whether what was found fifteen seconds ago still holds.
//!
//! sigs.k8s.io/karpenter, pkg/controllers/disruption/validation.go.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::candidate::{Candidate, candidates};
use super::{Command, Method, Sight, budget_mapping, is_wanted, simulate};

/// Why a command is dropped, in the word of Karpenter's event `ConsolidationRejected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// Nodes are no candidates any more.
    Churn,
    /// Budgets allow less, or pods are expected on a node.
    Budget,
    /// Pods would go elsewhere now.
    Scheduling,
}

impl Invalid {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Churn => "churn",
            Self::Budget => "budget",
            Self::Scheduling => "scheduling",
        }
    }
}

/// The command as it may be carried out. Of empty nodes those that no longer may go are left out;
/// any other command holds as a whole or not at all.
pub(crate) fn validate(sight: &Sight<'_>, command: Command) -> Result<Command, Invalid> {
    let still = still_candidates(sight, &command);
    if command.method == Method::Emptiness {
        if still.is_empty() {
            return Err(Invalid::Churn);
        }
        let (mut mapping, _) = budget_mapping(sight, command.method.reason());
        let mut left = still;
        left.retain(|candidate| {
            let allowed = mapping[candidate.pool] > 0;
            mapping[candidate.pool] -= i32::from(allowed);
            allowed
        });
        if left.is_empty() {
            return Err(Invalid::Budget);
        }
        return Ok(Command { candidates: left, ..command });
    }
    if still.len() != command.candidates.len() {
        return Err(Invalid::Churn);
    }
    let (mut mapping, _) = budget_mapping(sight, command.method.reason());
    for candidate in &still {
        if mapping[candidate.pool] == 0 {
            return Err(Invalid::Budget);
        }
        mapping[candidate.pool] -= 1;
    }
    same_result(sight, &command, &still)?;
    Ok(command)
}

fn still_candidates(sight: &Sight<'_>, command: &Command) -> Vec<Candidate> {
    let names: BTreeSet<_> = command.candidates.iter().map(|it| it.node.id).collect();
    let (all, _) = candidates(sight, super::Class::Graceful);
    let wanted = all.into_iter().filter(|it| names.contains(&it.node.id));
    wanted.filter(|it| is_wanted(sight, command.method, it, &mut Vec::new())).collect()
}

/// Another plan has to come to the same: as many new nodes, of types among which those of the command
/// are.
fn same_result(sight: &Sight<'_>, command: &Command, still: &[Candidate]) -> Result<(), Invalid> {
    let results = simulate(sight, still, true);
    if !results.all_settled() {
        return Err(Invalid::Scheduling);
    }
    match (&results.claims[..], &command.replacements[..]) {
        ([], []) => Ok(()),
        ([planned], [wanted]) => {
            let open: BTreeSet<&Arc<str>> = planned.choices.iter().map(|it| it.name()).collect();
            let all = wanted.choices.iter().all(|it| open.contains(it.name()));
            if all { Ok(()) } else { Err(Invalid::Scheduling) }
        }
        _ => Err(Invalid::Scheduling),
    }
}
