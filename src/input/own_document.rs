//! Documents of our own (`apiVersion: aurelius.dev/v1`): one a file, of the kind that is wanted there.

use std::path::Path;
use std::sync::Arc;

use super::codes;
use super::decode::{Context, Fields, Value, nearest};
use super::diagnostic::{Diagnostic, Diagnostics};
use super::documents::Documents;
use super::source::Sources;
use super::yaml::{Dialect, Node, parse};

/// Reads the fields of a document behind its head; the name is `None` when it was wrong.
pub(super) type ReadDocument<'r, T> = dyn FnMut(&Fields<'_>, Option<Arc<str>>) -> Option<T> + 'r;

/// Reads the one document of a file.
pub(super) fn single<T>(
    context: Context<'_>,
    documents: &Documents,
    kind: &'static str,
    read: &mut ReadDocument<'_, T>,
) -> Option<T> {
    let name = context.sources.file(documents.file).name();
    let [node] = documents.nodes.as_slice() else {
        if !context.diagnostics.has_errors() || documents.nodes.len() > 1 {
            let count = documents.nodes.len();
            let message = match count {
                0 => format!("`{name}` is empty, must hold a document of kind {kind}"),
                _ => format!("`{name}` holds {count} documents, must hold one of kind {kind}"),
            };
            context.diagnostics.push(Diagnostic::error(codes::UNKNOWN_KIND, message));
        }
        return None;
    };
    let (fields, name) = head(context, node, kind)?;
    let value = read(&fields, name);
    fields.finish(&format!("{kind} (aurelius.dev/v1)"));
    value
}

/// The kinds of our own documents.
const KINDS: [&str; 7] = [
    "Scenario",
    "ClusterProfile",
    "ServiceProfiles",
    "Load",
    "ScalingPolicy",
    "Requirements",
    "PodTrace",
];

/// The kind of the first document of a file, whatever else may be wrong with it.
pub(super) fn kind_of(path: &Path) -> Option<String> {
    let (mut sources, diagnostics) = (Sources::new(), Diagnostics::new());
    let file = sources.read(path, None, &diagnostics)?;
    let nodes = parse(&sources, file, Dialect::Core, &diagnostics);
    Some(nodes.first()?.get("kind")?.text()?.to_owned())
}

/// What to do about a mapping that does not even try to be one of our documents: values given to `run`
/// are the most usual.
fn stranger(node: &Node, kind: &str) -> Option<String> {
    let entries = node.mapping()?;
    let named = |key: &str| entries.iter().any(|entry| &*entry.key == key);
    if named("apiVersion") || named("kind") || named("metadata") {
        return None;
    }
    // A scenario whose head was forgotten has other keys of scenarios.
    if named("inputs") || named("load") || named("services") || named("nodePools") {
        return Some(format!("begin it with `apiVersion: aurelius.dev/v1` and `kind: {kind}`"));
    }
    Some(match kind {
        "Scenario" => {
            "values go over a scenario with `--values`, manifests with `-f`; `aurelius-sim init` \
             writes a scenario for a chart"
        }
        _ => "`aurelius-sim schema` shows what such a document holds",
    }
    .to_owned())
}

/// `apiVersion`, `kind` and `metadata.name` of one of our own documents.
pub(super) fn head<'a>(
    context: Context<'a>,
    node: &'a Node,
    kind: &'static str,
) -> Option<(Fields<'a>, Option<Arc<str>>)> {
    context.diagnostics.learn(|shapes| shapes.begin(node.span.file, kind));
    let value = Value::root(context, node, "");
    if let Some(instead) = stranger(node, kind) {
        let message = format!("is no {kind} (no apiVersion and kind)");
        value.report(value.error(codes::UNKNOWN_KIND, &message).help(instead));
        return None;
    }
    let fields = value.fields()?;
    let version = fields.required("apiVersion");
    let found = fields.required("kind");
    let mut right = true;
    if let Some(version) =
        version.filter(|version| version.node().text() != Some("aurelius.dev/v1"))
    {
        let error = version.error(codes::UNKNOWN_KIND, "must be aurelius.dev/v1");
        value.report(error);
        right = false;
    }
    let found = found?;
    let written = found.non_empty()?;
    if written != kind {
        let mut error =
            found.error(codes::UNKNOWN_KIND, &format!("is {written}, must be {kind} here"));
        if nearest(written, KINDS).is_some_and(|near| near == kind) {
            error = error.replace("did you mean", found.span(), kind);
        }
        value.report(error);
        right = false;
    }
    if !right {
        return None;
    }
    let name = fields.required("metadata").and_then(|meta| {
        let meta = meta.fields()?;
        let name = meta.required("name").and_then(|name| name.non_empty().map(Arc::from));
        meta.finish("metadata");
        name
    });
    Some((fields, name))
}
