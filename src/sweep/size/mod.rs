//! Sizing: the figures that meet the thresholds of scenarios at least cost, and how far they carry.
//!
//! Floor 9. Requests, autoscalers and nodes are chosen together, for advice that looks at one of them
//! is chased by the others. The way:
//! 1. A run in which nothing is bounded tells what the load needs ([`trial`]).
//! 2. A first guess in closed form ([`guess`]): the utilisation law, pod by pod.
//! 3. A search on the fluid model (`search`, `pools`): what fails is stepped up, what is too much
//!    down, in all scenarios at once. Scenarios that rates do not know are searched by requests.
//! 4. Proof ([`plans`]): the scenario as it is written, with as many seeds as asked for; what fails
//!    there is repaired and proven again.
//! 5. The outlook ([`outlook`]): how much more load, what a lost node or zone does, what is needed at
//!    the quietest and the busiest.
//!
//! Every step is a function of scenarios and options: the same figures come out for any number of
//! threads.

pub mod figures;
pub mod guess;
pub mod outlook;
pub mod parts;
pub mod plans;
mod pools;
mod search;
pub mod trial;
mod trim;

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::scenario::Scenario;
use crate::sweep::SweepError;

pub use figures::{Amount, Field, Figure, Figures, Owner, now};
pub use outlook::{Headroom, Need, Tolerance};
pub use search::one_step_down;

/// How a sizing is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeOptions {
    /// Seeds of the proof.
    pub runs: u32,
    /// Threads; 0 is one per core.
    pub jobs: usize,
    /// Which plan is proven with all seeds, and told in full.
    pub plan: PlanKind,
    /// A threshold without samples fails.
    pub strict: bool,
    /// Seeds with which headroom and losses are asked of the scenarios as they are written; 0: the model
    /// of the search answers.
    pub outlook_runs: u32,
    /// Machine families of the catalogue that pools may be moved to beside their own (`c6i`); a GPU stays
    /// what it is, as service times were measured on it.
    pub families: Vec<String>,
}

/// The plans there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlanKind {
    /// As few changes as make every threshold hold.
    Smallest,
    /// What requests, targets and budgets should be, with margins.
    Recommended,
    /// As little as holds, margins given up.
    Cheapest,
}

impl PlanKind {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smallest => "smallest",
            Self::Recommended => "recommended",
            Self::Cheapest => "cheapest",
        }
    }
}

/// A set of figures and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Which.
    pub kind: PlanKind,
    /// What it sets, other than today's figures.
    pub changes: Figures,
    /// The arithmetic behind each.
    pub reasons: BTreeMap<Figure, String>,
    /// What it does by the rates of the fluid model.
    pub outcome: PlanOutcome,
    /// The proof, where one was made.
    pub proof: Option<Proof>,
}

/// What figures do.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanOutcome {
    /// Whether every threshold of every scenario holds.
    pub holds: bool,
    /// Those that do not.
    pub failed: Vec<String>,
    /// The highest cost over a month of the scenarios; `None` when a price is unknown.
    pub cost: Option<Decimal>,
    /// Nodes of all pools, at least and at most.
    pub nodes: (u32, u32),
    /// The hardest pressed service, its resource and the share of it in use at the worst minute.
    pub pressed: Option<(Arc<str>, &'static str, f64)>,
}

/// Runs of the scenarios as they are written, with the figures in them.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// Seeds with which everything held.
    pub passes: u32,
    /// All.
    pub runs: u32,
    /// What failed, with how many seeds.
    pub failed: BTreeMap<String, u32>,
    /// Figures that were stepped up because the first proof failed.
    pub repaired: u32,
}

/// What each sized service is today and why it should be otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceVerdict {
    /// Name of the service.
    pub service: Arc<str>,
    /// Its workload.
    pub owner: Owner,
    /// The owners of all its figures: workload, containers, autoscaler, budgets.
    pub owners: Vec<Owner>,
    /// Its place between too small and too large.
    pub finding: Finding,
    /// Cores in use over cores requested, at the worst minute with today's figures.
    pub used_of_request: Option<f64>,
    /// Share of what its pods can do, at the worst minute with today's figures.
    pub pressure: f64,
}

/// Whether figures fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// A plan raises a figure that holds it back.
    Underprovisioned,
    /// A plan lowers figures.
    Overprovisioned,
    /// Nothing to change.
    Optimized,
}

/// The result of sizing.
#[derive(Debug, Clone, PartialEq)]
pub struct Sizing {
    /// Names of the scenarios.
    pub scenarios: Vec<Arc<str>>,
    /// Currency of all money.
    pub currency: Arc<str>,
    /// Whether the search ran by rates; otherwise request by request.
    pub by_rates: bool,
    /// What today's figures do.
    pub today: PlanOutcome,
    /// The plans: smallest, recommended, cheapest.
    pub plans: Vec<Plan>,
    /// The plan that was asked for, by position.
    pub chosen: usize,
    /// Each service that can be sized.
    pub services: Vec<ServiceVerdict>,
    /// Workloads without a service profile: nobody says what they use.
    pub unmeasured: Vec<String>,
    /// How much more load: today, and with the chosen plan.
    pub headroom: [Headroom; 2],
    /// What happens when something fails at the peak: today, and with the chosen plan.
    pub tolerance: Vec<Tolerance>,
    /// What is needed, from the quietest instant to a lost zone, with the chosen plan.
    pub needs: Vec<Need>,
}

impl Sizing {
    /// The plan that was asked for.
    ///
    /// # Panics
    /// Never: it is one of the plans.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plans[self.chosen]
    }
}

/// Every figure of a scenario that sizing may set, pools aside.
#[must_use]
pub fn possible(scenario: &Scenario) -> Vec<Figure> {
    let mut figures = Vec::new();
    for part in parts::parts(scenario) {
        let resources =
            [Field::CpuRequest, Field::CpuLimit, Field::MemoryRequest, Field::MemoryLimit];
        figures.extend(resources.map(|field| part.container.figure(field)));
        match &part.hpa {
            Some(scaling) => {
                let fields = [Field::MinReplicas, Field::MaxReplicas, Field::CpuTarget];
                figures.extend(fields.map(|field| scaling.owner.figure(field)));
            }
            None => figures.push(part.owner.figure(Field::Replicas)),
        }
        figures.extend(part.budgets.iter().map(|budget| budget.figure(Field::MinAvailable)));
    }
    figures.retain(|figure| now(scenario, figure).is_some());
    figures
}

/// Finds figures that hold in every scenario. The scenarios deploy the same objects. Figures that one
/// value of a chart stands for are `ties`: they are set alike.
///
/// # Errors
/// When the operating system gives no threads.
///
/// # Panics
/// When there is no scenario.
pub fn size(
    scenarios: &[Scenario],
    ties: &[Vec<Figure>],
    options: &SizeOptions,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Sizing, SweepError> {
    assert!(!scenarios.is_empty(), "sizing needs a scenario");
    let jobs = options.jobs;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs)
        .build()
        .map_err(|source| SweepError { jobs, source })?;
    Ok(pool.install(|| plans::sizing(scenarios, ties, options, progress)))
}
