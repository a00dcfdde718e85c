//! Victims of a ReplicaSet's scale-down: each case is one scale-down.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use aurelius_sim::control::replica_set::{
    ActivePhase, Need, PodSeen, Ranks, compare, need, order_of_deletion,
};
use aurelius_sim::model::id::{NodeId, PodId};
use serde::Deserialize;
use serde_json::Value;

use super::budgets::PhaseDoc;
use super::common::{At, Names};
use super::{Checks, Outcome, each_case};

pub(crate) fn check(cases: &[Value]) -> Result<Outcome, String> {
    each_case(cases, check_case)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    name: String,
    at: At,
    replica_set: String,
    replicas: i32,
    replica_sets: Vec<SetDoc>,
    #[serde(default)]
    pods: Vec<PodDoc>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetDoc {
    name: String,
    owner: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PodDoc {
    name: String,
    uid: String,
    replica_set: String,
    node_name: Option<String>,
    phase: PhaseDoc,
    #[serde(default)]
    ready: bool,
    ready_since: Option<At>,
    #[serde(default)]
    restart_counts: Vec<i32>,
    #[serde(default)]
    sidecar_restart_counts: Vec<i32>,
    #[serde(default, rename = "initRestartCounts")]
    _init_restart_counts: Vec<i32>,
    creation_timestamp: At,
    pod_deletion_cost: Option<String>,
    #[serde(default)]
    deleting: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Expect {
    active_pods: usize,
    diff: i32,
    #[serde(default)]
    ranks: BTreeMap<String, i32>,
    #[serde(default)]
    order: Vec<Vec<String>>,
    #[serde(default)]
    victims: BTreeSet<String>,
    #[serde(default)]
    victims_from: BTreeSet<String>,
    #[serde(default)]
    victims_choose: usize,
    #[serde(default)]
    cyclic: bool,
    #[serde(default)]
    possible_victim_sets: Vec<BTreeSet<String>>,
}

impl PodDoc {
    fn phase(&self) -> Option<ActivePhase> {
        match self.phase {
            _ if self.deleting => None,
            PhaseDoc::Pending => Some(ActivePhase::Pending),
            PhaseDoc::Unknown => Some(ActivePhase::Unknown),
            PhaseDoc::Running => Some(ActivePhase::Running),
            PhaseDoc::Succeeded | PhaseDoc::Failed => None,
        }
    }

    fn node(&self, nodes: &mut Names) -> Option<NodeId> {
        self.node_name.as_ref().map(|name| NodeId(nodes.number(name)))
    }
}

/// The active pods of the set that is scaled, as its controller sees them.
fn active_pods(case: &Case) -> Vec<PodSeen> {
    let mut nodes = Names::default();
    let owner_of = |set: &str| {
        case.replica_sets.iter().find(|it| it.name == set).and_then(|it| it.owner.as_deref())
    };
    let owner = owner_of(&case.replica_set);
    let ranks = Ranks::of_related(
        case.pods
            .iter()
            .filter(|pod| owner.is_some() && owner_of(&pod.replica_set) == owner)
            .filter(|pod| pod.phase().is_some())
            .filter_map(|pod| pod.node(&mut nodes)),
    );
    let most = |counts: &[i32]| counts.iter().copied().max().unwrap_or_default();
    let mut pods = Vec::new();
    for (index, pod) in case.pods.iter().enumerate() {
        let (Some(phase), true) = (pod.phase(), pod.replica_set == case.replica_set) else {
            continue;
        };
        let node = pod.node(&mut nodes);
        let cost = pod.pod_deletion_cost.as_ref();
        pods.push(PodSeen {
            pod: PodId::at(index),
            uid: u128::from_str_radix(&pod.uid.replace('-', ""), 16).expect("a uid is hexadecimal"),
            node,
            phase,
            ready_since: pod.ready_since.filter(|_| pod.ready).map(|at| at.0),
            deletion_cost: cost.map_or(0, |cost| cost.parse().expect("a cost is a number")),
            rank: ranks.of(node),
            restarts: most(&pod.restart_counts),
            sidecar_restarts: most(&pod.sidecar_restart_counts),
            created: pod.creation_timestamp.0,
        });
    }
    pods
}

fn check_case(case: Case) -> Checks {
    let pods = active_pods(&case);
    let name = |pod: &PodSeen| case.pods[pod.pod.index()].name.clone();
    let expect = &case.expect;
    let mut checks = Checks::default();
    checks.at(case.name.clone());
    checks.compare("activePods", &expect.active_pods, &pods.len());
    let diff = match need(pods.len(), case.replicas) {
        Need::Delete(diff) => diff,
        Need::InSync | Need::Create(_) => 0,
    };
    checks.compare("diff", &expect.diff, &diff);
    let bound = |pod: &&PodSeen| pod.node.is_some();
    let got_ranks: BTreeMap<String, i32> =
        pods.iter().filter(bound).map(|pod| (name(pod), pod.rank)).collect();
    let mut ranks = expect.ranks.clone();
    ranks.retain(|pod, _| got_ranks.contains_key(pod));
    checks.compare("ranks", &ranks, &got_ranks);
    let order = order_of_deletion(case.at.0, &pods);
    let victims: BTreeSet<String> =
        order.iter().take(usize::try_from(diff).expect("not negative")).map(name).collect();
    if expect.cyclic {
        // The list of possible sets is what was seen, not all there are.
        let possible =
            expect.possible_victim_sets.contains(&victims) || expect.victims.is_subset(&victims);
        checks.compare("possible", &true, &possible);
        return checks;
    }
    let mut groups: Vec<BTreeSet<String>> = Vec::new();
    for (index, pod) in order.iter().enumerate() {
        let tied = index > 0 && compare(case.at.0, &order[index - 1], pod) == Ordering::Equal;
        match groups.last_mut() {
            Some(group) if tied => _ = group.insert(name(pod)),
            _ => groups.push(BTreeSet::from([name(pod)])),
        }
    }
    let wanted: Vec<BTreeSet<String>> =
        expect.order.iter().map(|group| group.iter().cloned().collect()).collect();
    checks.compare("order", &wanted, &groups);
    let chosen: BTreeSet<String> = victims.difference(&expect.victims).cloned().collect();
    checks.compare("certain victims", &true, &expect.victims.is_subset(&victims));
    checks.compare("chosen victims", &true, &chosen.is_subset(&expect.victims_from));
    checks.compare("how many are chosen", &expect.victims_choose, &chosen.len());
    checks
}
