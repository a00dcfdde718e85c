//! Where computed cells are kept: a folder, or any object store in builds that have them.
//!
//! An object appears whole or not at all, and is written once; so workers that die leave nothing to
//! clean up, and two that compute the same cell write the same bytes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::files::write_whole;

/// A place of named texts.
pub(in crate::cli) enum Store {
    /// A folder of files.
    Folder(PathBuf),
    /// Amazon S3, Google Cloud Storage, Azure Blob Storage, a local folder by URL, or memory.
    #[cfg(feature = "object-store")]
    Objects(super::objects::Objects),
}

/// Why a place cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {cause}")]
pub(in crate::cli) struct StoreError {
    pub(in crate::cli) place: String,
    pub(in crate::cli) cause: String,
}

impl Store {
    /// A path is a folder; `file://`, `memory://`, `s3://`, `gs://` and `az://` are object stores.
    pub(in crate::cli) fn open(place: &str) -> Result<Self, StoreError> {
        let Some((scheme, _)) = place.split_once("://") else {
            return Ok(Self::Folder(PathBuf::from(place)));
        };
        #[cfg(feature = "object-store")]
        {
            let _ = scheme;
            super::objects::Objects::open(place).map(Self::Objects)
        }
        #[cfg(not(feature = "object-store"))]
        {
            let cause = format!(
                "this build writes to folders alone; one with `--features object-store` writes to \
                 {scheme}:// too"
            );
            Err(StoreError { place: place.to_owned(), cause })
        }
    }

    /// The text of a name; `None` when there is none.
    pub(in crate::cli) fn get(&self, name: &str) -> Result<Option<String>, StoreError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                match fs::read(&path) {
                    // What is no text is no result either; it will be written anew.
                    Ok(bytes) => Ok(Some(String::from_utf8(bytes).unwrap_or_default())),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(failed(&path, &error)),
                }
            }
            #[cfg(feature = "object-store")]
            Self::Objects(objects) => objects.get(name),
        }
    }

    /// Writes a text under a name, whole or not at all.
    pub(in crate::cli) fn put(&self, name: &str, text: &str) -> Result<(), StoreError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                write_whole(&path, text).map_err(|error| failed(&path, &error.cause))
            }
            #[cfg(feature = "object-store")]
            Self::Objects(objects) => objects.put(name, text),
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    StoreError { place: path.display().to_string(), cause: error.to_string() }
}

/// The name of a cell's result; a folder holds a thousand of them.
pub(in crate::cli) fn cell_name(cell: usize) -> String {
    format!("cells/{:05}/{cell:08}.json", cell / 1_000)
}

/// The name of the plan.
pub(in crate::cli) const PLAN: &str = "plan.jsonl";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_back_what_was_put() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path().to_str().expect("it is text")).expect("it is a path");
        assert_eq!(store.get(&cell_name(1_234)).expect("it can be asked"), None);
        store.put(&cell_name(1_234), "{}\n").expect("it can be written");
        let path = folder.path().join("cells/00001/00001234.json");
        assert!(path.is_file());
        assert_eq!(store.get(&cell_name(1_234)).expect("it is there").as_deref(), Some("{}\n"));
        fs::write(&path, [0xff, 0xfe]).expect("it can be written");
        assert_eq!(store.get(&cell_name(1_234)).expect("it is there").as_deref(), Some(""));
    }
}
