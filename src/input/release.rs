//! What is deployed: manifests as they are, a chart with values, or values alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::adapters::{Convention, ReleaseName, fitted, objects_of};
use super::codes;
use super::decode::Context;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::documents::{Documents, Listed, paths, read_manifests};
use super::helm::{Helm, Rendered, Rendering, render};
use super::patch::{Patch, PatchTarget, assignments};
use super::source::{Sources, Span};
use super::values::{Chart, ValueInputs, Values, over_chart, user_values};
use super::yaml::Node;

/// What the command line says about the release.
#[derive(Debug, Clone, Default)]
pub struct ReleaseInputs {
    /// Manifests: files, folders, `-` for standard input.
    pub manifests: Vec<PathBuf>,
    /// The chart's folder.
    pub chart: Option<PathBuf>,
    /// Values over it, or values alone.
    pub values: ValueInputs,
    /// Name and namespace.
    pub release: ReleaseName,
    /// Who renders charts.
    pub helm: Helm,
}

impl ReleaseInputs {
    /// Whether there is a chart or are values.
    #[must_use]
    pub fn has_values(&self) -> bool {
        self.chart.is_some() || !self.values.is_empty()
    }

    /// Whether nothing is said about what is deployed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.manifests.is_empty() && self.chart.is_none() && self.values.is_empty()
    }
}

/// A release with the places that name its files.
#[derive(Debug, Clone, Default)]
pub(super) struct Release {
    manifests: Listed,
    chart: Option<(PathBuf, Option<Span>)>,
    values: ValueInputs,
    value_spans: Vec<Option<Span>>,
    name: ReleaseName,
    helm: Helm,
}

impl Release {
    /// What the command line states; what it does not state is as `inputs` of the scenario writes.
    /// Manifests, chart and values belong together: stating any of them replaces all, but values
    /// alone go on top of the scenario's.
    pub(super) fn of(stated: &ReleaseInputs, written: Option<&Node>, holder: &Path) -> Self {
        let listed = |name| paths(written.and_then(|inputs| inputs.get(name)), holder);
        let word = |name| {
            let node = written.and_then(|inputs| inputs.get(name));
            node.and_then(Node::text).filter(|text| !text.is_empty()).map(Arc::from)
        };
        let mut release = Self {
            helm: stated.helm.clone(),
            name: ReleaseName {
                name: stated.release.name.clone().or_else(|| word("release")),
                namespace: stated.release.namespace.clone().or_else(|| word("namespace")),
            },
            ..Self::default()
        };
        if stated.manifests.is_empty() && stated.chart.is_none() {
            release.manifests = listed("manifests");
            release.chart = listed("chart").into_iter().next();
            let (files, spans) = listed("values").into_iter().unzip();
            (release.values.files, release.value_spans) = (files, spans);
        } else {
            release.manifests = stated.manifests.iter().map(|path| (path.clone(), None)).collect();
            release.chart = stated.chart.clone().map(|path| (path, None));
        }
        release.over(&stated.values)
    }

    /// The same release with more values on top.
    pub(super) fn over(mut self, more: &ValueInputs) -> Self {
        self.values.files.extend(more.files.iter().cloned());
        self.value_spans.resize(self.values.files.len(), None);
        for (into, from) in [
            (&mut self.values.set_json, &more.set_json),
            (&mut self.values.set, &more.set),
            (&mut self.values.set_string, &more.set_string),
            (&mut self.values.set_file, &more.set_file),
            (&mut self.values.set_literal, &more.set_literal),
        ] {
            into.extend(from.iter().cloned());
        }
        self
    }

    /// The same release with single values changed, on top of everything else that is set.
    pub(super) fn patched(
        mut self,
        patches: &[Patch],
        sources: &mut Sources,
        diagnostics: &Diagnostics,
    ) -> Self {
        let values = || patches.iter().filter(|patch| patch.target == PatchTarget::Values);
        if !self.has_values() {
            let cause = "the release has manifests alone, no values; patch an object instead, as in \
                         `Deployment/web:spec.replicas=3`";
            values().for_each(|patch| diagnostics.push(patch.refused_in(sources, cause)));
            return self;
        }
        let (set, set_string) = assignments(patches);
        self.values.set.extend(set);
        self.values.set_string.extend(set_string);
        self
    }

    /// The same release after `upgrade: {values: [..]}`: more files on top, manifests aside.
    pub(super) fn upgraded(&self, files: Listed) -> Self {
        let mut next = Self { manifests: Vec::new(), ..self.clone() };
        for (path, span) in files {
            next.values.files.push(path);
            next.value_spans.push(span);
        }
        next
    }

    /// Whether there is a chart or are values, that other values can go on top of.
    pub(super) fn has_values(&self) -> bool {
        self.chart.is_some() || !self.values.is_empty()
    }

    /// Reads all of it to documents of Kubernetes objects.
    pub(super) fn documents(
        &self,
        sources: &mut Sources,
        diagnostics: &Diagnostics,
    ) -> Vec<Documents> {
        let mut documents = Vec::new();
        for (path, span) in &self.manifests {
            documents.extend(read_manifests(path, *span, sources, diagnostics));
        }
        if let Some((chart, span)) = &self.chart {
            documents.extend(self.of_chart(chart, *span, sources, diagnostics));
        } else if !self.values.is_empty() {
            documents.extend(self.of_values(None, sources, diagnostics));
        }
        documents
    }

    fn of_chart(
        &self,
        path: &Path,
        span: Option<Span>,
        sources: &mut Sources,
        diagnostics: &Diagnostics,
    ) -> Vec<Documents> {
        // Its values are read in any case: what is wrong with them is better said by place than by
        // helm.
        let Some(chart) = Chart::read(path, span, sources, diagnostics) else { return Vec::new() };
        let release = ReleaseName {
            name: self.name.name.clone().or_else(|| Some(Arc::clone(&chart.name))),
            namespace: self.name.namespace.clone(),
        };
        let rendering =
            Rendering { chart: path, wanted_by: span, values: &self.values, release: &release };
        match render(&self.helm, &rendering, sources, diagnostics) {
            Rendered::Done(documents) => documents,
            Rendered::NoHelm => self.of_values(Some(&chart), sources, diagnostics),
        }
    }

    /// The values that objects are told from, with the chart they go over and the name of the release;
    /// `None` when there are none.
    pub(super) fn told_values(
        &self,
        sources: &mut Sources,
        diagnostics: &Diagnostics,
    ) -> Option<(Values, Option<Chart>, ReleaseName)> {
        if !self.has_values() {
            return None;
        }
        let chart = match &self.chart {
            Some((path, span)) => Some(Chart::read(path, *span, sources, diagnostics)?),
            None => None,
        };
        let mut values = user_values(&self.values, &self.value_spans, sources, diagnostics);
        if let Some(chart) = &chart {
            values = over_chart(values, chart, diagnostics);
        }
        Some((values, chart, self.name.clone()))
    }

    /// The objects that values give by convention.
    fn of_values(
        &self,
        chart: Option<&Chart>,
        sources: &mut Sources,
        diagnostics: &Diagnostics,
    ) -> Vec<Documents> {
        let mut values = user_values(&self.values, &self.value_spans, sources, diagnostics);
        if let Some(chart) = chart {
            values = over_chart(values, chart, diagnostics);
        }
        let had_errors = diagnostics.has_errors();
        if had_errors && values.merged.slots.is_empty() {
            return Vec::new();
        }
        let objects = objects_of(&values, chart, &self.name, sources, diagnostics);
        let Some((convention, nodes)) = objects else { return Vec::new() };
        if chart.is_some() || convention != Convention::Aurelius {
            let message = format!(
                "the objects are told by the conventions of {}, not rendered: what templates add \
                 is not seen",
                convention.name()
            );
            let warning = Diagnostic::warning(codes::CHART_NOT_RENDERED, message);
            let advice = if chart.is_some() {
                "have `helm` on PATH or set AURELIUS_HELM to it"
            } else {
                "name the chart with `--chart`"
            };
            diagnostics.push(warning.note(told_of(&nodes)).help(advice));
        }
        let (file, roughly_told) = (values.merged.span.file, convention.is_rough());
        let nodes =
            if roughly_told { fitted(nodes, Context { sources, diagnostics }) } else { nodes };
        vec![Documents { file, nodes, roughly_told }]
    }
}

/// What was told, so that a reader sees what is not.
fn told_of(nodes: &[Node]) -> String {
    const SHOWN: usize = 6;
    let name = |node: &Node| {
        let name = node.get("metadata")?.get("name")?.text()?;
        Some(format!("{}/{name}", node.get("kind")?.text()?))
    };
    let names: Vec<String> = nodes.iter().filter_map(name).collect();
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 if names.is_empty() => "they tell of no object".to_owned(),
        0 => format!("told are {shown}"),
        more => format!("told are {shown} and {more} more"),
    }
}
