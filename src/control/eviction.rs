//! The eviction subresource: whether a pod may be disrupted now, and in which words not.
//!
//! kube-apiserver, pkg/registry/core/pod/storage/eviction.go `Create`, `checkAndDecrement`;
//! registry/rest/delete.go `BeforeDelete`; pkg/registry/core/pod/strategy.go `CheckGracefulDelete`.

use std::sync::Arc;

use crate::cluster::pod::PodPhase;
use crate::control::disruption::{DisruptionAllowed, StoredStatus};
use crate::model::Reason;
use crate::model::id::{BudgetId, PodId};
use crate::units::{SimDuration, SimTime};

/// How many approved and unconfirmed evictions a budget holds at most
/// (eviction.go `MaxDisruptedPodSize`).
pub const MAX_DISRUPTED_PODS: usize = 2000;

/// What the server tells a client to wait while it processes a budget.
pub const RETRY_AFTER: SimDuration = SimDuration::from_secs(10);

/// `POST .../eviction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    /// `deleteOptions.dryRun`.
    pub dry_run: bool,
    /// `deleteOptions.gracePeriodSeconds`; `None` is the pod's own.
    pub grace: Option<SimDuration>,
}

/// A pod as the eviction subresource sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodSeen {
    /// Which.
    pub pod: PodId,
    /// `status.phase`.
    pub phase: PodPhase,
    /// Whether its Ready condition is True.
    pub ready: bool,
    /// Whether it is bound to a node.
    pub scheduled: bool,
    /// `terminationGracePeriodSeconds`.
    pub grace: SimDuration,
    /// Its deletion, once it began.
    pub deletion: Option<PendingDeletion>,
}

/// A deletion under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingDeletion {
    /// `deletionTimestamp`: when the pod is killed at the latest.
    pub deadline: SimTime,
    /// `deletionGracePeriodSeconds`.
    pub grace: SimDuration,
}

/// A budget that selects the pod.
#[derive(Debug, Clone, Copy)]
pub struct BudgetSeen<'a> {
    /// Which.
    pub budget: BudgetId,
    /// Its name, for messages.
    pub name: &'a str,
    /// `metadata.generation`.
    pub generation: i64,
    /// `unhealthyPodEvictionPolicy: AlwaysAllow`.
    pub always_allow_unhealthy: bool,
    /// Its stored status.
    pub status: &'a StoredStatus,
}

/// An eviction that was granted (201).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Granted {
    /// What becomes of the pod.
    pub effect: Effect,
    /// The budget that paid for it, and its new status.
    pub spent: Option<(BudgetId, StoredStatus)>,
}

/// What a granted eviction does to the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it was a dry run.
    DryRun,
    /// The object is gone at once.
    Gone,
    /// Its deletion begins or is shortened, and it carries the condition DisruptionTarget.
    Terminates(PendingDeletion),
    /// It terminates already, no later than asked; it carries the condition DisruptionTarget.
    Unchanged,
}

/// An eviction that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// 404: there is no such pod.
    NotFound {
        /// The name that was asked for.
        name: Arc<str>,
    },
    /// 500: more than one budget selects the pod.
    SeveralBudgets,
    /// 429: the budget does not allow it now.
    TooManyRequests {
        /// Which budget.
        budget: BudgetId,
        /// Why.
        cause: Arc<str>,
        /// `Retry-After`.
        retry_after: Option<SimDuration>,
    },
    /// 403: the budget's status is in no state to be spent.
    Forbidden {
        /// Which budget.
        budget: BudgetId,
        /// The server's sentence.
        message: Arc<str>,
    },
}

impl Refusal {
    /// HTTP status code.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::NotFound { .. } => 404,
            Self::SeveralBudgets => 500,
            Self::TooManyRequests { .. } => 429,
            Self::Forbidden { .. } => 403,
        }
    }

    /// `status.reason`; the error about several budgets has none.
    #[must_use]
    pub fn status_reason(&self) -> Option<&'static str> {
        match self {
            Self::NotFound { .. } => Some("NotFound"),
            Self::SeveralBudgets => None,
            Self::TooManyRequests { .. } => Some("TooManyRequests"),
            Self::Forbidden { .. } => Some("Forbidden"),
        }
    }

    /// `status.message`.
    #[must_use]
    pub fn message(&self) -> Arc<str> {
        match self {
            Self::NotFound { name } => Arc::from(format!("pods \"{name}\" not found")),
            Self::SeveralBudgets => Arc::from(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource \
                 does not support.",
            ),
            Self::TooManyRequests { .. } => {
                Arc::from("Cannot evict pod as it would violate the pod's disruption budget.")
            }
            Self::Forbidden { message, .. } => Arc::clone(message),
        }
    }

    /// The message of the cause in the details, which a 429 has.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::TooManyRequests { cause, .. } => Some(cause),
            Self::NotFound { .. } | Self::SeveralBudgets | Self::Forbidden { .. } => None,
        }
    }

    /// `Retry-After`, which only a budget that is still being processed sends.
    #[must_use]
    pub fn retry_after(&self) -> Option<SimDuration> {
        match self {
            Self::TooManyRequests { retry_after, .. } => *retry_after,
            Self::NotFound { .. } | Self::SeveralBudgets | Self::Forbidden { .. } => None,
        }
    }

    /// The budget that refused, if one did.
    #[must_use]
    pub fn budget(&self) -> Option<BudgetId> {
        match self {
            Self::TooManyRequests { budget, .. } | Self::Forbidden { budget, .. } => Some(*budget),
            Self::NotFound { .. } | Self::SeveralBudgets => None,
        }
    }

    /// The refusal as a because: the budget and the most telling of the server's sentences.
    /// `None` for a pod that does not exist, which is no refusal to whoever wants it gone.
    #[must_use]
    pub fn because(&self) -> Option<Reason> {
        match self {
            Self::NotFound { .. } => None,
            Self::SeveralBudgets => Some(Reason::SeveralBudgets),
            Self::TooManyRequests { budget, cause: message, .. }
            | Self::Forbidden { budget, message } => {
                Some(Reason::BudgetRefused { budget: *budget, message: Arc::clone(message) })
            }
        }
    }
}

/// Decides an eviction. `budgets` are all budgets whose selector matches the pod.
///
/// # Errors
///
/// The refusal, in the API server's words.
pub fn evict(
    now: SimTime,
    request: Request,
    pod: &PodSeen,
    budgets: &[BudgetSeen<'_>],
) -> Result<Granted, Refusal> {
    let disrupts_nobody = pod.deletion.is_some() || pod.phase != PodPhase::Running;
    let payer = match budgets {
        _ if disrupts_nobody => None,
        [] => None,
        [budget] if goes_for_free(pod, budget) => None,
        [budget] => Some((budget.budget, spend(now, pod.pod, budget)?)),
        [_, _, ..] => return Err(Refusal::SeveralBudgets),
    };
    if request.dry_run {
        return Ok(Granted { effect: Effect::DryRun, spent: None });
    }
    Ok(Granted { effect: delete(now, request.grace, pod), spent: payer })
}

/// Whether an unready pod may go without touching the budget
/// (eviction.go, `unhealthyPodEvictionPolicy`).
fn goes_for_free(pod: &PodSeen, budget: &BudgetSeen<'_>) -> bool {
    let figures = &budget.status.figures;
    let budget_is_healthy =
        figures.current_healthy >= figures.desired_healthy && figures.desired_healthy > 0;
    !pod.ready && (budget.always_allow_unhealthy || budget_is_healthy)
}

/// Takes one disruption from the stored status (eviction.go `checkAndDecrement`).
fn spend(now: SimTime, pod: PodId, budget: &BudgetSeen<'_>) -> Result<StoredStatus, Refusal> {
    let BudgetSeen { budget: id, name, status: stored, .. } = *budget;
    let too_many = |cause: String, retry_after| Refusal::TooManyRequests {
        budget: id,
        cause: Arc::from(cause),
        retry_after,
    };
    let forbidden = |why: &str| Refusal::Forbidden {
        budget: id,
        message: Arc::from(format!("poddisruptionbudget.policy \"{name}\" is forbidden: {why}")),
    };
    if stored.observed_generation < budget.generation {
        let cause = format!("The disruption budget {name} is still being processed by the server.");
        return Err(too_many(cause, Some(RETRY_AFTER)));
    }
    let figures = &stored.figures;
    if figures.disruptions_allowed < 0 {
        return Err(forbidden("pdb disruptions allowed is negative"));
    }
    if stored.disrupted.len() > MAX_DISRUPTED_PODS {
        return Err(forbidden(
            "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
        ));
    }
    if figures.disruptions_allowed == 0 {
        let cause = match &stored.condition {
            Some(DisruptionAllowed::SyncFailed { message }) => format!(
                "The disruption budget {name} does not allow evicting pods currently because it \
                 failed sync: {message}"
            ),
            _ if figures.current_healthy <= figures.desired_healthy => format!(
                "The disruption budget {name} needs {} healthy pods and has {} currently",
                figures.desired_healthy, figures.current_healthy
            ),
            _ => format!("The disruption budget {name} does not allow evicting pods currently"),
        };
        return Err(too_many(cause, None));
    }
    let mut status = stored.clone();
    status.figures.disruptions_allowed -= 1;
    if status.figures.disruptions_allowed == 0 {
        status.condition = Some(DisruptionAllowed::InsufficientPods);
    }
    status.disrupted.insert(pod, now.floor_to_second());
    Ok(status)
}

/// Deletes a pod with the given grace, or its own. A deletion under way can only be shortened, and
/// not into the past: then a second is left.
#[must_use]
pub fn delete(now: SimTime, grace: Option<SimDuration>, pod: &PodSeen) -> Effect {
    if let Some(pending) = pod.deletion {
        // A deletion without any grace left was interrupted; the next one ends it.
        if pending.grace.is_zero() {
            return Effect::Gone;
        }
        let Some(shorter) = grace.filter(|&grace| grace < pending.grace) else {
            return Effect::Unchanged;
        };
        let deadline = pending.deadline.before(pending.grace.saturating_sub(shorter));
        return if deadline < now && !shorter.is_zero() {
            terminate(now.floor_to_second(), SimDuration::from_secs(1))
        } else {
            terminate(deadline, shorter)
        };
    }
    let ended = matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed);
    let grace =
        if ended || !pod.scheduled { SimDuration::ZERO } else { grace.unwrap_or(pod.grace) };
    terminate((now + grace).floor_to_second(), grace)
}

fn terminate(deadline: SimTime, grace: SimDuration) -> Effect {
    if grace.is_zero() {
        Effect::Gone
    } else {
        Effect::Terminates(PendingDeletion { deadline, grace })
    }
}
