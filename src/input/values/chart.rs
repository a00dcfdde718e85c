//! A chart's own values: those of its folder and of the charts inside it, and Helm's way of laying
//! the user's values over them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::merge::{coalesce, tables};
use super::tree::{Slot, Table, Tree};
use crate::input::codes;
use crate::input::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::input::source::{Sources, Span};
use crate::input::yaml::{Dialect, Node, ScalarValue, parse};

/// Charts inside charts are followed this deep.
const CHARTS_DEPTH: usize = 16;

/// A chart's folder, as far as its values go.
#[derive(Debug)]
pub struct Chart {
    /// Its folder.
    pub path: PathBuf,
    /// `name` of Chart.yaml; the alias where it is a dependency with one.
    pub name: Arc<str>,
    /// `version` of Chart.yaml.
    pub version: Arc<str>,
    /// `appVersion` of Chart.yaml.
    pub app_version: Option<Arc<str>>,
    /// `values.yaml`; empty when there is none.
    pub values: Table,
    subcharts: Vec<Self>,
    dependencies: Vec<Dependency>,
}

/// An entry of `dependencies` in Chart.yaml.
#[derive(Debug)]
struct Dependency {
    name: Arc<str>,
    alias: Option<Arc<str>>,
    conditions: Vec<Arc<str>>,
    tags: Vec<Arc<str>>,
}

impl Chart {
    /// Reads the values of a chart's folder. `None` when there is no usable Chart.yaml, which is
    /// reported.
    #[must_use]
    pub fn read(
        path: &Path,
        wanted_by: Option<Span>,
        sources: &mut Sources,
        diagnostics: &Diagnostics,
    ) -> Option<Self> {
        Self::read_nested(path, wanted_by, sources, diagnostics, 0)
    }

    fn read_nested(
        path: &Path,
        wanted_by: Option<Span>,
        sources: &mut Sources,
        diagnostics: &Diagnostics,
        depth: usize,
    ) -> Option<Self> {
        if !path.join("Chart.yaml").is_file() {
            let message = format!("`{}` is no chart: it has no Chart.yaml", path.display());
            let error = Diagnostic::error(codes::UNREADABLE_FILE, message);
            let error = match wanted_by {
                Some(span) => error.primary(span, "named here"),
                None => error,
            };
            diagnostics.push(match chart_inside(path) {
                Some(inside) => error.help(format!("there is one in {}", inside.display())),
                None => error,
            });
            return None;
        }
        let head = read_one(&path.join("Chart.yaml"), sources, diagnostics)?;
        let text =
            |key| head.get(key).and_then(Node::scalar).map(|scalar| Arc::clone(&scalar.text));
        let name = text("name").unwrap_or_else(|| Arc::from("chart"));
        let values = path.join("values.yaml");
        let values = if values.is_file() {
            let node = read_one(&values, sources, diagnostics);
            node.and_then(|node| Tree::of(&node).table().cloned())
        } else {
            None
        };
        let dependencies = dependencies(&head);
        let values = values.unwrap_or_else(|| Table::empty(head.span));
        let mut chart = Self {
            path: path.to_owned(),
            name,
            version: text("version").unwrap_or_default(),
            app_version: text("appVersion"),
            values,
            subcharts: Vec::new(),
            dependencies,
        };
        if depth < CHARTS_DEPTH {
            chart.read_subcharts(sources, diagnostics, depth);
        }
        Some(chart)
    }

    fn read_subcharts(&mut self, sources: &mut Sources, diagnostics: &Diagnostics, depth: usize) {
        let Ok(entries) = std::fs::read_dir(self.path.join("charts")) else { return };
        let mut paths: Vec<PathBuf> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        for path in paths {
            if path.extension().is_some_and(|ending| ending == "tgz") {
                let message = format!(
                    "{} is packed: the default values of this chart are not shown",
                    path.display()
                );
                diagnostics.push(Diagnostic::warning(codes::UNSUPPORTED, message));
            } else if path.join("Chart.yaml").is_file()
                && let Some(chart) = Self::read_nested(&path, None, sources, diagnostics, depth + 1)
            {
                self.adopt(chart, sources, diagnostics, depth);
            }
        }
    }

    /// A chart is there once for every dependency that names it, under the alias of each.
    fn adopt(
        &mut self,
        chart: Self,
        sources: &mut Sources,
        diagnostics: &Diagnostics,
        depth: usize,
    ) {
        let aliases: Vec<Option<Arc<str>>> = self
            .dependencies
            .iter()
            .filter(|dependency| dependency.name == chart.name)
            .map(|dependency| dependency.alias.clone())
            .collect();
        if aliases.is_empty() {
            self.subcharts.push(chart);
            return;
        }
        for alias in aliases {
            let again = Self::read_nested(&chart.path, None, sources, diagnostics, depth + 1);
            if let Some(again) = again {
                let name = alias.unwrap_or_else(|| Arc::clone(&again.name));
                self.subcharts.push(Self { name, ..again });
            }
        }
    }

    /// The user's values over those of this chart and the charts in it (helm,
    /// pkg/chart/common/util/coalesce.go and pkg/chart/v2/util/dependencies.go).
    pub(super) fn lay_under(&self, user: &mut Table, diagnostics: &Diagnostics) {
        let none = BTreeSet::new();
        // Which charts are switched on may depend on their own values; a first pass finds out.
        let mut all = user.clone();
        let first = Diagnostics::new();
        self.lay(&mut all, &none, Pass::First, &first);
        if !self.dependencies.is_empty() {
            // Helm stops here, and when the chart alone does not fit (`processImportValues`).
            self.lay(&mut Table::empty(user.span), &none, Pass::First, &first);
            if first.has_errors() {
                let errors = first.sorted().into_iter();
                let errors = errors.filter(|said| said.severity() == Severity::Error);
                errors.for_each(|error| diagnostics.push(error));
                return;
            }
        }
        let off: BTreeSet<Arc<str>> = self
            .dependencies
            .iter()
            .filter(|dependency| !dependency.is_on(&all))
            .map(|dependency| dependency.alias.clone().unwrap_or_else(|| dependency.name.clone()))
            .collect();
        self.lay(user, &off, Pass::Last, diagnostics);
    }

    /// Its own values, with those of the charts inside it where Helm puts them there beforehand:
    /// when it lists dependencies (`processImportValues`).
    fn own_values(&self, off: &BTreeSet<Arc<str>>) -> Table {
        if self.dependencies.is_empty() {
            return self.values.clone();
        }
        let mut values = Table::empty(self.values.span);
        self.lay(&mut values, off, Pass::Import, &Diagnostics::new());
        values
    }

    /// Lays the user's values over this chart's and hands them down.
    fn lay(
        &self,
        user: &mut Table,
        off: &BTreeSet<Arc<str>>,
        pass: Pass,
        diagnostics: &Diagnostics,
    ) {
        let on = || self.subcharts.iter().filter(|chart| !off.contains(&chart.name));
        let names: BTreeSet<Arc<str>> = on().map(|chart| Arc::clone(&chart.name)).collect();
        let values = if pass == Pass::Last { self.own_values(off) } else { self.values.clone() };
        coalesce(user, values, &names, pass == Pass::Import, diagnostics);
        for chart in on() {
            let empty =
                || Slot { key_span: user.span, value: Tree::Table(Table::empty(user.span)) };
            let mut slot = user.slots.remove(&chart.name).unwrap_or_else(empty);
            if let Tree::Table(own) = &mut slot.value {
                if pass == Pass::Last {
                    nulls(&chart.name, own, &chart.values, diagnostics);
                }
                globals(own, user, diagnostics);
                let none = BTreeSet::new();
                match pass {
                    Pass::First => chart.lay(own, &none, Pass::First, diagnostics),
                    Pass::Import => {
                        coalesce(own, chart.own_values(&none), &none, true, diagnostics);
                        chart.lay(own, &none, Pass::Import, diagnostics);
                    }
                    Pass::Last => chart.lay_under(own, diagnostics),
                }
            } else {
                no_table(&chart.name, &slot.value, diagnostics);
            }
            user.slots.insert(Arc::clone(&chart.name), slot);
        }
    }
}

/// Tells of nulls that are to delete what a chart inside the chart says: whether they do depends on the
/// release of Helm.
fn nulls(chart: &str, own: &Table, says: &Table, diagnostics: &Diagnostics) {
    for (key, slot) in &own.slots {
        let Some(below) = says.get(key) else { continue };
        match (&slot.value, below) {
            (value, _) if value.is_null() => {
                let message = format!("`{key}` is null for the chart `{chart}` inside the chart");
                let warning = Diagnostic::warning(codes::NULL_IN_SUBCHART, message)
                    .primary(value.span(), "may or may not delete its default")
                    .secondary(below.span(), "the default of the inner chart");
                diagnostics.push(warning.note("releases 3 and 4 of Helm differ here").help(
                    "render with the Helm that will deploy, or state the value that is wanted",
                ));
            }
            (Tree::Table(inner), Tree::Table(below)) => nulls(chart, inner, below, diagnostics),
            (Tree::Leaf(_) | Tree::List(..) | Tree::Table(_), _) => {}
        }
    }
}

/// The times that Helm lays values over a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// With every chart inside it, to see which are switched on.
    First,
    /// Before there are values of a user: nulls stay.
    Import,
    /// For good.
    Last,
}

fn no_table(name: &str, value: &Tree, diagnostics: &Diagnostics) {
    let message = format!("`{name}` is a chart: its values must be a table");
    let error = Diagnostic::error(codes::VALUES_CONFLICT, message);
    diagnostics.push(error.primary(value.span(), "type mismatch, says Helm"));
}

/// `global` of a chart goes down into the charts inside it and outweighs theirs
/// (`coalesceGlobals`).
fn globals(own: &mut Table, parent: &Table, diagnostics: &Diagnostics) {
    let Some(Tree::Table(from)) = parent.get("global") else {
        if parent.get("global").is_none() {
            let span = own.span;
            let empty = || Slot { key_span: span, value: Tree::Table(Table::empty(span)) };
            own.slots.entry(Arc::from("global")).or_insert_with(empty);
        }
        return;
    };
    let span = from.span;
    let empty = || Slot { key_span: span, value: Tree::Table(Table::empty(span)) };
    let slot = own.slots.entry(Arc::from("global")).or_insert_with(empty);
    let Tree::Table(into) = &mut slot.value else { return };
    for (key, slot) in &from.slots {
        match (&slot.value, into.slots.get_mut(key)) {
            (Tree::Table(above), Some(Slot { value: Tree::Table(below), .. })) => {
                let mut above = above.clone();
                let kept = std::mem::replace(below, Table::empty(span));
                tables(&mut above, kept, true, key, diagnostics);
                *below = above;
            }
            // A table does not replace what is none, nor the other way round.
            (Tree::Table(_), Some(_)) | (_, Some(Slot { value: Tree::Table(_), .. })) => {}
            _ => {
                into.slots.insert(Arc::clone(key), slot.clone());
            }
        }
    }
}

impl Dependency {
    /// Whether the values switch it on: the first condition that is there decides, else any tag.
    fn is_on(&self, values: &Table) -> bool {
        let tree = Tree::Table(values.clone());
        let truth = |path: &str| {
            let keys: Vec<&str> = path.split('.').collect();
            match tree.at(&keys)? {
                Tree::Leaf(node) => {
                    let value = node.scalar()?.value;
                    if let ScalarValue::Boolean(truth) = value { Some(truth) } else { None }
                }
                Tree::List(..) | Tree::Table(_) => None,
            }
        };
        if let Some(decided) = self.conditions.iter().find_map(|path| truth(path.trim())) {
            return decided;
        }
        let tags: Vec<bool> =
            self.tags.iter().filter_map(|tag| truth(&format!("tags.{tag}"))).collect();
        tags.is_empty() || tags.contains(&true)
    }
}

fn dependencies(head: &Node) -> Vec<Dependency> {
    let items = head.get("dependencies").and_then(Node::sequence).unwrap_or_default();
    let read = |item: &Node| {
        let text = |key| item.get(key).and_then(Node::text).map(Arc::from);
        let tags = item.get("tags").and_then(Node::sequence).unwrap_or_default();
        let conditions = item.get("condition").and_then(Node::text).unwrap_or_default();
        Some(Dependency {
            name: text("name")?,
            alias: text("alias"),
            conditions: conditions.split(',').filter(|it| !it.is_empty()).map(Arc::from).collect(),
            tags: tags.iter().filter_map(|tag| tag.text().map(Arc::from)).collect(),
        })
    };
    items.iter().filter_map(read).collect()
}

/// A chart in a folder of a folder, as where the folder of all charts was named.
fn chart_inside(path: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(path).ok()?;
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    folders.into_iter().find(|folder| folder.join("Chart.yaml").is_file())
}

/// The first document of a file.
fn read_one(path: &Path, sources: &mut Sources, diagnostics: &Diagnostics) -> Option<Node> {
    let file = sources.read(path, None, diagnostics)?;
    parse(sources, file, Dialect::Yaml11, diagnostics).into_iter().next()
}
