//! A chart's own values: those of its folder and of the charts inside it, and Helm's way of laying
//! the user's values over them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Layer;
use super::dependency::{Dependency, dependencies};
use super::files::{ChartFiles, Inner};
use super::merge::{coalesce, merge, tables};
use super::tree::{Slot, Table, Tree};
use crate::input::codes;
use crate::input::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::input::source::{Sources, Span};
use crate::input::yaml::{Dialect, Node, parse};

/// Charts inside charts are followed this deep.
const CHARTS_DEPTH: usize = 16;

/// A chart, as far as its values go.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Its folder, or the file it is packed in.
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
    dependencies: Option<Vec<Dependency>>,
}

/// Something is wrong and has been reported.
struct Stopped;

impl Chart {
    /// Reads the values of a chart: a folder, or a chart that is packed. `None` when there is no usable
    /// Chart.yaml, which is reported.
    #[must_use]
    pub fn read(
        path: &Path,
        wanted_by: Option<Span>,
        sources: &mut Sources,
        diagnostics: &Diagnostics,
    ) -> Option<Self> {
        let refuse = |message: String, help: Option<String>| {
            let error = Diagnostic::error(codes::UNREADABLE_FILE, message);
            let error = match wanted_by {
                Some(span) => error.primary(span, "named here"),
                None => error,
            };
            diagnostics.push(match help {
                Some(help) => error.help(help),
                None => error,
            });
        };
        match ChartFiles::at(path) {
            Ok(files) if files.has("Chart.yaml") => Self::of(&files, sources, diagnostics, 0),
            Ok(_) => {
                let what =
                    if path.exists() { "it has no Chart.yaml" } else { "there is no such folder" };
                let help = chart_inside(path).map(|at| format!("there is one in {}", at.display()));
                refuse(format!("`{}` is no chart: {what}", path.display()), help);
                None
            }
            Err(cause) => {
                let help =
                    "a chart is a folder with a Chart.yaml, or what `helm package` makes of it";
                refuse(format!("`{}` is no chart: {cause}", path.display()), Some(help.to_owned()));
                None
            }
        }
    }

    fn of(
        files: &ChartFiles,
        sources: &mut Sources,
        diagnostics: &Diagnostics,
        depth: usize,
    ) -> Option<Self> {
        let file = files.read("Chart.yaml", sources, diagnostics)?;
        let head = parse(sources, file, Dialect::Yaml11, diagnostics).into_iter().next()?;
        let text =
            |key| head.get(key).and_then(Node::scalar).map(|scalar| Arc::clone(&scalar.text));
        let mut chart = Self {
            path: files.path.clone(),
            name: text("name").unwrap_or_else(|| Arc::from("chart")),
            version: text("version").unwrap_or_default(),
            app_version: text("appVersion"),
            values: own_values(files, head.span, sources, diagnostics),
            subcharts: Vec::new(),
            dependencies: dependencies(&head),
        };
        // Charts of the first format list them in a file of their own.
        if files.has("requirements.yaml")
            && let Some(file) = files.read("requirements.yaml", sources, diagnostics)
            && let Some(listed) = parse(sources, file, Dialect::Yaml11, diagnostics).first()
        {
            chart.dependencies = dependencies(listed).or(chart.dependencies);
        }
        if depth < CHARTS_DEPTH {
            chart.read_subcharts(files, sources, diagnostics, depth);
        }
        chart.tell_missing(diagnostics);
        Some(chart)
    }

    fn read_subcharts(
        &mut self,
        files: &ChartFiles,
        sources: &mut Sources,
        diagnostics: &Diagnostics,
        depth: usize,
    ) {
        for inner in files.inner() {
            let (path, cause) = match inner {
                Inner::Chart(inner) if inner.has("Chart.yaml") => {
                    self.subcharts.extend(Self::of(&inner, sources, diagnostics, depth + 1));
                    continue;
                }
                Inner::Chart(inner) => (inner.path, "it has no Chart.yaml".to_owned()),
                Inner::Broken(path, cause) => (path, cause),
            };
            let message = format!("`{}` is no chart: {cause}", path.display());
            let error = Diagnostic::error(codes::UNREADABLE_FILE, message);
            diagnostics.push(
                error.note("Helm takes everything in `charts/` for a chart").help(
                    "move it elsewhere, or pack the chart anew with `helm dependency update`",
                ),
            );
        }
    }

    /// Tells of dependencies that are not there, or twice under one name: Helm refuses the chart.
    fn tell_missing(&self, diagnostics: &Diagnostics) {
        let mut seen: BTreeMap<&str, &Dependency> = BTreeMap::new();
        for dependency in self.dependencies.iter().flatten() {
            let name = dependency.alias.as_ref().unwrap_or(&dependency.name);
            if let Some(first) = seen.insert(name, dependency) {
                let message = format!("two dependencies are called `{name}`");
                let error = Diagnostic::error(codes::VALUES_CONFLICT, message)
                    .primary(dependency.span, "the second")
                    .secondary(first.span, "the first");
                diagnostics.push(
                    error
                        .note("Helm says: more than one dependency with name or alias")
                        .help("give one of them an `alias`"),
                );
            }
        }
        for dependency in self.dependencies.iter().flatten() {
            if self.subcharts.iter().all(|chart| chart.name != dependency.name) {
                let (name, path) = (&dependency.name, self.path.display());
                let message = format!("the chart `{name}` is a dependency and not in `charts/`");
                let warning = Diagnostic::warning(codes::MISSING_DEPENDENCY, message);
                diagnostics.push(
                    warning
                        .primary(dependency.span, "wanted here")
                        .note("Helm says: found in Chart.yaml, but missing in charts/ directory")
                        .help(format!("run `helm dependency build {path}`")),
                );
            }
        }
    }

    /// The user's values over those of this chart and the charts in it, as Helm does before it renders:
    /// which charts are on, what they export, and then all of it (helm,
    /// pkg/chart/v2/util/dependencies.go `ProcessDependencies`, pkg/chart/common/util/coalesce.go
    /// `CoalesceValues`). Gives what the charts inside say, the outer ones last.
    pub(super) fn lay_under(&self, user: &mut Table, diagnostics: &Diagnostics) -> Vec<Layer> {
        let mut chart = self.clone();
        let quiet = Diagnostics::new();
        let before =
            chart.enable(user, &mut Vec::new(), &quiet).and_then(|()| chart.import(&quiet));
        // What else these say is said again when all of it is laid for good.
        let kept = |said: &Diagnostic| {
            said.severity() == Severity::Error || said.code() == codes::MISSING_DEPENDENCY
        };
        quiet.sorted().into_iter().filter(kept).for_each(|said| diagnostics.push(said));
        if before.is_err() {
            return Vec::new();
        }
        let mut layers = Vec::new();
        chart.layers(&mut Vec::new(), &mut layers);
        chart.told(user, diagnostics);
        // What stops it has been reported.
        let _ = chart.lay(user, Nulls::Delete, diagnostics);
        layers
    }

    /// Leaves the charts that are switched on, each under its alias (`processDependencyEnabled`). The
    /// values are those of the outermost chart at every depth, and `path` leads to this one.
    fn enable(
        &mut self,
        values: &Table,
        path: &mut Vec<Arc<str>>,
        diagnostics: &Diagnostics,
    ) -> Result<(), Stopped> {
        let Some(mut listed) = self.dependencies.clone() else { return Ok(()) };
        let means =
            |dependency: &Dependency, chart: &Self| dependency.means(&chart.name, &chart.version);
        let unlisted = |chart: &&Self| !listed.iter().any(|dependency| means(dependency, chart));
        let mut charts: Vec<Self> = self.subcharts.iter().filter(unlisted).cloned().collect();
        for dependency in &mut listed {
            let found = self.subcharts.iter().find(|chart| means(dependency, chart)).cloned();
            let alias = dependency.alias.clone();
            charts.extend(found.map(|chart| Self {
                name: alias.clone().unwrap_or_else(|| Arc::clone(&chart.name)),
                ..chart
            }));
            dependency.name = alias.unwrap_or_else(|| Arc::clone(&dependency.name));
        }
        self.subcharts = charts;
        let mut laid = values.clone();
        self.lay(&mut laid, Nulls::Delete, diagnostics)?;
        let tree = Tree::Table(laid.clone());
        let off: BTreeSet<Arc<str>> = listed
            .iter()
            .filter(|dependency| !dependency.is_on(&tree, path))
            .map(|dependency| Arc::clone(&dependency.name))
            .collect();
        self.subcharts.retain(|chart| !off.contains(&chart.name));
        listed.retain(|dependency| !off.contains(&dependency.name));
        for chart in &mut self.subcharts {
            path.push(Arc::clone(&chart.name));
            chart.enable(&laid, path, diagnostics)?;
            path.pop();
        }
        // A list that became empty is none: nothing is imported then.
        self.dependencies = (!listed.is_empty()).then_some(listed);
        Ok(())
    }

    /// Takes over what the charts inside export, below what this one says (`processImportValues`).
    fn import(&mut self, diagnostics: &Diagnostics) -> Result<(), Stopped> {
        for chart in &mut self.subcharts {
            chart.import(diagnostics)?;
        }
        let Some(listed) = &self.dependencies else { return Ok(()) };
        let mut values = Table::empty(self.values.span);
        self.lay(&mut values, Nulls::Keep, diagnostics)?;
        let mut imported = Table::empty(self.values.span);
        for dependency in listed {
            let Some(inner) = values.get(&dependency.name).cloned() else { continue };
            for import in &dependency.imports {
                match import.of(&inner) {
                    Some(table) => tables(&mut imported, table, true, "", diagnostics),
                    None => diagnostics.push(import.missing(&dependency.name)),
                }
            }
        }
        tables(&mut values, imported, true, "", diagnostics);
        self.values = values;
        Ok(())
    }

    /// Lays values over this chart's and hands them down (`coalesce`).
    fn lay(
        &self,
        user: &mut Table,
        nulls: Nulls,
        diagnostics: &Diagnostics,
    ) -> Result<(), Stopped> {
        let names = self.subcharts.iter().map(|chart| Arc::clone(&chart.name)).collect();
        coalesce(user, self.values.clone(), &names, nulls == Nulls::Keep, diagnostics);
        for chart in &self.subcharts {
            let empty =
                || Slot { key_span: user.span, value: Tree::Table(Table::empty(user.span)) };
            let mut slot = user.slots.remove(&chart.name).unwrap_or_else(empty);
            let Tree::Table(own) = &mut slot.value else {
                no_table(&chart.name, &slot.value, diagnostics);
                return Err(Stopped);
            };
            globals(own, user, diagnostics);
            let done = chart.lay(own, nulls, diagnostics);
            let below = own.clone();
            share(&below, user);
            user.slots.insert(Arc::clone(&chart.name), slot);
            done?;
        }
        self.share_down(user);
        Ok(())
    }

    /// Gives what one chart inside did to shared globals to all of them.
    fn share_down(&self, user: &mut Table) {
        for chart in &self.subcharts {
            let Some(mut slot) = user.slots.remove(&chart.name) else { continue };
            if let Tree::Table(own) = &mut slot.value {
                share(user, own);
                chart.share_down(own);
            }
            user.slots.insert(Arc::clone(&chart.name), slot);
        }
    }

    /// What the charts inside say by themselves, under the keys of their charts, the outer ones last.
    fn layers(&self, path: &mut Vec<Arc<str>>, into: &mut Vec<Layer>) {
        for chart in &self.subcharts {
            path.push(Arc::clone(&chart.name));
            chart.layers(path, into);
            let name = chart.path.join("values.yaml").to_string_lossy().into();
            let own = chart.values.clone();
            let table = path.iter().rev().fold(own, |table, key| Table::with(key, table));
            into.push(Layer { name, table });
            path.pop();
        }
    }

    /// Tells of what the user says about charts inside this one and what releases of Helm take
    /// differently, and of values that are for a chart which takes none.
    fn told(&self, user: &Table, diagnostics: &Diagnostics) {
        for chart in &self.subcharts {
            if let Some(Tree::Table(own)) = user.get(&chart.name) {
                nulls(&chart.name, own, &chart.values, diagnostics);
                chart.told(own, diagnostics);
            }
        }
    }
}

/// What becomes of nulls when values are laid over others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nulls {
    /// They delete what is below them (`CoalesceValues`).
    Delete,
    /// They stay, as they will be laid over others again (`MergeValues`).
    Keep,
}

/// `values.yaml` of a chart, its documents over one another.
fn own_values(
    files: &ChartFiles,
    span: Span,
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) -> Table {
    let mut values = Table::empty(span);
    if !files.has("values.yaml") {
        return values;
    }
    let Some(file) = files.read("values.yaml", sources, diagnostics) else { return values };
    values.span = Span { file, start: 0, end: 0 };
    for document in parse(sources, file, Dialect::Yaml11, diagnostics) {
        match Tree::of(&document) {
            Tree::Table(table) => merge(&mut values, table),
            Tree::Leaf(_) if document.is_null() => {}
            Tree::Leaf(_) | Tree::List(..) => {
                let message = format!("values must be a mapping, not {}", document.describe());
                let error = Diagnostic::error(codes::WRONG_TYPE, message);
                diagnostics.push(error.primary(document.span, ""));
            }
        }
    }
    values
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

/// Tables inside tables of `global` are one and the same for a chart and the charts inside it, because
/// Helm copies only the outer ones (`coalesceGlobals`, `copyMap`): what the defaults of one add to them
/// is seen by all.
fn share(from: &Table, into: &mut Table) {
    let Some(Tree::Table(from)) = from.get("global") else { return };
    let Some(Slot { value: Tree::Table(into), .. }) = into.slots.get_mut("global") else { return };
    for (key, slot) in &mut into.slots {
        let (Tree::Table(into), Some(Tree::Table(from))) = (&mut slot.value, from.get(key)) else {
            continue;
        };
        for (key, slot) in &mut into.slots {
            if let (Tree::Table(into), Some(Tree::Table(from))) = (&mut slot.value, from.get(key)) {
                into.clone_from(from);
            }
        }
    }
}

/// A chart in a folder of a folder, as where the folder of all charts was named.
fn chart_inside(path: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(path).ok()?;
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    folders.into_iter().find(|folder| folder.join("Chart.yaml").is_file())
}
