//! A scenario read once and decoded as often as wanted, each time with other figures in it.

use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Diagnostics};
use super::loader::{Files, LoadOptions, Loaded, decode_files, read_files};
use super::patch::{Patch, PatchTarget, Step, to_documents, to_objects};
use super::source::Sources;

/// A scenario with all its files, parsed.
pub struct Prepared {
    path: PathBuf,
    options: LoadOptions,
    sources: Sources,
    files: Files,
    diagnostics: Vec<Diagnostic>,
}

impl Prepared {
    /// Reads a scenario and every file it names; what is wrong is told when it is decoded.
    #[must_use]
    pub fn read(path: &Path, options: &LoadOptions) -> Self {
        Self::read_from(Sources::new(), path, options)
    }

    /// As [`Prepared::read`], with files that are there already.
    #[must_use]
    pub fn read_from(mut sources: Sources, path: &Path, options: &LoadOptions) -> Self {
        let diagnostics = Diagnostics::new();
        let files = read_files(path, options, &mut sources, &diagnostics);
        let (path, options) = (path.to_owned(), options.clone());
        Self { path, options, sources, files, diagnostics: diagnostics.sorted() }
    }

    /// Path of the scenario.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The scenario with figures changed, on top of the patches that it was read with. What changes
    /// which files are read, or what templates make of values, is read again.
    #[must_use]
    pub fn with(&self, patches: &[Patch]) -> Loaded {
        if patches.iter().any(needs_reading) {
            let mut options = self.options.clone();
            options.patches.extend(patches.iter().cloned());
            return super::loader::load_scenario_from(self.sources.clone(), &self.path, &options);
        }
        let diagnostics = Diagnostics::new();
        self.diagnostics.iter().for_each(|said| diagnostics.push(said.clone()));
        let (mut sources, mut files) = (self.sources.clone(), self.files.clone());
        patch_files(&mut files, patches, &mut sources, &diagnostics);
        decode_files(sources, &files, diagnostics, &self.options)
    }
}

/// Whether a patch decides what is read.
fn needs_reading(patch: &Patch) -> bool {
    let first = match patch.path.first() {
        Some(Step::Key(key)) => key.as_str(),
        Some(Step::Index(_) | Step::Named(_)) | None => "",
    };
    match patch.target {
        PatchTarget::Values => true,
        PatchTarget::Scenario => matches!(first, "inputs" | "events"),
        PatchTarget::Cluster => matches!(first, "catalogue" | "nodes" | "manifests"),
        PatchTarget::Services | PatchTarget::Object { .. } => false,
    }
}

/// Applies patches to files that were read: all that are not of values.
pub(super) fn patch_files(
    files: &mut Files,
    patches: &[Patch],
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) {
    if patches.is_empty() {
        return;
    }
    to_documents(&PatchTarget::Scenario, patches, &mut files.scenario, sources, diagnostics);
    to_documents(&PatchTarget::Cluster, patches, &mut files.profile, sources, diagnostics);
    to_documents(&PatchTarget::Services, patches, &mut files.services, sources, diagnostics);
    to_objects(patches, &mut files.manifests, sources, diagnostics);
}
