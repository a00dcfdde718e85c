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
            let message = format!("`{name}` holds {count} documents, must hold one of kind {kind}");
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

/// `apiVersion`, `kind` and `metadata.name` of one of our own documents.
pub(super) fn head<'a>(
    context: Context<'a>,
    node: &'a Node,
    kind: &'static str,
) -> Option<(Fields<'a>, Option<Arc<str>>)> {
    context.diagnostics.learn(|shapes| shapes.begin(node.span.file, kind));
    let value = Value::root(context, node, "");
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
