//! The page of a sizing as a value, and what writes it: text, JSON, Markdown.

mod markdown;
mod text;

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;

use crate::findings::text::of_its;
use crate::metrics::cost::cents;
use crate::scenario::Scenario;
use crate::sweep::size::outlook::multiple;
use crate::sweep::size::plans::{is_pool, risk};
use crate::sweep::size::{
    Amount, Figure, Finding, Headroom, Plan, PlanOutcome, ServiceVerdict, Sizing, now,
};
use crate::units::convert::round_i64;

pub use markdown::markdown;
pub use text::text;

/// A sizing, ready to be written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SizingPage {
    /// Version of this form.
    pub version: &'static str,
    /// Names of the scenarios that the figures hold in.
    pub scenarios: Vec<String>,
    /// How the figures were found.
    pub method: String,
    /// ISO 4217 code of all money.
    pub currency: String,
    /// Name of the plan that is told in full.
    pub plan: &'static str,
    /// Today's figures.
    pub today: PlanEntry,
    /// The plans.
    pub plans: Vec<PlanEntry>,
    /// Services with the figures of the plan.
    pub services: Vec<ServiceEntry>,
    /// Every figure that any plan changes, with what each plan makes of it.
    pub matrix: Vec<MatrixRow>,
    /// Node pools with the figures of the plan.
    pub node_pools: Vec<RowEntry>,
    /// Workloads that nobody says the use of.
    pub not_measured: Vec<String>,
    /// More load: today, with the plan.
    pub headroom: Vec<HeadroomEntry>,
    /// Losses at the peak.
    pub tolerance: Vec<ToleranceEntry>,
    /// What is needed and what it costs.
    pub needs: Vec<NeedEntry>,
    /// What someone has stated is enough, when it was given.
    pub stated: Option<StatedEntry>,
}

/// A plan in a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanEntry {
    /// Its name; `today` for the figures there are.
    pub name: &'static str,
    /// What it changes, in a few words.
    pub changes: String,
    /// How many figures.
    pub changed: usize,
    /// Whether every threshold holds: in every run of the proof, or by the search's model without one.
    pub holds: bool,
    /// Thresholds that do not.
    pub failed: Vec<String>,
    /// Nodes, at least.
    pub nodes_min: u32,
    /// Nodes, at most.
    pub nodes_max: u32,
    /// Cost over a month.
    pub cost_per_month: Option<String>,
    /// Against today.
    pub cost_change: Option<String>,
    /// What is left at the worst minute: `dicomService 71% of its CPU limit`.
    pub pressed: Option<String>,
    /// Seeds with which everything held, of how many: the proof.
    pub passes: Option<u32>,
    /// All seeds of the proof.
    pub runs: Option<u32>,
    /// What failed in the proof, with how many seeds.
    pub failed_in_proof: BTreeMap<String, u32>,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceEntry {
    /// Name of the service.
    pub service: String,
    /// Its workload.
    pub workload: String,
    /// `Underprovisioned`, `Overprovisioned` or `Optimized`.
    pub finding: &'static str,
    /// The highest risk of its figures.
    pub risk: &'static str,
    /// Share of what its pods can do, at the worst minute today.
    pub pressure: f64,
    /// Its figures that change.
    pub rows: Vec<RowEntry>,
}

/// A figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowEntry {
    /// The object, `Deployment/gateway`.
    pub object: String,
    /// The field: the key of the chart's values where there is one, else the object's own.
    pub field: String,
    /// What it is.
    pub now: String,
    /// What it shall be.
    pub set_to: String,
    /// The arithmetic.
    pub because: String,
    /// `VeryLow`, `Low`, `Medium`, `High`.
    pub risk: &'static str,
}

/// A figure under every plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MatrixRow {
    /// The object, `Deployment/gateway`.
    pub object: String,
    /// The field: the key of the chart's values where there is one, else the object's own.
    pub field: String,
    /// What it is.
    pub now: String,
    /// What it shall be, in the order of the plans; `None` where a plan leaves it.
    pub plans: Vec<Option<String>>,
    /// The arithmetic: of the plan that is told in full, or else of the first that changes it.
    pub because: String,
    /// The risk with the plan that is told in full; `None` where that leaves the figure.
    pub risk: Option<&'static str>,
}

/// More load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeadroomEntry {
    /// `today` or the plan.
    pub figures: &'static str,
    /// The largest multiple of the load that holds; 0 when not even the load does.
    pub holds_at: f64,
    /// The smallest seen to fail.
    pub fails_at: Option<f64>,
    /// Thresholds that fail there.
    pub failed: Vec<String>,
    /// The service and its resource that are hardest pressed there.
    pub binds: Option<String>,
    /// Which model says so.
    pub found: String,
}

/// A loss at the peak.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToleranceEntry {
    /// What is lost.
    pub lost: String,
    /// Whether everything holds today.
    pub today: bool,
    /// Whether everything holds with the plan.
    pub plan: bool,
    /// What fails with the plan.
    pub failed: Vec<String>,
    /// Which model says so.
    pub found: String,
}

/// What is needed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NeedEntry {
    /// Which figures need it: `today`, or the plan's name.
    pub figures: &'static str,
    /// When.
    pub when: String,
    /// Cores that pods request.
    pub cpu: f64,
    /// Memory that pods request (GiB).
    pub memory_gib: f64,
    /// GPUs that pods request.
    pub gpus: i64,
    /// Storage that is claimed (GiB).
    pub storage_gib: f64,
    /// Nodes.
    pub nodes: u32,
    /// A month of such hours.
    pub cost_per_month: Option<String>,
}

/// What someone has stated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatedEntry {
    /// Its name.
    pub name: String,
    /// Cores.
    pub cpu: Option<f64>,
    /// Memory (GiB).
    pub memory_gib: Option<f64>,
    /// GPUs.
    pub gpus: Option<i64>,
    /// Storage (GiB).
    pub storage_gib: Option<f64>,
    /// What is not enough, and when: `memory: 256 GiB stated, needed: 301 GiB (peak)`.
    pub short: Vec<String>,
    /// The resources of which there is not enough, and whether that is with today's figures.
    #[serde(skip)]
    pub lacks: Vec<(bool, &'static str)>,
}

/// Makes the page. `keys` are the chart's keys of figures, where they are known.
#[must_use]
pub fn page(
    sizing: &Sizing,
    scenario: &Scenario,
    keys: &BTreeMap<Figure, String>,
    stated: Option<StatedEntry>,
) -> SizingPage {
    let plan = sizing.plan();
    let row = |figure: &Figure, amount: &Amount| row(scenario, sizing, plan, keys, figure, amount);
    let services = sizing.services.iter().map(|service| service_entry(service, plan, &row));
    let pools = plan.changes.0.iter().filter(|(figure, _)| is_pool(&figure.owner));
    let needs = sizing.needs.iter();
    let needs: Vec<NeedEntry> = needs.map(|need| need_entry(need, plan.kind.name())).collect();
    SizingPage {
        version: "1.0.0",
        scenarios: sizing.scenarios.iter().map(ToString::to_string).collect(),
        method: method(sizing),
        currency: sizing.currency.to_string(),
        plan: plan.kind.name(),
        today: plan_entry("today", None, &sizing.today, None, keys),
        plans: sizing
            .plans
            .iter()
            .map(|plan| {
                let cost = sizing.today.cost;
                plan_entry(plan.kind.name(), Some(plan), &plan.outcome, cost, keys)
            })
            .collect(),
        services: services.collect(),
        matrix: matrix(scenario, sizing, keys),
        node_pools: pools.map(|(figure, amount)| row(figure, amount)).collect(),
        not_measured: sizing.unmeasured.clone(),
        headroom: ["today", plan.kind.name()]
            .into_iter()
            .zip(&sizing.headroom)
            .map(|(figures, headroom)| headroom_entry(sizing, figures, headroom))
            .collect(),
        tolerance: sizing
            .tolerance
            .iter()
            .map(|loss| ToleranceEntry {
                lost: loss.lost.clone(),
                today: loss.holds[0],
                plan: loss.holds[1],
                failed: loss.failed[1].clone(),
                found: found(sizing, loss.proven),
            })
            .collect(),
        stated: stated.map(|stated| against(stated, &needs)),
        needs,
    }
}

/// One JSON document.
///
/// # Panics
/// Never: the page is plain data.
#[must_use]
pub fn json(page: &SizingPage) -> String {
    serde_json::to_string_pretty(page).expect("plain data can be written") + "\n"
}

impl NeedEntry {
    /// When, and with which figures where that is not the plan: `peak, figures of today`.
    #[must_use]
    pub fn told(&self) -> String {
        if self.figures == "today" {
            format!("{}, figures of today", self.when)
        } else {
            self.when.clone()
        }
    }
}

/// What the page says in a sentence or two: whether today's figures hold, what the plan is worth, and
/// whether what was stated is enough.
#[must_use]
pub fn verdict(page: &SizingPage) -> String {
    let mut said =
        format!("Today's figures {}.", if page.today.holds { "hold" } else { "do not hold" });
    let plan = page.plans.iter().find(|plan| plan.name == page.plan);
    if let Some(plan) = plan.filter(|plan| plan.changed > 0) {
        said.push_str(&format!(" The {} figures", plan.name));
        if let (Some(passes), Some(runs)) = (plan.passes, plan.runs) {
            said.push_str(&format!(" pass with {passes} of {runs} seeds"));
        }
        if let Some(cost) = &plan.cost_per_month {
            said.push_str(&format!(" and cost {cost} {} a month", page.currency));
            said.push_str(&against_today(page, cost));
        }
        said.push('.');
    } else if plan.is_some() {
        said.push_str(&format!(" The {} plan changes nothing.", page.plan));
    }
    if let Some(stated) = &page.stated {
        said.push_str(&enough(stated, page));
    }
    said
}

/// `, 20% less than today`.
fn against_today(page: &SizingPage, cost: &str) -> String {
    let money = |text: &str| text.parse::<Decimal>().ok();
    let today = page.today.cost_per_month.as_deref().and_then(money);
    let (Some(cost), Some(today)) = (money(cost), today) else { return String::new() };
    if today.is_zero() || cost == today {
        return String::new();
    }
    let share = ((cost - today).abs() / today * Decimal::ONE_HUNDRED).round_dp(1);
    format!(", {share}% {} than today", if cost < today { "less" } else { "more" })
}

/// Whether what was stated is enough, with the plan and with today's figures.
fn enough(stated: &StatedEntry, page: &SizingPage) -> String {
    let word = |today: bool| {
        let lacks = stated.lacks.iter().filter(|(side, _)| *side == today);
        let names: Vec<&str> = lacks.map(|(_, what)| *what).collect();
        if names.is_empty() {
            "enough".to_owned()
        } else {
            format!("too little {}", names.join(" and "))
        }
    };
    let plan = format!(
        " What is stated ({}) is {} with the {} figures",
        stated.name,
        word(false),
        page.plan
    );
    if page.needs.iter().any(|need| need.figures == "today") {
        format!("{plan}, {} with today's.", word(true))
    } else {
        format!("{plan}.")
    }
}

fn method(sizing: &Sizing) -> String {
    let search = if sizing.by_rates {
        "searched by the fluid model"
    } else {
        "searched request by request (the fluid model does not know this scenario)"
    };
    let proof = sizing.plan().proof.as_ref().map_or_else(String::new, |proof| {
        format!(", proven with {} seeds of each scenario as it is written", proof.runs)
    });
    format!("first guess by the utilisation law, {search}{proof}")
}

fn row(
    scenario: &Scenario,
    sizing: &Sizing,
    plan: &Plan,
    keys: &BTreeMap<Figure, String>,
    figure: &Figure,
    amount: &Amount,
) -> RowEntry {
    let before = now(scenario, figure).unwrap_or(Amount::Absent);
    let service = sizing.services.iter().find(|it| it.owners.contains(&figure.owner));
    let share = service.map(|service| service.pressure);
    RowEntry {
        object: figure.owner.to_string(),
        field: keys.get(figure).cloned().unwrap_or_else(|| figure.field.path().to_owned()),
        now: before.to_string(),
        set_to: amount.to_string(),
        because: plan.reasons.get(figure).cloned().unwrap_or_default(),
        risk: risk(&before, amount, share),
    }
}

fn service_entry(
    service: &ServiceVerdict,
    plan: &Plan,
    row: &dyn Fn(&Figure, &Amount) -> RowEntry,
) -> ServiceEntry {
    let own = plan.changes.0.iter().filter(|(figure, _)| service.owners.contains(&figure.owner));
    let rows: Vec<RowEntry> = own.map(|(figure, amount)| row(figure, amount)).collect();
    let order = ["VeryLow", "Low", "Medium", "High"];
    let risks = rows.iter().filter_map(|row| order.iter().position(|risk| *risk == row.risk));
    ServiceEntry {
        service: service.service.to_string(),
        workload: service.owner.to_string(),
        finding: match service.finding {
            Finding::Underprovisioned => "Underprovisioned",
            Finding::Overprovisioned => "Overprovisioned",
            Finding::Optimized => "Optimized",
        },
        risk: risks.max().map_or("VeryLow", |at| order[at]),
        pressure: rounded(service.pressure),
        rows,
    }
}

fn plan_entry(
    name: &'static str,
    plan: Option<&Plan>,
    outcome: &PlanOutcome,
    today: Option<Decimal>,
    keys: &BTreeMap<Figure, String>,
) -> PlanEntry {
    let changed = plan.map_or(0, |plan| plan.changes.0.len());
    let changes = match plan {
        None => String::new(),
        Some(plan) if changed == 1 => {
            let only = plan.changes.0.iter().next();
            only.map_or_else(String::new, |(figure, amount)| {
                let own = || format!("{} {}", figure.owner, figure.field.path());
                format!("{} to {amount}", keys.get(figure).cloned().unwrap_or_else(own))
            })
        }
        Some(_) if changed == 0 => "nothing".to_owned(),
        Some(_) => format!("{changed} figures"),
    };
    let proof = plan.and_then(|plan| plan.proof.as_ref());
    PlanEntry {
        name,
        changes,
        changed,
        // Where there is a proof, it says more than the search.
        holds: proof.map_or(outcome.holds, |proof| proof.passes == proof.runs),
        failed: outcome.failed.clone(),
        nodes_min: outcome.nodes.0,
        nodes_max: outcome.nodes.1,
        cost_per_month: outcome.cost.map(|cost| cents(cost).to_string()),
        cost_change: outcome.cost.zip(today).map(|(cost, today)| {
            let change = cents(cost) - cents(today);
            let sign = if change.is_sign_negative() { "" } else { "+" };
            format!("{sign}{change}")
        }),
        pressed: outcome
            .pressed
            .as_ref()
            .map(|(service, resource, share)| format!("{service} at {}", of_its(*share, resource))),
        passes: proof.map(|proof| proof.passes),
        runs: proof.map(|proof| proof.runs),
        failed_in_proof: proof.map(|proof| proof.failed.clone()).unwrap_or_default(),
    }
}

/// Which model a figure comes from.
fn found(sizing: &Sizing, proven: Option<u32>) -> String {
    match proven {
        Some(1) => "as written, one seed".to_owned(),
        Some(runs) => format!("as written, {runs} seeds"),
        None if sizing.by_rates => "fluid model".to_owned(),
        None => "request by request, one seed".to_owned(),
    }
}

/// Every figure that any plan changes: workloads first, as their owners are sorted.
fn matrix(scenario: &Scenario, sizing: &Sizing, keys: &BTreeMap<Figure, String>) -> Vec<MatrixRow> {
    let all = sizing.plans.iter().flat_map(|plan| plan.changes.0.keys());
    let figures: std::collections::BTreeSet<&Figure> = all.collect();
    let row = |figure: &Figure| {
        let of = |plan: &Plan| plan.changes.0.get(figure).cloned();
        let before = now(scenario, figure).unwrap_or(Amount::Absent);
        let service = sizing.services.iter().find(|it| it.owners.contains(&figure.owner));
        let share = service.map(|service| service.pressure);
        let told = [sizing.plan()].into_iter().chain(&sizing.plans);
        let because = told.filter(|plan| of(plan).is_some()).find_map(|it| it.reasons.get(figure));
        MatrixRow {
            object: figure.owner.to_string(),
            field: keys.get(figure).cloned().unwrap_or_else(|| figure.field.path().to_owned()),
            now: before.to_string(),
            plans: sizing.plans.iter().map(|plan| of(plan).map(|it| it.to_string())).collect(),
            because: because.cloned().unwrap_or_default(),
            risk: of(sizing.plan()).map(|amount| risk(&before, &amount, share)),
        }
    };
    figures.into_iter().map(row).collect()
}

fn headroom_entry(sizing: &Sizing, figures: &'static str, headroom: &Headroom) -> HeadroomEntry {
    HeadroomEntry {
        figures,
        holds_at: multiple(headroom.holds_at),
        fails_at: headroom.fails_at.map(multiple),
        failed: headroom.failed.clone(),
        binds: headroom.binds.as_ref().map(|(service, what)| format!("{service}: {what}")),
        found: found(sizing, headroom.proven),
    }
}

fn need_entry(need: &crate::sweep::size::Need, plan: &'static str) -> NeedEntry {
    const GIB: f64 = 1_073_741_824.0;
    NeedEntry {
        figures: if need.today { "today" } else { plan },
        when: need.when.clone(),
        cpu: rounded(need.cores),
        memory_gib: rounded(need.memory / GIB),
        gpus: need.gpus,
        storage_gib: rounded(need.storage / GIB),
        nodes: need.nodes,
        cost_per_month: need.cost_per_month.map(|cost| cost.to_string()),
    }
}

/// In hundredths: what lies below is no figure of a plan.
fn rounded(value: f64) -> f64 {
    crate::units::convert::f64_from_i64(round_i64(value * 100.0)) / 100.0
}

/// What is stated against what is needed: a sentence for each resource of which there is too little, with
/// the plan and with today's figures.
fn against(mut stated: StatedEntry, needs: &[NeedEntry]) -> StatedEntry {
    let count = crate::units::convert::f64_from_i64;
    type Needed = fn(&NeedEntry) -> f64;
    let resources: [(&'static str, &str, Option<f64>, Needed); 4] = [
        ("CPU", "", stated.cpu, |need| need.cpu),
        ("memory", " GiB", stated.memory_gib, |need| need.memory_gib),
        ("GPUs", "", stated.gpus.map(count), |need| crate::units::convert::f64_from_i64(need.gpus)),
        ("storage", " GiB", stated.storage_gib, |need| need.storage_gib),
    ];
    for today in [false, true] {
        for (what, unit, has, needed) in resources {
            let Some(has) = has else { continue };
            let of_side = needs.iter().filter(|need| (need.figures == "today") == today);
            let short: Vec<String> = of_side
                .filter(|need| needed(need) > has + 1e-9)
                .map(|need| format!("{}{unit} ({})", shown(needed(need)), need.when))
                .collect();
            if short.is_empty() {
                continue;
            }
            let whose = if today { " with today's figures" } else { "" };
            let (has, needed) = (shown(has), short.join(", "));
            stated.short.push(format!("{what}{whose}: {has}{unit} stated, needed: {needed}"));
            stated.lacks.push((today, what));
        }
    }
    stated
}

/// Whole, with a decimal below ten where there is one.
fn shown(value: f64) -> String {
    if value < 9.95 && (value - value.round()).abs() > 0.05 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}
