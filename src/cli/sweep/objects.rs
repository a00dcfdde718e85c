//! Object stores: the same names and texts as a folder has, behind a URL.
//!
//! Credentials and regions come from the variables that each cloud's own tools read (`AWS_...`,
//! `GOOGLE_...`, `AZURE_...`).

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, parse_url_opts};
use tokio::runtime::{Builder, Runtime};
use url::Url;

use super::store::StoreError;

/// An object store and the prefix in it that is ours.
pub(in crate::cli) struct Objects {
    place: String,
    store: Box<dyn ObjectStore>,
    prefix: Path,
    runtime: Runtime,
}

impl Objects {
    /// Opens the store of a URL; nothing is asked of it yet.
    pub(in crate::cli) fn open(place: &str) -> Result<Self, StoreError> {
        let failed = |cause: String| StoreError { place: place.to_owned(), cause };
        let url = Url::parse(place).map_err(|error| failed(error.to_string()))?;
        if let ("file", Ok(folder)) = (url.scheme(), url.to_file_path()) {
            std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
        }
        let (store, prefix) =
            parse_url_opts(&url, std::env::vars()).map_err(|error| failed(error.to_string()))?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { place: place.to_owned(), store, prefix, runtime })
    }

    /// The text of a name; `None` when there is none.
    pub(in crate::cli) fn get(&self, name: &str) -> Result<Option<String>, StoreError> {
        let path = self.path(name);
        let read = self.runtime.block_on(async { self.store.get(&path).await?.bytes().await });
        match read {
            Ok(bytes) => Ok(Some(String::from_utf8(bytes.to_vec()).unwrap_or_default())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(name, &error)),
        }
    }

    /// Writes a text under a name.
    pub(in crate::cli) fn put(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let payload = PutPayload::from(text.as_bytes().to_vec());
        let path = self.path(name);
        let put = self.runtime.block_on(self.store.put(&path, payload));
        put.map(|_| ()).map_err(|error| self.failed(name, &error))
    }

    fn path(&self, name: &str) -> Path {
        let mut path = self.prefix.clone();
        for part in name.split('/') {
            path = path.join(part);
        }
        path
    }

    fn failed(&self, name: &str, error: &object_store::Error) -> StoreError {
        StoreError { place: format!("{}/{name}", self.place), cause: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(objects: &Objects) {
        assert_eq!(objects.get("cells/00000/1.json").expect("it can be asked"), None);
        objects.put("cells/00000/1.json", "{}\n").expect("it can be written");
        objects.put("cells/00000/1.json", "{}\n").expect("it can be written again");
        let text = objects.get("cells/00000/1.json").expect("it can be asked");
        assert_eq!(text.as_deref(), Some("{}\n"));
    }

    #[test]
    fn memory_and_files_give_back_what_was_put() {
        round_trip(&Objects::open("memory:///").expect("it is a store"));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("file://{}/deep/er", folder.path().display());
        round_trip(&Objects::open(&url).expect("it is a store"));
        assert!(folder.path().join("deep/er/cells/00000/1.json").is_file());
    }

    #[test]
    fn what_is_no_store_says_so() {
        for wrong in ["ftp://a/b", "s4://x"] {
            assert!(Objects::open(wrong).is_err(), "{wrong}");
        }
    }
}
