//! Told objects made to fit: what a template must take otherwise than the convention says is left out.
//!
//! Charts follow the conventions of `helm create` and Bitnami roughly: a probe may have a switch
//! (`livenessProbe.enabled`), an affinity may be the text of a template, a list may stand where others
//! write a number. The API server never sees such values, so they are no faults. Faults of a kind that a
//! template hands on (an amount that is none, a misspelt field) stay what they are.

use crate::input::codes;
use crate::input::decode::Context;
use crate::input::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::input::kubernetes::Objects;
use crate::input::yaml::{Kind, Node};

/// Most values that are left out of one object.
const MOST: usize = 32;

/// The objects without values of another shape than their fields, each of which is reported; what then
/// still lacks something that it must have is left out as a whole.
pub(in crate::input) fn fitted(nodes: Vec<Node>, context: Context<'_>) -> Vec<Node> {
    nodes.into_iter().filter_map(|node| fitted_object(node, context)).collect()
}

fn fitted_object(mut node: Node, context: Context<'_>) -> Option<Node> {
    for _ in 0..MOST {
        let misfit = faults_of(&node, context).into_iter().find_map(|fault| {
            let steps = steps(fault.path());
            is_misfit(&fault, at(&node, &steps)).then_some((fault, steps))
        });
        let Some((fault, steps)) = misfit else { break };
        // What cannot be without the value goes with it: a port without its number, in the end the
        // object.
        let mut around =
            (1..=steps.len()).rev().filter_map(|depth| without(&node, &steps[..depth]));
        let lacked = lacking(&node, context);
        let whole = around.find(|without| lacking(without, context) <= lacked);
        let message = match whole {
            Some(_) => format!("{}: left out of what is told", fault.message()),
            None => format!("{} is left out of what is told: {}", fault.object(), fault.message()),
        };
        context.diagnostics.push(told(&fault, message));
        node = whole?;
    }
    Some(node)
}

/// How much an object lacks of what it must have.
fn lacking(node: &Node, context: Context<'_>) -> usize {
    let lacks = |fault: &&Diagnostic| fault.code() == codes::MISSING_FIELD;
    faults_of(node, context).iter().filter(lacks).count()
}

/// What the decoders say of an object.
fn faults_of(node: &Node, context: Context<'_>) -> Vec<Diagnostic> {
    let scratch = Diagnostics::new();
    Objects::default().read(Context { diagnostics: &scratch, ..context }, node);
    let mut faults = scratch.sorted();
    faults.retain(|fault| fault.severity() == Severity::Error);
    faults
}

/// Whether only the convention is at fault: a field that is like none of the API's, a collection where
/// a scalar is wanted, or text of a template.
fn is_misfit(fault: &Diagnostic, value: Option<&Node>) -> bool {
    if fault.code() == codes::UNKNOWN_FIELD {
        return fault.helps().is_empty();
    }
    fault.code() == codes::WRONG_TYPE
        && value.is_some_and(|value| match &value.kind {
            Kind::Mapping(_) | Kind::Sequence(_) => true,
            Kind::Scalar(scalar) => {
                scalar.text.is_empty() || scalar.text.contains("{{") || scalar.text.contains('\n')
            }
        })
}

fn told(fault: &Diagnostic, message: String) -> Diagnostic {
    let warning = Diagnostic::warning(codes::VALUES_LEFT_OUT, message)
        .about(fault.object(), fault.path())
        .note("a template of the chart takes it otherwise, or the API server would refuse it")
        .help("render the chart with `helm` to see which");
    match fault.place() {
        Some(label) => warning.primary(label.span, label.text.clone()),
        None => warning,
    }
}

/// A step into an object.
enum Step {
    Key(String),
    Item(usize),
}

/// `spec.containers[0].livenessProbe` as steps.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (key, items) = part.split_once('[').unwrap_or((part, ""));
        if !key.is_empty() {
            steps.push(Step::Key(key.to_owned()));
        }
        for item in items.split('[').filter(|item| !item.is_empty()) {
            // What is no number is no item of a list, and is not found.
            steps.push(Step::Item(item.trim_end_matches(']').parse().unwrap_or(usize::MAX)));
        }
    }
    steps
}

fn at<'n>(node: &'n Node, steps: &[Step]) -> Option<&'n Node> {
    steps.iter().try_fold(node, |node, step| match step {
        Step::Key(key) => node.get(key),
        Step::Item(item) => node.sequence()?.get(*item),
    })
}

/// The object without what the steps lead to; `None` when they lead to nothing.
fn without(node: &Node, steps: &[Step]) -> Option<Node> {
    let (first, rest) = steps.split_first()?;
    let kind = match (first, &node.kind) {
        (Step::Key(key), Kind::Mapping(entries)) => {
            let place = entries.iter().position(|entry| *entry.key == **key)?;
            let mut entries = entries.to_vec();
            if rest.is_empty() {
                entries.remove(place);
            } else {
                entries[place].value = without(&entries[place].value, rest)?;
            }
            Kind::Mapping(entries.into())
        }
        (Step::Item(place), Kind::Sequence(items)) if *place < items.len() => {
            let mut items = items.to_vec();
            if rest.is_empty() {
                items.remove(*place);
            } else {
                items[*place] = without(&items[*place], rest)?;
            }
            Kind::Sequence(items.into())
        }
        (Step::Key(_) | Step::Item(_), _) => return None,
    };
    Some(Node { kind, ..node.clone() })
}
