//! How pods lie on nodes at the moment that was hardest: a bar for each node, pods as segments.

use std::collections::BTreeMap;

use crate::cluster::admit;
use crate::cluster::api::WorkloadKind;
use crate::findings::Case;
use crate::model::id::{NodeId, PoolId, WorkloadId};
use crate::report::html::Shown;
use crate::report::html::write::{Table, clock, escaped, short};
use crate::trace::{NodeLife, PodLife};
use crate::units::convert::{f64_from_i64, f64_from_usize};
use crate::units::{Resources, SimTime};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 190.0;
const ROW: f64 = 24.0;
/// Nodes of a pool that are drawn.
const DRAWN: usize = 40;
/// Pods without a node whose sentence is told.
const REFUSED: usize = 12;

/// A resource that pods ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cpu,
    Memory,
    Gpu,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::Gpu];

    fn of(self, list: &Resources) -> f64 {
        match self {
            Self::Cpu => list.cpu.as_cores(),
            Self::Memory => list.memory.as_gib(),
            Self::Gpu => f64_from_i64(list.get("nvidia.com/gpu")),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cores",
            Self::Memory => "GiB of memory",
            Self::Gpu => "GPUs",
        }
    }
}

/// A node and the pods that are bound to it.
struct Packed<'a> {
    node: &'a NodeLife,
    allocatable: Option<Resources>,
    pods: Vec<(WorkloadId, Resources)>,
    state: &'static str,
}

pub(super) fn packing(shown: &Shown<'_>) -> String {
    let case = shown.case;
    let Some((at, why)) = worst(case) else { return String::new() };
    let since = case.history.clock().offset(at).as_secs_f64();
    let nodes = packed(case, at);
    let mut html = format!(
        "<p>At <a href=\"#t={}\">{}</a>, {why}. A bar is a node, its length what the node offers; a segment is a \
         pod; what is hatched is free.</p>\n",
        short(since),
        clock(since)
    );
    let names: BTreeMap<WorkloadId, usize> = nodes
        .iter()
        .flat_map(|node| node.pods.iter().map(|(workload, _)| *workload))
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .enumerate()
        .map(|(number, workload)| (workload, number))
        .collect();
    for (position, pool) in case.scenario.pools.iter().enumerate() {
        let mine: Vec<&Packed<'_>> =
            nodes.iter().filter(|packed| packed.node.pool == PoolId::at(position)).collect();
        if !mine.is_empty() {
            html.push_str(&pool_picture(case, &pool.name, &mine, &names));
        }
    }
    html.push_str(&refused(case, at));
    html
}

/// The instant with most pods that wait for a node, or else with the fullest pool.
fn worst(case: &Case<'_>) -> Option<(SimTime, String)> {
    let series = case.series;
    let instants = 0..series.times.len();
    let pending = |at: &usize| series.pods_pending.get(*at).copied().unwrap_or(0);
    let most = instants.clone().max_by_key(|at| (pending(at), std::cmp::Reverse(*at)))?;
    if pending(&most) > 0 {
        let pods =
            crate::findings::text::plural(crate::units::convert::index(pending(&most)), "pod");
        return Some((case.instant(most), format!("when {pods} had no node")));
    }
    let fullness = |at: usize| {
        let pools = series.pools.iter().filter_map(|samples| samples.get(at));
        let shares = pools.flat_map(|pool| {
            [
                (pool.cpu_requested_cores, pool.cpu_allocatable_cores),
                (pool.memory_requested_bytes, pool.memory_allocatable_bytes),
            ]
        });
        shares.filter(|(_, all)| *all > 0.0).map(|(part, all)| part / all).fold(0.0, f64::max)
    };
    let fullest = instants
        .max_by(|one, other| fullness(*one).total_cmp(&fullness(*other)).then(other.cmp(one)))?;
    Some((case.instant(fullest), "when a pool was fullest; no pod waited for a node".to_owned()))
}

fn lasts(from: Option<SimTime>, until: Option<SimTime>, at: SimTime) -> bool {
    from.is_some_and(|from| from <= at) && until.is_none_or(|until| until > at)
}

fn packed<'a>(case: &Case<'a>, at: SimTime) -> Vec<Packed<'a>> {
    let mut pods: BTreeMap<NodeId, Vec<(WorkloadId, Resources)>> = BTreeMap::new();
    let mut requests: BTreeMap<WorkloadId, Resources> = BTreeMap::new();
    for pod in case.history.pods() {
        let Some((bound, node)) = pod.bound else { continue };
        let spec = &case.scenario.workloads[pod.workload.index()];
        // Pods of Jobs that are done stay bound and hold nothing.
        if lasts(Some(bound), pod.gone, at) && !matches!(spec.kind, WorkloadKind::Job(_)) {
            let asked = requests
                .entry(pod.workload)
                .or_insert_with(|| admit(&spec.template).spec.requests());
            pods.entry(node).or_default().push((pod.workload, asked.clone()));
        }
    }
    let there = case
        .history
        .nodes()
        .filter(|node| lasts(node.launched.or(node.ready).or(Some(node.requested)), node.gone, at));
    there
        .map(|node| {
            let machine = node.machine.as_ref().map_or_else(
                || Some(&case.scenario.pools[node.pool.index()].instance),
                |machine| case.scenario.machine(&machine.instance),
            );
            let passed = |instant: Option<SimTime>| instant.is_some_and(|instant| instant <= at);
            let state = if passed(node.removing) {
                "leaving"
            } else if node.lost.iter().any(|(from, until)| lasts(Some(*from), *until, at)) {
                "lost"
            } else if !passed(node.ready) {
                "booting"
            } else if passed(node.cordoned) {
                "cordoned"
            } else {
                ""
            };
            let mut own = pods.remove(&node.id).unwrap_or_default();
            own.sort_by_key(|(workload, _)| *workload);
            let allocatable = machine.map(|machine| machine.allocatable.clone());
            Packed { node, allocatable, pods: own, state }
        })
        .collect()
}

/// The resource of which a pool's nodes are asked for most.
fn scarce(nodes: &[&Packed<'_>]) -> Kind {
    let share = |kind: Kind| {
        let offered: f64 =
            nodes.iter().filter_map(|it| Some(kind.of(it.allocatable.as_ref()?))).sum();
        let asked: f64 =
            nodes.iter().flat_map(|it| &it.pods).map(|(_, requests)| kind.of(requests)).sum();
        if offered > 0.0 { asked / offered } else { 0.0 }
    };
    Kind::ALL
        .into_iter()
        .max_by(|one, other| share(*one).total_cmp(&share(*other)))
        .unwrap_or(Kind::Cpu)
}

const COLOURS: [&str; 6] = ["#0A84C6", "#D55E00", "#00946C", "#B8609A", "#B97C00", "#2F8FCB"];

fn pool_picture(
    case: &Case<'_>,
    pool: &str,
    nodes: &[&Packed<'_>],
    names: &BTreeMap<WorkloadId, usize>,
) -> String {
    let kind = scarce(nodes);
    let widest = nodes.iter().filter_map(|it| Some(kind.of(it.allocatable.as_ref()?)));
    let widest = widest.fold(0.0, f64::max).max(1e-9);
    let drawn = &nodes[..nodes.len().min(DRAWN)];
    let height = 6.0 + ROW * f64_from_usize(drawn.len());
    let id = escaped(pool).replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
    let mut svg = format!(
        "<figure><figcaption>{}: {} of {}, by {}</figcaption>\n<svg xmlns=\"http://www.w3.org/2000/svg\" \
         width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"11\"><title>Pods on the nodes of {}</title><desc>The table below \
         says the same.</desc><defs><pattern id=\"free-{id}\" width=\"6\" height=\"6\" \
         patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\" \
         stroke=\"#8A939C\" stroke-opacity=\"0.6\"/></pattern></defs>",
        escaped(pool),
        crate::findings::text::plural(drawn.len(), "node"),
        nodes.len(),
        kind.name(),
        escaped(pool),
    );
    let mut table = Table::new(&["Node", "State", "#Offers", "#Asked for", "Pods"]);
    for (row, packed) in drawn.iter().enumerate() {
        let y = 4.0 + ROW * f64_from_usize(row);
        let offers = packed.allocatable.as_ref().map_or(0.0, |list| kind.of(list));
        let scale = (WIDTH - LEFT - 10.0) / widest;
        let state =
            if packed.state.is_empty() { String::new() } else { format!(" ({})", packed.state) };
        svg.push_str(&format!(
            "<text x=\"{}\" y=\"{}\" fill=\"currentColor\" text-anchor=\"end\">{}{state}</text><rect x=\"{LEFT}\" \
             y=\"{y}\" width=\"{:.1}\" height=\"18\" fill=\"url(#free-{id})\" stroke=\"#8A939C\"/>",
            LEFT - 8.0,
            y + 13.0,
            escaped(&packed.node.name),
            offers * scale,
        ));
        let mut x = LEFT;
        for (workload, requests) in &packed.pods {
            let width = kind.of(requests) * scale;
            if width <= 0.0 {
                continue;
            }
            let name = &case.scenario.workloads[workload.index()].meta.name;
            let number = names.get(workload).copied().unwrap_or(0);
            // Beyond six the same colours come again, paler.
            let pale = if (number / COLOURS.len()).is_multiple_of(2) { "1" } else { "0.55" };
            svg.push_str(&format!(
                "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{:.1}\" height=\"18\" fill=\"{}\" fill-opacity=\"{pale}\" \
                 stroke=\"#FFFFFF\" stroke-opacity=\"0.6\"><title>{}: {} {}</title></rect>",
                width.max(0.5),
                COLOURS[number % COLOURS.len()],
                escaped(name),
                short(kind.of(requests)),
                kind.name(),
            ));
            if width > 7.0 * f64_from_usize(name.chars().count()) {
                svg.push_str(&format!(
                    "<text x=\"{:.1}\" y=\"{}\" fill=\"#FFFFFF\">{}</text>",
                    x + 4.0,
                    y + 13.0,
                    escaped(name)
                ));
            }
            x += width;
        }
        table.row(&row_of(case, packed, kind, offers));
    }
    svg.push_str("</svg>\n<details><summary>Figures</summary>");
    svg.push_str(&table.finish());
    svg.push_str("</details></figure>\n");
    svg
}

fn row_of(case: &Case<'_>, packed: &Packed<'_>, kind: Kind, offers: f64) -> Vec<String> {
    let asked: f64 = packed.pods.iter().map(|(_, requests)| kind.of(requests)).sum();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (workload, _) in &packed.pods {
        *counts.entry(&case.scenario.workloads[workload.index()].meta.name).or_default() += 1;
    }
    let pods: Vec<String> =
        counts.iter().map(|(name, count)| format!("{} {}", count, escaped(name))).collect();
    vec![
        format!("<code>{}</code>", escaped(&packed.node.name)),
        if packed.state.is_empty() { "ready".to_owned() } else { packed.state.to_owned() },
        short(offers),
        short(asked),
        pods.join(", "),
    ]
}

/// Pods without a node at that moment, and what the scheduler says of them.
fn refused(case: &Case<'_>, at: SimTime) -> String {
    let waits = |pod: &&PodLife| {
        let until = pod.bound.map(|(bound, _)| bound).or(pod.gone);
        lasts(Some(pod.created), until, at)
    };
    let waiting: Vec<&PodLife> = case.history.pods().filter(waits).collect();
    if waiting.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["Pod", "What kube-scheduler says"]);
    for pod in waiting.iter().take(REFUSED) {
        let said = pod.unschedulable.iter().rev().find(|refusal| refusal.first <= at);
        let said = said.map_or("nothing yet", |refusal| &*refusal.message);
        table.row(&[format!("<code>{}</code>", escaped(&pod.name)), escaped(said)]);
    }
    let more = waiting.len().saturating_sub(REFUSED);
    let more = if more > 0 { format!("<p>and {more} more</p>") } else { String::new() };
    format!("<h3>Pods without a node</h3>{}{more}", table.finish())
}
