//! Why one object did what it did: each sync of an HPA, the life of a pod or a node, what a
//! budget allowed and refused, what a quota was used for and refused, what Karpenter did for a
//! NodePool.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::model::Reason;
use crate::model::action::BudgetStatus;
use crate::model::id::{BudgetId, HpaId, NodeId};
use crate::model::record::{About, HpaMetricSync, HpaSync, Record};
use crate::report::autoscaler_status;
use crate::trace::{Clock, Entry, History, NodeLife, PodLife, tell};
use crate::units::{SimDuration, SimTime, counted};

/// What is asked about: `hpa/gateway`, `pod/gateway-7`, `pdb/gateway`, `quota/compute`,
/// `node/general-3`, `nodepool/general`, HPAs, budgets, quotas and NodePools with a span of time if wanted: `hpa/gateway@30m..40m`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    kind: Kind,
    name: String,
    /// Counted from the start of measuring; `None` is open.
    from: Option<SimDuration>,
    until: Option<SimDuration>,
}

/// The Cluster Autoscaler as an object of explanations: there is one.
const AUTOSCALER: &str = "cluster-autoscaler";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hpa,
    Pod,
    Pdb,
    Quota,
    Node,
    NodePool,
    Autoscaler,
}

/// Why nothing can be explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// No slash, or an unknown word before it.
    #[error(
        "`{0}` names nothing to explain; write hpa/NAME, pod/NAME, pdb/NAME, quota/NAME, node/NAME, nodepool/NAME or cluster-autoscaler, then @FROM..UNTIL if wanted"
    )]
    Form(String),
    /// What stands after `@` is no span.
    #[error("`{0}` is no span of time; write @30m..40m, @30m.. or @..40m")]
    Span(String),
    /// Nothing of that name was in the run.
    #[error("no {kind} `{name}` in this run{}", suggestion(.nearest.as_deref(), known))]
    Unknown {
        /// hpa, pod or node.
        kind: &'static str,
        /// As written.
        name: String,
        /// The name that is spelled most alike, if one is near.
        nearest: Option<String>,
        /// Some of the names there are.
        known: Vec<String>,
    },
}

fn suggestion(nearest: Option<&str>, known: &[String]) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None if known.is_empty() => "; there was none at all".to_owned(),
        None => format!("; there were {}", known.join(", ")),
    }
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Hpa => "hpa",
            Self::Pod => "pod",
            Self::Pdb => "pdb",
            Self::Quota => "quota",
            Self::Node => "node",
            Self::NodePool => "nodepool",
            Self::Autoscaler => AUTOSCALER,
        }
    }
}

impl std::str::FromStr for Selector {
    type Err = ExplainError;

    fn from_str(text: &str) -> Result<Self, ExplainError> {
        let form = || ExplainError::Form(text.to_owned());
        let (object, span) = match text.split_once('@') {
            Some((object, span)) => (object, Some(span)),
            None => (text, None),
        };
        let (kind, name) = match object.split_once('/') {
            Some(parts) => parts,
            None if object == AUTOSCALER => (AUTOSCALER, AUTOSCALER),
            None => return Err(form()),
        };
        let kind = match kind.to_ascii_lowercase().as_str() {
            "hpa" | "horizontalpodautoscaler" => Kind::Hpa,
            "pod" | "pods" | "po" => Kind::Pod,
            "pdb" | "pdbs" | "poddisruptionbudget" => Kind::Pdb,
            "quota" | "resourcequota" | "resourcequotas" => Kind::Quota,
            "node" | "nodes" | "no" => Kind::Node,
            "nodepool" | "nodepools" => Kind::NodePool,
            AUTOSCALER => Kind::Autoscaler,
            _ => return Err(form()),
        };
        if name.is_empty() {
            return Err(form());
        }
        let (from, until) = match span {
            None => (None, None),
            Some(span) => parse_span(span).ok_or_else(|| ExplainError::Span(span.to_owned()))?,
        };
        Ok(Self { kind, name: name.to_owned(), from, until })
    }
}

type Bounds = (Option<SimDuration>, Option<SimDuration>);

fn parse_span(text: &str) -> Option<Bounds> {
    let (from, until) = text.split_once("..")?;
    let bound = |text: &str| {
        if text.is_empty() { Some(None) } else { parse_duration(text).map(Some) }
    };
    let (from, until) = (bound(from)?, bound(until)?);
    match (from, until) {
        (Some(from), Some(until)) if from > until => None,
        bounds => Some(bounds),
    }
}

/// `1h02m03s`, `30m`, `90s`: whole numbers with h, m or s.
fn parse_duration(text: &str) -> Option<SimDuration> {
    let mut total_s = 0_u64;
    let mut digits = String::new();
    for letter in text.chars() {
        let unit_s = match letter {
            '0'..='9' => {
                digits.push(letter);
                continue;
            }
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total_s = total_s.checked_add(digits.parse::<u64>().ok()?.checked_mul(unit_s)?)?;
        digits.clear();
    }
    let complete = digits.is_empty() && !text.is_empty() && total_s < u64::MAX / 1_000_000_000;
    complete.then(|| SimDuration::from_secs(total_s))
}

/// The explanation of one object as text, a line for each thing that happened to it.
///
/// # Errors
/// When the selector cannot be read or nothing of that name was in the run.
pub fn explain(history: &History, selector: &str) -> Result<String, ExplainError> {
    let selector: Selector = selector.parse()?;
    let clock = history.clock();
    let at = |bound: Option<SimDuration>, open| bound.map_or(open, |b| clock.measured_from + b);
    let (from, until) = (at(selector.from, SimTime::ZERO), at(selector.until, SimTime::MAX));
    let names = history.names();
    match selector.kind {
        Kind::Hpa => {
            let position = names.hpas.iter().position(|name| **name == *selector.name);
            let id = position
                .map(HpaId::at)
                .ok_or_else(|| unknown(&selector, names.hpas.iter().cloned()))?;
            Ok(explain_hpa(history, id, from, until))
        }
        Kind::Pod => history
            .pod_named(&selector.name)
            .map(|life| explain_pod(history, life))
            .ok_or_else(|| unknown(&selector, names.pods.values().cloned())),
        Kind::Pdb => {
            let position = names.budgets.iter().position(|name| **name == *selector.name);
            let id = position
                .map(BudgetId::at)
                .ok_or_else(|| unknown(&selector, names.budgets.iter().cloned()))?;
            Ok(explain_budget(history, id, from, until))
        }
        Kind::Quota => explain_quota(history, &selector.name, from, until)
            .ok_or_else(|| unknown(&selector, quotas(history).into_iter())),
        Kind::Autoscaler => Ok(autoscaler_status::explain(history, from, until)),
        Kind::Node => history
            .node_named(&selector.name)
            .map(|life| explain_node(history, life))
            .ok_or_else(|| unknown(&selector, names.nodes.values().cloned())),
        Kind::NodePool => explain_node_pool(history, &selector.name, from, until)
            .ok_or_else(|| unknown(&selector, node_pools(history).into_iter())),
    }
}

/// Each change of a budget's status with its condition, and the evictions that it refused.
fn explain_budget(history: &History, id: BudgetId, from: SimTime, until: SimTime) -> String {
    let names = history.names();
    let mut lines = Lines { clock: history.clock(), lines: Vec::new() };
    for entry in history.entries() {
        if entry.last < from || entry.first > until {
            continue;
        }
        if let Record::BudgetChanged { budget, status } = &entry.record
            && *budget == id
        {
            lines.add(entry.first, condition(status));
        } else if let Record::EvictionRefused { pod, reason, .. } = &entry.record
            && matches!(reason, Reason::BudgetRefused { budget, .. } if *budget == id)
        {
            let text = tell::reason(names, history.clock(), reason);
            let times =
                if entry.count > 1 { format!(" (×{})", entry.count) } else { String::new() };
            lines.add(entry.first, format!("{} stays: {text}{times}", names.pod(*pod)));
        }
    }
    lines.write(&format!("pdb/{}", names.budgets[id.index()]))
}

/// The condition DisruptionAllowed with the figures that it comes from.
fn condition(status: &BudgetStatus) -> String {
    let BudgetStatus { expected_pods, current_healthy, desired_healthy, disruptions_allowed } =
        status;
    let holds =
        if *disruptions_allowed > 0 { "True/SufficientPods" } else { "False/InsufficientPods" };
    format!(
        "DisruptionAllowed {holds}: {disruptions_allowed} may go; {current_healthy} of \
         {expected_pods} pods are healthy, {desired_healthy} must be"
    )
}

/// The quotas whose status was told, as `namespace/name`.
fn quotas(history: &History) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    for entry in history.entries() {
        if let Record::Announced { about: About::Quota(name), .. } = &entry.record
            && !names.contains(name)
        {
            names.push(Arc::clone(name));
        }
    }
    names
}

/// Each change of what is used of a quota, and the pods that it refused, in its own words. A name
/// without a namespace is that of every quota called so.
fn explain_quota(history: &History, name: &str, from: SimTime, until: SimTime) -> Option<String> {
    let names = history.names();
    let is_it = |quota: &str| quota == name || quota.split_once('/').is_some_and(|it| it.1 == name);
    let known: Vec<Arc<str>> = quotas(history).into_iter().filter(|it| is_it(it)).collect();
    let called = known.first()?.split_once('/').map_or(name, |(_, own)| own);
    let refusals = [format!(" quota: {called}, "), format!(" quota: {called}: ")];
    let mut lines = Lines { clock: history.clock(), lines: Vec::new() };
    for entry in history.entries().iter().filter(|it| it.last >= from && it.first <= until) {
        if let Record::Announced { about: About::Quota(quota), message, .. } = &entry.record
            && known.contains(quota)
        {
            let whose = if known.len() > 1 { format!("{quota}: ") } else { String::new() };
            lines.add(entry.first, format!("{whose}{message}"));
        } else if let Record::PodForbidden { workload, message } = &entry.record
            && refusals.iter().any(|words| message.contains(words))
        {
            let times =
                if entry.count > 1 { format!(" (×{})", entry.count) } else { String::new() };
            lines.add(entry.first, format!("{}: {message}{times}", names.workload(*workload)));
        }
    }
    Some(lines.write(&format!("quota/{name}")))
}

/// The NodePools that anything was said of.
fn node_pools(history: &History) -> Vec<Arc<str>> {
    let mut names = Vec::new();
    for entry in history.entries() {
        if let Record::Announced { about: About::NodePool(name), .. } = &entry.record {
            names.push(Arc::clone(name));
        }
    }
    names.sort();
    names.dedup();
    names
}

/// What Karpenter did for a NodePool: claims, launches, disruptions, each with its reason.
fn explain_node_pool(
    history: &History,
    name: &str,
    from: SimTime,
    until: SimTime,
) -> Option<String> {
    let mut lines = Lines { clock: history.clock(), lines: Vec::new() };
    let mut known = false;
    for entry in history.entries() {
        let Record::Announced { about: About::NodePool(pool), event, message } = &entry.record
        else {
            continue;
        };
        if **pool == *name {
            known = true;
            if entry.last >= from && entry.first <= until {
                lines.add(entry.first, format!("{event}: {message}"));
            }
        }
    }
    known.then(|| lines.write(&format!("nodepool/{name}")))
}

/// What was said of an object as its events.
fn add_events(lines: &mut Lines, history: &History, of: &About) {
    for entry in history.entries() {
        if let Record::Announced { about, event, message } = &entry.record
            && about == of
        {
            lines.add(entry.first, format!("{event}: {message}"));
        }
    }
}

fn unknown(selector: &Selector, names: impl Iterator<Item = Arc<str>>) -> ExplainError {
    let mut names: Vec<Arc<str>> = names.collect();
    names.sort();
    let distance = |name: &Arc<str>| strsim::osa_distance(name, &selector.name);
    let nearest = names.iter().min_by_key(|name| distance(name));
    let near = |name: &&Arc<str>| distance(name) * 3 <= selector.name.chars().count().max(3);
    ExplainError::Unknown {
        kind: selector.kind.word(),
        name: selector.name.clone(),
        nearest: nearest.filter(near).map(|name| name.to_string()),
        known: names.iter().take(8).map(|name| name.to_string()).collect(),
    }
}

fn explain_hpa(history: &History, id: HpaId, from: SimTime, until: SimTime) -> String {
    let clock = history.clock();
    let mut out = format!("hpa/{}\n", history.names().hpa(id));
    let mut syncs = 0_u32;
    for (entry, sync) in history.syncs(id, from, until) {
        syncs += entry.count;
        let _ = writeln!(out, "{}", sync_line(clock, entry, sync));
    }
    if syncs == 0 {
        out.push_str("no sync in this span\n");
    }
    out
}

/// One line: time, metrics, proposal, what held or limited it, the result, the controller's reason.
fn sync_line(clock: Clock, entry: &Entry, sync: &HpaSync) -> String {
    let mut line = format!("{:>9}", clock.offset(entry.first));
    if entry.count > 1 {
        let _ = write!(line, "..{} ×{}", clock.offset(entry.last), entry.count);
    }
    line.push_str("  ");
    line.push_str(&sync_text(clock, sync));
    line
}

/// A sync without its time: from size to size, metrics, what held or limited it, the controller's reason.
pub(crate) fn sync_text(clock: Clock, sync: &HpaSync) -> String {
    let mut line = format!("{} → {}", sync.current, sync.desired);
    for metric in &sync.metrics {
        let _ = write!(line, "  {}", metric_text(metric));
    }
    if let Some(proposal) = sync.proposal {
        let _ = write!(line, "  proposed {proposal}");
    }
    if let (Some(stabilized), Some(held)) = (sync.stabilized, sync.held_until) {
        let _ = write!(line, "  held at {stabilized} until {}", clock.offset(held));
    }
    for condition in &sync.conditions {
        let limited = &*condition.kind == "ScalingLimited" && condition.status;
        let failed = &*condition.kind != "ScalingLimited" && !condition.status;
        if limited || failed {
            let _ = write!(line, "  {}={}", condition.kind, truth(condition.status));
            let _ = write!(line, " ({})", condition.reason);
        }
    }
    if sync.rescaled {
        let _ = write!(line, "  New size: {}; reason: {}", sync.desired, sync.rescale_reason);
    }
    line
}

const fn truth(status: bool) -> &'static str {
    if status { "True" } else { "False" }
}

fn metric_text(metric: &HpaMetricSync) -> String {
    let name = tell::metric_name(metric);
    let mut text = match (&metric.failure, metric.proposal) {
        (Some(failure), _) => format!("{name} <none>/{} ({failure})", metric.target),
        (None, Some(proposal)) => {
            let pods = metric.counted;
            format!(
                "{name} {}/{} of {} → {proposal}",
                metric.current,
                metric.target,
                counted(pods, "pod")
            )
        }
        (None, None) => format!("{name} {}/{}", metric.current, metric.target),
    };
    if !metric.left_out.is_empty() {
        let pods: Vec<String> =
            metric.left_out.iter().map(|(pod, why)| format!("{pod} {why}")).collect();
        let _ = write!(text, " [left out: {}]", pods.join(", "));
    }
    text
}

/// Lines with their instants, put in order of time before they are written.
struct Lines {
    clock: Clock,
    lines: Vec<(SimTime, String)>,
}

impl Lines {
    fn add(&mut self, at: SimTime, text: impl Into<String>) {
        self.lines.push((at, text.into()));
    }

    fn add_if(&mut self, at: Option<SimTime>, text: &str) {
        if let Some(at) = at {
            self.add(at, text);
        }
    }

    fn write(mut self, head: &str) -> String {
        self.lines.sort_by_key(|(at, _)| *at);
        let mut out = format!("{head}\n");
        let start = self.lines.first().map_or(SimTime::ZERO, |(at, _)| *at);
        for (at, text) in self.lines {
            let after = at.since(start);
            let _ =
                writeln!(out, "{:>9}  {:>8}  {text}", self.clock.offset(at), format!("+{after}"));
        }
        out
    }
}

fn explain_pod(history: &History, life: &PodLife) -> String {
    let PodLife {
        id,
        name,
        workload,
        created,
        unschedulable,
        bound,
        pulled,
        started,
        ready,
        unready,
        terminating,
        gone,
    } = life;
    let names = history.names();
    let mut lines = Lines { clock: history.clock(), lines: Vec::new() };
    lines.add(*created, format!("created by {}", names.workload(*workload)));
    for refusal in unschedulable {
        let times =
            if refusal.count > 1 { format!(" (×{})", refusal.count) } else { String::new() };
        lines.add(refusal.first, format!("pending: {}{times}", refusal.message));
    }
    for entry in history.entries() {
        let Some((by, reason)) = entry.decision() else { continue };
        if tell_about_pod(reason) == Some(*id) {
            let text = tell::reason(names, history.clock(), reason);
            lines.add(entry.first, format!("{}: {text}", tell::decider(names, by)));
        }
    }
    for entry in history.entries() {
        if let Record::EvictionRefused { pod, reason, .. } = &entry.record
            && pod == id
        {
            let why = tell::reason(names, history.clock(), reason);
            lines.add(entry.first, format!("eviction refused ×{}: {why}", entry.count));
        }
    }
    add_events(&mut lines, history, &About::Pod(*id));
    if let Some((at, node)) = bound {
        lines.add(*at, format!("bound to {}", names.node(*node)));
    }
    if let Some((at, took)) = pulled {
        let text = if took.is_zero() {
            "images were on the node".to_owned()
        } else {
            format!("images pulled in {took}")
        };
        lines.add(*at, text);
    }
    lines.add_if(*started, "containers started");
    lines.add_if(*ready, "ready");
    for (at, until) in unready {
        lines.add(*at, "no longer ready");
        lines.add_if(*until, "ready again");
    }
    if let Some((at, because)) = terminating {
        lines.add(*at, format!("terminating: {}", tell::deletion(*because)));
    }
    lines.add_if(*gone, "gone");
    lines.write(&format!("pod/{name}"))
}

fn tell_about_pod(reason: &crate::model::Reason) -> Option<crate::model::id::PodId> {
    use crate::model::Reason;
    if let Reason::ScaleUp { pod, .. } | Reason::NoScaleUp { pod, .. } = reason {
        Some(*pod)
    } else {
        None
    }
}

fn explain_node(history: &History, life: &NodeLife) -> String {
    let NodeLife {
        id,
        name,
        pool,
        requested,
        launch_failures,
        launched,
        machine,
        reclaimed,
        registered,
        ready,
        gpus,
        cordoned,
        lost,
        unneeded,
        removing,
        gone,
    } = life;
    let names = history.names();
    let mut lines = Lines { clock: history.clock(), lines: Vec::new() };
    lines.add(*requested, format!("instance of pool {} asked for", names.pool(*pool)));
    for (at, code, message) in launch_failures {
        lines.add(*at, format!("{code}: {message}"));
    }
    if let (Some(at), Some(machine)) = (launched, machine) {
        let kind = if machine.spot { "spot machine" } else { "machine" };
        let place = machine.zone.as_ref().map_or_else(String::new, |zone| format!(" in {zone}"));
        lines.add(*at, format!("{kind} {}{place} launched", machine.instance));
    }
    lines.add_if(*registered, "registered");
    lines.add_if(*ready, "Ready");
    lines.add_if(*reclaimed, "the cloud took its machine back");
    lines.add_if(*gpus, "GPUs allocatable");
    lines.add_if(*cordoned, "cordoned");
    for (at, until) in lost {
        lines.add(*at, "stopped answering");
        lines.add_if(*until, "answers again");
    }
    lines.add_if(*unneeded, "unneeded for the cluster-autoscaler");
    add_events(&mut lines, history, &About::Node(*id));
    add_what_happened_to(&mut lines, history, *id);
    lines.add_if(*removing, "instance is given back");
    lines.add_if(*gone, "gone");
    lines.write(&format!("node/{name}"))
}

/// Pods that came to a node, and what others decided about it.
fn add_what_happened_to(lines: &mut Lines, history: &History, id: NodeId) {
    let names = history.names();
    for pod in history.pods() {
        if let Some((at, node)) = pod.bound
            && node == id
        {
            lines.add(at, format!("takes {}", pod.name));
        }
    }
    for entry in history.entries() {
        if let Some((_, crate::model::Reason::NoScaleDown { node, .. })) = entry.decision()
            && *node == id
        {
            let (_, reason) = entry.decision().expect("it was one a line above");
            let text = tell::reason(names, history.clock(), reason);
            lines.add(entry.first, format!("cluster-autoscaler: {text} (×{})", entry.count));
        }
        if let Record::NodeDisrupted { node, because } = &entry.record
            && *node == id
        {
            lines.add(entry.first, format!("disrupted by Karpenter: {because}"));
        }
        if let Record::EvictionRefused { pod, node, reason } = &entry.record
            && *node == id
        {
            let why = tell::reason(names, history.clock(), reason);
            let pod = names.pod(*pod);
            lines.add(entry.first, format!("eviction of {pod} refused ×{}: {why}", entry.count));
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::findings::fixture;

    fn explained(selector: &str) -> String {
        let run = fixture::peak();
        explain(&run.history, selector).unwrap_or_else(|error| format!("error: {error}\n"))
    }

    #[test]
    fn an_hpa_is_told_sync_by_sync() {
        expect![[r#"
            hpa/checkout
               -5m00s..10m30s ×63  7 → 7  cpu 96%/80% of 7 pods → 7  proposed 7
               10m45s..11m30s ×4  7 → 7  cpu 96%/80% of 7 pods → 9  proposed 9  held at 7 until 11m45s
               11m45s  7 → 20  cpu 96%/80% of 7 pods → 22  proposed 22  ScalingLimited=True (TooManyReplicas)  New size: 20; reason: cpu resource utilization (percentage of request) above target
               12m00s..42m30s ×123  20 → 20  cpu 96%/80% of 7 pods → 27  proposed 27  ScalingLimited=True (TooManyReplicas)
               42m45s..44m45s ×9  20 → 20  cpu 96%/80% of 7 pods → 14  proposed 14
        "#]].assert_eq(&explained("hpa/checkout@10m..44m"));
    }

    #[test]
    fn a_budget_is_told_by_its_condition_and_by_what_it_refused() {
        expect![[r#"
            pdb/postgresql
               -5m00s       +0s  DisruptionAllowed False/InsufficientPods: 0 may go; 1 of 1 pods are healthy, 1 must be
               38m00s   +43m00s  postgresql-0 stays: Cannot evict pod as it would violate the pod's disruption budget. (budget postgresql) (×84)
        "#]].assert_eq(&explained("pdb/postgresql"));
    }

    #[test]
    fn a_pod_and_a_node_are_told_as_lives() {
        expect![[r#"
            pod/checkout-17
               11m45s       +0s  created by checkout
               11m46s       +1s  pending: 0/4 nodes are available: 2 Insufficient cpu, 2 node(s) had untolerated taint(s).
               11m52s       +7s  cluster-autoscaler: checkout-17: pod triggered scale-up: [{general 2->3 (max: 4)}], for 3 pods in all
               13m15s    +1m30s  bound to general-3
               13m24s    +1m39s  images pulled in 8s
               13m26s    +1m41s  containers started
               13m35s    +1m50s  ready
        "#]].assert_eq(&explained("pod/checkout-17"));
        expect![[r#"
            node/general-3
               11m52s       +0s  instance of pool general asked for
               11m52s       +0s  machine m6i.large launched
               13m14s    +1m22s  Ready
               13m15s    +1m23s  takes checkout-17
               13m15s    +1m23s  takes checkout-18
               13m15s    +1m23s  takes checkout-19
        "#]]
        .assert_eq(&explained("node/general-3"));
    }

    #[test]
    fn a_wrong_selector_gets_a_fix() {
        let wrong =
            ["hpa", "service/x", "hpa/chekout", "pod/zzzzzzz", "hpa/ml@5", "hpa/ml@40m..30m"];
        let errors: String = wrong.into_iter().map(explained).collect();
        expect![[r#"
            error: `hpa` names nothing to explain; write hpa/NAME, pod/NAME, pdb/NAME, quota/NAME, node/NAME, nodepool/NAME or cluster-autoscaler, then @FROM..UNTIL if wanted
            error: `service/x` names nothing to explain; write hpa/NAME, pod/NAME, pdb/NAME, quota/NAME, node/NAME, nodepool/NAME or cluster-autoscaler, then @FROM..UNTIL if wanted
            error: no hpa `chekout` in this run; did you mean `checkout`?
            error: no pod `zzzzzzz` in this run; there were checkout-0, checkout-1, checkout-10, checkout-11, checkout-12, checkout-13, checkout-14, checkout-15
            error: `5` is no span of time; write @30m..40m, @30m.. or @..40m
            error: `40m..30m` is no span of time; write @30m..40m, @30m.. or @..40m
        "#]].assert_eq(&errors);
    }
}
