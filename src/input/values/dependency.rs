//! What a chart says of the charts inside it: `dependencies` of Chart.yaml.

use std::sync::Arc;

use super::tree::{Table, Tree};
use super::version::fits;
use crate::input::codes;
use crate::input::diagnostic::Diagnostic;
use crate::input::source::Span;
use crate::input::yaml::{Node, ScalarValue};

/// An entry of `dependencies`.
#[derive(Debug, Clone)]
pub(super) struct Dependency {
    /// Where it stands.
    pub(super) span: Span,
    /// The chart's name; the alias once the chart has it.
    pub(super) name: Arc<str>,
    pub(super) alias: Option<Arc<str>>,
    range: Arc<str>,
    conditions: Vec<Arc<str>>,
    tags: Vec<Arc<str>>,
    pub(super) imports: Vec<Import>,
}

/// An entry of `import-values`.
#[derive(Debug, Clone)]
pub(super) struct Import {
    /// The path of a table in the values of the inner chart.
    pub(super) child: Vec<Arc<str>>,
    /// The path that it gets in the outer chart; nothing is its top.
    pub(super) parent: Vec<Arc<str>>,
    pub(super) span: Span,
}

impl Dependency {
    /// Whether a chart is the one that is meant.
    pub(super) fn means(&self, name: &str, version: &str) -> bool {
        *self.name == *name && fits(&self.range, version)
    }

    /// Whether the values switch it on: the first condition that is there decides, else any tag
    /// (helm, pkg/chart/v2/util/dependencies.go `processDependencyConditions`,
    /// `processDependencyTags`). Conditions are looked up below `path`, tags at the top.
    pub(super) fn is_on(&self, values: &Tree, path: &[Arc<str>]) -> bool {
        let truth = |keys: &[&str]| match values.at(keys)? {
            Tree::Leaf(node) => match node.scalar()?.value {
                ScalarValue::Boolean(truth) => Some(truth),
                ScalarValue::Null
                | ScalarValue::Integer(_)
                | ScalarValue::Float(_)
                | ScalarValue::Text => None,
            },
            Tree::List(..) | Tree::Table(_) => None,
        };
        let decided = self.conditions.iter().find_map(|condition| {
            let keys: Vec<&str> =
                path.iter().map(|key| &**key).chain(condition.split('.')).collect();
            truth(&keys)
        });
        decided.unwrap_or_else(|| {
            let tags: Vec<bool> =
                self.tags.iter().filter_map(|tag| truth(&["tags", tag])).collect();
            tags.is_empty() || tags.contains(&true)
        })
    }

    fn read(item: &Node) -> Option<Self> {
        let text = |key| item.get(key).and_then(Node::scalar).map(|it| Arc::clone(&it.text));
        let filled = |key| text(key).filter(|text| !text.is_empty());
        let list = |key| item.get(key).and_then(Node::sequence).unwrap_or_default();
        let conditions = text("condition").unwrap_or_default();
        Some(Self {
            span: item.span,
            name: text("name")?,
            alias: filled("alias"),
            range: text("version").unwrap_or_default(),
            // Helm trims the whole and not its parts: `a.b, c.d` has the one condition `a.b`.
            conditions: conditions
                .trim()
                .split(',')
                .filter(|it| !it.is_empty())
                .map(Arc::from)
                .collect(),
            tags: list("tags").iter().filter_map(|tag| tag.text().map(Arc::from)).collect(),
            imports: list("import-values").iter().filter_map(Import::read).collect(),
        })
    }
}

impl Import {
    fn read(item: &Node) -> Option<Self> {
        let keys = |path: &str| path.split('.').map(Arc::from).collect::<Vec<Arc<str>>>();
        if let Some(name) = item.text() {
            return Some(Self {
                child: keys(&format!("exports.{name}")),
                parent: Vec::new(),
                span: item.span,
            });
        }
        let child = item.get("child").and_then(Node::text)?;
        let parent = item.get("parent").and_then(Node::text)?;
        let parent = if parent == "." { Vec::new() } else { keys(parent) };
        Some(Self { child: keys(child), parent, span: item.span })
    }

    /// Says that the inner chart has no such table.
    pub(super) fn missing(&self, chart: &str) -> Diagnostic {
        let path = self.child.join(".");
        let message = format!("nothing is imported: the chart `{chart}` has no table `{path}`");
        Diagnostic::warning(codes::MISSING_DEPENDENCY, message)
            .primary(self.span, "wanted here")
            .note("Helm warns and goes on without it")
    }

    /// The table of the inner chart under the path that it gets in the outer one.
    pub(super) fn of(&self, inner: &Tree) -> Option<Table> {
        let child: Vec<&str> = self.child.iter().map(|key| &**key).collect();
        let found = inner.at(&child)?.table()?.clone();
        Some(self.parent.iter().rev().fold(found, |table, key| Table::with(key, table)))
    }
}

/// The entries, or `None` where there is no such list: Helm goes another way then.
pub(super) fn dependencies(head: &Node) -> Option<Vec<Dependency>> {
    let items = head.get("dependencies").and_then(Node::sequence)?;
    Some(items.iter().filter_map(Dependency::read).collect())
}
