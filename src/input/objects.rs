//! The objects of a release or a cluster without a scenario around them.

use std::path::PathBuf;

use super::decode::Context;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::documents::read_manifests;
use super::kubernetes::Objects;
use super::source::Sources;

/// Where objects come from.
#[derive(Debug, Clone, Default)]
pub struct ObjectInputs {
    /// Manifests: files, folders, `-` for standard input.
    pub manifests: Vec<PathBuf>,
}

/// Objects with what was said about their documents.
#[derive(Debug)]
pub struct LoadedObjects {
    /// What could be decoded; objects with an error are left out.
    pub objects: Objects,
    /// All that was found, sorted.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that the diagnostics point into.
    pub sources: Sources,
}

/// Reads every document and decodes what takes part in a simulation; nothing stops at the first
/// fault.
#[must_use]
pub fn load_objects(inputs: &ObjectInputs) -> LoadedObjects {
    let diagnostics = Diagnostics::new();
    let mut sources = Sources::new();
    let mut documents = Vec::new();
    for path in &inputs.manifests {
        documents.extend(read_manifests(path, None, &mut sources, &diagnostics));
    }
    let context = Context { sources: &sources, diagnostics: &diagnostics };
    let mut objects = Objects::default();
    for node in documents.iter().flat_map(|documents| &documents.nodes) {
        objects.read(context, node);
    }
    objects.resolve_priorities(context);
    objects.resolve_limits(context);
    let diagnostics = diagnostics.sorted();
    LoadedObjects { objects, diagnostics, sources }
}
