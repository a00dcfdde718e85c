//! Operations that call each other in a circle.

use std::collections::{BTreeMap, VecDeque};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::codes;
use super::decode::Context;
use super::diagnostic::Diagnostic;
use super::source::Span;
use crate::model::id::OperationId;

/// A call from one operation to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) from: OperationId,
    pub(super) to: OperationId,
    /// Where the call is written.
    pub(super) span: Span,
    /// How many times it is made in one call of `from`, on average.
    pub(super) calls: f64,
}

/// Reports one shortest circle of each set of operations that call each other; `names` are by id.
///
/// Returns whether there was none.
pub(super) fn check(context: Context<'_>, edges: &[Edge], names: &[&str]) -> bool {
    let mut graph: DiGraph<OperationId, ()> = DiGraph::new();
    for position in 0..names.len() {
        graph.add_node(OperationId::at(position));
    }
    for edge in edges {
        graph.add_edge(NodeIndex::new(edge.from.index()), NodeIndex::new(edge.to.index()), ());
    }
    let mut holds = true;
    for component in tarjan_scc(&graph) {
        let component: Vec<OperationId> = component.into_iter().map(|node| graph[node]).collect();
        let within: Vec<&Edge> = edges
            .iter()
            .filter(|edge| component.contains(&edge.from) && component.contains(&edge.to))
            .collect();
        let circles = component.iter().filter_map(|&start| shortest(start, &within));
        // Of the shortest circles the one that begins with the earliest operation.
        let circle: Option<Vec<&Edge>> =
            circles.min_by_key(|circle| (circle.len(), circle[0].from));
        if let Some(circle) = circle {
            context.diagnostics.push(report(&circle, names));
            holds = false;
        }
    }
    holds
}

/// A shortest way from an operation back to itself, breadth first.
fn shortest<'e>(start: OperationId, edges: &[&'e Edge]) -> Option<Vec<&'e Edge>> {
    let mut came_by: BTreeMap<OperationId, &'e Edge> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for &edge in edges.iter().filter(|edge| edge.from == at) {
            if edge.to == start {
                let mut circle = vec![edge];
                let mut back = at;
                while back != start {
                    let edge = came_by[&back];
                    circle.push(edge);
                    back = edge.from;
                }
                circle.reverse();
                return Some(circle);
            }
            came_by.entry(edge.to).or_insert_with(|| {
                queue.push_back(edge.to);
                edge
            });
        }
    }
    None
}

fn report(circle: &[&Edge], names: &[&str]) -> Diagnostic {
    let name = |id: OperationId| names.get(id.index()).copied().unwrap_or("?");
    let (last, before) = circle.split_last().expect("a circle has at least one call");
    let mut path: Vec<&str> = circle.iter().map(|edge| name(edge.from)).collect();
    path.push(name(last.to));
    let message = format!("calls form a loop: {}", path.join(" -> "));
    let say = |at: usize, edge: &Edge| format!("{at}. {} calls {}", name(edge.from), name(edge.to));
    let closing = format!("{}: closes the loop", say(circle.len(), last));
    let mut diagnostic = Diagnostic::error(codes::CALL_LOOP, message).primary(last.span, closing);
    for (at, edge) in before.iter().enumerate() {
        diagnostic = diagnostic.secondary(edge.span, say(at + 1, edge));
    }
    diagnostic
        .note(gain(circle, name(last.to)))
        .help("calls that come back are not simulated: take the last call out, and put its work into the operation that makes it")
}

/// What the loop makes of one request: a geometric series of the calls that come round again.
fn gain(circle: &[&Edge], first: &str) -> String {
    let factors: Vec<String> = circle.iter().map(|edge| edge.calls.to_string()).collect();
    let gain: f64 = circle.iter().map(|edge| edge.calls).product();
    let shown = (gain * 1e6).round() / 1e6;
    let product = match factors.len() {
        1 => shown.to_string(),
        _ => format!("{} = {shown}", factors.join(" x ")),
    };
    if gain < 1.0 {
        let all = (100.0 / (1.0 - gain)).round() / 100.0;
        format!("the gain of the loop is {product}: each {first} causes {all} of them in all")
    } else {
        format!("the gain of the loop is {product}: each request would cause requests without end")
    }
}
