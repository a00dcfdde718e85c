//! What decoders ask of documents, written down while they ask: the schemas of our documents are
//! made of it, so that they cannot differ from what is accepted.

use std::collections::{BTreeMap, BTreeSet};

use super::Value;
use crate::input::source::FileId;

/// What was asked of all values at one path.
#[derive(Debug, Default, Clone)]
pub struct Shape {
    /// JSON types that were tried: `object`, `array`, `string`, `number`, `integer`, `boolean`.
    pub types: BTreeSet<&'static str>,
    /// Known fields, with how often each was demanded.
    pub fields: BTreeMap<&'static str, usize>,
    /// How often the fields were read.
    pub visits: usize,
    /// Whether keys are free.
    pub free: bool,
    /// The words of a fixed set.
    pub words: BTreeSet<String>,
    /// Bounds of a whole number.
    pub bounds: Option<(i128, i128)>,
}

/// Shapes by kind of document and path; `*` is a free key, `[]` an item.
#[derive(Debug, Default)]
pub struct Shapes {
    kinds: BTreeMap<FileId, &'static str>,
    found: BTreeMap<(&'static str, String), Shape>,
}

impl Shapes {
    /// Notes that a file holds a document of ours.
    pub(in crate::input) fn begin(&mut self, file: FileId, kind: &'static str) {
        self.kinds.insert(file, kind);
    }

    /// The shape at a path of a kind.
    #[must_use]
    pub fn get(&self, kind: &'static str, path: &str) -> Option<&Shape> {
        self.found.get(&(kind, path.to_owned()))
    }
}

impl Value<'_> {
    /// Notes that a text may stand here as well, whatever stands here now.
    pub(in crate::input) fn may_be_text(&self) {
        self.learn(|shape| {
            shape.types.insert("string");
        });
    }

    /// Notes something about the values at this path, when anybody listens.
    pub(super) fn learn(&self, note: impl FnOnce(&mut Shape)) {
        self.context().diagnostics.learn(|shapes| {
            let Some(&kind) = shapes.kinds.get(&self.node().span.file) else { return };
            note(shapes.found.entry((kind, self.shape_path())).or_default());
        });
    }
}
