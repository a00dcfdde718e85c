//! Alert and recording rules, how often they are looked at, and what is expected of them.

pub mod catalogue;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use promql_parser::parser::Expr;

use crate::promql::{Needs, parse};
use crate::units::{Origin, SimDuration};

/// Everything about alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertsSpec {
    /// How often exporters are scraped.
    pub scrape_interval: SimDuration,
    /// How often a group is evaluated that states no interval.
    pub evaluation_interval: SimDuration,
    /// Groups in the order of their documents.
    pub groups: Vec<RuleGroup>,
    /// What must and must not fire.
    pub expectations: Vec<Expectation>,
    /// Metrics that rules ask for and someone must expose.
    pub wanted: BTreeSet<Arc<str>>,
    /// What the clock shows at the beginning of the run (s since 1970), if the scenario says so.
    pub epoch_s: Option<f64>,
}

/// Rules that are evaluated one after another.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleGroup {
    /// `name`.
    pub name: Arc<str>,
    /// `interval`, when stated.
    pub interval: Option<SimDuration>,
    /// Its rules, in order.
    pub rules: Vec<RuleSpec>,
}

/// What a rule makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleKind {
    /// Alerts of a name.
    Alert {
        /// `alert`.
        name: Arc<str>,
        /// `for`.
        hold: SimDuration,
        /// `keep_firing_for`.
        keep: SimDuration,
    },
    /// A metric: `record`.
    Record(Arc<str>),
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSpec {
    /// What it makes.
    pub kind: RuleKind,
    /// `expr`, as written.
    pub text: Arc<str>,
    /// `expr`, parsed.
    pub expression: Arc<Expr>,
    /// `labels`.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// `annotations`.
    pub annotations: Vec<(Arc<str>, Arc<str>)>,
    /// Why it is not evaluated, a few words each; empty when it is.
    pub obstacles: Vec<Arc<str>>,
    /// Where `expr` stands.
    pub origin: Origin,
}

/// What is expected of an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// `alertname`.
    pub alert: Arc<str>,
    /// Labels that the alerts in question carry.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// What must come true.
    pub fires: Fires,
    /// Where it stands.
    pub origin: Origin,
}

/// When an alert must fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fires {
    /// At no measured instant.
    Never,
    /// It must begin to fire in this span, counted from the start of measuring.
    Between {
        /// Not before.
        after: SimDuration,
        /// Not later; the end of the run when not stated.
        before: Option<SimDuration>,
    },
}

/// The interval of scrapes and of evaluations that Prometheus' operator uses when nobody says
/// (prometheus-operator, api.md `scrapeInterval`, `evaluationInterval`).
pub const INTERVAL: SimDuration = SimDuration::from_secs(30);

impl Default for AlertsSpec {
    fn default() -> Self {
        Self {
            scrape_interval: INTERVAL,
            evaluation_interval: INTERVAL,
            groups: Vec::new(),
            expectations: Vec::new(),
            wanted: BTreeSet::new(),
            epoch_s: None,
        }
    }
}

impl RuleSpec {
    /// A rule of a text; what cannot be parsed is a rule with an obstacle.
    #[must_use]
    pub fn new(kind: RuleKind, text: &str, origin: Origin) -> Self {
        let (expression, obstacles) = match parse(text) {
            Ok(expression) => (expression, Vec::new()),
            Err(error) => {
                let sentence = error.0.lines().next().unwrap_or_default().to_owned();
                (Expr::from(f64::NAN), vec![Arc::from(format!("no PromQL: {sentence}"))])
            }
        };
        Self {
            kind,
            text: Arc::from(text),
            expression: Arc::new(expression),
            labels: Vec::new(),
            annotations: Vec::new(),
            obstacles,
            origin,
        }
    }

    /// The name of what it makes.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        match &self.kind {
            RuleKind::Alert { name, .. } | RuleKind::Record(name) => name,
        }
    }

    /// Whether it is evaluated.
    #[must_use]
    pub fn is_evaluated(&self) -> bool {
        self.obstacles.is_empty()
    }
}

impl AlertsSpec {
    /// Takes in groups and finds out which of their rules can be evaluated.
    #[must_use]
    pub fn with_groups(mut self, groups: Vec<RuleGroup>) -> Self {
        self.groups = groups;
        self.find_obstacles();
        self.find_wanted();
        self
    }

    /// Without metrics that nothing in this scenario would show: rules that ask for them would be silent
    /// for want of a series, and are not evaluated.
    #[must_use]
    pub fn without(mut self, prefix: &str, why: &str) -> Self {
        for rule in self.groups.iter_mut().flat_map(|group| &mut group.rules) {
            let needs = Needs::of(&rule.expression).metrics;
            if rule.is_evaluated() && needs.iter().any(|name| name.starts_with(prefix)) {
                rule.obstacles.push(Arc::from(why));
            }
        }
        self.find_obstacles();
        self.find_wanted();
        self
    }

    fn find_wanted(&mut self) {
        self.wanted = self
            .evaluated()
            .flat_map(|rule| Needs::of(&rule.expression).metrics)
            .map(Arc::from)
            .collect();
    }

    /// Rules that are evaluated.
    pub fn evaluated(&self) -> impl Iterator<Item = &RuleSpec> {
        self.groups.iter().flat_map(|group| &group.rules).filter(|rule| rule.is_evaluated())
    }

    /// Tells what the clock shows at the beginning of the run (s since 1970, before the warm-up). Without it
    /// `time()` counts from there, and nobody knows the hour: rules that ask are not evaluated.
    #[must_use]
    pub fn at(mut self, epoch_s: Option<f64>) -> Self {
        self.epoch_s = epoch_s;
        if epoch_s.is_none() {
            for rule in self.groups.iter_mut().flat_map(|group| &mut group.rules) {
                let calendar = Needs::of(&rule.expression).calendar;
                if rule.is_evaluated() && !calendar.is_empty() {
                    let asks: Vec<String> = calendar.into_iter().collect();
                    let told = format!("{} (the scenario states no `start`)", asks.join(", "));
                    rule.obstacles.push(Arc::from(told));
                }
            }
        }
        self.find_obstacles();
        self.find_wanted();
        self
    }

    /// What `time()` and timestamps of exporters say at the beginning of the run (s).
    #[must_use]
    pub fn epoch_s(&self) -> f64 {
        self.epoch_s.unwrap_or(0.0)
    }

    /// Whether there is anything to look at.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.evaluated().next().is_some()
    }

    /// The same without rules and expectations: nothing is scraped and nothing fires.
    #[must_use]
    pub fn unwatched(&self) -> Self {
        Self {
            groups: Vec::new(),
            expectations: Vec::new(),
            wanted: BTreeSet::new(),
            ..self.clone()
        }
    }

    /// How far back the samples of any rule lie.
    #[must_use]
    pub fn window_ms(&self) -> i64 {
        let windows = self.evaluated().map(|rule| Needs::of(&rule.expression).window_ms);
        windows.max().unwrap_or(0)
    }

    /// Names of all alerts.
    pub fn alert_names(&self) -> impl Iterator<Item = &Arc<str>> {
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        rules.filter_map(|rule| match &rule.kind {
            RuleKind::Alert { name, .. } => Some(name),
            RuleKind::Record(_) => None,
        })
    }

    /// Marks rules that ask for what nobody exposes. A recording rule that cannot be evaluated makes
    /// no metric, so that those that ask for it cannot be evaluated either.
    fn find_obstacles(&mut self) {
        loop {
            let mut recorded: BTreeMap<Arc<str>, bool> = BTreeMap::new();
            for rule in self.groups.iter().flat_map(|group| &group.rules) {
                if let RuleKind::Record(name) = &rule.kind {
                    *recorded.entry(Arc::clone(name)).or_default() |= rule.is_evaluated();
                }
            }
            let mut changed = false;
            for rule in self.groups.iter_mut().flat_map(|group| &mut group.rules) {
                if !rule.is_evaluated() {
                    continue;
                }
                let found = obstacles(&rule.expression, &recorded);
                changed |= !found.is_empty();
                rule.obstacles = found;
            }
            if !changed {
                return;
            }
        }
    }
}

fn obstacles(expression: &Expr, recorded: &BTreeMap<Arc<str>, bool>) -> Vec<Arc<str>> {
    let needs = Needs::of(expression);
    let mut found: Vec<String> = needs.unsupported.iter().cloned().collect();
    for name in &needs.metrics {
        match recorded.get(&**name) {
            Some(true) => {}
            Some(false) => found.push(format!("{name}, whose recording rule is not evaluated")),
            None if catalogue::find(name).is_none() => {
                found.push(format!("no series {name} in a simulation"));
            }
            None => {}
        }
    }
    for wanted in &needs.labels {
        let Some(metric) = catalogue::find(&wanted.metric) else { continue };
        let made = recorded.contains_key(&*wanted.metric);
        if !made && !metric.labels().any(|label| label == wanted.label) {
            found.push(format!("{} has no label {} in a simulation", wanted.metric, wanted.label));
        }
    }
    found.into_iter().map(Arc::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(kind: RuleKind, text: &str) -> RuleSpec {
        RuleSpec::new(kind, text, Origin::default())
    }

    fn alert(text: &str) -> RuleSpec {
        let name = Arc::from("A");
        rule(RuleKind::Alert { name, hold: SimDuration::ZERO, keep: SimDuration::ZERO }, text)
    }

    fn spec(rules: Vec<RuleSpec>) -> AlertsSpec {
        let group = RuleGroup { name: Arc::from("g"), interval: None, rules };
        AlertsSpec::default().with_groups(vec![group])
    }

    #[test]
    fn what_nobody_exposes_is_an_obstacle_and_what_a_rule_records_is_none() {
        let record = |text| rule(RuleKind::Record(Arc::from("quota")), text);
        let fine = spec(vec![record("sum(http_requests_total)"), alert("quota > 1")]);
        assert!(fine.evaluated().count() == 2, "{:?}", fine.groups);
        let names: Vec<&str> = fine.wanted.iter().map(|name| &**name).collect();
        assert_eq!(names, ["http_requests_total", "quota"]);
        let broken = spec(vec![record("sum(tenants)"), alert("quota > 1"), alert("sum(")]);
        let told: Vec<String> = broken
            .groups
            .iter()
            .flat_map(|group| &group.rules)
            .map(|rule| rule.obstacles.join("; "))
            .collect();
        assert_eq!(told[0], "no series tenants in a simulation");
        assert_eq!(told[1], "quota, whose recording rule is not evaluated");
        assert!(told[2].starts_with("no PromQL: "), "{}", told[2]);
        assert!(!broken.is_watched());
    }

    #[test]
    fn what_nothing_in_a_scenario_shows_is_an_obstacle() {
        let rules = vec![alert("db_connection_pool_in_use > 5"), alert("kube_pod_info")];
        let left = spec(rules).without("db_connection_pool_", "no pools");
        let told: Vec<usize> = left.groups[0].rules.iter().map(|it| it.obstacles.len()).collect();
        assert_eq!(told, [1, 0]);
        assert!(!left.wanted.contains("db_connection_pool_in_use"));
    }

    #[test]
    fn a_label_that_no_series_carries_is_an_obstacle() {
        let found = spec(vec![alert("kube_pod_status_ready{team=\"a\"} == 0")]);
        let rule = &found.groups[0].rules[0];
        assert_eq!(
            rule.obstacles.iter().map(|it| &**it).collect::<Vec<_>>(),
            ["kube_pod_status_ready has no label team in a simulation"]
        );
        assert!(spec(vec![alert("kube_pod_status_ready{team!=\"a\"} == 0")]).is_watched());
    }
}
