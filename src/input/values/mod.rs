//! Helm values: files over files, `--set` over files, all of them over the chart, each leaf with the
//! place it came from.

mod chart;
mod dependency;
mod files;
mod merge;
mod set;
mod tree;
mod version;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use chart::Chart;
pub use tree::{Slot, Table, Tree};

pub(super) use self::merge::clean;
use self::merge::merge;
use self::set::{FileReader, Reading, SetError, assign};
use super::codes;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::source::{FileId, Sources, Span};
use super::yaml::{Dialect, parse};

/// Values as the command line or a scenario gives them. Helm's order holds whatever the order on
/// the command line: files, then JSON, plain, text, file and literal assignments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValueInputs {
    /// `--values`: files, the later over the earlier.
    pub files: Vec<PathBuf>,
    /// `--set-json`.
    pub set_json: Vec<String>,
    /// `--set`.
    pub set: Vec<String>,
    /// `--set-string`.
    pub set_string: Vec<String>,
    /// `--set-file`.
    pub set_file: Vec<String>,
    /// `--set-literal`.
    pub set_literal: Vec<String>,
}

impl ValueInputs {
    /// Whether nothing is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One source of values before it met the others.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The file, or the option.
    pub name: Arc<str>,
    /// What it says.
    pub table: Table,
}

/// Values with what they are made of.
#[derive(Debug, Clone)]
pub struct Values {
    /// The result.
    pub merged: Table,
    /// The sources, the stronger last.
    pub layers: Vec<Layer>,
}

/// Puts the user's values together. What is wrong is reported, and the rest goes on.
#[must_use]
pub fn user_values(
    inputs: &ValueInputs,
    spans: &[Option<Span>],
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) -> Values {
    let root = sources.add("(values)", "");
    let mut values =
        Values { merged: Table::empty(Span { file: root, start: 0, end: 0 }), layers: Vec::new() };
    for (at, path) in inputs.files.iter().enumerate() {
        let span = spans.get(at).copied().flatten();
        if let Some(table) = read_values(path, span, sources, diagnostics) {
            merge(&mut values.merged, table.clone());
            values.layers.push(Layer { name: path.to_string_lossy().into(), table });
        }
    }
    let mut set = Setter { sources, diagnostics, values: &mut values };
    inputs.set_json.iter().for_each(|text| set.json(text));
    inputs.set.iter().for_each(|text| set.plain("--set", text, Reading::Typed, Reading::Typed));
    inputs.set_string.iter().for_each(|text| {
        set.plain("--set-string", text, Reading::Text, Reading::Text);
    });
    inputs.set_file.iter().for_each(|text| set.file(text));
    inputs.set_literal.iter().for_each(|text| {
        set.plain("--set-literal", text, Reading::Literal, Reading::Literal);
    });
    values
}

/// The user's values over those of a chart.
#[must_use]
pub fn over_chart(user: Values, chart: &Chart, diagnostics: &Diagnostics) -> Values {
    let Values { mut merged, layers: mut over } = user;
    let mut layers = chart.lay_under(&mut merged, diagnostics);
    let name = chart.path.join("values.yaml").to_string_lossy().into();
    layers.push(Layer { name, table: chart.values.clone() });
    layers.append(&mut over);
    Values { merged, layers }
}

/// The documents of a values file, the later over the earlier.
fn read_values(
    path: &Path,
    span: Option<Span>,
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) -> Option<Table> {
    let file = sources.read(path, span, diagnostics)?;
    let documents = parse(sources, file, Dialect::Yaml11, diagnostics);
    let mut table = Table::empty(Span { file, start: 0, end: 0 });
    for document in &documents {
        match Tree::of(document) {
            Tree::Table(next) => merge(&mut table, next),
            Tree::Leaf(_) | Tree::List(..) => {
                let message = format!("values must be a mapping, not {}", document.describe());
                let error = Diagnostic::error(codes::WRONG_TYPE, message);
                diagnostics.push(error.primary(document.span, ""));
                return None;
            }
        }
        let text = |key| document.get(key).and_then(super::yaml::Node::text);
        if let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) {
            let message = format!("these values look like a Kubernetes object ({version} {kind})");
            let warning = Diagnostic::warning(codes::UNKNOWN_KIND, message);
            diagnostics
                .push(warning.primary(document.span.at_start(), "").help("for manifests use `-f`"));
        }
    }
    Some(table)
}

struct Setter<'s> {
    sources: &'s mut Sources,
    diagnostics: &'s Diagnostics,
    values: &'s mut Values,
}

impl Setter<'_> {
    /// Assigns into the values, and alone into a layer of its own so that one can see later what it
    /// overrode.
    fn plain(&mut self, option: &str, text: &str, reading: Reading<'_>, again: Reading<'_>) {
        let file = self.sources.add(option, text);
        if let Err(error) = assign(file, text, reading, &mut self.values.merged) {
            self.report(option, file, text, error);
            return;
        }
        let mut table = Table::empty(Span { file, start: 0, end: 0 });
        // What needs the values below it has been reported above.
        let _ = assign(file, text, again, &mut table);
        self.values.layers.push(Layer { name: option.into(), table });
    }

    fn json(&mut self, text: &str) {
        if !text.trim_start().starts_with('{') {
            self.plain("--set-json", text, Reading::Json, Reading::Json);
            return;
        }
        let file = self.sources.add("--set-json", text);
        let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let span = Span { file, start: 0, end };
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(value) => {
                if let Tree::Table(table) = set::of_json(&value, span) {
                    merge(&mut self.values.merged, table.clone());
                    self.values.layers.push(Layer { name: "--set-json".into(), table });
                }
            }
            Err(error) => {
                let message = format!("is no JSON: {}", super::json::cause(&error));
                let at = text.len() - text.trim_start().len();
                self.report("--set-json", file, text, SetError { message, at, blocked_by: None });
            }
        }
    }

    fn file(&mut self, text: &str) {
        // The texts are read before, as a reader may not add to the sources while one is looked at.
        let Self { sources, diagnostics, values } = self;
        let file = sources.add("--set-file", text);
        let mut table = Table::empty(Span { file, start: 0, end: 0 });
        let mut read = |path: &str| {
            let quiet = Diagnostics::new();
            let Some(id) = sources.read(Path::new(path), None, &quiet) else {
                let cause = quiet.sorted().first().map(|said| said.message().to_owned());
                return Err(cause.unwrap_or_else(|| format!("cannot read `{path}`")));
            };
            let text = sources.file(id).text();
            Ok(Tree::text(text, Span { file: id, start: 0, end: 0 }))
        };
        let reader: &mut FileReader<'_> = &mut read;
        let done = assign(file, text, Reading::File(reader), &mut values.merged);
        if done.is_ok() {
            let _ = assign(file, text, Reading::File(reader), &mut table);
            values.layers.push(Layer { name: "--set-file".into(), table });
        }
        let diagnostics = *diagnostics;
        if let Err(error) = done {
            report(diagnostics, "--set-file", file, text, error);
        }
    }

    fn report(&self, option: &str, file: FileId, text: &str, error: SetError) {
        report(self.diagnostics, option, file, text, error);
    }
}

fn report(diagnostics: &Diagnostics, option: &str, file: FileId, text: &str, error: SetError) {
    let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let at = error.at.min(text.len());
    let message = format!("cannot use `{option} {text}`: {}", error.message);
    let span = Span { file, start: narrow(at), end: narrow(text.len()) };
    let mut diagnostic = Diagnostic::error(codes::INVALID_SET, message).primary(span, "");
    if let Some(by) = error.blocked_by {
        diagnostic = diagnostic.secondary(by, "written here");
    }
    diagnostics.push(diagnostic);
}
