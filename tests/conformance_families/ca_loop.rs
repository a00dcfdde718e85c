//! Many consecutive loops of the Cluster Autoscaler, replayed on the recorded world.
//!
//! The world changes at half seconds, loops and the autoscaler's own timers run at whole ones. What
//! the autoscaler did to the world stands in the next input, so that errors do not pile up there.

use std::collections::{BTreeMap, BTreeSet};

use aurelius_sim::control::cluster_autoscaler::observation::{Instance, InstanceState};
use aurelius_sim::control::cluster_autoscaler::scale_down::UnremovableReason;
use aurelius_sim::control::cluster_autoscaler::status::LoopStatus;
use aurelius_sim::control::cluster_autoscaler::{Call, ClusterAutoscaler, Command, EvictionAnswer};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::ca_world::{
    CaseDoc, CasePodDoc, Difference, NodeDoc, World, at, autoscaler, second, sorted, tidy,
};
use super::{Checks, Outcome, each_case};

#[derive(Deserialize)]
struct LoopDoc {
    t: i64,
    #[serde(default, rename = "in")]
    input: InputDoc,
    #[serde(default)]
    out: Map<String, Value>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct InputDoc {
    nodes: Vec<NodeDoc>,
    nodes_gone: Vec<GoneDoc>,
    pods_gone: Vec<GoneDoc>,
    pods: Vec<CasePodDoc>,
    bind: Vec<BindDoc>,
    terminating: BTreeMap<String, i64>,
    pdb_allowed: BTreeMap<String, i32>,
    replicas: BTreeMap<String, i32>,
    target: BTreeMap<String, i64>,
    instances: BTreeMap<String, Vec<InstanceDoc>>,
}

#[derive(Deserialize, Clone)]
struct GoneDoc {
    t: i64,
    name: String,
}

#[derive(Deserialize, Clone)]
struct BindDoc {
    t: i64,
    pod: String,
    node: String,
}

#[derive(Deserialize, Clone)]
struct InstanceDoc {
    name: String,
    state: Option<String>,
    error: Option<String>,
}

/// Checks all cases.
pub(crate) fn check(cases: &[Value]) -> Result<Outcome, String> {
    each_case(cases, |case: CaseDoc| {
        let loops: Vec<LoopDoc> = serde_json::from_value(case.expect["loops"].clone())
            .unwrap_or_else(|error| panic!("{}: {error}", case.id));
        let mut nearest = replay(&case, &loops, 0);
        for number in 1..ORDERS {
            if nearest.iter().all(Vec::is_empty) {
                break;
            }
            let other = replay(&case, &loops, number);
            let count = |all: &[Vec<Difference>]| all.iter().filter(|one| !one.is_empty()).count();
            if count(&other) < count(&nearest) {
                nearest = other;
            }
        }
        let mut checks = Checks::default();
        for (one, differences) in loops.iter().zip(nearest) {
            checks.at(format!("{} t={}", case.id, one.t));
            for (field, expected, got) in differences {
                checks.compare(&field, &expected, &got);
            }
        }
        checks
    })
}

/// Orders of nodes and pods that are tried for a sequence as a whole.
const ORDERS: u64 = 8;

/// Replays all loops and returns the differences of each.
fn replay(case: &CaseDoc, loops: &[LoopDoc], order: u64) -> Vec<Vec<Difference>> {
    let mut replay = Replay::new(case, order);
    let mut all = Vec::new();
    for (position, one) in loops.iter().enumerate() {
        let got = replay.run(one, loops.get(position + 1));
        let expected = tidy_keeping(&one.out);
        let keys: BTreeSet<&String> = expected.keys().chain(got.keys()).collect();
        let of = |all: &Map<String, Value>, key: &str| all.get(key).cloned().unwrap_or_default();
        let fields = keys.into_iter().map(|key| (key.clone(), of(&expected, key), of(&got, key)));
        all.push(fields.filter(|(_, expected, got)| expected != got).collect());
    }
    all
}

/// Sorts lists whose order says nothing. Empty maps that tell a change stay.
fn tidy_keeping(out: &Map<String, Value>) -> Map<String, Value> {
    let mut tidied = Map::new();
    for (key, value) in out {
        let value = match key.as_str() {
            "cloudCalls" | "events" | "deleteEmpty" | "deleteDrain" | "backoff"
            | "unhealthyGroups" => sorted(value),
            _ => value.clone(),
        };
        tidied.insert(key.clone(), value);
    }
    tidied
}

struct Replay {
    world: World,
    order: u64,
    autoscaler: ClusterAutoscaler,
    unneeded: Value,
    unremovable: Value,
}

/// What happened in the window of a loop.
#[derive(Default)]
struct Window {
    cloud: Vec<Value>,
    events: Vec<Value>,
}

impl Replay {
    fn new(case: &CaseDoc, order: u64) -> Self {
        Self {
            world: World::new(case),
            order,
            autoscaler: autoscaler(case),
            unneeded: json!({}),
            unremovable: json!({}),
        }
    }

    fn run(&mut self, one: &LoopDoc, next: Option<&LoopDoc>) -> Map<String, Value> {
        self.apply(&one.input, one.t);
        self.refuse(one);
        self.world.shuffle(self.order);
        self.world.seen.now = at(one.t);
        let status = self.autoscaler.run_once(&self.world.seen);
        let mut window = Window::default();
        self.note(&status.calls, one, &mut window);
        self.between(one, next, &mut window);
        self.answer(&status, window)
    }

    /// Applies what the next input says happened before a second.
    fn apply(&mut self, input: &InputDoc, until: i64) {
        for node in &input.nodes {
            self.world.put_node(node);
        }
        for gone in &input.nodes_gone {
            self.world.remove_node(&gone.name);
        }
        self.apply_timed(input, until);
        for (pod, deletion) in &input.terminating {
            self.world.change_pod(pod, |pod| pod.deletion = Some(at(*deletion)));
        }
        for (pdb, allowed) in &input.pdb_allowed {
            self.world.set_allowed(pdb, *allowed);
        }
        for (workload, replicas) in &input.replicas {
            self.world.set_replicas(workload, *replicas);
        }
        for (group, target) in &input.target {
            let id = self.world.group(group);
            self.world.seen.groups[id.index()].target = *target;
        }
        for (group, instances) in &input.instances {
            let id = self.world.group(group);
            self.world.seen.groups[id.index()].instances =
                instances.iter().map(InstanceDoc::read).collect();
        }
    }

    /// Lets the cloud refuse what it refused.
    fn refuse(&mut self, one: &LoopDoc) {
        let calls = one.out.get("cloudCalls").and_then(Value::as_array).into_iter().flatten();
        let refused: Vec<&str> = calls
            .filter(|call| call["op"] == json!("increaseSizeFailed"))
            .filter_map(|call| call["group"].as_str())
            .collect();
        for group in &mut self.world.seen.groups {
            let answer = refused.contains(&&*group.name).then(|| "cloud refused".into());
            group.refuses_increase = answer;
        }
    }

    /// Pods that came, were bound or went before a second.
    fn apply_timed(&mut self, input: &InputDoc, until: i64) {
        for pod in &input.pods {
            let bound = World::bound_at(pod).filter(|(t, _)| *t < until || until == 0);
            if (pod.created < until || until == 0) && !self.world.pods.contains_key(pod.name()) {
                self.world.add_pod(pod);
                if bound.is_none() {
                    self.world.change_pod(pod.name(), |pod| {
                        pod.node = None;
                        pod.unschedulable = true;
                    });
                }
            }
            if let Some((_, node)) = bound {
                self.world.bind(pod.name(), node);
            }
        }
        for bind in input.bind.iter().filter(|bind| bind.t < until) {
            self.world.bind(&bind.pod, &bind.node);
        }
        for gone in input.pods_gone.iter().filter(|gone| gone.t < until) {
            if self.world.pods.contains_key(&gone.name) {
                self.world.remove_pod(&gone.name);
            }
        }
    }

    /// Runs what is due between this loop and the next.
    fn between(&mut self, one: &LoopDoc, next: Option<&LoopDoc>, window: &mut Window) {
        let end = next.map_or(one.t + 10, |next| next.t);
        let mut now = one.t;
        let mut carried_out = i64::MIN;
        while let Some(due) = self.autoscaler.next_due() {
            let due = second(due.max(at(now)));
            if due > end {
                break;
            }
            now = due;
            if let Some(next) = next {
                self.apply_timed(&next.input, now);
            }
            self.carry_out(one, carried_out, now);
            carried_out = now;
            self.world.seen.now = at(now);
            let (calls, _) = self.autoscaler.act(&self.world.seen);
            self.note(&calls, one, window);
        }
        self.carry_out(one, carried_out, i64::MAX);
    }

    /// Does to the world what the recorded calls did from one second until before another.
    fn carry_out(&mut self, one: &LoopDoc, from: i64, until: i64) {
        let calls = one.out.get("cloudCalls").and_then(Value::as_array).into_iter().flatten();
        for call in calls {
            let t = call["t"].as_i64().expect("a call has a time");
            if t < from || t >= until {
                continue;
            }
            let id = self.world.group(call["group"].as_str().expect("a call has a group"));
            let group = &mut self.world.seen.groups[id.index()];
            match call["op"].as_str() {
                Some("increaseSize" | "decreaseTargetSize") => {
                    group.target += call["arg"].as_i64().expect("a number of nodes");
                }
                Some("deleteNodes") => {
                    let names = call["arg"].as_array().expect("names of nodes");
                    let gone: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                    group.instances.retain(|instance| !gone.contains(&&*instance.name));
                    group.target -= i64::try_from(gone.len()).expect("few nodes");
                }
                _ => {}
            }
        }
    }

    /// Records calls and answers evictions as they were answered.
    fn note(&mut self, calls: &[Call], one: &LoopDoc, window: &mut Window) {
        let t = second(self.world.seen.now);
        let recorded = one.out.get("events").and_then(Value::as_array);
        for Call { command, refused } in calls {
            let mut cloud = |group, op: &str, arg: Value| {
                let op = match (op, refused) {
                    ("increaseSize", Some(_)) => "increaseSizeFailed".to_owned(),
                    (op, Some(_)) => format!("{op}Refused"),
                    (op, None) => op.to_owned(),
                };
                let group = self.world.group_name(group);
                window.cloud.push(json!({ "t": t, "group": group, "op": op, "arg": arg }));
            };
            let key = |hard: bool| match hard {
                true => "ToBeDeletedByClusterAutoscaler",
                false => "DeletionCandidateOfClusterAutoscaler",
            };
            match command {
                Command::IncreaseSize { group, by } => cloud(*group, "increaseSize", json!(by)),
                Command::DecreaseTargetSize { group, by } => {
                    cloud(*group, "decreaseTargetSize", json!(-by));
                }
                Command::DeleteNodes { group, instances } => {
                    let names: BTreeSet<String> =
                        instances.iter().map(ToString::to_string).collect();
                    cloud(*group, "deleteNodes", json!(names));
                }
                Command::Taint { node, hard } => {
                    let node = self.world.node_name(*node);
                    let event = json!({ "t": t, "op": "taint", "node": node, "key": key(*hard) });
                    window.events.push(event);
                }
                Command::Untaint { node, hard } => {
                    let node = self.world.node_name(*node);
                    let event = json!({ "t": t, "op": "untaint", "node": node, "key": key(*hard) });
                    window.events.push(event);
                }
                Command::Cordon(node) => {
                    let node = self.world.node_name(*node);
                    window.events.push(json!({ "t": t, "op": "cordon", "node": node }));
                }
                Command::Uncordon(node) => {
                    let node = self.world.node_name(*node);
                    window.events.push(json!({ "t": t, "op": "uncordon", "node": node }));
                }
                Command::Evict { pod, node, .. } => {
                    let name = self.world.pod_name(*pod);
                    let node = self.world.node_name(*node);
                    let mut event = json!({ "t": t, "op": "evict", "node": node, "pod": name });
                    let mut refusal = event.clone();
                    refusal["ok"] = json!(false);
                    let refused = recorded.is_some_and(|events| events.contains(&refusal));
                    let answer = match refused {
                        // Refused by a budget, or already gone: then it counts as done.
                        true if self.world.exists(*pod) => EvictionAnswer::Refused,
                        _ => EvictionAnswer::Accepted,
                    };
                    if refused {
                        event = refusal;
                    }
                    window.events.push(event);
                    self.autoscaler.eviction_answered(*pod, answer, at(t));
                }
            }
        }
    }

    fn answer(&mut self, status: &LoopStatus, window: Window) -> Map<String, Value> {
        let world = &self.world;
        let (up, down) = (&status.scale_up, &status.scale_down);
        let group = |id| world.group_name(id);
        let mut ties: Vec<String> = up.best.iter().copied().map(group).collect();
        ties.sort();
        let result = up.result.to_string();
        let name = |id| world.node_name(id);
        let unneeded: BTreeMap<String, i64> =
            down.unneeded.iter().map(|entry| (name(entry.node), second(entry.since))).collect();
        let unremovable: BTreeMap<String, String> = down
            .unremovable
            .iter()
            .filter(|(id, found)| {
                !down.unneeded.iter().any(|entry| entry.node == **id)
                    || !matches!(
                        found.reason,
                        UnremovableReason::NotUnneededLongEnough
                            | UnremovableReason::NotUnreadyLongEnough
                    )
            })
            .map(|(id, found)| {
                let text = match found.blocking {
                    Some(blocking) => format!("BlockedByPod:{}", blocking.reason.name()),
                    None => found.reason.to_string(),
                };
                (name(*id), text)
            })
            .collect();
        let upcoming: BTreeMap<String, i64> =
            status.upcoming.iter().map(|(id, count)| (group(*id), *count)).collect();
        let backoff: Vec<String> = status.backed_off.iter().copied().map(group).collect();
        let unhealthy: Vec<String> = status.unhealthy.iter().copied().map(group).collect();
        let got = json!({
            "scaleUp": (result != "ScaleUpNotNeeded").then_some(result),
            "ties": if ties.len() > 1 { ties } else { Vec::new() },
            "remainUnschedulable":
                world.per_workload(up.remain_unschedulable.iter().map(|stuck| stuck.pod)),
            "scaleDown": down.result.to_string(),
            "deleteEmpty": sorted(&json!(down.delete_empty.iter().copied().map(name).collect::<Vec<_>>())),
            "deleteDrain": sorted(&json!(down.delete_drain.iter().copied().map(name).collect::<Vec<_>>())),
            "upcoming": upcoming,
            "backoff": sorted(&json!(backoff)),
            "unhealthyGroups": sorted(&json!(unhealthy)),
            "error": status.error,
            "cloudCalls": sorted(&json!(window.cloud)),
            "events": sorted(&json!(window.events)),
        });
        let mut got = tidy(&got).as_object().cloned().expect("it is an object");
        for (key, known, now) in [
            ("unneededSince", &mut self.unneeded, json!(unneeded)),
            ("unremovable", &mut self.unremovable, json!(unremovable)),
        ] {
            if *known != now {
                got.insert(key.to_owned(), now.clone());
                *known = now;
            }
        }
        got
    }
}

impl InstanceDoc {
    fn read(&self) -> Instance {
        let state = match self.state.as_deref() {
            Some("creating") => InstanceState::Creating,
            Some("deleting") => InstanceState::Deleting,
            _ => InstanceState::Running,
        };
        Instance {
            name: self.name.as_str().into(),
            state,
            error: self.error.as_deref().map(Into::into),
        }
    }
}
