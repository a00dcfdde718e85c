//! The objects of a release or a cluster without a scenario around them.

use std::path::Path;

use super::decode::Context;
use super::diagnostic::{Diagnostic, Diagnostics, Severity};
use super::kubernetes::Objects;
use super::release::{Release, ReleaseInputs};
use super::source::Sources;
use super::yaml::{Dialect, Node, parse};

/// Objects with what was said about their documents.
#[derive(Debug)]
pub struct LoadedObjects {
    /// What could be decoded; objects with an error are left out.
    pub objects: Objects,
    /// Every document as it was read, of whatever kind.
    pub documents: Vec<Node>,
    /// All that was found, sorted.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that the diagnostics point into.
    pub sources: Sources,
}

impl LoadedObjects {
    /// Whether anything is wrong with the documents, beyond warnings.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|said| said.severity() == Severity::Error)
    }
}

/// Reads every document and decodes what takes part in a simulation; nothing stops at the first
/// fault.
#[must_use]
pub fn load_objects(inputs: &ReleaseInputs) -> LoadedObjects {
    let diagnostics = Diagnostics::new();
    let mut sources = Sources::new();
    let release = Release::of(inputs, None, Path::new(""));
    let documents = release.documents(&mut sources, &diagnostics);
    let context = Context { sources: &sources, diagnostics: &diagnostics };
    let mut objects = Objects::default();
    for node in documents.iter().flat_map(|documents| &documents.nodes) {
        objects.read(context, node);
    }
    objects.resolve_priorities(context);
    objects.resolve_limits(context);
    let diagnostics = diagnostics.sorted();
    let documents = documents.into_iter().flat_map(|documents| documents.nodes).collect();
    LoadedObjects { objects, documents, diagnostics, sources }
}

/// The objects of a text that is no file; `name` stands for its path in diagnostics.
#[must_use]
pub fn objects_in(name: &str, text: &str) -> LoadedObjects {
    let diagnostics = Diagnostics::new();
    let mut sources = Sources::new();
    let file = sources.embed(Path::new(name), text);
    let documents = parse(&sources, file, Dialect::Yaml11, &diagnostics);
    let context = Context { sources: &sources, diagnostics: &diagnostics };
    let mut objects = Objects::default();
    for node in &documents {
        objects.read(context, node);
    }
    let diagnostics = diagnostics.sorted();
    LoadedObjects { objects, documents, diagnostics, sources }
}
